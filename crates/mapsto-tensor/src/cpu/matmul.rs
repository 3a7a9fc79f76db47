//! Products of matrices.

use crate::backend::{ElementwiseKernels, MatmulKernels};
use crate::cpu::Cpu;
use crate::cpu::gemm::{Factor, GemmElement, Mat, MatMut, Options, Panels, gemm_batch, gemm_with, panel_widths};
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::shape::{Layout, Shape};
use crate::tensor::{Tensor, Writing};

impl MatmulKernels for Cpu {
    fn matmul(&self, a: &Tensor, b: &Tensor, shape: Shape) -> Result<Tensor> {
        match a.dtype() {
            DType::F32 => product::<f32>(a, b, shape),
            DType::F64 => product::<f64>(a, b, shape),
            dtype => {
                let wide = self.matmul(&self.cast(a, DType::F32)?, &self.cast(b, DType::F32)?, shape)?;
                self.cast(&wide, dtype)
            }
        }
    }

    fn linear(&self, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => affine::<f32>(x, w, b),
            DType::F64 => affine::<f64>(x, w, b),
            dtype => {
                let wide = |t: &Tensor| self.cast(t, DType::F32);
                let b = b.map(wide).transpose()?;
                self.cast(&self.linear(&wide(x)?, &wide(w)?, b.as_ref())?, dtype)
            }
        }
    }
}

/// One product over all leading axes, the bias added while a tile is hot.
fn affine<T: Element + GemmElement>(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    let (n, k) = (w.shape()[0], w.shape()[1]);
    let mut shape = *x.shape();
    shape.sizes_mut()[x.rank() - 1] = n;
    let mut out = Writing::<T>::new(shape)?;
    if shape.numel() == 0 {
        return Ok(out.finish());
    }
    let rows = shape.numel() / n;
    let flat = Shape::new(&[rows, k])?;
    let x = match x.layout().reshape(flat) {
        Some(layout) => x.view(layout),
        None => Cpu.copy(x)?.view(Layout::contiguous(flat)),
    };
    let b = b.map(|b| Cpu.contiguous(b)).transpose()?;
    let mat = |t: &'_ Tensor| {
        (t.layout().offset, [t.shape()[0], t.shape()[1]], [t.layout().strides[0], t.layout().strides[1]])
    };
    let ((xo, xd, xs), (wo, wd, ws)) = (mat(&x), mat(w));
    let options = Options { col_bias: b.as_ref().and_then(|b| b.as_slice()), ..Options::default() };
    let kept = if rows > 1 { kept_panels::<T>(w)? } else { None };
    let panels = kept.as_ref().map(|kept| panels_of::<T>(kept, [n, k]));
    let w = Mat::new(w.storage(), wo, wd, ws).t();
    gemm_with(
        MatMut::row_major(out.as_mut(), rows, n),
        Mat::new(x.storage(), xo, xd, xs).into(),
        match &panels {
            Some(panels) => Factor::Pack(panels),
            None => w.into(),
        },
        options,
    );
    Ok(out.finish())
}

/// The panels of a transposed matrix as a second factor, if forms of it are kept.
pub(super) fn kept_panels<T: Element + GemmElement>(w: &Tensor) -> Result<Option<Tensor>> {
    if !w.keeps_forms() {
        return Ok(None);
    }
    let (dims, [_, width]) = ([w.shape()[0], w.shape()[1]], panel_widths::<T>());
    let panels = w.form("panels", Shape::new(&[Panels::<T>::len(width, dims)])?, |shape| {
        let mut panels = Writing::<T>::new(shape)?;
        let Layout { offset, strides, .. } = *w.layout();
        Panels::write(Mat::new(w.storage(), offset, dims, [strides[0], strides[1]]), width, panels.as_mut());
        Ok(panels.finish())
    })?;
    Ok(Some(panels))
}

/// What [`kept_panels`] gave for a matrix of `dims`.
pub(super) fn panels_of<T: Element + GemmElement>(kept: &Tensor, dims: [usize; 2]) -> Panels<'_, T> {
    Panels::new(kept.as_slice().unwrap_or_default(), panel_widths::<T>()[1], dims)
}

fn product<T: Element + GemmElement>(a: &Tensor, b: &Tensor, shape: Shape) -> Result<Tensor> {
    let lead = shape.rank() - 2;
    let mut out = Writing::<T>::new(shape)?;
    if shape.numel() == 0 {
        return Ok(out.finish());
    }
    // Leading axes of a factor as those of the result, with stride zero where they are broadcast.
    let spread = |x: &Tensor| {
        let mut full = shape;
        full.sizes_mut()[lead..].copy_from_slice(&x.shape()[x.rank() - 2..]);
        x.layout().broadcast_to(full)
    };
    let (la, lb, lc) = (spread(a), spread(b), Layout::contiguous(shape));
    let two = |l: &Layout| ([l.shape[lead], l.shape[lead + 1]], [l.strides[lead], l.strides[lead + 1]]);
    let ((da, sa), (db, sb), (dc, sc)) = (two(&la), two(&lb), two(&lc));
    gemm_batch(
        &shape[..lead],
        (MatMut::new(out.as_mut(), 0, dc, sc), &lc.strides[..lead]),
        (Mat::new(a.storage(), la.offset, da, sa), &la.strides[..lead]),
        (Mat::new(b.storage(), lb.offset, db, sb), &lb.strides[..lead]),
        false,
    );
    Ok(out.finish())
}
