//! SHA-256 of files.

use super::{FetchError, RemoteFile};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes that are read at a time.
const PIECE: usize = 1 << 16;

/// A sum that grows.
#[derive(Default)]
pub(super) struct Sum(Sha256);

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds what is left to read, and says how much it was.
    pub(super) fn add_all(&mut self, mut from: impl Read) -> io::Result<u64> {
        let mut piece = vec![0; PIECE];
        let mut bytes = 0;
        loop {
            match from.read(&mut piece)? {
                0 => return Ok(bytes),
                count => {
                    self.add(&piece[..count]);
                    bytes += count as u64;
                }
            }
        }
    }

    /// As 64 hexadecimal digits.
    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether there is this file, whole and undamaged.
pub(super) fn is_of(path: &Path, file: &RemoteFile) -> Result<bool, FetchError> {
    let io = FetchError::io("read", path);
    match path.metadata() {
        Ok(found) if found.is_file() && found.len() == file.bytes => {}
        _ => return Ok(false),
    }
    let mut sum = Sum::default();
    sum.add_all(File::open(path).map_err(&io)?).map_err(&io)?;
    Ok(sum.finish() == file.sha256)
}
