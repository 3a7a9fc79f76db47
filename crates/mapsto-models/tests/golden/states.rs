//! Names and shapes of state dicts: torchvision's weights load.

use mapsto_models::{ImageModel, ImageShape};
use mapsto_nn::Module;
use std::collections::BTreeMap;

const IMAGENET: ImageShape = ImageShape { channels: 3, height: 224, width: 224 };

#[test]
fn names_and_shapes_are_torchvisions() {
    let text = include_str!("../fixtures/torchvision_states.txt");
    let models: Vec<&str> = text.split("model ").skip(1).collect();
    assert_eq!(models.len(), 7);
    for model in models {
        let mut lines = model.lines();
        let (name, parameters) = lines.next().unwrap().split_once(' ').unwrap();
        let entry = |line: &str| {
            let mut words = line.split(' ').map(str::to_string);
            (words.next().unwrap(), words.map(|size| size.parse::<usize>().unwrap()).collect::<Vec<_>>())
        };
        let theirs: BTreeMap<_, _> = lines.map(entry).collect();
        // Shapes are known before there are values: VGG's would take half a gigabyte.
        let network = ImageModel::named(name).unwrap().build(IMAGENET, 1000).unwrap();
        let params = network.named_parameters().into_iter().map(|(name, param)| (name, param.shape().to_vec()));
        let buffers = network.named_buffers().into_iter().filter(|(_, buffer)| buffer.is_persistent());
        let buffers = buffers.map(|(name, buffer)| (name, buffer.shape().to_vec()));
        assert_eq!(params.chain(buffers).collect::<BTreeMap<_, _>>(), theirs, "{name}");
        assert_eq!(network.num_parameters().to_string(), parameters, "{name}");
    }
}

#[test]
fn sizes_are_the_published_ones() {
    // torchvision's documentation; Howard et al. by the reference implementation, 4,231,976 of table 8's 4.2 million; He et al.
    // table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million.
    let published = [
        ("vgg11", 132_863_336),
        ("vgg13", 133_047_848),
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("vgg16_bn", 138_365_992),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("mobilenet_v1", 4_231_976),
        ("mobilenet_v2", 3_504_872),
    ];
    for (name, parameters) in published {
        let network = ImageModel::named(name).unwrap().build(IMAGENET, 1000).unwrap();
        assert_eq!(network.num_parameters(), parameters, "{name}");
    }
    let small = ImageShape { channels: 3, height: 32, width: 32 };
    for (name, millions) in
        [("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85), ("resnet110", 1.7)]
    {
        let network = ImageModel::named(name).unwrap().build(small, 10).unwrap();
        let ours = network.num_parameters() as f64 / 1e6;
        assert!((ours - millions).abs() <= 0.04 * millions, "{name} has {ours} million");
    }
}
