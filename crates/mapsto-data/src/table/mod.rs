//! Tables: named columns of numbers, times, categories or texts.

mod codes;
mod dates;
mod encode;
mod error;
mod finding;
mod identity;
mod infer;
mod inspect;
mod nearly;
mod number;
mod numpy;
mod parquet;
mod read;
mod strings;
mod texts;

pub use codes::Codes;
pub use encode::{Encoder, Encoding, Features};
pub use error::TableError;
pub use finding::Finding;
pub use inspect::{ColumnSummary, Detail, Inspection};
pub use nearly::NearlyNumeric;
pub use read::TableOptions;
pub use strings::Strings;

use crate::stored::Stored;
use infer::Typed;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Names that are offered in place of one that is not there.
const NEAREST: usize = 3;
/// Letters of a name that are compared.
const COMPARED: usize = 64;

/// Columns of equal length, each with a name of its own.
///
/// A table may be larger than memory: what is proportional to rows times columns lies where [`Stored`] has it. Memory holds the names,
/// those of categories among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    /// Where the column of a name is.
    places: HashMap<String, usize>,
    rows: usize,
    /// Of columns that were read, for what is not plain of their values.
    readings: BTreeMap<usize, Reading>,
}

/// How a column was read.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    /// What reads other texts of the column in the same way.
    kind: Kind,
    /// Whether its texts could have been read in another way.
    guessed: bool,
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The value of each row.
    pub values: Values,
}

/// What the values of a column are, and how texts are read where the values do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers.
    Number,
    /// Numbers whose decimals stand behind a comma where a comma could also stand between thousands.
    DecimalComma,
    /// Points in time.
    Time,
    /// Points in time whose dates are written 1/31/2020 where they have bars.
    MonthFirst,
    /// Points in time whose dates are written 31/1/2020 where they have bars.
    DayFirst,
    /// Some distinct texts.
    Category,
    /// Any texts.
    Text,
}

impl Kind {
    /// The name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Number => "number",
            Kind::DecimalComma => "number with a decimal comma",
            Kind::Time => "time",
            Kind::MonthFirst => "time (month/day/year)",
            Kind::DayFirst => "time (day/month/year)",
            Kind::Category => "category",
            Kind::Text => "text",
        }
    }

    /// The kind of the values, however they are written.
    fn base(self) -> Kind {
        match self {
            Kind::DecimalComma => Kind::Number,
            Kind::MonthFirst | Kind::DayFirst => Kind::Time,
            kind => kind,
        }
    }
}

/// The values of a column, of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// NaN where one is missing.
    Numbers(Stored<f64>),
    /// Seconds since the beginning of 1970, UTC; NaN where one is missing.
    Times(Stored<f64>),
    /// Some distinct texts, and for each row which of them.
    Categories {
        /// The texts, sorted.
        names: Vec<String>,
        /// Indices of names, by row.
        codes: Codes,
    },
    /// Texts that hardly repeat.
    Texts(Strings),
}

impl Values {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Values::Numbers(values) | Values::Times(values) => values.len(),
            Values::Categories { codes, .. } => codes.len(),
            Values::Texts(texts) => texts.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the values are.
    pub fn kind(&self) -> Kind {
        match self {
            Values::Numbers(_) => Kind::Number,
            Values::Times(_) => Kind::Time,
            Values::Categories { .. } => Kind::Category,
            Values::Texts(_) => Kind::Text,
        }
    }

    /// Whether a row has no value.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Values::Numbers(values) | Values::Times(values) => values[row].is_nan(),
            Values::Categories { codes, .. } => codes.get(row).is_none(),
            Values::Texts(texts) => texts.get(row).is_none(),
        }
    }

    /// Whether two columns are equal where the same [`Identity`](identity::Identity) stands in all their rows.
    fn has_words_of(&self, other: &Values) -> bool {
        match (self, other) {
            (Values::Numbers(_), Values::Numbers(_)) | (Values::Times(_), Values::Times(_)) => true,
            (Values::Categories { names, .. }, Values::Categories { names: others, .. }) => names == others,
            (Values::Texts(texts), Values::Texts(others)) => texts == others,
            _ => false,
        }
    }

    /// What stands in a row as a text, if anything does.
    pub fn written(&self, row: usize) -> Option<String> {
        match self {
            _ if self.is_missing(row) => None,
            Values::Numbers(values) | Values::Times(values) => Some(values[row].to_string()),
            Values::Categories { .. } | Values::Texts(_) => self.text(row).map(str::to_string),
        }
    }

    /// The text of a row, of categories and texts.
    fn text(&self, row: usize) -> Option<&str> {
        match self {
            Values::Numbers(_) | Values::Times(_) => None,
            Values::Categories { names, codes } => codes.get(row).map(|code| names[code as usize].as_str()),
            Values::Texts(texts) => texts.get(row),
        }
    }
}

