//! First values against `fixtures/initialisers.json`: only their statistics can be compared.

use super::{expect_none, wide};
use mapsto_nn::init::{Distribution, Fan, Nonlinearity, fans};
use mapsto_nn::*;
use mapsto_tensor::{Result, Rng, Shape, Tensor};
use serde_json::Value;

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/initialisers.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What a parameter's numbers should be.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// Uniform between minus this and this.
    Uniform(f64),
    /// Normal around zero with this deviation.
    Normal(f64),
    /// This everywhere.
    Constant(f64),
}

/// A complaint unless mean, variance, fourth moment and range are those of the distribution, within five deviations of
/// what so many numbers can show.
fn judge(what: &str, numbers: &[f64], wanted: Wanted) -> Option<String> {
    let n = numbers.len() as f64;
    let moment = |power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / n;
    let greatest = numbers.iter().fold(0.0f64, |greatest, x| greatest.max(x.abs()));
    // The deviation, and the fourth and eighth moments in terms of it.
    let (std, fourth, eighth) = match wanted {
        Wanted::Constant(value) => {
            let other = numbers.iter().find(|&&x| x != value as f32 as f64);
            return other.map(|x| format!("{what}: {x} is not {value}"));
        }
        Wanted::Uniform(bound) => {
            if !(greatest <= bound * (1.0 + 1e-6) && greatest >= bound * (1.0 - 20.0 / n)) {
                return Some(format!("{what}: the greatest is {greatest}, the bound {bound}"));
            }
            (bound / 3f64.sqrt(), 9.0 / 5.0, 9.0)
        }
        Wanted::Normal(std) => (std, 3.0, 105.0),
    };
    let close = |has: f64, wants: f64, variance: f64| (has - wants).abs() <= 5.0 * (variance / n).sqrt();
    let fits = close(moment(1) / std, 0.0, 1.0)
        && close(moment(2) / std.powi(2), 1.0, fourth - 1.0)
        && close(moment(4) / std.powi(4), fourth, eighth - fourth * fourth);
    (!fits).then(|| format!("{what}: moments {:.4e}, {:.4e}, {:.4e} of {wanted:?}", moment(1), moment(2), moment(4)))
}

/// At least `count` numbers, from as many tensors as it takes.
fn many(init: &Init, shape: &Shape, count: usize) -> Vec<f64> {
    let tensors = count.div_ceil(shape.numel()) as u64;
    (0..tensors).flat_map(|seed| wide(&init.tensor(shape, &Rng::new(seed).split("weight")).unwrap())).collect()
}

fn nonlinearity(name: &str, slope: f64) -> Nonlinearity {
    match name {
        "linear" | "conv2d" => Nonlinearity::Linear,
        "sigmoid" => Nonlinearity::Sigmoid,
        "tanh" => Nonlinearity::Tanh,
        "relu" => Nonlinearity::Relu,
        "leaky_relu" => Nonlinearity::LeakyRelu(slope),
        "selu" => Nonlinearity::Selu,
        other => panic!("no nonlinearity {other}"),
    }
}

#[test]
fn gains_are_pytorchs() {
    let fixture = fixture();
    let gains = fixture["gains"].as_object().unwrap();
    assert_eq!(gains.len(), 8);
    for (name, theirs) in gains {
        let (name, slope) = match name.split_once('(') {
            Some((name, slope)) => (name, slope.trim_end_matches(')').parse().unwrap()),
            None => (name.as_str(), 0.01),
        };
        assert!((nonlinearity(name, slope).gain() - theirs.as_f64().unwrap()).abs() < 1e-12, "{name}");
    }
}

