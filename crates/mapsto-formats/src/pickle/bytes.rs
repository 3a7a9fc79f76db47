//! The bytes of a pickle, counted.

use super::PickleError;
use crate::elements::read_up_to;
use std::io::{self, BufRead};

/// Bytes of a pickle, at most: that of a network with a hundred thousand tensors has some 15 million.
const MOST_BYTES: u64 = 1 << 27;

/// Where the bytes come from, and how many there were.
pub(super) struct Bytes<'a, R> {
    from: &'a mut R,
    pub at: u64,
}

impl<'a, R: BufRead> Bytes<'a, R> {
    pub fn of(from: &'a mut R) -> Bytes<'a, R> {
        Bytes { from, at: 0 }
    }

    fn failed(&self, source: io::Error) -> PickleError {
        PickleError::Io { at: self.at, source }
    }

    fn count(&mut self, bytes: u64) -> Result<(), PickleError> {
        self.at = self.at.saturating_add(bytes);
        match self.at <= MOST_BYTES {
            true => Ok(()),
            false => Err(PickleError::TooMuch { at: self.at, most: MOST_BYTES, what: "bytes" }),
        }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(|e| self.failed(e))?;
        self.count(N as u64)?;
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32, PickleError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, PickleError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn block(&mut self, length: u64) -> Result<Vec<u8>, PickleError> {
        // Before anything is read, so that a claim alone takes no memory.
        self.count(length)?;
        let bytes = read_up_to(self.from, length).map_err(|e| self.failed(e))?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// A line without its end.
    pub fn line(&mut self) -> Result<String, PickleError> {
        let mut bytes = Vec::new();
        let rest = MOST_BYTES - self.at;
        io::Read::take(&mut *self.from, rest).read_until(b'\n', &mut bytes).map_err(|e| self.failed(e))?;
        self.count(bytes.len() as u64)?;
        match bytes.pop() {
            Some(b'\n') => String::from_utf8(bytes).map_err(|_| self.damaged("a line is no UTF-8 text")),
            _ => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    pub fn damaged(&self, what: impl Into<String>) -> PickleError {
        PickleError::Damaged { at: self.at, what: what.into() }
    }
}
