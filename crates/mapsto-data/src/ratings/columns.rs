//! Which columns of a table hold users, items, ratings and times.

use super::RatingsError;
use crate::table::no_column;
use std::path::Path;

/// Names of columns of users, without marks and in lower case.
const USERS: [&str; 15] = [
    "user",
    "userid",
    "username",
    "uid",
    "customer",
    "customerid",
    "member",
    "memberid",
    "reviewer",
    "reviewerid",
    "session",
    "sessionid",
    "visitor",
    "visitorid",
    "account",
];
/// Names of columns of items.
const ITEMS: [&str; 22] = [
    "item",
    "itemid",
    "iid",
    "product",
    "productid",
    "movie",
    "movieid",
    "film",
    "filmid",
    "book",
    "bookid",
    "isbn",
    "track",
    "trackid",
    "song",
    "songid",
    "artist",
    "artistid",
    "article",
    "articleid",
    "asin",
    "sku",
];
/// Names of columns of ratings.
const RATINGS: [&str; 6] = ["rating", "ratings", "bookrating", "score", "stars", "overall"];
/// Names of columns of times.
const TIMES: [&str; 8] = ["time", "timestamp", "date", "datetime", "unixreviewtime", "createdat", "ts", "unixtime"];

/// Names of columns of titles.
const TITLES: [&str; 7] = ["title", "name", "movietitle", "itemtitle", "itemname", "booktitle", "productname"];

/// Columns of ratings by name; what is not given is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RatingColumns {
    /// Of users. Found: `user`, `user_id`, `customer` and the like, or else the first column.
    pub user: Option<String>,
    /// Of items. Found: `item`, `item_id`, `movie` and the like, or else the next column.
    pub item: Option<String>,
    /// Of ratings. Found: `rating`, `score`, `stars` and the like; the next column, where users and items were found by their place.
    pub rating: Option<String>,
    /// Of times. Found as ratings are: `timestamp`, `date` and the like.
    pub time: Option<String>,
}

/// Where the columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub user: usize,
    pub item: Option<usize>,
    pub rating: Option<usize>,
    pub time: Option<usize>,
}

/// A name without the type that RecBole writes behind it (`user_id:token`), without marks and in lower case.
fn plain(name: &str) -> String {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn known(name: &str) -> bool {
    let name = plain(name);
    USERS.iter().chain(&ITEMS).chain(&RATINGS).chain(&TIMES).any(|known| *known == name)
}

/// Whether a column of this name would be one of items.
pub(super) fn is_item(name: &str) -> bool {
    ITEMS.contains(&plain(name).as_str())
}

/// Whether a column of this name would be one of titles.
pub(super) fn is_title(name: &str) -> bool {
    TITLES.contains(&plain(name).as_str())
}

/// Whether a first line has names: one that is known or asked for, or no number where a rating would be one.
pub(super) fn has_names(fields: &[String], asked: &RatingColumns) -> bool {
    let asked = [&asked.user, &asked.item, &asked.rating, &asked.time];
    let is_asked = |field: &String| asked.iter().any(|asked| asked.as_ref().is_some_and(|name| fits(name, field)));
    let is_number = |field: &String| field.parse::<f64>().is_ok();
    fields.iter().any(|field| known(field) || is_asked(field)) || (fields.len() > 2 && !fields.iter().any(is_number))
}

fn fits(asked: &str, name: &str) -> bool {
    asked == name || plain(asked) == plain(name)
}

impl RatingColumns {
    /// Where they are among the columns of these names.
    pub(super) fn find(&self, names: &[String], path: &Path) -> Result<Places, RatingsError> {
        let named = |asked: &Option<String>| -> Result<Option<usize>, RatingsError> {
            let Some(asked) = asked else { return Ok(None) };
            let exact = names.iter().position(|name| name == asked);
            let found = exact.or_else(|| names.iter().position(|name| fits(asked, name)));
            let none = || no_column(asked, names.iter().map(String::as_str));
            found.map(Some).ok_or_else(|| RatingsError::Column { path: path.to_owned(), source: none() })
        };
        let mut taken = [named(&self.user)?, named(&self.item)?, named(&self.rating)?, named(&self.time)?];
        let is_taken = |taken: &[Option<usize>; 4], place: usize| taken.contains(&Some(place));
        for (role, usual) in [&USERS[..], &ITEMS, &RATINGS, &TIMES].into_iter().enumerate() {
            let called = |usual: &&str| names.iter().position(|name| plain(name) == **usual);
            if taken[role].is_none() {
                taken[role] = usual.iter().filter_map(&called).find(|place| !is_taken(&taken, *place));
            }
        }
        // What is known by its name tells that the rest would be, too.
        if taken[0].is_none() || taken[1].is_none() {
            for role in 0..taken.len() {
                if taken[role].is_none() {
                    taken[role] = (0..names.len()).find(|place| !is_taken(&taken, *place));
                }
            }
        }
        let [user, item, rating, time] = taken;
        let none = || RatingsError::NoUsers { path: path.to_owned(), names: names.to_vec() };
        Ok(Places { user: user.ok_or_else(none)?, item, rating, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(names: &[&str], asked: &RatingColumns) -> [Option<usize>; 4] {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let Places { user, item, rating, time } = asked.find(&names, Path::new("r.csv")).unwrap();
        [Some(user), item, rating, time]
    }

    #[test]
    fn columns_are_found_by_name_or_by_order() {
        let found = RatingColumns::default();
        let typed = ["user_id:token", "item_id:token", "rating:float", "timestamp:float"];
        assert_eq!(places(&typed, &found), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(places(&["date", "movieId", "User-ID"], &found), [Some(2), Some(1), None, Some(0)]);
        assert_eq!(places(&["column 1", "column 2", "column 3"], &found), [Some(0), Some(1), Some(2), None]);
        // Other columns of a table with known names are not taken for ratings.
        assert_eq!(places(&["customer", "sku", "pieces"], &found), [Some(0), Some(1), None, None]);
        let asked = RatingColumns { rating: Some("pieces".into()), ..RatingColumns::default() };
        assert_eq!(places(&["customer", "sku", "pieces"], &asked), [Some(0), Some(1), Some(2), None]);
        let asked = RatingColumns { user: Some("who".into()), item: Some("USER".into()), ..RatingColumns::default() };
        assert_eq!(places(&["user:token", "who"], &asked), [Some(1), Some(0), None, None]);
        assert_eq!(places(&["user"], &found), [Some(0), None, None, None]);
        let wrong = RatingColumns { user: Some("usr".into()), ..RatingColumns::default() };
        let said = wrong.find(&["user".into(), "item".into()], Path::new("r.csv")).unwrap_err().to_string();
        assert!(said.starts_with("r.csv: there is no column \"usr\"; did you mean \"user\""), "{said}");
    }

    #[test]
    fn first_lines_with_names_are_told() {
        let told =
            |line: &str| has_names(&line.split(',').map(str::to_string).collect::<Vec<_>>(), &RatingColumns::default());
        for names in ["user_id:token,item_id:token", "a,b,c", "user", "who,Movie"] {
            assert!(told(names), "{names}");
        }
        for values in ["196,242,3", "ann,dune,4.5", "ann,dune", "ann", "7"] {
            assert!(!told(values), "{values}");
        }
        let asked = RatingColumns { user: Some("who".into()), ..RatingColumns::default() };
        assert!(has_names(&["who".into(), "what".into()], &asked));
    }
}
