//! All values of a network by name.

use crate::module::{Module, Node};
use crate::param::{Buffer, Param};
use mapsto_tensor::{DType, Error, Result, Shape, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::Location;

/// Values by full name.
pub type StateDict = BTreeMap<String, Tensor>;

/// How [`Module::load_state_dict`] takes values over.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Take over what fits and report the rest, instead of failing.
    pub partial: bool,
    /// Names given that begin with the first text begin with the second instead; the first rule that applies.
    pub rename: Vec<(String, String)>,
}

impl LoadOptions {
    /// Every name must be there, and no other.
    pub fn strict() -> LoadOptions {
        LoadOptions::default()
    }

    /// What fits is taken over, the rest is reported.
    pub fn partial() -> LoadOptions {
        LoadOptions { partial: true, ..LoadOptions::default() }
    }

    /// Adds a rule: names given that begin with `from` begin with `to` instead.
    pub fn rename(mut self, from: impl Into<String>, to: impl Into<String>) -> LoadOptions {
        self.rename.push((from.into(), to.into()));
        self
    }

    fn renamed(&self, name: &str) -> String {
        let apply = |(from, to): &(String, String)| name.strip_prefix(from.as_str()).map(|rest| format!("{to}{rest}"));
        self.rename.iter().find_map(apply).unwrap_or_else(|| name.to_string())
    }
}

/// What [`Module::load_state_dict`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names of the network whose values were taken over.
    pub matched: Vec<String>,
    /// Names of the network that were not given.
    pub missing: Vec<String>,
    /// Names given that are not the network's.
    pub unexpected: Vec<String>,
    /// Names whose shape or kind of numbers differs.
    pub mismatched: Vec<Mismatch>,
}

/// A value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Name in the network.
    pub name: String,
    /// The network's shape and type.
    pub wants: (DType, Shape),
    /// The given shape and type.
    pub given: (DType, Shape),
}

/// A place for a value.
enum Place {
    Param(Param),
    Buffer(Buffer),
}

impl Place {
    fn id(&self) -> usize {
        match self {
            Place::Param(param) => param.id(),
            Place::Buffer(buffer) => buffer.id(),
        }
    }

    fn get(&self) -> Result<Tensor> {
        match self {
            Place::Param(param) => param.get(),
            Place::Buffer(buffer) => buffer.get(),
        }
    }

    fn set(&self, value: &Tensor) -> Result<()> {
        match self {
            Place::Param(param) => param.set(&value.to_dtype(param.dtype())?),
            Place::Buffer(buffer) => buffer.set(&value.to_dtype(buffer.dtype())?),
        }
    }

    fn spec(&self) -> (DType, Shape) {
        match self {
            Place::Param(param) => (param.dtype(), *param.shape()),
            Place::Buffer(buffer) => (buffer.dtype(), *buffer.shape()),
        }
    }
}

fn places(module: &(impl Module + ?Sized)) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    module.walk(&mut |name, node| match node {
        Node::Param(param) => found.push((name.to_string(), Place::Param(param.clone()))),
        Node::Buffer(buffer) if buffer.is_persistent() => {
            found.push((name.to_string(), Place::Buffer(buffer.clone())));
        }
        _ => {}
    });
    found
}

#[track_caller]
pub(crate) fn save(module: &(impl Module + ?Sized)) -> Result<StateDict> {
    let at = Location::caller();
    let value = |(name, place): (String, Place)| match place.get() {
        Ok(value) => Ok((name, value.detach())),
        Err(e) => Err(e.as_of("state_dict", at).within(name)),
    };
    places(module).into_iter().map(value).collect()
}

#[track_caller]
pub(crate) fn load(module: &(impl Module + ?Sized), values: &StateDict, options: &LoadOptions) -> Result<LoadReport> {
    let at = Location::caller();
    let mut given: HashMap<String, &Tensor> = HashMap::new();
    for (name, value) in values {
        let name = options.renamed(name);
        if given.insert(name.clone(), value).is_some() {
            return Err(Error::argument(format!("two values are renamed to {name:?}")).op("load_state_dict").at(at));
        }
    }
    let places = places(module);
    let mut report = LoadReport::default();
    let mut fits = Vec::new();
    for (name, place) in &places {
        let Some(value) = given.remove(name) else {
            report.missing.push(name.clone());
            continue;
        };
        let wants = place.spec();
        if *value.shape() == wants.1 && value.dtype().is_float() == wants.0.is_float() {
            fits.push((name, place, value));
        } else {
            let given = (value.dtype(), *value.shape());
            report.mismatched.push(Mismatch { name: name.clone(), wants, given });
        }
    }
    // What modules share needs a value under one of its names only.
    let filled: HashSet<usize> = fits.iter().map(|(_, place, _)| place.id()).collect();
    let shared: HashMap<&String, usize> = places.iter().map(|(name, place)| (name, place.id())).collect();
    report.missing.retain(|name| shared.get(name).is_none_or(|id| !filled.contains(id)));
    report.unexpected = given.into_keys().collect();
    report.unexpected.sort_unstable();
    if !options.partial {
        check(&report).map_err(|e| e.op("load_state_dict").at(at))?;
    }
    for (name, place, value) in fits {
        place.set(value).map_err(|e| e.as_of("load_state_dict", at).within(name))?;
        report.matched.push(name.clone());
    }
    Ok(report)
}

/// Fails unless everything fitted.
fn check(report: &LoadReport) -> Result<()> {
    let mut complaints = Vec::new();
    for (what, names) in [("missing", &report.missing), ("unexpected", &report.unexpected)] {
        if !names.is_empty() {
            complaints.push(format!("{what}: {}", listed(names.iter().map(String::as_str))));
        }
    }
    if !report.mismatched.is_empty() {
        let one = |m: &Mismatch| format!("{} is {}{}, given {}{}", m.name, m.wants.0, m.wants.1, m.given.0, m.given.1);
        let all: Vec<String> = report.mismatched.iter().map(one).collect();
        complaints.push(format!("mismatched: {}", listed(all.iter().map(String::as_str))));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Error::data(complaints.join("; "))
        .mend("are these values of another network, or of other settings? LoadOptions::partial() loads what fits, .rename(from, to) renames"))
}

/// The first few of a list, and how many more there are.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 6;
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
