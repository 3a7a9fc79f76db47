//! The binary on texts, as a user runs it.

mod common;

use common::{complaint, events, text};
use mapsto_nn::{read_state, write_state};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Paragraphs of addresses of the nineteenth and the twentieth century (see `tools/speeches.py`).
fn speeches(folder: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/speeches.csv");
    std::fs::copy(path, folder.join("speeches.csv")).unwrap();
}

#[test]
fn speeches_tell_their_century() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speeches(folder);
    let train = ["train", "text", "--data", "speeches.csv", "--target", "century", "--set", "text=paragraph", "--json"];
    let more = ["--model", "cnn", "--epochs", "24", "--set", "validation=0", "--run", "mine"];
    let told = events(folder, &[&train[..], &more].concat());
    let done = told.last().unwrap();
    assert!(done["test"]["accuracy"].as_f64().unwrap() >= 0.85, "{done}");
    assert_eq!(events(folder, &["eval", "runs/mine", "--json"])[0]["metrics"], done["test"]);
    assert!(text(folder, &["summary", "runs/mine"]).contains("Embedding"));
    let bag = events(folder, &[&train[..], &["--model", "bag", "--set", "validation=0", "--run", "bag"]].concat())
        .pop()
        .unwrap();
    assert!(bag["test"]["accuracy"].as_f64().unwrap() >= 0.8, "{bag}");
    assert_eq!(events(folder, &["eval", "runs/bag", "--json"])[0]["metrics"], bag["test"]);
    // Rare words tell more than common ones.
    let state = mapsto_nn::read_state(folder.join("runs/bag/model.safetensors")).unwrap();
    let idf = state.tensors["idf"].to_vec::<f32>().unwrap();
    assert!(idf.iter().copied().fold(f32::MAX, f32::min) < 1.5 && idf.iter().copied().fold(0.0, f32::max) > 4.0);

    // In other forms: a table of other columns, lines of JSON, files.
    let all: Vec<Value> = std::fs::read_to_string(folder.join("speeches.csv"))
        .unwrap()
        .lines()
        .skip(1)
        .take(60)
        .map(|line| {
            let (century, words) = line.split_once("th,").unwrap();
            json!({"century": format!("{}th", &century[5..]), "paragraph": words.trim_matches('"')})
        })
        .collect();
    let lines: String = all.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(folder.join("more.jsonl"), lines).unwrap();
    let more = events(folder, &["eval", "runs/mine", "--data", "more.jsonl", "--json"]);
    assert!(more[0]["items"] == 60 && more[0]["metrics"]["accuracy"].as_f64().unwrap() >= 0.85, "{more:?}");
    for row in &all {
        let class = folder.join("files").join(row["century"].as_str().unwrap());
        std::fs::create_dir_all(&class).unwrap();
        let number = std::fs::read_dir(&class).unwrap().count();
        std::fs::write(class.join(format!("{number}.txt")), row["paragraph"].as_str().unwrap()).unwrap();
    }
    let files = events(folder, &["eval", "runs/mine", "--data", "files", "--json"]);
    assert_eq!(files[0]["metrics"]["accuracy"], more[0]["metrics"]["accuracy"]);
    let predicted = events(folder, &["predict", "runs/mine", "files/19th/0.txt", "more.jsonl", "--json"]);
    assert_eq!(predicted.len(), 61);
    assert_eq!(predicted[0]["label"], "19th");
    assert!(predicted[1]["input"].as_str().unwrap().ends_with("more.jsonl:1"));

    // The network goes on for other classes, with its own tokenizer: what its factor of the rate holds stays, the head is new.
    let years = ["train", "text", "--data", "files", "--pretrained", "runs/mine", "--epochs", "1", "--json"];
    let held = ["--set", "rates={embedding=0, convolutions=0.1}", "--run", "held"];
    events(folder, &[&years[..], &held].concat());
    let weights = |run: &str| read_state(folder.join("runs").join(run).join("model.safetensors")).unwrap().tensors;
    let (before, after) = (weights("mine"), weights("held"));
    let is_same = |name: &str| before[name].to_vec::<f32>().unwrap() == after[name].to_vec::<f32>().unwrap();
    let same: Vec<&String> = before.keys().filter(|name| is_same(name)).collect();
    assert_eq!(same, ["embedding.weight"], "{:?}", before.keys());
    let told = complaint(folder, &[&years[..], &["--set", "rates={enc=0}"]].concat());
    assert!(told.contains("rates: no parameter is named or below \"enc\"; layers are convolutions.0, "), "{told}");
    let told = complaint(
        folder,
        &[&years[..], &["--set", "rates={convolutions=0.1}", "--set", "schedule=one_cycle"]].concat(),
    );
    assert!(told.contains("schedule=one_cycle takes no factors but 0"), "{told}");

    // Weights alone have no tokenizer.
    let weights = before.into_iter().collect();
    write_state(folder.join("weights.safetensors"), &weights, &BTreeMap::new()).unwrap();
    let alone = ["train", "text", "--data", "files", "--model", "cnn", "--pretrained", "weights.safetensors"];
    let told = complaint(folder, &alone);
    assert!(told.contains("weights.safetensors: ") && told.contains("embedding.weight"), "{told}");
}

