//! The folder of a run, and its metrics file, in which a crash leaves whole lines.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mapsto_nn::is_temporary;
use serde::Serialize;

/// Name of the metrics file in a run's folder: one JSON object a line.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// Name of the file that is locked while a process trains in a run's folder.
const LOCK_FILE: &str = ".lock";

/// How often a folder that vanishes while it is taken is made again.
const TRIES: usize = 3;

/// Why a run's folder or a file in it could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The name could lead out of the folder of runs, or be mistaken for an option.
    #[error(
        "{0:?} is no name for a run: use letters, digits, '-', '_' and '.', not starting with '-' or '.', without '..'"
    )]
    Name(String),
    /// There is no such folder, or nothing in it that a run wrote.
    #[error("{} is no run: give the folder that the training named", .0.display())]
    NoRun(PathBuf),
    /// Another process holds the run.
    #[error("{} is in use: another process trains there", .0.display())]
    Busy(PathBuf),
    /// A run of this name is there already.
    #[error("{} exists already: choose another name, go on with it by --resume, or remove it", .0.display())]
    Exists(PathBuf),
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A metrics record has no JSON form.
    #[error("cannot write a metrics record as JSON: {0}")]
    Record(serde_json::Error),
}

/// Names what was tried, and on what, when an input or output operation fails.
fn doing(action: &'static str, path: &Path) -> impl Fn(io::Error) -> RunError {
    move |source| RunError::Io { action, path: path.to_owned(), source }
}

/// A run's folder, held by this process.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the folder `root/name`, or takes one that is there and holds nothing but what a process left that ended before it
    /// began; other processes are kept out of it. `root` itself is made when missing, its parent is not.
    ///
    /// # Errors
    /// [`RunError::Name`] for a name that is no plain file name, [`RunError::Exists`] when it is taken,
    /// [`RunError::Io`] when the system refuses.
    pub fn create(root: &Path, name: &str) -> Result<(Self, RunLock), RunError> {
        check_name(name)?;
        create_root(root)?;
        let run = Self { path: root.join(name) };
        for _ in 0..TRIES {
            if !create_new_dir(&run.path)? && !is_unborn(&run.path) {
                break;
            }
            match run.lock() {
                Ok(lock) if is_unborn(&run.path) => return Ok((run, lock)),
                // Whoever was quicker has begun in the meantime,
                Ok(_) | Err(RunError::Busy(_)) => break,
                // or has come to nothing, and removed the folder.
                Err(RunError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(RunError::Exists(run.path))
    }

    /// Makes the folder `root/<task>-<date>-<counter>`: today's date (UTC) and the first counter from 1 that is free,
    /// also when several processes ask at once.
    ///
    /// # Errors
    /// As [`RunDir::create`], but a taken name is passed over.
    pub fn create_next(root: &Path, task: &str) -> Result<(Self, RunLock), RunError> {
        check_name(task)?;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (year, month, day) = date(since_epoch.as_secs() / 86_400);
        let mut counter = 0u64;
        loop {
            counter += 1;
            match Self::create(root, &format!("{task}-{year:04}-{month:02}-{day:02}-{counter}")) {
                Err(RunError::Exists(_)) => {}
                made => return made,
            }
        }
    }

    /// The folder of a run that was made before: one with a `config` in it.
    ///
    /// # Errors
    /// [`RunError::NoRun`] where there is none.
    pub fn open(path: &Path, config: &str) -> Result<Self, RunError> {
        if path.join(config).is_file() {
            Ok(Self { path: path.to_owned() })
        } else {
            Err(RunError::NoRun(path.to_owned()))
        }
    }

    /// Keeps other processes out while the lock lives; it ends with the process, however that ends.
    ///
    /// # Errors
    /// [`RunError::Busy`] when another process is in, [`RunError::Io`] when the system refuses.
    pub fn lock(&self) -> Result<RunLock, RunError> {
        let path = self.path.join(LOCK_FILE);
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(doing("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(RunLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(RunError::Busy(self.path.clone())),
            Err(TryLockError::Error(source)) => Err(doing("lock", &path)(source)),
        }
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes temporary files that a killed process left in the folder and in the folders in it.
    ///
    /// # Errors
    /// [`RunError::Io`] when the system refuses.
    pub fn tidy(&self) -> Result<(), RunError> {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(doing("read the folder", &folder))? {
                let entry = entry.map_err(doing("read the folder", &folder))?;
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if is_temporary(&entry.file_name()) {
                    fs::remove_file(&path).map_err(doing("remove", &path))?;
                }
            }
        }
        Ok(())
    }

    /// Removes the folder with all that is in it: the name is free again.
    ///
    /// # Errors
    /// [`RunError::Io`] when the system refuses.
    pub fn remove(self) -> Result<(), RunError> {
        fs::remove_dir_all(&self.path).map_err(doing("remove the folder", &self.path))
    }

    /// Opens this run's [`METRICS_FILE`].
    ///
    /// # Errors
    /// As [`MetricsLog::open`].
    pub fn metrics(&self) -> Result<MetricsLog, RunError> {
        MetricsLog::open(&self.path.join(METRICS_FILE))
    }
}

fn check_name(name: &str) -> Result<(), RunError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with(['-', '.']) || name.contains("..") || !name.chars().all(plain) {
        return Err(RunError::Name(name.to_owned()));
    }
    Ok(())
}

/// Makes the folder of all runs. Its parent must exist: a mistyped path should be noticed.
fn create_root(root: &Path) -> Result<(), RunError> {
    if root.is_dir() {
        return Ok(());
    }
    match fs::create_dir(root) {
        // Another process was quicker.
        Err(_) if root.is_dir() => Ok(()),
        made => made.map_err(doing("make the folder", root)),
    }
}

/// Makes a folder; `false` when something of this name exists. One system call decides, so no two processes get the
/// same folder.
fn create_new_dir(path: &Path) -> Result<bool, RunError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(doing("make the folder", path)(error)),
    }
}

