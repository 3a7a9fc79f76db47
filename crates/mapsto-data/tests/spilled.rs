//! Tables of which nothing stays in memory.

use mapsto_data::{Table, TableOptions};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a process of its own finds a table.
const TABLE: &str = "SPILLED_TABLE";

/// Run by the other test, in processes with limits of their own: writes beside the table what it holds.
#[test]
#[ignore = "tells what another test asks for"]
fn told() {
    let path = PathBuf::from(env::var_os(TABLE).expect("a table"));
    let told = match Table::read(&path, &TableOptions::default()) {
        Ok(table) => format!("{:?}\n{:?}", table.columns(), table.inspect(Some("kind")).unwrap()),
        Err(error) => error.to_string(),
    };
    std::fs::write(path.with_extension("told"), told).unwrap();
}

#[test]
fn they_read_as_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let mut text = "size,kind,when,said\n".to_string();
    for row in 0..20_000 {
        let size = if row % 7 == 0 { String::new() } else { format!("{} kg", (f64::from(row) * 0.7).sin()) };
        let kind = ["a", "", "été", "dd"][row as usize % 11 % 4];
        let said = if row % 5 == 2 { "NA".into() } else { format!("\"what {row} said,\nat length\"") };
        text += &format!("{size},{kind},{}-0{}-1{}T10:00,{said}\n", 1970 + row % 50, 1 + row % 9, row % 10);
    }
    std::fs::write(&path, text).unwrap();
    let told = |limit: &str, temporary: &Path| -> String {
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "told", "--ignored", "--quiet"])
            .envs([("MAPSTO_TABLE_MB", limit.as_ref()), (TABLE, path.as_os_str())])
            .envs(["TMPDIR", "TMP"].map(|name| (name, temporary)))
            .status();
        assert!(status.unwrap().success());
        std::fs::read_to_string(path.with_extension("told")).unwrap()
    };
    let (there, nowhere) = (folder.path(), folder.path().join("nowhere"));
    let memory = told("64", &nowhere);
    assert!(
        memory.starts_with("[Column {") && memory.contains("Inspection {") && memory.len() > 100_000,
        "{memory:.300}"
    );
    assert!(memory == told("0", there), "a spilled table differs");
    let refused = told("0", &nowhere);
    let what = format!("cannot put a table into a temporary file in {} (0 MB so far): ", nowhere.display());
    assert!(refused.starts_with(&what) && refused.ends_with("by MAPSTO_TABLE_MB"), "{refused}");
}
