//! Lists of tensors against each tensor alone, on one thread and on many. The formulas themselves are compared with
//! PyTorch's in `mapsto-nn`.

use super::*;
use crate::random::Rng;

const RULES: [Rule; 3] = [
    Rule::Sgd { lr: 0.1, momentum: 0.9, dampening: 0.0, nesterov: true, weight_decay: 0.01, maximize: false, t: 2 },
    Rule::Adam {
        lr: 0.1,
        betas: [0.9, 0.99],
        eps: 1e-8,
        weight_decay: 0.1,
        decoupled: true,
        amsgrad: true,
        maximize: true,
        t: 3,
    },
    Rule::Lamb { lr: 0.1, betas: [0.9, 0.99], eps: 1e-6, weight_decay: 0.1, maximize: false, t: 1 },
];

fn random(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    let mut rng = Rng::new(seed);
    let data: Vec<f64> = (0..shape.iter().product()).map(|_| rng.normal().abs()).collect();
    Tensor::from_slice(&data, shape).unwrap().to_dtype(dtype).unwrap()
}

/// Three steps of a list of parameters; the values and states after.
fn walk(rule: Rule, shapes: &[&[usize]], dtype: DType) -> Vec<Vec<f64>> {
    let seeds = |i: usize| [0, 1, 2, 3, 4].map(|j| (10 * i + j) as u64);
    let mut params: Vec<Tensor> = shapes.iter().enumerate().map(|(i, s)| random(seeds(i)[0], s, dtype)).collect();
    let grads: Vec<Tensor> = shapes.iter().enumerate().map(|(i, s)| random(seeds(i)[1], s, dtype)).collect();
    let state = |i: usize, s: &[usize], j: usize| random(seeds(i)[2 + j], s, state_dtype(dtype));
    let mut states: Vec<Vec<Tensor>> =
        shapes.iter().enumerate().map(|(i, s)| (0..rule.states()).map(|j| state(i, s, j)).collect()).collect();
    for _ in 0..3 {
        let lists = params.iter_mut().zip(&grads).zip(&mut states);
        let mut slots: Vec<Slot<'_>> = lists.map(|((param, grad), state)| Slot { rule, param, grad, state }).collect();
        update(&mut slots).unwrap();
    }
    let wide = |x: &Tensor| x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    params.iter().chain(states.iter().flatten()).map(wide).collect()
}

#[test]
fn a_list_is_stepped_as_its_members_on_any_number_of_threads() {
    let shapes: [&[usize]; 7] = [&[3], &[], &[0, 4], &[300, 257], &[1], &[40_000], &[7, 5]];
    for rule in RULES {
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            crate::set_num_threads(1);
            let one = walk(rule, &shapes, dtype);
            crate::set_num_threads(3);
            assert_eq!(one, walk(rule, &shapes, dtype), "{rule:?} {dtype}");
            let first = walk(rule, &shapes[..1], dtype);
            assert_eq!(one[0], first[0], "{rule:?} {dtype}");
        }
    }
    crate::set_num_threads(2);
}

