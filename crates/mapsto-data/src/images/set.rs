//! Labelled pictures, whatever they come from.

use super::arrays::{self, Arrays};
use super::{Augmentation, Channels, ImageError, ImageFolder, Picture, numpy};
use crate::files::{ListColumns, Part};
use crate::loader::Dataset;
use mapsto_tensor::Rng;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Pictures that are looked at to choose between grey and colours.
const LOOKED_AT: usize = 16;

/// Labelled pictures: from folders, from a table of paths and labels, from IDX files or from NumPy's arrays.
#[derive(Debug)]
pub struct ImageSet {
    classes: Vec<String>,
    /// The class and part of each picture.
    items: Vec<(usize, Part)>,
    channels: Channels,
    source: Source,
    kept: Kept,
}

#[derive(Debug)]
enum Source {
    Files(Vec<PathBuf>),
    Memory { path: PathBuf, arrays: Arrays },
}

/// Decoded pictures that stay in memory.
#[derive(Debug, Default)]
struct Kept {
    pictures: Vec<OnceLock<Picture>>,
    /// Bytes that may be added.
    left: AtomicUsize,
}

impl ImageSet {
    /// Opens what is at a path: a folder of [`ImageFolder`] or of IDX files named as those of MNIST (`train-images-idx3-ubyte.gz`,
    /// `t10k-...`), a table for [`ImageFolder::read_list`], or an archive of NumPy's (`.npz`) with pictures of bytes `[N, height, width]`
    /// or `[N, height, width, 3]` and their classes, by the names of Keras (`x_train`, `y_train`, `x_test`, `y_test`) or of
    /// MedMNIST (`train_images`, `train_labels`, ...).
    ///
    /// # Errors
    /// Those of these readers.
    pub fn open(path: &Path) -> Result<ImageSet, ImageError> {
        if numpy::is_archive(path) {
            return Ok(ImageSet::from_arrays(path, numpy::read(path)?));
        }
        if !path.is_dir() {
            return Ok(ImageSet::from_files(ImageFolder::read_list(path, &ListColumns::default())?));
        }
        match arrays::read(path)? {
            Some(arrays) => Ok(ImageSet::from_arrays(path, arrays)),
            None => Ok(ImageSet::from_files(ImageFolder::read(path)?)),
        }
    }

    /// The pictures of folders or of a table.
    ///
    /// They are read as grey if 16 pictures, evenly chosen from all, have no colours (those that cannot be read are passed over), and
    /// else as colours.
    pub fn from_files(folder: ImageFolder) -> ImageSet {
        let ImageFolder { classes, items, .. } = folder;
        let (paths, items): (Vec<_>, Vec<_>) =
            items.into_iter().map(|item| (item.path, (item.class, item.part))).unzip();
        let looked = spread(paths.len(), LOOKED_AT).filter_map(|i| Picture::read(&paths[i], Channels::Rgb).ok());
        let mut greys = looked.map(|picture| picture.pixels.as_chunks().0.iter().all(|[r, g, b]| r == g && g == b));
        let channels =
            if greys.next() == Some(true) && greys.all(|grey| grey) { Channels::Grey } else { Channels::Rgb };
        ImageSet { classes, items, channels, source: Source::Files(paths), kept: Kept::default() }
    }

    fn from_arrays(path: &Path, mut arrays: Arrays) -> ImageSet {
        let (classes, channels) = (arrays.classes(), arrays.channels);
        let items = std::mem::take(&mut arrays.items);
        let source = Source::Memory { path: path.to_owned(), arrays };
        ImageSet { classes, items, channels, source, kept: Kept::default() }
    }

    /// Gives pictures in grey or in colours, whatever they are.
    pub fn with_channels(mut self, channels: Channels) -> ImageSet {
        self.channels = channels;
        let bytes = self.kept.left.load(Ordering::Relaxed);
        self.keep(bytes)
    }

