//! Why a pickle was refused.

use mapsto_tensor::MAX_RANK;
use std::io;

/// Why a pickle could not be read. Nothing of it was executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The system refused, or the bytes end before the pickle does.
    #[error("{}", if source.kind() == io::ErrorKind::UnexpectedEof {
        format!("the file ends in the middle of its pickle, at byte {at}: it is cut off")
    } else {
        format!("cannot read byte {at} of the pickle: {source}")
    })]
    Io {
        /// Where in the pickle.
        at: u64,
        /// The reason.
        source: io::Error,
    },
    /// A function or class that is none of those whose meaning is known.
    #[error(
        "the file asks to run {0}: refused; nothing of a file is ever run. If you trust it, load it in PyTorch and save model.state_dict()"
    )]
    Global(String),
    /// A class of a network.
    #[error("the file holds a whole module ({0}), not its values; in PyTorch save model.state_dict() instead")]
    Module(String),
    /// An instruction that makes or changes objects, or that no such file has.
    #[error("byte {at} of the pickle: the instruction {name} is refused; a state dict needs none such")]
    Opcode {
        /// Where in the pickle.
        at: u64,
        /// The instruction, and what it was to be done to.
        name: String,
    },
    /// Numbers of a type that tensors do not have.
    #[error(
        "the file holds {0} numbers, which tensors do not have; convert them in PyTorch (x.float(), torch.view_as_real)"
    )]
    Lacking(&'static str),
    /// More axes than tensors have.
    #[error("the file holds a tensor of {axes} axes; tensors have at most {MAX_RANK}")]
    Axes {
        /// How many.
        axes: usize,
    },
    /// A byte that is no instruction.
    #[error("byte {at} of the pickle is {byte:#04x}, which is no instruction: the file is damaged, or is no pickle")]
    Unknown {
        /// Where in the pickle.
        at: u64,
        /// The byte.
        byte: u8,
    },
    /// Instructions that do not fit each other.
    #[error("byte {at} of the pickle: {what}: the file is damaged")]
    Damaged {
        /// Where in the pickle.
        at: u64,
        /// What does not fit.
        what: String,
    },
    /// More than a checkpoint needs.
    #[error("byte {at} of the pickle: it has more than {most} {what}: no state dict needs so many")]
    TooMuch {
        /// Where in the pickle.
        at: u64,
        /// The limit.
        most: u64,
        /// Of what.
        what: &'static str,
    },
}
