//! What pictures there are, and what looks wrong in them.

use super::arrays::{self, Arrays};
use super::{Channels, ImageError, ImageFolder, Picture, Pictures, numpy};
use crate::files::{Balance, ListColumns, Listed, Part, Repeat, hash, lists, repeated, same, unbalanced};
use crate::parallel::in_parallel;
use crate::printable::printable;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// What a folder, a list or an archive of pictures holds.
#[derive(Clone, Debug, Serialize)]
pub struct ImageInspection {
    /// Number of pictures.
    pub pictures: usize,
    /// Pictures of each class in each part.
    pub classes: BTreeMap<String, BTreeMap<Part, usize>>,
    /// Least and greatest height.
    pub height: Option<[usize; 2]>,
    /// Least and greatest width.
    pub width: Option<[usize; 2]>,
    /// Files that are no pictures by their names.
    pub others: usize,
    /// What looks wrong.
    pub findings: Vec<ImageFinding>,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageFinding {
    /// A line of a list that is no picture to learn from.
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A class of a list that is not where a network learns.
    NotTrained {
        /// The class.
        class: String,
    },
    /// A file that is no whole picture.
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The same picture in several classes.
    SeveralClasses {
        /// The first of them: its file, or its number in an archive.
        path: String,
        /// Another one, of another class.
        other: String,
    },
    /// A picture to test on that is also learned from.
    Leak {
        /// The one to learn from.
        path: String,
        /// The same to choose by or to test on.
        other: String,
    },
    /// Pictures that repeat others of their class and part.
    Duplicates {
        /// How many.
        pictures: usize,
    },
    /// There is one class.
    OneClass,
    /// Classes of very different sizes.
    Imbalance {
        /// The rarest class.
        rarest: String,
        /// Its pictures to learn from.
        pictures: usize,
        /// The commonest class.
        commonest: String,
        /// Its pictures to learn from.
        most: usize,
    },
}

impl fmt::Display for ImageFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageFinding::Line { line, what } => write!(f, "line {line}: {}", printable(what)),
            ImageFinding::NotTrained { class } => write!(f, "class {class:?} has no pictures to train on"),
            ImageFinding::Corrupt { path, why } => write!(f, "{} is no whole picture: {why}", printable(path)),
            ImageFinding::SeveralClasses { path, other } => {
                write!(f, "{} and {} are the same picture in two classes", printable(path), printable(other))
            }
            ImageFinding::Leak { path, other } => {
                write!(f, "{} is learned from and tested on: {} is the same", printable(path), printable(other))
            }
            ImageFinding::Duplicates { pictures: 1 } => write!(f, "1 picture repeats another of its class"),
            ImageFinding::Duplicates { pictures } => write!(f, "{pictures} pictures repeat others of their class"),
            ImageFinding::OneClass => write!(f, "there is one class: nothing to tell apart"),
            ImageFinding::Imbalance { rarest, pictures, commonest, most } => {
                let noun = if *pictures == 1 { "picture" } else { "pictures" };
                write!(f, "classes are out of balance: {pictures} {noun} of {rarest:?}, {most} of {commonest:?}")
            }
        }
    }
}

/// What one picture is.
#[derive(Clone)]
struct Looked {
    size: Result<[usize; 2], String>,
    /// Of its bytes.
    hash: u64,
}

/// Pictures that can be looked at, by index.
trait Looking: Sync {
    /// Names of the classes.
    fn classes(&self) -> &[String];

    /// The class and part of each.
    fn items(&self) -> Vec<(usize, Part)>;

    /// What one is called.
    fn name(&self, index: usize) -> String;

    fn look(&self, index: usize) -> Looked;

    /// Whether two are the same, byte for byte.
    fn same(&self, a: usize, b: usize) -> bool;
}

impl ImageInspection {
    /// Tells what pictures there are at a path, and what looks wrong in them: of all that [`crate::ImageSet::open`] takes. There are
    /// none in an archive of other arrays and in a table that lists no pictures, however their names may end.
    ///
    /// The faults of a list are findings, and the other lines are looked at.
    ///
    /// # Errors
    /// Those of the readers.
    pub fn of(path: &Path) -> Result<Option<ImageInspection>, ImageError> {
        let in_memory = |arrays: Arrays| {
            let classes = arrays.classes();
            inspect(&InMemory { path, classes, arrays })
        };
        if numpy::is_archive(path) {
            return Ok(numpy::read_pictures(path)?.map(in_memory));
        }
        if path.is_dir() {
            return match arrays::read(path)? {
                Some(arrays) => Ok(Some(in_memory(arrays))),
                None => Ok(Some(ImageFolder::read(path)?.inspect())),
            };
        }
        // What flows can be read once, by the reader of tables.
        if !path.is_file() {
            return Ok(None);
        }
        if !lists::<Pictures>(path) {
            // Paths may have any names, where they lead to files.
            return Ok(ImageFolder::read_list(path, &ListColumns::default()).ok().map(|folder| folder.inspect()));
        }
        let Listed::<Pictures> { folder, faults, untrained } = Listed::read(path, &ListColumns::default())?;
        let mut found = folder.inspect();
        let faults = faults.into_iter().map(|fault| ImageFinding::Line { line: fault.line, what: fault.what });
        let untrained = untrained.into_iter().map(|class| ImageFinding::NotTrained { class });
        found.findings.splice(0..0, faults.chain(untrained));
        Ok(Some(found))
    }
}

