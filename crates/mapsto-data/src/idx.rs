//! IDX, the format of MNIST: sizes, then numbers, the last axis fastest, in big-endian order; perhaps gzipped.

use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The first two bytes of a gzipped file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that are read at a time: memory grows with what is there, not with what a header promises.
const PIECE: u64 = 1 << 20;

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// The size of each axis.
    pub sizes: Vec<usize>,
    /// The numbers, the last axis fastest.
    pub values: IdxValues,
}

/// The numbers of an array, by type.
#[derive(Clone, Debug, PartialEq)]
pub enum IdxValues {
    /// Type 8: pictures and labels.
    U8(Vec<u8>),
    /// Type 9.
    I8(Vec<i8>),
    /// Type 11.
    I16(Vec<i16>),
    /// Type 12.
    I32(Vec<i32>),
    /// Type 13.
    F32(Vec<f32>),
    /// Type 14.
    F64(Vec<f64>),
}

/// Why an IDX file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdxError {
    /// The operating system refused, or the file is no whole gzip file.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Other bytes than those that IDX begins with.
    #[error("{} is no IDX file: it begins with {found:02x?}, not with 00 00, a type (08, 09, 0b to 0e) and a number of axes", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// Fewer bytes than the sizes promise, or more.
    #[error("{}: sizes {sizes:?} promise {expected} bytes of numbers, there are {got}: the file is cut off or damaged", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The sizes.
        sizes: Vec<usize>,
        /// Bytes that they promise, if so many can be.
        expected: String,
        /// Bytes that there are, or that there are more.
        got: String,
    },
}

impl Idx {
    /// Reads an IDX file, gzipped or not.
    ///
    /// # Errors
    /// A file that cannot be read, is none of IDX, or has fewer or more numbers than its sizes promise.
    pub fn read(path: &Path) -> Result<Idx, IdxError> {
        let io = |source| IdxError::Io { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(io)?);
        match file.fill_buf().map_err(io)?.starts_with(&GZIP) {
            true => read(GzDecoder::new(file), path),
            false => read(file, path),
        }
    }
}

fn read(mut from: impl Read, path: &Path) -> Result<Idx, IdxError> {
    let io = |source| IdxError::Io { path: path.to_owned(), source };
    let mut magic = Vec::new();
    from.by_ref().take(4).read_to_end(&mut magic).map_err(io)?;
    let &[0, 0, kind @ (8 | 9 | 11..=14), axes] = &magic[..] else {
        return Err(IdxError::Magic { path: path.to_owned(), found: magic });
    };
    let mut sizes = Vec::new();
    for _ in 0..axes {
        let mut size = [0; 4];
        from.read_exact(&mut size).map_err(io)?;
        sizes.push(u32::from_be_bytes(size) as usize);
    }
    let width = match kind {
        8 | 9 => 1,
        11 => 2,
        12 | 13 => 4,
        _ => 8,
    };
    let expected = sizes.iter().try_fold(width, |bytes: usize, &size| bytes.checked_mul(size));
    let mut bytes = Vec::new();
    let mut piece = 1;
    while piece > 0 && expected.is_none_or(|expected| bytes.len() <= expected) {
        piece = from.by_ref().take(PIECE).read_to_end(&mut bytes).map_err(io)?;
    }
    if expected != Some(bytes.len()) {
        let expected = expected.map_or("more than fits into memory".into(), |bytes| bytes.to_string());
        let got = if piece > 0 { format!("{} or more", bytes.len()) } else { bytes.len().to_string() };
        return Err(IdxError::Length { path: path.to_owned(), sizes, expected, got });
    }
    let values = match kind {
        8 => IdxValues::U8(bytes),
        9 => IdxValues::I8(numbers(&bytes, i8::from_be_bytes)),
        11 => IdxValues::I16(numbers(&bytes, i16::from_be_bytes)),
        12 => IdxValues::I32(numbers(&bytes, i32::from_be_bytes)),
        13 => IdxValues::F32(numbers(&bytes, f32::from_be_bytes)),
        _ => IdxValues::F64(numbers(&bytes, f64::from_be_bytes)),
    };
    Ok(Idx { sizes, values })
}

fn numbers<T, const N: usize>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&bytes| from(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn file(kind: u8, sizes: &[u32], numbers: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, sizes.len() as u8];
        sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.extend(numbers);
        bytes
    }

    fn idx(bytes: &[u8]) -> Result<Idx, IdxError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).expect("a file");
        Idx::read(&path)
    }

    fn complaint(bytes: &[u8]) -> String {
        let said = idx(bytes).expect_err("a refusal").to_string();
        said.split_once("/x").expect("the path").1.to_string()
    }

    #[test]
    fn every_type_is_read_plain_and_gzipped() {
        let cases = [
            (8, vec![1, 2, 255], IdxValues::U8(vec![1, 2, 255])),
            (9, vec![1, 2, 255], IdxValues::I8(vec![1, 2, -1])),
            (11, vec![0, 1, 1, 0, 255, 254], IdxValues::I16(vec![1, 256, -2])),
            (12, [1i32, -2, 3].map(i32::to_be_bytes).concat(), IdxValues::I32(vec![1, -2, 3])),
            (13, [1.5f32, -2.0, 0.0].map(f32::to_be_bytes).concat(), IdxValues::F32(vec![1.5, -2.0, 0.0])),
            (14, [1.5f64, -2.0, 0.0].map(f64::to_be_bytes).concat(), IdxValues::F64(vec![1.5, -2.0, 0.0])),
        ];
        for (kind, bytes, values) in cases {
            let plain = file(kind, &[3, 1], &bytes);
            let expected = Idx { sizes: vec![3, 1], values };
            assert_eq!(idx(&plain).unwrap(), expected);
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&plain).unwrap();
            assert_eq!(idx(&packed.finish().unwrap()).unwrap(), expected);
        }
        assert_eq!(idx(&file(8, &[0, 28, 28], &[])).unwrap().sizes, [0, 28, 28]);
    }

    #[test]
    fn what_lies_is_refused() {
        assert!(complaint(b"").starts_with(" is no IDX file: it begins with []"));
        assert!(complaint(b"\x89PNG").starts_with(" is no IDX file: it begins with [89, 50, 4e, 47]"));
        assert!(complaint(&file(10, &[1], &[0])).contains("is no IDX file"));
        assert!(
            complaint(&file(8, &[2, 2], &[1, 2, 3]))
                .starts_with(": sizes [2, 2] promise 4 bytes of numbers, there are 3")
        );
        assert!(complaint(&file(8, &[2], &[1, 2, 3])).contains("promise 2 bytes of numbers, there are 3"));
        let huge = file(14, &[u32::MAX; 3], &[1, 2, 3]);
        assert!(complaint(&huge).contains("promise more than fits into memory bytes of numbers, there are 3"));
        // A promise of gigabytes takes no memory.
        assert!(
            complaint(&file(8, &[u32::MAX, 1], &[7; 5])).contains("promise 4294967295 bytes of numbers, there are 5")
        );
        assert!(idx(&file(8, &[1, 1], &[])[..6]).is_err());
        assert!(idx(b"\x1f\x8bnonsense").is_err());
    }
}
