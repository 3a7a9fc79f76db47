//! Wide tables: a row a series, its numbers in the order of the columns.

use super::{Found, Series, SeriesColumns, SeriesError};
use crate::folders::Part;
use crate::table::{Column, Table, TableOptions, Values};
use crate::{LABELS, PARTS};
use std::path::Path;

/// Columns that are named where one is missing.
const NAMED: usize = 8;

/// Reads a table; whether there must be a column of classes.
pub(super) fn read(path: &Path, columns: &SeriesColumns, labelled: bool) -> Result<Found, SeriesError> {
    let whole = |what: String| SeriesError::Whole { path: path.to_owned(), what };
    let table = Table::read(path, &TableOptions::default())?;
    let named = |name: &String| table.column(name).map_err(|e| whole(e.to_string()));
    let usual = |names: &[&str]| {
        let called = |name: &&str| table.columns().iter().find(|column| column.name.eq_ignore_ascii_case(name));
        names.iter().find_map(called)
    };
    let label = match &columns.label {
        Some(name) if labelled => Some(named(name)?),
        Some(name) => named(name).ok(),
        None => usual(&LABELS),
    };
    if labelled && label.is_none() {
        let names: Vec<String> =
            table.columns().iter().take(NAMED).map(|column| format!("{:?}", column.name)).collect();
        let more = if table.columns().len() > NAMED { ", ..." } else { "" };
        let (usual, names) = (LABELS.join(", "), names.join(", "));
        return Err(whole(format!("no column has classes ({usual}): name it with --target; there are {names}{more}")));
    }
    if labelled {
        columns.ignore.iter().try_for_each(|name| named(name).map(|_| ()))?;
    }
    let part = usual(&PARTS).and_then(|column| Some((column, parts(&column.values)?)));
    let is_step = |column: &&Column| {
        let others = [label, part.as_ref().map(|(column, _)| *column)];
        !others.iter().flatten().any(|other| other.name == column.name) && !columns.ignore.contains(&column.name)
    };
    let steps: Vec<&[f64]> = table
        .columns()
        .iter()
        .filter(is_step)
        .map(|column| numbers(column).map_err(whole))
        .collect::<Result<_, _>>()?;
    if steps.is_empty() {
        return Err(whole("there are no columns of numbers: each is a step of the series".into()));
    }
    let mut series = Vec::new();
    for row in 0..table.rows() {
        let name = format!("{}: row {}", path.display(), row + 1);
        let mut values: Vec<f64> = steps.iter().map(|values| values[row]).collect();
        // Series that are shorter than the table is wide end in empty fields.
        values.truncate(values.iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1));
        let one = Series::new(name.clone(), &mut [values]).map_err(|what| SeriesError::Row { name, what })?;
        series.push(one);
    }
    let labels: Vec<Option<String>> =
        (0..table.rows()).map(|row| label.and_then(|column| column.values.written(row))).collect();
    if let Some(row) = labels.iter().position(Option::is_none).filter(|_| labelled) {
        let (name, what) = (series[row].name.clone(), "there is no class; leave the row out, or give it one".into());
        return Err(SeriesError::Row { name, what });
    }
    Ok(Found { series, labels, parts: part.map(|(_, parts)| parts), column: label.map(|column| column.name.clone()) })
}

fn numbers(column: &Column) -> Result<&[f64], String> {
    match &column.values {
        Values::Numbers(values) => Ok(values),
        other => {
            let (name, kind) = (&column.name, other.kind().name());
            let mend = format!("leave it out with --set ignore={name}, or name the classes' column with --target");
            Err(format!("{name:?} is a column of kind {kind}, no step of series: {mend}"))
        }
    }
}

/// What each row is for, if nothing else stands there.
fn parts(values: &Values) -> Option<Vec<Part>> {
    (0..values.len()).map(|row| Part::of(&values.written(row)?)).collect()
}
