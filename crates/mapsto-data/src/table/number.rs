//! Numbers as people write them: with a unit or a sign of currency, with separators of thousands, with a decimal comma.

use std::cmp::Reverse;
use std::collections::HashMap;

/// What stands between digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notation {
    /// Characters that may stand between thousands, the same one in a number.
    thousands: &'static str,
    pub decimal: char,
}

const PLAIN: Notation = Notation { thousands: "", decimal: '.' };
/// 1,234.5
pub(super) const COMMAS: Notation = Notation { thousands: ",", decimal: '.' };
/// 1234,5
pub(super) const DECIMAL_COMMA: Notation = Notation { thousands: "", decimal: ',' };
/// 1.234,5
const DOTS: Notation = Notation { thousands: ".", decimal: ',' };
/// 1 234.5, also with spaces that break no line.
const SPACES: Notation = Notation { thousands: " \u{a0}\u{202f}", decimal: '.' };
/// 1 234,5
const SPACES_AND_COMMA: Notation = Notation { decimal: ',', ..SPACES };
/// 1'234.5
const APOSTROPHES: Notation = Notation { thousands: "'’", decimal: '.' };

/// The first that fits is taken.
const USUAL: [Notation; 6] = [PLAIN, COMMAS, DECIMAL_COMMA, SPACES, SPACES_AND_COMMA, APOSTROPHES];
/// The same where decimal commas are to be expected. Points between thousands are taken here alone: elsewhere they rather
/// number versions and machines.
const WITH_COMMA: [Notation; 6] = [PLAIN, DECIMAL_COMMA, DOTS, SPACES_AND_COMMA, SPACES, APOSTROPHES];
/// Letters of a unit, at most.
const UNIT: usize = 16;

fn notations(decimal_comma: bool) -> &'static [Notation; 6] {
    if decimal_comma { &WITH_COMMA } else { &USUAL }
}

/// A number as programs write it.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A number apart from what stands around it.
#[derive(Clone, Copy)]
struct Written<'a> {
    negative: bool,
    digits: &'a str,
    around: Around<'a>,
}

/// A sign of currency before a number, a unit or such a sign behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Around<'a> {
    before: &'a str,
    after: &'a str,
}

impl<'a> Written<'a> {
    fn of(text: &'a str) -> Option<Written<'a>> {
        let (sign, rest) = signed(text);
        let before = rest.chars().next().filter(|&c| is_currency(c)).map_or("", |c| &rest[..c.len_utf8()]);
        let rest = rest[before.len()..].trim_start();
        let (negative, rest) = if sign { (true, rest) } else { signed(rest) };
        if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',') {
            // Infinity has no unit.
            let whole = Written { negative: false, digits: text, around: Around::default() };
            return number(text).is_some_and(f64::is_infinite).then_some(whole);
        }
        let digit_or_separator = |c: char| c.is_ascii_digit() || ".,'’ \u{a0}\u{202f}".contains(c);
        let end = rest.find(|c| !digit_or_separator(c)).unwrap_or(rest.len());
        let digits = rest[..end].trim_end();
        let digits = &rest[..digits.len() + exponent(&rest[digits.len()..])];
        let after = rest[digits.len()..].trim();
        (after.is_empty() || is_unit(after)).then_some(Written { negative, digits, around: Around { before, after } })
    }

    fn value(&self, notation: Notation) -> Option<f64> {
        let value = unsigned(self.digits, notation)?;
        Some(if self.negative { -value } else { value })
    }
}

/// Whether a text begins with a minus, and what follows its sign.
fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Bytes of the power of ten that a text begins with.
fn exponent(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let ends = rest.len() < digits.len() && !rest.starts_with(char::is_alphabetic);
    if ends { text.len() - rest.len() } else { 0 }
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '\u{20a0}'..='\u{20cf}')
}

/// Letters, shares and currency, perhaps raised to a power: %, kg, m2, km/h, °C, €.
fn is_unit(text: &str) -> bool {
    let name = text.strip_suffix(['2', '3']).unwrap_or(text);
    let inside = |c: char| c.is_alphabetic() || is_currency(c) || "%‰°/²³·.".contains(c);
    !name.starts_with(['/', '²', '³', '·', '.']) && !name.is_empty() && name.chars().all(inside) && text.len() <= UNIT
}

fn unsigned(text: &str, notation: Notation) -> Option<f64> {
    if notation == PLAIN {
        return number(text);
    }
    let end = text.find(['e', 'E']).unwrap_or(text.len());
    let (digits, power) = text.split_at(end);
    let (whole, decimals) = digits.split_once(notation.decimal).unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let separator = whole.chars().find(|&c| notation.thousands.contains(c));
    let whole = match separator {
        // What separates thousands separates all.
        None if !notation.thousands.is_empty() && whole.len() > 3 => return None,
        None => whole.to_string(),
        Some(separator) => {
            let mut groups = whole.split(separator);
            let first = groups.next().unwrap_or_default();
            let fit = (1..=3).contains(&first.len()) && !first.starts_with('0') && groups.all(|group| group.len() == 3);
            if !fit {
                return None;
            }
            whole.replace(separator, "")
        }
    };
    if !all_digits(&whole) || !all_digits(decimals) {
        return None;
    }
    number(&format!("{whole}.{decimals}{power}"))
}

/// How the numbers of a column are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Form<'a> {
    around: Around<'a>,
    pub notation: Notation,
}

