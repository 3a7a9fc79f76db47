//! Files with the names of their folders for classes.

use super::{FileError, FileKind};
use crate::folders::{self, Found, Part};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

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
        let Found { files, others } = folders::labelled(path, K::EXTENSIONS)?;
        if files.is_empty() {
            return Err(FileError::none::<K>(path));
        }
        ClassFolder::new(files, others, path)
    }

    /// Of parts, classes and files that a folder or table tells.
    pub(super) fn new(
        files: Vec<(Part, String, PathBuf)>,
        others: Vec<PathBuf>,
        source: &Path,
    ) -> Result<ClassFolder<K>, FileError> {
        let labels = files.iter().map(|(part, class, _)| (*part, class.as_str()));
        let not_trained = |class| FileError::NotTrained { path: source.to_owned(), class, kind: K::MANY };
        let (classes, places) = folders::classes(labels).map_err(not_trained)?;
        let item = |((part, _, path), class)| Item { path, class, part };
        let mut items: Vec<Item> = files.into_iter().zip(places).map(item).collect();
        items.sort_by(|a, b| (a.part, a.class, &a.path).cmp(&(b.part, b.class, &b.path)));
        Ok(ClassFolder { classes, items, others, kind: PhantomData })
    }

    /// All files of the kind in a folder and the folders in it, sorted, whatever their classes.
    ///
    /// # Errors
    /// A folder that cannot be read, or has none.
    pub fn list(path: &Path) -> Result<Vec<PathBuf>, FileError> {
        let found = folders::listed(path, K::EXTENSIONS)?;
        if found.is_empty() { Err(FileError::none::<K>(path)) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ImageFolder;
    use std::fs;

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
