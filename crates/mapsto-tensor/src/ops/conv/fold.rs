//! Patches of images as matrices and back, and pixels from channels.

use super::settings::{ConvOptions, ConvSettings, KernelAxis};
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_float,
    expect_inputs,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use smallvec::smallvec;

/// The patches under a kernel at each of its places: images `[N, C, H, W]` to `[N, C * kh * kw, places]`. What a
/// convolution multiplies with its kernels; PyTorch's `unfold`, also known as im2col.
#[derive(Clone, Debug)]
pub struct Unfold {
    /// How the kernel moves.
    pub axes: [KernelAxis; 2],
    /// Sizes of the kernel.
    pub kernel: [usize; 2],
}

/// The sum of patches `[N, C * kh * kw, places]` at their places in images `[N, C, H, W]`: the transpose of [`Unfold`];
/// PyTorch's `fold`, also known as col2im.
#[derive(Clone, Debug)]
pub struct Fold {
    /// How the kernel moves.
    pub axes: [KernelAxis; 2],
    /// Sizes of the kernel.
    pub kernel: [usize; 2],
    /// Height and width of the images.
    pub size: [usize; 2],
}

fn attributes(axes: [KernelAxis; 2], kernel: [usize; 2]) -> Attributes {
    let mut all = ConvSettings { axes: axes[..].into(), groups: 1 }.attributes();
    all.retain(|(name, _)| *name != "groups");
    all.push(("kernel", (&kernel[..]).into()));
    all
}

/// Elements of the kernel and its places on an image.
fn patches(axes: [KernelAxis; 2], kernel: [usize; 2], size: [usize; 2]) -> Result<[usize; 2]> {
    ConvSettings { axes: axes[..].into(), groups: 1 }.check()?;
    let places = |i: usize| axes[i].places(size[i], kernel[i]);
    let product = |pair: [Option<usize>; 2]| pair[0]?.checked_mul(pair[1]?);
    let counts = (product(kernel.map(Some)), product([places(0), places(1)]));
    let (Some(elements), Some(places)) = counts else {
        return Err(Error::shape(format!("a kernel of {kernel:?} does not fit on images of {size:?}"))
            .mend("pad the image, or use a smaller kernel or dilation"));
    };
    Ok([elements, places])
}

