//! Text that is read line by line, none of which takes all memory.

use std::io::{self, Read};

/// Bytes of a line, at most, breaks in quotes among them.
const MOST: u64 = 128 << 20;

/// Passes bytes on while they can be text.
pub(crate) struct Lines<R> {
    from: R,
    /// The line that is read, from 1.
    line: u64,
    /// Bytes that may still come before the line is too long.
    left: u64,
}

/// Why bytes are no lines of text.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum NoLines {
    #[error("line {line} has a NUL byte")]
    Nul { line: u64 },
    #[error("a line has more than {} bytes", MOST)]
    Long,
}

impl NoLines {
    /// What an error of reading says, if it is one of these.
    pub fn of(error: &io::Error) -> Option<NoLines> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl<R: Read> Lines<R> {
    pub fn new(from: R) -> Lines<R> {
        Lines { from, line: 1, left: MOST }
    }

    /// Tells that a new line begins, as fields see it.
    pub fn begin(&mut self) {
        self.left = MOST;
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(NoLines::Long));
        }
        let count = self.from.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        let piece = &buffer[..count];
        let breaks = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if piece.contains(&0) {
            let text = piece.split(|&byte| byte == 0).next().unwrap_or_default();
            return Err(io::Error::other(NoLines::Nul { line: self.line + breaks(text) }));
        }
        self.line += breaks(piece);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_passes_and_what_is_none_is_refused() {
        let mut text = Lines::new(&b"a\nb\n"[..]);
        assert_eq!(io::read_to_string(&mut text).unwrap(), "a\nb\n");
        let nul = io::read_to_string(Lines::new(&b"a\nb\n\0\n"[..])).unwrap_err();
        assert!(matches!(NoLines::of(&nul), Some(NoLines::Nul { line: 3 })));
        let mut endless = Lines { left: 1000, ..Lines::new(io::repeat(b'x')) };
        let long = io::copy(&mut endless, &mut io::sink()).unwrap_err();
        assert!(matches!(NoLines::of(&long), Some(NoLines::Long)));
        endless.begin();
        assert!(endless.read(&mut [0; 8]).is_ok() && endless.left == MOST - 8);
    }
}
