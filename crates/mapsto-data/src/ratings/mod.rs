//! Who liked what: users, items, ratings and times, from tables.

mod columns;
mod inspect;
mod titles;

pub use columns::RatingColumns;
pub use inspect::{RatingsFinding, RatingsInspection};
pub use titles::read_titles;

use crate::table::{Column, Kind, Table, TableError, TableOptions, Values};
use columns::{Places, has_names};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why ratings could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RatingsError {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A column that was asked for is not there.
    #[error("{}: {source}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// What was asked for, and what there is.
        source: TableError,
    },
    /// There is no column left for users.
    #[error("{}: no column of {} is left for users: name it, as user=NAME", path.display(), names.join(", "))]
    NoUsers {
        /// The file.
        path: PathBuf,
        /// Its columns.
        names: Vec<String>,
    },
    /// There is no column for items.
    #[error(
        "{}: there is a column for users ({user}) and none for items: give a table of user, item and, if there are, rating and time, \
         with a comma, semicolon, tab or bar between them", path.display()
    )]
    NoItems {
        /// The file.
        path: PathBuf,
        /// The column of users.
        user: String,
    },
    /// There is no column for titles.
    #[error("{}: there is a column for items ({column}) and none for titles", path.display())]
    NoTitles {
        /// The file.
        path: PathBuf,
        /// The column of items.
        column: String,
    },
    /// A column of times has other values.
    #[error("{}: column {column:?} holds no times: give numbers or dates, or name another column, as time=NAME", path.display())]
    NoTimes {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A rating is not finite.
    #[error("{}: the rating in row {row} is infinite", path.display())]
    Infinite {
        /// The file.
        path: PathBuf,
        /// The row of values, from 1.
        row: usize,
    },
    /// No row says who liked what.
    #[error("{}: no row has all of {}", path.display(), columns.join(", "))]
    NoRows {
        /// The file.
        path: PathBuf,
        /// The columns.
        columns: Vec<String>,
    },
}

/// Texts by number, and which of them each row has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The texts, sorted.
    pub names: Vec<String>,
    /// Indices of names, by row.
    pub codes: Vec<u32>,
}

/// Who liked what, a row each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ratings {
    /// The users.
    pub users: Named,
    /// The items; without codes where the table has users alone.
    pub items: Named,
    /// How much each was liked, where the table says so.
    pub ratings: Option<Vec<f64>>,
    /// When, where the table says so: numbers as they stand there, or seconds since 1970.
    pub times: Option<Vec<f64>>,
    /// The names of the columns of users, items, ratings and times that there are.
    pub columns: Vec<String>,
    /// Rows that were left out because a value was missing.
    pub incomplete: usize,
    /// Rows that were left out because a later one has the same user and item.
    pub repeated: usize,
}

impl Ratings {
    /// Reads a table of users and items, with ratings and times where it has them. Of several rows of the same user and item, the
    /// last one counts: by its time, or else by its place.
    ///
    /// # Errors
    /// A table that cannot be read; columns that are not there or hold something else; no complete row.
    pub fn read(path: &Path, columns: &RatingColumns) -> Result<Ratings, RatingsError> {
        let mut ratings = Ratings::read_any(path, columns)?;
        if ratings.items.codes.is_empty() {
            let user = ratings.columns.swap_remove(0);
            return Err(RatingsError::NoItems { path: path.to_owned(), user });
        }
        ratings.drop_repeated();
        Ok(ratings)
    }

