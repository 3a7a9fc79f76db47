//! A steady training loop asks the system for nothing. Alone in its process: the counters are the whole program's.

use mapsto_nn::{
    Adam, AttentionMasks, BatchNorm2d, Conv2d, ConvConfig, CrossEntropyLoss, Flatten, Layer, LayerNorm, Linear, Lstm,
    MaxPool2d, Module, MultiheadAttention, Optimizer, Relu, Sequential, sequential,
};
use mapsto_tensor::{DType, Result, Rng, Tensor, memory_stats, set_num_threads};

/// A network with a family of kernels in each part.
#[derive(Module)]
struct Mixed {
    images: Sequential,
    sequence: Lstm,
    norm: LayerNorm,
    attention: MultiheadAttention,
    out: Linear,
}

impl Mixed {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let features = self.images.forward(x)?;
        let steps = features.reshape([x.shape()[0], 4, 32])?.permute(&[1, 0, 2])?;
        let (states, _) = self.sequence.forward(&steps, None)?;
        let states = self.norm.forward(&states)?;
        let seen = self.attention.forward(&states, &states, &states, &AttentionMasks::default())?;
        self.out.forward(&seen.mean_axes(&[0], false)?)
    }
}

#[test]
fn steps_of_training_in_the_same_memory() -> Result<()> {
    // How many tasks overlap, each with room of its own, is chance where there are more.
    set_num_threads(1);
    let model = Mixed {
        images: sequential![
            Conv2d::from_config(&ConvConfig::new(3, 8, 3).padding(1))?,
            BatchNorm2d::new(8)?,
            Relu,
            MaxPool2d::new(2)?,
            Flatten::default(),
        ],
        sequence: Lstm::new(32, 24)?,
        norm: LayerNorm::new(24)?,
        attention: MultiheadAttention::new(24, 2)?,
        out: Linear::new(24, 5)?,
    }
    .init(1)?;
    let mut optimizer = Optimizer::new(&model, Adam::default())?;
    let x = Tensor::randn([16, 3, 8, 8], DType::F32, &mut Rng::new(1))?;
    let y = Tensor::randint(0, 5, 16, &mut Rng::new(2))?;
    let mut step = || -> Result<f32> {
        let loss = CrossEntropyLoss::default().forward(&model.forward(&x)?, &y)?;
        optimizer.step(&loss.backward()?)?;
        loss.item()
    };
    let first = step()?;
    for _ in 0..10 {
        step()?;
    }
    let warm = memory_stats();
    let mut last = 0.0;
    for _ in 0..500 {
        last = step()?;
    }
    let after = memory_stats();
    assert!(last < first / 10.0, "{first} {last}");
    assert_eq!(after.system_calls, warm.system_calls, "the system was asked for memory");
    assert_eq!((after.live, after.pooled), (warm.live, warm.pooled));
    Ok(())
}
