//! What sounds with transcripts are like, and what looks wrong in them.

use super::inspect::{Looked, Together};
use super::{SoundFinding, Utterance};
use crate::files::{Part, Repeat, repeated, same};
use crate::parallel::in_parallel;
use crate::spread::spread;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Letters that nobody says in a second.
const FASTEST: f64 = 40.0;

/// What sounds with transcripts are like.
#[derive(Clone, Debug, Serialize)]
pub struct UtteranceInspection {
    /// Number of sounds.
    pub sounds: usize,
    /// Sounds of each part.
    pub parts: BTreeMap<Part, usize>,
    /// Number of speakers; 0 where none are told.
    pub speakers: usize,
    /// Least, median and greatest length, in seconds.
    pub seconds: Option<[f64; 3]>,
    /// Seconds of all sounds together.
    pub total_seconds: f64,
    /// Sounds of each rate, in samples a second.
    pub rates: BTreeMap<u32, usize>,
    /// The least, median and greatest number of letters in a text, spaces among them.
    pub letters: Option<[usize; 3]>,
    /// All letters that there are, sorted.
    pub alphabet: String,
    /// What looks wrong.
    pub findings: Vec<SoundFinding>,
}

impl Utterance {
    /// Reads every sound, on all cores, and tells what there is and what looks wrong.
    pub fn inspect(all: &[Utterance]) -> UtteranceInspection {
        let looked = in_parallel(all.iter().collect(), |one: &Utterance| Looked::at(&one.path));
        let files = all.iter().map(|one| one.path.as_path()).zip(&looked);
        let Together { seconds, total_seconds, rates, mut findings, .. } = Together::of(files);
        let letters = |one: &Utterance| one.text.chars().count();
        let mut parts = BTreeMap::new();
        all.iter().for_each(|one| *parts.entry(one.part).or_default() += 1);
        findings.extend(without_text(all));
        findings.extend(too_short(all, &looked));
        findings.extend(again(all, &looked));
        findings.extend(shared_speakers(all));
        UtteranceInspection {
            sounds: all.len(),
            parts,
            speakers: all.iter().filter_map(|one| one.speaker.as_ref()).collect::<BTreeSet<_>>().len(),
            seconds,
            total_seconds,
            rates,
            letters: spread(all.iter().map(letters).collect()),
            alphabet: all.iter().flat_map(|one| one.text.chars()).collect::<BTreeSet<char>>().into_iter().collect(),
            findings,
        }
    }
}

fn without_text(all: &[Utterance]) -> Option<SoundFinding> {
    let mut empty = all.iter().filter(|one| one.text.trim().is_empty());
    let path = empty.next()?.path.clone();
    Some(SoundFinding::NoText { sounds: 1 + empty.count(), path })
}

fn too_short(all: &[Utterance], looked: &[Looked]) -> Option<SoundFinding> {
    let fast = all.iter().zip(looked).filter_map(|(one, looked)| {
        let letters = one.text.chars().count() as f64 / looked.sound.as_ref().ok()?.seconds;
        (letters > FASTEST).then_some((letters, &one.path))
    });
    let fast: Vec<_> = fast.collect();
    let (letters, path) = fast.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(SoundFinding::TooShort { sounds: fast.len(), path: (*path).clone(), letters: *letters })
}

/// Sounds that are the same as earlier ones: with other texts, in other parts.
fn again(all: &[Utterance], looked: &[Looked]) -> Vec<SoundFinding> {
    let mut texts: HashMap<&str, usize> = HashMap::new();
    let mut number = |text| {
        let next = texts.len();
        *texts.entry(text).or_insert(next)
    };
    let items: Vec<(usize, Part)> = all.iter().map(|one| (number(one.text.trim()), one.part)).collect();
    let hashes = looked.iter().map(|looked| looked.sound.is_ok().then_some(looked.hash));
    let is_same = |a: usize, b: usize| all[a].path == all[b].path || same(&all[a].path, &all[b].path);
    let (repeats, sounds) = repeated(&items, hashes, is_same);
    let path = |index: usize| all[index].path.clone();
    let finding = |repeat| match repeat {
        Repeat::SeveralClasses(a, b) => SoundFinding::SeveralTexts { path: path(a), other: path(b) },
        Repeat::Leak(a, b) => SoundFinding::Leak { path: path(a), other: path(b) },
    };
    let duplicates = (sounds > 0).then_some(SoundFinding::Duplicates { sounds });
    repeats.into_iter().map(finding).chain(duplicates).collect()
}

fn shared_speakers(all: &[Utterance]) -> Option<SoundFinding> {
    let of = |is_train: bool| {
        let own = all.iter().filter(move |one| (one.part == Part::Train) == is_train);
        own.filter_map(|one| one.speaker.as_deref()).collect::<BTreeSet<&str>>()
    };
    let (train, rest) = (of(true), of(false));
    let mut shared = train.intersection(&rest);
    let speaker = shared.next()?.to_string();
    Some(SoundFinding::SharedSpeakers { speakers: 1 + shared.count(), speaker })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{SampleFormat, WavSpec, WavWriter};

    #[test]
    fn what_looks_wrong_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let put = |name: &str, level: i16, count: usize| {
            let spec = WavSpec { channels: 1, sample_rate: 100, bits_per_sample: 16, sample_format: SampleFormat::Int };
            let mut file = WavWriter::create(path(name), spec).expect("a file");
            (0..count).for_each(|_| file.write_sample(level).expect("a sample"));
            file.finalize().expect("a file");
        };
        (1..=5).for_each(|i| put(&format!("{i}.wav"), 100 * i, 100 * i as usize));
        put("same.wav", 200, 200);
        put("still.wav", 3, 100);
        let long = "b".repeat(41);
        let table = format!(
            "path,text,speaker,part\n1.wav,{long},Ann,train\n2.wav,one,Ann,train\nsame.wav,two,Bob,train\n3.wav,,Bob,train\n\
             4.wav,four,Bob,train\n4.wav,four,Bob,test\n5.wav,five,Eve,test\n5.wav,five,Eve,test\nstill.wav,a,,val\n\
             none.wav,a,,val\n"
        );
        std::fs::write(path("list.csv"), table).expect("a table");
        let found = Utterance::inspect(&Utterance::list(&path("list.csv")).unwrap());
        assert_eq!((found.sounds, found.speakers, found.letters), (10, 3, Some([0, 3, 41])));
        assert_eq!(found.parts, BTreeMap::from([(Part::Train, 5), (Part::Validation, 2), (Part::Test, 3)]));
        assert_eq!((found.alphabet.as_str(), found.seconds), ("abefinortuvw", Some([1.0, 3.0, 5.0])));
        let [first, rest @ ..] = &found.findings[..] else { panic!("nothing") };
        assert_eq!(first, &SoundFinding::Silent { path: path("still.wav") });
        assert!(matches!(&rest[0], SoundFinding::Corrupt { path: none, .. } if *none == path("none.wav")), "{rest:?}");
        let expected = [
            SoundFinding::NoText { sounds: 1, path: path("3.wav") },
            SoundFinding::TooShort { sounds: 1, path: path("1.wav"), letters: 41.0 },
            SoundFinding::SeveralTexts { path: path("2.wav"), other: path("same.wav") },
            SoundFinding::Leak { path: path("4.wav"), other: path("4.wav") },
            SoundFinding::Duplicates { sounds: 1 },
            SoundFinding::SharedSpeakers { speakers: 1, speaker: "Bob".into() },
        ];
        assert_eq!(rest[1..], expected);
    }
}