    /// Reads a table of users, with items where it has them, and all rows.
    ///
    /// # Errors
    /// Those of [`Ratings::read`], but for a table without items.
    pub fn read_any(path: &Path, columns: &RatingColumns) -> Result<Ratings, RatingsError> {
        let (header, names) = names_of(path, |fields| has_names(fields, columns))?;
        let places = columns.find(&names, path)?;
        let name = |place: usize| names[place].clone();
        let mut kinds = BTreeMap::from([(name(places.user), Kind::Category)]);
        kinds.extend(places.item.map(|place| (name(place), Kind::Category)));
        kinds.extend(places.rating.map(|place| (name(place), Kind::Number)));
        let options = TableOptions { header: Some(header), kinds, ..TableOptions::default() };
        let table = Table::read(path, &options)?;
        let columns = [Some(places.user), places.item, places.rating, places.time].into_iter().flatten().map(name);
        of_table(table, places, columns.collect(), path)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.users.codes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows in the order of time, those of the same time in their own order.
    pub fn in_time(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        if let Some(times) = &self.times {
            rows.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
        }
        rows
    }

    /// Leaves out rows that a later one has the user and the item of.
    fn drop_repeated(&mut self) {
        let mut rows = self.in_time();
        let pair = |row: usize| (self.users.codes[row], self.items.codes[row]);
        rows.sort_by_key(|&row| pair(row));
        let mut keep = vec![true; self.len()];
        rows.windows(2).for_each(|two| keep[two[0]] = pair(two[0]) != pair(two[1]));
        self.repeated = keep.iter().filter(|keep| !**keep).count();
        if self.repeated > 0 {
            self.retain(&keep);
        }
    }

    fn retain(&mut self, keep: &[bool]) {
        fn kept<T>(values: &mut Vec<T>, keep: &[bool]) {
            let mut keep = keep.iter();
            values.retain(|_| keep.next().copied().unwrap_or(true));
        }
        kept(&mut self.users.codes, keep);
        kept(&mut self.items.codes, keep);
        self.ratings.iter_mut().for_each(|values| kept(values, keep));
        self.times.iter_mut().for_each(|values| kept(values, keep));
    }
}

/// Whether a file's first line has names, by a rule for text, and the names of its columns as tables have them.
fn names_of(path: &Path, has_names: impl Fn(&[String]) -> bool) -> Result<(bool, Vec<String>), RatingsError> {
    let Some(fields) = Table::first_line(path)? else {
        // A file whose columns have names: they are known when it is read.
        let table = Table::read(path, &TableOptions::default())?;
        return Ok((true, table.columns().iter().map(|column| column.name.clone()).collect()));
    };
    let header = has_names(&fields);
    let name = |(place, field): (usize, String)| match header && !field.is_empty() {
        true => field,
        false => format!("column {}", place + 1),
    };
    Ok((header, fields.into_iter().enumerate().map(name).collect()))
}

fn of_table(table: Table, places: Places, names: Vec<String>, path: &Path) -> Result<Ratings, RatingsError> {
    let rows = table.rows();
    let mut columns: Vec<Option<Column>> = table.into_columns().into_iter().map(Some).collect();
    let mut take = |place: usize| columns.get_mut(place).and_then(Option::take);
    let mut complete = vec![true; rows];
    let mut named = |column: Option<Column>| {
        let Some(Column { values: Values::Categories { names, codes }, .. }) = column else { return Named::default() };
        complete.iter_mut().zip(codes.iter()).for_each(|(complete, code)| *complete &= code.is_some());
        Named { names, codes: codes.iter().map(Option::unwrap_or_default).collect() }
    };
    let users = named(take(places.user));
    let items = places.item.map(|place| named(take(place))).unwrap_or_default();
    let mut numbers = |column: Option<Column>, what: &str| -> Result<Option<Vec<f64>>, RatingsError> {
        let Some(column) = column else { return Ok(None) };
        let (Values::Numbers(values) | Values::Times(values)) = column.values else {
            return Err(RatingsError::NoTimes { path: path.to_owned(), column: column.name });
        };
        if let Some(row) = values.iter().position(|value| value.is_infinite() && what == "rating") {
            return Err(RatingsError::Infinite { path: path.to_owned(), row: row + 1 });
        }
        complete.iter_mut().zip(&*values).for_each(|(complete, value)| *complete &= !value.is_nan());
        Ok(Some(values.to_vec()))
    };
    let ratings = numbers(places.rating.and_then(&mut take), "rating")?;
    let times = numbers(places.time.and_then(&mut take), "time")?;
    let incomplete = complete.iter().filter(|complete| !**complete).count();
    if incomplete == rows {
        return Err(RatingsError::NoRows { path: path.to_owned(), columns: names });
    }
    let mut all = Ratings { users, items, ratings, times, columns: names, incomplete, repeated: 0 };
    if incomplete > 0 {
        all.retain(&complete);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(name: &str, text: &str, columns: &RatingColumns) -> Result<Ratings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let told = |error: RatingsError| error.to_string().replace(&folder.path().display().to_string(), "");
        Ratings::read(&path, columns).map_err(told)
    }

    /// User, item, rating and time of each row.
    fn rows(ratings: &Ratings) -> Vec<String> {
        let number =
            |values: &Option<Vec<f64>>, row: usize| values.as_ref().map_or("-".into(), |all| all[row].to_string());
        let row = |row: usize| {
            let user = &ratings.users.names[ratings.users.codes[row] as usize];
            let item = &ratings.items.names[ratings.items.codes[row] as usize];
            format!("{user} {item} {} {}", number(&ratings.ratings, row), number(&ratings.times, row))
        };
        (0..ratings.len()).map(row).collect()
    }

    #[test]
    fn ratings_are_read_as_they_are_written() {
        let found = RatingColumns::default();
        for (name, text) in [
            ("r.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n01\ta\t3\t20\n1\tb\t4.5\t10\n"),
            ("r.csv", "timestamp,item,user,stars\n20,a,01,3\n10,b,1,4.5\n"),
            ("r.tsv", "01\ta\t3\t20\n1\tb\t4.5\t10\n"),
        ] {
            let ratings = read(name, text, &found).unwrap();
            assert_eq!(rows(&ratings), ["01 a 3 20", "1 b 4.5 10"], "{name}");
            assert_eq!(ratings.in_time(), [1, 0], "{name}");
        }
        let likes = read("l.csv", "customer,sku,pieces\nann,x,2\nbob,y,1\n", &found).unwrap();
        assert_eq!(
            (rows(&likes), likes.columns),
            (vec!["ann x - -".into(), "bob y - -".into()], vec!["customer".into(), "sku".into()])
        );
        let dated = read("d.csv", "user,item,date\n1,2,2020-01-02\n1,3,2020-01-01\n", &found).unwrap();
        assert_eq!(dated.in_time(), [1, 0]);
    }

    #[test]
    fn the_last_of_equal_pairs_counts_and_rows_without_values_do_not() {
        let text =
            "user,item,rating,time\n1,a,5,30\n1,a,2,40\n1,a,3,20\n,a,1,1\n2,,1,1\n2,b,,1\n2,b,4,\n2,b,1,7\n2,b,2,7\n";
        let ratings = read("r.csv", text, &RatingColumns::default()).unwrap();
        assert_eq!(rows(&ratings), ["1 a 2 40", "2 b 2 7"]);
        assert_eq!((ratings.incomplete, ratings.repeated), (4, 3));
    }

    #[test]
    fn what_tells_no_ratings_is_refused() {
        let found = RatingColumns::default();
        let named = |rating: &str| RatingColumns { rating: Some(rating.into()), ..RatingColumns::default() };
        for (text, columns, said) in [
            (
                "1::2::3\n1::3::4\n",
                &found,
                "/r.csv: there is a column for users (column 1) and none for items: give a table of user",
            ),
            ("user,item,rating\n1,2,good\n", &found, "/r.csv: \"good\" in row 1 of column \"rating\" is no number"),
            ("user,item,rating\n1,2,inf\n", &found, "/r.csv: the rating in row 1 is infinite"),
            ("user,item,time\n1,2,soon\n1,3,later\n", &found, "/r.csv: column \"time\" holds no times"),
            ("user,item,rating\n1,,3\n,2,4\n", &found, "/r.csv: no row has all of user, item, rating"),
            ("user,item\n1,2\n", &named("rate"), "/r.csv: there is no column \"rate\"; did you mean"),
            ("", &found, "/r.csv is empty"),
            ("user,item\n", &found, "/r.csv has a line of names and no line of values"),
            ("user,item,rating\n1,2\n", &found, "/r.csv:2: 2 fields, the first line has 3"),
        ] {
            let told = read("r.csv", text, columns).unwrap_err();
            assert!(told.starts_with(said), "{told}");
        }
    }

    #[test]
    fn titles_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.csv");
        for text in [
            "item_id:token,movie_title:token_seq,class\n7,Dune,sf\n8,,sf\n",
            "7,Dune,1984\n",
            "title,year,movie\nDune,1984,7\n",
        ] {
            fs::write(&path, text).unwrap();
            let titles = read_titles(&path).unwrap();
            assert_eq!((titles.len(), &titles["7"][..]), (1, "Dune"), "{text}");
        }
        fs::write(&path, "item\n7\n").unwrap();
        assert!(read_titles(&path).unwrap_err().to_string().ends_with("for items (item) and none for titles"));
    }
}
