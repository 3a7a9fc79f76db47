//! What layers say of users' mistakes: the whole text but for the line that it names.

use mapsto_nn::*;
use mapsto_tensor::{DType, Result, Tensor};

fn ones(sizes: &[usize]) -> Tensor {
    Tensor::ones(sizes, DType::F32).expect("a small tensor")
}

fn whole(sizes: &[usize]) -> Tensor {
    Tensor::zeros(sizes, DType::I64).expect("a small tensor")
}

/// Fails unless the error is this text and names a line of this file.
#[track_caller]
fn says<T>(result: Result<T>, text: &str) {
    let Err(error) = result else { panic!("no error: {text}") };
    let at = error.location().expect("the caller's line");
    let place = format!(" at {}:{}", at.file(), at.line());
    assert_eq!(error.to_string().replace(&place, ""), text);
    assert!(place.contains("layer_errors.rs:"), "{error}");
}

#[test]
fn linear_layers_explain() -> Result<()> {
    says(
        Linear::new(3, 2)?.init(1)?.forward(&ones(&[4, 5])),
        "linear: input [4, 5] has 5 features, weight [2, 3] takes 3; the input's last size must be the weight's last",
    );
    says(
        Linear::new(3, 2)?.init(1)?.forward(&ones(&[])),
        "linear: input [] has no features, weight [2, 3] takes 3; the input's last size must be the weight's last",
    );
    says(
        Linear::new(3, 2)?.init(1)?.forward(&whole(&[4, 3])),
        "linear: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        Linear::new(3, 2)?.forward(&ones(&[4, 3])),
        "this parameter of shape [2, 3] has no value yet; call init(seed) on the network, or load a state",
    );
    says(Linear::new(usize::MAX, 2), "Linear: [2, 18446744073709551615] has more elements than memory can address");
    says(
        Bilinear::new(3, 2, 4)?.init(1)?.forward(&ones(&[4, 3]), &ones(&[5, 2])),
        "Bilinear: inputs [4, 3] and [5, 2] do not fit the weight [4, 3, 2]; they must be [..., 3] and [..., 2] with equal leading sizes",
    );
    says(
        Bilinear::new(usize::MAX, 2, 4),
        "Bilinear: [4, 18446744073709551615, 2] has more elements than memory can address",
    );
    says(
        CosineSimilarity::default().forward(&ones(&[4]), &ones(&[4])),
        "CosineSimilarity: axis 1 is outside a tensor of shape [4]: axes are -1..=0",
    );
    says(
        CosineSimilarity::default().forward(&ones(&[4, 3]), &ones(&[4, 2])),
        "CosineSimilarity: shapes do not broadcast: [4, 3] and [4, 2] (3 != 2 at axis 1 of 2); sizes must be equal or 1, aligned at the last axis",
    );
    says(
        PairwiseDistance::default().forward(&ones(&[4, 3]), &ones(&[4, 2])),
        "PairwiseDistance: shapes do not broadcast: [4, 3] and [4, 2] (3 != 2 at axis 1 of 2); sizes must be equal or 1, aligned at the last axis",
    );
    Ok(())
}

#[test]
fn activations_explain() -> Result<()> {
    says(
        Softmax { dim: 2 }.forward(&ones(&[2, 3])),
        "softmax: axis 2 is outside a tensor of shape [2, 3]: axes are -2..=1",
    );
    says(Softmax2d.forward(&ones(&[2, 3])), "softmax: axis -3 is outside a tensor of shape [2, 3]: axes are -2..=1");
    says(Glu::default().forward(&ones(&[2, 3])), "glu: axis -1 of [2, 3] has the odd size 3: it cannot be halved");
    says(
        Prelu::new(4, 0.25)?.init(1)?.forward(&ones(&[2, 3])),
        "prelu: the weight [4] is neither one number nor one for each channel of [2, 3]",
    );
    says(
        Prelu::new(4, 0.25)?.init(1)?.forward(&ones(&[])),
        "prelu: the weight [4] is neither one number nor one for each channel of []",
    );
    says(Rrelu::new(0.5, 0.1), "Rrelu: the least slope 0.5 must not be above the greatest 0.1");
    says(
        Rrelu::new(0.1, 0.5)?.forward(&ones(&[2])),
        "this random stream has no key yet; call init(seed) on the network; it leaves loaded parameters as they are",
    );
    says(
        Hardtanh { min_val: 1.0, max_val: -1.0 }.forward(&ones(&[2])),
        "hardtanh: Hardtanh { min: 1.0, max: -1.0 }: min must not be above max",
    );
    says(
        Softplus { beta: 0.0, threshold: 20.0 }.forward(&ones(&[2])),
        "softplus: Softplus { beta: 0.0, threshold: 20.0 }: beta must not be zero",
    );
    says(
        Softshrink { lambd: -1.0 }.forward(&ones(&[2])),
        "softshrink: Softshrink { lambda: -1.0 }: lambda must not be negative",
    );
    says(Celu { alpha: 0.0 }.forward(&ones(&[2])), "celu: Celu { alpha: 0.0 }: alpha must not be zero");
    Ok(())
}

