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

/// Standard output of an inspection that must succeed.
fn told(folder: &Path, arguments: &[&str]) -> String {
    let done = inspect(folder, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

#[test]
fn what_takes_a_feature_away_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    let rows =
        |x: fn(usize) -> String| (0..40).map(|i| format!("{},{}\n", x(i), ["p", "n"][i % 2])).collect::<String>();
    put("stray.csv", &format!("x,label\nerr,p\n{}", rows(|i| format!("{i}.5"))));
    let said = "! 40 of 41 values of \"x\" are numbers, row 1 is \"err\": mend it or leave it empty; as it is, the column is text";
    let text = told(folder.path(), &["stray.csv"]);
    assert!(text.contains(said), "{text}");
    put("money.csv", &format!("x,label\n{}", rows(|i| format!("\"$1,{i:03}.50\""))));
    let text = told(folder.path(), &["money.csv"]);
    assert!(text.contains("1000.5 to 1039.5") && text.ends_with("nothing looks wrong\n"), "{text}");
    put("guess.csv", "day,size\n03/04/2024,\"1,500\"\n05/06/2024,\"2,500\"\n");
    let text = told(folder.path(), &["guess.csv"]);
    assert!(
        text.contains("\"day\" is read as month/day/year") && text.contains("\"size\" is read with commas"),
        "{text}"
    );
    put("infinite.csv", "x,y\n1,2\ninf,3\n-inf,5\n");
    assert!(told(folder.path(), &["infinite.csv"]).contains("! \"x\" is infinite in 2 rows"));
    put("leak.csv", &format!("copy,label\n{}", rows(|i| ["yes", "no"][i % 2].into())));
    let text = told(folder.path(), &["leak.csv", "--target", "label"]);
    assert!(text.contains("! \"copy\" tells \"label\" by itself: a leak?"), "{text}");
}

#[test]
fn names_and_many_columns_keep_a_table_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    put("odd.csv", "\"a\nb\u{1b}[31m\"\n\"x\ty\"\n");
    let text = told(folder.path(), &["odd.csv"]);
    assert!(text.starts_with("1 row, 1 column\n"), "{text}");
    assert!(text.contains("\na\\nb\\u{1b}[31m  category") && text.contains("x\\ty (1)"), "{text}");
    let names: Vec<String> = (0..300).map(|i| format!("c{i}")).collect();
    put("wide.csv", &format!("{}\n{}\n", names.join(","), vec!["1"; 300].join(",")));
    let text = told(folder.path(), &["wide.csv"]);
    assert!(text.contains("\nc39 ") && !text.contains("\nc40 ") && text.lines().count() < 100, "{text}");
    assert!(text.contains("\nand 260 more (--json shows all)\n"), "{text}");
    let said: Value = serde_json::from_str(&told(folder.path(), &["wide.csv", "--json"])).expect("JSON");
    assert_eq!(said["columns"].as_array().map(Vec::len), Some(300));
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
    let one = folder.path().join("one/new\nline");
    std::fs::create_dir_all(&one).expect("folders");
    std::fs::write(one.join("x.pgm"), b"P5\n2 1\n255\n\0\0").expect("a file");
    let text = told(folder.path(), &["one"]);
    assert!(text.starts_with("1 picture of 1 class, ") && text.contains("\nnew\\nline"), "{text}");
}

#[test]
fn archives_of_pictures_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let idx = |name: &str, sizes: &[u32], bytes: &[u8]| {
        let sizes_bytes = sizes.iter().flat_map(|size| size.to_be_bytes());
        let file: Vec<u8> = [0, 0, 8, sizes.len() as u8].into_iter().chain(sizes_bytes).chain(bytes.to_vec()).collect();
        std::fs::write(folder.path().join(name), file).expect("a file");
    };
    idx("train-images-idx3-ubyte", &[3, 1, 2], &[1, 2, 3, 4, 5, 6]);
    idx("train-labels-idx1-ubyte", &[3], &[0, 1, 0]);
    idx("t10k-images-idx3-ubyte", &[1, 1, 2], &[3, 4]);
    idx("t10k-labels-idx1-ubyte", &[1], &[1]);
    let text = told(folder.path(), &["."]);
    let head =
        "4 pictures of 2 classes, 1 high and 2 wide\n\nclass       train        test\n0               2           0\n";
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains("! .: picture 1 is learned from and tested on: .: picture 3 is the same"), "{text}");
}

