//! The binary form of CIFAR-10 and CIFAR-100 (<https://www.cs.toronto.edu/~kriz/cifar.html>): records of labels and of a picture, a
//! colour after another.

use super::archive::each_file;
use super::wrong;
use crate::fetch::{FetchError, RemoteFile, Watch};
use image::RgbImage;
use std::fs;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

/// Pixels of a picture's side.
const SIDE: usize = 32;
/// Bytes of one colour of a picture.
const PLANE: usize = SIDE * SIDE;
/// Bytes that the names of classes may have.
const NAMES: u64 = 1 << 16;

/// Writes the pictures of an archive, those of files called `test...` into `test`, those of all others into `train`.
pub(super) fn make(
    file: &RemoteFile,
    archive: &Path,
    out: &Path,
    labels: usize,
    names: &str,
    watch: &mut Watch<'_>,
) -> Result<(), FetchError> {
    let classes = classes(file, archive, names, watch)?;
    for part in ["train", "test"] {
        for class in &classes {
            let folder = out.join(part).join(class);
            fs::create_dir_all(&folder).map_err(FetchError::io("make the folder", &folder))?;
        }
    }
    let mut counts = [0; 2];
    each_file(file, archive, watch, |path, from| {
        let Some(name) = path.last().filter(|name| name.ends_with(".bin")) else { return Ok(()) };
        let (part, count) = if name.starts_with("test") { ("test", &mut counts[1]) } else { ("train", &mut counts[0]) };
        let mut from = BufReader::new(from);
        let mut record = vec![0; labels + 3 * PLANE];
        while read_whole(&mut from, &mut record).map_err(|reason| wrong(archive, format!("{name}: {reason}")))? {
            let label = record[..labels].last().copied().unwrap_or_default();
            let Some(class) = classes.get(usize::from(label)) else {
                return Err(wrong(archive, format!("{name}: there is no class {label}")));
            };
            let path = out.join(part).join(class).join(format!("{count:05}.png"));
            let write = picture(&record[labels..]).save(&path);
            write.map_err(|error| FetchError::io("make", &path)(std::io::Error::other(error)))?;
            *count += 1;
        }
        Ok(())
    })?;
    if counts.contains(&0) {
        return Err(wrong(archive, format!("it has {} pictures to train on and {} to test on", counts[0], counts[1])));
    }
    Ok(())
}

/// Names of classes: folders are called so.
fn classes(file: &RemoteFile, archive: &Path, names: &str, watch: &mut Watch<'_>) -> Result<Vec<String>, FetchError> {
    let mut text = String::new();
    each_file(file, archive, watch, |path, from| {
        if path.last() == Some(&names) {
            from.take(NAMES).read_to_string(&mut text).map_err(|error| wrong(archive, format!("{names}: {error}")))?;
        }
        Ok(())
    })?;
    let classes: Vec<String> = text.lines().map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect();
    let plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match classes.iter().find(|name| !plain(name)) {
        Some(name) => Err(wrong(archive, format!("{names}: {name:?} is no name of a class"))),
        None if classes.is_empty() => Err(wrong(archive, format!("{names}: there are no names of classes"))),
        None => Ok(classes),
    }
}

/// Fills a record; `false` at the end.
fn read_whole(from: &mut impl Read, record: &mut [u8]) -> Result<bool, String> {
    let mut filled = 0;
    while filled < record.len() {
        match from.read(&mut record[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err("its last record is cut off".into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(true)
}

/// A picture of its three colours.
fn picture(planes: &[u8]) -> RgbImage {
    let side = SIDE as u32;
    RgbImage::from_fn(side, side, |x, y| {
        let at = y as usize * SIDE + x as usize;
        image::Rgb([planes[at], planes[PLANE + at], planes[2 * PLANE + at]])
    })
}
