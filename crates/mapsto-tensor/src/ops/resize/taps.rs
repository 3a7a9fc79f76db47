//! Sparse matrices along one axis, and the operation that applies them.

use crate::error::{Error, Result};
use crate::memory::room;
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::ops::Range;
use std::sync::Arc;

/// A linear map along one axis: each output is a weighted sum of a few inputs. A sparse matrix by rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    size: usize,
    /// Where each output's taps begin, and where the last one's end.
    starts: Vec<usize>,
    places: Vec<usize>,
    weights: Vec<f64>,
}

impl Taps {
    /// A map of `size` inputs, from each output's inputs and their weights.
    ///
    /// # Errors
    /// An input that the axis does not have; a refusal of memory.
    pub fn new<R: IntoIterator<Item = (usize, f64)>>(size: usize, rows: impl IntoIterator<Item = R>) -> Result<Taps> {
        let rows = rows.into_iter();
        let outputs = rows.size_hint().0;
        let mut taps = Taps { size, starts: room(outputs + 1)?, places: room(outputs)?, weights: room(outputs)? };
        taps.starts.push(0);
        for row in rows {
            for (place, weight) in row {
                if place >= size {
                    return Err(Error::index(format!("place {place} is outside an axis of size {size}")));
                }
                taps.places.push(place);
                taps.weights.push(weight);
            }
            taps.starts.push(taps.places.len());
        }
        Ok(taps)
    }

    /// Number of inputs.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// The taps of an output: a range of [`places`](Taps::places) and [`weights`](Taps::weights).
    pub fn range(&self, output: usize) -> Range<usize> {
        self.starts[output]..self.starts[output + 1]
    }

    /// The input of each tap.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// The weight of each tap.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The most inputs that any output takes part of.
    pub(crate) fn most(&self) -> usize {
        let count = |output: usize| self.weights[self.range(output)].iter().filter(|&&weight| weight != 0.0).count();
        (0..self.outputs()).map(count).max().unwrap_or(0)
    }

    /// The transposed map: outputs become inputs.
    pub fn transpose(&self) -> Taps {
        let mut starts = vec![0; self.size + 1];
        self.places.iter().for_each(|&place| starts[place + 1] += 1);
        (0..self.size).for_each(|i| starts[i + 1] += starts[i]);
        let mut next = starts.clone();
        let (mut places, mut weights) = (vec![0; self.places.len()], vec![0.0; self.places.len()]);
        for output in 0..self.outputs() {
            for tap in self.range(output) {
                let at = &mut next[self.places[tap]];
                (places[*at], weights[*at]) = (output, self.weights[tap]);
                *at += 1;
            }
        }
        Taps { size: self.outputs(), starts, places, weights }
    }
}

/// The products that maps along the last axes of `shape` take; none where they only choose.
pub(crate) fn multiply_adds(taps: &[Taps], shape: &Shape) -> u64 {
    if taps.iter().all(|taps| taps.weights.iter().all(|&weight| weight == 1.0)) {
        return 0;
    }
    let lead = shape[..shape.rank() - taps.len()].iter().map(|&size| size as u64);
    lead.chain(taps.iter().map(|taps| taps.places.len() as u64)).fold(1, u64::saturating_mul)
}

/// A linear map along each of the last axes: the transpose of [`AvgPool`](crate::ops::AvgPool), of
/// [`Resize`](crate::ops::Resize) and of itself.
#[derive(Clone, Debug)]
pub struct Resample {
    /// The map along each of the last axes.
    pub taps: Arc<[Taps]>,
}

impl Resample {
    /// The gradient, with respect to an input of the given shape, of the maps `taps()` of its last axes.
    pub(crate) fn gradient(
        g: &Tensor,
        input: &Spec,
        taps: impl FnOnce() -> Result<Vec<Taps>>,
    ) -> Result<Option<Tensor>> {
        if g.numel() == 0 || input.shape.numel() == 0 {
            return Ok(Some(Tensor::zeros(input.shape, input.dtype)?));
        }
        let taps = taps()?.iter().map(Taps::transpose).collect();
        Ok(Some(apply_one(Resample { taps }, &[g])?))
    }
}

