use super::{cases, complaint, expect_none};
use mapsto_nn::{Average, Averaged, Module, Param};

#[derive(Module)]
struct One {
    param: Param,
}

#[test]
fn averages_run_as_pytorchs() {
    let mut complaints = Vec::new();
    for case in cases("averages") {
        let average = match case.about["average"].as_str().unwrap() {
            "ema" => Average::Exponential { decay: case.about["config"]["decay"].as_f64().unwrap() },
            "swa" => Average::Equal,
            other => panic!("no average {other}"),
        };
        let row = |name: &str, k: usize| case.tensors[name].narrow(0, k, 1).unwrap().reshape([4, 3]).unwrap();
        let model = One { param: Param::from_tensor(&row("param", 0)).unwrap() };
        let mut averaged = Averaged::new(&model, average).unwrap();
        for k in 0..12 {
            model.param.set(&row("param", k)).unwrap();
            averaged.update().unwrap();
            averaged.swap_in().unwrap();
            let what = format!("{} {k}", case.name);
            complaints.extend(complaint(&what, &model.param.get().unwrap(), &row("average", k), 1e-6));
            averaged.swap_out().unwrap();
            assert_eq!(complaint(&what, &model.param.get().unwrap(), &row("param", k), 0.0), None);
        }
    }
    expect_none(complaints);
}
