//! Which kind of values the texts of a column are.

use super::dates;
use super::number::{Form, number};
use super::texts::Texts;
use super::{Codes, Kind, Strings, Values};
use crate::stored::{StoreError, Stored, StoredBuilder};
use std::collections::HashMap;

/// Texts that stand for no value, in lower case; so does an empty one. They are what pandas and R write and read, and Excel's errors.
const MISSING: [&str; 29] = [
    "na",
    "n/a",
    "#n/a",
    "#na",
    "#n/a n/a",
    "<na>",
    "nan",
    "-nan",
    "null",
    "?",
    "1.#ind",
    "-1.#ind",
    "1.#qnan",
    "-1.#qnan",
    "#div/0!",
    "#value!",
    "#ref!",
    "#name?",
    "#num!",
    "#null!",
    "#error!",
    "#spill!",
    "#calc!",
    "#field!",
    "#blocked!",
    "#connect!",
    "#busy!",
    "#unknown!",
    "#getting_data",
];
/// Texts that stand for no value among numbers and times, in lower case. Among others they may be classes, as `+` and `-`.
const BLANK: [&str; 14] =
    ["none", "nil", "missing", "-", "--", "---", "–", "—", ".", "..", "...", "n.a.", "unknown", "not available"];
/// Bytes of the longest of them.
const LONGEST: usize = 14;
/// Distinct texts of a column of categories, in any table.
const FEW: usize = 32;
/// Words of a text that is more than a name, on average.
const WORDS: usize = 4;

/// The distinct texts of a column.
struct Distinct<'a> {
    /// Each text, in the order in which they are seen first.
    names: Vec<&'a str>,
    /// Which of them each row has.
    codes: Codes,
}

impl<'a> Distinct<'a> {
    /// None if there are more than so many.
    fn of(texts: &'a Texts, most: usize) -> Result<Option<Distinct<'a>>, StoreError> {
        let (mut names, mut seen) = (Vec::new(), HashMap::new());
        let code = |text| {
            let code = *seen.entry(text).or_insert_with(|| {
                let present = !is_missing(text);
                present.then(|| names.push(text));
                present.then(|| names.len() as u32 - 1)
            });
            (names.len() <= most).then_some(code)
        };
        let codes = Codes::of(texts.iter().map_while(code))?;
        Ok((names.len() <= most).then_some(Distinct { names, codes }))
    }

    /// Whether the texts are names that repeat and not sentences.
    fn are_categories(&self) -> bool {
        let words: Vec<usize> = self.names.iter().map(|name| name.split_whitespace().count()).collect();
        let (mut count, mut all_words) = (0, 0);
        for code in self.codes.iter().flatten() {
            (count, all_words) = (count + 1, all_words + words[code as usize]);
        }
        all_words < WORDS * count && self.names.len() <= FEW.max(count / 2)
    }

    fn categories(self) -> Result<Values, StoreError> {
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
        let codes = Codes::of(self.codes.iter().map(|code| code.map(|code| places[code as usize])))?;
        Ok(Values::Categories { names: order.into_iter().map(|(_, name, _)| name.to_string()).collect(), codes })
    }
}

impl Texts {
    /// `f` of every text, NaN where there is no value; none if it fails for one of them.
    fn all(&self, is_absent: fn(&str) -> bool, f: impl Fn(&str) -> Option<f64>) -> Fitting<Stored<f64>> {
        let mut values = StoredBuilder::new();
        for text in self.iter() {
            // What has a value is no name of a missing one, but for NaN.
            let value = f(text).filter(|value| !value.is_nan()).or_else(|| is_absent(text).then_some(f64::NAN));
            let Some(value) = value else { return Ok(None) };
            values.push(value)?;
        }
        values.finish().map(Some)
    }

    /// The values as this kind.
    pub fn of_kind(self, kind: Kind, decimal_comma: bool) -> Result<Typed, Unread> {
        let decimal_comma = decimal_comma || kind == Kind::DecimalComma;
        // What had numbers or times may have none of them for once.
        let none = |of: fn(Stored<f64>) -> Values| -> Fitting<Typed> {
            Ok(self.all(is_blank, |_| None)?.map(of).map(Typed::of))
        };
        let typed = match kind.base() {
            Kind::Number => self.numbers(decimal_comma)?.map_or_else(|| none(Values::Numbers), |typed| Ok(Some(typed))),
            Kind::Time => self.times(kind)?.map_or_else(|| none(Values::Times), |typed| Ok(Some(typed))),
            Kind::Category => {
                let distinct = Distinct::of(&self, usize::MAX)?;
                distinct.map(|distinct| distinct.categories().map(Typed::of)).transpose()
            }
            _ => self.texts().map(Typed::of).map(Some),
        };
        typed?.ok_or_else(|| {
            let form = Form::of_most(self.iter().map(|text| (text, 1)), decimal_comma);
            let fits = |text: &str| match kind.base() {
                Kind::Number => form.is_some_and(|(form, _)| form.read(text).is_some()),
                _ => dates::is_time(text, kind),
            };
            let present = || self.iter().enumerate().filter(|(_, text)| !is_blank(text));
            // Dates may each be one, and not all in one form.
            let wrong = present().find(|(_, text)| !fits(text)).or_else(|| present().next()).unwrap_or_default();
            Unread::Value { row: wrong.0, text: wrong.1.to_string() }
        })
    }

