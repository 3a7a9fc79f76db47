//! Whole networks: logits, every gradient, running statistics, and the losses of ten steps.

use super::{Case, cases, complaint, expect_none};
use mapsto_nn::*;
use mapsto_tensor::ops::AttentionOptions;
use mapsto_tensor::{Result, Tensor};
use std::collections::BTreeSet;

/// The axes of batch and time as one.
fn rows(logits: &Tensor) -> Result<Tensor> {
    logits.flatten(0, 1)
}

#[derive(Module)]
struct LstmLm {
    e: Embedding,
    l: Lstm,
    f: Linear,
}

impl Layer for LstmLm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (hidden, _) = self.l.forward(&self.e.forward(x)?, None)?;
        rows(&self.f.forward(&hidden)?)
    }
}

#[derive(Module)]
struct Block {
    n1: LayerNorm,
    qkv: Linear,
    o: Linear,
    n2: LayerNorm,
    f1: Linear,
    f2: Linear,
}

impl Block {
    fn new(width: usize) -> Result<Block> {
        Ok(Block {
            n1: LayerNorm::new(width)?,
            qkv: Linear::new(width, 3 * width)?,
            o: Linear::new(width, width)?,
            n2: LayerNorm::new(width)?,
            f1: Linear::new(width, 4 * width)?,
            f2: Linear::new(4 * width, width)?,
        })
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let &[batch, time, width] = &x.shape()[..] else { panic!("{}", x.shape()) };
        let all = self.qkv.forward(&self.n1.forward(x)?)?.reshape([batch, time, 3, 2, width / 2])?;
        let all = all.permute(&[2, 0, 3, 1, 4])?;
        let [q, k, v] = [0, 1, 2].map(|i| all.narrow(0, i, 1).and_then(|part| part.squeeze(&[0])));
        let options = AttentionOptions { causal: true, ..AttentionOptions::default() };
        let seen = q?.attention(&k?, &v?, &options)?.permute(&[0, 2, 1, 3])?.reshape([batch, time, width])?;
        let x = x.add(self.o.forward(&seen)?)?;
        x.add(self.f2.forward(&self.f1.forward(&self.n2.forward(&x)?)?.gelu()?)?)
    }
}

#[derive(Module)]
struct TransformerLm {
    e: Embedding,
    p: Param,
    b: Vec<Block>,
    n: LayerNorm,
    f: Linear,
}

impl Layer for TransformerLm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.e.forward(x)?.add(self.p.get()?)?;
        for block in &self.b {
            x = block.forward(&x)?;
        }
        rows(&self.f.forward(&self.n.forward(&x)?)?)
    }
}

/// The network that the case defines.
fn model(name: &str) -> Result<Box<dyn Layer>> {
    let conv = |channels: [usize; 2]| Conv2d::from_config(&ConvConfig::new(channels[0], channels[1], 3).padding(1));
    Ok(match name {
        "mlp" => Box::new(sequential![Linear::new(7, 11)?, Relu, Linear::new(11, 9)?, Tanh, Linear::new(9, 5)?]),
        "cnn" => Box::new(sequential![
            conv([2, 5])?,
            BatchNorm2d::new(5)?,
            Relu,
            MaxPool2d::new(2)?,
            conv([5, 6])?,
            BatchNorm2d::new(6)?,
            Relu,
            MaxPool2d::new(2)?,
            Flatten::default(),
            Linear::new(12, 4)?,
        ]),
        "lstm_lm" => Box::new(LstmLm {
            e: Embedding::new(11, 6)?,
            l: Lstm::from_config(&RecurrentConfig::new(6, 7).num_layers(2).batch_first())?,
            f: Linear::new(7, 11)?,
        }),
        "transformer_lm" => Box::new(TransformerLm {
            e: Embedding::new(13, 16)?,
            p: Param::new([12, 16], Init::Zeros)?,
            b: vec![Block::new(16)?, Block::new(16)?],
            n: LayerNorm::new(16)?,
            f: Linear::new(16, 13)?,
        }),
        other => panic!("no network {other}"),
    })
}

fn optimizer(case: &Case, model: &dyn Layer) -> Optimizer {
    let (about, config) = (&case.about["optimiser"], case.about["optimiser"]["config"].clone());
    let algorithm: Algorithm = match about["name"].as_str().unwrap() {
        "SGD" => serde_json::from_value::<Sgd>(config).unwrap().into(),
        "Adam" => serde_json::from_value::<Adam>(config).unwrap().into(),
        "AdamW" => serde_json::from_value::<AdamW>(config).unwrap().into(),
        other => panic!("no optimiser {other}"),
    };
    Optimizer::new(model, algorithm).unwrap()
}

/// The tensors whose names begin so, by the rest of the name.
fn below(case: &Case, prefix: &str) -> StateDict {
    let rest = |(name, value): (&String, &Tensor)| Some((name.strip_prefix(prefix)?.to_string(), value.clone()));
    case.tensors.iter().filter_map(rest).collect()
}

#[test]
fn whole_networks_train_as_pytorchs() {
    let cases = cases("models");
    assert_eq!(cases.len(), 4);
    let mut complaints = Vec::new();
    for case in &cases {
        let model = model(&case.name).unwrap();
        model.load_state_dict(&below(case, "state."), &LoadOptions::strict()).unwrap();
        let (x, target) = (&case.tensors["input.0"], &case.tensors["target"]);
        let mut optimizer = optimizer(case, &*model);
        let theirs = below(case, "grad.");
        let mut losses = Vec::new();
        for step in 0..10 {
            let logits = model.forward(x).unwrap();
            let loss = CrossEntropyLoss::default().forward(&logits, target).unwrap();
            losses.push(loss.item::<f32>().unwrap());
            let gradients = loss.backward().unwrap();
            if step == 0 {
                complaints.extend(complaint(&case.name, &logits, &case.tensors["output.0"], 1e-5));
                let named = model.named_parameters();
                let names: BTreeSet<&String> = named.iter().map(|(name, _)| name).collect();
                assert_eq!(names, theirs.keys().collect(), "{}", case.name);
                for (name, param) in &named {
                    let what = format!("{}, gradient of {name}", case.name);
                    match gradients.get(&param.get().unwrap()) {
                        Some(ours) => complaints.extend(complaint(&what, ours, &theirs[name], 1e-5)),
                        None => complaints.push(format!("{what}: none")),
                    }
                }
                let after = below(case, "state_after.");
                for (name, buffer) in model.named_buffers().into_iter().filter(|(_, b)| b.is_persistent()) {
                    let what = format!("{}, {name} after a step", case.name);
                    complaints.extend(complaint(&what, &buffer.get().unwrap(), &after[&name], 1e-5));
                }
            }
            optimizer.step(&gradients).unwrap();
        }
        let losses = Tensor::from_vec(losses, [10]).unwrap();
        complaints.extend(complaint(&format!("{}, losses", case.name), &losses, &case.tensors["losses"], 1e-5));
    }
    expect_none(complaints);
}
