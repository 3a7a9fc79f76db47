//! Files that are written whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file so that a reader, or a crash at any moment, finds the old content or the new, never a part.
///
/// What `write` writes goes to a temporary file in the same folder, is synced to disk and renamed over `path`; then the
/// folder is synced. A crash may leave the temporary file (`.mapsto-<process>-<number>.tmp`), an error does not.
///
/// # Errors
/// What `write` refuses; a refusal of the system; a `path` that names no file.
pub fn write_atomic(path: impl AsRef<Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let path = path.as_ref();
    if path.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
    }
    let (temporary, file) = create_beside(path)?;
    let written = fill(&file, write);
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_parent(path)
}

/// How the names of temporary files begin and end.
const TEMPORARY: [&str; 2] = [".mapsto-", ".tmp"];

/// Whether a file is called as one that [`write_atomic`] was killed in.
pub fn is_temporary(name: &OsStr) -> bool {
    let [begin, end] = TEMPORARY;
    name.to_str().is_some_and(|name| name.starts_with(begin) && name.ends_with(end))
}

/// A new file in the folder of `path`. Its name does not contain that of `path`: so it is never too long.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let [begin, end] = TEMPORARY;
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!("{begin}{}-{number}{end}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            // A crashed process of the same number left it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((temporary, opened?)),
        }
    }
}

fn fill(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    write(&mut out)?;
    out.flush()?;
    file.sync_all()
}

/// Makes a rename last through a power cut.
#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Only Unix opens folders as files; elsewhere the rename is left to the file system.
#[cfg(not(unix))]
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
        write_atomic(path, |out| out.write_all(bytes))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn whole_files_are_replaced() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("model.bin");
        write_bytes(&path, b"a long first version").unwrap();
        // What a crashed process of the same number would have left is in nobody's way.
        let (number, taken) = (std::process::id(), 100);
        (0..taken).for_each(|i| fs::write(temp.path().join(format!(".mapsto-{number}-{i}.tmp")), "").unwrap());
        write_bytes(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        (0..taken).for_each(|i| fs::remove_file(temp.path().join(format!(".mapsto-{number}-{i}.tmp"))).unwrap());
        // A name as long as names can be.
        write_bytes(&temp.path().join("n".repeat(255)), b"x").unwrap();
        assert_eq!(names(temp.path()), ["model.bin".to_string(), "n".repeat(255)], "no temporary file stays");
    }

    #[test]
    fn an_error_leaves_the_old_file_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("model.bin");
        write_bytes(&path, b"old").unwrap();
        let half = |out: &mut dyn Write| out.write_all(b"new").and_then(|()| Err(io::Error::other("no more")));
        assert_eq!(write_atomic(&path, half).unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        // A folder in the way: the rename fails.
        fs::create_dir(temp.path().join("taken")).unwrap();
        fs::write(temp.path().join("taken").join("inside"), "").unwrap();
        assert!(write_bytes(&temp.path().join("taken"), b"x").is_err());
        assert_eq!(names(temp.path()), ["model.bin", "taken"]);
        assert!(write_bytes(Path::new("/"), b"x").unwrap_err().to_string().ends_with("it names no file"));
        // Nobody, not even the superuser, makes entries here.
        #[cfg(target_os = "linux")]
        assert!(write_bytes(Path::new("/proc/a"), b"x").is_err());
    }

    #[test]
    fn a_reader_never_sees_a_part() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state");
        let versions = [vec![b'a'; 100_000], vec![b'b'; 50_000]];
        write_bytes(&path, &versions[0]).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..40).for_each(|i| write_bytes(&path, &versions[i % 2]).unwrap()));
            while !writer.is_finished() {
                let seen = fs::read(&path).unwrap();
                assert!(versions.contains(&seen), "{} bytes seen", seen.len());
            }
        });
    }

    /// A saved file is like any other, not its owner's alone.
    #[cfg(unix)]
    #[test]
    fn others_may_read_as_usual() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(temp.path().join(name)).unwrap().permissions().mode();
        fs::write(temp.path().join("plain"), "x").unwrap();
        write_bytes(&temp.path().join("ours"), b"x").unwrap();
        assert_eq!(mode("ours"), mode("plain"));
    }
}
