//! Summaries of networks whose numbers are known.

use mapsto_nn::*;
use mapsto_tensor::{DType, Error, Result, Tensor};

fn zeros(sizes: &[usize]) -> Tensor {
    Tensor::zeros(sizes, DType::F32).unwrap()
}

fn field(summary: &Summary, path: &str) -> Vec<(u64, f64)> {
    let layer = summary.layer(path).unwrap_or_else(|| panic!("no layer {path}"));
    layer.receptive_field.iter().map(|axis| (axis.size, axis.stride)).collect()
}

/// A block that says nothing of scopes.
#[derive(Module)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    relu: Relu,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    downsample: Option<Sequential>,
}

impl Block {
    fn new(inputs: usize, outputs: usize, stride: usize) -> Result<Block> {
        let conv = |from: usize, stride: usize| {
            Conv2d::from_config(&ConvConfig::new(from, outputs, 3).stride(stride).padding(1).no_bias())
        };
        let projection = ConvConfig::new(inputs, outputs, 1).stride(stride).no_bias();
        let downsample = if stride == 1 && inputs == outputs {
            None
        } else {
            Some(sequential![Conv2d::from_config(&projection)?, BatchNorm2d::new(outputs)?])
        };
        Ok(Block {
            conv1: conv(inputs, stride)?,
            bn1: BatchNorm2d::new(outputs)?,
            relu: Relu,
            conv2: conv(outputs, 1)?,
            bn2: BatchNorm2d::new(outputs)?,
            downsample,
        })
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.relu.forward(&self.bn1.forward(&self.conv1.forward(x)?)?)?;
        let y = self.bn2.forward(&self.conv2.forward(&y)?)?;
        let around = match &self.downsample {
            Some(downsample) => downsample.forward(x)?,
            None => x.clone(),
        };
        self.relu.forward(&y.add(around)?)
    }
}

/// He et al., *Deep Residual Learning for Image Recognition*, 2015, as torchvision builds it.
#[derive(Module)]
struct ResNet18 {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    relu: Relu,
    maxpool: MaxPool2d,
    layer1: Sequential,
    layer2: Sequential,
    layer3: Sequential,
    layer4: Sequential,
    avgpool: AdaptiveAvgPool2d,
    fc: Linear,
}

impl ResNet18 {
    fn new() -> Result<ResNet18> {
        let layer =
            |from, to, stride| Ok::<_, Error>(sequential![Block::new(from, to, stride)?, Block::new(to, to, 1)?]);
        Ok(ResNet18 {
            conv1: Conv2d::from_config(&ConvConfig::new(3, 64, 7).stride(2).padding(3).no_bias())?,
            bn1: BatchNorm2d::new(64)?,
            relu: Relu,
            maxpool: MaxPool2d::from_config(&PoolConfig::new(3).stride(2).padding(1))?,
            layer1: layer(64, 64, 1)?,
            layer2: layer(64, 128, 2)?,
            layer3: layer(128, 256, 2)?,
            layer4: layer(256, 512, 2)?,
            avgpool: AdaptiveAvgPool2d::new(1)?,
            fc: Linear::new(512, 1000)?,
        })
    }
}

impl Layer for ResNet18 {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.relu.forward(&self.bn1.forward(&self.conv1.forward(x)?)?)?;
        let x = self.layer1.forward(&self.maxpool.forward(&x)?)?;
        let x = self.layer4.forward(&self.layer3.forward(&self.layer2.forward(&x)?)?)?;
        self.fc.forward(&self.avgpool.forward(&x)?.flatten(1, -1)?)
    }
}

