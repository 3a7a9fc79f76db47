//! Every model by its name: it builds, computes, learns, is summed up and saved; what cannot be is refused.

use mapsto_models::image::*;
use mapsto_models::table::*;
use mapsto_models::{
    AudioModel, AudioShape, ForecastModel, ForecastShape, ImageModel, ImageShape, SeriesModel, SeriesShape,
    SpeechModel, Stem, TableModel, TableShape, load_all_but,
};
use mapsto_nn::{CrossEntropyLoss, CtcLoss, Layer, LoadOptions, Module, Summary};
use mapsto_tensor::{DType, Gradients, Result, Rng, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

const SMALL: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

fn image(name: &str) -> ImageModel {
    ImageModel::named(name).unwrap()
}

/// The same architecture with few channels.
fn narrow(model: ImageModel) -> ImageModel {
    match model {
        ImageModel::LeNet(config) => ImageModel::LeNet(config),
        ImageModel::Vgg(config) => ImageModel::Vgg(VggConfig { width: 4, pooled: 2, hidden: 16, ..config }),
        ImageModel::ResNet(config) => ImageModel::ResNet(ResNetConfig { width: 4, ..config }),
        ImageModel::MobileNetV1(config) => {
            ImageModel::MobileNetV1(MobileNetV1Config { width_multiplier: 0.25, ..config })
        }
        ImageModel::MobileNetV2(config) => {
            ImageModel::MobileNetV2(MobileNetV2Config { width_multiplier: 0.25, ..config })
        }
    }
}

fn table(numbers: usize, categories: &[usize]) -> TableShape {
    TableShape { numbers, categories: categories.to_vec() }
}

/// Fails unless every parameter's gradient is there, finite and somewhere not zero.
fn expect_gradients(name: &str, network: &impl Module, gradients: &Gradients) {
    for (param, value) in network.named_parameters() {
        let gradient = gradients.get(&value.get().unwrap()).unwrap_or_else(|| panic!("{name}: none of {param}"));
        let norm = gradient.square().unwrap().sum().unwrap().item::<f32>().unwrap();
        assert!(norm > 0.0 && norm.is_finite(), "{name}: {norm} of {param}");
    }
}

/// Fails unless settings come back from their own JSON and TOML, and a setting that is not one is refused.
fn expect_saved<C: Serialize + DeserializeOwned + PartialEq + Debug>(config: &C) {
    let json = serde_json::to_string(config).unwrap();
    assert_eq!(&serde_json::from_str::<C>(&json).unwrap(), config);
    let text = toml::to_string(config).unwrap();
    assert_eq!(&toml::from_str::<C>(&text).unwrap(), config, "{text}");
    let mut misspelt = serde_json::to_value(config).unwrap();
    misspelt["widht"] = 1.into();
    let refused = serde_json::from_value::<C>(misspelt).unwrap_err().to_string();
    assert!(refused.contains("unknown field `widht`"), "{refused}");
}

/// Fails unless the last layer is where the prefix says: it has all outputs, and is not all of the network.
fn expect_head(name: &str, network: &impl Module, prefix: &str, outputs: usize) {
    let all = network.freeze("").unwrap();
    assert_eq!(network.unfreeze(prefix).unwrap(), 2, "{name}");
    assert!(all > 2);
    let head = network.named_parameters().into_iter().filter(|(_, param)| param.is_trainable());
    for (param, value) in head {
        assert_eq!(value.shape()[0], outputs, "{name}, {param}");
    }
    network.unfreeze("").unwrap();
}

#[test]
fn every_image_model_learns_and_is_saved() {
    for &name in ImageModel::NAMES {
        for model in [image(name), image(name).fitted_to(32, 32)] {
            // VGG halves 32 pixels to one; the others take less.
            let side = if matches!(model, ImageModel::Vgg(_)) { 32 } else { 14 };
            let input = ImageShape { channels: 3, height: side, width: side };
            let network = narrow(model.clone()).build(input, 5).unwrap().init(3).unwrap();
            let x = Tensor::randn([4, 3, side, side], DType::F32, &mut Rng::new(1)).unwrap();
            let logits = network.forward(&x).unwrap();
            assert_eq!(logits.shape()[..], [4, 5], "{name}");
            let labels = Tensor::new([0i64, 1, 2, 3]).unwrap();
            let loss = CrossEntropyLoss::default().forward(&logits, &labels).unwrap();
            expect_gradients(name, &network, &loss.backward().unwrap());
            expect_head(name, &network, model.head_prefix(), 5);
            expect_saved(&model);
            let summary = Summary::of(&network, &x).unwrap();
            assert_eq!(summary.parameters as usize, network.num_parameters(), "{name}");
            let head = summary.layer(model.head_prefix()).unwrap();
            assert_eq!((head.outputs.clone(), head.multiply_adds % 20), (vec![vec![4, 5]], 0), "{name}");
        }
        // In full, a network has names and shapes before it takes any memory.
        image(name).build(SMALL, 1000).unwrap();
    }
}

#[test]
fn every_table_model_learns_and_is_saved() {
    let models = TableModel::NAMES.iter().map(|name| TableModel::named(name).unwrap());
    let norms = [Norm::Batch, Norm::Layer].map(|norm| MlpConfig { norm, residual: true, ..MlpConfig::default() });
    for model in models.chain(norms.map(TableModel::Mlp)) {
        let network = model.build(&table(3, &[4, 2]), 5).unwrap().init(3).unwrap();
        let numbers = Tensor::randn([6, 3], DType::F32, &mut Rng::new(1)).unwrap();
        let categories = Tensor::new([[0i64, 1], [3, 0], [2, 1], [1, 0], [1, 1], [0, 0]]).unwrap();
        let outputs = network.forward(&numbers, &categories).unwrap();
        assert_eq!(outputs.shape()[..], [6, 5]);
        let labels = Tensor::new([0i64, 1, 2, 3, 4, 0]).unwrap();
        let loss = CrossEntropyLoss::default().forward(&outputs, &labels).unwrap();
        expect_gradients(&format!("{model:?}"), &network, &loss.backward().unwrap());
        expect_saved(&model);
        let forward = |x: &[Tensor]| Ok(vec![network.forward(&x[0], &x[1])?]);
        let summary = Summary::of_forward(&network, &[&numbers, &categories], forward).unwrap();
        assert_eq!(summary.parameters as usize, network.num_parameters());
        assert_eq!(summary.layers[0].outputs, [[6, 5]]);
        match model {
            TableModel::Linear(_) => assert_eq!(model.head_prefix(), ""),
            TableModel::Mlp(_) => expect_head("mlp", &network, model.head_prefix(), 5),
        }
    }
}

#[test]
fn every_audio_model_learns_and_is_saved() {
    for &name in AudioModel::NAMES {
        let model = AudioModel::named(name).unwrap();
        let network = model.build(AudioShape { rows: 9 }, 5).unwrap().init(3).unwrap();
        let features = Tensor::randn([4, 1, 9, 14], DType::F32, &mut Rng::new(1)).unwrap();
        let frames = Tensor::new([14i64, 3, 8, 1]).unwrap();
        let outputs = network.forward(&features, &frames).unwrap();
        assert_eq!(outputs.shape()[..], [4, 5]);
        let labels = Tensor::new([0i64, 1, 2, 3]).unwrap();
        let loss = CrossEntropyLoss::default().forward(&outputs, &labels).unwrap();
        expect_gradients(name, &network, &loss.backward().unwrap());
        expect_saved(&model);
        let forward = |x: &[Tensor]| Ok(vec![network.forward(&x[0], &x[1])?]);
        let summary = Summary::of_forward(&network, &[&features, &frames], forward).unwrap();
        assert_eq!(summary.parameters as usize, network.num_parameters());
        assert_eq!(summary.layers[0].outputs, [[4, 5]]);
        expect_head(name, &network, model.head_prefix(), 5);
    }
}

#[test]
fn every_series_model_learns_and_is_saved() {
    for &name in SeriesModel::NAMES {
        let model = SeriesModel::named(name).unwrap();
        let network = model.build(SeriesShape { channels: 3 }, 5).unwrap().init(3).unwrap();
        let series = Tensor::randn([4, 3, 14], DType::F32, &mut Rng::new(1)).unwrap();
        let lengths = Tensor::new([14i64, 3, 8, 1]).unwrap();
        let outputs = network.forward(&series, &lengths).unwrap();
        assert_eq!(outputs.shape()[..], [4, 5]);
        let labels = Tensor::new([0i64, 1, 2, 3]).unwrap();
        let loss = CrossEntropyLoss::default().forward(&outputs, &labels).unwrap();
        expect_gradients(name, &network, &loss.backward().unwrap());
        expect_saved(&model);
        let forward = |x: &[Tensor]| Ok(vec![network.forward(&x[0], &x[1])?]);
        let summary = Summary::of_forward(&network, &[&series, &lengths], forward).unwrap();
        assert_eq!(summary.parameters as usize, network.num_parameters());
        expect_head(name, &network, model.head_prefix(), 5);
    }
}

#[test]
fn every_model_that_forecasts_learns_and_is_saved() {
    for &name in ForecastModel::NAMES {
        let model = ForecastModel::named(name).unwrap();
        let shape = ForecastShape { context: 10, horizon: 3, targets: 2, past: 2, known: 1 };
        let network = model.build(shape).unwrap().init(3).unwrap();
        let past = Tensor::randn([4, 10, 5], DType::F32, &mut Rng::new(1)).unwrap();
        let future = Tensor::randn([4, 3, 1], DType::F32, &mut Rng::new(2)).unwrap();
        let outputs = network.forward(&past, &future).unwrap();
        assert_eq!(outputs.shape()[..], [4, 3, 2, 3]);
        let loss = outputs.square().unwrap().sum().unwrap();
        expect_gradients(name, &network, &loss.backward().unwrap());
        expect_saved(&model);
        let forward = |x: &[Tensor]| Ok(vec![network.forward(&x[0], &x[1])?]);
        let summary = Summary::of_forward(&network, &[&past, &future], forward).unwrap();
        assert_eq!(summary.parameters as usize, network.num_parameters());
    }
}

#[test]
fn every_speech_model_learns_and_is_saved() {
    for &name in SpeechModel::NAMES {
        let model = SpeechModel::named(name).unwrap();
        let network = model.build(AudioShape { rows: 9 }, 5).unwrap().init(3).unwrap();
        let features = Tensor::randn([3, 1, 9, 14], DType::F32, &mut Rng::new(1)).unwrap();
        let (outputs, steps) = network.forward(&features, &Tensor::new([14i64, 3, 8]).unwrap()).unwrap();
        assert_eq!(outputs.shape()[..], [3, 7, 5]);
        let [symbols, lengths] = [&[1i64, 1, 4, 2, 3, 3][..], &[3, 1, 2]]
            .map(|numbers| Tensor::from_slice(numbers, [numbers.len()]).unwrap());
        let by_step = outputs.transpose(0, 1).unwrap();
        let loss = CtcLoss::default().forward(&by_step, &symbols, &steps, &lengths).unwrap();
        expect_gradients(name, &network, &loss.backward().unwrap());
        expect_saved(&model);
    }
}

#[test]
fn names_are_known_once() {
    let all = [
        AudioModel::NAMES,
        ForecastModel::NAMES,
        ImageModel::NAMES,
        SeriesModel::NAMES,
        SpeechModel::NAMES,
        TableModel::NAMES,
    ];
    for names in all {
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len());
    }
    assert_eq!(ImageModel::named("resnet"), None);
    assert_eq!(TableModel::named("ResNet18"), None);
    assert_eq!(TableModel::named("logistic"), TableModel::named("linear"));
}

