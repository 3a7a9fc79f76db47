//! Series with their classes.

use super::{Found, Series, SeriesError, ts, wide};
use crate::folders::{self, Part};
use std::path::{Path, PathBuf};

/// How names end of the file to learn from, and of the one to be tested on.
const PAIR: [&str; 2] = ["_TRAIN", "_TEST"];
/// How names of files end that are looked for in a folder, in this order.
const EXTENSIONS: [&str; 5] = [ts::EXTENSION, "csv", "tsv", "parquet", "pq"];

/// Columns of a wide table, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesColumns {
    /// Of the classes. Found: `label`, `class`, `category`, `target` and the like.
    pub label: Option<String>,
    /// Those that are neither classes nor steps.
    pub ignore: Vec<String>,
}

/// Series with their classes.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSet {
    /// The series, all of as many channels.
    pub series: Vec<Series>,
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
    /// The class of each series, a place among the names.
    pub labels: Vec<usize>,
    /// What each is for.
    pub parts: Vec<Part>,
    /// The column of the classes, of a table.
    pub column: Option<String>,
}

impl SeriesSet {
    /// Reads series:
    /// - a file `.ts` of aeon and sktime, of one channel or several, of equal lengths or not;
    /// - a wide table ([`Table::read`](crate::Table::read)): a row a series of one channel, its numbers in the order of the columns, empty
    ///   fields behind the last one where series are shorter; a column of classes; perhaps one of parts, as of texts.
    ///
    /// A file whose name ends in `_TRAIN` is learned from, and the one beside it that ends in `_TEST` is the test part; a folder with one
    /// such file stands for it. Missing numbers, `?` in `.ts`, are filled by straight lines.
    ///
    /// # Errors
    /// What cannot be read or is no UTF-8; a line or a row that is no series, or has no class; infinite numbers; channels of several
    /// lengths, or more in one series than in another; a class without series to train on; a folder with no or several such files.
    pub fn open(path: &Path, columns: &SeriesColumns) -> Result<SeriesSet, SeriesError> {
        let whole = if path.is_dir() { in_folder(path)? } else { path.to_owned() };
        let Found { mut series, mut labels, parts, mut column } = file(&whole, columns, true)?;
        let mut parts = parts.unwrap_or_else(|| vec![Part::Train; series.len()]);
        if let Some(beside) = beside(&whole) {
            // A table without a line of names calls its columns by number, in both.
            let columns = SeriesColumns { label: column.take().or_else(|| columns.label.clone()), ..columns.clone() };
            let more = file(&beside, &columns, true)?;
            parts.extend(vec![Part::Test; more.series.len()]);
            (column, labels) = (more.column, [labels, more.labels].concat());
            series.extend(more.series);
        }
        equal(&series)?;
        let told = labels.iter().zip(&series).map(|(label, one)| {
            let none = || SeriesError::Row { name: one.name.clone(), what: "there is no class".into() };
            label.as_deref().ok_or_else(none)
        });
        let labels = told.collect::<Result<Vec<&str>, _>>()?;
        let labelled = parts.iter().copied().zip(labels.iter().copied());
        let not_trained = |class| SeriesError::NotTrained { path: whole.clone(), class };
        let (classes, labels) = folders::classes(labelled).map_err(not_trained)?;
        Ok(SeriesSet { series, classes, labels, parts, column })
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.series.first().map_or(0, |one| one.channels)
    }

    /// The series of a part.
    pub fn part(&self, part: Part) -> Vec<usize> {
        (0..self.series.len()).filter(|&index| self.parts[index] == part).collect()
    }
}

/// Reads series of a file, and the class of each, where it is told.
///
/// # Errors
/// Those of [`SeriesSet::open`], but for classes.
pub fn read_series(path: &Path, columns: &SeriesColumns) -> Result<Vec<(Series, Option<String>)>, SeriesError> {
    let Found { series, labels, .. } = file(path, columns, false)?;
    equal(&series)?;
    Ok(series.into_iter().zip(labels).collect())
}

fn file(path: &Path, columns: &SeriesColumns, labelled: bool) -> Result<Found, SeriesError> {
    let is_ts = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ts::EXTENSION));
    if is_ts { ts::read(path) } else { wide::read(path, columns, labelled) }
}

/// Fails unless all series have as many channels.
fn equal(series: &[Series]) -> Result<(), SeriesError> {
    let channels = series.first().map_or(0, |one| one.channels);
    match series.iter().find(|one| one.channels != channels) {
        Some(other) => {
            let what = format!("there are {} channels, in the first series {channels}", other.channels);
            Err(SeriesError::Row { name: other.name.clone(), what })
        }
        None => Ok(()),
    }
}

/// A name without its end, where it has that of a pair's file.
fn stem<'a>(path: &'a Path, end: &str) -> Option<&'a str> {
    let stem = path.file_stem()?.to_str()?;
    let cut = stem.len().checked_sub(end.len())?;
    stem.is_char_boundary(cut)
        .then(|| stem.split_at(cut))
        .filter(|(_, tail)| tail.eq_ignore_ascii_case(end))
        .map(|(name, _)| name)
}

/// The file to learn from in a folder.
fn in_folder(path: &Path) -> Result<PathBuf, SeriesError> {
    let whole = |what: String| SeriesError::Whole { path: path.to_owned(), what };
    let all = folders::listed(path, &EXTENSIONS)?;
    let train: Vec<PathBuf> = all.into_iter().filter(|path| stem(path, PAIR[0]).is_some()).collect();
    let is_kind = |path: &&PathBuf, kind: &str| path.extension().is_some_and(|is| is.eq_ignore_ascii_case(kind));
    for kind in EXTENSIONS {
        let found: Vec<&PathBuf> = train.iter().filter(|path| is_kind(path, kind)).collect();
        match found[..] {
            [] => {}
            [one] => return Ok(one.clone()),
            [one, other, ..] => {
                let (one, other) = (one.display(), other.display());
                return Err(whole(format!(
                    "there are several files to learn from, {one} and {other}: give one of them"
                )));
            }
        }
    }
    Err(whole(format!("there is no file NAME{}.ts (or .csv, .tsv, .parquet) in it to learn from", PAIR[0])))
}

/// The test part's file beside one that is learned from.
fn beside(path: &Path) -> Option<PathBuf> {
    let name = stem(path, PAIR[0])?;
    let extension = path.extension()?.to_str()?;
    let is_small = path.file_stem()?.to_str()?.ends_with(&PAIR[0].to_lowercase());
    let end = if is_small { PAIR[1].to_lowercase() } else { PAIR[1].to_string() };
    let beside = path.with_file_name(format!("{name}{end}.{extension}"));
    beside.is_file().then_some(beside)
}
