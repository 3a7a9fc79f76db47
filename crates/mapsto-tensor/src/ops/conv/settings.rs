//! How a kernel moves over an image, and what users say of it.

use crate::error::{Error, Result};
use crate::op::Attributes;
use smallvec::{SmallVec, smallvec};

/// Values for up to three spatial axes.
pub type Spatial<T> = SmallVec<[T; 3]>;

/// The greatest stride, padding or dilation: sums and products of them stay far from overflow.
const LARGEST: usize = 1 << 24;

/// How a kernel moves along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelAxis {
    /// How far the kernel moves from place to place.
    pub stride: usize,
    /// Zeros before and after.
    pub padding: [usize; 2],
    /// How far the kernel's elements lie apart.
    pub dilation: usize,
}

impl KernelAxis {
    /// Every place, no padding, no gaps.
    pub const PLAIN: KernelAxis = KernelAxis { stride: 1, padding: [0, 0], dilation: 1 };

    /// How much a kernel of `kernel` elements spans.
    fn span(&self, kernel: usize) -> Option<usize> {
        kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// At how many places a kernel fits on `size` elements, if at any.
    pub(crate) fn places(&self, size: usize, kernel: usize) -> Option<usize> {
        let padded = size.checked_add(self.padding[0])?.checked_add(self.padding[1])?;
        Some(padded.checked_sub(self.span(kernel)?)? / self.stride + 1)
    }

    /// How much `places` places of a kernel span.
    pub(crate) fn extent(&self, places: usize, kernel: usize) -> Option<usize> {
        places.checked_sub(1)?.checked_mul(self.stride)?.checked_add(self.span(kernel)?)
    }

    /// What is left of `size` padded elements behind `places` places of a kernel.
    pub(crate) fn left_over(&self, size: usize, places: usize, kernel: usize) -> Option<usize> {
        (size + self.padding[0] + self.padding[1]).checked_sub(self.extent(places, kernel)?)
    }

    /// Whether this many elements may be left over: PyTorch's rule for output padding.
    pub(crate) fn may_leave(&self, extra: usize) -> bool {
        extra < self.stride.max(self.dilation)
    }
}

/// How the kernels of a convolution move over its images, and which channels they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvSettings {
    /// One for each spatial axis.
    pub axes: Spatial<KernelAxis>,
    /// Channels fall into this many groups; each output sees those of its own group.
    pub groups: usize,
}

impl ConvSettings {
    /// The settings as a record shows them.
    pub(super) fn attributes(&self) -> Attributes {
        let list = |f: &dyn Fn(&KernelAxis) -> usize| (&self.axes.iter().map(f).collect::<Spatial<usize>>()[..]).into();
        vec![
            ("stride", list(&|axis| axis.stride)),
            ("padding_before", list(&|axis| axis.padding[0])),
            ("padding_after", list(&|axis| axis.padding[1])),
            ("dilation", list(&|axis| axis.dilation)),
            ("groups", self.groups.into()),
        ]
    }

    /// Fails unless the settings make sense by themselves.
    pub(super) fn check(&self) -> Result<()> {
        if !(1..=3).contains(&self.axes.len()) {
            return Err(Error::argument(format!("takes 1 to 3 spatial axes, not {}", self.axes.len())));
        }
        for (i, axis) in self.axes.iter().enumerate() {
            for (what, value) in [("stride", axis.stride), ("dilation", axis.dilation)] {
                if !(1..=LARGEST).contains(&value) {
                    return Err(Error::argument(format!("{what} {value} of spatial axis {i} is not in 1..={LARGEST}")));
                }
            }
            if axis.padding.iter().any(|&padding| padding > LARGEST) {
                return Err(Error::argument(format!("padding {:?} of spatial axis {i} is too large", axis.padding)));
            }
        }
        if self.groups == 0 {
            return Err(Error::argument("groups is 0").mend("1 means that every output sees every channel"));
        }
        Ok(())
    }
}

/// One value for all spatial axes, or a value for each.
pub trait PerAxis {
    /// The values: one, or as many as there are axes.
    fn per_axis(self) -> Spatial<usize>;
}

impl PerAxis for usize {
    fn per_axis(self) -> Spatial<usize> {
        smallvec![self]
    }
}

impl<const N: usize> PerAxis for [usize; N] {
    fn per_axis(self) -> Spatial<usize> {
        self.into_iter().collect()
    }
}

