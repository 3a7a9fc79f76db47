//! The binary on the digits, as a user runs it.

mod common;

use common::{events, mapsto, refused, text};
use mapsto_nn::{StateFile, read_state, write_state};
use mapsto_tensor::Tensor;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The complaint of a run that must be refused before it has said anything.
fn complaint(folder: &Path, arguments: &[&str]) -> String {
    let (said, told) = refused(folder, arguments);
    assert!(said.is_empty(), "{arguments:?}: {said}");
    told
}

#[test]
fn training_reaches_its_accuracy_and_its_model_evaluates_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let trained = events(folder, &["train", "digits", "--json", "--run", "mine"]);
    assert_eq!((&trained[0]["event"], trained.len()), (&"start".into(), 32));
    assert_eq!(trained[1]["event"], "epoch");
    let done = trained.last().unwrap();
    assert_eq!((&done["event"], &done["run"]), (&"done".into(), &"runs/mine".into()));
    assert!(done["test"]["accuracy"].as_f64().unwrap() >= 0.985, "{done}");
    assert_eq!(done["classes"].as_array().unwrap().len(), 10);

    let evaluated = events(folder, &["eval", "runs/mine", "--json"]);
    assert_eq!((evaluated.len(), &evaluated[0]["metrics"]), (1, &done["test"]));
    let file = events(folder, &["eval", "runs/mine/model.safetensors", "--json"]);
    assert_eq!(file[0]["metrics"], done["test"]);

    let metrics = std::fs::read_to_string(folder.join("runs/mine/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 30);
    let config: toml::Table = std::fs::read_to_string(folder.join("runs/mine/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["training"]["epochs"].as_integer(), Some(30));

    // The first zero and the first one of the set.
    let table = "0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2,0,11,8,0,0,4,12,0,0,8,8,0,0,5,8,0,0,9,8,0,0,4,11,0,1,12,7,0,0,2,14,\
                 5,10,12,0,0,0,0,6,13,10,0,0,0\n0,0,0,12,13,5,0,0,0,0,0,11,16,9,0,0,0,0,3,15,16,6,0,0,0,7,15,16,16,2,0,0,0,0,1,\
                 16,16,3,0,0,0,0,1,16,16,6,0,0,0,0,1,16,16,6,0,0,0,0,0,11,16,10,0,0,1\n";
    std::fs::write(folder.join("two.csv"), table).unwrap();
    let predicted = events(folder, &["predict", "runs/mine", "two.csv", "--json"]);
    let labels: Vec<&Value> = predicted.iter().map(|event| &event["label"]).collect();
    assert_eq!(labels, ["0", "1"]);
    assert_eq!(predicted[0]["true_label"], Value::Null);
    let table = text(folder, &["predict", "runs/mine", "two.csv", "--csv"]);
    assert!(table.starts_with("input,prediction,0,1,2,3,4,5,6,7,8,9\ntwo.csv:1,0,0.9"), "{table}");
    let summary = events(folder, &["summary", "runs/mine", "--batch-size", "1", "--json"]);
    assert_eq!(summary[0]["summary"]["parameters"], done["parameters"]);
    assert!(text(folder, &["summary", "runs/mine"]).contains("Conv2d"));
    assert!(complaint(folder, &["eval", "runs/mine", "--data", "two.csv"]).contains("two.csv:1: the digit it shows"));
    assert!(complaint(folder, &["predict", "runs/mine", "none.png"]).contains("none.png"));
}

#[test]
fn a_run_is_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let weights = |name: &str, threads: &str, seed: &str| {
        let arguments = ["train", "digits", "--epochs", "1", "--run", name, "--threads", threads, "--set", seed];
        let shown = text(folder.path(), &arguments);
        assert!(shown.contains("precision") && shown.contains(&format!("mapsto eval runs/{name}")), "{shown}");
        std::fs::read(folder.path().join("runs").join(name).join("model.safetensors")).unwrap()
    };
    let one = weights("one", "1", "seed=7");
    assert!(one == weights("three", "3", "seed=7"));
    assert!(one != weights("other", "1", "seed=8"));
}

#[test]
fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mend = "give the folder that `mapsto train` named, or the model file in it";
    assert_eq!(complaint(folder, &["eval", "none"]), format!("error: none is not there; {mend}\n"));
    std::fs::create_dir(folder.join("empty")).unwrap();
    assert_eq!(complaint(folder, &["eval", "empty"]), format!("error: empty has no model.safetensors; {mend}\n"));
    std::fs::write(folder.join("text"), "this is not a model").unwrap();
    let told = complaint(folder, &["predict", "text", "x.png"]);
    assert!(told.starts_with("error: load: the header claims ") && told.ends_with("safetensors file?\n"), "{told}");
    assert!(complaint(folder, &["train", "digits", "--run", "../up"]).contains("is no name for a run"));
    let set = |assignment: &str| complaint(folder, &["train", "digits", "--set", assignment]);
    assert_eq!(set("learning_rate=-1"), "error: learning_rate is -1, it must be above zero\n");
    assert_eq!(set("batch_size=1"), "error: batch_size is 1, it must be from 2 to 65536\n");
    let told = set("learning_rat=1");
    assert!(told.starts_with("error: there is no setting \"learning_rat\"; the nearest are learning_rate, "), "{told}");
    assert!(set("epochs").contains("give key=value"));
    assert!(set("epochs=many").starts_with("error: training.epochs = many does not fit: "));
    assert!(set("optimizer=adam").contains("adamw"));
    assert_eq!(complaint(folder, &["train", "digits", "--target", "x"]), "error: --target means nothing to digits\n");
    let told = complaint(folder, &["train", "digits", "--ensemble", "bagging"]);
    assert!(told.contains("as bagging:5"), "{told}");
    assert_eq!(
        complaint(folder, &["train", "--resume", "none"]),
        "error: none is no run: give the folder that the training named\n"
    );
    assert!(complaint(folder, &["train", "digit"]).contains("digits"));
    assert!(complaint(folder, &["bench", "nothing"]).contains("tiny_policy"));
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2, "a refused run leaves nothing behind");
}

