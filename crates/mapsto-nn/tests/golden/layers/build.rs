//! Our layers from PyTorch's names and arguments.

use mapsto_nn::*;
use mapsto_tensor::{Result, Tensor};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a layer is called with.
pub struct Call<'a> {
    pub names: &'a [String],
    pub inputs: &'a [Tensor],
    pub options: &'a Value,
}

impl Call<'_> {
    fn first(&self) -> &Tensor {
        &self.inputs[0]
    }

    fn get(&self, name: &str) -> Option<&Tensor> {
        self.names.iter().position(|own| own == name).map(|i| &self.inputs[i])
    }

    /// The state before, of layers that have a pair.
    fn pair(&self) -> Option<(&Tensor, &Tensor)> {
        self.get("h_0").zip(self.get("c_0"))
    }

    fn masks(&self, attn: &str, padding: &str) -> AttentionMasks<'_> {
        AttentionMasks { attn_mask: self.get(attn), key_padding_mask: self.get(padding), causal: false }
    }
}

type Forward = Box<dyn Fn(&Call) -> Result<Vec<Tensor>>>;

/// A layer and how it is called.
pub struct Golden {
    pub module: Arc<dyn Module>,
    pub call: Forward,
}

/// PyTorch's arguments that say nothing here, at the only value that is taken: any other is refused as unknown.
fn settings(about: &Value) -> Value {
    let neutral = [
        ("inplace", json!(false)),
        ("sparse", json!(false)),
        ("proj_size", json!(0)),
        ("min_value", json!(null)),
        ("max_value", json!(null)),
        ("custom_encoder", json!(null)),
        ("custom_decoder", json!(null)),
        ("enable_nested_tensor", json!(false)),
        ("mask_check", json!(true)),
    ];
    let mut config = about["config"].clone();
    let map = config.as_object_mut().unwrap();
    map.retain(|key, value| !neutral.iter().any(|(name, only)| key == name && value == only));
    // These are methods, and kinds of layers, of their own.
    map.remove("return_indices");
    if about["layer"].as_str().unwrap().starts_with("ConvTranspose") {
        assert_eq!(map.remove("padding_mode"), Some(json!("zeros")));
    }
    config
}

fn parse<T: DeserializeOwned>(config: &Value) -> T {
    serde_json::from_value(config.clone()).unwrap_or_else(|e| panic!("{config}: {e}"))
}

/// The pads of axes from PyTorch's list, which begins with the last axis.
fn pads(config: &Value) -> Vec<(isize, isize)> {
    let list: Vec<isize> = parse(&config["padding"]);
    list.chunks(2).rev().map(|pair| (pair[0], pair[1])).collect()
}

/// A layer called by `call`, wrapped as the file says.
fn golden<L: Module>(
    about: &Value,
    layer: Result<L>,
    call: impl Fn(&L, &Call) -> Result<Vec<Tensor>> + 'static,
) -> Result<Golden> {
    let mut layer = layer?;
    if let Some(wrap) = about["wrap"].as_str() {
        let mut config = about["wrap_config"].clone();
        let name: String = parse(&config.as_object_mut().unwrap().remove("name").unwrap());
        layer = match wrap {
            "weight_norm" => weight_norm(layer, &name, parse(&config["dim"]))?,
            "spectral_norm" => spectral_norm(layer, &name, parse(&config))?,
            _ => panic!("no wrap {wrap}"),
        };
    }
    let layer = Arc::new(layer);
    Ok(Golden { module: layer.clone(), call: Box::new(move |inputs| call(&layer, inputs)) })
}

/// A layer that maps one tensor to one.
fn plain<L: Layer>(about: &Value, layer: Result<L>) -> Result<Golden> {
    golden(about, layer, |layer, call| Ok(vec![layer.forward(call.first())?]))
}

macro_rules! with_indices {
    ($about:expr, $layer:expr) => {
        match $about["config"]["return_indices"] == true {
            true => golden($about, $layer, |layer, call| {
                let (output, indices) = layer.forward_with_indices(call.first())?;
                Ok(vec![output, indices])
            }),
            false => plain($about, $layer),
        }
    };
}

