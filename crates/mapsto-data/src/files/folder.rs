//! Files with the names of their folders for classes.

use super::{FileError, FileKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// What a file is for.
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
    pub(super) fn of(name: &str) -> Option<Part> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Part::Train),
            "val" | "valid" | "validation" => Some(Part::Validation),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        }
    }
}

/// A file and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// Index of [`ClassFolder::classes`].
    pub class: usize,
    /// What it is for.
    pub part: Part,
}

/// Folders of files of a kind, one for each class; perhaps inside folders `train`, `validation` and `test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFolder<K> {
    /// Names of the classes, sorted.
    pub classes: Vec<String>,
    /// The files, sorted by part, class and path.
    pub items: Vec<Item>,
    /// Files that are of another kind by their names.
    pub others: Vec<PathBuf>,
    kind: PhantomData<K>,
}

impl<K: FileKind> ClassFolder<K> {
    /// Lists a folder; no file is opened.
    ///
    /// Folders that are called `train`, `val` (`valid`, `validation`) or `test` stand for parts if there is one for training and no
    /// other files of the kind in folders beside them; otherwise all are for training. Folders in a class's folder belong to the
    /// class. What begins with a dot is passed over.
    ///
    /// # Errors
    /// A folder that cannot be read or has no such files in folders; a class without any to train on.
    pub fn read(path: &Path) -> Result<ClassFolder<K>, FileError> {
        let named = folders(path)?.into_iter().map(|(name, folder)| (Part::of(&name), name, folder));
        let (parts, plain): (Vec<_>, Vec<_>) = named.partition(|(part, ..)| part.is_some());
        let mut found: Vec<(Part, String, PathBuf)> = Vec::new();
        let mut others = Vec::new();
        for (_, name, folder) in plain {
            files::<K>(&folder, &mut |path| found.push((Part::Train, name.clone(), path)), &mut others)?;
        }
        let has_parts = found.is_empty() && parts.iter().any(|(part, ..)| *part == Some(Part::Train));
        for (part, name, folder) in parts {
            match part.filter(|_| has_parts) {
                Some(part) => {
                    for (class, folder) in folders(&folder)? {
                        files::<K>(&folder, &mut |path| found.push((part, class.clone(), path)), &mut others)?;
                    }
                }
                None => files::<K>(&folder, &mut |path| found.push((Part::Train, name.clone(), path)), &mut others)?,
            }
        }
        if found.is_empty() {
            return Err(FileError::none::<K>(path));
        }
        ClassFolder::new(found, others, path)
    }

    /// The files with the names of their classes, sorted.
    pub(super) fn new(
        found: Vec<(Part, String, PathBuf)>,
        mut others: Vec<PathBuf>,
        source: &Path,
    ) -> Result<ClassFolder<K>, FileError> {
        let mut trained: BTreeMap<&str, bool> = BTreeMap::new();
        for (part, class, _) in &found {
            *trained.entry(class).or_default() |= *part == Part::Train;
        }
        if let Some((class, _)) = trained.iter().find(|(_, trained)| !**trained) {
            return Err(FileError::NotTrained { path: source.to_owned(), class: class.to_string(), kind: K::MANY });
        }
        let classes: Vec<String> = trained.into_keys().map(str::to_string).collect();
        let class = |name: &String| classes.binary_search(name).unwrap_or_default();
        let mut items: Vec<Item> =
            found.into_iter().map(|(part, name, path)| Item { class: class(&name), path, part }).collect();
        items.sort_by(|a, b| (a.part, a.class, &a.path).cmp(&(b.part, b.class, &b.path)));
        others.sort();
        Ok(ClassFolder { classes, items, others, kind: PhantomData })
    }