    /// Keeps decoded pictures in memory, up to this many bytes: the first that are asked for. Later epochs need not read them again.
    pub fn keep(mut self, bytes: usize) -> ImageSet {
        let places = if matches!(self.source, Source::Files(_)) && bytes > 0 { self.items.len() } else { 0 };
        let pictures = std::iter::repeat_with(OnceLock::new).take(places).collect();
        self.kept = Kept { pictures, left: AtomicUsize::new(bytes) };
        self
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no pictures.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What a pixel consists of.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The class of a picture.
    ///
    /// # Panics
    /// If there is no such picture, as [`ImageSet::name`] does.
    pub fn class(&self, index: usize) -> usize {
        self.items[index].0
    }

    /// The pictures of a part.
    pub fn part(&self, part: Part) -> Vec<usize> {
        (0..self.len()).filter(|&index| self.items[index].1 == part).collect()
    }

    /// What a picture is called: its path, or its number in a folder.
    pub fn name(&self, index: usize) -> String {
        match &self.source {
            Source::Files(paths) => paths[index].display().to_string(),
            Source::Memory { path, .. } => arrays::name(path, index),
        }
    }

    /// A picture.
    ///
    /// # Errors
    /// A file that cannot be read, is no picture, or is damaged; an index that the set does not have.
    pub fn picture(&self, index: usize) -> Result<Picture, ImageError> {
        if index >= self.len() {
            return Err(ImageError::NoItem { index, pictures: self.len() });
        }
        let kept = self.kept.pictures.get(index);
        if let Some(picture) = kept.and_then(OnceLock::get) {
            return Ok(picture.clone());
        }
        let picture = match &self.source {
            Source::Files(paths) => Picture::read(&paths[index], self.channels)?,
            Source::Memory { arrays, .. } => {
                let &Arrays { height, width, channels, .. } = arrays;
                Picture { height, width, channels, pixels: arrays.picture(index).to_vec() }.into_channels(self.channels)
            }
        };
        if let Some(place) = kept {
            let bytes = picture.pixels.len();
            let rest = |left: usize| left.checked_sub(bytes);
            if self.kept.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok() {
                // Another worker may have been faster with the same picture.
                let _ = place.set(picture.clone());
            }
        }
        Ok(picture)
    }
}

/// At most `most` of `len` numbers, evenly spread.
pub(super) fn spread(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = len.min(most);
    (0..count).map(move |i| (i as u128 * len as u128 / count as u128) as usize)
}

/// A labelled picture as a network sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its index in the [`ImageSet`].
    pub index: usize,
    /// Its class.
    pub class: usize,
    /// The picture, changed.
    pub picture: Picture,
}

/// Some pictures of a set, changed by an augmentation: what a [`crate::Loader`] takes.
#[derive(Clone, Debug)]
pub struct ImageSamples {
    set: Arc<ImageSet>,
    items: Vec<usize>,
    augmentation: Augmentation,
}

impl ImageSamples {
    /// The pictures `items` of a set.
    ///
    /// # Errors
    /// [`ImageError::NoItem`] for an index that the set does not have.
    pub fn new(set: Arc<ImageSet>, items: Vec<usize>, augmentation: Augmentation) -> Result<ImageSamples, ImageError> {
        match items.iter().find(|&&index| index >= set.len()) {
            Some(&index) => Err(ImageError::NoItem { index, pictures: set.len() }),
            None => Ok(ImageSamples { set, items, augmentation }),
        }
    }

    /// The class of each item, for a balanced order.
    pub fn labels(&self) -> Vec<usize> {
        self.items.iter().map(|&index| self.set.class(index)).collect()
    }
}

impl Dataset for ImageSamples {
    type Item = Sample;
    type Error = ImageError;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn item(&self, index: usize, chance: Rng) -> Result<Sample, ImageError> {
        let index = self.items[index];
        let changed = self.augmentation.apply(self.set.picture(index)?, &chance);
        let picture = changed.map_err(|source| ImageError::Augment { name: self.set.name(index), source })?;
        Ok(Sample { index, class: self.set.class(index), picture })
    }

    fn name(&self, index: usize) -> String {
        self.set.name(self.items[index])
    }
}
