//! Run folders and the metrics file on a real file system.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use mapsto_train::run_dir::{METRICS_FILE, MetricsLog, RunDir, RunError};
use serde_json::json;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_named_run_is_never_overwritten() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("runs");
    let (run, _lock) = RunDir::create(&root, "first.v2_a-b").unwrap();
    assert_eq!(run.path(), root.join("first.v2_a-b"));
    fs::write(run.path().join("model"), "weights").unwrap();

    let error = RunDir::create(&root, "first.v2_a-b").unwrap_err();
    assert!(matches!(&error, RunError::Exists(path) if path == run.path()));
    assert!(
        error
            .to_string()
            .ends_with("first.v2_a-b exists already: choose another name, go on with it by --resume, or remove it")
    );
    assert_eq!(fs::read_to_string(run.path().join("model")).unwrap(), "weights");

    // What a process left that ended before it began takes no name.
    let (unborn, lock) = RunDir::create(&root, "unborn").unwrap();
    assert!(matches!(RunDir::create(&root, "unborn"), Err(RunError::Exists(_))), "as long as it lives");
    drop(lock);
    fs::write(unborn.path().join(".mapsto-1-2.tmp"), "").unwrap();
    assert_eq!(RunDir::create(&root, "unborn").unwrap().0, unborn);

    // Anything else is somebody's.
    fs::create_dir_all(root.join("site/.git")).unwrap();
    assert!(matches!(RunDir::create(&root, "site"), Err(RunError::Exists(_))));
    #[cfg(unix)]
    {
        fs::create_dir(temp.path().join("empty")).unwrap();
        std::os::unix::fs::symlink(temp.path().join("empty"), root.join("link")).unwrap();
        assert!(matches!(RunDir::create(&root, "link"), Err(RunError::Exists(_))));
    }

    // A file takes a name as well as a folder does.
    fs::write(root.join("note"), "").unwrap();
    assert!(matches!(RunDir::create(&root, "note"), Err(RunError::Exists(_))));
}

#[test]
fn automatic_names_take_the_next_free_number() {
    let temp = tempfile::tempdir().unwrap();
    let last = |task| {
        let run = RunDir::create_next(temp.path(), task).unwrap().0;
        fs::write(run.path().join("config.toml"), "").unwrap();
        let name = run.path().file_name().unwrap().to_str().unwrap().to_owned();
        let (start, counter) = name.rsplit_once('-').unwrap();
        let date = start.strip_prefix(task).and_then(|rest| rest.strip_prefix('-')).unwrap();
        assert_eq!(date.len(), "2024-05-06".len(), "{date}");
        counter.parse::<u32>().unwrap()
    };
    assert_eq!([last("digits"), last("digits"), last("other"), last("digits")], [1, 2, 1, 3]);
}

#[test]
fn simultaneous_runs_get_folders_of_their_own() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("runs");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let root = root.clone();
            std::thread::spawn(move || RunDir::create_next(&root, "digits").unwrap())
        })
        .collect();
    let made: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let mut paths: Vec<_> = made.iter().map(|(run, _)| run.path().to_owned()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 8);
}

#[test]
fn of_simultaneous_runs_of_one_name_one_gets_it() {
    for _ in 0..20 {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().to_owned();
        let start = std::sync::Arc::new(std::sync::Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (root, start) = (root.clone(), start.clone());
                std::thread::spawn(move || {
                    start.wait();
                    let made = RunDir::create(&root, "mine");
                    let exists = matches!(&made, Err(RunError::Exists(_)));
                    // Those who got it hold it, and have written something.
                    made.map(|(run, lock)| fs::write(run.path().join("config.toml"), "").map(|()| lock))
                        .map_err(|_| exists)
                })
            })
            .collect();
        let made: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
        assert!(made.iter().all(|made| made.as_ref().err().is_none_or(|exists| *exists)));
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("runs");
    for name in ["", ".", "..", "a/b", "/etc", "../out", "a\\b", "a..b", ".hidden", "-x", "a b", "a\n", "a\0", "c:d"] {
        for made in [RunDir::create(&root, name), RunDir::create_next(&root, name)] {
            let error = made.unwrap_err();
            assert!(matches!(&error, RunError::Name(given) if given == name), "{name:?}: {error}");
            assert!(error.to_string().starts_with(&format!("{name:?} is no name for a run: use letters")), "{error}");
        }
    }
    assert!(names(temp.path()).is_empty(), "nothing was made");
    assert!(RunDir::create(&root, "größe-数字").is_ok(), "letters of any script");
}