#[test]
fn other_handles_keep_their_value_and_variables_stay_variables() {
    let sgd =
        Rule::Sgd { lr: 1.0, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0, maximize: false, t: 1 };
    let mut param = Tensor::new([1.0f32, 2.0]).unwrap().variable().unwrap();
    let before = param.clone();
    let grad = Tensor::full(2, 0.5, DType::F32).unwrap();
    update(&mut [Slot { rule: sgd, param: &mut param, grad: &grad, state: &mut [] }]).unwrap();
    assert_eq!(before.to_vec::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(param.to_vec::<f32>().unwrap(), [0.5, 1.5]);
    assert!(param.is_tracked() && param.id() != before.id());
    // A strided gradient, a value that is no variable, and no second copy.
    drop(before);
    let wide = Tensor::new([[1.0f32, 9.0], [1.0, 9.0]]).unwrap().narrow(1, 0, 1).unwrap().reshape([2]).unwrap();
    update(&mut [Slot { rule: sgd, param: &mut param, grad: &wide, state: &mut [] }]).unwrap();
    assert_eq!(param.to_vec::<f32>().unwrap(), [-0.5, 0.5]);
    let mut plain = param.detach();
    update(&mut [Slot { rule: sgd, param: &mut plain, grad: &wide, state: &mut [] }]).unwrap();
    assert!(!plain.is_tracked());
    let mut half = Tensor::new([1.0f32]).unwrap().to_dtype(DType::F16).unwrap().variable().unwrap();
    let grad = half.detach();
    update(&mut [Slot { rule: sgd, param: &mut half, grad: &grad, state: &mut [] }]).unwrap();
    assert!(half.is_tracked() && half.dtype() == DType::F16);
}

#[test]
fn what_does_not_fit_moves_nothing() {
    let (shape, other) = (Tensor::ones([2, 3], DType::F32).unwrap(), Tensor::ones([3, 2], DType::F32).unwrap());
    let adam = RULES[1];
    let message = |param: &Tensor, grad: &Tensor, state: &mut [Tensor]| {
        let (mut first, mut param) = (shape.clone(), param.clone());
        let average = Rule::Average { weight: 0.5 };
        let mut slots = [
            Slot { rule: average, param: &mut first, grad: &shape, state: &mut [] },
            Slot { rule: adam, param: &mut param, grad, state },
        ];
        let text = update(&mut slots).unwrap_err().to_string();
        assert_eq!(first.id(), shape.id());
        text.split(" at ").next().unwrap().to_string()
    };
    let mut states = vec![shape.clone(); 3];
    assert_eq!(
        message(&shape, &other, &mut states),
        "update: a gradient f32[3, 2] does not fit its parameter f32[2, 3]"
    );
    assert_eq!(message(&shape, &shape, &mut states[..1]), "update: the rule has 3 states, got 1");
    states[1] = other.clone();
    assert_eq!(
        message(&shape, &shape, &mut states),
        "update: a state f32[3, 2] does not fit its parameter, it must be f32[2, 3]"
    );
    let ints = Tensor::new([1i64]).unwrap();
    assert_eq!(message(&ints, &ints, &mut states), "update: a parameter of i64 cannot move by gradients");
}

#[test]
fn norms_of_lists() {
    let small = Tensor::new([3.0f32, -4.0]).unwrap();
    let large = Tensor::full([100_001], -2.0, DType::F64).unwrap();
    let half = Tensor::new([1.5f32]).unwrap().to_dtype(DType::BF16).unwrap();
    let none = Tensor::zeros(0, DType::F32).unwrap();
    let list = [&small, &large, &none, &half];
    assert_eq!(norms(&list, Norm::One).unwrap(), [7.0, 200_002.0, 0.0, 1.5]);
    assert_eq!(norms(&list, Norm::Two).unwrap(), [5.0, f64::sqrt(400_004.0), 0.0, 1.5]);
    assert_eq!(norms(&list, Norm::Infinity).unwrap(), [4.0, 2.0, 0.0, 1.5]);
    assert_eq!(Norm::Two.total(&[3.0, 4.0]), 5.0);
    let bad = Tensor::new([0.0f32, f32::NAN, 7.0]).unwrap();
    for norm in [Norm::One, Norm::Two, Norm::Infinity] {
        assert!(norms(&[&bad], norm).unwrap()[0].is_nan());
        assert!(norm.total(&[f64::NAN, 1.0]).is_nan());
    }
    let random = random(5, &[70_000], DType::F32);
    crate::set_num_threads(1);
    let one = norms(&[&random, &small], Norm::Two).unwrap();
    crate::set_num_threads(3);
    assert_eq!(one, norms(&[&random, &small], Norm::Two).unwrap());
    crate::set_num_threads(2);
    assert!(norms(&[&Tensor::new([1u8]).unwrap()], Norm::Two).is_err());
}

#[test]
fn states_without_gradients_fade_to_zero() {
    let momentum =
        Rule::Sgd { lr: 1.0, momentum: 0.9, dampening: 0.0, nesterov: false, weight_decay: 0.0, maximize: false, t: 2 };
    for (rule, dtype, steps) in [(momentum, DType::F32, 900), (RULES[1], DType::F32, 900), (momentum, DType::F64, 7200)]
    {
        let mut param = Tensor::full([40], 1.0, dtype).unwrap();
        let grad = Tensor::zeros([40], dtype).unwrap();
        let mut state = vec![Tensor::full([40], 0.1, dtype).unwrap(); rule.states()];
        for _ in 0..steps {
            update(&mut [Slot { rule, param: &mut param, grad: &grad, state: &mut state }]).unwrap();
        }
        let mean = state[0].to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
        assert!(mean.iter().all(|&x| x == 0.0), "{rule:?} {dtype}: {mean:?}");
    }
}
