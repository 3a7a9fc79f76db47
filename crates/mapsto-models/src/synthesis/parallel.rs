//! Speech in parallel: all frames at once, from tokens and how long each sounds (Ren et al., *FastSpeech 2*, 2021; Łańcucki, *FastPitch*,
//! 2021), of convolutions. How long tokens sound is learned on the way, from sounds and texts alone (Badlani et al., *One TTS Alignment To Rule
//! Them All*, 2022).

use super::SynthesisShape;
use super::align::durations;
use crate::mixture::Mixture;
use crate::parts::{check_layers, check_size};
use crate::text::mask::{before, check_texts};
use mapsto_nn::{
    Conv1d, ConvConfig, CtcLoss, Dropout, Embedding, Init, Layer, LayerNorm, Linear, LossReduction, Module, scope,
};
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The logarithm of how likely a frame is no token's, before normalising.
const BLANK: f64 = -1.0;
/// What hides a token.
const HIDDEN: f64 = -1e4;
/// How far from the diagonal of tokens and frames a match becomes unlikely at first, as a share of both.
const DIAGONAL: f64 = 0.2;
/// The longest that a token sounds, in frames: what a wild prediction is cut to.
const LONGEST: f64 = 500.0;

/// Settings of [`Parallel`]; what is left out has the value of [`ParallelConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParallelConfig {
    /// Numbers of a token and of a frame.
    pub width: usize,
    /// Convolutions that read tokens.
    pub encoder_layers: usize,
    /// Convolutions that make frames.
    pub decoder_layers: usize,
    /// Tokens or frames that a convolution sees, an odd number.
    pub kernel: usize,
    /// Numbers by which tokens and frames are matched.
    pub alignment: usize,
    /// Share of each layer's features that is dropped.
    pub dropout: f64,
}

impl Default for ParallelConfig {
    fn default() -> ParallelConfig {
        ParallelConfig { width: 128, encoder_layers: 3, decoder_layers: 5, kernel: 5, alignment: 64, dropout: 0.1 }
    }
}

/// A convolution with ReLU and layer normalisation, added to what it reads.
#[derive(Module)]
struct Block {
    conv: Conv1d,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Block {
    fn stack(count: usize, config: &ParallelConfig) -> Result<Vec<Block>> {
        let &ParallelConfig { width, kernel, dropout, .. } = config;
        let one = || -> Result<Block> {
            let conv = Conv1d::from_config(&ConvConfig::new(width, width, kernel).padding(kernel / 2))?;
            Ok(Block { conv, norm: LayerNorm::new([width])?, dropout: Dropout::new(dropout)? })
        };
        (0..count).map(|_| one()).collect()
    }

    /// Of `[N, L, width]`; what is not held is read as zero.
    fn forward(&self, x: &Tensor, held: &Tensor) -> Result<Tensor> {
        let y = self.conv.forward(&x.mul(held)?.transpose(1, 2)?)?.relu()?.transpose(1, 2)?;
        x.add(self.dropout.forward(&self.norm.forward(&y)?)?)
    }
}

/// Tokens that become frames.
#[derive(Module)]
pub struct Parallel {
    embedding: Embedding,
    encoder: Vec<Block>,
    token_key: Conv1d,
    token_match: Conv1d,
    frame_key: Conv1d,
    frame_match: Conv1d,
    durations: Vec<Block>,
    duration: Linear,
    place: Linear,
    decoder: Vec<Block>,
    head: Linear,
}

/// What a network makes of tokens.
struct Read {
    /// `[N, T, width]`
    embedded: Tensor,
    /// 1 where a text has tokens, else 0: `[N, T, 1]`.
    held: Tensor,
    /// `[N, T, width]`
    encoded: Tensor,
}

/// What a step is to make small.
pub struct Losses {
    /// How far frames are from the right ones: the mean of absolute differences.
    pub frames: Tensor,
    /// How far the logarithms of durations are from those that were found: the mean of squares.
    pub durations: Tensor,
    /// How unlikely it is that the tokens come one after another, a frame: see [`CtcLoss`].
    pub alignment: Tensor,
}

/// What was said.
pub struct Spoken {
    /// `[N, F, bands]`
    pub frames: Tensor,
    /// How many frames each text took.
    pub lengths: Vec<usize>,
}

impl Parallel {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &ParallelConfig, shape: SynthesisShape) -> Result<Parallel> {
        let &ParallelConfig { width, encoder_layers, decoder_layers, kernel, alignment, .. } = config;
        for (name, size) in [("width", width), ("kernel", kernel), ("alignment", alignment)] {
            check_size(name, size)?;
        }
        check_layers("encoder_layers", encoder_layers)?;
        check_layers("decoder_layers", decoder_layers)?;
        if kernel.is_multiple_of(2) {
            return Err(Error::argument(format!("kernel is {kernel}, an odd number is needed")));
        }
        let embedding = Embedding::new(shape.tokens, width)?;
        embedding.weight.set_init(Init::Normal { mean: 0.0, std: 1.0 / (width as f64).sqrt() });
        let key = |from| Conv1d::from_config(&ConvConfig::new(from, width, 3).padding(1));
        Ok(Parallel {
            embedding,
            encoder: Block::stack(encoder_layers, config)?,
            token_key: key(width)?,
            token_match: Conv1d::new(width, alignment, 1)?,
            frame_key: key(shape.bands)?,
            frame_match: Conv1d::new(width, alignment, 1)?,
            durations: Block::stack(2, config)?,
            duration: Linear::new(width, 1)?,
            place: Linear::new(2, width)?,
            decoder: Block::stack(decoder_layers, config)?,
            head: Linear::new(width, shape.bands)?,
        })
    }

