//! What a network makes of words: where their vectors lie, and how much it looks at each.

use super::markup::Markup;
use super::plot::Plot;
use crate::error::TaskError;
use mapsto_train::projection::{TsneConfig, pca, tsne};

/// Draws the vectors of words, `[N, size]` row by row, on two maps: their principal components, and t-SNE.
///
/// # Errors
/// Vectors of other sizes, or that are not finite.
pub(crate) fn draw_words(words: &[String], vectors: &[f64], size: usize, page: &mut Markup) -> Result<(), TaskError> {
    let maps = [
        ("Principal components", "Where words differ most.", pca(vectors, size)?),
        (
            "Neighbours",
            "t-SNE: words that are alike to the network lie together.",
            tsne(vectors, size, TsneConfig::default())?,
        ),
    ];
    page.text("h2", &[], "Words");
    page.element("div", &[("class", "figures")], |figures| {
        for (title, note, places) in maps {
            let names = words.iter().cloned().zip(places).collect();
            let axes = ["first".into(), "second".into()];
            Plot { title: title.into(), note: note.into(), axes, names, ..Plot::default() }.draw(figures);
        }
    });
    Ok(())
}

/// Draws a text's pieces, the darker the more each counts; shares are from 0 to 1.
pub(crate) fn draw_shaded(title: &str, pieces: &[(String, f64)], page: &mut Markup) {
    let most = pieces.iter().fold(f64::MIN_POSITIVE, |most, (_, share)| most.max(*share));
    page.told("h3", &[], title);
    page.element("p", &[("class", "shaded")], |line| {
        for (piece, share) in pieces {
            let style = format!("--share: {:.2}", share / most);
            line.text("span", &[("style", &style), ("title", &format!("{share:.3}"))], piece);
            line.text("span", &[], " ");
        }
    });
}