    /// All files of the kind in a folder and the folders in it, sorted, whatever their classes.
    ///
    /// # Errors
    /// A folder that cannot be read, or has none.
    pub fn list(path: &Path) -> Result<Vec<PathBuf>, FileError> {
        let mut found = Vec::new();
        files::<K>(path, &mut |path| found.push(path), &mut Vec::new())?;
        if found.is_empty() {
            return Err(FileError::none::<K>(path));
        }
        found.sort();
        Ok(found)
    }
}

/// What is in a folder and does not begin with a dot: names and paths.
fn entries(path: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let io = |source| FileError::Io { path: path.to_owned(), source };
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

fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    Ok(entries(path)?.into_iter().filter(|(_, path)| path.is_dir()).collect())
}

/// The files under a folder: those of the kind, and others.
fn files<K: FileKind>(
    path: &Path,
    found: &mut impl FnMut(PathBuf),
    others: &mut Vec<PathBuf>,
) -> Result<(), FileError> {
    let mut left = vec![path.to_owned()];
    while let Some(folder) = left.pop() {
        for (_, path) in entries(&folder)? {
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            // A link to a folder could lead back here.
            if path.is_dir() {
                if !path.is_symlink() {
                    left.push(path);
                }
            } else if K::EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)) {
                found(path);
            } else {
                others.push(path);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ImageFolder;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, b"").expect("a file");
        }
        folder
    }

    fn read(files: &[&str]) -> (Vec<String>, Vec<(Part, usize, String)>) {
        let root = folder(files);
        let found = ImageFolder::read(root.path()).unwrap();
        let name = |path: &Path| path.strip_prefix(root.path()).expect("inside").to_string_lossy().replace('\\', "/");
        (found.classes, found.items.iter().map(|item| (item.part, item.class, name(&item.path))).collect())
    }

    #[test]
    fn folders_are_classes() {
        let (classes, items) =
            read(&["dog/1.PNG", "cat/b/2.jpeg", "cat/a.webp", "cat/notes.txt", ".git/x.png", "top.png"]);
        assert_eq!(classes, ["cat", "dog"]);
        let train = |class, name: &str| (Part::Train, class, name.to_string());
        assert_eq!(items, [train(0, "cat/a.webp"), train(0, "cat/b/2.jpeg"), train(1, "dog/1.PNG")]);
        // With a third folder beside them, `train` and `test` are classes.
        assert_eq!(read(&["train/1.png", "test/2.png", "plane/3.png"]).0, ["plane", "test", "train"]);
        // A folder without pictures is no third one.
        assert_eq!(read(&["train/a/1.png", "test/a/2.png", "notes/3.txt"]).0, ["a"]);
        // So they are where there is none to train on.
        assert_eq!(read(&["val/1.png", "test/2.png"]).0, ["test", "val"]);
    }

    #[test]
    fn parts_are_kept_apart() {
        let (classes, items) = read(&["test/a/1.png", "train/a/2.png", "train/b/3.png", "Val/b/4.png"]);
        assert_eq!(classes, ["a", "b"]);
        let of = |part, class, name: &str| (part, class, name.to_string());
        let (train, val, test) = (Part::Train, Part::Validation, Part::Test);
        assert_eq!(
            items,
            [
                of(train, 0, "train/a/2.png"),
                of(train, 1, "train/b/3.png"),
                of(val, 1, "Val/b/4.png"),
                of(test, 0, "test/a/1.png")
            ]
        );
    }

    #[test]
    fn what_has_no_pictures_is_refused() {
        let said = |files: &[&str]| ImageFolder::read(folder(files).path()).unwrap_err().to_string();
        assert!(
            said(&["a.png"])
                .contains("has no pictures in folders: put those of each class into a folder of its own (png")
        );
        assert!(said(&["a/x.txt"]).contains("has no pictures in folders"));
        assert!(said(&["train/a/1.png", "test/b/1.png"]).ends_with("class \"b\" has no pictures to train on"));
        let missing = ImageFolder::read(Path::new("no/such")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read no/such: "), "{missing}");
    }
}
