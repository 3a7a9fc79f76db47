//! Which kind of values the texts of a column are.

use super::{Kind, Values};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use std::collections::HashMap;

/// Texts that stand for no value, in lower case; so does an empty one.
const MISSING: [&str; 11] = ["na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none", "nil", "missing", "?"];
/// How dates are written besides ISO 8601; the first that fits a whole column is taken, so that months come before days
/// where both are possible.
const DATES: [&str; 7] = ["%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%b %d %Y", "%b %d, %Y", "%d %b %Y"];
/// What may follow a date.
const CLOCKS: [&str; 3] = ["", " %H:%M", " %H:%M:%S"];
/// Distinct texts of a column of categories, in any table.
const FEW: usize = 32;
/// Words of a text that is more than a name, on average.
const WORDS: usize = 4;

/// The texts of a column, one behind the other.
#[derive(Default)]
pub(super) struct Texts {
    data: String,
    ends: Vec<usize>,
}

/// The distinct texts of a column.
struct Distinct<'a> {
    /// Each text, in the order in which they are seen first.
    names: Vec<&'a str>,
    /// Which of them each row has.
    codes: Vec<Option<u32>>,
}

impl<'a> Distinct<'a> {
    fn of(texts: &'a Texts) -> Distinct<'a> {
        let (mut names, mut seen) = (Vec::new(), HashMap::new());
        let mut code = |text| {
            *seen.entry(text).or_insert_with(|| {
                names.push(text);
                names.len() as u32 - 1
            })
        };
        let codes = texts.iter().map(|text| text.map(&mut code)).collect();
        Distinct { names, codes }
    }

    /// Whether the texts are names that repeat and not sentences.
    fn are_categories(&self) -> bool {
        let words: Vec<usize> = self.names.iter().map(|name| name.split_whitespace().count()).collect();
        let (mut count, mut all_words) = (0, 0);
        for &code in self.codes.iter().flatten() {
            (count, all_words) = (count + 1, all_words + words[code as usize]);
        }
        all_words < WORDS * count && self.names.len() <= FEW.max(count / 2)
    }

    fn categories(self) -> Values {
        // The first bytes decide most comparisons, and lie side by side.
        let head = |name: &str| {
            let mut head = [0; 8];
            let length = name.len().min(8);
            head[..length].copy_from_slice(&name.as_bytes()[..length]);
            u64::from_be_bytes(head)
        };
        let mut order: Vec<(u64, &str, u32)> =
            self.names.iter().zip(0..).map(|(name, i)| (head(name), *name, i)).collect();
        order.sort_unstable();
        let mut places = vec![0; order.len()];
        order.iter().zip(0..).for_each(|(&(_, _, first), place)| places[first as usize] = place);
        let codes = self.codes.into_iter().map(|code| code.map(|code| places[code as usize])).collect();
        Values::Categories { names: order.into_iter().map(|(_, name, _)| name.to_string()).collect(), codes }
    }
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        self.data.push_str(text);
        self.ends.push(self.data.len());
    }

    /// Each row's text, also if it stands for no value.
    fn raw(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let text = &self.data[start..end];
            start = end;
            text
        })
    }

    /// Each row's text, none if it stands for no value.
    fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.raw().map(|text| (!is_missing(text)).then_some(text))
    }

    /// `f` of every text, NaN where there is no value; none if it fails for one of them.
    fn all(&self, f: impl Fn(&str) -> Option<f64>) -> Option<Vec<f64>> {
        let mut values = Vec::new();
        for text in self.raw() {
            // What has a value is no name of a missing one, but for NaN.
            let value = f(text).filter(|value| !value.is_nan()).or_else(|| is_missing(text).then_some(f64::NAN))?;
            if values.is_empty() {
                values.reserve_exact(self.ends.len());
            }
            values.push(value);
        }
        Some(values)
    }

    /// The values as this kind, or the row of one that is none of it, and its text.
    pub fn of_kind(self, kind: Kind, decimal_comma: bool) -> Result<Values, (usize, String)> {
        let wrong = |f: fn(&str) -> Option<f64>| {
            let is_wrong = |(_, text): &(usize, Option<&str>)| text.is_some_and(|text| f(text).is_none());
            let (row, text) = self.iter().enumerate().find(is_wrong).unwrap_or_default();
            (row, text.unwrap_or_default().to_string())
        };
        match kind {
            Kind::Number => self.numbers(decimal_comma).map(Values::Numbers).ok_or_else(|| wrong(number)),
            Kind::Time => self.times().map(Values::Times).ok_or_else(|| wrong(time)),
            Kind::Category => Ok(Distinct::of(&self).categories()),
            Kind::Text => Ok(self.texts()),
        }
    }

    fn numbers(&self, decimal_comma: bool) -> Option<Vec<f64>> {
        let with_comma = || self.all(|text| number(&text.replacen(',', ".", 1)));
        self.all(number).or_else(|| if decimal_comma { with_comma() } else { None })
    }

    fn times(&self) -> Option<Vec<f64>> {
        self.all(time).or_else(|| DATES.iter().find_map(|date| self.all(|text| written(date, text))))
    }

    fn texts(&self) -> Values {
        Values::Texts(self.iter().map(|text| text.map(str::to_string)).collect())
    }

    /// Every text but the empty ones.
    pub fn written(&self) -> Values {
        Values::Texts(self.raw().map(|text| (!text.is_empty()).then(|| text.to_string())).collect())
    }

    /// The values: numbers if all are, else times if all are, else categories where texts repeat, else texts.
    pub fn typed(self, decimal_comma: bool) -> Values {
        if let Some(values) = self.numbers(decimal_comma) {
            return Values::Numbers(values);
        }
        if let Some(values) = self.times() {
            return Values::Times(values);
        }
        self.worded()
    }

    /// The values of texts that are neither numbers nor times: categories where they repeat, else texts.
    pub fn worded(self) -> Values {
        let distinct = Distinct::of(&self);
        if distinct.are_categories() { distinct.categories() } else { self.texts() }
    }
}

