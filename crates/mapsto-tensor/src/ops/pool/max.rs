//! Pooling by maxima, and the exchange of elements with places of a plane that is its gradient.

use crate::backend::Windows;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Span, Specs, apply, apply_one, composed,
    expect_float, expect_inputs,
};
use crate::ops::pool::window::{Window, adaptive, adaptive_shape, adaptive_spans, adaptive_windows, spatial};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The greatest element of each window over the last axes, `[N, C, ...]` to `[N, C, ...]`; NaN if any is. The padding never
/// wins; a window that holds no element gives minus infinity.
#[derive(Clone, Debug)]
pub struct MaxPool {
    /// The window.
    pub window: Window,
    /// Whether a second output (`i64`) gives the place of each maximum in its plane of the last axes: the first of
    /// equal ones, -1 where there is none.
    pub indices: bool,
}

/// The greatest element of each of `sizes` regions, as equal as can be, over the last axes.
#[derive(Clone, Debug)]
pub struct AdaptiveMaxPool {
    /// Number of outputs along each axis.
    pub sizes: Vec<usize>,
    /// Whether a second output gives the places, as in [`MaxPool`].
    pub indices: bool,
}

/// Elements of planes at given places: input `x` `[..., plane]` and places (`i32`) `[..., points]`, planes and points being
/// the last `axes` axes flattened. A place of -1 gives zero. The gradient of [`AddAtPlaces`].
#[derive(Clone, Copy, Debug)]
pub struct TakePlaces {
    /// Axes of a plane.
    pub axes: usize,
}

/// Zeros with elements added at given places of each plane: the gradient of [`MaxPool`], and its partial inverse.
#[derive(Clone, Debug)]
pub struct AddAtPlaces {
    /// Sizes of a plane.
    pub sizes: Vec<usize>,
}

/// Values and places as the operation's outputs.
fn pooled(x: &Tensor, windows: &[Windows], shape: Shape, indices: bool, cx: &mut Forward) -> Result<Outputs> {
    if !indices && !cx.is_recording() {
        return Ok(smallvec![x.backend().max_pool_values(x, windows, shape)?]);
    }
    let [y, places] = x.backend().max_pool(x, windows, shape)?;
    let mut outputs: Outputs = smallvec![y];
    if indices {
        outputs.push(x.backend().cast(&places, DType::I64)?);
    }
    cx.save(places);
    Ok(outputs)
}

fn specs(input: &Spec, shape: Shape, axes: usize, indices: bool) -> Result<Specs> {
    check_plane(&input.shape, axes)?;
    let mut specs: Specs = smallvec![input.with_shape(shape)];
    if indices {
        specs.push(Spec::new(shape, DType::I64));
    }
    Ok(specs)
}

/// Fails where a place in a plane is more than an `i32` holds.
fn check_plane(shape: &Shape, axes: usize) -> Result<usize> {
    let lead = spatial(shape, axes)?;
    let plane: usize = shape[lead..].iter().product();
    if plane > i32::MAX as usize {
        return Err(Error::shape(format!("a plane of {plane} elements is beyond 32-bit places")));
    }
    Ok(lead)
}

fn pooled_gradient(cx: &Backward<'_>, axes: usize) -> Result<Cotangents> {
    let shape = cx.spec(0).shape;
    let sizes = shape[shape.rank() - axes..].to_vec();
    Ok(smallvec![Some(apply_one(AddAtPlaces { sizes }, &[&cx.grad(0)?, &cx.saved(0)?])?)])
}

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn attributes(&self) -> Attributes {
        let mut all = self.window.attributes();
        all.push(("indices", self.indices.into()));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        specs(&inputs[0], self.window.shape(&inputs[0].shape)?, self.window.axes(), self.indices)
    }

    fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
        let shape = self.window.shape(inputs[0].shape())?;
        let windows = if shape.numel() == 0 { Vec::new() } else { self.window.windows(inputs[0].shape())? };
        pooled(inputs[0], &windows, shape, self.indices, cx)
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        pooled_gradient(cx, self.window.axes())
    }

    fn spans(&self, _inputs: &[Spec]) -> Vec<Span> {
        self.window.spans()
    }
}

