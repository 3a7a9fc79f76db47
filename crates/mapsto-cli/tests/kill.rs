//! Runs that are killed at any moment and go on: they end in the same bytes.
#![cfg(unix)]

use mapsto_tensor::Rng;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Kills of each kind of run.
const KILLS: usize = 25;

/// Kills runs until enough kills were made; each run must come to the model of the one that nobody killed.
fn kill(task: &[&str], prepare: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let command = |arguments: &[&str], threads: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mapsto"));
        command.args(arguments).current_dir(folder.path()).env("MAPSTO_NUM_THREADS", threads.to_string());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let model = |run: &str| std::fs::read(folder.path().join("runs").join(run).join("model.safetensors")).unwrap();
    let train = |run: &str| [task, &["--run", run]].concat().into_iter().map(String::from).collect::<Vec<_>>();
    let began = Instant::now();
    let straight = train("straight");
    let output = command(&straight.iter().map(String::as_str).collect::<Vec<_>>(), 2).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (whole, expected) = (began.elapsed(), model("straight"));

    let mut rng = Rng::new(began.elapsed().as_nanos() as u64);
    let mut kills = 0;
    for number in 0.. {
        if kills >= KILLS {
            break;
        }
        let run = format!("killed-{number}");
        let path = format!("runs/{run}");
        loop {
            let begun = Path::exists(&folder.path().join(&path).join("config.toml"));
            let resume = vec!["train".to_string(), "--resume".into(), path.clone()];
            let arguments = if begun { resume } else { train(&run) };
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut child = command(&arguments, 1 + kills % 3).spawn().unwrap();
            // The last of them is left alone.
            if kills < KILLS {
                std::thread::sleep(whole.mul_f64(0.7 * rng.next_f64()).max(Duration::from_millis(1)));
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                None => kills += 1,
                Some(0) => break,
                Some(code) => panic!("exit {code}: {}", String::from_utf8_lossy(&output.stderr)),
            }
        }
        assert!(model(&run) == expected, "after {kills} kills");
        let log = std::fs::read_to_string(folder.path().join(&path).join("metrics.jsonl")).unwrap();
        let straight = std::fs::read_to_string(folder.path().join("runs/straight/metrics.jsonl")).unwrap();
        assert_eq!(log.lines().count(), straight.lines().count(), "after {kills} kills");
    }
}

#[test]
fn a_network_with_dropout_batch_norm_and_changes_by_chance() {
    kill(&["train", "digits", "--epochs", "2", "--set", "checkpoint_seconds=0.05"], |_| {});
}

#[test]
fn a_cross_validation_and_an_ensemble_of_a_table() {
    let mut rng = Rng::new(1);
    let mut text = "size,colour,price\n".to_string();
    for _ in 0..120 {
        let (size, colour) = (rng.next_f64(), rng.below(3));
        let price = 3.0 * size + colour as f64 + 0.1 * rng.normal();
        text += &format!("{size},{},{price}\n", ["red", "green", "blue"][colour as usize]);
    }
    let task = [
        "train",
        "table",
        "--data",
        "t.csv",
        "--target",
        "price",
        "--epochs",
        "20",
        "--cv",
        "2",
        "--ensemble",
        "boosting:3",
        "--set",
        "checkpoint_seconds=0.02",
    ];
    kill(&task, |folder| std::fs::write(folder.join("t.csv"), &text).unwrap());
}

#[test]
fn pictures_changed_and_mixed_by_chance_under_an_average() {
    let task = [
        "train",
        "image",
        "--data",
        "p",
        "--model",
        "lenet",
        "--epochs",
        "4",
        "--set",
        "batch_size=8",
        "--set",
        "mixup=0.2",
        "--set",
        "average=0.9",
        "--set",
        "augment=strong",
        "--set",
        "checkpoint_seconds=0.05",
    ];
    kill(&task, |folder| {
        for class in ["a", "b"] {
            std::fs::create_dir_all(folder.join("p").join(class)).unwrap();
            for number in 0..20u32 {
                let level = |x: u32, y: u32| (x * 9 + y * number * if class == "a" { 1 } else { 7 }) as u8;
                let picture = image::GrayImage::from_fn(20, 20, |x, y| image::Luma([level(x, y)]));
                picture.save(folder.join("p").join(class).join(format!("{number}.png"))).unwrap();
            }
        }
    });
}

/// The words of a command.
fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

#[test]
fn a_language_model_that_carries_its_states_on() {
    let mut rng = Rng::new(2);
    let syllables = ["ma", "lo", "ti", "ren", "su", "ka ", "do ", "shi. "];
    let text: String = (0..4000).map(|_| syllables[rng.below(syllables.len() as u64) as usize]).collect();
    let sizes = "--set config.model.hidden=24 --set config.model.embedding=16 --set length=24 --set streams=4";
    let task = format!("train lm --data t.txt --model gru --epochs 3 {sizes} --set checkpoint_seconds=0.05");
    kill(&words(&task), |folder| std::fs::write(folder.join("t.txt"), &text).unwrap());
}

#[test]
fn a_recommender_that_draws_what_was_not_chosen() {
    let mut rng = Rng::new(3);
    let mut table = "user,item,timestamp\n".to_string();
    for user in 0..60 {
        (0..12).for_each(|time| table += &format!("u{user},i{},{time}\n", (user % 4) * 10 + rng.below(15)));
    }
    let task = "train recommend --data r.csv --model mf --epochs 12 --set width=8 --set checkpoint_seconds=0.02";
    kill(&words(task), |folder| std::fs::write(folder.join("r.csv"), &table).unwrap());
}