#[test]
fn convolutions_explain() -> Result<()> {
    says(Conv2d::new(3, 4, 3)?.init(1)?.forward(&ones(&[3, 3])), "Conv2d: takes [N, 3, H, W] or [3, H, W], not [3, 3]");
    says(
        Conv2d::new(3, 4, 3)?.init(1)?.forward(&ones(&[1, 2, 5, 5])),
        "Conv2d: takes [N, 3, H, W] or [3, H, W], not [1, 2, 5, 5]",
    );
    says(
        Conv2d::new(3, 4, 3)?.init(1)?.forward(&ones(&[1, 3, 2, 5])),
        "conv2d: a kernel that spans 3 does not fit on spatial axis 0 of [1, 3, 2, 5], 2 with padding 0 and 0; pad the image or use a smaller kernel or dilation",
    );
    says(Conv2d::new(3, 4, 0), "Conv2d: kernel_size [0, 0] must be above zero along every axis");
    says(Conv2d::new(3, 4, [3, 3, 3]), "Conv2d: kernel_size [3, 3, 3] has 3 numbers for 2 axes");
    says(
        Conv2d::from_config(&ConvConfig::new(3, 4, 3).groups(2)),
        "Conv2d: 3 channels to 4 do not fall into 2 equal groups",
    );
    says(
        Conv2d::from_config(&ConvConfig::new(3, 4, 3).groups(0)),
        "Conv2d: 3 channels to 4 do not fall into 0 equal groups",
    );
    says(
        Conv2d::from_config(&ConvConfig::new(3, 4, 3).stride(0)),
        "Conv2d: stride [0, 0] must be above zero along every axis",
    );
    says(
        Conv2d::from_config(&ConvConfig::new(3, 4, 3).dilation(0)),
        "Conv2d: dilation [0, 0] must be above zero along every axis",
    );
    says(
        Conv2d::from_config(&ConvConfig::new(3, 4, 3).stride(2).same()),
        "Conv2d: padding \"same\" needs stride 1, not [2, 2]",
    );
    says(
        Conv2d::from_config(&ConvConfig::new(3, 4, 3).padding([1, 2, 3])),
        "Conv2d: padding [1, 2, 3] has 3 numbers for 2 axes",
    );
    says(
        Conv2d::from_config(&ConvConfig::new(3, 4, 3).padding(4).padding_mode(PaddingMode::Reflect))?
            .init(1)?
            .forward(&ones(&[3, 4, 4])),
        "pad: 4 places do not fit a reflect border of axis 2 of [1, 3, 4, 4]: at most 3",
    );
    says(
        Conv1d::new(3, usize::MAX, 3),
        "Conv1d: [18446744073709551615, 3, 3] has more elements than memory can address",
    );
    says(
        ConvTranspose2d::new(3, 4, 3)?.init(1)?.forward(&ones(&[1, 2, 5, 5])),
        "ConvTranspose2d: takes [N, 3, H, W] or [3, H, W], not [1, 2, 5, 5]",
    );
    says(
        ConvTranspose2d::from_config(&ConvTransposeConfig::new(3, 4, 3).output_padding(1))?
            .init(1)?
            .forward(&ones(&[3, 5, 5])),
        "conv_transpose2d: output_padding 1 of spatial axis 0 is not below stride 1 or dilation 1",
    );
    says(
        ConvTranspose2d::from_config(&ConvTransposeConfig::new(3, 4, 3).stride(0)),
        "ConvTranspose2d: stride [0, 0] must be above zero along every axis",
    );
    says(
        ConvTranspose2d::from_config(&ConvTransposeConfig::new(3, 4, 3).groups(3)),
        "ConvTranspose2d: 3 channels to 4 do not fall into 3 equal groups",
    );
    says(
        ConvTranspose1d::from_config(&ConvTransposeConfig::new(3, 4, 3).padding(9))?.init(1)?.forward(&ones(&[3, 5])),
        "conv_transpose1d: nothing is left of 5 places with kernel 3 along spatial axis 0; the input and the kernel need a size, and the padding must leave some of the output",
    );
    Ok(())
}