/// A change of a model file's configuration or labels.
fn change(file: &mut StateFile, text: &str, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_str(&file.metadata[text]).unwrap();
    change(&mut value);
    file.metadata.insert(text.into(), value.to_string());
}

#[test]
fn a_model_file_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    text(folder, &["train", "digits", "--epochs", "1", "--run", "a", "--runs", "."]);
    std::fs::write(folder.join("row.csv"), vec!["3"; 64].join(",")).unwrap();
    std::fs::copy(folder.join("a/data.json"), folder.join("data.json")).unwrap();
    let good = read_state(folder.join("a/model.safetensors")).unwrap();
    let broken = |arguments: &[&str], spoil: &dyn Fn(&mut StateFile)| {
        let mut file = good.clone();
        spoil(&mut file);
        write_state(folder.join("x"), &file.tensors, &file.metadata).unwrap();
        complaint(folder, arguments)
    };
    let set = |pointer: &'static str, value: Value| {
        move |file: &mut StateFile| {
            change(file, "settings", |settings| *settings.pointer_mut(pointer).unwrap() = value.clone())
        }
    };

    let told = broken(&["predict", "x", "row.csv"], &|file| {
        change(file, "preparation", |preparation| preparation["answers"]["names"] = json!(["0", "1"]))
    });
    assert!(told.starts_with("error: x: its weights cannot be used: "), "{told}");
    assert!(told.contains("7.bias is f32[2], given f32[10]"), "{told}");
    let told = broken(&["predict", "x", "row.csv"], &|file| {
        change(file, "combination", |combination| combination["weights"] = json!([]))
    });
    assert_eq!(told, "error: x: its combination cannot be used: the weights of its members are no shares\n");
    for (pointer, value, what) in [
        ("/training/batch_size", json!(4_294_967_295u32), "batch_size is 4294967295, it must be from 2 to 65536"),
        ("/training/batch_size", json!(0), "batch_size is 0, it must be from 2 to 65536"),
        ("/training/learning_rate", json!(-1), "learning_rate is -1, it must be above zero"),
        ("/training/weight_decay", json!(-0.5), "weight_decay is -0.5, it must be at least zero"),
        ("/training/label_smoothing", json!(2), "label_smoothing is 2, it must be from 0 to below 1"),
        ("/training/epochs", json!(0), "epochs is 0, it must be from 1 to a million"),
    ] {
        let told = broken(&["summary", "x"], &set(pointer, value));
        assert_eq!(told, format!("error: x: its settings cannot be used: {what}\n"));
    }
    for channels in [0, 40_000, usize::MAX] {
        let told = broken(&["eval", "x"], &set("/config/channels", json!(channels)));
        assert!(told.starts_with("error: x: its ") && told.contains(" cannot be used: "), "{told}");
    }
    // 230 GB, had it been made.
    let told = broken(&["eval", "x"], &set("/config/channels", json!(40_000)));
    assert!(told.contains("mismatched: 0.0.weight is f32[40000, 1, 3, 3], given f32[32, 1, 3, 3]"), "{told}");
    let told = broken(&["eval", "x"], &|file| _ = file.metadata.insert("format".into(), "7".into()));
    let mend = "use the version of mapsto that wrote it, or a newer one";
    assert_eq!(told, format!("error: x is of format \"7\", this version knows 2: {mend}\n"));
    let told = broken(&["eval", "x"], &|file| _ = file.metadata.insert("task".into(), "cooking".into()));
    assert!(told.starts_with("error: x is of the task \"cooking\", this version knows digits, "), "{told}");

    // The last layer's: those before it are followed by functions that can hide a NaN.
    let spoil = |file: &mut StateFile| {
        let bias = Tensor::from_vec(vec![f32::NAN; 10], [10]).unwrap();
        assert_eq!(file.tensors.insert("7.bias".into(), bias).unwrap().shape()[0], 10);
    };
    for arguments in [&["eval", "x", "--json"][..], &["eval", "x"], &["predict", "x", "row.csv", "--json"]] {
        let told = broken(arguments, &spoil);
        assert!(told.starts_with("error: the network's outputs are NaN or infinite: "), "{told}");
    }

    // A bare name has a folder, too.
    write_state(folder.join("x"), &good.tensors, &good.metadata).unwrap();
    assert_eq!(events(folder, &["eval", "x", "--json"])[0]["run"], ".");
    assert_eq!(events(folder, &["summary", "x", "--batch-size", "1", "--json"])[0]["run"], ".");
}