#[test]
fn data_of_tasks_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    put("s/x_TRAIN.ts", "@classLabel true a b\n@data\n1,2:3,4:a\n1,2,3:4,5,?:b\n");
    put("l/dev/7/7-1.trans.txt", "7-1-0 WELL\n7-1-1\n");
    put("p.tsv", "Go on.\tSigue.\nGo on.\tContinúa.\nWell.\t\n");
    put("r.csv", "user,item,rating\nann,x,1\nann,y,5\nbob,x,3\n");
    put("t/one.txt", "To be, or not\nto be\n");
    for (arguments, head, found) in [
        (
            &["s/x_TRAIN.ts"][..],
            "2 series of 2 classes, 2 channels, 2 to 3 steps, half of them at most 2, 1 to 5\n",
            "filled by straight lines: 1 in 1 series",
        ),
        (&["s"], "2 series of 2 classes, 2 channels", "filled by straight lines"),
        (&["l"], "2 sounds, 0 minutes, 1 speaker\n", "7-1-1.flac has no text"),
        (
            &["p.tsv", "--task", "translate"],
            "2 pairs, \"column 1\" to \"column 2\"\n",
            "has another target, too: 1, such as p.tsv: row 1",
        ),
        (
            &["r.csv", "--task", "recommend"],
            "3 ratings of 2 users and 2 items: 75 % of all pairs\n",
            "users with one item, of whom little can be learned and nothing tested: 1, \"bob\" first",
        ),
        (&["t"], "1 text, 2 lines, 6 words, 20 characters\n10 signs: ,Tbenort\n", "there are 20 characters"),
        (&["t/one.txt", "--task", "lm"], "1 text, 2 lines", "there are 20 characters"),
    ] {
        let text = told(folder, arguments);
        assert!(text.starts_with(head) && text.contains(found), "{arguments:?}: {text}");
        let said = inspect(folder, &[arguments, &["--json"]].concat());
        let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
        assert!(said["event"] == "inspection" && !said["findings"].as_array().expect("findings").is_empty(), "{said}");
    }
    // A table without a task is one, and what is none of a task is refused.
    assert!(told(folder, &["r.csv"]).starts_with("3 rows, 3 columns\n"));
    for (arguments, said) in [
        (&["r.csv", "--task", "speech"][..], "no column has paths of sounds"),
        (&["r.csv", "--task", "recommend", "--target", "item"], "cannot be used with"),
        (&["r.csv", "--task", "image"], "possible values: series, speech, translate, recommend, lm"),
    ] {
        let done = inspect(folder, arguments);
        let complaint = String::from_utf8(done.stderr).expect("text");
        assert!(done.status.code() == Some(2) && complaint.contains(said), "{complaint}");
    }
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
    std::fs::write(folder.path().join("twice.csv"), "a,a\n1,2\n").expect("a file");
    assert_eq!(complaint(&["twice.csv"]), "error: twice.csv: two columns are named \"a\": rename one\n");
    std::fs::write(folder.path().join("binary.csv"), "a,b\n1,\0\n").expect("a file");
    assert!(complaint(&["binary.csv"]).starts_with("error: binary.csv:2: a NUL byte: this is no text"));
    if cfg!(target_os = "linux") {
        assert!(complaint(&["/dev/zero"]).starts_with("error: /dev/zero:1: a NUL byte"));
    }
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
    std::fs::write(folder.path().join("list.csv"), "file,label\ncat/0.ppm,u\nx.png,u\ncat/1.ppm,\n").expect("a file");
    let text = told(folder.path(), &["list.csv"]);
    assert!(text.starts_with("1 picture of 1 class, "), "{text}");
    assert!(
        text.contains("\n! line 3: x.png is no file; ") && text.contains("\n! line 4: cat/1.ppm has no label"),
        "{text}"
    );
    std::fs::write(folder.path().join("list.csv"), "price,file\n5,cat/0.ppm\n7,cat/1.ppm\n").expect("a file");
    let text = told(folder.path(), &["list.csv"]);
    assert!(
        text.starts_with("2 rows, 2 columns\n")
            && text.contains("\n! this lists pictures that cannot be learned from: no column has labels"),
        "{text}"
    );
}

#[test]
fn pictures_that_a_preview_passes_over_are_named() {
    let folder = pictures();
    for name in ["torn.png", "empty.jpg"] {
        std::fs::write(folder.path().join("cat").join(name), b"").expect("a file");
    }
    let done = preview(folder.path(), &[".", "--count", "8", "--step", "blur"]);
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success() && said.starts_with("warning: 2 pictures are passed over: ./cat/"), "{said}");
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("preview.png: 6 pictures, a row each; "));
    let done = preview(folder.path(), &[".", "--count", "8", "--step", "blur", "--json"]);
    let said: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(said["passed_over"].as_array().map(Vec::len), Some(2));
    assert!(preview(pictures().path(), &[".", "--step", "blur"]).stderr.is_empty());
}

#[test]
fn a_preview_that_cannot_be_written_changes_no_file() {
    let folder = pictures();
    let kept = folder.path().join("keep.gif");
    std::fs::write(&kept, b"kept").expect("a file");
    let done = preview(folder.path(), &[".", "--step", "blur", "--out", "keep.gif"]);
    let said = String::from_utf8(done.stderr).expect("text");
    assert_eq!(
        (done.status.code(), said.trim_end()),
        (Some(2), "error: cannot write keep.gif: its name must end in .png, .jpg, .bmp, .webp or .ppm")
    );
    assert_eq!(std::fs::read(&kept).expect("bytes"), b"kept");
    for name in ["s.png", "s.jpg", "s.bmp", "s.webp", "s.ppm"] {
        assert!(
            preview(folder.path(), &[".", "--step", "blur", "--out", name, "--count", "1"]).status.success(),
            "{name}"
        );
        assert_eq!(image::open(folder.path().join(name)).expect("a picture").width(), 8 * 148 + 4);
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
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
