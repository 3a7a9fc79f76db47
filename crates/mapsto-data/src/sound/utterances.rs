//! Sounds with what is said in them.

use super::{SoundError, Sounds};
use crate::PARTS;
use crate::files::FileKind;
use crate::folders::{self, Part};
use crate::text::Rows;
use std::fs;
use std::path::{Path, PathBuf};

/// How names of files end that hold the transcripts of a folder, as in LibriSpeech.
const TRANSCRIPTS: &str = ".trans.txt";
/// Names of columns of paths, in the order in which they are looked for; then come those of sounds.
const PATHS: [&str; 6] = ["path", "file", "filename", "file_name", "filepath", "file_path"];
/// Names of columns of transcripts, in the order in which they are looked for.
const TEXTS: [&str; 8] = ["text", "transcript", "transcription", "sentence", "utterance", "words", "word", "label"];
/// Names of columns of speakers, in the order in which they are looked for.
const SPEAKERS: [&str; 5] = ["speaker", "speaker_id", "group", "client_id", "voice"];

/// A sound with what is said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// The file.
    pub path: PathBuf,
    /// What is said, as it is written; perhaps nothing.
    pub text: String,
    /// What it is for.
    pub part: Part,
    /// Who says it, where that is known.
    pub speaker: Option<String>,
}

impl Utterance {
    /// Lists sounds with transcripts; no sound is opened:
    ///
    /// - a table (CSV, TSV, JSON lines) with columns of paths, which start at its folder, and texts, perhaps of parts and speakers;
    /// - folders with files `*.trans.txt`, whose lines are the name of a sound beside it, without its ending, and what is said, as in
    ///   LibriSpeech: folders `train-...`, `dev-...` and `test-...` are parts, and names begin with the speaker and a dash;
    /// - a folder of sounds for each word, which it is called by, perhaps inside folders `train`, `validation` and `test`.
    ///
    /// # Errors
    /// What cannot be read; a table without a column that it needs, or a row with an unknown part; a transcript without a name;
    /// nothing of all that.
    pub fn list(path: &Path) -> Result<Vec<Utterance>, SoundError> {
        if !path.is_dir() {
            return in_table(path);
        }
        let transcripts = transcripts(path)?;
        if !transcripts.is_empty() {
            return in_transcripts(path, &transcripts);
        }
        let found = folders::labelled(path, Sounds::EXTENSIONS).map_err(unreadable)?;
        let said = |(part, text, path)| Utterance { path, text, part, speaker: None };
        let mut all: Vec<Utterance> = found.files.into_iter().map(said).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        if all.is_empty() { Err(SoundError::NoUtterances { path: path.to_owned() }) } else { Ok(all) }
    }

    /// Whether transcripts stand in files `*.trans.txt` beside the sounds of a folder.
    pub fn has_transcripts(folder: &Path) -> bool {
        transcripts(folder).is_ok_and(|all| !all.is_empty())
    }
}

/// The files of transcripts in a folder and the folders in it.
fn transcripts(path: &Path) -> Result<Vec<PathBuf>, SoundError> {
    let mut transcripts = folders::listed(path, &["txt"]).map_err(unreadable)?;
    transcripts.retain(|path| path.to_string_lossy().ends_with(TRANSCRIPTS));
    Ok(transcripts)
}

fn unreadable(folders::Unreadable { path, source }: folders::Unreadable) -> SoundError {
    SoundError::Io { path, source }
}

/// Those that a table lists.
fn in_table(path: &Path) -> Result<Vec<Utterance>, SoundError> {
    let mut rows = Rows::read(path)?;
    let usual = [&PATHS, Sounds::COLUMNS].concat();
    let paths = rows.usual(&usual).ok_or_else(|| rows.none(format!("paths of sounds ({})", usual.join(", "))))?;
    let texts = rows.usual(&TEXTS).ok_or_else(|| rows.none(format!("what is said ({})", TEXTS.join(", "))))?;
    let [parts, speakers] =
        [rows.usual(&PARTS), rows.usual(&SPEAKERS)].map(|place| place.map(|place| rows.dense(place)));
    let folder = path.parent().unwrap_or(Path::new(""));
    let (paths, texts) = (rows.dense(paths), rows.dense(texts));
    let mut all = Vec::with_capacity(paths.len());
    for (row, (name, text)) in paths.into_iter().zip(texts).enumerate() {
        let wrong = |what: String| SoundError::Transcript { place: rows.places.name(row), what };
        if name.is_empty() {
            return Err(wrong("there is no path of a sound".into()));
        }
        let part = parts.as_ref().map_or(Ok(Part::Train), |parts| {
            Part::of(&parts[row]).ok_or_else(|| wrong(format!("{:?} is no part; write train, val or test", parts[row])))
        })?;
        let speaker = speakers.as_ref().map(|speakers| speakers[row].clone()).filter(|speaker| !speaker.is_empty());
        all.push(Utterance { path: folder.join(name), text, part, speaker });
    }
    Ok(all)
}

/// Those that files beside them transcribe.
fn in_transcripts(root: &Path, transcripts: &[PathBuf]) -> Result<Vec<Utterance>, SoundError> {
    let mut all = Vec::new();
    for path in transcripts {
        let lines = fs::read_to_string(path).map_err(|source| SoundError::Io { path: path.clone(), source })?;
        let folder = path.parent().unwrap_or(root);
        let part = part_of(root, folder);
        for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (name, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if name.is_empty() {
                let place = format!("{}:{}", path.display(), number + 1);
                let what = "a line is the name of a sound, a space, and what is said".into();
                return Err(SoundError::Transcript { place, what });
            }
            let speaker = name.split_once('-').map(|(speaker, _)| speaker.to_string());
            all.push(Utterance { path: sound_of(folder, name), text: text.trim().to_string(), part, speaker });
        }
    }
    // A part alone, as `test-clean` by itself, is no part of anything.
    if !all.iter().any(|one| one.part == Part::Train) {
        all.iter_mut().for_each(|one| one.part = Part::Train);
    }
    if all.is_empty() { Err(SoundError::NoUtterances { path: root.to_owned() }) } else { Ok(all) }
}

