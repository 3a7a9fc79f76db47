//! Texts of files as a terminal shows them.

use std::borrow::Cow;

/// Characters of a text that is quoted in a sentence.
const QUOTED: usize = 60;

/// A text in one line: ends of lines, other control characters and those that turn the direction of writing are escaped as in
/// Rust (`\n`, `\u{1b}`).
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut line = String::new();
    for c in text.chars() {
        match is_unseen(c) {
            true => line.extend(c.escape_debug()),
            false => line.push(c),
        }
    }
    Cow::Owned(line)
}

fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in quotes, of which a long one keeps its beginning.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_the_cursor_is_escaped() {
        assert!(matches!(printable("größe 1 \"x\" \\ 😀"), Cow::Borrowed("größe 1 \"x\" \\ 😀")));
        assert_eq!(printable("a\nb\t\r\u{1b}[31m"), r"a\nb\t\r\u{1b}[31m");
        assert_eq!(printable("\u{202e}x\u{85}\u{2028}"), r"\u{202e}x\u{85}\u{2028}");
    }

    #[test]
    fn quotations_are_short() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"é".repeat(60)), format!("{:?}", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(61)), format!("{:?}...", "é".repeat(60)));
    }
}
