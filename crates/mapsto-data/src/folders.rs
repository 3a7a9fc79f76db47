//! Files with the names of their folders for classes.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What an example is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To learn from.
    Train,
    /// To choose by while learning.
    Validation,
    /// To be tested on.
    Test,
}

impl Part {
    /// The part that is called so.
    pub(crate) fn of(name: &str) -> Option<Part> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Part::Train),
            "val" | "valid" | "validation" => Some(Part::Validation),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        }
    }
}

/// A file or folder that the system did not let read.
pub(crate) struct Unreadable {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Files that have been found.
pub(crate) struct Found {
    /// Those that were looked for: part, class and file.
    pub files: Vec<(Part, String, PathBuf)>,
    /// All others, sorted.
    pub others: Vec<PathBuf>,
}

/// The files with these extensions, in any case, in folders that name their classes. No file is opened.
///
/// Folders that are called `train`, `val` (`valid`, `validation`) or `test` stand for parts if there is one for training and no
/// other such files beside them; otherwise all are for training. Folders in a class's folder belong to the class. What begins
/// with a dot is passed over.
pub(crate) fn labelled(path: &Path, extensions: &[&str]) -> Result<Found, Unreadable> {
    let named = folders(path)?.into_iter().map(|(name, folder)| (Part::of(&name), name, folder));
    let (parts, plain): (Vec<_>, Vec<_>) = named.partition(|(part, ..)| part.is_some());
    let (mut found, mut others) = (Vec::new(), Vec::new());
    let mut take = |part: Part, class: String, folder: &Path| -> Result<usize, Unreadable> {
        let files = files(folder, extensions, &mut others)?;
        found.extend(files.into_iter().map(|path| (part, class.clone(), path)));
        Ok(found.len())
    };
    let mut beside = 0;
    for (_, name, folder) in plain {
        beside = take(Part::Train, name, &folder)?;
    }
    let has_parts = beside == 0 && parts.iter().any(|(part, ..)| *part == Some(Part::Train));
    for (part, name, folder) in parts {
        match part.filter(|_| has_parts) {
            Some(part) => {
                for (class, folder) in folders(&folder)? {
                    take(part, class, &folder)?;
                }
            }
            None => _ = take(Part::Train, name, &folder)?,
        }
    }
    others.sort();
    Ok(Found { files: found, others })
}

/// All files with these extensions in a folder and the folders in it, sorted.
pub(crate) fn listed(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, Unreadable> {
    let mut found = files(path, extensions, &mut Vec::new())?;
    found.sort();
    Ok(found)
}

/// The classes of labels, sorted, and which of them each label is. Fails with a class that has none to train on.
pub(crate) fn classes<'a>(
    labels: impl Iterator<Item = (Part, &'a str)> + Clone,
) -> Result<(Vec<String>, Vec<usize>), String> {
    let mut trained: BTreeMap<&str, bool> = BTreeMap::new();
    for (part, class) in labels.clone() {
        *trained.entry(class).or_default() |= part == Part::Train;
    }
    if let Some((class, _)) = trained.iter().find(|(_, trained)| !**trained) {
        return Err(class.to_string());
    }
    let classes: Vec<String> = trained.into_keys().map(str::to_string).collect();
    let class = |(_, name): (Part, &str)| classes.partition_point(|class| class.as_str() < name);
    let places = labels.map(class).collect();
    Ok((classes, places))
}

/// What is in a folder and does not begin with a dot: names and paths.
fn entries(path: &Path) -> Result<Vec<(String, PathBuf)>, Unreadable> {
    let io = |source| Unreadable { path: path.to_owned(), source };
    let mut all = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            all.push((name, entry.path()));
        }
    }
    all.sort();
    Ok(all)
}

fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, Unreadable> {
    Ok(entries(path)?.into_iter().filter(|(_, path)| path.is_dir()).collect())
}

/// The files under a folder: those with these extensions, and others.
fn files(path: &Path, extensions: &[&str], others: &mut Vec<PathBuf>) -> Result<Vec<PathBuf>, Unreadable> {
    let (mut found, mut left) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = left.pop() {
        for (_, path) in entries(&folder)? {
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            // A link to a folder could lead back here.
            if path.is_dir() {
                if !path.is_symlink() {
                    left.push(path);
                }
            } else if extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)) {
                found.push(path);
            } else {
                others.push(path);
            }
        }
    }
    Ok(found)
}