    /// What tokens are, `[N, T]`, of texts of these lengths, `[N]`.
    fn read(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Read> {
        let embedded = self.embedding.forward(tokens)?;
        let held = held(lengths, tokens.shape()[1], embedded.dtype())?;
        let encoded = self.encoder.iter().try_fold(embedded.clone(), |x, block| block.forward(&x, &held))?;
        Ok(Read { embedded, held, encoded })
    }

    /// Logarithms of how long each token sounds, `[N, T]`.
    fn log_durations(&self, encoded: &Tensor, held: &Tensor) -> Result<Tensor> {
        let x = self.durations.iter().try_fold(encoded.clone(), |x, block| block.forward(&x, held))?;
        self.duration.forward(&x)?.squeeze(&[2])
    }

    /// Frames of tokens that sound so long each, `[N, all, bands]`.
    fn say(&self, encoded: &Tensor, durations: &[Vec<usize>], all: usize) -> Result<Tensor> {
        let (expanded, counts) = self.expand(encoded, durations, all)?;
        let held = held(&counts, all, expanded.dtype())?;
        let x = self.decoder.iter().try_fold(expanded, |x, block| block.forward(&x, &held))?;
        self.head.forward(&x)
    }

    /// How well each frame fits no token, and each, `[N, F, 1 + T]`: logits, with a hint that both go from left to right.
    fn matches(&self, read: &Read, frames: &Tensor, lengths: &Tensor, counts: &Tensor) -> Result<Tensor> {
        let keys = self.token_key.forward(&read.embedded.mul(&read.held)?.transpose(1, 2)?)?.relu()?;
        let keys = self.token_match.forward(&keys)?;
        let queries = self.frame_match.forward(&self.frame_key.forward(&frames.transpose(1, 2)?)?.relu()?)?;
        let scale = 1.0 / (keys.shape()[1] as f64).sqrt();
        let scores = queries.transpose(1, 2)?.matmul(&keys)?.mul(scale)?;
        let part = |counts: &Tensor, places: usize| -> Result<Tensor> {
            let place = Tensor::arange(0, places as i64, 1)?.to_dtype(DType::F32)?.add(0.5)?;
            place.div(counts.to_dtype(DType::F32)?.unsqueeze(1)?)
        };
        let &[texts, all, places] = &scores.shape()[..] else { return Err(Error::shape("scores without axes")) };
        let apart = part(counts, all)?.unsqueeze(2)?.sub(part(lengths, places)?.unsqueeze(1)?)?;
        let hint = apart.square()?.mul(-0.5 / (DIAGONAL * DIAGONAL))?;
        let hidden = before(lengths, places)?.logical_not()?.unsqueeze(1)?;
        let scores = scores.add(hint)?.masked_fill(&hidden, HIDDEN)?;
        Tensor::concat(&[&Tensor::full([texts, all, 1], BLANK, scores.dtype())?, &scores], -1)
    }

    /// Frames from what tokens are and how long each sounds, with the place of each in its token, `[N, F, width]`, and how many each text has.
    fn expand(&self, encoded: &Tensor, durations: &[Vec<usize>], all: usize) -> Result<(Tensor, Tensor)> {
        let &[texts, places, width] = &encoded.shape()[..] else { return Err(Error::shape("tokens without features")) };
        let (mut rows, mut within) = (vec![0i64; texts * all], vec![0f32; texts * all * 2]);
        for (text, durations) in durations.iter().enumerate() {
            let mut frame = text * all;
            for (token, &count) in durations.iter().enumerate() {
                for i in 0..count {
                    rows[frame] = (text * places + token) as i64;
                    within[2 * frame] = (i as f32 + 0.5) / count as f32;
                    within[2 * frame + 1] = (1.0 + count as f32).ln();
                    frame += 1;
                }
            }
        }
        let rows = Tensor::from_vec(rows, [texts * all])?;
        let expanded =
            encoded.reshape([texts * places, width])?.index_select(0, &rows)?.reshape([texts, all, width])?;
        let within = Tensor::from_vec(within, [texts, all, 2])?.to_dtype(encoded.dtype())?;
        let counts = durations.iter().map(|durations| durations.iter().sum::<usize>() as i64).collect();
        Ok((expanded.add(self.place.forward(&within)?)?, Tensor::from_vec(counts, [texts])?))
    }
}

impl Mixture<'_, Parallel> {
    /// The losses of texts, tokens `[N, T]` and lengths `[N]`, and the frames in which they were said, `[N, F, bands]`, and how many those are, `[N]`:
    /// of frames each text has as many as tokens, at least. Several networks find one alignment, by the mean of their probabilities.
    ///
    /// # Errors
    /// Other shapes or types; fewer frames than tokens.
    #[track_caller]
    pub fn losses(&self, tokens: &Tensor, lengths: &Tensor, frames: &Tensor, counts: &Tensor) -> Result<Losses> {
        let _scope = scope(self.first());
        composed("Parallel", || {
            check_texts(tokens, lengths)?;
            let (places, all) = (tokens.shape()[1], frames.shape()[1]);
            let read = self.read(tokens, lengths)?;
            let matches = self.tell(&read, |network, read| network.matches(read, frames, lengths, counts))?;
            let matches = self.log_mean(matches)?;
            let found = found(&matches, lengths, counts)?;
            let said = self.mean(self.tell(&read, |network, read| network.say(&read.encoded, &found, all))?)?;

            let heard = held(counts, all, frames.dtype())?;
            let bands = frames.shape()[2] as f64;
            let off = said.sub(frames)?.abs()?.mul(&heard)?.sum()?.div(heard.sum()?.mul(bands)?)?;
            let wanted: Vec<f32> = padded(&found, places).map(|frames| (1.0 + frames as f32).ln()).collect();
            let wanted = Tensor::from_vec(wanted, [found.len(), places])?;
            // What durations are read from is not bent to them.
            let told = self.tell(&read, |network, read| network.log_durations(&read.encoded.detach(), &read.held))?;
            let (square, held) =
                (self.mean(told)?.sub(wanted)?.square()?, held(lengths, places, frames.dtype())?.squeeze(&[2])?);
            Ok(Losses {
                frames: off,
                durations: square.mul(&held)?.sum()?.div(held.sum()?)?,
                alignment: forward_sum(&matches, lengths, counts)?,
            })
        })
    }

