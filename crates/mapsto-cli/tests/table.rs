//! The binary on tables, as a user runs it.

mod common;

use common::{complaint, events, mapsto, text};
use mapsto_formats::write_npz;
use mapsto_tensor::Tensor;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A table of flats: a number and a class that follow from the columns, with gaps and a text.
fn flats(rows: usize) -> String {
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let mut table = "size,town,built,note,rent,dear\n".to_string();
    for row in 0..rows {
        let (size, town) = (20.0 + 100.0 * draw(), (draw() * 3.0) as usize);
        let rent = 9.0 * size + 300.0 * town as f64 + 20.0 * draw();
        let shown = if row % 17 == 3 { String::new() } else { format!("{size:.1}") };
        let dear = if rent > 1000.0 { "yes" } else { "no" };
        let town = ["Ulm", "\"Bonn, West\"", "Köln"][town];
        table += &format!("{shown},{town},20{:02}-05-01,flat number {row},{rent:.2},{dear}\n", row % 20);
    }
    table
}

#[test]
fn classes_and_numbers_are_learned_evaluated_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("flats.csv"), flats(240)).unwrap();
    let train = ["train", "table", "--data", "flats.csv", "--epochs", "40", "--json"];

    let with = |more: &[&str]| events(folder, &[&train[..], more].concat()).pop().unwrap();
    let classes = with(&["--target", "dear", "--set", "ignore=[\"rent\"]", "--run", "dear"]);
    assert!(classes["test"]["accuracy"].as_f64().unwrap() >= 0.9, "{classes}");
    assert!(classes["test"]["auc"].as_f64().unwrap() >= 0.95, "{classes}");
    let numbers = with(&["--target", "rent", "--set", "ignore=[\"dear\"]", "--run", "rent"]);
    assert!(numbers["test"]["r2"].as_f64().unwrap() >= 0.75, "{numbers}");

    assert_eq!(events(folder, &["eval", "runs/dear", "--json"])[0]["metrics"], classes["test"]);
    assert_eq!(events(folder, &["eval", "runs/rent/model.safetensors", "--json"])[0]["metrics"], numbers["test"]);
    std::fs::write(folder.join("more.csv"), flats(30)).unwrap();
    let more = events(folder, &["eval", "runs/rent", "--data", "more.csv", "--json"]);
    assert_eq!(more[0]["items"], 30);

    // Without the answers, with a town that nobody has seen, and without a size.
    std::fs::write(folder.join("new.csv"), "town,size,built,note,rent\nUlm,50,2001-05-01,x,1\nRom,,2001-05-01,x,1\n")
        .unwrap();
    let predicted = text(folder, &["predict", "runs/dear", "new.csv", "--csv"]);
    let lines: Vec<&str> = predicted.lines().collect();
    assert_eq!((lines[0], lines.len()), ("input,prediction,no,yes", 3));
    assert!(lines[1].starts_with("new.csv row 1,no,0."), "{predicted}");
    std::fs::write(folder.join("new.csv"), "town,size,built,note,dear\nUlm,50,2001-05-01,x,no\n").unwrap();
    let rent = events(folder, &["predict", "runs/rent", "new.csv", "--json"])[0]["value"].as_f64().unwrap();
    assert!((300.0..700.0).contains(&rent), "{rent}");
    assert!(text(folder, &["summary", "runs/rent"]).contains("Linear"));
    std::fs::write(folder.join("new.csv"), "town,size\nUlm,50\n").unwrap();
    assert!(complaint(folder, &["predict", "runs/rent", "new.csv"]).contains("no column \"built\""));
}

