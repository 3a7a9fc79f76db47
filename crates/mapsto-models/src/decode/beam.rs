//! The likeliest sequences, by beam search.

use mapsto_tensor::{DType, Error, Result, Tensor, composed, no_grad};
use serde::{Deserialize, Serialize};

/// The most sequences that are kept.
const MOST_WIDTH: usize = 1 << 10;
/// The greatest exponent of lengths.
const MOST_PENALTY: f64 = 10.0;
/// The most tokens of a sequence.
const MOST_LONGEST: usize = 1 << 20;
/// What GNMT adds to lengths.
const SHORTEST: f64 = 5.0;

/// What tells how likely each token is behind those so far, of many sequences at once.
pub trait Decode {
    /// What is known of the tokens so far, a row for each sequence.
    type State;

    /// The log-probabilities `[rows, tokens]` of what follows the last tokens, `i64` `[rows]`, and the state behind these. A token that
    /// shall not come has minus infinity.
    ///
    /// # Errors
    /// Tokens or a state that do not fit.
    fn step(&self, last: &Tensor, state: &Self::State) -> Result<(Tensor, Self::State)>;

    /// The rows of a state with these numbers, `i64`, in this order: some perhaps several times, others not at all.
    ///
    /// # Errors
    /// A row that is not there.
    fn select(&self, state: &Self::State, rows: &Tensor) -> Result<Self::State>;
}

/// How the likeliest sequences are searched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeamConfig {
    /// Sequences that are kept at each step; with 1 the likeliest token is taken each time.
    pub width: usize,
    /// The exponent α of GNMT's normalisation: a sequence of `n` tokens, its end among them, has its log-probability divided by
    /// `((5 + n) / 6)^α` (Wu et al., *Google's Neural Machine Translation System*, 2016). Greater ones favour longer sequences.
    pub length_penalty: f64,
    /// The most tokens of a sequence, its end among them.
    pub longest: usize,
}

/// A sequence that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without its beginning and its end.
    pub tokens: Vec<i64>,
    /// Of all tokens, the end among them.
    pub log_probability: f64,
    /// That, normalised by its length.
    pub score: f64,
    /// Whether it came to its end, and was not cut off at the greatest length.
    pub ended: bool,
}

/// A sequence that may go on.
struct Live {
    tokens: Vec<i64>,
    log_probability: f64,
}

/// The sequences of one input.
struct Beam {
    live: Vec<Live>,
    found: Vec<Hypothesis>,
}

impl BeamConfig {
    fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::argument(what));
        match *self {
            BeamConfig { width, .. } if !(1..=MOST_WIDTH).contains(&width) => {
                wrong(format!("the width of the beam is {width}, not in 1..={MOST_WIDTH}"))
            }
            BeamConfig { length_penalty, .. } if !(0.0..=MOST_PENALTY).contains(&length_penalty) => {
                wrong(format!("the length penalty is {length_penalty}, not in 0..={MOST_PENALTY}"))
            }
            BeamConfig { longest, .. } if !(1..=MOST_LONGEST).contains(&longest) => {
                wrong(format!("the longest sequence has {longest} tokens, not 1 to {MOST_LONGEST}"))
            }
            _ => Ok(()),
        }
    }

    /// A log-probability, normalised by the number of tokens.
    fn score(&self, log_probability: f64, tokens: usize) -> f64 {
        log_probability / ((SHORTEST + tokens as f64) / (SHORTEST + 1.0)).powf(self.length_penalty)
    }
}

/// The best sequences that were found for each input, at most as many as the beam is wide, the best first; those that came to their
/// end before those that were cut off. `first` holds the token that each begins behind, a row of the state each; a sequence ends with
/// `end`.
///
/// At each step the likeliest continuations of all are kept; those that end leave the beam. The search is over when as many have ended
/// as the beam is wide, or none can become better than the best that has.
///
/// # Errors
/// Settings that cannot be; log-probabilities that are NaN; those of the decoder.
#[track_caller]
pub fn beam_search<D: Decode>(
    decoder: &D,
    state: D::State,
    first: &[i64],
    end: i64,
    config: &BeamConfig,
) -> Result<Vec<Vec<Hypothesis>>> {
    composed("beam_search", || no_grad(|| search(decoder, state, first, end, config)))
}

