//! Kernels over whole sequences, by element type: halves are computed in single precision.

use crate::backend::{
    AttentionArgs, AttentionGrads, CtcArgs, ElementwiseKernels, RecurrentArgs, RecurrentGrads, RecurrentOut,
    SequenceKernels,
};
use crate::cpu::{Cpu, attention, ctc, recurrent};
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;

impl Cpu {
    /// Halves as `f32`; others as they are.
    fn wide(&self, x: &Tensor) -> Result<Tensor> {
        if matches!(x.dtype(), DType::F16 | DType::BF16) { self.cast(x, DType::F32) } else { Ok(x.clone()) }
    }

    fn wide_if_any(&self, x: Option<&Tensor>) -> Result<Option<Tensor>> {
        x.map(|x| self.wide(x)).transpose()
    }

    /// `f` of the arguments in `f32` or `f64`.
    fn widened<R>(&self, args: &RecurrentArgs, f: impl FnOnce(&RecurrentArgs) -> Result<R>) -> Result<R> {
        let [x, weight_ih, weight_hh, h0] = [args.x, args.weight_ih, args.weight_hh, args.h0].map(|t| self.wide(t));
        let c0 = self.wide_if_any(args.c0)?;
        let bias = args.bias.map(|[b, c]| Ok([self.wide(b)?, self.wide(c)?])).transpose()?;
        f(&RecurrentArgs {
            x: &x?,
            weight_ih: &weight_ih?,
            weight_hh: &weight_hh?,
            bias: bias.as_ref().map(|[b, c]| [b, c]),
            h0: &h0?,
            c0: c0.as_ref(),
            ..*args
        })
    }
}

impl SequenceKernels for Cpu {
    fn recurrent(&self, args: &RecurrentArgs, keep: bool) -> Result<RecurrentOut> {
        let out = self.widened(args, |args| match args.x.dtype() {
            DType::F64 => recurrent::forward::<f64>(args, keep),
            _ => recurrent::forward::<f32>(args, keep),
        })?;
        let dtype = args.x.dtype();
        let narrow = |t: Tensor| if t.dtype() == dtype { Ok(t) } else { self.cast(&t, dtype) };
        Ok(RecurrentOut { y: narrow(out.y)?, h_n: narrow(out.h_n)?, c_n: out.c_n.map(narrow).transpose()?, ..out })
    }

    fn recurrent_backward(
        &self,
        args: &RecurrentArgs,
        saved: &[Tensor],
        grads: [Option<&Tensor>; 3],
        needs_x: bool,
    ) -> Result<RecurrentGrads> {
        let [y, h, c] = grads.map(|g| self.wide_if_any(g));
        let (y, h, c) = (y?, h?, c?);
        let grads = [y.as_ref(), h.as_ref(), c.as_ref()];
        let found = self.widened(args, |args| match args.x.dtype() {
            DType::F64 => recurrent::backward::<f64>(args, saved, grads, needs_x),
            _ => recurrent::backward::<f32>(args, saved, grads, needs_x),
        })?;
        let narrow = |t: Tensor| self.cast(&t, args.x.dtype());
        Ok(RecurrentGrads {
            x: found.x.map(narrow).transpose()?,
            weight_ih: narrow(found.weight_ih)?,
            weight_hh: narrow(found.weight_hh)?,
            bias: found.bias.map(|[b, c]| Ok([narrow(b)?, narrow(c)?])).transpose()?,
            h0: narrow(found.h0)?,
            c0: found.c0.map(narrow).transpose()?,
        })
    }

    fn attention(&self, args: &AttentionArgs) -> Result<(Tensor, Tensor)> {
        let mask = self.wide_if_any(args.mask)?;
        let [query, key, value] = [args.query, args.key, args.value].map(|t| self.wide(t));
        let (query, key, value) = (query?, key?, value?);
        let wide = AttentionArgs { query: &query, key: &key, value: &value, mask: mask.as_ref(), ..*args };
        let (out, log_sum) = match query.dtype() {
            DType::F64 => attention::forward::<f64>(&wide)?,
            _ => attention::forward::<f32>(&wide)?,
        };
        Ok((self.cast(&out, args.query.dtype())?, log_sum))
    }

    fn attention_backward(
        &self,
        args: &AttentionArgs,
        out: &Tensor,
        log_sum: &Tensor,
        grad: &Tensor,
        needs_mask: bool,
    ) -> Result<AttentionGrads> {
        let mask = self.wide_if_any(args.mask)?;
        let [query, key, value] = [args.query, args.key, args.value].map(|t| self.wide(t));
        let (query, key, value) = (query?, key?, value?);
        let wide = AttentionArgs { query: &query, key: &key, value: &value, mask: mask.as_ref(), ..*args };
        let (out, grad) = (self.wide(out)?, self.wide(grad)?);
        let found = match query.dtype() {
            DType::F64 => attention::backward::<f64>(&wide, &out, log_sum, &grad, needs_mask)?,
            _ => attention::backward::<f32>(&wide, &out, log_sum, &grad, needs_mask)?,
        };
        let narrow = |t: Tensor| self.cast(&t, args.query.dtype());
        Ok(AttentionGrads {
            query: narrow(found.query)?,
            key: narrow(found.key)?,
            value: narrow(found.value)?,
            mask: found.mask.map(narrow).transpose()?,
        })
    }

    fn attention_dropout(&self, args: &AttentionArgs) -> Result<Tensor> {
        match args.query.dtype() {
            DType::F64 => attention::dropout::<f64>(args),
            dtype => self.cast(&attention::dropout::<f32>(args)?, dtype),
        }
    }

    fn ctc(&self, args: &CtcArgs) -> Result<Tensor> {
        let wide = self.wide(args.log_probs)?;
        let wide_args = &CtcArgs { log_probs: &wide, ..*args };
        let losses = match wide.dtype() {
            DType::F64 => ctc::forward::<f64>(wide_args)?,
            _ => ctc::forward::<f32>(wide_args)?,
        };
        self.cast(&losses, args.log_probs.dtype())
    }

    fn ctc_backward(&self, args: &CtcArgs, grad: &Tensor) -> Result<Tensor> {
        let (wide, grad) = (self.wide(args.log_probs)?, self.wide(grad)?);
        let wide_args = &CtcArgs { log_probs: &wide, ..*args };
        let found = match wide.dtype() {
            DType::F64 => ctc::backward::<f64>(wide_args, &grad)?,
            _ => ctc::backward::<f32>(wide_args, &grad)?,
        };
        self.cast(&found, args.log_probs.dtype())
    }
}
