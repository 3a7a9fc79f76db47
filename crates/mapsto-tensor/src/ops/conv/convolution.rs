//! Convolution, its transpose, and its gradient with respect to the kernels.

use super::settings::{ConvOptions, ConvSettings, KernelAxis, Spatial};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Op, Outputs, Span, Specs, apply_one, composed, expect_float,
    expect_inputs, expect_same_dtype,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use smallvec::smallvec;

/// Cross-correlation, which the field calls convolution: images `[N, C, *size]` with kernels
/// `[O, C / groups, *kernel]`, and optionally a bias `[O]`, to `[N, O, *places]`,
/// `y[n, o, p] = bias[o] + sum over c, k of x[n, c, p * stride + k * dilation - padding] * weight[o, c, k]`
/// (Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning").
#[derive(Clone, Debug)]
pub struct Conv {
    /// How the kernels move.
    pub settings: ConvSettings,
}

/// The transpose of [`Conv`], its gradient with respect to the images: `[N, O, *places]` with kernels
/// `[O, C / groups, *kernel]`, and optionally a bias `[C]`, to `[N, C, *size]`, where
/// `size = (places - 1) * stride + (kernel - 1) * dilation + 1 + output_padding - padding`.
#[derive(Clone, Debug)]
pub struct ConvTranspose {
    /// How the kernels move.
    pub settings: ConvSettings,
    /// Places added after the end of each spatial axis.
    pub output_padding: Spatial<usize>,
}

/// The gradient of [`Conv`] with respect to its kernels: from images `[N, C, *size]` and the output's gradient
/// `[N, O, *places]` to `[O, C / groups, *kernel]`.
#[derive(Clone, Debug)]
pub struct ConvWeightGrad {
    /// How the kernels move.
    pub settings: ConvSettings,
    /// Sizes of the kernels.
    pub kernel: Spatial<usize>,
}

/// Fails unless the inputs are float tensors of one type and of the right ranks.
fn check_inputs(settings: &ConvSettings, inputs: &[Spec], names: [&str; 2]) -> Result<DType> {
    settings.check()?;
    expect_float(inputs)?;
    let dtype = expect_same_dtype(inputs)?;
    let rank = settings.axes.len() + 2;
    for (name, input) in names.iter().zip(inputs) {
        if input.shape.rank() != rank {
            let error = Error::shape(format!("{name} {} needs {rank} axes, two and the spatial ones", input.shape));
            let unbatched = input.shape.rank() + 1 == rank;
            return Err(if unbatched { error.mend("add an axis of size one with unsqueeze(0)") } else { error });
        }
    }
    Ok(dtype)
}

/// Fails unless `channels`, which `shape` has, fall into groups.
fn check_groups(groups: usize, channels: usize, shape: &Shape) -> Result<()> {
    if channels.is_multiple_of(groups) {
        return Ok(());
    }
    Err(Error::shape(format!("the {channels} channels of {shape} do not fall into {groups} groups"))
        .mend("groups must divide the channels of the input and of the output"))
}

fn check_bias(bias: Option<&Spec>, channels: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.shape[..] != [channels] => {
            Err(Error::shape(format!("bias {} is not one value for each of {channels} channels", bias.shape)))
        }
        _ => Ok(()),
    }
}

/// Takes 2 or 3 inputs, the third a bias.
fn expect_bias_or_not(inputs: &[Spec]) -> Result<()> {
    if inputs.len() == 3 { Ok(()) } else { expect_inputs(inputs, 2) }
}

/// The number of places along each spatial axis.
fn places(settings: &ConvSettings, image: &Shape, kernel: &[usize]) -> Result<Spatial<usize>> {
    let axes = settings.axes.iter().zip(&image[2..]).zip(kernel).enumerate();
    axes.map(|(i, ((axis, &size), &kernel))| {
        if kernel == 0 {
            return Err(Error::shape(format!("the kernel has size 0 along spatial axis {i}")));
        }
        axis.places(size, kernel).ok_or_else(|| {
            let [before, after] = axis.padding;
            let spans = (kernel - 1).saturating_mul(axis.dilation).saturating_add(1);
            Error::shape(format!(
                "a kernel that spans {spans} does not fit on spatial axis {i} of {image}, {size} with padding {before} and {after}"
            ))
            .mend("pad the image or use a smaller kernel or dilation")
        })
    })
    .collect()
}

