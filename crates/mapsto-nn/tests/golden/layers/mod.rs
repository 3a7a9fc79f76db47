mod build;

use super::{Case, cases, complaint, expect_none, hidden_callers};
use build::{Call, Golden, build};
use mapsto_nn::{LoadOptions, StateDict};
use mapsto_tensor::{DType, Result, Tensor};
use std::collections::BTreeSet;

/// In which type a layer runs, and how far its results may be off.
#[derive(Clone, Copy)]
struct Precision {
    dtype: DType,
    outputs: f64,
    gradients: f64,
}

/// More than ten times what PyTorch's own f32 run is off in any of the files.
const SINGLE: Precision = Precision { dtype: DType::F32, outputs: 1e-5, gradients: 1e-5 };
const DOUBLE: Precision = Precision { dtype: DType::F64, ..SINGLE };
/// Values rounded to 8 bits tie, so that gradients and places go elsewhere: only that they are there can be compared.
const HALF: Precision = Precision { dtype: DType::BF16, outputs: 0.1, gradients: f64::INFINITY };

/// Cases whose layer cannot be built: none may be added.
const MISSING: [&String; 0] = [];

#[test]
fn every_layer_computes_as_pytorchs() {
    let mut missing = Vec::new();
    let cases = cases("layers");
    let complaints = cases.iter().flat_map(|case| {
        let Some(layer) = build(&case.about) else {
            missing.push(&case.name);
            return Vec::new();
        };
        complaints(case, layer, SINGLE)
    });
    expect_none(complaints.collect());
    assert_eq!(missing, MISSING);
    assert_eq!(cases.len(), 321);
}

#[test]
fn every_layer_takes_other_floats() {
    for precision in [DOUBLE, HALF] {
        let all = cases("layers");
        let built = all.iter().filter_map(|case| Some((case, build(&case.about)?)));
        expect_none(built.flat_map(|(case, layer)| complaints(case, layer, precision)).collect());
    }
}

/// All that differs between a layer and its file, under the case's name.
fn complaints(case: &Case, layer: Result<Golden>, precision: Precision) -> Vec<String> {
    match layer.and_then(|layer| compare(case, &layer, precision)) {
        Ok(found) => found.into_iter().map(|text| format!("{} {}: {text}", case.name, precision.dtype)).collect(),
        Err(e) => vec![format!("{} {}: {e}", case.name, precision.dtype)],
    }
}

fn compare(case: &Case, Golden { module: layer, call }: &Golden, precision: Precision) -> Result<Vec<String>> {
    let below = |prefix: &str| -> StateDict {
        let rest = |(name, value): (&String, &Tensor)| Some((name.strip_prefix(prefix)?.to_string(), value.clone()));
        case.tensors.iter().filter_map(rest).collect()
    };
    let (state, after, theirs) = (below("state."), below("state_after."), below("grad."));
    layer.load_state_dict(&state, &LoadOptions::strict())?;
    layer.to_dtype(precision.dtype)?;
    if case.about["train"] == true {
        layer.train()
    } else {
        layer.eval()
    }

    let names: Vec<String> = strings(&case.about["inputs"]);
    let input = |i: usize| match &case.tensors[&format!("input.{i}")] {
        x if x.dtype().is_float() => x.to_dtype(precision.dtype)?.variable(),
        x => Ok(x.clone()),
    };
    let inputs = (0..names.len()).map(input).collect::<Result<Vec<Tensor>>>()?;
    let options = &case.about["call"];
    let outputs = call(&Call { names: &names, inputs: &inputs, options })?;

    let mut complaints = hidden_callers(&outputs.iter().collect::<Vec<_>>());
    let wanted = strings(&case.about["outputs"]);
    if outputs.len() != wanted.len() {
        complaints.push(format!("{} outputs, not {wanted:?}", outputs.len()));
    }
    let mut total = Tensor::zeros((), precision.dtype)?;
    for (i, output) in outputs.iter().enumerate() {
        let theirs = &case.tensors[&format!("output.{i}")];
        let is_float = theirs.dtype().is_float();
        let tolerance = if is_float { precision.outputs } else { precision.gradients };
        complaints.extend(complaint(&format!("output {i}"), output, theirs, tolerance));
        let dtype = if is_float { precision.dtype } else { theirs.dtype() };
        if output.dtype() != dtype {
            complaints.push(format!("output {i} is of {}, not {dtype}", output.dtype()));
        }
        if let Some(cotangent) = case.tensors.get(&format!("cotangent.{i}")) {
            total = total.add(output.mul(cotangent.to_dtype(precision.dtype)?)?.sum()?)?;
        }
    }
    let gradients = total.backward()?;
    for (i, input) in inputs.iter().enumerate() {
        let Some(theirs) = case.tensors.get(&format!("grad_input.{i}")) else { continue };
        match gradients.get(input) {
            Some(ours) => {
                complaints.extend(complaint(&format!("gradient of input {i}"), ours, theirs, precision.gradients))
            }
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
                complaints.extend(complaint(&format!("gradient of {name}"), ours, theirs, precision.gradients));
            }
            (None, _) => complaints.push(format!("no gradient of {name}")),
            (_, None) => {}
        }
    }
    let own = layer.state_dict()?;
    for (name, before) in &state {
        let rounded = before.to_dtype(own[name].dtype())?;
        let (theirs, tolerance) = after.get(name).map_or((&rounded, 0.0), |after| (after, precision.outputs));
        complaints.extend(complaint(&format!("{name} afterwards"), &own[name], theirs, tolerance));
    }
    Ok(complaints)
}

fn strings(list: &serde_json::Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
}
