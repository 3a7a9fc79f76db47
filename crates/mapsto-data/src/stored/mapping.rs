//! Temporary files as memory: the one place of this crate with code that the compiler cannot check.
#![allow(unsafe_code)]

use memmap2::Mmap;
use std::fs::File;
use std::io;

/// What a temporary file holds.
pub(super) struct Mapping(Mmap);

impl Mapping {
    /// Of a file without a name, of which this is the only handle.
    pub fn of(file: File) -> io::Result<Mapping> {
        // SAFETY: nobody can write to the file or cut it while it is mapped: it has no name to open it by, and its handle ends here.
        unsafe { Mmap::map(&file) }.map(Mapping)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says that bytes will be looked at in no order.
    pub fn scattered(&self) {
        // A hint: without it all is as right, and slower.
        #[cfg(unix)]
        let _ = self.0.advise(memmap2::Advice::Random);
    }
}
