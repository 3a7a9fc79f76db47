//! The binary on folders of pictures, as a user runs it.

mod common;

use common::{complaint, events, text};
use image::{ImageBuffer, Rgb};
use serde_json::Value;
use std::path::Path;

/// Stripes across or down, of any place and colour.
fn stripes(folder: &Path, each: u32) {
    for class in ["across", "down"] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for number in 0..each {
            let at = |x: u32, y: u32| if class == "down" { x } else { y };
            let picture = ImageBuffer::from_fn(16, 16, |x, y| {
                let lit = (at(x, y) + number) / 3 % 2 == 0;
                Rgb([if lit { 200 } else { 30 }, (number * 7 % 256) as u8, if lit { 10 } else { 90 }])
            });
            picture.save(folder.join(class).join(format!("{number}.png"))).unwrap();
        }
    }
}

#[test]
fn a_folder_of_pictures_is_learned_evaluated_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stripes(&folder.join("pictures"), 40);
    let train = ["train", "image", "--data", "pictures", "--model", "lenet", "--epochs", "6", "--set", "batch_size=16"];
    let told = events(folder, &[&train[..], &["--set", "mixup=0.2", "--run", "mine", "--json"]].concat());
    let done = told.last().unwrap();
    assert_eq!((&told[0]["event"], &done["event"]), (&"start".into(), &"done".into()));
    assert!(done["test"]["accuracy"].as_f64().unwrap() >= 0.9, "{done}");
    assert_eq!(events(folder, &["eval", "runs/mine", "--json"])[0]["metrics"], done["test"]);
    let predicted = events(folder, &["predict", "runs/mine", "pictures/down", "--json"]);
    let right = predicted.iter().filter(|event| event["label"] == "down").count();
    assert!(predicted.len() == 40 && right >= 34, "{right}");
    let more = events(folder, &["eval", "runs/mine", "--data", "pictures", "--json"]);
    assert_eq!(more[0]["items"], 80);

    // The weights serve another network of the same kind; a head of other classes keeps its own.
    std::fs::rename(folder.join("pictures/down"), folder.join("pictures/upright")).unwrap();
    let next =
        [&train[..5], &["lenet", "--pretrained", "runs/mine/model.safetensors", "--epochs", "1", "--json"]].concat();
    assert!(events(folder, &next).last().unwrap()["test"]["accuracy"].as_f64().unwrap() >= 0.8);
    let told = complaint(
        folder,
        &["train", "image", "--data", "pictures", "--model", "resnet20", "--pretrained", "runs/mine/model.safetensors"],
    );
    assert!(told.contains("model.safetensors: ") && told.contains("missing: "), "{told}");
    let told = complaint(folder, &["eval", "runs/mine", "--data", "pictures"]);
    assert!(told.contains("the network knows no class \"upright\""), "{told}");
}

#[test]
fn pictures_that_cannot_be_read_are_named_and_passed_over_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stripes(&folder.join("pictures"), 12);
    std::fs::write(folder.join("pictures/down/broken.png"), "no picture").unwrap();
    let train = ["train", "image", "--data", "pictures", "--model", "lenet", "--epochs", "1", "--set", "batch_size=4"];
    let told = complaint(folder, &train);
    assert!(told.contains("broken.png is no whole picture") && told.contains("--skip-bad"), "{told}");
    assert_eq!(std::fs::read_dir(folder.join("runs")).unwrap().count(), 0);
    let shown = text(folder, &[&train[..], &["--skip-bad", "--run", "mine"]].concat());
    assert!(
        shown.contains("1 pictures cannot be read and are passed over, ") && shown.contains("broken.png first"),
        "{shown}"
    );
    assert!(complaint(folder, &["predict", "runs/mine", "pictures/down/broken.png"]).contains("broken.png"));
    assert!(complaint(folder, &["train", "image", "--data", "none"]).contains("none"));
    std::fs::create_dir(folder.join("empty")).unwrap();
    assert!(complaint(folder, &["train", "image", "--data", "empty"]).contains("empty"));
    let told = complaint(folder, &["train", "image", "--data", "pictures", "--model", "resnet21"]);
    assert!(told.contains("there is no model \"resnet21\" for images: give one of lenet, "), "{told}");
}
