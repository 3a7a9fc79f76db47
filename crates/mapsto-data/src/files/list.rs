//! Files that a table lists, with their labels.

use super::{ClassFolder, FileError, FileKind, Part};
use crate::lines::{Lines, NoLines};
use crate::{LABELS, PARTS};
use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord, Trim};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Take};
use std::path::{Path, PathBuf};

/// What may stand between fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Names of columns of paths, in the order in which they are looked for.
const PATHS: [&str; 6] = ["path", "file", "filename", "file_name", "filepath", "file_path"];
/// Lines that tell whether a table lists pictures.
const LOOKED_AT: usize = 64;
/// Bytes in which they are looked for.
const HEAD: u64 = 1 << 20;

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
        let Listed { folder, faults, untrained } = Listed::read(path, columns)?;
        if let Some(Fault { line, what }) = faults.into_iter().next() {
            return Err(FileError::Line { path: path.to_owned(), line, what });
        }
        match untrained.into_iter().next() {
            Some(class) => Err(FileError::NotTrained { path: path.to_owned(), class, kind: K::MANY }),
            None => Ok(folder),
        }
    }
}

/// What is wrong with a line.
pub(crate) struct Fault {
    pub line: u64,
    pub what: String,
}

/// What a table lists.
pub(crate) struct Listed<K> {
    /// Of the lines without a fault, and of the classes that are trained on.
    pub folder: ClassFolder<K>,
    pub faults: Vec<Fault>,
    /// Classes without files to train on.
    pub untrained: Vec<String>,
}

impl<K: FileKind> Listed<K> {
    pub fn read(path: &Path, columns: &ListColumns) -> Result<Listed<K>, FileError> {
        let mut names = StringRecord::new();
        for delimiter in DELIMITERS {
            let mut lines = open(path, delimiter, u64::MAX)?;
            let mut head = StringRecord::new();
            lines.read_record(&mut head).map_err(|error| refused(error, path, 1))?;
            if let Ok(places) = columns.find::<K>(&head) {
                return read(lines, path, places);
            }
            if head.len() > names.len() {
                names = head;
            }
        }
        let missing = columns.find::<K>(&names).err().unwrap_or_default();
        let names = names.iter().map(str::to_string).collect();
        Err(FileError::NoColumn { path: path.to_owned(), missing, names })
    }
}

/// The lines of the first bytes of a table.
fn open(path: &Path, delimiter: u8, bytes: u64) -> Result<Reader<Lines<Take<File>>>, FileError> {
    let file = File::open(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    let mut lines = ReaderBuilder::new();
    Ok(lines
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(Lines::new(file.take(bytes))))
}

/// Whether most lines of a table, of the first, have a field that ends as the name of such a file does.
pub(crate) fn lists<K: FileKind>(path: &Path) -> bool {
    let is_name = |field: &[u8]| {
        let extension = field.rsplit(|&byte| byte == b'.').next().filter(|extension| extension.len() < field.len());
        extension.is_some_and(|is| K::EXTENSIONS.iter().any(|known| is.eq_ignore_ascii_case(known.as_bytes())))
    };
    DELIMITERS.into_iter().any(|delimiter| {
        let Ok(mut lines) = open(path, delimiter, HEAD) else { return false };
        let (mut record, mut all, mut named) = (ByteRecord::new(), 0, 0);
        // The first line may have the names of columns.
        while all <= LOOKED_AT && lines.read_byte_record(&mut record).unwrap_or(false) {
            named += usize::from(all > 0 && record.iter().any(is_name));
            all += 1;
            lines.get_mut().begin();
        }
        all > 1 && 2 * named >= all - 1
    })
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

fn read<K: FileKind>(
    mut lines: Reader<Lines<Take<File>>>,
    list: &Path,
    places: Places,
) -> Result<Listed<K>, FileError> {
    let folder = list.parent().unwrap_or(Path::new(""));
    let mut found: Vec<(Part, String, PathBuf)> = Vec::new();
    let mut first: HashMap<PathBuf, u64> = HashMap::new();
    let mut faults = Vec::new();
    let mut fields = StringRecord::new();
    loop {
        lines.get_mut().begin();
        let line = lines.position().line();
        if !lines.read_record(&mut fields).map_err(|error| refused(error, list, line))? {
            break;
        }
        let line = fields.position().map_or(line, csv::Position::line);
        let field = |place: usize| fields.get(place).unwrap_or_default();
        let mut item = || -> Result<(Part, String, PathBuf), String> {
            let (name, label) = (field(places.path), field(places.label));
            if name.is_empty() {
                return Err(format!("there is no path of a {}", K::ONE));
            }
            if label.is_empty() {
                return Err(format!("{name} has no label; leave the line out, or give it one"));
            }
            let path = folder.join(name);
            if !path.is_file() {
                return Err(format!("{} is no file; paths start at the table's folder", path.display()));
            }
            if let Some(before) = first.insert(path.clone(), line) {
                return Err(format!("{name} is listed before, in line {before}"));
            }
            let part = places.part.map(field).map_or(Ok(Part::Train), |part| {
                Part::of(part).ok_or_else(|| format!("{part:?} is no part; write train, val or test"))
            });
            Ok((part?, label.to_string(), path))
        };
        match item() {
            Ok(item) => found.push(item),
            Err(what) => faults.push(Fault { line, what }),
        }
    }
    if found.is_empty() && faults.is_empty() {
        return Err(FileError::EmptyList { path: list.to_owned(), kind: K::MANY });
    }
    let trained: HashSet<String> =
        found.iter().filter(|(part, ..)| *part == Part::Train).map(|(_, class, _)| class.clone()).collect();
    let classes: BTreeSet<String> = found.iter().map(|(_, class, _)| class.clone()).collect();
    let untrained = classes.into_iter().filter(|class| !trained.contains(class)).collect();
    found.retain(|(_, class, _)| trained.contains(class));
    Ok(Listed { folder: ClassFolder::new(found, Vec::new(), list)?, faults, untrained })
}

/// What is wrong with a record that begins in a line.
fn refused(error: csv::Error, path: &Path, begin: u64) -> FileError {
    let path = path.to_owned();
    let line = error.position().map_or(begin, csv::Position::line);
    let wrong = |line, what: &str| FileError::Line { path: path.clone(), line, what: what.into() };
    match error.into_kind() {
        csv::ErrorKind::Io(source) => match NoLines::of(&source) {
            Some(NoLines::Nul { line }) => {
                wrong(line, "a NUL byte: this is no text, or UTF-16; save the table as CSV in UTF-8")
            }
            Some(NoLines::Long) => {
                wrong(line, "this line has no end in sight; is a quote not closed, or is this no table?")
            }
            None => FileError::Io { path, source },
        },
        _ => wrong(line, "this is no UTF-8 text; save the table as CSV in UTF-8"),
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
