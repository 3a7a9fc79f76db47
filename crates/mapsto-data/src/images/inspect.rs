//! What a folder of pictures holds, and what looks wrong in it.

use super::{Channels, ImageError, ImageFolder, Part, Picture};
use crate::IMBALANCE;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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
        let looked = self.look();
        let mut findings = Vec::new();
        let mut classes: BTreeMap<String, BTreeMap<Part, usize>> = BTreeMap::new();
        let mut sizes: Option<[[usize; 2]; 2]> = None;
        for (item, looked) in self.items.iter().zip(&looked) {
            *classes.entry(self.classes[item.class].clone()).or_default().entry(item.part).or_default() += 1;
            match &looked.size {
                Ok([height, width]) => {
                    let [h, w] = sizes.get_or_insert([[*height; 2], [*width; 2]]);
                    *h = [h[0].min(*height), h[1].max(*height)];
                    *w = [w[0].min(*width), w[1].max(*width)];
                }
                Err(why) => findings.push(ImageFinding::Corrupt { path: item.path.clone(), why: why.clone() }),
            }
        }
        findings.extend(self.repeated(&looked));
        findings.extend(self.unbalanced(&classes));
        let (pictures, others) = (self.items.len(), self.others.len());
        let [height, width] = [0, 1].map(|axis| sizes.map(|sizes| sizes[axis]));
        ImageInspection { pictures, classes, height, width, others, findings }
    }

    fn look(&self) -> Vec<Looked> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = self.items.get(i) else { break done };
                done.push((i, look(&item.path)));
            }
        };
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let mut all: Vec<(usize, Looked)> = thread::scope(|scope| {
            let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mine = work();
            let others = workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default());
            others.chain(mine).collect()
        });
        all.sort_by_key(|(i, _)| *i);
        all.into_iter().map(|(_, looked)| looked).collect()
    }

    /// Files that are the same as earlier ones.
    fn repeated(&self, looked: &[Looked]) -> Vec<ImageFinding> {
        let mut findings = Vec::new();
        let mut first: HashMap<u64, usize> = HashMap::new();
        let mut duplicates = 0;
        for (i, looked) in looked.iter().enumerate().filter(|(_, looked)| looked.size.is_ok()) {
            let j = *first.entry(looked.hash).or_insert(i);
            if i == j || !same(&self.items[i].path, &self.items[j].path) {
                continue;
            }
            let (earlier, item) = (&self.items[j], &self.items[i]);
            let (path, other) = (earlier.path.clone(), item.path.clone());
            match () {
                () if earlier.class != item.class => findings.push(ImageFinding::SeveralClasses { path, other }),
                () if earlier.part != item.part => findings.push(ImageFinding::Leak { path, other }),
                () => duplicates += 1,
            }
        }
        if duplicates > 0 {
            findings.push(ImageFinding::Duplicates { pictures: duplicates });
        }
        findings
    }

    fn unbalanced(&self, classes: &BTreeMap<String, BTreeMap<Part, usize>>) -> Option<ImageFinding> {
        let size = |(name, parts): (&String, &BTreeMap<Part, usize>)| {
            (parts.get(&Part::Train).copied().unwrap_or(0), name.clone())
        };
        if classes.len() == 1 {
            return Some(ImageFinding::OneClass);
        }
        let ((pictures, rarest), (most, commonest)) =
            (classes.iter().map(size).min()?, classes.iter().map(size).max()?);
        (pictures * IMBALANCE <= most).then_some(ImageFinding::Imbalance { rarest, pictures, commonest, most })
    }
}

fn look(path: &Path) -> Looked {
    let size = match Picture::read(path, Channels::Rgb) {
        Ok(picture) => Ok([picture.height, picture.width]),
        Err(ImageError::Picture { why, .. }) => Err(why),
        Err(error) => Err(error.to_string()),
    };
    let mut hasher = DefaultHasher::new();
    fs::read(path).unwrap_or_default().hash(&mut hasher);
    Looked { size, hash: hasher.finish() }
}

/// Whether two files have the same bytes.
fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
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
