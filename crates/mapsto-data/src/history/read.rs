//! Tables to histories.

use super::clock::seconds;
use super::{Clock, HistoryColumns, HistoryError, Layout, Variable};
use crate::series::fill;
use crate::table::{Table, TableOptions, Values};
use jiff::civil::Date;
use std::collections::HashMap;
use std::path::Path;

/// How many times more steps than rows there may be, and so many besides.
const SPARSE: [usize; 2] = [20, 1000];
/// The most series.
const MOST_SERIES: usize = 1_000_000;
/// The greatest number: squares of greater ones, and their sums, could be infinite.
const GREATEST: f64 = 1e100;
/// Names that are told of several.
const NAMED: usize = 3;

/// A series over time.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The name in the column of series; empty if there is none.
    pub name: String,
    /// The first point in time.
    pub start: f64,
    /// Steps of which the targets are told.
    pub length: usize,
    /// The numbers of each variable, as [`Layout::variables`] has them, without gaps: those that are known of the future reach beyond the
    /// length where the table does.
    pub values: Vec<Vec<f64>>,
}

/// The series of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Histories {
    /// The series, in the order in which the table begins them.
    pub all: Vec<History>,
    /// Their points in time.
    pub clock: Clock,
    /// What the table's columns are.
    pub layout: Layout,
    /// What was found and mended, for a person.
    pub notes: Vec<String>,
}

/// What was mended.
#[derive(Default)]
struct Mended {
    unsorted: bool,
    averaged: usize,
    steps: usize,
    values: usize,
    first: Option<String>,
    constant: Vec<String>,
}

impl Histories {
    /// Reads a table: CSV, TSV, Parquet or NumPy's arrays, as [`Table::read`] does. A row is a point in time of a series.
    ///
    /// Rows are put in order of time. The step is what most of them lie apart; what is missing between is filled by straight lines.
    /// Rows behind the last number of any target are the future: of them what is known is kept. Numbers of eight digits that all are dates,
    /// as 20240131, are read as these.
    ///
    /// # Errors
    /// A table that cannot be read; columns that are not there or of another kind; a row without a time, or two with the same one unless
    /// these are to be averaged; times that lie on no step; infinite numbers; a target without numbers.
    pub fn read(path: &Path, columns: &HistoryColumns, average: bool) -> Result<Histories, HistoryError> {
        let whole = |what| HistoryError::Whole { path: path.to_owned(), what };
        let table = Table::read(path, &TableOptions::default())?;
        let layout = Layout::of(&table, columns).map_err(whole)?;
        Histories::of(&table, layout, None, average).map_err(whole)
    }

    /// Reads a table with columns as of one that was read before.
    ///
    /// # Errors
    /// Those of [`Histories::read`]; another step than there.
    pub fn read_like(path: &Path, layout: &Layout, clock: Clock, average: bool) -> Result<Histories, HistoryError> {
        let whole = |what| HistoryError::Whole { path: path.to_owned(), what };
        let table = Table::read(path, &TableOptions { kinds: layout.kinds.clone(), ..TableOptions::default() })?;
        Histories::of(&table, layout.clone(), Some(clock), average).map_err(whole)
    }

