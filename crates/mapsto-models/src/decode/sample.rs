//! A token, drawn.

use mapsto_tensor::{Error, Result, Rng};

/// How the next token is drawn: first the temperature acts, then `top_k`, then `top_p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What logits are divided by: below 1 the likely become likelier; at 0 the likeliest is taken.
    pub temperature: f64,
    /// Only so many of the likeliest tokens can be drawn (Fan et al., *Hierarchical Neural Story Generation*, 2018); all at 0.
    pub top_k: usize,
    /// Only the fewest likeliest tokens can be drawn whose probabilities reach this sum (Holtzman et al., *The Curious Case of Neural
    /// Text Degeneration*, 2020); all at 1.
    pub top_p: f64,
}

impl Default for Sampling {
    /// By the probabilities as they are.
    fn default() -> Sampling {
        Sampling { temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

impl Sampling {
    /// Says which setting cannot be.
    ///
    /// # Errors
    /// A temperature below 0 or that is not finite; a `top_p` that is not above 0 and at most 1.
    pub fn check(&self) -> Result<()> {
        let Sampling { temperature, top_p, .. } = *self;
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Error::argument(format!("temperature is {temperature}, it must be 0 or above")));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(Error::argument(format!("top_p is {top_p}, it must be above 0 and at most 1")));
        }
        Ok(())
    }

    /// Draws a token by the logits of all; one of minus infinity is never drawn. Of equals the first ranks first.
    ///
    /// # Errors
    /// Those of [`Sampling::check`]; a logit that is NaN or infinity; no token that could be drawn.
    pub fn draw(&self, logits: &[f32], chance: &mut Rng) -> Result<usize> {
        self.check()?;
        if let Some(token) = logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
            return Err(Error::data(format!("the logit of token {token} is {}", logits[token]))
                .mend("was the learning_rate of the training too high?"));
        }
        let mut order: Vec<usize> = (0..logits.len()).filter(|&token| logits[token] > f32::NEG_INFINITY).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let Some(&best) = order.first() else { return Err(Error::data("there is no token that could be drawn")) };
        if self.temperature == 0.0 {
            return Ok(best);
        }
        if self.top_k > 0 {
            order.truncate(self.top_k);
        }
        let most = f64::from(logits[best]);
        let weight = |&token: &usize| ((f64::from(logits[token]) - most) / self.temperature).exp();
        // The running sums of the weights.
        let sums: Vec<f64> = order
            .iter()
            .map(weight)
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let total = sums[sums.len() - 1];
        let kept = 1 + sums.partition_point(|&sum| sum < self.top_p * total).min(sums.len() - 1);
        let drawn = chance.next_f64() * sums[kept - 1];
        // What is drawn is below the last sum, but for rounding.
        Ok(order[sums[..kept].partition_point(|&sum| sum <= drawn).min(kept - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, f32::NEG_INFINITY, 2.0, 0.0];

    /// How often each token is drawn, as a share.
    fn shares(sampling: Sampling, logits: &[f32]) -> Vec<f64> {
        const DRAWS: usize = 20_000;
        let mut chance = Rng::new(1);
        let mut counts = vec![0.0; logits.len()];
        (0..DRAWS).for_each(|_| counts[sampling.draw(logits, &mut chance).unwrap()] += 1.0 / DRAWS as f64);
        counts
    }

    #[track_caller]
    fn expect_near(found: &[f64], expected: &[f64]) {
        let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.015);
        assert!(near && found.len() == expected.len(), "{found:?} is not {expected:?}");
    }

    /// The softmax of all logits over the temperature, of these tokens alone.
    fn softmax(temperature: f64, kept: &[usize]) -> Vec<f64> {
        let weight =
            |token: usize| if kept.contains(&token) { (f64::from(LOGITS[token]) / temperature).exp() } else { 0.0 };
        let total: f64 = (0..LOGITS.len()).map(weight).sum();
        (0..LOGITS.len()).map(|token| weight(token) / total).collect()
    }

    #[test]
    fn tokens_come_as_often_as_they_should() {
        let all = Sampling::default();
        expect_near(&shares(all, &LOGITS), &softmax(1.0, &[0, 1, 3, 4]));
        expect_near(&shares(Sampling { temperature: 2.0, ..all }, &LOGITS), &softmax(2.0, &[0, 1, 3, 4]));
        expect_near(&shares(Sampling { top_k: 2, ..all }, &LOGITS), &softmax(1.0, &[1, 3]));
        expect_near(&shares(Sampling { top_k: 9, ..all }, &LOGITS), &softmax(1.0, &[0, 1, 3, 4]));
        // 0.644, 0.237, 0.087 and 0.032: two reach 0.88, three are needed for a little more.
        expect_near(&shares(Sampling { top_p: 0.88, ..all }, &LOGITS), &softmax(1.0, &[1, 3]));
        expect_near(&shares(Sampling { top_p: 0.89, ..all }, &LOGITS), &softmax(1.0, &[0, 1, 3]));
        // The mass is that of what top_k has left: 0.731 of the first of two.
        expect_near(&shares(Sampling { top_k: 2, top_p: 0.73, ..all }, &LOGITS), &softmax(1.0, &[1]));
        // The temperature acts before: 0.455 of the first, 0.731 of two.
        expect_near(&shares(Sampling { temperature: 2.0, top_p: 0.73, ..all }, &LOGITS), &softmax(2.0, &[1, 3]));
    }

    #[test]
    fn at_its_ends_the_likeliest_is_taken() {
        let mut chance = Rng::new(2);
        for sampling in [
            Sampling { temperature: 0.0, ..Sampling::default() },
            Sampling { temperature: 1e-300, ..Sampling::default() },
            Sampling { top_k: 1, ..Sampling::default() },
            Sampling { top_p: 1e-12, ..Sampling::default() },
            Sampling { top_k: 1, temperature: 1e6, top_p: 1.0 },
        ] {
            assert!((0..500).all(|_| sampling.draw(&LOGITS, &mut chance).unwrap() == 1), "{sampling:?}");
        }
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        assert_eq!(greedy.draw(&[2.0, 5.0, 5.0], &mut chance).unwrap(), 1);
        // A great temperature knows no difference.
        let flat = shares(Sampling { temperature: 1e9, ..Sampling::default() }, &LOGITS);
        expect_near(&flat, &[0.25, 0.25, 0.0, 0.25, 0.25]);
        // The same seed draws the same.
        let draw = |seed| {
            let mut chance = Rng::new(seed);
            (0..20).map(|_| Sampling::default().draw(&LOGITS, &mut chance).unwrap()).collect::<Vec<_>>()
        };
        assert!(draw(1) == draw(1) && draw(1) != draw(2));
    }

    #[test]
    fn what_cannot_be_drawn_by_is_refused() {
        let all = Sampling::default();
        let said =
            |sampling: Sampling, logits: &[f32]| format!("{:#}", sampling.draw(logits, &mut Rng::new(0)).unwrap_err());
        for bad in [f32::NAN, f32::INFINITY] {
            let greedy = Sampling { temperature: 0.0, ..all };
            assert!(said(greedy, &[0.0, bad]).starts_with("the logit of token 1 is "), "{}", said(greedy, &[0.0, bad]));
            assert!(said(all, &[bad, 0.0]).starts_with("the logit of token 0 is "));
        }
        assert_eq!(said(all, &[f32::NEG_INFINITY]), "there is no token that could be drawn");
        assert_eq!(said(all, &[]), "there is no token that could be drawn");
        for temperature in [-1.0, f64::NAN, f64::INFINITY] {
            let told = said(Sampling { temperature, ..all }, &LOGITS);
            assert_eq!(told, format!("temperature is {temperature}, it must be 0 or above"));
        }
        for top_p in [0.0, -0.5, 1.5, f64::NAN] {
            let told = said(Sampling { top_p, ..all }, &LOGITS);
            assert_eq!(told, format!("top_p is {top_p}, it must be above 0 and at most 1"));
        }
    }
}
