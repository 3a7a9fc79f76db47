//! Other sizes: bilinear interpolation that averages where pictures shrink, as Pillow's `resize` does it.

use super::AugmentError;
use crate::images::{Channels, Picture};
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// Bytes of a picture, at most.
const MOST: usize = 512 << 20;

/// Pixels of a picture that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl Region {
    pub fn whole(picture: &Picture) -> Region {
        Region { top: 0, left: 0, height: picture.height, width: picture.width }
    }
}

/// A region in another size. What is beside it has no part.
pub(super) fn resized(picture: &Picture, region: Region, height: usize, width: usize) -> Result<Picture, AugmentError> {
    let Region { top, left, .. } = region;
    if (region.height, region.width) == (height, width) {
        return Ok(cut(picture, region));
    }
    let bytes = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(picture.channels.count()));
    let too_large = || AugmentError::TooLarge { from: [region.height, region.width], to: [height, width] };
    let sizes = [picture.width, picture.height, left, top, region.width, region.height, width, height];
    let [w, h, left, top, crop_w, crop_h, to_w, to_h] = sizes.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    if bytes.is_none_or(|bytes| bytes > MOST) || sizes.iter().any(|&size| size > MOST) {
        return Err(too_large());
    }
    let mut pixels = vec![0; height * width * picture.channels.count()];
    let (from, to) = ([w, h], [to_w, to_h]);
    let crop = [left, top, crop_w, crop_h];
    match picture.channels {
        Channels::Grey => convolve::<U8>(&picture.pixels, from, crop, &mut pixels, to),
        Channels::Rgb => convolve::<U8x3>(&picture.pixels, from, crop, &mut pixels, to),
    }
    Ok(Picture { height, width, channels: picture.channels, pixels })
}

/// Convolves the crop of one picture into another; of pixels that are known, for the code of all others would take megabytes.
fn convolve<P: PixelTrait>(from: &[u8], [w, h]: [u32; 2], crop: [u32; 4], to: &mut [u8], [to_w, to_h]: [u32; 2]) {
    let [left, top, crop_w, crop_h] = crop;
    let from = TypedImageRef::<P>::from_buffer(w, h, from).expect("the pixels were counted");
    let from = TypedCroppedImage::new(from, left, top, crop_w, crop_h).expect("the region is inside");
    let mut to = TypedImage::<P>::from_buffer(to_w, to_h, to).expect("the pixels were counted");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false);
    Resizer::new().resize_typed(&from, &mut to, &options).expect("both sides have pixels");
}

/// The picture with its shorter side of `size` pixels and the same proportions.
pub(super) fn shorter(picture: Picture, size: usize) -> Result<Picture, AugmentError> {
    let (least, most) = (picture.height.min(picture.width), picture.height.max(picture.width));
    let longer = size.saturating_mul(most) / least;
    let (height, width) = if picture.height <= picture.width { (size, longer) } else { (longer, size) };
    exact(picture, height, width)
}

/// The picture in this size.
pub(super) fn exact(picture: Picture, height: usize, width: usize) -> Result<Picture, AugmentError> {
    match (picture.height, picture.width) == (height, width) {
        true => Ok(picture),
        false => resized(&picture, Region::whole(&picture), height, width),
    }
}

/// A region by itself.
pub(super) fn cut(picture: &Picture, region: Region) -> Picture {
    let Region { top, left, height, width } = region;
    let channels = picture.channels.count();
    let mut pixels = Vec::with_capacity(height * width * channels);
    for row in picture.pixels.chunks_exact(picture.width * channels).skip(top).take(height) {
        pixels.extend_from_slice(&row[left * channels..(left + width) * channels]);
    }
    Picture { height, width, channels: picture.channels, pixels }
}
