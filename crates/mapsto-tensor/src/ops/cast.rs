//! Conversion of element types.

use crate::dtype::DType;
use crate::error::Result;
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The same values in another element type.
///
/// Floats to integers truncate toward zero and saturate, NaN gives 0; anything but zero is true. The gradient is
/// converted back; through integers and truth values there is none.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// The type to convert to.
    pub dtype: DType,
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "to_dtype"
    }

    fn attributes(&self) -> Attributes {
        vec![("dtype", self.dtype.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        Ok(smallvec![inputs[0].with_dtype(self.dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let cast = inputs[0].backend().cast(inputs[0], self.dtype)?;
        // A cast to the same type gives the input itself, which has an origin of its own already.
        Ok(smallvec![cast.detach()])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(cx.grad(0)?.to_dtype(cx.spec(0).dtype)?)])
    }
}

impl Registered for Cast {
    fn cases() -> Vec<Case> {
        // Eighths are the same number in every float type.
        let x = || Gen::new(1).distinct(&[3, 5]).abs();
        let case = |&dtype: &DType| Ok(Case::new(Cast { dtype }, [x()?]));
        DType::ALL.iter().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let to = |x: f64| match self.dtype {
            DType::Bool => (x != 0.0) as u8 as f64,
            DType::U8 => x.trunc().max(0.0),
            dtype if dtype.is_integer() => x.trunc(),
            _ => x,
        };
        vec![inputs[0].map(to)]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Cast { dtype: g.pick(&DType::ALL) }
    }
}

impl Tensor {
    /// The same values as elements of type `dtype`; the tensor itself if it has that type already. See [`Cast`].
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype { Ok(self.clone()) } else { apply_one(Cast { dtype }, &[self]) }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Cast>()]
}
