//! Senseless settings and inputs: every layer answers or refuses, and never panics.

use mapsto_nn::*;
use mapsto_tensor::{DType, Result, Rng, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Draws settings and inputs.
struct Draw(Rng);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0.below(n as u64) as usize
    }

    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    /// Mostly a small size; sometimes none, sometimes more than there can be.
    fn size(&mut self) -> usize {
        self.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, usize::MAX, usize::MAX / 2])
    }

    /// A size that a count of things may have.
    fn few(&mut self) -> usize {
        self.pick(&[0, 1, 1, 2, 2, 3])
    }

    fn index(&mut self) -> isize {
        self.pick(&[0, 0, 1, 1, 2, 3, -1, -1, -2, -5, isize::MAX, isize::MIN])
    }

    fn number(&mut self) -> f64 {
        self.pick(&[0.0, 0.1, 0.5, 0.5, 1.0, 1.0, 2.0, 3.0, -1.0, 1e-5, 1e300, f64::NAN, f64::INFINITY])
    }

    fn bool(&mut self) -> bool {
        self.once_in(2)
    }

    fn sizes(&mut self, axes: usize) -> Sizes {
        match self.below(4) {
            0 | 1 => Sizes::All(self.size()),
            2 => Sizes::Each((0..axes).map(|_| self.size()).collect()),
            _ => Sizes::Each((0..self.below(5)).map(|_| self.size()).collect()),
        }
    }

    /// Mostly one, the value that fits with everything else.
    fn ones(&mut self, axes: usize) -> Sizes {
        if self.once_in(3) { self.sizes(axes) } else { 1.into() }
    }

    fn none(&mut self, axes: usize) -> Sizes {
        if self.once_in(3) { self.sizes(axes) } else { 0.into() }
    }

    /// A tensor whose sizes may be these, but for those that are too large, or quite others.
    fn tensor(&mut self, sizes: &[usize]) -> Tensor {
        let mut sizes: Vec<usize> = match self.below(8) {
            0 => (0..self.below(6)).map(|_| self.below(5)).collect(),
            _ => sizes.iter().map(|&size| size.min(9)).collect(),
        };
        if self.once_in(8) && !sizes.is_empty() {
            let axis = self.below(sizes.len());
            sizes[axis] = self.below(6);
        }
        let x = Tensor::rand(sizes, DType::F32, &mut self.0).unwrap();
        match self.below(12) {
            0 => x.to_dtype(DType::I64).unwrap(),
            1 => x.gt(0.5).unwrap(),
            2 => x.to_dtype(DType::F64).unwrap(),
            3 => x.to_dtype(DType::BF16).unwrap(),
            4 => x.mul(f64::NAN).unwrap(),
            5..8 => x.variable().unwrap(),
            _ => x,
        }
    }

    /// Numbers of rows, some of which are not there.
    fn indices(&mut self, sizes: &[usize], rows: usize) -> Tensor {
        let x = self.tensor(sizes);
        if self.once_in(4) {
            return x;
        }
        let rows = rows.min(9) as f64 + if self.once_in(4) { 2.0 } else { 0.0 };
        let x = x.to_dtype(DType::F64).unwrap();
        let x = x.eq(&x).unwrap().where_(&x, 0.0).unwrap();
        x.mul(rows).unwrap().floor().unwrap().to_dtype(DType::I64).unwrap()
    }

    /// In training or not, with values or without.
    fn prepared<M: Module>(&mut self, layer: M) -> Result<M> {
        let layer = if self.once_in(20) { layer } else { layer.init(1)? };
        if self.once_in(3) {
            layer.eval();
        }
        Ok(layer)
    }

    /// What a layer answers, and the way back.
    fn call(&mut self, layer: impl Layer, sizes: &[usize]) -> Result<()> {
        let x = self.tensor(sizes);
        back(&self.prepared(layer)?.forward(&x)?)
    }
}

fn back(y: &Tensor) -> Result<()> {
    if y.is_tracked() && y.dtype().is_float() {
        y.sum()?.to_dtype(DType::F32)?.backward()?;
    }
    Ok(())
}