#[test]
fn pools_explain() -> Result<()> {
    says(MaxPool2d::new(2)?.forward(&ones(&[4, 4])), "MaxPool2d: takes [N, C, H, W] or [C, H, W], not [4, 4]");
    says(
        MaxPool2d::new(2)?.forward(&whole(&[1, 4, 4])),
        "max_pool: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        MaxPool2d::new(5)?.forward(&ones(&[1, 4, 4])),
        "max_pool: a window of extent 5 does not fit size 4 with padding 0 (in axis 1 of [1, 4, 4]); use a smaller kernel or dilation, or more padding",
    );
    says(MaxPool2d::new(0), "MaxPool2d: kernel_size [0, 0] must be above zero along every axis");
    says(
        MaxPool2d::from_config(&PoolConfig::new(2).stride(0)),
        "MaxPool2d: stride [0, 0] must be above zero along every axis",
    );
    says(MaxPool2d::new([2, 2, 2]), "MaxPool2d: kernel_size [2, 2, 2] has 3 numbers for 2 axes");
    says(
        MaxPool2d::from_config(&PoolConfig::new(2).padding(2))?.forward(&ones(&[3, 5, 5])),
        "max_pool: padding 2 is more than half of the window's extent 2 (in axis 1 of [3, 5, 5]); pad the input itself first",
    );
    says(AvgPool1d::new(3)?.forward(&ones(&[2])), "AvgPool1d: takes [N, C, L] or [C, L], not [2]");
    says(
        AvgPool1d::from_config(&PoolConfig { divisor_override: Some(0), ..PoolConfig::new(2) })?
            .forward(&ones(&[3, 5])),
        "avg_pool: the divisor must not be zero",
    );
    says(
        LpPool2d::from_config(&PoolConfig { norm_type: 0.0, ..PoolConfig::new(2) })?.forward(&ones(&[3, 5, 5])),
        "lp_pool: the order 0 gives no norm; 1 sums, 2 is the Euclidean length, infinity takes the greatest magnitude",
    );
    says(AdaptiveAvgPool2d::new([2, 3, 4]), "AdaptiveAvgPool2d: 3 output sizes for 2 axes");
    says(
        AdaptiveMaxPool2d::new(2)?.forward(&ones(&[1, 3, 0, 4])),
        "adaptive_max_pool: axis 2 of [1, 3, 0, 4] is empty",
    );
    says(
        AdaptiveMaxPool2d::new(2)?.forward(&ones(&[4])),
        "AdaptiveMaxPool2d: takes [N, C, H, W] or [C, H, W], not [4]",
    );
    says(MaxPool1d::new(2)?.forward_with_indices(&ones(&[4])), "MaxPool1d: takes [N, C, L] or [C, L], not [4]");
    Ok(())
}

