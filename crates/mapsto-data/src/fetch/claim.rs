//! Whose a folder is: a hidden file in it names the set, and is locked while a process fetches.

use super::{DataSet, FetchError};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The hidden file.
const FILE: &str = ".mapsto-fetch";

/// Whether a folder holds a set; of a folder that nobody claimed, no.
pub(super) fn is_of(folder: &Path, set: &DataSet) -> Result<bool, FetchError> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) if text == contents(set) => Ok(true),
        // A crash between making and filling it.
        Ok(text) if text.is_empty() => Ok(false),
        Ok(text) => Err(FetchError::Other {
            folder: folder.to_owned(),
            name: text.lines().next().unwrap_or_default().to_string(),
        }),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(FetchError::io("read", &path)(error)),
    }
}

/// The name, and what the set is made of: another version of it is another set.
fn contents(set: &DataSet) -> String {
    std::iter::once(set.name)
        .chain(set.files.iter().map(|file| file.sha256))
        .map(|line| line.to_string() + "\n")
        .collect()
}

/// A folder that this process fetches into; others are kept out until it ends.
pub(super) struct Claim {
    folder: PathBuf,
    made: bool,
    _lock: File,
}

impl Claim {
    pub(super) fn take(folder: &Path, set: &DataSet) -> Result<Claim, FetchError> {
        let made = match fs::create_dir(folder) {
            Ok(()) => true,
            Err(_) if folder.is_dir() => false,
            Err(error) => return Err(FetchError::io("make the folder", folder)(error)),
        };
        let path = folder.join(FILE);
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(FetchError::io("make", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(FetchError::io("lock", &path)(error)),
        }
        let write = |mut file: &File| {
            file.set_len(0)?;
            file.write_all(contents(set).as_bytes())?;
            file.sync_all()
        };
        let written = write(&file);
        let claim = Claim { folder: folder.to_owned(), made, _lock: file };
        if let Err(error) = written {
            claim.tidy();
            return Err(FetchError::io("write", &path)(error));
        }
        Ok(claim)
    }

    /// After a failure: a folder with nothing in it is as it was before.
    pub(super) fn tidy(self) {
        let entries = fs::read_dir(&self.folder).map(|entries| entries.flatten().count());
        // What cannot be removed does no harm.
        if entries.is_ok_and(|count| count == 1) {
            let _ = fs::remove_file(self.folder.join(FILE));
            if self.made {
                let _ = fs::remove_dir(&self.folder);
            }
        }
    }
}