#[test]
fn folds_and_ensembles() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("flats.csv"), flats(120)).unwrap();
    for (target, ignored) in [("dear", "rent"), ("rent", "dear")] {
        for ensemble in ["bagging:3", "boosting:3", "snapshot:3", "average:4"] {
            let run = format!("{target}-{}", &ensemble[..4]);
            let ignore = format!("ignore=[\"{ignored}\"]");
            let train =
                ["train", "table", "--data", "flats.csv", "--target", target, "--set", &ignore, "--epochs", "12"];
            let told = events(folder, &[&train[..], &["--ensemble", ensemble, "--run", &run, "--json"]].concat());
            let done = told.last().unwrap();
            let run = format!("runs/{run}");
            assert_eq!(events(folder, &["eval", &run, "--json"])[0]["metrics"], done["test"], "{ensemble}");
            let networks = events(folder, &["summary", &run, "--json"])[0]["networks"].as_u64().unwrap();
            let expected = if ensemble == "average:4" {
                1..2
            } else if ensemble == "boosting:3" {
                1..4
            } else {
                3..4
            };
            assert!(expected.contains(&networks), "{ensemble}: {networks}");
        }
    }
    let train = ["train", "table", "--data", "flats.csv", "--target", "dear", "--epochs", "5", "--cv", "4", "--json"];
    let told = events(folder, &train);
    let folds: Vec<&Value> = told.iter().filter(|event| event["event"] == "fold").collect();
    assert_eq!(folds.len(), 4);
    assert_eq!(told.last().unwrap()["folds"].as_array().unwrap().len(), 4);
    assert_eq!(folds[2]["test"], told.last().unwrap()["folds"][2]);
    // By groups and by time.
    for division in ["group=town", "time=built"] {
        text(
            folder,
            &["train", "table", "--data", "flats.csv", "--target", "rent", "--epochs", "1", "--set", division],
        );
    }
}

#[test]
fn classes_may_be_called_as_anybody_likes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for labels in [&["x", "y", "1", "1.0"][..], &["7", "7a", "7b", "70", "b", "-1"], &["0", "00", "000", "inf", "i"]] {
        let rows: String = (0..180).map(|i| format!("{},{}\n", i % labels.len(), labels[i % labels.len()])).collect();
        std::fs::write(folder.join("t.csv"), format!("x,y\n{rows}")).unwrap();
        let train = ["train", "table", "--data", "t.csv", "--target", "y", "--epochs", "1", "--json"];
        let told = events(folder, &train);
        assert_eq!(told.last().unwrap()["classes"].as_array().unwrap().len(), labels.len(), "{labels:?}");
    }
}

#[test]
fn what_is_left_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (0..60).map(|i| format!("{i},word {i} of many,same,{}\n", i % 2)).collect();
    std::fs::write(folder.join("t.csv"), format!("x,said,one,y\n{rows}")).unwrap();
    let train = ["train", "table", "--data", "t.csv", "--target", "y", "--epochs", "1"];
    let shown = text(folder, &train);
    assert!(shown.contains("columns of texts, which are left out: \"said\""), "{shown}");
    assert!(shown.contains("columns that have one value where it is learned, and are left out: \"one\""), "{shown}");
    let told = events(folder, &[&train[..], &["--json"]].concat());
    assert_eq!(told.iter().filter(|event| event["event"] == "note").count(), 2);
}