impl<'a> Form<'a> {
    /// The form in which all texts are written, and whether they could as well be in another.
    pub fn of_all(texts: impl Iterator<Item = &'a str>, decimal_comma: bool) -> Option<(Form<'a>, bool)> {
        let mut around = None;
        let mut fitting = notations(decimal_comma).to_vec();
        for text in texts {
            let written = Written::of(text)?;
            if written.around != *around.get_or_insert(written.around) {
                return None;
            }
            fitting.retain(|&notation| written.value(notation).is_some());
            if fitting.is_empty() {
                return None;
            }
        }
        let notation = *fitting.first()?;
        let form = Form { around: around?, notation };
        Some((form, notation == COMMAS && fitting.contains(&DECIMAL_COMMA)))
    }

    /// The form in which most of those texts are written that are numbers, each with how often it occurs; and how many are.
    pub fn of_most(texts: impl Iterator<Item = (&'a str, usize)>, decimal_comma: bool) -> Option<(Form<'a>, usize)> {
        let notations = notations(decimal_comma);
        let mut counts: HashMap<Around, [usize; 6]> = HashMap::new();
        for (text, times) in texts {
            let Some(written) = Written::of(text) else { continue };
            let counts = counts.entry(written.around).or_default();
            let fits = |notation: &Notation| written.value(*notation).is_some();
            counts
                .iter_mut()
                .zip(notations)
                .filter(|(_, notation)| fits(notation))
                .for_each(|(count, _)| *count += times);
        }
        let all = counts.iter().flat_map(|(around, counts)| counts.iter().zip(0..).map(move |(n, i)| (*n, i, around)));
        // The usual one among equals, in whatever order the map has them.
        let (count, i, around) =
            all.max_by_key(|&(n, i, around)| (n, Reverse(i), Reverse((around.before, around.after))))?;
        Some((Form { around: *around, notation: notations[i] }, count))
    }

    /// The number that a text is in this form.
    pub fn read(&self, text: &str) -> Option<f64> {
        Written::of(text).filter(|written| written.around == self.around)?.value(self.notation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &[&str], decimal_comma: bool) -> Option<(Vec<f64>, bool)> {
        let (form, doubtful) = Form::of_all(texts.iter().copied(), decimal_comma)?;
        Some((texts.iter().map(|text| form.read(text).unwrap()).collect(), doubtful))
    }

    fn read(texts: &[&str]) -> Option<Vec<f64>> {
        all(texts, false).map(|(values, _)| values)
    }

    #[test]
    fn units_stand_around_all_numbers_or_none() {
        assert_eq!(read(&["5%", "-1.5 %", "+1e3%"]), Some(vec![5.0, -1.5, 1000.0]));
        assert_eq!(read(&["$1,234.50", "-$5", "$ -7"]), Some(vec![1234.5, -5.0, -7.0]));
        for unit in ["€", "kg", "km/h", "m2", "m³", "°C", "µm", "months", "E"] {
            assert_eq!(read(&[&format!("5{unit}"), &format!("12.5 {unit}")]), Some(vec![5.0, 12.5]), "{unit}");
        }
        assert_eq!(read(&["1", "inf", "-inf"]), Some(vec![1.0, f64::INFINITY, f64::NEG_INFINITY]));
        for other in [
            &["5 kg", "5 lb"][..],
            &["5%", "5"],
            &["$5", "€5"],
            &["5 fine days"],
            &["2020-01-02"],
            &["12:30"],
            &["x"],
            &["-"],
            &["%"],
            &["1st", "2nd"],
            &["3/4"],
            &["5 2"],
            &["--5"],
            &["1.2.3"],
            &["5/"],
            &["1_0"],
            &["0x1f"],
            &["5abcdefghijklmnopq"],
            &["192.168.100.100"],
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[test]
    fn separators_are_the_same_in_a_column() {
        assert_eq!(all(&["1,234", "12", "1,234,567.5"], false), Some((vec![1234.0, 12.0, 1234567.5], false)));
        assert_eq!(all(&["1,5", "1,234", "-,5", "2,5e-1"], false), Some((vec![1.5, 1.234, -0.5, 0.25], false)));
        // A thousand, or one and some thousandths.
        assert_eq!(all(&["1,234", "567"], false), Some((vec![1234.0, 567.0], true)));
        assert_eq!(all(&["0,234", "1,567"], false), Some((vec![0.234, 1.567], false)));
        assert_eq!(all(&["1,234", "567"], true), Some((vec![1.234, 567.0], false)));
        assert_eq!(all(&["1.234", "1.234.567,5"], true), Some((vec![1234.0, 1234567.5], false)));
        assert_eq!(all(&["1.234", "2.5"], true), Some((vec![1.234, 2.5], false)));
        for space in [' ', '\u{a0}', '\u{202f}'] {
            assert_eq!(read(&[&format!("12{space}345,5"), "7"]), Some(vec![12345.5, 7.0]));
        }
        assert_eq!(read(&["1'234.5", "1'000'000"]), Some(vec![1234.5, 1e6]));
        for other in [
            &["1,234", "1234567.5"][..],
            &["1,23,456"],
            &["1234,567.0"],
            &["1,234,56"],
            &["1 23"],
            &["1,5", "1.5"],
            &[","],
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[test]
    fn most_texts_tell_the_form() {
        let most = |texts: &[&'static str]| {
            Form::of_most(texts.iter().map(|text| (*text, 2)).collect::<Vec<_>>().into_iter(), false)
        };
        let (form, count) = most(&["5%", "7", "8,5%", "x", "9%"]).unwrap();
        assert_eq!((form.read("8,5%"), form.read("7"), count), (Some(8.5), None, 6));
        assert_eq!(most(&["1,234", "1"]).unwrap().0.notation, COMMAS);
        assert!(most(&["x", "y"]).is_none());
    }
}
