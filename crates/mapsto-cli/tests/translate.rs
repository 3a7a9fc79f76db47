//! The binary on translation, as a user runs it.

mod common;

use common::{complaint, events, mapsto, text, together_and_alone};
use std::path::Path;

const UNITS: [&str; 20] = [
    "",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const UNIDADES: [&str; 30] = [
    "",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
];
const DECENAS: [&str; 10] =
    ["", "", "", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"];
const CENTENAS: [&str; 10] = [
    "",
    "ciento",
    "doscientos",
    "trescientos",
    "cuatrocientos",
    "quinientos",
    "seiscientos",
    "setecientos",
    "ochocientos",
    "novecientos",
];

fn joined(words: &[&str]) -> String {
    words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// A number below a thousand in English and in Spanish.
fn number(n: usize) -> [String; 2] {
    let (hundreds, rest) = (n / 100, n % 100);
    let hundred = if hundreds > 0 { "hundred" } else { "" };
    let low = if rest < 20 { [UNITS[rest], ""] } else { [TENS[rest / 10], UNITS[rest % 10]] };
    let english = joined(&[UNITS[hundreds], hundred, low[0], low[1]]);
    let bajo = match rest {
        0..30 => [UNIDADES[rest], "", ""],
        _ => [DECENAS[rest / 10], if rest.is_multiple_of(10) { "" } else { "y" }, UNIDADES[rest % 10]],
    };
    let cien = if n == 100 { "cien" } else { CENTENAS[hundreds] };
    [english, joined(&[cien, bajo[0], bajo[1], bajo[2]])]
}

/// All numbers but some, with a stop so that the first line is none of names.
fn numbers(folder: &Path, name: &str, which: impl Fn(usize) -> bool) -> usize {
    let pair = |n: usize| number(n).map(|words| format!("it is {words}."));
    let lines: Vec<String> = (1..1000).filter(|n| which(*n)).map(|n| pair(n).join("\t")).collect();
    std::fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
    lines.len()
}

#[test]
fn numbers_are_translated_that_were_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    numbers(folder, "pairs.tsv", |_| true);
    let train = ["train", "translate", "--data", "pairs.tsv", "--set", "tokens=words", "--set", "length=12", "--json"];
    let small = ["--set", "embedding=32", "--set", "hidden=48", "--set", "batch_size=32", "--set", "dropout=0"];
    let more = ["--set", "learning_rate=0.01", "--epochs", "15", "--run", "mine"];
    let told = events(folder, &[&train[..], &small, &more].concat());
    let done = told.last().unwrap();
    assert!(done["test"]["bleu"].as_f64().unwrap() > 80.0, "{done}");
    assert_eq!(events(folder, &["eval", "runs/mine", "--json"])[0]["metrics"], done["test"]);
    let [english, spanish] = number(742);
    let asked = format!("it is {english}.");
    let told = text(folder, &["predict", "runs/mine", "--text", &asked, "--set", "beam=2"]);
    assert_eq!(told.trim_end(), format!("{asked}: it is {spanish} ."));
    // Files: lines, or the column of the sources.
    std::fs::write(folder.join("asked.txt"), format!("{asked}\n\n{asked}\n")).unwrap();
    numbers(folder, "three.tsv", |n| n % 300 == 5);
    let told = events(folder, &["predict", "runs/mine", "asked.txt", "three.tsv", "--json"]);
    let names: Vec<&str> = told.iter().map(|event| event["input"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["asked.txt:1", "asked.txt:3", "three.tsv: row 1", "three.tsv: row 2", "three.tsv: row 3", "three.tsv: row 4"]
    );
    assert!(told[0]["translation"] == told[1]["translation"] && told[0]["ended"] == true, "{told:?}");
    let report = std::fs::read_to_string(folder.join("runs/mine/report.html")).unwrap();
    assert!(report.contains("Where translations look") && report.contains("BLEU") && report.contains("class=\"heat\""));
    assert!(text(folder, &["summary", "runs/mine"]).contains("AdditiveAttention"));
    // What a question cannot ask.
    for (arguments, said) in [
        (&["--text", "a", "--set", "beam=0"][..], "beam is 0, it must be from 1 to 64"),
        (&["--text", "a", "--set", "longest=13"], "longest is 13, it must be from 0 to 12, the length of texts"),
        (&["--text", "a", "--set", "beams=2"], "there is no setting \"beams\""),
        (&[], "give a text to translate with --text, or files with a text a line"),
        (&["--text", " "], "a --text is empty"),
        (&["none.txt"], "none.txt"),
    ] {
        let told = complaint(folder, &[&["predict", "runs/mine"], arguments].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{told}");
    }
    let long = "one ".repeat(20);
    let output = mapsto(folder, &["predict", "runs/mine", "--text", &long]);
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && warned.contains("only the first 12 tokens are read"), "{warned}");
}

#[test]
fn several_networks_translate_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    numbers(folder, "pairs.tsv", |n| n % 2 == 0);
    let small = ["--set", "embedding=32", "--set", "hidden=48", "--set", "batch_size=32", "--set", "length=12"];
    let train = ["train", "translate", "--data", "pairs.tsv", "--set", "tokens=words", "--json"];
    for ensemble in ["bagging:2", "boosting:2"] {
        let run = &ensemble[..4];
        let more = ["--set", "learning_rate=0.01", "--epochs", "6", "--run", run, "--ensemble", ensemble];
        let done = events(folder, &[&train[..], &small, &more].concat()).pop().unwrap();
        let run = format!("runs/{run}");
        let (together, alone) = together_and_alone(folder, &run);
        assert_eq!(together, done["test"]);
        let losses: Vec<f64> = alone.iter().map(|metrics| metrics["loss"].as_f64().unwrap()).collect();
        // The mean of probabilities has at least the likelihood of the geometric mean.
        let (mean, loss) = (losses.iter().sum::<f64>() / 2.0, together["loss"].as_f64().unwrap());
        assert!(loss < mean - 1e-3 && !losses.contains(&loss), "{ensemble}: {losses:?}, {loss} as one");
        let told = |run: &str| {
            let told = events(folder, &["predict", run, "--text", "it is forty two.", "--set", "beam=1", "--json"]);
            told[0]["log_probability"].as_f64().unwrap()
        };
        let each = [0, 1].map(|number| told(&format!("{run}/alone-{number}.safetensors")));
        let whole = told(&run);
        assert!(!each.contains(&whole), "{ensemble}: {each:?}, {whole} as one");
    }
}

#[test]
fn every_network_learns_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    numbers(folder, "pairs.tsv", |n| n % 4 == 0);
    for (model, small) in [("gru", ["embedding=8", "hidden=8"]), ("transformer", ["width=8", "feedforward=8"])] {
        let of = |threads: &'static str| {
            let train = ["train", "translate", "--data", "pairs.tsv", "--model", model, "--epochs", "1", "--json"];
            let (run, [first, second]) = (format!("{model}{threads}"), small);
            let more =
                ["--set", first, "--set", second, "--set", "vocabulary=300", "--threads", threads, "--run", &run];
            events(folder, &[&train[..], &more].concat());
            std::fs::read(folder.join("runs").join(&run).join("model.safetensors")).unwrap()
        };
        assert!(of("1") == of("2"), "{model}");
    }
}

