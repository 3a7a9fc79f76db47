//! The pool of buffers: a training loop in its steady state asks the system for nothing.

use crate::error::{Error, Result};
use crate::shape::{Layout, Shape};
use crate::tensor::Tensor;
use std::alloc;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Alignment of every buffer: a cache line, and the widest vector register.
const ALIGN: usize = 64;
/// Size classes: eight to each doubling from 64 bytes up, so at most an eighth of a buffer is idle.
const CLASSES: usize = 8 * 48;
/// So much may be held in any case. Above it, batches of many sizes, of which each wants buffers of its own, may not pile up more
/// than half of what was ever in use.
const FREELY: usize = 1 << 26;
/// How many classes up a larger buffer may serve where no more may be held: to four times the size.
const ABOVE: usize = 16;

static FREE: [Mutex<Vec<Block>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];
static HELD: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static POOLED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static SYSTEM_CALLS: AtomicUsize = AtomicUsize::new(0);

struct Block(NonNull<u8>);

// SAFETY: a block in the pool is owned by the pool alone; its bytes are plain memory.
unsafe impl Send for Block {}

/// What the pool holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStats {
    /// In tensors now.
    pub live: usize,
    /// Kept for reuse.
    pub pooled: usize,
    /// The most that was ever live.
    pub peak: usize,
    /// How many times the system was asked for memory.
    pub system_calls: usize,
}

/// The memory of a tensor, which views of it share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Tells it from all other memory that is in use.
    pub address: usize,
    /// What was asked for; the pool gives up to an eighth more, and no less than 64. Where it may hold no more, it gives a buffer of up to
    /// four times the size if one lies idle.
    pub bytes: usize,
}

/// What the pool holds now.
pub fn memory_stats() -> MemoryStats {
    MemoryStats {
        live: LIVE.load(Relaxed),
        pooled: POOLED.load(Relaxed),
        peak: PEAK.load(Relaxed),
        system_calls: SYSTEM_CALLS.load(Relaxed),
    }
}

/// Sets the peak of [`memory_stats`] to what is live now, to measure the part of a program that follows.
pub fn reset_peak_memory() {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
}

/// Gives the memory that is kept for reuse back to the system, the plans of Fourier transforms included.
pub fn release_memory() {
    crate::cpu::spectral::release_plans();
    (0..CLASSES).for_each(|class| give_back(class, |_| true));
}

/// The smallest class that holds `bytes` (at least one).
fn class_of(bytes: usize) -> usize {
    let units = bytes.div_ceil(ALIGN);
    if units <= 8 {
        return units - 1;
    }
    // Round up to three bits after the leading one.
    let shift = (usize::BITS - 1 - (units - 1).leading_zeros()) as usize - 3;
    let mantissa = ((units - 1) >> shift) + 1; // 9..=16
    8 * (shift + 1) + mantissa - 9
}

/// Bytes of a buffer of this class.
fn class_bytes(class: usize) -> usize {
    if class < 8 { (class + 1) * ALIGN } else { (((class % 8) + 9) << (class / 8 - 1)) * ALIGN }
}

fn layout(class: usize) -> alloc::Layout {
    alloc::Layout::from_size_align(class_bytes(class), ALIGN).expect("size classes fit an address")
}

/// A free block of a class, and the class that it is of.
fn take(class: usize) -> Option<(Block, usize)> {
    let block = FREE[class].lock().unwrap_or_else(|e| e.into_inner()).pop()?;
    POOLED.fetch_sub(class_bytes(class), Relaxed);
    Some((block, class))
}

/// Gives free blocks of a class back to the system while `goes_on` says so of what is held.
fn give_back(class: usize, goes_on: impl Fn(usize) -> bool) {
    while goes_on(HELD.load(Relaxed)) {
        let Some((block, class)) = take(class) else { return };
        HELD.fetch_sub(class_bytes(class), Relaxed);
        // SAFETY: the block came from `alloc_zeroed` with this very layout and nothing else owns it.
        unsafe { alloc::dealloc(block.0.as_ptr(), layout(class)) }
    }
}

/// A block of a class, or of one above it: a free one, or one of the system's.
fn block(class: usize) -> Option<(Block, usize)> {
    if let Some(block) = take(class) {
        return Some(block);
    }
    let size = class_bytes(class);
    let most = FREELY.max(PEAK.load(Relaxed) / 2 * 3);
    let is_too_much = |held: usize| held.saturating_add(size) > most;
    if is_too_much(HELD.load(Relaxed)) {
        let end = CLASSES.min(class + ABOVE + 1);
        if let Some(block) = (class + 1..end).find_map(take) {
            return Some(block);
        }
        // First those that come nearest to it and are too small: batches that grow leave them behind.
        (0..class).rev().chain((end..CLASSES).rev()).for_each(|other| give_back(other, is_too_much));
    }
    SYSTEM_CALLS.fetch_add(1, Relaxed);
    // SAFETY: the layout's size is not zero.
    let ask = || NonNull::new(unsafe { alloc::alloc_zeroed(layout(class)) });
    let start = ask().or_else(|| {
        release_memory();
        ask()
    })?;
    HELD.fetch_add(size, Relaxed);
    Some((Block(start), class))
}

