//! What a folder of pictures holds, and what looks wrong in it.

use super::{Channels, ImageError, ImageFolder, Picture};
use crate::files::{Balance, Part, Repeat, hash, look};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a folder of pictures holds.
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
    /// A file that is no whole picture.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The same file in several classes.
    SeveralClasses {
        /// The first of the files.
        path: PathBuf,
        /// Another one, of another class.
        other: PathBuf,
    },
    /// A file to test on that is also learned from.
    Leak {
        /// The file to learn from.
        path: PathBuf,
        /// The same to choose by or to test on.
        other: PathBuf,
    },
    /// Files that repeat others of their class and part.
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
            ImageFinding::Corrupt { path, why } => write!(f, "{} is no whole picture: {why}", path.display()),
            ImageFinding::SeveralClasses { path, other } => {
                write!(f, "{} and {} are the same picture in two classes", path.display(), other.display())
            }
            ImageFinding::Leak { path, other } => {
                write!(f, "{} is learned from and tested on: {} is the same", path.display(), other.display())
            }
            ImageFinding::Duplicates { pictures: 1 } => write!(f, "1 picture repeats another of its class"),
            ImageFinding::Duplicates { pictures } => write!(f, "{pictures} pictures repeat others of their class"),
            ImageFinding::OneClass => write!(f, "there is one class: nothing to tell apart"),
            ImageFinding::Imbalance { rarest, pictures, commonest, most } => {
                write!(f, "classes are out of balance: {pictures} pictures of {rarest:?}, {most} of {commonest:?}")
            }
        }
    }
}

/// What one file is.
struct Looked {
    size: Result<[usize; 2], String>,
    /// Of its bytes.
    hash: u64,
}

impl ImageFolder {
    /// Opens every picture, on all cores, and tells what there is and what looks wrong.
    pub fn inspect(&self) -> ImageInspection {
        let looked = look(&self.items, |path| Looked { size: size(path), hash: hash(path) });
        let mut findings = Vec::new();
        let mut sizes: Option<[[usize; 2]; 2]> = None;
        for (item, looked) in self.items.iter().zip(&looked) {
            match &looked.size {
                Ok([height, width]) => {
                    let [h, w] = sizes.get_or_insert([[*height; 2], [*width; 2]]);
                    *h = [h[0].min(*height), h[1].max(*height)];
                    *w = [w[0].min(*width), w[1].max(*width)];
                }
                Err(why) => findings.push(ImageFinding::Corrupt { path: item.path.clone(), why: why.clone() }),
            }
        }
        let (repeats, pictures) = self.repeated(looked.iter().map(|looked| looked.size.is_ok().then_some(looked.hash)));
        findings.extend(repeats.into_iter().map(|repeat| match repeat {
            Repeat::SeveralClasses { path, other } => ImageFinding::SeveralClasses { path, other },
            Repeat::Leak { path, other } => ImageFinding::Leak { path, other },
        }));
        findings.extend((pictures > 0).then_some(ImageFinding::Duplicates { pictures }));
        findings.extend(self.unbalanced().map(|balance| match balance {
            Balance::OneClass => ImageFinding::OneClass,
            Balance::Imbalance { rarest, least, commonest, most } => {
                ImageFinding::Imbalance { rarest, pictures: least, commonest, most }
            }
        }));
        let (pictures, others) = (self.items.len(), self.others.len());
        let [height, width] = [0, 1].map(|axis| sizes.map(|sizes| sizes[axis]));
        ImageInspection { pictures, classes: self.count(), height, width, others, findings }
    }
}

fn size(path: &Path) -> Result<[usize; 2], String> {
    match Picture::read(path, Channels::Rgb) {
        Ok(picture) => Ok([picture.height, picture.width]),
        Err(ImageError::Picture { why, .. }) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};
    use std::fs;

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
        let path = |name: &str| root.path().join(name);
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
