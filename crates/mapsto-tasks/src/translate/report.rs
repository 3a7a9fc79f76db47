//! What a report shows of translations.

use super::batch::gathered;
use super::decoding::Translation;
use super::examples::TranslateExamples;
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::report::{Heat, Markup};
use mapsto_data::Tokenizer;
use mapsto_tensor::no_grad;

/// Translations that are shown.
const SHOWN: usize = 10;
/// Translations of which is shown where they looked.
const LOOKED: usize = 3;
/// The most tokens of a text of which is shown where it looks.
const TOKENS: usize = 40;

/// Draws some translations, evenly from all that were tested, and where a few of them look.
pub(super) fn draw(
    examples: &TranslateExamples,
    predictor: &Predictor<TranslateExamples>,
    tested: &[usize],
    translations: &[Translation],
    page: &mut Markup,
) -> Result<(), TaskError> {
    let count = tested.len().min(SHOWN);
    let shown = (0..count).map(|i| i * tested.len() / count).map(|place| (tested[place], &translations[place]));
    let shown: Vec<(usize, &Translation)> = shown.collect();
    page.text("h2", &[], "Translations");
    page.element("table", &[("class", "texts")], |table| {
        table.headings(["source", "translation", "reference"]);
        table.element("tbody", &[], |body| {
            for &(item, translation) in &shown {
                let texts = [&examples.set.sources[item], &translation.text, &examples.set.targets[item]];
                body.element("tr", &[], |row| texts.iter().for_each(|text| row.told("td", &[], text)));
            }
        });
    });
    let items: Vec<usize> = shown.iter().map(|(item, _)| *item).collect();
    let sources = examples.sources(&predictor.settings.config, &predictor.preparation, &items)?;
    let mut looks = Vec::new();
    for ((item, translation), source) in shown.into_iter().zip(&sources) {
        let fits = source.len() <= TOKENS && (1..TOKENS).contains(&translation.tokens.len());
        if fits && looks.len() < LOOKED {
            looks.push(Look::of(predictor, &examples.set.sources[item], source, translation)?);
        }
    }
    if !looks.is_empty() {
        page.text("h2", &[], "Where translations look");
        let note = "Each row is a token of the translation, and shows how much it looks at each token of the source.";
        page.text("p", &[("class", "note")], note);
        page.element("div", &[("class", "figures")], |figures| looks.into_iter().for_each(|look| look.draw(figures)));
    }
    Ok(())
}

/// Where a translation looks.
struct Look {
    source: String,
    translation: String,
    /// Tokens of the source.
    columns: Vec<String>,
    /// Tokens of the translation.
    rows: Vec<String>,
    /// How much each row looks at each column.
    weights: Vec<f32>,
}

impl Look {
    fn of(
        predictor: &Predictor<TranslateExamples>,
        text: &str,
        source: &[u32],
        translation: &Translation,
    ) -> Result<Look, TaskError> {
        let Predictor { settings, preparation, .. } = predictor;
        let network = predictor.mixture(|network| network)?.first();
        let pair = gathered(&preparation.vocabulary(), settings.config.length, &[(source, &translation.tokens)])?;
        let weights = no_grad(|| network.attention(&pair.source, &pair.lengths, &pair.input))?;
        let names = |tokenizer: &Tokenizer, tokens: &[u32]| -> Result<Vec<String>, TaskError> {
            let name = |&token: &u32| Ok(tokenizer.decode(&[token]).map_err(TaskError::input)?.trim().to_string());
            tokens.iter().map(name).collect()
        };
        Ok(Look {
            source: text.to_string(),
            translation: translation.text.clone(),
            columns: names(&preparation.source, source)?,
            rows: names(&preparation.target, &translation.tokens)?,
            weights: weights.to_vec::<f32>()?,
        })
    }

    fn draw(self, figures: &mut Markup) {
        let Look { source, translation, columns, rows, weights } = self;
        let cell = |row: usize, column: usize| {
            let weight = f64::from(weights[row * columns.len() + column]);
            Some((weight, format!("{} at {}: {weight:.2}", rows[row], columns[column])))
        };
        let (names, count) = (columns.clone(), columns.len());
        Heat { title: translation, note: source, rows: rows.clone(), columns: count, names, cell: &cell }.draw(figures);
    }
}
