//! Labelled series: files of aeon and sktime, wide tables, pairs of files.

use mapsto_data::{Part, SeriesColumns, SeriesSet, read_series};
use std::fs;
use std::path::PathBuf;

struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        files.iter().for_each(|(name, bytes)| fs::write(folder.path(name), bytes).expect("a file"));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, name: &str) -> Result<SeriesSet, String> {
        self.open_by(name, &SeriesColumns::default())
    }

    fn open_by(&self, name: &str, columns: &SeriesColumns) -> Result<SeriesSet, String> {
        let here = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        SeriesSet::open(&self.path(name), columns).map_err(|error| error.to_string().replace(&here, ""))
    }
}

const HEAD: &str = "# of two channels\n@problemName x\n@timeStamps false\n@classLabel true a b\n@data\n";

#[test]
fn files_of_aeon_are_read() {
    let text = format!("\u{feff}{HEAD}1,2,?,4:5,?,?,?:a\r\n\n% more\n-1e3,NaN:0,1 : b\n");
    let folder = Folder::of(&[("x.ts", text.as_bytes())]);
    let set = folder.open("x.ts").unwrap();
    assert_eq!(
        (set.channels(), &set.classes[..], &set.labels[..]),
        (2, &["a".to_string(), "b".into()][..], &[0, 1][..])
    );
    let first = &set.series[0];
    assert_eq!((first.len(), first.filled, &first.values[..]), (4, 4, &[1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0, 5.0][..]));
    assert_eq!(set.series[1].values, [-1000.0, -1000.0, 0.0, 1.0]);
    assert!(set.series[1].name.ends_with("x.ts:9"), "{}", set.series[1].name);
    assert_eq!(set.part(Part::Train), [0, 1]);

    let bare = Folder::of(&[("x.ts", b"@classLabel false\n@data\n1,2\n3\n")]);
    let found = read_series(&bare.path("x.ts"), &SeriesColumns::default()).unwrap();
    assert_eq!(found.iter().map(|(one, label)| (one.len(), label.clone())).collect::<Vec<_>>(), [(2, None), (1, None)]);
    assert_eq!(bare.open("x.ts").unwrap_err(), "x.ts:3: there is no class");
}

#[test]
fn rows_of_tables_are_series() {
    let table = b"part,class,1,2,3,id\ntrain,up,1,2,3,7\ntest,down,3,,1,8\ntrain,down,2,1,,9\n";
    let folder = Folder::of(&[("x.csv", table)]);
    let columns = SeriesColumns { label: None, ignore: vec!["id".into()] };
    let set = folder.open_by("x.csv", &columns).unwrap();
    assert_eq!((set.column.as_deref(), set.part(Part::Test)), (Some("class"), vec![1]));
    let values: Vec<&[f64]> = set.series.iter().map(|one| &one.values[..]).collect();
    assert_eq!(values, [&[1.0, 2.0, 3.0][..], &[3.0, 2.0, 1.0], &[2.0, 1.0]]);
    let found = read_series(&folder.path("x.csv"), &columns).unwrap();
    assert_eq!(found[1].1.as_deref(), Some("down"));

    // As the UCR archive has them: no names, the class first, ends filled up.
    let ucr = Folder::of(&[("x_TRAIN.tsv", b"1\t0.5\t1.5\t2\n2\t1\t2\tNaN\n"), ("x_TEST.tsv", b"2\t1\t2\t3\n")]);
    let columns = SeriesColumns { label: Some("column 1".into()), ignore: Vec::new() };
    let set = ucr.open_by("", &columns).unwrap();
    assert_eq!((&set.classes[..], set.part(Part::Test)), (&["1".to_string(), "2".into()][..], vec![2]));
    assert_eq!(set.series.iter().map(|one| one.len()).collect::<Vec<_>>(), [3, 2, 3]);
}