#[test]
fn norms_explain() -> Result<()> {
    says(
        BatchNorm1d::new(3)?.init(1)?.forward(&ones(&[2, 4])),
        "BatchNorm1d: takes [N, C] or [N, C, L] with 3 channels, not [2, 4]",
    );
    says(
        BatchNorm2d::new(3)?.init(1)?.forward(&ones(&[2, 3, 4])),
        "BatchNorm2d: takes [N, C, H, W] with 3 channels, not [2, 3, 4]",
    );
    says(
        BatchNorm2d::new(3)?.init(1)?.forward(&whole(&[2, 3, 4, 4])),
        "batch_norm: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        BatchNorm1d::new(3)?.init(1)?.forward(&ones(&[1, 3])),
        "BatchNorm1d: one value a channel in [1, 3] has no variance; use a larger batch, or eval()",
    );
    says(
        BatchNorm1d::from_config(&BatchNormConfig { eps: -1.0, ..BatchNormConfig::new(3) })?
            .init(1)?
            .forward(&ones(&[2, 3])),
        "batch_norm: eps -1 is not a number from zero up",
    );
    says(
        InstanceNorm2d::new(3)?.forward(&ones(&[2, 4, 4, 4])),
        "InstanceNorm2d: takes [N, 3, H, W] or [3, H, W], not [2, 4, 4, 4]",
    );
    says(
        InstanceNorm2d::new(3)?.forward(&ones(&[2, 3, 1, 1])),
        "InstanceNorm2d: one value a channel in [2, 3, 1, 1] has no variance; use larger samples, or eval()",
    );
    says(
        LayerNorm::new([3, 4])?.init(1)?.forward(&ones(&[2, 4])),
        "LayerNorm: normalises last axes of [3, 4], not those of [2, 4]",
    );
    says(
        LayerNorm::new(4)?.init(1)?.forward(&whole(&[2, 4])),
        "layer_norm: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        LayerNorm::new(4)?.forward(&ones(&[2, 4])),
        "this parameter of shape [4] has no value yet; call init(seed) on the network, or load a state",
    );
    says(
        RmsNorm::new(4)?.init(1)?.forward(&ones(&[2, 5])),
        "RmsNorm: normalises last axes of [4], not those of [2, 5]",
    );
    says(GroupNorm::new(2, 3), "GroupNorm: 3 channels do not fall into 2 equal groups");
    says(GroupNorm::new(0, 3), "GroupNorm: 3 channels do not fall into 0 equal groups");
    says(
        GroupNorm::new(2, 4)?.init(1)?.forward(&ones(&[2, 6, 5])),
        "GroupNorm: takes [N, C, ...] with 4 channels, not [2, 6, 5]",
    );
    says(
        LocalResponseNorm::new(0).forward(&ones(&[2, 3, 4])),
        "LocalResponseNorm: takes [N, C, ...] and a size above zero, not [2, 3, 4] and 0",
    );
    says(
        LocalResponseNorm::new(2).forward(&ones(&[2, 3])),
        "LocalResponseNorm: takes [N, C, ...] and a size above zero, not [2, 3] and 2",
    );
    Ok(())
}

#[test]
fn embeddings_explain() -> Result<()> {
    says(
        Embedding::new(3, 2)?.init(1)?.forward(&ones(&[2])),
        "Embedding: indices must be i64, not f32; convert them with to_dtype(DType::I64)",
    );
    says(
        Embedding::new(3, 2)?.init(1)?.forward(&Tensor::new([0i64, 3])?),
        "Embedding: index 3 (number 1 of 2) is not among 3 rows",
    );
    says(
        Embedding::from_config(&EmbeddingConfig { padding_idx: Some(3), ..EmbeddingConfig::new(3, 2) }),
        "Embedding: padding_idx 3 is not among 3 rows",
    );
    says(
        Embedding::new(usize::MAX, 2),
        "Embedding: [18446744073709551615, 2] has more elements than memory can address",
    );
    says(
        EmbeddingBag::new(3, 2)?.init(1)?.forward(&ones(&[2, 2]), None, None),
        "EmbeddingBag: indices must be i64, not f32; convert them with to_dtype(DType::I64)",
    );
    says(
        EmbeddingBag::new(3, 2)?.init(1)?.forward(&whole(&[2]), None, None),
        "EmbeddingBag: numbers of shape [2]; give [bags, size] alone, or [count] with offsets [bags]",
    );
    says(
        EmbeddingBag::new(3, 2)?.init(1)?.forward(&whole(&[2]), Some(&Tensor::new([1i64])?), None),
        "EmbeddingBag: offsets must rise from 0 to at most 2, got [1]",
    );
    says(
        EmbeddingBag::new(3, 2)?.init(1)?.forward(&whole(&[2]), Some(&ones(&[1])), None),
        "EmbeddingBag: a tensor of f32 cannot be read as i64; convert with to_dtype(DType::I64) first",
    );
    says(
        EmbeddingBag::new(3, 2)?.init(1)?.forward(&whole(&[2, 2]), None, Some(&ones(&[2, 2]))),
        "EmbeddingBag: weights are for sums, and of the numbers' shape",
    );
    Ok(())
}