    fn of(table: &Table, layout: Layout, clock: Option<Clock>, average: bool) -> Result<Histories, String> {
        let (times, dated) = times(table, &layout)?;
        let columns = layout.variables().map(|variable| column(table, variable)).collect::<Result<Vec<_>, _>>()?;
        let mut mended = Mended::default();
        let mut groups = groups(table, &layout)?;
        for (name, rows) in &mut groups {
            if let Some(row) = rows.iter().find(|row| times[**row].is_nan()) {
                let (row, column) = (row + 1, &layout.time);
                return Err(format!("row {row} has no time in {column:?}; fill it in, or leave the row out"));
            }
            mended.unsorted |= !rows.is_sorted_by(|a, b| times[*a] <= times[*b]);
            rows.sort_by(|a, b| times[*a].total_cmp(&times[*b]));
            if let Some(pair) = rows.windows(2).find(|pair| times[pair[0]] == times[pair[1]]).filter(|_| !average) {
                let told = Clock { step: super::Step::Even(1.0), dated }.text(times[pair[0]]);
                let of = if name.is_empty() { String::new() } else { format!(" of {name:?}") };
                let mend =
                    "leave one out, name the column of several series with --set series=COLUMN, or set duplicates=mean";
                let (first, second) = (pair[0] + 1, pair[1] + 1);
                return Err(format!("rows {first} and {second}{of} have the same time, {told}: {mend}"));
            }
        }
        // Rows of one time become one.
        let groups: Vec<(String, Vec<Vec<usize>>)> = groups
            .into_iter()
            .map(|(name, rows)| {
                let same: Vec<Vec<usize>> =
                    rows.chunk_by(|a, b| times[*a] == times[*b]).map(<[usize]>::to_vec).collect();
                mended.averaged += rows.len() - same.len();
                (name, same)
            })
            .collect();
        let of_time: Vec<Vec<f64>> =
            groups.iter().map(|(_, rows)| rows.iter().map(|same| times[same[0]]).collect()).collect();
        let found = match clock {
            Some(clock) if clock.dated != dated => {
                Err("times and plain numbers are told apart: the network learned from the other".into())
            }
            Some(clock) => Ok(clock),
            None => Clock::of(of_time.iter().map(Vec::as_slice), dated),
        };
        let clock = found?;
        let mut all = Vec::new();
        for ((name, rows), times) in groups.into_iter().zip(&of_time) {
            all.extend(history(name, &rows, times, &columns, &layout, clock, &mut mended)?);
        }
        if all.is_empty() {
            let targets: Vec<String> = layout.targets.iter().map(|target| format!("{:?}", target.column)).collect();
            return Err(format!("there are no numbers in {}", targets.join(", ")));
        }
        let notes = mended.notes(&layout);
        Ok(Histories { all, clock, layout, notes })
    }
}

/// The points in time of all rows, and whether they are dates.
fn times(table: &Table, layout: &Layout) -> Result<(Vec<f64>, bool), String> {
    match &table.column(&layout.time).map_err(|e| e.to_string())?.values {
        Values::Times(values) => Ok((values.to_vec(), true)),
        Values::Numbers(values) => Ok(match values.iter().map(|value| digits(*value)).collect() {
            Some(dates) => (dates, true),
            None => (values.to_vec(), false),
        }),
        other => {
            let (name, kind) = (&layout.time, other.kind().name());
            Err(format!("{name:?} is a column of kind {kind}: it has no times. Are they written as 2024-01-31?"))
        }
    }
}

/// A date that is written as one number: 20240131.
fn digits(number: f64) -> Option<f64> {
    if number.fract() != 0.0 || !(10_000_000.0..100_000_000.0).contains(&number) {
        return None;
    }
    let number = number as i32;
    let date = Date::new((number / 10_000) as i16, (number / 100 % 100) as i8, (number % 100) as i8).ok()?;
    seconds(date.into())
}

/// The numbers of a variable in all rows, NaN where one is missing.
fn column(table: &Table, variable: &Variable) -> Result<Vec<f64>, String> {
    let name = &variable.column;
    let values = &table.column(name).map_err(|e| e.to_string())?.values;
    let numbers = match (values, &variable.category) {
        (Values::Numbers(values), None) => values.to_vec(),
        (values, Some(category)) => {
            let one = |row| values.written(row).map_or(f64::NAN, |text| f64::from(u8::from(text == *category)));
            (0..values.len()).map(one).collect()
        }
        (other, None) => return Err(format!("{name:?} is a column of kind {}, no number", other.kind().name())),
    };
    match numbers.iter().position(|number| number.abs() > GREATEST) {
        Some(row) => Err(format!("{name:?} is {:e} in row {}, too large a number", numbers[row], row + 1)),
        None => Ok(numbers),
    }
}

