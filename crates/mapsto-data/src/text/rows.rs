//! Rows of tables and of JSON lines, and which of their columns are texts, labels and parts.

use super::{TextError, jsonl};
use crate::folders::Part;
use crate::table::{Table, TableOptions, Values, no_column};
use crate::{LABELS, PARTS};
use std::path::{Path, PathBuf};

/// How names of files of JSON lines end.
const JSON_LINES: [&str; 3] = ["jsonl", "ndjson", "json"];

/// Columns of a table, or fields of JSON lines, by name; what is not given is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextColumns {
    /// Of texts. Found: of the others the one with the longest texts.
    pub text: Option<String>,
    /// Of labels. Found: `label`, `class`, `category`, `target` and the like.
    pub label: Option<String>,
    /// Of parts, `train`, `val` or `test` (or `validation`, `testing`, ...). Found: `part`, `split`, `set`, `subset` or `partition`,
    /// if it holds nothing else. Without it all texts are for training.
    pub part: Option<String>,
}

/// Where texts stand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Places {
    /// Each in a file.
    Files(Vec<PathBuf>),
    /// In rows of a table.
    Rows(PathBuf),
    /// In lines of a file.
    Lines(PathBuf, Vec<u64>),
}

impl Places {
    pub fn name(&self, index: usize) -> String {
        match self {
            Places::Files(paths) => paths[index].display().to_string(),
            Places::Rows(path) => format!("{}: row {}", path.display(), index + 1),
            Places::Lines(path, lines) => format!("{}:{}", path.display(), lines[index]),
        }
    }

    pub fn path(&self, index: usize) -> &Path {
        match self {
            Places::Files(paths) => &paths[index],
            Places::Rows(path) | Places::Lines(path, _) => path,
        }
    }
}

/// A column as it is written.
pub(crate) struct Written {
    pub name: String,
    /// The rows that have a value, in order, with it.
    pub cells: Vec<(usize, String)>,
}

/// Rows as they are written.
pub(crate) struct Rows {
    pub count: usize,
    pub columns: Vec<Written>,
    pub places: Places,
}

/// What is taken of rows.
pub(super) struct Taken {
    /// The column of texts.
    pub column: String,
    /// The texts, empty where there is none.
    pub texts: Vec<String>,
    /// The labels, if they were asked for.
    pub labels: Vec<String>,
    /// What each text is for.
    pub parts: Vec<Part>,
}

impl Rows {
    /// Reads JSON lines, told by the name, or a table.
    pub fn read(path: &Path) -> Result<Rows, TextError> {
        Rows::read_with(path, &TableOptions { written: true, ..TableOptions::default() })
    }

