//! Labelled pictures from folders, tables, IDX files and NumPy's archives; what a network sees of them.

use image::{GrayImage, Luma, Rgb, RgbImage};
use mapsto_data::{
    Augmentation, Channels, ImageFinding, ImageInspection, ImageSamples, ImageSet, Loader, LoaderOptions,
    Normalisation, Order, Part, Picture, Preset, Step,
};
use mapsto_formats::write_npz;
use mapsto_tensor::{DType, Tensor};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A folder of two classes, the second of which has colours if asked.
fn folder(colours: bool) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for class in ["a", "b"] {
        fs::create_dir(root.path().join(class)).expect("a folder");
    }
    for i in 0..6u8 {
        GrayImage::from_fn(7, 5, |x, y| Luma([i * 20 + (x * y) as u8]))
            .save(root.path().join(format!("a/{i}.png")))
            .unwrap();
        let spread = if colours { i } else { 0 };
        let picture = RgbImage::from_fn(6, 6, |x, _| Rgb([x as u8 * 9, x as u8 * 9 + spread, x as u8 * 9]));
        picture.save(root.path().join(format!("b/{i}.png"))).unwrap();
    }
    root
}

fn idx(path: &Path, sizes: &[u32], bytes: &[u8]) {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(bytes);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut gz = flate2::write::GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
        gz.write_all(&file).unwrap();
        gz.finish().unwrap();
    } else {
        fs::write(path, file).unwrap();
    }
}

#[test]
fn folders_and_tables_are_sets() {
    let root = folder(true);
    let set = ImageSet::open(root.path()).unwrap();
    assert_eq!((set.len(), set.classes(), set.channels()), (12, &["a".into(), "b".into()][..], Channels::Rgb));
    assert_eq!((set.class(6), set.picture(6).unwrap().width), (1, 6));
    assert_eq!(ImageSet::open(folder(false).path()).unwrap().channels(), Channels::Grey);
    assert_eq!(set.picture(12).unwrap_err().to_string(), "there is no picture 12: the set has 12, counted from 0");
    fs::write(root.path().join("list.csv"), "file,label,split\na/0.png,x,train\nb/3.png,x,test\n").unwrap();
    let set = ImageSet::open(&root.path().join("list.csv")).unwrap().with_channels(Channels::Grey);
    assert_eq!((set.part(Part::Train), set.part(Part::Test), set.part(Part::Validation)), (vec![0], vec![1], vec![]));
    assert_eq!(set.picture(1).unwrap().channels, Channels::Grey);
    assert!(set.name(1).ends_with("3.png"));
}

#[test]
fn idx_files_are_sets() {
    for end in ["images-idx3-ubyte", "images-idx3-ubyte.gz", "images.idx3-ubyte"] {
        let root = tempfile::tempdir().expect("a folder");
        let labels = |name: &str| root.path().join(name).with_extension("");
        let at = |name: &str| root.path().join(format!("{name}-{end}"));
        idx(&at("t10k"), &[1, 2, 2], &[9, 9, 9, 9]);
        idx(&at("train"), &[3, 2, 2], &(0..12).collect::<Vec<u8>>());
        idx(&labels("t10k-labels-idx1-ubyte"), &[1], &[4]);
        idx(&labels("train-labels-idx1-ubyte"), &[3], &[1, 0, 1]);
        let set = ImageSet::open(root.path()).unwrap();
        assert_eq!((set.len(), set.classes().len(), set.channels()), (4, 5, Channels::Grey));
        assert_eq!((set.part(Part::Train), set.part(Part::Test), set.class(3)), (vec![0, 1, 2], vec![3], 4));
        assert_eq!(set.picture(1).unwrap().pixels, [4, 5, 6, 7]);
        assert!(set.name(2).ends_with(": picture 2"));
        let colours = set.with_channels(Channels::Rgb).picture(1).unwrap();
        assert_eq!((colours.channels, &colours.pixels[..6]), (Channels::Rgb, &[4, 4, 4, 5, 5, 5][..]));

        let said = || ImageSet::open(root.path()).unwrap_err().to_string();
        idx(&labels("train-labels-idx1-ubyte"), &[2], &[1, 0]);
        assert!(said().ends_with(": there are 3 pictures of 2 by 2, and 2 labels"), "{}", said());
        idx(&labels("train-labels-idx1-ubyte"), &[3], &[1, 0, 1]);
        idx(&at("t10k"), &[1, 1, 4], &[9, 9, 9, 9]);
        assert!(said().ends_with("its pictures are 1 by 4, those before are 2 by 2"), "{}", said());
        idx(&at("t10k"), &[4], &[9, 9, 9, 9]);
        assert!(said().ends_with("sizes [4] are not pictures, rows, columns, and perhaps 3 colours"), "{}", said());
        fs::remove_file(labels("t10k-labels-idx1-ubyte")).unwrap();
        assert!(said().ends_with(" has no labels: t10k-labels-idx1-ubyte should be beside it"), "{}", said());
    }
}

