//! Texts of a network that learned by connectionist temporal classification: at each step a symbol or the blank; what repeats is one
//! symbol, unless a blank stands between.

use std::collections::BTreeMap;

/// The symbol that stands for none.
pub const BLANK: usize = 0;
/// The greatest width of a beam.
pub const MOST_BEAMS: usize = 10_000;

/// The most probable path: at each step the most probable symbol. Symbols are told as soon as they come.
#[derive(Clone, Debug, Default)]
pub struct Greedy {
    last: usize,
}

impl Greedy {
    /// At the beginning of a text.
    pub fn new() -> Greedy {
        Greedy { last: BLANK }
    }

    /// Takes the log-probabilities of a step, one for each symbol; gives the symbol that begins there, if one does.
    pub fn push(&mut self, step: &[f64]) -> Option<usize> {
        let best = (0..step.len()).rev().max_by(|&a, &b| step[a].total_cmp(&step[b])).unwrap_or(BLANK);
        let is_new = best != BLANK && best != self.last;
        self.last = best;
        is_new.then_some(best)
    }
}

/// A text that a search has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its symbols.
    pub symbols: Vec<usize>,
    /// The logarithm of its probability, as far as the search has seen: the sum over all of its paths that stayed in the beam.
    pub log_prob: f64,
}

/// How probable the paths of a text are, by logarithms.
#[derive(Clone, Copy)]
struct Paths {
    /// Those that end with a blank.
    blank: f64,
    /// Those that end with its last symbol.
    symbol: f64,
}

impl Paths {
    const NONE: Paths = Paths { blank: f64::NEG_INFINITY, symbol: f64::NEG_INFINITY };

    fn all(self) -> f64 {
        log_sum(self.blank, self.symbol)
    }
}

/// `ln(eᵃ + eᵇ)`
fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// Prefix beam search (Hannun et al., *First-Pass Large Vocabulary Continuous Speech Recognition Using Bi-Directional Recurrent DNNs*,
/// 2014, without a language model): the texts that were the most probable up to each step, each with all of its paths together. With a
/// beam as wide as there are texts and symbols it finds the most probable text and its probability.
#[derive(Clone)]
pub struct BeamSearch {
    width: usize,
    /// The best first.
    beam: Vec<(Vec<usize>, Paths)>,
}

impl BeamSearch {
    /// At the beginning of a text; a beam of so many texts, 1 at least.
    pub fn new(width: usize) -> BeamSearch {
        let empty = Paths { blank: 0.0, ..Paths::NONE };
        BeamSearch { width: width.clamp(1, MOST_BEAMS), beam: vec![(Vec::new(), empty)] }
    }

    /// Takes the log-probabilities of a step, one for each symbol. Of these the most probable, as many as the beam is wide, can begin.
    pub fn push(&mut self, step: &[f64]) {
        let of = |symbol: usize| step.get(symbol).copied().unwrap_or(f64::NEG_INFINITY);
        let mut symbols: Vec<usize> = (0..step.len()).filter(|&symbol| symbol != BLANK).collect();
        symbols.sort_by(|&a, &b| step[b].total_cmp(&step[a]));
        symbols.truncate(self.width);
        let mut next: BTreeMap<Vec<usize>, Paths> = BTreeMap::new();
        for (text, paths) in std::mem::take(&mut self.beam) {
            let last = text.last().copied();
            for &symbol in &symbols {
                // The last symbol begins anew behind a blank alone.
                let before = if last == Some(symbol) { paths.blank } else { paths.all() };
                let mut longer = text.clone();
                longer.push(symbol);
                let longer = next.entry(longer).or_insert(Paths::NONE);
                longer.symbol = log_sum(longer.symbol, before + of(symbol));
            }
            let same = next.entry(text).or_insert(Paths::NONE);
            same.blank = log_sum(same.blank, paths.all() + of(BLANK));
            if let Some(last) = last {
                same.symbol = log_sum(same.symbol, paths.symbol + of(last));
            }
        }
        self.beam = next.into_iter().filter(|(_, paths)| paths.all() > f64::NEG_INFINITY).collect();
        // Equals stay in the order of their symbols.
        self.beam.sort_by(|a, b| b.1.all().total_cmp(&a.1.all()));
        self.beam.truncate(self.width);
    }