#[test]
fn settings_that_are_left_out_have_their_usual_values() {
    let read = |text: &str| toml::from_str::<ImageModel>(text).unwrap();
    assert_eq!(read("architecture = 'lenet'"), image("lenet"));
    assert_eq!(read("architecture = 'vgg'"), image("vgg16"));
    assert_eq!(read("architecture = 'resnet'"), image("resnet18"));
    assert_eq!(read("architecture = 'mobilenet_v1'\nwidth_multiplier = 1"), image("mobilenet_v1"));
    assert_eq!(read("architecture = 'mobilenet_v2'"), image("mobilenet_v2"));
    assert_eq!(toml::from_str("architecture = 'linear'"), Ok(TableModel::named("linear").unwrap()));
    assert_eq!(toml::from_str("architecture = 'mlp'"), Ok(TableModel::named("mlp").unwrap()));
    let unknown = toml::from_str::<ImageModel>("architecture = 'resnet18'").unwrap_err().to_string();
    assert!(unknown.contains("unknown variant `resnet18`, expected one of `lenet`, `vgg`"), "{unknown}");
}

/// The text with a number grown, a byte changed, or its end cut off.
fn damaged(text: &str, rng: &mut Rng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut below = |n: usize| rng.below(n as u64) as usize;
    let digits: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i].is_ascii_digit()).collect();
    match below(4) {
        0 | 1 if !digits.is_empty() => {
            let at = digits[below(digits.len())];
            (0..below(20)).for_each(|_| bytes.insert(at, b'1' + below(9) as u8));
        }
        2 => {
            let at = below(bytes.len());
            bytes[at] = b"0123456789-.,[]{}\"ae"[below(20)];
        }
        _ => bytes.truncate(below(bytes.len())),
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn settings_that_are_damaged_do_no_harm() {
    let (mut rng, mut read, mut built) = (Rng::new(5), 0, 0);
    for _ in 0..50 {
        for name in ImageModel::NAMES {
            let text = damaged(&serde_json::to_string(&image(name)).unwrap(), &mut rng);
            let Ok(model) = serde_json::from_str::<ImageModel>(&text) else { continue };
            read += 1;
            built += usize::from(model.build(SMALL, 10).is_ok());
        }
        for name in TableModel::NAMES {
            let text = damaged(&serde_json::to_string(&TableModel::named(name)).unwrap(), &mut rng);
            let Ok(model) = serde_json::from_str::<TableModel>(&text) else { continue };
            read += 1;
            built += usize::from(model.build(&table(3, &[4]), 10).is_ok());
        }
    }
    assert!(read > 100 && built > 50 && built < read, "{read} were read, {built} built");
}

#[test]
fn small_pictures_keep_their_size_at_first() {
    let stem = |model: ImageModel| match model {
        ImageModel::ResNet(config) => config.stem,
        ImageModel::MobileNetV1(config) => config.stem,
        ImageModel::MobileNetV2(config) => config.stem,
        other => panic!("{other:?} has no stem"),
    };
    for name in ["resnet50", "mobilenet_v1", "mobilenet_v2"] {
        assert_eq!(stem(image(name).fitted_to(65, 65)), Stem::Imagenet, "{name}");
        assert_eq!(stem(image(name).fitted_to(640, 64)), Stem::Small, "{name}");
        assert_eq!(stem(image(name).fitted_to(8, 8)), Stem::Small, "{name}");
    }
    assert_eq!(stem(image("resnet20").fitted_to(224, 224)), Stem::Small);
    let vgg = VggConfig { pooled: 1, hidden: 512, ..VggConfig::new([2, 2, 3, 3, 3], true) };
    assert_eq!(image("vgg16_bn").fitted_to(32, 32), ImageModel::Vgg(vgg));
    assert_eq!(image("vgg16").fitted_to(224, 224), image("vgg16"));
}

#[test]
fn multiply_adds_are_the_published_ones() {
    // torchvision's: 1.814 and 0.301 billion for a picture of 224 x 224, which is 49 of 32 x 32 but for the last layer.
    for (name, features, billions) in [("resnet18", 512, 1.814), ("mobilenet_v2", 1280, 0.301)] {
        let network = image(name).build(SMALL, 1000).unwrap().init(0).unwrap();
        network.eval();
        let summary = Summary::of(&network, &Tensor::zeros([1, 3, 32, 32], DType::F32).unwrap()).unwrap();
        let last = features * 1000;
        let ours = (49 * (summary.multiply_adds - last) + last) as f64 / 1e9;
        assert!((ours - billions).abs() <= 5e-4, "{name}: {ours}");
    }
}

/// Mean and standard deviation.
fn spread(values: &Tensor) -> (f64, f64) {
    let values: Vec<f64> = values.to_dtype(DType::F64).unwrap().to_vec().unwrap();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
}

#[test]
fn first_values_are_torchvisions() {
    let first = |model: &ImageModel, name: &str| {
        let network = model.build(SMALL, 500).unwrap().init(7).unwrap();
        network.state_dict().unwrap()[name].clone()
    };
    let expect = |values: Tensor, std: f64| {
        let (mean, ours) = spread(&values);
        assert!(mean.abs() <= 0.1 * std && (ours - std).abs() <= 0.1 * std, "{mean} and {ours}, not {std}");
    };
    let resnet = ImageModel::ResNet(ResNetConfig { width: 16, ..ResNetConfig::bottleneck([1, 1]) });
    expect(first(&resnet, "layer2.0.conv2.weight"), (2.0 / (9.0 * 32.0f64)).sqrt());
    expect(first(&resnet, "fc.weight"), (1.0 / (3.0 * 128.0f64)).sqrt());
    assert_eq!(spread(&first(&resnet, "layer2.0.bn3.weight")), (1.0, 0.0));
    let vgg = ImageModel::Vgg(VggConfig { width: 16, pooled: 1, hidden: 32, ..VggConfig::new([1, 1], false) });
    expect(first(&vgg, "features.3.weight"), (2.0 / (9.0 * 32.0f64)).sqrt());
    expect(first(&vgg, "classifier.6.weight"), 0.01);
    assert_eq!(spread(&first(&vgg, "features.3.bias")), (0.0, 0.0));
    assert_eq!(spread(&first(&vgg, "classifier.6.bias")), (0.0, 0.0));
    let v2 = narrow(image("mobilenet_v2"));
    expect(first(&v2, "features.18.0.weight"), (2.0 / 1280.0f64).sqrt());
    expect(first(&v2, "classifier.1.weight"), 0.01);
}

#[test]
fn the_unknown_begins_at_zero() {
    let network = TableModel::named("mlp").unwrap().build(&table(0, &[9, 200]), 1).unwrap().init(7).unwrap();
    let state = network.state_dict().unwrap();
    // Widths by the rule min(50, (n + 1) / 2).
    for (name, shape) in [("embeddings.0.weight", [9, 5]), ("embeddings.1.weight", [200, 50])] {
        let rows: Vec<Vec<f32>> =
            (0..shape[0]).map(|row| state[name].narrow(0, row, 1).unwrap().to_vec().unwrap()).collect();
        assert_eq!(rows[0], vec![0.0; shape[1]]);
        let bound = (shape[1] as f32).sqrt().recip();
        assert!(rows[1..].iter().flatten().all(|x| x.abs() <= bound), "{name}");
        assert!(rows[1..].iter().flatten().any(|x| x.abs() > 0.8 * bound), "{name}");
    }
    let linear = TableModel::named("linear").unwrap().build(&table(3, &[4]), 2).unwrap().init(7).unwrap();
    assert!(linear.state_dict().unwrap().values().all(|value| spread(value) == (0.0, 0.0)));
}

#[test]
fn all_but_the_head_is_taken_over() {
    let model = narrow(image("mobilenet_v2"));
    let old = model.build(SMALL, 10).unwrap().init(1).unwrap().state_dict().unwrap();
    let network = model.build(SMALL, 3).unwrap().init(2).unwrap();
    let before = network.state_dict().unwrap();
    load_all_but(model.head_prefix(), &network, &old).unwrap();
    let bits = |x: &Tensor| x.to_bytes().unwrap();
    for (name, value) in network.state_dict().unwrap() {
        let from = if name.starts_with("classifier.1.") { &before } else { &old };
        assert_eq!(bits(&value), bits(&from[&name]), "{name}");
    }
    let mut broken = old.clone();
    broken.remove("features.0.0.weight");
    let error = load_all_but(model.head_prefix(), &network, &broken).unwrap_err().to_string();
    assert!(error.contains("features.0.0.weight"), "{error}");
    let fresh = model.build(SMALL, 3).unwrap();
    let error = load_all_but(model.head_prefix(), &fresh, &old).unwrap_err().to_string();
    assert!(error.contains("call init(seed) on the network"), "{error}");
    refused(
        load_all_but(TableModel::named("linear").unwrap().head_prefix(), &network, &old),
        "load_all_but: the head is all of the network: there is nothing to take over; train it from its first values",
    );
}

#[test]
fn a_network_without_numbers_is_saved() {
    // Its weight for numbers has no elements.
    let model = TableModel::named("linear").unwrap();
    let [old, new] = [1, 2].map(|seed| model.build(&table(0, &[3]), 2).unwrap().init(seed).unwrap());
    let values = Tensor::new([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]).unwrap();
    old.named_parameters()[2].1.set(&values).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    old.save(&file).unwrap();
    new.load(&file, &LoadOptions::strict()).unwrap();
    let none = Tensor::zeros([2, 0], DType::F32).unwrap();
    let y = new.forward(&none, &Tensor::new([[2i64], [0]]).unwrap()).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [5.0, 6.0, 1.0, 2.0]);
}