#[test]
fn archives_are_inspected_as_folders_are() {
    let root = tempfile::tempdir().expect("a folder");
    let at = |name: &str| root.path().join(name);
    // Picture 1 repeats 0 in another class, 2 repeats it in its own, 12 is learned from and tested on.
    let pixels: Vec<u8> = (0..12u8).flat_map(|i| if i < 3 { [0; 4] } else { [i, 1, 2, 3] }).collect();
    let labels = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    idx(&at("train-images-idx3-ubyte"), &[12, 2, 2], &pixels);
    idx(&at("train-labels-idx1-ubyte"), &[12], &labels);
    idx(&at("t10k-images-idx3-ubyte"), &[1, 2, 2], &[7, 1, 2, 3]);
    idx(&at("t10k-labels-idx1-ubyte"), &[1], &[0]);
    let of_idx = ImageInspection::of(root.path()).unwrap().unwrap();
    let path = at("set.npz");
    let pictures = |bytes: &[u8]| Tensor::from_vec(bytes.to_vec(), [bytes.len() / 4, 2, 2]).unwrap();
    let arrays = [
        ("x_train", pictures(&pixels)),
        ("y_train", Tensor::from_vec(labels.map(|class: u8| i64::from(class)).to_vec(), [12]).unwrap()),
        ("x_test", pictures(&[7, 1, 2, 3])),
        ("y_test", Tensor::new([0i64]).unwrap()),
    ];
    write_npz(&path, &arrays.map(|(name, array)| (name.to_string(), array)).into()).unwrap();
    let of_npz = ImageInspection::of(&path).unwrap().unwrap();
    for (found, path) in [(of_idx, root.path()), (of_npz, &path)] {
        assert_eq!((found.pictures, found.height, found.width, found.others), (13, Some([2, 2]), Some([2, 2]), 0));
        assert_eq!(found.classes["0"], [(Part::Train, 11), (Part::Test, 1)].into());
        let name = |index: usize| format!("{}: picture {index}", path.display());
        let expected = [
            ImageFinding::SeveralClasses { path: name(0), other: name(1) },
            ImageFinding::Leak { path: name(7), other: name(12) },
            ImageFinding::Duplicates { pictures: 1 },
            ImageFinding::Imbalance { rarest: "1".into(), pictures: 1, commonest: "0".into(), most: 11 },
        ];
        assert_eq!(found.findings, expected);
    }
    // Rows and columns are a table.
    let rows = Tensor::zeros([2, 3], DType::F32).unwrap();
    let table = [("x", rows), ("y", Tensor::new([0i64, 1]).unwrap())];
    write_npz(&path, &table.map(|(name, array)| (name.to_string(), array)).into()).unwrap();
    assert!(ImageInspection::of(&path).unwrap().is_none());
    let floats = [("x", Tensor::zeros([1, 2, 2], DType::F32).unwrap()), ("y", Tensor::new([0i64]).unwrap())];
    write_npz(&path, &floats.map(|(name, array)| (name.to_string(), array)).into()).unwrap();
    assert!(ImageInspection::of(&path).unwrap_err().to_string().contains("pixels must be bytes"));
    idx(&at("t10k-labels-idx1-ubyte"), &[2], &[0, 0]);
    assert!(ImageInspection::of(root.path()).unwrap_err().to_string().ends_with("and 2 labels"));
}

