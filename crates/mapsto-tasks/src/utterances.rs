//! Sounds with what is said in them: what the tasks of speech share.

use crate::error::TaskError;
use crate::fingerprint::Fingerprint;
use crate::skipped;
use crate::sounds::{Heard, given};
use crate::task::Given;
use mapsto_data::{LogMel, Utterance};
use std::fs;
use std::sync::Arc;

/// Sounds with what is said in them.
pub(crate) struct Utterances {
    pub heard: Arc<Heard>,
    /// What is said in each, as it is learned and compared.
    pub texts: Vec<String>,
    pub given: Given,
    pub fingerprint: u64,
    /// Frames of each.
    pub frames: Vec<usize>,
    pub warnings: Vec<String>,
}

/// How utterances are read.
pub(crate) struct Reading<'a> {
    pub features: &'a LogMel,
    /// Megabytes of sounds that are kept in memory.
    pub cache_mb: usize,
    /// Texts are written in small letters.
    pub lowercase: bool,
    /// Those that cannot be used are passed over.
    pub skip_bad: bool,
    /// Why so many frames with this text are of no use, if they are.
    pub refuses: &'a dyn Fn(usize, &str) -> Option<String>,
}

impl Reading<'_> {
    /// Reads every sound once, so that a damaged one is not found in the middle of a run.
    pub fn read(&self, listed: Vec<Utterance>) -> Result<Utterances, TaskError> {
        let mut fingerprint = Fingerprint::new();
        for Utterance { path, text, .. } in &listed {
            fingerprint.add(path.as_os_str().as_encoded_bytes());
            fingerprint.add(text.as_bytes());
            let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
            fingerprint.add(&bytes.to_le_bytes());
        }
        let parts: Vec<_> = listed.iter().map(|one| one.part).collect();
        let texts: Vec<String> = listed.iter().map(|one| written(&one.text, self.lowercase)).collect();
        let paths = listed.into_iter().map(|one| one.path).collect();
        let heard = Arc::new(Heard::new(paths, self.features, usize::MAX, self.cache_mb));
        let (mut frames, mut bad, mut why) = (Vec::new(), Vec::new(), Vec::new());
        for (index, read) in heard.frames()?.into_iter().enumerate() {
            let text = &texts[index];
            let refused = |what| format!("{}: {what}", heard.paths[index].display());
            let checked = read.and_then(|frames| match (self.refuses)(frames, text) {
                Some(what) => Err(refused(what)),
                None if text.is_empty() => Err(refused("it is not told what is said in it".into())),
                None => Ok(frames),
            });
            frames.push(*checked.as_ref().unwrap_or(&0));
            if let Err(error) = checked {
                bad.push(index);
                why.push(error);
            }
        }
        skipped::refuse(&why, self.skip_bad)?;
        let given = given(&parts, &bad);
        let skipped: Vec<String> = bad.iter().map(|&index| heard.paths[index].display().to_string()).collect();
        let warnings = skipped::warnings(["sound", "sounds"], &skipped);
        Ok(Utterances { heard, texts, given, fingerprint: fingerprint.value(), frames, warnings })
    }
}

/// A text as it is learned and compared: one space between words, none at its ends.
pub(crate) fn written(text: &str, lowercase: bool) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if lowercase { text.to_lowercase() } else { text }
}
