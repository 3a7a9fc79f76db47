//! How far apart points in time lie, and how they are told.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// The share of a step that a point in time may lie beside its place.
const TOLERANCE: f64 = 0.1;
/// Digits of differences that are compared.
const DIGITS: f64 = 1e6;
/// Units in which steps are told, the longest first.
const UNITS: [(f64, &str); 5] =
    [(7.0 * DAY, "week"), (DAY, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second")];

/// From one point in time to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Always as far: seconds, or units of plain numbers.
    Even(f64),
    /// So many months, to the same day of the month.
    Months(u32),
    /// So many months, always to the last day of one.
    MonthEnds(u32),
}

/// The points in time of histories.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// From one to the next.
    pub step: Step,
    /// Whether they are dates, in seconds since 1970 (UTC), or plain numbers.
    pub dated: bool,
}

impl Clock {
    /// Found from the points in time of some histories, each in order without repetitions.
    ///
    /// # Errors
    /// Points that do not lie on steps; fewer than two in every history.
    pub(super) fn of<'a>(histories: impl Iterator<Item = &'a [f64]> + Clone, dated: bool) -> Result<Clock, String> {
        let pairs = || histories.clone().flat_map(|times| times.windows(2).map(|pair| [pair[0], pair[1]]));
        if pairs().next().is_none() {
            return Err("there are fewer than two points in time: a step cannot be found".into());
        }
        let step = match dated.then(|| months(histories.clone())).flatten() {
            Some(step) => step,
            None => {
                let rounded = |[from, to]: [f64; 2]| {
                    let difference: f64 = to - from;
                    let power = 10f64.powf(difference.abs().log10().floor());
                    (difference / power * DIGITS).round() / DIGITS * power
                };
                Step::Even(commonest(pairs().map(rounded)))
            }
        };
        let clock = Clock { step, dated };
        for [from, to] in pairs() {
            if clock.steps(from, to).is_none() {
                let [from, to] = [from, to].map(|time| clock.text(time));
                let step = clock.step_text();
                let mend = "give values at equal distances, as their means over steps of one length";
                return Err(format!("most points in time lie {step} apart, but {to} comes behind {from}: {mend}"));
            }
        }
        Ok(clock)
    }

    /// How many steps it is from one point in time to a later one; none if that does not lie on a step.
    pub(super) fn steps(&self, from: f64, to: f64) -> Option<usize> {
        let count = match self.step {
            Step::Even(step) => (to - from) / step,
            Step::Months(months) | Step::MonthEnds(months) => {
                let [a, b] = [civil(from)?, civil(to)?];
                let on_day = match self.step {
                    Step::MonthEnds(_) => is_month_end(b.date()),
                    // The thirty-first comes on the last day of shorter months.
                    _ => a.day() == b.day() || (is_month_end(b.date()) && a.day() > b.day()),
                };
                let count = f64::from(month(b) - month(a)) / f64::from(months);
                (on_day && a.time() == b.time()).then_some(count)?
            }
        };
        let whole = count.round();
        ((count - whole).abs() <= TOLERANCE && whole >= 1.0).then_some(whole as usize)
    }

    /// The point in time so many steps behind a first one.
    pub fn at(&self, start: f64, steps: usize) -> f64 {
        let months = match self.step {
            Step::Even(step) => return start + step * steps as f64,
            Step::Months(months) | Step::MonthEnds(months) => i64::from(months).saturating_mul(steps as i64),
        };
        let moved = || {
            let span = Span::new().try_months(months).ok()?;
            let moved = civil(start)?.checked_add(span).ok()?;
            let moved = if matches!(self.step, Step::MonthEnds(_)) { moved.last_of_month() } else { moved };
            seconds(moved)
        };
        // Years beyond the calendar are told by their number alone.
        moved().unwrap_or(f64::INFINITY)
    }

    /// A step's length in seconds, about; or in units of plain numbers.
    pub fn length(&self) -> f64 {
        match self.step {
            Step::Even(step) => step,
            Step::Months(months) | Step::MonthEnds(months) => f64::from(months) * 365.2425 * DAY / 12.0,
        }
    }

    /// A step as it is told: `7 days`.
    pub fn step_text(&self) -> String {
        let told = |count: f64, unit: &str| match count {
            1.0 => format!("1 {unit}"),
            count => format!("{count} {unit}s"),
        };
        match self.step {
            Step::Months(months) | Step::MonthEnds(months) if months % 12 == 0 => told(f64::from(months / 12), "year"),
            Step::Months(months) | Step::MonthEnds(months) => told(f64::from(months), "month"),
            Step::Even(step) if self.dated => {
                let fits = |(length, _): &(f64, &str)| (step / length).fract() == 0.0 && step >= *length;
                let (length, unit) = UNITS.into_iter().find(fits).unwrap_or((1.0, "second"));
                told(step / length, unit)
            }
            Step::Even(step) => format!("{step}"),
        }
    }

    /// A point in time as it is written: a date, with the time of day unless it is midnight; or the number.
    pub fn text(&self, time: f64) -> String {
        let Some(civil) = civil(time).filter(|_| self.dated) else { return format!("{time}") };
        if civil.time() == jiff::civil::Time::midnight() { civil.date().to_string() } else { civil.to_string() }
    }
}

