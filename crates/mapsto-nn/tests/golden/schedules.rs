use super::{Case, cases, distance, expect_none, wide};
use mapsto_nn::schedule::{Cyclic, CyclicMode, OneCycle, PlateauConfig, ReduceOnPlateau, Schedule};
use serde_json::Value;

/// Our schedule from PyTorch's.
fn schedule(name: &str, config: &Value) -> Schedule {
    let float = |key: &str| config[key].as_f64().unwrap_or_else(|| panic!("{name}: {key}"));
    let int = |key: &str| config[key].as_u64().unwrap_or_else(|| panic!("{name}: {key}"));
    let ints = |key: &str| config[key].as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect::<Vec<_>>();
    let momenta =
        || config["cycle_momentum"].as_bool().unwrap().then(|| [float("base_momentum"), float("max_momentum")]);
    let parts = || {
        let parts = config["schedulers"].as_array().unwrap().iter();
        parts.map(|inner| schedule(inner["schedule"].as_str().unwrap(), &inner["config"])).collect::<Vec<_>>()
    };
    match name {
        "ConstantLR" => Schedule::Constant { factor: float("factor"), total_iters: int("total_iters") },
        "LinearLR" => Schedule::Linear {
            start_factor: float("start_factor"),
            end_factor: float("end_factor"),
            total_iters: int("total_iters"),
        },
        "StepLR" => Schedule::Step { step_size: int("step_size"), gamma: float("gamma") },
        "MultiStepLR" => Schedule::MultiStep { milestones: ints("milestones"), gamma: float("gamma") },
        "ExponentialLR" => Schedule::Exponential { gamma: float("gamma") },
        "PolynomialLR" => Schedule::Polynomial { total_iters: int("total_iters"), power: float("power") },
        "CosineAnnealingLR" => Schedule::Cosine { t_max: int("T_max"), eta_min: float("eta_min") },
        "CosineAnnealingWarmRestarts" => {
            Schedule::CosineRestarts { t_0: int("T_0"), t_mult: int("T_mult"), eta_min: float("eta_min") }
        }
        "OneCycleLR" => Schedule::OneCycle(OneCycle {
            max_lr: float("max_lr"),
            total_steps: int("total_steps"),
            pct_start: float("pct_start"),
            linear: config["anneal_strategy"] == "linear",
            momenta: momenta(),
            div_factor: float("div_factor"),
            final_div_factor: float("final_div_factor"),
            three_phase: config["three_phase"].as_bool().unwrap(),
        }),
        "CyclicLR" => Schedule::Cyclic(Cyclic {
            base_lr: float("base_lr"),
            max_lr: float("max_lr"),
            step_size_up: int("step_size_up"),
            step_size_down: config["step_size_down"].as_u64(),
            mode: match config["mode"].as_str().unwrap() {
                "triangular" => CyclicMode::Triangular,
                "triangular2" => CyclicMode::Triangular2,
                "exp_range" => CyclicMode::ExpRange(float("gamma")),
                mode => panic!("{mode}"),
            },
            momenta: momenta(),
        }),
        "SequentialLR" => Schedule::Sequence { milestones: ints("milestones"), schedules: parts() },
        "Product" => Schedule::Product(parts()),
        _ => panic!("no schedule {name}"),
    }
}

fn plateau(case: &Case) -> Vec<f64> {
    let config = &case.about["config"];
    let float = |key: &str| config[key].as_f64().unwrap();
    let mut plateau = ReduceOnPlateau::new(PlateauConfig {
        maximize: config["mode"] == "max",
        factor: float("factor"),
        patience: config["patience"].as_u64().unwrap(),
        threshold: float("threshold"),
        relative: config["threshold_mode"] == "rel",
        cooldown: config["cooldown"].as_u64().unwrap(),
        min_lr: float("min_lr"),
        eps: float("eps"),
    });
    let mut rate = case.about["base_lr"].as_f64().unwrap();
    let mut rates = Vec::new();
    for loss in wide(&case.tensors["loss"]) {
        rates.push(rate);
        rate = plateau.next(loss, rate);
        // Saved and resumed in the middle.
        plateau = serde_json::from_value(serde_json::to_value(&plateau).unwrap()).unwrap();
    }
    rates
}

#[test]
fn every_schedule_runs_as_pytorchs() {
    let mut complaints = Vec::new();
    for case in cases("schedules") {
        let name = case.about["schedule"].as_str().unwrap();
        let base = case.about["base_lr"].as_f64().unwrap();
        let theirs = wide(&case.tensors["lr"]);
        let ours = if name == "ReduceLROnPlateau" {
            plateau(&case)
        } else {
            let schedule = schedule(name, &case.about["config"]);
            schedule.check().unwrap();
            let saved = serde_json::to_string(&schedule).unwrap();
            assert_eq!(schedule, serde_json::from_str(&saved).unwrap());
            if let Some(momentum) = case.tensors.get("momentum") {
                let ours: Vec<f64> = (0..60).map(|step| schedule.momentum(step).unwrap()).collect();
                let far = distance(&ours, &wide(momentum));
                complaints.extend((far > 1e-12).then(|| format!("{}: momentum {far:.1e} off", case.name)));
            }
            (0..60).map(|step| schedule.rate(base, step)).collect()
        };
        let far = distance(&ours, &theirs);
        complaints.extend((far > 1e-12).then(|| format!("{}: {far:.1e} off\n{ours:?}\n{theirs:?}", case.name)));
    }
    expect_none(complaints);
}
