use super::{Case, cases, complaint, expect_none, hidden_callers};
use mapsto_nn::*;
use mapsto_tensor::{GradOptions, Result, Tensor, grad};

impl Case {
    fn reduction(&self) -> LossReduction {
        match self.text("reduction") {
            "none" => LossReduction::None,
            "mean" => LossReduction::Mean,
            "sum" => LossReduction::Sum,
            other => panic!("{}: no reduction {other}", self.name),
        }
    }

    fn text(&self, key: &str) -> &str {
        self.about["config"][key].as_str().unwrap_or_else(|| panic!("{}: {key}", self.name))
    }

    fn float(&self, key: &str) -> f64 {
        self.about["config"][key].as_f64().unwrap_or_else(|| panic!("{}: {key}", self.name))
    }

    fn int(&self, key: &str) -> i64 {
        self.about["config"][key].as_i64().unwrap_or_else(|| panic!("{}: {key}", self.name))
    }

    fn flag(&self, key: &str) -> bool {
        self.about["config"][key].as_bool().unwrap_or_else(|| panic!("{}: {key}", self.name))
    }

    /// A tensor that the settings name.
    fn argument(&self, key: &str) -> Option<Tensor> {
        self.about["config"][key].as_str().map(|name| self.tensors[name].clone())
    }
}

/// The loss that the case names, of these inputs.
fn loss(case: &Case, x: &[Tensor]) -> Result<Tensor> {
    let reduction = || case.reduction();
    match case.about["loss"].as_str().unwrap() {
        "MSELoss" => MseLoss { reduction: reduction() }.forward(&x[0], &x[1]),
        "L1Loss" => L1Loss { reduction: reduction() }.forward(&x[0], &x[1]),
        "SmoothL1Loss" => SmoothL1Loss { beta: case.float("beta"), reduction: reduction() }.forward(&x[0], &x[1]),
        "HuberLoss" => HuberLoss { delta: case.float("delta"), reduction: reduction() }.forward(&x[0], &x[1]),
        "CrossEntropyLoss" => CrossEntropyLoss {
            weight: case.argument("weight"),
            ignore_index: case.int("ignore_index"),
            label_smoothing: case.float("label_smoothing"),
            reduction: reduction(),
        }
        .forward(&x[0], &x[1]),
        "NLLLoss" => {
            NllLoss { weight: case.argument("weight"), ignore_index: case.int("ignore_index"), reduction: reduction() }
                .forward(&x[0], &x[1])
        }
        "BCELoss" => BceLoss { weight: case.argument("weight"), reduction: reduction() }.forward(&x[0], &x[1]),
        "BCEWithLogitsLoss" => BceWithLogitsLoss {
            weight: case.argument("weight"),
            pos_weight: case.argument("pos_weight"),
            reduction: reduction(),
            ..BceWithLogitsLoss::default()
        }
        .forward(&x[0], &x[1]),
        "KLDivLoss" => KlDivLoss {
            log_target: case.flag("log_target"),
            reduction: match case.text("reduction") {
                "none" => KlReduction::None,
                "mean" => KlReduction::Mean,
                "batchmean" => KlReduction::BatchMean,
                "sum" => KlReduction::Sum,
                other => panic!("no reduction {other}"),
            },
        }
        .forward(&x[0], &x[1]),
        "GaussianNLLLoss" => {
            GaussianNllLoss { full: case.flag("full"), eps: case.float("eps"), reduction: reduction() }
                .forward(&x[0], &x[1], &x[2])
        }
        "PoissonNLLLoss" => PoissonNllLoss {
            log_input: case.flag("log_input"),
            full: case.flag("full"),
            eps: case.float("eps"),
            reduction: reduction(),
        }
        .forward(&x[0], &x[1]),
        "SoftMarginLoss" => SoftMarginLoss { reduction: reduction() }.forward(&x[0], &x[1]),
        "MultiMarginLoss" => MultiMarginLoss {
            p: case.int("p") as u32,
            margin: case.float("margin"),
            weight: case.argument("weight"),
            reduction: reduction(),
        }
        .forward(&x[0], &x[1]),
        "MultiLabelMarginLoss" => MultiLabelMarginLoss { reduction: reduction() }.forward(&x[0], &x[1]),
        "MultiLabelSoftMarginLoss" => {
            MultiLabelSoftMarginLoss { weight: case.argument("weight"), reduction: reduction() }.forward(&x[0], &x[1])
        }
        "MarginRankingLoss" => {
            MarginRankingLoss { margin: case.float("margin"), reduction: reduction() }.forward(&x[0], &x[1], &x[2])
        }
        "HingeEmbeddingLoss" => {
            HingeEmbeddingLoss { margin: case.float("margin"), reduction: reduction() }.forward(&x[0], &x[1])
        }
        "CosineEmbeddingLoss" => {
            CosineEmbeddingLoss { margin: case.float("margin"), reduction: reduction() }.forward(&x[0], &x[1], &x[2])
        }
        "TripletMarginLoss" => TripletMarginLoss {
            margin: case.float("margin"),
            p: case.float("p"),
            eps: case.float("eps"),
            swap: case.flag("swap"),
            reduction: reduction(),
        }
        .forward(&x[0], &x[1], &x[2]),
        "CTCLoss" => {
            assert_eq!(case.about["applied_to"], "log_softmax(input.0, dim=-1)");
            CtcLoss {
                blank: case.int("blank") as usize,
                zero_infinity: case.flag("zero_infinity"),
                reduction: reduction(),
            }
            .forward(&x[0].log_softmax(-1)?, &x[1], &x[2], &x[3])
        }
        other => panic!("no loss {other}"),
    }
}

/// Values and gradients of all inputs; where gradients of gradients are recorded, too, these take another way.
#[test]
fn every_loss_is_pytorchs() {
    let cases = cases("losses");
    assert_eq!(cases.len(), 103);
    let mut complaints = Vec::new();
    for case in &cases {
        let count = case.about["inputs"].as_array().unwrap().len();
        let get = |kind: &str, i: usize| case.tensors.get(&format!("{kind}.{i}"));
        let inputs: Vec<Tensor> = (0..count)
            .map(|i| {
                let input = get("input", i).unwrap();
                if get("grad_input", i).is_some() { input.variable().unwrap() } else { input.clone() }
            })
            .collect();
        let output = match loss(case, &inputs) {
            Ok(output) => output,
            Err(e) => {
                complaints.push(format!("{}: {e}", case.name));
                continue;
            }
        };
        complaints.extend(hidden_callers(&[&output]).into_iter().map(|text| format!("{}: {text}", case.name)));
        complaints.extend(complaint(&case.name, &output, get("output", 0).unwrap(), 1e-5));
        let Some(cotangent) = get("cotangent", 0) else { continue };
        for create_graph in [false, true] {
            // The gradient of CTC is not differentiated.
            if create_graph && case.about["loss"] == "CTCLoss" {
                continue;
            }
            for (i, input) in inputs.iter().enumerate() {
                let Some(theirs) = get("grad_input", i) else { continue };
                let what = format!("{}, gradient {i}, create_graph {create_graph}", case.name);
                let options = GradOptions { create_graph, retain: true };
                match grad(&[&output], Some(&[cotangent]), &[input], options).map(|mut found| found.remove(0)) {
                    Ok(Some(ours)) => complaints.extend(complaint(&what, &ours, theirs, 1e-5)),
                    Ok(None) => complaints.push(format!("{what}: none")),
                    Err(e) => complaints.push(format!("{what}: {e}")),
                }
            }
        }
    }
    expect_none(complaints);
}
