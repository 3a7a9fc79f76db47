//! Files of `torch.save` against what `torch.load` reads from them (`tools/torch_fixtures.py`).

use mapsto_formats::{FormatError, TorchFile, read_torch};
use mapsto_nn::read_state;
use mapsto_tensor::{DType, Tensor};
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/torch").join(name)
}

fn read(name: &str) -> TorchFile {
    read_torch(fixture(&format!("{name}.pt"))).unwrap_or_else(|e| panic!("{e}"))
}

fn complaint(name: &str) -> String {
    let said = read_torch(fixture(&format!("{name}.pt"))).expect_err(name).to_string();
    said.split_once(".pt: ").expect("the path").1.to_string()
}

/// Shape, type and bits.
fn content(tensor: &Tensor) -> (Vec<usize>, DType, Vec<u8>) {
    (tensor.shape().to_vec(), tensor.dtype(), tensor.to_bytes().unwrap())
}

#[test]
fn every_tensor_is_what_pytorch_reads() {
    let mut files = 0;
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "safetensors") {
            continue;
        }
        let expected = read_state(&path).unwrap().tensors;
        let file = read_torch(path.with_extension("pt")).unwrap_or_else(|e| panic!("{e}"));
        let mut names = 0;
        for (dict, tensors) in file.dicts() {
            for (key, tensor) in tensors {
                let name = format!("{dict} :: {key}");
                let expected = expected.get(&name).unwrap_or_else(|| panic!("{path:?} {name}"));
                assert_eq!(content(tensor), content(expected), "{path:?} {name}");
                names += 1;
            }
        }
        assert_eq!(names, expected.len(), "{path:?}");
        files += 1;
    }
    assert!(files >= 24, "{files} files");
}

#[test]
fn what_shared_memory_shares_it_again() {
    for name in ["views_zip", "views_legacy"] {
        let state = read(name).state_dict().unwrap().tensors;
        let at = |name: &str| state[name].memory();
        for name in ["grid", "part", "turned", "transposed", "single"] {
            assert_eq!(at("base"), at(name), "{name}");
        }
        assert_eq!(at("tied"), at("tied_again"));
        assert_ne!(at("base"), at("tied"));
        // Gaps and overlaps are copied.
        assert_ne!(at("base"), at("steps"));
        assert_ne!(at("base"), at("windows"));
    }
}