#[test]
fn a_network_does_without_columns_that_it_has_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("flats.csv"), flats(80)).unwrap();
    let train = ["train", "table", "--data", "flats.csv", "--target", "rent", "--epochs", "1", "--run", "x"];
    text(folder, &[&train[..], &["--set", "ignore=note", "--set", "time=built"]].concat());
    text(folder, &["eval", "runs/x"]);
    // Without the columns `built` and `note`.
    let without = |line: &str| {
        let (before, after) = line.split_once(",20").or(line.split_once(",built")).unwrap();
        format!("{before},{}\n", after.splitn(3, ',').last().unwrap())
    };
    let few: String = flats(80).lines().map(without).collect();
    assert!(few.starts_with("size,town,rent,dear\n"), "{few}");
    std::fs::write(folder.join("few.csv"), few).unwrap();
    assert_eq!(events(folder, &["eval", "runs/x", "--data", "few.csv", "--json"])[0]["items"], 80);
    // What it was tested on is not known of other data.
    std::fs::write(folder.join("flats.csv"), flats(81)).unwrap();
    let told = complaint(folder, &["eval", "runs/x"]);
    assert!(told.contains("the data have changed since the run began"), "{told}");
    std::fs::remove_file(folder.join("runs/x/data.json")).unwrap();
    assert!(complaint(folder, &["eval", "runs/x"]).contains("there is no data.json to know the data by"));
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("flats.csv"), flats(60)).unwrap();
    let train = ["train", "table", "--data", "flats.csv", "--target", "rent"];
    for (more, said) in [
        (&["--set", "task=digits"][..], "there is no setting \"task\""),
        (&["--set", "lr=0.1"], "there is no setting \"lr\"; the nearest are learning_rate, "),
        (&["--set", "help"], "\"help\" sets nothing: give key=value; there are config.data, config.group, "),
        (&["--set", "model=linear"], "it has settings of its own: config.model.activation, "),
        (&["--ensemble", "snapshot:9", "--epochs", "2"], "snapshot:9 takes 9 epochs at least, epochs is 2"),
        (&["--ensemble", "average:3", "--epochs", "2"], "average:3 takes 3 epochs at least, epochs is 2"),
        (&["--set", "method=bagging"], "members is 1, of bagging it must be from 2 to 1000"),
        (&["--set", "members=3"], "members is 3, of single it must be 1"),
        (&["--set", "hidden=[0]"], "the network cannot be built by these settings: "),
        (&["--set", "hidden=[1000000000]"], "the network cannot be built by these settings: "),
        (&["--set", "dropout=2"], "the network cannot be built by these settings: "),
    ] {
        let told = complaint(folder, &[&train[..], more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{told}");
        assert!(!folder.join("runs").exists(), "{more:?}");
    }
    let shown = text(folder, &["runs"]);
    assert!(shown.contains("there are no runs in runs"), "{shown}");
}

#[test]
fn a_rate_is_found_and_trained_with() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("flats.csv"), flats(120)).unwrap();
    let train = ["train", "table", "--data", "flats.csv", "--target", "rent", "--epochs", "2", "--find-rate"];
    let told = events(folder, &[&train[..], &["--run", "found", "--json"]].concat());
    let rate = told[0]["rate"].as_f64().unwrap();
    assert_eq!((told[0]["event"].as_str(), told[1]["event"].as_str()), (Some("rate"), Some("start")));
    assert_eq!(told[1]["settings"]["training"]["learning_rate"].as_f64(), Some(rate));
    let curve = told[0]["curve"].as_array().unwrap();
    let seen: Vec<f64> = curve.iter().map(|point| point[0].as_f64().unwrap()).collect();
    assert!(seen.is_sorted() && seen[0] == 1e-6 && seen.contains(&rate) && (1e-5..1.0).contains(&rate), "{rate}");
    let shown = text(folder, &train);
    assert!(shown.contains('●') && shown.contains("it falls fastest at "), "{shown}");
}

#[test]
fn the_rate_takes_every_course() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("flats.csv"), flats(120)).unwrap();
    let train = ["train", "table", "--data", "flats.csv", "--target", "rent", "--epochs", "8", "--json"];
    // The rate of the last step, over the highest; and that of the first epoch's last step.
    let ends = [
        ("cosine", 0.0..0.1, 1.0),
        ("constant", 1.0..1.1, 1.0),
        ("step", 0.0099..0.0101, 1.0),
        ("exponential", 0.01..0.02, 1.0),
        ("one_cycle", 0.0..1e-3, 1.0),
        ("plateau", 0.1..1.1, 1.0),
    ];
    for (course, last, first) in ends {
        let course = format!("schedule={course}");
        let told = events(folder, &[&train[..], &["--set", &course, "--set", "learning_rate=0.001"]].concat());
        let epochs = told.iter().filter(|event| event["event"] == "epoch");
        let rates: Vec<f64> = epochs.map(|epoch| epoch["rate"].as_f64().unwrap() / 0.001).collect();
        assert_eq!(rates.len(), 8);
        assert!(last.contains(&rates[7]) && rates[0] <= first + 1e-9, "{course}: {rates:?}");
    }
    let told = complaint(folder, &[&train[..], &["--set", "schedule=stair"]].concat());
    assert!(told.contains("training.schedule = stair does not fit") && told.contains("one_cycle"), "{told}");
}

#[test]
fn arrays_are_learned_from() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let x: Vec<f32> = (0..160).map(|i| (i * 37 % 101) as f32).collect();
    let y: Vec<i64> = x.as_chunks().0.iter().map(|[a, b]| i64::from(a > b)).collect();
    let arrays = [
        ("x".to_string(), Tensor::from_vec(x, [80, 2]).unwrap()),
        ("y".to_string(), Tensor::from_vec(y, [80]).unwrap()),
    ];
    write_npz(folder.join("t.npz"), &arrays.into()).unwrap();
    let told = events(
        folder,
        &["train", "table", "--data", "t.npz", "--target", "y", "--epochs", "60", "--run", "x", "--json"],
    );
    assert!(told.last().unwrap()["test"]["accuracy"].as_f64().unwrap() > 0.8, "{:?}", told.last());
    assert_eq!(text(folder, &["predict", "runs/x", "t.npz", "--csv"]).lines().count(), 81);
    assert!(text(folder, &["data", "inspect", "t.npz"]).starts_with("80 rows, 3 columns"));
}

