//! A summary's memory is what the pool holds: alone in its process, since the pool is everyone's.

use mapsto_nn::*;
use mapsto_tensor::{DType, Tensor, memory_stats};

#[test]
fn activations_are_what_the_pool_holds_after_the_forward_pass() {
    // Sizes that the pool does not round up.
    let net = sequential![
        Conv2d::from_config(&ConvConfig::new(4, 16, 3).padding(1)).unwrap(),
        BatchNorm2d::new(16).unwrap(),
        Relu,
        MaxPool2d::new(2).unwrap(),
        Conv2d::from_config(&ConvConfig::new(16, 16, 3).padding(1)).unwrap(),
        Gelu::default(),
        Dropout::new(0.5).unwrap(),
        Flatten::default(),
        Linear::new(16 * 8 * 8, 64).unwrap(),
        LayerNorm::new([64]).unwrap(),
        Softmax::default(),
    ];
    let net = net.init(0).unwrap();
    let x = Tensor::rand([16, 4, 16, 16], DType::F32, &mut mapsto_tensor::Rng::new(1)).unwrap();
    let y = x.reshape([64, 16, 16]).unwrap();
    let lstm = Lstm::new(16, 32).unwrap().init(0).unwrap();
    for frozen in ["", "0", "8"] {
        net.unfreeze("").unwrap();
        if !frozen.is_empty() {
            net.freeze(frozen).unwrap();
        }
        let summary = Summary::of(&net, &x).unwrap();
        let before = memory_stats().live;
        let output = net.forward(&x).unwrap();
        assert_eq!((memory_stats().live - before) as u64, summary.memory.activations, "{frozen} frozen");
        let memory = &summary.memory;
        let layers: u64 = summary.layers.iter().map(|layer| layer.activations).sum();
        assert_eq!(memory.activations, layers);
        let gradients = output.sum().unwrap().backward().unwrap();
        let numel: usize =
            net.parameters().iter().filter_map(|p| gradients.get(&p.get().unwrap())).map(Tensor::numel).sum();
        assert_eq!(memory.gradients as usize, 4 * numel, "{frozen} frozen");
        let parts = memory.parameters + memory.buffers + memory.inputs + memory.activations + memory.gradients;
        assert_eq!(memory.total, parts);
        drop(output);

        let mut optimizer = Optimizer::new(&net, Adam::default()).unwrap();
        let foretold = optimizer.state_bytes().unwrap();
        optimizer.step(&gradients).unwrap();
        assert_eq!(optimizer.state_bytes().unwrap(), foretold);
        assert_eq!(foretold as usize, 2 * 4 * numel);
    }
    let state = Tensor::rand([16, 32], DType::F32, &mut mapsto_tensor::Rng::new(2)).unwrap().unsqueeze(0).unwrap();
    let run = |y: &Tensor, state: &Tensor| Ok(vec![lstm.forward(y, Some((state, state)))?.0]);
    let summary = Summary::of_forward(&lstm, &[&y, &state], |x| run(&x[0], &x[1])).unwrap();
    let before = memory_stats().live;
    let _output = run(&y, &state).unwrap();
    assert_eq!((memory_stats().live - before) as u64, summary.memory.activations);
}
