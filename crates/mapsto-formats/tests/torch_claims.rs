//! Archives made by hand, which claim more than they hold.

use mapsto_formats::{TorchFile, TorchState};
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An archive with these entries under `x/`, not compressed.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    packed(entries, zip::CompressionMethod::Stored)
}

fn packed(entries: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("x/{name}"), options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

fn number(x: u64) -> Vec<u8> {
    [&b"\x8a\x08"[..], &x.to_le_bytes()].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

fn numbers(all: &[u64]) -> Vec<u8> {
    tuple(&all.iter().copied().map(number).collect::<Vec<_>>())
}

/// Single-precision numbers of a storage.
fn tensor(key: &str, numel: u64, offset: u64, sizes: &[u64], strides: &[u64]) -> Vec<u8> {
    let class = b"ctorch\nFloatStorage\n".to_vec();
    let storage = [tuple(&[text("storage"), class, text(key), text("cpu"), number(numel)]), b"Q".to_vec()].concat();
    let rest = [number(offset), numbers(sizes), numbers(strides), b"\x89N".to_vec()];
    [b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), tuple(&[vec![storage], rest.to_vec()].concat()), b"R".to_vec()]
        .concat()
}

fn dict(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs = pairs.iter().map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(".to_vec(), pairs.collect::<Vec<_>>().concat(), b"u".to_vec()].concat()
}

fn done(value: Vec<u8>) -> Vec<u8> {
    [b"\x80\x02".to_vec(), value, b".".to_vec()].concat()
}

fn read(value: Vec<u8>, storage: &[u8]) -> Result<TorchState, String> {
    let bytes = archive(&[("data.pkl", &done(value)), ("data/0", storage)]);
    let file = TorchFile::from_reader(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    file.state_dict().map_err(|e| e.to_string())
}

#[test]
fn what_is_whole_is_read() {
    let storage: Vec<u8> = [1f32, 2.0, 3.0].map(f32::to_le_bytes).concat();
    let state = read(dict(&[("w", tensor("0", 3, 1, &[2], &[1]))]), &storage).unwrap();
    assert_eq!(state.tensors["w"].to_vec::<f32>().unwrap(), [2.0, 3.0]);
}

#[test]
fn tensors_stay_in_their_storage() {
    let refused =
        |offset, sizes: &[u64], strides: &[u64]| read(tensor("0", 2, offset, sizes, strides), &[0; 8]).unwrap_err();
    assert_eq!(
        refused(1, &[2], &[1]),
        "tensor \"0\" of sizes [2] and strides [1] reaches place 2 of a storage of 2 numbers"
    );
    let beyond = "reaches place beyond all numbers of a storage of 2 numbers";
    assert!(refused(0, &[3, 3], &[u64::MAX >> 2, 1]).ends_with("of a storage of 2 numbers"));
    assert!(refused(u64::MAX >> 1, &[5, 5], &[u64::MAX >> 2, 1]).ends_with(beyond));
    assert!(refused(0, &[1 << 40, 1 << 40], &[0, 0]).contains("more elements than memory can address"));
    assert_eq!(
        refused(0, &[1 << 31], &[0]),
        "tensor \"0\" repeats its numbers until they are 2147483648, more than 1073741824"
    );
    assert!(read(tensor("0", 2, 0, &[1 << 30], &[0]), &[0; 8]).is_ok(), "a view of one number takes no memory");
    // Nothing lies anywhere.
    assert!(read(tensor("0", 2, 77, &[0, 5], &[9, 9]), &[0; 8]).is_ok());
    assert_eq!(refused(0, &[1; 9], &[1; 9]), "the file holds a tensor of 9 axes; tensors have at most 8");
}

#[test]
fn memory_stays_within_the_file() {
    let huge = read(tensor("0", 1 << 40, 0, &[1], &[1]), &[0; 8]).unwrap_err();
    assert_eq!(huge, "storage \"0\": 1099511627776 numbers are more than the file holds: the file is damaged");
    assert_eq!(
        read(tensor("1", 1, 0, &[1], &[1]), &[0; 4]).unwrap_err(),
        "storage \"1\": it is not in the file: the file is damaged"
    );
    // Copies of a storage's every second number, again and again.
    let copies = |n: usize| {
        let names: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        read(
            dict(&names.iter().map(|name| (name.as_str(), tensor("0", 4000, 0, &[2000], &[2]))).collect::<Vec<_>>()),
            &[0; 16000],
        )
    };
    assert_eq!(copies(5).unwrap().tensors.len(), 5);
    let said = copies(200).unwrap_err();
    assert!(said.ends_with("and others with gaps take more than 16 times the file; save x.clone() of them"), "{said}");
    let state = dict(&[("w", tensor("0", 4, 0, &[4], &[1]))]);
    let squeezed = packed(&[("data.pkl", &done(state)), ("data/0", &[0; 16])], zip::CompressionMethod::Deflated);
    let said = TorchFile::from_reader(Cursor::new(squeezed)).unwrap_err().to_string();
    assert!(said.starts_with("the archive is damaged, or of another kind than torch.save writes: "), "{said}");
}

/// Many entries of an archive that are one and the same bytes.
#[test]
fn entries_that_overlap_do_not_multiply() {
    let storage = vec![0; 40_000];
    let names: Vec<String> = (1..9).map(|i| format!("data/{i}")).collect();
    let keys: Vec<&str> = names.iter().map(|name| &name[5..]).collect();
    let state = dict(&keys.iter().map(|&key| (key, tensor(key, 10_000, 0, &[10_000], &[1]))).collect::<Vec<_>>());
    let pickle = done(state);
    let mut entries: Vec<(&str, &[u8])> = vec![("data.pkl", &pickle), ("data/1", &storage)];
    entries.extend(names[1..].iter().map(|name| (name.as_str(), &b""[..])));
    let mut bytes = archive(&entries);
    // Every entry of the directory at the end gets the place, the lengths and the checksum of the first of them.
    let place = |bytes: &[u8], name: &str| {
        let name = format!("x/{name}");
        let at = bytes.windows(name.len()).rposition(|w| w == name.as_bytes()).expect("an entry");
        at - 46
    };
    let first = place(&bytes, "data/1");
    for name in &names[1..] {
        let at = place(&bytes, name);
        for field in [16..28, 42..46] {
            bytes.copy_within(first + field.start..first + field.end, at + field.start);
        }
    }
    let said = TorchFile::from_reader(Cursor::new(bytes)).unwrap_err().to_string();
    assert!(said.ends_with("all storages together are longer than the file: the file is damaged"), "{said}");
}

#[test]
fn containers_end() {
    let one = || tensor("0", 1, 0, &[1], &[1]);
    let deep = (0..65).fold(dict(&[("w", one())]), |inner, _| dict(&[("a", inner)]));
    assert_eq!(
        read(deep, &[0; 4]).unwrap_err(),
        "its containers repeat or nest without end: more than 64 containers inside each other"
    );
    let inside_itself = b"]q\0h\0a".to_vec();
    assert!(read(inside_itself, &[]).unwrap_err().ends_with("more than 64 containers inside each other"));
    // A list of 1,100 times the same list of a thousand.
    let inner = [b"](".to_vec(), b"N".repeat(1000), b"eq\0".to_vec()].concat();
    let wide = [b"(".to_vec(), inner, b"h\0".repeat(1100), b"l".to_vec()].concat();
    assert!(read(wide, &[]).unwrap_err().ends_with("more than 1048576 entries"));
    // Each list holds the one before twice.
    let doubled = [b"]".to_vec(), b"2\x86".repeat(60)].concat();
    assert!(read(doubled, &[]).unwrap_err().contains("repeat or nest without end"));
    let name = "n".repeat(1 << 18);
    let names = (0..20).fold(dict(&[("w", one())]), |inner, _| dict(&[(&name, inner)]));
    assert!(read(names, &[0; 4]).unwrap_err().ends_with("more than 33554432 bytes of names"));
    let twice = dict(&[("a", dict(&[("b", dict(&[("w", one())]))])), ("a.b", dict(&[("w", one())]))]);
    assert_eq!(read(twice, &[0; 4]).unwrap_err(), "two of its dicts are named \"a.b\"");
}

#[test]
fn types_must_agree() {
    let class = b"ctorch\nFloatStorage\n".to_vec();
    let storage = [tuple(&[text("storage"), class, text("0"), text("cpu"), number(1)]), b"Q".to_vec()].concat();
    let arguments = [
        storage,
        number(0),
        numbers(&[1]),
        numbers(&[1]),
        b"\x89".to_vec(),
        b"N".to_vec(),
        b"ctorch\nint32\n".to_vec(),
    ];
    let value = [b"ctorch._utils\n_rebuild_tensor_v3\n".to_vec(), tuple(&arguments), b"R".to_vec()].concat();
    assert_eq!(read(value, &[0; 4]).unwrap_err(), "storage \"0\": a tensor reads its F32 as I32: the file is damaged");
    let no_pickle = archive(&[("data.txt", b"")]);
    let said = TorchFile::from_reader(Cursor::new(no_pickle)).unwrap_err().to_string();
    assert_eq!(said, "this is no file of torch.save: it is a zip archive without data.pkl");
    let middle = archive(&[("byteorder", b"middle"), ("data.pkl", b"}.")]);
    let said = TorchFile::from_reader(Cursor::new(middle)).unwrap_err().to_string();
    assert_eq!(said, "this is no file of torch.save: its byte order is neither \"little\" nor \"big\"");
}
