//! Pickles that would do harm, or that would never end.

use mapsto_formats::{PickleError, unpickle_from};
use std::time::{Duration, Instant};

fn said(pickle: &[u8]) -> String {
    unpickle_from(pickle).unwrap_err().to_string()
}

/// A text as protocol 4 writes it.
fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8], text.as_bytes()].concat()
}

#[test]
fn calls_are_refused_by_name() {
    let run = |name: &str| {
        format!(
            "the file asks to run {name}: refused; nothing of a file is ever run. If you trust it, load it in PyTorch and save \
             model.state_dict()"
        )
    };
    assert_eq!(said(b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R."), run("os.system"));
    assert_eq!(said(b"\x80\x02cposix\nsystem\n."), run("posix.system"));
    assert_eq!(said(b"\x80\x02c__builtin__\neval\nX\x01\0\0\x001\x85R."), run("__builtin__.eval"));
    let stacked = [b"\x80\x04".to_vec(), text("builtins"), text("exec"), b"\x93.".to_vec()].concat();
    assert_eq!(said(&stacked), run("builtins.exec"));
    let attribute = [b"\x80\x04".to_vec(), text("torch"), text("load.__globals__"), b"\x93.".to_vec()].concat();
    assert_eq!(said(&attribute), run("torch.load.__globals__"));
    assert_eq!(said(b"\x80\x02ccopyreg\n_reconstructor\n."), run("copyreg._reconstructor"));
    // Inside a tensor's own call.
    assert_eq!(
        said(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(cos\nsystem\nX\x02\0\0\0id\x85Rt R."),
        run("os.system")
    );
    assert_eq!(said(b"cos\x1b[31m\nsystem\n."), run("os\u{fffd}[31m.system"));
    let long = [b"c".to_vec(), vec![b'a'; 5000], b"\nb\n".to_vec()].concat();
    assert_eq!(said(&long), run(&format!("{}…", "a".repeat(80))));
    assert_eq!(
        said(b"c__main__\nNet\n."),
        "the file holds a whole module (__main__.Net), not its values; in PyTorch save model.state_dict() instead"
    );
}

#[test]
fn objects_are_refused_by_name() {
    let refused = |at: u64, what: &str| {
        format!("byte {at} of the pickle: the instruction {what} is refused; a state dict needs none such")
    };
    let ordered = b"ccollections\nOrderedDict\n";
    let with = |rest: &[u8]| said(&[ordered, rest].concat());
    assert_eq!(with(b")\x81."), refused(26, "NEWOBJ of collections.OrderedDict"));
    assert_eq!(with(b")}\x92."), refused(27, "NEWOBJ_EX of collections.OrderedDict"));
    assert_eq!(said(b"(ccollections\nOrderedDict\no."), refused(26, "OBJ of collections.OrderedDict"));
    assert_eq!(said(b"(ios\nsystem\n."), refused(11, "INST of os.system"));
    assert_eq!(with(b"}b."), refused(26, "BUILD of collections.OrderedDict"));
    assert_eq!(with(b")R}b)R."), refused(30, "REDUCE of a dict"));
    assert_eq!(said(b"ctorch\nFloatStorage\n)R."), refused(21, "REDUCE of torch.FloatStorage"));
    assert_eq!(said(b"K\x01K\x02a."), refused(4, "APPEND to an integer"));
    assert_eq!(said(b"]K\x02K\x02s."), refused(5, "SETITEM of a list"));
    assert_eq!(said(b"\x82\x01."), refused(0, "EXT"));
    assert_eq!(said(b"Ppid\n."), refused(0, "'P', of protocol 0,"));
    assert_eq!(said(b"X\x02\0\0\0idQ."), refused(7, "BINPERSID of the text \"id\""));
}

#[test]
fn nonsense_is_refused() {
    assert_eq!(said(b""), "the file ends in the middle of its pickle, at byte 0: it is cut off");
    assert_eq!(said(b"\x80\x02]"), "the file ends in the middle of its pickle, at byte 3: it is cut off");
    assert_eq!(said(b"."), "byte 1 of the pickle: an instruction finds too few values: the file is damaged");
    assert_eq!(said(b"(e."), "byte 2 of the pickle: an instruction finds too few values: the file is damaged");
    assert_eq!(said(b"t."), "byte 1 of the pickle: an instruction finds no mark: the file is damaged");
    assert_eq!(said(b"h\x07."), "byte 2 of the pickle: nothing was kept under 7: the file is damaged");
    assert_eq!(said(b"}(K\x01u."), "byte 5 of the pickle: a key has no value: the file is damaged");
    assert_eq!(
        said(b"\xff"),
        "byte 0 of the pickle is 0xff, which is no instruction: the file is damaged, or is no pickle"
    );
    assert_eq!(said(b"I0x1\n."), "byte 5 of the pickle: \"0x1\" is no integer of 16 bytes: the file is damaged");
    assert_eq!(said(b"X\x01\0\0\0\xff."), "byte 6 of the pickle: a text is no UTF-8: the file is damaged");
    assert!(
        said(b"ctorch._utils\n_rebuild_tensor_v2\n)R.")
            .contains("_rebuild_tensor_v2 is called with other values than it takes")
    );
    assert!(said(b"ctorch._utils\n_rebuild_tensor_v2\n]R.").contains("_rebuild_tensor_v2 is called with no tuple"));
    // A tuple of one below a mark is not within reach.
    assert!(unpickle_from(&b"K\x01(\x85."[..]).is_err());
}

#[test]
fn what_has_no_end_is_bounded() {
    let started = Instant::now();
    // Claims of sizes that are not there.
    for claim in [&b"B\xff\xff\xff\x06"[..], b"X\xff\xff\xff\x06", b"T\xff\xff\xff\x06abc"] {
        assert!(said(claim).ends_with("it is cut off"), "{}", said(claim));
    }
    let bytes =
        |at: u64| format!("byte {at} of the pickle: it has more than 134217728 bytes: no state dict needs so many");
    assert_eq!(said(b"X\xff\xff\xff\xff"), bytes(5 + u32::MAX as u64));
    assert_eq!(said(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff"), bytes(u64::MAX));
    // Integers.
    assert!(said(&[&b"\x8a\x11"[..], &[1; 17], b"."].concat()).contains("more than 16 bytes in an integer"));
    assert!(said(b"\x8b\xff\xff\xff\xff").contains("more than 16 bytes in an integer"));
    assert!(said(&[&b"L"[..], &[b'9'; 5000], b"L\n."].concat()).contains("is no integer of 16 bytes"));
    // A nest of a million lists, and one that contains itself, cost what their bytes cost.
    let deep = [vec![b']'; 1_000_000], vec![b'a'; 999_999], b".".to_vec()].concat();
    assert!(unpickle_from(&deep[..]).is_ok());
    assert!(unpickle_from(&b"]q\0h\0a."[..]).is_ok());
    // Each list holds the one before twice: 2^60 items for whoever walks them all.
    let mut bomb = b"]".to_vec();
    (0..60).for_each(|_| bomb.extend(b"2\x86"));
    bomb.push(b'.');
    assert!(unpickle_from(&bomb[..]).is_ok());
    // Copies of copies.
    let mut copies = b"}(".to_vec();
    (0..5000).for_each(|_| copies.extend(b"K\x01N"));
    copies.extend(b"uq\0");
    (0..5000).for_each(|_| copies.extend(b"ccollections\nOrderedDict\nh\0\x85R0"));
    assert!(said(&copies).contains("it has more than 8388608 values"), "{}", said(&copies));
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(matches!(unpickle_from(&vec![b'('; 9_000_000][..]), Err(PickleError::TooMuch { .. })));
}

#[test]
fn every_prefix_and_every_byte() {
    let whole = b"\x80\x02}q\x00(X\x01\0\0\0aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storageq\x03ctorch\nFloatStorage\n\
        q\x04X\x01\0\0\x000q\x05X\x03\0\0\0cpuq\x06K\x06tq\x07QK\0K\x02K\x03\x86q\x08K\x03K\x01\x86q\t\x89ccollections\nOrderedDict\n)Rq\ntq\x0bRq\x0cu.";
    assert!(unpickle_from(&whole[..]).is_ok());
    for end in 0..whole.len() {
        assert!(unpickle_from(&whole[..end]).is_err(), "{end}");
    }
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut changed = whole.to_vec();
            changed[at] = byte;
            let _ = unpickle_from(&changed[..]);
        }
    }
}
