//! Speech of several lengths in a batch, and in pieces.

use mapsto_models::speech::DeepSpeech;
use mapsto_models::{AudioShape, SpeechModel};
use mapsto_nn::Module;
use mapsto_tensor::{DType, Rng, Tensor};

const ROWS: usize = 21;
const SYMBOLS: usize = 4;

/// An evaluating network; its norms have seen something.
fn network(name: &str) -> DeepSpeech {
    let network = SpeechModel::named(name).unwrap().build(AudioShape { rows: ROWS }, SYMBOLS).unwrap().init(5).unwrap();
    let mut rng = Rng::new(9);
    for (_, buffer) in network.named_buffers().into_iter().filter(|(name, _)| name.contains("running")) {
        let old = buffer.get().unwrap();
        buffer.set(&Tensor::rand(*old.shape(), DType::F32, &mut rng).unwrap().add(0.5).unwrap()).unwrap();
    }
    for (_, param) in network.named_parameters().into_iter().filter(|(name, _)| name.starts_with("norm")) {
        param.set(&Tensor::rand(*param.shape(), DType::F32, &mut rng).unwrap().sub(0.3).unwrap()).unwrap();
    }
    network.eval();
    network
}

fn told(network: &DeepSpeech, features: &Tensor, frames: &[i64]) -> (Tensor, Vec<i64>) {
    let frames = Tensor::from_vec(frames.to_vec(), [frames.len()]).unwrap();
    let (log_probs, steps) = network.forward(features, &frames).unwrap();
    (log_probs, steps.to_vec().unwrap())
}

#[track_caller]
fn expect_near(what: &str, ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.shape(), theirs.shape(), "{what}");
    let far = ours.sub(theirs).unwrap().abs().unwrap().max().unwrap().item::<f32>().unwrap();
    assert!(far <= 1e-4, "{what}: {far}");
}

#[test]
fn padding_is_not_heard() {
    for &name in SpeechModel::NAMES {
        let network = network(name);
        let lengths = [40i64, 1, 2, 3, 17, 32, 33];
        let all = Tensor::randn([lengths.len(), 1, ROWS, 40], DType::F32, &mut Rng::new(3)).unwrap();
        let (together, steps) = told(&network, &all, &lengths);
        for (i, &length) in lengths.iter().enumerate() {
            let alone = all.narrow(0, i, 1).unwrap().narrow(3, 0, length as usize).unwrap();
            let (alone, own) = told(&network, &alone, &[length]);
            assert_eq!((own[0], own[0] as usize), (steps[i], DeepSpeech::steps(length as usize)));
            let ours = together.narrow(0, i, 1).unwrap().narrow(1, 0, own[0] as usize).unwrap();
            expect_near(&format!("{name}, {length}"), &ours, &alone);
        }
    }
}

#[test]
fn pieces_are_heard_as_the_whole() {
    let network = network("streaming");
    for frames in [1usize, 2, 7, 40, 41] {
        let features = Tensor::randn([1, 1, ROWS, frames], DType::F32, &mut Rng::new(4)).unwrap();
        let (whole, _) = told(&network, &features, &[frames as i64]);
        for piece in [1, 2, 3, 8, 50] {
            let mut stream = network.stream().unwrap().unwrap();
            let mut steps = Vec::new();
            for start in (0..frames).step_by(piece) {
                let some = features.narrow(3, start, piece.min(frames - start)).unwrap();
                steps.extend(stream.push(&some).unwrap());
                // A step comes as soon as its frame does.
                let heard = steps.iter().map(|some| some.shape()[0]).sum::<usize>();
                assert_eq!(heard, DeepSpeech::steps((start + piece).min(frames)));
            }
            let joined = Tensor::concat(&steps.iter().collect::<Vec<_>>(), 0).unwrap().unsqueeze(0).unwrap();
            expect_near(&format!("{frames} frames by {piece}"), &joined, &whole);
        }
    }
    // What looks ahead cannot.
    assert!(self::network("deepspeech").stream().unwrap().is_none());
}

#[test]
fn inputs_and_settings_that_cannot_be_are_refused() {
    let network = network("streaming");
    let features = |shape: [usize; 4]| Tensor::zeros(shape, DType::F32).unwrap();
    let said = |x: &Tensor, frames: &Tensor| format!("{:#}", network.forward(x, frames).unwrap_err());
    let two = Tensor::new([4i64, 5]).unwrap();
    assert!(said(&features([2, 1, 20, 5]), &two).contains("takes features [N, 1, 21, frames], not ["));
    assert!(said(&features([3, 1, ROWS, 5]), &two).contains("takes 3 numbers of frames, not [2]"));
    for frames in [[0i64, 5], [5, 7]] {
        let error = said(&features([2, 1, ROWS, 5]), &Tensor::new(frames).unwrap());
        assert!(
            error.contains("DeepSpeech: the number of frames of sound ") && error.contains(", not in 1..=5"),
            "{error}"
        );
    }
    let error = network.stream().unwrap().unwrap().push(&features([1, 1, 20, 5])).unwrap_err();
    assert!(format!("{error:#}").contains("takes features [1, 1, 21, frames], not [1, 1, 20, 5]"));
    let refused = |setting: &str| {
        let text = format!("{{\"architecture\": \"deep_speech\", {setting}}}");
        let model: SpeechModel = serde_json::from_str(&text).unwrap();
        format!("{:#}", model.build(AudioShape { rows: 4 }, 3).err().unwrap())
    };
    assert!(refused(r#""channels": 0"#).contains("channels is 0, not in 1..=16777216"));
    assert!(refused(r#""layers": 1001"#).contains("layers asks for 1001 layers, more than 1000"));
    assert!(refused(r#""dropout": 2"#).contains("a probability lies in [0, 1], got 2"));
    assert!(refused(r#""hidden": 16777216, "channels": 16777216"#).contains("DeepSpeech: "));
}
