//! Every step against what torchvision makes of the same picture with the same numbers (`tools/augment_fixtures.py`).

use super::affine::{Interpolation, Motion, middle, moved};
use super::crop::{self, Padding};
use super::policy::{self, Operation, Space};
use super::resize::{self, Region};
use super::step::{flip_columns, flip_rows};
use super::{colour, filter, tone};
use crate::images::{Channels, Picture};
use mapsto_tensor::Rng;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Height, width, and pixels in hexadecimal.
#[derive(Deserialize)]
struct Written(usize, usize, String);

impl Written {
    fn picture(&self, channels: Channels) -> Picture {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let pixels = self.2.as_bytes().chunks(2).map(byte).collect();
        Picture { height: self.0, width: self.1, channels, pixels }
    }
}

#[derive(Deserialize)]
struct Case {
    source: String,
    kind: String,
    numbers: Vec<f64>,
    picture: Written,
}

#[derive(Deserialize)]
struct Checksum {
    kind: String,
    numbers: Vec<f64>,
    crc: u32,
}

#[derive(Deserialize)]
struct Fallback {
    height: usize,
    width: usize,
    region: [usize; 4],
}

#[derive(Deserialize)]
struct Operated {
    operation: String,
    magnitude: f64,
    picture: Written,
}

#[derive(Deserialize)]
struct Magnitudes {
    values: Vec<f64>,
    signed: bool,
}

#[derive(Deserialize)]
struct Policies {
    height: usize,
    width: usize,
    bins: usize,
    operations: BTreeMap<String, Magnitudes>,
}

#[derive(Deserialize)]
struct Fixture {
    sources: BTreeMap<String, (usize, usize, usize, String)>,
    cases: Vec<Case>,
    checksums: Vec<Checksum>,
    regions: Vec<Fallback>,
    operations: Vec<Operated>,
    wide: BTreeMap<String, Magnitudes>,
    rand: Policies,
    auto: Policies,
}

fn fixture() -> (Fixture, BTreeMap<String, Picture>) {
    let fixture: Fixture = serde_json::from_str(include_str!("../../../tests/fixtures/augment.json")).expect("JSON");
    let source = |(name, (channels, height, width, pixels)): (&String, &(usize, usize, usize, String))| {
        let channels = if *channels == 1 { Channels::Grey } else { Channels::Rgb };
        (name.clone(), Written(*height, *width, pixels.clone()).picture(channels))
    };
    let sources = fixture.sources.iter().map(source).collect();
    (fixture, sources)
}

/// A step with its numbers given.
fn changed(from: &Picture, kind: &str, numbers: &[f64]) -> Picture {
    let mut picture = from.clone();
    let sizes: Vec<usize> = numbers.iter().map(|&x| x as usize).collect();
    match kind {
        "brightness" => colour::brightness(&mut picture, numbers[0]),
        "contrast" => colour::contrast(&mut picture, numbers[0]),
        "saturation" => colour::saturation(&mut picture, numbers[0]),
        "hue" => colour::hue(&mut picture, numbers[0]),
        "sharpness" => filter::sharpness(&mut picture, numbers[0]),
        "grey" => colour::grey(&mut picture),
        "invert" => tone::invert(&mut picture),
        "posterise" => tone::posterise(&mut picture, numbers[0] as u32),
        "solarise" => tone::solarise(&mut picture, numbers[0]),
        "autocontrast" => tone::autocontrast(&mut picture),
        "equalise" => tone::equalise(&mut picture),
        "horizontal_flip" => flip_columns(&mut picture),
        "vertical_flip" => flip_rows(&mut picture),
        "blur" => filter::blur(&mut picture, sizes[0], numbers[1]),
        "resize" => return resize::exact(picture, sizes[0], sizes[1]).unwrap(),
        "resize_shorter" => return resize::shorter(picture, sizes[0]).unwrap(),
        "resized_crop" => {
            let region = Region { top: sizes[0], left: sizes[1], height: sizes[2], width: sizes[3] };
            return resize::resized(from, region, sizes[4], sizes[5]).unwrap();
        }
        "centre_crop" => return crop::centre(from, [sizes[0], sizes[1]]),
        "zero_padded" | "reflect_padded" => {
            let mode = if kind == "zero_padded" { Padding::Zero } else { Padding::Reflect };
            let size = [from.height, from.width].map(|side| side + 2 * sizes[0]);
            return crop::random(from, size, sizes[0], mode, &mut Rng::new(0));
        }
        "affine_nearest" | "affine_bilinear" => {
            let how = if kind == "affine_nearest" { Interpolation::Nearest } else { Interpolation::Bilinear };
            let &[degrees, x, y, scale, p, q] = numbers else { panic!("{numbers:?}") };
            return moved(from, &Motion { degrees, shift: [x, y], scale, shear: [p, q] }, middle(from), how, 7);
        }
        "rotate" => {
            let motion = Motion { degrees: -numbers[0], ..Motion::NONE };
            return moved(from, &motion, middle(from), Interpolation::Bilinear, 0);
        }
        _ => panic!("no step is called {kind}"),
    }
    picture
}

