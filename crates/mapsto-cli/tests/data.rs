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
