//! The binary on folders of pictures, as a user runs it.

mod common;

use common::{complaint, events, mapsto, text};
use image::{ImageBuffer, Rgb};
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
    assert!(!folder.join("runs").exists());
    let shown = text(folder, &[&train[..], &["--skip-bad", "--run", "mine"]].concat());
    assert!(shown.contains("1 picture cannot be read and is passed over: ") && shown.contains("broken.png"), "{shown}");
    assert!(complaint(folder, &["predict", "runs/mine", "pictures/down/broken.png"]).contains("broken.png"));
    let down = mapsto(folder, &["predict", "runs/mine", "pictures/down", "--skip-bad", "--csv"]);
    let (rows, warned) = (String::from_utf8(down.stdout).unwrap(), String::from_utf8(down.stderr).unwrap());
    assert!(rows.lines().count() == 13 && warned.starts_with("warning: ") && warned.contains("broken.png"), "{warned}");
    let told = complaint(folder, &["eval", "runs/mine", "--data", "pictures"]);
    assert!(told.contains("broken.png is no whole picture") && told.contains("--skip-bad"), "{told}");
    let asked = events(folder, &["eval", "runs/mine", "--data", "pictures", "--skip-bad", "--json"]);
    assert_eq!(asked[0]["items"], 24);
    // What the run kept back is known as long as the data are the same.
    text(folder, &["eval", "runs/mine"]);
    std::fs::remove_file(folder.join("pictures/down/broken.png")).unwrap();
    let told = complaint(folder, &["eval", "runs/mine"]);
    assert!(told.contains("the data have changed since the run began") && told.contains("--data"), "{told}");
    assert!(complaint(folder, &["train", "image", "--data", "none"]).contains("none"));
    std::fs::create_dir(folder.join("empty")).unwrap();
    assert!(complaint(folder, &["train", "image", "--data", "empty"]).contains("empty"));
    let told = complaint(folder, &["train", "image", "--data", "pictures", "--model", "resnet21"]);
    assert!(told.contains("there is no model \"resnet21\" for images: give one of lenet, "), "{told}");
}

#[test]
fn settings_that_no_network_has_are_the_users_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stripes(&folder.join("pictures"), 6);
    for (model, setting, said) in [
        ("vgg11", "epochs=1", "the network cannot be built by these settings: VGG: a picture of 16 x 16 is too small"),
        ("lenet", "height=4", "the network cannot be built by these settings: LeNet: "),
        ("lenet", "channels=2", "channels is 2, it must be 1 for grey, or 3 for colours"),
        ("lenet", "width=100000", "width is 100000, it must be at most 4096"),
        ("lenet", "mixup=-1", "mixup is -1, it must be at least zero"),
        ("lenet", "cutmix=nan", "cutmix is NaN, it must be at least zero"),
    ] {
        let told = complaint(folder, &["train", "image", "--data", "pictures", "--model", model, "--set", setting]);
        assert!(told.contains(said) && !told.contains(".rs:"), "{told}");
        assert!(!folder.join("runs").exists());
    }
}
