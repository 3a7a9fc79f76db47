//! Clipping against PyTorch's, and what else is done to gradients and groups of parameters.

use super::{cases, complaint, distance, expect_none, wide};
use mapsto_nn::*;
use mapsto_tensor::update::Norm;
use mapsto_tensor::{DType, Gradients, Tensor};

#[derive(Module)]
struct Pair {
    a: Param,
    b: Param,
}

impl Pair {
    fn new(a: &Tensor, b: &Tensor) -> Pair {
        Pair { a: Param::from_tensor(a).unwrap(), b: Param::from_tensor(b).unwrap() }
    }

    /// Gradients of these values.
    fn gradients(&self, a: &Tensor, b: &Tensor) -> Gradients {
        let mut gradients = Gradients::default();
        gradients.insert(&self.a.get().unwrap(), a.clone());
        gradients.insert(&self.b.get().unwrap(), b.clone());
        gradients
    }

    fn of<'a>(&self, gradients: &'a Gradients) -> [&'a Tensor; 2] {
        [&self.a, &self.b].map(|param| gradients.get(&param.get().unwrap()).unwrap())
    }
}

fn filled(numbers: &[f32]) -> Tensor {
    Tensor::from_slice(numbers, [numbers.len()]).unwrap()
}

#[test]
fn clipping_is_pytorchs() {
    let (mut complaints, mut count) = (Vec::new(), 0);
    for case in cases("functional").into_iter().filter(|case| case.name.starts_with("clip_grad")) {
        let (args, get) = (&case.about["args"], |name: &str| &case.tensors[name]);
        let (a, b) = (get("input.0"), get("input.1"));
        let model = Pair::new(a, b);
        let (params, mut gradients) = (model.parameters(), model.gradients(a, b));
        let clipped = if case.about["op"] == "clip_grad_norm" {
            let norm = match args["norm_type"].as_f64() {
                Some(1.0) => Norm::One,
                Some(2.0) => Norm::Two,
                None => Norm::Infinity,
                Some(other) => panic!("no norm {other}"),
            };
            let total = clip_grad_norm(&mut gradients, &params, args["max_norm"].as_f64().unwrap(), norm).unwrap();
            assert!(distance(&[total], &wide(get("output.0"))) < 1e-6, "{}: {total}", case.name);
            1
        } else {
            clip_grad_value(&mut gradients, &params, args["clip_value"].as_f64().unwrap()).unwrap();
            0
        };
        for (i, ours) in model.of(&gradients).into_iter().enumerate() {
            let theirs = get(&format!("output.{}", clipped + i));
            complaints.extend(complaint(&format!("{}, {i}", case.name), ours, theirs, 1e-6));
        }
        count += 1;
    }
    assert_eq!(count, 5);
    expect_none(complaints);
}

#[test]
fn exploded_gradients_are_reported_and_stay() {
    let (a, b) = (filled(&[1.0, f32::INFINITY]), filled(&[3.0]));
    let model = Pair::new(&a, &b);
    let mut gradients = model.gradients(&a, &b);
    let error = clip_grad_norm(&mut gradients, &model.parameters(), 1.0, Norm::Two).unwrap_err().to_string();
    assert!(error.starts_with("clip_grad_norm: the gradients' norm is inf at "), "{error}");
    assert_eq!(model.of(&gradients).map(wide), [wide(&a), wide(&b)]);
    for bound in [0.0, -1.0, f64::NAN] {
        assert!(clip_grad_norm(&mut gradients, &model.parameters(), bound, Norm::Two).is_err());
    }
    assert!(clip_grad_value(&mut gradients, &model.parameters(), -1.0).is_err());
    let norms = gradient_norms(&model.gradients(&filled(&[3.0, 4.0]), &b), &model).unwrap();
    assert_eq!(norms, [("a".to_string(), 5.0), ("b".to_string(), 3.0)]);
}

