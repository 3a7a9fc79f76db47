//! The losses of the epochs so far, drawn for a terminal.

use console::Term;
use mapsto_nn::{CHART_EDGE, chart};

/// Rows of the chart.
const ROWS: usize = 8;
/// The most columns of the chart.
const COLUMNS: usize = 70;
/// Columns below which there is nothing to see.
const LEAST: usize = 20;

/// The losses of the epochs so far.
#[derive(Debug, Default)]
pub struct Losses {
    training: Vec<f64>,
    validation: Vec<f64>,
}

impl Losses {
    /// An epoch is done, with the losses that it has on one scale.
    pub fn push(&mut self, training: Option<f64>, validation: Option<f64>) {
        self.training.extend(training);
        self.validation.extend(validation);
    }

    /// The chart and what its marks mean; empty before the second epoch, and in a terminal that is too narrow.
    pub fn draw(&self, columns: usize) -> String {
        let width = columns.saturating_sub(CHART_EDGE + 1).min(COLUMNS);
        let series = [('●', "loss", &self.training), ('·', "validation loss", &self.validation)];
        let shown: Vec<_> = series.into_iter().filter(|(.., values)| values.len() > 1).collect();
        if shown.is_empty() || width < LEAST {
            return String::new();
        }
        let marks: Vec<(char, &[f64])> = shown.iter().map(|(mark, _, values)| (*mark, &values[..])).collect();
        let names: Vec<String> = shown.iter().map(|(mark, name, _)| format!("{mark} {name}")).collect();
        let mut lines = chart([ROWS, width], &marks);
        lines.push(format!("{:CHART_EDGE$}{}", "", names.join("   ")));
        lines.join("\n")
    }
}

/// Columns of the terminal that standard error is.
pub fn terminal_columns() -> usize {
    Term::stderr().size_checked().map_or(0, |(_, columns)| columns.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_drawn() {
        let mut losses = Losses::default();
        losses.push(Some(1.0), Some(1.5));
        assert_eq!(losses.draw(80), "");
        losses.push(Some(0.5), Some(1.0));
        let trimmed: Vec<String> = losses.draw(31).lines().map(|line| line.trim_end().to_string()).collect();
        assert_eq!((trimmed.len(), trimmed[0].as_str()), (9, "   1.500 ··········"));
        assert_eq!(trimmed[7], "   0.500           ●●●●●●●●●●●");
        assert_eq!(trimmed[8], "         ● loss   · validation loss");
        assert!(losses.draw(200).lines().all(|line| line.chars().count() <= COLUMNS + CHART_EDGE));
        assert_eq!((losses.draw(25), losses.draw(0)), (String::new(), String::new()));
    }

    #[test]
    fn one_loss_is_drawn_alone() {
        let mut losses = Losses::default();
        (0..3).for_each(|i| losses.push(Some(f64::from(i)), None));
        assert!(losses.draw(80).ends_with("         ● loss"));
    }
}