#[test]
fn the_state_dict_that_is_meant_is_found() {
    let names = |tensors: &mapsto_nn::StateDict| tensors.keys().cloned().collect::<Vec<_>>();
    let plain = read("state_zip_2").state_dict().unwrap();
    assert_eq!((plain.name.as_str(), plain.stripped.as_str()), ("", ""));
    assert_eq!(plain.tensors.len(), 7);
    for name in ["checkpoint_zip", "checkpoint_legacy"] {
        let file = read(name);
        let state = file.state_dict().unwrap();
        assert_eq!((state.name.as_str(), state.stripped.as_str()), ("state_dict", "module."));
        assert_eq!(names(&state.tensors), names(&plain.tensors));
        assert_eq!(content(&state.tensors["0.weight"]).0, [2, 3]);
        let dicts: Vec<&str> = file.dicts().map(|(name, _)| name).collect();
        assert_eq!(dicts[..2], ["", "optimizer.state.0"]);
        let first = file.state_dict_in("optimizer.state.0").unwrap();
        assert_eq!(names(&first.tensors), ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"]);
        let said = file.state_dict_in("model").unwrap_err().to_string();
        assert!(
            said.starts_with("it holds no dict of tensors named \"model\"; there are \"\", \"optimizer.state.0\", "),
            "{said}"
        );
    }
    let compiled = read("compiled").state_dict().unwrap();
    assert_eq!((compiled.stripped.as_str(), names(&compiled.tensors)), ("_orig_mod.", names(&plain.tensors)));
    assert_eq!(read("networks").state_dict().unwrap().name, "generator");
    // An optimiser remembers more tensors of a parameter than this network has.
    assert_eq!(read("unusual").state_dict().unwrap().name, "best");
    let several = read("equal_networks").state_dict().unwrap_err().to_string();
    assert_eq!(several, "it holds several state dicts of equal length: \"one\", \"two\"; take one with state_dict_in");
    assert_eq!(read("nothing").state_dict().unwrap_err().to_string(), "it holds no tensors under names");
    assert_eq!(read("tensor").state_dict().unwrap().tensors["0"].to_vec::<i64>().unwrap(), [0, 1, 2]);
}

#[test]
fn what_is_no_state_dict_is_refused_by_name() {
    for name in ["refused_module_zip", "refused_module_legacy"] {
        assert_eq!(
            complaint(name),
            "the file holds a whole module (torch.nn.modules.container.Sequential), not its values; in PyTorch save \
             model.state_dict() instead"
        );
    }
    let lacking = "numbers, which tensors do not have; convert them in PyTorch (x.float(), torch.view_as_real)";
    assert_eq!(complaint("refused_complex"), format!("the file holds complex64 {lacking}"));
    assert_eq!(complaint("refused_float8"), format!("the file holds float8_e4m3fn {lacking}"));
    assert_eq!(complaint("refused_uint64"), format!("the file holds uint64 {lacking}"));
    let run = |name: &str| format!("the file asks to run {name}: refused; ");
    assert!(complaint("refused_sparse").starts_with(&run("torch._utils._rebuild_sparse_tensor")));
    assert!(complaint("refused_array").starts_with(&run("numpy._core.multiarray._reconstruct")));
    assert!(complaint("refused_namespace").starts_with(&run("argparse.Namespace")));
    assert!(complaint("refused_tar").starts_with("this is a checkpoint in the tar format of PyTorch before 0.2; "));
    assert!(matches!(read_torch(fixture("none.pt")), Err(FormatError::Read { .. })));
    assert!(read_torch(fixture("")).unwrap_err().to_string().starts_with("cannot read "));
    let of = |bytes: &[u8]| TorchFile::from_reader(Cursor::new(bytes)).unwrap_err().to_string();
    assert!(of(b"").starts_with("this is no file of torch.save: "));
    assert!(of(b"\x80\x02K\x01.").starts_with("this is no file of torch.save: "));
    assert!(of(b"PK\x03\x04").starts_with("the archive is damaged, "));
}

#[test]
fn what_lies_is_told() {
    let bytes = std::fs::read(fixture("floats.pt")).unwrap();
    let with_all = |changes: &[(&[u8], &[u8])]| {
        let mut changed = bytes.clone();
        for (from, to) in changes {
            let at = bytes.windows(from.len()).position(|w| w == *from).expect("the part");
            changed[at..at + to.len()].copy_from_slice(to);
        }
        TorchFile::from_reader(Cursor::new(changed)).unwrap_err().to_string()
    };
    let with = |from: &[u8], to: &[u8]| with_all(&[(from, to)]);
    // Sizes (2, 3) and strides (3, 1), then others of them.
    let sizes = b"K\x00K\x02K\x03\x86";
    assert_eq!(
        with(sizes, b"K\x00K\x03K\x03\x86"),
        "tensor \"a\" of sizes [3, 3] and strides [3, 1] reaches place 8 of a storage of 6 numbers"
    );
    assert!(with(sizes, b"K\x01K\x02K\x03\x86").contains("reaches place 6 of a storage of 6 numbers"));
    // The storage's length.
    assert_eq!(
        with(b"K\x06tq", b"K\x07tq"),
        "storage \"0\": its 7 numbers take 28 bytes, there are 24: the file is damaged"
    );
    assert_eq!(
        with_all(&[(b"K\x06tq", b"K\x05tq"), (sizes, b"K\x00K\x01K\x03\x86")]),
        "storage \"0\": its 5 numbers take 20 bytes, there are 20 and more: the file is damaged"
    );
    assert!(with(b"FloatStorage", b"QInt8Storage").contains("holds qint8 numbers"));
    assert!(
        with(b"_rebuild_tensor_v2", b"_rebuild_xensor_v2").contains("to run torch._utils._rebuild_xensor_v2: refused")
    );
}

/// Nothing that a file can hold makes the reader panic, hang or take much memory.
#[test]
fn damaged_files_are_errors() {
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let (mut read, mut refused) = (0, 0);
    for name in ["floats", "state_legacy_2", "state_legacy_4", "checkpoint_zip", "views_legacy"] {
        let whole = std::fs::read(fixture(&format!("{name}.pt"))).unwrap();
        for case in 0..600 {
            let mut bytes = whole.clone();
            if case % 4 == 0 {
                bytes.truncate(next(whole.len()));
            }
            for _ in 0..1 + case % 5 {
                if !bytes.is_empty() {
                    let at = next(bytes.len());
                    bytes[at] = [next(256) as u8, 0, 255, bytes[at] ^ 1 << next(8)][next(4)];
                }
            }
            match TorchFile::from_reader(Cursor::new(bytes)) {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(read > 100 && refused > 500, "{read} read, {refused} refused");
}