/// The part that the first folder below the root is for.
fn part_of(root: &Path, folder: &Path) -> Part {
    let inside = folder.strip_prefix(root).ok().and_then(|inside| inside.components().next());
    let name = inside.map(|first| first.as_os_str().to_string_lossy().to_lowercase()).unwrap_or_default();
    match name.split(['-', '_']).next() {
        Some("dev") => Part::Validation,
        Some(name) => Part::of(name).unwrap_or(Part::Train),
        None => Part::Train,
    }
}

/// The sound of this name: one that is there, if any is.
fn sound_of(folder: &Path, name: &str) -> PathBuf {
    let with = |extension: &str| folder.join(format!("{name}.{extension}"));
    let there = Sounds::EXTENSIONS.iter().map(|extension| with(extension)).find(|path| path.is_file());
    there.unwrap_or_else(|| with("flac"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of files by name, and what is in them: part, speaker, file and text.
    fn listed(files: &[(&str, &str)], at: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        let here = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
        let told = |one: &Utterance| {
            let path = one.path.display().to_string().replace(&here, "");
            format!("{:?} {} {path}: {}", one.part, one.speaker.as_deref().unwrap_or("-"), one.text)
        };
        let root = if at.is_empty() { folder.path().to_owned() } else { folder.path().join(at) };
        let all = Utterance::list(&root).map_err(|error| error.to_string().replace(&here, ""))?;
        Ok(all.iter().map(told).collect())
    }

    #[test]
    fn tables_list_paths_and_texts() {
        let table = "path,speaker,text,split\na.wav,Ann,\"Well, yes.\",train\nb/c.wav,,no,test\n";
        let all = listed(&[("list.csv", table)], "list.csv").unwrap();
        assert_eq!(all, ["Train Ann a.wav: Well, yes.", "Test - b/c.wav: no"]);
        let lines = "{\"audio\": \"a.wav\", \"sentence\": \"1 2\"}\n{\"audio\": \"b.wav\", \"sentence\": \"\"}\n";
        let all = listed(&[("list.jsonl", lines)], "list.jsonl").unwrap();
        assert_eq!(all, ["Train - a.wav: 1 2", "Train - b.wav: "]);
        let all = listed(&[("list.tsv", "file\tword\na.wav\t07\nb.wav\t7\n")], "list.tsv").unwrap();
        assert_eq!(all, ["Train - a.wav: 07", "Train - b.wav: 7"]);
    }

    #[test]
    fn transcripts_stand_beside_sounds() {
        let files = [
            ("train-clean/12/3/12-3.trans.txt", "12-3-0 HOW ARE YOU\n\n12-3-1 FINE\n"),
            ("train-clean/12/3/12-3-0.flac", ""),
            ("train-clean/12/3/12-3-1.wav", ""),
            ("dev-clean/7/1/7-1.trans.txt", "7-1-0 WELL\n"),
            ("test-other/8/1/8-1.trans.txt", "8-1-0\n"),
        ];
        let all = listed(&files, "").unwrap();
        assert_eq!(
            all,
            [
                "Validation 7 dev-clean/7/1/7-1-0.flac: WELL",
                "Test 8 test-other/8/1/8-1-0.flac: ",
                "Train 12 train-clean/12/3/12-3-0.flac: HOW ARE YOU",
                "Train 12 train-clean/12/3/12-3-1.wav: FINE"
            ]
        );
        assert_eq!(listed(&files, "dev-clean").unwrap(), ["Train 7 dev-clean/7/1/7-1-0.flac: WELL"]);
    }

    #[test]
    fn folders_are_called_by_what_is_said() {
        let files = [("train/no/1.wav", ""), ("train/yes/1.flac", ""), ("test/yes/2.ogg", ""), ("test/yes/a.txt", "x")];
        let all = listed(&files, "").unwrap();
        assert_eq!(all, ["Test - test/yes/2.ogg: yes", "Train - train/no/1.wav: no", "Train - train/yes/1.flac: yes"]);
    }

    #[test]
    fn what_cannot_be_listed_is_told() {
        let said = |name: &str, text: &str| listed(&[(name, text)], name).unwrap_err();
        assert!(said("a.csv", "path,size\na.wav,1\n").starts_with("a.csv: no column has what is said (text, "));
        assert!(said("a.csv", "name,text\na,b\n").starts_with("a.csv: no column has paths of sounds (path, "));
        assert_eq!(said("a.csv", "path,text\n,b\nc,d\n"), "a.csv: row 1: there is no path of a sound");
        let told = said("a.csv", "path,text,part\na.wav,b,mine\n");
        assert_eq!(told, "a.csv: row 1: \"mine\" is no part; write train, val or test");
        let told = listed(&[("x/a.trans.txt", " a b\n")], "").unwrap_err();
        assert_eq!(told, "x/a.trans.txt:1: a line is the name of a sound, a space, and what is said");
        let none = listed(&[("a.wav", ""), ("b.txt", "")], "").unwrap_err();
        assert!(none.contains(" has no sounds with what is said in them: give "), "{none}");
        assert!(listed(&[], "none").unwrap_err().starts_with("cannot read none: "));
    }
}
