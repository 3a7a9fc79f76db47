//! The workloads: what `tools/peers/torch_bench.py` trains, with the same batch sizes, losses and optimisers, and what
//! `tools/peers/torch_inference.py` runs forward.

use super::{models, others};
use mapsto_nn::{Adam, AdamW, Algorithm, BceWithLogitsLoss, CrossEntropyLoss, Layer, LossReduction, Module, MseLoss};
use mapsto_nn::{Optimizer, Sgd};
use mapsto_tensor::{DType, Result, Rng, Tensor, no_grad};

/// A network and what is timed of it.
pub struct Workload {
    /// Number of trained numbers.
    #[cfg(test)]
    pub parameters: usize,
    /// One training step, which gives its loss, or one forward pass, which gives its output.
    pub step: Box<dyn FnMut() -> Result<Tensor>>,
}

/// A workload's name and what makes it.
pub type Maker = (&'static str, fn() -> Result<Workload>);

/// Training steps.
pub const TRAINING: [Maker; 16] = [
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
    ("vit", vit),
    ("series", series),
    ("autoencoder", autoencoder),
    ("tcn", tcn),
    ("gelu_stack", gelu_stack),
];

/// Forward passes of one example, through the networks that are trained under the same names.
pub const INFERENCE: [Maker; 5] = [
    ("mlp", || infer(models::mlp()?, noise(&[1, 784])?)),
    ("cnn", || infer(models::cnn()?, noise(&[1, 3, 32, 32])?)),
    ("resnet18", || infer(models::resnet18()?, noise(&[1, 3, 32, 32])?)),
    ("lstm_lm", || infer(models::LstmLm::new()?, integers(64, &[1, 64])?)),
    ("transformer_lm", || infer(models::Gpt::new()?, integers(64, &[1, 64])?)),
];

/// Noise of a shape.
fn noise(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(shape, DType::F32, &mut Rng::new(1))
}

/// Integers from 0 to below `end`.
fn integers(end: i64, shape: &[usize]) -> Result<Tensor> {
    Tensor::randint(0, end, shape, &mut Rng::new(2))
}

fn adam() -> Algorithm {
    Adam { lr: 1e-3, ..Adam::default() }.into()
}

fn adamw() -> Algorithm {
    AdamW { lr: 1e-3, ..AdamW::default() }.into()
}

fn sgd() -> Algorithm {
    Sgd { lr: 1e-2, momentum: 0.9, ..Sgd::default() }.into()
}

/// Steps of one optimiser on a loss.
fn train<M: Module>(
    model: M,
    algorithm: Algorithm,
    mut loss: impl FnMut(&M) -> Result<Tensor> + 'static,
) -> Result<Workload> {
    let model = model.init(1)?;
    let mut optimizer = Optimizer::new(&model, algorithm)?;
    Ok(Workload {
        #[cfg(test)]
        parameters: model.num_parameters(),
        step: Box::new(move || {
            let loss = loss(&model)?;
            optimizer.step(&loss.backward()?)?;
            Ok(loss)
        }),
    })
}

/// Steps on the cross entropy of a network's logits, one row for each label.
fn classify(model: impl Layer, algorithm: Algorithm, x: Tensor, classes: i64, labels: usize) -> Result<Workload> {
    let target = integers(classes, &[labels])?;
    train(model, algorithm, move |model| CrossEntropyLoss::default().forward(&model.forward(&x)?, &target))
}

/// Forward passes as in use: no gradients, and normalisation with the statistics that training has left.
fn infer(model: impl Layer, x: Tensor) -> Result<Workload> {
    let model = model.init(1)?;
    model.eval();
    Ok(Workload {
        #[cfg(test)]
        parameters: model.num_parameters(),
        step: Box::new(move || no_grad(|| model.forward(&x))),
    })
}

/// 784-512-256-10, batch 128.
fn mlp() -> Result<Workload> {
    classify(models::mlp()?, adam(), noise(&[128, 784])?, 10, 128)
}

/// 4-64-64-2, batch 32.
fn tiny_policy() -> Result<Workload> {
    classify(models::tiny_policy()?, adam(), noise(&[32, 4])?, 2, 32)
}

/// Three convolutions with normalisation and pooling, batch 64 of 32 x 32.
fn cnn() -> Result<Workload> {
    classify(models::cnn()?, adam(), noise(&[64, 3, 32, 32])?, 10, 64)
}

/// ResNet-18 for 32 x 32, batch 16.
fn resnet18() -> Result<Workload> {
    classify(models::resnet18()?, sgd(), noise(&[16, 3, 32, 32])?, 10, 16)
}

/// Half a MobileNet for 64 x 64, batch 16.
fn mobilenet() -> Result<Workload> {
    classify(models::mobilenet()?, sgd(), noise(&[16, 3, 64, 64])?, 10, 16)
}

/// A U-Net of two levels, batch 8 of 64 x 64.
fn unet() -> Result<Workload> {
    let x = noise(&[8, 1, 64, 64])?;
    let target = integers(2, &[8, 1, 64, 64])?.to_dtype(DType::F32)?;
    let loss = BceWithLogitsLoss::default();
    train(models::UNet::new(16)?, adam(), move |model| loss.forward(&model.forward(&x)?, &target))
}

/// An LSTM of 128 on characters, batch 32 of 64 steps.
fn lstm_lm() -> Result<Workload> {
    classify(models::LstmLm::new()?, adam(), integers(64, &[32, 64])?, 64, 2048)
}

/// Two bidirectional GRU layers of 64 on words, batch 32 of 50 steps.
fn gru_classifier() -> Result<Workload> {
    classify(models::GruClassifier::new()?, adam(), integers(2000, &[32, 50])?, 4, 32)
}

/// A Transformer of width 128 on characters, batch 16 of 64 tokens.
fn transformer_lm() -> Result<Workload> {
    classify(models::Gpt::new()?, adamw(), integers(64, &[16, 64])?, 64, 1024)
}

/// A variational autoencoder 784-400-20, batch 128.
fn vae() -> Result<Workload> {
    let x = Tensor::rand([128, 784], DType::F32, &mut Rng::new(1))?;
    let entropy = BceWithLogitsLoss { reduction: LossReduction::Sum, ..BceWithLogitsLoss::default() };
    let mut rng = Rng::new(3);
    train(models::Vae::new()?, adam(), move |model| {
        let [logits, mean, log_variance] = model.forward(&x, &mut rng)?;
        let sum = log_variance.add(1)?.sub(mean.square()?)?.sub(log_variance.exp()?)?.sum()?;
        entropy.forward(&logits, &x)?.add(sum.mul(-0.5)?)?.div(128)
    })
}

/// DCGAN for 32 x 32, batch 32: a step of the discriminator and one of the generator, whose loss is given.
fn dcgan() -> Result<Workload> {
    let [generator, discriminator] = models::dcgan(32)?;
    let (generator, discriminator) = (generator.init(1)?, discriminator.init(2)?);
    #[cfg(test)]
    let parameters = generator.num_parameters() + discriminator.num_parameters();
    let algorithm = Adam { lr: 2e-4, betas: [0.5, 0.999], ..Adam::default() };
    let mut generator_optimizer = Optimizer::new(&generator, algorithm.clone())?;
    let mut discriminator_optimizer = Optimizer::new(&discriminator, algorithm)?;
    let real = Tensor::rand([32, 1, 32, 32], DType::F32, &mut Rng::new(1))?.mul(2)?.sub(1)?;
    let (one, zero) = (Tensor::ones(32, DType::F32)?, Tensor::zeros(32, DType::F32)?);
    let mut rng = Rng::new(3);
    let step = move || {
        let judge = |x: &Tensor, target: &Tensor| {
            BceWithLogitsLoss::default().forward(&discriminator.forward(x)?.flatten(0, -1)?, target)
        };
        let fake = generator.forward(&Tensor::randn([32, 64, 1, 1], DType::F32, &mut rng)?)?;
        let loss = judge(&real, &one)?.add(judge(&fake.detach(), &zero)?)?;
        discriminator_optimizer.minimize(&loss)?;
        let loss = judge(&fake, &one)?;
        generator_optimizer.minimize(&loss)?;
        Ok(loss)
    };
    Ok(Workload {
        #[cfg(test)]
        parameters,
        step: Box::new(step),
    })
}

/// A vision Transformer of width 96, batch 16 of 32 x 32 in patches of 4 x 4.
fn vit() -> Result<Workload> {
    classify(others::Vit::new()?, adamw(), noise(&[16, 3, 32, 32])?, 10, 16)
}

/// Two LSTM layers of 80 on series of 7 values, batch 24 of 90 steps.
fn series() -> Result<Workload> {
    let (x, target) = (noise(&[24, 90, 7])?, noise(&[24, 1])?);
    train(others::Series::new()?, adam(), move |model| MseLoss::default().forward(&model.forward(&x)?, &target))
}

/// A convolutional autoencoder, batch 50 of 28 x 28.
fn autoencoder() -> Result<Workload> {
    let x = Tensor::rand([50, 1, 28, 28], DType::F32, &mut Rng::new(1))?;
    train(others::autoencoder()?, adam(), move |model| MseLoss::default().forward(&model.forward(&x)?, &x))
}

/// Dilated convolutions of width 40, batch 16 of 250 steps.
fn tcn() -> Result<Workload> {
    classify(others::tcn()?, adam(), noise(&[16, 2, 250])?, 6, 16)
}

/// Four residual blocks of width 200 and 600, batch 96.
fn gelu_stack() -> Result<Workload> {
    classify(others::gelu_stack()?, adamw(), noise(&[96, 54])?, 7, 96)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench;
    use clap::{Args, Command};

    /// Numbers of parameters of the same networks in PyTorch, in the order of [`TRAINING`].
    const PARAMETERS: [usize; 16] = [
        535818, 4610, 66890, 11173962, 210858, 117393, 111680, 252932, 421440, 652824, 462690, 347722, 80401, 126277,
        39886, 977607,
    ];

    #[test]
    fn every_workload_makes_a_step() {
        for ((name, make), parameters) in TRAINING.into_iter().zip(PARAMETERS) {
            let mut workload = make().unwrap();
            assert_eq!(workload.parameters, parameters, "{name}");
            let loss = (workload.step)().unwrap().item::<f32>().unwrap();
            assert!(loss.is_finite(), "{name}: {loss}");
        }
    }

    #[test]
    fn inference_is_the_forward_pass_of_one_example() {
        // Logits: one row, or one for each of 64 places.
        let shapes: [[usize; 2]; 5] = [[1, 10], [1, 10], [1, 10], [64, 64], [64, 64]];
        for ((name, make), shape) in INFERENCE.into_iter().zip(shapes) {
            let trained = TRAINING.into_iter().zip(PARAMETERS).find(|((other, _), _)| *other == name);
            let mut workload = make().unwrap();
            assert_eq!(Some(workload.parameters), trained.map(|(_, parameters)| parameters), "{name}");
            let logits = (workload.step)().unwrap();
            assert_eq!(logits.shape()[..], shape, "{name}");
            assert!(!logits.is_tracked(), "{name} records what no gradient is asked of");
            let again = (workload.step)().unwrap();
            assert_eq!(logits.to_vec::<f32>().unwrap(), again.to_vec::<f32>().unwrap(), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_gets_the_right_ones() {
        let command = bench::Arguments::augment_args(Command::new("bench"));
        let error = command.try_get_matches_from(["bench", "resnet19"]).unwrap_err().to_string();
        assert!(error.contains("resnet19"), "{error}");
        for (name, _) in TRAINING {
            assert!(error.contains(name), "{name} is not in: {error}");
        }
    }
}