#[test]
fn a_residual_network() {
    let net = ResNet18::new().unwrap().init(0).unwrap();
    let summary = Summary::of(&net, &zeros(&[1, 3, 224, 224])).unwrap();
    assert_eq!((summary.parameters, summary.trainable), (11_689_512, 11_689_512));
    assert_eq!(summary.multiply_adds, 1_814_073_344);
    assert_eq!(summary.layers.iter().map(|layer| layer.multiply_adds).sum::<u64>(), summary.multiply_adds);
    assert_eq!(summary.layers.iter().map(|layer| layer.trainable).sum::<u64>(), summary.parameters);
    // Araujo et al. 2019; the last sees more than the image has.
    let fields = [("maxpool", 11, 4.0), ("layer1", 43, 4.0), ("layer2", 99, 8.0), ("layer3", 211, 16.0)];
    for (path, size, stride) in fields.into_iter().chain([("layer4", 435, 32.0), ("layer4.1", 435, 32.0)]) {
        assert_eq!(field(&summary, path), [(size, stride); 2], "{path}");
    }
    assert_eq!(field(&summary, "layer4.0.downsample"), [(243 - 32, 32.0); 2]);
    let layer = |path: &str| summary.layer(path).unwrap();
    assert_eq!(layer("conv1").multiply_adds, 147 * 64 * 112 * 112);
    assert_eq!(layer("layer2.0.downsample.0").multiply_adds, 64 * 128 * 28 * 28);
    assert_eq!(layer("layer3.0").kind, "Block");
    assert_eq!(layer("layer3.0").outputs, [[1, 256, 14, 14]]);
    assert_eq!(layer("layer3.0.relu").outputs, [[1, 256, 14, 14]]);
    assert_eq!(layer("").outputs, [[1, 1000]]);
    assert_eq!(layer("fc").receptive_field, []);
    // Every product is in the layer whose parameters it reads.
    assert!(summary.layers.iter().filter(|layer| layer.multiply_adds > 0).all(|layer| layer.trainable > 0));
    assert_eq!(summary.memory.parameters, 4 * 11_689_512);
    assert_eq!(summary.memory.gradients, 4 * 11_689_512);
}

#[test]
fn receptive_fields_by_hand() {
    let net = sequential![
        Conv2d::new(1, 2, [3, 5]).unwrap(),
        Relu,
        MaxPool2d::new(2).unwrap(),
        Conv2d::from_config(&ConvConfig::new(2, 4, 3).dilation(2).padding(1).stride(2)).unwrap(),
        ConvTranspose2d::from_config(&ConvTransposeConfig::new(4, 2, 4).stride(2)).unwrap(),
        Upsample::nearest(2.0).unwrap(),
        ZeroPad::new(vec![(1, 1), (1, 1)]),
        Conv2d::new(2, 1, 3).unwrap(),
        Flatten::default(),
        Linear::new(64 * 56, 3).unwrap(),
    ]
    .init(0)
    .unwrap();
    let summary = Summary::of(&net, &zeros(&[2, 1, 66, 60]));
    let summary = summary.unwrap();
    assert_eq!(field(&summary, "0"), [(3, 1.0), (5, 1.0)]);
    assert_eq!(field(&summary, "1"), [(3, 1.0), (5, 1.0)]);
    assert_eq!(field(&summary, "2"), [(4, 2.0), (6, 2.0)]);
    assert_eq!(field(&summary, "3"), [(12, 4.0), (14, 4.0)]);
    assert_eq!(field(&summary, "4"), [(16, 2.0), (18, 2.0)]);
    assert_eq!(field(&summary, "5"), [(16, 1.0), (18, 1.0)]);
    assert_eq!(field(&summary, "6"), [(16, 1.0), (18, 1.0)]);
    assert_eq!(field(&summary, "7"), [(18, 1.0), (20, 1.0)]);
    assert_eq!(field(&summary, "9"), []);
    let outputs: Vec<&[usize]> = summary.layers.iter().map(|layer| &layer.outputs[0][..]).collect();
    assert_eq!(outputs[4], [2, 4, 15, 13]);
    assert_eq!(outputs[5], [2, 2, 32, 28]);
    assert_eq!(outputs[9], [2, 64 * 56]);
    assert_eq!(summary.layer("4").unwrap().multiply_adds, 2 * 4 * 15 * 13 * 2 * 16);
}

/// Branches, functions between layers, and layers without parameters as fields.
#[derive(Module)]
struct Branches {
    near: Conv2d,
    far: Conv2d,
    act1: Relu,
    act2: Relu,
    heads: Vec<Linear>,
}

impl Layer for Branches {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let near = self.act1.forward(&self.near.forward(x)?)?;
        let far = self.act2.forward(&self.far.forward(x)?)?;
        let all = Tensor::concat(&[&near, &far], 1)?.mul(2)?;
        let flat = all.mean_axes(&[2, 3], false)?;
        self.heads[1].forward(&self.heads[0].forward(&flat)?.tanh()?)
    }
}

