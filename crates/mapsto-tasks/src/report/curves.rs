//! What the metrics file tells of the epochs.

use super::heat::Heat;
use super::markup::Markup;
use super::plot::{Line, Plot};
use mapsto_train::short;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the names of the gradients of layers begin with.
const GRADIENT: &str = "gradient/";
/// The most rows and columns of a heat map.
const CELLS: [usize; 2] = [60, 80];

/// The epochs of one network.
struct Stage<'a> {
    name: &'a str,
    epochs: Vec<&'a Value>,
}

/// The epochs that the lines of a metrics file tell of, network by network.
fn stages(records: &[Value]) -> Vec<Stage<'_>> {
    let mut all: Vec<Stage<'_>> = Vec::new();
    for record in records.iter().filter(|record| record["event"] == "epoch") {
        let name = record["stage"].as_str().unwrap_or_default();
        match all.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.epochs.push(record),
            None => all.push(Stage { name, epochs: vec![record] }),
        }
    }
    all
}

/// Seconds that all epochs took.
pub fn seconds(records: &[Value]) -> f64 {
    records.iter().filter_map(|record| record["seconds"].as_f64()).sum()
}

/// Curves over the epochs.
///
/// The training loss of numbers is one of scaled numbers, the validation loss is not: they cannot stand side by side.
pub fn draw(records: &[Value], page: &mut Markup) {
    let numbers = records.iter().any(|record| record.get("val_mae").is_some());
    let stages = stages(records);
    if stages.is_empty() {
        return;
    }
    page.text("h2", &[], "Training");
    page.element("div", &[("class", "figures")], |figures| {
        let both = [("loss", "training"), ("val_loss", "validation")];
        let curves = [
            ("Loss", "loss", if numbers { &both[..1] } else { &both[..] }, 1.0),
            ("Validation loss", "RMSE", if numbers { &both[1..] } else { &[] }, 1.0),
            ("Accuracy", "accuracy, %", &[("accuracy", "training"), ("val_accuracy", "validation")][..], 100.0),
            ("Mean absolute error", "error", &[("val_mae", "validation")][..], 1.0),
            ("Learning rate", "rate", &[("rate", "rate")][..], 1.0),
            ("Gradient", "norm", &[("gradient_norm", "norm")][..], 1.0),
        ];
        for (title, unit, fields, scale) in curves {
            let lines = lines(&stages, fields, scale);
            if lines.is_empty() {
                continue;
            }
            let plot = Plot {
                title: title.to_string(),
                note: if fields.contains(&both[1]) { note(&stages) } else { String::new() },
                axes: ["epoch".to_string(), unit.to_string()],
                lines,
                ..Plot::default()
            };
            plot.draw(figures);
        }
        for name in others(records) {
            let measured = name.trim_start_matches("val_").replace('_', " ");
            let lines = lines(&stages, &[(&name, "validation")], 1.0);
            Plot { title: measured.clone(), axes: ["epoch".into(), measured], lines, ..Plot::default() }.draw(figures);
        }
        // Of a cross-validation, the network that is kept tells most.
        if let Some(stage) = stages.iter().find(|stage| !stage.name.starts_with("fold")).or(stages.first()) {
            gradients(stage, stages.len() > 1, figures);
        }
    });
}

/// What tasks measure on the validation part besides what most of them do.
fn others(records: &[Value]) -> BTreeSet<String> {
    let names = records.iter().filter_map(Value::as_object).flat_map(|record| record.keys());
    let known = ["val_loss", "val_accuracy", "val_mae"];
    names.filter(|name| name.starts_with("val_") && !known.contains(&name.as_str())).cloned().collect()
}

/// The lines of some fields: of one network a colour for each field, of several a colour for each network.
fn lines(stages: &[Stage<'_>], fields: &[(&str, &str)], scale: f64) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        for (place, (field, name)) in fields.iter().enumerate() {
            let point = |epoch: &&Value| Some([epoch["epoch"].as_f64()?, scale * epoch[field].as_f64()?]);
            let points: Vec<[f64; 2]> = stage.epochs.iter().filter_map(point).collect();
            let (name, colour) = match (stages.len(), fields.len()) {
                (1, _) => (name.to_string(), place),
                (_, 1) => (stage.name.to_string(), number),
                _ => (format!("{}, {name}", stage.name), number),
            };
            if !points.is_empty() {
                lines.push(Line { name, colour, dashed: place > 0 && stages.len() > 1, points });
            }
        }
    }
    lines
}

/// The epoch that counts, where a validation part chose it.
fn note(stages: &[Stage<'_>]) -> String {
    let [stage] = stages else { return String::new() };
    let losses = stage.epochs.iter().filter_map(|epoch| Some((epoch["val_loss"].as_f64()?, epoch["epoch"].as_u64()?)));
    match losses.min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((loss, epoch)) => format!("The validation loss is least in epoch {epoch}: {}.", short(loss)),
        None => String::new(),
    }
}

/// The gradient of each layer over the epochs, as a heat map of its order of magnitude.
fn gradients(stage: &Stage<'_>, several: bool, figures: &mut Markup) {
    let mut layers: Vec<&str> = Vec::new();
    for name in stage.epochs.iter().filter_map(|epoch| epoch.as_object()).flat_map(|fields| fields.keys()) {
        if let Some(layer) = name.strip_prefix(GRADIENT).filter(|layer| !layers.contains(layer)) {
            layers.push(layer);
        }
    }
    if layers.is_empty() {
        return;
    }
    layers.sort_by_key(|layer| natural(layer));
    let [rows, columns] = [(layers.len(), CELLS[0]), (stage.epochs.len(), CELLS[1])].map(|(all, most)| {
        let shown = all.min(most);
        (0..shown).map(|i| i * all / shown).collect::<Vec<usize>>()
    });
    let norm = |layer: usize, epoch: usize| {
        let norm = stage.epochs[epoch][format!("{GRADIENT}{}", layers[layer])].as_f64()?;
        (norm > 0.0).then(|| norm.log10())
    };
    let all = rows.iter().flat_map(|&row| columns.iter().filter_map(move |&column| norm(row, column)));
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return;
    }
    let title = format!("Gradient of each layer{}", if several { format!(", {}", stage.name) } else { String::new() });
    let left_out = match layers.len() - rows.len() {
        0 => String::new(),
        _ => format!(" {} of {} layers are shown.", rows.len(), layers.len()),
    };
    let [least, greatest] = [low, high].map(|power| short(10f64.powf(power)));
    let note = format!("Norms from {least} (faint) to {greatest} (strong), the epochs from left to right.{left_out}");
    let cell = |row: usize, column: usize| {
        let power = norm(rows[row], columns[column])?;
        let share = if high > low { (power - low) / (high - low) } else { 1.0 };
        let epoch = &stage.epochs[columns[column]]["epoch"];
        Some((share, format!("{}, epoch {epoch}: {}", layers[rows[row]], short(10f64.powf(power)))))
    };
    let names = rows.iter().map(|&row| layers[row].to_string()).collect();
    Heat { title, note, rows: names, columns: columns.len(), names: Vec::new(), cell: &cell }.draw(figures);
}

/// Numbers in a name in the order of their values: `2.weight` before `10.weight`.
fn natural(name: &str) -> Vec<(u64, String)> {
    name.split('.').map(|part| (part.parse().unwrap_or(u64::MAX), part.to_string())).collect()
}
