//! What is measured while training, by name.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values by name: a loss, an accuracy.
pub type Measures = BTreeMap<String, f64>;

/// Means of measures over the steps of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Means(BTreeMap<String, (f64, f64)>);

impl Means {
    /// Takes a step's value in, which counts `weight` times: as often as it has items.
    pub fn add(&mut self, name: &str, value: f64, weight: f64) {
        match self.0.get_mut(name) {
            Some((sum, count)) => (*sum, *count) = (*sum + value * weight, *count + weight),
            None => _ = self.0.insert(name.to_string(), (value * weight, weight)),
        }
    }

    /// The means.
    pub fn means(&self) -> Measures {
        self.0.iter().map(|(name, (sum, count))| (name.clone(), sum / count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_batch_counts_less() {
        let mut means = Means::default();
        means.add("loss", 1.0, 3.0);
        means.add("loss", 5.0, 1.0);
        means.add("accuracy", 0.5, 2.0);
        assert_eq!(means.means(), Measures::from([("loss".into(), 2.0), ("accuracy".into(), 0.5)]));
    }
}
