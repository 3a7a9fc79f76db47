//! The binary on labelled series, as a user runs it.

mod common;

use common::{complaint, events, text};
use std::fs;
use std::path::Path;

/// Copies the two files of a set (see `tools/series_fixtures.py`).
fn fixture(folder: &Path, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for part in ["TRAIN", "TEST"] {
        let file = format!("{name}_{part}.ts");
        fs::copy(from.join(&file), folder.join(&file)).unwrap();
    }
}

#[test]
fn days_of_power_tell_their_season() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixture(folder, "ItalyPowerDemand");
    let train = ["train", "series", "--data", "ItalyPowerDemand_TRAIN.ts", "--epochs", "40", "--run", "mine", "--json"];
    let told = events(folder, &train);
    let done = told.last().unwrap();
    // The nearest neighbour under dynamic time warping has 0.95 on all of the test part.
    assert!(done["test"]["accuracy"].as_f64().unwrap() >= 0.93, "{done}");
    assert_eq!(events(folder, &["eval", "runs/mine", "--json"])[0]["metrics"], done["test"]);
    assert!(text(folder, &["summary", "runs/mine"]).contains("Conv1d"));
    let report = fs::read_to_string(folder.join("runs/mine/report.html")).unwrap();
    assert!(report.contains("channel 1") && report.contains('█'));

    // The same series with and without classes, with gaps, and as a table.
    let test = fs::read_to_string(folder.join("ItalyPowerDemand_TEST.ts")).unwrap();
    let rows: Vec<&str> = test.lines().skip_while(|line| *line != "@data").skip(1).collect();
    let predicted = events(folder, &["predict", "runs/mine", "ItalyPowerDemand_TEST.ts", "--json"]);
    assert_eq!(predicted.len(), rows.len());
    assert!(predicted.iter().zip(&rows).all(|(said, row)| row.ends_with(said["true_label"].as_str().unwrap())));
    let bare: Vec<&str> = rows.iter().map(|row| row.split(':').next().unwrap()).collect();
    fs::write(folder.join("bare.ts"), format!("@classLabel false\n@data\n{}\n", bare.join("\n"))).unwrap();
    let again = events(folder, &["predict", "runs/mine", "bare.ts", "--json"]);
    assert!(predicted.iter().zip(&again).all(|(a, b)| a["label"] == b["label"]));
    let names: Vec<String> = (1..=24).map(|hour| format!("h{hour}")).collect();
    let table: Vec<String> = rows.iter().map(|row| row.replace(':', ",")).collect();
    fs::write(folder.join("x.csv"), format!("{},season\n{}\n", names.join(","), table.join("\n"))).unwrap();
    let evaluated = common::mapsto(folder, &["eval", "runs/mine", "--data", "x.csv"]);
    assert!(String::from_utf8_lossy(&evaluated.stderr).contains("no column has classes"), "{evaluated:?}");
    let csv = ["train", "series", "--data", "x.csv", "--target", "season", "--set", "scaling=series", "--epochs", "2"];
    let told = events(folder, &[&csv[..], &["--model", "resnet", "--json", "--run", "csv"]].concat());
    assert!(told.last().unwrap()["test"]["accuracy"].as_f64().is_some());
    let gap = rows[0].splitn(3, ',').collect::<Vec<_>>();
    let gap = format!("@classLabel true 1 2\n@data\n{},?,{}\n", gap[0], gap[2]);
    fs::write(folder.join("gap.ts"), gap).unwrap();
    let told = common::mapsto(folder, &["eval", "runs/mine", "--data", "gap.ts"]);
    assert!(told.status.success(), "{told:?}");
    let warned = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(
        warned.contains("missing numbers are filled by straight lines: 1 in 1 series, first in gap.ts:3"),
        "{warned}"
    );
}

#[test]
fn speakers_are_told_by_their_vowels_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fixture(folder, "JapaneseVowels");
    let of = |threads: &'static str| {
        let train = ["train", "series", "--data", "JapaneseVowels_TRAIN.ts", "--model", "lstm", "--epochs", "25"];
        let told = events(folder, &[&train[..], &["--threads", threads, "--run", threads, "--json"]].concat());
        let accuracy = told.last().unwrap()["test"]["accuracy"].as_f64().unwrap();
        (accuracy, fs::read(folder.join("runs").join(threads).join("model.safetensors")).unwrap())
    };
    let ((one, weights), (_, others)) = (of("1"), of("2"));
    assert!(one >= 0.85, "{one}");
    assert!(weights == others);

    // The network knows four channels.
    fs::write(folder.join("two.ts"), "@classLabel false\n@data\n1,2:3,4\n").unwrap();
    let told = complaint(folder, &["predict", "runs/1", "two.ts"]);
    assert!(told.contains("two.ts: the series have 2 channels, those that the network learned from 4"), "{told}");
}

#[test]
fn series_that_cannot_be_learned_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, content, more, said) in [
        ("e.ts", "", &[][..], "e.ts: there is no line @data"),
        ("n.ts", "@classLabel true a b\n@data\n1,two:a\n", &[], "n.ts:3: \"two\" is no number"),
        ("o.ts", "@classLabel true a b\n@data\n1,2:a\n1,3:a\n2,2:a\n", &["--set", "test=0"], "of one class"),
        ("l.ts", "@classLabel true a b\n@data\n1,2:a\n1,3:b\n", &["--set", "length=0"], "length is 0"),
        ("m.ts", "@classLabel true a b\n@data\n1,2:a\n1,3:b\n", &["--model", "gpt"], "give one of cnn, resnet, lstm"),
        ("t.csv", "class,1,2\na,1,2\nb,2,1\n", &["--target", "klass"], "did you mean \"class\""),
        ("i.csv", "class,1,2\na,1,2\nb,2,1\n", &["--set", "ignore=x"], "there is no column \"x\""),
        ("w.csv", "class,1,w\na,1,x\nb,2,y\n", &[], "\"w\" is a column of kind category, no step of series"),
        ("p.ts", "@classLabel true a b\n@data\n1,2:a\n1,3:b\n", &["--pretrained", "runs"], "cannot read runs"),
    ] {
        fs::write(folder.join(name), content).unwrap();
        let told = complaint(folder, &[&["train", "series", "--data", name][..], more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{name}: {told}");
        assert!(!folder.join("runs").exists(), "{name}");
    }
}
