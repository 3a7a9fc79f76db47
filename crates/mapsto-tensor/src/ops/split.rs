//! Neighbouring parts of an axis.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Span, Specs, expect_inputs};
use crate::ops::slice::{Steps, part};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// All of an axis in neighbouring parts, an output each. Shares memory. The gradient of all parts is one tensor, where
/// slices would give one each.
#[derive(Clone, Debug)]
pub struct Split {
    /// The axis.
    pub axis: usize,
    /// The sizes of the parts, which make up the axis.
    pub sizes: Vec<usize>,
}

impl Split {
    /// Where each part begins, and its size.
    fn parts(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.sizes.iter().scan(0, |end, &size| {
            *end += size;
            Some((*end - size, size))
        })
    }
}

impl Op for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into()), ("sizes", (&self.sizes[..]).into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        let shape = inputs[0].shape;
        shape.expect_axis(self.axis)?;
        let total = self.sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if self.sizes.is_empty() || total != Some(shape[self.axis]) {
            let (axis, sizes) = (self.axis, &self.sizes);
            return Err(Error::shape(format!("parts of {sizes:?} do not make up axis {axis} of {shape}")));
        }
        let part = |&size: &usize| {
            let mut shape = shape;
            shape.sizes_mut()[self.axis] = size;
            Ok(inputs[0].with_shape(Shape::new(&shape)?))
        };
        self.sizes.iter().map(part).collect()
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let mut steps: Vec<Steps> = inputs[0].shape().iter().map(|&size| Steps::all(size)).collect();
        let mut view = |(start, len)| {
            steps[self.axis] = Steps { start, step: 1, len };
            inputs[0].view(part(&steps, inputs[0].layout()))
        };
        Ok(self.parts().map(&mut view).collect())
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let grads = (0..self.sizes.len()).map(|i| cx.grad(i)).collect::<Result<Vec<_>>>()?;
        Ok(smallvec![Some(Tensor::concat(&grads.iter().collect::<Vec<_>>(), self.axis as isize)?)])
    }

    fn spans(&self, inputs: &[Spec]) -> Vec<Span> {
        vec![Span::SAME; inputs[0].shape.rank()]
    }
}

impl Registered for Split {
    fn cases() -> Vec<Case> {
        let samples: [(&[usize], usize, &[usize]); 5] = [
            (&[3], 0, &[3]),
            (&[5], 0, &[1, 0, 4]),
            (&[2, 6], 1, &[2, 2, 2]),
            (&[4, 3, 2], 0, &[3, 1]),
            (&[2, 0, 3], 2, &[1, 2]),
        ];
        let case = |(sizes, axis, parts): (&[usize], usize, &[usize])| {
            Case::new(Split { axis, sizes: parts.to_vec() }, [Gen::new(8).tensor(sizes, -3.0, 3.0)])
        };
        samples.into_iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let part = |(start, len)| {
            let mut sizes = inputs[0].sizes.clone();
            sizes[self.axis] = len;
            Array::from_fn(&sizes, |index| {
                let mut index = index.to_vec();
                index[self.axis] += start;
                inputs[0].at(&index)
            })
        };
        self.parts().map(part).collect()
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Split { axis: g.below(4), sizes: (0..g.below(4)).map(|_| g.below(4)).collect() }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Split>()]
}
