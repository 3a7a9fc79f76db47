//! Neighbours that stay neighbours (van der Maaten and Hinton, *Visualizing Data using t-SNE*, 2008).

use super::pca::pca;
use mapsto_tensor::Result;

/// How much neighbours attract each other at first.
const EXAGGERATION: f64 = 12.0;
/// Steps in which they do.
const EXAGGERATED: usize = 250;
/// The momentum then, and afterwards.
const MOMENTUM: [f64; 2] = [0.5, 0.8];
/// Halvings of the interval in which the width of a neighbourhood is.
const HALVINGS: usize = 64;
/// The deviation of the places at the beginning.
const SPREAD: f64 = 1e-4;
/// The least probability, and gain.
const LEAST: [f64; 2] = [1e-12, 0.01];

/// Settings of [`tsne`].
#[derive(Clone, Copy, Debug)]
pub struct TsneConfig {
    /// How many neighbours count, about; of few points at most a third of them.
    pub perplexity: f64,
    /// Steps.
    pub steps: usize,
}

impl Default for TsneConfig {
    fn default() -> TsneConfig {
        TsneConfig { perplexity: 30.0, steps: 750 }
    }
}

/// Points `[N, size]`, row by row, as points of two numbers, whose neighbours are as much as can be those that they had. It begins with
/// their principal components, so the same points give the same picture. Time and memory grow with N².
///
/// # Errors
/// Those of [`pca`].
pub fn tsne(points: &[f64], size: usize, config: TsneConfig) -> Result<Vec<[f64; 2]>> {
    let mut places = pca(points, size)?;
    let count = places.len();
    if count < 3 {
        return Ok(places);
    }
    let variance = places.iter().map(|place| place[0] * place[0]).sum::<f64>() / count as f64;
    let scale = if variance > 0.0 { SPREAD / variance.sqrt() } else { 0.0 };
    places.iter_mut().flatten().for_each(|x| *x *= scale);
    let wanted = joint(&squares(points, size), count, config.perplexity);
    let rate = (count as f64 / EXAGGERATION / 4.0).max(50.0);
    let (mut speeds, mut gains) = (vec![[0.0; 2]; count], vec![[1.0f64; 2]; count]);
    for step in 0..config.steps {
        let is_early = step < EXAGGERATED;
        let slopes = slopes(&places, &wanted, if is_early { EXAGGERATION } else { 1.0 });
        let momentum = MOMENTUM[usize::from(!is_early)];
        for i in 0..count {
            for axis in 0..2 {
                let (slope, speed, gain) = (slopes[i][axis], &mut speeds[i][axis], &mut gains[i][axis]);
                // Gains of Jacobs' delta-bar-delta: against the last step's way more, along it less.
                *gain = if slope * *speed < 0.0 { *gain + 0.2 } else { (*gain * 0.8).max(LEAST[1]) };
                *speed = momentum * *speed - rate * *gain * slope;
                places[i][axis] += *speed;
            }
        }
    }
    Ok(places)
}

/// Squared distances `[N, N]`.
fn squares(points: &[f64], size: usize) -> Vec<f64> {
    let rows: Vec<&[f64]> = points.chunks(size).collect();
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    rows.iter().flat_map(|a| rows.iter().map(|b| square(a, b)).collect::<Vec<_>>()).collect()
}

/// How likely each is the other's neighbour, of both `[N, N]`: each point's Gaussian is as wide as the perplexity asks.
fn joint(squares: &[f64], count: usize, perplexity: f64) -> Vec<f64> {
    let entropy = perplexity.min((count - 1) as f64 / 3.0).max(1.0).ln();
    let mut one_way = vec![0.0; count * count];
    for (i, (row, to)) in squares.chunks(count).zip(one_way.chunks_mut(count)).enumerate() {
        neighbours(row, i, entropy, to);
    }
    let both = |i: usize, j: usize| (one_way[i * count + j] + one_way[j * count + i]) / (2 * count) as f64;
    (0..count * count).map(|place| both(place / count, place % count).max(LEAST[0])).collect()
}

/// The probabilities of a point's neighbours, of this entropy.
fn neighbours(squares: &[f64], own: usize, entropy: f64, to: &mut [f64]) {
    let (mut low, mut high, mut narrow) = (0.0, f64::INFINITY, 1.0);
    // From the nearest one on, so that the exponential of it is 1.
    let others = squares.iter().enumerate().filter(|(j, _)| *j != own).map(|(_, square)| *square);
    let nearest = others.fold(f64::INFINITY, f64::min);
    for _ in 0..HALVINGS {
        let mut sum = 0.0;
        for (j, (to, square)) in to.iter_mut().zip(squares).enumerate() {
            *to = if j == own { 0.0 } else { (-narrow * (square - nearest)).exp() };
            sum += *to;
        }
        to.iter_mut().for_each(|to| *to /= sum);
        let found: f64 = to.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        if found > entropy {
            low = narrow;
            narrow = if high.is_finite() { (low + high) / 2.0 } else { narrow * 2.0 };
        } else {
            high = narrow;
            narrow = (low + high) / 2.0;
        }
    }
}

