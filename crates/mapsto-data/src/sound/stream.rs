//! Spectrograms of sounds that are still going on.

use super::{Log, SoundError, Spectrogram, Spectrograph, check};

/// The spectrogram of a sound that comes piece by piece: each frame as soon as the samples that it reads are there. All pieces together
/// are what [`Spectrograph::of`] makes of the whole sound.
///
/// ```
/// use mapsto_data::{LogMel, Sound, Spectrograph};
///
/// let spectrograph = Spectrograph::new(&LogMel::default())?;
/// let mut stream = spectrograph.stream()?;
/// // The first frame is centred at the beginning of the sound and reads 256 samples.
/// assert_eq!(stream.push(&[0.5; 200]).frames, 0);
/// assert_eq!(stream.push(&[0.5; 300]).frames, 2);
/// assert_eq!(stream.finish().frames, 2);
/// # Ok::<(), mapsto_data::SoundError>(())
/// ```
pub struct SpectrogramStream<'a> {
    spectrograph: &'a Spectrograph,
    /// Samples from `begin` on: all that frames to come may read.
    held: Vec<f32>,
    begin: usize,
    /// The next frame.
    next: usize,
}

impl Spectrograph {
    /// Begins a sound that comes piece by piece.
    ///
    /// # Errors
    /// Decibels with a range: the loudest place of the whole sound is not known before its end.
    pub fn stream(&self) -> Result<SpectrogramStream<'_>, SoundError> {
        let range = match self.settings().log {
            Log::Decibels { range, .. } => range,
            Log::Natural { .. } => None,
        };
        let domain = "is not given of a sound that comes piece by piece";
        check(range.is_none(), "range", range.unwrap_or_default(), domain)?;
        Ok(SpectrogramStream { spectrograph: self, held: Vec::new(), begin: 0, next: 0 })
    }
}

impl SpectrogramStream<'_> {
    /// Takes the next samples; gives the frames that are whole now, perhaps none.
    pub fn push(&mut self, samples: &[f32]) -> Spectrogram {
        self.held.extend_from_slice(samples);
        let (stft, len) = (self.spectrograph.stft(), self.begin + self.held.len());
        let mut end = self.next;
        // The first frames are mirrored at the beginning: what they read lies within half a transform of it.
        while len > stft.points / 2 && stft.span(end).end <= len as isize {
            end += 1;
        }
        let made = self.spectrograph.some(&self.held, self.begin, len, self.next..end);
        self.next = end;
        // The last frames will be mirrored at the end: they read half a transform more.
        let needed = (stft.span(end).start - stft.points as isize).max(0) as usize;
        self.held.drain(..needed.saturating_sub(self.begin).min(self.held.len()));
        self.begin = needed.max(self.begin).min(len);
        made
    }

    /// Ends the sound; gives the frames that are left, none of a sound without samples.
    pub fn finish(self) -> Spectrogram {
        let stft = self.spectrograph.stft();
        let len = self.begin + self.held.len();
        if len == 0 {
            return self.spectrograph.some(&[], 0, 0, 0..0);
        }
        // Only a sound of which nothing was given yet is so short that silence follows it.
        let held = if self.begin == 0 { stft.filled(&self.held) } else { self.held.as_slice().into() };
        let len = self.begin + held.len();
        self.spectrograph.some(&held, self.begin, len, self.next..stft.frames(len))
    }
}
