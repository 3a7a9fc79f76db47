//! Pictures and labels as NumPy's arrays, by the names that such archives have.

use super::arrays::{Arrays, add};
use super::{ImageError, Part};
use mapsto_formats::read_npz;
use mapsto_tensor::{DType, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// The names of a part's pictures and labels, each a set that files use: Keras's, MedMNIST's, and plain ones.
const NAMES: [(Part, &[[&str; 2]]); 3] = [
    (
        Part::Train,
        &[
            ["x_train", "y_train"],
            ["train_images", "train_labels"],
            ["x", "y"],
            ["images", "labels"],
            ["data", "labels"],
        ],
    ),
    (Part::Validation, &[["x_val", "y_val"], ["x_valid", "y_valid"], ["val_images", "val_labels"]]),
    (Part::Test, &[["x_test", "y_test"], ["test_images", "test_labels"]]),
];

/// Whether a file is named as an archive of arrays.
pub(super) fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// Reads `.npz`: pictures of bytes `[N, height, width]` or `[N, height, width, 1 or 3]` with whole numbers `[N]` or `[N, 1]` for
/// classes.
pub(super) fn read(path: &Path) -> Result<Arrays, ImageError> {
    pictures(&read_npz(path).map_err(ImageError::Numpy)?, path)
}

/// The same of an archive that has pictures: arrays of more than rows and columns, by these names. None of another one.
pub(super) fn read_pictures(path: &Path) -> Result<Option<Arrays>, ImageError> {
    let arrays = read_npz(path).map_err(ImageError::Numpy)?;
    let deep = |[name, labels]: &[&str; 2]| {
        arrays.contains_key(*labels) && arrays.get(*name).is_some_and(|array| array.shape().rank() > 2)
    };
    match NAMES.iter().any(|(_, names)| names.iter().any(deep)) {
        true => pictures(&arrays, path).map(Some),
        false => Ok(None),
    }
}

fn pictures(arrays: &BTreeMap<String, Tensor>, path: &Path) -> Result<Arrays, ImageError> {
    let wrong = |what: String| ImageError::Array { path: path.to_owned(), what };
    let mut all = None;
    for (part, names) in NAMES {
        let both = |[pictures, labels]: &[&'static str; 2]| {
            Some((*pictures, arrays.get(*pictures)?, *labels, arrays.get(*labels)?))
        };
        let Some((pictures, pixels, labels, classes)) = names.iter().find_map(both) else { continue };
        let classes = whole_numbers(classes).map_err(|what| wrong(format!("{labels:?} {what}")))?;
        let bytes = (pixels.dtype() == DType::U8).then(|| pixels.to_vec::<u8>());
        let what = || wrong(format!("{pictures:?} is of type {}: pixels must be bytes, uint8", pixels.dtype()));
        let bytes = bytes.ok_or_else(what)?.map_err(|error| wrong(format!("{pictures:?}: {error}")))?;
        add(&mut all, part, pixels.shape(), bytes, classes).map_err(|what| wrong(format!("{pictures:?}: {what}")))?;
    }
    let given = || arrays.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let mend = "name them x_train, y_train, and x_test, y_test where there is such a part";
    match all {
        Some(all) if all.items.iter().any(|(_, part)| *part == Part::Train) => Ok(all),
        _ => Err(wrong(format!("has no pictures with labels to learn from, but {}; {mend}", given()))),
    }
}

/// Classes of labels.
fn whole_numbers(labels: &Tensor) -> Result<Vec<usize>, String> {
    /// More classes than anybody has.
    const MOST: i64 = 1 << 20;
    match labels.shape()[..] {
        [_] | [_, 1] => {}
        _ => return Err(format!("is {}: a class for each picture is wanted", labels.shape())),
    }
    if labels.dtype().is_float() {
        return Err(format!("is of type {}: classes are whole numbers", labels.dtype()));
    }
    let values = labels.to_dtype(DType::I64).and_then(|labels| labels.to_vec::<i64>()).map_err(|e| e.to_string())?;
    let class = |value: i64| (0..MOST).contains(&value).then_some(value as usize);
    let wrong = |value: i64| format!("holds {value}: classes are counted from 0, below {MOST}");
    values.into_iter().map(|value| class(value).ok_or_else(|| wrong(value))).collect()
}
