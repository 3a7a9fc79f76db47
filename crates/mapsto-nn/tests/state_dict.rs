//! Values by name, from files that PyTorch wrote.

use mapsto_nn::*;
use mapsto_tensor::{DType, Result, Shape, Tensor};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file in `fixtures/layers`: its state's names begin with `state.`, other tensors are beside it.
fn saved(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/layers/{name}.safetensors"))
}

/// What is saved under names that begin with `prefix`, without it.
fn below(name: &str, prefix: &str) -> StateDict {
    let tensors = read_state(saved(name)).unwrap().tensors.into_iter();
    tensors.filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_string(), value))).collect()
}

fn bits(x: &Tensor) -> Vec<u8> {
    x.to_bytes().unwrap()
}

fn names(module: &impl Module) -> Vec<String> {
    let buffers = module.named_buffers().into_iter().filter(|(_, buffer)| buffer.is_persistent());
    module.named_parameters().into_iter().map(|(name, _)| name).chain(buffers.map(|(name, _)| name)).collect()
}

fn encoder() -> Result<TransformerEncoder> {
    let layer = TransformerLayerConfig::new(6, 2).dim_feedforward(7).activation(TransformerActivation::Gelu);
    TransformerEncoder::from_config(&TransformerStackConfig {
        layer: layer.dropout(0.0).batch_first(),
        num_layers: 2,
        norm: true,
    })
}

#[test]
fn exactly_what_was_saved() -> Result<()> {
    let (folder, state) = (tempfile::tempdir().unwrap(), below("transformer_encoder", "state."));
    let path = folder.path().join("encoder.safetensors");
    write_state(&path, &state, &BTreeMap::new())?;
    let encoder = encoder()?;
    let report = encoder.load(&path, &LoadOptions::strict())?;
    assert_eq!(report, LoadReport { matched: names(&encoder), ..LoadReport::default() });
    let own = encoder.state_dict()?;
    assert!(own.keys().eq(state.keys()));
    assert!(own.iter().all(|(name, value)| bits(value) == bits(&state[name])));
    // And back: the same file.
    encoder.save(folder.path().join("again.safetensors"))?;
    let files =
        ["encoder", "again"].map(|name| std::fs::read(folder.path().join(format!("{name}.safetensors"))).unwrap());
    assert!(files[0] == files[1]);
    Ok(())
}

#[test]
fn what_cannot_be_saved_is_told() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let named = |name: &str| StateDict::from([(name.to_string(), Tensor::from_vec(vec![1.0f32], [1]).unwrap())]);
    // The format's own entry: the file could not be read.
    let refused = write_state(&path, &named("__metadata__"), &BTreeMap::new()).unwrap_err();
    assert!(format!("{refused:#}").starts_with("save: a tensor cannot be named \"__metadata__\": "), "{refused}");
    assert!(!path.exists());
    let missing = folder.path().join("none").join("x.safetensors");
    let refused = write_state(&missing, &named("a"), &BTreeMap::new()).unwrap_err();
    // The target and the reason, no temporary name.
    let text = format!("save: cannot write {}: No such file or directory (os error 2)", missing.display());
    assert_eq!(format!("{refused:#}"), text);
    Ok(())
}

#[test]
fn from_a_file_with_more_in_it() -> Result<()> {
    let encoder = encoder()?;
    let options = LoadOptions::partial().rename("state.", "");
    let report = encoder.load(saved("transformer_encoder"), &options)?;
    assert_eq!((report.matched, report.missing, report.mismatched), (names(&encoder), vec![], vec![]));
    let theirs = |name: &&String| name.starts_with("input.") || *name == "output.0";
    assert_eq!(report.unexpected.iter().filter(theirs).collect::<Vec<_>>(), ["input.0", "input.1", "output.0"]);
    let refused = encoder.load(saved("transformer_encoder"), &LoadOptions::strict()).unwrap_err().to_string();
    assert!(refused.starts_with("load_state_dict: missing: layers.0.self_attn.in_proj_weight, "), "{refused}");
    assert!(refused.contains("; unexpected: cotangent.0, grad."), "{refused}");
    assert!(refused.contains("transformer_encoder.safetensors)"), "{refused}");
    Ok(())
}

