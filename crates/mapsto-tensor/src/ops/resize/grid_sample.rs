//! Samples of images at given points, and grids of such points.

use crate::error::{Error, Result};
use crate::memory::room;
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Op, Outputs, Specs, apply, apply_one, composed, expect_float,
    expect_inputs, expect_same_dtype,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// Which elements around a point make its sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// The nearest one, of two equally near ones the even one. No gradient with respect to the point.
    Nearest,
    /// The neighbours along each axis, linearly.
    Linear,
    /// Four along each of two axes, by cubic convolution (Keys 1981, a = -0.75).
    Cubic,
}

/// What lies outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The elements at the border, again and again.
    Border,
    /// The image mirrored, again and again.
    Reflection,
}

/// Samples of images `[N, C, H, W]` at points `[N, h, w, 2]` (x, then y), to `[N, C, h, w]`; or of volumes `[N, C, D, H, W]`
/// at points `[N, d, h, w, 3]`. -1 and 1 are the centres of the outermost elements with `align_corners`, their outer
/// edges without. An infinite coordinate lies far outside, one that is NaN before the first element (Jaderberg et al. 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSample {
    /// Which elements make a sample.
    pub mode: Sampling,
    /// What lies outside.
    pub outside: Outside,
    /// Whether -1 and 1 are centres of elements.
    pub align_corners: bool,
}

/// The gradients of [`GridSample`], from its inputs and its output's gradient. Not differentiable in turn.
#[derive(Clone, Copy, Debug)]
pub struct GridSampleGradient {
    /// The operation.
    pub of: GridSample,
}

impl GridSample {
    fn settings(&self) -> Attributes {
        let mode = match self.mode {
            Sampling::Nearest => "nearest",
            Sampling::Linear => "linear",
            Sampling::Cubic => "cubic",
        };
        let outside = match self.outside {
            Outside::Zeros => "zeros",
            Outside::Border => "border",
            Outside::Reflection => "reflection",
        };
        vec![("mode", mode.into()), ("outside", outside.into()), ("align_corners", self.align_corners.into())]
    }

    fn shape(&self, inputs: &[Spec]) -> Result<Shape> {
        expect_float(inputs)?;
        expect_same_dtype(inputs)?;
        let (x, grid) = (inputs[0].shape, inputs[1].shape);
        let axes = x.rank().wrapping_sub(2);
        if !(axes == 2 || axes == 3) {
            return Err(Error::shape(format!("samples [N, C, H, W] or [N, C, D, H, W], not {x}")));
        }
        if grid.rank() != x.rank() || grid[0] != x[0] || grid[axes + 1] != axes {
            return Err(Error::shape(format!("the grid {grid} does not fit {x}")).mend(format!(
                "it is [{}, ..., {axes}] with {} axes",
                x[0],
                x.rank()
            )));
        }
        if x[2..].contains(&0) {
            return Err(Error::shape(format!("{x} has no elements to sample")));
        }
        if x[2..].iter().product::<usize>() > i32::MAX as usize {
            return Err(Error::shape(format!("the planes of {x} are beyond 32-bit places")));
        }
        if self.mode == Sampling::Cubic && axes == 3 {
            return Err(Error::shape(format!("cubic sampling takes two axes, {x} has three")));
        }
        Shape::new(&[&x[..2], &grid[1..axes + 1]].concat())
    }
}

