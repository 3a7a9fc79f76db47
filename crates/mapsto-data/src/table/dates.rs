//! Points in time as people and programs write them.

use super::Kind;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// How dates are written besides ISO 8601; the first that fits a whole column is taken, so that months come before days
/// where both are possible.
const DATES: [&str; 7] = ["%Y/%m/%d", MONTH_FIRST, DAY_FIRST, "%d.%m.%Y", "%b %d %Y", "%b %d, %Y", "%d %b %Y"];
const MONTH_FIRST: &str = "%m/%d/%Y";
const DAY_FIRST: &str = "%d/%m/%Y";
/// What may follow a date.
const CLOCKS: [&str; 3] = ["", " %H:%M", " %H:%M:%S"];

/// Points in time, the order of the numbers in their dates, and whether that was a guess.
pub(super) struct Times {
    pub values: Vec<f64>,
    pub kind: Kind,
    pub guessed: bool,
}

/// Reads a column by `all`, which gives the values of all texts by one function, or nothing where it fails for one of them.
pub(super) fn times(all: impl Fn(&dyn Fn(&str) -> Option<f64>) -> Option<Vec<f64>>, kind: Kind) -> Option<Times> {
    if let Some(values) = all(&time) {
        return Some(Times { values, kind: Kind::Time, guessed: false });
    }
    let read = |date: &'static str| all(&|text: &str| written(date, text));
    let (date, values) = dates(kind).find_map(|date| Some((date, read(date)?)))?;
    let found = match date {
        MONTH_FIRST => Kind::MonthFirst,
        DAY_FIRST => Kind::DayFirst,
        _ => Kind::Time,
    };
    let guessed = found == Kind::MonthFirst && kind != Kind::MonthFirst && read(DAY_FIRST).is_some();
    Some(Times { values, kind: found, guessed })
}

/// Whether a text alone is a point in time.
pub(super) fn is_time(text: &str, kind: Kind) -> bool {
    time(text).is_some() || dates(kind).any(|date| written(date, text).is_some())
}

/// The forms of a kind: where the order of day and month is known, the other one is a mistake.
fn dates(kind: Kind) -> impl Iterator<Item = &'static str> {
    let other = match kind {
        Kind::DayFirst => MONTH_FIRST,
        Kind::MonthFirst => DAY_FIRST,
        _ => "",
    };
    DATES.into_iter().filter(move |date| *date != other)
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
