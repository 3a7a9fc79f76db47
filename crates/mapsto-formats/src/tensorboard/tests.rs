use super::*;

const GOLDEN: &[u8] = include_bytes!("../../../../fixtures/tensorboard/golden.tfevents");

/// The events of `tools/tensorboard_fixtures.py`.
fn events() -> Vec<Vec<u8>> {
    let values = [0.0, 0.5, -0.25, 3.0, 3.0, 0.0, 1024.0, -7.5, 2f64.powi(40)];
    let at = |seconds: f64, step: u64, summary| event(1.7e9 + seconds, step, summary);
    vec![
        version(1.7e9),
        at(0.5, 0, Summary::scalar("loss/train", 0.75)),
        at(1.0, 1, Summary::scalar("loss/train", 0.0)),
        at(2.0, 300, Summary::scalar("Genauigkeit größer", f32::NAN)),
        at(3.0, 1 << 40, Summary::histogram("weights", &Histogram::of(&values))),
        at(4.0, 4, Summary::image("image", [200, 3, 3], b"pixels")),
        at(5.0, 5, Summary::text("notes/text_summary", &format!("# größer\n{}", "x".repeat(200)))),
    ]
}

#[test]
fn the_bytes_are_those_of_tensorboards_own_writer() {
    let mut rest = GOLDEN;
    for (i, event) in events().iter().enumerate() {
        let record = record::framed(event);
        assert!(
            rest.starts_with(&record),
            "event {i}: {record:02x?}, expected {:02x?}",
            &rest[..record.len().min(rest.len())]
        );
        rest = &rest[record.len()..];
    }
    assert!(rest.is_empty());
}

fn tensor<const N: usize>(sizes: [usize; N], dtype: DType) -> Tensor {
    Tensor::zeros(sizes, dtype).unwrap()
}

#[test]
fn a_writer_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = EventWriter::create(folder.path().join("a/b")).unwrap();
    let name = events.path().file_name().unwrap().to_str().unwrap().to_string();
    assert!(
        name.starts_with("events.out.tfevents.") && name.ends_with(&format!(".{}.0", std::process::id())),
        "{name}"
    );
    let start = events.length();
    events.scalar("x", 1, 1.0).unwrap();
    let kept = events.length();
    events.text("y", 2, "lost").unwrap();
    events.histogram("z", 2, &tensor([2, 3], DType::BF16)).unwrap();
    let path = events.path().to_owned();
    let all = events.length();
    drop(events);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len() as u64, all);
    let length = |keep: u64| {
        let events = EventWriter::open(&path, keep).unwrap();
        assert_eq!(events.length(), fs::metadata(&path).unwrap().len());
        events.length()
    };
    // A record that is torn, one that is damaged, and zeros that a crash left.
    for torn in [&bytes[..bytes.len() - 1], &bytes[..kept as usize + 5]] {
        fs::write(&path, torn).unwrap();
        assert!(length(u64::MAX) >= kept && length(u64::MAX) < torn.len() as u64);
    }
    fs::write(&path, [&bytes[..], &[0; 100]].concat()).unwrap();
    assert_eq!(length(u64::MAX), all);
    let cut = length(all - 1);
    assert!(cut > kept && cut < all - 1, "cut at a record's end");
    assert_eq!(length(all), cut);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(length(kept), kept);
    let mut events = EventWriter::open(&path, kept).unwrap();
    events.scalar("x", 2, 2.0).unwrap();
    drop(events);
    let now = fs::read(&path).unwrap();
    assert_eq!(now[..kept as usize], bytes[..kept as usize]);
    assert_eq!(length(u64::MAX), now.len() as u64);
    assert_eq!(length(0), start, "the first record stays");
    // A second writer of the same second has another file.
    let others: Vec<EventWriter> = (0..3).map(|_| EventWriter::create(path.parent().unwrap()).unwrap()).collect();
    assert!(others.iter().all(|other| other.path() != path));
}

#[test]
fn files_of_others_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for content in [b"a diary".to_vec(), Vec::new(), record::framed(b"a record of other things"), GOLDEN[..30].to_vec()]
    {
        fs::write(&path, &content).unwrap();
        let said = EventWriter::open(&path, 0).unwrap_err().to_string();
        assert!(
            said.ends_with("x is no whole event file of TensorBoard: nothing was changed; write to another file"),
            "{said}"
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let said = EventWriter::open(folder.path().join("none"), 0).unwrap_err().to_string();
    assert!(said.starts_with("cannot write events to "), "{said}");
    assert!(EventWriter::create(&path).unwrap_err().to_string().starts_with("cannot write events to "));
}

#[test]
fn pictures_are_pngs() {
    let pixels: Vec<u8> = (0..24).collect();
    for sizes in [[2, 4, 3], [4, 6, 1]] {
        let bytes = png(sizes, &pixels).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
        let mut decoded = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut decoded).unwrap();
        assert_eq!([info.height as usize, info.width as usize], sizes[..2]);
        assert_eq!(decoded, pixels);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut events = EventWriter::create(folder.path()).unwrap();
    let mut said = |tensor: Tensor| events.image("x", 0, &tensor).unwrap_err().to_string();
    let wanted = "image \"x\": a picture is u8[height, width, 1 or 3], none of them 0; this is ";
    assert_eq!(said(tensor([2, 2, 4], DType::U8)), format!("{wanted}u8[2, 2, 4]"));
    assert_eq!(said(tensor([2, 2, 3], DType::F32)), format!("{wanted}f32[2, 2, 3]"));
    assert_eq!(said(tensor([2, 2], DType::U8)), format!("{wanted}u8[2, 2]"));
    assert_eq!(said(tensor([0, 2, 1], DType::U8)), format!("{wanted}u8[0, 2, 1]"));
}
