//! Numbers that a name gives, the same as in tools/models_fixtures.py: weights and inputs that no file has to hold.

use mapsto_nn::Module;
use mapsto_tensor::{DType, Tensor};

/// Element `i`: FNV-1a of the name and `i` in Weyl's sequence, mixed (Wellons's lowbias32).
pub fn integers(name: &str, count: usize) -> impl Iterator<Item = u32> + use<> {
    let start = name.bytes().fold(0x811C_9DC5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..count as u32).map(move |i| {
        let x = start.wrapping_add(i.wrapping_mul(0x9E37_79B9));
        let x = (x ^ x >> 16).wrapping_mul(0x7FEB_352D);
        let x = (x ^ x >> 15).wrapping_mul(0x846C_A68B);
        x ^ x >> 16
    })
}

/// Numbers in [-1, 1) that f32 holds exactly.
pub fn units(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    integers(name, count).map(|x| f64::from(x >> 8) * 2f64.powi(-23) - 1.0)
}

/// A tensor of them.
pub fn tensor<const N: usize>(name: &str, shape: [usize; N]) -> Tensor {
    let values = units(name, shape.iter().product()).map(|x| x as f32).collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// He's variance for weights, near one for norms' weights and variances, small for biases and means.
fn value(name: &str, old: &Tensor) -> Tensor {
    let shape = old.shape();
    if name.ends_with("num_batches_tracked") {
        return old.clone();
    }
    let (offset, scale) = if shape.rank() > 1 {
        (0.0, (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt())
    } else if name.ends_with("running_var") {
        (1.0, 0.5)
    } else if name.ends_with("weight") {
        (1.0, 0.25)
    } else {
        (0.0, 0.1)
    };
    let values = units(name, old.numel()).map(|unit| (offset + scale * unit) as f32).collect();
    Tensor::from_vec(values, *shape).unwrap()
}

/// Gives a network the values of its names.
pub fn fill(network: &impl Module) {
    for (name, param) in network.named_parameters() {
        param.set(&value(&name, &param.get().unwrap())).unwrap();
    }
    // Those that are not saved are constants.
    for (name, buffer) in network.named_buffers().into_iter().filter(|(_, buffer)| buffer.is_persistent()) {
        assert!(buffer.dtype() == DType::F32 || name.ends_with("num_batches_tracked"), "{name}");
        buffer.set(&value(&name, &buffer.get().unwrap())).unwrap();
    }
}
