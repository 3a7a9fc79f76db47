//! Files of an archive, as they are.

use super::archive::each_file;
use super::wrong;
use crate::fetch::{FetchError, RemoteFile, Watch};
use std::fs;
use std::path::Path;

/// Writes what is to be taken out of a folder of an archive.
pub(super) fn make(
    file: &RemoteFile,
    archive: &Path,
    out: &Path,
    inside: &str,
    takes: &[&str],
    watch: &mut Watch<'_>,
) -> Result<(), FetchError> {
    each_file(file, archive, watch, |names, from| {
        let [folder, rest @ ..] = names else { return Ok(()) };
        if *folder != inside || !rest.first().is_some_and(|first| takes.contains(first)) {
            return Ok(());
        }
        let path = rest.iter().fold(out.to_owned(), |path, name| path.join(name));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(FetchError::io("make the folder", parent))?;
        }
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map_err(|error| wrong(archive, error.to_string()))?;
        fs::write(&path, bytes).map_err(FetchError::io("make", &path))
    })
}
