//! Models of texts. PyTorch took each text alone, we a batch with tokens behind the shorter ones' ends.

use super::{Case, numbers};
use mapsto_models::{TextModel, TextShape};
use mapsto_tensor::Tensor;

#[test]
fn texts_models_are_pytorchs() {
    let cases: Vec<Case<TextModel, TextShape>> = serde_json::from_str(include_str!("../fixtures/texts.json")).unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let TextShape { tokens, length } = case.input;
        let all = numbers::integers("tokens", case.rows * length).map(|x| i64::from(x) % tokens as i64).collect();
        let all = Tensor::from_vec(all, [case.rows, length]).unwrap();
        let lengths = Tensor::new([9i64, 4, 1, 6, 2]).unwrap();
        let network = case.model.build(case.input, case.classes).unwrap();
        case.check(network, |network| network.forward(&all, &lengths).unwrap());
    }
}
