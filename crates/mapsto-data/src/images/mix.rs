//! Mixed batches: pictures that are two pictures in part, with labels in the same parts.

use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// How the pictures of a batch are mixed with each other. Of both, `alpha` is the parameter of the symmetric Beta distribution that
/// the first picture's share is drawn from: 1 is uniform, less leaves most pictures nearly as they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mix {
    /// Weighted means of two pictures (Zhang et al., *mixup: Beyond Empirical Risk Minimization*, 2018).
    Mixup {
        /// 0.2 for large sets of photos.
        alpha: f64,
    },
    /// A rectangle of one picture in another (Yun et al., *CutMix*, 2019).
    Cutmix {
        /// 1 in the paper.
        alpha: f64,
    },
}

/// Why a batch could not be mixed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MixError {
    /// A parameter that the Beta distribution does not have.
    #[error("mixing pictures: alpha must be a number from 0.001 to 1000, not {0}")]
    Alpha(f64),
    /// Sizes that do not fit together.
    #[error("mixing pictures: a batch of {shape:?} has {expected} numbers and {} labels, there are {pixels} and {labels}", shape[0])]
    Sizes {
        /// Pictures, channels, height, width.
        shape: [usize; 4],
        /// Numbers that it has.
        expected: String,
        /// Numbers that there are.
        pixels: usize,
        /// Labels that there are.
        labels: usize,
    },
    /// A label that is no class.
    #[error("mixing pictures: label {label} is none of {classes} classes, counted from 0")]
    Label {
        /// The label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
}

impl Mix {
    /// Mixes a batch of pictures `[N, C, H, W]` in place, each with another one of the batch, all by one share; returns the labels
    /// `[N, classes]`, rows of sum 1.
    ///
    /// The partner of picture `i` is picture `N - 1 - i`, for batches come in random order. A rectangle that reaches over the edge is cut
    /// off there, and the labels follow the pixels that are left.
    ///
    /// # Errors
    /// Those of [`MixError`]; the batch is then as it was.
    pub fn apply(
        self,
        pixels: &mut [f32],
        shape: [usize; 4],
        labels: &[usize],
        classes: usize,
        chance: &mut Rng,
    ) -> Result<Vec<f32>, MixError> {
        let (Mix::Mixup { alpha } | Mix::Cutmix { alpha }) = self;
        if !(0.001..=1000.0).contains(&alpha) {
            return Err(MixError::Alpha(alpha));
        }
        let expected = shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size));
        if expected != Some(pixels.len()) || labels.len() != shape[0] {
            let expected = expected.map_or("too many".into(), |count| count.to_string());
            return Err(MixError::Sizes { shape, expected, pixels: pixels.len(), labels: labels.len() });
        }
        if let Some(&label) = labels.iter().find(|&&label| label >= classes) {
            return Err(MixError::Label { label, classes });
        }
        let [_, channels, height, width] = shape;
        let share = beta(chance, alpha);
        let kept = match self {
            Mix::Mixup { .. } => {
                pairs(pixels, channels * height * width, |a, b| average(a, b, share as f32));
                share
            }
            Mix::Cutmix { .. } => {
                let [top, bottom, left, right] = rectangle(height, width, share, chance);
                pairs(pixels, channels * height * width, |a, b| {
                    let rows = a.chunks_exact_mut(width).zip(b.chunks_exact_mut(width));
                    for (_, (a, b)) in rows.enumerate().filter(|(row, _)| (top..bottom).contains(&(row % height))) {
                        a[left..right].swap_with_slice(&mut b[left..right]);
                    }
                });
                1.0 - ((bottom - top) * (right - left)) as f64 / (height * width).max(1) as f64
            }
        };
        let mut soft = vec![0.0; labels.len() * classes];
        for ((row, own), other) in soft.chunks_exact_mut(classes.max(1)).zip(labels).zip(labels.iter().rev()) {
            row[*own] += kept as f32;
            row[*other] += (1.0 - kept) as f32;
        }
        Ok(soft)
    }
}

/// Calls with each pair of pictures once; the middle one of an odd number is its own partner.
fn pairs(pixels: &mut [f32], size: usize, mut mix: impl FnMut(&mut [f32], &mut [f32])) {
    let half = pixels.len() / size.max(1) / 2 * size;
    let (first, last) = pixels.split_at_mut(half);
    if size > 0 {
        first.chunks_exact_mut(size).zip(last.rchunks_exact_mut(size)).for_each(|(a, b)| mix(a, b));
    }
}

fn average(a: &mut [f32], b: &mut [f32], share: f32) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (share * *a + (1.0 - share) * *b, share * *b + (1.0 - share) * *a);
    }
}

/// Top, bottom, left and right of a rectangle with `1 - share` of the area about a uniform place, cut off at the edges.
fn rectangle(height: usize, width: usize, share: f64, chance: &mut Rng) -> [usize; 4] {
    let side = (1.0 - share).sqrt();
    let mut ends = |of: usize| {
        let (half, middle) = ((of as f64 * side) as usize / 2, chance.below(of as u64) as usize);
        [middle.saturating_sub(half), (middle + half).min(of)]
    };
    let [[top, bottom], [left, right]] = [ends(height), ends(width)];
    [top, bottom, left, right]
}