    /// What is said of texts, tokens `[N, T]` and lengths `[N]`, so many times as fast as was learned. Several networks say it in the mean of the
    /// logarithms of their durations, and of their frames.
    ///
    /// # Errors
    /// Other shapes or types; durations that are not finite.
    #[track_caller]
    pub fn speak(&self, tokens: &Tensor, lengths: &Tensor, pace: f64) -> Result<Spoken> {
        composed("Parallel", || {
            check_texts(tokens, lengths)?;
            let places = tokens.shape()[1];
            let read = self.read(tokens, lengths)?;
            let told = self.tell(&read, |network, read| network.log_durations(&read.encoded, &read.held))?;
            let logarithms = self.mean(told)?.to_vec::<f32>()?;
            if logarithms.iter().any(|value| !value.is_finite()) {
                return Err(Error::argument("a duration is NaN or infinite").mend("did it learn at too high a rate?"));
            }
            let frames = |value: &f32| ((f64::from(*value).exp() - 1.0) / pace).round().clamp(1.0, LONGEST) as usize;
            let each = logarithms.chunks(places).zip(lengths.to_vec::<i64>()?);
            let each: Vec<Vec<usize>> =
                each.map(|(row, length)| row.iter().take(length as usize).map(frames).collect()).collect();
            let lengths: Vec<usize> = each.iter().map(|durations| durations.iter().sum()).collect();
            let all = lengths.iter().copied().max().unwrap_or(0);
            let frames = self.mean(self.tell(&read, |network, read| network.say(&read.encoded, &each, all))?)?;
            Ok(Spoken { frames, lengths })
        })
    }

