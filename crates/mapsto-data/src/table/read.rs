//! Reading tables from delimited text.

use super::infer::{Typed, Unread, is_missing};
use super::number::number;
use super::texts::{Texts, TextsBuilder};
use super::{Kind, Table, TableError, numpy, parquet};
use crate::lines::{Lines, NoLines};
use crate::parallel::in_parallel;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What may stand between fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Bytes of the beginning that tell how a file is written.
const HEAD: usize = 64 << 10;

/// Columns of text, at most: each takes some hundred bytes even where it has one value.
const MOST_COLUMNS: usize = 1 << 20;

/// How a table is written; what is not given is found out.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// What stands between fields. Found: tabs in `.tsv`, else the commonest of comma, semicolon, tab and bar in the
    /// first line.
    pub delimiter: Option<u8>,
    /// Whether the first line has the names. Found: unless all its fields are numbers or missing.
    pub header: Option<bool>,
    /// What columns are, by name. Found for the others.
    pub kinds: BTreeMap<String, Kind>,
    /// Whether the others are texts as they are written instead: nothing but an empty field is a missing value then.
    pub written: bool,
    /// Whether quotes are letters like others, and do not enclose fields.
    pub literal_quotes: bool,
}

impl Table {
    /// Reads CSV or TSV in UTF-8, whose fields may be quoted, also over lines; or Apache Parquet or NumPy's arrays, which are told by
    /// how they begin.
    ///
    /// A column holds numbers if all its values are, times if all are dates written in one way (ISO 8601, 2020/1/31,
    /// 1/31/2020, 31/1/2020, 31.1.2020, Jan 31 2020 and the like) or all are months or quarters (2020-01, Jan 2020, Jan-20, 2020 Q1), of
    /// which the first days count, categories where texts repeat, and else texts. Empty fields and `NA`, `NaN`, `null`, `?`, `#DIV/0!` and the like are missing values; among numbers and times so are `-`, `.`,
    /// `none`, `unknown` and the like, which may be classes elsewhere.
    ///
    /// Numbers may be written as people do, all of a column in one way: with one and the same unit or sign of currency, which is left
    /// out ("5%" is 5, "5 kg" is 5, "$5" is 5); with commas, spaces or apostrophes between thousands ("1,234.5"); with decimal commas
    /// ("1,5", "1 234,5"). Where a comma in all numbers has three digits behind it, it stands between thousands; where semicolons
    /// stand between fields, before decimals. A stray value of another kind makes categories or texts of them all:
    /// [`Table::nearly_numeric`] tells. Columns without a line of names, and those whose name is empty there, as the index that pandas
    /// writes, are `column 1` and so on.
    ///
    /// In Parquet the types say what is a number (integers, floats, decimals; times of day in seconds), a time (dates, timestamps)
    /// and a category (`false` and `true`); texts are categories or texts as in CSV, nulls are missing values. It may be
    /// packed with Snappy, gzip or LZ4; a delimiter and a header mean nothing.
    ///
    /// Of NumPy, `.npy` holds the rows and columns of numbers, or one column; the columns are `column 1` and so on. `.npz` holds arrays
    /// by name, each a column, or several: `x 1`, `x 2` and so on.
    ///
    /// # Errors
    /// A file that cannot be read, is empty or no text; lines of several lengths; names that are taken twice; a
    /// value that is not of the kind that was asked for; Parquet that is damaged, packed in another way, or has columns of
    /// lists, records or bytes; arrays of other things than numbers, of several lengths, or of more than two axes.
    pub fn read(path: &Path, options: &TableOptions) -> Result<Table, TableError> {
        let file = File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
        let io = |source| TableError::Io { path: path.to_owned(), source };
        let mut file = BufReader::with_capacity(HEAD, file);
        let head = file.fill_buf().map_err(io)?;
        let in_file = |source| TableError::In { path: path.to_owned(), source: Box::new(source) };
        if numpy::is_numpy(head, path) {
            return Table::new(numpy::read(head, path)?).map_err(in_file);
        }
        let columns = match head.starts_with(parquet::MAGIC) {
            true => parquet::read(file.into_inner(), path, options)?,
            false => read(file, path, options)?,
        };
        Table::of_read(columns).map_err(in_file)
    }

