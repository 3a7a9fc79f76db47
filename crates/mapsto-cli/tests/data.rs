//! `mapsto data` as a user runs it.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn inspect(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapsto"));
    command.args(["data", "inspect"]).args(arguments).current_dir(folder).output().expect("it runs")
}

const TABLE: &str = "city,size,founded\nUlm,1.5,1990-01-02\nBonn,,1991-03-04\nUlm,2.5,1992-05-06\nUlm,1.5,1990-01-02\n";

#[test]
fn a_table_is_told_as_text_and_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("t.csv"), TABLE).expect("a file");
    let done = inspect(folder.path(), &["t.csv"]);
    let text = String::from_utf8(done.stdout).expect("text");
    assert!(done.status.success() && text.starts_with("4 rows, 3 columns\n"), "{text}");
    for part in ["Ulm (3), Bonn (1)", "1.5 to 2.5, mean 1.833", "1990-01-02T00:00:00Z to 1992-05-06", "! 1 row repeats"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let done = inspect(folder.path(), &["t.csv", "--target", "city", "--json"]);
    let lines = String::from_utf8(done.stdout).expect("text");
    assert_eq!(lines.lines().count(), 1);
    let said: Value = serde_json::from_str(&lines).expect("JSON");
    assert_eq!((&said["event"], &said["rows"], &said["target"]), (&"inspection".into(), &4.into(), &"city".into()));
    assert_eq!(
        (&said["columns"][1]["missing"], &said["findings"][0]["finding"]),
        (&1.into(), &"duplicate_rows".into())
    );
}

#[test]
fn a_folder_of_pictures_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for (class, shades) in [("cat", 0..3), ("dog", 3..5)] {
        std::fs::create_dir(folder.path().join(class)).expect("a folder");
        for shade in shades {
            let path = folder.path().join(class).join(format!("{shade}.pgm"));
            std::fs::write(path, [&b"P5\n2 1\n255\n"[..], &[shade, 9]].concat()).expect("a file");
        }
    }
    std::fs::write(folder.path().join("dog/torn.jpg"), b"\xff\xd8\xff").expect("a file");
    let done = inspect(folder.path(), &["."]);
    let text = String::from_utf8(done.stdout).expect("text");
    for part in
        ["6 pictures of 2 classes, 1 high and 2 wide\n", "cat             3\n", "torn.jpg is no whole picture: "]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let said: Value = serde_json::from_slice(&inspect(folder.path(), &[".", "--json"]).stdout).expect("JSON");
    assert_eq!((&said["classes"]["dog"]["train"], &said["findings"][0]["finding"]), (&3.into(), &"corrupt".into()));
    let refused = inspect(folder.path(), &[".", "--target", "x"]);
    assert!(refused.status.code() == Some(2) && refused.stdout.is_empty());
}

#[test]
fn what_is_no_table_is_the_users_mistake() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("t.csv"), TABLE).expect("a file");
    std::fs::write(folder.path().join("ragged.csv"), "a,b\n1\n").expect("a file");
    let complaint = |arguments: &[&str]| {
        let done = inspect(folder.path(), arguments);
        assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0), "{arguments:?}");
        String::from_utf8(done.stderr).expect("text")
    };
    assert!(complaint(&["none.csv"]).starts_with("error: cannot read none.csv: "));
    assert!(complaint(&["."]).starts_with("error: . has no pictures in folders: "));
    assert!(
        complaint(&["ragged.csv"]).starts_with("error: ragged.csv:2: 1 field, the first line has 2; is it cut off")
    );
    assert!(complaint(&["t.csv", "--target", "sise"]).contains("no column \"sise\"; did you mean \"size\""));
}

/// A folder of six small pictures of two classes.
fn pictures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (class, shades) in [("cat", 0..3u8), ("dog", 3..6)] {
        std::fs::create_dir(folder.path().join(class)).expect("a folder");
        for shade in shades {
            let pixels: Vec<u8> = (0..20 * 10 * 3).map(|i| (i % 60 * 4) as u8 ^ shade).collect();
            let path = folder.path().join(class).join(format!("{shade}.ppm"));
            std::fs::write(path, [&b"P6\n20 10\n255\n"[..], &pixels].concat()).expect("a file");
        }
    }
    folder
}

fn preview(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapsto"));
    command.args(["data", "preview"]).args(arguments).current_dir(folder).output().expect("it runs")
}

