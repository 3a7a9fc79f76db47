//! Windows that slide over the last axes of a tensor.

use crate::backend::Windows;
use crate::error::{Error, Result};
use crate::memory::room;
use crate::op::{Attributes, Span};
use crate::ops::Taps;
use crate::shape::Shape;
use crate::testing::Gen;

/// A window that slides over the last axes of a tensor, one setting an axis.
///
/// ```
/// use mapsto_tensor::ops::Window;
/// let window = Window::new([3, 3]).stride([2, 2]).padding([1, 1]);
/// # assert_eq!(window.kernel, [3, 3]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Elements that the window takes along each axis.
    pub kernel: Vec<usize>,
    /// How far it moves.
    pub stride: Vec<usize>,
    /// Places outside the input before and behind each axis that it may cover, at most half of its extent.
    pub padding: Vec<usize>,
    /// Distance of the elements that it takes.
    pub dilation: Vec<usize>,
    /// Whether a last window that ends beyond the padding still counts; it must start before the padding behind.
    pub ceil: bool,
}

impl Window {
    /// A window of this size that moves by its own size, without padding.
    pub fn new(kernel: impl Into<Vec<usize>>) -> Window {
        let kernel = kernel.into();
        let ones = vec![1; kernel.len()];
        Window { stride: kernel.clone(), padding: vec![0; ones.len()], dilation: ones, kernel, ceil: false }
    }

    /// With another stride.
    pub fn stride(self, stride: impl Into<Vec<usize>>) -> Window {
        Window { stride: stride.into(), ..self }
    }

    /// With padding.
    pub fn padding(self, padding: impl Into<Vec<usize>>) -> Window {
        Window { padding: padding.into(), ..self }
    }

    /// With dilation.
    pub fn dilation(self, dilation: impl Into<Vec<usize>>) -> Window {
        Window { dilation: dilation.into(), ..self }
    }

    /// With or without a last window that ends beyond the padding.
    pub fn ceil(self, ceil: bool) -> Window {
        Window { ceil, ..self }
    }

    /// Number of axes.
    pub fn axes(&self) -> usize {
        self.kernel.len()
    }

    pub(crate) fn attributes(&self) -> Attributes {
        vec![
            ("kernel", (&self.kernel[..]).into()),
            ("stride", (&self.stride[..]).into()),
            ("padding", (&self.padding[..]).into()),
            ("dilation", (&self.dilation[..]).into()),
            ("ceil", self.ceil.into()),
        ]
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let settings = self.kernel.iter().zip(&self.dilation).zip(&self.stride);
        settings.map(|((&size, &dilation), &stride)| Span { size, dilation, stride: stride as f64 }).collect()
    }

    /// The shape of what the windows give: the last axes of `shape` by PyTorch's rule.
    ///
    /// # Errors
    /// Settings that do not fit the shape or each other.
    pub(crate) fn shape(&self, shape: &Shape) -> Result<Shape> {
        let axes = self.axes();
        let lists = [("stride", &self.stride), ("padding", &self.padding), ("dilation", &self.dilation)];
        if let Some((name, list)) = lists.iter().find(|(_, list)| list.len() != axes) {
            return Err(Error::argument(format!(
                "{name} {list:?} has not one number for each axis of the kernel {:?}",
                self.kernel
            )));
        }
        let lead = spatial(shape, axes)?;
        let mut sizes = shape.to_vec();
        for i in 0..axes {
            sizes[lead + i] =
                self.outputs(i, shape[lead + i]).map_err(|e| e.within(format!("axis {} of {shape}", lead + i)))?;
        }
        Shape::new(&sizes)
    }

    fn outputs(&self, axis: usize, size: usize) -> Result<usize> {
        let settings = [self.kernel[axis], self.stride[axis], self.dilation[axis], self.padding[axis]];
        let [kernel, stride, dilation, padding] = settings.map(|x| x as i128);
        if settings.iter().any(|&x| x > u32::MAX as usize) {
            return Err(Error::argument(format!(
                "{settings:?} (kernel, stride, dilation, padding) are beyond 32 bits"
            )));
        }
        if kernel == 0 || stride == 0 || dilation == 0 {
            return Err(Error::argument(format!(
                "kernel {kernel}, stride {stride} and dilation {dilation} must not be zero"
            )));
        }
        let extent = dilation * (kernel - 1) + 1;
        if padding > extent / 2 {
            return Err(Error::argument(format!(
                "padding {padding} is more than half of the window's extent {extent}"
            ))
            .mend("pad the input itself first"));
        }
        if size == 0 {
            return Err(Error::shape("an axis under a window is empty"));
        }
        let room = size as i128 + 2 * padding - extent;
        let mut count = (room + if self.ceil { stride - 1 } else { 0 }).div_euclid(stride) + 1;
        if self.ceil && (count - 1) * stride >= size as i128 + padding {
            count -= 1;
        }
        if count < 1 {
            return Err(Error::shape(format!(
                "a window of extent {extent} does not fit size {size} with padding {padding}"
            ))
            .mend("use a smaller kernel or dilation, or more padding"));
        }
        Ok(count as usize)
    }

    /// For output `i` along an axis of `size`: the first place inside, the number of places inside, and the number of
    /// places before the end of the padding.
    fn reach(&self, axis: usize, size: usize, i: usize) -> (usize, usize, usize) {
        let [kernel, stride, dilation, padding] =
            [self.kernel[axis], self.stride[axis], self.dilation[axis], self.padding[axis]].map(|x| x as isize);
        let start = i as isize * stride - padding;
        let below = |end: isize| if end <= start { 0 } else { ((end - start - 1) / dilation + 1).min(kernel) };
        let (skipped, inside, padded) = (below(0), below(size as isize), below(size as isize + padding));
        ((start + skipped * dilation) as usize, (inside - skipped) as usize, padded as usize)
    }