/// Runs `f` with many seeds. A part must succeed, another fail: else it would show nothing.
fn nonsense(name: &str, rounds: u64, f: impl Fn(&mut Draw) -> Result<()>) {
    let (mut right, mut wrong) = (0, 0);
    for round in 0..rounds {
        let mut draw = Draw(Rng::new(0).split(name).fork(round));
        match catch_unwind(AssertUnwindSafe(|| f(&mut draw))) {
            Ok(Ok(())) => right += 1,
            Ok(Err(_)) => wrong += 1,
            Err(_) => panic!("{name} panicked in round {round}"),
        }
    }
    assert!(right >= rounds / 50 && wrong >= rounds / 50, "{name}: {right} right, {wrong} wrong of {rounds}");
}

#[test]
fn linear_layers_never_panic() {
    nonsense("Linear", 300, |d| {
        let (features, bias) = (d.size(), d.bool());
        let layer = Linear::from_config(&LinearConfig { bias, ..LinearConfig::new(features, d.size()) })?;
        d.call(layer, &[2, features])
    });
    nonsense("Bilinear", 300, |d| {
        let (a, b) = (d.size(), d.size());
        let layer = Bilinear::new(a, b, d.size())?;
        let (x, y) = (d.tensor(&[3, a]), d.tensor(&[3, b]));
        back(&d.prepared(layer)?.forward(&x, &y)?)
    });
    nonsense("distances", 300, |d| {
        let (x, y) = (d.tensor(&[2, 3]), d.tensor(&[2, 3]));
        if d.bool() {
            return back(&CosineSimilarity { dim: d.index(), eps: d.number() }.forward(&x, &y)?);
        }
        back(&PairwiseDistance { p: d.number(), eps: d.number(), keepdim: d.bool() }.forward(&x, &y)?)
    });
    nonsense("encodings", 300, |d| {
        let config = PositionConfig { batch_first: d.bool(), ..PositionConfig::new(d.size(), d.size()) };
        if d.bool() {
            return d.call(LearnedEncoding::from_config(&config)?, &[2, 3, config.d_model]);
        }
        d.call(SinusoidalEncoding::from_config(&config)?, &[2, 3, config.d_model])
    });
}

#[test]
fn activations_never_panic() {
    nonsense("activations", 2000, |d| {
        let (a, b, sizes) = (d.number(), d.number(), [2, 3, 4]);
        let (size, dim, end_dim) = (d.size(), d.index(), d.index());
        match d.below(32) {
            0 => d.call(Relu, &sizes),
            1 => d.call(Relu6, &sizes),
            2 => d.call(Selu, &sizes),
            3 => d.call(Silu, &sizes),
            4 => d.call(Mish, &sizes),
            5 => d.call(Sigmoid, &sizes),
            6 => d.call(LogSigmoid, &sizes),
            7 => d.call(Tanh, &sizes),
            8 => d.call(Tanhshrink, &sizes),
            9 => d.call(Softsign, &sizes),
            10 => d.call(Hardsigmoid, &sizes),
            11 => d.call(Hardswish, &sizes),
            12 => d.call(Softmax2d, &sizes),
            13 => d.call(LeakyRelu { negative_slope: a }, &sizes),
            14 => d.call(Elu { alpha: a }, &sizes),
            15 => d.call(Celu { alpha: a }, &sizes),
            16 => d.call(Gelu::default(), &sizes),
            17 => d.call(Softplus { beta: a, threshold: b }, &sizes),
            18 => d.call(Softshrink { lambd: a }, &sizes),
            19 => d.call(Hardshrink { lambd: a }, &sizes),
            20 => d.call(Hardtanh { min_val: a, max_val: b }, &sizes),
            21 => d.call(Threshold { threshold: a, value: b }, &sizes),
            22 => d.call(Rrelu::new(a, b)?, &sizes),
            23 => d.call(Prelu::new(3, a)?, &sizes),
            24 => d.call(Prelu::new(size, a)?, &sizes),
            25 => d.call(Gelu { approximate: Approximation::Tanh }, &sizes),
            26 => d.call(Glu { dim }, &sizes),
            27 => d.call(Softmax { dim }, &sizes),
            28 => d.call(Softmin { dim }, &sizes),
            29 => d.call(LogSoftmax { dim }, &sizes),
            30 => d.call(Flatten { start_dim: dim, end_dim }, &sizes),
            _ => {
                let unflattened_size = (0..d.below(4)).map(|_| d.index()).collect();
                d.call(Unflatten { dim, unflattened_size }, &sizes)
            }
        }
    });
}