#[test]
fn a_preview_is_a_sheet_of_pictures() {
    let folder = pictures();
    let sheet = |arguments: &[&str]| {
        let done = preview(folder.path(), arguments);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        image::open(folder.path().join("s.png")).expect("a picture").into_rgb8()
    };
    let plain = sheet(&[".", "--augment", "none", "--out", "s.png", "--count", "3"]);
    assert_eq!((plain.width(), plain.height()), (8 * 148 + 4, 3 * 148 + 4));
    // 20 by 10 pixels fill 144 by 72 in the middle of a cell; nothing changes, so all cells of a row are the same.
    let cell = |sheet: &image::RgbImage, x: u32, y: u32| {
        image::imageops::crop_imm(sheet, 4 + x * 148, 4 + y * 148, 144, 144).to_image()
    };
    assert!((1..8).all(|x| cell(&plain, x, 1) == cell(&plain, 0, 1)));
    assert_ne!(cell(&plain, 0, 0), cell(&plain, 0, 1));
    for arguments in [["--augment", "strong"], ["--step", "rotate"]] {
        let of = |seed: &str| sheet(&[&[".", "--out", "s.png", "--seed", seed][..], &arguments].concat());
        let (first, again, other) = (of("1"), of("1"), of("2"));
        assert!(first == again && first != other, "{arguments:?}");
        assert!((1..8).any(|x| cell(&first, x, 0) != cell(&first, 0, 0)));
    }
    std::fs::write(folder.path().join("mine.toml"), "steps = [{ name = \"invert\", probability = 1.0 }]")
        .expect("a file");
    let inverted = sheet(&[".", "--augment", "mine.toml", "--out", "s.png", "--count", "1"]);
    let middle = |x: u32| *inverted.get_pixel(4 + x * 148 + 70, 4 + 70);
    assert!(middle(0).0.iter().zip(middle(1).0).all(|(&a, b)| a == 255 - b));
    let said = preview(folder.path(), &[".", "--step", "grey", "--json", "--count", "2"]).stdout;
    let said: Value = serde_json::from_slice(&said).expect("JSON");
    assert_eq!((&said["out"], said["pictures"].as_array().map(Vec::len)), (&"preview.png".into(), Some(2)));
    assert_eq!(said["steps"][0]["name"], "grey");
}

#[test]
fn tables_of_pictures_are_inspected_and_previewed() {
    let folder = pictures();
    std::fs::write(folder.path().join("list.csv"), "file,label\ncat/0.ppm,u\ndog/4.ppm,v\n").expect("a file");
    let text = String::from_utf8(inspect(folder.path(), &["list.csv"]).stdout).expect("text");
    assert!(text.starts_with("2 pictures of 2 classes, 10 high and 20 wide\n"), "{text}");
    assert!(preview(folder.path(), &["list.csv", "--step", "blur"]).status.success());
    let text = String::from_utf8(inspect(folder.path(), &["list.csv", "--target", "label"]).stdout).expect("text");
    assert!(text.starts_with("2 rows, 2 columns\n"), "{text}");
}

#[test]
fn a_preview_of_nothing_is_the_users_mistake() {
    let folder = pictures();
    std::fs::write(folder.path().join("bad.toml"), "steps = [{ name = \"rotate\", degrees = 999.0 }]").expect("a file");
    std::fs::write(folder.path().join("list.csv"), "file,label\nx.png,u\n").expect("a file");
    for (arguments, complaint) in [
        (&["none"][..], "error: cannot read none: "),
        (&["list.csv"], "error: list.csv:2: x.png is no file; paths start at the table's folder"),
        (&[".", "--augment", "much"], "error: --augment much: cannot read it: "),
        (&[".", "--augment", "bad.toml"], "degrees must lie between 0 and 180, not 999"),
        (&[".", "--step", "fold"], "error: --step: unknown variant `fold`, expected one of `resize`, "),
        (&[".", "--out", "no/such.png"], "error: cannot write no/such.png: "),
        (&[".", "--count", "0"], "0 is not in 1..=100"),
    ] {
        let done = preview(folder.path(), arguments);
        let said = String::from_utf8(done.stderr).expect("text");
        assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0), "{arguments:?}: {said}");
        assert!(said.contains(complaint), "{said}");
    }
}
