//! Principal components (Pearson, *On Lines and Planes of Closest Fit*, 1901).

use mapsto_tensor::linalg::eigh;
use mapsto_tensor::{Error, Result, Tensor};

/// Points `[N, size]`, row by row, as their first two principal components: the directions in which they differ most. Of a direction's two
/// signs that is taken which makes its greatest number positive.
///
/// # Errors
/// Points of no numbers, or a number that is left over; numbers that are not finite.
pub fn pca(points: &[f64], size: usize) -> Result<Vec<[f64; 2]>> {
    if size == 0 || !points.len().is_multiple_of(size) {
        return Err(Error::shape(format!("{} numbers are no points of {size} each", points.len())));
    }
    let count = points.len() / size;
    if count == 0 {
        return Ok(Vec::new());
    }
    let x = Tensor::from_vec(points.to_vec(), [count, size])?;
    let x = x.sub(x.mean_axes(&[0], true)?)?;
    let (_, directions) = eigh(&x.t()?.matmul(&x)?)?;
    let directions = directions.to_vec::<f64>()?;
    let rows = x.to_vec::<f64>()?;
    // Eigenvalues ascend: the last columns are the first components.
    let direction = |place: usize| -> Vec<f64> {
        let Some(column) = size.checked_sub(place + 1) else { return vec![0.0; size] };
        let own: Vec<f64> = (0..size).map(|row| directions[row * size + column]).collect();
        let greatest = own.iter().fold(0.0f64, |greatest, &x| if x.abs() > greatest.abs() { x } else { greatest });
        own.iter().map(|x| x * greatest.signum()).collect()
    };
    let [first, second] = [direction(0), direction(1)];
    let along = |row: &[f64], direction: &[f64]| row.iter().zip(direction).map(|(x, d)| x * d).sum();
    Ok(rows.chunks(size).map(|row| [along(row, &first), along(row, &second)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_directions_come_first() {
        // Along (3, 4, 0) / 5 they differ by 10, along (0, 0, 1) by 2.
        let points = [[3.0, 4.0, 0.0], [-3.0, -4.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]];
        let moved: Vec<f64> = points.iter().flatten().map(|x| x + 7.0).collect();
        let found = pca(&moved, 3).unwrap();
        for (found, expected) in found.iter().zip([[5.0, 0.0], [-5.0, 0.0], [0.0, 1.0], [0.0, -1.0]]) {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-9), "{found:?}, not {expected:?}");
        }
        assert_eq!(pca(&[1.0, 3.0], 1).unwrap(), [[-1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(pca(&[], 4).unwrap(), Vec::<[f64; 2]>::new());
        assert!(pca(&[1.0; 5], 2).is_err() && pca(&[1.0], 0).is_err());
    }
}
