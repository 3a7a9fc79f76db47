//! Models of translation. PyTorch took each source alone, we a batch with tokens behind the shorter ones' ends.

use super::{Case, numbers};
use mapsto_models::{TranslationModel, TranslationShape};
use mapsto_tensor::Tensor;

#[test]
fn translations_models_are_pytorchs() {
    let cases: Vec<Case<TranslationModel, TranslationShape>> =
        serde_json::from_str(include_str!("../fixtures/translations.json")).unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let TranslationShape { source, target, length } = case.input;
        let lengths = Tensor::new([9i64, 4, 1, 6]).unwrap();
        let of = |name: &str, below: usize, places: usize| {
            let all = numbers::integers(name, 4 * places).map(|x| i64::from(x) % below as i64).collect();
            Tensor::from_vec(all, [4, places]).unwrap()
        };
        let (sources, targets) = (of("tokens", source, length), of("targets", target, case.rows / 4));
        let network = case.model.build(case.input).unwrap();
        case.check(network, |network| network.forward(&sources, &lengths, &targets).unwrap().flatten(0, 1).unwrap());
    }
}
