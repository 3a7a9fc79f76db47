//! Files that a table lists, with their labels.

use super::{ClassFolder, FileError, FileKind, Part};
use crate::{LABELS, PARTS};
use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What may stand between fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Names of columns of paths, in the order in which they are looked for.
const PATHS: [&str; 6] = ["path", "file", "filename", "file_name", "filepath", "file_path"];

/// Columns of a table of files, by name; what is not given is found by usual names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListColumns {
    /// Of paths, from the table's folder on: `path`, `file`, `filename`, `filepath` and the like, or as the kind is called: `image`, `sound`.
    pub path: Option<String>,
    /// Of labels: `label`, `class`, `category`, `target` and the like.
    pub label: Option<String>,
    /// Of parts, `train`, `val` or `test` (or `validation`, `testing`, ...): `part`, `split`, `set`, `subset`, `partition`. Without
    /// it all files are for training.
    pub part: Option<String>,
}

impl<K: FileKind> ClassFolder<K> {
    /// Reads a table of paths and labels: CSV with a line of names and commas, semicolons, tabs or bars between fields. No file
    /// of those is opened.
    ///
    /// # Errors
    /// A table that cannot be read or lacks a column; a line whose file is not there or is listed before, or that has no label or an
    /// unknown part; a class without files to train on.
    pub fn read_list(path: &Path, columns: &ListColumns) -> Result<ClassFolder<K>, FileError> {
        let io = |source| FileError::Io { path: path.to_owned(), source };
        let mut found = None;
        let mut names = StringRecord::new();
        for delimiter in DELIMITERS {
            let file = File::open(path).map_err(io)?;
            let mut lines = ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(false)
                .flexible(true)
                .trim(Trim::All)
                .from_reader(file);
            let mut head = StringRecord::new();
            lines.read_record(&mut head).map_err(|error| refused(error, path))?;
            if let Ok(places) = columns.find::<K>(&head) {
                found = Some((lines, places));
                break;
            }
            if head.len() > names.len() {
                names = head;
            }
        }
        let Some((lines, places)) = found else {
            let missing = columns.find::<K>(&names).err().unwrap_or_default();
            let names = names.iter().map(str::to_string).collect();
            return Err(FileError::NoColumn { path: path.to_owned(), missing, names });
        };
        read(lines, path, places)
    }
}

/// Where the columns are.
struct Places {
    path: usize,
    label: usize,
    part: Option<usize>,
}

impl ListColumns {
    /// The places of the columns, or which one is not there.
    fn find<K: FileKind>(&self, head: &StringRecord) -> Result<Places, String> {
        // Spreadsheets begin their files with a mark of the encoding.
        let names: Vec<&str> = head.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        let called = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let place = |given: &Option<String>, usual: &[&str]| match given {
            Some(name) => names.iter().position(|is| is == name).ok_or_else(|| format!("column {name:?}")),
            None => usual.iter().find_map(|usual| called(usual)).ok_or_else(|| usual.join(", ")),
        };
        let paths = [&PATHS, K::COLUMNS].concat();
        let path = place(&self.path, &paths).map_err(|names| format!("paths of {} ({names})", K::MANY))?;
        let label = place(&self.label, &LABELS).map_err(|names| format!("labels ({names})"))?;
        let part = match (&self.part, place(&self.part, &PARTS)) {
            (None, part) => part.ok(),
            (Some(_), part) => Some(part.map_err(|names| format!("parts ({names})"))?),
        };
        Ok(Places { path, label, part })
    }
}

fn read<K: FileKind>(mut lines: Reader<File>, list: &Path, places: Places) -> Result<ClassFolder<K>, FileError> {
    let folder = list.parent().unwrap_or(Path::new(""));
    let mut found: Vec<(Part, String, PathBuf)> = Vec::new();
    let mut first: HashMap<PathBuf, u64> = HashMap::new();
    let mut fields = StringRecord::new();
    while lines.read_record(&mut fields).map_err(|error| refused(error, list))? {
        let line = fields.position().map_or(0, csv::Position::line);
        let wrong = |what: String| Err(FileError::Line { path: list.to_owned(), line, what });
        let field = |place: usize| fields.get(place).unwrap_or_default();
        let (name, label) = (field(places.path), field(places.label));
        if name.is_empty() {
            return wrong(format!("there is no path of a {}", K::ONE));
        }
        if label.is_empty() {
            return wrong(format!("{name} has no label; leave the line out, or give it one"));
        }
        let path = folder.join(name);
        if !path.is_file() {
            return wrong(format!("{} is no file; paths start at the table's folder", path.display()));
        }
        if let Some(before) = first.insert(path.clone(), line) {
            return wrong(format!("{name} is listed before, in line {before}"));
        }
        let part = match places.part.map(field) {
            None => Part::Train,
            Some(part) => match Part::of(part) {
                Some(part) => part,
                None => return wrong(format!("{part:?} is no part; write train, val or test")),
            },
        };
        found.push((part, label.to_string(), path));
    }
    if found.is_empty() {
        return Err(FileError::EmptyList { path: list.to_owned(), kind: K::MANY });
    }
    ClassFolder::new(found, Vec::new(), list)
}

