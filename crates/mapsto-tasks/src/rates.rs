//! Rates of parts of a network, for one that goes on from weights that it had (Howard and Ruder, *Universal Language Model Fine-tuning
//! for Text Classification*, 2018): what was learned before moves less than what is new, or not at all.

use crate::error::TaskError;
use mapsto_nn::Module;
use std::collections::{BTreeMap, BTreeSet};

/// Names that are offered in place of one that is not there.
const OFFERED: usize = 12;

/// The factor of the learning rate of a parameter: that of the longest name which it has or is below, else 1.
pub(crate) fn factor(rates: &BTreeMap<String, f64>, parameter: &str) -> f64 {
    let of = rates.iter().filter(|(name, _)| is_below(name, parameter));
    of.max_by_key(|(name, _)| name.len()).map_or(1.0, |(_, &factor)| factor)
}

/// Keeps the parameters whose factor is 0 from being trained.
///
/// # Errors
/// A name that no parameter has or is below; none that is left to be trained.
pub(crate) fn freeze(network: &impl Module, rates: &BTreeMap<String, f64>) -> Result<(), TaskError> {
    let parameters = network.named_parameters();
    if let Some(name) = rates.keys().find(|name| !parameters.iter().any(|(parameter, _)| is_below(name, parameter))) {
        let layers: BTreeSet<&str> = parameters.iter().filter_map(|(name, _)| Some(name.rsplit_once('.')?.0)).collect();
        let more = if layers.len() > OFFERED { ", ..." } else { "" };
        let layers: Vec<&str> = layers.into_iter().take(OFFERED).collect();
        return Err(TaskError::Input(format!(
            "rates: no parameter is named or below {name:?}; layers are {}{more}",
            layers.join(", ")
        )));
    }
    let (frozen, moving): (Vec<_>, Vec<_>) = parameters.iter().partition(|(name, _)| factor(rates, name) == 0.0);
    if moving.is_empty() {
        return Err(TaskError::input("rates: all factors are 0, nothing is left to learn"));
    }
    frozen.iter().for_each(|(_, parameter)| parameter.set_trainable(false));
    Ok(())
}

fn is_below(name: &str, parameter: &str) -> bool {
    parameter.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapsto_nn::{Linear, Sequential, sequential};

    fn rates(all: &[(&str, f64)]) -> BTreeMap<String, f64> {
        all.iter().map(|(name, factor)| (name.to_string(), *factor)).collect()
    }

    #[test]
    fn the_longest_name_counts() {
        let rates = rates(&[("encoder", 0.1), ("encoder.layer.1", 0.5)]);
        let of = |name| factor(&rates, name);
        assert_eq!(
            ["encoder.norm.weight", "encoder.layer.1.bias", "encoder.layer.10.bias", "encoders.x"].map(of),
            [0.1, 0.5, 0.1, 1.0]
        );
    }

    #[test]
    fn what_does_not_move_is_frozen() {
        let network = || -> Sequential { sequential![Linear::new(2, 3).unwrap(), Linear::new(3, 1).unwrap()] };
        let net = network();
        freeze(&net, &rates(&[("0", 0.0), ("0.bias", 1.0)])).unwrap();
        let trained: Vec<bool> = net.named_parameters().iter().map(|(_, param)| param.is_trainable()).collect();
        assert_eq!(trained, [false, true, true, true]);
        let said = |all| freeze(&network(), &rates(all)).unwrap_err().to_string();
        assert_eq!(said(&[("2", 0.5)]), "rates: no parameter is named or below \"2\"; layers are 0, 1");
        assert_eq!(said(&[("0", 0.0), ("1", 0.0)]), "rates: all factors are 0, nothing is left to learn");
    }
}
