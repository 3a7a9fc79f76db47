//! What optimisers, schedules, averages and the search for a rate do with mistakes, and with settings that change.

use mapsto_nn::schedule::{Cyclic, CyclicMode, OneCycle, PlateauConfig, ReduceOnPlateau, Schedule};
use mapsto_nn::*;
use mapsto_tensor::{DType, Gradients, Result, Tensor};
use serde_json::json;

#[derive(Module)]
struct Pair {
    a: Param,
    b: Param,
}

/// Two parameters of these sizes, all ones.
fn ones(a: &[usize], b: &[usize]) -> Result<Pair> {
    let param = |sizes: &[usize]| Param::from_tensor(&Tensor::ones(sizes, DType::F32)?);
    Ok(Pair { a: param(a)?, b: param(b)? })
}

impl Pair {
    /// Gradients of these sizes, filled with numbers that differ.
    fn gradients(&self, a: &[usize], b: &[usize]) -> Result<Gradients> {
        let mut gradients = Gradients::default();
        for (param, sizes) in [(&self.a, a), (&self.b, b)] {
            let count = sizes.iter().product::<usize>() as f32;
            let numbers = Tensor::arange(1.0f32, count + 1.0, 1.0)?.sin()?.reshape(sizes)?;
            gradients.insert(&param.get()?, numbers);
        }
        Ok(gradients)
    }

    fn values(&self) -> Result<[Vec<f64>; 2]> {
        Ok([wide(&self.a.get()?)?, wide(&self.b.get()?)?])
    }
}

fn wide(x: &Tensor) -> Result<Vec<f64>> {
    x.detach().to_dtype(DType::F64)?.to_vec()
}

fn numbers(state: &StateDict) -> Result<Vec<(String, Vec<f64>)>> {
    state.iter().map(|(name, value)| Ok((name.clone(), wide(value)?))).collect()
}

/// Fails unless the error is this text and names a line of this file.
#[track_caller]
fn says<T>(result: Result<T>, text: &str) {
    let Err(error) = result else { panic!("no error: {text}") };
    let at = error.location().expect("the caller's line");
    let place = format!(" at {}:{}", at.file(), at.line());
    assert_eq!(error.to_string().replace(&place, ""), text);
    assert!(place.contains("training.rs:"), "{error}");
}

#[test]
fn milestones_that_fall_are_refused() -> Result<()> {
    let constant = |factor: f64| Schedule::Constant { factor, total_iters: 3 };
    let schedule = constant(0.5).then(10, constant(0.2)).then(5, Schedule::OneCycle(OneCycle::default()));
    assert_eq!((schedule.rate(0.1, 7), schedule.momentum(7)), (0.1, None));
    says(schedule.check(), "schedule: milestones must rise, got [10, 5]");
    let mut optimizer = Optimizer::new(&ones(&[1], &[1])?, Sgd { lr: 0.1, ..Sgd::default() })?;
    says(optimizer.follow(&schedule, 0), "follow: milestones must rise, got [10, 5]");
    assert_eq!(optimizer.groups()[0].algorithm.lr(), 0.1);
    Ok(())
}

