use super::{cases, complaint, expect_none};
use mapsto_nn::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Algorithm, Asgd, Init, Lamb, Lion, Module, Muon, NAdam,
    Optimizer, Param, RAdam, RmsProp, Rprop, Sgd,
};
use mapsto_tensor::{DType, Gradients, Tensor};
use serde_json::{Value, json};

#[derive(Module)]
struct Pair {
    param: Vec<Param>,
}

/// Our settings from PyTorch's.
fn algorithm(name: &str, mut config: Value) -> Algorithm {
    fn parse<T: serde::de::DeserializeOwned>(config: &Value) -> T {
        serde_json::from_value(config.clone()).unwrap()
    }
    let map = config.as_object_mut().unwrap();
    if name == "Adafactor" {
        let eps = map.remove("eps").unwrap();
        map.insert("eps1".into(), eps[0].clone());
        map.insert("eps2".into(), eps[1].clone());
    }
    if matches!(name, "Adam" | "AdamW") {
        map.remove("decoupled_weight_decay");
    }
    if let Some(adjust) = map.remove("adjust_lr_fn") {
        map.insert("adjust_lr".into(), if adjust.is_null() { json!("original") } else { adjust });
    }
    match name {
        "SGD" => parse::<Sgd>(&config).into(),
        "ASGD" => parse::<Asgd>(&config).into(),
        "RMSprop" => parse::<RmsProp>(&config).into(),
        "Rprop" => parse::<Rprop>(&config).into(),
        "Adagrad" => parse::<Adagrad>(&config).into(),
        "Adadelta" => parse::<Adadelta>(&config).into(),
        "Adam" => parse::<Adam>(&config).into(),
        "AdamW" => parse::<AdamW>(&config).into(),
        "Adamax" => parse::<Adamax>(&config).into(),
        "NAdam" => parse::<NAdam>(&config).into(),
        "RAdam" => parse::<RAdam>(&config).into(),
        "Lion" => parse::<Lion>(&config).into(),
        "LAMB" => parse::<Lamb>(&config).into(),
        "Muon" | "MuonFull" => parse::<Muon>(&config).into(),
        "Adafactor" => parse::<Adafactor>(&config).into(),
        _ => panic!("no optimiser {name}"),
    }
}

/// The gradient that the README gives, element by element in `f32`.
fn gradient(param: &Tensor, a: &Tensor, t: u64) -> Tensor {
    let shift = (0.1 * t as f64) as f32;
    let (p, a) = (param.to_vec::<f32>().unwrap(), a.to_vec::<f32>().unwrap());
    let g: Vec<f32> = p.iter().zip(&a).map(|(&p, &a)| a * p + (p + shift).sin()).collect();
    Tensor::from_vec(g, *param.shape()).unwrap()
}

#[test]
fn every_optimiser_walks_as_pytorchs() {
    let mut complaints = Vec::new();
    for case in cases("optimisers") {
        let name = case.about["optimiser"].as_str().unwrap();
        let count = case.tensors.keys().filter(|key| key.starts_with("param.")).count();
        let get = |key: String| &case.tensors[&key];
        let param = |i: usize| Param::from_tensor(get(format!("param.{i}"))).unwrap();
        let model = Pair { param: (0..count).map(param).collect() };
        let mut optimizer = Optimizer::new(&model, algorithm(name, case.about["config"].clone())).unwrap();
        // PyTorch's Muon iterates in bfloat16, and Lion's sign turns rounding into a whole step.
        let tolerance = if name == "Muon" { 0.05 } else { 1e-5 };
        for t in 1..=100 {
            let mut gradients = Gradients::default();
            for (i, param) in model.param.iter().enumerate() {
                let value = param.get().unwrap();
                gradients.insert(&value, gradient(&value, get(format!("A.{i}")), t));
            }
            optimizer.step(&gradients).unwrap();
            if [1, 10, 100].contains(&t) {
                for (i, param) in model.param.iter().enumerate() {
                    let what = format!("{} after {t}, parameter {i}", case.name);
                    let theirs = get(format!("after.{t}.param.{i}"));
                    complaints.extend(complaint(&what, &param.get().unwrap(), theirs, tolerance));
                }
            }
        }
    }
    expect_none(complaints);
}

/// Steps on after saving and loading as if nothing had happened, to the bit.
#[test]
fn every_optimiser_resumes() {
    for case in cases("optimisers") {
        let name = case.about["optimiser"].as_str().unwrap();
        let settings = algorithm(name, case.about["config"].clone());
        let (a, first) = (&case.tensors["A.0"], &case.tensors["param.0"]);
        let make = |value: &Tensor| {
            let model = Pair { param: vec![Param::from_tensor(value).unwrap()] };
            let optimizer = Optimizer::new(&model, settings.clone()).unwrap();
            (model, optimizer)
        };
        let walk = |(model, optimizer): &mut (Pair, Optimizer), steps: std::ops::Range<u64>| {
            for t in steps {
                let value = model.param[0].get().unwrap();
                let mut gradients = Gradients::default();
                gradients.insert(&value, gradient(&value, a, t));
                optimizer.step(&gradients).unwrap();
            }
            model.param[0].get().unwrap().to_vec::<f32>().unwrap()
        };
        let mut whole = make(first);
        walk(&mut whole, 1..6);
        let folder = tempfile::tempdir().unwrap();
        whole.1.groups_mut()[0].algorithm.set_lr(0.003);
        whole.1.save(folder.path().join("optimizer")).unwrap();
        let mut resumed = make(&whole.0.param[0].get().unwrap());
        resumed.1.load(folder.path().join("optimizer")).unwrap();
        assert_eq!(resumed.1.groups()[0].algorithm, whole.1.groups()[0].algorithm);
        assert_eq!(walk(&mut whole, 6..9), walk(&mut resumed, 6..9), "{}", case.name);
    }
}

/// In double precision, and in half with states of single.
#[test]
fn every_optimiser_takes_every_float() {
    for case in cases("optimisers") {
        let name = case.about["optimiser"].as_str().unwrap();
        let settings = algorithm(name, case.about["config"].clone());
        let mut ends = Vec::new();
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let model = Pair { param: vec![Param::new([4, 3], Init::Constant(0.5)).unwrap()] }.init(0).unwrap();
            model.to_dtype(dtype).unwrap();
            let mut optimizer = Optimizer::new(&model, settings.clone()).unwrap();
            for _ in 0..2 {
                let value = model.param[0].get().unwrap();
                let mut gradients = Gradients::default();
                gradients.insert(&value, Tensor::full([4, 3], 0.25, dtype).unwrap());
                optimizer.step(&gradients).unwrap();
            }
            let end = model.param[0].get().unwrap();
            assert_eq!(end.dtype(), dtype);
            ends.push(super::wide(&end)[0]);
        }
        for end in &ends {
            assert!((end - ends[0]).abs() < 0.02, "{}: {ends:?}", case.name);
        }
    }
}