#[test]
fn branches_see_what_the_widest_sees() {
    let net = Branches {
        near: Conv2d::new(3, 4, 1).unwrap(),
        far: Conv2d::from_config(&ConvConfig::new(3, 4, 5).padding(2)).unwrap(),
        act1: Relu,
        act2: Relu,
        heads: vec![Linear::new(8, 8).unwrap(), Linear::new(8, 2).unwrap()],
    };
    let summary = Summary::of(&net.init(0).unwrap(), &zeros(&[1, 3, 8, 8])).unwrap();
    assert_eq!(field(&summary, "act1"), [(1, 1.0); 2]);
    assert_eq!(field(&summary, "act2"), [(5, 1.0); 2]);
    assert_eq!(field(&summary, ""), []);
    let paths: Vec<(&str, usize)> = summary.layers.iter().map(|layer| (&layer.path[..], layer.depth)).collect();
    assert_eq!(paths, [("", 0), ("near", 1), ("far", 1), ("act1", 1), ("act2", 1), ("heads.0", 1), ("heads.1", 1)]);
    assert_eq!(summary.layer("heads.1").unwrap().outputs, [[1, 2]]);
}

#[test]
fn recurrent_layers() {
    let (steps, batch, inputs, hidden) = (7, 3, 5, 6);
    let config = RecurrentConfig::new(inputs, hidden).num_layers(2).bidirectional();
    let lstm = Lstm::from_config(&config).unwrap().init(0).unwrap();
    let x = zeros(&[steps, batch, inputs]);
    let summary = Summary::of_forward(&lstm, &[&x], |x| {
        let (y, (h, c)) = lstm.forward(&x[0], None)?;
        Ok(vec![y, h, c])
    })
    .unwrap();
    let weights = |inputs: usize| 4 * hidden * (inputs + hidden);
    let (first, second) = (weights(inputs), weights(2 * hidden));
    assert_eq!(summary.multiply_adds as usize, steps * batch * 2 * (first + second));
    assert_eq!(summary.parameters as usize, 2 * (first + second) + 4 * 8 * hidden);
    assert_eq!(summary.layer("").unwrap().outputs, [vec![7, 3, 12], vec![4, 3, 6]]);
}

#[test]
fn a_transformer_layer() {
    let (batch, steps, size, inner) = (2, 9, 8, 20);
    let config = TransformerLayerConfig::new(size, 2).dim_feedforward(inner).batch_first();
    for norm_first in [false, true] {
        let config = if norm_first { config.norm_first() } else { config };
        let layer = TransformerEncoderLayer::from_config(&config).unwrap().init(0).unwrap();
        let x = zeros(&[batch, steps, size]);
        let whole = Summary::of(&layer, &x).unwrap();
        let projections = 4 * size * size;
        let pairs = 2 * size;
        let linear = batch * steps * (projections + 2 * size * inner);
        assert_eq!(whole.multiply_adds as usize, linear + batch * steps * steps * pairs);
        let attention = whole.layer("self_attn").unwrap();
        assert_eq!(attention.multiply_adds as usize, batch * steps * 3 * size * size + batch * steps * steps * pairs);
        assert_eq!(attention.outputs, [[batch, steps, size]]);
        assert_eq!(whole.layer("self_attn.out_proj").unwrap().multiply_adds as usize, batch * steps * size * size);
        // Masked, a query sees the keys up to its own.
        let causal =
            Summary::of_forward(&layer, &[&x], |x| Ok(vec![layer.forward_masked(&x[0], &AttentionMasks::causal())?]))
                .unwrap();
        assert_eq!(causal.multiply_adds as usize, linear + batch * steps * (steps + 1) / 2 * pairs);
        assert_eq!(whole.layer("dropout").unwrap().outputs, [[batch, steps, inner]]);
        assert_eq!(whole.layer("linear2").unwrap().outputs, [[batch, steps, size]]);
    }
}

/// A language model whose output weights are its input weights.
#[derive(Module)]
struct Tied {
    embedding: Embedding,
    decoder: Linear,
}