/// Whether a folder holds nothing but what a run leaves that ends before it has written its settings.
fn is_unborn(path: &Path) -> bool {
    let left = |entry: io::Result<fs::DirEntry>| {
        let name = entry.map(|entry| entry.file_name());
        name.is_ok_and(|name| name == LOCK_FILE || is_temporary(&name))
    };
    // A link leads to a folder of somebody else's.
    !path.is_symlink() && fs::read_dir(path).is_ok_and(|mut entries| entries.all(left))
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, *chrono-compatible low-level date algorithms*).
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day ends a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// A file of metrics records, one JSON object a line, only ever added to.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
    length: u64,
}

impl MetricsLog {
    /// Opens the file at its end and makes it when missing. A last line cut short by a crash is removed first, so that
    /// every line stays readable.
    ///
    /// # Errors
    /// [`RunError::Io`] when the system refuses.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let open = || {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            let whole = content.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            file.set_len(whole as u64)?;
            let length = file.seek(SeekFrom::End(0))?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(doing("open", path))?;
        Ok(Self { path: path.to_owned(), file, length })
    }

    /// Adds one record, in a single write. NaN and infinities become `null`: JSON has no form for them.
    ///
    /// # Errors
    /// [`RunError::Record`] when the record has no JSON form, [`RunError::Io`] when the system refuses.
    pub fn append(&mut self, record: &impl Serialize) -> Result<(), RunError> {
        let mut line = serde_json::to_vec(record).map_err(RunError::Record)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(doing("write", &self.path))?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no line.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Cuts off what is behind a length that it had.
    ///
    /// # Errors
    /// [`RunError::Io`] when the system refuses.
    pub fn truncate(&mut self, length: u64) -> Result<(), RunError> {
        if length >= self.length {
            return Ok(());
        }
        let mut cut = || {
            self.file.set_len(length)?;
            self.file.seek(SeekFrom::Start(length))
        };
        self.length = cut().map_err(doing("shorten", &self.path))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!([date(11_015), date(11_016), date(11_017)], [(2000, 2, 28), (2000, 2, 29), (2000, 3, 1)]);
        assert_eq!([date(20_088), date(20_453)], [(2024, 12, 31), (2025, 12, 31)]);
        assert_eq!([date(47_540), date(47_541)], [(2100, 2, 28), (2100, 3, 1)]);
    }
}
