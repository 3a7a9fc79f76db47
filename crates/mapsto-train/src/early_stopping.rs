//! Stopping when nothing is gained any more.

use serde::{Deserialize, Serialize};

/// Watches a measure over epochs and says when it has stopped getting better (Prechelt, *Early Stopping: But When?*, 1998).
///
/// ```
/// use mapsto_train::early_stopping::EarlyStopping;
///
/// let mut stopping = EarlyStopping::lowest(2);
/// let stops: Vec<bool> = [0.9, 0.5, 0.6, 0.7].into_iter().map(|loss| stopping.observe(loss)).collect();
/// assert_eq!(stops, [false, false, false, true]);
/// assert_eq!(stopping.best(), Some((1, 0.5)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Epochs without a gain after which to stop.
    pub patience: usize,
    /// By how much an epoch must be better than the best to count as a gain.
    pub min_delta: f64,
    /// Whether greater is better.
    pub greater: bool,
    seen: usize,
    best: Option<(usize, f64)>,
}

impl EarlyStopping {
    /// For a loss.
    pub fn lowest(patience: usize) -> EarlyStopping {
        EarlyStopping { patience, min_delta: 0.0, greater: false, seen: 0, best: None }
    }

    /// For an accuracy or score.
    pub fn greatest(patience: usize) -> EarlyStopping {
        EarlyStopping { greater: true, ..EarlyStopping::lowest(patience) }
    }

    /// Takes an epoch's measure; whether to stop now. NaN and infinity are never a gain.
    pub fn observe(&mut self, measure: f64) -> bool {
        let gain = |best: f64| if self.greater { measure - best } else { best - measure };
        let is_better = measure.is_finite() && self.best.is_none_or(|(_, best)| gain(best) > self.min_delta);
        if is_better {
            self.best = Some((self.seen, measure));
        }
        self.seen += 1;
        self.seen - self.best.map_or(0, |(epoch, _)| epoch + 1) >= self.patience.max(1)
    }

    /// The best epoch, counted from zero, and its measure.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_gains_and_nan_are_none() {
        let mut stopping = EarlyStopping { min_delta: 0.1, ..EarlyStopping::greatest(2) };
        assert!(!stopping.observe(0.5));
        assert!(!stopping.observe(0.55));
        assert!(stopping.observe(f64::NAN));
        assert!(!stopping.observe(0.7));
        assert_eq!(stopping.best(), Some((3, 0.7)));
        let mut stopping = EarlyStopping::lowest(2);
        assert!(!stopping.observe(f64::NAN));
        assert!(stopping.observe(f64::NAN));
        assert_eq!(stopping.best(), None);
    }
}
