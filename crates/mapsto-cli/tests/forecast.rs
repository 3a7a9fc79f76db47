//! The binary on tables over time, as a user runs it.

mod common;

use common::{complaint, events, text, together_and_alone};
use serde_json::Value;
use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

/// Carbon dioxide over Mauna Loa, month by month.
fn co2(folder: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/co2.csv");
    fs::copy(path, folder.join("co2.csv")).unwrap();
}

fn figure(event: &Value, name: &str) -> f64 {
    event["test"][name].as_f64().unwrap_or_else(|| panic!("{name}: {event}"))
}

#[test]
fn carbon_dioxide_is_forecast_better_than_by_the_year_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    co2(folder);
    let train = ["train", "forecast", "--data", "co2.csv", "--target", "CO2", "--epochs", "40", "--run", "mine"];
    let told = events(folder, &[&train[..], &["--json"]].concat());
    let done = told.last().unwrap();
    assert!(figure(done, "mae") < 0.5 * figure(done, "naive_mae") && figure(done, "mase") < 0.7, "{done}");
    assert!((0.75..=0.99).contains(&figure(done, "coverage")), "{done}");
    assert_eq!(done["ahead"].as_array().unwrap().len(), 12);
    assert_eq!(events(folder, &["eval", "runs/mine", "--json"])[0]["metrics"], done["test"]);
    let report = fs::read_to_string(folder.join("runs/mine/report.html")).unwrap();
    assert!(report.contains("Errors ahead") && report.contains("90 % interval") && report.contains("1 month"));
    assert!(text(folder, &["summary", "runs/mine"]).contains("seasonal"));

    // The year after the last row.
    let ahead = events(folder, &["predict", "runs/mine", "co2.csv", "--json"]);
    assert_eq!((ahead.len(), &ahead[0]["time"], &ahead[11]["time"]), (12, &"2020-05-01".into(), &"2021-04-01".into()));
    for step in &ahead {
        let [lower, forecast, upper] = ["lower", "forecast", "upper"].map(|name| step[name].as_f64().unwrap());
        assert!(lower < forecast && forecast < upper && (405.0..425.0).contains(&forecast), "{step}");
    }
    let csv = text(folder, &["predict", "runs/mine", "co2.csv", "--csv"]);
    assert!(csv.starts_with("input,time,target,forecast,lower,upper\nco2.csv,2020-05-01,CO2,41"), "{csv}");

    // A table that is too short, of other steps, or without the column.
    let write = |name: &str, rows: &[&str]| fs::write(folder.join(name), rows.join("\n")).unwrap();
    let all = fs::read_to_string(folder.join("co2.csv")).unwrap();
    write("short.csv", &all.lines().take(20).collect::<Vec<_>>());
    write("days.csv", &["Date,CO2", "2020-01-01,1", "2020-01-02,2"]);
    write("other.csv", &["Date,x", "2020-01-01,1", "2020-02-01,2"]);
    for (name, said) in [
        ("short.csv", "21 steps are told, the network looks back on 36"),
        ("days.csv", "a step is 1 month, but 2020-01-02 comes behind 2020-01-01"),
        ("other.csv", "there is no column \"CO2\""),
        ("none.csv", "none.csv"),
    ] {
        let told = complaint(folder, &["predict", "runs/mine", name]);
        assert!(told.contains(said) && !told.contains(".rs:"), "{name}: {told}");
    }
}

