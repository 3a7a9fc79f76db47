//! Models of tables.

use super::{Case, numbers};
use mapsto_models::{TableModel, TableShape};
use mapsto_tensor::Tensor;

#[test]
fn tables_models_are_pytorchs() {
    let cases: Vec<Case<TableModel, TableShape>> =
        serde_json::from_str(include_str!("../fixtures/tables.json")).unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let codes = &case.input.categories;
        let numbers = numbers::tensor("numbers", [case.rows, case.input.numbers]);
        let count = case.rows * codes.len();
        let categories = numbers::integers("categories", count).enumerate();
        let categories = categories.map(|(i, x)| i64::from(x) % codes[i % codes.len()] as i64).collect();
        let categories = Tensor::from_vec(categories, [case.rows, codes.len()]).unwrap();
        let network = case.model.build(&case.input, case.classes).unwrap();
        case.check(network, |network| network.forward(&numbers, &categories).unwrap());
    }
}
