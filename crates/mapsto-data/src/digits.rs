//! The UCI optical digits, embedded. Source, licence and packing: `data/README.md`.

use flate2::read::ZlibDecoder;
use std::io::Read;

const PACKED: &[u8] = include_bytes!("../data/digits.bin.zlib");
const PIXELS: usize = Digits::HEIGHT * Digits::WIDTH;

/// Handwritten digits as small grey images with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits {
    /// Pixels of all images, `[count, HEIGHT, WIDTH]` row-major, each 0 (paper) to [`Digits::MAX`] (ink).
    pub images: Vec<u8>,
    /// The digit of each image, 0 to 9: `[count]`.
    pub labels: Vec<u8>,
}

impl Digits {
    /// Rows of an image.
    pub const HEIGHT: usize = 8;
    /// Columns of an image.
    pub const WIDTH: usize = 8;
    /// Number of classes.
    pub const CLASSES: usize = 10;
    /// The largest pixel value; divide by it to reach the range 0 to 1.
    pub const MAX: u8 = 16;
}

/// The 1,797 images of the UCI optical digits, in the order of scikit-learn's `load_digits`.
///
/// They are unpacked at each call (a millisecond or so). E. Alpaydin and C. Kaynak, 1998, doi 10.24432/C50P49,
/// CC BY 4.0.
pub fn digits() -> Digits {
    let mut bytes = Vec::new();
    ZlibDecoder::new(PACKED).read_to_end(&mut bytes).expect("the embedded digits unpack: a test reads them all");
    // Stored as one plane a pixel and then the labels: PIXELS + 1 bytes an image.
    let count = bytes.len() / (PIXELS + 1);
    let (planes, labels) = bytes.split_at(count * PIXELS);
    let images = (0..count * PIXELS).map(|i| planes[i % PIXELS * count + i / PIXELS]).collect();
    Digits { images, labels: labels.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_set() {
        let Digits { images, labels } = digits();
        assert_eq!((images.len(), labels.len()), (1797 * 64, 1797));

        let mut counts = [0; Digits::CLASSES];
        labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(labels[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);

        // Both sums are printed by tools/digits.py; the weighted one also fixes the order.
        let sum: u64 = images.iter().map(|&pixel| u64::from(pixel)).sum();
        let weighted: u64 = (0..).zip(&images).map(|(i, &pixel)| u64::from(pixel) * (i % 251 + 1)).sum();
        assert_eq!(images.iter().max(), Some(&Digits::MAX));
        assert_eq!((sum, weighted), (561_718, 70_784_718));
    }

    #[test]
    fn the_first_image_is_a_zero() {
        let rows: [[u8; 8]; 8] = [
            [0, 0, 5, 13, 9, 1, 0, 0],
            [0, 0, 13, 15, 10, 15, 5, 0],
            [0, 3, 15, 2, 0, 11, 8, 0],
            [0, 4, 12, 0, 0, 8, 8, 0],
            [0, 5, 8, 0, 0, 9, 8, 0],
            [0, 4, 11, 0, 1, 12, 7, 0],
            [0, 2, 14, 5, 10, 12, 0, 0],
            [0, 0, 6, 13, 10, 0, 0, 0],
        ];
        assert_eq!(digits().images[..64], *rows.as_flattened());
    }
}
