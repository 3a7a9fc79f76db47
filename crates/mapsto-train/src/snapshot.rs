//! All that training changes, as one file: what an exact resume needs.

use mapsto_nn::{Averaged, LoadOptions, Module, Optimizer, StateDict, read_state, write_state};
use mapsto_tensor::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// Something that training changes, which shows all of its parts.
pub trait Stateful {
    /// Shows every part that a step depends on and that a step, or the end of an epoch, changes: each under a name of its
    /// own. One list serves to save and to restore.
    ///
    /// # Errors
    /// A part that cannot be saved, or that does not take what was saved.
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()>;
}

/// Values and texts by name: what a checkpoint file holds.
#[derive(Clone, Default)]
pub struct Snapshot {
    tensors: StateDict,
    texts: BTreeMap<String, String>,
}

impl Snapshot {
    /// Reads one from a file.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Snapshot> {
        let file = read_state(path)?;
        Ok(Snapshot { tensors: file.tensors, texts: file.metadata })
    }

    /// Writes it to a file: whole, or not at all.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_state(path, &self.tensors, &self.texts)
    }

    /// Takes what was saved below `prefix` out.
    fn below(&self, prefix: &str) -> StateDict {
        let own = |(name, value): (&String, &mapsto_tensor::Tensor)| {
            Some((name.strip_prefix(prefix)?.strip_prefix('/')?.to_string(), value.clone()))
        };
        self.tensors.iter().filter_map(own).collect()
    }

    fn put(&mut self, prefix: &str, values: StateDict) {
        self.tensors.extend(values.into_iter().map(|(name, value)| (format!("{prefix}/{name}"), value)));
    }

    pub(crate) fn text<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let text = self.texts.get(name).ok_or_else(|| Error::data(format!("the checkpoint has no {name:?}")))?;
        serde_json::from_str(text).map_err(|e| Error::data(format!("{name:?} of the checkpoint cannot be used: {e}")))
    }

    fn put_text(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|e| Error::data(format!("cannot save {name:?}: {e}")))?;
        self.texts.insert(name.to_string(), text);
        Ok(())
    }
}

/// What is done with the parts that a [`Stateful`] shows.
pub struct Parts<'a> {
    work: Work<'a>,
    prefix: String,
}

enum Work<'a> {
    Save(&'a mut Snapshot),
    Restore(&'a Snapshot),
    Models(&'a mut dyn FnMut(&str, &dyn Module)),
}

impl Parts<'_> {
    /// All parts of `state`, as they are now.
    ///
    /// # Errors
    /// A part that cannot be saved.
    pub fn save(state: &mut (impl Stateful + ?Sized)) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        state.visit(&mut Parts { work: Work::Save(&mut snapshot), prefix: String::new() })?;
        Ok(snapshot)
    }

    /// Makes all parts of `state` what they were.
    ///
    /// # Errors
    /// A part that is missing or does not fit.
    pub fn restore(state: &mut (impl Stateful + ?Sized), snapshot: &Snapshot) -> Result<()> {
        state.visit(&mut Parts { work: Work::Restore(snapshot), prefix: String::new() })
    }

    /// Calls `f` for every network among the parts of `state`.
    ///
    /// # Errors
    /// Those of `state`.
    pub fn models(state: &mut (impl Stateful + ?Sized), f: &mut dyn FnMut(&str, &dyn Module)) -> Result<()> {
        state.visit(&mut Parts { work: Work::Models(f), prefix: String::new() })
    }

    /// Parts inside a part.
    ///
    /// # Errors
    /// Those of the parts.
    pub fn inside(&mut self, name: &str, state: &mut (impl Stateful + ?Sized)) -> Result<()> {
        let prefix = self.path(name);
        let outside = std::mem::replace(&mut self.prefix, prefix);
        let done = state.visit(self);
        self.prefix = outside;
        done
    }

    /// A network: its parameters, buffers and random streams.
    ///
    /// # Errors
    /// A parameter without a value; saved ones of another network.
    pub fn model(&mut self, name: &str, model: &dyn Module) -> Result<()> {
        let (path, streams) = (self.path(name), self.path(&format!("{name}.random")));
        match &mut self.work {
            Work::Save(snapshot) => {
                snapshot.put(&path, model.state_dict()?);
                snapshot.put_text(&streams, &model.random_state())
            }
            Work::Restore(snapshot) => {
                model.load_state_dict(&snapshot.below(&path), &LoadOptions::strict())?;
                model.set_random_state(&snapshot.text(&streams)?)
            }
            Work::Models(f) => {
                f(&path, model);
                Ok(())
            }
        }
    }

    /// What an optimiser remembers of past steps. Its rates come from the schedule.
    ///
    /// # Errors
    /// What another optimiser remembered.
    pub fn optimizer(&mut self, name: &str, optimizer: &mut Optimizer) -> Result<()> {
        let path = self.path(name);
        match &mut self.work {
            Work::Save(snapshot) => snapshot.put(&path, optimizer.state_dict()?),
            Work::Restore(snapshot) => optimizer.load_state_dict(&snapshot.below(&path))?,
            Work::Models(_) => {}
        }
        Ok(())
    }

    /// Averages of a network's parameters.
    ///
    /// # Errors
    /// Averages of another network.
    pub fn average(&mut self, name: &str, average: &mut Averaged) -> Result<()> {
        let (path, count) = (self.path(name), self.path(&format!("{name}.count")));
        match &mut self.work {
            Work::Save(snapshot) => {
                snapshot.put(&path, average.state_dict());
                snapshot.put_text(&count, &average.count())?;
            }
            Work::Restore(snapshot) => match snapshot.text(&count)? {
                0 => {}
                count => average.load_state_dict(&snapshot.below(&path), count)?,
            },
            Work::Models(_) => {}
        }
        Ok(())
    }

    /// Tensors by name.
    pub fn tensors(&mut self, name: &str, values: &mut StateDict) {
        let path = self.path(name);
        match &mut self.work {
            Work::Save(snapshot) => snapshot.put(&path, values.clone()),
            Work::Restore(snapshot) => *values = snapshot.below(&path),
            Work::Models(_) => {}
        }
    }

    /// Any other value.
    ///
    /// # Errors
    /// A value that has no JSON form, or a saved one that is not of its type.
    pub fn value<T: Serialize + DeserializeOwned>(&mut self, name: &str, value: &mut T) -> Result<()> {
        let path = self.path(name);
        match &mut self.work {
            Work::Save(snapshot) => snapshot.put_text(&path, value)?,
            Work::Restore(snapshot) => *value = snapshot.text(&path)?,
            Work::Models(_) => {}
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}/{name}", self.prefix) }
    }
}
