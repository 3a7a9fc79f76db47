//! Digits from a user's files: pictures, and tables in the format of the UCI set.

use crate::error::TaskError;
use image::imageops::FilterType;
use image::{GrayImage, ImageReader, Limits, imageops};
use mapsto_data::Digits;
use std::io::Read;
use std::path::Path;

/// Pixels of one image.
pub const PIXELS: usize = Digits::HEIGHT * Digits::WIDTH;
/// The largest table that is read: more would not be a few digits to look at.
const MAX_TABLE: u64 = 256 << 20;
/// The largest side of a picture.
const MAX_SIDE: u32 = 16_384;

/// One digit from a file.
pub struct Item {
    /// Where it is from: the file, and the line of a table.
    pub place: String,
    /// 0 (paper) to 16 (ink), row by row.
    pub pixels: [f32; PIXELS],
    /// The digit that it is said to be, where the table tells.
    pub label: Option<usize>,
}

/// The digits in a file: a picture (PNG, PNM) holds one; a table (CSV) one a line, 64 numbers from 0 to 16 and perhaps the
/// label.
pub fn read(path: &Path) -> Result<Vec<Item>, TaskError> {
    let is_table =
        path.extension().is_some_and(|e| ["csv", "txt", "tra", "tes"].iter().any(|t| e.eq_ignore_ascii_case(t)));
    if is_table { read_table(path) } else { Ok(vec![read_picture(path)?]) }
}

fn read_table(path: &Path) -> Result<Vec<Item>, TaskError> {
    let name = path.display();
    let refused = |e: std::io::Error| TaskError::input(format!("cannot read {name}: {e}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(refused)?;
    let read = file.take(MAX_TABLE + 1).read_to_string(&mut text).map_err(refused)?;
    if read as u64 > MAX_TABLE {
        return Err(TaskError::input(format!("{name} is larger than {} MB: split it", MAX_TABLE >> 20)));
    }
    let mut items = Vec::new();
    // Spreadsheets begin their files with a mark of the encoding.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if number == 0 && is_heading(line) {
            continue;
        }
        let place = format!("{name}:{}", number + 1);
        let (pixels, label) = parse_line(line, &place)?;
        items.push(Item { place, pixels, label });
    }
    if items.is_empty() {
        return Err(TaskError::input(format!("{name} holds no digits: each line needs {PIXELS} numbers from 0 to 16")));
    }
    Ok(items)
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split([',', ';', '\t']).map(str::trim)
}

/// Words and not one number: a row with a mistake in it is none.
fn is_heading(line: &str) -> bool {
    line.chars().any(char::is_alphabetic) && cells(line).all(|cell| cell.parse::<f32>().is_err())
}

fn parse_line(line: &str, place: &str) -> Result<([f32; PIXELS], Option<usize>), TaskError> {
    let cells: Vec<&str> = cells(line).collect();
    if cells.len() != PIXELS && cells.len() != PIXELS + 1 {
        let found = cells.len();
        return Err(TaskError::input(format!("{place}: {found} values, expected {PIXELS} pixels and perhaps a label")));
    }
    let mut pixels = [0.0; PIXELS];
    for (column, (pixel, cell)) in pixels.iter_mut().zip(&cells).enumerate() {
        *pixel = match cell.parse::<f32>() {
            Ok(value) if (0.0..=Digits::MAX as f32).contains(&value) => value,
            _ => {
                return Err(TaskError::input(format!(
                    "{place}: {cell:?} in column {} is not from 0 to 16",
                    column + 1
                )));
            }
        };
    }
    let label = |cell: &&str| match cell.parse::<f64>() {
        Ok(label) if label.fract() == 0.0 && (0.0..Digits::CLASSES as f64).contains(&label) => Ok(label as usize),
        _ => {
            let column = PIXELS + 1;
            Err(TaskError::input(format!("{place}: the label {cell:?} in column {column} is not a digit from 0 to 9")))
        }
    };
    Ok((pixels, cells.get(PIXELS).map(label).transpose()?))
}