impl Op for Unfold {
    fn name(&self) -> &'static str {
        "unfold2d"
    }

    fn attributes(&self) -> Attributes {
        attributes(self.axes, self.kernel)
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        let &[n, c, h, w] = &inputs[0].shape[..] else {
            return Err(Error::shape(format!("takes images [N, C, H, W], not {}", inputs[0].shape)));
        };
        let [elements, places] = patches(self.axes, self.kernel, [h, w])?;
        let rows = c.checked_mul(elements).ok_or_else(|| Error::shape("too many elements in the kernel"))?;
        Ok(smallvec![inputs[0].with_shape(Shape::new(&[n, rows, places])?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.infer(&[inputs[0].spec()])?[0].shape;
        Ok(smallvec![inputs[0].backend().unfold(inputs[0], &self.axes, &self.kernel, shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let shape = cx.spec(0).shape;
        let fold = Fold { axes: self.axes, kernel: self.kernel, size: [shape[2], shape[3]] };
        Ok(smallvec![Some(apply_one(fold, &[&cx.grad(0)?])?)])
    }
}

impl Op for Fold {
    fn name(&self) -> &'static str {
        "fold2d"
    }

    fn attributes(&self) -> Attributes {
        let mut all = attributes(self.axes, self.kernel);
        all.push(("size", (&self.size[..]).into()));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        let &[n, rows, columns] = &inputs[0].shape[..] else {
            return Err(Error::shape(format!("takes patches [N, C * kh * kw, places], not {}", inputs[0].shape)));
        };
        let [elements, places] = patches(self.axes, self.kernel, self.size)?;
        if columns != places {
            let size = self.size;
            return Err(Error::shape(format!(
                "{} has {columns} patches, images of {size:?} {places}",
                inputs[0].shape
            )));
        }
        if !rows.is_multiple_of(elements) {
            let kernel = self.kernel;
            return Err(Error::shape(format!("{rows} rows are not whole channels of a kernel of {kernel:?}")));
        }
        let [h, w] = self.size;
        Ok(smallvec![inputs[0].with_shape(Shape::new(&[n, rows / elements, h, w])?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.infer(&[inputs[0].spec()])?[0].shape;
        Ok(smallvec![inputs[0].backend().fold(inputs[0], &self.axes, &self.kernel, shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let unfold = Unfold { axes: self.axes, kernel: self.kernel };
        Ok(smallvec![Some(apply_one(unfold, &[&cx.grad(0)?])?)])
    }
}

/// The two axes that the options describe.
fn two_axes(options: &ConvOptions) -> Result<[KernelAxis; 2]> {
    options.expect_no_output_padding()?;
    let settings = options.settings(2)?;
    if settings.groups != 1 {
        return Err(Error::argument(format!("groups {} mean nothing here", settings.groups)).mend("leave it out"));
    }
    Ok([settings.axes[0], settings.axes[1]])
}

fn expect_images(x: &Tensor) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(&x.shape()[..])
        .map_err(|_| Error::shape(format!("takes images [N, C, H, W], not {}", x.shape())))
}

/// Patches and pixels.
impl Tensor {
    /// The patches under a kernel at each of its places: `[N, C, H, W]` to `[N, C * kh * kw, places]`. See [`Unfold`].
    ///
    /// # Errors
    /// Not images; a kernel larger than the padded images; options that mean nothing here.
    #[track_caller]
    pub fn unfold2d(&self, kernel: [usize; 2], options: &ConvOptions) -> Result<Tensor> {
        composed("unfold2d", || {
            apply_one(Unfold { axes: two_axes(options)?, kernel }, &[&self.to_dtype(self.dtype().to_float())?])
        })
    }

    /// The sum of patches at their places in images of `size`: `[N, C * kh * kw, places]` to `[N, C, H, W]`. See
    /// [`Fold`].
    ///
    /// # Errors
    /// Patches that do not fit the images; options that mean nothing here.
    #[track_caller]
    pub fn fold2d(&self, size: [usize; 2], kernel: [usize; 2], options: &ConvOptions) -> Result<Tensor> {
        composed("fold2d", || {
            apply_one(Fold { axes: two_axes(options)?, kernel, size }, &[&self.to_dtype(self.dtype().to_float())?])
        })
    }

    /// Channels become pixels: `[N, C * f * f, H, W]` to `[N, C, H * f, W * f]` (Shi et al. 2016, "Real-time single
    /// image and video super-resolution").
    ///
    /// # Errors
    /// Not images; channels that are not a multiple of `factor` squared.
    #[track_caller]
    pub fn pixel_shuffle(&self, factor: usize) -> Result<Tensor> {
        composed("pixel_shuffle", || {
            let [n, c, h, w] = expect_images(self)?;
            let square = factor.checked_mul(factor).filter(|&square| square > 0 && c.is_multiple_of(square));
            let Some(square) = square else {
                return Err(Error::shape(format!("{c} channels are not a multiple of the factor {factor} squared")));
            };
            let split = self.reshape([n, c / square, factor, factor, h, w])?;
            split.permute(&[0, 1, 4, 2, 5, 3])?.reshape([n, c / square, h * factor, w * factor])
        })
    }

    /// Pixels become channels: `[N, C, H * f, W * f]` to `[N, C * f * f, H, W]`, the inverse of
    /// [`Tensor::pixel_shuffle`].
    ///
    /// # Errors
    /// Not images; a height or width that is not a multiple of `factor`.
    #[track_caller]
    pub fn pixel_unshuffle(&self, factor: usize) -> Result<Tensor> {
        composed("pixel_unshuffle", || {
            let [n, c, h, w] = expect_images(self)?;
            if factor == 0 || !h.is_multiple_of(factor) || !w.is_multiple_of(factor) {
                return Err(Error::shape(format!("images of {h} x {w} are not a multiple of the factor {factor}")));
            }
            let split = self.reshape([n, c, h / factor, factor, w / factor, factor])?;
            split.permute(&[0, 1, 3, 5, 2, 4])?.reshape([n, c * factor * factor, h / factor, w / factor])
        })
    }
}
