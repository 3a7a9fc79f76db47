//! The binary on language, as a user runs it.

mod common;

use common::{complaint, events, mapsto, text, together_and_alone};
use std::fs;
use std::path::Path;

/// Paragraphs of addresses as one text (see `tools/speeches.py`).
fn speeches() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/speeches.csv");
    let table = fs::read_to_string(path).unwrap();
    let words = |line: &str| line.split_once("th,").map(|(_, words)| words.trim_matches('"').to_string());
    table.lines().filter_map(words).collect::<Vec<_>>().join("\n")
}

/// The settings of a small, quick training.
const QUICK: [&str; 10] = [
    "--set",
    "length=48",
    "--set",
    "batch_size=16",
    "--set",
    "learning_rate=0.01",
    "--set",
    "config.model.hidden=96",
    "--set",
    "config.model.embedding=32",
];

#[test]
fn a_language_is_learned_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("speeches.txt"), speeches()).unwrap();
    let train = ["train", "lm", "--data", "speeches.txt", "--model", "gru", "--epochs", "6", "--run", "mine", "--json"];
    let told = events(folder, &[&train[..], &QUICK].concat());
    let done = told.last().unwrap();
    let test = &done["test"];
    let [bits, perplexity, loss] =
        ["bits_per_character", "perplexity", "loss"].map(|name| test[name].as_f64().unwrap());
    // The frequencies of the letters alone leave 4.2 bits.
    assert!(bits < 3.1 && bits > 1.0, "{done}");
    assert!((loss.exp() - perplexity).abs() < 1e-6 && (loss / 2f64.ln() - bits).abs() < 1e-6, "{done}");
    let again = events(folder, &["eval", "runs/mine", "--json"]);
    assert_eq!(&again[0]["metrics"], test);
    assert!(again[0]["characters"].as_u64().unwrap() > 5000, "{again:?}");
    // Letters in a senseless order are harder.
    let jumbled: String = speeches().chars().step_by(7).collect();
    fs::write(folder.join("jumbled.txt"), jumbled).unwrap();
    let jumbled = events(folder, &["eval", "runs/mine", "--data", "jumbled.txt", "--json"]);
    assert!(jumbled[0]["metrics"]["bits_per_character"].as_f64().unwrap() > bits + 1.0, "{jumbled:?}");
    assert!(text(folder, &["summary", "runs/mine"]).contains("Embedding"));
    let report = fs::read_to_string(folder.join("runs/mine/report.html")).unwrap();
    assert!(report.contains("What it writes") && report.contains("bits per character"));

    // What is written comes letter by letter, is the same for the same seed, and another for another.
    let predict = ["predict", "runs/mine", "--text", "The peo", "--set", "length=60", "--json"];
    let written = events(folder, &predict);
    let (answer, pieces) = written.split_last().unwrap();
    assert_eq!((&answer["prompt"], answer["tokens"].as_u64()), (&"The peo".into(), Some(60)));
    let continuation = answer["continuation"].as_str().unwrap();
    assert_eq!(continuation.chars().count(), 60);
    let streamed: String = pieces.iter().map(|piece| piece["text"].as_str().unwrap()).collect();
    assert_eq!(streamed, format!("The peo{continuation}"));
    assert_eq!(events(folder, &predict), written);
    assert_ne!(events(folder, &[&predict[..], &["--set", "seed=5"]].concat()).last(), Some(answer));
    let shown = text(folder, &predict[..6]);
    assert_eq!(shown, format!("The peo{continuation}\n"));
    // The likeliest, whatever the seed.
    let greedy = |more: [&str; 2]| {
        let asked = ["predict", "runs/mine", "--text", "The peo", "--json", "--set", "seed=3"];
        events(folder, &[&asked[..], &more].concat()).pop().unwrap()["continuation"].to_string()
    };
    assert_eq!(greedy(["--set", "top_k=1"]), greedy(["--set", "temperature=0"]));

    // Prompts in a file, as a table; one of which a part is not known.
    fs::write(folder.join("prompts.txt"), "The peo\n\nOf the \u{4f60}\n").unwrap();
    let asked = ["predict", "runs/mine", "prompts.txt", "--set", "length=5", "--csv"];
    let output = mapsto(folder, &asked);
    let (out, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0] == "input,prompt,continuation" && lines[1].starts_with("prompts.txt:1,The peo,"), "{out}");
    assert!(out.contains("\nprompts.txt:3,Of the \u{4f60},"), "{out}");
    assert!(
        said.contains("characters of \"Of the \u{4f60}\" are passed over") && said.contains("'\u{4f60}'"),
        "{said}"
    );
    for (more, said) in [
        (&["--text", "\u{4f60}"][..], "has no character that the network knows"),
        (&["--text", "a", "--set", "top_p=0"], "top_p is 0, it must be above 0 and at most 1"),
        (&["--text", "a", "--set", "temperature=-1"], "temperature is -1, it must be 0 or above"),
        (&["--text", "a", "--set", "length=0"], "length is 0, it must be from 1 to 1000000"),
        (&["--text", "a", "--set", "topk=1"], "topk"),
        (&[], "give a text to go on with by --text, or files with one a line"),
        (&["none.txt"], "cannot read none.txt"),
    ] {
        let told = complaint(folder, &[&["predict", "runs/mine"][..], more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{more:?}: {told}");
    }
    // It goes on from what it has learned, with its tokens, of a text whose letters are fewer.
    fs::write(folder.join("short.txt"), speeches().replace('k', "c").chars().take(6000).collect::<String>()).unwrap();
    let more = ["train", "lm", "--data", "short.txt", "--epochs", "1", "--set", "batch_size=4", "--json"];
    let begun = events(folder, &[&more[..], &["--pretrained", "runs/mine", "--set", "streams=4"]].concat());
    let anew = events(folder, &[&more[..], &["--model", "gru"], &QUICK].concat());
    let [begun, anew] = [begun, anew].map(|told| told.last().unwrap()["test"]["bits_per_character"].as_f64().unwrap());
    assert!(begun < bits + 0.3 && begun + 0.5 < anew, "{begun} {anew}");
    let told = complaint(folder, &[&more[..], &["--pretrained", "short.txt"]].concat());
    assert!(told.contains("short.txt"), "{told}");

    // Nothing to begin with, too.
    assert_eq!(text(folder, &["predict", "runs/mine", "--text", "", "--set", "length=9"]).chars().count(), 10);
}

#[test]
fn several_networks_write_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("speeches.txt"), speeches()).unwrap();
    for (ensemble, model, size, carries) in [
        ("bagging:2", "gru", "hidden=48", "streams=8"),
        ("snapshot:3", "transformer", "width=32", "streams=0"),
        ("boosting:2", "lstm", "hidden=48", "streams=0"),
    ] {
        let train = ["train", "lm", "--data", "speeches.txt", "--model", model, "--ensemble", ensemble, "--json"];
        let more = ["--epochs", "3", "--set", "length=32", "--set", size, "--set", carries, "--run", model];
        let done = events(folder, &[&train[..], &more].concat()).pop().unwrap();
        let run = format!("runs/{model}");
        let (together, alone) = together_and_alone(folder, &run);
        assert_eq!(together, done["test"]);
        // The mean of probabilities has at least the likelihood of the geometric mean.
        let losses: Vec<f64> = alone.iter().map(|metrics| metrics["loss"].as_f64().unwrap()).collect();
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let loss = together["loss"].as_f64().unwrap();
        assert!(loss < mean - 1e-3 && losses.iter().all(|alone| *alone != loss), "{model}: {losses:?}, {loss} as one");
        let write = |run: &str| text(folder, &["predict", run, "--text", "The people", "--set", "length=300"]);
        assert_ne!(write(&run), write(&format!("{run}/alone-0.safetensors")));
        assert!(text(folder, &["summary", &run]).contains("Embedding"));
    }
}

