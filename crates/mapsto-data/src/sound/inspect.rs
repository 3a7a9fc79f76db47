//! What a folder of sounds holds, and what looks wrong in it.

use super::read::{Decoded, decode};
use super::{SoundError, SoundFolder};
use crate::files::{Balance, Part, Repeat, hash, look, repeated, same, unbalanced};
use crate::spread::spread;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The level below which all is silence: -60 dB.
const SILENT: f32 = 1e-3;

/// What a folder of sounds holds.
#[derive(Clone, Debug, Serialize)]
pub struct SoundInspection {
    /// Number of sounds.
    pub sounds: usize,
    /// Sounds of each class in each part.
    pub classes: BTreeMap<String, BTreeMap<Part, usize>>,
    /// Least, median and greatest length, in seconds.
    pub seconds: Option<[f64; 3]>,
    /// Seconds of all sounds together.
    pub total_seconds: f64,
    /// Sounds of each rate, in samples a second.
    pub rates: BTreeMap<u32, usize>,
    /// Sounds of each number of channels.
    pub channels: BTreeMap<usize, usize>,
    /// Files that are no sounds by their names.
    pub others: usize,
    /// What looks wrong.
    pub findings: Vec<SoundFinding>,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SoundFinding {
    /// A file that is no whole sound.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A sound that stays below -60 dB.
    Silent {
        /// The file.
        path: PathBuf,
    },
    /// Sounds that were too loud for their files.
    Clipped {
        /// How many.
        sounds: usize,
        /// The first of them.
        path: PathBuf,
    },
    /// Sounds of several rates: they are resampled to one.
    SeveralRates {
        /// Sounds of each, in samples a second.
        rates: BTreeMap<u32, usize>,
    },
    /// Sounds of several channels: these are averaged.
    SeveralChannels {
        /// How many.
        sounds: usize,
    },
    /// The same file in several classes.
    SeveralClasses {
        /// The first of the files.
        path: PathBuf,
        /// Another one, of another class.
        other: PathBuf,
    },
    /// A file to test on that is also learned from.
    Leak {
        /// The file to learn from.
        path: PathBuf,
        /// The same to choose by or to test on.
        other: PathBuf,
    },
    /// Files that repeat others of their class or text, and of their part.
    Duplicates {
        /// How many.
        sounds: usize,
    },
    /// Sounds in which nothing is said, by their transcripts.
    NoText {
        /// How many.
        sounds: usize,
        /// The first of them.
        path: PathBuf,
    },
    /// Sounds too short for what is said in them.
    TooShort {
        /// How many.
        sounds: usize,
        /// That with the most letters a second.
        path: PathBuf,
        /// How many these are.
        letters: f64,
    },
    /// The same sound with several texts.
    SeveralTexts {
        /// The first of the files.
        path: PathBuf,
        /// The other, or the same that is listed again.
        other: PathBuf,
    },
    /// Speakers who are learned from and tested on.
    SharedSpeakers {
        /// How many.
        speakers: usize,
        /// The first of them.
        speaker: String,
    },
    /// There is one class.
    OneClass,
    /// Classes of very different sizes.
    Imbalance {
        /// The rarest class.
        rarest: String,
        /// Its sounds to learn from.
        sounds: usize,
        /// The commonest class.
        commonest: String,
        /// Its sounds to learn from.
        most: usize,
    },
}

impl fmt::Display for SoundFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SoundFinding::Corrupt { path, why } => write!(f, "{} is no whole sound: {why}", path.display()),
            SoundFinding::Silent { path } => write!(f, "{} is silent: it stays below -60 dB", path.display()),
            SoundFinding::Clipped { sounds: 1, path } => write!(f, "{} is clipped: it was too loud", path.display()),
            SoundFinding::Clipped { sounds, path } => {
                write!(f, "{sounds} sounds are clipped: they were too loud, such as {}", path.display())
            }
            SoundFinding::SeveralRates { rates } => {
                let all: Vec<String> = rates.iter().map(|(rate, sounds)| format!("{sounds} of {rate} Hz")).collect();
                write!(f, "sounds have several rates and will be resampled: {}", all.join(", "))
            }
            SoundFinding::SeveralChannels { sounds: 1 } => write!(f, "1 sound has several channels, to be averaged"),
            SoundFinding::SeveralChannels { sounds } => {
                write!(f, "{sounds} sounds have several channels, to be averaged")
            }
            SoundFinding::SeveralClasses { path, other } => {
                write!(f, "{} and {} are the same sound in two classes", path.display(), other.display())
            }
            SoundFinding::Leak { path, other } => {
                write!(f, "{} is learned from and tested on: {} is the same", path.display(), other.display())
            }
            SoundFinding::Duplicates { sounds: 1 } => write!(f, "1 sound repeats another"),
            SoundFinding::Duplicates { sounds } => write!(f, "{sounds} sounds repeat others"),
            SoundFinding::NoText { sounds: 1, path } => write!(f, "{} has no text", path.display()),
            SoundFinding::NoText { sounds, path } => {
                write!(f, "{sounds} sounds have no text, {} first", path.display())
            }
            SoundFinding::TooShort { sounds, path, letters } => {
                write!(f, "sounds too short for their texts: {sounds}, such as {} with ", path.display())?;
                write!(f, "{letters:.0} letters a second: is it the text of another one?")
            }
            SoundFinding::SeveralTexts { path, other } => {
                write!(f, "{} and {} are the same sound with two texts", path.display(), other.display())
            }
            SoundFinding::SharedSpeakers { speakers, speaker } => {
                write!(f, "speakers who are learned from and tested on: {speakers}, such as {speaker:?}")
            }
            SoundFinding::OneClass => write!(f, "there is one class: nothing to tell apart"),
            SoundFinding::Imbalance { rarest, sounds, commonest, most } => {
                write!(f, "classes are out of balance: {sounds} sounds of {rarest:?}, {most} of {commonest:?}")
            }
        }
    }
}