/// Fails unless it is refused in these words.
#[track_caller]
fn refused<T>(result: Result<T>, words: &str) {
    match result {
        Ok(_) => panic!("taken, not refused: {words}"),
        Err(error) => assert_eq!(format!("{error:#}"), words),
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let shape = |channels, height, width| ImageShape { channels, height, width };
    let most = usize::MAX;
    for &name in ImageModel::NAMES {
        let model = image(name);
        for (input, classes) in [
            (shape(0, 32, 32), 2),
            (shape(3, 0, 32), 2),
            (shape(3, 32, most), 2),
            (shape(most, 32, 32), 2),
            (SMALL, 0),
            (SMALL, most),
            (shape(1 << 24, 1 << 24, 1 << 24), 1 << 24),
        ] {
            assert!(model.build(input, classes).is_err(), "{name} of {input:?}, {classes} classes");
        }
    }
    let build = |name: &str, input| image(name).build(input, 10);
    refused(build("resnet18", shape(0, 8, 8)), "ResNet: the number of channels is 0, not in 1..=16777216");
    refused(image("resnet18").build(SMALL, 0), "ResNet: the number of classes is 0, not in 1..=16777216");
    refused(build("vgg11", shape(3, most, 8)), &format!("VGG: the picture's height is {most}, not in 1..=16777216"));
    refused(
        build("lenet", shape(1, 8, 30)),
        "LeNet: a picture of 8 x 30 is too small: 12 x 12 is the least; enlarge the pictures, or choose an architecture \
         without this bound such as resnet20",
    );
    assert!(build("lenet", shape(1, 12, 12)).is_ok());
    refused(
        build("vgg11", shape(3, 31, 40)),
        "VGG: a picture of 31 x 40 is too small to be halved 5 times; enlarge the pictures to 32 x 32, or choose fewer \
         stages",
    );
    assert!(build("resnet18", shape(3, 1, 1)).is_ok());
    refused(
        build("lenet", shape(1, 1 << 24, 1 << 24)),
        "LeNet: the network would have 33776964993045386 parameters, more than 2147483648; are the sizes mistyped? smaller \
         ones need less",
    );
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let build = |text: &str| serde_json::from_str::<ImageModel>(text).unwrap().build(SMALL, 10);
    refused(build(r#"{"architecture": "vgg", "convolutions": []}"#), "VGG: convolutions has 0 stages, not 1 to 8");
    refused(
        build(r#"{"architecture": "vgg", "convolutions": [1, 0]}"#),
        "VGG: convolutions is [1, 0]: a stage has at least one",
    );
    refused(build(r#"{"architecture": "vgg", "width": 0}"#), "VGG: width is 0, not in 1..=16777216");
    refused(build(r#"{"architecture": "vgg", "hidden": 99999999}"#), "VGG: hidden is 99999999, not in 1..=16777216");
    refused(build(r#"{"architecture": "vgg", "pooled": 0}"#), "VGG: pooled is 0, not in 1..=16777216");
    refused(build(r#"{"architecture": "vgg", "dropout": 1.5}"#), "VGG: a probability lies in [0, 1], got 1.5");
    refused(
        build(r#"{"architecture": "vgg", "width": 16777216, "hidden": 16777216, "pooled": 16777216}"#),
        "VGG: [16777216, 18446744073709551615] has more elements than memory can address",
    );
    refused(
        build(r#"{"architecture": "resnet", "blocks": [1, 1000]}"#),
        "ResNet: blocks asks for 1001 layers, more than 1000",
    );
    refused(
        build(r#"{"architecture": "resnet", "blocks": [2, 18446744073709551615]}"#),
        "ResNet: blocks asks for 18446744073709551615 layers, more than 1000",
    );
    refused(build(r#"{"architecture": "resnet", "width": 0}"#), "ResNet: width is 0, not in 1..=16777216");
    let wide = build(r#"{"architecture": "resnet", "width": 64000}"#).err().unwrap().to_string();
    assert!(wide.contains("more than 2147483648 at "), "{wide}");
    for width in ["0", "-1", "64.5", "1e308"] {
        for name in ["mobilenet_v1", "mobilenet_v2"] {
            let error = build(&format!(r#"{{"architecture": "{name}", "width_multiplier": {width}}}"#)).err().unwrap();
            assert!(error.to_string().contains("not above 0 and at most 64"), "{error}");
        }
    }
    let nan = MobileNetV1Config { width_multiplier: f64::NAN, ..MobileNetV1Config::default() };
    refused(
        ImageModel::MobileNetV1(nan).build(SMALL, 2),
        "MobileNetV1: width_multiplier is NaN, not above 0 and at most 64",
    );
    let tables = |text: &str, numbers, categories: &[usize], outputs| {
        serde_json::from_str::<TableModel>(text).unwrap().build(&table(numbers, categories), outputs)
    };
    let (linear, mlp) = (r#"{"architecture": "linear"}"#, r#"{"architecture": "mlp"}"#);
    refused(tables(linear, 0, &[], 1), "Linear: a table without a column of numbers or categories tells nothing");
    refused(tables(linear, 1, &[], 0), "Linear: the number of outputs is 0, not in 1..=16777216");
    refused(
        tables(mlp, 1, &[3, 0], 1),
        "MLP: the number of codes of column 1 of the categories is 0, not in 1..=16777216",
    );
    refused(
        tables(mlp, usize::MAX, &[], 1),
        "MLP: the number of columns of numbers is 18446744073709551615, not in 1..=16777216",
    );
    refused(
        tables(r#"{"architecture": "mlp", "hidden": [8, 0]}"#, 1, &[], 1),
        "MLP: hidden width is 0, not in 1..=16777216",
    );
    refused(
        tables(r#"{"architecture": "mlp", "embedding_width": 0}"#, 1, &[], 1),
        "MLP: embedding_width is 0, not in 1..=16777216",
    );
    refused(
        tables(r#"{"architecture": "mlp", "dropout": -0.5}"#, 1, &[], 1),
        "MLP: a probability lies in [0, 1], got -0.5",
    );
    let deep = MlpConfig { hidden: vec![1; 1001], ..MlpConfig::default() };
    refused(TableModel::Mlp(deep).build(&table(1, &[]), 1), "MLP: hidden asks for 1001 layers, more than 1000");
    let wide = tables(linear, 1 << 24, &[], 1 << 24).err().unwrap().to_string();
    assert!(wide.contains("parameters, more than 2147483648"), "{wide}");
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let network = image("lenet").build(ImageShape { channels: 1, height: 28, width: 28 }, 10).unwrap().init(0).unwrap();
    refused(
        network.forward(&Tensor::zeros([2, 1, 32, 32], DType::F32).unwrap()),
        "LeNet: takes [N, 1, 28, 28], not [2, 1, 32, 32]; resize the pictures, or build it for their size",
    );
    let network = narrow(image("resnet20")).build(SMALL, 10).unwrap().init(0).unwrap();
    let grey = network.forward(&Tensor::zeros([2, 1, 32, 32], DType::F32).unwrap()).err().unwrap().to_string();
    assert!(grey.contains("Conv2d: takes [N, 3, H, W] or [3, H, W], not [2, 1, 32, 32]"), "{grey}");
    for name in TableModel::NAMES {
        let network = TableModel::named(name).unwrap().build(&table(2, &[3, 4]), 1).unwrap().init(0).unwrap();
        let kind = if *name == "mlp" { "MLP" } else { "Linear" };
        let (numbers, codes) = (Tensor::zeros([5, 2], DType::F32).unwrap(), Tensor::zeros([5, 2], DType::I64).unwrap());
        let of = |shape: [usize; 2], dtype| Tensor::zeros(shape, dtype).unwrap();
        let forward = |x: &Tensor, c: &Tensor, words: &str| refused(network.forward(x, c), &format!("{kind}: {words}"));
        forward(&of([5, 3], DType::F32), &codes, "takes numbers [N, 2], not [5, 3]");
        forward(&numbers, &of([5, 1], DType::I64), "takes categories [N, 2], not [5, 1]");
        forward(&numbers, &of([4, 2], DType::I64), "5 rows of numbers, 4 of categories");
        forward(
            &numbers,
            &of([5, 2], DType::F32),
            "codes of categories are f32, not i64; convert them with to_dtype(DType::I64)",
        );
        forward(&of([5, 2], DType::I64), &codes, "numbers are i64, not floats; convert them with to_dtype(DType::F32)");
        let unknown = Tensor::new([[0i64, 0], [0, 1], [2, 0], [0, 4], [0, 0]]).unwrap();
        forward(&numbers, &unknown, "index 4 (number 3 of 5) is not among 4 rows (in column 1 of the categories)");
    }
}