impl Table {
    /// Of columns whose lengths are equal and whose names differ.
    ///
    /// # Errors
    /// Other columns, or none.
    pub fn new(columns: Vec<Column>) -> Result<Table, TableError> {
        let Some(first) = columns.first() else { return Err(TableError::NoColumns) };
        let rows = first.values.len();
        let mut places = HashMap::new();
        for (i, column) in columns.iter().enumerate() {
            if column.values.len() != rows {
                let (name, got) = (column.name.clone(), column.values.len());
                return Err(TableError::Lengths { name, got, expected: rows });
            }
            if let Values::Categories { names, codes } = &column.values
                && codes.iter().flatten().any(|code| code as usize >= names.len())
            {
                return Err(TableError::NoName(column.name.clone()));
            }
            if places.insert(column.name.clone(), i).is_some() {
                return Err(TableError::Twice(column.name.clone()));
            }
        }
        Ok(Table { columns, places, rows, readings: BTreeMap::new() })
    }

    /// Of columns that were read.
    fn of_read(read: Vec<(String, Typed)>) -> Result<Table, TableError> {
        let readings =
            read.iter().enumerate().filter(|(_, (_, typed))| typed.guessed || typed.kind != typed.kind.base());
        let reading = |(place, (_, typed)): (usize, &(String, Typed))| {
            (place, Reading { kind: typed.kind, guessed: typed.guessed })
        };
        let readings = readings.map(reading).collect();
        let column = |(name, typed): (String, Typed)| Column { name, values: typed.values };
        Ok(Table { readings, ..Table::new(read.into_iter().map(column).collect())? })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, in order.
    pub(crate) fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// The kind of each column by name: what [`TableOptions::kinds`] makes of another file.
    pub fn kinds(&self) -> BTreeMap<String, Kind> {
        let read = |place| self.readings.get(&place).map(|reading| reading.kind);
        let kind =
            |(place, column): (usize, &Column)| (column.name.clone(), read(place).unwrap_or(column.values.kind()));
        self.columns.iter().enumerate().map(kind).collect()
    }

    /// The column of this name.
    ///
    /// # Errors
    /// No column has it: the nearest names are offered.
    pub fn column(&self, name: &str) -> Result<&Column, TableError> {
        self.place(name).map(|place| &self.columns[place])
    }

    /// Where the column of this name is.
    fn place(&self, name: &str) -> Result<usize, TableError> {
        let place = self.places.get(name).copied();
        place.ok_or_else(|| no_column(name, self.columns.iter().map(|column| &column.name[..])))
    }
}

/// That none of these columns is called `name`.
pub(crate) fn no_column<'a>(name: &str, columns: impl Iterator<Item = &'a str>) -> TableError {
    let distance = |column: &&str| {
        let [wanted, name] = [name, *column].map(|name| name.chars().take(COMPARED).collect::<String>().to_lowercase());
        strsim::damerau_levenshtein(&wanted, &name)
    };
    let mut nearest: Vec<&str> = columns.collect();
    nearest.sort_by_key(distance);
    let nearest = nearest.iter().take(NEAREST).map(|name| name.to_string()).collect();
    TableError::NoColumn { name: name.to_string(), nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, values: &[f64]) -> Column {
        Column { name: name.to_string(), values: Values::Numbers(values.to_vec().into()) }
    }

    #[test]
    fn columns_are_found_by_name_and_the_nearest_are_offered() {
        let names = ["sepal length", "sepal width", "petal length", "petal width", "Species"];
        let table = Table::new(names.iter().map(|name| column(name, &[1.0])).collect()).unwrap();
        assert_eq!(table.column("petal width").unwrap().name, "petal width");
        let said = table.column("species").unwrap_err().to_string();
        assert_eq!(
            said,
            "there is no column \"species\"; did you mean \"Species\", \"sepal width\" or \"sepal length\"?"
        );
        let one = Table::new(vec![column("only", &[])]).unwrap();
        assert_eq!(one.column("x").unwrap_err().to_string(), "there is no column \"x\"; did you mean \"only\"?");
    }

    #[test]
    fn columns_must_fit_each_other() {
        assert!(matches!(Table::new(vec![]), Err(TableError::NoColumns)));
        let said = Table::new(vec![column("a", &[1.0]), column("b", &[])]).unwrap_err().to_string();
        assert_eq!(said, "column \"b\" has 0 values, the first column 1");
        let said = Table::new(vec![column("a", &[]), column("a", &[])]).unwrap_err().to_string();
        assert_eq!(said, "two columns are named \"a\": rename one");
        let nameless = Values::Categories { names: vec!["x".into()], codes: vec![Some(0), Some(1)].into() };
        let said = Table::new(vec![Column { name: "c".into(), values: nameless }]).unwrap_err().to_string();
        assert_eq!(said, "column \"c\" has a category without a name");
    }
}
