//! Recurrent layers, attention and CTC against PyTorch's results and gradients.

use mapsto_tensor::ops::{AttentionOptions, CtcOptions, RecurrentStack};
use mapsto_tensor::{DType, GradOptions, Record, Result, Tensor, grad};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::PathBuf;

/// The cases of a group whose names begin so.
fn cases(group: &str, prefixes: &[&str]) -> Vec<Golden> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(group);
    let files = std::fs::read_dir(folder).expect("the fixtures are there");
    let mut paths: Vec<PathBuf> = files.map(|entry| entry.expect("readable").path()).collect();
    let begins = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    paths.retain(begins);
    paths.sort();
    paths.iter().map(Golden::read).collect()
}

/// One case: PyTorch's tensors and what it was told.
struct Golden {
    name: String,
    tensors: Vec<(String, Tensor)>,
    case: Value,
}

impl Golden {
    fn read(path: &PathBuf) -> Golden {
        let bytes = std::fs::read(path).expect("readable");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
        let case = metadata.metadata().as_ref().and_then(|map| map.get("case")).expect("a case").clone();
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let (data, shape) = (view.data(), view.shape());
            let tensor = match view.dtype() {
                Dtype::F32 => {
                    let numbers = data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")));
                    Tensor::from_vec::<f32>(numbers.collect(), shape)
                }
                Dtype::I64 => {
                    let numbers = data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes")));
                    Tensor::from_vec::<i64>(numbers.collect(), shape)
                }
                Dtype::BOOL => Tensor::from_vec::<bool>(data.iter().map(|&b| b != 0).collect(), shape),
                other => panic!("{name} is {other:?}"),
            };
            (name, tensor.expect("as many elements as the shape says"))
        };
        Golden {
            name: path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string(),
            tensors: file.tensors().into_iter().map(tensor).collect(),
            case: serde_json::from_str(&case).expect("JSON"),
        }
    }

    fn get(&self, name: &str) -> Option<Tensor> {
        self.tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor.clone())
    }

    /// A tensor, as a variable if it is of floats.
    fn variable(&self, name: &str) -> Option<Tensor> {
        let float = |t: Tensor| if t.dtype().is_float() { t.variable().expect("floats") } else { t };
        self.get(name).map(float)
    }

    /// The input of this name.
    fn input(&self, name: &str) -> Option<(Tensor, String)> {
        let names = self.case["inputs"].as_array().expect("a list");
        let index = names.iter().position(|own| own == name)?;
        Some((self.variable(&format!("input.{index}"))?, format!("grad_input.{index}")))
    }

    fn flag(&self, group: &str, name: &str) -> bool {
        self.case[group][name].as_bool().unwrap_or_default()
    }

    /// Compares outputs, and gradients of those values that the file has gradients of.
    fn compare(&self, outputs: &[Tensor], of: &[(Tensor, String)]) -> Result<()> {
        for (i, output) in outputs.iter().enumerate() {
            self.close(output, &format!("output.{i}"));
        }
        let steps = Record::of(&outputs.iter().collect::<Vec<_>>());
        for step in steps.steps() {
            assert_eq!(step.at.file(), file!(), "{}: the caller of {}", self.name, step.op.name());
        }
        let seeded = |(i, output)| Some((output, self.get(&format!("cotangent.{i}"))?));
        let (outputs, cotangents): (Vec<&Tensor>, Vec<Tensor>) = outputs.iter().enumerate().filter_map(seeded).unzip();
        if outputs.is_empty() {
            return Ok(());
        }
        let of: Vec<_> = of.iter().filter(|(_, name)| self.get(name).is_some()).collect();
        assert!(!of.is_empty(), "{}: no gradient is compared", self.name);
        let inputs: Vec<&Tensor> = of.iter().map(|(tensor, _)| tensor).collect();
        let cotangents: Vec<&Tensor> = cotangents.iter().collect();
        let gradients = grad(&outputs, Some(&cotangents), &inputs, GradOptions::default())?;
        for (gradient, (_, name)) in gradients.iter().zip(of) {
            self.close(gradient.as_ref().unwrap_or_else(|| panic!("{}: no {name}", self.name)), name);
        }
        Ok(())
    }

    fn close(&self, has: &Tensor, name: &str) {
        let wants = self.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.name));
        assert_eq!(has.shape(), wants.shape(), "{}: {name}", self.name);
        let (has, wants) = (has.to_vec::<f32>().expect("f32"), wants.to_vec::<f32>().expect("f32"));
        for (i, (has, wants)) in has.iter().zip(&wants).enumerate() {
            let near = has == wants || (has - wants).abs() <= 5e-6 * (1.0 + wants.abs());
            assert!(near, "{}: element {i} of {name} is {has}, PyTorch's {wants}", self.name);
        }
    }
}