#[test]
fn numbers_that_make_no_rate_are_refused() {
    let nan = f64::NAN;
    let one = OneCycle::default;
    let cyclic = Cyclic::default;
    let nonsense = [
        Schedule::Constant { factor: nan, total_iters: 3 },
        Schedule::Linear { start_factor: -0.1, end_factor: 1.0, total_iters: 3 },
        Schedule::Linear { start_factor: 0.1, end_factor: f64::INFINITY, total_iters: 3 },
        Schedule::Step { step_size: 0, gamma: 0.5 },
        Schedule::Step { step_size: 2, gamma: nan },
        Schedule::MultiStep { milestones: vec![2], gamma: -1.0 },
        Schedule::Exponential { gamma: nan },
        Schedule::Polynomial { total_iters: 4, power: -1.0 },
        Schedule::Cosine { t_max: 0, eta_min: 0.0 },
        Schedule::Cosine { t_max: 4, eta_min: nan },
        Schedule::CosineRestarts { t_0: 4, t_mult: 1, eta_min: nan },
        Schedule::OneCycle(OneCycle { max_lr: nan, ..one() }),
        Schedule::OneCycle(OneCycle { div_factor: 0.0, ..one() }),
        Schedule::OneCycle(OneCycle { final_div_factor: 0.0, ..one() }),
        Schedule::OneCycle(OneCycle { pct_start: nan, ..one() }),
        Schedule::OneCycle(OneCycle { momenta: Some([0.8, nan]), ..one() }),
        Schedule::Cyclic(Cyclic { base_lr: nan, ..cyclic() }),
        Schedule::Cyclic(Cyclic { max_lr: nan, ..cyclic() }),
        Schedule::Cyclic(Cyclic { mode: CyclicMode::ExpRange(nan), ..cyclic() }),
        Schedule::Cyclic(Cyclic { momenta: Some([-0.1, 0.9]), ..cyclic() }),
    ];
    for schedule in nonsense {
        assert!(schedule.check().is_err(), "{schedule:?}");
        assert!(Schedule::Product(vec![schedule.clone()]).check().is_err(), "{schedule:?}");
        assert!(Schedule::Exponential { gamma: 0.9 }.then(3, schedule.clone()).check().is_err(), "{schedule:?}");
    }
    let schedule = Schedule::Polynomial { total_iters: 4, power: -1.0 };
    says(schedule.check(), "schedule: power must be finite and not negative, got -1");
    let schedule = Schedule::OneCycle(OneCycle { div_factor: 0.0, ..one() });
    says(schedule.check(), "schedule: div_factor must be finite and above zero, got 0");
}

#[test]
fn a_product_knows_no_order() {
    let cosine = Schedule::Cosine { t_max: 10, eta_min: 0.02 };
    let step = Schedule::Step { step_size: 3, gamma: 0.5 };
    let cycle = Schedule::OneCycle(OneCycle { total_steps: 10, ..OneCycle::default() });
    for t in 0..10 {
        let product = |parts: [&Schedule; 3]| Schedule::Product(parts.map(Clone::clone).to_vec());
        let (one, other) = (product([&cosine, &step, &cycle]), product([&cycle, &step, &cosine]));
        assert!((one.rate(0.3, t) - other.rate(0.3, t)).abs() < 1e-15);
        assert_eq!((one.rate(0.0, t), one.momentum(t)), (0.0, cycle.momentum(t)));
    }
}

/// The rates are those of PyTorch's `ReduceLROnPlateau(factor=0.5, patience=1)`.
#[test]
fn a_measure_that_is_no_number_is_never_the_best() {
    let nan = f64::NAN;
    let rates = |maximize: bool, measures: &[f64]| {
        let config = PlateauConfig { maximize, factor: 0.5, patience: 1, ..PlateauConfig::default() };
        let (mut plateau, mut rate) = (ReduceOnPlateau::new(config), 1.0);
        let mut next = |&measure: &f64| {
            rate = plateau.next(measure, rate);
            rate
        };
        measures.iter().map(&mut next).collect::<Vec<f64>>()
    };
    let measures = [nan, 3.0, nan, 2.0, nan, nan, nan, 1.0];
    assert_eq!(rates(false, &measures), [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]);
    assert_eq!(rates(false, &[nan; 4]), [1.0, 0.5, 0.5, 0.25]);
    assert_eq!(rates(true, &[f64::NEG_INFINITY; 4]), [1.0, 0.5, 0.5, 0.25]);
}

#[test]
fn a_search_from_a_file_is_checked() {
    let file = |steps: u64| {
        let config = json!({"start": 1e-3, "end": 1.0, "steps": steps, "smoothing": 0.9, "diverged": 4.0});
        let search = json!({"config": config, "average": 0.0, "curve": [], "exploded": false});
        serde_json::from_value::<RateFinder>(search)
    };
    for steps in [0, 1] {
        let error = file(steps).unwrap_err().to_string();
        assert_eq!(error, format!("RateFinder: two steps are the least, got {steps}"));
    }
    assert_eq!(file(2).unwrap().rate(), Some(1e-3));
    assert!(RateFinder::new(RateFinderConfig { steps: 1, ..RateFinderConfig::default() }).is_err());
}