/// Trains in JSON and gives what is left of it after its first line.
fn started(folder: &Path, name: &str, epochs: &str) -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mapsto"))
        .args(["train", "digits", "--json", "--run", name, "--epochs", epochs])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("\"start\""), "{line}");
    (child, out)
}

#[test]
fn training_goes_on_when_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let (child, out) = started(folder.path(), "mine", "1");
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
    text(folder.path(), &["eval", "runs/mine"]);
}

#[test]
fn a_run_that_comes_to_nothing_leaves_its_name_free() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = mapsto(folder, &["train", "digits", "--run", "mine", "--epochs", "1", "--set", "learning_rate=1e30"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("error: the loss became ") && told.contains(" of epoch 1: in layer \""), "{told}");
    assert!(!folder.join("runs/mine").exists());
    // What a checkpoint holds is not thrown away, whatever comes after it.
    let spoilt = ["--set", "learning_rate=1e30", "--set", "checkpoint_seconds=0"];
    mapsto(folder, &[&["train", "digits", "--run", "kept", "--epochs", "1"][..], &spoilt].concat());
    assert!(folder.join("runs/kept/checkpoint/network.safetensors").exists());
    text(folder, &["train", "digits", "--run", "mine", "--epochs", "1"]);
    let taken = complaint(folder, &["train", "digits", "--run", "mine", "--epochs", "1"]);
    assert!(taken.contains("mine exists already"), "{taken}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (child, _out) = started(folder, "mine", "3");
    assert!(folder.join("runs/mine/config.toml").exists());
    // Another process keeps out, and the list knows.
    let busy = complaint(folder, &["train", "--resume", "runs/mine"]);
    assert_eq!(busy, "error: runs/mine is in use: another process trains there\n");
    assert!(complaint(folder, &["runs", "rm", "runs/mine"]).contains("is in use"));
    assert_eq!(events(folder, &["runs", "--json"])[0]["state"], "running");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.starts_with("error: interrupted in epoch "), "{told}");
    assert!(told.ends_with(" train digits --resume runs/mine\n"), "{told}");
    assert_eq!(events(folder, &["runs", "--json"])[0]["state"], "stopped");
    let resumed = events(folder, &["train", "digits", "--resume", "runs/mine", "--json"]);
    let straight = events(folder, &["train", "digits", "--run", "straight", "--epochs", "3", "--json"]);
    assert_eq!(resumed.last().unwrap()["test"], straight.last().unwrap()["test"]);
    let model = |name: &str| std::fs::read(folder.join("runs").join(name).join("model.safetensors")).unwrap();
    assert!(model("mine") == model("straight"));
    assert_eq!(events(folder, &["runs", "list", "--json"]).len(), 2);
    let differences = text(folder, &["runs", "compare", "runs/mine", "runs/straight"]);
    assert_eq!(differences, "no setting and no figure differs\n");
    text(folder, &["runs", "rm", "runs/mine"]);
    assert!(!folder.join("runs/mine").exists());
}

