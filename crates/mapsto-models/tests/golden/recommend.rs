//! Models of recommendation. PyTorch took each history alone, we a batch with zeros behind the shorter ones' ends.

use super::{Case, numbers};
use mapsto_models::{Query, RecommendModel, RecommendShape};
use mapsto_tensor::{DType, Tensor};

#[test]
fn recommenders_are_pytorchs() {
    let cases: Vec<Case<RecommendModel, RecommendShape>> =
        serde_json::from_str(include_str!("../fixtures/recommend.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let RecommendShape { users, items } = case.input;
        let lengths = [7, 3, 1, 5, 2];
        let query = if matches!(case.model, RecommendModel::Sequence(_)) {
            let all: Vec<i64> =
                numbers::integers("histories", case.rows * 7).map(|x| i64::from(x) % items as i64).collect();
            let kept = |(place, item): (usize, &i64)| if (place % 7) < lengths[place / 7] { *item } else { 0 };
            let all = all.iter().enumerate().map(kept).collect();
            let last = |(row, length): (usize, &usize)| (row * 7 + length - 1) as i64;
            Query::Histories {
                items: Tensor::from_vec(all, [case.rows, 7]).unwrap(),
                lengths: Tensor::from_vec(lengths.map(|length| length as i64).to_vec(), [case.rows]).unwrap(),
                places: Tensor::from_vec(lengths.iter().enumerate().map(last).collect(), [case.rows]).unwrap(),
            }
        } else {
            let users = numbers::integers("users", case.rows).map(|x| i64::from(x) % users as i64).collect();
            Query::Users(Tensor::from_vec(users, [case.rows]).unwrap())
        };
        let all = Tensor::arange(1, items as i64, 1).unwrap();
        let network = case.model.build(case.input).unwrap();
        case.check(network, |network| {
            let (users, items) = (network.users(&query).unwrap(), network.items(&all).unwrap());
            // Beside each other and all against all, scores are the same.
            let scores = users.against(&items).unwrap();
            let first = items.vectors.narrow(0, 0, 1).unwrap();
            let bias = items.bias.as_ref().map(|bias| bias.narrow(0, 0, 1).unwrap());
            let beside = users.beside(&mapsto_models::Side { vectors: first, bias }).unwrap();
            let error = beside.sub(scores.narrow(1, 0, 1).unwrap().squeeze(&[1]).unwrap()).unwrap();
            assert!(error.abs().unwrap().max().unwrap().item::<f32>().unwrap() < 1e-4);
            // Items count differently, so that what a user adds to all of them has a gradient, too.
            scores.mul(all.to_dtype(DType::F32).unwrap()).unwrap().div((case.input.items - 1) as f64).unwrap()
        });
    }
}