/// A layer over 1 to 3 axes by its number of axes.
macro_rules! by_axes {
    ($draw:expr, $axes:expr, $sizes:expr, $config:expr, [$one:ident, $two:ident, $three:ident]) => {
        match $axes {
            1 => $draw.call($one::from_config($config)?, &$sizes[..3]),
            2 => $draw.call($two::from_config($config)?, &$sizes[..4]),
            _ => $draw.call($three::from_config($config)?, &$sizes[..5]),
        }
    };
}

#[test]
fn convolutions_never_panic() {
    nonsense("convolutions", 5000, |d| {
        let (axes, channels) = (1 + d.below(3), d.size());
        let config = ConvConfig {
            stride: d.ones(axes),
            padding: match d.below(6) {
                0 => Padding::Rule(PaddingRule::Same),
                1 => Padding::Rule(PaddingRule::Valid),
                _ => d.none(axes).into(),
            },
            dilation: d.ones(axes),
            groups: if d.bool() { 1 } else { d.size() },
            bias: d.bool(),
            padding_mode: d.pick(&[
                PaddingMode::Zeros,
                PaddingMode::Zeros,
                PaddingMode::Reflect,
                PaddingMode::Replicate,
                PaddingMode::Circular,
            ]),
            ..ConvConfig::new(channels, d.size(), d.sizes(axes))
        };
        by_axes!(d, axes, [2, channels, 5, 6, 4], &config, [Conv1d, Conv2d, Conv3d])
    });
    nonsense("transposed convolutions", 1500, |d| {
        let (axes, channels) = (1 + d.below(3), d.size());
        let config = ConvTransposeConfig {
            stride: d.ones(axes),
            padding: d.none(axes),
            output_padding: d.none(axes),
            dilation: d.ones(axes),
            groups: if d.bool() { 1 } else { d.size() },
            bias: d.bool(),
            ..ConvTransposeConfig::new(channels, d.size(), d.sizes(axes))
        };
        by_axes!(d, axes, [2, channels, 3, 2, 4], &config, [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d])
    });
}

#[test]
fn pools_never_panic() {
    nonsense("pools", 2000, |d| {
        let axes = 1 + d.below(3);
        let config = PoolConfig {
            stride: d.bool().then(|| d.sizes(axes)),
            padding: d.none(axes),
            dilation: d.ones(axes),
            ceil_mode: d.bool(),
            count_include_pad: d.bool(),
            divisor_override: d.once_in(3).then(|| d.size()),
            norm_type: d.number(),
            ..PoolConfig::new(d.sizes(axes))
        };
        let sizes = [2, 3, 5, 6, 4];
        match d.below(3) {
            0 => by_axes!(d, axes, sizes, &config, [MaxPool1d, MaxPool2d, MaxPool3d]),
            1 => by_axes!(d, axes, sizes, &config, [AvgPool1d, AvgPool2d, AvgPool3d]),
            _ => by_axes!(d, axes, sizes, &config, [LpPool1d, LpPool2d, LpPool3d]),
        }
    });
    nonsense("adaptive pools", 1000, |d| {
        let axes = 1 + d.below(3);
        let output_size = match d.sizes(axes) {
            Sizes::All(size) => AdaptiveSizes::All(size),
            Sizes::Each(sizes) => {
                AdaptiveSizes::Each(sizes.into_iter().map(|size| (size != 1).then_some(size)).collect())
            }
        };
        let (config, sizes) = (AdaptivePoolConfig { output_size }, [2, 3, 5, 6, 4]);
        if d.bool() {
            return by_axes!(d, axes, sizes, &config, [AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d]);
        }
        by_axes!(d, axes, sizes, &config, [AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d])
    });
}

