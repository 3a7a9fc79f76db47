//! Augmentations as configurations have them: what they draw, what they refuse.

use mapsto_data::{Augmentation, Channels, Fill, Padding, Picture, Preset, Step};
use mapsto_tensor::Rng;
use serde_json::json;

/// A picture whose pixels tell where they were.
fn picture(height: usize, width: usize, channels: Channels) -> Picture {
    let level = |i: usize, channel: usize| match channel {
        0 => (i / width) as u8,
        1 => (i % width) as u8,
        _ => 200,
    };
    let pixels =
        (0..height * width).flat_map(|i| (0..channels.count()).map(move |channel| level(i, channel))).collect();
    Picture { height, width, channels, pixels }
}

fn rgb(height: usize, width: usize) -> Picture {
    picture(height, width, Channels::Rgb)
}

fn named(name: &str) -> Step {
    serde_json::from_value(json!({"name": name})).expect(name)
}

const NAMES: [&str; 22] = [
    "resize",
    "resize_shorter",
    "centre_crop",
    "random_crop",
    "random_resized_crop",
    "horizontal_flip",
    "vertical_flip",
    "rotate",
    "affine",
    "colour_jitter",
    "grey",
    "blur",
    "sharpness",
    "invert",
    "posterise",
    "solarise",
    "autocontrast",
    "equalise",
    "erase",
    "rand_augment",
    "trivial_augment",
    "auto_augment",
];

#[test]
fn every_step_has_defaults_and_depends_on_its_stream_alone() {
    for name in NAMES {
        let step = named(name);
        assert_eq!((step.name(), step.check()), (name, Ok(())));
        let back: Step = serde_json::from_value(serde_json::to_value(&step).unwrap()).unwrap();
        assert_eq!(back, step);
        let augmentation = Augmentation::new(vec![step]).unwrap();
        for from in [rgb(12, 10), rgb(1, 1), picture(2, 9, Channels::Grey), picture(7, 1, Channels::Grey)] {
            for seed in 0..4 {
                let made = augmentation.apply(from.clone(), &Rng::new(seed)).unwrap();
                assert_eq!(made.pixels.len(), made.height * made.width * from.channels.count(), "{name}");
                assert_eq!(made, augmentation.apply(from.clone(), &Rng::new(seed)).unwrap());
            }
        }
    }
    // What draws gives other pictures by other seeds.
    for name in NAMES.iter().filter(|name| !["resize", "resize_shorter", "centre_crop"].contains(name)) {
        let augmentation = Augmentation::new(vec![named(name)]).unwrap();
        let pixels: Vec<u8> = (0..20 * 14 * 3).map(|i: usize| (i * i / 7 * 31) as u8 / 2 + 40).collect();
        let noise = Picture { pixels, ..rgb(20, 14) };
        let made = |seed| augmentation.apply(noise.clone(), &Rng::new(seed)).unwrap();
        assert!((1..60).any(|seed| made(seed) != made(0)), "{name}");
    }
}

