//! What was said of the examples that were tested on, and what they are.

use super::markup::Markup;
use super::shown::Shown;
use super::{classes, numbers};
use crate::error::TaskError;
use crate::evaluation::Evaluation;
use crate::examples::Truth;

/// The most mistakes that are shown of pictures.
const WORST_PICTURES: usize = 24;
/// The most mistakes that are shown of rows.
const WORST_ROWS: usize = 10;

/// What was said of the examples that were tested on.
pub(super) struct Told<'a> {
    tested: &'a [usize],
    /// Probabilities of classes, or numbers, row by row.
    pub predicted: &'a [f64],
    show: &'a dyn Fn(usize) -> Result<Shown, TaskError>,
}

/// Draws how good answers are, and the worst of them.
pub(crate) fn draw_answers(
    truth: &Truth,
    evaluation: &Evaluation,
    tested: &[usize],
    predicted: &[f64],
    show: &dyn Fn(usize) -> Result<Shown, TaskError>,
    page: &mut Markup,
) {
    let told = Told { tested, predicted, show };
    match (evaluation, truth) {
        (Evaluation::Classes(report), Truth::Classes { labels, .. }) => {
            let labels: Vec<usize> = tested.iter().map(|&item| labels[item]).collect();
            classes::draw(&told, report, &labels, page);
        }
        (Evaluation::Numbers(_), Truth::Numbers { name, values }) => {
            let values: Vec<f64> = tested.iter().map(|&item| values[item]).collect();
            numbers::draw(&told, name, &values, page);
        }
        _ => {}
    }
}

/// Shows the tested examples of which predictions were worst, by places among them; those without a badness were right.
pub(super) fn mistakes(
    all: &Told<'_>,
    badness: impl Fn(usize) -> Option<f64>,
    page: &mut Markup,
    told: impl Fn(usize, &mut Markup),
) {
    let places = 0..all.tested.len();
    let mut worst: Vec<(f64, usize)> = places.filter_map(|place| Some((badness(place)?, place))).collect();
    worst.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    page.text("h2", &[], "Worst mistakes");
    if worst.is_empty() {
        return page.text("p", &[], "There are none: all examples were told right.");
    }
    page.element("ol", &[("class", "cards")], |list| {
        for (rank, &(_, place)) in worst.iter().take(WORST_PICTURES).enumerate() {
            let shown = (all.show)(all.tested[place]);
            if rank >= WORST_ROWS && !matches!(shown, Ok(Shown::Picture { .. })) {
                break;
            }
            list.element("li", &[], |card| {
                match shown {
                    Ok(shown) => shown.draw(card),
                    Err(error) => card.told("p", &[], &error.to_string()),
                }
                card.element("div", &[("class", "said")], |said| told(place, said));
            });
        }
    });
}
