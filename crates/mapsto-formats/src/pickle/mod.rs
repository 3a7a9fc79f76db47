//! Pickles of state dicts, read as data.
//!
//! A pickle is a program for a small stack machine, and Python's own machine lets it call anything. This one calls nothing:
//! it knows the instructions that build numbers, texts and containers, and a list of names (`global.rs`) whose meaning is
//! written down here. Any other name is an error. What is built lives in one list and refers to itself by index, so that
//! nests of any depth and cycles cost nothing to build or to drop; whoever walks them bounds the walk.
//!
//! Instructions: Python's `pickletools`; the meaning of tensors and storages: PyTorch's `torch/_utils.py` and
//! `torch/serialization.py`.

mod bytes;
mod error;
mod global;
mod machine;
mod objects;

pub use error::PickleError;
pub(crate) use global::{Known, shown};

use crate::elements::Stored;
use std::io::BufRead;

/// A value, by its place in [`Pickle::nodes`].
pub(crate) type Id = u32;

/// What an instruction has built.
#[derive(Debug)]
pub(crate) enum Node {
    None,
    Int(i128),
    /// A truth value, a float, bytes, or an object: nobody needs its content.
    Inert,
    Text(Box<str>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// Keys and values, as they came.
    Dict(Vec<(Id, Id)>),
    Global(&'static Known),
    /// By index in [`Pickle::storages`].
    Storage(u32),
    /// By index in [`Pickle::tensors`].
    Tensor(u32),
}

/// An array of numbers outside the pickle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    /// Its name.
    pub key: Box<str>,
    /// The type of its numbers; bytes where the tensors say the type.
    pub stored: Stored,
    /// How many numbers.
    pub numel: u64,
}

/// A view of a storage, as the pickle describes it: nothing is checked yet.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// By index in [`Pickle::storages`].
    pub storage: u32,
    /// The type of its numbers.
    pub stored: Stored,
    /// The first number's place in the storage.
    pub offset: u64,
    /// Sizes, outermost axis first.
    pub sizes: Vec<u64>,
    /// From a number to the next one along each axis.
    pub strides: Vec<u64>,
}

/// Everything that a pickle builds.
#[derive(Debug, Default)]
pub(crate) struct Pickle {
    pub nodes: Vec<Node>,
    pub storages: Vec<Storage>,
    pub tensors: Vec<View>,
    /// What it is a pickle of.
    pub root: Id,
}

impl Pickle {
    /// Reads one pickle and nothing behind it.
    pub fn read(from: &mut impl BufRead) -> Result<Pickle, PickleError> {
        machine::run(from)
    }

    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub fn root(&self) -> &Node {
        self.node(self.root)
    }
}

/// Reads a pickle as checkpoints have it and forgets it again: what fuzzing runs.
///
/// # Errors
/// What is no pickle of numbers, texts, containers and tensors.
pub fn unpickle_from(mut from: impl BufRead) -> Result<(), PickleError> {
    Pickle::read(&mut from).map(drop)
}