/// Gradients of two halves, gathered, are those of the whole batch.
#[test]
fn gathered_gradients_are_those_of_the_large_batch() {
    let model = sequential![Linear::new(3, 5).unwrap(), Tanh, Linear::new(5, 2).unwrap()].init(3).unwrap();
    let x = Tensor::arange(0.0f32, 24.0, 1.0).unwrap().sin().unwrap().reshape([8, 3]).unwrap();
    let y = Tensor::arange(0.0f32, 16.0, 1.0).unwrap().cos().unwrap().reshape([8, 2]).unwrap();
    let gradients = |from: usize, count: usize| {
        let part = |t: &Tensor| t.narrow(0, from, count).unwrap();
        MseLoss::default().forward(&model.forward(&part(&x)).unwrap(), &part(&y)).unwrap().backward().unwrap()
    };
    let (whole, mut gathered) = (gradients(0, 8), Accumulator::default());
    for round in 0..2 {
        for part in 0..4 {
            gathered.add(gradients(2 * part, 2)).unwrap();
        }
        assert_eq!(gathered.count(), 4);
        let mean = gathered.mean(&model.parameters()).unwrap();
        assert_eq!(gathered.count(), 0);
        for (name, param) in model.named_parameters() {
            let value = param.get().unwrap();
            let [ours, theirs] = [&mean, &whole].map(|gradients| gradients.get(&value).unwrap());
            assert_eq!(complaint(&format!("{name}, round {round}"), ours, theirs, 1e-6), None);
        }
    }
    let error = gathered.mean(&model.parameters()).err().unwrap().to_string();
    assert!(error.starts_with("accumulate: no gradients were added at "), "{error}");
}

/// Each group moves by its own rule, what is in none or frozen stays, and a schedule keeps the groups' ratio.
#[test]
fn groups_move_by_their_own_rules() {
    let ones = Tensor::ones([2], DType::F32).unwrap();
    let make = || Pair::new(&ones, &ones);
    let sgd = |lr: f64| Algorithm::from(Sgd { lr, ..Sgd::default() });
    let rates = |name: &str| if name == "a" { 0.5 } else { 0.1 };

    let model = make();
    let mut optimizer = Optimizer::grouped(&model, |name, _| Some(sgd(rates(name)))).unwrap();
    optimizer.step(&model.gradients(&ones, &ones)).unwrap();
    assert_eq!(wide(&model.a.get().unwrap()), [0.5; 2]);
    assert_eq!(wide(&model.b.get().unwrap()), [0.9f32 as f64; 2]);
    let schedule = schedule::Schedule::Step { step_size: 1, gamma: 0.5 };
    optimizer.follow(&schedule, 1).unwrap();
    let names: Vec<Vec<&str>> = optimizer.groups().iter().map(|group| group.names().collect()).collect();
    assert_eq!(names, [["a"], ["b"]]);
    assert_eq!(optimizer.groups().iter().map(|group| group.algorithm.lr()).collect::<Vec<_>>(), [0.25, 0.05]);

    let model = make();
    let mut optimizer = Optimizer::grouped(&model, |name, _| (name == "a").then(|| sgd(0.5))).unwrap();
    optimizer.step(&model.gradients(&ones, &ones)).unwrap();
    assert_eq!([&model.a, &model.b].map(|param| wide(&param.get().unwrap())), [[0.5; 2], [1.0; 2]]);

    let model = make();
    model.freeze("b").unwrap();
    let mut optimizer = Optimizer::new(&model, sgd(0.5)).unwrap();
    let loss = model.a.get().unwrap().mul(model.b.get().unwrap()).unwrap().sum().unwrap();
    optimizer.step(&loss.backward().unwrap()).unwrap();
    assert_eq!([&model.a, &model.b].map(|param| wide(&param.get().unwrap())), [[0.5; 2], [1.0; 2]]);

    assert!(Optimizer::grouped(&model, |_, _| None).is_err());
    let error = Optimizer::new(&model, sgd(-1.0)).err().unwrap().to_string();
    assert!(error.contains("-1"), "{error}");
}