#[test]
fn recurrent_layers_explain() -> Result<()> {
    says(Lstm::new(3, 0), "Lstm: the state has no features: hidden_size is 0");
    says(Lstm::from_config(&RecurrentConfig::new(3, 4).num_layers(0)), "Lstm: num_layers is 0, not in 1..=10000");
    says(Lstm::from_config(&RecurrentConfig::new(3, 4).dropout(1.5)), "Lstm: a probability lies in [0, 1], got 1.5");
    says(
        Lstm::from_config(&RecurrentConfig::new(3, 4).nonlinearity(RnnNonlinearity::Relu)),
        "Lstm: only an Elman network has a choice of nonlinearity",
    );
    says(Gru::new(3, 4)?.init(1)?.forward(&ones(&[5, 2, 4]), None), "Gru: takes [T, N, 3] or [T, 3], not [5, 2, 4]");
    says(Gru::new(3, 4)?.init(1)?.forward(&ones(&[3]), None), "Gru: takes [T, N, 3] or [T, 3], not [3]");
    says(
        Gru::new(3, 4)?.init(1)?.forward(&whole(&[5, 2, 3]), None),
        "gru: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        Gru::new(3, 4)?.init(1)?.forward(&ones(&[5, 2, 3]), Some(&ones(&[1, 3, 4]))),
        "gru: the first state is [1, 3, 4], not [1, 2, 4]; states are [layers * directions, sequences, hidden] also where the batch comes first",
    );
    says(
        Gru::new(3, 4)?.forward(&ones(&[5, 2, 3]), None),
        "this parameter of shape [12, 3] has no value yet; call init(seed) on the network, or load a state",
    );
    says(
        Lstm::new(3, 4)?.init(1)?.forward(&ones(&[5, 2, 3]), Some((&ones(&[1, 2, 4]), &ones(&[1, 2, 5])))),
        "lstm: the first state is [1, 2, 5], not [1, 2, 4]; states are [layers * directions, sequences, hidden] also where the batch comes first",
    );
    says(
        Rnn::new(3, 4)?.init(1)?.forward_packed(&ones(&[5, 2, 3]), &Tensor::new([5i64, 6])?, None),
        "rnn: the length 6 of sequence 1 is not in 0..=5; lengths count the steps of each sequence",
    );
    says(
        Rnn::new(3, 4)?.init(1)?.forward_packed(&ones(&[5, 2, 3]), &Tensor::new([5i64])?, None),
        "rnn: the list of lengths is [1]; an input [5, 2, 3] and state weights [4, 4] need [2]",
    );
    says(
        Rnn::new(3, 4)?.init(1)?.forward_packed(&ones(&[5, 2, 3]), &ones(&[2]), None),
        "rnn: lengths are i64, not f32",
    );
    says(GruCell::new(3, 4)?.init(1)?.forward(&ones(&[2, 4]), None), "GruCell: takes [N, 3] or [3], not [2, 4]");
    says(
        LstmCell::new(3, 4)?.init(1)?.forward(&ones(&[2, 3]), Some((&ones(&[2, 4]), &ones(&[3, 4])))),
        "lstm_cell: the first state is [1, 3, 4], not [1, 2, 4]; states are [layers * directions, sequences, hidden] also where the batch comes first",
    );
    Ok(())
}

