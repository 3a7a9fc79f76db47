//! What an activation does: its values, its gradient, and where it saturates.

use crate::chart::chart;
use mapsto_tensor::{DType, Error, GradOptions, Result, Tensor, grad};
use std::fmt;
use std::panic::Location;

/// Slopes up to this are saturated: hardly any gradient comes through.
pub const SATURATED: f64 = 0.01;

/// Values and slopes of a function of one number.
///
/// ```
/// use mapsto_nn::Curve;
///
/// let curve = Curve::of(|x| x.sigmoid(), -10.0, 10.0, 201)?;
/// assert_eq!((curve.y[100], curve.slope[100]), (0.5, 0.25));
/// assert!(curve.saturated() > 0.5);
/// println!("{curve}");
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Inputs, rising.
    pub x: Vec<f64>,
    /// The function's values at them.
    pub y: Vec<f64>,
    /// Its gradients.
    pub slope: Vec<f64>,
}

impl Curve {
    /// Of `f`, which treats each element alone, at `points` inputs from `low` to `high`.
    ///
    /// # Errors
    /// An interval without length, or fewer than two points; what `f` refuses, or a result of another shape.
    #[track_caller]
    pub fn of(f: impl Fn(&Tensor) -> Result<Tensor>, low: f64, high: f64, points: usize) -> Result<Curve> {
        let at = Location::caller();
        let run = || {
            if !(low < high && (high - low).is_finite()) || points < 2 {
                return Err(Error::argument(format!("{points} points from {low} to {high} are no curve"))
                    .mend("choose low < high and two points or more"));
            }
            let x = Tensor::linspace(low, high, points)?;
            let (y, slope) = slopes(f, &x)?;
            Ok(Curve { x: x.to_vec()?, y: y.to_vec()?, slope: slope.to_vec()? })
        };
        run().map_err(|e: Error| e.as_of("Curve", at))
    }

    /// The share of the inputs at which the function saturates: where its slope is at most [`SATURATED`].
    pub fn saturated(&self) -> f64 {
        share(&self.slope)
    }
}

/// The share of these inputs at which `f`, which treats each element alone, saturates: of a layer's real inputs it tells
/// how much gradient the layer stops.
///
/// # Errors
/// What `f` refuses, or a result of another shape.
#[track_caller]
pub fn saturation(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<f64> {
    let at = Location::caller();
    let run = || Ok(share(&slopes(f, x)?.1.to_dtype(DType::F64)?.to_vec()?));
    run().map_err(|e: Error| e.as_of("saturation", at))
}

fn share(slopes: &[f64]) -> f64 {
    slopes.iter().filter(|slope| slope.abs() <= SATURATED).count() as f64 / slopes.len().max(1) as f64
}

fn slopes(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let x = x.variable()?;
    let y = f(&x)?;
    if y.shape() != x.shape() {
        return Err(Error::shape(format!("the function made {} of {}", y.shape(), x.shape()))
            .mend("give one that treats each element alone"));
    }
    // A step or a constant has no gradient to ask for.
    let slope = match y.is_tracked() {
        true => grad(&[&y.sum()?], None, &[&x], GradOptions::default())?.swap_remove(0),
        false => None,
    };
    Ok((y.detach(), slope.map_or_else(|| Tensor::zeros(*x.shape(), x.dtype()), Ok)?))
}

/// Drawn with `●` for values and `·` for slopes.
impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in chart([15, 61], &[('─', &[0.0]), ('·', &self.slope), ('●', &self.y)]) {
            writeln!(f, "{line}")?;
        }
        let (first, last) = (self.x.first().copied().unwrap_or(0.0), self.x.last().copied().unwrap_or(0.0));
        writeln!(f, "{:9}{first:<30}{last:>31}", "")?;
        write!(f, "● value   · gradient   {:.1} % saturated (gradient at most {SATURATED})", 100.0 * self.saturated())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_and_saturation() -> Result<()> {
        let curve = Curve::of(|x| x.relu(), -1.0, 1.0, 5)?;
        assert_eq!((&curve.y[..], &curve.slope[..]), (&[0.0, 0.0, 0.0, 0.5, 1.0][..], &[0.0, 0.0, 0.0, 1.0, 1.0][..]));
        assert_eq!(curve.saturated(), 0.6);
        let x = Tensor::new([-9.0f32, 0.0, 9.0, 1.0])?;
        assert_eq!((saturation(|x| x.tanh(), &x)?, saturation(|x| x.gelu(), &x)?), (0.5, 0.25));
        assert_eq!(saturation(|x| x.ne(0)?.to_dtype(DType::F32), &x)?, 1.0);
        Ok(())
    }

    #[test]
    fn it_is_drawn() -> Result<()> {
        let text = Curve::of(|x| x.tanh(), -2.0, 2.0, 61)?.to_string();
        assert!(text.starts_with("   1.000 ") && text.contains("\n  -0.964 ●●●"), "{text}");
        assert!(text.ends_with("0.0 % saturated (gradient at most 0.01)"), "{text}");
        Curve::of(|x| x.mul(0), 0.0, 1.0, 2)?.to_string();
        Ok(())
    }

    #[test]
    fn mistakes() {
        let error = Curve::of(|x| x.relu(), 1.0, 1.0, 5).unwrap_err().to_string();
        assert!(error.starts_with("Curve: 5 points from 1 to 1 are no curve"), "{error}");
        let error = Curve::of(|x| x.sum(), 0.0, 1.0, 5).unwrap_err();
        assert!(error.to_string().contains("the function made [] of [5]"), "{error}");
        assert!(error.location().is_some_and(|at| at.file().ends_with("curve.rs")));
    }
}