/// What one file is.
pub(super) struct Looked {
    pub sound: Result<Heard, String>,
    /// Of its bytes.
    pub hash: u64,
}

impl Looked {
    pub fn at(path: &Path) -> Looked {
        Looked { sound: listen(path), hash: hash(&fs::read(path).unwrap_or_default()) }
    }
}

pub(super) struct Heard {
    pub seconds: f64,
    rate: u32,
    channels: usize,
    silent: bool,
    clipped: bool,
}

/// What some files are, taken together.
#[derive(Default)]
pub(super) struct Together {
    /// Least, median and greatest length, in seconds.
    pub seconds: Option<[f64; 3]>,
    pub total_seconds: f64,
    pub rates: BTreeMap<u32, usize>,
    pub channels: BTreeMap<usize, usize>,
    pub findings: Vec<SoundFinding>,
}

impl Together {
    pub fn of<'a>(files: impl Iterator<Item = (&'a Path, &'a Looked)>) -> Together {
        let (mut all, mut seconds) = (Together::default(), Vec::new());
        let mut clipped: Option<(usize, PathBuf)> = None;
        for (path, looked) in files {
            let path = path.to_owned();
            match &looked.sound {
                Ok(heard) => {
                    seconds.push(heard.seconds);
                    *all.rates.entry(heard.rate).or_default() += 1;
                    *all.channels.entry(heard.channels).or_default() += 1;
                    if heard.clipped {
                        clipped.get_or_insert((0, path.clone())).0 += 1;
                    }
                    all.findings.extend(heard.silent.then_some(SoundFinding::Silent { path }));
                }
                Err(why) => all.findings.push(SoundFinding::Corrupt { path, why: why.clone() }),
            }
        }
        all.findings.extend(clipped.map(|(sounds, path)| SoundFinding::Clipped { sounds, path }));
        if all.rates.len() > 1 {
            all.findings.push(SoundFinding::SeveralRates { rates: all.rates.clone() });
        }
        let several = all.channels.range(2..).map(|(_, sounds)| sounds).sum();
        all.findings.extend((several > 0).then_some(SoundFinding::SeveralChannels { sounds: several }));
        // The sum of nothing would be -0.
        all.total_seconds = seconds.iter().fold(0.0, |sum, one| sum + one);
        all.seconds = spread(seconds);
        all
    }
}

impl SoundFolder {
    /// Reads every sound, on all cores, and tells what there is and what looks wrong.
    pub fn inspect(&self) -> SoundInspection {
        let looked = look(&self.items, Looked::at);
        let files = self.items.iter().map(|item| item.path.as_path()).zip(&looked);
        let Together { seconds, total_seconds, rates, channels, mut findings } = Together::of(files);
        let items: Vec<(usize, Part)> = self.items.iter().map(|item| (item.class, item.part)).collect();
        let path = |index: usize| self.items[index].path.clone();
        let hashes = looked.iter().map(|looked| looked.sound.is_ok().then_some(looked.hash));
        let (repeats, sounds) = repeated(&items, hashes, |a, b| same(&self.items[a].path, &self.items[b].path));
        findings.extend(repeats.into_iter().map(|repeat| match repeat {
            Repeat::SeveralClasses(a, b) => SoundFinding::SeveralClasses { path: path(a), other: path(b) },
            Repeat::Leak(a, b) => SoundFinding::Leak { path: path(a), other: path(b) },
        }));
        findings.extend((sounds > 0).then_some(SoundFinding::Duplicates { sounds }));
        findings.extend(unbalanced(&self.count()).map(|balance| match balance {
            Balance::OneClass => SoundFinding::OneClass,
            Balance::Imbalance { rarest, least, commonest, most } => {
                SoundFinding::Imbalance { rarest, sounds: least, commonest, most }
            }
        }));
        let (sounds, others) = (self.items.len(), self.others.len());
        SoundInspection { sounds, classes: self.count(), seconds, total_seconds, rates, channels, others, findings }
    }
}

