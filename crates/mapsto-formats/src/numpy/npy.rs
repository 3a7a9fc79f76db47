//! One array: `.npy`, versions 1.0 to 3.0.

use super::NumpyError;
use super::header::Header;
use crate::FormatError;
use crate::elements::{Stored, read_up_to};
use crate::error::open;
use mapsto_nn::write_atomic;
use mapsto_tensor::{DType, Shape, Tensor};
use std::io::{self, Read, Write};
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of a header, at most: an array of numbers needs some hundred.
const MOST_HEADER: u32 = 1 << 16;
/// The numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// Reads an array that `numpy.save` wrote, in any order of axes and bytes. `int16` and `uint16` become `i32`, `uint32` becomes
/// `i64`.
///
/// # Errors
/// A file that cannot be read, is no array, is damaged, or holds objects, records, texts, times or numbers that tensors do
/// not have (`uint64`, complex).
pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor, FormatError> {
    let path = path.as_ref();
    npy_from(open(path)?).map_err(|why| FormatError::Numpy { path: path.to_owned(), why })
}

/// As [`read_npy`], from anything that is read: to its end.
///
/// # Errors
/// Those of [`read_npy`].
pub fn npy_from(mut from: impl Read) -> Result<Tensor, NumpyError> {
    let header = read_header(&mut from)?;
    // The first axis the fastest is the last the fastest of the transpose.
    let mut sizes = header.sizes;
    if header.fortran {
        sizes.reverse();
    }
    let shape = Shape::new(&sizes).map_err(NumpyError::Tensor)?;
    let expected = (shape.numel() * header.stored.size()) as u64;
    let bytes = read_up_to(&mut from, expected)?;
    let more = from.read(&mut [0])? > 0;
    if bytes.len() as u64 != expected || more {
        let got = format!("{}{}", bytes.len(), if more { " and more" } else { "" });
        return Err(NumpyError::Length { sizes, expected, got });
    }
    let tensor = header.stored.tensor(bytes, header.big_endian, shape);
    let axes: Vec<isize> = (0..shape.rank() as isize).rev().collect();
    tensor.and_then(|x| if header.fortran { x.permute(&axes) } else { Ok(x) }).map_err(NumpyError::Tensor)
}

fn read_header(from: &mut impl Read) -> Result<Header, NumpyError> {
    let start = read_up_to(from, MAGIC.len() as u64)?;
    if start != MAGIC {
        return Err(NumpyError::Magic(start));
    }
    let mut version = [0; 2];
    from.read_exact(&mut version)?;
    let length = match version {
        [1, 0] => {
            let mut length = [0; 2];
            from.read_exact(&mut length)?;
            u16::from_le_bytes(length) as u32
        }
        [2 | 3, 0] => {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            u32::from_le_bytes(length)
        }
        [major, minor] => return Err(NumpyError::Version { major, minor }),
    };
    if length > MOST_HEADER {
        return Err(NumpyError::Long { length, most: MOST_HEADER });
    }
    let mut header = vec![0; length as usize];
    from.read_exact(&mut header)?;
    // Version 3 is UTF-8, the others Latin-1; what is valid for numbers is ASCII.
    Header::parse(&String::from_utf8_lossy(&header))
}

/// Writes an array as `numpy.save` does, the last axis fastest, as a whole or not at all ([`write_atomic`]).
///
/// # Errors
/// A refusal of the system; elements of `bf16`, which NumPy does not have.
pub fn write_npy(path: impl AsRef<Path>, tensor: &Tensor) -> Result<(), FormatError> {
    let path = path.as_ref();
    let bytes = npy_bytes(tensor).map_err(|why| FormatError::Numpy { path: path.to_owned(), why })?;
    write_atomic(path, |out| bytes.iter().try_for_each(|part| out.write_all(part)))
        .map_err(|source: io::Error| FormatError::Write { path: path.to_owned(), source })
}

/// How NumPy's files call the elements.
pub(super) fn stored(tensor: &Tensor) -> Result<Stored, NumpyError> {
    Ok(match tensor.dtype() {
        DType::Bool => Stored::Bool,
        DType::U8 => Stored::U8,
        DType::I8 => Stored::I8,
        DType::I32 => Stored::I32,
        DType::I64 => Stored::I64,
        DType::F16 => Stored::F16,
        DType::BF16 => return Err(NumpyError::Bf16),
        DType::F32 => Stored::F32,
        DType::F64 => Stored::F64,
    })
}

/// The header and the numbers.
pub(super) fn npy_bytes(tensor: &Tensor) -> Result<[Vec<u8>; 2], NumpyError> {
    let text = Header::text(stored(tensor)?, tensor.shape());
    let before = MAGIC.len() + 4;
    // The header ends with a line's end, spaces before it fill up.
    let length = (before + text.len() + 1).next_multiple_of(ALIGNMENT) - before;
    let mut header = Vec::with_capacity(before + length);
    header.extend(MAGIC);
    header.extend([1, 0]);
    header.extend((length as u16).to_le_bytes());
    writeln!(header, "{text:<width$}", width = length - 1)?;
    Ok([header, tensor.to_bytes().map_err(NumpyError::Tensor)?])
}
