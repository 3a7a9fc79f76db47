//! Overlapping frames of a signal, and their sum.

use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::shape::{Layout, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// Windows of `size` places, each `hop` after the one before: `[..., n]` to `[..., (n - size) / hop + 1, size]`. Shares
/// memory.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// Places in a frame.
    pub size: usize,
    /// Places from one frame's start to the next.
    pub hop: usize,
}

/// Frames added where they overlap, the transpose of [`Frames`]: `[..., count, size]` to `[..., len]`.
#[derive(Clone, Copy, Debug)]
pub struct OverlapAdd {
    /// Places from one frame's start to the next.
    pub hop: usize,
    /// Places of the result; zero where no frame reaches.
    pub len: usize,
}

impl Op for Frames {
    fn name(&self) -> &'static str {
        "frames"
    }

    fn attributes(&self) -> Attributes {
        vec![("size", self.size.into()), ("hop", self.hop.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        Ok(smallvec![inputs[0].with_shape(self.shape(&inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let from = inputs[0].layout();
        let mut to = Layout { shape: self.shape(&from.shape)?, ..*from };
        let last = from.shape.rank() - 1;
        to.strides[last + 1] = from.strides[last];
        to.strides[last] = if to.shape[last] > 1 { from.strides[last] * self.hop as isize } else { 0 };
        Ok(smallvec![inputs[0].view(to)])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let shape = cx.spec(0).shape;
        let transpose = OverlapAdd { hop: self.hop, len: shape[shape.rank() - 1] };
        Ok(smallvec![Some(apply_one(transpose, &[&cx.grad(0)?])?)])
    }
}

impl Frames {
    fn shape(&self, shape: &Shape) -> Result<Shape> {
        let last = shape.axis(-1)?;
        if self.size == 0 || self.hop == 0 {
            return Err(Error::argument(format!("frames of {} places every {} are none", self.size, self.hop)));
        }
        let Some(rest) = shape[last].checked_sub(self.size) else {
            let message = format!("{shape} is shorter than one frame of {} places", self.size);
            return Err(Error::shape(message).mend("pad it first"));
        };
        let mut sizes = shape.to_vec();
        sizes[last] = rest / self.hop + 1;
        sizes.push(self.size);
        Shape::new(&sizes)
    }
}

impl Op for OverlapAdd {
    fn name(&self) -> &'static str {
        "overlap_add"
    }

    fn attributes(&self) -> Attributes {
        vec![("hop", self.hop.into()), ("len", self.len.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        Ok(smallvec![inputs[0].with_shape(self.shape(&inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.shape(inputs[0].shape())?;
        Ok(smallvec![inputs[0].backend().overlap_add(inputs[0], shape, self.hop)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let shape = cx.spec(0).shape;
        let (count, size) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
        if count == 0 {
            return Ok(smallvec![None]);
        }
        let transpose = Frames { size, hop: self.hop };
        // Places after the last frame begin no frame of their own here.
        let reached = cx.grad(0)?.narrow(-1, 0, (count - 1) * self.hop + size)?;
        Ok(smallvec![Some(apply_one(transpose, &[&reached])?)])
    }
}

impl OverlapAdd {
    fn shape(&self, shape: &Shape) -> Result<Shape> {
        let rank = shape.rank();
        if rank < 2 {
            return Err(Error::shape(format!("{shape} is not frames: they have the axes [..., count, size]")));
        }
        let (count, size) = (shape[rank - 2], shape[rank - 1]);
        if self.hop == 0 || size == 0 {
            return Err(Error::argument(format!("frames of {size} places every {} are none", self.hop)));
        }
        let reach = count.saturating_sub(1).checked_mul(self.hop).and_then(|n| n.checked_add(size));
        if count > 0 && reach.is_none_or(|reach| reach > self.len) {
            let message = format!("{count} frames of {size} places every {} do not fit {}", self.hop, self.len);
            return Err(Error::shape(message));
        }
        let mut sizes = shape[..rank - 2].to_vec();
        sizes.push(self.len);
        Shape::new(&sizes)
    }
}

/// Leading sizes, the signal's length, frame and hop: dividing and not, overlapping, touching, apart.
fn samples() -> [(&'static [usize], usize, usize, usize); 8] {
    [
        (&[], 5, 5, 1),
        (&[], 9, 3, 2),
        (&[2], 10, 4, 3),
        (&[2, 3], 7, 2, 2),
        (&[1], 11, 2, 4),
        (&[0], 4, 2, 1),
        (&[3], 1, 1, 1),
        (&[2], 40, 16, 5),
    ]
}

impl Registered for Frames {
    fn cases() -> Vec<Case> {
        let case = |(lead, len, size, hop): (&[usize], usize, usize, usize)| {
            Case::new(Frames { size, hop }, [Gen::new(4).tensor(&[lead, &[len]].concat(), -2.0, 2.0)])
        };
        samples().into_iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let last = inputs[0].sizes.len() - 1;
        let mut sizes = inputs[0].sizes.clone();
        sizes[last] = (0..).take_while(|frame| frame * self.hop + self.size <= inputs[0].sizes[last]).count();
        sizes.push(self.size);
        vec![Array::from_fn(&sizes, |index| {
            inputs[0].at(&[&index[..last], &[index[last] * self.hop + index[last + 1]]].concat())
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Frames { size: g.below(6), hop: g.pick(&[0, 1, 2, 3, usize::MAX]) }
    }
}

impl Registered for OverlapAdd {
    fn cases() -> Vec<Case> {
        let case = |(lead, len, size, hop): (&[usize], usize, usize, usize)| {
            let frames = Gen::new(4).tensor(&[lead, &[(len - size) / hop + 1, size]].concat(), -2.0, 2.0);
            Case::new(OverlapAdd { hop, len }, [frames])
        };
        samples().into_iter().map(case).chain([case_without_frames()]).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let rank = inputs[0].sizes.len();
        let sizes = [&inputs[0].sizes[..rank - 2], &[self.len]].concat();
        let mut out = Array::from_fn(&sizes, |_| 0.0);
        Array::from_fn(&inputs[0].sizes, |index| {
            let lead = index[..rank - 2].iter().zip(&sizes).fold(0, |place, (&i, &size)| place * size + i);
            out.data[lead * self.len + index[rank - 2] * self.hop + index[rank - 1]] += inputs[0].at(index);
            0.0
        });
        vec![out]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        OverlapAdd { hop: g.pick(&[0, 1, 2, 3, usize::MAX]), len: g.below(20) }
    }
}

fn case_without_frames() -> Case {
    Case::new(OverlapAdd { hop: 2, len: 3 }, [Gen::new(4).tensor(&[2, 0, 3], -2.0, 2.0)])
}

impl Tensor {
    /// Overlapping frames of the last axis. See [`Frames`].
    ///
    /// # Errors
    /// A signal shorter than one frame; frames of no places or no distance.
    #[track_caller]
    pub fn frames(&self, size: usize, hop: usize) -> Result<Tensor> {
        apply_one(Frames { size, hop }, &[self])
    }

    /// Frames `[..., count, size]` added where they overlap to a signal `[..., len]`. See [`OverlapAdd`].
    ///
    /// # Errors
    /// Frames that do not fit `len`; elements that are not floats.
    #[track_caller]
    pub fn overlap_add(&self, hop: usize, len: usize) -> Result<Tensor> {
        apply_one(OverlapAdd { hop, len }, &[self])
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Frames>(), Entry::of::<OverlapAdd>()]
}
