//! Titles of items.

use super::columns::{is_item, is_title};
use super::{RatingsError, names_of};
use crate::table::{Kind, Table, TableOptions, Values};
use std::collections::HashMap;
use std::path::Path;

/// Reads the titles of items: a table whose column of items is called `item`, `movie_id` and the like, or is the first, and that of titles
/// `title`, `name` and the like, or is the next.
///
/// # Errors
/// A table that cannot be read, or with one column.
pub fn read_titles(path: &Path) -> Result<HashMap<String, String>, RatingsError> {
    let (header, names) = names_of(path, |fields| fields.iter().any(|field| is_item(field) || is_title(field)))?;
    let item = names.iter().position(|name| is_item(name)).unwrap_or(0);
    let title = names.iter().position(|name| is_title(name)).filter(|title| *title != item);
    let title = title.or_else(|| (0..names.len()).find(|place| *place != item));
    let none = || RatingsError::NoTitles { path: path.to_owned(), column: names[item].clone() };
    let title = title.ok_or_else(none)?;
    let kinds = [item, title].map(|place| (names[place].clone(), Kind::Text)).into();
    let table = Table::read(path, &TableOptions { header: Some(header), kinds, ..TableOptions::default() })?;
    let texts = |place: usize| match &table.columns()[place].values {
        Values::Texts(texts) => Some(texts.iter()),
        _ => None,
    };
    let pairs = texts(item).into_iter().flatten().zip(texts(title).into_iter().flatten());
    Ok(pairs.filter_map(|(item, title)| Some((item?.to_string(), title?.to_string()))).collect())
}
