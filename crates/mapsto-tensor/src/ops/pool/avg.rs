//! Pooling by averages.

use crate::error::{Error, Result};
use crate::op::{
    Attribute, Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Span, Specs, apply_one, composed,
    expect_float, expect_inputs,
};
use crate::ops::pool::max::{adaptive_cases, window_cases};
use crate::ops::pool::window::{Window, adaptive, adaptive_shape, adaptive_spans};
use crate::ops::{Resample, Taps};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The mean of each window over the last axes, `[N, C, ...]` to `[N, C, ...]`. A window without elements gives zero.
#[derive(Clone, Debug)]
pub struct AvgPool {
    /// The window.
    pub window: Window,
    /// Whether zeros in the padding count (those of a window that ends beyond it never do).
    pub count_padding: bool,
    /// What sums are divided by, instead of the count.
    pub divisor: Option<usize>,
}

/// The mean of each of `sizes` regions, as equal as can be, over the last axes.
#[derive(Clone, Debug)]
pub struct AdaptiveAvgPool {
    /// Number of outputs along each axis.
    pub sizes: Vec<usize>,
}

impl Op for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool"
    }

    fn attributes(&self) -> Attributes {
        let mut all = self.window.attributes();
        all.push(("count_padding", self.count_padding.into()));
        all.extend(self.divisor.map(|divisor| ("divisor", Attribute::from(divisor))));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        if self.divisor == Some(0) {
            return Err(Error::argument("the divisor must not be zero"));
        }
        Ok(smallvec![inputs[0].with_shape(self.window.shape(&inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let x = inputs[0];
        let shape = self.window.shape(x.shape())?;
        let taps = if shape.numel() == 0 { Vec::new() } else { self.taps(x.shape())? };
        Ok(smallvec![x.backend().resample(x, &taps, shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Resample::gradient(&cx.grad(0)?, &cx.spec(0), || self.taps(&cx.spec(0).shape))?])
    }

    fn spans(&self, _inputs: &[Spec]) -> Vec<Span> {
        self.window.spans()
    }
}

impl AvgPool {
    fn taps(&self, shape: &Shape) -> Result<Vec<Taps>> {
        self.window.averages(shape, self.count_padding, self.divisor)
    }
}

impl Op for AdaptiveAvgPool {
    fn name(&self) -> &'static str {
        "adaptive_avg_pool"
    }

    fn attributes(&self) -> Attributes {
        vec![("sizes", (&self.sizes[..]).into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        Ok(smallvec![inputs[0].with_shape(adaptive_shape(&inputs[0].shape, &self.sizes)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let x = inputs[0];
        let shape = adaptive_shape(x.shape(), &self.sizes)?;
        let taps = if shape.numel() == 0 { Vec::new() } else { self.taps(x.shape())? };
        Ok(smallvec![x.backend().resample(x, &taps, shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Resample::gradient(&cx.grad(0)?, &cx.spec(0), || self.taps(&cx.spec(0).shape))?])
    }

    fn spans(&self, inputs: &[Spec]) -> Vec<Span> {
        adaptive_spans(&inputs[0].shape, &self.sizes)
    }
}

impl AdaptiveAvgPool {
    fn taps(&self, shape: &Shape) -> Result<Vec<Taps>> {
        let lead = shape.rank() - self.sizes.len();
        let axis = |(&outputs, &size): (&usize, &usize)| {
            let row = |i: usize| {
                let (first, count) = adaptive(size, outputs, i);
                (first..first + count).map(move |place| (place, 1.0 / count as f64))
            };
            Taps::new(size, (0..outputs).map(row))
        };
        self.sizes.iter().zip(&shape[lead..]).map(axis).collect()
    }
}

impl Registered for AvgPool {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(7);
        let case = |(i, (sizes, window)): (usize, (Vec<usize>, Window))| {
            let divisor = [None, None, None, Some(5)][i % 4];
            Case::new(AvgPool { window, count_padding: i % 3 > 0, divisor }, [g.tensor(&sizes, -2.0, 2.0)])
        };
        window_cases().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, window) = (&inputs[0], &self.window);
        let shape = Shape::new(&x.sizes).and_then(|shape| window.shape(&shape)).expect("a case that fits");
        let lead = x.sizes.len() - window.axes();
        vec![Array::from_fn(&shape, |index| {
            // Every place that the window covers, one axis after the other.
            let mut places: Vec<Vec<isize>> = vec![index[..lead].iter().map(|&i| i as isize).collect()];
            for axis in 0..window.axes() {
                let start = (index[lead + axis] * window.stride[axis]) as isize - window.padding[axis] as isize;
                let end = (x.sizes[lead + axis] + window.padding[axis]) as isize;
                let grow = |at: &Vec<isize>| {
                    let taps = (0..window.kernel[axis]).map(|tap| start + (tap * window.dilation[axis]) as isize);
                    taps.filter(|&place| place < end).map(|place| [&at[..], &[place]].concat()).collect::<Vec<_>>()
                };
                places = places.iter().flat_map(grow).collect();
            }
            let inside = |at: &&Vec<isize>| at.iter().zip(&x.sizes).all(|(&i, &size)| (0..size as isize).contains(&i));
            let values: Vec<f64> = places
                .iter()
                .filter(inside)
                .map(|at| x.at(&at.iter().map(|&i| i as usize).collect::<Vec<_>>()))
                .collect();
            let count = if self.count_padding { places.len() } else { values.len() };
            values.iter().sum::<f64>() / self.divisor.unwrap_or(count).max(1) as f64
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        AvgPool { window: Window::arbitrary(g), count_padding: g.bool(), divisor: g.pick(&[None, Some(0), Some(3)]) }
    }
}

impl Registered for AdaptiveAvgPool {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(8);
        adaptive_cases()
            .into_iter()
            .map(|(sizes, outputs)| Case::new(AdaptiveAvgPool { sizes: outputs }, [g.tensor(&sizes, -2.0, 2.0)]))
            .collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        // Axis by axis: the mean over each region.
        let mut x = inputs[0].clone();
        let lead = x.sizes.len() - self.sizes.len();
        for (axis, &outputs) in (lead..).zip(&self.sizes) {
            let (from, mut sizes) = (x, Vec::new());
            sizes.extend_from_slice(&from.sizes);
            sizes[axis] = outputs;
            x = Array::from_fn(&sizes, |index| {
                let (mut index, i, size) = (index.to_vec(), index[axis], from.sizes[axis]);
                let region = i * size / outputs..((i + 1) * size).div_ceil(outputs);
                let count = region.len() as f64;
                let mut at = |place: usize| {
                    index[axis] = place;
                    from.at(&index)
                };
                region.map(&mut at).sum::<f64>() / count
            });
        }
        vec![x]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        AdaptiveAvgPool { sizes: (0..g.below(5)).map(|_| g.below(5)).collect() }
    }
}

impl Tensor {
    /// The mean of each window over the last axes. `count_padding`: whether zeros in the padding count; `divisor`: what
    /// sums are divided by, instead of the count. See [`AvgPool`].
    ///
    /// # Errors
    /// Integers; a window that does not fit; a divisor of zero.
    #[track_caller]
    pub fn avg_pool(&self, window: &Window, count_padding: bool, divisor: Option<usize>) -> Result<Tensor> {
        apply_one(AvgPool { window: window.clone(), count_padding, divisor }, &[self])
    }

    /// `(∑ xᵖ)^(1/p)` over each window over the last axes: PyTorch's power-average pooling. Odd powers of negative
    /// numbers are negative; a window whose sum is gives NaN. The sum over a window that ends beyond the padding (`ceil`)
    /// is scaled up to that of a whole window. An infinite order gives the greatest magnitude.
    ///
    /// # Errors
    /// Integers; a window that does not fit; an order that is zero, NaN or minus infinity.
    #[track_caller]
    pub fn lp_pool(&self, window: &Window, p: f64) -> Result<Tensor> {
        composed("lp_pool", || {
            if p == 0.0 || p.is_nan() || p == f64::NEG_INFINITY {
                return Err(Error::argument(format!("the order {p} gives no norm"))
                    .mend("1 sums, 2 is the Euclidean length, infinity takes the greatest magnitude"));
            }
            if p == f64::INFINITY {
                // A window without elements gives zero, as other orders do.
                return self.abs()?.max_pool(window)?.maximum(0);
            }
            let sums = self.pow(p)?.avg_pool(window, true, None)?.mul(window.kernel.iter().product::<usize>() as f64)?;
            sums.pow(1.0 / p)
        })
    }

    /// The mean of each of `sizes` regions over the last axes. See [`AdaptiveAvgPool`].
    ///
    /// # Errors
    /// Integers; an empty axis.
    #[track_caller]
    pub fn adaptive_avg_pool(&self, sizes: &[usize]) -> Result<Tensor> {
        apply_one(AdaptiveAvgPool { sizes: sizes.to_vec() }, &[self])
    }

    /// The mean of each channel: `[N, C, ...]` to `[N, C]`.
    ///
    /// # Errors
    /// Fewer than three axes.
    #[track_caller]
    pub fn global_avg_pool(&self) -> Result<Tensor> {
        composed("global_avg_pool", || self.mean_axes(&spatial_axes(self)?, false))
    }

    /// The greatest element of each channel: `[N, C, ...]` to `[N, C]`.
    ///
    /// # Errors
    /// Fewer than three axes; an empty one.
    #[track_caller]
    pub fn global_max_pool(&self) -> Result<Tensor> {
        composed("global_max_pool", || self.max_axes(&spatial_axes(self)?, false))
    }
}

fn spatial_axes(x: &Tensor) -> Result<Vec<isize>> {
    if x.rank() < 3 {
        return Err(Error::shape(format!("{} has no axes behind batch and channels", x.shape())));
    }
    Ok((2..x.rank() as isize).collect())
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<AvgPool>(), Entry::of::<AdaptiveAvgPool>()]
}
