//! Texts with classes.

use super::rows::{Places, Rows, Taken};
use super::{TextColumns, TextError};
use crate::folders::{self, Found, Part};
use crate::parallel::in_parallel;
use std::fs;
use std::path::Path;

/// How names of files that are texts end, in any case.
pub(super) const EXTENSIONS: [&str; 1] = ["txt"];
/// Texts that are missing and named in an error.
const NAMED: usize = 3;

/// Texts with classes.
///
/// ```
/// use mapsto_data::{TextColumns, TextSet};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("reviews.csv");
/// std::fs::write(&path, "id,verdict,review\n1,good,I liked it\n2,bad,Never again\n")?;
/// let set = TextSet::open(&path, &TextColumns { label: Some("verdict".into()), ..Default::default() })?;
/// assert_eq!((&set.texts[1][..], &set.classes[set.labels[1]][..]), ("Never again", "bad"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TextSet {
    /// The texts.
    pub texts: Vec<String>,
    /// Names of the classes, sorted.
    pub classes: Vec<String>,
    /// Index of the class of each text.
    pub labels: Vec<usize>,
    /// What each text is for.
    pub parts: Vec<Part>,
    column: Option<String>,
    places: Places,
}

/// A text without a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What it is called: its file, or its row or line in one.
    pub name: String,
    /// The text, which may be empty.
    pub text: String,
}

impl TextSet {
    /// Reads texts with classes, of which none is empty:
    ///
    /// - a table, CSV, TSV or Parquet as [`Table::read`](crate::Table::read) takes it;
    /// - a file `.jsonl`, `.ndjson` or `.json` with one object a line, whose fields are the columns;
    /// - a folder with files `.txt` in folders that name their classes, perhaps inside folders for parts, as
    ///   [`ImageFolder::read`](crate::ImageFolder::read) takes pictures.
    ///
    /// # Errors
    /// What cannot be read or is no UTF-8; a column that is not there; a text that is empty; a row without a label or with an
    /// unknown part; a class without texts to train on.
    pub fn open(path: &Path, columns: &TextColumns) -> Result<TextSet, TextError> {
        let set = TextSet::read(path, columns)?;
        let mut empty = (0..set.len()).filter(|&index| set.is_blank(index));
        let names: Vec<String> = empty.by_ref().take(NAMED).map(|index| set.name(index)).collect();
        if names.is_empty() { Ok(set) } else { Err(TextError::Empty { names, more: empty.count() }) }
    }

    /// As [`TextSet::open`], and keeps empty texts.
    ///
    /// # Errors
    /// Those of [`TextSet::open`] but empty texts.
    pub fn read(path: &Path, columns: &TextColumns) -> Result<TextSet, TextError> {
        if path.is_dir() {
            return TextSet::read_folder(path);
        }
        let mut rows = Rows::read(path)?;
        let Taken { column, texts, labels, parts } = rows.take(columns, true)?;
        let labelled = parts.iter().copied().zip(labels.iter().map(|label| label.trim()));
        let (classes, labels) = folders::classes(labelled).map_err(|class| not_trained(path, class))?;
        Ok(TextSet { texts, classes, labels, parts, column: Some(column), places: rows.places })
    }

    fn read_folder(path: &Path) -> Result<TextSet, TextError> {
        let Found { mut files, others: _ } = folders::labelled(path, &EXTENSIONS)?;
        if files.is_empty() {
            return Err(TextError::NoTexts { path: path.to_owned() });
        }
        files.sort();
        let labelled = files.iter().map(|(part, class, _)| (*part, class.as_str()));
        let (classes, labels) = folders::classes(labelled).map_err(|class| not_trained(path, class))?;
        let (parts, paths): (Vec<Part>, Vec<_>) = files.into_iter().map(|(part, _, path)| (part, path)).unzip();
        let texts = in_parallel(paths.iter().collect(), |path| file(path)).into_iter().collect::<Result<_, _>>()?;
        Ok(TextSet { texts, classes, labels, parts, column: None, places: Places::Files(paths) })
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The column that the texts were found in, if they come from a table or JSON lines: what [`read_texts`] reads of another.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// The texts of a part.
    pub fn part(&self, part: Part) -> Vec<usize> {
        (0..self.len()).filter(|&index| self.parts[index] == part).collect()
    }

    /// What a text is called: its file, or its row or line in one.
    ///
    /// # Panics
    /// If there is no such text.
    pub fn name(&self, index: usize) -> String {
        self.places.name(index)
    }

    /// Whether a text is empty, or of nothing but spaces.
    pub(super) fn is_blank(&self, index: usize) -> bool {
        self.texts[index].trim().is_empty()
    }
}

fn not_trained(path: &Path, class: String) -> TextError {
    TextError::NotTrained { path: path.to_owned(), class }
}

/// Reads texts without classes: a table or JSON lines (the texts of a column, or of that with the longest), one file `.txt`, or all
/// of them in a folder and the folders in it.
///
/// # Errors
/// What cannot be read or is no UTF-8; a column that is not there; a folder without texts.
pub fn read_texts(path: &Path, column: Option<&str>) -> Result<Vec<Text>, TextError> {
    let is_text = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSIONS[0]));
    let (texts, places) = if path.is_dir() || is_text {
        let paths = if is_text && !path.is_dir() { vec![path.to_owned()] } else { folders::listed(path, &EXTENSIONS)? };
        if paths.is_empty() {
            return Err(TextError::NoTexts { path: path.to_owned() });
        }
        let texts =
            in_parallel(paths.iter().collect(), |path| file(path)).into_iter().collect::<Result<Vec<_>, _>>()?;
        (texts, Places::Files(paths))
    } else {
        let mut rows = Rows::read(path)?;
        let columns = TextColumns { text: column.map(str::to_string), ..TextColumns::default() };
        (rows.take(&columns, false)?.texts, rows.places)
    };
    Ok(texts.into_iter().enumerate().map(|(i, text)| Text { name: places.name(i), text }).collect())
}

/// The text of a file.
pub(super) fn file(path: &Path) -> Result<String, TextError> {
    let bytes = fs::read(path).map_err(|source| TextError::Io { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64;
        TextError::NotText { path: path.to_owned(), line }
    })?;
    // Some editors begin files with a mark of the encoding.
    Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text))
}