#[cfg(unix)]
#[test]
fn what_to_type_next_can_be_typed() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let shown = text(folder, &["train", "digits", "--epochs", "1", "--run", "a", "--runs", "it's mine"]);
    let next = shown.lines().find(|line| line.contains(" eval ")).unwrap();
    let typed = Command::new("sh").args(["-c", next]).current_dir(folder).output().unwrap();
    assert!(typed.status.success(), "{next}");
    assert!(String::from_utf8(typed.stdout).unwrap().starts_with("it's mine/a/model.safetensors on "));

    // A name that is no text can be shown, if not typed.
    let runs = std::ffi::OsStr::from_bytes(b"r\xff");
    let output = Command::new(env!("CARGO_BIN_EXE_mapsto"))
        .args(["train", "digits", "--json", "--epochs", "1", "--run", "a", "--runs"])
        .arg(runs)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.join(runs).join("a/model.safetensors").exists());
    let evaluated = Command::new(env!("CARGO_BIN_EXE_mapsto"))
        .args(["eval", "--json"])
        .arg(folder.join(runs).join("a"))
        .output()
        .unwrap();
    assert!(evaluated.status.success(), "{}", String::from_utf8_lossy(&evaluated.stderr));
}

#[test]
fn a_senseless_environment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mapsto"));
        command.args(["eval", "none"]).env(name, value).current_dir(folder.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    for threads in ["abc", "0", "-1", "2.5"] {
        let mend = "give a whole number from 1, or unset it for one thread a core";
        assert_eq!(with("MAPSTO_NUM_THREADS", threads), format!("error: MAPSTO_NUM_THREADS is {threads:?}: {mend}\n"));
    }
    for threads in ["1", " 2 ", ""] {
        assert!(with("MAPSTO_NUM_THREADS", threads).starts_with("error: none is not there"), "{threads:?}");
    }
    assert!(
        with("MAPSTO_ISA", "sse9")
            .starts_with("error: MAPSTO_ISA is \"sse9\": give one of portable, neon, avx2, avx512")
    );
    assert!(with("MAPSTO_ISA", "portable").starts_with("error: none is not there"));
    assert!(with("MAPSTO_WINOGRAD", "no").starts_with("error: MAPSTO_WINOGRAD is \"no\": give on, or off"));
    assert!(with("MAPSTO_WINOGRAD", "off").starts_with("error: none is not there"));
}
