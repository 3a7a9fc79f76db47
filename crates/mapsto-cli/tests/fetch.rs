//! `mapsto data fetch` as a user runs it, from a mirror on this machine.

#[path = "../../mapsto-data/tests/server/mod.rs"]
mod server;

use serde_json::Value;
use server::{Answer, Server};
use std::path::Path;
use std::process::{Command, Output};

/// A whole set, as it is at its public address.
const IRIS: &[u8] = include_bytes!("fixtures/iris.data");
const IRIS_PATH: &str = "/ml/machine-learning-databases/iris/iris.data";

fn mapsto(folder: &Path, mirror: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mapsto"));
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).env("MAPSTO_MIRROR", mirror).output().expect("it runs")
}

/// What a program that succeeded said, a line each.
fn events(done: &Output) -> Vec<Value> {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout.clone()).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn sets_are_listed() {
    let here = tempfile::tempdir().expect("a folder");
    let text = mapsto(here.path(), "", &["data", "fetch"]);
    assert_eq!(text.stdout, mapsto(here.path(), "", &["data", "fetch", "--list"]).stdout);
    let text = String::from_utf8(text.stdout).expect("text");
    for part in ["mnist ", "11.06 MiB", "(CC BY-SA 3.0)", "mapsto train image --data mnist\n", "--target species\n"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let sets = events(&mapsto(here.path(), "", &["data", "fetch", "--json"]));
    let iris = sets.iter().find(|set| set["set"] == "iris").expect("it is there");
    assert_eq!((&iris["bytes"], &iris["files"][0]["bytes"]), (&4551.into(), &4551.into()));
    assert!(iris["files"][0]["url"].as_str().is_some_and(|url| url.starts_with("https://archive.ics.uci.edu/ml/")));
}

#[test]
fn a_set_is_fetched_and_trained_on() {
    let here = tempfile::tempdir().expect("a folder");
    let server = Server::new(|path, start| match path.strip_prefix("/mirror") {
        Some(IRIS_PATH) => Answer::part(IRIS, start),
        _ => Answer::status(404),
    });
    let mirror = format!("{}/mirror/", server.address);
    let fetched = mapsto(here.path(), &mirror, &["data", "fetch", "iris"]);
    let text = String::from_utf8(fetched.stdout).expect("text");
    assert!(fetched.status.success() && fetched.stderr.is_empty());
    let now = "mapsto train table --data iris/iris.csv --target species";
    assert_eq!(text, format!("iris/iris.csv: fetched\niris is in iris; its licence: CC BY 4.0; now: {now}\n"));
    let said = events(&mapsto(here.path(), &mirror, &["data", "fetch", "iris", "--json", "--to", "iris"]));
    assert_eq!((said.len(), &said[0]["kept"], &said[1]["train"]), (2, &true.into(), &now.into()));
    assert_eq!(server.asked().len(), 1);
    let command: Vec<&str> = now.split(' ').skip(1).chain(["--epochs", "1", "--json"]).collect();
    let trained = events(&mapsto(here.path(), "", &command));
    assert!(!trained.is_empty());
}

#[test]
fn what_cannot_be_fetched_is_a_complaint() {
    let damaged: Vec<u8> = IRIS.iter().map(|byte| byte ^ 1).collect();
    let server = Server::new(move |path, _| match path {
        "/damaged/ml/machine-learning-databases/iris/iris.data" => Answer::file(&damaged),
        "/cut/ml/machine-learning-databases/iris/iris.data" => Answer::file(IRIS).cut(1000),
        _ => Answer::status(404),
    });
    for (mirror, arguments, said, left) in [
        ("/none", &["iris"][..], "status 404", 0),
        (
            "/damaged",
            &["iris"],
            ", not 6f608b71a7317216319b4d27b4d9bc84e6abd734eda7872b71a458569e2656c0; nothing of it was",
            0,
        ),
        ("/cut", &["iris"], "broke off after 1000 of 4551 bytes", 1),
        ("/cut", &["iris", "--to", "no/such"], "cannot make the folder no/such: ", 0),
        ("", &["irsi"], "there is no set \"irsi\": give one of mnist, ", 0),
        ("", &["--list", "iris"], "cannot be used with", 0),
    ] {
        let here = tempfile::tempdir().expect("a folder");
        let arguments = [&["data", "fetch", "--json"], arguments].concat();
        let done = mapsto(here.path(), &format!("{}{mirror}", server.address), &arguments);
        let complaint = String::from_utf8(done.stderr).expect("text");
        assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0), "{arguments:?}: {complaint}");
        assert!(complaint.starts_with("error: ") && complaint.contains(said), "{complaint}");
        assert_eq!(std::fs::read_dir(here.path()).expect("a folder").count(), left, "{complaint}");
    }
    let here = tempfile::tempdir().expect("a folder");
    let done = mapsto(here.path(), "example.org", &["data", "fetch", "iris"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("\"example.org\" is no address of a mirror"));
}