/// The date so many days behind the first of 2023.
fn date(mut day: usize) -> String {
    for (month, days) in (1..).zip([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if day < days {
            return format!("2023-{month:02}-{:02}", day + 1);
        }
        day -= days;
    }
    unreachable!("a day of another year");
}

/// Two shops whose sales follow the week and a sale that is known before; rows of both in one table.
fn shops(days: usize, told: usize) -> String {
    let mut table = "shop,day,sold,sale,stock\n".to_string();
    let mut chance = 7u32;
    for day in 0..days {
        let date = date(day);
        for (shop, size) in [("north", 10.0), ("south", 1000.0)] {
            chance = chance.wrapping_mul(1664525).wrapping_add(1013904223);
            let (noise, sale) = (f64::from(chance >> 8) / f64::from(1 << 24) - 0.5, chance.is_multiple_of(5));
            let week = (day as f64 / 7.0 * TAU).sin();
            let sold = size * (5.0 + week + 0.3 * noise + if sale { 2.0 } else { 0.0 });
            let (sold, stock) = if day < told { (format!("{sold:.3}"), day.to_string()) } else { Default::default() };
            table += &format!("{shop},{date},{sold},{sale},{stock}\n");
        }
    }
    table
}

#[test]
fn what_is_known_of_the_future_counts_in_every_network() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("shops.csv"), shops(220, 220)).unwrap();
    fs::write(folder.join("next.csv"), shops(227, 220)).unwrap();
    let train = ["train", "forecast", "--data", "shops.csv", "--target", "sold", "--set", "series=shop"];
    let small = ["--set", "context=14", "--set", "horizon=7", "--set", "stride=7", "--epochs", "30", "--json"];
    for model in ["linear", "mlp", "lstm", "tcn", "transformer"] {
        let of = |known: &str, name: &str| {
            let set = ["--set", known, "--model", model, "--run", name];
            let told = events(folder, &[&train[..], &small, &set].concat());
            (
                figure(told.last().unwrap(), "mase"),
                figure(told.last().unwrap(), "mae") / figure(told.last().unwrap(), "naive_mae"),
            )
        };
        let ((mase, ratio), (blind, _)) = (of("known=sale", model), of("ignore=sale", &format!("{model}2")));
        assert!(mase < 0.8 * blind && ratio < 0.8, "{model}: {mase} of the seasonal naive, {blind} without the sales");
    }
    let ahead = events(folder, &["predict", "runs/linear", "next.csv", "--json"]);
    assert_eq!(ahead.len(), 14);
    assert_eq!((&ahead[0]["input"], &ahead[7]["input"]), (&"north".into(), &"south".into()));
    assert_eq!(ahead[0]["time"], "2023-08-09");
    assert!(ahead[7]["forecast"].as_f64().unwrap() > 2000.0 && ahead[0]["forecast"].as_f64().unwrap() < 100.0);
    let told = complaint(folder, &["predict", "runs/linear", "shops.csv"]);
    assert!(told.contains("\"sale\" of \"north\" is known of 0 steps to come, not of 7: add rows"), "{told}");
}

/// A wave of 12 steps with much noise, and now and then a value far off.
fn noisy(steps: usize) -> String {
    let mut table = "Month,x\n".to_string();
    let mut chance = 7u32;
    let mut next = || {
        chance = chance.wrapping_mul(1664525).wrapping_add(1013904223);
        f64::from(chance >> 8) / f64::from(1 << 24)
    };
    for step in 0..steps {
        let noise = 2.0 * next() - 1.0;
        let far = if next() < 0.1 { 4.0 } else { 1.0 };
        let (year, month) = (1900 + step / 12, 1 + step % 12);
        table += &format!("{year}-{month:02},{:.4}\n", (step as f64 / 12.0 * TAU).sin() + far * noise);
    }
    table
}

#[test]
fn intervals_hold_the_share_that_they_promise() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("noisy.csv"), noisy(600)).unwrap();
    let train = ["train", "forecast", "--data", "noisy.csv", "--target", "x", "--model", "mlp", "--json"];
    let windows = ["--set", "context=24", "--set", "horizon=4", "--set", "config.model.hidden=128", "--epochs", "20"];
    let by_heart = ["--set", "config.model.dropout=0", "--set", "weight_decay=0"];
    let of = |more: &[&str]| events(folder, &[&train[..], &windows, &by_heart, more].concat());
    let covered = |told: &[Value]| figure(told.last().unwrap(), "coverage");
    let calibrated = covered(&of(&[]));
    assert!((calibrated - 0.9).abs() < 0.04, "{calibrated}");
    let told = of(&["--set", "validation=0"]);
    // What has learned its windows by heart is too sure of itself.
    assert!(covered(&told) < 0.84, "{}", covered(&told));
    let notes: Vec<&Value> = told.iter().filter(|event| event["event"] == "note").collect();
    assert!(notes.iter().any(|note| note["text"].as_str().unwrap().contains("not calibrated")), "{notes:?}");
}