    /// The fields of the first line of a table in text; none of Parquet and of NumPy's arrays, whose columns have names of their own.
    ///
    /// # Errors
    /// A file that cannot be read, is empty or no text.
    pub fn first_line(path: &Path) -> Result<Option<Vec<String>>, TableError> {
        let io = |source| TableError::Io { path: path.to_owned(), source };
        let mut file = BufReader::with_capacity(HEAD, File::open(path).map_err(io)?);
        let head = file.fill_buf().map_err(io)?;
        if numpy::is_numpy(head, path) || head.starts_with(parquet::MAGIC) {
            return Ok(None);
        }
        let (mut lines, delimiter) = lines(file, path, &TableOptions::default())?;
        let mut record = csv::ByteRecord::new();
        lines.get_mut().begin();
        if !lines.read_byte_record(&mut record).map_err(|error| refused(error, path, 1, delimiter))? {
            return Err(TableError::Empty(path.to_owned()));
        }
        let fields = record.iter().map(|field| str::from_utf8(field).map(|field| field.trim().to_string()));
        fields.collect::<Result<_, _>>().map(Some).map_err(|_| not_text(path, 1))
    }
}

/// The lines of a file, and what stands between their fields.
fn lines<R: BufRead>(
    mut file: R,
    path: &Path,
    options: &TableOptions,
) -> Result<(csv::Reader<Lines<R>>, u8), TableError> {
    let head = file.fill_buf().map_err(|source| TableError::Io { path: path.to_owned(), source })?;
    let mark = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let head = &head[mark..];
    let is_tsv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    let delimiter = options.delimiter.unwrap_or(if is_tsv { b'\t' } else { commonest(head) });
    file.consume(mark);
    let lines = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .quoting(!options.literal_quotes)
        .buffer_capacity(HEAD)
        .from_reader(Lines::new(file));
    Ok((lines, delimiter))
}

fn read(file: impl BufRead, path: &Path, options: &TableOptions) -> Result<Vec<(String, Typed)>, TableError> {
    let (mut lines, delimiter) = lines(file, path, options)?;
    let (mut names, mut texts): (Vec<String>, _) = (Vec::new(), TextsBuilder::new(0));
    let (mut record, mut rows) = (csv::ByteRecord::new(), 0);
    loop {
        let line = lines.position().line();
        lines.get_mut().begin();
        if !lines.read_byte_record(&mut record).map_err(|error| refused(error, path, line, delimiter))? {
            break;
        }
        let fields = record.iter().map(|field| str::from_utf8(field).map(str::trim));
        if names.is_empty() {
            if record.len() > MOST_COLUMNS {
                let (path, columns) = (path.to_owned(), record.len());
                return Err(TableError::Wide { path, columns, most: MOST_COLUMNS, delimiter: delimiter.into() });
            }
            let fields = fields.collect::<Result<Vec<&str>, _>>().map_err(|_| not_text(path, line))?;
            let has_names =
                options.header.unwrap_or(!fields.iter().all(|field| is_missing(field) || number(field).is_some()));
            let name = |(i, field): (usize, &&str)| match has_names && !field.is_empty() {
                true => field.to_string(),
                false => format!("column {}", i + 1),
            };
            names = fields.iter().enumerate().map(name).collect();
            texts = TextsBuilder::new(names.len());
            if !has_names {
                fields.iter().enumerate().for_each(|(column, field)| texts.push(column, field));
                texts.end_row()?;
                rows += 1;
            }
            continue;
        }
        for (column, field) in fields.enumerate() {
            texts.push(column, field.map_err(|_| not_text(path, line))?);
        }
        texts.end_row()?;
        rows += 1;
    }
    match (names.is_empty(), rows) {
        (true, _) => return Err(TableError::Empty(path.to_owned())),
        (_, 0) => return Err(TableError::NoRows(path.to_owned())),
        _ => {}
    }
    let decimal_comma = delimiter == b';';
    let typed = |name: &str, texts: Texts| match options.kinds.get(name) {
        None if options.written => Ok(Typed::of(texts.written()?)),
        None => Ok(texts.typed(decimal_comma)?),
        Some(&kind) => texts.of_kind(kind, decimal_comma).map_err(|wrong| match wrong {
            Unread::Value { row, text } => {
                TableError::Value { path: path.to_owned(), row: row + 1, column: name.to_string(), text, kind }
            }
            Unread::Store(error) => error.into(),
        }),
    };
    let columns = names.into_iter().zip(texts.finish()?).collect();
    let column = |(name, texts): (String, Texts)| typed(&name, texts).map(|typed| (name, typed));
    in_parallel(columns, column).into_iter().collect()
}

