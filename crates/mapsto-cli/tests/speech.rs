//! The binary on speech, as a user runs it: words whose letters are tones.

mod common;

use common::tones::{RATE, SMALL, utterance, utterances, write};
use common::{complaint, events, mapsto, text, together_and_alone};
use mapsto_tensor::Rng;
use serde_json::Value;
use std::f32::consts::TAU;
use std::fs;

#[test]
fn tones_are_understood_whole_and_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    utterances(&folder.join("said"), 150);
    let train =
        ["train", "speech", "--data", "said/said.csv", "--model", "streaming", "--epochs", "28", "--run", "mine"];
    let told = events(folder, &[&train[..], &SMALL, &["--json"]].concat());
    let done = told.last().unwrap();
    assert!(done["test"]["cer"].as_f64().unwrap() <= 0.1, "{done}");
    assert!(done["test"]["wer"].as_f64().unwrap() <= 0.2, "{done}");
    let evaluated = &events(folder, &["eval", "runs/mine", "--json"])[0];
    assert_eq!(evaluated["metrics"], done["test"]);
    assert!(evaluated["words"]["length"].as_u64().unwrap() > 24);
    assert!(fs::read_to_string(folder.join("runs/mine/report.html")).unwrap().contains("left out"));
    assert!(text(folder, &["summary", "runs/mine"]).contains("Gru"));

    // Another rate and two channels are converted, and said so.
    let (said, samples) = utterance(&mut Rng::new(3));
    let twice: Vec<f32> = samples.iter().flat_map(|&x| [x, x]).collect();
    write(&folder.join("other.wav"), &twice, 2 * RATE, 2);
    let output = mapsto(folder, &["predict", "runs/mine", "other.wav", "--json"]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("its 2 channels are averaged") && complaint.contains("resampled to 8000"),
        "{complaint}"
    );
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["text"].as_str(), Some(&said[..]), "{answer}");
    assert!(answer["probability"].as_f64().unwrap() > 0.3, "{answer}");

    // Pieces of any length, decoded either way, come to the same, and what was told on the way stays.
    for (decode, chunk) in [("greedy", "0.01"), ("greedy", "0.1"), ("beam", "0.07"), ("beam", "60")] {
        let decode = format!("decode={decode}");
        let whole = events(folder, &["predict", "runs/mine", "said", "--json", "--set", &decode]);
        let pieces = ["--set", "stream=true", "--set", &format!("chunk={chunk}")];
        let streamed =
            events(folder, &[&["predict", "runs/mine", "said", "--json", "--set", &decode][..], &pieces].concat());
        let (mut told, mut answers, mut early) = (String::new(), Vec::new(), 0);
        for event in &streamed {
            match event["event"].as_str().unwrap() {
                "piece" => {
                    told += event["text"].as_str().unwrap();
                    early += 1;
                }
                _ => {
                    assert_eq!(event["text"].as_str(), Some(&told[..]));
                    told.clear();
                    answers.push(event);
                }
            }
        }
        assert_eq!((whole.len(), answers.len()), (150, 150));
        for (whole, piece) in whole.iter().zip(answers) {
            assert_eq!((&whole["input"], &whole["text"]), (&piece["input"], &piece["text"]), "{decode}, {chunk}");
            let near = (whole["probability"].as_f64().unwrap() - piece["probability"].as_f64().unwrap()).abs();
            assert!(near < 1e-3, "{whole}, {piece}");
        }
        assert!(chunk == "60" || early > 150, "{early} pieces of {decode}, {chunk}");
    }
}