#[test]
fn rules_scale_as_pytorchs() {
    let fixture = fixture();
    let mut complaints = Vec::new();
    for row in fixture["rows"].as_array().unwrap() {
        let sizes: Vec<usize> = row["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        let (shape, float) = (Shape::new(&sizes).unwrap(), |key: &str| row[key].as_f64().unwrap());
        assert_eq!(fans(&shape).unwrap(), (float("fan_in") as usize, float("fan_out") as usize), "{row}");
        let (rule, distribution) = row["init"].as_str().unwrap().split_once('_').unwrap();
        let (distribution, wanted) = match distribution {
            "uniform" => (Distribution::Uniform, Wanted::Uniform(float("bound"))),
            "normal" => (Distribution::Normal, Wanted::Normal(float("std"))),
            other => panic!("no distribution {other}"),
        };
        let init = match rule {
            "xavier" => Init::Xavier { gain: float("gain"), distribution },
            "lecun" => Init::LeCun { distribution },
            "kaiming" => Init::Kaiming {
                fan: if row["mode"] == "fan_in" { Fan::In } else { Fan::Out },
                nonlinearity: nonlinearity(row["nonlinearity"].as_str().unwrap(), float("a")),
                distribution,
            },
            other => panic!("no rule {other}"),
        };
        complaints.extend(judge(&row.to_string(), &many(&init, &shape, 20_000), wanted));
    }
    expect_none(complaints);
}

/// The layers of a row of the fixture, initialised.
fn layer(name: &str) -> Result<Box<dyn Module>> {
    let affine = |channels: usize| InstanceNormConfig { affine: true, ..InstanceNormConfig::new(channels) };
    let padded = EmbeddingConfig { padding_idx: Some(-2), ..EmbeddingConfig::new(200, 30) };
    fn made(module: Result<impl Module>) -> Result<Box<dyn Module>> {
        Ok(Box::new(module?.init(7)?))
    }
    match name {
        "Linear" => made(Linear::new(40, 300)),
        "Conv1d" => made(Conv1d::from_config(&ConvConfig::new(16, 200, 5).groups(2))),
        "Conv2d" => made(Conv2d::new(6, 200, [3, 2])),
        "Conv3d" => made(Conv3d::new(3, 200, [3, 2, 1])),
        "ConvTranspose1d" => made(ConvTranspose1d::from_config(&ConvTransposeConfig::new(60, 200, 5).groups(2))),
        "ConvTranspose2d" => made(ConvTranspose2d::new(60, 200, [3, 2])),
        "ConvTranspose3d" => made(ConvTranspose3d::new(60, 200, [3, 2, 1])),
        "Bilinear" => made(Bilinear::new(20, 30, 200)),
        "RNN" => made(Rnn::from_config(&RecurrentConfig::new(20, 64).num_layers(2).bidirectional())),
        "LSTM" => made(Lstm::from_config(&RecurrentConfig::new(20, 64).num_layers(2).bidirectional())),
        "GRU" => made(Gru::from_config(&RecurrentConfig::new(20, 64).num_layers(2).bidirectional())),
        "RNNCell" => made(RnnCell::new(20, 64)),
        "LSTMCell" => made(LstmCell::new(20, 64)),
        "GRUCell" => made(GruCell::new(20, 64)),
        "Embedding" => made(Embedding::from_config(&padded)),
        "EmbeddingBag" => {
            made(EmbeddingBag::from_config(&EmbeddingBagConfig { table: padded, ..EmbeddingBagConfig::new(200, 30) }))
        }
        "BatchNorm1d" => made(BatchNorm1d::new(50)),
        "BatchNorm2d" => made(BatchNorm2d::new(50)),
        "BatchNorm3d" => made(BatchNorm3d::new(50)),
        "InstanceNorm1d" => made(InstanceNorm1d::from_config(&affine(50))),
        "InstanceNorm2d" => made(InstanceNorm2d::from_config(&affine(50))),
        "InstanceNorm3d" => made(InstanceNorm3d::from_config(&affine(50))),
        "LayerNorm" => made(LayerNorm::new([50, 3])),
        "GroupNorm" => made(GroupNorm::new(5, 50)),
        "RMSNorm" => made(RmsNorm::new(50)),
        "PReLU" => made(Prelu::new(50, 0.25)),
        "MultiheadAttention" => made(MultiheadAttention::new(64, 4)),
        other => panic!("no layer {other}"),
    }
}

/// What a row of the fixture says of one parameter of these layers, whose weight has this shape.
fn wanted(row: &Value, parameter: &str, weight: &Shape) -> Wanted {
    let text = |key: &str| row[key].as_str().unwrap();
    let root = |x: usize| 1.0 / (x as f64).sqrt();
    match text("distribution") {
        "uniform" => Wanted::Uniform(match text("bound") {
            "1 / sqrt(fan_in)" => root(fans(weight).unwrap().0),
            // Transposed convolutions hold their outputs in axis 1.
            "1 / sqrt(weight.shape[1] * prod(kernel))" => root(weight[1..].iter().product()),
            "1 / sqrt(in1_features)" => root(weight[1]),
            "1 / sqrt(hidden_size)" | "1 / sqrt(embed_dim)" => root(64),
            "sqrt(6 / (4 * embed_dim)): xavier_uniform over the (3E, E) matrix" => (6.0f64 / (4.0 * 64.0)).sqrt(),
            other => panic!("no bound {other}"),
        }),
        "normal" => {
            assert_eq!(text("std"), "1; the padding_idx row is 0");
            Wanted::Normal(1.0)
        }
        "constant" => Wanted::Constant(match (text("value"), parameter) {
            ("1, 0", "weight") => 1.0,
            ("1, 0", "bias") => 0.0,
            (value, _) => value.parse().unwrap(),
        }),
        other => panic!("no distribution {other}"),
    }
}

#[test]
fn layers_begin_as_pytorchs() {
    let fixture = fixture();
    let (mut complaints, mut seen) = (Vec::new(), 0);
    for row in fixture["defaults"].as_array().unwrap() {
        let list = |key: &str| row[key].as_array().unwrap().iter().map(|x| x.as_str().unwrap());
        let layers = list("layers").flat_map(|name| match name.strip_suffix('*') {
            Some(stem) => (1..=3).map(|n| format!("{stem}{n}d")).collect(),
            None => vec![name.to_string()],
        });
        for name in layers {
            let named = layer(&name).unwrap().named_parameters();
            let shape = *named[0].1.shape();
            let mut found = 0;
            for (parameter, param) in &named {
                if !list("parameters").any(|listed| listed == "all" || listed == parameter) {
                    continue;
                }
                let mut numbers = wide(&param.get().unwrap());
                if name.starts_with("Embedding") {
                    let padding: Vec<f64> = numbers.drain(198 * 30..199 * 30).collect();
                    assert_eq!(padding, [0.0; 30], "{name}");
                }
                complaints.extend(judge(&format!("{name} {parameter}"), &numbers, wanted(row, parameter, &shape)));
                found += 1;
            }
            assert!(found > 0, "{name} has none of {}", row["parameters"]);
            seen += found;
        }
    }
    assert_eq!(seen, 100);
    expect_none(complaints);
}

/// `A Aᵀ` or `Aᵀ A`, whichever is smaller, is `gain²` times the identity.
#[test]
fn orthogonal_matrices_are() {
    for sizes in [[7, 5], [5, 7], [6, 6], [1, 9], [9, 1]] {
        for kernel in [vec![], vec![3], vec![2, 2]] {
            let shape = Shape::new(&[&sizes[..], &kernel].concat()).unwrap();
            let a = Init::Orthogonal { gain: 1.5 }.tensor(&shape, &Rng::new(3)).unwrap().flatten(1, -1).unwrap();
            let (rows, columns) = (a.shape()[0], a.shape()[1]);
            let product = if rows <= columns { a.matmul(&a.t().unwrap()) } else { a.t().unwrap().matmul(&a) };
            let size = rows.min(columns);
            let wanted = Tensor::eye(size, size, a.dtype()).unwrap().mul(2.25).unwrap();
            let far = super::distance(&wide(&product.unwrap()), &wide(&wanted));
            assert!(far < 1e-6, "{shape}: {far}");
        }
    }
}

#[test]
fn the_other_rules_hold() {
    let shape = |sizes: &[usize]| Shape::new(sizes).unwrap();
    let numbers = |init: Init, sizes: &[usize]| wide(&init.tensor(&shape(sizes), &Rng::new(5)).unwrap());
    assert_eq!(
        judge("normal", &many(&Init::Normal { mean: 0.0, std: 0.3 }, &shape(&[50]), 20_000), Wanted::Normal(0.3)),
        None
    );
    assert_eq!(judge("uniform", &many(&Init::symmetric(0.3), &shape(&[50]), 20_000), Wanted::Uniform(0.3)), None);
    assert!(
        judge("uniform for normal", &many(&Init::symmetric(3f64.sqrt()), &shape(&[50]), 20_000), Wanted::Normal(1.0))
            .is_some()
    );

    // Cut at two deviations, a normal distribution keeps a deviation of 0.8796.
    let cut = many(&Init::TruncatedNormal { mean: 1.0, std: 0.5, low: 0.0, high: 2.0 }, &shape(&[50]), 20_000);
    let mean = cut.iter().sum::<f64>() / cut.len() as f64;
    let std = (cut.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / cut.len() as f64).sqrt();
    assert!(cut.iter().all(|x| (0.0..=2.0).contains(x)) && (mean - 1.0).abs() < 0.02, "{mean}");
    assert!((std / 0.5 - 0.8796).abs() < 0.02, "{std}");

    assert_eq!(numbers(Init::Identity, &[2, 3]), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let sparse = numbers(Init::Sparse { sparsity: 0.3, std: 1.0 }, &[10, 4]);
    for column in 0..4 {
        assert_eq!((0..10).filter(|row| sparse[row * 4 + column] == 0.0).count(), 3);
    }
    let row = numbers(Init::ZeroRow { row: 1, of: Box::new(Init::Ones) }, &[3, 2]);
    assert_eq!(row, [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);

    // A convolution that passes its input on.
    let weight = Init::Dirac { groups: 2 }.tensor(&shape(&[4, 2, 3]), &Rng::new(0)).unwrap();
    let conv = Conv1d::from_config(&ConvConfig::new(4, 4, 3).groups(2).padding(1)).unwrap().init(0).unwrap();
    conv.weight.set(&weight).unwrap();
    conv.bias.as_ref().unwrap().set(&Tensor::zeros(4, weight.dtype()).unwrap()).unwrap();
    let x = Tensor::arange(0.0f32, 20.0, 1.0).unwrap().reshape([1, 4, 5]).unwrap();
    assert_eq!(wide(&conv.forward(&x).unwrap()), wide(&x));
}

/// A parameter's first value depends on the seed and its name, not on what stands beside it.
#[test]
fn first_values_depend_on_seed_and_name() {
    let value = |seed: u64, model: Sequential| {
        let named = model.init(seed).unwrap().named_parameters();
        wide(&named.iter().find(|(name, _)| name == "1.weight").unwrap().1.get().unwrap())
    };
    let linear = || Linear::new(4, 3).unwrap();
    let first = value(1, sequential![linear(), linear()]);
    assert_eq!(first, value(1, sequential![Tanh, linear(), linear()]));
    assert_ne!(first, value(2, sequential![linear(), linear()]));
    let model = sequential![linear(), linear()].init(1).unwrap();
    let named = model.named_parameters();
    assert_ne!(wide(&named[0].1.get().unwrap()), wide(&named[2].1.get().unwrap()));
}

#[test]
fn initialisers_refuse_what_does_not_fit() {
    let message = |init: Init, sizes: &[usize]| {
        init.tensor(&Shape::new(sizes).unwrap(), &Rng::new(0)).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let xavier = message(Init::xavier_uniform(1.0), &[5]);
    assert!(xavier.contains("fans need a weight of two axes or more, got [5]"), "{xavier}");
    for (init, sizes, wanted) in [
        (Init::Uniform { low: 1.0, high: 0.0 }, &[2][..], "no number lies in [1, 0)"),
        (Init::Normal { mean: 0.0, std: -1.0 }, &[2], "not negative, got -1"),
        (Init::Identity, &[2, 2, 2], "the identity needs two axes"),
        (Init::Dirac { groups: 3 }, &[4, 2, 3], "4 channels do not fall into 3 groups"),
        (Init::Sparse { sparsity: 1.5, std: 1.0 }, &[2, 2], "must lie in [0, 1], got 1.5"),
        (Init::TruncatedNormal { mean: 0.0, std: 1.0, low: 90.0, high: 91.0 }, &[2], "gives no number in [90, 91]"),
    ] {
        let found = message(init, sizes);
        assert!(found.contains(wanted), "{found}");
    }
}
