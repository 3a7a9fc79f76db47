//! Checkpoints of PyTorch, read without running anything in them.

mod container;
mod error;
mod views;

pub use error::TorchError;

use crate::FormatError;
use crate::error::open;
use crate::pickle::{Id, Node, Pickle};
use container::Container;
use mapsto_nn::StateDict;
use mapsto_tensor::Tensor;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;
use views::Views;

/// Keys under which checkpoints keep the state dict of a model, the likeliest first.
const LIKELY: &[&str] = &[
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "params",
    "weights",
    "module",
    "ema",
    "params_ema",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
];
/// What wrappers put before every name: `DataParallel`, `torch.compile`.
const WRAPPERS: &[&str] = &["module.", "_orig_mod."];
/// Containers in containers, at most.
const MOST_DEPTH: usize = 64;
/// Entries of all containers, at most.
const MOST_ENTRIES: usize = 1 << 20;
/// Bytes of all names, at most.
const MOST_NAMES: usize = 1 << 25;

/// What a checkpoint holds: dicts of tensors.
#[derive(Debug)]
pub struct TorchFile {
    dicts: BTreeMap<String, Dict>,
}

#[derive(Debug, Default)]
struct Dict {
    tensors: StateDict,
    /// It holds something that is no tensor.
    mixed: bool,
    /// It is, or is inside, an entry without a name: an optimiser's state of a parameter.
    numbered: bool,
}

/// The values of a network, and where in the checkpoint they were.
#[derive(Clone, Debug)]
pub struct TorchState {
    /// The name of the dict; empty where it is the whole checkpoint.
    pub name: String,
    /// What stood before every name and was taken away.
    pub stripped: String,
    /// Values by name.
    pub tensors: StateDict,
}

/// Reads what `torch.save` wrote, in the archive format (since PyTorch 1.6) or the one before.
///
/// Tensors of all lengths and strides are read; those that shared memory do so again. `int16` and `uint16` become `i32`, `uint32`
/// becomes `i64`. Integers, floats and texts beside the tensors are left out.
///
/// Nothing in the file is run: it may name PyTorch's tensors, storages and element types, `OrderedDict` and a few harmless
/// things, and any other name is an error.
///
/// # Errors
/// A file that cannot be read, is none of `torch.save`, is damaged, holds a whole module or other objects, or numbers of a
/// type that tensors do not have.
pub fn read_torch(path: impl AsRef<Path>) -> Result<TorchFile, FormatError> {
    let path = path.as_ref();
    TorchFile::from_reader(open(path)?).map_err(|why| FormatError::Torch { path: path.to_owned(), why })
}

impl TorchFile {
    /// As [`read_torch`], from anything that is read and sought in.
    ///
    /// # Errors
    /// Those of [`read_torch`].
    pub fn from_reader(from: impl Read + Seek) -> Result<TorchFile, TorchError> {
        let mut views = Views::of(Container::open(from)?);
        let found = found(&views.container().pickle)?;
        let mut made: Vec<Option<Tensor>> = vec![None; views.container().pickle.tensors.len()];
        let mut dicts = BTreeMap::new();
        for (name, Found { tensors, mixed, numbered }) in found {
            let mut dict = Dict { mixed, numbered, ..Dict::default() };
            for (key, index) in tensors {
                let tensor = match &made[index as usize] {
                    Some(tensor) => tensor.clone(),
                    None => views.tensor(&joined(&name, &key), index)?,
                };
                made[index as usize] = Some(tensor.clone());
                dict.tensors.insert(key, tensor);
            }
            dicts.insert(name, dict);
        }
        Ok(TorchFile { dicts })
    }

    /// Every dict or list that holds tensors, by the keys that lead to it, with points between: `""` is the whole checkpoint,
    /// `"optimizer.state.0"` what an optimiser remembers of the first parameter. Items of lists have their numbers for names; a
    /// checkpoint that is a tensor has the name `0`.
    pub fn dicts(&self) -> impl Iterator<Item = (&str, &StateDict)> {
        self.dicts.iter().map(|(name, dict)| (name.as_str(), &dict.tensors))
    }

    /// The state dict that is most likely meant: the whole checkpoint where it is one; else the one under the first of the
    /// customary keys `state_dict`, `model_state_dict`, `model_state`, `model`, `net`, `network`, `params`, `weights`, `module`, `ema` and
    /// the like; else the longest. [`TorchState::name`] tells which.
    ///
    /// Where all names begin with `module.` (`DataParallel`) or `_orig_mod.` (`torch.compile`), these beginnings are taken away
    /// ([`TorchState::stripped`]).
    ///
    /// # Errors
    /// A checkpoint without tensors, or with several longest dicts.
    pub fn state_dict(&self) -> Result<TorchState, TorchError> {
        if let Some(whole) = self.dicts.get("").filter(|whole| !whole.mixed) {
            return Ok(TorchState::of("", &whole.tensors));
        }
        let named = || self.dicts.iter().filter(|(name, dict)| !dict.numbered && !name.is_empty());
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_string();
        let likely = LIKELY.iter().find_map(|&key| named().find(|(name, _)| last(name) == key));
        if let Some((name, dict)) = likely {
            return Ok(TorchState::of(name, &dict.tensors));
        }
        let most = named().map(|(_, dict)| dict.tensors.len()).max();
        let longest: Vec<_> = named().filter(|(_, dict)| Some(dict.tensors.len()) == most).collect();
        match (&longest[..], self.dicts.get("")) {
            ([(name, dict)], _) => Ok(TorchState::of(name, &dict.tensors)),
            ([], Some(whole)) => Ok(TorchState::of("", &whole.tensors)),
            ([], None) => Err(TorchError::Nothing),
            (several, _) => Err(TorchError::Several(several.iter().map(|(name, _)| name.to_string()).collect())),
        }
    }