#[test]
fn several_networks_listen_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    utterances(&folder.join("said"), 60);
    let train = ["train", "speech", "--data", "said/said.csv", "--model", "streaming", "--ensemble", "boosting:2"];
    let done = events(folder, &[&train[..], &SMALL, &["--epochs", "8", "--run", "two", "--json"]].concat());
    let (together, alone) = together_and_alone(folder, "runs/two");
    assert_eq!(together, done.last().unwrap()["test"]);
    assert!(alone.iter().all(|metrics| metrics["loss"] != together["loss"]), "{together}, {alone:?}");
    // Piece by piece they hear the same.
    let hear = |more: &[&str]| {
        let told = events(folder, &[&["predict", "runs/two", "said", "--json"][..], more].concat());
        let answers = told.into_iter().filter(|event| event["event"] != "piece");
        answers.map(|event| event["text"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(hear(&[]), hear(&["--set", "stream=true", "--set", "chunk=0.1"]));
}

#[test]
fn words_of_folders_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut chance = Rng::new(5);
    for number in 0..30 {
        for (word, pitches) in [("ab", [400.0, 900.0]), ("ba", [900.0, 400.0])] {
            let mut samples = Vec::new();
            for pitch in pitches {
                let length = 400 + chance.below(300);
                samples.extend((0..length).map(|i| 0.5 * (TAU * pitch * i as f32 / RATE as f32).sin()));
            }
            write(&folder.join("words").join(word).join(format!("{number}.wav")), &samples, RATE, 1);
        }
    }
    let train = ["train", "speech", "--data", "words", "--epochs", "12", "--run", "mine", "--json"];
    let told = events(folder, &[&train[..], &SMALL].concat());
    assert!(told.last().unwrap()["test"]["accuracy"].as_f64().unwrap() >= 0.9, "{}", told.last().unwrap());
    // It looks ahead, and cannot hear pieces.
    let told = complaint(folder, &["predict", "runs/mine", "words", "--set", "stream=true"]);
    assert!(told.contains("this network looks ahead; train with --model streaming"), "{told}");
    let csv = text(folder, &["predict", "runs/mine", "words/ab", "--csv", "--set", "decode=beam"]);
    assert!(csv.starts_with("input,text,probability,seconds\n") && csv.lines().count() == 31, "{csv}");
}

#[test]
fn what_cannot_be_understood_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    utterances(&folder.join("said"), 12);
    let table = fs::read_to_string(folder.join("said/said.csv")).unwrap();
    let with = |name: &str, lines: &str| fs::write(folder.join("said").join(name), format!("{table}{lines}")).unwrap();
    fs::write(folder.join("said/empty.wav"), "").unwrap();
    write(&folder.join("said/short.wav"), &[0.1; 300], RATE, 1);
    write(&folder.join("said/long.wav"), &vec![0.1; 31 * RATE as usize], RATE, 1);
    with("bad.csv", "none.wav,a b\nempty.wav,c\nlong.wav,abc\n0.wav,\nshort.wav,abcdabcd\n");
    let train = ["train", "speech", "--epochs", "1", "--run", "mine"];
    let bad = [&train[..], &SMALL, &["--data", "said/bad.csv"]].concat();
    let told = complaint(folder, &bad);
    assert!(told.contains("cannot read ") && told.contains("none.wav"), "{told}");
    assert!(told.contains("and 3 more like it; mend or remove "), "{told}");
    let shown = text(folder, &[&bad[..], &["--skip-bad"]].concat());
    assert!(shown.contains("4 sounds cannot be read and are passed over"), "{shown}");
    assert!(shown.contains("1 sound is too short for what is said in it, and teaches nothing: "), "{shown}");

    // Each of them alone.
    for (line, said) in [
        ("long.wav,abc\n", "it lasts 31.0 seconds, more than 30 (seconds): cut it into utterances"),
        ("0.wav,\n", "it is not told what is said in it"),
        ("empty.wav,c\n", "the file is empty"),
        (",c\n", "there is no path of a sound"),
    ] {
        with("one.csv", line);
        let told = complaint(folder, &[&train[..], &SMALL, &["--data", "said/one.csv"]].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{told}");
    }
    // What the network has no symbol for counts as a mistake.
    fs::write(folder.join("said/other.csv"), "path,text\n0.wav,xyz é\n1.wav,a\n").unwrap();
    let output = mapsto(folder, &["eval", "runs/mine", "--data", "said/other.csv"]);
    let all = [output.stdout, output.stderr].concat();
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains("1 text has what the network knows no symbol for ('x', 'y', 'z', 'é')"), "{all}");

    let predict = ["predict", "runs/mine"];
    assert!(complaint(folder, &[&predict[..], &["said/empty.wav"]].concat()).contains("--skip-bad"));
    assert!(complaint(folder, &[&predict[..], &["said/long.wav"]].concat()).contains("--set stream=true"));
    assert!(complaint(folder, &predict).contains("give files or folders of sounds"));
    assert!(complaint(folder, &[&predict[..], &["--text", "a"]].concat()).contains("--text means nothing to speech"));
    for (setting, said) in [
        ("beam=0", "beam is 0, it must be from 1 to 10000"),
        ("chunk=0", "chunk is 0"),
        ("rate=1", "there is no setting"),
    ] {
        let told = complaint(folder, &[&predict[..], &["said/0.wav", "--set", setting]].concat());
        assert!(told.contains(said), "{told}");
    }
    for (setting, said) in [
        ("seconds=0", "seconds is 0, it must be above 0"),
        ("vocabulary=0", "vocabulary is 0, it must be from 1"),
        ("model.layers=0", "the network cannot be built by these settings: "),
        ("features.hop=0", "sound: hop lies in "),
    ] {
        let train = ["train", "speech", "--data", "said/said.csv"];
        let told = complaint(folder, &[&train[..], &SMALL, &["--set", setting]].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{told}");
    }
    assert!(complaint(folder, &["train", "speech", "--data", "none"]).contains("cannot read none"));
    fs::create_dir(folder.join("nothing")).unwrap();
    assert!(
        complaint(folder, &["train", "speech", "--data", "nothing"])
            .contains("has no sounds with what is said in them")
    );
}
