mod build;

use super::{Case, cases, complaint, expect_none};
use build::{Call, build};
use mapsto_nn::{LoadOptions, Module, StateDict};
use mapsto_tensor::{Result, Tensor};
use std::collections::BTreeSet;

/// More than ten times what PyTorch's own f32 run is off in any of the files.
const TOLERANCE: f64 = 1e-5;

/// Cases whose layer cannot be built: none may be added.
const MISSING: [&str; 0] = [];

#[test]
fn every_layer_computes_as_pytorchs() {
    let (mut complaints, mut missing, mut count) = (Vec::new(), Vec::new(), 0);
    for case in cases("layers") {
        count += 1;
        let Some(layer) = build(&case.about) else {
            missing.push(case.name);
            continue;
        };
        match layer.and_then(|layer| compare(&case, &*layer.module, &layer.call)) {
            Ok(found) => complaints.extend(found.into_iter().map(|text| format!("{}: {text}", case.name))),
            Err(e) => complaints.push(format!("{}: {e}", case.name)),
        }
    }
    expect_none(complaints);
    assert_eq!(missing, MISSING);
    assert_eq!(count, 316);
}

/// All that differs between a layer and its file.
fn compare(case: &Case, layer: &dyn Module, call: &build::Forward) -> Result<Vec<String>> {
    let below = |prefix: &str| -> StateDict {
        let rest = |(name, value): (&String, &Tensor)| Some((name.strip_prefix(prefix)?.to_string(), value.clone()));
        case.tensors.iter().filter_map(rest).collect()
    };
    let (state, after, theirs) = (below("state."), below("state_after."), below("grad."));
    layer.load_state_dict(&state, &LoadOptions::strict())?;
    if case.about["train"] == true {
        layer.train()
    } else {
        layer.eval()
    }

    let names: Vec<String> = strings(&case.about["inputs"]);
    let input = |i: usize| match &case.tensors[&format!("input.{i}")] {
        x if x.dtype().is_float() => x.variable(),
        x => Ok(x.clone()),
    };
    let inputs = (0..names.len()).map(input).collect::<Result<Vec<Tensor>>>()?;
    let options = &case.about["call"];
    let outputs = call(&Call { names: &names, inputs: &inputs, options })?;

    let mut complaints = Vec::new();
    let wanted = strings(&case.about["outputs"]);
    if outputs.len() != wanted.len() {
        complaints.push(format!("{} outputs, not {wanted:?}", outputs.len()));
    }
    let mut total = Tensor::zeros((), mapsto_tensor::DType::F32)?;
    for (i, output) in outputs.iter().enumerate() {
        let theirs = &case.tensors[&format!("output.{i}")];
        complaints.extend(complaint(&format!("output {i}"), output, theirs, TOLERANCE));
        if output.dtype() != theirs.dtype() {
            complaints.push(format!("output {i} is of {}, not {}", output.dtype(), theirs.dtype()));
        }
        if let Some(cotangent) = case.tensors.get(&format!("cotangent.{i}")) {
            total = total.add(output.mul(cotangent)?.sum()?)?;
        }
    }
    let gradients = total.backward()?;
    for (i, input) in inputs.iter().enumerate() {
        let Some(theirs) = case.tensors.get(&format!("grad_input.{i}")) else { continue };
        match gradients.get(input) {
            Some(ours) => complaints.extend(complaint(&format!("gradient of input {i}"), ours, theirs, TOLERANCE)),
            None => complaints.push(format!("no gradient of input {i}")),
        }
    }
    let parameters = layer.named_parameters();
    let own: BTreeSet<&String> = parameters.iter().map(|(name, _)| name).collect();
    if !own.iter().copied().eq(theirs.keys()) {
        complaints.push(format!("parameters {own:?}, not {:?}", theirs.keys()));
    }
    for (name, parameter) in &parameters {
        match (gradients.get(&parameter.get()?), theirs.get(name)) {
            (Some(ours), Some(theirs)) => {
                complaints.extend(complaint(&format!("gradient of {name}"), ours, theirs, TOLERANCE));
            }
            (None, _) => complaints.push(format!("no gradient of {name}")),
            (_, None) => {}
        }
    }
    let own = layer.state_dict()?;
    for (name, before) in &state {
        let (theirs, tolerance) = after.get(name).map_or((before, 0.0), |after| (after, TOLERANCE));
        complaints.extend(complaint(&format!("{name} afterwards"), &own[name], theirs, tolerance));
    }
    Ok(complaints)
}

fn strings(list: &serde_json::Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
}
