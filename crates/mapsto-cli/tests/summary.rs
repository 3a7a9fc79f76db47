//! `mapsto summary` of models by their names.

mod common;

use common::{complaint, events, text};

#[test]
fn a_model_is_summarised_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Parameters as torchvision and the papers give them.
    for (name, parameters) in [
        ("resnet18", 11_689_512),
        ("mobilenet_v2", 3_504_872),
        ("vgg11", 132_863_336),
        ("lenet", 61_706),
        ("mlp", 1_801),
    ] {
        let told = events(folder, &["summary", name, "--json"]);
        assert_eq!(told[0]["model"], name);
        assert_eq!(told[0]["summary"]["parameters"], parameters, "{name}");
    }
    let small = events(folder, &["summary", "resnet18", "--input", "3x32x32", "--outputs", "10", "--json"]);
    assert_eq!(small[0]["summary"]["parameters"], 11_173_962);
    assert!(text(folder, &["summary", "logistic", "--input", "30"]).contains("Linear"));
    for (arguments, said) in [
        (&["resnet19"][..], "resnet19 is no run and no model: models are lenet, vgg11,"),
        (&["resnet18", "--input", "3x32"], "give three sizes of pictures, as 3x224x224, or the number of columns"),
        (&["resnet18", "--input", "32"], "the model takes pictures: give three sizes"),
        (&["mlp", "--input", "3x32x32"], "the model takes tables: give the number of columns"),
        (&["lenet", "--input", "1x4x4"], "LeNet"),
        (&["runs/mine"], "runs/mine is not there"),
    ] {
        let told = complaint(folder, &[&["summary"], arguments].concat());
        assert!(told.contains(said), "{told}");
    }
}
