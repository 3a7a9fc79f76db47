//! The same elements in the same order under another shape.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// The same elements in row-major order under another shape of as many elements. Shares memory where the layout allows.
#[derive(Clone, Copy, Debug)]
pub struct Reshape {
    /// The new shape.
    pub shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn attributes(&self) -> Attributes {
        vec![("shape", (&*self.shape).into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        let (old, new) = (inputs[0].shape, self.shape);
        if old.numel() != new.numel() {
            let (has, wants) = (old.numel(), new.numel());
            return Err(Error::shape(format!("{old} has {has} elements, {new} has {wants}")));
        }
        Ok(smallvec![inputs[0].with_shape(new)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let x = inputs[0];
        Ok(smallvec![match x.layout().reshape(self.shape) {
            Some(layout) => x.view(layout),
            None => {
                let copy = x.backend().copy(x)?;
                copy.view(crate::shape::Layout::contiguous(self.shape))
            }
        }])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(cx.grad(0)?.reshape(cx.spec(0).shape)?)])
    }
}

impl Registered for Reshape {
    fn cases() -> Vec<Case> {
        let pairs: [(&[usize], &[usize]); 6] = [
            (&[], &[1, 1]),
            (&[6], &[2, 3]),
            (&[2, 3, 4], &[4, 6]),
            (&[4, 6], &[2, 2, 6]),
            (&[0, 3], &[5, 0]),
            (&[1], &[]),
        ];
        let case = |&(from, to): &(&[usize], &[usize])| {
            Ok(Case::new(Reshape { shape: Shape::new(to)? }, [Gen::new(2).tensor(from, -3.0, 3.0)]))
        };
        pairs.iter().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![Array { sizes: self.shape.to_vec(), data: inputs[0].data.clone() }]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Reshape { shape: g.shape() }
    }
}

impl Tensor {
    /// The same elements in row-major order under another shape; one size may be -1: what the others leave.
    ///
    /// # Errors
    /// A shape of another number of elements.
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoReshape) -> Result<Tensor> {
        let at = Location::caller();
        let shape = shape.into_reshape(self.shape()).map_err(|e| e.op("reshape").at(at))?;
        if shape == *self.shape() { Ok(self.clone()) } else { apply_one(Reshape { shape }, &[self]) }
    }

    /// Axes `first..=last` (negative ones count from the end) merged to one.
    ///
    /// # Errors
    /// Axes outside the shape or in the wrong order.
    #[track_caller]
    pub fn flatten(&self, first: isize, last: isize) -> Result<Tensor> {
        let at = Location::caller();
        let merged = || {
            if self.rank() == 0 {
                return Shape::new(&[1]);
            }
            let (first, last) = (self.shape().axis(first)?, self.shape().axis(last)?);
            if first > last {
                return Err(Error::index(format!("axis {first} comes after axis {last}")));
            }
            let mut sizes = self.shape()[..first].to_vec();
            sizes.push(self.shape()[first..=last].iter().product());
            sizes.extend(&self.shape()[last + 1..]);
            Shape::new(&sizes)
        };
        self.reshape(merged().map_err(|e: Error| e.op("flatten").at(at))?)
    }

    /// A new axis of size one before `axis` (`rank` or -1: after the last).
    ///
    /// # Errors
    /// An axis outside `-rank-1..=rank`.
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Result<Tensor> {
        let at = Location::caller();
        let rank = self.rank() as isize;
        let place = if axis < 0 { axis + rank + 1 } else { axis };
        if !(0..=rank).contains(&place) {
            let message =
                format!("axis {axis} is outside {}..={rank} for a new axis of shape {}", -rank - 1, self.shape());
            return Err(Error::index(message).op("unsqueeze").at(at));
        }
        let mut sizes = self.shape().to_vec();
        sizes.insert(place as usize, 1);
        self.reshape(Shape::new(&sizes).map_err(|e| e.op("unsqueeze").at(at))?)
    }

    /// Without the named axes, which must have size one; without every axis of size one if none is named.
    ///
    /// # Errors
    /// An axis outside the shape, or of another size.
    #[track_caller]
    pub fn squeeze(&self, axes: &[isize]) -> Result<Tensor> {
        let at = Location::caller();
        let squeezed = || {
            let gone = if axes.is_empty() {
                (0..self.rank()).filter(|&axis| self.shape()[axis] == 1).collect()
            } else {
                self.shape().axes(axes)?
            };
            match gone.iter().find(|&&axis| self.shape()[axis] != 1) {
                Some(&axis) => {
                    let message = format!("axis {axis} of {} has size {}, not 1", self.shape(), self.shape()[axis]);
                    Err(Error::shape(message))
                }
                None => Ok(self.shape().reduced(&gone, false)),
            }
        };
        self.reshape(squeezed().map_err(|e: Error| e.op("squeeze").at(at))?)
    }
}

/// What [`Tensor::reshape`] takes: a shape, or signed sizes of which one may be -1.
pub trait IntoReshape {
    /// The shape, given that of the tensor.
    ///
    /// # Errors
    /// Two sizes left open, or none that fits.
    fn into_reshape(self, old: &Shape) -> Result<Shape>;
}

impl IntoReshape for Shape {
    fn into_reshape(self, _: &Shape) -> Result<Shape> {
        Ok(self)
    }
}
impl IntoReshape for &Shape {
    fn into_reshape(self, _: &Shape) -> Result<Shape> {
        Ok(*self)
    }
}
impl IntoReshape for &[usize] {
    fn into_reshape(self, _: &Shape) -> Result<Shape> {
        Shape::new(self)
    }
}
impl IntoReshape for Vec<usize> {
    fn into_reshape(self, _: &Shape) -> Result<Shape> {
        Shape::new(&self)
    }
}
impl<const N: usize> IntoReshape for [isize; N] {
    fn into_reshape(self, old: &Shape) -> Result<Shape> {
        self.as_slice().into_reshape(old)
    }
}
/// What the compiler takes literal sizes for.
impl<const N: usize> IntoReshape for [i32; N] {
    fn into_reshape(self, old: &Shape) -> Result<Shape> {
        self.map(|size| size as isize).into_reshape(old)
    }
}
impl<const N: usize> IntoReshape for [usize; N] {
    fn into_reshape(self, _: &Shape) -> Result<Shape> {
        Shape::new(&self)
    }
}
impl IntoReshape for &[isize] {
    fn into_reshape(self, old: &Shape) -> Result<Shape> {
        if let Some(size) = self.iter().find(|&&size| size < -1) {
            return Err(Error::argument(format!(
                "size {size} in {self:?} is negative; only -1 stands for an open size"
            )));
        }
        let open = self.iter().filter(|&&size| size == -1).count();
        let known = self.iter().filter(|&&size| size != -1).try_fold(1usize, |n, &s| n.checked_mul(s as usize));
        let known =
            known.ok_or_else(|| Error::memory(format!("{self:?} has more elements than memory can address")))?;
        if open > 1 {
            return Err(Error::argument(format!("{self:?} leaves {open} sizes open; one can be -1")));
        }
        if open == 1 && (known == 0 || !old.numel().is_multiple_of(known)) {
            return Err(Error::shape(format!("no size for -1 in {self:?} fits the {} elements of {old}", old.numel())));
        }
        let size = |&size: &isize| if size == -1 { old.numel() / known } else { size as usize };
        Shape::new(&self.iter().map(size).collect::<Vec<_>>())
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Reshape>()]
}