impl Op for GridSample {
    fn name(&self) -> &'static str {
        "grid_sample"
    }

    fn attributes(&self) -> Attributes {
        self.settings()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        Ok(smallvec![inputs[0].with_shape(self.shape(inputs)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.shape(&[inputs[0].spec(), inputs[1].spec()])?;
        Ok(smallvec![inputs[0].backend().grid_sample(self, inputs[0], inputs[1], shape)?])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let both = apply(GridSampleGradient { of: *self }, &[&cx.input(0)?, &cx.input(1)?, &cx.grad(0)?])?;
        Ok(both.into_iter().map(Some).collect())
    }

    fn multiply_adds(&self, _inputs: &[Spec], outputs: &[Spec]) -> u64 {
        let shape = &outputs[0].shape;
        let elements: u64 = match self.mode {
            Sampling::Nearest => 0,
            Sampling::Linear => 1 << (shape.rank() - 2),
            Sampling::Cubic => 16,
        };
        elements.saturating_mul(shape.numel() as u64)
    }
}

impl Op for GridSampleGradient {
    fn name(&self) -> &'static str {
        "grid_sample_gradient"
    }

    fn attributes(&self) -> Attributes {
        self.of.settings()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 3)?;
        expect_same_dtype(inputs)?;
        let shape = self.of.shape(&inputs[..2])?;
        if inputs[2].shape != shape {
            return Err(Error::shape(format!("the gradient {} is not of the output {shape}", inputs[2].shape)));
        }
        Ok(smallvec![inputs[0], inputs[1]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(inputs[0].backend().grid_sample_backward(&self.of, inputs[0], inputs[1], inputs[2])?.into_iter().collect())
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp(&self, _cx: &Backward<'_>) -> Result<Cotangents> {
        Err(Error::gradient("gradients of the gradients of grid_sample are not provided"))
    }
}

/// One sample by the plainest code: images as functions of whole-numbered places, extended beyond their edges.
fn sample(op: &GridSample, x: &Array, lead: [usize; 2], point: &[f64]) -> f64 {
    let sizes = &x.sizes[2..];
    let fold = |c: f64, size: usize| -> f64 {
        let size = size as f64;
        match op.outside {
            Outside::Zeros => c,
            Outside::Border => c.clamp(0.0, size - 1.0),
            Outside::Reflection => {
                // A period is there and back again.
                let (low, high) = if op.align_corners { (0.0, size - 1.0) } else { (-0.5, size - 0.5) };
                if high == low {
                    return 0.0;
                }
                let along = (c - low).rem_euclid(2.0 * (high - low));
                let back = if along > high - low { 2.0 * (high - low) - along } else { along };
                (low + back).clamp(0.0, size - 1.0)
            }
        }
    };
    let places: Vec<f64> = (0..sizes.len())
        .map(|axis| {
            let (c, size) = (point[sizes.len() - 1 - axis], sizes[axis] as f64);
            if op.align_corners { (c + 1.0) / 2.0 * (size - 1.0) } else { ((c + 1.0) * size - 1.0) / 2.0 }
        })
        .collect();
    let at = |place: &[f64]| -> f64 {
        let inside = place.iter().zip(sizes).all(|(&p, &size)| p >= 0.0 && p < size as f64);
        let index: Vec<usize> = lead.into_iter().chain(place.iter().map(|&p| p as usize)).collect();
        if inside { x.at(&index) } else { 0.0 }
    };
    let folded: Vec<f64> = places.iter().zip(sizes).map(|(&c, &size)| fold(c, size)).collect();
    let near = |distance: f64| match op.mode {
        Sampling::Nearest | Sampling::Linear => (1.0 - distance).max(0.0),
        Sampling::Cubic if distance <= 1.0 => 1.25 * distance.powi(3) - 2.25 * distance.powi(2) + 1.0,
        Sampling::Cubic => -0.75 * (distance.powi(3) - 5.0 * distance.powi(2) + 8.0 * distance - 4.0),
    };
    if op.mode == Sampling::Nearest {
        return at(&folded.iter().map(|c| c.round_ties_even()).collect::<Vec<_>>());
    }
    let (centre, taps) = if op.mode == Sampling::Cubic { (&places, -1..=2) } else { (&folded, 0..=1) };
    let mut terms = vec![(Vec::new(), 1.0)];
    for (&c, &size) in centre.iter().zip(sizes) {
        let grow = |(place, w): &(Vec<f64>, f64)| {
            let tap = |k: i32| {
                let p = c.floor() + k as f64;
                let folded = if op.mode == Sampling::Cubic { fold(p, size) } else { p };
                ([&place[..], &[folded]].concat(), w * near((c - p).abs()))
            };
            taps.clone().map(tap).collect::<Vec<_>>()
        };
        terms = terms.iter().flat_map(grow).collect();
    }
    terms.iter().map(|(place, w)| w * at(place)).sum()
}

fn samples() -> Vec<(GridSample, Vec<usize>, Vec<usize>)> {
    let mut all = Vec::new();
    for mode in [Sampling::Nearest, Sampling::Linear, Sampling::Cubic] {
        for outside in [Outside::Zeros, Outside::Border, Outside::Reflection] {
            for align_corners in [false, true] {
                let op = GridSample { mode, outside, align_corners };
                all.push((op, vec![2, 3, 4, 5], vec![2, 3, 2, 2]));
                all.push((op, vec![1, 1, 1, 3], vec![1, 4, 3, 2]));
                if mode != Sampling::Cubic {
                    all.push((op, vec![1, 2, 3, 4, 2], vec![1, 2, 2, 3, 3]));
                }
            }
        }
    }
    let op = GridSample { mode: Sampling::Linear, outside: Outside::Zeros, align_corners: false };
    all.push((op, vec![0, 2, 3, 3], vec![0, 2, 2, 2]));
    all.push((op, vec![1, 0, 3, 3], vec![1, 2, 2, 2]));
    all.push((op, vec![1, 2, 3, 3], vec![1, 0, 2, 2]));
    all
}

/// Random points in and around images of sizes `x`. They keep clear of elements and of the middle between them, where
/// samples jump or bend, also when rounded to half precision.
fn points(g: &mut Gen, op: &GridSample, x: &[usize], grid: &[usize]) -> Tensor {
    let axes = grid[grid.len() - 1];
    let mut point = |i: usize| {
        let size = x[x.len() - 1 - i % axes];
        let place = g.below(size + 2) as f64 - 1.0 + g.pick(&[0.25, 0.75]) + g.uniform(-0.1, 0.1);
        match (op.align_corners, size) {
            (true, 1) => place,
            (true, _) => 2.0 * place / (size - 1) as f64 - 1.0,
            (false, _) => (2.0 * place + 1.0) / size as f64 - 1.0,
        }
    };
    let data = (0..grid.iter().product()).map(&mut point).collect();
    Tensor::from_vec::<f64>(data, grid).expect("as many elements as the sizes say")
}

impl Registered for GridSample {
    const SECOND_ORDER: bool = false;

    fn cases() -> Vec<Case> {
        let mut g = Gen::new(17);
        let case = |(op, x, grid): (GridSample, Vec<usize>, Vec<usize>)| {
            Case::new(op, [g.tensor(&x, -2.0, 2.0), points(&mut g, &op, &x, &grid)])
        };
        samples().into_iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, grid) = (&inputs[0], &inputs[1]);
        let axes = x.sizes.len() - 2;
        let sizes = [&x.sizes[..2], &grid.sizes[1..axes + 1]].concat();
        vec![Array::from_fn(&sizes, |index| {
            let coordinate = |c: usize| grid.at(&[&index[..1], &index[2..], &[c]].concat());
            sample(self, x, [index[0], index[1]], &(0..axes).map(coordinate).collect::<Vec<_>>())
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        GridSample {
            mode: g.pick(&[Sampling::Nearest, Sampling::Linear, Sampling::Cubic]),
            outside: g.pick(&[Outside::Zeros, Outside::Border, Outside::Reflection]),
            align_corners: g.bool(),
        }
    }
}

impl Registered for GridSampleGradient {
    const SECOND_ORDER: bool = false;

    fn cases() -> Vec<Case> {
        let mut g = Gen::new(18);
        let case = |(op, x, grid): (GridSample, Vec<usize>, Vec<usize>)| {
            let out = [&x[..2], &grid[1..grid.len() - 1]].concat();
            let inputs = [g.tensor(&x, -2.0, 2.0), points(&mut g, &op, &x, &grid), g.tensor(&out, -1.0, 1.0)];
            Case::new(GridSampleGradient { of: op }, inputs).tolerance(1e-6)
        };
        samples().into_iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let value = |x: &Array, grid: &Array| -> f64 {
            let y = &self.of.reference(&[x.clone(), grid.clone()])[0];
            y.data.iter().zip(&inputs[2].data).map(|(y, g)| y * g).sum()
        };
        let step = 1e-6;
        let slope = |which: usize, i: usize| {
            let moved = |by: f64| {
                let mut both = [inputs[0].clone(), inputs[1].clone()];
                both[which].data[i] += by;
                value(&both[0], &both[1])
            };
            (moved(step) - moved(-step)) / (2.0 * step)
        };
        let gradient = |which: usize| Array {
            sizes: inputs[which].sizes.clone(),
            data: (0..inputs[which].data.len()).map(|i| slope(which, i)).collect(),
        };
        vec![gradient(0), gradient(1)]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        GridSampleGradient { of: GridSample::arbitrary(g) }
    }
}

impl Tensor {
    /// Samples of these images at the points of a grid. See [`GridSample`].
    ///
    /// # Errors
    /// A grid that does not fit; cubic samples of volumes.
    #[track_caller]
    pub fn grid_sample(&self, grid: &Tensor, mode: Sampling, outside: Outside, align_corners: bool) -> Result<Tensor> {
        apply_one(GridSample { mode, outside, align_corners }, &[self, grid])
    }

    /// The grids of points that affine maps `[N, 2, 3]` (or `[N, 3, 4]`) give for images of `sizes` `[H, W]` (`[D, H, W]`),
    /// to sample from with [`Tensor::grid_sample`]: `[N, H, W, 2]` (`[N, D, H, W, 3]`).
    ///
    /// # Errors
    /// Maps of another shape than the sizes need.
    #[track_caller]
    pub fn affine_grid(&self, sizes: &[usize], align_corners: bool) -> Result<Tensor> {
        composed("affine_grid", || {
            let axes = sizes.len();
            let shape = *self.shape();
            if !(axes == 2 || axes == 3) || shape.rank() != 3 || shape[1..] != [axes, axes + 1] {
                return Err(Error::shape(format!("maps {shape} for sizes {sizes:?}"))
                    .mend("give maps [N, 2, 3] for [H, W], or [N, 3, 4] for [D, H, W]"));
            }
            expect_float(&[self.spec()])?;
            // The points of the untransformed image, x first, with a one behind.
            let points = Shape::new(sizes)?.numel();
            let shape_of_base = Shape::new(&[1, points, axes + 1])?;
            let mut base = room(shape_of_base.numel())?;
            for point in 0..points {
                let mut rest = point;
                for &size in sizes.iter().rev() {
                    let i = (rest % size) as f64;
                    rest /= size;
                    base.push(match (align_corners, size) {
                        (true, 1) => 0.0,
                        (true, _) => 2.0 * i / (size - 1) as f64 - 1.0,
                        (false, _) => (2.0 * i + 1.0) / size as f64 - 1.0,
                    });
                }
                base.push(1.0);
            }
            let base = Tensor::from_vec::<f64>(base, shape_of_base)?.to_dtype(self.dtype())?;
            let grid = base.matmul(&self.t()?)?;
            grid.reshape(Shape::new(&[&shape[..1], sizes, &[axes]].concat())?)
        })
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    vec![Entry::of::<GridSample>(), Entry::of::<GridSampleGradient>()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_points_are_beyond_their_own_edge() -> Result<()> {
        let x = Array::from_fn(&[1, 1, 1, 5], |index| 1.0 + index[3] as f64);
        let image = Tensor::from_vec(x.data.clone(), [1, 1, 1, 5])?;
        let at = |op: GridSample, c: f64| apply_one(op, &[&image, &Tensor::new([[[[c, 0.0]]]])?])?.item::<f64>();
        for mode in [Sampling::Nearest, Sampling::Linear] {
            for align_corners in [false, true] {
                for outside in [Outside::Zeros, Outside::Border, Outside::Reflection] {
                    let op = GridSample { mode, outside, align_corners };
                    for c in [-3e9, 3e9, -1e12, 1e12, 1.5 - 2e9] {
                        assert_eq!(at(op, c)?, sample(&op, &x, [0, 0], &[c, 0.0]), "{op:?} {c}");
                    }
                }
                let op = GridSample { mode, outside: Outside::Border, align_corners };
                let ends = [f64::NEG_INFINITY, f64::INFINITY, -1e300, 1e300, f64::NAN].map(|c| at(op, c));
                assert_eq!(ends.into_iter().collect::<Result<Vec<_>>>()?, [1.0, 5.0, 1.0, 5.0, 1.0]);
            }
        }
        Ok(())
    }
}