#[test]
fn settings_without_sense_are_refused() {
    let said = |step: serde_json::Value| match serde_json::from_value::<Augmentation>(json!({"steps": [step]})) {
        Ok(_) => panic!("{step} is accepted"),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        said(json!({"name": "horizontal_flip", "probability": 1.5})),
        "augmentation: horizontal_flip: probability must lie between 0 and 1, not 1.5"
    );
    for (step, complaint) in [
        (json!({"name": "resize", "height": 0}), "resize: height must lie between 1 and 16384, not 0"),
        (json!({"name": "resize", "width": 20000}), "resize: width must lie between 1 and 16384, not 20000"),
        (json!({"name": "resize_shorter", "size": 0}), "resize_shorter: size must lie"),
        (json!({"name": "random_crop", "padding": 99999}), "random_crop: padding must be at most 16384, not 99999"),
        (
            json!({"name": "random_resized_crop", "scale": [0.5, 0.1]}),
            "scale must be two ascending numbers above 0, at most 1, not [0.5, 0.1]",
        ),
        (
            json!({"name": "random_resized_crop", "ratio": [0.0, 1.0]}),
            "ratio must be two ascending numbers from 0.01 to 100",
        ),
        (json!({"name": "rotate", "degrees": -3}), "rotate: degrees must lie between 0 and 180, not -3"),
        (json!({"name": "affine", "shift": [0.1, 2]}), "affine: shift must lie between 0 and 1, not 2"),
        (json!({"name": "affine", "shear": [89, 0]}), "affine: shear must lie between 0 and 80, not [89.0, 0.0]"),
        (json!({"name": "colour_jitter", "hue": 0.6}), "colour_jitter: hue must lie between 0 and 0.5, not 0.6"),
        (
            json!({"name": "colour_jitter", "contrast": -1}),
            "colour_jitter: contrast must lie between 0 and 100, not -1",
        ),
        (json!({"name": "blur", "size": 4}), "blur: size must be an odd number up to 255, not 4"),
        (json!({"name": "blur", "sigma": [0.0, 1.0]}), "blur: sigma must be two ascending numbers from 0.01 to 100"),
        (
            json!({"name": "sharpness", "factor": [2, 1]}),
            "sharpness: factor must be two ascending numbers from 0 to 100",
        ),
        (json!({"name": "posterise", "bits": 9}), "posterise: bits must lie between 1 and 8, not 9"),
        (json!({"name": "erase", "scale": [0.0, 0.1]}), "erase: scale must be two ascending"),
        (json!({"name": "rand_augment", "magnitude": 31}), "rand_augment: magnitude must be at most 30, not 31"),
        (json!({"name": "rand_augment", "operations": 101}), "rand_augment: operations must be at most 100, not 101"),
        (json!({"name": "invert", "probability": -0.1}), "invert: probability must lie between 0 and 1, not -0.1"),
        (json!({"name": "sharpen"}), "unknown variant `sharpen`, expected one of `resize`, "),
        (json!({"name": "grey", "chance": 1}), "unknown field `chance`, expected `probability`"),
        (json!({"name": "trivial_augment", "bins": 1}), "unknown field `bins`"),
    ] {
        assert!(said(step.clone()).contains(complaint), "{}", said(step));
    }
    assert!(
        Augmentation::new(vec![Step::Rotate { degrees: f64::NAN, interpolation: Default::default(), fill: 0 }])
            .is_err()
    );
    for pixels in [vec![], vec![0; 11]] {
        let broken = Picture { height: 2, width: 2, channels: Channels::Rgb, pixels };
        let error = Augmentation::default().apply(broken, &Rng::new(0)).unwrap_err().to_string();
        assert!(error.starts_with("augmentation: a picture of 2 by 2 pixels with 3 channels cannot have "), "{error}");
    }
}

#[test]
fn presets_make_pictures_of_one_size() {
    for preset in Preset::ALL {
        for (height, width) in [(32, 32), (28, 20), (66, 70)] {
            let augmentation = Augmentation::preset(preset, height, width).unwrap();
            for from in [rgb(32, 32), rgb(100, 45), picture(4, 70, Channels::Grey)] {
                for seed in 0..3 {
                    let made = augmentation.apply(from.clone(), &Rng::new(seed)).unwrap();
                    assert_eq!((made.height, made.width), (height, width), "{preset:?}");
                }
            }
        }
        assert!(Augmentation::preset(preset, 0, 32).is_err() && Augmentation::preset(preset, 224, usize::MAX).is_err());
    }
    let same = Augmentation::preset(Preset::None, 32, 32).unwrap().apply(rgb(32, 32), &Rng::new(0)).unwrap();
    assert_eq!(same, rgb(32, 32));
}