#[test]
fn averages_refuse_what_makes_no_sense() {
    let model = Pair::new(&filled(&[1.0]), &filled(&[2.0]));
    assert!(Averaged::new(&model, Average::Exponential { decay: 1.5 }).is_err());
    let mut averaged = Averaged::new(&model, Average::Equal).unwrap();
    let message = |result: mapsto_tensor::Result<()>| result.unwrap_err().to_string();
    assert!(message(averaged.swap_in()).starts_with("swap_in: there is no average yet at "));
    assert!(message(averaged.swap_out()).starts_with("Averaged: the averages are not in the network at "));
    averaged.update().unwrap();
    averaged.swap_in().unwrap();
    assert!(message(averaged.update()).starts_with("Averaged: the averages are in the network at "));
    averaged.swap_out().unwrap();

    // Saved and taken up again.
    let mut other = Averaged::new(&model, Average::Equal).unwrap();
    other.load_state_dict(&averaged.state_dict(), averaged.count()).unwrap();
    for averaged in [&mut averaged, &mut other] {
        model.a.set(&filled(&[3.0])).unwrap();
        averaged.update().unwrap();
    }
    assert_eq!(wide(&averaged.state_dict()["a"]), [2.0]);
    assert_eq!(wide(&other.state_dict()["a"]), [2.0]);
}

/// The search stops where training explodes, and suggests a rate below.
#[test]
fn a_rate_is_found() {
    let model = sequential![Linear::new(3, 8).unwrap(), Tanh, Linear::new(8, 1).unwrap()].init(3).unwrap();
    let x = Tensor::arange(0.0f32, 96.0, 1.0).unwrap().sin().unwrap().reshape([32, 3]).unwrap();
    let y = x.sum_axes(&[1], true).unwrap();
    let mut optimizer = Optimizer::new(&model, Sgd::default()).unwrap();
    let mut finder =
        RateFinder::new(RateFinderConfig { start: 1e-4, end: 1e3, ..RateFinderConfig::default() }).unwrap();
    while let Some(rate) = finder.rate() {
        optimizer.groups_mut()[0].algorithm.set_lr(rate);
        let loss = MseLoss::default().forward(&model.forward(&x).unwrap(), &y).unwrap();
        finder.record(loss.item::<f32>().unwrap() as f64);
        optimizer.step(&loss.backward().unwrap()).unwrap();
    }
    let (steps, suggestion) = (finder.curve().len(), finder.suggestion().unwrap());
    assert!(steps < 100, "it did not stop");
    assert!((0.01..1.0).contains(&suggestion), "{suggestion}");

    // Training at it works.
    model.reset(3).unwrap();
    optimizer.groups_mut()[0].algorithm.set_lr(suggestion);
    let mut last = f32::INFINITY;
    for _ in 0..200 {
        let loss = MseLoss::default().forward(&model.forward(&x).unwrap(), &y).unwrap();
        last = loss.item().unwrap();
        optimizer.step(&loss.backward().unwrap()).unwrap();
    }
    assert!(last < 0.05, "{last}");

    let mut rising = RateFinder::new(RateFinderConfig { steps: 4, ..RateFinderConfig::default() }).unwrap();
    [1.0, 2.0, 2.5, 3.0, 9.0].into_iter().for_each(|loss| rising.record(loss));
    assert_eq!((rising.curve().len(), rising.suggestion(), rising.rate()), (4, None, None));
    rising = RateFinder::new(RateFinderConfig::default()).unwrap();
    rising.record(f64::NAN);
    assert_eq!((rising.curve().len(), rising.suggestion(), rising.rate()), (0, None, None));
    for config in [
        RateFinderConfig { start: 0.0, ..RateFinderConfig::default() },
        RateFinderConfig { end: 1e-9, ..RateFinderConfig::default() },
        RateFinderConfig { steps: 1, ..RateFinderConfig::default() },
        RateFinderConfig { smoothing: 1.0, ..RateFinderConfig::default() },
        RateFinderConfig { diverged: f64::NAN, ..RateFinderConfig::default() },
    ] {
        assert!(RateFinder::new(config).is_err(), "{config:?}");
    }
}
