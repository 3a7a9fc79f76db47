//! The affine map of a layer, in one pass.

use crate::error::{Error, Result};
use crate::op::{Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_same_dtype};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// `x wᵀ + b`: inputs `x` = `[..., k]`, `w` = `[n, k]` and optionally `b` = `[n]`; output `[..., n]`.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        if !(2..=3).contains(&inputs.len()) {
            return Err(Error::argument(format!("takes input, weight and perhaps bias, got {} inputs", inputs.len())));
        }
        expect_float(inputs)?;
        expect_same_dtype(inputs)?;
        let (x, w) = (inputs[0].shape, inputs[1].shape);
        if w.rank() != 2 {
            return Err(Error::shape(format!("the weight must be [out, in], not {w}")));
        }
        if x.last() != Some(&w[1]) {
            let has = x.last().map_or("no".into(), |size| size.to_string());
            return Err(Error::shape(format!("input {x} has {has} features, weight {w} takes {}", w[1]))
                .mend("the input's last size must be the weight's last"));
        }
        if let Some(b) = inputs.get(2)
            && *b.shape != [w[0]]
        {
            return Err(Error::shape(format!("bias {} does not fit weight {w}", b.shape))
                .mend(format!("it must be [{}]", w[0])));
        }
        let mut shape = x;
        let last = x.rank() - 1;
        shape.sizes_mut()[last] = w[0];
        Ok(smallvec![inputs[0].with_shape(crate::shape::Shape::new(&shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().linear(inputs[0], inputs[1], inputs.get(2).copied())?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b011, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = cx.grad(0)?;
        let (n, k) = (cx.spec(1).shape[0], cx.spec(1).shape[1]);
        let rows = cx.spec(0).shape.numel() / k.max(1);
        let flat = g.reshape([rows, n]);
        let mut gradients = Cotangents::new();
        gradients.push(if cx.needs(0) { Some(g.matmul(&cx.input(1)?)?) } else { None });
        gradients.push(if cx.needs(1) {
            // No features: any number of rows, no weight to give a gradient to.
            if k == 0 { None } else { Some(flat?.t()?.matmul(&cx.input(0)?.reshape([rows, k])?)?) }
        } else {
            None
        });
        if cx.num_inputs() == 3 {
            gradients.push(if cx.needs(2) { Some(g.sum_to([n])?) } else { None });
        }
        Ok(gradients)
    }

    fn multiply_adds(&self, inputs: &[Spec], outputs: &[Spec]) -> u64 {
        (inputs[1].shape[1] as u64).saturating_mul(outputs[0].shape.numel() as u64)
    }
}

impl Registered for Linear {
    fn cases() -> Vec<Case> {
        let shapes: [(&[usize], [usize; 2]); 6] = [
            (&[4], [3, 4]),
            (&[2, 4], [3, 4]),
            (&[2, 3, 5], [7, 5]),
            (&[0, 5], [2, 5]),
            (&[3, 0], [2, 0]),
            (&[1, 1], [1, 1]),
        ];
        let case = |(i, (x, w)): (usize, &(&[usize], [usize; 2]))| {
            let mut g = Gen::new(i as u64);
            let mut inputs = vec![g.tensor(x, -1.0, 1.0), g.tensor(w, -1.0, 1.0)];
            if i != 1 {
                inputs.push(g.tensor(&w[..1], -1.0, 1.0));
            }
            Case::new(Linear, inputs)
        };
        shapes.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, w) = (&inputs[0], &inputs[1]);
        let mut sizes = x.sizes.clone();
        *sizes.last_mut().unwrap_or(&mut 0) = w.sizes[0];
        vec![Array::from_fn(&sizes, |index| {
            let (lead, n) = (&index[..index.len() - 1], index[index.len() - 1]);
            let product = |k: usize| x.at(&[lead, &[k]].concat()) * w.at(&[n, k]);
            (0..w.sizes[1]).map(product).sum::<f64>() + inputs.get(2).map_or(0.0, |b| b.at(&[n]))
        })]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Linear
    }
}

impl Tensor {
    /// `x wᵀ + b` over the last axis. See [`Linear`].
    ///
    /// # Errors
    /// A last size that is not the weight's; a bias that does not fit; types that differ.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        match bias {
            Some(bias) => apply_one(Linear, &[self, weight, bias]),
            None => apply_one(Linear, &[self, weight]),
        }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Linear>()]
}
