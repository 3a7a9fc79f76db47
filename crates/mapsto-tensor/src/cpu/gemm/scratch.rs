//! Room that a thread keeps for itself from one product to the next.

use bytemuck::{Pod, Zeroable};
use std::cell::Cell;

#[derive(Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub(crate) struct CacheLine([u8; 64]);

pub(crate) type BufferCell = std::thread::LocalKey<Cell<Vec<CacheLine>>>;

/// A thread's packing buffer while it is in use; given back when dropped, so that it is allocated once.
pub(crate) struct Buffer {
    home: &'static BufferCell,
    lines: Vec<CacheLine>,
}

impl Buffer {
    #[inline]
    pub(crate) fn take(home: &'static BufferCell) -> Self {
        Buffer { home, lines: home.take() }
    }

    /// `len` elements, holding anything.
    #[inline]
    pub(crate) fn get<T: Pod>(&mut self, len: usize) -> &mut [T] {
        let lines = (len * size_of::<T>()).div_ceil(64);
        if self.lines.len() < lines {
            self.lines.resize(lines, CacheLine::zeroed());
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..len]
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        self.home.set(std::mem::take(&mut self.lines));
    }
}
