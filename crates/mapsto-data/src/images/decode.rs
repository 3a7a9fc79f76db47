//! Files to pixels.

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, RgbaImage};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Bytes that a picture decodes to, at most.
const MOST: u64 = 512 << 20;

/// What a pixel consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One byte of lightness.
    Grey,
    /// Bytes of red, green and blue.
    Rgb,
}

impl Channels {
    /// Bytes of a pixel.
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// What a pixel consists of.
    pub channels: Channels,
    /// `[height, width, channels]`, row by row.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Reads PNG, JPEG, BMP, WebP or PNM, told by its first bytes: grey, coloured, with a palette, with 8 or 16 bits a channel.
    ///
    /// What is transparent shows white, and a photo that was taken sideways stands upright (EXIF).
    ///
    /// # Errors
    /// A file that cannot be read, is no picture, is damaged, or decodes to more than half a gigabyte.
    pub fn read(path: &Path, channels: Channels) -> Result<Picture, super::ImageError> {
        let io = |source| super::ImageError::Io { path: path.to_owned(), source };
        let reader = ImageReader::open(path).map_err(io)?.with_guessed_format().map_err(io)?;
        let image = upright(reader)
            .map_err(|why| super::ImageError::Picture { path: path.to_owned(), why: why.to_string() })?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let image = if image.color().has_alpha() { on_white(image.into_rgba8()) } else { image };
        let pixels = match channels {
            Channels::Grey => image.into_luma8().into_raw(),
            Channels::Rgb => image.into_rgb8().into_raw(),
        };
        Ok(Picture { height, width, channels, pixels })
    }

    /// The picture in grey or in colours, whatever it is.
    pub fn into_channels(self, channels: Channels) -> Picture {
        let pixels = match (self.channels, channels) {
            (Channels::Grey, Channels::Rgb) => self.pixels.iter().flat_map(|&level| [level; 3]).collect(),
            (Channels::Rgb, Channels::Grey) => self.pixels.as_chunks().0.iter().map(lightness).collect(),
            _ => self.pixels,
        };
        Picture { channels, pixels, ..self }
    }
}

/// The lightness of a colour (ITU-R 601-2, in parts of 65536, as Pillow has it).
#[inline(always)]
pub(super) fn lightness(pixel: &[u8; 3]) -> u8 {
    let [r, g, b] = pixel.map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

fn upright(reader: ImageReader<BufReader<File>>) -> Result<DynamicImage, String> {
    let said = |error: ImageError| error.to_string();
    let mut decoder = reader.into_decoder().map_err(said)?;
    let bytes = decoder.total_bytes();
    if bytes > MOST {
        return Err(format!("its {} by {} pixels take {bytes} bytes", decoder.dimensions().0, decoder.dimensions().1));
    }
    let orientation = decoder.orientation().map_err(said)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(said)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn on_white(mut image: RgbaImage) -> DynamicImage {
    for pixel in image.pixels_mut() {
        let [colours @ .., alpha] = &mut pixel.0;
        for colour in colours {
            let (c, a) = (u32::from(*colour), u32::from(*alpha));
            *colour = ((c * a + 255 * (255 - a) + 127) / 255) as u8;
        }
        *alpha = 255;
    }
    DynamicImage::ImageRgba8(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba};
    use std::path::PathBuf;

    fn saved(folder: &Path, name: &str, image: &DynamicImage, format: ImageFormat) -> PathBuf {
        let path = folder.join(name);
        image.save_with_format(&path, format).expect("a file");
        path
    }

    #[test]
    fn every_format_and_depth_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let colours = RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8 * 80, y as u8 * 200, 7]));
        let expected: Vec<u8> = colours.as_raw().clone();
        for (name, format) in
            [("a", ImageFormat::Png), ("b", ImageFormat::Bmp), ("c", ImageFormat::WebP), ("d", ImageFormat::Pnm)]
        {
            let picture = Picture::read(&saved(folder, name, &colours.clone().into(), format), Channels::Rgb).unwrap();
            assert_eq!((picture.height, picture.width, &picture.pixels), (2, 3, &expected), "{name}");
        }
        let flat = RgbImage::from_pixel(16, 16, Rgb([200, 100, 50]));
        let jpeg = Picture::read(&saved(folder, "e", &flat.into(), ImageFormat::Jpeg), Channels::Rgb).unwrap();
        assert!(jpeg.pixels.chunks(3).all(|p| p.iter().zip([200, 100, 50]).all(|(&p, q)| p.abs_diff(q) <= 2)));
        let deep = ImageBuffer::<Luma<u16>, _>::from_pixel(1, 1, Luma([0x8080u16]));
        let deep = Picture::read(&saved(folder, "f", &deep.into(), ImageFormat::Png), Channels::Grey).unwrap();
        assert_eq!(deep.pixels, [0x80]);
        let clear = RgbaImage::from_fn(2, 1, |x, _| Rgba([10, 20, 30, if x == 0 { 0 } else { 255 }]));
        let clear = Picture::read(&saved(folder, "g", &clear.into(), ImageFormat::Png), Channels::Rgb).unwrap();
        assert_eq!(clear.pixels, [255, 255, 255, 10, 20, 30]);
        let grey = GrayImage::from_pixel(1, 1, Luma([9]));
        let grey = Picture::read(&saved(folder, "h", &grey.into(), ImageFormat::Png), Channels::Rgb).unwrap();
        assert_eq!(grey.pixels, [9, 9, 9]);
    }

    #[test]
    fn photos_taken_sideways_stand_upright() {
        let folder = tempfile::tempdir().expect("a folder");
        let dark_left = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 10 } else { 240 }]));
        let path = saved(folder.path(), "x.jpg", &dark_left.into(), ImageFormat::Jpeg);
        let plain = std::fs::read(&path).expect("bytes");
        // One tag, the orientation: turned by a quarter, clockwise.
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let segment = [&[0xff, 0xe1, 0, exif.len() as u8 + 2][..], exif].concat();
        std::fs::write(&path, [&plain[..2], &segment, &plain[2..]].concat()).expect("a file");
        let picture = Picture::read(&path, Channels::Grey).unwrap();
        assert_eq!((picture.height, picture.width), (32, 16));
        assert!(picture.pixels[0] < 30 && picture.pixels[31 * 16] > 220);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.png");
        let said = |path: &Path| Picture::read(path, Channels::Rgb).unwrap_err().to_string();
        assert!(said(&path).starts_with("cannot read "));
        std::fs::write(&path, b"no picture at all").expect("a file");
        assert!(said(&path).contains("x.png is no whole picture: "));
        std::fs::write(&path, b"P6\n60000 60000\n255\n").expect("a file");
        assert!(said(&path).ends_with("its 60000 by 60000 pixels take 10800000000 bytes"), "{}", said(&path));
        let whole = RgbImage::from_fn(40, 40, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
        let whole = saved(folder.path(), "y.png", &whole.into(), ImageFormat::Png);
        let bytes = std::fs::read(&whole).expect("bytes");
        for len in [0, 8, 30, bytes.len() / 2] {
            std::fs::write(&path, &bytes[..len]).expect("a file");
            assert!(said(&path).contains("x.png is no whole picture: "), "{len} bytes");
        }
    }
}
