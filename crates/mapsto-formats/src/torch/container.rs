//! The two formats of `torch.save`: a description, and arrays of numbers beside it.

use super::TorchError;
use crate::elements::{Stored, read_up_to};
use crate::pickle::{Node, Pickle};
use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};
use zip::ZipArchive;
use zip::result::ZipError;

/// The first object of a file in the old format.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// The second.
const PROTOCOL: i128 = 1001;
/// Where a tar archive says that it is one.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// Entries of the tar format of the first versions.
const OLD_TAR: &[&[u8]] = &[b"sys_info", b"pickle", b"storages", b"tensors"];

/// A checkpoint whose numbers are still to be read.
pub(super) struct Container<R> {
    pub pickle: Pickle,
    /// Whether the highest byte of a number comes first.
    pub big_endian: bool,
    /// Bytes of the file.
    pub length: u64,
    arrays: Arrays<R>,
}

enum Arrays<R> {
    /// Since 1.6: entries of an archive, `<root>/data/<key>`.
    Zip { archive: ZipArchive<BufReader<R>>, root: String },
    /// Before: one after the other; by key, where each begins and how many bytes it has.
    Legacy { file: BufReader<R>, places: HashMap<Box<str>, (u64, u64)> },
}

impl<R: Read + Seek> Container<R> {
    pub fn open(from: R) -> Result<Container<R>, TorchError> {
        let mut file = BufReader::new(from);
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let start = read_up_to(&mut file, 512)?;
        file.rewind()?;
        if start.starts_with(b"PK\x03\x04") {
            return Container::zip(file, length);
        }
        let tar = start.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1));
        if tar && OLD_TAR.iter().any(|name| start.starts_with(name)) {
            return Err(TorchError::Tar);
        }
        if tar {
            return Err(TorchError::Other("it is a tar archive"));
        }
        Container::legacy(file, length)
    }

    fn zip(file: BufReader<R>, length: u64) -> Result<Container<R>, TorchError> {
        let mut archive = ZipArchive::new(file)?;
        // All entries stand in one folder, named as the file was.
        let root = match archive.name_for_index(0) {
            Some(name) => name?.split('/').next().unwrap_or_default().to_string(),
            None => return Err(TorchError::Other("it is an empty zip archive")),
        };
        let big_endian = match archive.by_name_seek(&format!("{root}/byteorder")) {
            Ok(mut entry) => match &read_up_to(&mut entry, 8)?[..] {
                b"little" => false,
                b"big" => true,
                _ => return Err(TorchError::Other("its byte order is neither \"little\" nor \"big\"")),
            },
            Err(ZipError::FileNotFound) => false,
            Err(error) => return Err(error.into()),
        };
        let pickle = match archive.by_name_seek(&format!("{root}/data.pkl")) {
            Ok(entry) => Pickle::read(&mut BufReader::new(entry))?,
            Err(ZipError::FileNotFound) => return Err(TorchError::Other("it is a zip archive without data.pkl")),
            Err(error) => return Err(error.into()),
        };
        Ok(Container { pickle, big_endian, length, arrays: Arrays::Zip { archive, root } })
    }

    fn legacy(mut file: BufReader<R>, length: u64) -> Result<Container<R>, TorchError> {
        // What is no pickle at all is told so, not that its first byte is no instruction.
        let is = |pickle: &Pickle, number| matches!(pickle.root(), &Node::Int(x) if x == number);
        match Pickle::read(&mut file) {
            Ok(magic) if is(&magic, MAGIC) => {}
            _ => return Err(TorchError::Other("it is neither a zip archive nor does it begin with PyTorch's number")),
        }
        if !is(&Pickle::read(&mut file)?, PROTOCOL) {
            return Err(TorchError::Other("its version is not 1001"));
        }
        // The machine that wrote it. Numbers have their lowest byte first all the same: PyTorch turns them as it writes.
        Pickle::read(&mut file)?;
        let pickle = Pickle::read(&mut file)?;
        let keys = Pickle::read(&mut file)?;
        let Node::List(keys_in_order) = keys.root() else {
            return Err(TorchError::Other("its list of storages is none"));
        };
        let sizes: HashMap<&str, usize> =
            pickle.storages.iter().map(|storage| (&*storage.key, storage.stored.size())).collect();
        let mut places = HashMap::new();
        let mut place = file.stream_position()?;
        for &key in keys_in_order {
            let Node::Text(key) = keys.node(key) else {
                return Err(TorchError::Other("the name of a storage is no text"));
            };
            let wrong = |what: &str| TorchError::Storage { key: key.to_string(), what: what.into() };
            let size = *sizes.get(&**key).ok_or_else(|| wrong("no tensor uses it"))?;
            let mut numel = [0; 8];
            file.read_exact(&mut numel)?;
            place += 8;
            let bytes = u64::from_le_bytes(numel).checked_mul(size as u64);
            let end = bytes.and_then(|bytes| place.checked_add(bytes)).filter(|&end| end <= length);
            let (Some(bytes), Some(end)) = (bytes, end) else {
                return Err(wrong(&format!(
                    "it claims {} numbers, more than the file holds",
                    u64::from_le_bytes(numel)
                )));
            };
            places.insert(key.clone(), (place, bytes));
            place = file.seek(SeekFrom::Start(end))?;
        }
        Ok(Container { pickle, big_endian: false, length, arrays: Arrays::Legacy { file, places } })
    }

    /// The bytes of a storage, which must be as many as the description says.
    pub fn array(&mut self, key: &str, numel: u64, stored: Stored) -> Result<Vec<u8>, TorchError> {
        let wrong = |what: String| TorchError::Storage { key: key.to_string(), what };
        let claimed = numel.checked_mul(stored.size() as u64).filter(|&claimed| claimed <= self.length);
        let claimed = claimed.ok_or_else(|| wrong(format!("{numel} numbers are more than the file holds")))?;
        let missing = || wrong("it is not in the file".into());
        let (bytes, more) = match &mut self.arrays {
            Arrays::Zip { archive, root } => {
                let mut entry = match archive.by_name_seek(&format!("{root}/data/{key}")) {
                    Err(ZipError::FileNotFound) => return Err(missing()),
                    entry => entry?,
                };
                let bytes = read_up_to(&mut entry, claimed)?;
                (bytes, entry.read(&mut [0])? > 0)
            }
            Arrays::Legacy { file, places } => {
                let &(place, there) = places.get(key).ok_or_else(missing)?;
                file.seek(SeekFrom::Start(place))?;
                (read_up_to(file, claimed.min(there))?, there > claimed)
            }
        };
        match bytes.len() as u64 == claimed && !more {
            true => Ok(bytes),
            false => Err(wrong(format!(
                "its {numel} numbers take {claimed} bytes, there are {}{}",
                bytes.len(),
                if more { " and more" } else { "" }
            ))),
        }
    }
}