    fn read(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Vec<Read>> {
        self.networks().iter().map(|network| network.read(tokens, lengths)).collect()
    }

    fn tell(&self, read: &[Read], of: impl Fn(&Parallel, &Read) -> Result<Tensor>) -> Result<Vec<Tensor>> {
        self.networks().iter().zip(read).map(|(network, read)| of(network, read)).collect()
    }
}

/// 1 before each length, 0 behind, `[N, places, 1]`.
fn held(lengths: &Tensor, places: usize, dtype: DType) -> Result<Tensor> {
    before(lengths, places)?.unsqueeze(2)?.to_dtype(dtype)
}

/// Rows of numbers, filled up with zeros.
fn padded(rows: &[Vec<usize>], places: usize) -> impl Iterator<Item = usize> {
    rows.iter().flat_map(move |row| (0..places).map(|place| row.get(place).copied().unwrap_or(0)))
}

/// How many frames each token has in the likeliest alignment, by what [`Parallel::matches`] tells.
fn found(matches: &Tensor, lengths: &Tensor, counts: &Tensor) -> Result<Vec<Vec<usize>>> {
    let &[_, all, columns] = &matches.shape()[..] else { return Err(Error::shape("matches without axes")) };
    let places = columns - 1;
    let values = matches.detach().narrow(2, 1, places)?.log_softmax(-1)?.to_vec::<f32>()?;
    let each = lengths.to_vec::<i64>()?.into_iter().zip(counts.to_vec::<i64>()?).enumerate();
    each.map(|(text, (tokens, frames))| {
        if frames < tokens || frames > all as i64 {
            let what = format!("text {text} has {tokens} tokens and {frames} frames of {all}");
            return Err(Error::argument(what).mend("leave out what is said too quickly"));
        }
        Ok(durations(&values[text * all * places..][..all * places], places, frames as usize, tokens as usize))
    })
    .collect()
}

/// How unlikely it is that a text's tokens come one after another, the mean of frames, by what [`Parallel::matches`] tells.
fn forward_sum(matches: &Tensor, lengths: &Tensor, counts: &Tensor) -> Result<Tensor> {
    let &[texts, _, columns] = &matches.shape()[..] else { return Err(Error::shape("matches without axes")) };
    let targets = Tensor::arange(1, columns as i64, 1)?.broadcast_to([texts, columns - 1])?;
    let loss = CtcLoss { reduction: LossReduction::Sum, ..CtcLoss::default() };
    let loss = loss.forward(&matches.log_softmax(-1)?.transpose(0, 1)?, &targets, counts, lengths)?;
    loss.div(counts.sum()?.to_dtype(matches.dtype())?)
}

#[cfg(test)]
mod tests {
    use super::super::SynthesisModel;
    use super::*;
    use mapsto_nn::{Adam, Optimizer};

    fn network() -> Parallel {
        let config =
            ParallelConfig { width: 24, encoder_layers: 1, decoder_layers: 2, kernel: 3, alignment: 8, dropout: 0.0 };
        let shape = SynthesisShape { tokens: 6, bands: 4 };
        SynthesisModel::Parallel(config).build(shape).unwrap().init(1).unwrap()
    }