#[test]
fn what_was_decided_is_said_and_can_be_decided_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (0..60).map(|i| format!("{i},{}\n", i % 3)).collect();
    std::fs::write(folder.join("t.csv"), format!("x,stars\n{rows}")).unwrap();
    let train = ["train", "table", "--data", "t.csv", "--target", "stars", "--epochs", "1"];
    let shown = text(folder, &train);
    assert!(shown.contains("classes are told apart: 3 of them (for numbers: --set problem=regression)"), "{shown}");
    let shown = text(folder, &[&train[..], &["--set", "problem=regression"]].concat());
    assert!(shown.contains("RMSE") && !shown.contains("classes"), "{shown}");
    let shown = text(folder, &["train", "table", "--data", "t.csv", "--target", "x", "--epochs", "1"]);
    assert!(
        shown.contains("a number is predicted: a regression (for classes: --set problem=classification)"),
        "{shown}"
    );
}

#[test]
fn rows_without_an_answer_are_passed_over_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Numbers, classes, and classes that are numbers.
    let numbered = flats(120).replace(",yes\n", ",1\n").replace(",no\n", ",0\n").replace("dear", "is_dear");
    for (target, from_end, all) in [("rent", 2, flats(120)), ("dear", 1, flats(120)), ("is_dear", 1, numbered)] {
        let (names, rows) = all.split_once('\n').unwrap();
        let emptied = |(number, row): (usize, &str)| {
            let mut fields: Vec<&str> = row.split(',').collect();
            let place = fields.len() - from_end;
            fields[place] = if number % 7 == 3 { "NA" } else { fields[place] };
            fields.join(",") + "\n"
        };
        let with: String = rows.lines().enumerate().map(emptied).collect();
        let without: String = rows.lines().enumerate().filter(|(number, _)| number % 7 != 3).map(emptied).collect();
        std::fs::write(folder.join("with.csv"), format!("{names}\n{with}")).unwrap();
        std::fs::write(folder.join("without.csv"), format!("{names}\n{without}")).unwrap();
        let run = |data: &str, name: &str, more: &[&str]| {
            let train = ["train", "table", "--data", data, "--target", target, "--epochs", "2", "--run", name];
            let shown = text(folder, &[&train[..], more].concat());
            let model = std::fs::read(folder.join("runs").join(name).join("model.safetensors")).unwrap();
            // The settings lie before the weights.
            let settings = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
            (shown, model[8 + settings..].to_vec())
        };
        let (shown, passed_over) = run("with.csv", &format!("{target}-with"), &["--skip-bad"]);
        assert!(shown.contains("17 of 120 rows have no") && shown.contains("they are passed over"), "{shown}");
        assert_eq!(shown.contains("classes are told apart: 2 of them"), target != "rent", "{shown}");
        assert_eq!(passed_over, run("without.csv", &format!("{target}-without"), &[]).1);
        let eval = ["eval", &format!("runs/{target}-without"), "--data", "with.csv"];
        assert!(complaint(folder, &eval).contains("--skip-bad"));
        let with = events(folder, &[&eval[..], &["--skip-bad", "--json"]].concat());
        let without = events(folder, &["eval", eval[1], "--data", "without.csv", "--json"]);
        assert_eq!(with[0]["metrics"], without[0]["metrics"]);
    }
}