fn read_picture(path: &Path) -> Result<Item, TaskError> {
    let name = path.display().to_string();
    let refused = |e: &dyn std::fmt::Display| {
        TaskError::input(format!("cannot read {name}: {e} (pictures: PNG, PNM; tables: .csv with 64 values a line)"))
    };
    let mut reader =
        ImageReader::open(path).map_err(|e| refused(&e))?.with_guessed_format().map_err(|e| refused(&e))?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    reader.limits(limits);
    let picture = reader.decode().map_err(|e| refused(&e))?;
    let (width, height) = (picture.width(), picture.height());
    if width == 0 || height == 0 {
        return Err(TaskError::input(format!("{name} has no pixels: it is {width} wide and {height} high")));
    }
    let pixels = normalise(&flatten(&picture))
        .ok_or_else(|| TaskError::input(format!("{name} is blank: there is no digit in it")))?;
    Ok(Item { place: name, pixels, label: None })
}

/// Grey, transparent parts as white paper.
fn flatten(picture: &image::DynamicImage) -> GrayImage {
    let mut grey = picture.to_luma_alpha8();
    grey.pixels_mut().for_each(|p| p.0[0] = (p.0[0] as u32 * p.0[1] as u32 / 255) as u8 + (255 - p.0[1]));
    GrayImage::from_fn(grey.width(), grey.height(), |x, y| image::Luma([grey.get_pixel(x, y).0[0]]))
}