#[test]
fn attention_explains() -> Result<()> {
    let (masks, x) = (AttentionMasks::default(), ones(&[5, 2, 6]));
    let stack = TransformerStackConfig { layer: TransformerLayerConfig::new(6, 2), num_layers: 1, norm: true };
    says(MultiheadAttention::new(6, 4), "MultiheadAttention: 6 features do not fall into 4 equal heads");
    says(MultiheadAttention::new(0, 1), "MultiheadAttention: 0 features do not fall into 1 equal heads");
    says(
        MultiheadAttention::from_config(&MultiheadAttentionConfig::new(6, 2).dropout(-0.1)),
        "MultiheadAttention: the probability of dropping is -0.1, not in 0..=1",
    );
    says(
        MultiheadAttention::new(6, 2)?.init(1)?.forward(
            &ones(&[5, 2, 4]),
            &ones(&[5, 2, 6]),
            &ones(&[5, 2, 6]),
            &masks,
        ),
        "MultiheadAttention: the queries are [5, 2, 4], not [L, N, 6]; give all three a batch, or none",
    );
    says(
        MultiheadAttention::new(6, 2)?.init(1)?.forward(
            &ones(&[5, 2, 6]),
            &ones(&[4, 3, 6]),
            &ones(&[4, 3, 6]),
            &masks,
        ),
        "MultiheadAttention: queries [5, 2, 6], keys [4, 3, 6] and values [4, 3, 6] differ in batch or number",
    );
    says(
        MultiheadAttention::new(6, 2)?.init(1)?.forward(
            &whole(&[5, 2, 6]),
            &whole(&[5, 2, 6]),
            &whole(&[5, 2, 6]),
            &masks,
        ),
        "MultiheadAttention: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        MultiheadAttention::new(6, 2)?.init(1)?.forward(
            &x,
            &x,
            &x,
            &AttentionMasks { attn_mask: Some(&ones(&[5, 4])), ..masks },
        ),
        "MultiheadAttention: the attn_mask is [5, 4], not [5, 5] or [4, 5, 5]",
    );
    says(
        MultiheadAttention::new(6, 2)?.init(1)?.forward(
            &x,
            &x,
            &x,
            &AttentionMasks { key_padding_mask: Some(&ones(&[5, 2])), ..masks },
        ),
        "MultiheadAttention: the key_padding_mask is [5, 2], not [2, 5]",
    );
    says(TransformerEncoderLayer::new(6, 4), "TransformerEncoderLayer: 6 features do not fall into 4 equal heads");
    says(
        TransformerEncoderLayer::from_config(&TransformerLayerConfig::new(6, 2).dropout(2.0)),
        "TransformerEncoderLayer: the probability of dropping is 2, not in 0..=1",
    );
    says(
        TransformerEncoderLayer::new(6, 2)?.init(1)?.forward(&ones(&[5, 2, 4])),
        "TransformerEncoderLayer: the queries are [5, 2, 4], not [L, N, 6]; give all three a batch, or none",
    );
    says(
        TransformerEncoder::from_config(&stack)?.init(1)?.forward(&ones(&[5, 2, 4])),
        "TransformerEncoderLayer: the queries are [5, 2, 4], not [L, N, 6] (in layers.0); give all three a batch, or none",
    );
    says(
        TransformerDecoder::from_config(&stack)?.init(1)?.forward(&ones(&[5, 2, 6]), &ones(&[5, 3, 6]), &masks, &masks),
        "TransformerDecoderLayer: queries [5, 2, 6], keys [5, 3, 6] and values [5, 3, 6] differ in batch or number (in layers.0)",
    );
    says(
        LearnedEncoding::from_config(&PositionConfig::new(6, 4))?.init(1)?.forward(&ones(&[5, 2, 6])),
        "LearnedEncoding: the input has 5 steps, the table 4 positions; make it with a greater max_len",
    );
    says(
        SinusoidalEncoding::from_config(&PositionConfig::new(6, 4))?.forward(&ones(&[3, 2, 5])),
        "SinusoidalEncoding: the input is [3, 2, 5], not [L, N, 6]",
    );
    Ok(())
}

