//! Networks that answer as one.

use crate::decode::Decode;
use mapsto_tensor::{Error, Result, Tensor};

/// Networks of one architecture that answer as one, each with a share: by the mean of their probabilities, or of their scores.
pub struct Mixture<'a, N> {
    networks: Vec<&'a N>,
    /// One together.
    shares: Vec<f64>,
}

impl<'a, N> Mixture<'a, N> {
    /// Of a network alone.
    pub fn one(network: &'a N) -> Mixture<'a, N> {
        Mixture { networks: vec![network], shares: vec![1.0] }
    }

    /// Of networks that count by these weights.
    ///
    /// # Errors
    /// No network; not a weight for each, whose sum is above 0.
    pub fn of(networks: Vec<&'a N>, weights: &[f64]) -> Result<Mixture<'a, N>> {
        let sum: f64 = weights.iter().sum();
        if networks.is_empty() || networks.len() != weights.len() {
            let what = format!("{} networks have {} weights", networks.len(), weights.len());
            return Err(Error::argument(what).mend("give a weight for each, of one network or more"));
        }
        if !(weights.iter().all(|weight| *weight >= 0.0) && sum > 0.0 && sum.is_finite()) {
            return Err(Error::argument(format!("the weights of networks are no shares: {weights:?}")));
        }
        Ok(Mixture { networks, shares: weights.iter().map(|weight| weight / sum).collect() })
    }

    /// The networks.
    pub fn networks(&self) -> &[&'a N] {
        &self.networks
    }

    /// The network that counts first, where one is to stand for all.
    pub fn first(&self) -> &'a N {
        self.networks[0]
    }

    /// The mean of what the networks tell, one tensor of each; of a network alone, what it tells.
    ///
    /// # Errors
    /// Another number of tensors; shapes that do not fit each other.
    pub fn mean(&self, each: Vec<Tensor>) -> Result<Tensor> {
        self.check(&each)?;
        if let [only] = &each[..] {
            return Ok(only.clone());
        }
        let shared = each.iter().zip(&self.shares).map(|(one, share)| one.mul(*share)).collect::<Result<Vec<_>>>()?;
        Tensor::stack(&shared.iter().collect::<Vec<_>>(), 0)?.sum_axes(&[0], false)
    }

    /// The logarithm of the mean of probabilities, of logits or log-probabilities along the last axis, one tensor of each network; of a
    /// network alone, what it tells.
    ///
    /// # Errors
    /// Another number of tensors; shapes that do not fit each other.
    pub fn log_mean(&self, each: Vec<Tensor>) -> Result<Tensor> {
        self.check(&each)?;
        if let [only] = &each[..] {
            return Ok(only.clone());
        }
        let shared = each.iter().zip(&self.shares).map(|(one, share)| one.log_softmax(-1)?.add(share.ln()));
        let shared = shared.collect::<Result<Vec<_>>>()?;
        Tensor::stack(&shared.iter().collect::<Vec<_>>(), 0)?.logsumexp(&[0], false)
    }

    fn check(&self, each: &[Tensor]) -> Result<()> {
        if each.len() != self.networks.len() {
            return Err(Error::argument(format!("{} networks tell {} tensors", self.networks.len(), each.len())));
        }
        Ok(())
    }
}

impl<N: Decode> Decode for Mixture<'_, N> {
    type State = Vec<N::State>;

    fn step(&self, last: &Tensor, state: &Vec<N::State>) -> Result<(Tensor, Vec<N::State>)> {
        let steps = self.networks.iter().zip(state).map(|(network, state)| network.step(last, state));
        let (told, state) = steps.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok((self.log_mean(told)?, state))
    }

    fn select(&self, state: &Vec<N::State>, rows: &Tensor) -> Result<Vec<N::State>> {
        self.networks.iter().zip(state).map(|(network, state)| network.select(state, rows)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: [f64; 4]) -> Tensor {
        Tensor::from_vec(values.to_vec(), [2, 2]).unwrap()
    }

    #[test]
    fn several_are_their_mean() {
        let (a, b) = ("a", "b");
        let two = Mixture::of(vec![&a, &b], &[3.0, 1.0]).unwrap();
        let close = |found: Tensor, wanted: [f64; 4]| {
            let found = found.to_vec::<f64>().unwrap();
            assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-12), "{found:?}");
        };
        close(
            two.mean(vec![tensor([4.0, 0.0, 1.0, 2.0]), tensor([0.0, 4.0, 1.0, 6.0])]).unwrap(),
            [3.0, 1.0, 1.0, 3.0],
        );
        // Logits need no normalising: 9 to 1 and 1 to 1; of the other network 1 to 4 and 3 to 1.
        let logits = [[9.0, 1.0, 2.0, 2.0], [1.0, 4.0, 3.0, 1.0]].map(|odds| tensor(odds.map(f64::ln)));
        let [first, second] = [0.75 * 0.9 + 0.25 * 0.2, 0.75 * 0.5 + 0.25 * 0.75];
        let probabilities = [first, 1.0 - first, second, 1.0 - second];
        close(two.log_mean(logits.to_vec()).unwrap(), probabilities.map(f64::ln));
        // One tells what it tells.
        let alone = Mixture::one(&a);
        assert_eq!(alone.log_mean(vec![logits[0].clone()]).unwrap().id(), logits[0].id());
        assert_eq!(alone.mean(vec![logits[1].clone()]).unwrap().id(), logits[1].id());
    }

    #[test]
    fn mixtures_that_cannot_be_are_refused() {
        let a = "a";
        for (networks, weights) in
            [(vec![], &[][..]), (vec![&a], &[1.0, 2.0]), (vec![&a], &[0.0]), (vec![&a], &[f64::NAN])]
        {
            assert!(Mixture::of(networks, weights).is_err(), "{weights:?}");
        }
        assert!(Mixture::one(&a).mean(Vec::new()).is_err());
    }
}
