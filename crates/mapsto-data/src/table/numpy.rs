//! Tables from NumPy's arrays.

use super::{Codes, Column, TableError, Values};
use crate::stored::Stored;
use mapsto_formats::{read_npy, read_npz};
use mapsto_tensor::{DType, Tensor};
use std::path::Path;

/// What a `.npy` file begins with.
const NPY: &[u8] = b"\x93NUMPY";
/// What a `.npz` file begins with, as every archive of its kind does, also an empty one.
const ZIP: &[u8] = b"PK";

/// Whether a file that begins so holds arrays.
pub(super) fn is_numpy(head: &[u8], path: &Path) -> bool {
    let is_npz = || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    head.starts_with(NPY) || (head.starts_with(ZIP) && is_npz())
}

/// The columns of a file.
pub(super) fn read(head: &[u8], path: &Path) -> Result<Vec<Column>, TableError> {
    let wrong = |what: String| TableError::Numpy { path: path.to_owned(), what };
    let refused = |error: mapsto_formats::FormatError| TableError::NumpyFile(error);
    let named: Vec<(String, Tensor)> = if head.starts_with(NPY) {
        vec![("column".to_string(), read_npy(path).map_err(refused)?)]
    } else {
        read_npz(path).map_err(refused)?.into_iter().collect()
    };
    let mut all = Vec::new();
    for (name, array) in named {
        let (name, sizes) = (name.as_str(), array.shape().to_vec());
        let columns = match sizes[..] {
            [_] => 1,
            [_, columns] => columns,
            _ => return Err(wrong(format!("{name:?} has sizes {sizes:?}: a table has rows, or rows and columns"))),
        };
        if sizes[0] == 0 {
            return Err(wrong(format!("{name:?} has no rows")));
        }
        let damaged = |error: mapsto_tensor::Error| wrong(format!("{name:?}: {error}"));
        let truths = array.dtype() == DType::Bool;
        let values = array.to_dtype(DType::F64).and_then(|array| array.to_vec::<f64>()).map_err(damaged)?;
        for column in 0..columns {
            let own = values.iter().skip(column).step_by(columns);
            let values = if truths {
                let codes = Codes::of(own.map(|value| Some(u32::from(*value != 0.0))))?;
                Values::Categories { names: vec!["false".into(), "true".into()], codes }
            } else {
                Values::Numbers(Stored::of(own.copied())?)
            };
            let name =
                if sizes.len() == 1 && name != "column" { name.to_string() } else { format!("{name} {}", column + 1) };
            all.push(Column { name, values });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::{Table, TableOptions};
    use mapsto_formats::{write_npy, write_npz};
    use mapsto_tensor::{DType, Tensor};

    #[test]
    fn arrays_are_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let matrix = Tensor::from_vec(vec![1.5f32, 2.0, f32::NAN, 4.0, 5.0, 6.0], [2, 3]).unwrap();
        write_npy(&path, &matrix).unwrap();
        let table = Table::read(&path, &TableOptions::default()).unwrap();
        let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!((table.rows(), names), (2, vec!["column 1", "column 2", "column 3"]));
        assert!(table.column("column 3").unwrap().values.is_missing(0));

        let path = folder.path().join("x.npz");
        let y = Tensor::new([1i64, 0]).unwrap();
        let arrays = [("y", y.clone()), ("sunny", y.to_dtype(DType::Bool).unwrap()), ("x", matrix.clone())];
        write_npz(&path, &arrays.map(|(name, array)| (name.to_string(), array)).into()).unwrap();
        let table = Table::read(&path, &TableOptions::default()).unwrap();
        let kinds: Vec<_> = table.kinds().into_iter().map(|(name, kind)| format!("{name}: {}", kind.name())).collect();
        assert_eq!(kinds, ["sunny: category", "x 1: number", "x 2: number", "x 3: number", "y: number"]);

        let said = |arrays: &[(&str, Tensor)]| {
            write_npz(&path, &arrays.iter().map(|(name, array)| (name.to_string(), array.clone())).collect()).unwrap();
            Table::read(&path, &TableOptions::default()).unwrap_err().to_string()
        };
        let deep = Tensor::zeros([2, 2, 2], DType::F32).unwrap();
        assert!(
            said(&[("x", deep)]).ends_with("x.npz: \"x\" has sizes [2, 2, 2]: a table has rows, or rows and columns")
        );
        assert!(said(&[("x", matrix), ("y", Tensor::new([1.0f32]).unwrap())]).contains("column \"y\" has 1 values"));
        assert!(said(&[("x", Tensor::zeros([0, 2], DType::F32).unwrap())]).ends_with("\"x\" has no rows"));
        assert!(said(&[]).ends_with("a table needs a column"), "{}", said(&[]));
        std::fs::write(&path, b"PK\x03\x04nothing").unwrap();
        let damaged = Table::read(&path, &TableOptions::default()).unwrap_err().to_string();
        assert!(damaged.contains("x.npz: "), "{damaged}");
    }
}