impl Op for AdaptiveMaxPool {
    fn name(&self) -> &'static str {
        "adaptive_max_pool"
    }

    fn attributes(&self) -> Attributes {
        vec![("sizes", (&self.sizes[..]).into()), ("indices", self.indices.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        specs(&inputs[0], adaptive_shape(&inputs[0].shape, &self.sizes)?, self.sizes.len(), self.indices)
    }

    fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
        let shape = adaptive_shape(inputs[0].shape(), &self.sizes)?;
        let windows = if shape.numel() == 0 { Vec::new() } else { adaptive_windows(inputs[0].shape(), &self.sizes)? };
        pooled(inputs[0], &windows, shape, self.indices, cx)
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        pooled_gradient(cx, self.sizes.len())
    }

    fn spans(&self, inputs: &[Spec]) -> Vec<Span> {
        adaptive_spans(&inputs[0].shape, &self.sizes)
    }
}

/// Shape rule of both: a float tensor and places, as many planes in one as in the other.
fn check_places(inputs: &[Spec], axes: usize) -> Result<usize> {
    expect_inputs(inputs, 2)?;
    expect_float(&inputs[..1])?;
    if inputs[1].dtype != DType::I32 {
        return Err(Error::dtype(format!("places are i32, not {}", inputs[1].dtype)));
    }
    let (x, places) = (inputs[0].shape, inputs[1].shape);
    let lead = check_plane(&x, axes)?;
    if x.rank() != places.rank() || x[..lead] != places[..lead] {
        return Err(Error::shape(format!("{x} and the places {places} differ before their last {axes} axes")));
    }
    Ok(lead)
}

