//! What can go wrong when a dataset is fetched.

use std::io;
use std::path::{Path, PathBuf};

/// Why a dataset is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
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
    /// Another process fetches into the folder.
    #[error("{} is in use: another process fetches into it", .0.display())]
    Busy(PathBuf),
    /// The folder has another set.
    #[error("{} holds {name:?}: choose another folder", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// The set, or what stands for it.
        name: String,
    },
    /// Something is in the way that did not come from here.
    #[error("{} is there and is something else: choose another folder, or move it away", path.display())]
    Taken {
        /// The file or folder.
        path: PathBuf,
    },
    /// A mirror that is none.
    #[error("{0:?} is no address of a mirror: give http://HOST or https://HOST, perhaps with a path")]
    Mirror(String),
    /// There is no way to speak HTTPS.
    #[error("cannot fetch {url} over HTTPS: {reason}, or name a mirror that speaks plain HTTP")]
    NoHttps {
        /// The address.
        url: String,
        /// Why, and the mend.
        reason: String,
    },
    /// No answer.
    #[error("cannot fetch {url}: {reason}; {}", network_mend(reason))]
    Network {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// An answer that is no file.
    #[error("cannot fetch {url}: the server answers with status {status}; {}", status_mend(*status))]
    Status {
        /// The address.
        url: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The connection ended too early.
    #[error(
        "{url} broke off after {got} of {bytes} bytes: {reason}; they are kept, and the same command goes on behind them"
    )]
    Broken {
        /// The address.
        url: String,
        /// Bytes that are here.
        got: u64,
        /// Bytes of the file.
        bytes: u64,
        /// What happened.
        reason: String,
    },
    /// Another file, by its length.
    #[error("{url} is another file than was published: it has {got} bytes, not {bytes}; nothing of it was kept")]
    Length {
        /// The address.
        url: String,
        /// Its length, or that it is more than the published.
        got: String,
        /// The published length.
        bytes: u64,
    },
    /// Another file, by its sum.
    #[error(
        "{url} is another file than was published: its SHA-256 is {got}, not {expected}; nothing of it was kept. A second try mends a damaged transfer"
    )]
    Sum {
        /// The address.
        url: String,
        /// Its sum.
        got: String,
        /// The published sum.
        expected: String,
    },
    /// A file that has its sum and is not of the form that it should have.
    #[error("cannot unpack {}: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Whoever watched said so.
    #[error("stopped; what came is kept, and the same command goes on behind it")]
    Stopped,
}

impl FetchError {
    /// Names what was tried, and on what, when an input or output operation fails.
    pub(super) fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> FetchError {
        move |source| FetchError::Io { action, path: path.to_owned(), source }
    }
}

fn network_mend(reason: &str) -> &'static str {
    if reason.contains("certificate") {
        "where a proxy signs with a certificate of its own, name that by SSL_CERT_FILE"
    } else {
        "is there a network? A mirror or a proxy can stand between"
    }
}

fn status_mend(status: u16) -> &'static str {
    match status {
        404 | 410 => "the file has moved: a mirror may have it",
        _ => "try again later, or use a mirror",
    }
}