#[test]
fn losses_below_zero_explode_too() -> Result<()> {
    let recorded = |losses: &[f64]| -> Result<usize> {
        let mut finder = RateFinder::new(RateFinderConfig { smoothing: 0.0, ..RateFinderConfig::default() })?;
        losses.iter().for_each(|&loss| finder.record(loss));
        Ok(finder.curve().len())
    };
    assert_eq!(recorded(&[-1.0, -2.0, -3.0, 5.9, 6.1, 0.0])?, 5);
    // Around zero the fall so far is the measure: a loss that wavers there has not exploded.
    assert_eq!(recorded(&[1.0, -1e-3, 3e-3, 2.0, 3.1, 0.0])?, 5);
    assert_eq!(recorded(&[1.0, 0.1, 0.39, 0.41, 0.0])?, 4);
    Ok(())
}

#[test]
fn averages_are_saved_also_while_they_are_in_the_network() -> Result<()> {
    let model = ones(&[1], &[1])?;
    let mut averaged = Averaged::new(&model, Average::Equal)?;
    averaged.update()?;
    model.a.set(&Tensor::full([1], 3.0, DType::F32)?)?;
    averaged.update()?;
    averaged.swap_in()?;
    let saved = averaged.state_dict();
    assert_eq!(wide(&saved["a"])?, [2.0]);
    says(averaged.load_state_dict(&saved, 2), "Averaged: the averages are in the network; swap them out first");
    // What is done to the network meanwhile is undone.
    model.a.set(&Tensor::full([1], 7.0, DType::F32)?)?;
    averaged.swap_out()?;
    assert_eq!((wide(&model.a.get()?)?, wide(&averaged.state_dict()["a"])?), (vec![3.0], vec![2.0]));
    let empty = Averaged::new(&Pair { a: Param::new(2, Init::Zeros)?, b: Param::new(2, Init::Zeros)? }, Average::Equal);
    says(
        empty?.update(),
        "Averaged: this parameter of shape [2] has no value yet (in a); call init(seed) on the network, or load a state",
    );
    Ok(())
}

#[test]
fn averages_of_halves_move_by_less_than_their_spacing() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let model = ones(&[1], &[1])?;
        model.to_dtype(dtype)?;
        let mut averaged = Averaged::new(&model, Average::Exponential { decay: 0.9999 })?;
        averaged.update()?;
        model.a.set(&Tensor::full([1], 2.0, dtype)?)?;
        for _ in 0..1000 {
            averaged.update()?;
        }
        let expected = 2.0 - 0.9999f64.powi(1000);
        assert!((wide(&averaged.state_dict()["a"])?[0] - expected).abs() < 1e-4);
        averaged.swap_in()?;
        assert_eq!(model.a.get()?.dtype(), dtype);
        assert!((wide(&model.a.get()?)?[0] - expected).abs() < 0.01);
        averaged.swap_out()?;
        let mut other = Averaged::new(&model, Average::Equal)?;
        other.load_state_dict(&averaged.state_dict(), averaged.count())?;
        assert_eq!(numbers(&other.state_dict())?, numbers(&averaged.state_dict())?);
    }
    Ok(())
}

fn algorithms() -> Vec<Algorithm> {
    vec![
        Sgd { momentum: 0.9, ..Sgd::default() }.into(),
        Asgd::default().into(),
        RmsProp::default().into(),
        Rprop::default().into(),
        Adagrad::default().into(),
        Adadelta::default().into(),
        Adam::default().into(),
        Adamax::default().into(),
        NAdam::default().into(),
        RAdam::default().into(),
        Lion::default().into(),
        Lamb::default().into(),
        Muon::default().into(),
        Adafactor::default().into(),
    ]
}

#[test]
fn another_algorithm_begins_anew() -> Result<()> {
    let sizes: &[usize] = &[2, 3];
    for first in algorithms() {
        for second in algorithms().into_iter().filter(|second| second.name() != first.name()) {
            let model = ones(sizes, sizes)?;
            let mut optimizer = Optimizer::new(&model, first.clone())?;
            for _ in 0..2 {
                optimizer.step(&model.gradients(sizes, sizes)?)?;
            }
            let copy = Pair { a: Param::from_tensor(&model.a.get()?)?, b: Param::from_tensor(&model.b.get()?)? };
            optimizer.groups_mut()[0].algorithm = second.clone();
            let mut fresh = Optimizer::new(&copy, second.clone())?;
            for _ in 0..2 {
                optimizer.step(&model.gradients(sizes, sizes)?)?;
                fresh.step(&copy.gradients(sizes, sizes)?)?;
            }
            assert_eq!(model.values()?, copy.values()?, "{} to {}", first.name(), second.name());
        }
    }
    Ok(())
}

