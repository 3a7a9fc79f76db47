//! Language models (tools/language_fixtures.py).

use super::{Case, numbers};
use mapsto_models::{LanguageModel, LanguageShape};
use mapsto_tensor::Tensor;

#[test]
fn language_models_are_pytorchs() {
    let cases: Vec<Case<LanguageModel, LanguageShape>> =
        serde_json::from_str(include_str!("../fixtures/language.json")).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let LanguageShape { tokens, length } = case.input;
        let all = numbers::integers("tokens", case.rows).map(|x| i64::from(x) % tokens as i64).collect();
        let all = Tensor::from_vec(all, [case.rows / length, length]).unwrap();
        let network = case.model.build(case.input).unwrap();
        let rows = [case.rows, case.classes];
        case.check(network, |network| network.forward(&all).unwrap().reshape(rows).unwrap());
    }
}