#[test]
fn pairs_of_files_are_found() {
    let file = |text: &str| format!("{HEAD}{text}");
    let (train, test) = (file("1,2:3,4:a\n2,1:1,1:b\n"), file("1,2,3:3,4,5:b\n"));
    let (train, test) = (train.as_bytes(), test.as_bytes());
    let folder = Folder::of(&[("x_TRAIN.ts", train), ("x_TEST.ts", test), ("x_TRAIN.csv", b"")]);
    for name in ["", "x_TRAIN.ts"] {
        let set = folder.open(name).unwrap();
        assert_eq!((set.part(Part::Train), set.part(Part::Test)), (vec![0, 1], vec![2]), "{name}");
    }
    assert_eq!(folder.open("x_TEST.ts").unwrap().part(Part::Train), [0]);
    let small = Folder::of(&[("x_train.ts", train), ("x_test.ts", test)]);
    assert_eq!(small.open("").unwrap().part(Part::Test), [2]);
    let two = Folder::of(&[("x_TRAIN.ts", train), ("y_TRAIN.ts", train)]);
    let told = two.open("").unwrap_err();
    assert!(told.contains("there are several files to learn from") && told.contains("give one of them"), "{told}");
    let none = Folder::of(&[("x.ts", train)]).open("").unwrap_err();
    assert!(none.contains("there is no file NAME_TRAIN.ts"), "{none}");
    let unknown = Folder::of(&[("x_TRAIN.ts", file("1:1:a\n").as_bytes()), ("x_TEST.ts", test)]).open("").unwrap_err();
    assert_eq!(unknown, "x_TRAIN.ts: class \"b\" has no series to train on");
}

#[test]
fn mistakes_are_named() {
    let of = |text: &[u8]| Folder::of(&[("x.ts", text)]).open("x.ts").unwrap_err();
    let with = |text: &str| of(format!("{HEAD}{text}").as_bytes());
    assert_eq!(
        with("1,2:3:a\n"),
        "x.ts:6: there are 1 numbers in channel 2, 2 in the first; channels have equal lengths"
    );
    assert_eq!(with("1:2:a\n1:b\n"), "x.ts:7: there are 1 channels, in the first series 2");
    assert_eq!(with("1,x:2,3:a\n"), "x.ts:6: \"x\" is no number; write ? where one is missing");
    assert_eq!(with("1,inf:2,3:a\n"), "x.ts:6: number 2 is inf");
    assert_eq!(with("?,?:2,3:a\n"), "x.ts:6: there are no numbers; leave the series out");
    assert_eq!(with("1:2:\n"), "x.ts:6: there is no class behind the last colon, which @classLabel promises");
    assert_eq!(with("1:2:c\n"), "x.ts:6: \"c\" is no class that @classLabel names: a b");
    assert_eq!(with(""), "x.ts: there are no series behind @data");
    assert_eq!(with("1,\0:2:a\n"), "x.ts:6: a NUL byte: this is no text");
    assert_eq!(of(b"@data\n\xff\n"), "x.ts:2: this is no UTF-8 text");
    assert_eq!(of(b"1,2:a\n"), "x.ts:1: a series stands before the line @data");
    assert_eq!(of(b"@classLabel true\n"), "x.ts: there is no line @data, behind which the series stand");
    assert!(of(b"@timeStamps True\n@data\n").contains("series with points in time are not read"));
    assert!(of(b"@targetLabel true\n@data\n").contains("the answers are numbers"));
    let of = |text: &[u8]| Folder::of(&[("x.csv", text)]).open("x.csv").unwrap_err();
    let told = of(b"a,b\n1,2\n2,3\n");
    assert!(told.contains("no column has classes (label, class") && told.ends_with("there are \"a\", \"b\""), "{told}");
    let told = of(b"label,a,b\nx,1,red\ny,2,blue\n");
    assert!(told.contains("\"b\" is a column of kind category, no step of series"), "{told}");
    assert!(told.contains("--set ignore=b"), "{told}");
    assert_eq!(of(b"label,a,b\nx,,\ny,2,3\n"), "x.csv: row 1: there are no numbers; leave the series out");
    assert!(of(b"label,a\n,1\ny,2\n").starts_with("x.csv: row 1: there is no class"));
    assert_eq!(of(b"label\nx\ny\n"), "x.csv: there are no columns of numbers: each is a step of the series");
}

#[test]
fn damaged_files_do_no_harm() {
    let text = format!("{HEAD}1,2,?,4:5,6,7,8:a\n1,2:3,4:b\n");
    let mut state = 7u32;
    let mut below = |n: usize| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as usize % n
    };
    for _ in 0..500 {
        let mut bytes = text.clone().into_bytes();
        match below(3) {
            0 => bytes.truncate(below(text.len())),
            1 => bytes[below(text.len())] = b"0123456789-.,:?@#e\n\0\xff"[below(21)],
            _ => bytes.insert(below(text.len()), b",:\n?9e"[below(6)]),
        }
        let _ = Folder::of(&[("x.ts", &bytes)]).open("x.ts");
    }
}