/// The slopes of the Kullback-Leibler divergence between what is wanted and what the places are.
fn slopes(places: &[[f64; 2]], wanted: &[f64], exaggeration: f64) -> Vec<[f64; 2]> {
    let near = |a: &[f64; 2], b: &[f64; 2]| 1.0 / (1.0 + (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
    let all: f64 = places.iter().map(|a| places.iter().map(|b| near(a, b)).sum::<f64>() - 1.0).sum();
    let slope = |(a, wanted): (&[f64; 2], &[f64])| {
        places.iter().zip(wanted).fold([0.0; 2], |slope, (b, wanted)| {
            let near = near(a, b);
            let pull = 4.0 * (exaggeration * wanted - near / all) * near;
            [slope[0] + pull * (a[0] - b[0]), slope[1] + pull * (a[1] - b[1])]
        })
    };
    places.iter().zip(wanted.chunks(places.len())).map(slope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapsto_tensor::Rng;

    /// Three heaps of points in ten dimensions, one after another.
    fn heaps(each: usize) -> Vec<f64> {
        let mut rng = Rng::new(1);
        let middle = |heap: usize, axis: usize| if axis % 3 == heap { 4.0 } else { 0.0 };
        (0..3 * each)
            .flat_map(|i| (0..10).map(|axis| middle(i / each, axis) + rng.next_f64() - 0.5).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn neighbours_stay_neighbours() {
        let each = 20;
        let places = tsne(&heaps(each), 10, TsneConfig { perplexity: 8.0, ..TsneConfig::default() }).unwrap();
        let square = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
        for (i, &a) in places.iter().enumerate() {
            let others = (0..places.len()).filter(|&j| j != i);
            let nearest = others.min_by(|&j, &k| square(a, places[j]).total_cmp(&square(a, places[k]))).unwrap();
            assert_eq!(nearest / each, i / each, "{places:?}");
        }
    }

    #[test]
    fn the_width_of_neighbourhoods_is_as_asked() {
        let points = heaps(20);
        let squares = squares(&points, 10);
        let mut row = vec![0.0; 60];
        neighbours(&squares[..60], 0, 8.0f64.ln(), &mut row);
        let entropy: f64 = row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - 8.0).abs() <= 1e-6 && row[0] == 0.0, "{}", entropy.exp());
        let joint = joint(&squares, 60, 8.0);
        assert!((joint.iter().sum::<f64>() - 1.0).abs() <= 1e-6);
    }

    #[test]
    fn slopes_are_those_of_the_divergence() {
        let points = heaps(4);
        let wanted = joint(&squares(&points, 10), 12, 3.0);
        let mut places = pca(&points, 10).unwrap();
        let divergence = |places: &[[f64; 2]]| {
            let near = |i: usize, j: usize| {
                1.0 / (1.0 + (places[i][0] - places[j][0]).powi(2) + (places[i][1] - places[j][1]).powi(2))
            };
            let pairs: Vec<(usize, usize)> =
                (0..12).flat_map(|i| (0..12).map(move |j| (i, j))).filter(|(i, j)| i != j).collect();
            let all: f64 = pairs.iter().map(|&(i, j)| near(i, j)).sum();
            pairs.iter().map(|&(i, j)| wanted[i * 12 + j] * (wanted[i * 12 + j] * all / near(i, j)).ln()).sum::<f64>()
        };
        let slopes = slopes(&places, &wanted, 1.0);
        for (i, axis) in [(0, 0), (5, 1), (11, 0)] {
            let here = places[i][axis];
            let at = |places: &mut Vec<[f64; 2]>, x: f64| {
                places[i][axis] = x;
                divergence(places)
            };
            let expected = (at(&mut places, here + 1e-5) - at(&mut places, here - 1e-5)) / 2e-5;
            places[i][axis] = here;
            assert!((slopes[i][axis] - expected).abs() <= 1e-6, "{} {expected}", slopes[i][axis]);
        }
    }

    #[test]
    fn points_that_are_one_stay_finite() {
        let places = tsne(&[1.0; 40], 4, TsneConfig::default()).unwrap();
        assert!(places.iter().flatten().all(|x| x.is_finite()));
        assert_eq!(tsne(&[1.0, 2.0], 2, TsneConfig::default()).unwrap().len(), 1);
    }
}
