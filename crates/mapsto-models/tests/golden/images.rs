//! Models of pictures.

use super::{Case, numbers};
use mapsto_models::{ImageModel, ImageShape};
use mapsto_nn::Layer;

type ImageCase = Case<ImageModel, ImageShape>;

/// The cases whose names begin so, each held against what it gives.
fn check(prefix: &str, count: usize) {
    let cases: Vec<ImageCase> = serde_json::from_str(include_str!("../fixtures/images.json")).unwrap();
    let cases: Vec<_> = cases.iter().filter(|case| case.name.split(',').next() == Some(prefix)).collect();
    assert_eq!(cases.len(), count);
    for case in cases {
        let ImageShape { channels, height, width } = case.input;
        let x = numbers::tensor("input", [case.rows, channels, height, width]);
        let network = case.model.build(case.input, case.classes).unwrap();
        case.check(network, |network| network.forward(&x).unwrap());
    }
}

#[test]
fn lenet_is_pytorchs() {
    check("lenet", 1);
}

#[test]
fn vgg_is_torchvisions() {
    check("vgg11", 1);
    check("vgg11_bn", 1);
}

#[test]
fn resnets_are_torchvisions() {
    check("resnet18", 3);
    check("resnet50", 1);
}

#[test]
fn resnets_for_cifar_are_the_papers() {
    check("resnet20", 1);
}

#[test]
fn mobilenet_v1_is_the_papers() {
    check("mobilenet_v1", 1);
}

#[test]
fn mobilenet_v2_is_torchvisions() {
    check("mobilenet_v2", 3);
}
