//! Pictures of one size in memory; folders in the format of MNIST: pictures and labels in pairs of IDX files.

use super::{Channels, ImageError, Part};
use crate::idx::{Idx, IdxValues};
use std::fs;
use std::path::{Path, PathBuf};

/// Pictures of one size, all in memory.
#[derive(Debug)]
pub(super) struct Arrays {
    pub height: usize,
    pub width: usize,
    pub channels: Channels,
    /// `[pictures, height, width, channels]`
    pub pixels: Vec<u8>,
    /// The class and part of each.
    pub items: Vec<(usize, Part)>,
}

impl Arrays {
    /// The classes are called by their numbers.
    pub fn classes(&self) -> Vec<String> {
        (0..=self.items.iter().map(|item| item.0).max().unwrap_or(0)).map(|class| class.to_string()).collect()
    }

    /// The pixels of a picture.
    pub fn picture(&self, index: usize) -> &[u8] {
        let bytes = self.height * self.width * self.channels.count();
        &self.pixels[index * bytes..][..bytes]
    }
}

/// What a picture is called that lies in a folder or a file with others.
pub(super) fn name(path: &Path, index: usize) -> String {
    format!("{}: picture {index}", path.display())
}

/// A pair of files.
struct Pair {
    part: Part,
    pictures: PathBuf,
    labels: PathBuf,
}

/// The pairs in a folder: `train-images-idx3-ubyte` with `train-labels-idx1-ubyte`, and `t10k-...` or `test-...` to test on, with
/// any prefix, a dot in place of the second hyphen, gzipped (`.gz`) or not.
fn pairs(folder: &Path) -> Result<Vec<Pair>, ImageError> {
    let io = |source| ImageError::Io { path: folder.to_owned(), source };
    let mut all = Vec::new();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    // The same file, once gzipped and once not, is one file.
    names.dedup_by_key(|name| plain(name));
    for name in &names {
        let plain_name = plain(name);
        let Some((stem, "3-ubyte" | "4-ubyte")) = plain_name.split_once("images-idx") else { continue };
        let part = match stem.trim_end_matches('-') {
            stem if stem.ends_with("train") => Part::Train,
            stem if stem.ends_with("t10k") || stem.ends_with("test") => Part::Test,
            _ => continue,
        };
        let wanted = format!("{stem}labels-idx1-ubyte");
        let labels = names.iter().find(|name| plain(name) == wanted);
        let labels = labels.ok_or_else(|| ImageError::NoLabels { path: folder.join(name), labels: wanted })?;
        all.push(Pair { part, pictures: folder.join(name), labels: folder.join(labels) });
    }
    Ok(all)
}

/// A file's name as it is without `.gz`, and with hyphens alone.
fn plain(name: &str) -> String {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.replace("images.idx", "images-idx").replace("labels.idx", "labels-idx")
}

/// Reads the pairs of a folder, if there are any.
pub(super) fn read(folder: &Path) -> Result<Option<Arrays>, ImageError> {
    let mut all = None;
    let mut pairs = pairs(folder)?;
    pairs.sort_by_key(|pair| pair.part);
    for Pair { part, pictures, labels } in pairs {
        let (values, marks) = (Idx::read(&pictures)?, Idx::read(&labels)?);
        let (IdxValues::U8(pixels), IdxValues::U8(marks)) = (values.values, marks.values) else {
            return Err(ImageError::Array { path: pictures, what: "pixels and labels must be bytes".into() });
        };
        let classes = marks.into_iter().map(usize::from).collect();
        let added = add(&mut all, part, &values.sizes, pixels, classes);
        added.map_err(|what| ImageError::Array { path: pictures, what })?;
    }
    Ok(all)
}

/// Adds pictures `[pictures, height, width]` or `[pictures, height, width, channels]` of a part, with their classes.
pub(super) fn add(
    all: &mut Option<Arrays>,
    part: Part,
    sizes: &[usize],
    pixels: Vec<u8>,
    classes: Vec<usize>,
) -> Result<(), String> {
    let (height, width, channels) = match *sizes {
        [_, height, width] | [_, height, width, 1] => (height, width, Channels::Grey),
        [_, height, width, 3] => (height, width, Channels::Rgb),
        _ => return Err(format!("sizes {sizes:?} are not pictures, rows, columns, and perhaps 3 colours")),
    };
    if height * width == 0 || classes.len() != sizes[0] {
        let (pictures, labels) = (sizes[0], classes.len());
        return Err(format!("there are {pictures} pictures of {height} by {width}, and {labels} labels"));
    }
    let items = classes.into_iter().map(|class| (class, part));
    match all {
        None => *all = Some(Arrays { height, width, channels, pixels, items: items.collect() }),
        Some(all) if (all.height, all.width, all.channels) == (height, width, channels) => {
            all.pixels.extend(pixels);
            all.items.extend(items);
        }
        Some(Arrays { height: h, width: w, .. }) => {
            return Err(format!("its pictures are {height} by {width}, those before are {h} by {w}"));
        }
    }
    Ok(())
}