#[test]
fn norms_never_panic() {
    nonsense("batch norms", 1000, |d| {
        let (axes, channels) = (1 + d.below(3), d.size());
        let config = BatchNormConfig {
            eps: if d.bool() { 1e-5 } else { d.number() },
            momentum: d.bool().then(|| d.number()),
            affine: d.bool(),
            track_running_stats: d.bool(),
            bias: d.bool(),
            ..BatchNormConfig::new(channels)
        };
        by_axes!(d, axes, [2, channels, 3, 2, 4], &config, [BatchNorm1d, BatchNorm2d, BatchNorm3d])
    });
    nonsense("instance norms", 1000, |d| {
        let (axes, channels) = (1 + d.below(3), d.size());
        let config = InstanceNormConfig {
            eps: if d.bool() { 1e-5 } else { d.number() },
            momentum: d.number(),
            affine: d.bool(),
            track_running_stats: d.bool(),
            bias: d.bool(),
            ..InstanceNormConfig::new(channels)
        };
        by_axes!(d, axes, [2, channels, 3, 2, 4], &config, [InstanceNorm1d, InstanceNorm2d, InstanceNorm3d])
    });
    nonsense("other norms", 1000, |d| {
        let (size, eps) = (d.size(), if d.bool() { 1e-5 } else { d.number() });
        match d.below(4) {
            0 => {
                let (num_groups, affine, bias) = (d.size(), d.bool(), d.bool());
                let config = GroupNormConfig { num_groups, num_channels: size, eps, affine, bias };
                d.call(GroupNorm::from_config(&config)?, &[2, size, 3])
            }
            1 => {
                let (alpha, beta, k) = (d.number(), d.number(), d.number());
                let config = LocalResponseNormConfig { size, alpha, beta, k };
                d.call(LocalResponseNorm::from_config(&config), &[2, 3, 4])
            }
            kind => {
                let normalized_shape = d.sizes(2);
                let (elementwise_affine, bias) = (d.bool(), d.bool());
                let config =
                    LayerNormConfig { normalized_shape, eps: d.bool().then_some(eps), elementwise_affine, bias };
                let last = match &config.normalized_shape {
                    Sizes::All(size) => vec![2, 3, *size],
                    Sizes::Each(sizes) => [&[2], &sizes[..]].concat(),
                };
                if kind == 2 {
                    return d.call(LayerNorm::from_config(&config)?, &last);
                }
                d.call(RmsNorm::from_config(&config)?, &last)
            }
        }
    });
}

#[test]
fn embeddings_never_panic() {
    nonsense("embeddings", 2000, |d| {
        let rows = d.size();
        let table = EmbeddingConfig {
            padding_idx: d.once_in(3).then(|| d.index()),
            max_norm: d.once_in(3).then(|| d.number()),
            norm_type: d.number(),
            scale_grad_by_freq: d.bool(),
            ..EmbeddingConfig::new(rows, d.size())
        };
        if d.bool() {
            let layer = d.prepared(Embedding::from_config(&table)?)?;
            return back(&layer.forward(&d.indices(&[2, 3], rows))?);
        }
        let mode = d.pick(&[BagMode::Sum, BagMode::Mean, BagMode::Max]);
        let layer = EmbeddingBag::from_config(&EmbeddingBagConfig { table, mode, include_last_offset: d.once_in(4) })?;
        let layer = d.prepared(layer)?;
        let (x, offsets) = match d.bool() {
            true => (d.indices(&[2, 3], rows), None),
            false => (d.indices(&[5], rows), Some(Tensor::from_vec(vec![0i64, d.index() as i64], [2])?)),
        };
        let weights = d.once_in(4).then(|| d.tensor(x.shape()));
        back(&layer.forward(&x, offsets.as_ref(), weights.as_ref())?)
    });
}

