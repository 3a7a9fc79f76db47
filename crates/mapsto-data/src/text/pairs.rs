//! Pairs of texts: what one says, the other says in another language or in other words.

use super::rows::{Places, Rows};
use super::{Text, TextColumns, TextError, read_texts};
use crate::folders::Part;
use crate::lines::Lines;
use crate::table::TableOptions;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a first line that tell whether tabs stand between its fields.
const HEAD: u64 = 64 << 10;
/// Words of a column's name, at most.
const WORDS: usize = 3;

/// Columns of pairs, by name. What is not given is `source` and `target`, if there are both, or else the first two columns that are not
/// parts (in the order of their names, of JSON lines).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairColumns {
    /// Of the texts that are known.
    pub source: Option<String>,
    /// Of what becomes of them.
    pub target: Option<String>,
}

/// Pairs of texts, of which none is empty.
///
/// ```
/// use mapsto_data::{PairColumns, PairSet};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("pairs.tsv");
/// std::fs::write(&path, "Good morning.\tBuenos días.\nThank you!\t¡Gracias!\n")?;
/// let set = PairSet::open(&path, &PairColumns::default())?;
/// assert_eq!((&set.sources[1][..], &set.targets[1][..]), ("Thank you!", "¡Gracias!"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PairSet {
    /// The texts that are known.
    pub sources: Vec<String>,
    /// What becomes of each.
    pub targets: Vec<String>,
    /// What each pair is for.
    pub parts: Vec<Part>,
    columns: [String; 2],
    places: Places,
    /// The row of each pair.
    rows: Vec<usize>,
    /// Rows without a text in one of the columns.
    left_out: Vec<usize>,
}

