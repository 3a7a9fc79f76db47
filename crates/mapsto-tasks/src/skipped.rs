//! Files that cannot be read: named, or passed over when asked.

use crate::error::TaskError;

/// Fails with the first reason, unless such files are to be passed over.
pub(crate) fn refuse(why: &[String], skip_bad: bool) -> Result<(), TaskError> {
    let mend = "mend or remove what cannot be read, or pass over it with --skip-bad";
    match why {
        [first, others @ ..] if !skip_bad => {
            let more = if others.is_empty() { String::new() } else { format!(", and {} more like it", others.len()) };
            Err(TaskError::Input(format!("{first}{more}; {mend}")))
        }
        _ => Ok(()),
    }
}

/// How many files of a kind, as `picture` and `pictures`, were passed over, and the first, if there are any.
pub(crate) fn warnings([one, many]: [&str; 2], skipped: &[String]) -> Vec<String> {
    let count = match skipped.len() {
        1 => format!("1 {one} cannot be read and is passed over: "),
        count => format!("{count} {many} cannot be read and are passed over, the first of them "),
    };
    skipped.first().map(|first| count + first).into_iter().collect()
}