    /// As [`Rows::read`], a table that is written in this way.
    pub fn read_with(path: &Path, options: &TableOptions) -> Result<Rows, TextError> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if JSON_LINES.iter().any(|known| known.eq_ignore_ascii_case(extension)) {
            return jsonl::read(path);
        }
        let table = Table::read(path, options)?;
        let count = table.rows();
        let written = |column: crate::Column| {
            let Values::Texts(texts) = column.values else { return None };
            let cells = texts.iter().enumerate().filter_map(|(row, text)| Some((row, text?.to_string()))).collect();
            Some(Written { name: column.name, cells })
        };
        let columns = table.into_columns().into_iter().filter_map(written).collect();
        Ok(Rows { count, columns, places: Places::Rows(path.to_owned()) })
    }

    /// The texts, and the labels and parts if they are wanted.
    pub(super) fn take(&mut self, columns: &TextColumns, labelled: bool) -> Result<Taken, TextError> {
        let label = if labelled { Some(self.label(columns)?) } else { None };
        let part = if labelled { self.part(columns)? } else { None };
        let text = self.text(columns, [label, part])?;
        let parts = self.parts(part)?;
        let labels = label.map_or_else(Vec::new, |column| self.dense(column));
        if let Some(row) = labels.iter().position(|label| label.trim().is_empty()) {
            return Err(TextError::NoLabel(self.places.name(row)));
        }
        Ok(Taken { column: self.columns[text].name.clone(), texts: self.dense(text), labels, parts })
    }

    /// What each row is for, by a column of parts.
    pub fn parts(&mut self, column: Option<usize>) -> Result<Vec<Part>, TextError> {
        let Some(column) = column else { return Ok(vec![Part::Train; self.count]) };
        let named = self.dense(column);
        let part = |(row, name): (usize, String)| {
            let no_part = |name| TextError::NoPart { name: self.places.name(row), part: name };
            Part::of(&name).ok_or_else(|| no_part(name))
        };
        named.into_iter().enumerate().map(part).collect()
    }

    /// Whether the columns have no names of their own.
    pub fn is_nameless(&self) -> bool {
        let is_number = |(i, column): (usize, &Written)| column.name == format!("column {}", i + 1);
        matches!(self.places, Places::Rows(_)) && self.columns.iter().enumerate().all(is_number)
    }

    /// The first row, empty where it has no value.
    pub fn first(&self) -> Vec<String> {
        let first = |column: &Written| column.cells.first().filter(|(row, _)| *row == 0).map(|(_, text)| text.clone());
        self.columns.iter().map(|column| first(column).unwrap_or_default()).collect()
    }

    /// Makes the first row the names of the columns; where it has none, and those that are asked for, they keep theirs.
    pub fn name_by_first(&mut self, asked: &[Option<&str>]) {
        for (column, name) in self.first().into_iter().enumerate() {
            let column = &mut self.columns[column];
            if name.is_empty() {
                continue;
            }
            column.cells.remove(0);
            if !asked.contains(&Some(&column.name)) {
                column.name = name;
            }
        }
        for column in &mut self.columns {
            column.cells.iter_mut().for_each(|(row, _)| *row -= 1);
        }
        self.count -= 1;
    }

    /// The values of a column, which loses them; empty where there is none.
    pub fn dense(&mut self, column: usize) -> Vec<String> {
        let mut values = vec![String::new(); self.count];
        std::mem::take(&mut self.columns[column].cells).into_iter().for_each(|(row, value)| values[row] = value);
        values
    }

    /// The column of this name, if it was given one.
    pub fn named(&self, name: &Option<String>) -> Result<Option<usize>, TextError> {
        let Some(name) = name else { return Ok(None) };
        let names = || self.columns.iter().map(|column| &column.name[..]);
        Ok(Some(names().position(|is| is == name).ok_or_else(|| no_column(name, names()))?))
    }

    /// The first column that is called so, in any case.
    pub fn usual(&self, names: &[&str]) -> Option<usize> {
        let called = |name: &&str| self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        names.iter().find_map(called)
    }

    pub fn none(&self, what: String) -> TextError {
        let names = self.columns.iter().map(|column| column.name.clone()).collect();
        TextError::NoColumn { path: self.places.path(0).to_owned(), what, names }
    }

    fn label(&self, columns: &TextColumns) -> Result<usize, TextError> {
        let found = self.named(&columns.label)?.or_else(|| self.usual(&LABELS));
        found.ok_or_else(|| self.none(format!("labels ({})", LABELS.join(", "))))
    }

    pub fn part(&self, columns: &TextColumns) -> Result<Option<usize>, TextError> {
        let has_parts = |column: &usize| {
            let cells = &self.columns[*column].cells;
            cells.len() == self.count && cells.iter().all(|(_, value)| Part::of(value).is_some())
        };
        Ok(self.named(&columns.part)?.or_else(|| self.usual(&PARTS).filter(has_parts)))
    }

    fn text(&self, columns: &TextColumns, others: [Option<usize>; 2]) -> Result<usize, TextError> {
        if let Some(column) = self.named(&columns.text)? {
            return Ok(column);
        }
        let size = |column: usize| self.columns[column].cells.iter().map(|(_, text)| text.len()).sum::<usize>();
        let rest = (0..self.columns.len()).filter(|column| !others.contains(&Some(*column)));
        // The first of equals.
        let longest = rest.rev().max_by_key(|column| size(*column)).filter(|column| size(*column) > 0);
        longest.ok_or_else(|| self.none("texts".into()))
    }
}
