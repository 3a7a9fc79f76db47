//! Models of sounds.

use super::{Case, numbers};
use mapsto_models::{AudioModel, AudioShape};
use mapsto_tensor::Tensor;

#[derive(serde::Deserialize)]
struct Input {
    rows: usize,
    /// Of each sound.
    frames: Vec<i64>,
}

#[test]
fn audio_models_are_pytorchs() {
    let cases: Vec<Case<AudioModel, Input>> = serde_json::from_str(include_str!("../fixtures/audio.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let Input { rows, frames } = &case.input;
        let most = *frames.iter().max().unwrap() as usize;
        let features = numbers::tensor("input", [case.rows, 1, *rows, most]);
        let frames = Tensor::from_vec(frames.clone(), [case.rows]).unwrap();
        let network = case.model.build(AudioShape { rows: *rows }, case.classes).unwrap();
        case.check(network, |network| network.forward(&features, &frames).unwrap());
    }
}