impl Op for TakePlaces {
    fn name(&self) -> &'static str {
        "take_places"
    }

    fn attributes(&self) -> Attributes {
        vec![("axes", self.axes.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        check_places(inputs, self.axes)?;
        Ok(smallvec![inputs[0].with_shape(inputs[1].shape)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().take_places(inputs[0], inputs[1], self.axes)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b10, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let shape = cx.spec(0).shape;
        let sizes = shape[shape.rank() - self.axes..].to_vec();
        Ok(smallvec![Some(apply_one(AddAtPlaces { sizes }, &[&cx.grad(0)?, &cx.input(1)?])?), None])
    }
}

impl AddAtPlaces {
    fn shape(&self, input: &Shape) -> Result<Shape> {
        let lead = spatial(input, self.sizes.len())?;
        let shape = Shape::new(&[&input[..lead], &self.sizes].concat())?;
        check_plane(&shape, self.sizes.len())?;
        Ok(shape)
    }
}

impl Op for AddAtPlaces {
    fn name(&self) -> &'static str {
        "add_at_places"
    }

    fn attributes(&self) -> Attributes {
        vec![("sizes", (&self.sizes[..]).into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        check_places(inputs, self.sizes.len())?;
        if inputs[0].shape != inputs[1].shape {
            let (x, places) = (inputs[0].shape, inputs[1].shape);
            return Err(Error::shape(format!("{x} has not one element for each of the places {places}")));
        }
        Ok(smallvec![inputs[0].with_shape(self.shape(&inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.shape(inputs[0].shape())?;
        Ok(smallvec![inputs[0].backend().add_at_places(inputs[0], inputs[1], self.sizes.len(), shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b10, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(TakePlaces { axes: self.sizes.len() }, &[&cx.grad(0)?, &cx.input(1)?])?), None])
    }
}

/// The reference of both poolings: `reach(axis, output)` lists the places along an axis.
fn reference(x: &Array, sizes: &[usize], reach: impl Fn(usize, usize) -> Vec<usize>, indices: bool) -> Vec<Array> {
    let lead = x.sizes.len() - sizes.len();
    let all = [&x.sizes[..lead], sizes].concat();
    let best = |index: &[usize]| -> (f64, f64) {
        let mut places = vec![vec![]];
        for (axis, &i) in index[lead..].iter().enumerate() {
            let grow =
                |at: &Vec<usize>| reach(axis, i).into_iter().map(|j| [&at[..], &[j]].concat()).collect::<Vec<_>>();
            places = places.iter().flat_map(grow).collect();
        }
        let flat = |at: &[usize]| at.iter().zip(&x.sizes[lead..]).fold(0, |place, (&i, &size)| place * size + i);
        let mut best = (f64::NEG_INFINITY, places.first().map_or(-1.0, |at| flat(at) as f64));
        for at in &places {
            let value = x.at(&[&index[..lead], at].concat());
            if value > best.0 || value.is_nan() {
                best = (value, flat(at) as f64);
            }
        }
        best
    };
    let mut out = vec![Array::from_fn(&all, |index| best(index).0)];
    if indices {
        out.push(Array::from_fn(&all, |index| best(index).1));
    }
    out
}

/// Sizes with windows over them: every kind of setting, sizes that the stride divides and that it does not.
pub(super) fn window_cases() -> Vec<(Vec<usize>, Window)> {
    let mut cases = Vec::new();
    for size in [1, 4, 5, 8, 37] {
        for (kernel, stride) in [(1, 1), (2, 2), (2, 1), (3, 2), (3, 3), (2, 3), (3, 5)] {
            for (padding, dilation) in [(0, 1), (1, 1), (0, 2), (1, 2)] {
                for ceil in [false, true] {
                    let window =
                        Window::new([kernel]).stride([stride]).padding([padding]).dilation([dilation]).ceil(ceil);
                    cases.push((vec![2, 1, size], window));
                }
            }
        }
    }
    let two = |a: [usize; 2]| Window::new(a);
    for (sizes, window) in [
        ([4, 6], two([2, 2])),
        ([5, 7], two([2, 2])),
        ([5, 7], two([2, 2]).ceil(true)),
        ([6, 5], two([3, 2]).stride([1, 2]).padding([1, 0])),
        ([6, 9], two([3, 3]).stride([2, 4]).padding([1, 1]).ceil(true)),
        ([7, 5], two([2, 3]).stride([3, 1]).dilation([2, 1]).padding([1, 1])),
        ([1, 1], two([1, 1])),
        ([40, 66], two([2, 2])),
    ] {
        cases.push((vec![2, 3, sizes[0], sizes[1]], window.clone()));
        cases.push((vec![1, sizes[0], sizes[1]], window.clone()));
        cases.push((vec![0, 2, sizes[0], sizes[1]], window));
    }
    cases.push((vec![2, 2, 4, 5, 6], Window::new([2, 2, 2])));
    cases.push((vec![1, 2, 4, 3, 5], Window::new([3, 2, 3]).stride([2, 1, 2]).padding([1, 1, 0]).ceil(true)));
    cases.push((vec![1, 1, 1, 4, 4], Window::new([1, 2, 2])));
    cases.push((vec![1, 1, 5, 3, 4], Window::new([2, 1, 2]).dilation([3, 1, 1])));
    cases.retain(|(sizes, window)| Shape::new(sizes).and_then(|shape| window.shape(&shape)).is_ok());
    cases
}

/// Sizes with the numbers of regions that they are pooled into.
pub(super) fn adaptive_cases() -> Vec<(Vec<usize>, Vec<usize>)> {
    let samples: [(&[usize], &[usize]); 9] = [
        (&[2, 1, 7], &[3]),
        (&[2, 3, 8], &[4]),
        (&[1, 5], &[1]),
        (&[2, 2, 5, 7], &[5, 3]),
        (&[1, 2, 3, 4], &[7, 4]),
        (&[2, 4, 6], &[1, 1]),
        (&[1, 2, 4, 6, 5], &[2, 4, 3]),
        (&[0, 2, 4], &[3]),
        (&[2, 2, 4], &[0]),
    ];
    samples.iter().map(|(sizes, outputs)| (sizes.to_vec(), outputs.to_vec())).collect()
}

impl Registered for MaxPool {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(3);
        let case = |(i, (sizes, window)): (usize, (Vec<usize>, Window))| {
            Case::new(MaxPool { window, indices: i % 3 == 0 }, [g.distinct(&sizes)])
        };
        window_cases().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let shape = Shape::new(&x.sizes).and_then(|shape| self.window.shape(&shape)).expect("a case that fits");
        let lead = x.sizes.len() - self.window.axes();
        let window = &self.window;
        let reach = |axis: usize, i: usize| -> Vec<usize> {
            let place =
                |tap: usize| (i * window.stride[axis] + tap * window.dilation[axis]).checked_sub(window.padding[axis]);
            (0..window.kernel[axis]).filter_map(place).filter(|&at| at < x.sizes[lead + axis]).collect()
        };
        reference(x, &shape[lead..], reach, self.indices)
    }

    fn arbitrary(g: &mut Gen) -> Self {
        MaxPool { window: Window::arbitrary(g), indices: g.bool() }
    }
}

impl Registered for AdaptiveMaxPool {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(4);
        let case = |(i, (sizes, outputs)): (usize, (Vec<usize>, Vec<usize>))| {
            Case::new(AdaptiveMaxPool { sizes: outputs, indices: i % 2 == 0 }, [g.distinct(&sizes)])
        };
        adaptive_cases().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let lead = x.sizes.len() - self.sizes.len();
        let reach = |axis: usize, i: usize| -> Vec<usize> {
            let (first, count) = adaptive(x.sizes[lead + axis], self.sizes[axis], i);
            (first..first + count).collect()
        };
        reference(x, &self.sizes, reach, self.indices)
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let indices = g.bool();
        AdaptiveMaxPool { sizes: (0..g.below(5)).map(|_| g.below(5)).collect(), indices }
    }
}

/// Random places, -1 among them.
fn sample_places(g: &mut Gen, sizes: &[usize], plane: usize) -> Tensor {
    let count: usize = sizes.iter().product();
    let places = (0..count).map(|_| g.below(plane + 1) as i32 - 1).collect();
    Tensor::from_vec::<i32>(places, sizes).expect("as many elements as the sizes say")
}

impl Registered for TakePlaces {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(5);
        let mut case = |x: &[usize], places: &[usize], axes: usize| {
            let places = sample_places(&mut g, places, x[x.len() - axes..].iter().product());
            Case::new(TakePlaces { axes }, [g.tensor(x, -2.0, 2.0), places])
        };
        vec![
            case(&[5], &[7], 1),
            case(&[2, 3, 4], &[2, 5, 2], 2),
            case(&[2, 3, 4], &[2, 3, 0], 1),
            case(&[0, 4], &[0, 3], 1),
            case(&[2, 2, 2, 3], &[2, 1, 1, 1], 3),
        ]
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, places) = (&inputs[0], &inputs[1]);
        let size = |a: &Array| a.sizes[a.sizes.len() - self.axes..].iter().product::<usize>().max(1);
        let (plane, points) = (size(x), size(places));
        let take = |(i, &at): (usize, &f64)| if at < 0.0 { 0.0 } else { x.data[i / points * plane + at as usize] };
        vec![Array { sizes: places.sizes.clone(), data: places.data.iter().enumerate().map(take).collect() }]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        TakePlaces { axes: g.below(5) }
    }
}

impl Registered for AddAtPlaces {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(6);
        let mut case = |x: &[usize], sizes: &[usize]| {
            let places = sample_places(&mut g, x, sizes.iter().product());
            Case::new(AddAtPlaces { sizes: sizes.to_vec() }, [g.tensor(x, -2.0, 2.0), places])
        };
        vec![
            case(&[7], &[5]),
            case(&[2, 5, 2], &[3, 4]),
            case(&[2, 3, 0], &[3]),
            case(&[0, 4], &[3]),
            case(&[2, 3, 1], &[0]),
            case(&[2, 1, 1, 3], &[2, 2, 3]),
        ]
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, places) = (&inputs[0], &inputs[1]);
        let lead = x.sizes.len() - self.sizes.len();
        let plane: usize = self.sizes.iter().product();
        let points = x.sizes[lead..].iter().product::<usize>().max(1);
        let mut out = Array::from_fn(&[&x.sizes[..lead], &self.sizes].concat(), |_| 0.0);
        for (i, (&x, &at)) in x.data.iter().zip(&places.data).enumerate() {
            if at >= 0.0 {
                out.data[i / points * plane + at as usize] += x;
            }
        }
        vec![out]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        AddAtPlaces { sizes: (0..g.below(5)).map(|_| g.below(5)).collect() }
    }
}

fn pair(outputs: Outputs) -> (Tensor, Tensor) {
    let mut outputs = outputs.into_iter();
    let mut next = || outputs.next().expect("two outputs");
    (next(), next())
}

impl Tensor {
    /// The greatest element of each window over the last axes. See [`MaxPool`].
    ///
    /// # Errors
    /// Integers; a window that does not fit.
    #[track_caller]
    pub fn max_pool(&self, window: &Window) -> Result<Tensor> {
        apply_one(MaxPool { window: window.clone(), indices: false }, &[self])
    }

    /// [`Tensor::max_pool`] with the place of each maximum in its plane of the last axes.
    ///
    /// # Errors
    /// Those of [`Tensor::max_pool`].
    #[track_caller]
    pub fn max_pool_with_indices(&self, window: &Window) -> Result<(Tensor, Tensor)> {
        Ok(pair(apply(MaxPool { window: window.clone(), indices: true }, &[self])?))
    }

    /// The greatest element of each of `sizes` regions over the last axes. See [`AdaptiveMaxPool`].
    ///
    /// # Errors
    /// Integers; an empty axis.
    #[track_caller]
    pub fn adaptive_max_pool(&self, sizes: &[usize]) -> Result<Tensor> {
        apply_one(AdaptiveMaxPool { sizes: sizes.to_vec(), indices: false }, &[self])
    }

    /// [`Tensor::adaptive_max_pool`] with the place of each maximum in its plane of the last axes.
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_max_pool`].
    #[track_caller]
    pub fn adaptive_max_pool_with_indices(&self, sizes: &[usize]) -> Result<(Tensor, Tensor)> {
        Ok(pair(apply(AdaptiveMaxPool { sizes: sizes.to_vec(), indices: true }, &[self])?))
    }

    /// Zeros with last axes of `sizes` and these elements at the places that [`Tensor::max_pool_with_indices`] gave; where
    /// windows overlapped, elements of one place add up.
    ///
    /// # Errors
    /// Indices of another shape, or outside the plane.
    #[track_caller]
    pub fn max_unpool(&self, indices: &Tensor, sizes: &[usize]) -> Result<Tensor> {
        composed("max_unpool", || {
            if indices.dtype() != DType::I64 {
                return Err(Error::dtype(format!("indices are i64, not {}", indices.dtype())));
            }
            // What no `i32` holds is outside every plane.
            let place = |&i: &i64| i32::try_from(i).unwrap_or(i32::MAX);
            let places = indices.detach().to_vec::<i64>()?.iter().map(place).collect();
            let places = Tensor::from_vec::<i32>(places, *indices.shape())?;
            apply_one(AddAtPlaces { sizes: sizes.to_vec() }, &[self, &places])
        })
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<MaxPool>(), Entry::of::<AdaptiveMaxPool>(), Entry::of::<TakePlaces>(), Entry::of::<AddAtPlaces>()]
}