#[test]
fn recurrent_layers_never_panic() {
    nonsense("recurrent layers", 1500, |d| {
        let (input, hidden, layers) = (d.size(), d.size(), d.few());
        let config = RecurrentConfig {
            num_layers: layers,
            bias: d.bool(),
            batch_first: d.bool(),
            dropout: if d.bool() { 0.0 } else { d.number() },
            bidirectional: d.bool(),
            nonlinearity: if d.once_in(4) { RnnNonlinearity::Relu } else { RnnNonlinearity::Tanh },
            ..RecurrentConfig::new(input, hidden)
        };
        let directions = if config.bidirectional { 2 } else { 1 };
        let (x, first) = (d.tensor(&[3, 3, input]), [layers * directions, 3, hidden]);
        let (h, c) = (d.bool().then(|| d.tensor(&first)), d.tensor(&first));
        let lengths = d.once_in(3).then(|| d.indices(&[3], 4));
        match d.below(3) {
            0 => {
                let layer = d.prepared(Rnn::from_config(&config)?)?;
                let Some(lengths) = lengths else { return back(&layer.forward(&x, h.as_ref())?.0) };
                back(&layer.forward_packed(&x, &lengths, h.as_ref())?.1)
            }
            1 => {
                let layer = d.prepared(Gru::from_config(&config)?)?;
                let Some(lengths) = lengths else { return back(&layer.forward(&x, h.as_ref())?.0) };
                back(&layer.forward_packed(&x, &lengths, h.as_ref())?.1)
            }
            _ => {
                let (layer, first) = (d.prepared(Lstm::from_config(&config)?)?, h.as_ref().map(|h| (h, &c)));
                let Some(lengths) = lengths else { return back(&layer.forward(&x, first)?.0) };
                back(&layer.forward_packed(&x, &lengths, first)?.1.0)
            }
        }
    });
    nonsense("cells", 1000, |d| {
        let (input, hidden) = (d.size(), d.size());
        let config = RecurrentCellConfig { bias: d.bool(), ..RecurrentCellConfig::new(input, hidden) };
        let (x, c) = (d.tensor(&[3, input]), d.tensor(&[3, hidden]));
        let h = d.bool().then(|| d.tensor(&[3, hidden]));
        match d.below(3) {
            0 => back(&d.prepared(RnnCell::from_config(&config)?)?.forward(&x, h.as_ref())?),
            1 => back(&d.prepared(GruCell::from_config(&config)?)?.forward(&x, h.as_ref())?),
            _ => back(&d.prepared(LstmCell::from_config(&config)?)?.forward(&x, h.as_ref().map(|h| (h, &c)))?.1),
        }
    });
}

#[test]
fn attention_never_panics() {
    nonsense("attention", 3000, |d| {
        let (size, heads) = (d.pick(&[0, 1, 2, 4, 4, 6, usize::MAX]), d.pick(&[0, 1, 1, 2, 2, 3, usize::MAX]));
        let config = MultiheadAttentionConfig {
            dropout: if d.bool() { 0.0 } else { d.number() },
            bias: d.bool(),
            add_bias_kv: d.once_in(3),
            add_zero_attn: d.once_in(3),
            kdim: d.once_in(3).then(|| d.size()),
            vdim: d.once_in(3).then(|| d.size()),
            batch_first: d.bool(),
            ..MultiheadAttentionConfig::new(size, heads)
        };
        let layer = d.prepared(MultiheadAttention::from_config(&config)?)?;
        let q = d.tensor(&[3, 3, size]);
        let (k, v) = (d.tensor(&[3, 3, config.kdim.unwrap_or(size)]), d.tensor(&[3, 3, config.vdim.unwrap_or(size)]));
        let (mask, padding) = (d.tensor(&[3, 3]), d.tensor(&[3, 3]));
        let masks = AttentionMasks {
            attn_mask: d.bool().then_some(&mask),
            key_padding_mask: d.bool().then_some(&padding),
            causal: d.bool(),
        };
        if d.bool() {
            return back(&layer.forward(&q, &k, &v, &masks)?);
        }
        back(&layer.forward_weights(&q, &k, &v, &masks, d.bool())?.0)
    });
    nonsense("transformers", 500, |d| {
        let size = d.pick(&[2, 4, 4, 6, 0]);
        let layer = TransformerLayerConfig {
            dim_feedforward: d.size(),
            dropout: if d.once_in(4) { d.number() } else { 0.1 },
            layer_norm_eps: if d.once_in(4) { d.number() } else { 1e-5 },
            batch_first: d.bool(),
            norm_first: d.bool(),
            bias: d.bool(),
            ..TransformerLayerConfig::new(size, d.pick(&[0, 1, 2, 2, 2, 3]))
        };
        let config = TransformerConfig::new(layer).num_layers(d.few(), d.few());
        let (src, tgt) = (d.tensor(&[3, 3, size]), d.tensor(&[3, 3, size]));
        let mask = d.tensor(&[3, 3]);
        let masks = AttentionMasks { attn_mask: d.bool().then_some(&mask), ..AttentionMasks::default() };
        let masks = TransformerMasks { src: masks, ..TransformerMasks::default() };
        back(&d.prepared(Transformer::from_config(&config)?)?.forward(&src, &tgt, &masks)?)
    });
}

