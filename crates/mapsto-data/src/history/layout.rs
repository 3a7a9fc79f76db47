//! Which columns of a table are times, names of series, targets and what goes with them.

use crate::table::{Column, Kind, Table, TableError, Values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What columns of times are called where they hold plain numbers.
const TIMES: [&str; 10] = ["time", "date", "datetime", "timestamp", "ds", "year", "month", "week", "step", "t"];
/// Whole numbers that are years, in a column that has no other meaning.
const YEARS: std::ops::RangeInclusive<f64> = 1500.0..=2200.0;
/// The most categories of a column of which each becomes a variable.
const MOST_CATEGORIES: usize = 16;

/// Columns of a table of histories, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryColumns {
    /// What is to be forecast.
    pub targets: Vec<String>,
    /// Of times. Found: the first column of times, or else one of numbers that is called so, or that are all years.
    pub time: Option<String>,
    /// Of the names of several series.
    pub series: Option<String>,
    /// What is known of the future, too.
    pub known: Vec<String>,
    /// What says nothing.
    pub ignore: Vec<String>,
}

/// A number of each step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// The column.
    pub column: String,
    /// The category that is told by 1 from all others, of a column of categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

/// How a table of histories is read: saved with what learned from one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The column of times.
    pub time: String,
    /// The column of the names of series, if there are several.
    pub series: Option<String>,
    /// What is forecast.
    pub targets: Vec<Variable>,
    /// What is known of the past alone.
    pub past: Vec<Variable>,
    /// What is known of the future, too.
    pub known: Vec<Variable>,
    /// What kinds of values the columns have.
    pub kinds: BTreeMap<String, Kind>,
    /// Columns of other kinds, which are left out.
    pub left_out: Vec<String>,
}

impl Layout {
    /// What a table's columns are.
    ///
    /// # Errors
    /// Columns that are not there, or of another kind than they must be; one that has two meanings.
    pub fn of(table: &Table, columns: &HistoryColumns) -> Result<Layout, String> {
        let find = |name: &String| table.column(name).map_err(|e: TableError| e.to_string());
        let time = match &columns.time {
            Some(name) => find(name)?.name.clone(),
            None => time(table, columns)?,
        };
        let series = columns.series.as_ref().map(find).transpose()?.map(|column| column.name.clone());
        let mut taken: Vec<&String> = Vec::new();
        let named = columns.targets.iter().chain(&columns.known).chain(&columns.ignore);
        for name in [&time].into_iter().chain(&series).chain(named) {
            find(name)?;
            if taken.contains(&name) {
                return Err(format!("{name:?} is named twice, as the time, the series, a target, known or ignored"));
            }
            taken.push(name);
        }
        let mut layout = Layout {
            targets: Vec::new(),
            past: Vec::new(),
            known: Vec::new(),
            kinds: table.kinds(),
            left_out: Vec::new(),
            time: time.clone(),
            series: series.clone(),
        };
        for name in &columns.targets {
            match find(name)?.values {
                Values::Numbers(_) => layout.targets.push(Variable { column: name.clone(), category: None }),
                ref other => {
                    let kind = other.kind().name();
                    return Err(format!("{name:?} is a column of kind {kind}: numbers are forecast"));
                }
            }
        }
        for name in &columns.known {
            let variables =
                variables(find(name)?).ok_or_else(|| format!("{name:?} holds neither numbers nor a few categories"))?;
            layout.known.extend(variables);
        }
        for column in table.columns().iter().filter(|column| !taken.contains(&&column.name)) {
            match variables(column) {
                Some(variables) => layout.past.extend(variables),
                None => layout.left_out.push(column.name.clone()),
            }
        }
        Ok(layout)
    }

    /// All variables: targets, what goes with them, what is known.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.targets.iter().chain(&self.past).chain(&self.known)
    }
}

/// What a column becomes: itself, or one variable a category.
fn variables(column: &Column) -> Option<Vec<Variable>> {
    let of = |category: Option<&String>| Variable { column: column.name.clone(), category: category.cloned() };
    match &column.values {
        Values::Numbers(_) => Some(vec![of(None)]),
        Values::Categories { names, .. } if names.len() <= MOST_CATEGORIES => {
            Some(names.iter().map(|name| of(Some(name))).collect())
        }
        _ => None,
    }
}

/// The column of times: one of dates, one that is called so, one of years.
fn time(table: &Table, columns: &HistoryColumns) -> Result<String, String> {
    let is_time = |column: &&Column| column.values.kind() == Kind::Time;
    let is_called = |name: &str| {
        let called = |column: &&Column| column.name.eq_ignore_ascii_case(name) && column.values.kind() == Kind::Number;
        table.columns().iter().find(called)
    };
    let named = || columns.targets.iter().chain(&columns.known).chain(&columns.ignore).chain(&columns.series);
    let is_years = |column: &&Column| match &column.values {
        Values::Numbers(values) => {
            let is_year = |value: &f64| value.fract() == 0.0 && YEARS.contains(value);
            values.iter().all(is_year) && !named().any(|name| *name == column.name)
        }
        _ => false,
    };
    let all = table.columns();
    let found = all.iter().find(is_time).or_else(|| TIMES.iter().find_map(|name| is_called(name)));
    let found = found.or_else(|| all.iter().find(is_years));
    found.map(|column| column.name.clone()).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|column| format!("{:?}", column.name)).collect();
        let mend = "name it with --set time=COLUMN, and write dates as 2024-01-31 or 2024-01";
        format!("no column holds times: {mend}; there are {}", names.join(", "))
    })
}
