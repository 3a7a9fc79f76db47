//! Why a checkpoint was refused.

use crate::PickleError;
use crate::pickle::shown;
use std::io;

/// Why a checkpoint of PyTorch could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// The system refused, or the file ends too early.
    #[error("{}", if .0.kind() == io::ErrorKind::UnexpectedEof {
        "the file ends too early: it is cut off".to_string()
    } else {
        format!("cannot read on: {}", .0)
    })]
    Io(#[from] io::Error),
    /// Something else than a checkpoint.
    #[error("this is no file of torch.save: {0}")]
    Other(&'static str),
    /// The format of the first versions.
    #[error("this is a checkpoint in the tar format of PyTorch before 0.2; load it in PyTorch and save it again")]
    Tar,
    /// The archive is damaged.
    #[error("the archive is damaged, or of another kind than torch.save writes: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The part that describes the tensors.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// An array of numbers that is not what the description says.
    #[error("storage {:?}: {what}: the file is damaged", shown(key))]
    Storage {
        /// The storage.
        key: String,
        /// What is wrong.
        what: String,
    },
    /// A tensor that does not lie in its storage.
    #[error("tensor {:?} {what}", shown(name))]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// Containers in containers without end.
    #[error("its containers repeat or nest without end: more than {most} {what}")]
    Endless {
        /// The limit.
        most: usize,
        /// Of what.
        what: &'static str,
    },
    /// Two dicts with one name.
    #[error("two of its dicts are named {:?}", shown(.0))]
    Twice(String),
    /// No tensors.
    #[error("it holds no tensors under names")]
    Nothing,
    /// No dict that is clearly meant.
    #[error("it holds several state dicts of equal length: {}; take one with state_dict_in", listed(.0))]
    Several(Vec<String>),
    /// There is no such dict.
    #[error("it holds no dict of tensors named {:?}; there are {}", shown(name), listed(known))]
    NoDict {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
}

/// The first few names.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = names.iter().take(SHOWN).map(|name| format!("{:?}", shown(name))).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