#[test]
fn crops_are_everywhere_and_of_all_sizes() {
    const N: u64 = 3000;
    // Padded crops: each of nine places as often.
    let step = Step::RandomCrop { height: 8, width: 8, padding: 1, mode: Padding::Zero };
    let augmentation = Augmentation::new(vec![step]).unwrap();
    let mut places = [0; 9];
    for seed in 0..N {
        let made = augmentation.apply(rgb(8, 8), &Rng::new(seed)).unwrap();
        // Where pixel (4, 4) of the picture is.
        let at = made.pixels.chunks(3).position(|pixel| pixel == [4, 4, 200]).expect("it is never cut off");
        places[(at / 8 - 3) * 3 + at % 8 - 3] += 1;
    }
    assert!(places.iter().all(|&count: &i32| (count - 333).abs() < 75), "{places:?}");
    // Resized crops: areas are uniform, proportions within their limits. A gradient tells the region's sides.
    let step = json!({"name": "random_resized_crop", "height": 50, "width": 50});
    let augmentation = Augmentation::new(vec![serde_json::from_value(step).unwrap()]).unwrap();
    let (from, mut areas) = (rgb(200, 200), Vec::new());
    for seed in 0..300 {
        let made = augmentation.apply(from.clone(), &Rng::new(seed)).unwrap();
        let corner = |i: usize, channel: usize| f64::from(made.pixels[i * 3 + channel]);
        // From the middle of the first pixel to that of the last.
        let side = |from, to, channel| (corner(to, channel) - corner(from, channel)) * 50.0 / 49.0;
        let (height, width) = (side(0, 49 * 50, 0), side(0, 49, 1));
        assert!((0.7..1.45).contains(&(width / height)), "{width} {height}");
        areas.push(height * width / 40_000.0);
    }
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    assert!(
        (0.45..0.58).contains(&mean) && areas.iter().any(|&area| area < 0.15) && areas.iter().any(|&area| area > 0.85),
        "{mean}"
    );
}

#[test]
fn probabilities_and_regions_are_kept() {
    let often = |step: Step| {
        let augmentation = Augmentation::new(vec![step]).unwrap();
        (0..1000).filter(|&seed| augmentation.apply(rgb(10, 10), &Rng::new(seed)).unwrap() != rgb(10, 10)).count()
    };
    assert!((195..305).contains(&often(Step::HorizontalFlip { probability: 0.25 })));
    // Two steps draw apart from each other: half of the pictures are turned over once.
    let flips = vec![Step::HorizontalFlip { probability: 0.5 }; 2];
    let flips = Augmentation::new(flips).unwrap();
    let once = (0..1000).filter(|&seed| flips.apply(rgb(10, 10), &Rng::new(seed)).unwrap() != rgb(10, 10)).count();
    assert!((430..570).contains(&once), "{once}");
    assert_eq!((often(Step::Invert { probability: 0.0 }), often(Step::Invert { probability: 1.0 })), (0, 1000));
    let step = Step::Erase { probability: 1.0, scale: [0.1, 0.3], ratio: [0.5, 2.0], fill: Fill::Level(9) };
    let augmentation = Augmentation::new(vec![step]).unwrap();
    for seed in 0..50 {
        let white = Picture { pixels: vec![255; 50 * 40 * 3], ..rgb(50, 40) };
        let made = augmentation.apply(white, &Rng::new(seed)).unwrap();
        let hidden: Vec<usize> = (0..2000).filter(|i| made.pixels[i * 3..][..3] == [9; 3]).collect();
        let rows = hidden[hidden.len() - 1] / 40 - hidden[0] / 40 + 1;
        let columns = hidden.iter().map(|i| i % 40).max().unwrap() - hidden[0] % 40 + 1;
        assert_eq!(rows * columns, hidden.len(), "one rectangle");
        assert!((0.08..0.33).contains(&(hidden.len() as f64 / 2000.0)), "{}", hidden.len());
    }
}