    /// Texts whose token `t` sounds for `t + 1` frames, loud in band `t - 1`.
    fn said(texts: &[&[i64]]) -> [Tensor; 4] {
        let frames_of = |text: &[i64]| text.iter().flat_map(|&t| vec![t; t as usize + 1]).collect::<Vec<i64>>();
        let longest = texts.iter().map(|text| text.len()).max().unwrap();
        let most = texts.iter().map(|text| frames_of(text).len()).max().unwrap();
        let (mut tokens, mut bands) = (Vec::new(), Vec::new());
        for text in texts {
            tokens.extend(text.iter().copied().chain(std::iter::repeat(0)).take(longest));
            let frames = frames_of(text);
            for frame in 0..most {
                let token = frames.get(frame).copied().unwrap_or(0);
                bands.extend((0..4).map(|band| if band + 1 == token { 1.0f32 } else { 0.0 }));
            }
        }
        let lengths: Vec<i64> = texts.iter().map(|text| text.len() as i64).collect();
        let counts: Vec<i64> = texts.iter().map(|text| frames_of(text).len() as i64).collect();
        let count = texts.len();
        [
            Tensor::from_vec(tokens, [count, longest]).unwrap(),
            Tensor::from_vec(lengths, [count]).unwrap(),
            Tensor::from_vec(bands, [count, most, 4]).unwrap(),
            Tensor::from_vec(counts, [count]).unwrap(),
        ]
    }

    #[test]
    fn it_learns_who_sounds_how_long() {
        let network = network();
        network.train();
        let [tokens, lengths, frames, counts] =
            said(&[&[1, 2, 3], &[3, 1, 4, 2], &[4, 3], &[2, 1, 3, 4], &[1, 4, 2], &[2, 4, 1, 3]]);
        let mut optimizer = Optimizer::new(&network, Adam { lr: 5e-3, ..Adam::default() }).unwrap();
        for _ in 0..300 {
            let Losses { frames: off, durations, alignment } =
                Mixture::one(&network).losses(&tokens, &lengths, &frames, &counts).unwrap();
            let loss = off.add(durations.mul(0.5).unwrap()).unwrap().add(alignment).unwrap();
            optimizer.step(&loss.backward().unwrap()).unwrap();
        }
        network.eval();
        // A text that was not among them.
        let [tokens, lengths, frames, counts] = said(&[&[3, 2, 4]]);
        let spoken = Mixture::one(&network).speak(&tokens, &lengths, 1.0).unwrap();
        assert_eq!(spoken.lengths[0] as i64, counts.to_vec::<i64>().unwrap()[0]);
        let loudest = |frames: &Tensor| frames.argmax_axis(-1, false).unwrap().to_vec::<i64>().unwrap();
        let (said, wanted) = (loudest(&spoken.frames), loudest(&frames));
        let right = said.iter().zip(&wanted).filter(|(said, wanted)| said == wanted).count();
        assert!(right + 1 >= wanted.len(), "{said:?}, not {wanted:?}");
        let slow = Mixture::one(&network).speak(&tokens, &lengths, 0.5).unwrap().lengths[0];
        assert!(slow >= 2 * spoken.lengths[0] - 3, "{slow}");
    }

    #[test]
    fn what_fills_up_is_not_read() {
        let network = network();
        network.eval();
        let of = |texts: &[&[i64]]| {
            let [tokens, lengths, ..] = said(texts);
            Mixture::one(&network).speak(&tokens, &lengths, 1.0).unwrap()
        };
        let (alone, beside) = (of(&[&[1, 2]]), of(&[&[1, 2], &[4, 4, 4, 3, 1]]));
        assert_eq!(alone.lengths[0], beside.lengths[0]);
        let own = beside.frames.narrow(0, 0, 1).unwrap().narrow(1, 0, alone.lengths[0]).unwrap();
        let off = own.sub(alone.frames).unwrap().abs().unwrap().max().unwrap().item::<f32>().unwrap();
        assert!(off < 1e-5, "{off}");
    }

    #[test]
    fn fewer_frames_than_tokens_are_refused() {
        let [tokens, lengths, frames, _] = said(&[&[1, 2, 3]]);
        let counts = Tensor::from_vec(vec![2i64], [1]).unwrap();
        let text = Mixture::one(&network()).losses(&tokens, &lengths, &frames, &counts).err().unwrap().to_string();
        assert!(text.contains("3 tokens and 2 frames"), "{text}");
    }
}