#[test]
fn pairs_that_cannot_be_learned_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, content, more, said) in [
        ("one.txt", &b"Go on.\nHi!\n"[..], &[][..], "write it into a second one, behind a tab"),
        ("u.tsv", b"Go on.\tSigue.\nHi!\t\xff\n", &[], "u.tsv:2: this is no UTF-8 text"),
        ("e.tsv", b"Go on.\t\n\tHola.\n", &[], "no row has a text in both columns"),
        ("n.tsv", b"en\tes\nGo on.\tSigue.\n", &["--set", "source=eng"], "did you mean"),
        ("s.tsv", b"en\tes\nGo on.\tSigue.\n", &["--set", "source=en", "--set", "target=en"], "are both the column"),
        ("m.tsv", b"a b.\tc.\n", &["--model", "lstm"], "give one of gru, transformer"),
        ("l.tsv", b"a b.\tc.\n", &["--set", "length=1"], "length is 1, it must be from 2 to 4096"),
        ("b.tsv", b"a b.\tc.\n", &["--set", "beam=0"], "beam is 0, it must be from 1 to 64"),
        (
            "v.tsv",
            b"a b.\tc.\nd e.\tf.\n",
            &["--set", "vocabulary=5", "--set", "test=0", "--set", "validation=0"],
            "5 tokens are too few",
        ),
        ("f.tsv", b"a b.\tc.\n", &["--set", "test=0", "--set", "validation=0"], "1 examples are left to learn from"),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
        let told = complaint(folder, &[&["train", "translate", "--data", name], more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{name}: {told}");
        assert!(!folder.join("runs").exists(), "{name}");
    }
    // Rows without one of both are told, texts that are cut, too.
    let more: String = (0..30).map(|n| format!("This is {n} of them, and quite long.\tEs {n}.\n")).collect();
    std::fs::write(folder.join("h.tsv"), format!("Nothing.\t\n{more}")).unwrap();
    let small = ["--set", "length=8", "--set", "embedding=4", "--set", "hidden=4", "--epochs", "1"];
    let told = text(folder, &[&["train", "translate", "--data", "h.tsv"][..], &small].concat());
    assert!(
        told.contains("1 row lacks one of both texts and is left out: ") && told.contains("h.tsv: row 1"),
        "{told}"
    );
    assert!(told.contains("are longer than is read, and are cut"), "{told}");
}