    /// What each output sees along each axis; `shape` is the input's.
    pub(crate) fn windows(&self, shape: &Shape) -> Result<Vec<Windows>> {
        let lead = spatial(shape, self.axes())?;
        (0..self.axes())
            .map(|axis| {
                let size = shape[lead + axis];
                let reach: Vec<_> = (0..self.outputs(axis, size)?)
                    .map(|i| self.reach(axis, size, i))
                    .map(|(first, count, _)| (first, count))
                    .collect();
                let is_whole = |&(_, count): &(usize, usize)| count == self.kernel[axis];
                let start = reach.iter().position(is_whole).unwrap_or(0);
                let end = start + reach[start..].iter().take_while(|reach| is_whole(reach)).count();
                let regular = (start, end, self.stride[axis]);
                Ok(Windows { size, step: self.dilation[axis], reach, regular })
            })
            .collect()
    }

    /// The averages over the windows as linear maps; `shape` is the input's. A count of places in the padding that are
    /// not beyond it too, if `count_padding`; a divisor for all stands on the first axis.
    pub(crate) fn averages(&self, shape: &Shape, count_padding: bool, divisor: Option<usize>) -> Result<Vec<Taps>> {
        let lead = spatial(shape, self.axes())?;
        (0..self.axes())
            .map(|axis| {
                let size = shape[lead + axis];
                let row = |i: usize| {
                    let (first, count, padded) = self.reach(axis, size, i);
                    let by = match divisor {
                        Some(divisor) => {
                            if axis == 0 {
                                divisor
                            } else {
                                1
                            }
                        }
                        None if count_padding => padded,
                        None => count,
                    };
                    let step = self.dilation[axis];
                    (0..count).map(move |tap| (first + tap * step, 1.0 / by as f64))
                };
                Taps::new(size, (0..self.outputs(axis, size)?).map(row))
            })
            .collect()
    }

    /// Random settings, senseless ones among them.
    pub(crate) fn arbitrary(g: &mut Gen) -> Window {
        let axes = g.below(4);
        let mut list = |numbers: &[usize]| -> Vec<usize> {
            let axes = if g.below(12) == 0 { axes + 1 } else { axes };
            (0..axes).map(|_| g.pick(numbers)).collect()
        };
        let huge = usize::MAX;
        let (kernel, stride) = (list(&[0, 1, 2, 2, 3, 3, 5, huge]), list(&[0, 1, 1, 2, 3, huge]));
        let (padding, dilation) = (list(&[0, 0, 0, 1, 2, huge]), list(&[0, 1, 1, 1, 2, huge]));
        Window { kernel, stride, padding, dilation, ceil: g.bool() }
    }
}

/// The first of the last `axes` axes, over which windows slide.
pub(crate) fn spatial(shape: &Shape, axes: usize) -> Result<usize> {
    if !(1..=3).contains(&axes) {
        return Err(Error::argument(format!("slides over one to three axes, not {axes}")));
    }
    shape.rank().checked_sub(axes).ok_or_else(|| {
        Error::shape(format!("{shape} has fewer axes than the {axes} to slide over"))
            .mend("give [N, C, ...] or [C, ...]")
    })
}

/// The windows of adaptive pooling from `size` to `outputs` elements: output `i` sees `floor(i * size / outputs)` to
/// `ceil((i + 1) * size / outputs)`.
pub(crate) fn adaptive(size: usize, outputs: usize, i: usize) -> (usize, usize) {
    let at = |i: usize| i as u128 * size as u128;
    let (start, end) = (at(i) / outputs as u128, at(i + 1).div_ceil(outputs as u128));
    (start as usize, (end - start) as usize)
}

/// What [`adaptive`] windows read, where all are alike along every axis.
pub(crate) fn adaptive_spans(shape: &Shape, outputs: &[usize]) -> Vec<Span> {
    let axes = outputs.iter().zip(&shape[shape.rank() - outputs.len()..]);
    let span = |(&outputs, &size): (&usize, &usize)| {
        let window = size.checked_div(outputs).filter(|window| window * outputs == size)?;
        Some(Span { size: window, dilation: 1, stride: window as f64 })
    };
    axes.map(span).collect::<Option<_>>().unwrap_or_default()
}

/// [`adaptive`] windows over the last axes.
pub(crate) fn adaptive_windows(shape: &Shape, outputs: &[usize]) -> Result<Vec<Windows>> {
    let lead = shape.rank() - outputs.len();
    let axis = |(&outputs, &size): (&usize, &usize)| {
        let mut reach = room(outputs)?;
        reach.extend((0..outputs).map(|i| adaptive(size, outputs, i)));
        let regular = if outputs > 0 && size % outputs == 0 { (0, outputs, size / outputs) } else { (0, 0, 1) };
        Ok(Windows { size, step: 1, reach, regular })
    };
    outputs.iter().zip(&shape[lead..]).map(axis).collect()
}

/// The shape of adaptive pooling to `sizes`.
pub(crate) fn adaptive_shape(shape: &Shape, sizes: &[usize]) -> Result<Shape> {
    let lead = spatial(shape, sizes.len())?;
    let mut out = shape.to_vec();
    out[lead..].copy_from_slice(sizes);
    if let Some(axis) = (lead..shape.rank()).find(|&axis| shape[axis] == 0) {
        return Err(Error::shape(format!("axis {axis} of {shape} is empty")));
    }
    Shape::new(&out)
}