#[test]
fn tables_that_cannot_be_learned_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let told = |content: &str, more: &[&str]| {
        std::fs::write(folder.join("t.csv"), content).unwrap();
        let told = complaint(folder, &[&["train", "table", "--data", "t.csv", "--target", "y"], more].concat());
        assert!(
            !folder.join("runs").exists() || std::fs::read_dir(folder.join("runs")).unwrap().count() == 0,
            "{told}"
        );
        told
    };
    let rows = |row: &str| row.repeat(30);
    assert!(told("", &[]).contains("t.csv"));
    assert!(told("x,y\n", &[]).contains("a line of names and no line of values"));
    assert!(told("x,y\n1,2\n3\n", &[]).contains("t.csv:3") || told("x,y\n1,2\n3\n", &[]).contains("line 3"));
    let near = told("x,yield\n1,2\n", &[]);
    assert!(near.contains("there is no column \"y\"; did you mean ") && near.contains("\"yield\""), "{near}");
    let gaps = told(&format!("x,y\n1,\n{}", rows("1,2\n")), &[]);
    assert!(
        gaps.contains(
            "1 of 31 rows have no \"y\" (empty, or a word that stands for nothing, as NA and null), row 1 first"
        ),
        "{gaps}"
    );
    assert!(gaps.contains("or leave them out with --skip-bad"), "{gaps}");
    assert!(told("x,y\n1,\n2,NA\n", &["--skip-bad"]).contains("2 of 2 rows have no \"y\""));
    let one = told(&format!("x,y\n{}", rows("1,a\n2,a\n")), &[]);
    assert!(one.contains("of one class, \"a\""), "{one}");
    let nothing = told(&format!("x,y\n{}", rows("1,a\n1,b\n")), &[]);
    assert!(nothing.contains("there is nothing to learn from"), "{nothing}");
    let times = told(&format!("x,y\n{}", rows("1,2020-01-01\n2,2021-01-01\n")), &[]);
    assert!(times.contains("\"y\" is a column of times, which are not predicted"), "{times}");
    let texts: String = (0..50).map(|i| format!("{i},word {i}\n")).collect();
    let many = told(&format!("x,y\n{texts}"), &[]);
    assert!(many.contains("50 distinct values in 50 rows, too many for classes"), "{many}");
    let both = told(&format!("x,y\n{}", rows("1,2\n2,3.5\n")), &["--set", "group=x", "--set", "time=x"]);
    assert!(both.contains("by groups or by time, not by both"), "{both}");
    assert!(told("x,y\n1,2\n", &["--model", "resnet18"]).contains("give one of linear, logistic, mlp"));
    assert!(told("x,y\n1,2\n", &["--pretrained", "f"]).contains("--pretrained means nothing to table"));
    assert!(complaint(folder, &["train", "table", "--target", "y"]).contains("--data is missing"));
    assert!(complaint(folder, &["train", "table", "--data", "none.csv", "--target", "y"]).contains("none.csv"));

    // A run goes on with the data that it began with alone.
    std::fs::write(folder.join("t.csv"), flats(60)).unwrap();
    text(folder, &["train", "table", "--data", "t.csv", "--target", "rent", "--epochs", "1", "--run", "mine"]);
    std::fs::write(folder.join("t.csv"), flats(61)).unwrap();
    let output = mapsto(folder, &["train", "--resume", "runs/mine"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the data have changed since the run began"));
}

#[test]
fn a_table_of_which_nothing_stays_in_memory_is_learned_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("flats.csv"), flats(20_000)).unwrap();
    let run = |limit: &str, temporary: &Path, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mapsto"));
        command.args(arguments).current_dir(folder).env("MAPSTO_TABLE_MB", limit);
        let Output { status, stdout, stderr } =
            command.env("TMPDIR", temporary).env("TMP", temporary).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    };
    let told = |limit: &str, temporary: &Path| {
        let train = ["train", "table", "--data", "flats.csv", "--target", "dear", "--set", "ignore=[\"rent\"]"];
        let (code, _, complaint) =
            run(limit, temporary, &[&train[..], &["--epochs", "1", "--run", limit, "--json"]].concat());
        assert_eq!(code, Some(0), "{complaint}");
        let path = format!("runs/{limit}");
        let predicted = run(limit, temporary, &["predict", &path, "flats.csv", "--csv"]).1;
        assert_eq!(predicted.lines().count(), 20_001);
        (std::fs::read(folder.join(path).join("model.safetensors")).unwrap(), predicted)
    };
    let nowhere = folder.join("nowhere");
    assert!(told("64", &nowhere) == told("0", folder));
    let (code, _, complaint) = run("0", &nowhere, &["data", "inspect", "flats.csv"]);
    assert!(code == Some(2) && complaint.contains("cannot put a table into a temporary file in"), "{complaint}");
}