    /// The state dict of this name, one of [`TorchFile::dicts`], without `module.` as in [`TorchFile::state_dict`].
    ///
    /// # Errors
    /// There is no such dict.
    pub fn state_dict_in(&self, name: &str) -> Result<TorchState, TorchError> {
        let unknown = || TorchError::NoDict { name: name.into(), known: self.dicts.keys().cloned().collect() };
        self.dicts.get(name).map(|dict| TorchState::of(name, &dict.tensors)).ok_or_else(unknown)
    }
}

impl TorchState {
    fn of(name: &str, tensors: &StateDict) -> TorchState {
        let mut state = TorchState { name: name.into(), stripped: String::new(), tensors: tensors.clone() };
        while let Some(prefix) = WRAPPERS
            .iter()
            .find(|&&prefix| state.tensors.keys().all(|name| name.len() > prefix.len() && name.starts_with(prefix)))
        {
            if state.tensors.is_empty() {
                break;
            }
            state.stripped.push_str(prefix);
            let short = |(name, tensor): (String, Tensor)| (name[prefix.len()..].to_string(), tensor);
            state.tensors = state.tensors.into_iter().map(short).collect();
        }
        state
    }
}

/// A dict's tensors, by their index in the pickle.
#[derive(Default)]
struct Found {
    tensors: Vec<(String, u32)>,
    mixed: bool,
    numbered: bool,
}

/// Walks containers, which may contain themselves.
fn found(pickle: &Pickle) -> Result<BTreeMap<String, Found>, TorchError> {
    let mut dicts = BTreeMap::new();
    if let &Node::Tensor(index) = pickle.root() {
        let found = Found { tensors: vec![("0".into(), index)], ..Found::default() };
        dicts.insert(String::new(), found);
    }
    let mut open = vec![(pickle.root, String::new(), 0, false)];
    let (mut entries, mut bytes) = (0, 0);
    while let Some((id, name, depth, numbered)) = open.pop() {
        if depth > MOST_DEPTH {
            return Err(TorchError::Endless { most: MOST_DEPTH, what: "containers inside each other" });
        }
        let items: Vec<(Option<Key>, Id)> = match pickle.node(id) {
            Node::Dict(pairs) => pairs.iter().map(|&(key, value)| (Key::of(pickle.node(key)), value)).collect(),
            Node::List(items) | Node::Tuple(items) => {
                items.iter().enumerate().map(|(i, &item)| (Some(Key::Number(i as i128)), item)).collect()
            }
            _ => continue,
        };
        entries += items.len();
        if entries > MOST_ENTRIES {
            return Err(TorchError::Endless { most: MOST_ENTRIES, what: "entries" });
        }
        let mut here = Found { numbered, ..Found::default() };
        for (key, value) in items {
            let Some(key) = key else {
                here.mixed = true;
                continue;
            };
            let (text, number) = match key {
                Key::Text(text) => (text.to_string(), false),
                Key::Number(number) => (number.to_string(), true),
            };
            bytes += text.len() + name.len();
            if bytes > MOST_NAMES {
                return Err(TorchError::Endless { most: MOST_NAMES, what: "bytes of names" });
            }
            match pickle.node(value) {
                &Node::Tensor(index) => here.tensors.push((text, index)),
                Node::Dict(_) | Node::List(_) | Node::Tuple(_) => {
                    here.mixed = true;
                    open.push((value, joined(&name, &text), depth + 1, numbered || number));
                }
                _ => here.mixed = true,
            }
        }
        if !here.tensors.is_empty() && dicts.contains_key(&name) {
            return Err(TorchError::Twice(name));
        }
        if !here.tensors.is_empty() {
            dicts.insert(name, here);
        }
    }
    Ok(dicts)
}

enum Key<'a> {
    Text(&'a str),
    Number(i128),
}

impl Key<'_> {
    fn of(node: &Node) -> Option<Key<'_>> {
        match node {
            Node::Text(text) => Some(Key::Text(text)),
            &Node::Int(number) => Some(Key::Number(number)),
            _ => None,
        }
    }
}

fn joined(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_string() } else { format!("{name}.{key}") }
}
