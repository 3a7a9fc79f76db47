//! Temporary files as memory: the one place of this crate with code that the compiler cannot check.
#![allow(unsafe_code)]

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::ops::Range;

/// Bytes that systems read at once when they are asked to; of more they leave the rest.
#[cfg(unix)]
const AT_ONCE: usize = 128 << 10;

/// What a temporary file holds. What is said of it are hints: without them all is as right, and slower.
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

    /// Says that these bytes will be looked at soon.
    #[cfg_attr(not(unix), allow(unused_variables))]
    pub fn prefetch(&self, bytes: Range<usize>) {
        #[cfg(unix)]
        for start in bytes.clone().step_by(AT_ONCE) {
            let _ = self.0.advise_range(memmap2::Advice::WillNeed, start, AT_ONCE.min(bytes.end - start));
        }
    }

    /// Says that bytes will be looked at in no order.
    pub fn scattered(&self) {
        #[cfg(unix)]
        let _ = self.0.advise(memmap2::Advice::Random);
    }
}
