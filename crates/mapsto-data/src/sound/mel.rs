//! Filters on a scale of pitches.

use serde::{Deserialize, Serialize};

/// How pitches stand to frequencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelScale {
    /// `2595 log10(1 + f / 700)` (O'Shaughnessy 1987; HTK).
    #[default]
    Htk,
    /// Linear to 1 kHz, logarithmic above (Slaney, *Auditory Toolbox*, 1998; librosa).
    Slaney,
}

/// How high filters are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelNorm {
    /// 1 in their middles.
    #[default]
    None,
    /// With an area of 1 in hertz.
    Slaney,
}

/// The pitch from which Slaney's scale is logarithmic, and its step there: 27 to `6.4`.
const LOGARITHMIC: (f64, f64) = (15.0, 0.068_751_777_420_949_12);

impl MelScale {
    pub(super) fn of_hertz(self, f: f64) -> f64 {
        match self {
            MelScale::Htk => 2595.0 * (1.0 + f / 700.0).log10(),
            MelScale::Slaney if f < 1000.0 => f * 3.0 / 200.0,
            MelScale::Slaney => LOGARITHMIC.0 + (f / 1000.0).ln() / LOGARITHMIC.1,
        }
    }

    pub(super) fn to_hertz(self, mel: f64) -> f64 {
        match self {
            MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            MelScale::Slaney if mel < LOGARITHMIC.0 => mel * 200.0 / 3.0,
            MelScale::Slaney => 1000.0 * ((mel - LOGARITHMIC.0) * LOGARITHMIC.1).exp(),
        }
    }
}

/// A triangle over neighbouring frequencies.
pub(super) struct Filter {
    /// The first that it weighs.
    pub first: usize,
    pub weights: Vec<f32>,
}

/// `count` triangles whose corners are equally far from each other on the scale, over `bins` frequencies from 0 to `top`.
pub(super) fn filters(
    scale: MelScale,
    norm: MelNorm,
    range: [f64; 2],
    count: usize,
    bins: usize,
    top: f64,
) -> Vec<Filter> {
    let [low, high] = range.map(|f| scale.of_hertz(f));
    let corner = |i: usize| scale.to_hertz(low + (high - low) * i as f64 / (count + 1) as f64);
    let filter = |i: usize| {
        let [left, middle, right] = [i, i + 1, i + 2].map(corner);
        let height = match norm {
            MelNorm::None => 1.0,
            MelNorm::Slaney => 2.0 / (right - left),
        };
        let weight = |bin: usize| {
            let f = top * bin as f64 / (bins - 1) as f64;
            let rising = (f - left) / (middle - left);
            let falling = (right - f) / (right - middle);
            (rising.min(falling).max(0.0) * height) as f32
        };
        let first = (0..bins).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
        Filter { first, weights: (first..bins).map(weight).take_while(|&weight| weight > 0.0).collect() }
    };
    (0..count).map(filter).collect()
}