/// Values after steps with a gradient of one, before each of which `change` may change the settings.
fn walk(
    settings: impl Into<Algorithm>,
    steps: u64,
    change: impl Fn(u64, &mut Optimizer) -> Result<()>,
) -> Result<Vec<f64>> {
    let one = Tensor::ones([1], DType::F64)?;
    let model = Pair { a: Param::from_tensor(&one)?, b: Param::from_tensor(&one)? };
    let mut optimizer = Optimizer::new(&model, settings)?;
    let mut values = vec![1.0];
    for t in 0..steps {
        change(t, &mut optimizer)?;
        let mut gradients = Gradients::default();
        gradients.insert(&model.a.get()?, one.clone());
        optimizer.step(&gradients)?;
        values.push(model.values()?[0][0]);
    }
    Ok(values)
}

/// How far each step went.
fn lengths(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|two| two[0] - two[1]).collect()
}

#[track_caller]
fn assert_near(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    let near = ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(near, "{ours:?} is not {theirs:?}");
}

#[test]
fn settings_that_change_keep_what_they_still_name() -> Result<()> {
    // A buffer that begins later begins with the whole gradient: PyTorch's values.
    let sgd = Sgd { lr: 0.1, ..Sgd::default() };
    let later = walk(sgd.clone(), 3, |t, optimizer| {
        if t == 1 {
            optimizer.groups_mut()[0].algorithm = Sgd { momentum: 0.9, dampening: 0.5, ..sgd.clone() }.into();
        }
        Ok(())
    })?;
    assert_near(&later[1..], &[0.9, 0.8, 0.66]);
    // And one that ends is gone.
    let ended = walk(Sgd { momentum: 0.9, ..sgd.clone() }, 3, |t, optimizer| {
        optimizer.groups_mut()[0].algorithm.set_momentum(if t == 2 { 0.0 } else { 0.9 });
        Ok(())
    })?;
    assert_near(&lengths(&ended), &[0.1, 0.19, 0.1]);

    // The mean square stays when the buffer begins.
    let plain = lengths(&walk(RmsProp::default(), 3, |_, _| Ok(()))?);
    let momentum = lengths(&walk(RmsProp::default(), 3, |t, optimizer| {
        optimizer.groups_mut()[0].algorithm.set_momentum(if t == 0 { 0.0 } else { 0.5 });
        Ok(())
    })?);
    assert_near(&momentum, &[plain[0], plain[1], 0.5 * plain[1] + plain[2]]);
    // A mean of the gradient that begins at the second step is one hundredth of it.
    let centered = lengths(&walk(RmsProp::default(), 2, |t, optimizer| {
        optimizer.groups_mut()[0].algorithm = RmsProp { centered: t == 1, ..RmsProp::default() }.into();
        Ok(())
    })?);
    assert_near(&centered, &[plain[0], 0.01 / ((0.0199f64 - 1e-4).sqrt() + 1e-8)]);
    // The greatest mean square is that of now, where it never falls.
    let plain = walk(Adam::default(), 3, |_, _| Ok(()))?;
    let amsgrad = walk(Adam::default(), 3, |t, optimizer| {
        optimizer.groups_mut()[0].algorithm = Adam { amsgrad: t > 0, ..Adam::default() }.into();
        Ok(())
    })?;
    assert_near(&amsgrad, &plain);

    let cycle = Schedule::OneCycle(OneCycle { total_steps: 4, ..OneCycle::default() });
    let run =
        |settings: RmsProp| walk(settings, 4, |t, optimizer| if t == 0 { Ok(()) } else { optimizer.follow(&cycle, t) });
    assert!(run(RmsProp::default())?.iter().all(|value| value.is_finite()));
    Ok(())
}

