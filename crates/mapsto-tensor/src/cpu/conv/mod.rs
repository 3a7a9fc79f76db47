//! Convolutions.

mod channels_last;
mod dense;
mod depthwise;
mod fold;
mod geometry;
mod implicit;
mod patches;
mod planes;
mod sums;
#[cfg(test)]
mod tests;
mod weights;
mod winograd;

use crate::backend::{ConvKernels, ElementwiseKernels};
use crate::cpu::Cpu;
use crate::cpu::gemm::CacheLine;
use crate::cpu::real::Real;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::{ConvSettings, KernelAxis};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use geometry::Geometry;
use smallvec::SmallVec;
use std::cell::Cell;
use winograd::Tile;

pub use winograd::{set_winograd, winograd};

thread_local! {
    /// What a task needs for itself beyond what the matrix product does.
    static SCRATCH: Cell<Vec<CacheLine>> = const { Cell::new(Vec::new()) };
}

/// What is to be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernel {
    Forward,
    Transpose,
    WeightGrad,
    Unfold,
    Fold,
}

/// By which method a convolution and its gradients are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    /// Channel by channel.
    Depthwise,
    /// One matrix product a group: kernels as large as the images.
    Dense,
    /// Matrix products with mapped tiles.
    Winograd(Tile),
    /// Matrix products with patches.
    Products,
}

/// Whether the kernel's elements lie side by side.
fn is_close(g: &Geometry) -> bool {
    (0..3).all(|axis| g.dilation[axis] == 1 || g.kernel[axis] == 1)
}

impl Plan {
    /// `kept` says that forms of the kernels are kept.
    fn of(g: &Geometry, kept: bool) -> Plan {
        match Tile::of(g, kept) {
            _ if g.channels == 1 && g.outputs > 0 && g.groups > 1 && depthwise::suits(g) => Plan::Depthwise,
            _ if g.places == [1; 3] && g.kernel == g.image && g.padding == [0; 3] && is_close(g) => Plan::Dense,
            Some(tile) => Plan::Winograd(tile),
            None => Plan::Products,
        }
    }
}

impl ConvKernels for Cpu {
    fn conv(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        settings: &ConvSettings,
        shape: Shape,
    ) -> Result<Tensor> {
        let g = Geometry::new(x.shape(), &shape, &w.shape()[2..], &settings.axes, settings.groups);
        run(Kernel::Forward, &[Some(x), Some(w), bias], &g, shape)
    }

    fn conv_transpose(
        &self,
        y: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        settings: &ConvSettings,
        shape: Shape,
    ) -> Result<Tensor> {
        let g = Geometry::new(&shape, y.shape(), &w.shape()[2..], &settings.axes, settings.groups);
        run(Kernel::Transpose, &[Some(y), Some(w), bias], &g, shape)
    }

    fn conv_weight_grad(&self, x: &Tensor, y: &Tensor, settings: &ConvSettings, shape: Shape) -> Result<Tensor> {
        let g = Geometry::new(x.shape(), y.shape(), &shape[2..], &settings.axes, settings.groups);
        run(Kernel::WeightGrad, &[Some(x), Some(y), None], &g, shape)
    }

    fn unfold(&self, x: &Tensor, axes: &[KernelAxis; 2], kernel: &[usize; 2], shape: Shape) -> Result<Tensor> {
        run(Kernel::Unfold, &[Some(x), None, None], &of_patches(&x.shape()[2..], axes, kernel), shape)
    }

    fn fold(&self, x: &Tensor, axes: &[KernelAxis; 2], kernel: &[usize; 2], shape: Shape) -> Result<Tensor> {
        run(Kernel::Fold, &[Some(x), None, None], &of_patches(&shape[2..], axes, kernel), shape)
    }
}

/// The geometry of one channel's patches.
fn of_patches(size: &[usize], axes: &[KernelAxis; 2], kernel: &[usize; 2]) -> Geometry {
    let places = |i: usize| axes[i].places(size[i], kernel[i]).unwrap_or(0);
    Geometry::new(&[1, 1, size[0], size[1]], &[1, 1, places(0), places(1)], kernel, axes, 1)
}

fn run(kernel: Kernel, inputs: &[Option<&Tensor>; 3], g: &Geometry, shape: Shape) -> Result<Tensor> {
    let dtype = inputs[0].map_or(DType::F32, Tensor::dtype);
    match dtype {
        DType::F32 => run_as::<f32>(kernel, inputs, g, shape),
        DType::F64 => run_as::<f64>(kernel, inputs, g, shape),
        _ => {
            let wide = |x: &Option<&Tensor>| x.map(|x| Cpu.cast(x, DType::F32)).transpose();
            let [a, b, c] = [wide(&inputs[0])?, wide(&inputs[1])?, wide(&inputs[2])?];
            let result = run_as::<f32>(kernel, &[a.as_ref(), b.as_ref(), c.as_ref()], g, shape)?;
            Cpu.cast(&result, dtype)
        }
    }
}

fn run_as<T: Real>(kernel: Kernel, inputs: &[Option<&Tensor>; 3], g: &Geometry, shape: Shape) -> Result<Tensor> {
    let inputs: SmallVec<[Tensor; 3]> =
        inputs.iter().flatten().map(|input| Cpu.contiguous(input)).collect::<Result<_>>()?;
    let input = |i: usize| inputs.get(i).and_then(Tensor::as_slice::<T>);
    let (a, b, bias) = (input(0).unwrap_or_default(), input(1).unwrap_or_default(), input(2));
    let kept = kernel != Kernel::WeightGrad && inputs.get(1).is_some_and(Tensor::keeps_forms);
    let mut result = Writing::<T>::new(shape)?;
    let out = result.as_mut();
    match (kernel, Plan::of(g, kept)) {
        (Kernel::Forward, Plan::Depthwise) => depthwise::forward(a, b, bias, g, out),
        (Kernel::Transpose, Plan::Depthwise) => depthwise::transpose(a, b, bias, g, out),
        (Kernel::WeightGrad, Plan::Depthwise) => depthwise::weight_grad(a, b, g, out),
        (Kernel::Forward, Plan::Dense) => dense::forward(a, b, bias, g, out),
        (Kernel::Transpose, Plan::Dense) => dense::transpose(a, b, bias, g, out),
        (Kernel::WeightGrad, Plan::Dense) => dense::weight_grad(a, b, g, out),
        (Kernel::Forward, Plan::Winograd(tile)) => winograd::convolution(tile, false, a, &inputs[1], bias, g, out)?,
        (Kernel::Transpose, Plan::Winograd(tile)) => winograd::convolution(tile, true, a, &inputs[1], bias, g, out)?,
        (Kernel::WeightGrad, Plan::Winograd(tile)) => winograd::weight_grad(tile, a, b, g, out)?,
        (Kernel::Forward, Plan::Products) => implicit::forward(a, &inputs[1], bias, g, out)?,
        (Kernel::Transpose, Plan::Products) if sums::suits(g) => sums::transpose(a, b, bias, g, out),
        (Kernel::Transpose, Plan::Products) => implicit::transpose(a, b, bias, g, out)?,
        (Kernel::WeightGrad, Plan::Products) => weights::gradient(a, b, g, out)?,
        (Kernel::Unfold, _) => fold::unfold(a, g, out),
        (Kernel::Fold, _) => fold::fold(a, g, out),
    }
    Ok(result.finish())
}
