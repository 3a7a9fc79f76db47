//! Whole texts, to learn language from.

use super::TextError;
use super::set::{EXTENSIONS, Text, file};
use crate::folders;
use crate::parallel::in_parallel;
use std::path::Path;

/// Reads a file of text in UTF-8, whatever its name ends in, or all files `.txt` of a folder and the folders in it, by their names.
/// Ends of lines become `\n`.
///
/// # Errors
/// What cannot be read or is no UTF-8; a folder without texts; a text of nothing but spaces.
pub fn read_corpus(path: &Path) -> Result<Vec<Text>, TextError> {
    let paths = if path.is_dir() { folders::listed(path, &EXTENSIONS)? } else { vec![path.to_owned()] };
    if paths.is_empty() {
        return Err(TextError::NoFiles(path.to_owned()));
    }
    let read = |path: &Path| {
        let text = file(path)?;
        let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
        let name = path.display().to_string();
        if text.trim().is_empty() {
            Err(TextError::Empty { names: vec![name], more: 0 })
        } else {
            Ok(Text { name, text })
        }
    };
    in_parallel(paths.iter().collect(), |path| read(path)).into_iter().collect()
}
