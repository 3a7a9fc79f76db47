//! Models that forecast.

use super::{Case, numbers};
use mapsto_models::{ForecastModel, ForecastShape};

#[test]
fn models_that_forecast_are_pytorchs() {
    let cases: Vec<Case<ForecastModel, ForecastShape>> =
        serde_json::from_str(include_str!("../fixtures/forecasts.json")).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let ForecastShape { context, horizon, targets, past, known } = case.input;
        let inputs = numbers::tensor("past", [case.rows, context, targets + past + known]);
        let future = numbers::tensor("future", [case.rows, horizon, known]);
        let network = case.model.build(case.input).unwrap();
        // All that is forecast in one row, as if it were logits.
        let flat = |outputs: mapsto_tensor::Tensor| outputs.reshape([case.rows, case.classes]).unwrap();
        case.check(network, |network| flat(network.forward(&inputs, &future).unwrap()));
    }
}