/// Whether a field stands for no value.
pub(super) fn is_missing(text: &str) -> bool {
    text.is_empty() || MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing))
}

/// A number as programs write it.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Seconds since 1970 of a date or a time of ISO 8601, with or without an offset from UTC.
fn time(text: &str) -> Option<f64> {
    // The parser takes bare numbers for dates, too.
    if !text.contains(['-', ':']) {
        return None;
    }
    let seconds = |time: Timestamp| time.as_second() as f64 + f64::from(time.subsec_nanosecond()) * 1e-9;
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(seconds(time));
    }
    let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from)).ok()?;
    local.to_zoned(TimeZone::UTC).ok().map(|time| seconds(time.timestamp()))
}

/// Seconds since 1970 of a date in this form, with or without a time of day in UTC.
fn written(date: &str, text: &str) -> Option<f64> {
    let time = CLOCKS.iter().find_map(|clock| BrokenDownTime::parse(format!("{date}{clock}"), text).ok())?;
    let clock = time.to_time().unwrap_or_default();
    let zoned = time.to_date().ok()?.to_datetime(clock).to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(texts: &[&str], decimal_comma: bool) -> Values {
        let mut all = Texts::default();
        texts.iter().for_each(|text| all.push(text));
        all.typed(decimal_comma)
    }

    #[test]
    fn numbers_are_what_parses_as_numbers() {
        let Values::Numbers(values) = typed(&["1", "-2.5", "1e3", "NA", "", "inf"], false) else { panic!() };
        assert_eq!(values[..3], [1.0, -2.5, 1000.0]);
        assert!(values[3].is_nan() && values[4].is_nan() && values[5] == f64::INFINITY);
        let Values::Numbers(values) = typed(&["1,5", "2", "?"], true) else { panic!() };
        assert_eq!(values[..2], [1.5, 2.0]);
        assert_eq!(typed(&["1,5", "2"], false).kind(), Kind::Category);
    }

    #[test]
    fn times_are_what_iso_8601_names() {
        let texts = ["1970-01-02", "1970-01-01T00:00:01.5", "1970-01-01 01:00", "1970-01-01T01:00:00+01:00", "null"];
        let Values::Times(values) = typed(&texts, false) else { panic!() };
        assert_eq!(values[..4], [86400.0, 1.5, 3600.0, 0.0]);
        assert!(values[4].is_nan());
        assert_eq!(typed(&["2020-13-01"], false).kind(), Kind::Category);
    }

    #[test]
    fn dates_are_written_in_one_way_in_a_column() {
        let first = |texts: &[&str]| match typed(texts, false) {
            Values::Times(values) => values[0],
            other => panic!("{texts:?}: {other:?}"),
        };
        let day = 86400.0;
        assert_eq!(first(&["1/2/1970", "3/4/1970", ""]), day);
        assert_eq!(first(&["1/2/1970", "13/4/1970"]), 31.0 * day);
        assert_eq!(first(&["2.1.1970 00:01", "2.1.1970 00:01:30"]), day + 60.0);
        for text in ["Jan 2 1970", "Jan 2, 1970", "2 Jan 1970", "1970/01/02"] {
            assert_eq!(first(&[text]), day, "{text}");
        }
        assert_eq!(typed(&["1/2/1970", "2.1.1970"], false).kind(), Kind::Category);
    }

    #[test]
    fn texts_that_repeat_are_categories() {
        let codes = |values| match values {
            Values::Categories { names, codes } => (names, codes),
            other => panic!("{other:?}"),
        };
        let (names, found) = codes(typed(&["red", "blue", "", "red"], false));
        assert_eq!((names, found), (vec!["blue".into(), "red".into()], vec![Some(1), Some(0), None, Some(1)]));
        let many: Vec<String> = (0..100).map(|i| format!("name {i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(typed(&many, false).kind(), Kind::Text);
        assert_eq!(typed(&["this is a whole sentence", "and so is this one"], false).kind(), Kind::Text);
    }

    #[test]
    fn a_kind_that_is_asked_for_is_kept_or_refused() {
        let of = |texts: &[&str], kind| {
            let mut all = Texts::default();
            texts.iter().for_each(|text| all.push(text));
            all.of_kind(kind, false)
        };
        assert_eq!(of(&["1", "", "2"], Kind::Category).unwrap().kind(), Kind::Category);
        assert_eq!(of(&["1"], Kind::Text).unwrap(), Values::Texts(vec![Some("1".into())]));
        assert_eq!(of(&["1", "", "two", "x"], Kind::Number), Err((2, "two".into())));
        assert_eq!(of(&["2020-01-01", "soon"], Kind::Time), Err((1, "soon".into())));
    }

    #[test]
    fn nothing_at_all_is_a_column_of_missing_numbers() {
        assert!(matches!(typed(&["", "na"], false), Values::Numbers(values) if values.iter().all(|x| x.is_nan())));
    }
}