fn not_text(path: &Path, line: u64) -> TableError {
    TableError::NotText { path: path.to_owned(), line }
}

/// The delimiter that the first line has most of, outside quotes.
fn commonest(head: &[u8]) -> u8 {
    let mut counts = [0; DELIMITERS.len()];
    let mut quoted = false;
    for &byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if !quoted => counts
                .iter_mut()
                .zip(DELIMITERS)
                .for_each(|(count, delimiter)| *count += usize::from(byte == delimiter)),
            _ => {}
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    DELIMITERS[counts.iter().position(|&count| count == most).unwrap_or(0)]
}

/// What is wrong with a record that begins in a line.
fn refused(error: csv::Error, path: &Path, begin: u64, delimiter: u8) -> TableError {
    let path = path.to_owned();
    let line = error.position().map_or(begin, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => match NoLines::of(&source) {
            Some(NoLines::Nul { line }) => TableError::Binary { path, line },
            Some(NoLines::Long) => TableError::LongLine { path, line },
            None => TableError::Io { path, source },
        },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            TableError::Ragged { path, line, got: len, expected: expected_len, delimiter: delimiter.into() }
        }
        _ => TableError::NotText { path, line },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Strings, Values};
    use super::*;

    fn read(bytes: impl BufRead, path: &Path, options: &TableOptions) -> Result<Table, TableError> {
        Table::of_read(super::read(bytes, path, options)?)
    }

    fn table(name: &str, bytes: &[u8]) -> Result<Table, TableError> {
        read(bytes, Path::new(name), &TableOptions::default())
    }

    fn complaint(bytes: &[u8]) -> String {
        table("t.csv", bytes).unwrap_err().to_string()
    }

    fn kinds(table: &Table) -> Vec<(&str, &str)> {
        table.columns().iter().map(|column| (&column.name[..], column.values.kind().name())).collect()
    }

    #[test]
    fn a_table_is_read_as_it_is_written() {
        let text = "\u{feff}id, when ,who,what\r\n1,2020-01-02,ann,\"a, \"\"quoted\"\"\nfield\"\r\n2,,bob,\r\n3,2021-05-06,ann,x\r\n";
        let table = table("t.csv", text.as_bytes()).unwrap();
        assert_eq!(
            (table.rows(), kinds(&table)),
            (3, vec![("id", "number"), ("when", "time"), ("who", "category"), ("what", "category")])
        );
        let Values::Categories { names, .. } = &table.column("what").unwrap().values else { panic!() };
        assert_eq!(names[..], ["a, \"quoted\"\nfield", "x"]);
        assert!(table.column("when").unwrap().values.is_missing(1));
    }

    #[test]
    fn delimiters_and_headers_are_found() {
        let two = vec![("a", "number"), ("b", "number")];
        for (name, text) in
            [("t.csv", "a,b\n1,2\n"), ("t.csv", "a;b\n1,5;2\n"), ("t.tsv", "a\tb\n1\t2"), ("t.txt", "a|b\n1|2\n\n")]
        {
            assert_eq!(kinds(&table(name, text.as_bytes()).unwrap()), two, "{text:?}");
        }
        let plain = table("t.csv", b"1,2\n3,x\n").unwrap();
        assert_eq!((plain.rows(), kinds(&plain)), (2, vec![("column 1", "number"), ("column 2", "category")]));
        // As pandas writes an index.
        assert_eq!(kinds(&table("t.csv", b",b\n0,5\n1,6\n").unwrap()), [("column 1", "number"), ("b", "number")]);
        let names = TableOptions { header: Some(true), delimiter: Some(b'/'), ..TableOptions::default() };
        let years = read(&b"1999/2000\n1/2\n"[..], Path::new("t.csv"), &names).unwrap();
        assert_eq!(kinds(&years), [("1999", "number"), ("2000", "number")]);
    }

    #[test]
    fn notations_of_another_file_are_kept() {
        let text = "price,weight,day,share\n\"1,50\",3 kg,13/1/2020,\"1,234\"\n\"2,25\",4 kg,14/1/2020,\"2,345,678\"\n";
        let first = table("t.csv", text.as_bytes()).unwrap();
        assert_eq!(kinds(&first), [("price", "number"), ("weight", "number"), ("day", "time"), ("share", "number")]);
        let options = TableOptions { kinds: first.kinds(), ..TableOptions::default() };
        // Alone, the commas and the date would be read otherwise.
        let one = &b"price,weight,day,share\n\"1,234\",5 kg,1/2/2020,\"5,678\"\n"[..];
        let second = read(one, Path::new("t.csv"), &options).unwrap();
        let values = |name: &str| match &second.column(name).unwrap().values {
            Values::Numbers(values) | Values::Times(values) => values[0],
            other => panic!("{other:?}"),
        };
        let february = 1580515200.0;
        assert_eq!(["price", "weight", "day", "share"].map(values), [1.234, 5.0, february, 5678.0]);
        assert_eq!(second.kinds(), first.kinds());
        let saved = serde_json::to_string(&first.kinds()).unwrap();
        assert_eq!(serde_json::from_str::<BTreeMap<String, Kind>>(&saved).unwrap(), first.kinds());
        let wrong = &b"price,weight,day,share\n1,5 kg,12/31/2020,1\n"[..];
        let said = read(wrong, Path::new("t.csv"), &options).unwrap_err().to_string();
        assert_eq!(said, "t.csv: \"12/31/2020\" in row 1 of column \"day\" is no time (day/month/year)");
    }

    #[test]
    fn kinds_of_another_file_are_kept() {
        let first = table("t.csv", b"a,b\n1,x\n2,y\n").unwrap();
        let options = TableOptions { kinds: first.kinds(), ..TableOptions::default() };
        let second = read(&b"a,b\n3,1\n"[..], Path::new("t.csv"), &options).unwrap();
        assert_eq!(kinds(&second), [("a", "number"), ("b", "category")]);
        let said = read(&b"a,b\n3,1\nx,2\n"[..], Path::new("t.csv"), &options).unwrap_err().to_string();
        assert_eq!(said, "t.csv: \"x\" in row 2 of column \"a\" is no number");
    }

    #[test]
    fn texts_may_be_kept_as_they_are_written() {
        let options = TableOptions { written: true, ..TableOptions::default() };
        let table = read(&b"a,b\n01,none\n2.50,\n"[..], Path::new("t.csv"), &options).unwrap();
        let texts = |name: &str| table.column(name).unwrap().values.clone();
        assert_eq!(texts("a"), Values::Texts(Strings::of([Some("01"), Some("2.50")]).unwrap()));
        assert_eq!(texts("b"), Values::Texts(Strings::of([Some("none"), None]).unwrap()));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert_eq!(complaint(b""), "t.csv is empty: a table is a line of names and lines of values");
        assert_eq!(complaint(b"\xef\xbb\xbf\n"), "t.csv is empty: a table is a line of names and lines of values");
        assert_eq!(complaint(b"a,b\n"), "t.csv has a line of names and no line of values");
        let ragged = "t.csv:3: 3 fields, the first line has 2; put quotes around fields that hold ','";
        assert_eq!(complaint(b"a,b\n1,2\n3,4,5\n"), ragged);
        let short =
            "t.csv:2: 1 field, the first line has 2; is it cut off, or is something else than ',' between its fields?";
        assert_eq!(complaint(b"a,b\n1\n"), short);
        assert_eq!(complaint(b"a,a\n1,2\n"), "two columns are named \"a\": rename one");
        assert_eq!(complaint(b"a,b\n1,\xff\n"), "t.csv:2: this is no UTF-8 text; save the table as CSV in UTF-8");
        let binary = "t.csv:2: a NUL byte: this is no text, or UTF-16; save the table as CSV in UTF-8";
        assert_eq!(complaint(b"PK\x03\x04\n\x00"), binary);
        let endless = csv::Error::from(std::io::Error::other(NoLines::Long));
        let said = refused(endless, Path::new("t.csv"), 7, b',').to_string();
        assert_eq!(said, "t.csv:7: this line has no end in sight; is a quote not closed, or is this no table?");
        let wide = complaint(&[b','; MOST_COLUMNS]);
        assert_eq!(
            wide,
            "t.csv has 1048577 fields in its first line; a table may have 1048576. Does ',' stand between them?"
        );
        let missing = Table::read(Path::new("no/such.csv"), &TableOptions::default()).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read no/such.csv: "), "{missing}");
    }
}
