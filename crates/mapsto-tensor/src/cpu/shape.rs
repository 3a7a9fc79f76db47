//! Elements moved, none changed.

use crate::backend::ShapeKernels;
use crate::cpu::Cpu;
use crate::cpu::strided::{GRAIN, Parts, Walk, at};
use crate::dtype::{Element, Scalar, with_dtype};
use crate::error::Result;
use crate::shape::{Layout, Shape};
use crate::tensor::{Tensor, Writing};

impl ShapeKernels for Cpu {
    fn embed(&self, x: &Tensor, shape: Shape, part: &Layout, around: Scalar) -> Result<Tensor> {
        with_dtype!(x.dtype(), T => {
            let mut out = Writing::<T>::filled(shape, around.to())?;
            write_strided::<T>(x, out.as_mut(), part);
            Ok(out.finish())
        })
    }

    fn concat(&self, tensors: &[&Tensor], axis: usize) -> Result<Tensor> {
        let mut shape = *tensors[0].shape();
        shape.sizes_mut()[axis] = tensors.iter().map(|t| t.shape()[axis]).sum();
        if let Some(whole) = joined_already(tensors, axis, shape) {
            return Ok(whole);
        }
        with_dtype!(tensors[0].dtype(), T => {
            let mut out = Writing::<T>::new(shape)?;
            let whole = Layout::contiguous(shape);
            let mut start = 0;
            for tensor in tensors {
                let offset = start * whole.strides[axis] as usize;
                write_strided::<T>(tensor, out.as_mut(), &Layout { shape: *tensor.shape(), offset, ..whole });
                start += tensor.shape()[axis];
            }
            Ok(out.finish())
        })
    }
}

/// The tensor of which these are all parts in order, with nothing beside them in memory.
fn joined_already(tensors: &[&Tensor], axis: usize, shape: Shape) -> Option<Tensor> {
    let first = tensors[0];
    let whole = Layout { shape, ..*first.layout() };
    let mut offset = whole.offset as isize;
    for tensor in tensors {
        let Layout { strides, .. } = tensor.layout();
        if tensor.memory() != first.memory() || *strides != whole.strides || tensor.layout().offset as isize != offset {
            return None;
        }
        offset += tensor.shape()[axis] as isize * strides[axis];
    }
    let bytes = shape.numel() * first.dtype().size();
    (whole.is_contiguous() && first.memory().bytes == bytes).then(|| first.view(whole))
}

/// Writes the elements of `x` to the places of `out` that `layout` names, which must be distinct.
pub(super) fn write_strided<T: Element>(x: &Tensor, out: &mut [T], layout: &Layout) {
    let data = x.storage::<T>();
    let walk = Walk::new(*x.shape(), [x.layout(), layout]);
    let [from, to] = walk.steps;
    let parts = Parts::new(out);
    walk.parallel(GRAIN, |span| {
        let [source, target] = span.start;
        if [from, to] == [1, 1] {
            // SAFETY: the layout's places are distinct, so spans are disjoint.
            let out = unsafe { parts.part(target, span.len) };
            out.copy_from_slice(&data[source..source + span.len]);
        } else {
            for i in 0..span.len {
                // SAFETY: the layout's places are distinct, so every element is written once.
                let out = unsafe { parts.part(at(target, to, i), 1) };
                out[0] = data[at(source, from, i)];
            }
        }
    });
}
