//! Numbers as a person reads them.

/// Five digits of a number.
pub fn short(x: f64) -> String {
    let size = x.abs();
    if size >= 1e6 || (size < 1e-3 && x != 0.0) {
        return format!("{x:.4e}");
    }
    let digits = (4 - size.max(1.0).log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all = [0.0, 1.0, 12.34567, -0.25, 4200.7, 123456.0, 1.5e9, 1e-7];
        assert_eq!(all.map(short), ["0", "1", "12.346", "-0.25", "4200.7", "123456", "1.5000e9", "1.0000e-7"]);
    }
}