#[test]
fn layers_of_space_never_panic() {
    nonsense("pads", 1500, |d| {
        let pads: Vec<(isize, isize)> = (0..d.below(4)).map(|_| (d.index(), d.index())).collect();
        let sizes = [2, 3, 4, 5];
        match d.below(5) {
            0 => d.call(ZeroPad::new(pads), &sizes),
            1 => d.call(ReflectionPad::new(pads), &sizes),
            2 => d.call(ReplicationPad::new(pads), &sizes),
            3 => d.call(CircularPad::new(pads), &sizes),
            _ => {
                let value = d.number();
                d.call(ConstantPad::new(pads, value), &sizes)
            }
        }
    });
    nonsense("shuffles", 1000, |d| {
        let factor = d.size();
        match d.below(3) {
            0 => d.call(PixelShuffle { upscale_factor: factor }, &[2, 4, 2, 3]),
            1 => d.call(PixelUnshuffle { downscale_factor: factor }, &[2, 3, 4, 4]),
            _ => d.call(ChannelShuffle { groups: factor }, &[2, 6, 2, 3]),
        }
    });
    nonsense("patches", 1500, |d| {
        let (kernel_size, dilation, padding, stride) = (d.sizes(2), d.ones(2), d.none(2), d.ones(2));
        if d.bool() {
            let config = UnfoldConfig { kernel_size, dilation, padding, stride };
            return d.call(Unfold::from_config(&config)?, &[2, 3, 5, 4]);
        }
        let config = FoldConfig { output_size: d.sizes(2), kernel_size, dilation, padding, stride };
        let sizes = d.pick(&[[2, 4, 4], [2, 4, 9], [2, 1, 9], [2, 6, 4], [2, 12, 16]]);
        d.call(Fold::from_config(&config)?, &sizes)
    });
    nonsense("resizing", 2000, |d| {
        let axes = 1 + d.below(3);
        let modes = ["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "cubic"];
        let by_size = d.bool();
        let scale =
            |d: &mut Draw| d.pick(&[0.0, 0.3, 0.5, 1.0, 1.7, 2.0, 2.0, 1e-9, 1e30, -1.0, f64::NAN, f64::INFINITY]);
        let config = UpsampleConfig {
            size: by_size.then(|| d.sizes(axes)),
            scale_factor: (!by_size || d.once_in(9)).then(|| match d.bool() {
                true => Scales::All(scale(d)),
                false => Scales::Each((0..axes).map(|_| scale(d)).collect()),
            }),
            mode: d.pick(&modes).into(),
            align_corners: d.once_in(3).then(|| d.bool()),
            recompute_scale_factor: d.once_in(3).then(|| d.bool()),
        };
        d.call(Upsample::from_config(&config)?, &[2, 3, 4, 5, 3][..axes + 2])
    });
}

#[test]
fn dropouts_never_panic() {
    nonsense("dropouts", 2000, |d| {
        let (p, sizes) = (d.number(), [2, 3, 4, 5]);
        match d.below(7) {
            0 => d.call(Dropout::new(p)?, &sizes),
            1 => d.call(Dropout1d::new(p)?, &sizes[..3]),
            2 => d.call(Dropout2d::new(p)?, &sizes),
            3 => d.call(Dropout3d::new(p)?, &sizes),
            4 => d.call(AlphaDropout::new(p)?, &sizes),
            5 => d.call(FeatureAlphaDropout::new(p)?, &sizes),
            _ => d.call(DropPath::new(p)?, &sizes),
        }
    });
}

#[test]
fn computed_weights_never_panic() {
    nonsense("weight_norm", 500, |d| {
        let (features, out, name) = (d.size(), d.size(), d.pick(&["weight", "weight", "bias", "none"]));
        let dim = d.bool().then(|| d.size());
        d.call(weight_norm(Linear::new(features, out)?, name, dim)?, &[2, features])
    });
    nonsense("spectral_norm", 500, |d| {
        let (channels, name) = (d.size(), d.pick(&["weight", "weight", "bias", "none"]));
        let dim = d.bool().then(|| d.size());
        let config = SpectralNormConfig { n_power_iterations: d.few(), eps: d.number(), dim };
        let layer = Conv1d::new(channels, d.size(), d.size())?;
        d.call(spectral_norm(layer, name, config)?, &[2, channels, 5])
    });
}
