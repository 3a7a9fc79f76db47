//! Models of speech (`tools/speech_fixtures.py`).

use super::{Case, numbers};
use mapsto_models::SpeechModel;
use mapsto_models::audio::AudioShape;
use mapsto_models::speech::DeepSpeech;
use mapsto_tensor::{DType, Tensor};

#[derive(serde::Deserialize)]
struct Input {
    rows: usize,
    /// Of each sound.
    frames: Vec<i64>,
}

/// Sums over each sound's own steps, weighed so that each step counts.
fn weighed(network: &DeepSpeech, features: &Tensor, frames: &Tensor) -> Tensor {
    let (log_probs, steps) = network.forward(features, frames).unwrap();
    let places = log_probs.shape()[1];
    let own = Tensor::arange(0, places as i64, 1).unwrap().lt(steps.unsqueeze(1).unwrap()).unwrap();
    let weights = numbers::tensor("weights", [places]).mul(own.to_dtype(DType::F32).unwrap()).unwrap();
    log_probs.mul(weights.unsqueeze(2).unwrap()).unwrap().sum_axes(&[1], false).unwrap()
}

#[test]
fn speech_models_are_pytorchs() {
    let cases: Vec<Case<SpeechModel, Input>> = serde_json::from_str(include_str!("../fixtures/speech.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let Input { rows, frames } = &case.input;
        let most = *frames.iter().max().unwrap() as usize;
        let features = numbers::tensor("input", [case.rows, 1, *rows, most]);
        let frames = Tensor::from_vec(frames.clone(), [case.rows]).unwrap();
        let network = case.model.build(AudioShape { rows: *rows }, case.classes).unwrap();
        case.check(network, |network| weighed(network, &features, &frames));
    }
}
