//! A stream of tokens, as a network reads it.

use super::corpus::Stream;
use crate::error::TaskError;
use crate::task::finite;
use mapsto_models::language::Memory;
use mapsto_models::{LanguageNet, Mixture};
use mapsto_nn::{CrossEntropyLoss, LossReduction};
use mapsto_tensor::{Error, Result, Rng, Tensor, no_grad};
use mapsto_train::metrics::LanguageReport;

/// Logits that there are at once outside training.
const LOGITS: usize = 1 << 23;
/// Tokens of a stream that is read without a break, at a time.
const AT_ONCE: usize = 512;

/// What a step reads.
pub struct Window {
    /// `[N, length]`, numbers of tokens.
    pub tokens: Tensor,
    /// Whether nothing is to be remembered of what was read before.
    pub begins: bool,
}

/// Windows of a stream that begin at these tokens: what is read, and what follows each token, both `[N, length]`.
///
/// # Errors
/// A refusal of memory.
pub(super) fn windows(tokens: &[u32], starts: &[usize], length: usize) -> Result<[Tensor; 2]> {
    let cut = |ahead: usize| {
        let each = |&start: &usize| tokens[start + ahead..start + ahead + length].iter().map(|&token| i64::from(token));
        Tensor::from_vec(starts.iter().flat_map(each).collect(), [starts.len(), length])
    };
    Ok([cut(0)?, cut(1)?])
}

/// How many windows a stream of so many tokens has, side by side.
pub(super) fn count(tokens: usize, length: usize) -> usize {
    tokens.saturating_sub(1) / length
}

/// Where a window begins that is one of those side by side, moved by chance: the same texts are cut elsewhere in each epoch.
pub(super) fn moved(window: usize, tokens: usize, length: usize, chance: &mut Rng) -> usize {
    (window * length + chance.below(length as u64) as usize).min(tokens - 1 - length)
}

/// How many windows each of several streams has, that are equal parts of one; and where a window begins: they are counted side by side,
/// the first ones of all streams before the second ones.
pub(super) fn side_by_side(tokens: usize, streams: usize, length: usize) -> (usize, impl Fn(usize) -> usize) {
    let share = tokens.saturating_sub(1) / streams;
    (share / length, move |window| window % streams * share + window / streams * length)
}

/// Tokens that were told.
#[derive(Default)]
struct Told {
    nats: f64,
    hits: usize,
}

impl Told {
    /// Takes windows in of which all before a place do not count.
    fn add(
        &mut self,
        networks: &Mixture<'_, LanguageNet>,
        memories: &mut [Memory],
        tokens: &[u32],
        some: &[(usize, usize)],
        length: usize,
    ) -> Result<(), TaskError> {
        let starts: Vec<usize> = some.iter().map(|(start, _)| *start).collect();
        let [input, target] = windows(tokens, &starts, length)?;
        let places = some.len() * length;
        let loss = CrossEntropyLoss { reduction: LossReduction::None, ..CrossEntropyLoss::default() };
        let (losses, best) = no_grad(|| {
            let each = networks.networks().iter().zip(memories).map(|(network, memory)| network.step(&input, memory));
            let logits = networks.log_mean(each.collect::<Result<Vec<_>>>()?)?;
            let logits = logits.reshape([places, logits.numel() / places])?;
            let losses = loss.forward(&logits, &target.reshape([places])?)?;
            Ok::<_, Error>((losses, logits.argmax_axis(-1, false)?.to_vec::<i64>()?))
        })?;
        let (losses, target) = (finite(losses)?, target.to_vec::<i64>()?);
        for (row, (_, first)) in some.iter().enumerate() {
            let counted = row * length + first..(row + 1) * length;
            self.nats += losses[counted.clone()].iter().sum::<f64>();
            self.hits += counted.filter(|&place| best[place] == target[place]).count();
        }
        Ok(())
    }
}