fn search<D: Decode>(
    decoder: &D,
    mut state: D::State,
    first: &[i64],
    end: i64,
    config: &BeamConfig,
) -> Result<Vec<Vec<Hypothesis>>> {
    config.check()?;
    let begun = || Beam { live: vec![Live { tokens: Vec::new(), log_probability: 0.0 }], found: Vec::new() };
    let mut beams: Vec<Beam> = first.iter().map(|_| begun()).collect();
    let mut last = first.to_vec();
    for length in 1..=config.longest {
        if last.is_empty() {
            break;
        }
        let rows = last.len();
        let (scores, next) = decoder.step(&Tensor::from_vec(std::mem::take(&mut last), [rows])?, &state)?;
        let most = config.width.min(scores.shape().last().copied().unwrap_or(0));
        let (values, tokens) = scores.to_dtype(DType::F64)?.topk(most, -1, true)?;
        let (values, tokens) = (values.to_vec::<f64>()?, tokens.to_vec::<i64>()?);
        if values.iter().any(|value| value.is_nan()) {
            return Err(Error::argument("a log-probability is NaN").mend("did the network learn at too high a rate?"));
        }
        let (mut kept, mut row) = (Vec::new(), 0);
        for beam in &mut beams {
            let before = std::mem::take(&mut beam.live);
            let places = row * most..(row + before.len()) * most;
            let of = |place: usize| before[place / most - row].log_probability + values[place];
            let mut best: Vec<(f64, usize)> = places.map(|place| (of(place), place)).collect();
            best.retain(|(value, _)| *value > f64::NEG_INFINITY);
            // Of equals, the likelier sequence's and the lesser token first.
            best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for &(log_probability, place) in best.iter().take(config.width) {
                let mut sequence = before[place / most - row].tokens.clone();
                if tokens[place] == end {
                    let score = config.score(log_probability, length);
                    beam.found.push(Hypothesis { tokens: sequence, log_probability, score, ended: true });
                } else {
                    sequence.push(tokens[place]);
                    beam.live.push(Live { tokens: sequence, log_probability });
                    kept.push((place / most, tokens[place]));
                }
            }
            row += before.len();
            if beam.is_done(config) {
                kept.truncate(kept.len() - beam.live.len());
                beam.live.clear();
            }
        }
        last = kept.iter().map(|(_, token)| *token).collect();
        let same = kept.len() == rows && kept.iter().enumerate().all(|(i, (row, _))| i == *row);
        let kept: Vec<i64> = kept.into_iter().map(|(row, _)| row as i64).collect();
        let count = kept.len();
        state = if same || count == 0 { next } else { decoder.select(&next, &Tensor::from_vec(kept, [count])?)? };
    }
    Ok(beams.into_iter().map(|beam| beam.best(config)).collect())
}

impl Beam {
    /// Whether enough has been found, or nothing better can come.
    fn is_done(&self, config: &BeamConfig) -> bool {
        let best = self.found.iter().map(|found| found.score).fold(f64::NEG_INFINITY, f64::max);
        // A log-probability only falls, and is divided by most at the greatest length.
        let hope = self.live.iter().map(|live| config.score(live.log_probability, config.longest));
        self.found.len() >= config.width || hope.fold(f64::NEG_INFINITY, f64::max) <= best
    }

    fn best(self, config: &BeamConfig) -> Vec<Hypothesis> {
        let mut all = self.found;
        all.extend(self.live.into_iter().map(|Live { tokens, log_probability }| {
            let score = config.score(log_probability, tokens.len());
            Hypothesis { tokens, log_probability, score, ended: false }
        }));
        all.sort_by(|a, b| b.ended.cmp(&a.ended).then(b.score.total_cmp(&a.score)));
        all.truncate(config.width);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: i64 = 0;
    const TOKENS: i64 = 4;

    /// An automaton whose probabilities depend on all tokens so far, which are its state: wrong rows show.
    struct Automaton;

    impl Automaton {
        fn log_probabilities(prefix: &[i64]) -> Vec<f64> {
            let start = prefix.iter().fold(17u64, |hash, &token| (hash ^ token as u64).wrapping_mul(0x100_0000_01b3));
            let weights: Vec<f64> = (0..TOKENS as u64)
                .map(|token| ((start >> (9 * token)) % 97 + 1) as f64 / if token == 0 { 2.0 } else { 1.0 })
                .collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|weight| (weight / sum).ln()).collect()
        }

        fn score(log_probability: f64, length: usize, penalty: f64) -> f64 {
            log_probability / ((5.0 + length as f64) / 6.0).powf(penalty)
        }

        /// All sequences that end, with their scores.
        fn all(prefix: &mut Vec<i64>, so_far: f64, config: &BeamConfig, found: &mut Vec<(Vec<i64>, f64)>) {
            let length = prefix.len();
            if length > config.longest {
                return;
            }
            for (token, log_probability) in Automaton::log_probabilities(prefix).into_iter().enumerate() {
                if token as i64 == END {
                    let score = Automaton::score(so_far + log_probability, length, config.length_penalty);
                    found.push((prefix[1..].to_vec(), score));
                    continue;
                }
                prefix.push(token as i64);
                Automaton::all(prefix, so_far + log_probability, config, found);
                prefix.pop();
            }
        }
    }