impl PerAxis for &[usize] {
    fn per_axis(self) -> Spatial<usize> {
        self.into()
    }
}

/// How a convolution moves over its images: stride 1, no padding, dilation 1, one group, unless said otherwise.
///
/// Each setting takes one number for all spatial axes, or an array with a number for each.
///
/// ```
/// use mapsto_tensor::{DType, Tensor, ops::ConvOptions};
/// let image = Tensor::ones([1, 3, 32, 32], DType::F32)?;
/// let kernels = Tensor::ones([8, 3, 3, 5], DType::F32)?;
/// let y = image.conv2d(&kernels, None, &ConvOptions::new().stride(2).padding([1, 2]))?;
/// assert_eq!(y.shape()[..], [1, 8, 16, 16]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    stride: Spatial<usize>,
    padding: Spatial<[usize; 2]>,
    dilation: Spatial<usize>,
    output_padding: Spatial<usize>,
    groups: usize,
}

impl Default for ConvOptions {
    fn default() -> Self {
        ConvOptions {
            stride: smallvec![1],
            padding: smallvec![[0, 0]],
            dilation: smallvec![1],
            output_padding: smallvec![0],
            groups: 1,
        }
    }
}

impl ConvOptions {
    /// Stride 1, no padding, dilation 1, one group.
    pub fn new() -> ConvOptions {
        ConvOptions::default()
    }

    /// How far the kernel moves from place to place.
    pub fn stride(self, stride: impl PerAxis) -> ConvOptions {
        ConvOptions { stride: stride.per_axis(), ..self }
    }

    /// Zeros on both sides of an axis. Other kinds of padding are an operation before the convolution.
    pub fn padding(self, padding: impl PerAxis) -> ConvOptions {
        ConvOptions { padding: padding.per_axis().into_iter().map(|side| [side, side]).collect(), ..self }
    }

    /// Zeros before and after, for each axis.
    pub fn padding_sides(self, padding: &[[usize; 2]]) -> ConvOptions {
        ConvOptions { padding: padding.into(), ..self }
    }

    /// How far the kernel's elements lie apart.
    pub fn dilation(self, dilation: impl PerAxis) -> ConvOptions {
        ConvOptions { dilation: dilation.per_axis(), ..self }
    }

    /// How many groups the channels fall into; each output sees those of its own group.
    pub fn groups(self, groups: usize) -> ConvOptions {
        ConvOptions { groups, ..self }
    }

    /// Places that a transposed convolution adds after the end of an axis: of the several sizes that a strided
    /// convolution takes to one, it chooses which to give.
    pub fn output_padding(self, output_padding: impl PerAxis) -> ConvOptions {
        ConvOptions { output_padding: output_padding.per_axis(), ..self }
    }

    /// The settings for a number of spatial axes.
    pub(super) fn settings(&self, rank: usize) -> Result<ConvSettings> {
        let stride = spread("stride", &self.stride, rank)?;
        let padding = spread("padding", &self.padding, rank)?;
        let dilation = spread("dilation", &self.dilation, rank)?;
        let axis = |i: usize| KernelAxis { stride: stride[i], padding: padding[i], dilation: dilation[i] };
        Ok(ConvSettings { axes: (0..rank).map(axis).collect(), groups: self.groups })
    }

    /// The output padding for a number of spatial axes.
    pub(super) fn output_paddings(&self, rank: usize) -> Result<Spatial<usize>> {
        spread("output_padding", &self.output_padding, rank)
    }

    /// Fails if an output padding is set where there is none.
    pub(super) fn expect_no_output_padding(&self) -> Result<()> {
        if self.output_padding.iter().all(|&extra| extra == 0) {
            return Ok(());
        }
        Err(Error::argument(format!(
            "output_padding {:?} belongs to transposed convolutions",
            &self.output_padding[..]
        ))
        .mend("leave it out"))
    }
}

fn spread<T: Copy + std::fmt::Debug>(what: &str, values: &[T], rank: usize) -> Result<Spatial<T>> {
    match values {
        [one] => Ok(smallvec![*one; rank]),
        all if all.len() == rank => Ok(all.into()),
        _ => Err(Error::argument(format!("{what} {values:?} has {} values for {rank} spatial axes", values.len()))
            .mend("give one value, or one for each axis")),
    }
}
