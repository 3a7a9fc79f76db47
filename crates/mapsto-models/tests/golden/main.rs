//! What torchvision's, PyTorch's and Hugging Face's models give (tools/models_fixtures.py, tools/language_fixtures.py).

mod audio;
mod forecasts;
mod images;
mod language;
mod numbers;
mod recommend;
mod series;
mod speech;
mod states;
mod tables;
mod texts;
mod translations;

use mapsto_nn::{CrossEntropyLoss, Module, Optimizer, Sgd};
use mapsto_tensor::{DType, Tensor};
use numbers::{fill, units};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A model, and what it gives.
#[derive(Deserialize)]
struct Case<M, I> {
    name: String,
    model: M,
    input: I,
    rows: usize,
    classes: usize,
    logits: Vec<f64>,
    train: Option<Train>,
}

/// A few steps of plain gradient descent on one batch.
#[derive(Deserialize)]
struct Train {
    lr: f64,
    /// Before each step.
    losses: Vec<f64>,
    /// The first step's, each by its norm and its product with numbers of its name.
    gradients: BTreeMap<String, [f64; 2]>,
    /// Logits of the evaluating model afterwards.
    after: Vec<f64>,
}

/// PyTorch ran in f64; this is what f32 may lose, as a share of the greatest value.
const TOLERANCE: f64 = 2e-5;
/// What the steps make of it.
const TOLERANCE_OF_STEPS: f64 = 2e-4;

/// Fails unless these are as near as a share of the greatest value; what is not a number is never near.
#[track_caller]
fn expect_near(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    for (ours, theirs) in ours.iter().zip(theirs) {
        let error = (ours - theirs).abs() / scale;
        assert!(error <= tolerance, "{what}: {ours} is not {theirs}, {error:.1e} of {scale} off");
    }
}

fn wide(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

impl<M, I> Case<M, I> {
    /// Fills the network and holds it against the case.
    fn check<N: Module>(&self, network: N, forward: impl Fn(&N) -> Tensor) {
        let Case { name, rows, classes, .. } = self;
        let network = network.init(0).unwrap();
        fill(&network);
        network.eval();
        let logits = forward(&network);
        assert_eq!(logits.shape()[..], [*rows, *classes], "{name}");
        expect_near(&format!("{name}, logits"), &wide(&logits), &self.logits, TOLERANCE);
        let Some(train) = &self.train else { return };
        network.train();
        let labels = (0..*rows).map(|row| (row * 3 % classes) as i64).collect();
        let labels = Tensor::from_vec(labels, [*rows]).unwrap();
        let mut optimizer = Optimizer::new(&network, Sgd { lr: train.lr, ..Sgd::default() }).unwrap();
        for (step, &theirs) in train.losses.iter().enumerate() {
            let loss = CrossEntropyLoss::default().forward(&forward(&network), &labels).unwrap();
            let tolerance = if step == 0 { TOLERANCE } else { TOLERANCE_OF_STEPS };
            expect_near(&format!("{name}, loss {step}"), &wide(&loss), &[theirs], tolerance);
            let gradients = loss.backward().unwrap();
            if step == 0 {
                let named = network.named_parameters();
                assert_eq!(named.len(), train.gradients.len(), "{name}");
                let most = train.gradients.values().fold(0.0, |most: f64, [norm, _]| most.max(*norm));
                for (param, value) in named {
                    if value.shape().numel() == 0 {
                        continue;
                    }
                    let gradient = gradients.get(&value.get().unwrap()).unwrap_or_else(|| panic!("{name}, {param}"));
                    let ([norm, along], ours) = (train.gradients[&param], wide(gradient));
                    let near = |what: &str, ours: f64, theirs: f64| {
                        // A gradient that is zero but for rounding has no norm of its own to be measured by.
                        let error = (ours - theirs).abs() / norm.max(1e-3 * most);
                        assert!(error <= 10.0 * TOLERANCE, "{name}, {what} of {param}: {ours}, not {theirs}");
                    };
                    near("norm", ours.iter().map(|x| x * x).sum::<f64>().sqrt(), norm);
                    let direction = units(&format!("along {param}"), ours.len());
                    near("direction", ours.iter().zip(direction).map(|(x, y)| x * y).sum(), along);
                }
            }
            optimizer.step(&gradients).unwrap();
        }
        network.eval();
        expect_near(&format!("{name}, after"), &wide(&forward(&network)), &train.after, TOLERANCE_OF_STEPS);
    }
}
