//! What files become: made in a hidden folder, named when they are whole.

mod archive;
mod cifar;
mod files;
mod rows;

use super::{Becomes, FetchError, RemoteFile, Step, Watch, last_part};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Where things are until they are whole.
const UNFINISHED: &str = ".mapsto-unpacking";

/// Makes of a file what it becomes. What was there under the same names goes.
pub(super) fn unpack(
    file: &RemoteFile,
    archive: &Path,
    folder: &Path,
    watch: &mut Watch<'_>,
) -> Result<(), FetchError> {
    let unfinished = folder.join(UNFINISHED);
    // A crash may have left it.
    remove(&unfinished)?;
    fs::create_dir(&unfinished).map_err(FetchError::io("make the folder", &unfinished))?;
    let made = make(file, archive, &unfinished, watch).and_then(|()| {
        let names = file.becomes.makes();
        if let Some(name) = names.iter().find(|name| !unfinished.join(name).exists()) {
            return Err(wrong(archive, format!("there is no {name:?} in it")));
        }
        for name in names {
            let to = folder.join(name);
            remove(&to)?;
            fs::rename(unfinished.join(name), &to).map_err(FetchError::io("make", &to))?;
        }
        Ok(())
    });
    let removed = remove(&unfinished);
    made.and(removed)
}

fn make(file: &RemoteFile, archive: &Path, out: &Path, watch: &mut Watch<'_>) -> Result<(), FetchError> {
    match file.becomes {
        Becomes::Itself(name) => {
            let to = out.join(name);
            fs::copy(archive, &to).map(drop).map_err(FetchError::io("make", &to))
        }
        Becomes::Rows { file, columns } => rows::make(archive, &out.join(file), columns),
        Becomes::Files { inside, takes } => files::make(file, archive, out, inside, takes, watch),
        Becomes::Cifar { labels, names } => cifar::make(file, archive, out, labels, names, watch),
    }
}

/// Removes a file, or a folder with all that is in it, if it is there.
fn remove(path: &Path) -> Result<(), FetchError> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    removed.map_err(FetchError::io("remove", path))
}

/// A file that is not of its form.
fn wrong(path: &Path, reason: impl Into<String>) -> FetchError {
    FetchError::Form { path: path.to_owned(), reason: reason.into() }
}

/// Tells how much of an archive is read, and stops reading when whoever watches says so.
struct Watched<'a, 'w> {
    file: File,
    name: &'a str,
    done: u64,
    bytes: u64,
    watch: &'a mut Watch<'w>,
    stopped: bool,
}

impl<'a, 'w> Watched<'a, 'w> {
    fn open(archive: &Path, file: &'a RemoteFile, watch: &'a mut Watch<'w>) -> Result<Self, FetchError> {
        let opened = File::open(archive).map_err(FetchError::io("read", archive))?;
        Ok(Self { file: opened, name: last_part(file.url), done: 0, bytes: file.bytes, watch, stopped: false })
    }
}

impl Read for Watched<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let step = Step { file: self.name, unpacking: true, done: self.done, bytes: self.bytes };
        if (self.watch)(step).is_break() {
            self.stopped = true;
            return Err(io::Error::other("stopped"));
        }
        let count = self.file.read(to)?;
        self.done += count as u64;
        Ok(count)
    }
}
