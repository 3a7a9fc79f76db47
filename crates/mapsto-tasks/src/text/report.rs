//! What a report shows of texts: what a network makes of words, and where it looks.

use super::{TextExamples, gathered};
use crate::answered::Answered;
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::report::{Heat, Markup, draw_shaded, draw_words};
use crate::run::Outcome;
use crate::task::finite;
use mapsto_data::Tokenizer;
use mapsto_models::TextNet;
use mapsto_nn::Layer;
use mapsto_tensor::{Tensor, no_grad};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Texts of which words are counted, those that are shown shaded, and tokens of each.
const COUNTED: usize = 2000;
const LOOKED_AT: usize = 5;
const SHADED: usize = 120;
/// Words on a map, and letters that one has at least: the most usual words of a language are short and tell little.
const MAPPED: usize = 120;
const LETTERS: usize = 4;
/// Texts of which is shown how places look at each other, the tokens that suit a map, and the most that it shows.
const LAYERED: usize = 2;
const SUITED: usize = 16;
const SHOWN: usize = 24;
/// A weight below which a map's cell stays empty.
const FAINT: f64 = 0.01;

/// Draws words on maps, and where the first network looks.
pub(super) fn draw(
    examples: &TextExamples,
    outcome: &Outcome<Answered<TextExamples>>,
    page: &mut Markup,
) -> Result<(), TaskError> {
    let Predictor { settings, preparation, members, .. } = &outcome.predictor;
    let (Some(network), tokenizer) = (members.first(), &preparation.inputs.tokenizer) else { return Ok(()) };
    let some: Vec<usize> = outcome.tested.iter().copied().take(COUNTED).collect();
    let encoded = examples.encoded(&settings.config, &preparation.inputs, &some)?;
    let words = usual_words(tokenizer, &encoded);
    let rows = words.iter().map(|&(number, _)| i64::from(number)).collect();
    let vectors = network.embedding().forward(&Tensor::from_vec(rows, [words.len()])?)?;
    let size = vectors.shape()[1];
    let names: Vec<String> = words.into_iter().map(|(_, word)| word).collect();
    draw_words(&names, &finite(vectors)?, size, page)?;
    for (&item, tokens) in some.iter().zip(&encoded).take(LOOKED_AT) {
        let input = gathered(std::slice::from_ref(tokens))?;
        let Some(shares) = no_grad(|| network.attention(&input.tokens, &input.lengths))? else { return Ok(()) };
        let pieces = named(tokenizer, tokens).into_iter().zip(finite(shares)?).take(SHADED);
        draw_shaded(&format!("What it looks at: {}", examples.set.name(item)), &pieces.collect::<Vec<_>>(), page);
    }
    let mut texts: Vec<(&usize, &Vec<u32>)> = some.iter().zip(&encoded).collect();
    texts.sort_by_key(|(_, tokens)| tokens.len().abs_diff(SUITED));
    for (&item, tokens) in texts.into_iter().take(LAYERED) {
        draw_layers(network, tokenizer, examples.set.name(item), tokens, page)?;
    }
    Ok(())
}

/// Draws how places of a text look at each other, a map for each layer of a transformer; of other networks nothing.
fn draw_layers(
    network: &TextNet,
    tokenizer: &Tokenizer,
    name: String,
    tokens: &[u32],
    page: &mut Markup,
) -> Result<(), TaskError> {
    let input = gathered(&[tokens.to_vec()])?;
    let layers = no_grad(|| network.self_attention(&input.tokens, &input.lengths))?;
    if layers.is_empty() {
        return Ok(());
    }
    page.told("h3", &[], &format!("Where its layers look: {name}"));
    let note = "Each row is a token, and shows how much it looks at each token of the text: the mean of the heads.";
    page.text("p", &[("class", "note")], note);
    let words = named(tokenizer, &tokens[..tokens.len().min(SHOWN)]);
    let note = match tokens.len() > SHOWN {
        true => format!("the first {SHOWN} of {} tokens", tokens.len()),
        false => String::new(),
    };
    let mut maps = Vec::with_capacity(layers.len());
    for layer in layers {
        maps.push(finite(layer)?);
    }
    page.element("div", &[("class", "figures")], |figures| {
        for (number, weights) in (1..).zip(maps) {
            let cell = |row: usize, column: usize| {
                let weight = weights[row * tokens.len() + column];
                (weight >= FAINT).then(|| (weight, format!("{} at {}: {weight:.2}", words[row], words[column])))
            };
            let (title, note, rows, names) = (format!("Layer {number}"), note.clone(), words.clone(), words.clone());
            Heat { title, note, rows, columns: words.len(), names, cell: &cell }.draw(figures);
        }
    });
    Ok(())
}

/// What tokens stand for.
fn named(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
    tokens.iter().map(|&token| tokenizer.token(token).unwrap_or_default()).collect()
}

/// The tokens that come most often in texts, of those that have letters to show: numbers and words.
fn usual_words(tokenizer: &Tokenizer, texts: &[Vec<u32>]) -> Vec<(u32, String)> {
    let mut counts = BTreeMap::<u32, usize>::new();
    texts.iter().flatten().for_each(|&token| *counts.entry(token).or_default() += 1);
    let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(token, count)| (Reverse(count), token));
    let word = |(token, _)| Some((token, tokenizer.token(token)?));
    let is_word = |(_, word): &(u32, String)| word.chars().filter(|c| c.is_alphabetic()).count() >= LETTERS;
    counts.into_iter().filter_map(word).filter(is_word).take(MAPPED).collect()
}
