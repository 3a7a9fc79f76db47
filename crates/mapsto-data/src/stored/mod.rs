//! Many numbers, of which memory holds some and a temporary file the rest.

mod budget;
mod mapping;

use budget::{Budget, Held};
use mapping::Mapping;
use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::ops::{Deref, Range};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes that each store may have in memory whatever others have. Systems map some ten thousand files, and no more.
const FREE: usize = 64 << 10;
/// Bytes that go to a file at once.
const CHUNK: usize = 256 << 10;

/// Plain numbers in a row, which do not change any more: a slice of them.
///
/// While all stores together take less than 64 MiB, they lie in memory; the environment variable `MAPSTO_TABLE_MB` names another
/// limit, in MiB. Those that do not fit, and take more than 64 KiB, lie in a temporary file without a name, in the folder that `TMPDIR` names or else the
/// system's own, which the system reads where they are looked at and forgets where it needs the memory. The numbers are the same.
/// Clones share them.
pub struct Stored<T>(Arc<Place<T>>);

enum Place<T> {
    Memory { values: Vec<T>, _held: Option<Held> },
    File(Mapping),
}

/// Numbers that are yet to be all there.
pub struct StoredBuilder<T> {
    buffer: Vec<T>,
    held: Held,
    /// What the buffer was emptied into.
    file: Option<Spill>,
}

/// A temporary file, and how much was written to it.
struct Spill {
    file: File,
    bytes: u64,
}

/// Why numbers could not be put into a temporary file.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot put a table into a temporary file in {} ({} MB so far): {source}; name a folder on a disk with room for it by {}, or \
     let more than {} MB stay in memory by {}",
    folder.display(), bytes / 1_000_000, if cfg!(windows) { "TMP" } else { "TMPDIR" }, limit >> 20, budget::LIMIT
)]
pub struct StoreError {
    folder: PathBuf,
    bytes: u64,
    limit: usize,
    source: io::Error,
}

impl<T: bytemuck::Pod> Stored<T> {
    /// Numbers as they come.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn of(values: impl IntoIterator<Item = T>) -> Result<Stored<T>, StoreError> {
        let mut builder = StoredBuilder::new();
        values.into_iter().try_for_each(|value| builder.push(value))?;
        builder.finish()
    }

    /// Says that some of the numbers will be looked at soon: then the system may read them all at once, and none besides. How much it
    /// reads otherwise, where one is looked at, is its own affair: on some systems megabytes.
    pub fn prefetch(&self, range: Range<usize>) {
        if let Place::File(mapping) = &*self.0 {
            mapping.prefetch(range.start * size_of::<T>()..range.end * size_of::<T>());
        }
    }

    /// Says that the numbers will be looked at in no order: then the system reads none besides those.
    pub fn scattered(self) -> Stored<T> {
        if let Place::File(mapping) = &*self.0 {
            mapping.scattered();
        }
        self
    }
}

impl<T: bytemuck::Pod> StoredBuilder<T> {
    /// Without numbers.
    pub fn new() -> StoredBuilder<T> {
        StoredBuilder::within(Budget::of_process())
    }

    fn within(budget: &'static Budget) -> StoredBuilder<T> {
        StoredBuilder { buffer: Vec::new(), held: budget.nothing(), file: None }
    }

