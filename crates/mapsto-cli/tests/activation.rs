//! `mapsto activation` as a user runs it.

use std::process::Command;

fn run(arguments: &[&str]) -> (String, String, Option<i32>) {
    let done = Command::new(env!("CARGO_BIN_EXE_mapsto")).arg("activation").args(arguments).output().expect("it runs");
    (String::from_utf8(done.stdout).expect("text"), String::from_utf8(done.stderr).expect("text"), done.status.code())
}

#[test]
fn every_activation_is_drawn() {
    let (text, errors, code) = run(&[]);
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    assert_eq!(text.matches("% saturated").count(), 23);
}

#[test]
fn programs_get_numbers() {
    let (text, _, _) = run(&["softmax", "--from", "-1", "--to", "1", "--json"]);
    let curve: serde_json::Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(
        (&curve["activation"], &curve["y"][120], &curve["gradient"][120]),
        (&"softmax".into(), &0.5.into(), &0.25.into())
    );
    let (text, errors, code) = run(&["relu", "--from", "2", "--to", "1"]);
    assert!(text.is_empty() && errors.contains("241 points from 2 to 1 are no curve"), "{errors}");
    assert_eq!(code, Some(2));
}
