//! Sounds of several lengths in a batch.

use mapsto_models::{AudioModel, AudioNet, AudioShape};
use mapsto_nn::{Module, Summary};
use mapsto_tensor::{DType, Rng, Tensor};

const ROWS: usize = 21;

fn network(name: &str) -> AudioNet {
    AudioModel::named(name).unwrap().build(AudioShape { rows: ROWS }, 3).unwrap().init(5).unwrap()
}

fn logits(network: &AudioNet, features: &Tensor, frames: &[i64]) -> Vec<f32> {
    let frames = Tensor::from_vec(frames.to_vec(), [frames.len()]).unwrap();
    network.forward(features, &frames).unwrap().to_vec().unwrap()
}

#[test]
fn padding_is_not_heard() {
    for &name in AudioModel::NAMES {
        let network = network(name);
        // Means and variances, and norms' own settings, as after training.
        let mut rng = Rng::new(9);
        for (_, buffer) in network.named_buffers().into_iter().filter(|(name, _)| name.contains("running")) {
            let old = buffer.get().unwrap();
            buffer.set(&Tensor::rand(*old.shape(), DType::F32, &mut rng).unwrap().add(0.5).unwrap()).unwrap();
        }
        for (_, param) in network.named_parameters().into_iter().filter(|(_, param)| param.shape().rank() == 1) {
            param.set(&Tensor::rand(*param.shape(), DType::F32, &mut rng).unwrap().add(0.5).unwrap()).unwrap();
        }
        network.eval();
        let lengths = [40i64, 1, 2, 3, 17, 32, 33];
        let all = Tensor::randn([lengths.len(), 1, ROWS, 40], DType::F32, &mut Rng::new(3)).unwrap();
        let together = logits(&network, &all, &lengths);
        for (i, &length) in lengths.iter().enumerate() {
            let alone = all.narrow(0, i, 1).unwrap().narrow(3, 0, length as usize).unwrap();
            let alone = logits(&network, &alone, &[length]);
            for (ours, theirs) in together[3 * i..][..3].iter().zip(&alone) {
                assert!((ours - theirs).abs() <= 1e-4 * theirs.abs().max(1.0), "{name}, {length}: {ours}, {theirs}");
            }
        }
        assert!(together[..3] != together[3..6], "{name} hears nothing");
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    for &name in AudioModel::NAMES {
        let network = network(name);
        let features = |shape: [usize; 4]| Tensor::zeros(shape, DType::F32).unwrap();
        let said = |x: &Tensor, frames: &Tensor| format!("{:#}", network.forward(x, frames).unwrap_err());
        let two = Tensor::new([4i64, 5]).unwrap();
        for shape in [[2, 1, 20, 5], [2, 2, ROWS, 5], [2, 1, ROWS, 0]] {
            let error = said(&features(shape), &two);
            assert!(error.contains("takes features [N, 1, 21, frames], not ["), "{error}");
        }
        let error = said(&features([3, 1, ROWS, 5]), &two);
        assert!(error.contains("takes 3 numbers of frames, not [2]"), "{error}");
        let error = said(&features([2, 1, ROWS, 5]), &two.to_dtype(DType::F32).unwrap());
        assert!(
            error.contains("numbers of frames are f32, not i64; convert them with to_dtype(DType::I64)"),
            "{error}"
        );
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let said = |text: &str, rows: usize, classes: usize| {
        let model: AudioModel = serde_json::from_str(text).unwrap();
        format!("{:#}", model.build(AudioShape { rows }, classes).err().unwrap())
    };
    let (mel, keyword) = (r#"{"architecture": "mel_cnn"}"#, r#"{"architecture": "keyword_cnn"}"#);
    assert!(said(mel, 0, 2).contains("MelCnn: the number of rows is 0, not in 1..=16777216"));
    assert!(said(keyword, 1, 2).contains("KeywordCnn: features of 1 row are too few: 2 are the least; use more bands"));
    assert!(said(keyword, 4, 0).contains("KeywordCnn: the number of classes is 0, not in 1..=16777216"));
    let with = |text: &str, setting: &str| said(&text.replace('}', &format!(", {setting}}}")), 4, 2);
    assert!(with(mel, r#""channels": []"#).contains("channels has 0 stages, not 1 to 8"));
    assert!(with(mel, r#""channels": [4, 0]"#).contains("channels is [4, 0]: a stage has at least one"));
    assert!(with(mel, r#""dropout": 2"#).contains("a probability lies in [0, 1], got 2"));
    assert!(with(keyword, r#""channels": 0"#).contains("channels is 0, not in 1..=16777216"));
    assert!(with(keyword, r#""blocks": 1001"#).contains("blocks asks for 1001 layers, more than 1000"));
}

#[test]
fn the_small_keyword_network_is_the_papers() {
    // Table 5 of the paper: DS-CNN-S takes 5.4 million operations, two for each multiply-add, for 10 coefficients of 49 frames.
    let network =
        AudioModel::named("keyword_cnn").unwrap().build(AudioShape { rows: 10 }, 12).unwrap().init(0).unwrap();
    let (features, frames) = (Tensor::zeros([1, 1, 10, 49], DType::F32).unwrap(), Tensor::new([49i64]).unwrap());
    let forward = |x: &[Tensor]| Ok(vec![network.forward(&x[0], &x[1])?]);
    let summary = Summary::of_forward(&network, &[&features, &frames], forward).unwrap();
    let millions = 2.0 * summary.multiply_adds as f64 / 1e6;
    assert!((millions - 5.4).abs() < 0.1, "{millions}");
    assert_eq!(network.num_parameters(), 23_180);
}
