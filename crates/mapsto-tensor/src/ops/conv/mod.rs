//! Convolutions, their transposes, and the matrix of patches that they are a product with.
//!
//! A convolution is bilinear: its gradients are the transposed convolution and [`ConvWeightGrad`], whose gradients are
//! these three again, so that gradients of every order are recorded without more ado.

mod cases;
mod convolution;
mod fold;
mod settings;

pub use convolution::{Conv, ConvTranspose, ConvWeightGrad};
pub use fold::{Fold, Unfold};
pub use settings::{ConvOptions, ConvSettings, KernelAxis, PerAxis, Spatial};

use crate::testing::Entry;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::of::<Conv>(),
        Entry::of::<ConvTranspose>(),
        Entry::of::<ConvWeightGrad>(),
        Entry::of::<Unfold>(),
        Entry::of::<Fold>(),
    ]
}