impl PairSet {
    /// Reads pairs of a table, CSV, TSV or Parquet as [`Table::read`](crate::Table::read) takes it, or of JSON lines. Rows without one of
    /// both texts are left out: [`PairSet::left_out`].
    ///
    /// The first line has the names of the columns if each of its fields could be one, a few words without punctuation, and those
    /// of most other lines could not. A quote in a table with tabs is a letter like others if there is one that begins a field and
    /// none that ends it.
    ///
    /// # Errors
    /// What cannot be read or is no UTF-8; a column that is not there, or the same one twice; no pairs.
    pub fn open(path: &Path, columns: &PairColumns) -> Result<PairSet, TextError> {
        let named = [&columns.source, &columns.target].map(Option::as_deref);
        let mut rows = read(path, &named)?;
        let [source, target] = choose(&rows, &named)?;
        let part = rows.part(&TextColumns::default())?;
        let parts = rows.parts(part)?;
        let names = [source, target].map(|column| rows.columns[column].name.clone());
        let [sources, targets] = [source, target].map(|column| rows.dense(column));
        let mut set = PairSet {
            sources: Vec::new(),
            targets: Vec::new(),
            parts: Vec::new(),
            columns: names,
            places: rows.places,
            rows: Vec::new(),
            left_out: Vec::new(),
        };
        for (row, ((source, target), part)) in sources.into_iter().zip(targets).zip(parts).enumerate() {
            if source.trim().is_empty() || target.trim().is_empty() {
                set.left_out.push(row);
                continue;
            }
            set.sources.push(source);
            set.targets.push(target);
            set.parts.push(part);
            set.rows.push(row);
        }
        if set.is_empty() {
            return Err(TextError::NoPairs { path: path.to_owned(), columns: set.columns });
        }
        Ok(set)
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The columns of the sources and of the targets.
    pub fn columns(&self) -> &[String; 2] {
        &self.columns
    }

    /// The pairs of a part.
    pub fn part(&self, part: Part) -> Vec<usize> {
        (0..self.len()).filter(|&index| self.parts[index] == part).collect()
    }

    /// What a pair is called: its row or line.
    ///
    /// # Panics
    /// If there is no such pair.
    pub fn name(&self, index: usize) -> String {
        self.places.name(self.rows[index])
    }

    /// What the rows are called that have no text in one of the columns.
    pub fn left_out(&self) -> Vec<String> {
        self.left_out.iter().map(|&row| self.places.name(row)).collect()
    }
}

/// Reads texts that are to be translated: the lines of a file `.txt` or without an extension, or the column of this name (or else the
/// first) of a table or JSON lines. Empty ones are passed over.
///
/// # Errors
/// What cannot be read or is no UTF-8; a column that is not there.
pub fn read_sources(path: &Path, column: &str) -> Result<Vec<Text>, TextError> {
    let is_text = path.extension().is_none_or(|extension| extension.eq_ignore_ascii_case("txt"));
    let mut texts = if is_text && path.is_file() {
        let name = |line: usize| format!("{}:{}", path.display(), line + 1);
        let whole = super::set::file(path)?;
        whole.lines().enumerate().map(|(i, line)| Text { name: name(i), text: line.to_string() }).collect()
    } else if path.is_dir() {
        read_texts(path, None)?
    } else {
        let mut rows = read(path, &[Some(column), None])?;
        let has_it = rows.columns.iter().any(|known| known.name == column);
        // What has one column leaves no doubt.
        let [source, _] = match (rows.columns.len(), has_it) {
            (1, false) => [0, 0],
            _ => [rows.named(&Some(column.to_string()))?.unwrap_or(0), 0],
        };
        let texts = rows.dense(source).into_iter().enumerate();
        texts.map(|(row, text)| Text { name: rows.places.name(row), text }).collect()
    };
    texts.retain(|text: &Text| !text.text.trim().is_empty());
    Ok(texts)
}

/// The rows of a table or of JSON lines, whose columns have these names among them.
fn read(path: &Path, named: &[Option<&str>; 2]) -> Result<Rows, TextError> {
    let tabs = has_tabs(path);
    let options = TableOptions {
        written: true,
        header: Some(false),
        delimiter: tabs.then_some(b'\t'),
        literal_quotes: tabs && has_literal_quotes(path),
        ..TableOptions::default()
    };
    let mut rows = Rows::read_with(path, &options)?;
    let has = |name: &str| rows.columns.iter().any(|column| column.name == name);
    let missing = named.iter().flatten().any(|name| !has(name));
    if rows.is_nameless() {
        let first = rows.first();
        let distinct = first.iter().collect::<HashSet<_>>().len() == first.len();
        let all_there = named.iter().flatten().all(|name| first.iter().any(|field| field == name) || has(name));
        if distinct && (if missing { all_there } else { has_names(&rows, &first) }) {
            rows.name_by_first(named);
        }
    }
    Ok(rows)
}

/// Whether the first row has the names of the columns.
fn has_names(rows: &Rows, first: &[String]) -> bool {
    let mut like_it = vec![0; rows.count];
    for column in &rows.columns {
        column.cells.iter().filter(|(_, text)| is_name(text)).for_each(|(row, _)| like_it[*row] += 1);
    }
    let others = like_it.iter().skip(1).filter(|&&names| names == rows.columns.len()).count();
    first.iter().all(|field| is_name(field)) && 2 * others < rows.count.saturating_sub(1)
}

/// Whether a field could be a column's name.
fn is_name(field: &str) -> bool {
    let letters = |word: &str| word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let is_number = field.chars().all(|c| c.is_ascii_digit());
    (1..=WORDS).contains(&field.split(' ').count()) && !is_number && field.split(' ').all(letters)
}

/// Whether tabs stand between the fields of a table, by its first line.
fn has_tabs(path: &Path) -> bool {
    let is = |known: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(known));
    let mut head = Vec::new();
    let first = |file: File| BufReader::new(file.take(HEAD)).read_until(b'\n', &mut head);
    // What cannot be read is told later.
    is("tsv") || (!is("csv") && File::open(path).and_then(first).is_ok() && head.contains(&b'\t'))
}

