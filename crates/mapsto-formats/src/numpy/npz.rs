//! Arrays by name: `.npz`, an archive of `.npy` files.

use super::NumpyError;
use super::npy::{npy_bytes, npy_from, stored};
use crate::FormatError;
use crate::error::open;
use mapsto_nn::{StateDict, write_atomic};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What a compressed byte becomes, at most: a bound of the method.
const MOST_RATIO: u64 = 1032;
/// From this length on an entry needs longer fields.
const LARGE: usize = u32::MAX as usize;

/// Reads what `numpy.savez` or `numpy.savez_compressed` wrote, with the types of numbers of [`read_npy`](crate::read_npy).
///
/// # Errors
/// A file that cannot be read, is no such archive, is damaged, or holds an array that [`read_npy`](crate::read_npy) refuses.
pub fn read_npz(path: impl AsRef<Path>) -> Result<StateDict, FormatError> {
    let path = path.as_ref();
    npz_from(open(path)?).map_err(|why| FormatError::Numpy { path: path.to_owned(), why })
}

/// As [`read_npz`], from anything that is read and sought in.
///
/// # Errors
/// Those of [`read_npz`].
pub fn npz_from(mut from: impl Read + Seek) -> Result<StateDict, NumpyError> {
    let most = from.seek(SeekFrom::End(0))?.saturating_mul(MOST_RATIO);
    let mut archive = ZipArchive::new(BufReader::new(from))?;
    let (mut found, mut total) = (StateDict::new(), 0u64);
    for i in 0..archive.len() {
        let entry = archive.by_index(i)?;
        let full = entry.name()?.to_string();
        let Some(name) = full.strip_suffix(".npy") else { return Err(NumpyError::NoArray(full)) };
        total = total.saturating_add(entry.size());
        if total > most {
            return Err(NumpyError::Bomb { most });
        }
        // Entries that lie about their length are held to it, or told by their checksum.
        let size = entry.size();
        let tensor = npy_from(entry.take(size.saturating_add(1)));
        let tensor = tensor.map_err(|why| NumpyError::Entry { name: name.into(), why: Box::new(why) })?;
        found.insert(name.into(), tensor);
    }
    Ok(found)
}

/// Writes arrays by name as `numpy.savez` does, as a whole or not at all ([`write_atomic`]). The same values give the same bytes.
///
/// # Errors
/// A refusal of the system; elements of `bf16`, which NumPy does not have.
pub fn write_npz(path: impl AsRef<Path>, tensors: &StateDict) -> Result<(), FormatError> {
    write(path.as_ref(), tensors, CompressionMethod::Stored)
}

/// As [`write_npz`], smaller and slower: `numpy.savez_compressed`.
///
/// # Errors
/// Those of [`write_npz`].
pub fn write_npz_compressed(path: impl AsRef<Path>, tensors: &StateDict) -> Result<(), FormatError> {
    write(path.as_ref(), tensors, CompressionMethod::Deflated)
}

fn write(path: &Path, tensors: &StateDict, method: CompressionMethod) -> Result<(), FormatError> {
    for (name, tensor) in tensors {
        let entry = |why| NumpyError::Entry { name: name.clone(), why: Box::new(why) };
        stored(tensor).map_err(|why| FormatError::Numpy { path: path.to_owned(), why: entry(why) })?;
    }
    write_atomic(path, |out| {
        let mut archive = ZipWriter::new_stream(out);
        for (name, tensor) in tensors {
            let parts = npy_bytes(tensor).map_err(io::Error::other)?;
            let length: usize = parts.iter().map(Vec::len).sum();
            let options = SimpleFileOptions::default().compression_method(method).large_file(length >= LARGE);
            archive.start_file(format!("{name}.npy"), options)?;
            parts.iter().try_for_each(|part| archive.write_all(part))?;
        }
        archive.finish()?;
        Ok(())
    })
    .map_err(|source| FormatError::Write { path: path.to_owned(), source })
}