#[test]
fn the_faults_of_a_list_are_told_line_by_line() {
    let root = folder(false);
    let path = root.path().join("list.csv");
    let of = |text: &str| {
        fs::write(&path, text).unwrap();
        ImageInspection::of(&path)
    };
    let found = |text: &str| of(text).unwrap().unwrap();
    let line = |line: u64, what: &str| ImageFinding::Line { line, what: what.to_string() };
    let text = "path,label,split\na/0.png,x,train\nno.png,x,train\na/1.png,,train\na/2.png,x,zzz\nb/0.png,y,test\na/0.png,x,train\n";
    let inspection = found(text);
    assert_eq!((inspection.pictures, inspection.classes["x"][&Part::Train]), (1, 1));
    let missing = format!("{} is no file; paths start at the table's folder", root.path().join("no.png").display());
    let expected = [
        line(3, &missing),
        line(4, "a/1.png has no label; leave the line out, or give it one"),
        line(5, "\"zzz\" is no part; write train, val or test"),
        line(7, "a/0.png is listed before, in line 2"),
        ImageFinding::NotTrained { class: "y".into() },
        ImageFinding::OneClass,
    ];
    assert_eq!(inspection.findings, expected);
    assert_eq!(inspection.findings[2].to_string(), "line 5: \"zzz\" is no part; write train, val or test");
    assert_eq!(found("path;label\nno.PNG;x\n").findings.len(), 1);
    // Names of pictures in a table for something else, and a table without them.
    assert!(of("price,image\n5,a.jpg\n7,b.jpg\n").unwrap_err().to_string().contains("no column has labels"));
    assert!(of("a,b\n1.5,x\n2.5,y\n").unwrap().is_none());
    assert!(of("path,label\nhere,x\n").unwrap().is_none());
    assert!(of("").unwrap().is_none());
    assert!(of("a\0b\n").unwrap().is_none());
    fs::copy(root.path().join("a/0.png"), root.path().join("bare")).unwrap();
    assert_eq!(found("path,label\nbare,x\n").pictures, 1);
    let endless = ImageSet::open(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(endless.contains("NUL") || endless.contains("cannot read"), "{endless}");
    assert!(ImageInspection::of(Path::new("no/such")).unwrap().is_none());
}

#[test]
fn archives_of_arrays_are_sets() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().join("set.npz");
    let bytes = |sizes: &[usize]| {
        let count = sizes.iter().product::<usize>();
        Tensor::from_vec((0..count).map(|i| i as u8).collect(), sizes).unwrap()
    };
    let open = |arrays: &[(&str, Tensor)]| {
        let arrays = arrays.iter().map(|(name, array)| (name.to_string(), array.clone())).collect();
        write_npz(&path, &arrays).unwrap();
        ImageSet::open(&path)
    };
    let (three, one) = (Tensor::new([1i64, 0, 2]).unwrap(), Tensor::from_vec(vec![2u8], [1, 1]).unwrap());
    let keras = [
        ("x_train", bytes(&[3, 2, 4])),
        ("y_train", three.clone()),
        ("x_test", bytes(&[1, 2, 4])),
        ("y_test", one.clone()),
    ];
    let set = open(&keras).unwrap();
    assert_eq!((set.classes().len(), set.part(Part::Train).len(), set.part(Part::Test)), (3, 3, vec![3]));
    assert_eq!((set.channels(), set.class(3)), (Channels::Grey, 2));
    assert_eq!(set.picture(1).unwrap().pixels, (8..16).collect::<Vec<u8>>());
    let set = open(&[("train_images", bytes(&[1, 2, 2, 3])), ("train_labels", one.clone())]).unwrap();
    assert_eq!((set.channels(), set.picture(0).unwrap().pixels.len()), (Channels::Rgb, 12));

    let said = |arrays: &[(&str, Tensor)]| open(arrays).unwrap_err().to_string();
    let lost = said(&[("x_test", bytes(&[1, 2, 4])), ("y_test", one.clone())]);
    assert!(lost.contains("has no pictures with labels to learn from, but \"x_test\", \"y_test\"; name "), "{lost}");
    let few = said(&[("x", bytes(&[2, 2, 4])), ("y", three.clone())]);
    assert!(few.ends_with("\"x\": there are 2 pictures of 2 by 4, and 3 labels"), "{few}");
    let floats = said(&[("x", bytes(&[3, 2, 4]).to_dtype(DType::F32).unwrap()), ("y", three.clone())]);
    assert!(floats.ends_with("\"x\" is of type f32: pixels must be bytes, uint8"), "{floats}");
    let shares = said(&[("x", bytes(&[3, 2, 4])), ("y", three.to_dtype(DType::F32).unwrap())]);
    assert!(shares.ends_with("\"y\" is of type f32: classes are whole numbers"), "{shares}");
    let below = said(&[("x", bytes(&[1, 2, 4])), ("y", Tensor::new([-1i64]).unwrap())]);
    assert!(below.contains("\"y\" holds -1: classes are counted from 0"), "{below}");
    let matrix = said(&[("x", bytes(&[3, 2, 4])), ("y", bytes(&[3, 2]))]);
    assert!(matrix.ends_with("\"y\" is [3, 2]: a class for each picture is wanted"), "{matrix}");
}

#[test]
fn kept_pictures_are_not_read_again() {
    let root = folder(true);
    // Room for four pictures of 105 bytes, no fifth.
    let set = ImageSet::open(root.path()).unwrap().keep(450);
    let before: Vec<Picture> = (0..12).map(|i| set.picture(i).unwrap()).collect();
    fs::remove_dir_all(root.path()).unwrap();
    for i in 0..12 {
        assert_eq!(set.picture(i).ok().as_ref(), Some(&before[i]).filter(|_| i < 4), "{i}");
    }
}

