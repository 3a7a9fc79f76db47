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
    let places: Vec<usize> = (0..count).map(|i| i * tested.len() / count).collect();
    page.text("h2", &[], "Translations");
    page.element("table", &[("class", "texts")], |table| {
        table.headings(["source", "translation", "reference"]);
        table.element("tbody", &[], |body| {
            for &place in &places {
                let (source, target) = (&examples.set.sources[tested[place]], &examples.set.targets[tested[place]]);
                body.element("tr", &[], |row| {
                    [source, &translations[place].text, target].iter().for_each(|text| row.told("td", &[], text));
                });
            }
        });
    });
    let config = &predictor.settings.config;
    let preparation = &predictor.preparation;
    let sources =
        examples.sources(config, preparation, &places.iter().map(|&place| tested[place]).collect::<Vec<_>>())?;
    let fits = |(source, place): &(&Vec<u32>, &usize)| {
        let target = &translations[**place].tokens;
        source.len() <= TOKENS && (1..TOKENS).contains(&target.len())
    };
    let looked: Vec<(&Vec<u32>, &usize)> = sources.iter().zip(&places).filter(fits).take(LOOKED).collect();
    if looked.is_empty() {
        return Ok(());
    }
    page.text("h2", &[], "Where translations look");
    let note = "Each row is a token of the translation, and shows how much it looks at each token of the source.";
    page.text("p", &[("class", "note")], note);
    let mut maps = Vec::new();
    for (source, place) in looked {
        let target = &translations[*place].tokens;
        let pair = gathered(&preparation.vocabulary(), config.length, &[(source, target)])?;
        let network = predictor.network()?;
        let weights = no_grad(|| network.attention(&pair.source, &pair.lengths, &pair.input))?;
        let names = |tokenizer: &Tokenizer, tokens: &[u32]| -> Result<Vec<String>, TaskError> {
            let name = |&token: &u32| Ok(tokenizer.decode(&[token]).map_err(TaskError::input)?.trim().to_string());
            tokens.iter().map(name).collect()
        };
        let (rows, columns) = (names(&preparation.target, target)?, names(&preparation.source, source)?);
        maps.push((rows, columns, weights.to_vec::<f32>()?));
    }
    page.element("div", &[("class", "figures")], |figures| {
        for (rows, columns, weights) in &maps {
            let cell = |row: usize, column: usize| {
                let weight = f64::from(weights[row * columns.len() + column]);
                Some((weight, format!("{} at {}: {weight:.2}", rows[row], columns[column])))
            };
            let (title, note) = (String::new(), String::new());
            let (rows, names) = (rows.clone(), columns.clone());
            Heat { title, note, rows, columns: columns.len(), names, cell: &cell }.draw(figures);
        }
    });
    Ok(())
}
