//! Products of matrices.

use crate::backend::{ElementwiseKernels, MatmulKernels};
use crate::cpu::Cpu;
use crate::cpu::gemm::{GemmElement, Mat, MatMut, gemm_batch};
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