#[test]
fn several_networks_forecast_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("noisy.csv"), noisy(400)).unwrap();
    let train = ["train", "forecast", "--data", "noisy.csv", "--target", "x", "--model", "mlp", "--json"];
    let windows = ["--set", "context=24", "--set", "horizon=4", "--epochs", "4"];
    for ensemble in ["bagging:2", "boosting:2"] {
        let run = &ensemble[..4];
        let told = events(folder, &[&train[..], &windows, &["--ensemble", ensemble, "--run", run]].concat());
        let (together, alone) = together_and_alone(folder, &format!("runs/{run}"));
        assert_eq!(together, told.last().unwrap()["test"]);
        let squares: Vec<f64> = alone.iter().map(|metrics| metrics["rmse"].as_f64().unwrap().powi(2)).collect();
        let (mean, square) = (squares.iter().sum::<f64>() / 2.0, together["rmse"].as_f64().unwrap().powi(2));
        assert!(square < mean && !squares.contains(&square), "{ensemble}: {squares:?}, {square} as one");
    }
}

#[test]
fn several_targets_are_forecast_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("shops.csv"), shops(120, 120)).unwrap();
    let of = |threads: &'static str| {
        let train = ["train", "forecast", "--data", "shops.csv", "--target", "sold,stock", "--set", "series=shop"];
        let small =
            ["--set", "context=14", "--set", "horizon=3", "--model", "tcn", "--epochs", "1", "--threads", threads];
        let told = events(folder, &[&train[..], &small, &["--run", threads, "--json"]].concat());
        assert_eq!(told.last().unwrap()["targets"][1]["target"], "stock");
        fs::read(folder.join("runs").join(threads).join("model.safetensors")).unwrap()
    };
    assert!(of("1") == of("2"));
    let csv = text(folder, &["predict", "runs/1", "shops.csv", "--csv"]);
    assert_eq!(csv.lines().count(), 1 + 2 * 3 * 2);
}

#[test]
fn tables_that_cannot_be_forecast_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: Vec<String> = (0..60).map(|i| format!("{},{}", 2000 + i, i % 7)).collect();
    let good = format!("year,x\n{}\n", rows.join("\n"));
    let twice = format!("{good}2003,5\n");
    for (name, content, more, said) in [
        ("n.csv", "word,x\na,1\nb,2\n", &[][..], "no column holds times: name it with --set time=COLUMN"),
        ("d.csv", &twice[..], &[], "rows 4 and 61 have the same time, 2003: leave one out"),
        (
            "s.csv",
            &good,
            &["--set", "context=58"],
            "there are 60 steps at most, a window takes 58 of the past and 6 to come",
        ),
        ("f.csv", &good, &["--set", "context=50", "--set", "horizon=8"], "examples"),
        ("l.csv", &good, &["--set", "level=1"], "level is 1, it must be above 0 and below 1"),
        ("h.csv", &good, &["--set", "stride=0"], "stride is 0, it must be from 1"),
        ("m.csv", &good, &["--model", "arima"], "give one of linear, mlp, lstm, tcn, transformer"),
        ("k.csv", &good, &["--set", "known=y"], "there is no column \"y\""),
        ("p.csv", &good, &["--pretrained", "runs"], "--pretrained means nothing to forecast"),
    ] {
        fs::write(folder.join(name), content).unwrap();
        let told = complaint(folder, &[&["train", "forecast", "--data", name, "--target", "x"][..], more].concat());
        assert!(told.contains(said) && !told.contains(".rs:"), "{name}: {told}");
    }
    let told = complaint(folder, &["train", "forecast", "--data", "l.csv"]);
    assert!(told.contains("--target is missing: name the column that is to be forecast"), "{told}");
    let mean = ["train", "forecast", "--data", "d.csv", "--target", "x", "--set", "duplicates=mean", "--epochs", "1"];
    let told = text(folder, &mean);
    assert!(told.contains("they are sorted") && told.contains("whose means count: 1"), "{told}");
}