/// A number of the Beta distribution with both parameters `alpha`.
fn beta(chance: &mut Rng, alpha: f64) -> f64 {
    // As logarithms: for small parameters both numbers may be below the least float.
    let (a, b) = (ln_gamma_draw(chance, alpha), ln_gamma_draw(chance, alpha));
    1.0 / (1.0 + (b - a).exp())
}

/// The logarithm of a number of the Gamma distribution of shape `alpha` (Marsaglia and Tsang, *A Simple Method for Generating Gamma
/// Variables*, 2000; for shapes below 1 their section 6).
fn ln_gamma_draw(chance: &mut Rng, alpha: f64) -> f64 {
    if alpha < 1.0 {
        let u = 1.0 - chance.next_f64();
        return ln_gamma_draw(chance, alpha + 1.0) + u.ln() / alpha;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = chance.normal();
        let v = (1.0 + c * x).powi(3);
        // In (0, 1]: its logarithm is finite.
        let u = 1.0 - chance.next_f64();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pictures of two channels, 4 by 5, each of one number.
    fn batch() -> Vec<f32> {
        [1.0, 2.0, 4.0].into_iter().flat_map(|x| vec![x; 40]).collect()
    }

    const SHAPE: [usize; 4] = [3, 2, 4, 5];

    #[test]
    fn labels_follow_the_pixels() {
        for (seed, mix) in
            (0..50).flat_map(|seed| [(seed, Mix::Mixup { alpha: 0.7 }), (seed, Mix::Cutmix { alpha: 1.0 })])
        {
            let mut pixels = batch();
            let soft = mix.apply(&mut pixels, SHAPE, &[0, 1, 3], 4, &mut Rng::new(seed)).unwrap();
            let share = soft[0];
            let expected = [[share, 0.0, 0.0, 1.0 - share], [0.0, 1.0, 0.0, 0.0], [1.0 - share, 0.0, 0.0, share]];
            soft.iter().zip(expected.as_flattened()).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{soft:?}"));
            // The mean of a picture is that of its labels.
            for (pixels, soft) in pixels.chunks(40).zip(soft.chunks(4)) {
                let mean = pixels.iter().sum::<f32>() / 40.0;
                assert!((mean - (soft[0] + 2.0 * soft[1] + 4.0 * soft[3])).abs() < 1e-5, "{mix:?} {seed}");
                if let Mix::Cutmix { .. } = mix {
                    assert!(pixels.iter().all(|x| [1.0, 2.0, 4.0].contains(x)));
                    assert_eq!(pixels[..20], pixels[20..], "channels are cut alike");
                }
            }
        }
    }

    #[test]
    fn shares_have_the_beta_distribution() {
        let mut chance = Rng::new(5);
        for alpha in [0.1, 0.4, 1.0, 2.5, 30.0] {
            const N: usize = 40_000;
            let draws: Vec<f64> = (0..N).map(|_| beta(&mut chance, alpha)).collect();
            assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)));
            let mean = draws.iter().sum::<f64>() / N as f64;
            let variance = draws.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / N as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 4.0 * (expected / N as f64).sqrt(), "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.04, "{alpha}: {variance}, not {expected}");
            if alpha == 1.0 {
                // Uniform: each tenth as often.
                let tenths: Vec<usize> =
                    (0..10).map(|i| draws.iter().filter(|&&x| (x * 10.0) as usize == i).count()).collect();
                assert!(tenths.iter().all(|count| count.abs_diff(N / 10) < 300), "{tenths:?}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let mut chance = Rng::new(0);
        let mut said = |mix: Mix, shape, labels: &[usize], classes| {
            mix.apply(&mut batch(), shape, labels, classes, &mut chance).unwrap_err().to_string()
        };
        let mixup = Mix::Mixup { alpha: 1.0 };
        assert_eq!(
            said(Mix::Cutmix { alpha: f64::NAN }, SHAPE, &[0, 0, 0], 1),
            "mixing pictures: alpha must be a number from 0.001 to 1000, not NaN"
        );
        let sizes = said(mixup, [3, 2, 4, 6], &[0, 0, 0], 1);
        assert!(sizes.ends_with("[3, 2, 4, 6] has 144 numbers and 3 labels, there are 120 and 3"), "{sizes}");
        let sizes = said(mixup, SHAPE, &[0], 1);
        assert!(sizes.ends_with("there are 120 and 1"), "{sizes}");
        assert!(said(mixup, SHAPE, &[0, 5, 0], 3).ends_with("label 5 is none of 3 classes, counted from 0"));
    }

    #[test]
    fn the_smallest_batches() {
        let mut chance = Rng::new(0);
        for mix in [Mix::Mixup { alpha: 0.001 }, Mix::Cutmix { alpha: 1.0 }] {
            assert!(mix.apply(&mut [], [0, 3, 2, 2], &[], 0, &mut chance).unwrap().is_empty());
            let mut one = [3.0];
            let soft = mix.apply(&mut one, [1, 1, 1, 1], &[0], 1, &mut chance).unwrap();
            assert!((soft[0] - 1.0).abs() < 1e-6 && one == [3.0]);
            assert!(mix.apply(&mut [], [2, 0, 4, 4], &[0, 1], 2, &mut chance).is_ok());
        }
    }
}