fn listen(path: &Path) -> Result<Heard, String> {
    let Decoded { sound, channels } = decode(path).map_err(|error| match error {
        SoundError::Sound { why, .. } => why,
        error => error.to_string(),
    })?;
    let clipped = sound.is_clipped();
    let silent = sound.samples.iter().all(|x| x.abs() < SILENT);
    Ok(Heard { seconds: sound.seconds(), rate: sound.rate, channels, silent, clipped })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{SampleFormat, WavSpec, WavWriter};

    #[test]
    fn what_looks_wrong_is_found() {
        let root = tempfile::tempdir().expect("a folder");
        let path = |name: &str| root.path().join(name);
        let put = |name: &str, rate: u32, channels: u16, samples: &[i16]| {
            let path = path(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
            let mut file = WavWriter::create(path, spec).expect("a file");
            samples.iter().for_each(|&sample| file.write_sample(sample).expect("a sample"));
            file.finalize().expect("a file");
        };
        for i in 1..=10 {
            put(&format!("train/cat/{i}.wav"), 100, 1, &vec![i * 100; 100 * i as usize]);
        }
        put("train/cat/a_again.wav", 100, 1, &[300; 300]);
        put("train/cat/b_silent.wav", 100, 1, &[30; 100]);
        put("train/cat/c_loud.wav", 100, 1, &[i16::MAX, 5, i16::MIN, i16::MIN, i16::MAX]);
        put("train/cat/d_twice.wav", 100, 1, &[i16::MAX, i16::MIN, 5, i16::MIN, i16::MAX]);
        put("train/cat/e_wide.wav", 200, 2, &[900; 100]);
        put("train/dog/x.wav", 100, 1, &[400; 400]);
        put("test/cat/y.wav", 100, 1, &[500; 500]);
        fs::write(path("train/cat/bad.wav"), b"?").expect("a file");
        fs::write(path("train/cat/notes.txt"), b"?").expect("a file");
        let found = SoundFolder::read(root.path()).unwrap().inspect();
        assert_eq!((found.sounds, found.others), (18, 1));
        assert_eq!(found.classes["cat"], BTreeMap::from([(Part::Train, 16), (Part::Test, 1)]));
        assert_eq!(found.seconds, Some([0.05, 4.0, 10.0]));
        assert_eq!(
            (found.rates, found.channels),
            (BTreeMap::from([(100, 16), (200, 1)]), BTreeMap::from([(1, 16), (2, 1)]))
        );
        assert!((found.total_seconds - (55.0 + 3.0 + 1.0 + 0.1 + 0.25 + 4.0 + 5.0)).abs() < 1e-9);
        let rates = BTreeMap::from([(100, 16), (200, 1)]);
        let expected = [
            SoundFinding::Silent { path: path("train/cat/b_silent.wav") },
            SoundFinding::Corrupt {
                path: path("train/cat/bad.wav"),
                why: "it is not WAV, FLAC or OGG Vorbis; convert it to one of these".into(),
            },
            SoundFinding::Clipped { sounds: 1, path: path("train/cat/c_loud.wav") },
            SoundFinding::SeveralRates { rates },
            SoundFinding::SeveralChannels { sounds: 1 },
            SoundFinding::Duplicates { sounds: 1 },
            SoundFinding::SeveralClasses { path: path("train/cat/4.wav"), other: path("train/dog/x.wav") },
            SoundFinding::Leak { path: path("train/cat/5.wav"), other: path("test/cat/y.wav") },
            SoundFinding::Imbalance { rarest: "dog".into(), sounds: 1, commonest: "cat".into(), most: 16 },
        ];
        assert_eq!(found.findings.len(), expected.len(), "{:#?}", found.findings);
        for finding in &expected {
            assert!(found.findings.contains(finding), "{finding:?} is not among {:#?}", found.findings);
        }
    }
}