    /// The texts of the beam, the most probable first; none if no text was possible.
    pub fn hypotheses(&self) -> impl Iterator<Item = Hypothesis> + '_ {
        self.beam.iter().map(|(symbols, paths)| Hypothesis { symbols: symbols.clone(), log_prob: paths.all() })
    }

    /// The symbols with which all texts of the beam begin: whatever comes, these stay.
    pub fn settled(&self) -> &[usize] {
        let Some(((first, _), others)) = self.beam.split_first() else { return &[] };
        let common = |text: &[usize]| first.iter().zip(text).take_while(|(a, b)| a == b).count();
        &first[..others.iter().map(|(text, _)| common(text)).min().unwrap_or(first.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapsto_tensor::Rng;

    /// Log-probabilities of some steps, as uneven as `spread`.
    fn steps(count: usize, symbols: usize, spread: f64, seed: u64) -> Vec<Vec<f64>> {
        let mut chance = Rng::new(seed);
        let step = |_| {
            let scores: Vec<f64> = (0..symbols).map(|_| spread * chance.normal()).collect();
            let total = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
            scores.into_iter().map(|score| score - total).collect()
        };
        (0..count).map(step).collect()
    }

    /// The probability of every text, by going through every path there is.
    fn by_enumeration(steps: &[Vec<f64>]) -> BTreeMap<Vec<usize>, f64> {
        let symbols = steps[0].len();
        let mut texts = BTreeMap::new();
        for number in 0..symbols.pow(steps.len() as u32) {
            let path: Vec<usize> = (0..steps.len()).map(|t| number / symbols.pow(t as u32) % symbols).collect();
            let log: f64 = path.iter().zip(steps).map(|(&symbol, step)| step[symbol]).sum();
            let mut text = path;
            text.dedup();
            text.retain(|&symbol| symbol != BLANK);
            *texts.entry(text).or_insert(0.0) += log.exp();
        }
        texts
    }

    #[test]
    fn a_wide_beam_finds_what_all_paths_together_say() {
        let mut against_greedy = 0;
        for (seed, (count, symbols)) in [(1, 2), (4, 2), (5, 3), (6, 3), (4, 4), (5, 4)].into_iter().enumerate() {
            for spread in [0.3, 1.0, 3.0] {
                let steps = steps(count, symbols, spread, seed as u64);
                let texts = by_enumeration(&steps);
                let mut search = BeamSearch::new(MOST_BEAMS);
                steps.iter().for_each(|step| search.push(step));
                let found: Vec<Hypothesis> = search.hypotheses().collect();
                assert_eq!(found.len(), texts.len());
                for Hypothesis { symbols, log_prob } in &found {
                    assert!((log_prob.exp() - texts[symbols]).abs() < 1e-9, "{symbols:?}: {log_prob}");
                }
                let best = texts.values().fold(0.0f64, |best, &p| best.max(p));
                assert!((texts[&found[0].symbols] - best).abs() < 1e-12);
                let mut greedy = Greedy::new();
                let path: Vec<usize> = steps.iter().filter_map(|step| greedy.push(step)).collect();
                against_greedy += usize::from(path != found[0].symbols);
            }
        }
        assert!(against_greedy > 0, "no case tells the two apart");
    }

    #[test]
    fn a_narrow_beam_counts_no_path_twice() {
        for seed in 0..20 {
            let steps = steps(6, 3, 1.0, seed);
            let texts = by_enumeration(&steps);
            for width in [1, 2, 5] {
                let mut search = BeamSearch::new(width);
                steps.iter().for_each(|step| search.push(step));
                let found: Vec<Hypothesis> = search.hypotheses().collect();
                assert!(!found.is_empty() && found.len() <= width);
                assert!(found.iter().all(|one| one.log_prob.exp() <= texts[&one.symbols] + 1e-9));
                assert!(found.is_sorted_by(|a, b| a.log_prob >= b.log_prob));
            }
        }
    }

    #[test]
    fn what_is_settled_stays() {
        for seed in 0..20 {
            let mut search = BeamSearch::new(4);
            let mut settled: Vec<usize> = Vec::new();
            for step in steps(12, 4, 3.0, seed) {
                search.push(&step);
                assert!(search.settled().starts_with(&settled), "{settled:?}, then {:?}", search.settled());
                settled = search.settled().to_vec();
            }
            assert!(search.hypotheses().next().unwrap().symbols.starts_with(&settled));
        }
    }

    #[test]
    fn paths_become_texts() {
        let of = |path: &[usize]| {
            let mut greedy = Greedy::new();
            let step = |&symbol: &usize| (0..3).map(|s| if s == symbol { -0.1 } else { -3.0 }).collect::<Vec<f64>>();
            path.iter().filter_map(|symbol| greedy.push(&step(symbol))).collect::<Vec<usize>>()
        };
        assert_eq!(of(&[0, 1, 1, 0, 1, 2, 2, 0]), [1, 1, 2]);
        assert!(of(&[0, 0]).is_empty() && of(&[]).is_empty());
        // Of equals the first, and what has no symbols says nothing.
        assert_eq!(Greedy::new().push(&[-1.0, -1.0, -1.0]), None);
        assert_eq!(Greedy::new().push(&[]), None);
        let mut search = BeamSearch::new(0);
        search.push(&[]);
        assert!(search.hypotheses().next().is_none() && search.settled().is_empty());
    }
}