/// The rows of each series.
fn groups(table: &Table, layout: &Layout) -> Result<Vec<(String, Vec<usize>)>, String> {
    let Some(name) = &layout.series else { return Ok(vec![(String::new(), (0..table.rows()).collect())]) };
    let values = &table.column(name).map_err(|e| e.to_string())?.values;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for row in 0..table.rows() {
        let text = values.written(row).ok_or_else(|| format!("row {} has no series in {name:?}", row + 1))?;
        let place = *places.entry(text).or_insert_with_key(|text| {
            groups.push((text.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(row);
        if groups.len() > MOST_SERIES {
            return Err(format!("{name:?} names more than {MOST_SERIES} series: is it the right column?"));
        }
    }
    Ok(groups)
}

/// A series on its steps; none if its targets have no numbers.
fn history(
    name: String,
    rows: &[Vec<usize>],
    times: &[f64],
    columns: &[Vec<f64>],
    layout: &Layout,
    clock: Clock,
    mended: &mut Mended,
) -> Result<Option<History>, String> {
    let targets = layout.targets.len();
    let mean = |rows: &[usize], column: &[f64]| {
        let (count, sum) = rows
            .iter()
            .map(|row| column[*row])
            .filter(|value| !value.is_nan())
            .fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
        sum / count
    };
    let is_told = |same: &Vec<usize>| columns[..targets].iter().any(|column| !mean(same, column).is_nan());
    let (Some(first), Some(last)) = (rows.iter().position(is_told), rows.iter().rposition(is_told)) else {
        return Ok(None);
    };
    let mut places = vec![0];
    for pair in times[first..].windows(2) {
        let steps = clock.steps(pair[0], pair[1]).ok_or_else(|| {
            let [from, to] = [pair[0], pair[1]].map(|time| clock.text(time));
            format!("a step is {}, but {to} comes behind {from}", clock.step_text())
        })?;
        places.push(places.last().map_or(0, |place: &usize| place.saturating_add(steps)));
    }
    let (length, total) = (places[last - first] + 1, places.last().map_or(1, |last| last.saturating_add(1)));
    if total > places.len().saturating_mul(SPARSE[0]).saturating_add(SPARSE[1]) {
        let (rows, step) = (places.len(), clock.step_text());
        return Err(format!("{rows} rows reach over {total} steps of {step}: is a time wrong?"));
    }
    let of = if name.is_empty() { String::new() } else { format!(" of {name:?}") };
    mended.steps += length - (last + 1 - first);
    let mut values = Vec::new();
    for (number, (column, variable)) in columns.iter().zip(layout.variables()).enumerate() {
        let is_known = number >= targets + layout.past.len();
        let mut numbers = vec![f64::NAN; if is_known { total } else { length }];
        for (same, &place) in rows[first..].iter().zip(&places) {
            if let Some(to) = numbers.get_mut(place) {
                *to = mean(same, column);
                if to.is_nan() && place < length {
                    mended.values += 1;
                }
            }
        }
        if let Some(gap) = numbers.iter().take(length).position(|number| number.is_nan()) {
            let told = format!("{:?}{of} at {}", variable.column, clock.text(clock.at(times[first], gap)));
            mended.first.get_or_insert(told);
        }
        if fill(&mut numbers).is_none() {
            // What nothing is known of says nothing.
            numbers.fill(0.0);
            if number < targets {
                return Err(format!("there are no numbers{of} in {:?}", variable.column));
            }
        }
        if number < targets && numbers.iter().all(|number| *number == numbers[0]) {
            mended.constant.push(if name.is_empty() { variable.column.clone() } else { name.clone() });
        }
        values.push(numbers);
    }
    Ok(Some(History { name, start: times[first], length, values }))
}

impl Mended {
    fn notes(self, layout: &Layout) -> Vec<String> {
        let quoted = |names: &[String]| {
            let named: Vec<String> = names.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
            let more = names.len().saturating_sub(NAMED);
            if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
        };
        let mut notes = Vec::new();
        if self.unsorted {
            notes.push("rows are not in order of time: they are sorted".to_string());
        }
        if self.averaged > 0 {
            notes.push(format!("rows with a time that others have, whose means count: {}", self.averaged));
        }
        if let Some(first) = self.first {
            let (steps, values) = (self.steps, self.values);
            notes.push(format!("filled by straight lines: missing steps {steps}, values {values}, first {first}"));
        }
        if !self.constant.is_empty() {
            notes.push(format!("constant: {}", quoted(&self.constant)));
        }
        if !layout.left_out.is_empty() {
            notes.push(format!("columns of other kinds, which are left out: {}", quoted(&layout.left_out)));
        }
        notes
    }
}