/// How well a network tells the tokens of a stream. One that was trained to go on (`carries`) reads it without a break. For others windows
/// overlap by half, and only what a window tells in its second half counts, but for the first: so each token is told from half a window
/// before it, at least.
///
/// # Errors
/// A token that the network does not know; outputs that are not finite.
pub(super) fn score(
    networks: &Mixture<'_, LanguageNet>,
    stream: &Stream,
    length: usize,
    known: usize,
    carries: bool,
) -> Result<LanguageReport, TaskError> {
    let tokens = &stream.tokens[..];
    let told = tokens.len() - 1;
    let mut sum = Told::default();
    let nothing = || networks.networks().iter().map(|_| Memory::default()).collect::<Vec<_>>();
    if carries {
        let mut memories = nothing();
        for start in (0..told).step_by(AT_ONCE) {
            sum.add(networks, &mut memories, tokens, &[(start, 0)], AT_ONCE.min(told - start))?;
        }
    } else {
        let length = length.min(told);
        // Where each window begins, and the first of its places that counts.
        let mut all = vec![(0, 0)];
        let mut done = length;
        while done < told {
            let end = (done + length.div_ceil(2)).min(told);
            all.push((end - length, done - (end - length)));
            done = end;
        }
        for some in all.chunks((LOGITS / (length * known).max(1)).max(1)) {
            sum.add(networks, &mut nothing(), tokens, some, length)?;
        }
    }
    Ok(LanguageReport::of(sum.nats, sum.hits, told, stream.characters)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapsto_models::{LanguageModel, LanguageShape};
    use mapsto_nn::Module;
    use mapsto_tensor::DType;

    fn network(name: &str, length: usize) -> LanguageNet {
        let model = LanguageModel::named(name).unwrap();
        let network = model.build(LanguageShape { tokens: 9, length }).unwrap().init(1).unwrap();
        network.eval();
        network
    }

    fn stream(count: usize) -> Stream {
        let mut chance = Rng::new(3);
        let tokens = (0..count).map(|_| chance.below(9) as u32).collect();
        Stream { tokens, characters: count, unknown: 0 }
    }

    /// The same, token by token.
    fn slowly(network: &LanguageNet, stream: &Stream, length: usize) -> (f64, usize) {
        let (told, mut nats, mut hits) = (stream.tokens.len() - 1, 0.0, 0);
        let length = length.min(told);
        let mut end = length;
        let mut from = 0;
        loop {
            let window: Vec<i64> = stream.tokens[end - length..end].iter().map(|&token| token.into()).collect();
            let logits = network.forward(&Tensor::from_vec(window, [1, length]).unwrap()).unwrap();
            let logs = logits.to_dtype(DType::F64).unwrap().log_softmax(-1).unwrap().to_vec::<f64>().unwrap();
            for place in from..end {
                let row = &logs[(place + length - end) * 9..][..9];
                let right = stream.tokens[place + 1] as usize;
                nats -= row[right];
                hits += usize::from((0..9).all(|other| row[other] <= row[right]));
            }
            if end == told {
                return (nats, hits);
            }
            (from, end) = (end, (end + length.div_ceil(2)).min(told));
        }
    }

    #[test]
    fn every_token_is_told_once() {
        for (count, length) in [(100, 16), (100, 7), (17, 16), (16, 16), (5, 16), (2, 16), (40, 1)] {
            for name in ["transformer", "gru"] {
                let (network, stream) = (network(name, 16), stream(count));
                let report = score(&Mixture::one(&network), &stream, length, 9, false).unwrap();
                let (nats, hits) = slowly(&network, &stream, length);
                assert_eq!(report.tokens, count - 1);
                let (ours, theirs) = (report.loss * report.tokens as f64, nats);
                assert!((ours - theirs).abs() < 1e-4 * theirs, "{count}, {length}: {ours}, not {theirs}");
                assert_eq!((report.accuracy * report.tokens as f64).round() as usize, hits, "{count}, {length}");
            }
        }
    }

    #[test]
    fn a_stream_is_read_without_a_break() {
        for count in [2, 300, AT_ONCE + 1, 2 * AT_ONCE + 90] {
            let (network, stream) = (network("lstm", 16), stream(count));
            let (nats, hits) = slowly(&network, &stream, count);
            let report = score(&Mixture::one(&network), &stream, 16, 9, true).unwrap();
            let ours = report.loss * report.tokens as f64;
            assert!((ours - nats).abs() < 1e-4 * nats, "{count}: {ours}, not {nats}");
            assert_eq!((report.accuracy * report.tokens as f64).round() as usize, hits, "{count}");
        }
    }

    #[test]
    fn windows_stay_in_the_stream() {
        let tokens: Vec<u32> = (0..50).collect();
        let mut chance = Rng::new(1);
        let expect_next = |start: usize, length: usize| {
            let [input, target] = windows(&tokens, &[start], length).unwrap();
            assert_eq!(input.add(1i64).unwrap().to_vec::<i64>().unwrap(), target.to_vec::<i64>().unwrap());
        };
        for length in [1, 3, 7, 49] {
            (0..count(50, length)).for_each(|window| expect_next(moved(window, 50, length, &mut chance), length));
            for streams in [1, 4, 7] {
                let (each, start) = side_by_side(50, streams, length);
                (0..each * streams).for_each(|window| expect_next(start(window), length));
            }
        }
        assert_eq!((count(50, 49), count(49, 49), count(0, 5)), (1, 0, 0));
        let (each, start) = side_by_side(50, 4, 5);
        // Twelve tokens each: two windows, which go on from one another.
        assert_eq!((each, (0..8).map(start).collect::<Vec<_>>()), (2, vec![0, 12, 24, 36, 5, 17, 29, 41]));
        assert_eq!(side_by_side(3, 4, 5).0, 0);
    }
}
