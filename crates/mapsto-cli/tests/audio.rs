//! The binary on sounds, as a user runs it.

mod common;

use common::{complaint, events, mapsto, text};
use std::f32::consts::TAU;
use std::fs;
use std::path::Path;

/// Samples of a second.
const RATE: u32 = 8000;

/// A WAV file of 16 bits.
fn write(path: &Path, samples: &[f32]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes: Vec<u8> = samples.iter().flat_map(|x| ((x * 30_000.0) as i16).to_le_bytes()).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + bytes.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    for half in [1u16, 1] {
        file.extend(half.to_le_bytes());
    }
    file.extend(RATE.to_le_bytes());
    file.extend((2 * RATE).to_le_bytes());
    for half in [2u16, 16] {
        file.extend(half.to_le_bytes());
    }
    file.extend(b"data");
    file.extend((bytes.len() as u32).to_le_bytes());
    fs::write(path, [file, bytes].concat()).unwrap();
}

/// Tones that rise and tones that fall, of several lengths, pitches and strengths.
fn tones(folder: &Path, each: usize) {
    for number in 0..each {
        let length = 1500 + number * 37 % 900;
        let (low, strength) = (300.0 + (number * 53 % 400) as f32, 0.2 + (number % 7) as f32 / 10.0);
        let mut rising = Vec::new();
        let mut phase = 0.0;
        for i in 0..length {
            phase += TAU * low * (1.0 + 2.0 * i as f32 / length as f32) / RATE as f32;
            rising.push(strength * phase.sin());
        }
        write(&folder.join("rising").join(format!("{number}.wav")), &rising);
        rising.reverse();
        write(&folder.join("falling").join(format!("{number}.wav")), &rising);
    }
}

#[test]
fn tones_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tones(&folder.join("tones"), 30);
    for model in ["mel_cnn", "keyword_cnn"] {
        let train = ["train", "audio", "--data", "tones", "--model", model, "--epochs", "12", "--run", model, "--json"];
        let small = ["--set", "mels=24", "--set", "batch_size=8", "--set", "validation=0"];
        let told = events(folder, &[&train[..], &small].concat());
        let (start, done) = (&told[0], told.last().unwrap());
        // Features are those of the sounds' own rate.
        assert_eq!(start["settings"]["config"]["features"]["rate"], RATE);
        assert!(done["test"]["accuracy"].as_f64().unwrap() >= 0.9, "{model}: {done}");
        let run = format!("runs/{model}");
        assert_eq!(events(folder, &["eval", &run, "--json"])[0]["metrics"], done["test"]);
        let predicted = events(folder, &["predict", &run, "tones/rising", "--json"]);
        let right = predicted.iter().filter(|event| event["label"] == "rising").count();
        assert!(predicted.len() == 30 && right >= 27, "{model}: {right}");
        assert!(text(folder, &["summary", &run]).contains("Conv2d"));
    }
}

#[test]
fn a_run_of_sounds_is_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tones(&folder.join("tones"), 8);
    let of = |threads: &str| {
        let small = ["--set", "mels=16", "--set", "batch_size=4", "--epochs", "2"];
        let train = ["train", "audio", "--data", "tones", "--threads", threads, "--run", threads, "--json"];
        events(folder, &[&train[..], &small].concat());
        fs::read(folder.join("runs").join(threads).join("model.safetensors")).unwrap()
    };
    assert!(of("1") == of("2"));
}

#[test]
fn sounds_that_cannot_be_read_are_named_and_passed_over_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tones(&folder.join("tones"), 6);
    fs::write(folder.join("tones/rising/broken.wav"), "no sound").unwrap();
    fs::write(folder.join("tones/rising/empty.wav"), "").unwrap();
    let train = ["train", "audio", "--data", "tones", "--epochs", "1", "--set", "mels=16", "--set", "batch_size=4"];
    let told = complaint(folder, &train);
    assert!(told.contains("broken.wav") && told.contains("and 1 more like it; mend or remove "), "{told}");
    assert!(!folder.join("runs").exists());
    let shown = text(folder, &[&train[..], &["--skip-bad", "--run", "mine"]].concat());
    assert!(shown.contains("2 sounds cannot be read and are passed over, the first of them "), "{shown}");
    assert!(complaint(folder, &["predict", "runs/mine", "tones/rising"]).contains("--skip-bad"));
    let some = mapsto(folder, &["predict", "runs/mine", "tones/rising", "--skip-bad", "--csv"]);
    assert_eq!(String::from_utf8(some.stdout).unwrap().lines().count(), 7);
    for (setting, said) in [
        ("seconds=0", "seconds is 0, it must be above 0"),
        ("features.hop=0", "sound: hop lies in "),
        ("model.dropout=2", "the network cannot be built by these settings: "),
        ("time_share=3", "sound: time_share lies in "),
    ] {
        let told = complaint(folder, &[&train[..], &["--skip-bad", "--set", setting]].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{told}");
    }
    assert!(complaint(folder, &["train", "audio", "--data", "none"]).contains("cannot read none"));
}
