//! Cross entropies against PyTorch's values and gradients.

use mapsto_tensor::{CrossEntropyOptions, DType, GradOptions, LossReduction, Result, Tensor, grad};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::Path;

/// One file of `fixtures/losses`.
struct Fixture {
    bytes: Vec<u8>,
    config: Value,
}

impl Fixture {
    fn read(path: &Path) -> Fixture {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let case = metadata.metadata().as_ref().unwrap()["case"].clone();
        let case: Value = serde_json::from_str(&case).unwrap();
        Fixture { bytes, config: case["config"].clone() }
    }

    fn tensor(&self, name: &str) -> Option<Tensor> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        let words = view.data().to_vec();
        Some(match view.dtype() {
            Dtype::F32 => {
                let data = words.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
                Tensor::from_vec::<f32>(data, view.shape()).unwrap()
            }
            Dtype::I64 => {
                let data = words.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
                Tensor::from_vec::<i64>(data, view.shape()).unwrap()
            }
            dtype => panic!("{dtype:?}"),
        })
    }

    /// A tensor that the configuration names.
    fn argument(&self, name: &str) -> Option<Tensor> {
        self.config[name].as_str().and_then(|name| self.tensor(name))
    }

    fn reduction(&self) -> LossReduction {
        match self.config["reduction"].as_str() {
            Some("none") => LossReduction::None,
            Some("mean") => LossReduction::Mean,
            Some("sum") => LossReduction::Sum,
            other => panic!("{other:?}"),
        }
    }
}

fn close(what: &str, has: &Tensor, wants: &Tensor) {
    assert_eq!(has.shape(), wants.shape(), "{what}");
    for (has, wants) in has.to_vec::<f32>().unwrap().iter().zip(wants.to_vec::<f32>().unwrap()) {
        assert!((has - wants).abs() <= 1e-5 * (1.0 + wants.abs()), "{what}: {has}, wanted {wants}");
    }
}

/// Runs a loss on every fixture whose name begins so; gives how many there were.
fn check(prefix: &str, loss: impl Fn(&Fixture, &Tensor, &Tensor) -> Result<Tensor>) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/losses");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with(prefix) {
            continue;
        }
        let fixture = Fixture::read(&path);
        let input = |i: usize| {
            let input = fixture.tensor(&format!("input.{i}")).unwrap();
            if input.dtype() == DType::F32 { input.variable().unwrap() } else { input }
        };
        let (x, target) = (input(0), input(1));
        let output = loss(&fixture, &x, &target).unwrap();
        close(&name, &output, &fixture.tensor("output.0").unwrap());
        let cotangent = fixture.tensor("cotangent.0").unwrap();
        for create_graph in [false, true] {
            let options = GradOptions { create_graph, retain: true };
            for (i, input) in [&x, &target].into_iter().enumerate() {
                if let Some(wanted) = fixture.tensor(&format!("grad_input.{i}")) {
                    let found = grad(&[&output], Some(&[&cotangent]), &[input], options).unwrap();
                    close(&format!("{name}, gradient {i}"), found[0].as_ref().unwrap(), &wanted);
                }
            }
        }
        count += 1;
    }
    count
}

fn options(fixture: &Fixture) -> CrossEntropyOptions {
    CrossEntropyOptions {
        weight: fixture.argument("weight"),
        ignore_index: fixture.config["ignore_index"].as_i64().unwrap(),
        smoothing: fixture.config["label_smoothing"].as_f64().unwrap_or(0.0),
        reduction: fixture.reduction(),
    }
}

#[test]
fn cross_entropy_is_pytorchs() {
    assert_eq!(check("cross_entropy_", |fixture, x, target| x.cross_entropy(target, &options(fixture))), 22);
}

#[test]
fn nll_loss_is_pytorchs() {
    assert_eq!(check("nll_", |fixture, x, target| x.nll_loss(target, &options(fixture))), 4);
}

#[test]
fn binary_cross_entropy_is_pytorchs() {
    let loss = |fixture: &Fixture, x: &Tensor, target: &Tensor| {
        let (weight, pos_weight) = (fixture.argument("weight"), fixture.argument("pos_weight"));
        x.binary_cross_entropy_with_logits(target, weight.as_ref(), pos_weight.as_ref(), fixture.reduction())
    };
    assert_eq!(check("bce_logits_", loss), 5);
}

#[test]
fn a_target_that_is_no_class_is_named() -> Result<()> {
    let logits = Tensor::zeros([2, 3, 2], DType::F32)?;
    let targets = Tensor::new([[0i64, 1], [3, -100]])?;
    let error = logits.cross_entropy(&targets, &CrossEntropyOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("cross_entropy: the target at [1, 0] is 3: the 3 classes are 0..=2 at "), "{error}");
    let error = logits.nll_loss(&targets.neg()?, &CrossEntropyOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("nll_loss: the target at [0, 1] is -1: the 3 classes are 0..=2 at "), "{error}");
    Ok(())
}