/// The first places of every spatial axis, where there are more than `sizes`.
fn cropped(x: Tensor, sizes: &[usize]) -> Result<Tensor> {
    let axes = sizes.iter().enumerate().filter(|&(i, &size)| x.shape()[i + 2] != size);
    axes.map(|(i, &size)| (i as isize + 2, size)).try_fold(x.clone(), |x, (axis, size)| x.narrow(axis, 0, size))
}

/// The sum over images and places: the gradient of a bias.
fn bias_gradient(g: &Tensor) -> Result<Tensor> {
    let axes: Spatial<isize> = (2..g.rank() as isize).collect();
    g.sum_axes(&axes, false)?.sum_axes(&[0], false)
}

/// The transpose of a convolution that takes images of shape `image`.
fn transposed(settings: &ConvSettings, y: &Tensor, weight: &Tensor, image: &Shape) -> Result<Tensor> {
    let extra = |(i, axis): (usize, &KernelAxis)| {
        axis.left_over(image[i + 2], y.shape()[i + 2], weight.shape()[i + 2]).unwrap_or_default()
    };
    let output_padding = settings.axes.iter().enumerate().map(extra).collect();
    apply_one(ConvTranspose { settings: settings.clone(), output_padding }, &[y, weight])
}

/// The multiply-adds of a kernel for each element.
fn products(kernel: &[usize], elements: &Shape) -> u64 {
    kernel.iter().fold(elements.numel() as u64, |product, &size| product.saturating_mul(size as u64))
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn kernel_of(weight: &Shape) -> Spatial<usize> {
    weight[2..].into()
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn attributes(&self) -> Attributes {
        self.settings.attributes()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_bias_or_not(inputs)?;
        let dtype = check_inputs(&self.settings, inputs, ["input", "weight"])?;
        let (x, weight, groups) = (&inputs[0].shape, &inputs[1].shape, self.settings.groups);
        check_groups(groups, x[1], x)?;
        check_groups(groups, weight[0], weight)?;
        if weight[1] != x[1] / groups {
            let per_group = x[1] / groups;
            return Err(Error::shape(format!(
                "weight {weight} takes {} channels a group, input {x} has {per_group} ({} in {groups} groups)",
                weight[1], x[1]
            ))
            .mend("weight is [out, in / groups, *kernel]"));
        }
        check_bias(inputs.get(2), weight[0])?;
        let mut sizes = vec![x[0], weight[0]];
        sizes.extend(places(&self.settings, x, &weight[2..])?);
        Ok(smallvec![Spec::new(Shape::new(&sizes)?, dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let specs: smallvec::SmallVec<[Spec; 3]> = inputs.iter().map(|input| input.spec()).collect();
        let shape = self.infer(&specs)?[0].shape;
        let bias = inputs.get(2).copied();
        Ok(smallvec![inputs[0].backend().conv(inputs[0], inputs[1], bias, &self.settings, shape)?])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (g, settings) = (cx.grad(0)?, &self.settings);
        let mut gradients: Cotangents = smallvec![None; cx.num_inputs()];
        if cx.needs(0) {
            gradients[0] = Some(transposed(settings, &g, &cx.input(1)?, &cx.spec(0).shape)?);
        }
        if cx.needs(1) {
            let op = ConvWeightGrad { settings: settings.clone(), kernel: kernel_of(&cx.spec(1).shape) };
            gradients[1] = Some(apply_one(op, &[&cx.input(0)?, &g])?);
        }
        if cx.num_inputs() == 3 && cx.needs(2) {
            gradients[2] = Some(bias_gradient(&g)?);
        }
        Ok(gradients)
    }

    fn multiply_adds(&self, inputs: &[Spec], outputs: &[Spec]) -> u64 {
        products(&inputs[1].shape[1..], &outputs[0].shape)
    }

    fn spans(&self, inputs: &[Spec]) -> Vec<Span> {
        let span =
            |(axis, &size): (&KernelAxis, &usize)| Span { size, dilation: axis.dilation, stride: axis.stride as f64 };
        self.settings.axes.iter().zip(&inputs[1].shape[2..]).map(span).collect()
    }
}

impl Op for ConvTranspose {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }

    fn attributes(&self) -> Attributes {
        let mut all = self.settings.attributes();
        all.push(("output_padding", (&self.output_padding[..]).into()));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_bias_or_not(inputs)?;
        let dtype = check_inputs(&self.settings, inputs, ["input", "weight"])?;
        let (y, weight, groups) = (&inputs[0].shape, &inputs[1].shape, self.settings.groups);
        check_groups(groups, y[1], y)?;
        if weight[0] != y[1] {
            return Err(Error::shape(format!("weight {weight} takes {} channels, input {y} has {}", weight[0], y[1]))
                .mend("the weight of a transposed convolution is [in, out / groups, *kernel]"));
        }
        let channels = weight[1].checked_mul(groups).ok_or_else(|| Error::shape("too many channels"))?;
        check_bias(inputs.get(2), channels)?;
        if self.output_padding.len() != self.settings.axes.len() {
            let (has, wants) = (&self.output_padding[..], self.settings.axes.len());
            return Err(Error::argument(format!("output_padding {has:?} is not one for each of {wants} axes")));
        }
        let mut sizes = vec![y[0], channels];
        for (i, (axis, &extra)) in self.settings.axes.iter().zip(&self.output_padding).enumerate() {
            if !axis.may_leave(extra) {
                let (stride, dilation) = (axis.stride, axis.dilation);
                return Err(Error::argument(format!(
                    "output_padding {extra} of spatial axis {i} is not below stride {stride} or dilation {dilation}"
                )));
            }
            let (places, kernel) = (y[i + 2], weight[i + 2]);
            let padded = axis.extent(places, kernel).and_then(|extent| extent.checked_add(extra));
            sizes.push(padded.and_then(|size| size.checked_sub(axis.padding[0] + axis.padding[1])).ok_or_else(
                || {
                    Error::shape(format!(
                        "nothing is left of {places} places with kernel {kernel} along spatial axis {i}"
                    ))
                    .mend("the input and the kernel need a size, and the padding must leave some of the output")
                },
            )?);
        }
        Ok(smallvec![Spec::new(Shape::new(&sizes)?, dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let specs: smallvec::SmallVec<[Spec; 3]> = inputs.iter().map(|input| input.spec()).collect();
        let shape = self.infer(&specs)?[0].shape;
        let bias = inputs.get(2).copied();
        Ok(smallvec![inputs[0].backend().conv_transpose(inputs[0], inputs[1], bias, &self.settings, shape)?])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (g, settings) = (cx.grad(0)?, &self.settings);
        let mut gradients: Cotangents = smallvec![None; cx.num_inputs()];
        if cx.needs(0) {
            // An output padding beyond the stride leaves room for more places than there were.
            let all = apply_one(Conv { settings: settings.clone() }, &[&g, &cx.input(1)?])?;
            gradients[0] = Some(cropped(all, &cx.spec(0).shape[2..])?);
        }
        if cx.needs(1) {
            let op = ConvWeightGrad { settings: settings.clone(), kernel: kernel_of(&cx.spec(1).shape) };
            gradients[1] = Some(apply_one(op, &[&g, &cx.input(0)?])?);
        }
        if cx.num_inputs() == 3 && cx.needs(2) {
            gradients[2] = Some(bias_gradient(&g)?);
        }
        Ok(gradients)
    }

    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        products(&inputs[1].shape[1..], &inputs[0].shape)
    }

    /// Of a kernel's elements, every `stride`-th meets an input.
    fn spans(&self, inputs: &[Spec]) -> Vec<Span> {
        let span = |(axis, &kernel): (&KernelAxis, &usize)| {
            let common = common_divisor(axis.stride, axis.dilation);
            Span {
                size: kernel.div_ceil(axis.stride / common),
                dilation: axis.dilation / common,
                stride: 1.0 / axis.stride as f64,
            }
        };
        self.settings.axes.iter().zip(&inputs[1].shape[2..]).map(span).collect()
    }
}

impl Op for ConvWeightGrad {
    fn name(&self) -> &'static str {
        "conv_weight_grad"
    }

    fn attributes(&self) -> Attributes {
        let mut all = self.settings.attributes();
        all.push(("kernel", (&self.kernel[..]).into()));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        let dtype = check_inputs(&self.settings, inputs, ["input", "gradient"])?;
        let (x, y, groups) = (&inputs[0].shape, &inputs[1].shape, self.settings.groups);
        check_groups(groups, x[1], x)?;
        check_groups(groups, y[1], y)?;
        if x[0] != y[0] {
            return Err(Error::shape(format!("{x} and {y} differ in the number of images")));
        }
        if self.kernel.len() != self.settings.axes.len() {
            let (has, wants) = (&self.kernel[..], self.settings.axes.len());
            return Err(Error::argument(format!("kernel {has:?} is not one size for each of {wants} axes")));
        }
        let most = places(&self.settings, x, &self.kernel)?;
        for (i, axis) in self.settings.axes.iter().enumerate() {
            let extra = axis.left_over(x[i + 2], y[i + 2], self.kernel[i]);
            if !extra.is_some_and(|extra| axis.may_leave(extra)) {
                return Err(Error::shape(format!("{y} is not at the {most:?} places of the kernel on {x}")));
            }
        }
        let mut sizes = vec![y[1], x[1] / groups];
        sizes.extend_from_slice(&self.kernel);
        Ok(smallvec![Spec::new(Shape::new(&sizes)?, dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.infer(&[inputs[0].spec(), inputs[1].spec()])?[0].shape;
        Ok(smallvec![inputs[0].backend().conv_weight_grad(inputs[0], inputs[1], &self.settings, shape)?])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (g, settings) = (cx.grad(0)?, &self.settings);
        let mut gradients: Cotangents = smallvec![None, None];
        if cx.needs(0) {
            gradients[0] = Some(transposed(settings, &cx.input(1)?, &g, &cx.spec(0).shape)?);
        }
        if cx.needs(1) {
            let all = apply_one(Conv { settings: settings.clone() }, &[&cx.input(0)?, &g])?;
            gradients[1] = Some(cropped(all, &cx.spec(1).shape[2..])?);
        }
        Ok(gradients)
    }

    fn multiply_adds(&self, inputs: &[Spec], outputs: &[Spec]) -> u64 {
        products(&outputs[0].shape[1..], &inputs[1].shape)
    }
}

/// Applies a convolution to tensors promoted to one type, with the bias if there is one.
#[track_caller]
fn apply_conv<O: Op>(op: O, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let dtype = x.dtype().promote(weight.dtype()).to_float();
    let (x, weight) = (x.to_dtype(dtype)?, weight.to_dtype(dtype)?);
    match bias {
        Some(bias) => apply_one(op, &[&x, &weight, &bias.to_dtype(dtype)?]),
        None => apply_one(op, &[&x, &weight]),
    }
}

macro_rules! methods {
    ($($conv:ident, $transpose:ident, $rank:literal, $sizes:literal, $kernel:literal;)*) => {
        /// Convolutions.
        impl Tensor {$(
            #[doc = concat!("The convolution of images `[N, C, ", $sizes, "]` with kernels `[O, C / groups, ", $kernel, "]`. See [`Conv`].")]
            ///
            /// # Errors
            /// Shapes or options that do not fit; a kernel larger than the padded image.
            #[track_caller]
            pub fn $conv(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
                composed(stringify!($conv), || {
                    options.expect_no_output_padding()?;
                    apply_conv(Conv { settings: options.settings($rank)? }, self, weight, bias)
                })
            }

            #[doc = concat!("The transposed convolution of `[N, C, ", $sizes, "]` with kernels `[C, O / groups, ", $kernel, "]`. See [`ConvTranspose`].")]
            ///
            /// # Errors
            /// Shapes or options that do not fit.
            #[track_caller]
            pub fn $transpose(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
                composed(stringify!($transpose), || {
                    let (settings, output_padding) = (options.settings($rank)?, options.output_paddings($rank)?);
                    apply_conv(ConvTranspose { settings, output_padding }, self, weight, bias)
                })
            }
        )*}
    };
}

methods! {
    conv1d, conv_transpose1d, 1, "L", "k";
    conv2d, conv_transpose2d, 2, "H, W", "kh, kw";
    conv3d, conv_transpose3d, 3, "D, H, W", "kd, kh, kw";
}
