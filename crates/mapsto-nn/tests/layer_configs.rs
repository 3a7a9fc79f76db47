//! Settings as JSON: what is left out has PyTorch's default, what is misspelt is refused.

use mapsto_nn::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// Fails unless `least` reads as `wanted`, which comes back from its own text, and a setting more is refused.
#[track_caller]
fn reads<C: DeserializeOwned + Serialize + PartialEq + Debug>(least: Value, wanted: C) {
    let read = |json: &Value| serde_json::from_value::<C>(json.clone());
    assert_eq!(read(&least).unwrap(), wanted);
    assert_eq!(read(&serde_json::to_value(&wanted).unwrap()).unwrap(), wanted);
    let mut misspelt = least;
    misspelt["widht"] = json!(1);
    let refused = read(&misspelt).expect_err("a setting that is not one").to_string();
    assert!(refused.contains("unknown field `widht`"), "{refused}");
}

#[test]
fn settings_have_pytorchs_defaults() {
    reads(json!({"in_features": 3, "out_features": 2}), LinearConfig::new(3, 2));
    reads(json!({"in1_features": 3, "in2_features": 2, "out_features": 4}), BilinearConfig::new(3, 2, 4));
    reads(json!({"in_channels": 3, "out_channels": 2, "kernel_size": 5}), ConvConfig::new(3, 2, 5));
    reads(json!({"in_channels": 3, "out_channels": 2, "kernel_size": [5, 3]}), ConvTransposeConfig::new(3, 2, [5, 3]));
    reads(json!({"kernel_size": 2}), PoolConfig::new(2));
    reads(
        json!({"output_size": [2, null]}),
        AdaptivePoolConfig { output_size: AdaptiveSizes::Each(vec![Some(2), None]) },
    );
    reads(json!({"num_features": 3}), BatchNormConfig::new(3));
    reads(json!({"num_features": 3}), InstanceNormConfig::new(3));
    reads(json!({"normalized_shape": 3}), LayerNormConfig::new(3));
    let group = GroupNormConfig { num_groups: 2, num_channels: 4, eps: 1e-5, affine: true, bias: true };
    reads(json!({"num_groups": 2, "num_channels": 4}), group);
    reads(json!({"size": 2}), LocalResponseNormConfig { size: 2, alpha: 1e-4, beta: 0.75, k: 1.0 });
    reads(json!({"num_embeddings": 3, "embedding_dim": 2}), EmbeddingConfig::new(3, 2));
    reads(json!({"num_embeddings": 3, "embedding_dim": 2}), EmbeddingBagConfig::new(3, 2));
    reads(json!({"input_size": 3, "hidden_size": 2}), RecurrentConfig::new(3, 2));
    reads(json!({"input_size": 3, "hidden_size": 2}), RecurrentCellConfig::new(3, 2));
    reads(json!({"embed_dim": 4, "num_heads": 2}), MultiheadAttentionConfig::new(4, 2));
    let layer = TransformerLayerConfig::new(4, 2);
    reads(json!({"d_model": 4, "nhead": 2}), layer);
    reads(json!({"layer": {"d_model": 4, "nhead": 2}}), TransformerConfig::new(layer));
    let stack = TransformerStackConfig { layer, num_layers: 3, norm: false };
    reads(json!({"layer": {"d_model": 4, "nhead": 2}, "num_layers": 3}), stack);
    reads(json!({"d_model": 4, "max_len": 9}), PositionConfig::new(4, 9));
    reads(json!({"kernel_size": 2}), UnfoldConfig::new(2));
    reads(json!({"kernel_size": 2, "output_size": 4}), FoldConfig::new(4, 2));
    reads(json!({}), SpectralNormConfig::default());
    let upsample = UpsampleConfig {
        size: None,
        scale_factor: None,
        mode: "nearest".into(),
        align_corners: None,
        recompute_scale_factor: None,
    };
    reads(json!({}), upsample);
    reads(json!({}), LeakyRelu { negative_slope: 0.01 });
    reads(json!({}), Flatten { start_dim: 1, end_dim: -1 });
    reads(json!({"upscale_factor": 2}), PixelShuffle { upscale_factor: 2 });
}

#[test]
fn settings_have_pytorchs_words() {
    let conv = |padding: Value| json!({"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": padding});
    let read = |json: Value| serde_json::from_value::<ConvConfig>(json).unwrap();
    assert_eq!(read(conv(json!("same"))), ConvConfig::new(1, 1, 3).same());
    assert_eq!(read(conv(json!([1, 2]))), ConvConfig::new(1, 1, 3).padding([1, 2]));
    assert_eq!(read(conv(json!("valid"))).padding, Padding::Rule(PaddingRule::Valid));
    for word in [json!("full"), json!(-1), json!([1, -1]), json!(1.5)] {
        assert!(serde_json::from_value::<ConvConfig>(conv(word)).is_err());
    }
    assert_eq!(serde_json::from_value::<BagMode>(json!("max")).unwrap(), BagMode::Max);
    assert_eq!(serde_json::from_value::<RnnNonlinearity>(json!("relu")).unwrap(), RnnNonlinearity::Relu);
    assert_eq!(serde_json::from_value::<PaddingMode>(json!("circular")).unwrap(), PaddingMode::Circular);
    assert_eq!(serde_json::from_value::<Approximation>(json!("tanh")).unwrap(), Approximation::Tanh);
}