#[test]
fn shared_parameters_count_once_and_work_where_they_are_read() {
    let embedding = Embedding::new(11, 4).unwrap();
    let decoder = Linear { weight: embedding.weight.clone(), bias: Some(Param::new(11, Init::Zeros).unwrap()) };
    let net = Tied { embedding, decoder }.init(0).unwrap();
    net.freeze("decoder.bias").unwrap();
    let x = Tensor::new([[1i64, 2, 3]]).unwrap();
    let summary =
        Summary::of_forward(&net, &[&x], |x| Ok(vec![net.decoder.forward(&net.embedding.forward(&x[0])?)?])).unwrap();
    assert_eq!((summary.parameters, summary.trainable), (44 + 11, 44));
    assert_eq!(summary.memory.gradients, 4 * 44);
    let (embedding, decoder) = (summary.layer("embedding").unwrap(), summary.layer("decoder").unwrap());
    assert_eq!((embedding.trainable, embedding.shared, embedding.multiply_adds), (44, 0, 0));
    assert_eq!((decoder.trainable, decoder.frozen, decoder.shared, decoder.multiply_adds), (0, 11, 44, 3 * 44));
    assert_eq!((&embedding.outputs, &decoder.outputs), (&vec![vec![1, 3, 4]], &vec![vec![1, 3, 11]]));
}

/// Its own parameters, nothing of scopes, and layers in boxes.
#[derive(Module)]
struct Own {
    weight: Param,
    inner: Box<dyn Layer>,
    last: OwnLast,
}

#[derive(Module)]
struct OwnLast {
    weight: Param,
}

#[test]
fn modules_that_say_nothing_are_placed_by_their_parameters() {
    let weight = || Param::new([4, 4], Init::Normal { mean: 0.0, std: 1.0 }).unwrap();
    let net = Own { weight: weight(), inner: Box::new(Tanh), last: OwnLast { weight: weight() } }.init(0).unwrap();
    let summary = Summary::of_forward(&net, &[&zeros(&[5, 4])], |x| {
        let y = net.inner.forward(&x[0].matmul(&net.weight.get()?.square()?)?)?;
        Ok(vec![y.matmul(&net.last.weight.get()?)?.exp()?])
    })
    .unwrap();
    let of = |path: &str| {
        let layer = summary.layer(path).unwrap();
        (layer.trainable, layer.multiply_adds, layer.outputs.clone())
    };
    assert_eq!(of(""), (16, 80, vec![vec![5, 4]]));
    assert_eq!(of("inner"), (0, 0, vec![vec![5, 4]]));
    assert_eq!(of("last"), (16, 80, vec![vec![5, 4]]));
}

/// Two of them in a network, none of which says anything of scopes.
#[derive(Module)]
struct Pair {
    a: Linear,
    b: Linear,
}

#[derive(Module)]
struct Pairs {
    first: Pair,
    second: Pair,
}

#[test]
fn what_runs_between_two_layers_belongs_to_the_module_that_holds_both() {
    let pair = |from, to| Pair { a: Linear::new(from, 6).unwrap(), b: Linear::new(6, to).unwrap() };
    let net = Pairs { first: pair(3, 7), second: pair(7, 2) }.init(0).unwrap();
    let summary = Summary::of_forward(&net, &[&zeros(&[5, 3])], |x| {
        let run = |pair: &Pair, x: &Tensor| pair.b.forward(&pair.a.forward(x)?.exp()?);
        let y = run(&net.first, &x[0].exp()?)?.exp()?;
        Ok(vec![run(&net.second, &y)?.exp()?])
    })
    .unwrap();
    // The exponential keeps its output.
    let kept = |path: &str| summary.layer(path).unwrap().activations;
    assert_eq!(kept("first"), 4 * 5 * 6);
    assert_eq!(kept("second"), 4 * 5 * 6);
    // The first is kept by the layer behind it, as nothing before it is trained.
    assert_eq!(kept("first.a"), 4 * 5 * 3);
    assert_eq!(kept(""), 4 * 5 * (7 + 2));
    assert_eq!(summary.layer("first").unwrap().outputs, [[5, 7]]);
}

#[test]
fn parametrizations_are_a_part_of_their_layer() {
    let net = sequential![weight_norm(Linear::new(3, 2).unwrap(), "weight", Some(0)).unwrap(), Relu].init(0).unwrap();
    let summary = Summary::of(&net, &zeros(&[1, 3])).unwrap();
    let paths: Vec<&str> = summary.layers.iter().map(|layer| &layer.path[..]).collect();
    assert_eq!(paths, ["", "0", "1"]);
    assert_eq!(summary.layer("0").unwrap().trainable, 6 + 2 + 2);
    assert_eq!(summary.layer("0").unwrap().multiply_adds, 6);
    assert_eq!(summary.layer("0").unwrap().outputs, [[1, 2]]);
}

