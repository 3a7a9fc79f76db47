//! Samples to files.

use super::{Sound, SoundError};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::io::Cursor;

impl Sound {
    /// The sound as a WAV file of one channel and integers of 16 bits. What is louder than these can hold is made softer as a whole.
    ///
    /// ```
    /// use mapsto_data::Sound;
    ///
    /// let sound = Sound { rate: 8000, samples: vec![0.0, 0.5, -1.0] };
    /// let file = tempfile::NamedTempFile::new()?;
    /// std::fs::write(file.path(), sound.wav()?)?;
    /// let back = Sound::read(file.path())?;
    /// assert!(back.rate == 8000 && back.samples.iter().zip(&sound.samples).all(|(a, b)| (a - b).abs() < 1e-4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// More samples than a WAV file can hold.
    pub fn wav(&self) -> Result<Vec<u8>, SoundError> {
        let samples = self.samples.len();
        let failed = |e: hound::Error| SoundError::TooLong { samples, what: format!("a WAV file ({e})") };
        let loudest = self.samples.iter().fold(1.0f32, |loudest, sample| loudest.max(sample.abs()));
        let spec =
            WavSpec { channels: 1, sample_rate: self.rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut file = Cursor::new(Vec::with_capacity(2 * samples + 44));
        let mut writer = WavWriter::new(&mut file, spec).map_err(failed)?;
        for sample in &self.samples {
            writer.write_sample((sample / loudest * f32::from(i16::MAX)).round() as i16).map_err(failed)?;
        }
        writer.finalize().map_err(failed)?;
        Ok(file.into_inner())
    }
}
