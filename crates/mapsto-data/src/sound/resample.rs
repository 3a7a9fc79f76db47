//! Other samples a second, by a windowed sinc (Smith, *Digital Audio Resampling Home Page*), with torchaudio's settings.

use super::{FASTEST, MOST, SoundError, check};
use std::f64::consts::PI;

/// Zero crossings of the sinc to each side.
const ZEROS: f64 = 6.0;
/// Where it cuts off, as a share of half the lower rate.
const ROLLOFF: f64 = 0.99;

/// Samples at the rate `to` of samples at the rate `from`: `ceil(len * to / from)`.
pub(super) fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, SoundError> {
    for rate in [from, to] {
        check((1..=FASTEST).contains(&rate), "rate", rate, format!("lies in 1..={FASTEST}"))?;
    }
    let common = common_divisor(from, to);
    let (from, to) = ((from / common) as usize, (to / common) as usize);
    let len = (samples.len() as u128 * to as u128).div_ceil(from as u128);
    let len = usize::try_from(len)
        .ok()
        .filter(|&len| len <= MOST)
        .ok_or_else(|| SoundError::TooLong { samples: samples.len(), what: format!("{to} samples for each {from}") })?;
    // Output `to * q + i` stands at input `from * q + from * i / to`; so there are `to` kernels.
    let base = from.min(to) as f64 * ROLLOFF;
    let reach = ZEROS * from as f64 / base;
    let taps = 2 * reach.floor() as usize + 2;
    let mut kernels = Vec::with_capacity(to.min(len) * taps);
    let first = |i: usize| (i as f64 * from as f64 / to as f64 - reach).ceil() as isize;
    for i in 0..to.min(len) {
        let tap = |k: usize| {
            let place = (first(i) + k as isize) as f64;
            kernel(((place / from as f64 - i as f64 / to as f64) * base).clamp(-ZEROS, ZEROS)) * base / from as f64
        };
        kernels.extend((0..taps).map(|k| tap(k) as f32));
    }
    let at = |n: usize| {
        let (q, i) = (n / to, n % to);
        let kernel = &kernels[i * taps..][..taps];
        let start = (q * from) as isize + first(i);
        // What is outside is silence.
        let begin = start.clamp(0, samples.len() as isize);
        let end = (start + taps as isize).clamp(0, samples.len() as isize);
        let inside = &kernel[(begin - start) as usize..];
        samples[begin as usize..end as usize].iter().zip(inside).map(|(x, weight)| x * weight).sum()
    };
    Ok((0..len).map(at).collect())
}

/// The sinc in Hann's window, which ends at [`ZEROS`].
fn kernel(t: f64) -> f64 {
    let window = (t * PI / ZEROS / 2.0).cos().powi(2);
    if t == 0.0 { window } else { (t * PI).sin() / (t * PI) * window }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
