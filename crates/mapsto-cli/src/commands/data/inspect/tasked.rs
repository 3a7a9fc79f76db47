//! What data are that are read as a task reads them: series, transcripts, pairs, ratings, running text.

use super::{counted, joined, remarks, text_of_classes};
use crate::failure::Failure;
use crate::output::Output;
use mapsto_data::{
    CorpusInspection, PairColumns, PairInspection, PairSet, Part, RatingColumns, Ratings, RatingsInspection,
    SeriesColumns, SeriesSet, Utterance, UtteranceInspection, printable, read_corpus,
};
use mapsto_train::short;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

/// Characters that are shown of an alphabet.
const LETTERS: usize = 100;

/// Tasks whose data could be a table like others.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Kind {
    Series,
    #[value(alias = "synthesize")]
    Speech,
    Translate,
    Recommend,
    Lm,
}

/// What a folder is that holds neither pictures nor sounds nor classes of texts.
pub fn of_folder(path: &Path) -> Option<Kind> {
    let is_series = SeriesSet::open(path, &SeriesColumns::default()).is_ok();
    let is_text = || read_corpus(path).is_ok();
    is_series.then_some(Kind::Series).or_else(|| is_text().then_some(Kind::Lm))
}

/// Tells what the data are, as the task reads them.
pub fn tell(kind: Kind, path: &Path, output: Output, event: Value) -> Result<(), Failure> {
    match kind {
        Kind::Series => {
            let found = SeriesSet::open(path, &SeriesColumns::default()).map_err(wrong)?.inspect();
            let mut head = format!("{} of {}", counted(found.series, "series", "series"), classes(found.classes.len()));
            head += &format!(", {}", counted(found.channels, "channel", "channels"));
            head += &range(", ", found.steps, "steps");
            head += &found
                .values
                .map(|[least, _, most]| format!(", {} to {}", short(least), short(most)))
                .unwrap_or_default();
            told(output, event, &text_of_classes(head, &found.classes, &found.findings), &found)
        }
        Kind::Speech => {
            let all = Utterance::list(path).map_err(wrong)?;
            let found = Utterance::inspect(&all);
            told(output, event, &text_of_utterances(&found), &found)
        }
        Kind::Translate => {
            let found = PairSet::open(path, &PairColumns::default()).map_err(wrong)?.inspect();
            told(output, event, &text_of_pairs(&found), &found)
        }
        Kind::Recommend => {
            let found = Ratings::read(path, &RatingColumns::default()).map_err(wrong)?.inspect();
            told(output, event, &text_of_ratings(&found), &found)
        }
        Kind::Lm => {
            let found = CorpusInspection::of(&read_corpus(path).map_err(wrong)?);
            told(output, event, &text_of_corpus(&found), &found)
        }
    }
}

fn wrong(error: impl Display) -> Failure {
    Failure::user(error.to_string())
}

fn told(output: Output, event: Value, text: &str, found: &impl Serialize) -> Result<(), Failure> {
    output.text(text)?;
    output.event(&joined(event, found)?)
}

fn classes(count: usize) -> String {
    counted(count, "class", "classes")
}

/// The least, median and greatest of something.
fn range<T: Display>(before: &str, numbers: Option<[T; 3]>, what: &str) -> String {
    let told =
        |[least, median, most]: [T; 3]| format!("{before}{least} to {most} {what}, half of them at most {median}");
    numbers.map(told).unwrap_or_default()
}

/// How many examples each part has; nothing of one alone.
fn parts(parts: &BTreeMap<Part, usize>) -> Option<String> {
    let name = |part: &Part| match part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
    };
    let all: Vec<String> = parts.iter().map(|(part, count)| format!("{} {count}", name(part))).collect();
    (all.len() > 1).then(|| format!("parts: {}", all.join(", ")))
}

/// Lines of what there is, and of what looks wrong.
fn lines(facts: impl IntoIterator<Item = String>, findings: &[impl Display]) -> String {
    let facts = facts.into_iter().filter(|fact| !fact.is_empty());
    facts.chain([String::new()]).chain(remarks(findings)).collect::<Vec<_>>().join("\n")
}

fn text_of_utterances(found: &UtteranceInspection) -> String {
    let UtteranceInspection { sounds, speakers, seconds, total_seconds, rates, letters, alphabet, .. } = found;
    let mut head = format!("{}, {} minutes", counted(*sounds, "sound", "sounds"), short(total_seconds / 60.0));
    if *speakers > 0 {
        head += &format!(", {}", counted(*speakers, "speaker", "speakers"));
    }
    let seconds = range("", seconds.map(|all| all.map(short)), "seconds");
    let rates: Vec<String> = rates.keys().map(|rate| format!("{rate} Hz")).collect();
    let rates = if rates.is_empty() { String::new() } else { format!("; {}", rates.join(", ")) };
    let text = format!("{}: {}", range("texts of ", *letters, "letters"), shown(alphabet));
    lines([head, parts(&found.parts).unwrap_or_default(), seconds + &rates, text], &found.findings)
}

fn text_of_pairs(found: &PairInspection) -> String {
    let [source, target] = &found.columns;
    let head = format!("{}, {source:?} to {target:?}", counted(found.pairs, "pair", "pairs"));
    let [sources, targets] = found.words.map(|words| range("", words, "words"));
    let sides = [format!("{source:?}: {sources}"), format!("{target:?}: {targets}")];
    lines([head, parts(&found.parts).unwrap_or_default()].into_iter().chain(sides), &found.findings)
}

fn text_of_ratings(found: &RatingsInspection) -> String {
    let RatingsInspection { ratings, users, items, density, of_user, of_item, values, columns, .. } = found;
    let head = format!(
        "{} of {} and {}: {} % of all pairs",
        counted(*ratings, "rating", "ratings"),
        counted(*users, "user", "users"),
        counted(*items, "item", "items"),
        short(100.0 * density)
    );
    let columns: Vec<String> = columns.iter().map(|name| format!("{name:?}")).collect();
    let facts = [
        head,
        format!("columns: {}", columns.join(", ")),
        range("a user has ", *of_user, "ratings"),
        range("an item has ", *of_item, "ratings"),
        values.map_or(String::new(), |all| {
            let [least, median, most] = all.map(short);
            format!("ratings are {least} to {most}, half of them at most {median}")
        }),
    ];
    lines(facts, &found.findings)
}

fn text_of_corpus(found: &CorpusInspection) -> String {
    let CorpusInspection { texts, characters, words, lines: rows, alphabet, .. } = found;
    let head = format!(
        "{}, {}, {}, {}",
        counted(*texts, "text", "texts"),
        counted(*rows, "line", "lines"),
        counted(*words, "word", "words"),
        counted(*characters, "character", "characters")
    );
    let letters: String = alphabet.keys().collect();
    lines([head, format!("{}: {}", counted(alphabet.len(), "sign", "signs"), shown(&letters))], &found.findings)
}

/// The first signs of an alphabet, as a terminal can show them.
fn shown(alphabet: &str) -> String {
    let signs = || alphabet.chars().filter(|sign| !sign.is_whitespace());
    let more = signs().count().saturating_sub(LETTERS);
    let first = printable(&signs().take(LETTERS).collect::<String>()).to_string();
    if more > 0 { format!("{first} and {more} more") } else { first }
}
