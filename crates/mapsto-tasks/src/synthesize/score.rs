//! How near what is said is to how it was said.

use crate::task::Figures;
use mapsto_train::short;
use serde::Serialize;
use serde_json::{Value, json};

/// How near what is said is to how it was said.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SynthesizeScore {
    /// The mean difference of a band in a frame, in deviations of the band, where each token sounds as long as it did.
    pub frames: f64,
    /// The mean square of differences of logarithms of durations.
    pub durations: f64,
    /// How unlikely the alignment of texts and sounds is, a frame.
    pub alignment: f64,
}

impl SynthesizeScore {
    /// What a step makes small.
    pub(super) fn loss(&self) -> f64 {
        self.frames + self.durations + self.alignment
    }
}

impl Figures for SynthesizeScore {
    fn metrics(&self) -> Value {
        let SynthesizeScore { frames, durations, alignment } = *self;
        json!({"loss": self.loss(), "frames": frames, "durations": durations, "alignment": alignment})
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        vec![
            ("difference of frames", short(self.frames)),
            ("of durations", short(self.durations)),
            ("alignment", short(self.alignment)),
        ]
    }
}
