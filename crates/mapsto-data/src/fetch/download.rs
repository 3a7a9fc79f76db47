//! One file: fetched beside its place, checked, and put there.

use super::client::Client;
use super::sum::Sum;
use super::{FetchError, RemoteFile, Step, Watch, last_part};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 16;

/// Fetches a file to a place, or what is missing of it.
pub(super) fn download(
    client: &Client,
    file: &RemoteFile,
    place: &Path,
    watch: &mut Watch<'_>,
) -> Result<(), FetchError> {
    let part = part(place);
    if let Err(error) = receive(client, file, &part, watch) {
        // What came over a connection that broke is worth keeping; nothing and a wrong file are not.
        let wrong = matches!(error, FetchError::Io { .. } | FetchError::Length { .. } | FetchError::Sum { .. });
        if wrong || part.metadata().is_ok_and(|found| found.len() == 0) {
            let _ = fs::remove_file(&part);
        }
        return Err(error);
    }
    fs::rename(&part, place).map_err(FetchError::io("make", place))?;
    sync_parent(place).map_err(FetchError::io("write", place))
}

/// The hidden file beside a place.
fn part(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{}.part", name.trim_start_matches('.')))
}

/// Brings a file to the published length and sum.
fn receive(client: &Client, file: &RemoteFile, part: &Path, watch: &mut Watch<'_>) -> Result<(), FetchError> {
    let io = FetchError::io("write", part);
    let mut out = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(part).map_err(&io)?;
    let mut sum = Sum::default();
    let mut done = sum.add_all(&out).map_err(&io)?;
    let again = |out: &mut File| {
        out.set_len(0)?;
        out.seek(SeekFrom::Start(0))
    };
    if done > file.bytes {
        done = again(&mut out).map_err(&io)?;
        sum = Sum::default();
    }
    if done < file.bytes {
        let mut body = client.get(file.url, done, file.bytes)?;
        if body.start == 0 {
            done = again(&mut out).map_err(&io)?;
            sum = Sum::default();
        }
        let url = || client.address(file.url);
        let mut piece = vec![0; PIECE];
        loop {
            let step = Step { file: last_part(file.url), unpacking: false, done, bytes: file.bytes };
            if watch(step).is_break() {
                return Err(FetchError::Stopped);
            }
            let broken = |reason: String| FetchError::Broken { url: url(), got: done, bytes: file.bytes, reason };
            let count = body.reader.read(&mut piece).map_err(|error| broken(error.to_string()))?;
            if count == 0 && done < file.bytes {
                return Err(broken("the server sent no more".into()));
            }
            if count == 0 {
                break;
            }
            if done + count as u64 > file.bytes {
                return Err(FetchError::Length { url: url(), got: "more".into(), bytes: file.bytes });
            }
            out.write_all(&piece[..count]).map_err(&io)?;
            sum.add(&piece[..count]);
            done += count as u64;
        }
    }
    let got = sum.finish();
    if got != file.sha256 {
        return Err(FetchError::Sum { url: client.address(file.url), got, expected: file.sha256.into() });
    }
    out.sync_all().map_err(&io)
}

/// Makes a rename last through a power cut.
#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Folders cannot be synced here.
#[cfg(not(unix))]
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}
