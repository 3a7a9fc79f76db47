//! Texts with classes: tables, JSON lines, folders.

use mapsto_data::{Part, Text, TextColumns, TextError, TextSet, read_texts};
use std::fs;
use std::path::{Path, PathBuf};

struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        for (name, bytes) in files {
            let path = folder.path(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, bytes).expect("a file");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An error's words without the folder.
    fn words(&self, error: &TextError) -> String {
        let here = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        error.to_string().replace(&here, "")
    }
}

fn columns(text: Option<&str>, label: Option<&str>, part: Option<&str>) -> TextColumns {
    let own = |name: Option<&str>| name.map(str::to_string);
    TextColumns { text: own(text), label: own(label), part: own(part) }
}

fn open(name: &str, bytes: &[u8], columns: &TextColumns) -> Result<TextSet, String> {
    let folder = Folder::of(&[(name, bytes)]);
    TextSet::open(&folder.path(name), columns).map_err(|error| folder.words(&error))
}

/// Texts with the names of their classes and their parts.
fn all(set: &TextSet) -> Vec<(&str, &str, Part)> {
    let one = |i: usize| (&set.texts[i][..], &set.classes[set.labels[i]][..], set.parts[i]);
    (0..set.len()).map(one).collect()
}

const TRAIN: Part = Part::Train;

#[test]
fn tables_are_read() {
    let set = open("t.csv", b"id,label,review\n1,1,none\n2,0,\"so, so\"\n3,1,NA\n", &TextColumns::default()).unwrap();
    assert_eq!(all(&set), [("none", "1", TRAIN), ("so, so", "0", TRAIN), ("NA", "1", TRAIN)]);
    assert_eq!((set.column(), &set.classes[..]), (Some("review"), &["0".to_string(), "1".into()][..]));
    assert!(set.name(1).ends_with("t.csv: row 2"), "{}", set.name(1));
    let named = columns(Some("id"), Some("review"), None);
    let set = open("t.tsv", b"id\treview\nx\ta b c\ny\ta b c\n", &named).unwrap();
    assert_eq!(all(&set), [("x", "a b c", TRAIN), ("y", "a b c", TRAIN)]);
}

#[test]
fn parts_are_read() {
    let bytes = b"split,text,label\ntrain,abc,x\nvalidation,def,x\nTest,ghi,y\ntrain,jkl,y\n";
    let set = open("t.csv", bytes, &TextColumns::default()).unwrap();
    let found: Vec<Part> = all(&set).into_iter().map(|(.., part)| part).collect();
    assert_eq!(found, [TRAIN, Part::Validation, Part::Test, TRAIN]);
    assert_eq!((set.part(TRAIN), set.part(Part::Test)), (vec![0, 3], vec![2]));
    // A column that is called so and holds something else is none, unless it was asked for.
    let other = b"set,text,label\ntrain,abc,x\nred,def,x\n";
    assert!(open("t.csv", other, &TextColumns::default()).unwrap().parts.iter().all(|part| *part == TRAIN));
    let said = open("t.csv", other, &columns(None, None, Some("set"))).unwrap_err();
    assert_eq!(said, "t.csv: row 2: \"red\" is no part; write train, val or test");
    let said = open("t.csv", b"set,text,label\ntrain,abc,x\ntest,def,y\n", &TextColumns::default()).unwrap_err();
    assert_eq!(said, "t.csv: class \"y\" has no texts to train on");
}

#[test]
fn json_lines_are_read() {
    let bytes = "\u{feff}{\"text\": \"caf\\u00e9 \u{e9}\", \"label\": 1, \"more\": [1, {}]}\r\n\n{\"label\": true, \"text\": \"x\"}\n \
                 {\"id\": null, \"label\": 1.5, \"text\": \"{\"}";
    for name in ["t.jsonl", "t.NDJSON", "t.json"] {
        let set = open(name, bytes.as_bytes(), &TextColumns::default()).unwrap();
        assert_eq!(all(&set), [("café é", "1", TRAIN), ("x", "true", TRAIN), ("{", "1.5", TRAIN)]);
        assert!(set.name(1).ends_with(&format!("{name}:3")), "{}", set.name(1));
    }
}

#[test]
fn folders_are_read() {
    let folder = Folder::of(&[
        ("train/good/1.txt", "\u{feff}fine".as_bytes()),
        ("train/bad/2.TXT", b"poor\n"),
        ("test/good/3.txt", b"well"),
        ("train/bad/notes.md", b"?"),
    ]);
    let set = TextSet::open(folder.0.path(), &TextColumns::default()).unwrap();
    assert_eq!(all(&set), [("poor\n", "bad", TRAIN), ("fine", "good", TRAIN), ("well", "good", Part::Test)]);
    assert_eq!((set.column(), set.name(2)), (None, folder.path("test/good/3.txt").display().to_string()));
    let folder = Folder::of(&[("a/1.txt", b"x"), ("b/2.txt", b"\xff"), ("c/3.txt", b"a\nb\nc \xf0\x9f")]);
    let error = TextSet::open(folder.0.path(), &TextColumns::default()).unwrap_err();
    assert_eq!(
        folder.words(&error),
        "b/2.txt:1: this is no UTF-8 text; save the file in UTF-8".replace('/', std::path::MAIN_SEPARATOR_STR)
    );
    let error = read_texts(&folder.path("c/3.txt"), None).unwrap_err();
    assert!(error.to_string().contains("3.txt:3: this is no UTF-8 text"), "{error}");
    let none = Folder::of(&[("a.txt", b"x")]);
    let error = TextSet::open(none.0.path(), &TextColumns::default()).unwrap_err();
    assert!(
        error.to_string().ends_with("has no texts in folders: put those of each class into a folder of its own (txt)"),
        "{error}"
    );
}