#[test]
fn every_network_learns_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speeches(folder);
    for model in ["gru", "lstm", "transformer", "cnn", "bag"] {
        let of = |threads: &'static str| {
            let train = ["train", "text", "--data", "speeches.csv", "--target", "century", "--set", "text=paragraph"];
            let small = ["--set", "vocabulary=300", "--set", "tokens=bpe", "--set", "length=12", "--epochs", "1"];
            let (change, run) = (["--set", "augment=0.5", "--threads", threads], format!("{model}{threads}"));
            let named = ["--model", model, "--run", &run, "--json"];
            events(folder, &[&train[..], &small, &change, &named].concat());
            std::fs::read(folder.join("runs").join(&run).join("model.safetensors")).unwrap()
        };
        assert!(of("1") == of("2"), "{model}");
    }
}

#[test]
fn the_report_shows_words_and_where_the_network_looks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speeches(folder);
    let train = ["train", "text", "--data", "speeches.csv", "--target", "century", "--set", "text=paragraph"];
    text(folder, &[&train[..], &["--model", "gru", "--epochs", "1", "--set", "length=40", "--run", "mine"]].concat());
    let page = std::fs::read_to_string(folder.join("runs/mine/report.html")).unwrap();
    for shown in ["Principal components", "Neighbours", ">government</text>", "What it looks at: ", "--share: 1.00"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains("Where its layers look"));
    let small = ["--model", "transformer", "--epochs", "1", "--set", "length=40", "--set", "config.model.layers=3"];
    text(folder, &[&train[..], &small, &["--run", "layers"]].concat());
    let page = std::fs::read_to_string(folder.join("runs/layers/report.html")).unwrap();
    assert_eq!(page.matches("What it looks at: ").count(), 5);
    assert_eq!(page.matches("Where its layers look: ").count(), 2);
    assert_eq!(page.matches(">Layer 3<").count(), 2);
    assert!(!page.contains(">Layer 4<") && page.contains("--share: 1.00"));
}

#[test]
fn texts_that_cannot_be_learned_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    speeches(folder);
    let train = ["train", "text", "--data"];
    for (name, content, more, said) in [
        ("e.csv", &b"text,topic\na b,x\n  ,y\n"[..], &["--target", "topic"][..], "e.csv: row 2: there is no text"),
        ("u.jsonl", b"{\"text\": \"a\", \"topic\": \"x\"}\n\xff\n", &["--target", "topic"], "u.jsonl:2"),
        ("o.jsonl", b"{\"text\": \"a\", \"topic\": \"x\"}\n[1]\n", &["--target", "topic"], "o.jsonl:2"),
        ("n.csv", b"text,topic\na,x\nb,y\n", &["--target", "topik"], "did you mean \"topic\""),
        (
            "m.csv",
            b"text,topic\na,x\nb,y\n",
            &["--target", "topic", "--model", "gpt"],
            "give one of bag, cnn, lstm, gru",
        ),
        (
            "c.csv",
            b"text,topic\na,x\nb,x\n",
            &["--target", "topic", "--set", "test=0", "--set", "validation=0"],
            "of one class",
        ),
        (
            "l.csv",
            b"text,topic\na,x\nb,y\n",
            &["--target", "topic", "--set", "length=0", "--set", "test=0"],
            "length is 0, it must be from 1 to 65536",
        ),
        ("s.csv", b"text,topic\na,x\nb,y\n", &["--target", "topic", "--set", "synonyms=none.txt"], "none.txt"),
        ("p.csv", b"text,topic\na,x\nb,y\n", &["--target", "topic", "--pretrained", "runs"], "cannot read runs"),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
        let told = complaint(folder, &[&train[..], &[name], more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{name}: {told}");
        assert!(!folder.join("runs").exists(), "{name}");
    }
}