/// The encoder of a transformer alone, renamed on the way.
#[test]
fn a_part_under_other_names() -> Result<()> {
    let encoder = encoder()?;
    let state = below("transformer", "state.");
    let report = encoder.load_state_dict(&state, &LoadOptions::partial().rename("encoder.", ""))?;
    assert_eq!((&report.matched, &report.missing), (&names(&encoder), &vec![]));
    assert!(report.unexpected.iter().all(|name| name.starts_with("decoder.")));
    let whole = Transformer::from_config(&TransformerConfig::new(encoder.config().layer).num_layers(2, 1))?;
    whole.load_state_dict(&state, &LoadOptions::strict())?;
    let x = Tensor::ones([1, 3, 6], DType::F32)?;
    assert_eq!(bits(&encoder.forward(&x)?), bits(&whole.encoder.forward(&x)?));
    // Of several rules the first that applies counts.
    let options = LoadOptions::partial().rename("encoder.layers.0.", "layers.1.").rename("encoder.layers.1.", "none.");
    let report = encoder.load_state_dict(&state, &options)?;
    assert!(report.matched.iter().all(|name| name.starts_with("layers.1.")));
    assert_eq!(bits(&encoder.layers[1].linear1.weight.get()?), bits(&state["encoder.layers.0.linear1.weight"]));
    Ok(())
}

/// A network with another head takes over what fits, and keeps the rest.
#[test]
fn what_fits() -> Result<()> {
    let state = below("linear", "state.");
    let model = Linear::new(5, 4)?.init(1)?;
    let before = model.state_dict()?;
    let report = model.load_state_dict(&state, &LoadOptions::partial())?;
    let mismatch = |name: &str, wants: &[usize], given: &[usize]| Mismatch {
        name: name.into(),
        wants: (DType::F32, Shape::new(wants).unwrap()),
        given: (DType::F32, Shape::new(given).unwrap()),
    };
    let mismatched = vec![mismatch("weight", &[4, 5], &[3, 5]), mismatch("bias", &[4], &[3])];
    assert_eq!(report, LoadReport { mismatched, ..LoadReport::default() });
    assert!(model.state_dict()?.iter().all(|(name, value)| bits(value) == bits(&before[name])));
    // Without an init what is missing has no value, and the rest is there.
    let wider = sequential![Linear::new(5, 3)?, Linear::new(3, 2)?];
    let report = wider.load_state_dict(&state, &LoadOptions::partial().rename("", "0."))?;
    assert_eq!((&report.matched[..], &report.missing[..]), (&names(&wider)[..2], &names(&wider)[2..]));
    assert!(wider.state_dict().is_err());
    let wider = wider.init(1)?;
    assert_eq!(bits(&wider.state_dict()?["0.weight"]), bits(&state["weight"]), "init leaves what was loaded");
    Ok(())
}

/// Counters stay integers, and a network of another float type converts.
#[test]
fn numbers_of_other_types() -> Result<()> {
    let state = below("batch_norm2d_train", "state.");
    let norm = BatchNorm2d::new(4)?;
    norm.to_dtype(DType::F64)?;
    norm.load_state_dict(&state, &LoadOptions::strict())?;
    let own = norm.state_dict()?;
    assert_eq!(own["num_batches_tracked"].item::<i64>()?, state["num_batches_tracked"].item::<i64>()?);
    for name in ["weight", "bias", "running_mean", "running_var"] {
        assert_eq!(own[name].dtype(), DType::F64);
        assert_eq!(own[name].to_vec::<f64>()?, state[name].to_dtype(DType::F64)?.to_vec::<f64>()?);
    }
    Ok(())
}

/// What was loaded trains, unless it is frozen; a shared parameter needs one of its names.
#[test]
fn loaded_values_are_variables() -> Result<()> {
    let state = below("linear", "state.");
    let model = Linear::new(5, 3)?;
    model.freeze("bias")?;
    model.load_state_dict(&state, &LoadOptions::strict())?;
    let gradients = model.forward(&Tensor::ones([2, 5], DType::F32)?)?.sum()?.backward()?;
    assert!(gradients.get(&model.weight.get()?).is_some());
    assert!(gradients.get(&model.bias.clone().expect("a bias").get()?).is_none());

    #[derive(Module)]
    struct Tied {
        encode: Linear,
        decode: Linear,
    }
    let encode = Linear::new(5, 3)?;
    let tied = Tied { decode: encode.clone(), encode };
    let report = tied.load_state_dict(&state, &LoadOptions::strict().rename("", "decode."))?;
    assert_eq!(report.matched, ["decode.weight", "decode.bias"]);
    assert_eq!(bits(&tied.encode.weight.get()?), bits(&state["weight"]));
    Ok(())
}

/// Layers whose weight is computed have PyTorch's names for what it is computed from.
#[test]
fn computed_weights_load() -> Result<()> {
    let state = below("spectral_norm_linear_eval", "state.");
    let layer = spectral_norm(Linear::new(5, 4)?, "weight", SpectralNormConfig::default())?;
    let report = layer.load_state_dict(&state, &LoadOptions::strict())?;
    assert_eq!(report.matched.len(), 4);
    let plain = Linear::new(5, 4)?;
    let old_names = LoadOptions::partial().rename("parametrizations.weight.original", "weight");
    assert_eq!(plain.load_state_dict(&state, &old_names)?.matched, ["weight", "bias"]);
    Ok(())
}
