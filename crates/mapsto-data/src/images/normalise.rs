//! Pixels as a network wants them: each channel with mean 0 and deviation 1.

use super::set::spread;
use super::{Augmentation, ImageError, ImageSamples, ImageSet, Picture};
use crate::loader::{Loader, LoaderOptions};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pictures that means are learned from, at most.
const SAMPLE: usize = 10_000;

/// Mean and standard deviation of each channel, of levels from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// A mean for each channel.
    pub mean: Vec<f32>,
    /// A deviation for each channel.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// Learns it from the pixels of pictures `items` of a set, at most 10,000 of them, evenly chosen. Pictures that cannot be read have
    /// no part; the deviation of a channel that never varies is 1.
    ///
    /// # Errors
    /// The first picture's error if none can be read, and [`ImageError::NoItem`] for an index that the set does not have.
    pub fn learn(set: &Arc<ImageSet>, items: &[usize]) -> Result<Normalisation, ImageError> {
        let chosen = spread(items.len(), SAMPLE).map(|i| items[i]).collect();
        let samples = ImageSamples::new(Arc::clone(set), chosen, Augmentation::default())?;
        let loader = Loader::new(Arc::new(samples), LoaderOptions::default()).expect("batches of 32");
        let channels = set.channels().count();
        let (mut pixels, mut sums, mut squares) = (0u64, [0u64; 3], [0u128; 3]);
        let mut error = None;
        for sample in loader.epoch(0, 0).flatten() {
            match sample {
                Ok(sample) => {
                    let picture = sample.picture;
                    pixels += (picture.height * picture.width) as u64;
                    for channel in 0..channels {
                        let levels =
                            || picture.pixels.iter().skip(channel).step_by(channels).map(|&level| u64::from(level));
                        sums[channel] += levels().sum::<u64>();
                        squares[channel] += u128::from(levels().map(|level| level * level).sum::<u64>());
                    }
                }
                Err(said) => error = error.or(Some(said)),
            }
        }
        if pixels == 0 {
            return Err(match error {
                Some(crate::ItemError::Failed { error, .. }) => error,
                _ => ImageError::NoItem { index: 0, pictures: set.len() },
            });
        }
        let n = pixels as f64;
        let moments = sums.iter().zip(squares).take(channels).map(|(&sum, square)| {
            let mean = sum as f64 / n;
            let variance = (square as f64 / n - mean * mean).max(0.0);
            ((mean / 255.0) as f32, if variance < 1e-6 { 1.0 } else { (variance.sqrt() / 255.0) as f32 })
        });
        let (mean, std) = moments.unzip();
        Ok(Normalisation { mean, std })
    }

    /// Writes a picture as `[channels, height, width]`: `(level / 255 - mean) / std`.
    ///
    /// # Errors
    /// [`ImageError::Size`] if the picture has other channels than these means or `out` another size.
    pub fn write_chw(&self, picture: &Picture, out: &mut [f32]) -> Result<(), ImageError> {
        let channels = picture.channels.count();
        let pixels = picture.height * picture.width;
        if self.mean.len() != channels || self.std.len() != channels || out.len() != picture.pixels.len() {
            let shape = [channels, picture.height, picture.width];
            return Err(ImageError::Size { shape, means: self.mean.len(), numbers: out.len() });
        }
        if pixels == 0 {
            return Ok(());
        }
        for (channel, plane) in out.chunks_exact_mut(pixels).enumerate() {
            let scale = 1.0 / (255.0 * self.std[channel]);
            let offset = -self.mean[channel] / self.std[channel];
            match channels {
                1 => plane
                    .iter_mut()
                    .zip(&picture.pixels)
                    .for_each(|(out, &level)| *out = f32::from(level) * scale + offset),
                _ => {
                    let levels = picture.pixels.as_chunks::<3>().0.iter().map(|pixel| pixel[channel]);
                    plane.iter_mut().zip(levels).for_each(|(out, level)| *out = f32::from(level) * scale + offset);
                }
            }
        }
        Ok(())
    }
}