/// A span of aligned memory from the pool; it returns there when dropped. Its bytes are always initialised: zero when
/// they come from the system, whatever the last owner left otherwise.
pub(crate) struct Buffer {
    start: NonNull<u8>,
    bytes: usize,
    /// Of the block, which may be above that of `bytes`.
    class: usize,
    forms: OnceLock<Box<Forms>>,
}

/// What kernels made of a buffer's elements: dropped when these change.
type Forms = Mutex<Vec<(FormKey, Tensor)>>;

/// A form's name, its shape, and the layout of the elements that it was made of.
pub(crate) type FormKey = (&'static str, Shape, Layout);

// SAFETY: a buffer owns its bytes; shared access is read-only, writing takes `&mut`.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer of `bytes` bytes of arbitrary content.
    pub fn new(bytes: usize) -> Result<Buffer> {
        if bytes == 0 {
            let start = NonNull::<Aligned>::dangling().cast();
            return Ok(Buffer { start, bytes, class: 0, forms: OnceLock::new() });
        }
        let refused = || Error::memory(format!("the system has no {bytes} bytes")).mend("use a smaller batch or model");
        if bytes > class_bytes(CLASSES - 1) {
            return Err(refused());
        }
        let (Block(start), class) = block(class_of(bytes)).ok_or_else(refused)?;
        let size = class_bytes(class_of(bytes));
        let live = LIVE.fetch_add(size, Relaxed) + size;
        PEAK.fetch_max(live, Relaxed);
        Ok(Buffer { start, bytes, class, forms: OnceLock::new() })
    }

    /// Keeps forms of the content from now on.
    pub fn keep_forms(&self) {
        self.forms.get_or_init(Box::default);
    }

    /// The forms of the content, if they are kept.
    pub fn forms(&self) -> Option<MutexGuard<'_, Vec<(FormKey, Tensor)>>> {
        self.forms.get().map(|forms| forms.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where it lies, and how large it is.
    pub fn memory(&self) -> Memory {
        Memory { address: self.start.as_ptr() as usize, bytes: self.bytes }
    }

    /// The content as elements. Every bit pattern is a valid number; a buffer of truth values begins as zeros.
    pub fn as_slice<T: Copy>(&self) -> &[T] {
        // SAFETY: the start is aligned for every element type, the bytes are initialised and inside the allocation.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes / size_of::<T>()) }
    }

    /// The content as elements, to write.
    pub fn as_mut_slice<T: Copy>(&mut self) -> &mut [T] {
        if let Some(forms) = self.forms.get_mut() {
            forms.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
        // SAFETY: as in `as_slice`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.bytes / size_of::<T>()) }
    }
}

#[repr(align(64))]
struct Aligned;

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        LIVE.fetch_sub(class_bytes(class_of(self.bytes)), Relaxed);
        POOLED.fetch_add(class_bytes(self.class), Relaxed);
        FREE[self.class].lock().unwrap_or_else(|e| e.into_inner()).push(Block(self.start));
    }
}

/// A vector with room for `count` elements, where a user's number says how many: too many are an error, not an abort.
pub(crate) fn room<T>(count: usize) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let refused = |_| Error::memory(format!("the system has no memory for {count} elements")).mend("ask for fewer");
    all.try_reserve_exact(count).map_err(refused)?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;
    use crate::tensor::Writing;

    #[test]
    fn every_size_fits_its_class_and_no_smaller_one() {
        for bytes in (1..5000).chain((5000..10_000_000).step_by(997)).chain([1 << 40, (1 << 40) + 1]) {
            let class = class_of(bytes);
            assert!(class_bytes(class) >= bytes, "{bytes}");
            assert!(class == 0 || class_bytes(class - 1) < bytes, "{bytes}");
            assert!(class_bytes(class) <= bytes + ALIGN + bytes / 8, "{bytes}");
        }
        for class in 0..CLASSES - 64 {
            assert_eq!(class_of(class_bytes(class)), class);
        }
    }

    #[test]
    fn impossible_sizes_are_errors() {
        assert!(Buffer::new(usize::MAX).is_err());
        assert!(Buffer::new(1 << 60).is_err());
        assert!(Buffer::new(0).unwrap().as_slice::<f32>().is_empty());
    }

    #[test]
    fn truth_values_begin_as_zeros() {
        let shape = Shape::new(&[77 * 4096]).unwrap();
        drop(Writing::<u8>::filled(shape, 7).unwrap());
        let bytes = Writing::<bool>::new(shape).unwrap().finish().to_bytes().unwrap();
        assert!(bytes.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_dropped_buffer_is_reused() {
        let size = 123 * 4096;
        let start = {
            let mut buffer = Buffer::new(size).unwrap();
            buffer.as_mut_slice::<u8>()[0] = 7;
            buffer.start
        };
        assert_eq!(Buffer::new(size).unwrap().start, start);
    }
}