    /// Adds a number.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn push(&mut self, value: T) -> Result<(), StoreError> {
        if self.buffer.len() == self.buffer.capacity() {
            self.make_room()?;
        }
        self.buffer.push(value);
        Ok(())
    }

    /// Adds numbers.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn extend(&mut self, mut values: &[T]) -> Result<(), StoreError> {
        while !values.is_empty() {
            if self.buffer.len() == self.buffer.capacity() {
                self.make_room()?;
            }
            let (now, later) = values.split_at(values.len().min(self.buffer.capacity() - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            values = later;
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let written = self.file.as_ref().map_or(0, |spill| spill.bytes as usize / size_of::<T>());
        written + self.buffer.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, which are all there now.
    ///
    /// # Errors
    /// A temporary file that cannot be written, or looked at.
    pub fn finish(mut self) -> Result<Stored<T>, StoreError> {
        if self.file.is_some() {
            self.spill()?;
        }
        let StoredBuilder { mut buffer, mut held, file } = self;
        let place = match file {
            Some(Spill { file, bytes }) => {
                let limit = held.budget().limit();
                Place::File(Mapping::of(file).map_err(|source| refused(source, bytes, limit))?)
            }
            None => {
                buffer.shrink_to_fit();
                held.shrink(buffer.capacity() * size_of::<T>());
                Place::Memory { values: buffer, _held: Some(held) }
            }
        };
        Ok(Stored(Arc::new(place)))
    }

    /// Makes room for one number more, in memory where that may be.
    fn make_room(&mut self) -> Result<(), StoreError> {
        let wanted = (2 * self.buffer.capacity() * size_of::<T>()).max(FREE);
        if self.file.is_none() && (wanted == FREE || self.held.grow(wanted)) {
            self.buffer.reserve_exact(wanted / size_of::<T>() - self.buffer.len());
            return Ok(());
        }
        self.spill()
    }

    /// Empties the buffer into the file.
    fn spill(&mut self) -> Result<(), StoreError> {
        let limit = self.held.budget().limit();
        if self.file.is_none() {
            let file = tempfile::tempfile_in(env::temp_dir()).map_err(|source| refused(source, 0, limit))?;
            self.file = Some(Spill { file, bytes: 0 });
        }
        if let Some(Spill { file, bytes }) = &mut self.file {
            let content: &[u8] = bytemuck::cast_slice(&self.buffer);
            // What is written before it is mapped has its place on the disk: a full one is an error here and no signal later.
            file.write_all(content).map_err(|source| refused(source, *bytes, limit))?;
            *bytes += content.len() as u64;
        }
        let count = CHUNK / size_of::<T>();
        if self.buffer.capacity() > count {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        self.buffer.reserve_exact(count);
        self.held.shrink(0);
        Ok(())
    }
}

fn refused(source: io::Error, bytes: u64, limit: usize) -> StoreError {
    StoreError { folder: env::temp_dir(), bytes, limit, source }
}

impl<T: bytemuck::Pod> Default for StoredBuilder<T> {
    fn default() -> StoredBuilder<T> {
        StoredBuilder::new()
    }
}

impl<T: bytemuck::Pod> Deref for Stored<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &*self.0 {
            Place::Memory { values, .. } => values,
            Place::File(mapping) => bytemuck::cast_slice(mapping.bytes()),
        }
    }
}

impl<T: bytemuck::Pod> From<Vec<T>> for Stored<T> {
    /// Numbers that lie in memory already, and stay there.
    fn from(values: Vec<T>) -> Stored<T> {
        Stored(Arc::new(Place::Memory { values, _held: None }))
    }
}

impl<T> Clone for Stored<T> {
    fn clone(&self) -> Stored<T> {
        Stored(Arc::clone(&self.0))
    }
}

impl<T: bytemuck::Pod + PartialEq> PartialEq for Stored<T> {
    fn eq(&self, other: &Stored<T>) -> bool {
        **self == **other
    }
}

impl<T: bytemuck::Pod + fmt::Debug> fmt::Debug for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NOTHING: Budget = Budget::new(0);

    fn built<T: bytemuck::Pod>(budget: &'static Budget, values: &[T]) -> (Stored<T>, bool) {
        let mut builder = StoredBuilder::within(budget);
        let (first, rest) = values.split_at(values.len() / 3);
        first.iter().for_each(|value| builder.push(*value).unwrap());
        builder.extend(rest).unwrap();
        assert_eq!((builder.len(), builder.is_empty()), (values.len(), values.is_empty()));
        let stored = builder.finish().unwrap();
        let is_in_file = matches!(*stored.0, Place::File(_));
        (stored, is_in_file)
    }

    #[test]
    fn numbers_are_the_same_in_memory_and_in_a_file() {
        static PLENTY: Budget = Budget::new(1 << 30);
        for count in [0, 1, 8191, 8192, 8193, 40_000, 300_001] {
            let values: Vec<f64> = (0..count).map(|i| (i as f64).sin()).collect();
            let [(memory, spilled), (file, is_in_file)] = [&PLENTY, &NOTHING].map(|budget| built(budget, &values));
            assert!(*memory == values[..] && *file == values[..] && memory == file, "{count}");
            assert_eq!((spilled, is_in_file), (false, count * 8 > FREE), "{count}");
            file.prefetch(count / 3..count);
            assert!(file.clone().scattered() == memory, "{count}");
        }
        let bytes: Vec<u8> = (0..1_000_000).map(|i| (i % 251) as u8).collect();
        assert!(*built(&NOTHING, &bytes).0 == bytes[..]);
    }

    #[test]
    fn what_is_dropped_makes_room_for_others() {
        static SOME: Budget = Budget::new(300_000);
        let values = vec![7u32; 50_000];
        let (first, spilled) = built(&SOME, &values);
        assert!(!spilled && SOME.held() == 200_000);
        let (second, spilled) = built(&SOME, &values);
        assert!(spilled && SOME.held() == 200_000 && first == second);
        drop(first.clone());
        assert_eq!(SOME.held(), 200_000);
        drop(first);
        assert_eq!(SOME.held(), 0);
        assert!(!built(&SOME, &values).1);
    }
}
