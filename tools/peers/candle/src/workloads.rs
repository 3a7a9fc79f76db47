//! The workloads: what `tools/peers/torch_bench.py` trains, with the same batch sizes, losses and optimisers.

use crate::harness::{self, Step, Workload};
use crate::models::{self, Gpt, GruClassifier, LstmLm, UNet, Vae};
use crate::sgd::Sgd;
use candle_core::{DType, Device, Module, Result, Shape, Tensor, Var};
use candle_nn::loss::{binary_cross_entropy_with_logit, cross_entropy};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap};

/// All eleven: none had to be left out.
pub const ALL: [Workload; 11] = [
    ("mlp", mlp),
    ("tiny_policy", tiny_policy),
    ("cnn", cnn),
    ("resnet18", resnet18),
    ("mobilenet", mobilenet),
    ("unet", unet),
    ("lstm_lm", lstm_lm),
    ("gru_classifier", gru_classifier),
    ("transformer_lm", transformer_lm),
    ("vae", vae),
    ("dcgan", dcgan),
];

fn noise(shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

/// Numbers from 0 to below 1.
fn fractions(shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::rand(0f32, 1.0, shape, &Device::Cpu)
}

/// Integers from 0 to below `end`.
fn integers(end: u32, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::rand(0f32, end as f32, shape, &Device::Cpu)?.to_dtype(DType::U32)
}

/// Adam, which AdamW without decay is.
fn adam(parameters: Vec<Var>) -> Result<AdamW> {
    AdamW::new(parameters, ParamsAdamW { weight_decay: 0.0, ..Default::default() })
}

fn adamw(parameters: Vec<Var>) -> Result<AdamW> {
    AdamW::new(parameters, ParamsAdamW::default())
}

fn sgd(parameters: Vec<Var>) -> Result<Sgd> {
    Sgd::new(parameters, 1e-2)
}

/// A model, and its parameters.
fn make<M>(model: impl FnOnce(VarBuilder) -> Result<M>) -> Result<(M, Vec<Var>)> {
    let parameters = VarMap::new();
    let model = model(VarBuilder::from_varmap(&parameters, DType::F32, &Device::Cpu))?;
    Ok((model, parameters.all_vars()))
}

/// Steps of one optimiser on a loss.
fn train<O: Optimizer + 'static>(
    parameters: Vec<Var>,
    optimizer: fn(Vec<Var>) -> Result<O>,
    loss: impl Fn() -> Result<Tensor> + 'static,
) -> harness::Result<Step> {
    let mut optimizer = optimizer(parameters)?;
    Ok(Box::new(move || {
        let loss = loss()?;
        optimizer.backward_step(&loss)?;
        Ok(loss.to_scalar()?)
    }))
}

/// Steps on the cross entropy of a network's logits, one row for each label.
fn classify<M: Module + 'static, O: Optimizer + 'static>(
    model: impl FnOnce(VarBuilder) -> Result<M>,
    optimizer: fn(Vec<Var>) -> Result<O>,
    x: Tensor,
    classes: u32,
    labels: usize,
) -> harness::Result<Step> {
    let ((model, parameters), target) = (make(model)?, integers(classes, labels)?);
    train(parameters, optimizer, move || cross_entropy(&model.forward(&x)?, &target))
}

/// 784-512-256-10, batch 128.
fn mlp() -> harness::Result<Step> {
    classify(models::mlp, adam, noise((128, 784))?, 10, 128)
}

/// 4-64-64-2, batch 32.
fn tiny_policy() -> harness::Result<Step> {
    classify(models::tiny_policy, adam, noise((32, 4))?, 2, 32)
}

/// Three convolutions with normalisation and pooling, batch 64 of 32 x 32.
fn cnn() -> harness::Result<Step> {
    classify(models::cnn, adam, noise((64, 3, 32, 32))?, 10, 64)
}

/// ResNet-18 for 32 x 32, batch 16.
fn resnet18() -> harness::Result<Step> {
    classify(models::resnet18, sgd, noise((16, 3, 32, 32))?, 10, 16)
}

/// Half a MobileNet for 64 x 64, batch 16.
fn mobilenet() -> harness::Result<Step> {
    classify(models::mobilenet, sgd, noise((16, 3, 64, 64))?, 10, 16)
}

/// A U-Net of two levels, batch 8 of 64 x 64.
fn unet() -> harness::Result<Step> {
    let (model, parameters) = make(|parameters| UNet::new(16, parameters))?;
    let (x, target) = (noise((8, 1, 64, 64))?, integers(2, (8, 1, 64, 64))?.to_dtype(DType::F32)?);
    train(parameters, adam, move || binary_cross_entropy_with_logit(&model.forward(&x)?, &target))
}

/// An LSTM of 128 on characters, batch 32 of 64 steps.
fn lstm_lm() -> harness::Result<Step> {
    classify(LstmLm::new, adam, integers(64, (32, 64))?, 64, 2048)
}

/// Two bidirectional GRU layers of 64 on words, batch 32 of 50 steps.
fn gru_classifier() -> harness::Result<Step> {
    classify(GruClassifier::new, adam, integers(2000, (32, 50))?, 4, 32)
}

/// A Transformer of width 128 on characters, batch 16 of 64 tokens.
fn transformer_lm() -> harness::Result<Step> {
    classify(Gpt::new, adamw, integers(64, (16, 64))?, 64, 1024)
}

/// A variational autoencoder 784-400-20, batch 128.
fn vae() -> harness::Result<Step> {
    let ((model, parameters), x) = (make(Vae::new)?, fractions((128, 784))?);
    train(parameters, adam, move || {
        let [logits, mean, log_variance] = model.forward(&x)?;
        let sum = ((&log_variance + 1.0)? - mean.sqr()? - log_variance.exp()?)?.sum_all()?;
        // Of the entropy Candle has only the mean over all 784 x 128.
        (binary_cross_entropy_with_logit(&logits, &x)? * 784.0)? + (sum * (-0.5 / 128.0))?
    })
}

/// DCGAN for 32 x 32, batch 32: a step of the discriminator and one of the generator, whose loss is given.
fn dcgan() -> harness::Result<Step> {
    let adam = |parameters| {
        AdamW::new(parameters, ParamsAdamW { lr: 2e-4, beta1: 0.5, weight_decay: 0.0, ..Default::default() })
    };
    let (generator, parameters) = make(|parameters| models::generator(32, parameters))?;
    let mut for_generator = adam(parameters)?;
    let (discriminator, parameters) = make(|parameters| models::discriminator(32, parameters))?;
    let mut for_discriminator = adam(parameters)?;
    let real = ((fractions((32, 1, 32, 32))? * 2.0)? - 1.0)?;
    let (one, zero) = (Tensor::ones(32, DType::F32, &Device::Cpu)?, Tensor::zeros(32, DType::F32, &Device::Cpu)?);
    let judge = move |x: &Tensor, target: &Tensor| {
        binary_cross_entropy_with_logit(&discriminator.forward(x)?.flatten_all()?, target)
    };
    Ok(Box::new(move || {
        let fake = generator.forward(&noise((32, 64, 1, 1))?)?;
        for_discriminator.backward_step(&(judge(&real, &one)? + judge(&fake.detach(), &zero)?)?)?;
        let loss = judge(&fake, &one)?;
        for_generator.backward_step(&loss)?;
        Ok(loss.to_scalar()?)
    }))
}