    fn numbers(&self, decimal_comma: bool) -> Fitting<Typed> {
        if let Some(values) = self.all(is_missing, number)? {
            return Ok(Some(Typed::of(Values::Numbers(values))));
        }
        let form = Form::of_all(self.iter().filter(|text| !is_blank(text)), decimal_comma);
        let Some((form, guessed)) = form else { return Ok(None) };
        let kind = if form.notation.decimal == ',' { Kind::DecimalComma } else { Kind::Number };
        let values = self.all(is_blank, |text| form.read(text))?;
        Ok(values.map(|values| Typed { values: Values::Numbers(values), kind, guessed }))
    }

    fn times(&self, kind: Kind) -> Fitting<Typed> {
        let Some(times) = dates::times(|f| self.all(is_blank, f), kind)? else { return Ok(None) };
        // A column of blanks alone is no time.
        let some = times.values.iter().any(|time| !time.is_nan());
        Ok(some.then_some(Typed { values: Values::Times(times.values), kind: times.kind, guessed: times.guessed }))
    }

    fn texts(&self) -> Result<Values, StoreError> {
        Strings::of(self.iter().map(|text| (!is_missing(text)).then_some(text))).map(Values::Texts)
    }

    /// Every text but the empty ones.
    pub fn written(self) -> Result<Values, StoreError> {
        Strings::of(self.iter().map(|text| (!text.is_empty()).then_some(text))).map(Values::Texts)
    }

    /// The values: numbers if all are, else times if all are, else categories where texts repeat, else texts.
    pub fn typed(self, decimal_comma: bool) -> Result<Typed, StoreError> {
        if let Some(numbers) = self.numbers(decimal_comma)? {
            return Ok(numbers);
        }
        match self.times(Kind::Time)? {
            Some(times) => Ok(times),
            None => self.worded().map(Typed::of),
        }
    }

