//! What the column that is predicted says, and how rows are divided by columns.

use super::{Problem, TableConfig};
use crate::error::TaskError;
use crate::examples::{Answers, Truth};
use crate::task::Division;
use mapsto_data::{Table, Values};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A column of whole numbers of which at most so many are distinct is taken for classes.
const FEW: usize = 20;
/// The most classes.
const MOST_CLASSES: usize = 10_000;

/// The answers, and what was decided of them. Rows without an answer get one that means nothing.
pub(super) fn truth(
    name: &str,
    values: &Values,
    problem: Problem,
    known: Option<&Answers>,
) -> Result<(Truth, Problem), String> {
    let numbers = |values: &[f64]| -> Result<Truth, String> {
        if let Some(row) = values.iter().position(|value| value.is_infinite()) {
            return Err(format!("{name:?} is {} in row {}", values[row], row + 1));
        }
        Ok(Truth::Numbers { name: name.to_string(), values: values.to_vec() })
    };
    let is_class = match (known, problem) {
        (Some(Answers::Classes { .. }), _) => true,
        (Some(Answers::Number { .. }), _) => false,
        (None, Problem::Classification) => true,
        (None, Problem::Regression) => false,
        (None, Problem::Auto) => match values {
            Values::Numbers(values) => are_few_whole_numbers(values.iter().filter(|value| !value.is_nan())),
            Values::Times(_) => {
                let mend = "give a column of numbers or classes; a time can divide the rows: --set time=COLUMN";
                return Err(format!("{name:?} is a column of times, which are not predicted: {mend}"));
            }
            Values::Categories { .. } | Values::Texts(_) => true,
        },
    };
    if !is_class {
        return match values {
            Values::Numbers(values) => Ok((numbers(values)?, Problem::Regression)),
            other => {
                let kind = other.kind().name();
                Err(format!("{name:?} is a column of kind {kind}, no numbers: it cannot be regressed on"))
            }
        };
    }
    let (distinct, mut labels) = distinct(values);
    let mut names: Vec<String> = match known {
        Some(Answers::Classes { names }) => names.clone(),
        _ => {
            let mut names: Vec<String> = distinct.iter().flatten().cloned().collect();
            names.sort_by(numbers_first);
            names
        }
    };
    let rows = labels.len();
    if known.is_none() && (names.len() > MOST_CLASSES || (rows > FEW && names.len() * 2 > rows)) {
        let distinct = names.len();
        let numbers = matches!(values, Values::Numbers(_));
        let more = if numbers { " Numbers are predicted with --set problem=regression" } else { "" };
        let what = format!("{name:?} has {distinct} distinct values in {rows} rows, too many for classes");
        return Err(format!("{what}: is it the right column?{more}"));
    }
    let places: BTreeMap<String, usize> = names.drain(..).enumerate().map(|(place, name)| (name, place)).collect();
    let place = |text: &Option<String>| text.as_ref().map_or(Some(0), |text| places.get(text).copied());
    let known: Vec<Option<usize>> = distinct.iter().map(place).collect();
    for (row, label) in labels.iter_mut().enumerate() {
        let unknown = || {
            let text = distinct[*label].as_deref().unwrap_or_default();
            format!("{name:?} is {text:?} in row {}: the network knows no such class", row + 1)
        };
        *label = known[*label].ok_or_else(unknown)?;
    }
    let mut names = vec![String::new(); places.len()];
    places.into_iter().for_each(|(name, place)| names[place] = name);
    Ok((Truth::Classes { names, labels }, Problem::Classification))
}

/// The distinct values of a column as texts, none where they are missing, and which of them each row has.
fn distinct(values: &Values) -> (Vec<Option<String>>, Vec<usize>) {
    /// The numbers of keys in the order in which they come, and the row that each comes in first.
    fn numbered<K: Hash + Eq>(keys: impl Iterator<Item = K>) -> (Vec<usize>, Vec<usize>) {
        let (mut seen, mut firsts) = (HashMap::new(), Vec::new());
        let number = |(row, key)| {
            *seen.entry(key).or_insert_with(|| {
                firsts.push(row);
                firsts.len() - 1
            })
        };
        let of_row = keys.enumerate().map(number).collect();
        (firsts, of_row)
    }
    // Missing values are equal whatever their bits.
    let bits = |value: &f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    let (firsts, of_row) = match values {
        Values::Numbers(values) | Values::Times(values) => numbered(values.iter().map(bits)),
        Values::Categories { codes, .. } => numbered(codes.iter()),
        Values::Texts(texts) => numbered(texts.iter()),
    };
    (firsts.into_iter().map(|row| values.written(row)).collect(), of_row)
}

/// Numbers by their values, before all other texts.
fn numbers_first(a: &String, b: &String) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (x, y) => y.is_ok().cmp(&x.is_ok()).then_with(|| a.cmp(b)),
    }
}

fn are_few_whole_numbers<'a>(mut values: impl Iterator<Item = &'a f64>) -> bool {
    let mut distinct: Vec<f64> = Vec::new();
    values.all(|value| {
        if !distinct.contains(value) {
            distinct.push(*value);
        }
        value.fract() == 0.0 && distinct.len() <= FEW
    })
}

/// How the rows are to be divided.
pub(super) fn division(table: &Table, config: &TableConfig) -> Result<Division, TaskError> {
    let column = |name: &str| table.column(name).map_err(TaskError::input);
    match (config.group.as_str(), config.time.as_str()) {
        ("", "") => Ok(Division::Random),
        ("", time) => match &column(time)?.values {
            Values::Times(values) | Values::Numbers(values) => Ok(Division::Times(values.to_vec())),
            other => {
                let kind = other.kind().name();
                Err(TaskError::Input(format!("{time:?} is a column of kind {kind}: it has no times")))
            }
        },
        (group, "") => Ok(Division::Groups(distinct(&column(group)?.values).1)),
        _ => {
            Err(TaskError::input("rows are divided by groups or by time, not by both: leave one of group and time out"))
        }
    }
}
