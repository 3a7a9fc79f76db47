//! Files to samples.

use super::{FASTEST, MOST, SoundError, resample, vorbis};
use claxon::{FlacReader, FlacReaderOptions};
use hound::{SampleFormat, WavReader};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

/// The level from which a sample is taken to be cut off: the greatest of 12 bits.
const FULL: f32 = 1.0 - 1.0 / 2048.0;
/// Samples in a row that make a sound clipped.
const CLIPPED: usize = 3;

/// A sound of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples of a second.
    pub rate: u32,
    /// From -1 to 1; those of files in floating point may lie outside.
    pub samples: Vec<f32>,
}

/// A sound, and what was in its file.
pub(super) struct Decoded {
    pub sound: Sound,
    pub channels: usize,
}

impl Sound {
    /// Reads WAV (integers of 8, 16, 24 and 32 bits, floats of 32 bits), FLAC or OGG Vorbis, told by its first bytes, at the file's rate.
    /// Channels are averaged.
    ///
    /// # Errors
    /// A file that cannot be read, is no sound, is damaged, cut off or empty, or has more than 2²⁸ samples.
    pub fn read(path: &Path) -> Result<Sound, SoundError> {
        Ok(decode(path)?.sound)
    }

    /// As [`Sound::read`], with how many channels were averaged.
    ///
    /// # Errors
    /// Those of [`Sound::read`].
    pub fn read_channels(path: &Path) -> Result<(Sound, usize), SoundError> {
        let Decoded { sound, channels } = decode(path)?;
        Ok((sound, channels))
    }

    /// The sound with other samples a second: what `torchaudio.functional.resample` makes of it, by a sinc with 6 zero crossings to each
    /// side in Hann's window, cut off at 0.99 of the lower rate's half.
    ///
    /// # Errors
    /// A rate of 0 or above a million; a result of more than 2²⁸ samples.
    pub fn resample(self, rate: u32) -> Result<Sound, SoundError> {
        if rate == self.rate {
            return Ok(self);
        }
        Ok(Sound { rate, samples: resample::resample(&self.samples, self.rate, rate)? })
    }

    /// Whether it was too loud for its file: several samples in a row are as great as can be.
    pub fn is_clipped(&self) -> bool {
        let mut row = 0;
        self.samples.iter().any(|x| {
            row = if x.abs() >= FULL { row + 1 } else { 0 };
            row == CLIPPED
        })
    }

    /// How long it is.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}

pub(super) fn decode(path: &Path) -> Result<Decoded, SoundError> {
    let io = |source| SoundError::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let head: Vec<u8> = file.fill_buf().map_err(io)?.iter().take(4).copied().collect();
    let decoded = match head[..] {
        [] => Err("the file is empty".into()),
        [b'R', b'I', b'F', b'F', ..] => wav(file),
        [b'f', b'L', b'a', b'C', ..] => flac(file),
        [b'O', b'g', b'g', b'S', ..] => vorbis::read(file),
        [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => {
            Err("it is MP3; convert it to WAV, FLAC or OGG Vorbis".into())
        }
        _ => Err("it is not WAV, FLAC or OGG Vorbis; convert it to one of these".into()),
    };
    let decoded = decoded.and_then(Mixer::finish);
    decoded.map_err(|why| SoundError::Sound { path: path.to_owned(), why })
}

/// Samples as they come, the mean of all channels.
pub(super) struct Mixer {
    rate: u32,
    channels: usize,
    samples: Vec<f32>,
}

impl Mixer {
    pub(super) fn new(rate: u32, channels: usize) -> Result<Mixer, String> {
        match () {
            () if !(1..=FASTEST).contains(&rate) => Err(format!("it has {rate} samples a second, not 1 to {FASTEST}")),
            () if channels == 0 => Err("it has no channels".into()),
            () => Ok(Mixer { rate, channels, samples: Vec::new() }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(super) fn push(&mut self, samples: impl Iterator<Item = f32>) -> Result<(), String> {
        self.samples.extend(samples.take(MOST + 1 - self.samples.len()));
        if self.samples.len() > MOST {
            return Err(format!("it has more than {MOST} samples; cut it into pieces"));
        }
        Ok(())
    }

    fn finish(self) -> Result<Decoded, String> {
        let Mixer { rate, channels, samples } = self;
        if samples.is_empty() {
            return Err("it has no samples".into());
        }
        if let Some(i) = samples.iter().position(|x| !x.is_finite()) {
            return Err(format!("sample {i} is {}", samples[i]));
        }
        Ok(Decoded { sound: Sound { rate, samples }, channels })
    }
}

/// What is told of a file that ends too early.
pub(super) const CUT: &str = "it is cut off";

fn wav(file: impl BufRead) -> Result<Mixer, String> {
    let said = |error: hound::Error| match error {
        hound::Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => CUT.into(),
        // Its own word for the end of the file.
        hound::Error::IoError(error) if error.kind() == ErrorKind::Other => CUT.into(),
        error => error.to_string(),
    };
    let mut reader = WavReader::new(file).map_err(said)?;
    let spec = reader.spec();
    let mut mixer = Mixer::new(spec.sample_rate, spec.channels.into())?;
    match spec.sample_format {
        SampleFormat::Float => mixer.interleaved(reader.samples::<f32>(), 1.0, said)?,
        SampleFormat::Int => {
            let scale = unit(spec.bits_per_sample.into());
            mixer.interleaved(reader.samples::<i32>().map(|x| x.map(|x| x as f32)), scale, said)?;
        }
    }
    Ok(mixer)
}

/// What the least step of integers of so many bits is worth.
fn unit(bits: u32) -> f32 {
    (0.5f32).powi(bits.saturating_sub(1) as i32)
}

impl Mixer {
    /// Samples of all channels in turn.
    fn interleaved<E>(
        &mut self,
        mut samples: impl Iterator<Item = Result<f32, E>>,
        scale: f32,
        said: impl Fn(E) -> String,
    ) -> Result<(), String> {
        let scale = scale / self.channels as f32;
        loop {
            let mut sum = 0.0;
            for channel in 0..self.channels {
                match samples.next() {
                    Some(sample) => sum += sample.map_err(&said)?,
                    None if channel == 0 => return Ok(()),
                    None => return Err(CUT.into()),
                }
            }
            self.push(std::iter::once(sum * scale))?;
        }
    }
}

fn flac(file: impl BufRead) -> Result<Mixer, String> {
    let said = |error: claxon::Error| match error {
        claxon::Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => CUT.to_string(),
        error => error.to_string(),
    };
    let options = FlacReaderOptions { read_vorbis_comment: false, ..FlacReaderOptions::default() };
    let mut reader = FlacReader::new_ext(file, options).map_err(said)?;
    let info = reader.streaminfo();
    let mut mixer = Mixer::new(info.sample_rate, info.channels as usize)?;
    let mut blocks = reader.blocks();
    let mut buffer = Vec::new();
    while let Some(block) = blocks.read_next_or_eof(buffer).map_err(said)? {
        let scale = unit(info.bits_per_sample) / block.channels() as f32;
        let mean = |i| (0..block.channels()).map(|channel| block.sample(channel, i) as f32).sum::<f32>() * scale;
        mixer.push((0..block.duration()).map(mean))?;
        buffer = block.into_buffer();
    }
    match info.samples {
        Some(samples) if samples > mixer.len() as u64 => Err(CUT.into()),
        _ => Ok(mixer),
    }
}