impl ImageFolder {
    /// Opens every picture, on all cores, and tells what there is and what looks wrong.
    pub fn inspect(&self) -> ImageInspection {
        ImageInspection { others: self.others.len(), ..inspect(self) }
    }
}

impl Looking for ImageFolder {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn items(&self) -> Vec<(usize, Part)> {
        self.items.iter().map(|item| (item.class, item.part)).collect()
    }

    fn name(&self, index: usize) -> String {
        self.items[index].path.display().to_string()
    }

    fn look(&self, index: usize) -> Looked {
        let path = &self.items[index].path;
        let size = match Picture::read(path, Channels::Rgb) {
            Ok(picture) => Ok([picture.height, picture.width]),
            Err(ImageError::Picture { why, .. }) => Err(why),
            Err(error) => Err(error.to_string()),
        };
        Looked { size, hash: hash(&fs::read(path).unwrap_or_default()) }
    }

    fn same(&self, a: usize, b: usize) -> bool {
        same(&self.items[a].path, &self.items[b].path)
    }
}

/// Pictures of an archive.
struct InMemory<'a> {
    path: &'a Path,
    classes: Vec<String>,
    arrays: Arrays,
}

impl Looking for InMemory<'_> {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn items(&self) -> Vec<(usize, Part)> {
        self.arrays.items.clone()
    }

    fn name(&self, index: usize) -> String {
        arrays::name(self.path, index)
    }

    fn look(&self, index: usize) -> Looked {
        Looked { size: Ok([self.arrays.height, self.arrays.width]), hash: hash(self.arrays.picture(index)) }
    }

    fn same(&self, a: usize, b: usize) -> bool {
        self.arrays.picture(a) == self.arrays.picture(b)
    }
}

/// Looks at all pictures.
fn inspect(of: &impl Looking) -> ImageInspection {
    let items = of.items();
    let looked = in_parallel((0..items.len()).collect(), |index| of.look(index));
    let mut findings = Vec::new();
    // Archives number their classes: there may be none of a number.
    let mut classes: BTreeMap<String, BTreeMap<Part, usize>> =
        of.classes().iter().map(|name| (name.clone(), BTreeMap::new())).collect();
    let mut sizes: Option<[[usize; 2]; 2]> = None;
    for (index, ((class, part), looked)) in items.iter().zip(&looked).enumerate() {
        *classes.entry(of.classes()[*class].clone()).or_default().entry(*part).or_default() += 1;
        match &looked.size {
            Ok([height, width]) => {
                let [h, w] = sizes.get_or_insert([[*height; 2], [*width; 2]]);
                *h = [h[0].min(*height), h[1].max(*height)];
                *w = [w[0].min(*width), w[1].max(*width)];
            }
            Err(why) => findings.push(ImageFinding::Corrupt { path: of.name(index), why: why.clone() }),
        }
    }
    let hashes = looked.iter().map(|looked| looked.size.is_ok().then_some(looked.hash));
    let (repeats, pictures) = repeated(&items, hashes, |a, b| of.same(a, b));
    findings.extend(repeats.into_iter().map(|repeat| match repeat {
        Repeat::SeveralClasses(a, b) => ImageFinding::SeveralClasses { path: of.name(a), other: of.name(b) },
        Repeat::Leak(a, b) => ImageFinding::Leak { path: of.name(a), other: of.name(b) },
    }));
    findings.extend((pictures > 0).then_some(ImageFinding::Duplicates { pictures }));
    findings.extend(unbalanced(&classes).map(|balance| match balance {
        Balance::OneClass => ImageFinding::OneClass,
        Balance::Imbalance { rarest, least, commonest, most } => {
            ImageFinding::Imbalance { rarest, pictures: least, commonest, most }
        }
    }));
    let [height, width] = [0, 1].map(|axis| sizes.map(|sizes| sizes[axis]));
    ImageInspection { pictures: items.len(), classes, height, width, others: 0, findings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    #[test]
    fn what_looks_wrong_is_found() {
        let root = tempfile::tempdir().expect("a folder");
        let put = |name: &str, shade: u8, width: u32| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            GrayImage::from_pixel(width, 4, Luma([shade])).save(&path).expect("a file");
            path
        };
        for i in 0..10 {
            put(&format!("train/cat/{i}.png"), i, 5);
        }
        put("train/cat/again.png", 3, 5);
        let (dog, cat) = (put("train/dog/x.png", 4, 5), put("test/cat/y.png", 5, 5));
        put("train/cat/wide.png", 77, 9);
        fs::write(root.path().join("train/cat/bad.png"), b"?").expect("a file");
        let path = |name: &str| root.path().join(name).display().to_string();
        let [dog, cat] = [dog, cat].map(|path| path.display().to_string());
        let found = ImageFolder::read(root.path()).unwrap().inspect();
        assert_eq!((found.pictures, found.height, found.width), (15, Some([4, 4]), Some([5, 9])));
        assert_eq!(found.classes["cat"], BTreeMap::from([(Part::Train, 13), (Part::Test, 1)]));
        let [ImageFinding::Corrupt { path: bad, .. }, rest @ ..] = &found.findings[..] else { panic!("{found:?}") };
        assert_eq!(bad, &path("train/cat/bad.png"));
        let expected = [
            ImageFinding::SeveralClasses { path: path("train/cat/4.png"), other: dog },
            ImageFinding::Leak { path: path("train/cat/5.png"), other: cat },
            ImageFinding::Duplicates { pictures: 1 },
            ImageFinding::Imbalance { rarest: "dog".into(), pictures: 1, commonest: "cat".into(), most: 13 },
        ];
        assert_eq!(rest, expected);
    }
}
