//! Models of labelled series.

use super::{Case, numbers};
use mapsto_models::{SeriesModel, SeriesShape};
use mapsto_tensor::Tensor;

#[derive(serde::Deserialize)]
struct Input {
    channels: usize,
    /// Of each series.
    lengths: Vec<i64>,
}

#[test]
fn series_models_are_pytorchs() {
    let cases: Vec<Case<SeriesModel, Input>> = serde_json::from_str(include_str!("../fixtures/series.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let Input { channels, lengths } = &case.input;
        let most = *lengths.iter().max().unwrap() as usize;
        let series = numbers::tensor("input", [case.rows, *channels, most]);
        let lengths = Tensor::from_vec(lengths.clone(), [case.rows]).unwrap();
        let network = case.model.build(SeriesShape { channels: *channels }, case.classes).unwrap();
        case.check(network, |network| network.forward(&series, &lengths).unwrap());
    }
}
