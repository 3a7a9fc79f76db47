//! SpecAugment (Park et al., *SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition*, 2019), without warping.

use super::{SoundError, Spectrogram, check};
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// Masks of a kind, at most.
const MOST_MASKS: usize = 100;

/// Rows and frames of a spectrogram that are hidden: each is replaced by the mean of all. Widths are drawn uniformly from 0 on, places
/// uniformly where the mask fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpecAugment {
    /// Bands of rows: 2.
    pub frequency_masks: usize,
    /// Rows of each, at most: 8.
    pub frequency_width: usize,
    /// Spans of frames: 2.
    pub time_masks: usize,
    /// Frames of each, at most: 20.
    pub time_width: usize,
    /// And no more than this share of all frames: 0.2.
    pub time_share: f64,
}

impl Default for SpecAugment {
    fn default() -> SpecAugment {
        SpecAugment { frequency_masks: 2, frequency_width: 8, time_masks: 2, time_width: 20, time_share: 0.2 }
    }
}

impl SpecAugment {
    /// Fails unless the settings make sense.
    ///
    /// # Errors
    /// [`SoundError::Setting`]
    pub fn check(&self) -> Result<(), SoundError> {
        let few = |setting, masks| check(masks <= MOST_MASKS, setting, masks, format!("is at most {MOST_MASKS}"));
        few("frequency_masks", self.frequency_masks)?;
        few("time_masks", self.time_masks)?;
        check((0.0..=1.0).contains(&self.time_share), "time_share", self.time_share, "lies in 0 to 1")
    }

    /// Hides parts of a spectrogram. The stream alone decides which.
    pub fn apply(&self, spectrogram: &mut Spectrogram, chance: &Rng) {
        let Spectrogram { rows, frames, ref mut values } = *spectrogram;
        if values.is_empty() {
            return;
        }
        let mean = (values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64) as f32;
        let mut chance = chance.fork(0);
        let mut span = |width: usize, len: usize| {
            let width = chance.below(width.min(len) as u64 + 1) as usize;
            let start = chance.below((len - width) as u64 + 1) as usize;
            start..start + width
        };
        for _ in 0..self.frequency_masks {
            let hidden = span(self.frequency_width, rows);
            values[hidden.start * frames..hidden.end * frames].fill(mean);
        }
        let longest = self.time_width.min((self.time_share * frames as f64) as usize);
        for _ in 0..self.time_masks {
            let hidden = span(longest, frames);
            values.chunks_exact_mut(frames).for_each(|row| row[hidden.clone()].fill(mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_rows_and_frames_are_hidden() {
        let (rows, frames) = (16, 50);
        let whole = Spectrogram { rows, frames, values: (0..rows * frames).map(|i| i as f32).collect() };
        let mean = (rows * frames - 1) as f32 / 2.0;
        let settings = SpecAugment { frequency_width: 4, time_masks: 1, time_width: 40, ..SpecAugment::default() };
        settings.check().unwrap();
        let (mut most_rows, mut most_frames) = (0, 0);
        for seed in 0..200 {
            let mut changed = whole.clone();
            settings.apply(&mut changed, &Rng::new(seed));
            let mut again = whole.clone();
            settings.apply(&mut again, &Rng::new(seed));
            assert_eq!(changed, again);
            let hidden = |row: usize, frame: usize| changed.values[row * frames + frame] == mean;
            let hidden_rows: Vec<usize> =
                (0..rows).filter(|&row| (0..frames).all(|frame| hidden(row, frame))).collect();
            let hidden_frames: Vec<usize> =
                (0..frames).filter(|&frame| (0..rows).all(|row| hidden(row, frame))).collect();
            for (at, (new, old)) in changed.values.iter().zip(&whole.values).enumerate() {
                let (row, frame) = (at / frames, at % frames);
                let masked = hidden_rows.contains(&row) || hidden_frames.contains(&frame);
                assert_eq!(*new, if masked { mean } else { *old }, "row {row}, frame {frame}");
            }
            assert!(hidden_frames.windows(2).all(|pair| pair[1] == pair[0] + 1));
            most_rows = most_rows.max(hidden_rows.len());
            most_frames = most_frames.max(hidden_frames.len());
        }
        // Two bands of at most 4 rows; a fifth of the frames.
        assert_eq!((most_rows, most_frames), (8, 10));
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let said = |settings: SpecAugment| settings.check().unwrap_err().to_string();
        let usual = SpecAugment::default;
        assert_eq!(said(SpecAugment { time_masks: 101, ..usual() }), "sound: time_masks is at most 100, not 101");
        assert_eq!(said(SpecAugment { time_share: 1.5, ..usual() }), "sound: time_share lies in 0 to 1, not 1.5");
        SpecAugment::default().apply(&mut Spectrogram { rows: 0, frames: 0, values: vec![] }, &Rng::new(0));
        let mut one = Spectrogram { rows: 1, frames: 1, values: vec![3.0] };
        SpecAugment { frequency_width: usize::MAX, time_width: usize::MAX, ..usual() }.apply(&mut one, &Rng::new(0));
        assert_eq!(one.values, [3.0]);
    }
}
