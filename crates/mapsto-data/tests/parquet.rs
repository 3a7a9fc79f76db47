//! Parquet as Arrow and pandas write it (tools/parquet_fixtures.py).

use mapsto_data::{Kind, Table, TableError, TableOptions, Values};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet").join(name)
}

fn read(name: &str) -> Result<Table, TableError> {
    Table::read(&fixture(name), &TableOptions::default())
}

/// Each row's value as JSON.
fn rows(values: &Values) -> Vec<Value> {
    match values {
        Values::Numbers(values) | Values::Times(values) => {
            let said = |x: &f64| if x.is_infinite() { "infinity".into() } else { Value::from(*x) };
            values.iter().map(said).collect()
        }
        Values::Categories { names, codes } => {
            codes.iter().map(|code| code.map_or(Value::Null, |code| names[code as usize].clone().into())).collect()
        }
        Values::Texts(texts) => texts.iter().map(|text| text.into()).collect(),
    }
}

#[test]
fn every_type_has_arrows_values() {
    let expected: Value = serde_json::from_str(include_str!("fixtures/parquet/types.json")).unwrap();
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), 27);
    let files = [("types", 27), ("snappy", 8), ("gzip", 8), ("lz4", 8), ("none", 8), ("delta", 8), ("int96", 1)];
    for (name, columns) in files {
        let table = read(&format!("{name}.parquet")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(table.columns().len(), columns, "{name}");
        for column in table.columns() {
            let expected = &expected[&column.name];
            assert_eq!(column.values.kind().name(), expected["kind"], "{name}, {}", column.name);
            assert_eq!(Value::from(rows(&column.values)), expected["values"], "{name}, {}", column.name);
        }
    }
}

#[test]
fn parquet_and_csv_of_a_table_are_the_same() {
    let (parquet, csv) = (read("frame.parquet").unwrap(), read("frame.csv").unwrap());
    assert_eq!(parquet.rows(), 1000);
    assert_eq!(parquet.kinds(), csv.kinds());
    for (a, b) in parquet.columns().iter().zip(csv.columns()) {
        assert_eq!((&a.name, rows(&a.values)), (&b.name, rows(&b.values)));
    }
}

#[test]
fn kinds_that_are_asked_for_are_kept_or_refused() {
    let asked = |name: &str, kind| {
        let options = TableOptions { kinds: [(name.to_string(), kind)].into(), ..TableOptions::default() };
        Table::read(&fixture("snappy.parquet"), &options)
    };
    let values = |name: &str, kind| rows(&asked(name, kind).unwrap().column(name).unwrap().values);
    assert_eq!(values("required", Kind::Category), ["4", "3", "2", "1"]);
    assert_eq!(values("word", Kind::Text), [Value::from("b"), Value::Null, "é".into(), "b".into()]);
    assert_eq!(values("date", Kind::Text)[0], "2020-02-29T00:00:00Z");
    let said = asked("word", Kind::Number).unwrap_err().to_string();
    assert!(said.ends_with("snappy.parquet: \"b\" in row 1 of column \"word\" is no number"), "{said}");
    let said = asked("truth", Kind::Number).unwrap_err().to_string();
    assert!(said.ends_with("\"true\" in row 1 of column \"truth\" is no number"), "{said}");
}

#[test]
fn what_has_no_place_in_a_table_is_refused() {
    let nested = "holds lists or records; a table has one value in each row of a column";
    let bytes = "holds bytes; a table has numbers, times, truths and texts";
    for (name, column, what) in [
        ("list", "list", nested),
        ("record", "record", nested),
        ("bytes", "bytes", "holds bytes that are no UTF-8 text"),
        ("uuid", "uuid", bytes),
        ("zstd", "int64", "is packed with Zstandard; write the file with Snappy, gzip, LZ4 or without compression"),
        ("brotli", "int64", "is packed with Brotli; write the file with Snappy, gzip, LZ4 or without compression"),
    ] {
        let said = read(&format!("{name}.parquet")).unwrap_err().to_string();
        assert!(said.ends_with(&format!("{name}.parquet: column {column:?} {what}")), "{said}");
    }
    let said = read("no_rows.parquet").unwrap_err().to_string();
    assert!(said.ends_with("no_rows.parquet as Parquet: it has no rows"), "{said}");
}

#[test]
fn damaged_files_are_refused_or_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.parquet");
    let damaged = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a file");
        Table::read(&path, &TableOptions::default())
    };
    let said = damaged(b"PAR1").unwrap_err().to_string();
    assert!(said.contains("x.parquet as Parquet: "), "{said}");
    let mut caught = 0;
    for name in ["snappy", "none", "gzip", "lz4", "delta", "int96"] {
        let whole = std::fs::read(fixture(&format!("{name}.parquet"))).expect("a fixture");
        for end in (0..whole.len()).step_by(97) {
            assert!(damaged(&whole[..end]).is_err(), "{name} cut off at {end}");
        }
        for place in (4..whole.len()).step_by(29) {
            let mut bytes = whole.clone();
            bytes[place] ^= [0x01, 0x80, 0xff, 0x10][place % 4];
            // A flipped number is still one; what cannot be read is an error.
            match damaged(&bytes) {
                Ok(table) => assert!(table.rows() > 0, "{name}, {place}"),
                Err(error) => caught += usize::from(error.to_string().contains("as Parquet: it is damaged (")),
            }
        }
    }
    assert!(caught > 0, "the decoder's panics are among what was tried");
}