#[test]
fn a_missing_or_unsuitable_parent_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let missing = temp.path().join("missing").join("runs");
    let error = RunDir::create(&missing, "a").unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot make the folder {}: ", missing.display())), "{error}");
    let file = missing.join("a.bin");
    let error = MetricsLog::open(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot open {}: ", file.display())), "{error}");
    assert!(names(temp.path()).is_empty());

    let plain = temp.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert!(matches!(RunDir::create(&plain, "a"), Err(RunError::Io { .. })));
    assert!(matches!(RunDir::create_next(&plain.join("runs"), "a"), Err(RunError::Io { .. })));
}

#[cfg(unix)]
#[test]
fn a_read_only_parent_is_reported() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("runs");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write all the same; then there is nothing to refuse.
    if fs::write(root.join("probe"), "").is_err() {
        assert!(matches!(RunDir::create(&root, "a"), Err(RunError::Io { .. })));
        assert!(matches!(RunDir::create_next(&root, "a"), Err(RunError::Io { .. })));
        assert!(names(&root).is_empty());
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();

    // Nobody, not even the superuser, makes entries here.
    #[cfg(target_os = "linux")]
    {
        assert!(matches!(RunDir::create(Path::new("/proc"), "a"), Err(RunError::Io { .. })));
        assert!(matches!(RunDir::create_next(Path::new("/proc"), "a"), Err(RunError::Io { .. })));
    }
}

#[test]
fn a_removed_run_frees_its_name() {
    let temp = tempfile::tempdir().unwrap();
    let (run, _lock) = RunDir::create(temp.path(), "a").unwrap();
    run.metrics().unwrap().append(&json!({"step": 1})).unwrap();
    run.clone().remove().unwrap();
    assert!(names(temp.path()).is_empty());
    let again = run.remove().unwrap_err().to_string();
    assert!(again.starts_with(&format!("cannot remove the folder {}: ", temp.path().join("a").display())), "{again}");
    RunDir::create(temp.path(), "a").unwrap();
}

#[test]
fn metrics_are_added_and_a_torn_line_is_removed() {
    let temp = tempfile::tempdir().unwrap();
    let (run, _lock) = RunDir::create(temp.path(), "a").unwrap();
    let file = run.path().join(METRICS_FILE);
    let mut log = run.metrics().unwrap();
    log.append(&json!({"step": 1, "loss": 0.5})).unwrap();
    log.append(&json!({"step": 2, "note": "two\nlines", "loss": f64::NAN})).unwrap();
    drop(log);

    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{whole}{{\"step\": 3, \"lo")).unwrap();
    run.metrics().unwrap().append(&json!({"step": 3})).unwrap();
    let content = fs::read_to_string(&file).unwrap();
    assert!(content.starts_with(&whole));
    let records: Vec<serde_json::Value> = content.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0], json!({"step": 1, "loss": 0.5}));
    assert_eq!(records[1], json!({"step": 2, "note": "two\nlines", "loss": null}));
    assert_eq!(records[2], json!({"step": 3}));

    let unfit = run.metrics().unwrap().append(&HashMap::from([([1, 2], 3)])).unwrap_err();
    assert!(unfit.to_string().starts_with("cannot write a metrics record as JSON: "), "{unfit}");
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
}

#[test]
fn one_process_at_a_time_and_only_where_a_run_is() {
    let temp = tempfile::tempdir().unwrap();
    let (run, lock) = RunDir::create(temp.path(), "mine").unwrap();
    assert!(matches!(run.lock(), Err(RunError::Busy(path)) if path == run.path()));
    drop(lock);
    drop(run.lock().unwrap());
    let told = RunDir::open(run.path(), "config.toml").unwrap_err().to_string();
    assert!(told.ends_with("mine is no run: give the folder that the training named"), "{told}");
    fs::write(run.path().join("config.toml"), "").unwrap();
    assert_eq!(RunDir::open(run.path(), "config.toml").unwrap(), run);
}

#[test]
fn what_killed_processes_leave_is_tidied_away() {
    let temp = tempfile::tempdir().unwrap();
    let (run, _lock) = RunDir::create(temp.path(), "mine").unwrap();
    let inside = run.path().join("checkpoint");
    fs::create_dir(&inside).unwrap();
    for name in [".mapsto-12-0.tmp", "a.safetensors", ".other.tmp"] {
        fs::write(inside.join(name), "").unwrap();
    }
    fs::write(run.path().join(".mapsto-9-9.tmp"), "").unwrap();
    run.tidy().unwrap();
    assert_eq!(names(&inside), [".other.tmp", "a.safetensors"]);
    assert_eq!(names(run.path()), [".lock", "checkpoint"]);
}