#[test]
fn steps_are_torchvisions() {
    let (fixture, sources) = fixture();
    assert!(fixture.cases.len() > 100);
    for Case { source, kind, numbers, picture } in &fixture.cases {
        let from = &sources[source];
        let expected = picture.picture(from.channels);
        let got = changed(from, kind, numbers);
        assert_eq!((got.height, got.width), (expected.height, expected.width), "{kind} {numbers:?} of {source}");
        // Weights of resizing have 16 bits here and 22 in Pillow; blurring adds up in another order; Pillow rounds sines.
        let tolerance = u8::from(kind.starts_with("resize") || kind == "blur" || kind == "rotate");
        let pairs = got.pixels.iter().zip(&expected.pixels);
        let worst = pairs.map(|(got, expected)| got.abs_diff(*expected)).max();
        assert!(worst <= Some(tolerance), "{kind} {numbers:?} of {source}: {worst:?}");
    }
}

#[test]
fn steps_are_torchvisions_for_all_colours() {
    let levels = |i: usize| [i % 64 * 4 + i % 3, i / 64 % 64 * 4 + i % 4, i / 4096 * 4 + i % 2];
    let pixels = (0..64 * 64 * 64).flat_map(levels).map(|level| level as u8).collect();
    let lattice = Picture { height: 512, width: 512, channels: Channels::Rgb, pixels };
    for Checksum { kind, numbers, crc } in fixture().0.checksums {
        let mut found = flate2::Crc::new();
        found.update(&changed(&lattice, &kind, &numbers).pixels);
        assert_eq!(found.sum(), crc, "{kind} {numbers:?}");
    }
}

fn operation(name: &str) -> Operation {
    Operation::ALL.into_iter().find(|operation| format!("{operation:?}") == name).expect(name)
}

#[test]
fn operations_of_policies_are_torchvisions() {
    let (fixture, sources) = fixture();
    for Operated { operation: name, magnitude, picture } in &fixture.operations {
        let got = policy::operate(sources["photo"].clone(), operation(name), *magnitude);
        assert_eq!(got, picture.picture(Channels::Rgb), "{name} {magnitude}");
    }
}

#[test]
fn magnitudes_of_policies_are_torchvisions() {
    let fixture = fixture().0;
    let same = |space: &Space, bins: usize, height, width, all: &BTreeMap<String, Magnitudes>| {
        for (name, Magnitudes { values, signed }) in all {
            assert!(values.is_empty() || values.len() == bins);
            for (level, &value) in values.iter().enumerate() {
                let (got, sign) = space.magnitude(operation(name), level, height, width);
                // The file's numbers were single.
                assert_eq!((got as f32, sign), (value as f32, *signed), "{name} {level}");
            }
        }
    };
    same(&policy::WIDE, 31, 100, 100, &fixture.wide);
    let Policies { height, width, bins, operations } = &fixture.rand;
    same(&policy::usual(*bins), *bins, *height, *width, operations);
    let Policies { height, width, bins, operations } = &fixture.auto;
    same(&policy::usual(*bins), *bins, *height, *width, operations);
}

#[test]
fn crops_fall_back_to_the_middle() {
    for Fallback { height, width, region } in fixture().0.regions {
        let got = crop::region(height, width, [0.9, 1.0], [3.0 / 4.0, 4.0 / 3.0], &mut Rng::new(1));
        assert_eq!([got.top, got.left, got.height, got.width], region, "{height} by {width}");
    }
}
