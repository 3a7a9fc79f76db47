//! Arrays against NumPy's own (`tools/numpy_fixtures.py`).

use mapsto_formats::{FormatError, npy_from, npz_from, read_npy, read_npz, write_npy, write_npz, write_npz_compressed};
use mapsto_nn::{StateDict, read_state};
use mapsto_tensor::{DType, Tensor};
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/numpy").join(name)
}

fn expected() -> StateDict {
    read_state(fixture("expected.safetensors")).unwrap().tensors
}

fn content(tensor: &Tensor) -> (Vec<usize>, DType, Vec<u8>) {
    (tensor.shape().to_vec(), tensor.dtype(), tensor.to_bytes().unwrap())
}

#[test]
fn every_array_is_what_numpy_wrote() {
    let expected = expected();
    assert_eq!(expected.len(), 21);
    for (name, tensor) in &expected {
        let read = read_npy(fixture(&format!("{name}.npy"))).unwrap();
        assert_eq!(content(&read), content(tensor), "{name}");
    }
    let cube = content(&read_npy(fixture("fortran.npy")).unwrap());
    for name in ["version_2.npy", "version_3.npy"] {
        assert_eq!(content(&read_npy(fixture(name)).unwrap()), cube, "{name}");
    }
    for name in ["stored.npz", "deflated.npz"] {
        let read = read_npz(fixture(name)).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["b", "größe.weight"]);
        assert_eq!(content(&read["größe.weight"]), cube);
        assert_eq!(read["b"].item::<i64>().unwrap(), 7);
    }
}

#[test]
fn what_is_written_are_numpys_own_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let mut same = 0;
    for (name, tensor) in &expected() {
        write_npy(&path, tensor).unwrap();
        let ours = std::fs::read(&path).unwrap();
        assert_eq!(content(&read_npy(&path).unwrap()), content(tensor), "{name}");
        // What was widened, swapped or turned comes out plain.
        if ["c_int16", "c_uint", "swapped", "fortran"].iter().all(|other| !name.starts_with(other) || name == "c_uint8")
        {
            assert!(ours == std::fs::read(fixture(&format!("{name}.npy"))).unwrap(), "{name}");
            same += 1;
        }
    }
    assert_eq!(same, 12);
    // A view is written by its own order.
    let turned = Tensor::new([[1i32, 2], [3, 4]]).unwrap().t().unwrap();
    write_npy(&path, &turned).unwrap();
    assert_eq!(read_npy(&path).unwrap().to_vec::<i32>().unwrap(), [1, 3, 2, 4]);
}

#[test]
fn archives_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let tensors: StateDict =
        expected().into_iter().chain([("a/b größe".into(), Tensor::zeros([9000], DType::F32).unwrap())]).collect();
    let lengths = [write_npz, write_npz_compressed].map(|write| {
        let path = folder.path().join("x.npz");
        write(path.clone(), &tensors).unwrap();
        let read = read_npz(&path).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>());
        for (name, tensor) in &read {
            assert_eq!(content(tensor), content(&tensors[name]), "{name}");
        }
        let bytes = std::fs::read(&path).unwrap();
        write(path.clone(), &tensors).unwrap();
        assert!(bytes == std::fs::read(&path).unwrap(), "the same values give the same bytes");
        bytes.len()
    });
    assert!(lengths[0] > 36000 && lengths[1] < 10000, "{lengths:?}");
    let bf16 = StateDict::from([("w".into(), Tensor::zeros([1], DType::BF16).unwrap())]);
    let said = write_npz(folder.path().join("y.npz"), &bf16).unwrap_err().to_string();
    assert!(
        said.ends_with("y.npz: array \"w\": NumPy has no bf16; convert the tensor with to_dtype(DType::F32) first"),
        "{said}"
    );
    assert!(!folder.path().join("y.npz").exists());
    assert!(matches!(write_npy(folder.path().join("no/x.npy"), &tensors["vector"]), Err(FormatError::Write { .. })));
}

