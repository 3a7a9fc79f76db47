//! The workloads: what `tools/peers/torch_bench.py` trains, with the same batch sizes, losses and optimisers.

use crate::harness::{Result, Step, Workload};
use crate::layers::Layers;
use crate::models::{self, Gpt, GruClassifier, LstmLm, ResNet, UNet, Vae};
use burn::nn::loss::{BinaryCrossEntropyLossConfig, CrossEntropyLossConfig};
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::log_sigmoid;

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

/// Flex is the fastest of Burn's processors: NdArray took 12 times as long for `cnn`, and cubecl-cpu downloads an LLVM.
fn device() -> Device {
    Device::flex().autodiff()
}

fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device())
}

/// Numbers from 0 to below 1.
fn fractions<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Default, &device())
}

/// Integers from 0 to below `end`.
fn integers<const D: usize>(end: u32, shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::random(shape, Distribution::Uniform(0.0, end.into()), &device())
}

/// An optimiser and its learning rate. Burn's own epsilons, decay and dampening differ from PyTorch's, hence they are set.
type Optimizer = (ModuleOptimizer, f64);

fn adam() -> Optimizer {
    (AdamConfig::new().with_epsilon(1e-8).init(), 1e-3)
}

fn adamw() -> Optimizer {
    (AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01).init(), 1e-3)
}

fn sgd() -> Optimizer {
    (SgdConfig::new().with_momentum(Some(MomentumConfig::new().with_dampening(0.0))).init(), 1e-2)
}

/// Steps of one optimiser on a loss.
fn train<M: Module + 'static>(
    model: M,
    (mut optimizer, rate): Optimizer,
    loss: impl Fn(&M) -> Tensor<1> + 'static,
) -> Result<Step> {
    // An optimiser consumes the model and gives the next.
    let mut model = Some(model);
    Ok(Box::new(move || {
        let current = model.take().ok_or("an earlier step failed")?;
        let loss = loss(&current);
        let gradients = GradientsParams::from_grads(loss.backward(), &current);
        model = Some(optimizer.step(rate, current, gradients));
        Ok(loss.into_scalar())
    }))
}

/// Steps on the cross entropy of a network's logits, one row for each label.
fn classify<M: Module + 'static, X: Clone + 'static>(
    model: M,
    forward: fn(&M, X) -> Tensor<2>,
    x: X,
    classes: u32,
    labels: usize,
    optimizer: Optimizer,
) -> Result<Step> {
    let (entropy, target) = (CrossEntropyLossConfig::new().init(&device()), integers(classes, [labels]));
    train(model, optimizer, move |model| entropy.forward(forward(model, x.clone()), target.clone()))
}

/// 784-512-256-10, batch 128.
fn mlp() -> Result<Step> {
    classify(models::mlp(&device()), models::Mlp::forward, noise([128, 784]), 10, 128, adam())
}

/// 4-64-64-2, batch 32.
fn tiny_policy() -> Result<Step> {
    classify(models::tiny_policy(&device()), models::Mlp::forward, noise([32, 4]), 2, 32, adam())
}

/// Three convolutions with normalisation and pooling, batch 64 of 32 x 32.
fn cnn() -> Result<Step> {
    classify(models::cnn(&device()), models::Classifier::forward, noise([64, 3, 32, 32]), 10, 64, adam())
}

/// ResNet-18 for 32 x 32, batch 16.
fn resnet18() -> Result<Step> {
    classify(ResNet::new(&device()), ResNet::forward, noise([16, 3, 32, 32]), 10, 16, sgd())
}

/// Half a MobileNet for 64 x 64, batch 16.
fn mobilenet() -> Result<Step> {
    classify(models::mobilenet(&device()), models::Classifier::forward, noise([16, 3, 64, 64]), 10, 16, sgd())
}

/// A U-Net of two levels, batch 8 of 64 x 64.
fn unet() -> Result<Step> {
    let entropy = BinaryCrossEntropyLossConfig::new().with_logits(true).init(&device());
    let (x, target) = (noise([8, 1, 64, 64]), integers(2, [8, 1, 64, 64]));
    train(UNet::new(16, &device()), adam(), move |model| entropy.forward(model.forward(x.clone()), target.clone()))
}

/// An LSTM of 128 on characters, batch 32 of 64 steps.
fn lstm_lm() -> Result<Step> {
    classify(LstmLm::new(&device()), LstmLm::forward, integers(64, [32, 64]), 64, 2048, adam())
}

/// Two bidirectional GRU layers of 64 on words, batch 32 of 50 steps.
fn gru_classifier() -> Result<Step> {
    classify(GruClassifier::new(&device()), GruClassifier::forward, integers(2000, [32, 50]), 4, 32, adam())
}

/// A Transformer of width 128 on characters, batch 16 of 64 tokens.
fn transformer_lm() -> Result<Step> {
    classify(Gpt::new(&device()), Gpt::forward, integers(64, [16, 64]), 64, 1024, adamw())
}

/// A variational autoencoder 784-400-20, batch 128.
fn vae() -> Result<Step> {
    let x = fractions([128, 784]);
    train(Vae::new(&device()), adam(), move |model| {
        let [logits, mean, log_variance] = model.forward(x.clone());
        // The formula of Burn's own loss, which takes no target between 0 and 1.
        let entropy = ((x.clone().neg() + 1.0) * logits.clone() - log_sigmoid(logits)).sum();
        let sum = (log_variance.clone() + 1.0 - mean.square() - log_variance.exp()).sum();
        (entropy - sum * 0.5) / 128.0
    })
}

/// DCGAN for 32 x 32, batch 32: a step of the discriminator and one of the generator, whose loss is given.
fn dcgan() -> Result<Step> {
    let mut models = Some(models::dcgan(32, &device()));
    let optimizer = || AdamConfig::new().with_epsilon(1e-8).with_beta_1(0.5).init();
    let (mut for_generator, mut for_discriminator) = (optimizer(), optimizer());
    let entropy = BinaryCrossEntropyLossConfig::new().with_logits(true).init(&device());
    let real = fractions([32, 1, 32, 32]) * 2.0 - 1.0;
    let (one, zero) = (Tensor::<1, Int>::ones([32], &device()), Tensor::<1, Int>::zeros([32], &device()));
    Ok(Box::new(move || {
        let judge = |discriminator: &Layers, x: Tensor<4>, target: &Tensor<1, Int>| {
            entropy.forward(discriminator.forward(x).flatten(0, 3), target.clone())
        };
        let [generator, discriminator] = models.take().ok_or("an earlier step failed")?;
        let fake = generator.forward(noise([32, 64, 1, 1]));
        let loss = judge(&discriminator, real.clone(), &one) + judge(&discriminator, fake.clone().detach(), &zero);
        let gradients = GradientsParams::from_grads(loss.backward(), &discriminator);
        let discriminator = for_discriminator.step(2e-4, discriminator, gradients);
        let loss = judge(&discriminator, fake, &one);
        let gradients = GradientsParams::from_grads(loss.backward(), &generator);
        models = Some([for_generator.step(2e-4, generator, gradients), discriminator]);
        Ok(loss.into_scalar())
    }))
}
