//! The binary that speaks, as a user runs it: what it says in tones is heard by a recogniser that learned from real ones.

mod common;

use common::tones::{SMALL, utterances};
use common::{complaint, events, mapsto, text, together_and_alone};
use std::fs;

/// A small voice that learns quickly.
const VOICE: [&str; 16] = [
    "--set",
    "mels=24",
    "--set",
    "width=48",
    "--set",
    "encoder_layers=1",
    "--set",
    "decoder_layers=3",
    "--set",
    "alignment=16",
    "--set",
    "dropout=0",
    "--set",
    "batch_size=8",
    "--set",
    "learning_rate=0.005",
];

#[test]
fn what_is_said_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    utterances(&folder.join("said"), 120);
    let train = ["train", "synthesize", "--data", "said/said.csv", "--epochs", "48", "--run", "voice", "--json"];
    let told = events(folder, &[&train[..], &VOICE].concat());
    let done = told.last().unwrap();
    assert!(done["test"]["frames"].as_f64().unwrap() <= 0.6, "{done}");
    assert_eq!(events(folder, &["eval", "runs/voice", "--json"])[0]["metrics"], done["test"]);
    let page = fs::read_to_string(folder.join("runs/voice/report.html")).unwrap();
    assert!(page.contains("Spectrograms") && page.contains("data:image/png;base64,"));
    assert!(text(folder, &["summary", "runs/voice"]).contains("Embedding"));

    // Words that it may not have heard: files, and a table of what they say.
    fs::write(folder.join("words.txt"), "abc\nda cb\nbad\ncab dab\nac\ndb\n").unwrap();
    let spoken =
        events(folder, &["predict", "runs/voice", "words.txt", "--text", "dad", "--set", "out=spoken", "--json"]);
    assert_eq!(spoken.len(), 7);
    assert_eq!((&spoken[0]["text"], &spoken[1]["text"]), (&"dad".into(), &"abc".into()));
    assert!(fs::metadata(folder.join("spoken/001.wav")).unwrap().len() > 2000);
    let slow = events(folder, &["predict", "runs/voice", "--text", "dad", "--set", "pace=0.5", "--json"]);
    assert!(slow[0]["seconds"].as_f64() > spoken[0]["seconds"].as_f64());

    let ear = ["train", "speech", "--data", "said/said.csv", "--model", "streaming", "--epochs", "28", "--run", "ear"];
    events(folder, &[&ear[..], &SMALL, &["--json"]].concat());
    let heard = &events(folder, &["eval", "runs/ear", "--data", "spoken/said.csv", "--json"])[0]["metrics"];
    assert!(heard["cer"].as_f64().unwrap() <= 0.35, "{heard}");
}

#[test]
fn several_networks_speak_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    utterances(&folder.join("said"), 40);
    for ensemble in ["bagging:2", "boosting:2"] {
        let run = &ensemble[..4];
        let train = ["train", "synthesize", "--data", "said/said.csv", "--epochs", "16", "--run", run, "--json"];
        let told = events(folder, &[&train[..], &VOICE, &["--ensemble", ensemble]].concat());
        let run = format!("runs/{run}");
        let (together, alone) = together_and_alone(folder, &run);
        assert_eq!(together, told.last().unwrap()["test"]);
        let [whole, first, second] = [&together, &alone[0], &alone[1]].map(|one| one["frames"].as_f64().unwrap());
        assert!(whole < first.max(second), "{ensemble}: {first}, {second}, {whole} as one");
        for figure in ["frames", "durations", "alignment"] {
            assert!(alone.iter().all(|alone| alone[figure] != together[figure]), "{ensemble}: {together}, {alone:?}");
        }
        let say = |run: &str| {
            text(folder, &["predict", run, "--text", "dab", "--set", "out=spoken"]);
            fs::read(folder.join("spoken/001.wav")).unwrap()
        };
        assert!(say(&run) != say(&format!("{run}/alone-0.safetensors")));
    }
}

#[test]
fn what_cannot_be_said_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    utterances(&folder.join("said"), 12);
    let train = ["train", "synthesize", "--data", "said/said.csv", "--epochs", "1", "--run", "voice"];
    text(folder, &[&train[..], &VOICE].concat());
    let told = complaint(folder, &["predict", "runs/voice"]);
    assert!(told.contains("give a text to say with --text"), "{told}");
    let told = complaint(folder, &["predict", "runs/voice", "--text", "xyz"]);
    assert!(told.contains("xyz: nothing in it was learned to be said"), "{told}");
    let told = complaint(folder, &["predict", "runs/voice", "--text", "a", "--set", "pace=0"]);
    assert!(told.contains("pace is 0, it must be from 0.1 to 10"), "{told}");
    let output = mapsto(folder, &["predict", "runs/voice", "--text", "axb"]);
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.contains("axb: 1 of 3 characters were not learned"), "{warned}");

    // More is said than there is room for.
    let table = fs::read_to_string(folder.join("said/said.csv")).unwrap();
    fs::write(folder.join("said/long.csv"), format!("{table}0.wav,{}\n", "abcd".repeat(100))).unwrap();
    let told = complaint(folder, &[&["train", "synthesize", "--data", "said/long.csv"], &VOICE[..]].concat());
    assert!(
        told.contains("frames are too few for 402 characters and silences") && told.contains("--skip-bad"),
        "{told}"
    );
    let told = complaint(folder, &[&train[..6], &["--run", "other", "--set", "speaker=nobody"]].concat());
    assert!(told.contains("nothing is said by the speaker \"nobody\""), "{told}");
}