/// As the UCI set was made: the digit cut out, scaled to a box of 32x32, the ink counted in blocks of 4x4. An image of 8x8
/// is taken as it is. `None` where all is of one grey.
fn normalise(grey: &GrayImage) -> Option<[f32; PIXELS]> {
    let (low, high) = grey.pixels().fold((u8::MAX, u8::MIN), |(low, high), p| (low.min(p.0[0]), high.max(p.0[0])));
    if low == high {
        return None;
    }
    // Paper is what most of the border shows.
    let (w, h) = grey.dimensions();
    let middle = (low as u32 + high as u32) / 2;
    let border = |(x, y): &(u32, u32)| *x == 0 || *y == 0 || *x + 1 == w || *y + 1 == h;
    let places = (0..w).flat_map(|x| (0..h).map(move |y| (x, y)));
    let (mut light, mut count) = (0u64, 0u64);
    places.clone().filter(border).for_each(|(x, y)| {
        light += (grey.get_pixel(x, y).0[0] as u32 > middle) as u64;
        count += 1;
    });
    let dark_ink = light * 2 >= count;
    let span = (high - low) as f32;
    let ink = |x: u32, y: u32| {
        let value = (grey.get_pixel(x, y).0[0] - low) as f32 / span;
        if dark_ink { 1.0 - value } else { value }
    };
    let mut pixels = [0.0; PIXELS];
    if (w, h) == (Digits::WIDTH as u32, Digits::HEIGHT as u32) {
        places.for_each(|(x, y)| pixels[y as usize * Digits::WIDTH + x as usize] = ink(x, y) * Digits::MAX as f32);
        return Some(pixels);
    }
    let inked = places.filter(|&(x, y)| ink(x, y) > 0.5);
    let (x0, x1, y0, y1) =
        inked.fold((w, 0, h, 0), |(x0, x1, y0, y1), (x, y)| (x0.min(x), x1.max(x + 1), y0.min(y), y1.max(y + 1)));
    let cut = GrayImage::from_fn(x1 - x0, y1 - y0, |x, y| image::Luma([(ink(x0 + x, y0 + y) * 255.0) as u8]));
    let scale = 32.0 / cut.width().max(cut.height()) as f32;
    let size = |side: u32| ((side as f32 * scale).round() as u32).clamp(1, 32);
    let scaled = imageops::resize(&cut, size(cut.width()), size(cut.height()), FilterType::Triangle);
    let (left, top) = ((32 - scaled.width()) / 2, (32 - scaled.height()) / 2);
    for (x, y, value) in scaled.enumerate_pixels() {
        let block = ((y + top) / 4 * Digits::WIDTH as u32 + (x + left) / 4) as usize;
        pixels[block] += (value.0[0] > 127) as u8 as f32;
    }
    Some(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_and_without_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digits.csv");
        let row = |value: &str| vec![value; PIXELS].join(",");
        std::fs::write(&path, format!("{}\n{},7\n", row("3"), row("16"))).unwrap();
        let items = read(&path).unwrap();
        assert_eq!((items[0].pixels[63], items[0].label), (3.0, None));
        assert_eq!((items[1].pixels[0], items[1].label), (16.0, Some(7)));
        std::fs::write(&path, format!("{}\n{}\n", row("3"), row("17"))).unwrap();
        let text = read(&path).err().unwrap().to_string();
        assert!(text.ends_with("digits.csv:2: \"17\" in column 1 is not from 0 to 16"), "{text}");
        std::fs::write(&path, "1,2,3\n").unwrap();
        let text = read(&path).err().unwrap().to_string();
        assert!(text.ends_with("digits.csv:1: 3 values, expected 64 pixels and perhaps a label"), "{text}");
    }

    #[test]
    fn a_heading_is_passed_over_and_a_wrong_row_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digits.csv");
        let row = |value: &str| vec![value; PIXELS].join(",");
        let heading: Vec<String> = (0..PIXELS).map(|pixel| format!("pixel {pixel}")).collect();
        for start in ["", "\u{feff}"] {
            std::fs::write(&path, format!("{start}{},digit\n{},7\n", heading.join(","), row("3"))).unwrap();
            let items = read(&path).unwrap();
            assert_eq!((items.len(), items[0].label), (1, Some(7)));
            assert!(items[0].place.ends_with("digits.csv:2"), "{}", items[0].place);
            std::fs::write(&path, format!("{start}{}\n", row("3"))).unwrap();
            assert_eq!(read(&path).unwrap()[0].pixels, [3.0; PIXELS]);
            std::fs::write(&path, format!("{start}1,2,x{}\n{}\n", ",3".repeat(PIXELS - 3), row("3"))).unwrap();
            let text = read(&path).err().unwrap().to_string();
            assert!(text.ends_with("digits.csv:1: \"x\" in column 3 is not from 0 to 16"), "{text}");
        }
        std::fs::write(&path, format!("{},seven\n", row("3"))).unwrap();
        let text = read(&path).err().unwrap().to_string();
        assert!(text.ends_with(":1: the label \"seven\" in column 65 is not a digit from 0 to 9"), "{text}");
    }

    #[test]
    fn a_picture_without_pixels_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.pgm");
        for (header, shown) in [("P2 0 0 255\n", "0 wide and 0 high"), ("P2 0 5 255\n", "0 wide and 5 high")] {
            std::fs::write(&path, header).unwrap();
            let text = read(&path).err().unwrap().to_string();
            assert!(text.ends_with(&format!("none.pgm has no pixels: it is {shown}")), "{text}");
        }
    }

    #[test]
    fn ink_is_found_in_dark_and_light_pictures_of_any_size() {
        let bar = |ink: u8, paper: u8| {
            GrayImage::from_fn(50, 70, |x, y| {
                image::Luma([if (20..30).contains(&x) && (10..60).contains(&y) { ink } else { paper }])
            })
        };
        let (dark, light) = (normalise(&bar(0, 255)).unwrap(), normalise(&bar(200, 10)).unwrap());
        assert_eq!(dark, light);
        // 10 of 50 pixels wide, 32 high: 6.4 columns of 32, in the middle.
        assert!(dark[3] > 8.0 && dark[4] > 8.0 && dark[0] == 0.0 && dark[7] == 0.0, "{dark:?}");
        assert!(normalise(&GrayImage::new(9, 9)).is_none());
    }

    #[test]
    fn a_missing_file_and_a_wrong_one_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let text = read(&folder.path().join("none.png")).err().unwrap().to_string();
        assert!(text.contains("none.png: ") && text.contains("No such file"), "{text}");
        let path = folder.path().join("words.png");
        std::fs::write(&path, "not a picture").unwrap();
        assert!(read(&path).err().unwrap().to_string().contains("pictures: PNG, PNM"));
    }
}