/// The step, if all points of all histories lie whole months apart.
fn months<'a>(histories: impl Iterator<Item = &'a [f64]> + Clone) -> Option<Step> {
    let mut differences = Vec::new();
    let (mut same_day, mut last_day) = (true, true);
    for times in histories {
        let civil = times.iter().map(|time| civil(*time)).collect::<Option<Vec<DateTime>>>()?;
        for pair in civil.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            same_day &= a.day() == b.day();
            last_day &= is_month_end(a.date()) && is_month_end(b.date());
            let difference = month(b) - month(a);
            if a.time() != b.time() || difference < 1 || !(same_day || last_day) {
                return None;
            }
            differences.push(f64::from(difference));
        }
    }
    let months = commonest(differences.into_iter()) as u32;
    Some(if same_day { Step::Months(months) } else { Step::MonthEnds(months) })
}

/// The number that comes most often, of equals the least; there is one.
fn commonest(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    numbers.for_each(|number| *counts.entry(number.to_bits()).or_default() += 1);
    let all = counts.into_iter().map(|(bits, count)| (count, f64::from_bits(bits)));
    let first = |a: (usize, f64), b: (usize, f64)| if (b.0, -b.1) > (a.0, -a.1) { b } else { a };
    all.reduce(first).map_or(1.0, |(_, number)| number)
}

fn month(date: DateTime) -> i32 {
    i32::from(date.year()) * 12 + i32::from(date.month())
}

fn is_month_end(date: Date) -> bool {
    date == date.last_of_month()
}

/// Seconds since 1970 as a date and a time of day.
pub(super) fn civil(time: f64) -> Option<DateTime> {
    let time = Timestamp::from_nanosecond((time * 1e9) as i128).ok()?;
    Some(time.to_zoned(TimeZone::UTC).datetime())
}

/// Seconds since 1970 of a date and a time of day.
pub(super) fn seconds(date: DateTime) -> Option<f64> {
    let time = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(time.as_second() as f64 + f64::from(time.subsec_nanosecond()) * 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(texts: &[&str]) -> Vec<f64> {
        texts.iter().map(|text| seconds(text.parse::<Date>().unwrap().into()).unwrap()).collect()
    }

    fn of(texts: &[&str]) -> Result<Clock, String> {
        let times = times(texts);
        Clock::of([&times[..]].into_iter(), true)
    }

    #[test]
    fn steps_are_found() {
        let of = |texts: &[&str]| of(texts).unwrap();
        assert_eq!(of(&["2020-01-01", "2020-01-02", "2020-01-05"]).step_text(), "1 day");
        assert_eq!(of(&["2020-01-01", "2020-01-08"]).step, Step::Even(7.0 * DAY));
        assert_eq!(of(&["2020-01-31", "2020-02-29", "2020-04-30"]).step, Step::MonthEnds(1));
        assert_eq!(of(&["2020-01-15", "2020-04-15", "2020-07-15", "2021-04-15"]).step_text(), "3 months");
        assert_eq!(of(&["1700-01-01", "1701-01-01", "1702-01-01"]).step_text(), "1 year");
        assert_eq!(of(&["2020-01-01", "2020-01-29", "2020-02-26"]).step_text(), "4 weeks");
        let plain = Clock::of([&[1700.0, 1701.0, 1702.0, 1705.0][..]].into_iter(), false).unwrap();
        assert_eq!((plain.step_text(), plain.text(plain.at(1700.0, 3))), ("1".into(), "1703".into()));
    }

    #[test]
    fn points_in_time_follow_each_other() {
        let ends = of(&["2020-01-31", "2020-02-29", "2020-03-31"]).unwrap();
        let start = times(&["2021-02-28"])[0];
        assert_eq!(ends.text(ends.at(start, 1)), "2021-03-31");
        assert_eq!(ends.steps(start, times(&["2021-04-30"])[0]), Some(2));
        let days = of(&["2020-01-30", "2020-01-31"]).unwrap();
        assert_eq!(days.text(days.at(start, 1)), "2021-03-01");
        let hours = Clock { step: Step::Even(5400.0), dated: true };
        assert_eq!(
            (hours.text(hours.at(start, 1)), hours.step_text()),
            ("2021-02-28T01:30:00".into(), "90 minutes".into())
        );
        let beyond = of(&["2020-01-01", "2020-02-01"]).unwrap();
        assert_eq!(beyond.at(start, usize::MAX >> 1), f64::INFINITY);
    }

    #[test]
    fn what_lies_between_steps_is_named() {
        let told = of(&["2020-01-01", "2020-01-03", "2020-01-05", "2020-01-06"]).unwrap_err();
        assert!(
            told.starts_with("most points in time lie 2 days apart, but 2020-01-06 comes behind 2020-01-05"),
            "{told}"
        );
        assert!(of(&["2020-01-01"]).unwrap_err().starts_with("there are fewer than two points"));
        // A clock that rounds to thousandths still ticks evenly.
        let ticks = [0.0, 0.015, 0.031, 0.047, 0.062];
        assert_eq!(Clock::of([&ticks[..]].into_iter(), true).unwrap().steps(0.0, 0.015), Some(1));
    }
}