impl Op for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }

    fn attributes(&self) -> Attributes {
        let sizes: Vec<usize> = self.taps.iter().map(Taps::outputs).collect();
        vec![("sizes", (&sizes[..]).into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        let shape = inputs[0].shape;
        let lead = shape.rank().checked_sub(self.taps.len());
        let fits = |lead: usize| shape[lead..].iter().zip(self.taps.iter()).all(|(&size, taps)| size == taps.size);
        let Some(lead) = lead.filter(|&lead| fits(lead)) else {
            let sizes: Vec<usize> = self.taps.iter().map(|taps| taps.size).collect();
            return Err(Error::shape(format!("the last axes of {shape} are not the {sizes:?} that the maps take")));
        };
        let mut sizes = shape.to_vec();
        sizes[lead..].iter_mut().zip(self.taps.iter()).for_each(|(size, taps)| *size = taps.outputs());
        Ok(smallvec![inputs[0].with_shape(Shape::new(&sizes)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.infer(&[inputs[0].spec()])?[0].shape;
        Ok(smallvec![inputs[0].backend().resample(inputs[0], &self.taps, shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Resample::gradient(&cx.grad(0)?, &cx.spec(0), || Ok(self.taps.to_vec()))?])
    }

    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        multiply_adds(&self.taps, &inputs[0].shape)
    }
}

/// The reference: the product of the maps along each of the last axes.
fn apply_taps(x: &Array, taps: &[Taps]) -> Array {
    let lead = x.sizes.len() - taps.len();
    let mut sizes = x.sizes.clone();
    sizes[lead..].iter_mut().zip(taps).for_each(|(size, taps)| *size = taps.outputs());
    Array::from_fn(&sizes, |index| {
        // The product of the taps of all axes.
        let mut terms = vec![(index[..lead].to_vec(), 1.0)];
        for (taps, &i) in taps.iter().zip(&index[lead..]) {
            let grow = |(at, w): &(Vec<usize>, f64)| {
                let (at, w) = (at.clone(), *w);
                taps.range(i).map(move |tap| ([&at[..], &[taps.places[tap]]].concat(), w * taps.weights[tap]))
            };
            terms = terms.iter().flat_map(grow).collect();
        }
        terms.iter().map(|(at, w)| w * x.at(at)).sum()
    })
}

/// Random taps.
fn sample(g: &mut Gen, size: usize, outputs: usize) -> Taps {
    let row = |g: &mut Gen| -> Vec<(usize, f64)> {
        (0..g.below(4).min(size)).map(|_| (g.below(size), g.uniform(-1.0, 1.0))).collect()
    };
    let rows: Vec<_> = (0..outputs).map(|_| row(g)).collect();
    Taps::new(size, rows).expect("places below the size")
}

impl Registered for Resample {
    fn cases() -> Vec<Case> {
        let samples: [(&[usize], &[usize], usize); 7] = [
            (&[2, 5], &[2, 7], 1),
            (&[3, 4, 5], &[3, 6, 2], 2),
            (&[1, 2, 3, 4, 1], &[1, 2, 1, 5, 2], 3),
            (&[2, 0, 3], &[2, 0, 3], 1),
            (&[2, 3], &[2, 3], 0),
            (&[1, 400, 330], &[1, 399, 2], 2),
            (&[2, 2, 3, 5], &[2, 3, 0, 2], 3),
        ];
        let case = |(i, (from, to, axes)): (usize, &(&[usize], &[usize], usize))| {
            let mut g = Gen::new(i as u64);
            let lead = from.len() - axes;
            let taps = (lead..from.len()).map(|axis| sample(&mut g, from[axis], to[axis])).collect();
            Case::new(Resample { taps }, [g.tensor(from, -2.0, 2.0)])
        };
        samples.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![apply_taps(&inputs[0], &self.taps)]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let one = |g: &mut Gen| {
            let (size, outputs) = (g.below(5), g.below(5));
            sample(g, size, outputs)
        };
        Resample { taps: (0..g.below(3)).map(|_| one(g)).collect() }
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Resample>()]
}