/// A file that was written between a change of the settings and the step that takes them up.
#[test]
fn changed_settings_are_saved_with_their_states() -> Result<()> {
    let (folder, sizes) = (tempfile::tempdir().unwrap(), &[3][..]);
    let path = folder.path().join("optimizer");
    for momentum in [0.9, 0.0] {
        let model = ones(sizes, sizes)?;
        let mut optimizer = Optimizer::new(&model, Sgd { momentum: 0.9 - momentum, ..Sgd::default() })?;
        optimizer.step(&model.gradients(sizes, sizes)?)?;
        optimizer.groups_mut()[0].algorithm.set_momentum(momentum);
        optimizer.save(&path)?;
        let copy = Pair { a: Param::from_tensor(&model.a.get()?)?, b: Param::from_tensor(&model.b.get()?)? };
        let mut resumed = Optimizer::new(&copy, Sgd { momentum: 0.5, ..Sgd::default() })?;
        resumed.load(&path)?;
        for (model, optimizer) in [(&model, &mut optimizer), (&copy, &mut resumed)] {
            for _ in 0..2 {
                optimizer.step(&model.gradients(sizes, sizes)?)?;
            }
        }
        assert_eq!(model.values()?, copy.values()?, "{momentum}");
        assert_eq!(numbers(&optimizer.state_dict()?)?, numbers(&resumed.state_dict()?)?);
    }
    Ok(())
}

#[test]
fn settings_outside_their_domains_move_nothing() -> Result<()> {
    let sizes = &[3][..];
    let model = ones(sizes, sizes)?;
    let mut optimizer = Optimizer::new(&model, Sgd::default())?;
    optimizer.step(&model.gradients(sizes, sizes)?)?;
    let before = model.values()?;
    optimizer.groups_mut()[0].algorithm.set_lr(f64::NAN);
    says(
        optimizer.step(&model.gradients(sizes, sizes)?),
        "step: lr must be finite and not negative, got NaN (in Sgd > a)",
    );
    optimizer.groups_mut()[0].algorithm = Sgd { momentum: 0.9, dampening: f64::INFINITY, ..Sgd::default() }.into();
    says(optimizer.step(&model.gradients(sizes, sizes)?), "step: dampening must be finite, got inf (in Sgd > a)");
    optimizer.groups_mut()[0].algorithm = Adafactor { eps1: Some(f64::NAN), ..Adafactor::default() }.into();
    says(
        optimizer.step(&model.gradients(sizes, sizes)?),
        "step: eps1 must be finite and not negative, got NaN (in Adafactor > a)",
    );
    optimizer.groups_mut()[0].algorithm = Muon::default().into();
    says(
        optimizer.step(&model.gradients(sizes, sizes)?),
        "step: Muon moves matrices, not a parameter of shape [3] (in Muon > a); choose another algorithm for it with \
         Optimizer::grouped",
    );
    assert_eq!(model.values()?, before);
    optimizer.groups_mut()[0].algorithm = Sgd::default().into();
    optimizer.step(&model.gradients(sizes, sizes)?)
}

#[test]
fn a_step_that_fails_is_not_remembered() -> Result<()> {
    let model = ones(&[2, 3], &[4])?;
    for matrices in [Algorithm::from(Muon::default()), Adafactor::default().into()] {
        let choose = |name: &str, _: &Param| Some(if name == "a" { matrices.clone() } else { Sgd::default().into() });
        let mut optimizer = Optimizer::grouped(&model, choose)?;
        optimizer.step(&model.gradients(&[2, 3], &[4])?)?;
        let before = (model.values()?, numbers(&optimizer.state_dict()?)?);
        says(
            optimizer.step(&model.gradients(&[2, 3], &[1])?),
            "step: a gradient f32[1] does not fit its parameter f32[4] (in b)",
        );
        assert_eq!((model.values()?, numbers(&optimizer.state_dict()?)?), before);
        says(
            optimizer.step(&model.gradients(&[1, 3], &[4])?),
            "step: a gradient f32[1, 3] does not fit its parameter f32[2, 3] (in a)",
        );
        assert_eq!((model.values()?, numbers(&optimizer.state_dict()?)?), before);
    }
    Ok(())
}

