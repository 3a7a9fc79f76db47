//! Columns that would hold numbers, but for some values.

use super::infer::is_blank;
use super::number::Form;
use super::{Column, Kind, Table, Values};
use crate::printable::quoted;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;

/// Distinct other texts that a nearly numeric column has, at most, in a table of any size.
const FEW: usize = 3;
/// The share of its values that they may be in a large one.
const SHARE: f64 = 0.1;

/// A column most of whose values are numbers, while some few others make texts or categories of all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearlyNumeric {
    /// The column.
    pub column: String,
    /// What it was read as: category or text.
    pub kind: Kind,
    /// Values that are numbers.
    pub numbers: usize,
    /// Values that there are.
    pub values: usize,
    /// The row of the first other value, from 1.
    pub row: usize,
    /// What stands there.
    pub text: String,
}

impl fmt::Display for NearlyNumeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NearlyNumeric { column, kind, numbers, values, row, text } = self;
        let text = quoted(text);
        write!(
            f,
            "{numbers} of {values} values of {column:?} are numbers, row {row} is {text}: mend it or leave it empty; "
        )?;
        match kind {
            Kind::Text => write!(f, "as it is, the column is text and says nothing to a network"),
            _ => write!(f, "as it is, the numbers are names of categories"),
        }
    }
}

impl Table {
    /// The columns of categories or texts most of whose values are numbers: more than half, with other texts of which at most three
    /// differ, or a tenth of all values.
    pub fn nearly_numeric(&self) -> Vec<NearlyNumeric> {
        self.columns().iter().filter_map(nearly_numeric).collect()
    }
}

pub(super) fn nearly_numeric(column: &Column) -> Option<NearlyNumeric> {
    let values = &column.values;
    // Each text and how often it is there; equal ones of texts come again.
    let times = match values {
        Values::Categories { names, codes } => {
            let mut times = vec![0; names.len()];
            codes.iter().flatten().for_each(|code| times[code as usize] += 1);
            times
        }
        _ => Vec::new(),
    };
    let all = || -> Box<dyn Iterator<Item = (&str, usize)>> {
        match values {
            Values::Numbers(_) | Values::Times(_) => Box::new(std::iter::empty()),
            Values::Categories { names, .. } => Box::new(names.iter().map(String::as_str).zip(times.iter().copied())),
            Values::Texts(texts) => Box::new(texts.iter().flatten().map(|text| (text, 1))),
        }
    };
    let present = || all().filter(|(text, _)| !is_blank(text));
    let (form, numbers) = Form::of_most(present(), false)?;
    let all: usize = present().map(|(_, times)| times).sum();
    if 2 * numbers <= all {
        return None;
    }
    let most = FEW.max((SHARE * all as f64) as usize);
    let mut others: HashSet<&str> = HashSet::new();
    for text in present().map(|(text, _)| text).filter(|text| form.read(text).is_none()) {
        others.insert(text);
        if others.len() > most {
            return None;
        }
    }
    let text = |row: usize| values.text(row).filter(|text| others.contains(text));
    let (row, text) = (0..values.len()).find_map(|row| Some((row + 1, text(row)?)))?;
    let (column, kind, text) = (column.name.clone(), values.kind(), text.to_string());
    Some(NearlyNumeric { column, kind, numbers, values: all, row, text })
}

#[cfg(test)]
mod tests {
    use super::super::{Strings, TableOptions};
    use super::*;

    fn found(texts: impl IntoIterator<Item = String>) -> Option<(Kind, usize, usize, usize, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.csv");
        let quoted = |text: String| format!("\"{text}\"\n");
        std::fs::write(&path, "x\n".to_string() + &texts.into_iter().map(quoted).collect::<String>()).expect("a file");
        let nearly = Table::read(&path, &TableOptions::default()).unwrap().nearly_numeric();
        nearly.into_iter().next().map(|x| (x.kind, x.numbers, x.values, x.row, x.text))
    }

    fn numbers(count: usize, form: fn(f64) -> String) -> Vec<String> {
        (0..count).map(|i| form(i as f64 + 0.25)).collect()
    }

    #[test]
    fn stray_words_among_numbers_are_found() {
        let plain = || numbers(400, |x| x.to_string());
        for stray in ["err", "12 kg", "5%", "4,5,6"] {
            let mut texts = plain();
            texts.insert(6, stray.into());
            texts.push(String::new());
            assert_eq!(found(texts), Some((Kind::Text, 400, 401, 7, stray.into())), "{stray}");
        }
        let percent = numbers(50, |x| format!("{x} %"));
        assert_eq!(found([vec!["0.5".into()], percent].concat()), Some((Kind::Text, 50, 51, 1, "0.5".into())));
        let few = ["1", "2", "2", "3+", "1", "-"].map(String::from);
        assert_eq!(found(few), Some((Kind::Category, 4, 5, 4, "3+".into())));
        assert_eq!(
            found([plain(), vec!["lots".into(); 300]].concat()),
            Some((Kind::Text, 400, 700, 401, "lots".into()))
        );
        assert_eq!(
            found([plain(), (0..40).map(|i| format!("a{i}")).collect()].concat()).map(|found| found.3),
            Some(401)
        );
    }

    #[test]
    fn numbers_and_names_are_not_confused() {
        assert_eq!(found(numbers(400, |x| x.to_string())), None);
        assert_eq!(found(numbers(400, |x| format!("A{x}"))), None);
        assert_eq!(found(["36", "38", "S", "M"].map(String::from)), None);
        // Tickets: some of many are numbers.
        let mut tickets = numbers(400, |x| (x * 4.0).to_string());
        tickets.extend((0..100).map(|i| format!("PC {i}")));
        assert_eq!(found(tickets), None);
        let table = Table::new(vec![Column {
            name: "x".into(),
            values: Values::Texts(Strings::of([Some("1"); 3]).expect("texts")),
        }]);
        assert_eq!(table.unwrap().nearly_numeric(), []);
    }

    #[test]
    fn the_likely_mend_is_told() {
        let column =
            |kind| NearlyNumeric { column: "x".into(), kind, numbers: 9, values: 10, row: 4, text: "é".repeat(99) };
        let said = column(Kind::Text).to_string();
        let start = format!(
            "9 of 10 values of \"x\" are numbers, row 4 is \"{}\"...: mend it or leave it empty; ",
            "é".repeat(60)
        );
        assert!(said.starts_with(&start) && said.ends_with("says nothing to a network"), "{said}");
        assert!(column(Kind::Category).to_string().ends_with("names of categories"));
    }
}