#[test]
fn nothing_has_changed_afterwards() {
    let net = sequential![Linear::new(3, 4).unwrap(), BatchNorm1d::new(4).unwrap(), Dropout::new(0.5).unwrap()];
    let net = net.init(0).unwrap();
    let (state, random) = (net.state_dict().unwrap(), net.random_state());
    Summary::of(&net, &Tensor::ones([6, 3], DType::F32).unwrap()).unwrap();
    let wrong = Summary::of(&net, &Tensor::ones([6, 2], DType::F32).unwrap());
    assert!(wrong.is_err());
    for (name, value) in net.state_dict().unwrap() {
        assert_eq!(value.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap(), {
            state[&name].to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap()
        });
    }
    assert_eq!(net.random_state(), random);
}

fn message(result: Result<Summary>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn errors_name_the_path() {
    let net = ResNet18::new().unwrap().init(0).unwrap();
    let text = message(Summary::of(&net, &zeros(&[1, 4, 64, 64])));
    assert!(text.starts_with("Conv2d: takes [N, 3, H, W]") && text.contains("(in conv1: Conv2d)"), "{text}");
    let broken =
        ResNet18 { layer3: sequential![Block::new(128, 256, 2).unwrap(), Block::new(512, 256, 1).unwrap()], ..net };
    let broken = broken.init(0).unwrap();
    let text = message(Summary::of(&broken, &zeros(&[1, 3, 64, 64])));
    assert!(text.contains("layer3.1.conv1: Conv2d"), "{text}");
    // After a layer, in the code of the network itself.
    let linear = sequential![Linear::new(3, 4).unwrap()].init(0).unwrap();
    let text = message(Summary::of_forward(&linear, &[&zeros(&[2, 3])], |x| {
        Ok(vec![linear.forward(&x[0])?.add(zeros(&[5]))?])
    }));
    assert!(text.contains("(in the network: Sequential)"), "{text}");
    let text = message(Summary::of(&Linear::new(3, 4).unwrap(), &zeros(&[2, 3])));
    assert!(text.contains("has no value yet") && text.contains("(in the network: Linear)"), "{text}");
}

#[test]
fn as_text_and_as_data() {
    let net = sequential![
        Conv2d::from_config(&ConvConfig::new(1, 4, [3, 5]).stride([1, 2])).unwrap(),
        Dropout::new(0.5).unwrap(),
        sequential![Flatten::default(), Linear::new(4 * 26 * 12, 1000).unwrap()],
    ];
    let net = net.init(0).unwrap();
    net.freeze("0.bias").unwrap();
    let summary = Summary::of(&net, &zeros(&[2, 1, 28, 28])).unwrap();
    let summary = summary.with_optimizer(&Optimizer::new(&net, Adam::default()).unwrap()).unwrap();
    let text = "\
layer    kind        output             parameters  multiply-adds        sees     keeps
network  Sequential  [2, 1000]
  0      Conv2d      [2, 4, 26, 12]  60 + 4 frozen         37,440  3x5 by 1x2
  1      Dropout     [2, 4, 26, 12]                                3x5 by 1x2
  2      Sequential  [2, 1000]
    0    Flatten     [2, 1248]
    1    Linear      [2, 1000]           1,249,000      2,496,000              17.6 KiB

inputs         [2, 1, 28, 28]
parameters     1.25 M, of which 1.25 M are trained
multiply-adds  2.53 M
training step  19.1 MiB: 4.76 MiB parameters, 6.12 KiB inputs, 17.6 KiB activations, 4.76 MiB gradients, 9.53 MiB optimiser";
    assert_eq!(summary.to_string(), text);
    let data = serde_json::to_value(&summary).unwrap();
    assert_eq!(data["layers"][1]["receptive_field"][1], serde_json::json!({"size": 5, "stride": 2.0}));
    assert_eq!(data["memory"]["optimizer"], 2 * 4 * (60 + 1248 * 1000 + 1000));
}