#[test]
fn layers_of_space_explain() -> Result<()> {
    let upsample = UpsampleConfig {
        size: Some(Sizes::All(4)),
        scale_factor: None,
        mode: "bilinear".into(),
        align_corners: None,
        recompute_scale_factor: None,
    };
    says(Flatten { start_dim: 2, end_dim: 1 }.forward(&ones(&[2, 3, 4])), "flatten: axis 2 comes after axis 1");
    says(
        Flatten { start_dim: 3, end_dim: -1 }.forward(&ones(&[2, 3])),
        "flatten: axis 3 is outside a tensor of shape [2, 3]: axes are -2..=1",
    );
    says(
        Unflatten { dim: 1, unflattened_size: vec![2, -2] }.forward(&ones(&[2, 6])),
        "Unflatten: axis 1 of [2, 6] does not split into [2, -2]",
    );
    says(
        Unflatten { dim: 3, unflattened_size: vec![2, 3] }.forward(&ones(&[2, 6])),
        "Unflatten: axis 3 is outside a tensor of shape [2, 6]: axes are -2..=1",
    );
    says(ZeroPad::new([(1, 1); 3]).forward(&ones(&[2, 3])), "pad: 3 pairs of pads for shape [2, 3]");
    says(ZeroPad::new([(-2, -2)]).forward(&ones(&[2, 3])), "pad: cropping 2 and 2 leaves nothing of axis 1 of [2, 3]");
    says(
        ReflectionPad::new([(3, 0)]).forward(&ones(&[2, 3])),
        "pad: 3 places do not fit a reflect border of axis 1 of [2, 3]: at most 2",
    );
    says(
        CircularPad::new([(4, 0)]).forward(&ones(&[2, 3])),
        "pad: 4 places do not fit a circular border of axis 1 of [2, 3]: at most 3",
    );
    says(
        PixelShuffle { upscale_factor: 2 }.forward(&ones(&[1, 6, 2, 2])),
        "pixel_shuffle: 6 channels are not a multiple of the factor 2 squared",
    );
    says(PixelShuffle { upscale_factor: 2 }.forward(&ones(&[6])), "pixel_shuffle: takes images [N, C, H, W], not [6]");
    says(
        PixelUnshuffle { downscale_factor: 2 }.forward(&ones(&[1, 6, 3, 2])),
        "pixel_unshuffle: images of 3 x 2 are not a multiple of the factor 2",
    );
    says(
        ChannelShuffle { groups: 4 }.forward(&ones(&[1, 6, 3, 2])),
        "ChannelShuffle: [1, 6, 3, 2] does not have channels in 4 equal groups",
    );
    says(Unfold::new([2, 2, 2]), "Unfold: kernel_size [2, 2, 2] has 3 numbers for 2 axes");
    says(
        Unfold::new(3)?.forward(&ones(&[1, 2, 2, 2])),
        "unfold2d: a kernel of [3, 3] does not fit on images of [2, 2]; pad the image, or use a smaller kernel or dilation",
    );
    says(
        Unfold::from_config(&UnfoldConfig { stride: 0.into(), ..UnfoldConfig::new(3) }),
        "Unfold: stride [0, 0] must be above zero along every axis",
    );
    says(Fold::new(4, 2)?.forward(&ones(&[1, 4, 8])), "fold2d: [1, 4, 8] has 8 patches, images of [4, 4] 9");
    says(Fold::new(4, 2)?.forward(&ones(&[1, 5, 9])), "fold2d: 5 rows are not whole channels of a kernel of [2, 2]");
    says(Upsample::nearest(0.0), "Upsample: sizes and factors must be above zero");
    says(Upsample::nearest(f64::NAN), "Upsample: sizes and factors must be above zero");
    says(
        Upsample::nearest(2.0)?.forward(&ones(&[2, 3])),
        "Upsample: mode \"nearest\" takes [N, C, ...] of 3 to 5 axes, not [2, 3]",
    );
    says(
        Upsample::nearest(2.0)?.forward(&whole(&[2, 3, 4])),
        "Upsample: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        Upsample::from_config(&UpsampleConfig { mode: "cubic".into(), ..upsample.clone() }),
        "Upsample: no mode \"cubic\": nearest, nearest-exact, linear, bilinear, trilinear, bicubic",
    );
    says(
        Upsample::from_config(&UpsampleConfig { size: None, ..upsample.clone() }),
        "Upsample: takes either size or scale_factor",
    );
    says(
        Upsample::from_config(&UpsampleConfig {
            mode: "nearest".into(),
            align_corners: Some(true),
            ..upsample.clone()
        }),
        "Upsample: align_corners says nothing to mode \"nearest\"; leave it out",
    );
    says(
        Upsample::from_config(&upsample)?.forward(&ones(&[1, 2, 3])),
        "Upsample: mode \"bilinear\" takes [N, C, ...] of 4 axes, not [1, 2, 3]",
    );
    says(
        Upsample::from_config(&UpsampleConfig { size: Some(Sizes::All(0)), ..upsample.clone() }),
        "Upsample: sizes and factors must be above zero",
    );
    Ok(())
}

#[test]
fn dropouts_explain() -> Result<()> {
    says(Dropout::new(1.5), "Dropout: a probability lies in [0, 1], got 1.5");
    says(Dropout::new(f64::NAN), "Dropout: a probability lies in [0, 1], got NaN");
    says(
        Dropout::new(0.5)?.forward(&ones(&[2])),
        "this random stream has no key yet; call init(seed) on the network; it leaves loaded parameters as they are",
    );
    says(
        Dropout::new(0.5)?.init(1)?.forward(&whole(&[2])),
        "dropout: is not defined for i64 elements; convert with to_dtype(DType::F32) first",
    );
    says(
        Dropout2d::new(0.5)?.init(1)?.forward(&ones(&[2, 3])),
        "Dropout2d: channels are dropped of 3 or 4 axes, got [2, 3]",
    );
    Ok(())
}

