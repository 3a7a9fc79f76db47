//! Gzipped tar archives, whose entries may say anything.

use super::{Watched, wrong};
use crate::fetch::{FetchError, RemoteFile, Watch};
use flate2::bufread::GzDecoder;
use std::io::{BufReader, Read};
use std::path::{Component, Path};

/// Bytes of the archive that are read at a time.
const PIECE: usize = 1 << 18;
/// An archive may become this many times as long, and no longer.
const GROWTH: u64 = 20;
/// And a little more, for small ones: tar fills up to blocks.
const LEAST: u64 = 1 << 20;

/// Shows every plain file of an archive: the names on its path, and its bytes. Links, devices and paths that lead elsewhere are
/// passed over.
pub(super) fn each_file(
    file: &RemoteFile,
    archive: &Path,
    watch: &mut Watch<'_>,
    mut show: impl FnMut(&[&str], &mut dyn Read) -> Result<(), FetchError>,
) -> Result<(), FetchError> {
    let mut watched = Watched::open(archive, file, watch)?;
    let most = file.bytes.saturating_mul(GROWTH).saturating_add(LEAST);
    let unpacked = GzDecoder::new(BufReader::with_capacity(PIECE, &mut watched)).take(most);
    let mut tar = tar::Archive::new(unpacked);
    let mut walk = || {
        let torn = |error: std::io::Error| wrong(archive, error.to_string());
        for entry in tar.entries().map_err(torn)? {
            let mut entry = entry.map_err(torn)?;
            let path = entry.path().map_err(torn)?.into_owned();
            if let Some(names) = names(&path).filter(|_| entry.header().entry_type().is_file()) {
                show(&names, &mut entry)?;
            }
        }
        Ok(())
    };
    let walked = walk();
    let left = tar.into_inner().limit();
    match walked {
        Err(_) if watched.stopped => Err(FetchError::Stopped),
        Err(FetchError::Form { .. }) if left == 0 => {
            Err(wrong(archive, format!("it unpacks to more than {most} bytes")))
        }
        walked => walked,
    }
}

/// The names on a path, if it leads nowhere else.
fn names(path: &Path) -> Option<Vec<&str>> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let name = |part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    };
    parts.map(name).collect()
}