#[test]
fn a_count_of_steps_is_one_at_least() -> Result<()> {
    let sizes = &[3][..];
    let model = ones(sizes, sizes)?;
    let mut optimizer = Optimizer::new(&model, Adam::default())?;
    optimizer.step(&model.gradients(sizes, sizes)?)?;
    let mut state = optimizer.state_dict()?;
    let before = numbers(&state)?;
    for t in [-1i64, 0] {
        state.insert("b.step".to_string(), Tensor::new(t)?);
        says(
            optimizer.load_state_dict(&state),
            &format!("load_state_dict: b.step is {t}, but what is remembered is of a step at least"),
        );
    }
    assert_eq!(numbers(&optimizer.state_dict()?)?, before);
    Ok(())
}

#[test]
fn a_parameter_that_is_computed_by_now_is_no_longer_moved() -> Result<()> {
    let model = Linear::new(3, 2)?.init(1)?;
    let mut optimizer = Optimizer::new(&model, Sgd::default())?;
    let mut averaged = Averaged::new(&model, Average::Equal)?;
    averaged.update()?;
    let model = weight_norm(model, "weight", Some(0))?;
    let loss = model.forward(&Tensor::ones([4, 3], DType::F32)?)?.sum()?;
    let before = numbers(&model.state_dict()?)?;
    says(
        optimizer.step(&loss.backward()?),
        "step: weight is computed from other parameters by now (WeightNorm); make the optimiser after weight_norm and the like",
    );
    let text = "weight is computed from other parameters by now (WeightNorm); make the averages after weight_norm and the like";
    says(averaged.update(), &format!("Averaged: {text}"));
    says(averaged.swap_in(), &format!("swap_in: {text}"));
    assert_eq!(numbers(&model.state_dict()?)?, before);
    Ok(())
}

#[test]
fn gradients_stay_where_a_change_of_them_fails() -> Result<()> {
    let model = ones(&[2], &[2])?;
    let mut gradients = model.gradients(&[2], &[2])?;
    let empty = Param::new(5, Init::Zeros)?;
    let params = [model.a.clone(), model.b.clone(), empty];
    let text = "this parameter of shape [5] has no value yet; call init(seed) on the network, or load a state";
    says(clip_grad_norm(&mut gradients, &params, 1e-3, Norm::Two), &format!("clip_grad_norm: {text}"));
    says(clip_grad_value(&mut gradients, &params, 1e-3), &format!("clip_grad_value: {text}"));
    says(scale_gradients(&mut gradients, &params, 0.5), &format!("scale_gradients: {text}"));
    let get = |gradients: &Gradients, param: &Param| wide(gradients.get(&param.get()?).expect("a gradient"));
    let whole = model.gradients(&[2], &[2])?;
    for param in [&model.a, &model.b] {
        assert_eq!(get(&gradients, param)?, get(&whole, param)?);
    }
    // A parameter that is named twice is scaled once.
    scale_gradients(&mut gradients, &[model.a.clone(), model.a.clone()], 0.5)?;
    assert_eq!(get(&gradients, &model.a)?, get(&whole, &model.a)?.into_iter().map(|x| x / 2.0).collect::<Vec<_>>());
    says(
        gradient_norms(&whole, &Linear::new(3, 2)?),
        "gradient_norms: this parameter of shape [2, 3] has no value yet (in weight); call init(seed) on the network, or \
         load a state",
    );

    // Means are of the parameters asked for; an error loses nothing.
    let mut gathered = Accumulator::default();
    gathered.add(model.gradients(&[2], &[2])?)?;
    gathered.add(model.gradients(&[2], &[2])?)?;
    says(gathered.mean(&params), &format!("accumulate: {text}"));
    let means = gathered.mean(std::slice::from_ref(&model.b))?;
    assert_eq!((means.len(), get(&means, &model.b)?), (1, get(&whole, &model.b)?));
    gathered.add(model.gradients(&[2], &[2])?)?;
    assert!(gathered.mean(&[])?.is_empty());
    Ok(())
}

#[test]
fn networks_explain_at_the_callers_line() -> Result<()> {
    let x = Tensor::ones([4, 5], DType::F32)?;
    says(
        Summary::of(&Linear::new(3, 2)?.init(1)?, &x),
        "linear: input [4, 5] has 5 features, weight [2, 3] takes 3 (in the network: Linear); the input's last size must be \
         the weight's last",
    );
    says(
        Linear::new(3, 2)?.to_dtype(DType::I64),
        "to_dtype: a network's numbers cannot be i64; choose one of f16, bf16, f32, f64",
    );
    // The sizes of states are known before there are values.
    assert_eq!(Optimizer::new(&Linear::new(3, 2)?, Adam::default())?.state_bytes()?, 2 * 4 * (3 * 2 + 2));
    Ok(())
}

