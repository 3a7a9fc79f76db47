//! Folders in the format of MNIST: pictures and labels in pairs of IDX files.

use super::{Channels, ImageError, Part};
use crate::idx::{Idx, IdxValues};
use std::fs;
use std::path::{Path, PathBuf};

/// Pictures of one size, all in memory.
pub(super) struct Arrays {
    pub height: usize,
    pub width: usize,
    pub channels: Channels,
    /// `[pictures, height, width, channels]`
    pub pixels: Vec<u8>,
    /// The class and part of each.
    pub items: Vec<(usize, Part)>,
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
    let mut all: Option<Arrays> = None;
    let mut pairs = pairs(folder)?;
    pairs.sort_by_key(|pair| pair.part);
    for Pair { part, pictures, labels } in pairs {
        let (values, marks) = (Idx::read(&pictures)?, Idx::read(&labels)?);
        let wrong = |what: String| Err(ImageError::Array { path: pictures.clone(), what });
        let (height, width, channels) = match values.sizes[..] {
            [_, height, width] => (height, width, Channels::Grey),
            [_, height, width, 3] => (height, width, Channels::Rgb),
            _ => {
                return wrong(format!(
                    "sizes {:?} are not pictures, rows, columns, and perhaps 3 colours",
                    values.sizes
                ));
            }
        };
        let (IdxValues::U8(pixels), IdxValues::U8(marks)) = (values.values, marks.values) else {
            return wrong("pixels and labels must be bytes".into());
        };
        if height * width == 0 || marks.len() != values.sizes[0] {
            let labels = labels.display();
            return wrong(format!(
                "there are {} pictures of {height} by {width}, and {} labels in {labels}",
                values.sizes[0],
                marks.len()
            ));
        }
        let items = marks.iter().map(|&mark| (mark.into(), part));
        match &mut all {
            None => all = Some(Arrays { height, width, channels, pixels, items: items.collect() }),
            Some(all) if (all.height, all.width, all.channels) == (height, width, channels) => {
                all.pixels.extend(pixels);
                all.items.extend(items);
            }
            Some(Arrays { height: h, width: w, .. }) => {
                return wrong(format!("its pictures are {height} by {width}, those of another file are {h} by {w}"));
            }
        }
    }
    Ok(all)
}
