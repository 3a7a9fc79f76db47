//! Commands for a person to type.

/// This program, as it was called.
pub fn program() -> String {
    std::env::args_os().next().map_or_else(|| "mapsto".into(), |name| quoted(&name.to_string_lossy()))
}

/// A word in the way that a shell takes it for one.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_sees_the_word_again() {
        for word in ["runs/größe-1.0", "", "two words", "it's", "$HOME", "~", "a;b", "a\\b", "\"", "*", "''"] {
            let echo = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").args(["-c", &echo]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{echo}");
        }
        assert_eq!(quoted("target/release/mapsto"), "target/release/mapsto");
    }
}