macro_rules! recurrent {
    ($about:expr, $layer:expr, |$call:ident| $state:expr, |$last:pat_param| $all:expr) => {
        golden($about, $layer, |layer, $call| {
            let (output, $last) = match $call.get("lengths") {
                Some(lengths) => layer.forward_packed($call.first(), lengths, $state)?,
                None => layer.forward($call.first(), $state)?,
            };
            let mut all = vec![output];
            all.extend($all);
            Ok(all)
        })
    };
}

/// The layer of a file, if there is one.
pub fn build(about: &Value) -> Option<Result<Golden>> {
    let config = &settings(about);
    let a = about;
    Some(match about["layer"].as_str().unwrap() {
        "CELU" => plain(a, Ok(parse::<Celu>(config))),
        "ELU" => plain(a, Ok(parse::<Elu>(config))),
        "GELU" => plain(a, Ok(parse::<Gelu>(config))),
        "GLU" => plain(a, Ok(parse::<Glu>(config))),
        "Hardshrink" => plain(a, Ok(parse::<Hardshrink>(config))),
        "Hardsigmoid" => plain(a, Ok(Hardsigmoid)),
        "Hardswish" => plain(a, Ok(Hardswish)),
        "Hardtanh" => plain(a, Ok(parse::<Hardtanh>(config))),
        "LeakyReLU" => plain(a, Ok(parse::<LeakyRelu>(config))),
        "LogSigmoid" => plain(a, Ok(LogSigmoid)),
        "LogSoftmax" => plain(a, Ok(parse::<LogSoftmax>(config))),
        "Mish" => plain(a, Ok(Mish)),
        "PReLU" => plain(a, Prelu::new(parse(&config["num_parameters"]), parse(&config["init"]))),
        "ReLU" => plain(a, Ok(Relu)),
        "ReLU6" => plain(a, Ok(Relu6)),
        "RReLU" => plain(a, Rrelu::new(parse(&config["lower"]), parse(&config["upper"]))),
        "SELU" => plain(a, Ok(Selu)),
        "SiLU" => plain(a, Ok(Silu)),
        "Sigmoid" => plain(a, Ok(Sigmoid)),
        "Softmax" => plain(a, Ok(parse::<Softmax>(config))),
        "Softmax2d" => plain(a, Ok(Softmax2d)),
        "Softmin" => plain(a, Ok(parse::<Softmin>(config))),
        "Softplus" => plain(a, Ok(parse::<Softplus>(config))),
        "Softshrink" => plain(a, Ok(parse::<Softshrink>(config))),
        "Softsign" => plain(a, Ok(Softsign)),
        "Tanh" => plain(a, Ok(Tanh)),
        "Tanhshrink" => plain(a, Ok(Tanhshrink)),
        "Threshold" => plain(a, Ok(parse::<Threshold>(config))),

        "Linear" => plain(a, Linear::from_config(&parse(config))),
        "Bilinear" => golden(a, Bilinear::from_config(&parse(config)), |layer, call| {
            Ok(vec![layer.forward(&call.inputs[0], &call.inputs[1])?])
        }),
        "CosineSimilarity" => golden(a, Ok(parse::<CosineSimilarity>(config)), |layer, call| {
            Ok(vec![layer.forward(&call.inputs[0], &call.inputs[1])?])
        }),
        "PairwiseDistance" => golden(a, Ok(parse::<PairwiseDistance>(config)), |layer, call| {
            Ok(vec![layer.forward(&call.inputs[0], &call.inputs[1])?])
        }),
        "Dropout" => plain(a, Dropout::new(parse(&config["p"]))),
        "Embedding" => plain(a, Embedding::from_config(&parse(config))),
        "EmbeddingBag" => golden(a, EmbeddingBag::from_config(&parse(config)), |layer, call| {
            Ok(vec![layer.forward(call.first(), call.get("offsets"), call.get("per_sample_weights"))?])
        }),

        "Conv1d" => plain(a, Conv1d::from_config(&parse(config))),
        "Conv2d" => plain(a, Conv2d::from_config(&parse(config))),
        "Conv3d" => plain(a, Conv3d::from_config(&parse(config))),
        "ConvTranspose1d" => plain(a, ConvTranspose1d::from_config(&parse(config))),
        "ConvTranspose2d" => plain(a, ConvTranspose2d::from_config(&parse(config))),
        "ConvTranspose3d" => plain(a, ConvTranspose3d::from_config(&parse(config))),

        "BatchNorm1d" => plain(a, BatchNorm1d::from_config(&parse(config))),
        "BatchNorm2d" => plain(a, BatchNorm2d::from_config(&parse(config))),
        "BatchNorm3d" => plain(a, BatchNorm3d::from_config(&parse(config))),
        "InstanceNorm1d" => plain(a, InstanceNorm1d::from_config(&parse(config))),
        "InstanceNorm2d" => plain(a, InstanceNorm2d::from_config(&parse(config))),
        "InstanceNorm3d" => plain(a, InstanceNorm3d::from_config(&parse(config))),
        "LayerNorm" => plain(a, LayerNorm::from_config(&parse(config))),
        "RMSNorm" => plain(a, RmsNorm::from_config(&parse(config))),
        "GroupNorm" => plain(a, GroupNorm::from_config(&parse(config))),
        "LocalResponseNorm" => plain(a, Ok(LocalResponseNorm::from_config(&parse(config)))),

        "AvgPool1d" => plain(a, AvgPool1d::from_config(&parse(config))),
        "AvgPool2d" => plain(a, AvgPool2d::from_config(&parse(config))),
        "AvgPool3d" => plain(a, AvgPool3d::from_config(&parse(config))),
        "LPPool1d" => plain(a, LpPool1d::from_config(&parse(config))),
        "LPPool2d" => plain(a, LpPool2d::from_config(&parse(config))),
        "LPPool3d" => plain(a, LpPool3d::from_config(&parse(config))),
        "MaxPool1d" => with_indices!(a, MaxPool1d::from_config(&parse(config))),
        "MaxPool2d" => with_indices!(a, MaxPool2d::from_config(&parse(config))),
        "MaxPool3d" => with_indices!(a, MaxPool3d::from_config(&parse(config))),
        "AdaptiveAvgPool1d" => plain(a, AdaptiveAvgPool1d::from_config(&parse(config))),
        "AdaptiveAvgPool2d" => plain(a, AdaptiveAvgPool2d::from_config(&parse(config))),
        "AdaptiveAvgPool3d" => plain(a, AdaptiveAvgPool3d::from_config(&parse(config))),
        "AdaptiveMaxPool1d" => with_indices!(a, AdaptiveMaxPool1d::from_config(&parse(config))),
        "AdaptiveMaxPool2d" => with_indices!(a, AdaptiveMaxPool2d::from_config(&parse(config))),
        "AdaptiveMaxPool3d" => with_indices!(a, AdaptiveMaxPool3d::from_config(&parse(config))),

        "ZeroPad1d" | "ZeroPad2d" | "ZeroPad3d" => plain(a, Ok(ZeroPad::new(pads(config)))),
        "ConstantPad1d" | "ConstantPad2d" | "ConstantPad3d" => {
            plain(a, Ok(ConstantPad::new(pads(config), parse(&config["value"]))))
        }
        "ReflectionPad1d" | "ReflectionPad2d" | "ReflectionPad3d" => plain(a, Ok(ReflectionPad::new(pads(config)))),
        "ReplicationPad1d" | "ReplicationPad2d" | "ReplicationPad3d" => plain(a, Ok(ReplicationPad::new(pads(config)))),
        "CircularPad1d" | "CircularPad2d" | "CircularPad3d" => plain(a, Ok(CircularPad::new(pads(config)))),
        "Upsample" => plain(a, Upsample::from_config(&parse(config))),
        "PixelShuffle" => plain(a, Ok(parse::<PixelShuffle>(config))),
        "PixelUnshuffle" => plain(a, Ok(parse::<PixelUnshuffle>(config))),
        "ChannelShuffle" => plain(a, Ok(parse::<ChannelShuffle>(config))),
        "Fold" => plain(a, Fold::from_config(&parse(config))),
        "Unfold" => plain(a, Unfold::from_config(&parse(config))),
        "Flatten" => plain(a, Ok(parse::<Flatten>(config))),
        "Unflatten" => plain(a, Ok(parse::<Unflatten>(config))),

        "RNN" => recurrent!(a, Rnn::from_config(&parse(config)), |call| call.get("h_0"), |h| [h]),
        "GRU" => recurrent!(a, Gru::from_config(&parse(config)), |call| call.get("h_0"), |h| [h]),
        "LSTM" => recurrent!(a, Lstm::from_config(&parse(config)), |call| call.pair(), |(h, c)| [h, c]),
        "RNNCell" => golden(a, RnnCell::from_config(&parse(config)), |layer, call| {
            Ok(vec![layer.forward(call.first(), call.get("h_0"))?])
        }),
        "GRUCell" => golden(a, GruCell::from_config(&parse(config)), |layer, call| {
            Ok(vec![layer.forward(call.first(), call.get("h_0"))?])
        }),
        "LSTMCell" => golden(a, LstmCell::from_config(&parse(config)), |layer, call| {
            let (h, c) = layer.forward(call.first(), call.pair())?;
            Ok(vec![h, c])
        }),
        "MultiheadAttention" => golden(a, MultiheadAttention::from_config(&parse(config)), |layer, call| {
            let [q, k, v] = [0, 1, 2].map(|i| &call.inputs[i]);
            let masks = call.masks("attn_mask", "key_padding_mask");
            if call.options["need_weights"] == false {
                return Ok(vec![layer.forward(q, k, v, &masks)?]);
            }
            let per_head = call.options["average_attn_weights"] == false;
            let (output, weights) = layer.forward_weights(q, k, v, &masks, per_head)?;
            Ok(vec![output, weights])
        }),
        "TransformerEncoderLayer" => golden(a, TransformerEncoderLayer::from_config(&parse(config)), |layer, call| {
            let masks = call.masks("src_mask", "src_key_padding_mask");
            Ok(vec![layer.forward_masked(call.first(), &masks)?])
        }),
        "TransformerEncoder" => {
            let layer = TransformerEncoder::from_config(&stack(config, "encoder_layer"));
            golden(a, layer, |layer, call| {
                let masks = call.masks("mask", "src_key_padding_mask");
                Ok(vec![layer.forward_masked(call.first(), &masks)?])
            })
        }
        "TransformerDecoderLayer" => golden(a, TransformerDecoderLayer::from_config(&parse(config)), |layer, call| {
            let masks = call.masks("tgt_mask", "tgt_key_padding_mask");
            let memory_masks = call.masks("memory_mask", "memory_key_padding_mask");
            Ok(vec![layer.forward(&call.inputs[0], &call.inputs[1], &masks, &memory_masks)?])
        }),
        "TransformerDecoder" => {
            let layer = TransformerDecoder::from_config(&stack(config, "decoder_layer"));
            golden(a, layer, |layer, call| {
                let masks = call.masks("tgt_mask", "tgt_key_padding_mask");
                let memory_masks = call.masks("memory_mask", "memory_key_padding_mask");
                Ok(vec![layer.forward(&call.inputs[0], &call.inputs[1], &masks, &memory_masks)?])
            })
        }
        "Transformer" => {
            let mut rest = config.clone();
            let map = rest.as_object_mut().unwrap();
            let [encoder, decoder] = ["encoder", "decoder"].map(|part| map.remove(&format!("num_{part}_layers")));
            let [encoder, decoder] = [encoder, decoder].map(|layers| parse(&layers.unwrap()));
            let config = TransformerConfig::new(parse(&rest)).num_layers(encoder, decoder);
            golden(a, Transformer::from_config(&config), |layer, call| {
                let masks = TransformerMasks {
                    src: call.masks("src_mask", "src_key_padding_mask"),
                    tgt: call.masks("tgt_mask", "tgt_key_padding_mask"),
                    memory: call.masks("memory_mask", "memory_key_padding_mask"),
                };
                Ok(vec![layer.forward(&call.inputs[0], &call.inputs[1], &masks)?])
            })
        }
        _ => return None,
    })
}

/// The settings of a stack of layers from PyTorch's, which holds a layer to copy and a norm.
fn stack(config: &Value, layer: &str) -> TransformerStackConfig {
    let layer = parse(&config[layer]["config"]);
    TransformerStackConfig { layer, num_layers: parse(&config["num_layers"]), norm: !config["norm"].is_null() }
}
