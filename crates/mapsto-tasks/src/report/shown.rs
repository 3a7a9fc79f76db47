//! An example, to be looked at.

use super::markup::Markup;
use image::codecs::png::PngEncoder;
use image::imageops::thumbnail;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, RgbImage};
use mapsto_data::{Channels, Picture};

/// The longest side of a picture in a report.
const SIDE: u32 = 96;
/// The longest side of a picture that is a figure.
const WIDEST: u32 = 1024;
/// Columns of a row that are shown.
const COLUMNS: usize = 12;
/// Characters of a value that are shown.
const CHARACTERS: usize = 60;

/// An example, to be looked at.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A picture.
    Picture {
        /// Where it is from.
        name: String,
        /// The picture as it is.
        picture: Picture,
    },
    /// Names and values.
    Row(Vec<(String, String)>),
}

impl Shown {
    /// Draws it.
    pub(super) fn draw(&self, page: &mut Markup) {
        match self {
            Shown::Picture { name, picture } => {
                match address(picture, SIDE) {
                    Some(address) => page.empty("img", &[("src", &address), ("alt", name)]),
                    None => page.text("p", &[], "a picture without pixels"),
                }
                page.told("span", &[("class", "name"), ("title", name)], last_part(name));
            }
            Shown::Row(values) => page.element("dl", &[], |list| {
                for (name, value) in values.iter().take(COLUMNS) {
                    list.told("dt", &[], &cut(name));
                    list.told("dd", &[], &cut(value));
                }
                if values.len() > COLUMNS {
                    list.text("dt", &[], &format!("and {} more", values.len() - COLUMNS));
                    list.text("dd", &[], "");
                }
            }),
        }
    }
}

/// Draws a picture as a figure, as wide as there is room.
pub(crate) fn draw_picture(title: &str, note: &str, picture: &Picture, page: &mut Markup) {
    page.element("figure", &[], |figure| {
        figure.element("figcaption", &[], |caption| {
            caption.told("strong", &[], title);
            caption.told("span", &[("class", "note")], note);
        });
        if let Some(address) = address(picture, WIDEST) {
            figure.empty("img", &[("class", "whole"), ("src", &address), ("alt", title)]);
        }
    });
}

/// The name of a file without its folders.
fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().filter(|part| !part.is_empty()).unwrap_or(name)
}

/// The start of a long text.
fn cut(text: &str) -> String {
    let mut start: String = text.chars().take(CHARACTERS).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// A picture as a `data:` address, made smaller where a side is longer than this.
fn address(picture: &Picture, side: u32) -> Option<String> {
    let [width, height] = [picture.width, picture.height].map(|side| u32::try_from(side).ok().filter(|side| *side > 0));
    let (width, height, pixels) = (width?, height?, picture.pixels.clone());
    let whole = match picture.channels {
        Channels::Grey => DynamicImage::from(GrayImage::from_raw(width, height, pixels)?),
        Channels::Rgb => DynamicImage::from(RgbImage::from_raw(width, height, pixels)?),
    };
    let scale = f64::from(side) / f64::from(width.max(height));
    let small = if scale < 1.0 {
        let [width, height] = [width, height].map(|side| ((f64::from(side) * scale).round() as u32).max(1));
        match whole {
            DynamicImage::ImageLuma8(grey) => DynamicImage::from(thumbnail(&grey, width, height)),
            other => DynamicImage::from(thumbnail(&other.to_rgb8(), width, height)),
        }
    } else {
        whole
    };
    let kind = if small.color().has_color() { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(small.as_bytes(), small.width(), small.height(), kind).ok()?;
    Some(format!("data:image/png;base64,{}", base64(&bytes)))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for piece in bytes.chunks(3) {
        let bits = piece.iter().enumerate().fold(0u32, |bits, (i, byte)| bits | u32::from(*byte) << (16 - 8 * i));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= piece.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_standard() {
        // RFC 4648, section 10.
        let known =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        known.iter().for_each(|(text, expected)| assert_eq!(base64(text.as_bytes()), *expected));
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn pictures_are_small() {
        let picture = |height, width, channels: Channels| Picture {
            height,
            width,
            pixels: vec![7; height * width * channels.count()],
            channels,
        };
        assert!(
            address(&picture(8, 8, Channels::Grey), SIDE).unwrap().starts_with("data:image/png;base64,iVBORw0KGgo")
        );
        assert!(address(&picture(4000, 1, Channels::Rgb), SIDE).unwrap().len() < 2000);
        assert!(address(&picture(0, 8, Channels::Grey), SIDE).is_none());
        assert!(address(&Picture { pixels: vec![1], ..picture(8, 8, Channels::Rgb) }, SIDE).is_none());
        assert_eq!((last_part("a/b.png"), last_part("a\\c.png"), last_part("digit 3")), ("b.png", "c.png", "digit 3"));
        assert_eq!(cut(&"é".repeat(70)).chars().count(), CHARACTERS + 1);
    }
}
