//! What a regressor's predictions are worth.

use super::answers::{Told, mistakes};
use super::markup::Markup;
use super::plot::Plot;
use mapsto_train::short;

/// Bars of a histogram.
const BARS: usize = 30;
/// Points of a plot, as many as one can tell apart.
const POINTS: usize = 2000;

/// Predicted against true values, how the errors are spread, and the worst rows.
pub fn draw(them: &Told<'_>, name: &str, truth: &[f64], page: &mut Markup) {
    let predicted = them.predicted;
    let [low, high] = span(truth.iter().chain(predicted).copied());
    let room = 0.04 * (high - low).max(f64::MIN_POSITIVE);
    let both = Some([low - room, high + room]).filter(|_| high > low);
    let step = truth.len().div_ceil(POINTS).max(1);
    let points: Vec<[f64; 2]> = truth.iter().zip(predicted).step_by(step).map(|(t, p)| [*t, *p]).collect();
    let all = if step > 1 { format!(" {} of {} rows are shown.", points.len(), truth.len()) } else { String::new() };
    page.text("h2", &[], "Predictions");
    page.element("div", &[("class", "figures")], |figures| {
        let plot = Plot {
            title: "Predicted against true values".into(),
            note: format!("On the dashed line they are equal.{all}"),
            axes: [format!("true {name}"), format!("predicted {name}")],
            spans: [both, both],
            diagonal: true,
            points,
            ..Plot::default()
        };
        plot.draw(figures);
        let errors: Vec<f64> = truth.iter().zip(predicted).map(|(truth, predicted)| predicted - truth).collect();
        let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
        let plot = Plot {
            title: "Errors".into(),
            note: format!("Predicted less true value; the mean is {}.", short(mean)),
            axes: ["error".into(), "examples".into()],
            bars: histogram(&errors),
            ..Plot::default()
        };
        plot.draw(figures);
    });
    let error = |place: usize| Some((predicted[place] - truth[place]).abs());
    mistakes(them, error, page, |place, card| {
        let (truth, predicted) = (truth[place], predicted[place]);
        let told = format!("said {}, is {}: off by {}", short(predicted), short(truth), short(predicted - truth));
        card.text("p", &[], &told);
    });
}

fn span(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)])
}

/// How many values lie in each of some equal intervals: where it begins and ends, and how many.
fn histogram(values: &[f64]) -> Vec<[f64; 3]> {
    let [low, high] = span(values.iter().copied());
    let width = (high - low) / BARS as f64;
    if !(width > 0.0 && width.is_finite()) {
        return if low.is_finite() { vec![[low - 0.5, low + 0.5, values.len() as f64]] } else { Vec::new() };
    }
    let mut bars: Vec<[f64; 3]> =
        (0..BARS).map(|bar| [low + bar as f64 * width, low + (bar + 1) as f64 * width, 0.0]).collect();
    values.iter().for_each(|value| bars[(((value - low) / width) as usize).min(BARS - 1)][2] += 1.0);
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_count_all() {
        let bars = histogram(&[0.0, 0.5, 29.9, 30.0, 15.0]);
        assert_eq!((bars.len(), bars[0], bars[29], bars[15][2]), (30, [0.0, 1.0, 2.0], [29.0, 30.0, 2.0], 1.0));
        assert_eq!(histogram(&[3.0, 3.0]), [[2.5, 3.5, 2.0]]);
        assert!(histogram(&[]).is_empty());
    }
}