#[test]
fn computed_weights_explain() -> Result<()> {
    says(
        weight_norm(Linear::new(3, 2)?, "weights", Some(0)),
        "weight_norm: no parameter is named \"weights\"; the names are weight, bias",
    );
    says(weight_norm(Linear::new(3, 2)?, "weight", Some(2)), "weight_norm: the parameter [2, 3] has no axis 2");
    says(
        weight_norm(weight_norm(Linear::new(3, 2)?, "weight", Some(0))?, "weight", Some(0)),
        "weight_norm: no parameter is named \"weight\"; the names are parametrizations.weight.original1, parametrizations.weight.original0, bias",
    );
    says(
        spectral_norm(
            Linear::new(3, 2)?,
            "weight",
            SpectralNormConfig { n_power_iterations: 0, ..SpectralNormConfig::default() },
        ),
        "spectral_norm: n_power_iterations is 0",
    );
    says(
        spectral_norm(Linear::new(3, 2)?, "weight", SpectralNormConfig::default())?.forward(&ones(&[2, 3])),
        "SpectralNorm: this parameter of shape [2, 3] has no value yet; call init(seed) on the network, or load a state",
    );
    Ok(())
}

#[test]
fn sequences_explain() -> Result<()> {
    says(
        sequential![Linear::new(3, 2)?, Tanh, Linear::new(3, 2)?].init(1)?.forward(&ones(&[4, 3])),
        "linear: input [4, 2] has 2 features, weight [2, 3] takes 3 (in 2 Linear); the input's last size must be the weight's last",
    );
    says(
        sequential![Conv2d::new(3, 2, 3)?].init(1)?.forward(&ones(&[4, 3])),
        "Conv2d: takes [N, 3, H, W] or [3, H, W], not [4, 3] (in 0 Conv2d)",
    );
    says(
        sequential![sequential![Linear::new(3, 2)?]].forward(&ones(&[4, 3])),
        "this parameter of shape [2, 3] has no value yet (in 0 Sequential > 0 Linear); call init(seed) on the network, or load a state",
    );
    Ok(())
}

#[test]
fn loading_explains() -> Result<()> {
    let layer = Linear::new(3, 2)?.init(1)?;
    let before = layer.weight.get()?.to_vec::<f32>()?;
    let load = |values: &[(&str, Tensor)]| {
        let values: StateDict = values.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        layer.load_state_dict(&values, &LoadOptions::strict())
    };
    let mend = "are these values of another network, or of other settings? LoadOptions::partial() loads what fits, .rename(from, to) renames";
    says(load(&[]), &format!("load_state_dict: missing: weight, bias; {mend}"));
    says(
        load(&[("weight", ones(&[2, 3])), ("bais", ones(&[2]))]),
        &format!("load_state_dict: missing: bias; unexpected: bais; {mend}"),
    );
    says(
        load(&[("weight", ones(&[3, 2])), ("bias", ones(&[2]))]),
        &format!("load_state_dict: mismatched: weight is f32[2, 3], given f32[3, 2]; {mend}"),
    );
    says(
        load(&[("weight", ones(&[2, 3])), ("bias", whole(&[2]))]),
        &format!("load_state_dict: mismatched: bias is f32[2], given i64[2]; {mend}"),
    );
    let two: StateDict = [("a.weight".to_string(), ones(&[2, 3])), ("weight".to_string(), ones(&[2, 3]))].into();
    says(
        layer.load_state_dict(&two, &LoadOptions::partial().rename("a.", "")),
        "load_state_dict: two values are renamed to \"weight\"",
    );
    let wide = Sequential::new().push(BatchNorm2d::new(2)?).push(BatchNorm2d::new(2)?);
    says(
        wide.load_state_dict(&StateDict::new(), &LoadOptions::strict()),
        &format!(
            "load_state_dict: missing: 0.weight, 0.bias, 0.running_mean, 0.running_var, 0.num_batches_tracked, \
             1.weight and 4 more; {mend}"
        ),
    );
    // A value that does not fit leaves the others as they were.
    assert_eq!(layer.weight.get()?.to_vec::<f32>()?, before);
    says(
        layer.load("no/such/file", &LoadOptions::strict()),
        "load: cannot read the file: No such file or directory (os error 2) (in no/such/file)",
    );
    says(layer.weight.set(&ones(&[3, 2])), "set: a value of shape [3, 2] does not fit [2, 3]");
    says(
        Linear::new(3, 2)?.state_dict(),
        "state_dict: this parameter of shape [2, 3] has no value yet (in weight); call init(seed) on the network, or load a state",
    );
    Ok(())
}