fn refused(error: csv::Error, path: &Path) -> FileError {
    let path = path.to_owned();
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => FileError::Io { path, source },
        _ => FileError::Line { path, line, what: "this is no UTF-8 text; save the table as CSV in UTF-8".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Item;
    use crate::images::ImageFolder;
    use std::fs;

    fn list(text: &str, columns: &ListColumns) -> Result<ImageFolder, String> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("in")).expect("a folder");
        for name in ["a.png", "b, c.png", "in/d.png"] {
            fs::write(folder.path().join(name), b"").expect("a file");
        }
        let path = folder.path().join("list.csv");
        fs::write(&path, text).expect("a file");
        let here = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
        let mut read = ImageFolder::read_list(&path, columns).map_err(|error| error.to_string().replace(&here, ""))?;
        let inside = |path: &Path| path.strip_prefix(folder.path()).expect("inside").to_owned();
        read.items.iter_mut().for_each(|item| item.path = inside(&item.path));
        Ok(read)
    }

    fn found(text: &str) -> ImageFolder {
        list(text, &ListColumns::default()).unwrap()
    }

    #[test]
    fn tables_are_read_as_they_are_written() {
        let item = |name: &str, class, part| Item { path: name.into(), class, part };
        let read = found("\u{feff}id,File, Label \n1,in/d.png,NA\n2,\"b, c.png\",dog\n3,a.png,NA\n");
        assert_eq!(read.classes, ["NA", "dog"]);
        let train = Part::Train;
        assert_eq!(read.items, [item("a.png", 0, train), item("in/d.png", 0, train), item("b, c.png", 1, train)]);
        let read = found("image;split;class\na.png;Train;1\nb, c.png;valid;1\nin/d.png;TEST;1\n");
        let (validation, test) = (Part::Validation, Part::Test);
        assert_eq!(read.items, [item("a.png", 0, train), item("b, c.png", 0, validation), item("in/d.png", 0, test)]);
        assert_eq!(found("path\tlabel\na.png\tx\n").items.len(), 1);
        let columns = ListColumns { path: Some("P".into()), label: Some("file".into()), part: Some("x".into()) };
        let read = list("P,file,x\na.png,u,train\n", &columns).unwrap();
        assert_eq!((&read.classes[..], read.items.len()), (&["u".to_string()][..], 1));
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let said = |text: &str| list(text, &ListColumns::default()).unwrap_err();
        assert_eq!(
            said("path,label\na.png,x\nz.png,x\n"),
            "list.csv:3: z.png is no file; paths start at the table's folder"
        );
        assert_eq!(said("path,label\na.png,\n"), "list.csv:2: a.png has no label; leave the line out, or give it one");
        assert_eq!(said("path,label\na.png\n"), "list.csv:2: a.png has no label; leave the line out, or give it one");
        assert_eq!(said("path,label\n,x\n"), "list.csv:2: there is no path of a picture");
        assert_eq!(said("path,label\na.png,x\na.png,y\n"), "list.csv:3: a.png is listed before, in line 2");
        assert_eq!(said("path,label,set\na.png,x,mine\n"), "list.csv:2: \"mine\" is no part; write train, val or test");
        assert_eq!(said("path,label,set\na.png,x,test\n"), "list.csv: class \"x\" has no pictures to train on");
        assert_eq!(said("path,label\n"), "list.csv lists no pictures: there is a line of names and nothing else");
        assert_eq!(
            said("who;label;n\n"),
            "list.csv: no column has paths of pictures (path, file, filename, file_name, filepath, file_path, image, image_path, \
             picture, img); there are \"who\", \"label\", \"n\""
        );
        assert!(said("path,n\n").contains("no column has labels (label, class, "), "{}", said("path,n\n"));
        assert!(said("").contains("no column has paths"));
        let columns = ListColumns { part: Some("fold".into()), ..Default::default() };
        assert!(list("path,label\n", &columns).unwrap_err().contains("no column has parts (column \"fold\")"));
        let none = ImageFolder::read_list(Path::new("no/such.csv"), &ListColumns::default()).unwrap_err();
        assert!(none.to_string().starts_with("cannot read no/such.csv: "));
    }

    #[test]
    fn mutated_tables_never_panic() {
        let text = b"path,label,split\na.png,x,train\n\"b, c.png\",y,train\nin/d.png,x,test\n";
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.csv");
        for at in 0..text.len() {
            for byte in [0, b'"', b'\n', b',', 0xff] {
                let mut text = text.to_vec();
                text[at] = byte;
                fs::write(&path, &text).expect("a file");
                assert!(ImageFolder::read_list(&path, &ListColumns::default()).is_err(), "no file is there");
            }
        }
    }
}
