//! Public datasets: fetched, checked and unpacked into what the readers of this crate read.

mod catalogue;
mod claim;
mod client;
mod download;
mod error;
mod sum;
mod tls;
mod unpack;

pub use catalogue::CATALOGUE;
pub use error::FetchError;

use claim::Claim;
use client::Client;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A public dataset.
#[derive(Clone, Copy, Debug)]
pub struct DataSet {
    /// What it is called here.
    pub name: &'static str,
    /// What is in it.
    pub about: &'static str,
    /// Under which terms its authors give it.
    pub licence: &'static str,
    /// The page that describes it.
    pub home: &'static str,
    /// What it is once it is in its folder.
    pub reads: Reads,
    /// Its files.
    pub files: &'static [RemoteFile],
}

/// What a set is once it is in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Pictures, for [`ImageSet::open`](crate::ImageSet::open) on the folder.
    Pictures,
    /// A table.
    Table {
        /// Its file in the folder.
        file: &'static str,
        /// The column that is usually predicted.
        target: &'static str,
    },
}

/// A file at a public address.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFile {
    /// Its address, `http` or `https`.
    pub url: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 as 64 small hexadecimal digits.
    pub sha256: &'static str,
    /// What is made of it.
    pub becomes: Becomes,
}

/// What is made of a file that was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// It stays as it is, under this name.
    Itself(&'static str),
    /// A table with a line of names, of a file as C4.5 reads it: fields between commas, `|` begins a comment, a line may end
    /// with a full stop.
    Rows {
        /// The table's file.
        file: &'static str,
        /// Names of the columns.
        columns: &'static [&'static str],
    },
    /// Files of a gzipped tar archive.
    Files {
        /// The folder in the archive that they are in.
        inside: &'static str,
        /// What is taken out of it: files, and folders with all that is in them.
        takes: &'static [&'static str],
    },
    /// PNG files in `train` and `test`, a folder for each class, of the binary form of CIFAR in a gzipped tar archive.
    Cifar {
        /// Bytes of labels before the 3 x 32 x 32 of a picture; the last is its class.
        labels: usize,
        /// The file in the archive that has the names of classes, a line each.
        names: &'static str,
    },
}

impl Becomes {
    /// Names of the files and folders that there are afterwards.
    fn makes(&self) -> &[&'static str] {
        match self {
            Becomes::Itself(file) | Becomes::Rows { file, .. } => std::slice::from_ref(file),
            Becomes::Files { takes, .. } => takes,
            Becomes::Cifar { .. } => &["test", "train"],
        }
    }
}

/// How files are fetched.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Stands in place of scheme and host of every address: `http://localhost:8000` or `https://example.org/mirror`.
    pub mirror: Option<String>,
    /// How long a connection may take, or be silent.
    pub patience: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { mirror: None, patience: Duration::from_secs(30) }
    }
}

/// How far a file is.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The last part of its address.
    pub file: &'a str,
    /// Whether it is here and is unpacked now.
    pub unpacking: bool,
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in all.
    pub bytes: u64,
}

/// Is told of every step, and says whether to go on.
pub type Watch<'a> = dyn FnMut(Step<'_>) -> ControlFlow<()> + 'a;

/// A file of a set, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Where it was fetched from, or would have been.
    pub url: String,
    /// Files and folders that are there now.
    pub paths: Vec<PathBuf>,
    /// Whether they were there before.
    pub kept: bool,
}

/// Puts a set into a folder, which is made if it is missing; its parent is not.
///
/// What is there is kept: files by their sums, unpacked folders because they get their names only when they are whole. A file is
/// written under a hidden name, checked, synced and renamed. When a connection breaks, what came of the file stays, and the
/// next call goes on behind it; after any other failure nothing of the file is left. Unpacked pictures are not synced one by one.
///
/// # Errors
/// A [`FetchError`] for whatever the network, the server, the disk or the folder's other contents bring about.
pub fn fetch(
    set: &DataSet,
    folder: &Path,
    options: &FetchOptions,
    watch: &mut Watch<'_>,
) -> Result<Vec<Placed>, FetchError> {
    let client = Client::new(options)?;
    let ours = claim::is_of(folder, set)?;
    let mut placed = Vec::new();
    for file in set.files {
        let kept = is_placed(file, folder, ours)?;
        let paths: Vec<PathBuf> = file.becomes.makes().iter().map(|name| folder.join(name)).collect();
        // Before the first byte is fetched: what somebody else put there is not written over.
        if let Some(path) = paths.iter().find(|path| !kept && !ours && path.exists()) {
            return Err(FetchError::Taken { path: path.clone() });
        }
        placed.push(Placed { url: client.address(file.url), paths, kept });
    }
    if placed.iter().all(|file| file.kept) {
        return Ok(placed);
    }
    let claim = Claim::take(folder, set)?;
    for (file, placed) in set.files.iter().zip(&mut placed) {
        // Another process may have been quicker.
        placed.kept = placed.kept || is_placed(file, folder, true)?;
        if !placed.kept
            && let Err(error) = place(file, folder, &client, watch)
        {
            claim.tidy();
            return Err(error);
        }
    }
    Ok(placed)
}

/// Whether all is there that is made of a file.
fn is_placed(file: &RemoteFile, folder: &Path, ours: bool) -> Result<bool, FetchError> {
    match file.becomes {
        Becomes::Itself(name) => sum::is_of(&folder.join(name), file),
        _ => Ok(ours && file.becomes.makes().iter().all(|name| folder.join(name).exists())),
    }
}

fn place(file: &RemoteFile, folder: &Path, client: &Client, watch: &mut Watch<'_>) -> Result<(), FetchError> {
    if let Becomes::Itself(name) = file.becomes {
        return download::download(client, file, &folder.join(name), watch);
    }
    let archive = folder.join(format!(".{}", last_part(file.url)));
    if !sum::is_of(&archive, file)? {
        download::download(client, file, &archive, watch)?;
    }
    let unpacked = unpack::unpack(file, &archive, folder, watch);
    // Where the disk was full, or somebody stopped, it need not come again.
    if matches!(unpacked, Ok(()) | Err(FetchError::Form { .. })) {
        fs::remove_file(&archive).map_err(FetchError::io("remove", &archive))?;
    }
    unpacked
}

/// What a file is called at the end of its address.
fn last_part(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
