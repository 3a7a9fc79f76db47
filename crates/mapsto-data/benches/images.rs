//! Pictures per second on one thread, stage after stage: `cargo bench -p mapsto-data --bench images -- FOLDER [SIDE]`.
//!
//! FOLDER holds pictures in folders; SIDE is that of the crops (224; up to 64 for small pictures). `tools/augment_speed.py` runs it side
//! by side with torchvision.

use mapsto_data::{Augmentation, Channels, ImageFolder, Normalisation, Padding, Picture, Step};
use mapsto_tensor::Rng;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// Seconds that the pictures are gone through, at least.
const LONG: Duration = Duration::from_secs(2);

fn main() {
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(folder) = arguments.first() else {
        println!("give a folder with folders of pictures");
        return;
    };
    let side = arguments.get(1).map_or(224, |side| side.parse().expect("SIDE is a number"));
    let folder = ImageFolder::read(Path::new(folder)).expect("folders of pictures");
    let steps = |steps: &[serde_json::Value]| {
        let steps: Vec<Step> = steps.iter().map(|step| serde_json::from_value(step.clone()).expect("a step")).collect();
        Augmentation::new(steps).expect("steps that make sense")
    };
    let crop = match side <= 64 {
        true => Step::RandomCrop { height: side, width: side, padding: 4, mode: Padding::Zero },
        false => {
            serde_json::from_value(serde_json::json!({"name": "random_resized_crop", "height": side, "width": side}))
                .expect("a step")
        }
    };
    let crop = serde_json::to_value(crop).expect("JSON");
    let flip = serde_json::json!({"name": "horizontal_flip"});
    let jitter = serde_json::json!({"name": "colour_jitter"});
    let stages = [
        ("decode", None),
        ("decode crop flip", Some(steps(&[crop.clone(), flip.clone()]))),
        ("decode crop flip jitter", Some(steps(&[crop.clone(), flip.clone(), jitter.clone()]))),
        (
            "decode crop flip trivial",
            Some(steps(&[crop.clone(), flip.clone(), serde_json::json!({"name": "trivial_augment"})])),
        ),
    ];
    let normalisation = Normalisation { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] };
    let mut out = vec![0.0; 3 * side * side];
    let unchanged = Augmentation::default();
    for (name, augmentation) in &stages {
        for float in [false, true] {
            let Some(augmentation) = augmentation.as_ref().or((!float).then_some(&unchanged)) else {
                continue;
            };
            let (start, mut count) = (Instant::now(), 0u64);
            while start.elapsed() < LONG {
                for item in &folder.items {
                    let picture = Picture::read(&item.path, Channels::Rgb).expect("a picture");
                    let picture = augmentation.apply(picture, &Rng::new(count)).expect("a changed picture");
                    if float {
                        normalisation.write_chw(&picture, &mut out).expect("the size of a crop");
                        black_box(&mut out);
                    }
                    black_box(picture);
                    count += 1;
                }
            }
            let speed = count as f64 / start.elapsed().as_secs_f64();
            println!("{name}{}: {speed:.1} pictures/s", if float { " float" } else { "" });
        }
    }
}