#[test]
fn recurrent_layers() -> Result<()> {
    let all = cases("layers", &["rnn_", "lstm", "gru"]);
    assert!(all.len() >= 36, "{} cases", all.len());
    for golden in all {
        let layer = golden.case["layer"].as_str().expect("a name").to_string();
        let relu = golden.case["config"]["nonlinearity"] == "relu";
        let mut weights: Vec<(Tensor, String)> = Vec::new();
        let is_cell = layer.ends_with("Cell");
        let suffixes: Vec<String> = match is_cell {
            true => vec![String::new()],
            false => (0..4).flat_map(|l| [format!("_l{l}"), format!("_l{l}_reverse")]).collect(),
        };
        for suffix in suffixes {
            for part in ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] {
                let weight = golden.variable(&format!("state.{part}{suffix}"));
                weights.extend(weight.map(|weight| (weight, format!("grad.{part}{suffix}"))));
            }
        }
        let list: Vec<&Tensor> = weights.iter().map(|(weight, _)| weight).collect();
        let [x, h, c, lengths] = ["input", "h_0", "c_0", "lengths"].map(|name| golden.input(name));
        let tensor = |input: &Option<(Tensor, String)>| input.as_ref().map(|(tensor, _)| tensor.clone());
        let (input, h0, c0, counts) = (tensor(&x).expect("an input"), tensor(&h), tensor(&c), tensor(&lengths));
        let state = h0.as_ref().zip(c0.as_ref());
        let stack = RecurrentStack {
            weights: &list,
            bidirectional: golden.flag("config", "bidirectional"),
            batch_first: golden.flag("config", "batch_first"),
            lengths: counts.as_ref(),
            between: None,
        };
        let outputs = match &layer[..] {
            "RNN" => input.rnn(relu, h0.as_ref(), &stack).map(|(y, h)| vec![y, h])?,
            "LSTM" => input.lstm(state, &stack).map(|(y, h, c)| vec![y, h, c])?,
            "GRU" => input.gru(h0.as_ref(), &stack).map(|(y, h)| vec![y, h])?,
            "RNNCell" => vec![input.rnn_cell(relu, h0.as_ref(), &list)?],
            "LSTMCell" => input.lstm_cell(state, &list).map(|(h, c)| vec![h, c])?,
            "GRUCell" => vec![input.gru_cell(h0.as_ref(), &list)?],
            other => panic!("{other}"),
        };
        let of: Vec<_> = [x, h, c].into_iter().flatten().chain(weights).collect();
        golden.compare(&outputs, &of)?;
    }
    Ok(())
}

#[test]
fn attention() -> Result<()> {
    let all = cases("functional", &["sdpa"]);
    assert!(all.len() >= 9, "{} cases", all.len());
    for golden in all {
        let inputs: Vec<_> = ["query", "key", "value", "attn_mask"].iter().filter_map(|n| golden.input(n)).collect();
        let options = AttentionOptions {
            mask: inputs.get(3).map(|(mask, _)| mask),
            causal: golden.flag("args", "is_causal"),
            scale: golden.case["args"]["scale"].as_f64(),
            dropout: None,
        };
        let (query, key, value) = (&inputs[0].0, &inputs[1].0, &inputs[2].0);
        let out = query.attention(key, value, &options)?;
        if query.shape()[1] == key.shape()[1] {
            golden.close(&query.attention_weights(key, &options)?.matmul(value)?, "output.0");
        }
        golden.compare(&[out], &inputs)?;
    }
    Ok(())
}

#[test]
fn ctc() -> Result<()> {
    let all = cases("losses", &["ctc"]);
    assert!(all.len() >= 9, "{} cases", all.len());
    for golden in all {
        let inputs: Vec<_> = ["log_probs", "targets", "input_lengths", "target_lengths"]
            .iter()
            .map(|name| golden.input(name).expect("an input"))
            .collect();
        let logits = &inputs[0].0;
        let log_probs = logits.sub(logits.exp()?.sum_axes(&[-1], true)?.ln()?)?;
        let options = CtcOptions {
            blank: golden.case["config"]["blank"].as_u64().expect("a number") as usize,
            zero_infinity: golden.flag("config", "zero_infinity"),
        };
        let losses = log_probs.ctc_loss(&inputs[1].0, &inputs[2].0, &inputs[3].0, options)?;
        let loss = match golden.case["config"]["reduction"].as_str() {
            Some("mean") => losses.div(inputs[3].0.maximum(1)?.to_dtype(DType::F32)?)?.mean()?,
            Some("sum") => losses.sum()?,
            _ => losses,
        };
        golden.compare(&[loss], &inputs[..1])?;
    }
    Ok(())
}