#[test]
fn every_network_learns_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = speeches();
    fs::create_dir(folder.join("texts")).unwrap();
    // Windows' line ends; two texts, after which the network may stop.
    fs::write(folder.join("texts/a.txt"), text[..9000].replace('\n', "\r\n")).unwrap();
    fs::write(folder.join("texts/b.txt"), &text[9000..20_000]).unwrap();
    for model in ["lstm", "gru", "cnn", "transformer"] {
        let of = |threads: &'static str| {
            let train = ["train", "lm", "--data", "texts", "--model", model, "--epochs", "1", "--set", "length=32"];
            let run = format!("{model}{threads}");
            let more =
                ["--threads", threads, "--set", "tokens=bpe", "--set", "vocabulary=300", "--run", &run, "--json"];
            events(folder, &[&train[..], &more].concat());
            fs::read(folder.join("runs").join(&run).join("model.safetensors")).unwrap()
        };
        assert!(of("1") == of("2"), "{model}");
        let run = format!("runs/{model}1");
        let written =
            events(folder, &["predict", &run, "--text", "We \u{4f60}\u{597d} the", "--set", "length=80", "--json"]);
        let continuation = written.last().unwrap()["continuation"].as_str().unwrap();
        assert!(!continuation.contains('\r'), "{continuation:?}");
    }
}

#[test]
fn texts_that_cannot_be_learned_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let long = speeches()[..5000].to_string();
    fs::create_dir_all(folder.join("none")).unwrap();
    fs::write(folder.join("none/a.csv"), "a,b\n").unwrap();
    for (name, content, more, said) in [
        ("empty.txt", &b""[..], &[][..], "empty.txt: there is no text"),
        ("blank.txt", b" \n\t\n", &[], "blank.txt: there is no text"),
        ("latin.txt", b"caf\xe9\n", &[], "latin.txt:1: this is no UTF-8 text; save the file in UTF-8"),
        ("short.txt", b"Too short for a window.", &[], "fewer than the 129 of a window and what follows"),
        ("one.txt", b"x", &[], "cannot be divided"),
        ("none", b"", &[], "none has no texts: put files .txt in UTF-8 into it"),
        ("no.txt", b"", &["--data", "missing.txt"], "missing.txt"),
        ("long.txt", long.as_bytes(), &["--set", "tokens=words"], "tokens is words, it must be characters or bpe"),
        ("long.txt", long.as_bytes(), &["--set", "tokens=bpe", "--set", "vocabulary=100"], "100 tokens are too few"),
        ("long.txt", long.as_bytes(), &["--set", "length=0"], "length is 0, it must be from 1 to 65536"),
        ("long.txt", long.as_bytes(), &["--model", "gpt"], "give one of cnn, lstm, gru, transformer"),
        ("long.txt", long.as_bytes(), &["--target", "a"], "--target means nothing to lm"),
        (
            "long.txt",
            long.as_bytes(),
            &["--ensemble", "boosting:2", "--set", "streams=2", "--set", "length=9"],
            "streams reads them one after another: leave out --set streams=2",
        ),
        ("long.txt", long.as_bytes(), &["--set", "config.model.hidden=0"], "hidden is 0"),
    ] {
        if name != "none" && name != "no.txt" {
            fs::write(folder.join(name), content).unwrap();
        }
        let data = if name == "no.txt" { &[][..] } else { &["--data", name] };
        let told = complaint(folder, &[&["train", "lm", "--set", "epochs=1"][..], data, more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{name}, {more:?}: {told}");
    }
}