    impl Decode for Automaton {
        type State = Vec<Vec<i64>>;

        fn step(&self, last: &Tensor, state: &Vec<Vec<i64>>) -> Result<(Tensor, Vec<Vec<i64>>)> {
            let mut state = state.clone();
            let last = last.to_vec::<i64>()?;
            assert_eq!(last.len(), state.len());
            state.iter_mut().zip(last).for_each(|(row, token)| row.push(token));
            let all: Vec<f64> = state.iter().flat_map(|prefix| Automaton::log_probabilities(prefix)).collect();
            Ok((Tensor::from_vec(all, [state.len(), TOKENS as usize])?, state))
        }

        fn select(&self, state: &Vec<Vec<i64>>, rows: &Tensor) -> Result<Vec<Vec<i64>>> {
            Ok(rows.to_vec::<i64>()?.into_iter().map(|row| state[row as usize].clone()).collect())
        }
    }

    fn search(first: &[i64], config: &BeamConfig) -> Vec<Vec<Hypothesis>> {
        beam_search(&Automaton, vec![Vec::new(); first.len()], first, END, config).unwrap()
    }

    #[test]
    fn a_wide_beam_finds_what_trying_all_finds() {
        for length_penalty in [0.0, 0.6, 1.0, 3.0] {
            let config = BeamConfig { width: 1000, length_penalty, longest: 6 };
            let first: Vec<i64> = (1..20).collect();
            for (&begin, found) in first.iter().zip(search(&first, &config)) {
                let mut all = Vec::new();
                Automaton::all(&mut vec![begin], 0.0, &config, &mut all);
                assert_eq!(all.len(), 1 + 3 + 9 + 27 + 81 + 243);
                all.sort_by(|a, b| b.1.total_cmp(&a.1));
                assert_eq!(found[0].tokens, all[0].0, "{begin}, {length_penalty}");
                assert!((found[0].score - all[0].1).abs() < 1e-12 && found[0].ended);
            }
        }
    }

    #[test]
    fn the_narrowest_beam_takes_the_likeliest_token() {
        let config = BeamConfig { width: 1, length_penalty: 0.6, longest: 9 };
        let first: Vec<i64> = (1..50).collect();
        let mut cut = 0;
        for (&begin, found) in first.iter().zip(search(&first, &config)) {
            let (mut prefix, mut sum) = (vec![begin], 0.0);
            let ended = loop {
                let all = Automaton::log_probabilities(&prefix);
                let best = (0..all.len()).fold(0, |best, token| if all[token] > all[best] { token } else { best });
                sum += all[best];
                if best as i64 == END {
                    break true;
                }
                prefix.push(best as i64);
                if prefix.len() > config.longest {
                    break false;
                }
            };
            let [only] = &found[..] else { panic!("{found:?}") };
            assert_eq!((&only.tokens[..], only.ended), (&prefix[1..], ended));
            assert!((only.log_probability - sum).abs() < 1e-12);
            cut += usize::from(!ended);
        }
        assert!(cut > 0 && cut < 49, "{cut}");
    }

    #[test]
    fn a_wider_beam_finds_better_ones_and_inputs_do_not_meet() {
        let of = |width| BeamConfig { width, length_penalty: 0.0, longest: 30 };
        let first: Vec<i64> = (1..200).collect();
        let mean = |width| {
            let found = search(&first, &of(width));
            found.iter().map(|found| found[0].score).sum::<f64>() / found.len() as f64
        };
        let means = [1, 2, 4, 16].map(mean);
        assert!(means.is_sorted() && means[0] < means[3] - 0.05, "{means:?}");
        for (begin, found) in first.iter().zip(search(&first, &of(3))) {
            assert_eq!(search(&[*begin], &of(3))[0], found);
            assert!(found.len() <= 3 && found.is_sorted_by(|a, b| a.score >= b.score));
        }
        assert!(search(&[], &of(3)).is_empty());
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let usual = BeamConfig { width: 4, length_penalty: 0.6, longest: 10 };
        for (config, said) in [
            (BeamConfig { width: 0, ..usual }, "the width of the beam is 0, not in 1..=1024"),
            (BeamConfig { length_penalty: f64::NAN, ..usual }, "the length penalty is NaN, not in 0..=10"),
            (BeamConfig { length_penalty: -1.0, ..usual }, "the length penalty is -1, not in 0..=10"),
            (BeamConfig { longest: 0, ..usual }, "the longest sequence has 0 tokens, not 1 to 1048576"),
        ] {
            let error = beam_search(&Automaton, vec![Vec::new()], &[1], END, &config).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