/// What another optimiser trains gets no gradient, and stays.
#[test]
fn a_step_down_a_loss_moves_its_own_parameters_alone() -> Result<()> {
    let (player, judge) = (Linear::new(3, 4)?.init(1)?, Linear::new(4, 1)?.init(2)?);
    let (same_player, same_judge) = (Linear::new(3, 4)?.init(1)?, Linear::new(4, 1)?.init(2)?);
    let x = Tensor::rand([5, 3], DType::F32, &mut mapsto_tensor::Rng::new(3))?;
    let mut optimizer = Optimizer::new(&player, Sgd::default())?;
    optimizer.minimize(&judge.forward(&player.forward(&x)?)?.square()?.mean()?)?;
    let loss = same_judge.forward(&same_player.forward(&x)?)?.square()?.mean()?;
    Optimizer::new(&same_player, Sgd::default())?.step(&loss.backward()?)?;
    assert_eq!(numbers(&player.state_dict()?)?, numbers(&same_player.state_dict()?)?);
    assert_eq!(numbers(&judge.state_dict()?)?, numbers(&same_judge.state_dict()?)?);
    let text = "minimize: a gradient starts from one number, not from shape [5, 1]; reduce it first (sum, mean), or pass \
                cotangents to grad";
    says(optimizer.minimize(&judge.forward(&player.forward(&x)?)?), text);
    Ok(())
}

#[test]
fn what_is_kept_of_parameters_follows_their_updates() -> Result<()> {
    let layers = sequential![Conv2d::new(16, 16, 3)?, Flatten::default(), Linear::new(16 * 64, 9)?].init(1)?;
    let lstm = Lstm::new(9, 40)?.init(2)?;
    let x = Tensor::randn([4, 16, 10, 10], DType::F32, &mut mapsto_tensor::Rng::new(3))?;
    let forward = || lstm.forward(&layers.forward(&x)?.reshape([2, 2, 9])?, None).map(|(y, _)| y);
    let [mut first, mut second] = [
        Optimizer::new(&layers, Sgd { lr: 0.1, ..Sgd::default() })?,
        Optimizer::new(&lstm, Sgd { lr: 0.1, ..Sgd::default() })?,
    ];
    let mut before = None;
    for _ in 0..3 {
        let inside = wide(&mapsto_tensor::no_grad(forward)?)?;
        let outside = forward()?;
        for (a, b) in inside.iter().zip(wide(&outside)?) {
            assert!((a - b).abs() < 1e-5, "{a}, {b}");
        }
        assert!(before.as_ref() != Some(&inside), "the update changes the outputs");
        let gradients = outside.square()?.sum()?.backward()?;
        first.step(&gradients)?;
        second.step(&gradients)?;
        before = Some(inside);
    }
    Ok(())
}

#[test]
fn few_sequences_are_the_same_on_any_number_of_threads() -> Result<()> {
    let before = mapsto_tensor::num_threads();
    let x = Tensor::randn([7, 3, 10], DType::F32, &mut mapsto_tensor::Rng::new(4))?;
    let lengths = Tensor::new([7i64, 2, 5])?;
    let (lstm, gru) = (Lstm::new(10, 1453)?.init(4)?, Gru::new(10, 101)?.init(5)?);
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 45] {
        mapsto_tensor::set_num_threads(threads);
        let mut all = Vec::new();
        for lengths in [&Tensor::new([7i64, 7, 7])?, &lengths] {
            let (y, (h, c)) = lstm.forward_packed(&x, lengths, None)?;
            all.extend([y, h, c]);
            let (y, h) = gru.forward_packed(&x, lengths, None)?;
            all.extend([y, h]);
        }
        seen.push(all.iter().map(wide).collect::<Result<Vec<_>>>()?);
    }
    mapsto_tensor::set_num_threads(before);
    assert!(seen.iter().all(|values| *values == seen[0]));
    Ok(())
}