/// Whether quotes in a table with tabs are letters: one begins a field and none ends it.
fn has_literal_quotes(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let lines = BufReader::new(Lines::new(file)).split(b'\n').map_while(Result::ok);
    let is_open = |field: &[u8]| {
        let field = field.trim_ascii();
        field.starts_with(b"\"") && (field.len() == 1 || !field.ends_with(b"\""))
    };
    let mut open = lines.map(|line| line.split(|&byte| byte == b'\t').any(is_open));
    open.any(|open| open)
}

/// Where sources and targets are.
fn choose(rows: &Rows, [source, target]: &[Option<&str>; 2]) -> Result<[usize; 2], TextError> {
    let find = |name: Option<&str>| rows.named(&name.map(str::to_string));
    let part = rows.part(&TextColumns::default())?;
    let usual = |name: &str| rows.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let (source, target) = (find(*source)?, find(*target)?);
    let (source, target) = match (source, target, usual("source"), usual("target")) {
        (None, None, Some(source), Some(target)) => (Some(source), Some(target)),
        _ => (source, target),
    };
    let rest =
        |taken: Option<usize>| (0..rows.columns.len()).find(|&column| Some(column) != taken && Some(column) != part);
    let none = || rows.none("what becomes of each text: write it into a second one, behind a tab".into());
    let source = source.or_else(|| rest(target)).ok_or_else(none)?;
    let target = target.or_else(|| rest(Some(source))).ok_or_else(none)?;
    if source == target {
        return Err(TextError::SameColumn {
            path: rows.places.path(0).to_owned(),
            name: rows.columns[source].name.clone(),
        });
    }
    Ok([source, target])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(name: &str, bytes: &[u8], columns: [&str; 2]) -> Result<PairSet, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let [source, target] = columns.map(|name| (!name.is_empty()).then(|| name.to_string()));
        let here = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
        PairSet::open(&path, &PairColumns { source, target }).map_err(|error| error.to_string().replace(&here, ""))
    }

    fn pairs(set: &PairSet) -> Vec<[&str; 2]> {
        set.sources.iter().zip(&set.targets).map(|(source, target)| [&source[..], &target[..]]).collect()
    }

    #[test]
    fn names_are_found_or_not_there() {
        let (first, second) = (["Go on.", "Sigue."], ["Come here, you!", "¡Ven aquí!"]);
        for (name, text) in [
            ("p.tsv", "Go on.\tSigue.\nCome here, you!\t¡Ven aquí!\n"),
            ("p.tsv", "English\tSpanish text\nGo on.\tSigue.\nCome here, you!\t¡Ven aquí!\n"),
            // More commas than tabs.
            ("p.txt", "Go on.\tSigue.\tA, B, C\nCome here, you!\t¡Ven aquí!\tD\n"),
            ("p.csv", "en,es\nGo on.,Sigue.\n\"Come here, you!\",\"¡Ven aquí!\"\n"),
            ("p.csv", "target,id,source\nSigue.,1,Go on.\n¡Ven aquí!,2,\"Come here, you!\"\n"),
            (
                "p.jsonl",
                "{\"a\": \"Go on.\", \"b\": \"Sigue.\"}\n{\"b\": \"¡Ven aquí!\", \"a\": \"Come here, you!\"}\n",
            ),
        ] {
            assert_eq!(pairs(&open(name, text.as_bytes(), ["", ""]).unwrap()), [first, second], "{text:?}");
        }
        // Words alone are a list of them.
        let words = open("p.tsv", b"dog\tperro\ncat\tgato\n", ["", ""]).unwrap();
        assert_eq!((words.len(), words.columns()), (2, &["column 1".to_string(), "column 2".to_string()]));
        // A name that is asked for tells.
        let words = open("p.tsv", b"en\tes\ndog\tperro\ncat\tgato\n", ["es", ""]).unwrap();
        assert_eq!(pairs(&words), [["perro", "dog"], ["gato", "cat"]]);
        // Of columns that are asked for by their number names are passed over.
        let numbered = open("p.tsv", b"en\tes\nGo on.\tSigue.\n", ["column 2", "column 1"]).unwrap();
        assert_eq!(pairs(&numbered), [["Sigue.", "Go on."]]);
        let second = open("p.tsv", b"en\tes\ndog\tperro\n", ["column 2", ""]).unwrap();
        assert_eq!(pairs(&second), [["es", "en"], ["perro", "dog"]]);
    }

    #[test]
    fn parts_are_found_and_what_is_empty_left_out() {
        let text = "source,target,split\nGo on.,Sigue.,train\n,Nada.,train\nNo way.,  ,val\nHi!,¡Hola!,test\n";
        let set = open("p.csv", text.as_bytes(), ["", ""]).unwrap();
        assert_eq!((set.len(), set.part(Part::Test)), (2, vec![1]));
        let ends: Vec<String> = set.left_out().iter().map(|name| name[name.len() - 5..].to_string()).collect();
        assert_eq!(ends, ["row 2", "row 3"]);
        assert!(set.name(1).ends_with("p.csv: row 4"));
    }

    #[test]
    fn quotes_in_tables_with_tabs_may_be_letters() {
        let literal = open("p.tsv", b"\"Go!\" he said.\tx y.\n\"Well.\tz w.\n", ["", ""]).unwrap();
        assert_eq!(pairs(&literal), [["\"Go!\" he said.", "x y."], ["\"Well.", "z w."]]);
        let quoted = open("p.tsv", b"\"\"\"Go!\"\" he said.\"\tx y.\n", ["", ""]).unwrap();
        assert_eq!(pairs(&quoted), [["\"Go!\" he said.", "x y."]]);
    }

    #[test]
    fn texts_to_translate_are_lines_or_a_column() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str, text: &str, column: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            let texts = read_sources(&path, column).map_err(|error| error.to_string())?;
            let texts =
                texts.into_iter().map(|text| (text.name.rsplit(['/', '\\']).next().unwrap().to_string(), text.text));
            Ok::<_, String>(texts.collect::<Vec<_>>())
        };
        let of = |all: &[(&str, &str)]| all.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
        assert_eq!(
            read("a.txt", "Go, on.\n\nNow\tthen", "x").unwrap(),
            of(&[("a.txt:1", "Go, on."), ("a.txt:3", "Now\tthen")])
        );
        let table = read("a.csv", "id,en\n1,Go on.\n2,\n3,Hi!\n", "en").unwrap();
        assert_eq!(table, of(&[("a.csv: row 1", "Go on."), ("a.csv: row 3", "Hi!")]));
        assert_eq!(read("b.tsv", "Go on.\tSigue.\n", "column 1").unwrap(), of(&[("b.tsv: row 1", "Go on.")]));
        assert_eq!(
            read("c.csv", "Go on.\nHi!\n", "en").unwrap(),
            of(&[("c.csv: row 1", "Go on."), ("c.csv: row 2", "Hi!")])
        );
        assert!(read("d.csv", "id,de\n1,Los!\n", "en").unwrap_err().contains("there is no column \"en\""));
    }

    #[test]
    fn what_is_no_pairs_is_refused() {
        let one = "p.txt: no column has what becomes of each text: write it into a second one, behind a tab; there is \"column 1\"";
        assert_eq!(open("p.txt", b"Go on.\nHi!\n", ["", ""]).unwrap_err(), one);
        let said = open("p.tsv", b"en\tes\na b.\tc.\n", ["en", "en"]).unwrap_err();
        assert_eq!(said, "p.tsv: the sources and the targets are both the column \"en\"; name another");
        let said = open("p.tsv", b"en\tes\na b.\tc.\n", ["fr", ""]).unwrap_err();
        assert!(said.contains("there is no column \"fr\""), "{said}");
        let said = open("p.tsv", b"a b.\t\n\tc.\n", ["", ""]).unwrap_err();
        assert_eq!(said, "p.tsv: no row has a text in both columns, \"column 1\" and \"column 2\"");
        let said = open("p.tsv", b"a b.\tc.\nd.\t\xff\n", ["", ""]).unwrap_err();
        assert!(said.starts_with("p.tsv:2: this is no UTF-8 text"), "{said}");
    }
}
