//! What ratings are like, and what looks wrong in them.

use super::{Named, Ratings};
use crate::spread::spread;
use serde::Serialize;
use std::fmt;

/// The share of all rows from which on one item is told of.
const POPULAR: f64 = 0.2;

/// What ratings are like.
#[derive(Clone, Debug, Serialize)]
pub struct RatingsInspection {
    /// Number of ratings.
    pub ratings: usize,
    /// Number of users.
    pub users: usize,
    /// Number of items.
    pub items: usize,
    /// The share of pairs of users and items that are rated.
    pub density: f64,
    /// The least, median and greatest number of ratings of a user.
    pub of_user: Option<[usize; 3]>,
    /// The least, median and greatest number of ratings of an item.
    pub of_item: Option<[usize; 3]>,
    /// The least, median and greatest rating, where the table has some.
    pub values: Option<[f64; 3]>,
    /// The names of the columns of users, items, ratings and times that there are.
    pub columns: Vec<String>,
    /// What looks wrong.
    pub findings: Vec<RatingsFinding>,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RatingsFinding {
    /// Rows without a value, which are left out.
    Incomplete {
        /// How many.
        rows: usize,
    },
    /// Rows that a later one of the same user and item stands for.
    Repeated {
        /// How many.
        rows: usize,
    },
    /// Users with one item: there is nothing to test on, and little to learn.
    OneItem {
        /// How many.
        users: usize,
        /// The first of them.
        user: String,
    },
    /// Items of one user.
    OneUser {
        /// How many.
        items: usize,
        /// The first of them.
        item: String,
    },
    /// An item that many ratings are of.
    Popular {
        /// The item.
        item: String,
        /// Its share of all ratings.
        share: f64,
    },
    /// All ratings are the same.
    OneValue {
        /// This one.
        value: f64,
    },
    /// No times: the order of the rows is taken for that of time.
    NoTimes,
}

impl fmt::Display for RatingsFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RatingsFinding::Incomplete { rows } => write!(f, "rows without a value, which are left out: {rows}"),
            RatingsFinding::Repeated { rows } => {
                write!(f, "rows of a user and an item that a later row stands for: {rows}")
            }
            RatingsFinding::OneItem { users, user } => {
                write!(
                    f,
                    "users with one item, of whom little can be learned and nothing tested: {users}, {user:?} first"
                )
            }
            RatingsFinding::OneUser { items, item } => {
                write!(f, "items of one user, which are hardly ever recommended: {items}, {item:?} first")
            }
            RatingsFinding::Popular { item, share } => {
                write!(f, "{:.0} % of all ratings are of {item:?}", 100.0 * share)
            }
            RatingsFinding::OneValue { value } => {
                write!(f, "all ratings are {value}: they tell who chose what, and not how it was liked")
            }
            RatingsFinding::NoTimes => {
                write!(f, "no column has times: the last rows of a user are taken for the latest")
            }
        }
    }
}

impl Ratings {
    /// Tells what the ratings are like and what looks wrong, of a table as [`Ratings::read`] reads it.
    pub fn inspect(&self) -> RatingsInspection {
        let [of_users, of_items] = [&self.users, &self.items].map(counts);
        let [users, items] = [&of_users, &of_items].map(|counts| counts.iter().filter(|count| **count > 0).count());
        let mut findings = Vec::new();
        findings.extend((self.incomplete > 0).then_some(RatingsFinding::Incomplete { rows: self.incomplete }));
        findings.extend((self.repeated > 0).then_some(RatingsFinding::Repeated { rows: self.repeated }));
        findings.extend(alone(&self.users, &of_users).map(|(users, user)| RatingsFinding::OneItem { users, user }));
        findings.extend(alone(&self.items, &of_items).map(|(items, item)| RatingsFinding::OneUser { items, item }));
        if let Some((place, most)) = of_items.iter().enumerate().max_by_key(|(_, count)| **count) {
            let share = *most as f64 / self.len().max(1) as f64;
            let item = self.items.names[place].clone();
            findings.extend((share >= POPULAR && items > 1).then_some(RatingsFinding::Popular { item, share }));
        }
        let values = self.ratings.clone().and_then(spread);
        if let Some([value, _, most]) = values
            && value == most
        {
            findings.push(RatingsFinding::OneValue { value });
        }
        findings.extend(self.times.is_none().then_some(RatingsFinding::NoTimes));
        let some = |counts: Vec<usize>| spread(counts.into_iter().filter(|count| *count > 0).collect());
        RatingsInspection {
            ratings: self.len(),
            users,
            items,
            density: self.len() as f64 / (users as f64 * items as f64).max(1.0),
            of_user: some(of_users),
            of_item: some(of_items),
            values,
            columns: self.columns.clone(),
            findings,
        }
    }
}

/// How many rows have each name.
fn counts(named: &Named) -> Vec<usize> {
    let mut counts = vec![0; named.names.len()];
    named.codes.iter().for_each(|&code| counts[code as usize] += 1);
    counts
}

/// How many names one row has, and the first of them.
fn alone(named: &Named, counts: &[usize]) -> Option<(usize, String)> {
    let mut alone = named.names.iter().zip(counts).filter(|(_, count)| **count == 1).map(|(name, _)| name);
    let first = alone.next()?.clone();
    Some((1 + alone.count(), first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RatingColumns;

    fn inspect(table: &str) -> RatingsInspection {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.csv");
        std::fs::write(&path, table).expect("a table");
        Ratings::read(&path, &RatingColumns::default()).unwrap().inspect()
    }

    #[test]
    fn what_looks_wrong_is_found() {
        let rows = "user,item,rating\na,x,3\na,y,3\na,y,4\nb,x,4\nb,y,4\nb,z,\nc,x,4\nc,w,4\nd,x,4\na,x,4\n";
        let found = inspect(rows);
        assert_eq!((found.ratings, found.users, found.items), (7, 4, 3));
        assert!((found.density - 7.0 / 12.0).abs() < 1e-12);
        assert_eq!((found.of_user, found.of_item), (Some([1, 2, 2]), Some([1, 2, 4])));
        let expected = [
            RatingsFinding::Incomplete { rows: 1 },
            RatingsFinding::Repeated { rows: 2 },
            RatingsFinding::OneItem { users: 1, user: "d".into() },
            RatingsFinding::OneUser { items: 1, item: "w".into() },
            RatingsFinding::Popular { item: "x".into(), share: 4.0 / 7.0 },
            RatingsFinding::OneValue { value: 4.0 },
            RatingsFinding::NoTimes,
        ];
        assert_eq!(found.findings, expected);
        let once = inspect("user,item\na,x\na,x\nb,x\nb,y\n");
        assert!(once.findings.contains(&RatingsFinding::Repeated { rows: 1 }), "{:?}", once.findings);
    }

    #[test]
    fn of_good_ratings_nothing_is_told() {
        let mut rows = "user,item,rating,timestamp\n".to_string();
        for user in 0..8 {
            (0..6).for_each(|i| rows += &format!("u{user},i{},{},{i}\n", (user + i) % 8, 1 + (user * i) % 5));
        }
        let found = inspect(&rows);
        assert_eq!((found.findings, found.values), (vec![], Some([1.0, 1.0, 5.0])));
    }
}