    /// The values of texts that are neither numbers nor times: categories where they repeat, else texts.
    pub fn worded(self) -> Result<Values, StoreError> {
        match Distinct::of(&self, FEW.max(self.rows() / 2))?.filter(Distinct::are_categories) {
            Some(distinct) => distinct.categories(),
            None => self.texts(),
        }
    }
}

/// Values, unless they are of another kind.
pub(super) type Fitting<T> = Result<Option<T>, StoreError>;

/// Why texts were not read as a kind that was asked for.
#[derive(Debug)]
pub(super) enum Unread {
    /// One that is none of it.
    Value { row: usize, text: String },
    /// There is no place for the values.
    Store(StoreError),
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Unread {
        Unread::Store(error)
    }
}

/// Values, and how they were read.
#[derive(Debug, PartialEq)]
pub(super) struct Typed {
    pub values: Values,
    /// What reads others of the same column.
    pub kind: Kind,
    /// Whether they could have been read in another way.
    pub guessed: bool,
}

impl Typed {
    /// Values that can be read in one way alone.
    pub fn of(values: Values) -> Typed {
        Typed { kind: values.kind(), values, guessed: false }
    }
}

/// Whether a field stands for no value.
pub(super) fn is_missing(text: &str) -> bool {
    text.is_empty() || is_one_of(text, &MISSING)
}

/// Whether a field among numbers or times stands for no value.
pub(super) fn is_blank(text: &str) -> bool {
    is_missing(text) || is_one_of(text, &BLANK)
}

fn is_one_of(text: &str, names: &[&str]) -> bool {
    text.len() <= LONGEST && names.iter().any(|name| text.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Texts {
        Texts::of(texts.iter().copied()).unwrap()
    }

    fn typed(all: &[&str], decimal_comma: bool) -> Values {
        texts(all).typed(decimal_comma).unwrap().values
    }

    fn of_kind(all: &[&str], kind: Kind) -> Result<Values, (usize, String)> {
        texts(all).of_kind(kind, false).map(|typed| typed.values).map_err(|wrong| match wrong {
            Unread::Value { row, text } => (row, text),
            Unread::Store(error) => panic!("{error}"),
        })
    }

    #[test]
    fn numbers_are_what_parses_as_numbers() {
        let Values::Numbers(values) = typed(&["1", "-2.5", "1e3", "NA", "", "inf"], false) else { panic!() };
        assert_eq!(values[..3], [1.0, -2.5, 1000.0]);
        assert!(values[3].is_nan() && values[4].is_nan() && values[5] == f64::INFINITY);
        let Values::Numbers(values) = typed(&["1,5", "2", "?"], true) else { panic!() };
        assert_eq!(values[..2], [1.5, 2.0]);
        assert_eq!(typed(&["1,5", "2x"], false).kind(), Kind::Category);
    }

    #[test]
    fn what_stands_for_no_value_depends_on_the_others() {
        for missing in MISSING.iter().chain(&BLANK) {
            let Values::Numbers(values) = typed(&["1", missing, "2.5"], false) else { panic!("{missing}") };
            assert!(values[0] == 1.0 && values[1].is_nan() && values[2] == 2.5 && missing.len() <= LONGEST);
            let Values::Times(values) = typed(&["1970-01-02", missing], false) else { panic!("{missing}") };
            assert!(values[1].is_nan());
            let Values::Numbers(values) = typed(&["5%", missing, "inf%"], false) else { continue };
            panic!("{missing}: {values:?}");
        }
        let Values::Numbers(values) = typed(&["5%", "-", "6 %"], false) else { panic!() };
        assert!(values[0] == 5.0 && values[1].is_nan() && values[2] == 6.0);
        let Values::Categories { names, .. } = typed(&["+", "-", "#DIV/0!", "+"], false) else { panic!() };
        assert_eq!(names, ["+", "-"]);
        assert_eq!(typed(&["-", "unknown", "-"], false).kind(), Kind::Category);
        let Values::Categories { names, .. } = typed(&["None", "NA", "minor", "None"], false) else { panic!() };
        assert_eq!(names, ["None", "minor"]);
    }

    #[test]
    fn what_was_read_reads_others_in_the_same_way() {
        let kinds = |all: &[&str]| {
            let typed = texts(all).typed(false).unwrap();
            (typed.kind, typed.guessed)
        };
        assert_eq!(kinds(&["1,5", "2,25"]), (Kind::DecimalComma, false));
        assert_eq!(kinds(&["1,500", "2,250"]), (Kind::Number, true));
        assert_eq!(kinds(&["1/13/1970"]), (Kind::MonthFirst, false));
        assert_eq!(kinds(&["1/2/1970"]), (Kind::MonthFirst, true));
        assert_eq!(kinds(&["13/1/1970"]), (Kind::DayFirst, false));
        let one = |text: &str, kind| of_kind(&[text], kind);
        assert_eq!(one("1,250", Kind::Number), Ok(Values::Numbers(vec![1250.0].into())));
        assert_eq!(one("1,250", Kind::DecimalComma), Ok(Values::Numbers(vec![1.25].into())));
        let day = 86400.0;
        assert_eq!(one("1/2/1970", Kind::MonthFirst), Ok(Values::Times(vec![day].into())));
        assert_eq!(one("1/2/1970", Kind::DayFirst), Ok(Values::Times(vec![31.0 * day].into())));
        assert_eq!(one("13/1/1970", Kind::MonthFirst), Err((0, "13/1/1970".into())));
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
        assert_eq!((names, found), (vec!["blue".into(), "red".into()], vec![Some(1), Some(0), None, Some(1)].into()));
        let many: Vec<String> = (0..100).map(|i| format!("name {i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(typed(&many, false).kind(), Kind::Text);
        assert_eq!(typed(&["this is a whole sentence", "and so is this one"], false).kind(), Kind::Text);
    }

    #[test]
    fn a_kind_that_is_asked_for_is_kept_or_refused() {
        let of = of_kind;
        assert_eq!(of(&["1", "", "2"], Kind::Category).unwrap().kind(), Kind::Category);
        assert_eq!(of(&["1"], Kind::Text).unwrap(), Values::Texts(Strings::of([Some("1")]).unwrap()));
        assert_eq!(of(&["1", "", "two", "x"], Kind::Number), Err((2, "two".into())));
        assert_eq!(of(&["5%", "6%", "7"], Kind::Number), Err((2, "7".into())));
        assert_eq!(of(&["2020-01-01", "soon"], Kind::Time), Err((1, "soon".into())));
        assert_eq!(of(&["2020-01-01", "1/2/2020"], Kind::Time), Err((0, "2020-01-01".into())));
        let Ok(Values::Numbers(none)) = of(&["-", ""], Kind::Number) else { panic!() };
        assert!(none.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn nothing_at_all_is_a_column_of_missing_numbers() {
        assert!(matches!(typed(&["", "na"], false), Values::Numbers(values) if values.iter().all(|x| x.is_nan())));
    }
}
