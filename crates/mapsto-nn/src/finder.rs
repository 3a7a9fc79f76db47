//! A search for the learning rate to train with.

use mapsto_tensor::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::panic::Location;

/// Settings of [`RateFinder`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateFinderConfig {
    /// The least rate.
    pub start: f64,
    /// The greatest rate.
    pub end: f64,
    /// Steps from one to the other.
    pub steps: u64,
    /// The share of the past in the loss's running average.
    pub smoothing: f64,
    /// How many times its least the loss may reach; from a least that is not positive, how many times less one its size, or
    /// the fall to it where that is more, the loss may rise.
    pub diverged: f64,
}

impl Default for RateFinderConfig {
    fn default() -> RateFinderConfig {
        RateFinderConfig { start: 1e-7, end: 10.0, steps: 100, smoothing: 0.9, diverged: 4.0 }
    }
}

impl RateFinderConfig {
    fn check(&self) -> Result<()> {
        let RateFinderConfig { start, end, steps, smoothing, diverged } = *self;
        let what = if !(0.0 < start && start < end && end.is_finite()) {
            format!("rates rise from above zero, got {start} to {end}")
        } else if steps < 2 {
            format!("two steps are the least, got {steps}")
        } else if !(0.0..1.0).contains(&smoothing) {
            format!("the smoothing lies in [0, 1), got {smoothing}")
        } else if !(diverged > 1.0) {
            format!("a loss has exploded at more than once its least, got {diverged}")
        } else {
            return Ok(());
        };
        Err(Error::argument(what).op("RateFinder"))
    }
}

/// Settings from a file, which [`RateFinder::new`] has not seen.
fn checked<'de, D: Deserializer<'de>>(file: D) -> Result<RateFinderConfig, D::Error> {
    let config = RateFinderConfig::deserialize(file)?;
    config.check().map_err(D::Error::custom)?;
    Ok(config)
}

/// Finds a learning rate: a short run whose rate grows at each step by the same factor, until the loss explodes; a good
/// rate lies where the loss falls fastest (Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017, section
/// 3.3). The run spoils the network: save its state before, and load it again after.
///
/// ```
/// use mapsto_nn::{RateFinder, RateFinderConfig};
///
/// let mut finder = RateFinder::new(RateFinderConfig { start: 1e-3, ..RateFinderConfig::default() })?;
/// let mut w = 1.0;
/// while let Some(rate) = finder.rate() {
///     finder.record(w * w / 2.0);
///     w -= rate * w;
/// }
/// // Beyond 2 a descent on this parabola explodes.
/// assert!(finder.suggestion().is_some_and(|rate| (0.01..2.0).contains(&rate)));
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateFinder {
    #[serde(deserialize_with = "checked")]
    config: RateFinderConfig,
    /// The running average, not yet corrected for its beginning at zero.
    average: f64,
    curve: Vec<(f64, f64)>,
    exploded: bool,
}

impl RateFinder {
    /// At the least rate.
    ///
    /// # Errors
    /// Rates that are not positive and rising; fewer than two steps; a share outside `[0, 1)`; a bound of one or less.
    #[track_caller]
    pub fn new(config: RateFinderConfig) -> Result<RateFinder> {
        config.check().map_err(|e| e.at(Location::caller()))?;
        Ok(RateFinder { config, average: 0.0, curve: Vec::new(), exploded: false })
    }

    /// The rate of the next step; none where the search has ended.
    pub fn rate(&self) -> Option<f64> {
        let RateFinderConfig { start, end, steps, .. } = self.config;
        let step = self.curve.len() as u64;
        let share = step as f64 / (steps - 1) as f64;
        (!self.exploded && step < steps).then(|| start * (end / start).powf(share))
    }

    /// Takes the loss that the step at [`RateFinder::rate`] began with.
    pub fn record(&mut self, loss: f64) {
        let Some(rate) = self.rate() else { return };
        if !loss.is_finite() {
            self.exploded = true;
            return;
        }
        let smoothing = self.config.smoothing;
        self.average = smoothing * self.average + (1.0 - smoothing) * loss;
        let smooth = self.average / (1.0 - smoothing.powi(self.curve.len() as i32 + 1));
        let least = self.curve.iter().fold(smooth, |least, &(_, loss)| least.min(loss));
        let first = self.curve.first().map_or(smooth, |&(_, loss)| loss);
        let scale = if least > 0.0 { least } else { (first - least).max(-least) };
        self.exploded = smooth - least > (self.config.diverged - 1.0) * scale;
        self.curve.push((rate, smooth));
    }

    /// Rates and smoothed losses, to look at.
    pub fn curve(&self) -> &[(f64, f64)] {
        &self.curve
    }

    /// The rate at which the loss falls fastest, over equal factors of the rate; none where it never falls.
    pub fn suggestion(&self) -> Option<f64> {
        let fall = |three: &[(f64, f64)]| three[0].1 - three[2].1;
        let steepest = self.curve.windows(3).max_by(|a, b| fall(a).total_cmp(&fall(b)))?;
        (fall(steepest) > 0.0).then_some(steepest[1].0)
    }
}
