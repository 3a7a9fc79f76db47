//! Reading tables from Apache Parquet.

mod meaning;

use self::meaning::{Meaning, of_bytes, of_i32, of_i64, of_int96};
use super::codes::CodesBuilder;
use super::infer::{Typed, Unread};
use super::texts::{Texts, TextsBuilder};
use super::{Kind, TableError, TableOptions, Values};
use crate::parallel::in_parallel;
use crate::quiet::{message, quietly};
use crate::stored::{StoreError, StoredBuilder};
use jiff::Timestamp;
use parquet::basic::{Compression, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::path::Path;

/// What a Parquet file begins and ends with.
pub(super) const MAGIC: &[u8] = b"PAR1";
/// Rows that are decoded at a time.
const BATCH: usize = 1 << 16;
/// Rows that a byte can stand for: equal values in long runs take a few thousandths of a byte each, not less.
const ROWS_PER_BYTE: u64 = 1 << 14;
/// What is wrong with a file, or with a column of it.
enum Wrong {
    /// In the words of the decoder.
    File(String),
    /// A column that is none of a table.
    Column(String),
    /// There is no place for its values.
    Store(StoreError),
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Wrong {
        Wrong::Store(error)
    }
}

impl From<ParquetError> for Wrong {
    fn from(error: ParquetError) -> Wrong {
        Wrong::File(error.to_string())
    }
}

/// The values of a column as they come.
enum Coming {
    Numbers(StoredBuilder<f64>),
    Times(StoredBuilder<f64>),
    Truths(CodesBuilder),
    Texts(TextsBuilder),
}

/// The values of a column.
enum Found {
    Values(Values),
    Texts(Texts),
}

/// The columns of a file, those of texts as the kind that they look like where none is asked for.
pub(super) fn read(file: File, path: &Path, options: &TableOptions) -> Result<Vec<(String, Typed)>, TableError> {
    let bytes = file.metadata().map_err(|source| TableError::Io { path: path.to_owned(), source })?.len();
    let found = quietly(|| decode(file, bytes));
    let wrong = |reason| TableError::Parquet { path: path.to_owned(), reason };
    let columns =
        found.unwrap_or_else(|panic| Err((None, Wrong::File(message(&*panic))))).map_err(|(column, what)| {
            match (column, what) {
                (Some(column), Wrong::Column(reason)) => {
                    TableError::ParquetColumn { path: path.to_owned(), column, reason }
                }
                (Some(column), Wrong::File(reason)) => wrong(format!("column {column:?}: {reason}")),
                (None, Wrong::File(reason) | Wrong::Column(reason)) => wrong(reason),
                (_, Wrong::Store(error)) => error.into(),
            }
        })?;
    let typed = |(name, found): (String, Found)| match found.typed(options.kinds.get(&name).copied(), options.written) {
        Ok(typed) => Ok((name, typed)),
        Err((Unread::Value { row, text }, kind)) => {
            Err(TableError::Value { path: path.to_owned(), row: row + 1, column: name, text, kind })
        }
        Err((Unread::Store(error), _)) => Err(error.into()),
    };
    in_parallel(columns, typed).into_iter().collect()
}

/// The columns, or what is wrong with the file or with one that is named.
fn decode(file: File, bytes: u64) -> Result<Vec<(String, Found)>, (Option<String>, Wrong)> {
    let file = SerializedFileReader::new(file).map_err(|error| (None, error.into()))?;
    let metadata = file.metadata();
    let fail = |reason: String| Err((None, Wrong::File(reason)));
    let rows = metadata
        .row_groups()
        .iter()
        .try_fold(0, |rows: u64, group| u64::try_from(group.num_rows()).ok().and_then(|more| rows.checked_add(more)));
    match rows {
        Some(0) => return fail("it has no rows".into()),
        Some(rows) if rows <= bytes.saturating_mul(ROWS_PER_BYTE) => {}
        _ => return fail(format!("it promises more rows than {bytes} bytes can hold")),
    }
    let mut columns = Vec::new();
    for (i, column) in metadata.file_metadata().schema_descr().columns().iter().enumerate() {
        let name = column.path().parts().first().cloned().unwrap_or_default();
        let read = || -> Result<Found, Wrong> {
            let meaning = Meaning::of(column).map_err(Wrong::Column)?;
            let mut coming = match (column.physical_type(), meaning) {
                (Type::BOOLEAN, _) => Coming::Truths(CodesBuilder::default()),
                (_, Meaning::Text) => Coming::Texts(TextsBuilder::new(1)),
                (_, Meaning::Time(_) | Meaning::Days) | (Type::INT96, _) => Coming::Times(StoredBuilder::new()),
                _ => Coming::Numbers(StoredBuilder::new()),
            };
            for group in 0..metadata.num_row_groups() {
                check_compression(metadata.row_group(group), i)?;
                let rows = metadata.row_group(group).num_rows() as usize;
                coming.extend(file.get_row_group(group)?.get_column_reader(i)?, column, meaning, rows)?;
            }
            Ok(coming.finish()?)
        };
        match read() {
            Ok(found) => columns.push((name, found)),
            Err(wrong) => return Err((Some(name), wrong)),
        }
    }
    Ok(columns)
}

/// Fails for bytes that nothing here can unpack.
fn check_compression(group: &RowGroupMetaData, column: usize) -> Result<(), Wrong> {
    let name = match group.columns().get(column).map(|column| column.compression()) {
        Some(Compression::ZSTD(_)) => "Zstandard",
        Some(Compression::BROTLI(_)) => "Brotli",
        Some(Compression::LZO) => "LZO",
        _ => return Ok(()),
    };
    Err(Wrong::Column(format!("is packed with {name}; write the file with Snappy, gzip, LZ4 or without compression")))
}

impl Coming {
    /// Takes the values of a group of rows.
    fn extend(
        &mut self,
        reader: ColumnReader,
        column: &ColumnDescriptor,
        meaning: Meaning,
        rows: usize,
    ) -> Result<(), Wrong> {
        match self {
            Coming::Numbers(to) | Coming::Times(to) => {
                let mut push = |value: Option<f64>| Ok(to.push(value.unwrap_or(f64::NAN))?);
                match reader {
                    ColumnReader::Int32ColumnReader(from) => {
                        each(from, column, rows, |value| push(value.map(|value| of_i32(*value, meaning))))
                    }
                    ColumnReader::Int64ColumnReader(from) => {
                        each(from, column, rows, |value| push(value.map(|value| of_i64(*value, meaning))))
                    }
                    ColumnReader::Int96ColumnReader(from) => {
                        each(from, column, rows, |value| push(value.map(of_int96)))
                    }
                    ColumnReader::FloatColumnReader(from) => {
                        each(from, column, rows, |value| push(value.map(|value| f64::from(*value))))
                    }
                    ColumnReader::DoubleColumnReader(from) => each(from, column, rows, |value| push(value.copied())),
                    ColumnReader::ByteArrayColumnReader(from) => {
                        each(from, column, rows, |value| push(value.map(|value| of_bytes(value.as_bytes(), meaning))))
                    }
                    ColumnReader::FixedLenByteArrayColumnReader(from) => {
                        each(from, column, rows, |value| push(value.map(|value| of_bytes(value.as_bytes(), meaning))))
                    }
                    ColumnReader::BoolColumnReader(_) => Err(mixed()),
                }
            }
            Coming::Truths(to) => {
                let ColumnReader::BoolColumnReader(from) = reader else { return Err(mixed()) };
                each(from, column, rows, |value| Ok(to.push(value.map(|value| u32::from(*value)))?))
            }
            Coming::Texts(to) => {
                let ColumnReader::ByteArrayColumnReader(from) = reader else { return Err(mixed()) };
                each(from, column, rows, |value| {
                    let text = str::from_utf8(value.map_or(&[], |value| value.as_bytes()));
                    to.push(0, text.map_err(|_| Wrong::Column("holds bytes that are no UTF-8 text".into()))?.trim());
                    Ok(to.end_row()?)
                })
            }
        }
    }

    fn finish(self) -> Result<Found, StoreError> {
        Ok(match self {
            Coming::Numbers(values) => Found::Values(Values::Numbers(values.finish()?)),
            Coming::Times(values) => Found::Values(Values::Times(values.finish()?)),
            Coming::Truths(codes) => {
                let names = vec!["false".into(), "true".into()];
                Found::Values(Values::Categories { names, codes: codes.finish()? })
            }
            Coming::Texts(texts) => Found::Texts(texts.finish_one()?),
        })
    }
}

impl Found {
    /// The values as this kind; without one as they are written, or else texts as the kind that they look like. Fails with a value that
    /// is none of the kind, and the kind.
    fn typed(self, kind: Option<Kind>, written: bool) -> Result<Typed, (Unread, Kind)> {
        let store = |error: StoreError| (error.into(), kind.unwrap_or(Kind::Text));
        let read_as = |texts: Texts, kind: Kind| texts.of_kind(kind, false).map_err(|wrong| (wrong, kind));
        let values = match (self, kind) {
            (Found::Texts(texts), None) if written => return texts.written().map(Typed::of).map_err(store),
            (Found::Texts(texts), Some(kind)) => return read_as(texts, kind),
            (Found::Texts(texts), None) => texts.worded().map_err(store)?,
            (Found::Values(values), _) => values,
        };
        let texts = || Texts::of((0..values.len()).map(|row| text_of(&values, row))).map_err(store);
        match kind {
            Some(kind) if kind.base() != values.kind() => read_as(texts()?, kind),
            None if written => texts()?.written().map(Typed::of).map_err(store),
            _ => Ok(Typed::of(values)),
        }
    }
}

/// A value as CSV would have it, nothing where it is missing.
fn text_of(values: &Values, row: usize) -> String {
    match values {
        _ if values.is_missing(row) => String::new(),
        Values::Numbers(values) => values[row].to_string(),
        Values::Times(values) => {
            let time = Timestamp::from_millisecond((values[row] * 1e3).round() as i64);
            time.map_or_else(|_| values[row].to_string(), |time| time.to_string())
        }
        Values::Categories { names, codes } => {
            codes.get(row).map_or_else(String::new, |code| names[code as usize].clone())
        }
        Values::Texts(texts) => texts.get(row).unwrap_or_default().to_string(),
    }
}

/// Calls `f` with the value of each of `rows` rows.
fn each<T: DataType>(
    mut from: ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    rows: usize,
    mut f: impl FnMut(Option<&T::T>) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let present = column.max_def_level();
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let mut left = rows;
    while left > 0 {
        levels.clear();
        values.clear();
        let (read, _, _) = from.read_records(left.min(BATCH), Some(&mut levels), None, &mut values)?;
        if read == 0 {
            return Err(Wrong::File(format!("{left} of {rows} rows are missing")));
        }
        let mut values = values.iter();
        for row in 0..read {
            // Without levels, no value is missing.
            let has_value = present == 0 || levels.get(row) == Some(&present);
            let value = if has_value { values.next() } else { None };
            if has_value && value.is_none() {
                return Err(Wrong::File("fewer values than rows that have one".into()));
            }
            f(value)?;
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}

fn mixed() -> Wrong {
    Wrong::File("values of another type than the schema says".into())
}
