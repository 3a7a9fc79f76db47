//! What holds of parameters and buffers that are used or named more than once.

use mapsto_nn::*;
use mapsto_tensor::{DType, Result, Tensor};

fn table(max_norm: f64) -> Result<Embedding> {
    let config = EmbeddingConfig { max_norm: Some(max_norm), ..EmbeddingConfig::new(4, 2) };
    let embedding = Embedding::from_config(&config)?;
    embedding.weight.set(&Tensor::ones([4, 2], DType::F32)?)?;
    Ok(embedding)
}

fn rows(indices: [i64; 2], embedding: &Embedding) -> Result<Tensor> {
    embedding.forward(&Tensor::new(indices)?)?.sum()
}

#[test]
fn a_table_that_shortens_its_rows_gathers_all_gradients() -> Result<()> {
    for max_norm in [1e9, 0.5] {
        let embedding = table(max_norm)?;
        let loss = rows([0, 1], &embedding)?.add(rows([2, 3], &embedding)?)?;
        let gradients = loss.backward()?;
        let gradient = gradients.get(&embedding.weight.get()?).expect("the table has a gradient");
        assert_eq!(gradient.to_vec::<f32>()?, [1.0; 8], "{max_norm}");
    }
    Ok(())
}

#[test]
fn a_value_that_is_set_keeps_the_parameter_a_variable() -> Result<()> {
    let param = Param::from_tensor(&Tensor::new([2.0f32])?)?;
    let before = param.get()?.square()?;
    param.set(&Tensor::new([5.0f32])?)?;
    let gradients = before.add(param.get()?)?.sum()?.backward()?;
    assert_eq!(gradients.get(&param.get()?).expect("its gradient").to_vec::<f32>()?, [5.0]);
    Ok(())
}

#[test]
fn embeddings_name_numbers_that_are_no_rows() -> Result<()> {
    for embedding in [table(1.0)?, Embedding::new(4, 2)?.init(1)?] {
        for wrong in [9, -1, 1 << 40] {
            let error = rows([0, wrong], &embedding).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("Embedding: index {wrong} (number 1 of 2) is not among 4 rows")),
                "{error}"
            );
        }
    }
    let bag = EmbeddingBag::new(4, 2)?.init(1)?;
    let x = Tensor::new([0i32, 1, 2])?;
    assert_eq!(bag.forward(&x, Some(&Tensor::new([0i32, 2])?), None)?.shape()[..], [2, 2]);
    Ok(())
}

#[test]
fn shared_buffers_need_one_name() -> Result<()> {
    let norm = BatchNorm1d::new(3)?;
    let model = sequential![norm.clone(), Relu, norm].init(1)?;
    let mut state = model.state_dict()?;
    state.retain(|name, _| name.starts_with("0."));
    assert_eq!(state.len(), 5);
    model.load_state_dict(&state, &LoadOptions::default())?;
    Ok(())
}

#[test]
fn masks_of_integers_are_refused() -> Result<()> {
    let attention = MultiheadAttention::from_config(&MultiheadAttentionConfig::new(4, 2))?.init(1)?;
    let x = Tensor::ones([3, 1, 4], DType::F32)?;
    let mask = Tensor::new([[0i64, 0, 1]])?;
    let masks = AttentionMasks { key_padding_mask: Some(&mask), ..AttentionMasks::default() };
    let error = attention.forward(&x, &x, &x, &masks).unwrap_err().to_string();
    assert!(error.contains("not i64") && error.contains("mask.ne(0)"), "{error}");
    Ok(())
}

#[test]
fn sizes_beyond_memory_are_refused() -> Result<()> {
    let linear = Linear::new(1 << 20, 1 << 20)?.init(0).map(|_| ());
    let encoding = SinusoidalEncoding::from_config(&PositionConfig::new(1 << 20, 1 << 20)).map(|_| ());
    for error in [linear.unwrap_err(), encoding.unwrap_err()] {
        assert!(error.to_string().contains("the system has no"), "{error}");
    }
    Ok(())
}

#[test]
fn spectral_norm_looks_at_the_layer_that_has_the_weight() -> Result<()> {
    let model = sequential![ConvTranspose2d::new(2, 5, 3)?];
    let model = spectral_norm(model, "0.weight", SpectralNormConfig::default())?.init(1)?;
    let state = model.state_dict()?;
    assert_eq!(state["0.parametrizations.weight.0._u"].shape()[..], [5]);
    Ok(())
}