#[test]
fn texts_alone_are_read() {
    let folder = Folder::of(&[
        ("t.csv", b"n,words\n1,one two\n2,\n"),
        ("t.jsonl", b"{\"words\": \"three\"}\n"),
        ("all/b.txt", b"four"),
        ("all/in/a.txt", b""),
    ]);
    let texts = |name: &str, column: Option<&str>| {
        let found = read_texts(&folder.path(name), column).unwrap();
        found
            .into_iter()
            .map(|Text { name, text }| (name.rsplit('/').next().unwrap().to_string(), text))
            .collect::<Vec<_>>()
    };
    let own = |all: &[(&str, &str)]| all.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
    assert_eq!(texts("t.csv", None), own(&[("t.csv: row 1", "one two"), ("t.csv: row 2", "")]));
    assert_eq!(texts("t.csv", Some("n")), own(&[("t.csv: row 1", "1"), ("t.csv: row 2", "2")]));
    assert_eq!(texts("t.jsonl", Some("words")), own(&[("t.jsonl:1", "three")]));
    assert_eq!(texts("all", None), own(&[("b.txt", "four"), ("a.txt", "")]));
    assert_eq!(texts("all/b.txt", None), own(&[("b.txt", "four")]));
    let error = read_texts(&folder.path("t.csv"), Some("Words")).unwrap_err();
    assert_eq!(error.to_string(), "there is no column \"Words\"; did you mean \"words\" or \"n\"?");
}

#[test]
fn mistakes_are_told_with_their_places() {
    let found = TextColumns::default();
    let csv = |text: &str| open("t.csv", text.as_bytes(), &found).unwrap_err();
    assert_eq!(csv("text,label\na,x\n,x\nb,y\n"), "t.csv: row 2: there is no text; leave it out, or write one");
    assert_eq!(
        csv("text,label\n,x\n,x\n,y\n ,y\n\"\",y\nlong,z\n"),
        "t.csv: row 1, t.csv: row 2, t.csv: row 3 and 2 more: there is no text; leave them out, or write one"
    );
    assert_eq!(csv("text,label\na,\n"), "t.csv: row 1: there is no label; leave it out, or give it one");
    assert_eq!(
        csv("text,kind\na,x\n"),
        "t.csv: no column has labels (label, class, category, target, class_name, species, y, label_name); there are \"text\", \"kind\""
    );
    assert_eq!(csv("label\na\n"), "t.csv: no column has texts; there is \"label\"");
    assert_eq!(
        csv("text,label\na\n"),
        "t.csv:2: 1 field, the first line has 2; is it cut off, or is something else than ',' between its fields?"
    );
    let said = open("t.csv", b"text,kind\na,x\n", &columns(None, Some("king"), None)).unwrap_err();
    assert_eq!(said, "there is no column \"king\"; did you mean \"kind\" or \"text\"?");
    assert_eq!(
        open("t.csv", b"text,label\n\xff,x\n", &found).unwrap_err(),
        "t.csv:2: this is no UTF-8 text; save the table as CSV in UTF-8"
    );
    let lines = |text: &[u8]| open("t.jsonl", text, &found).unwrap_err();
    let good = "{\"text\": \"a\", \"label\": \"x\"}\n";
    let second = |text: &str| lines((good.to_string() + text).as_bytes());
    assert_eq!(second("[1]"), "t.jsonl:2: this is no JSON object; write one a line, {\"text\": \"...\", ...}");
    assert_eq!(second("{\"text\": 1"), "t.jsonl:2: this is no JSON object: EOF while parsing an object at byte 10");
    assert_eq!(second("{\"text\": \"b\"}"), "t.jsonl:2: there is no label; leave it out, or give it one");
    assert_eq!(second("{\"label\": \"b\"}"), "t.jsonl:2: there is no text; leave it out, or write one");
    assert_eq!(lines(b"{\"a\": \"\xff\"}"), "t.jsonl:1: this is no UTF-8 text; save the file in UTF-8");
    assert!(lines(b"\n\n").starts_with("t.jsonl has no lines: "));
    assert!(second(&("[".repeat(100_000))).starts_with("t.jsonl:2: this is no JSON object: recursion limit"));
    let many: String = (0..1001).map(|i| format!("\"f{i}\": 1,")).collect();
    assert_eq!(
        second(&format!("{{{many} \"label\": 1}}")),
        "t.jsonl:2: there are more than 1000 different fields up to here"
    );
    let missing = TextSet::open(Path::new("no/such.jsonl"), &found).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no/such.jsonl: "), "{missing}");
    assert!(
        TextSet::open(Path::new("no/such.csv"), &found)
            .unwrap_err()
            .to_string()
            .starts_with("cannot read no/such.csv: ")
    );
    // Names without end are cut, and compared quickly.
    let long = "x".repeat(1_000_000);
    let said = open("t.jsonl", format!("{{\"{long}\": \"a\"}}").as_bytes(), &found).unwrap_err();
    assert!(said.len() < 300, "{}", said.len());
}

#[test]
fn long_lines_are_read_once() {
    let text = "word ".repeat(4_000_000);
    let set =
        open("t.jsonl", format!("{{\"text\": \"{text}\", \"label\": 1}}").as_bytes(), &TextColumns::default()).unwrap();
    assert_eq!(set.texts[0].len(), 20_000_000);
    let set = open("t.csv", format!("text,label\n{text},1\n").as_bytes(), &TextColumns::default()).unwrap();
    assert_eq!(set.texts[0].len(), 19_999_999);
}
