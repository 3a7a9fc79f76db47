//! Points in time as people and programs write them.

use super::Kind;
use super::infer::Fitting;
use crate::stored::Stored;
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
/// The names of months.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Of two digits, years from this on are of the twentieth century, as in spreadsheets.
const PIVOT: i16 = 30;

/// Points in time, the order of the numbers in their dates, and whether that was a guess.
pub(super) struct Times {
    pub values: Stored<f64>,
    pub kind: Kind,
    pub guessed: bool,
}

/// Reads a column by `all`, which gives the values of all texts by one function, or nothing where it fails for one of them.
pub(super) fn times(all: impl Fn(&dyn Fn(&str) -> Option<f64>) -> Fitting<Stored<f64>>, kind: Kind) -> Fitting<Times> {
    if let Some(values) = all(&time)? {
        return Ok(Some(Times { values, kind: Kind::Time, guessed: false }));
    }
    if let Some(values) = all(&period)? {
        return Ok(Some(Times { values, kind: Kind::Time, guessed: false }));
    }
    let read = |date: &'static str| all(&|text: &str| written(date, text));
    for date in dates(kind) {
        let Some(values) = read(date)? else { continue };
        let found = match date {
            MONTH_FIRST => Kind::MonthFirst,
            DAY_FIRST => Kind::DayFirst,
            _ => Kind::Time,
        };
        let guessed = found == Kind::MonthFirst && kind != Kind::MonthFirst && read(DAY_FIRST)?.is_some();
        return Ok(Some(Times { values, kind: found, guessed }));
    }
    Ok(None)
}

/// Whether a text alone is a point in time.
pub(super) fn is_time(text: &str, kind: Kind) -> bool {
    time(text).is_some() || period(text).is_some() || dates(kind).any(|date| written(date, text).is_some())
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

/// Seconds since 1970 of the first day of a month or a quarter: `1949-01`, `1949/1`, `Jan 1949`, `January-1949`, `Jan-49`; `1991 Q1`,
/// `1991-Q1`, `1991Q1`.
fn period(text: &str) -> Option<f64> {
    let (first, second) = match text.rsplit_once([' ', '-', '/']) {
        Some(parts) => parts,
        None => text.split_at_checked(4).filter(|(_, rest)| rest.starts_with(['Q', 'q']))?,
    };
    let number = |text: &str, digits: usize| {
        let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<i16>().ok()).flatten()
    };
    let quarter = || number(second.strip_prefix(['Q', 'q'])?, 1).filter(|quarter| (1..=4).contains(quarter));
    let (year, month) = match number(first, 4) {
        Some(year) => {
            let month = number(second, 2).or_else(|| number(second, 1));
            (year, month.or_else(|| quarter().map(|quarter| 3 * quarter - 2))?)
        }
        None => {
            let short = |year| if year < PIVOT { 2000 + year } else { 1900 + year };
            (number(second, 4).or_else(|| number(second, 2).map(short))?, named(first)?)
        }
    };
    let date = Date::new(year, i8::try_from(month).ok()?, 1).ok()?;
    Some(date.to_datetime(jiff::civil::Time::midnight()).to_zoned(TimeZone::UTC).ok()?.timestamp().as_second() as f64)
}

/// The number of a month by its English name, or the first three letters or more of it.
fn named(text: &str) -> Option<i16> {
    let text = text.trim_end_matches('.').to_ascii_lowercase();
    let found = (1..).zip(MONTHS).find(|(_, name)| text.len() >= 3 && name.starts_with(&text));
    found.map(|(number, _)| number)
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

    #[test]
    fn months_and_quarters_are_their_first_days() {
        for (text, date) in [
            ("1949-01", "1949-01-01"),
            ("1949/1", "1949-01-01"),
            ("1960-12", "1960-12-01"),
            ("Jan 1949", "1949-01-01"),
            ("September-1949", "1949-09-01"),
            ("sept. 1949", "1949-09-01"),
            ("Jan-49", "1949-01-01"),
            ("Dec-29", "2029-12-01"),
            ("May-30", "1930-05-01"),
            ("1991 Q1", "1991-01-01"),
            ("1991-Q4", "1991-10-01"),
            ("1991q2", "1991-04-01"),
        ] {
            assert_eq!(period(text), time(date), "{text}");
        }
        for text in
            ["1949", "1949-13", "1949-0", "19-01", "2-1", "1991 Q5", "1991Q", "Q1", "Ja 1949", "Jan 5", "1991ä", ""]
        {
            assert_eq!(period(text), None, "{text}");
        }
    }
}
