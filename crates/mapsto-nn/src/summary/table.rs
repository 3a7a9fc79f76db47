//! A summary as text.

use super::{LayerSummary, ReceptiveField, Summary};
use std::fmt;

/// `1234567` as `1,234,567`; nothing for zero.
fn count(number: u64) -> String {
    let digits = if number == 0 { String::new() } else { number.to_string() };
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1814073344` as `1.81 G`.
fn rounded(number: u64, base: f64, units: [&str; 5]) -> String {
    let (mut value, mut unit) = (number as f64, 0);
    // Not `1000 k` but `1.00 M`.
    while value >= base * 0.9995 && unit + 1 < units.len() {
        (value, unit) = (value / base, unit + 1);
    }
    let decimals = match value {
        _ if unit == 0 => 0,
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", units[unit])
}

fn bytes(number: u64) -> String {
    rounded(number, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB"])
}

/// Sizes by `x`, or one that all axes have alone.
fn by_axis(field: &[ReceptiveField], show: impl Fn(&ReceptiveField) -> String) -> String {
    let all: Vec<String> = field.iter().map(show).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) { all.first().cloned().unwrap_or_default() } else { all.join("x") }
}

impl LayerSummary {
    fn cells(&self, parent: &str) -> [String; 7] {
        let name = if self.depth == 0 { "network" } else { self.path[parent.len()..].trim_start_matches('.') };
        let mut parameters = count(self.trainable);
        for (number, what) in [(self.frozen, "frozen"), (self.shared, "shared")] {
            if number > 0 {
                let space = if parameters.is_empty() { "" } else { " + " };
                parameters += &format!("{space}{} {what}", count(number));
            }
        }
        let outputs: Vec<String> = self.outputs.iter().map(|shape| format!("{shape:?}")).collect();
        // Three decimals, as many as there are.
        let stride = |axis: &ReceptiveField| ((axis.stride * 1e3).round() / 1e3).to_string();
        let field = match &self.receptive_field[..] {
            [] => String::new(),
            field => format!("{} by {}", by_axis(field, |axis| count(axis.size)), by_axis(field, stride)),
        };
        [
            format!("{}{name}", "  ".repeat(self.depth)),
            self.kind.clone(),
            outputs.join(" "),
            parameters,
            count(self.multiply_adds),
            field,
            if self.activations == 0 { String::new() } else { bytes(self.activations) },
        ]
    }
}

impl fmt::Display for Summary {
    /// A line a module, then the sums.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["layer", "kind", "output", "parameters", "multiply-adds", "sees", "keeps"];
        let mut rows: Vec<[String; 7]> = vec![heads.map(String::from)];
        let mut above: Vec<&str> = Vec::new();
        for layer in &self.layers {
            above.truncate(layer.depth);
            rows.push(layer.cells(above.last().unwrap_or(&"")));
            above.push(&layer.path);
        }
        let widths: [usize; 7] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
        for row in &rows {
            let cell = |(column, text): (usize, &String)| {
                let width = widths[column];
                if column < 3 { format!("{text:<width$}") } else { format!("{text:>width$}") }
            };
            let line: Vec<String> = row.iter().enumerate().map(cell).collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        let inputs: Vec<String> = self.inputs.iter().map(|shape| format!("{shape:?}")).collect();
        let memory = &self.memory;
        writeln!(f)?;
        writeln!(f, "inputs         {}", inputs.join(" "))?;
        write!(f, "parameters     {}", rounded(self.parameters, 1000.0, ["", "k", "M", "G", "T"]).trim_end())?;
        writeln!(f, ", of which {} are trained", rounded(self.trainable, 1000.0, ["", "k", "M", "G", "T"]).trim_end())?;
        writeln!(f, "multiply-adds  {}", rounded(self.multiply_adds, 1000.0, ["", "k", "M", "G", "T"]).trim_end())?;
        let parts = [
            ("parameters", memory.parameters),
            ("buffers", memory.buffers),
            ("inputs", memory.inputs),
            ("activations", memory.activations),
            ("gradients", memory.gradients),
            ("optimiser", memory.optimizer),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(_, size)| *size > 0).map(|(what, size)| format!("{} {what}", bytes(*size))).collect();
        write!(f, "training step  {}: {}", bytes(memory.total), parts.join(", "))
    }
}