#[test]
fn samples_are_changed_by_seed_epoch_and_item_alone() {
    let root = folder(true);
    let set = Arc::new(ImageSet::open(root.path()).unwrap());
    let samples = |items: Vec<usize>| {
        let augmentation = Augmentation::preset(Preset::Strong, 8, 8).unwrap();
        Arc::new(ImageSamples::new(Arc::clone(&set), items, augmentation).unwrap())
    };
    let all = samples((0..12).collect());
    assert_eq!(all.labels(), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    let epoch = |workers, epoch, order| {
        let options = LoaderOptions { batch_size: 5, order, seed: 3, workers, ..Default::default() };
        let loader = Loader::new(Arc::clone(&all), options).unwrap();
        let mut found: Vec<_> = loader.epoch(epoch, 0).flatten().map(|sample| sample.unwrap()).collect();
        assert!(found.iter().all(|sample| (sample.picture.height, sample.picture.width) == (8, 8)));
        found.sort_by_key(|sample| sample.index);
        found
    };
    let first = epoch(0, 0, Order::Shuffled);
    assert_eq!(first, epoch(3, 0, Order::Shuffled));
    assert_eq!(first, epoch(2, 0, Order::InOrder), "the order has no part");
    assert_ne!(first, epoch(0, 1, Order::Shuffled));

    let refused = ImageSamples::new(Arc::clone(&set), vec![3, 12], Augmentation::default()).unwrap_err();
    assert!(refused.to_string().starts_with("there is no picture 12"));
    fs::write(root.path().join("a/2.png"), b"torn").unwrap();
    let loader = Loader::new(all.clone(), LoaderOptions::default()).unwrap();
    let batch = loader.epoch(0, 0).next().unwrap();
    let errors: Vec<String> = batch.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    assert!(errors.len() == 1 && errors[0].contains("2.png is no whole picture"), "{errors:?}");
}

#[test]
fn extreme_proportions_are_refused_with_the_name() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("a")).unwrap();
    GrayImage::new(1, 60_000).save(root.path().join("a/long.png")).unwrap();
    let set = Arc::new(ImageSet::open(root.path()).unwrap());
    let augmentation = Augmentation::new(vec![Step::ResizeShorter { size: 256 }]).unwrap();
    let samples = ImageSamples::new(set, vec![0], augmentation).unwrap();
    let error = mapsto_data::Dataset::item(&samples, 0, mapsto_tensor::Rng::new(0)).unwrap_err().to_string();
    assert!(
        error.contains("long.png: augmentation: 256 by 15360000 pixels are too many to make of 1 by 60000: "),
        "{error}"
    );
}

#[test]
fn means_are_numpys() {
    let root = folder(true);
    let set = Arc::new(ImageSet::open(root.path()).unwrap());
    let found = Normalisation::learn(&set, &(0..12).collect::<Vec<_>>()).unwrap();
    // NumPy: pixels of all pictures in one array of [pixels, 3], divided by 255; mean(0) and std(0).
    let expected: ([f32; 3], [f32; 3]) = ([0.1529964, 0.1579674, 0.1529964], [0.1237699, 0.1213338, 0.1237699]);
    for (found, expected) in found.mean.iter().chain(&found.std).zip(expected.0.iter().chain(&expected.1)) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let picture = set.picture(8).unwrap();
    let mut out = vec![0.0; 108];
    found.write_chw(&picture, &mut out).unwrap();
    for (i, &level) in picture.pixels.iter().enumerate() {
        let channel = i % 3;
        let exact = (f32::from(level) / 255.0 - found.mean[channel]) / found.std[channel];
        assert!((out[channel * 36 + i / 3] - exact).abs() < 1e-5);
    }
    let refused = found.write_chw(&picture, &mut out[1..]).unwrap_err().to_string();
    assert_eq!(refused, "a picture of [3, 6, 6] (channels, height, width) does not fit to 3 means and 107 numbers");
    let grey = picture.into_channels(Channels::Grey);
    assert!(found.write_chw(&grey, &mut out[..36]).is_err());

    // What cannot be read has no part; a channel that never varies has the deviation 1.
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("a")).unwrap();
    GrayImage::from_pixel(3, 3, Luma([51])).save(root.path().join("a/flat.png")).unwrap();
    fs::write(root.path().join("a/torn.png"), b"?").unwrap();
    let set = Arc::new(ImageSet::open(root.path()).unwrap());
    assert_eq!(Normalisation::learn(&set, &[0, 1]).unwrap(), Normalisation { mean: vec![0.2], std: vec![1.0] });
    assert!(Normalisation::learn(&set, &[1]).unwrap_err().to_string().contains("torn.png is no whole picture"));
}