#[test]
fn what_tensors_lack_is_refused_by_name() {
    let said = |name: &str| {
        let said = read_npy(fixture(&format!("refused_{name}.npy"))).unwrap_err().to_string();
        said.split_once(".npy: ").expect("the path").1.to_string()
    };
    let objects = "the array holds Python objects (dtype=object), which are pickles: refused; save it in NumPy with another dtype";
    assert_eq!(said("object"), objects);
    let lacking = |name: &str| {
        format!("the array holds elements of type {name:?}, which tensors do not have; convert it in NumPy with astype")
    };
    assert_eq!(said("records"), lacking("records"));
    assert_eq!(said("complex"), lacking("<c8"));
    assert_eq!(said("uint64"), lacking("<u8"));
    assert_eq!(said("text"), lacking("<U1"));
    let archive = read_npz(fixture("refused_object.npz")).unwrap_err().to_string();
    assert!(archive.ends_with(&format!("refused_object.npz: array \"b\": {objects}")), "{archive}");
}

#[test]
fn what_lies_is_told() {
    let whole = std::fs::read(fixture("vector.npy")).unwrap();
    let said = |bytes: &[u8]| npy_from(bytes).unwrap_err().to_string();
    assert!(said(b"").starts_with("this is no array of NumPy: it begins with []"));
    assert!(said(b"PK\x03\x04").starts_with("this is no array of NumPy: it begins with [50, 4b, 03, 04]"));
    assert_eq!(said(b"\x93NUMPY\x04\0"), "the format's version is 4.0; 1.0, 2.0 and 3.0 are known");
    assert_eq!(said(b"\x93NUMPY\x01\0\x10\0{"), "the file ends too early: it is cut off");
    assert!(
        said(b"\x93NUMPY\x02\0\xff\xff\xff\xff").starts_with("the header claims 4294967295 bytes, more than 65536: ")
    );
    let length = "bytes of numbers, there are";
    let cut = said(&whole[..whole.len() - 1]);
    assert_eq!(cut, format!("shape [5] promises 40 {length} 39: the file is cut off or damaged"));
    let more = said(&[&whole[..], b"x"].concat());
    assert_eq!(more, format!("shape [5] promises 40 {length} 40 and more: the file is cut off or damaged"));
    let header = |shape: &str| {
        let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
        said(&[b"\x93NUMPY\x01\0", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &[0; 8]].concat())
    };
    // A promise takes no memory.
    assert_eq!(
        header("(99999999999,)"),
        format!("shape [99999999999] promises 799999999992 {length} 8: the file is cut off or damaged")
    );
    assert!(header("(4294967296, 4294967296)").contains("more elements than memory can address"));
    assert!(header("(1,1,1,1,1,1,1,1,1)").contains("has 9 axes; a tensor has at most 8"));
    let archive = |bytes: &[u8]| npz_from(Cursor::new(bytes)).unwrap_err().to_string();
    assert!(archive(b"no archive").starts_with("the archive is damaged, "));
}

/// Nothing that a file can hold makes the readers panic, hang or take much memory.
#[test]
fn damaged_files_are_errors() {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut refused = 0;
    for name in ["vector.npy", "fortran.npy", "version_3.npy", "stored.npz", "deflated.npz"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for case in 0..500 {
            let mut bytes = whole.clone();
            if case % 4 == 0 {
                bytes.truncate(next(whole.len()));
            }
            for _ in 0..1 + case % 4 {
                if !bytes.is_empty() {
                    let at = next(bytes.len());
                    bytes[at] = [next(256) as u8, 0, 255, bytes[at] ^ 1 << next(8)][next(4)];
                }
            }
            let result = match name.ends_with("npz") {
                true => npz_from(Cursor::new(bytes)).map(drop),
                false => npy_from(&bytes[..]).map(drop),
            };
            refused += result.is_err() as usize;
        }
    }
    assert!(refused > 1000, "{refused} refused");
}
