//! What tensors print as, against what NumPy prints.

use mapsto_tensor::{DType, Tensor};
use serde_json::Value;

fn dtype(name: &str) -> DType {
    DType::ALL.into_iter().find(|dtype| dtype.name() == name).unwrap()
}

fn tensor(case: &Value) -> Tensor {
    let dtype = dtype(case["dtype"].as_str().unwrap());
    let shape: Vec<usize> = case["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    if let Some(count) = case["count"].as_u64() {
        let scale = case["scale"].as_f64().unwrap();
        let values = (0..count).map(|i| i as f64 * scale).collect();
        return Tensor::from_vec::<f64>(values, shape).unwrap().to_dtype(dtype).unwrap();
    }
    let values = case["values"].as_array().unwrap().iter().map(|x| x.as_str().unwrap());
    if dtype.is_float() {
        let values = values.map(|x| x.parse().unwrap()).collect();
        Tensor::from_vec::<f64>(values, shape).unwrap().to_dtype(dtype).unwrap()
    } else {
        let values = values.map(|x| x.parse().unwrap()).collect();
        Tensor::from_vec::<i64>(values, shape).unwrap().to_dtype(dtype).unwrap()
    }
}

#[test]
fn tensors_print_as_numpy_prints_arrays() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("fixtures/printing.json")).unwrap();
    assert!(cases.len() > 200);
    for case in &cases {
        let x = tensor(case);
        assert_eq!(x.to_string(), case["str"].as_str().unwrap(), "{case}");
        assert_eq!(format!("{x:?}"), case["debug"].as_str().unwrap(), "{case}");
    }
}

#[test]
fn bfloat16_prints_its_own_shortest_digits() {
    let x = Tensor::new([0.1f32, 1.0, 3.140625]).unwrap().to_dtype(DType::BF16).unwrap();
    assert_eq!(x.to_string(), "[0.1  1.   3.14]");
    assert_eq!(format!("{x:?}"), "tensor([0.1 , 1.  , 3.14], bf16[3])");
}

#[test]
fn views_and_tracked_tensors_print_their_values() {
    let x = Tensor::new([[1.0f32, 2.0], [3.0, 4.0]]).unwrap().variable().unwrap();
    assert_eq!(x.t().unwrap().to_string(), "[[1. 3.]\n [2. 4.]]");
}

#[test]
fn a_huge_tensor_prints_at_once() {
    let x = Tensor::full([1 << 15, 1 << 15, 1 << 8], 2.5, DType::F32).unwrap();
    let begun = std::time::Instant::now();
    assert!(x.to_string().starts_with("[[[2.5 2.5 2.5 ... 2.5 2.5 2.5]"));
    assert!(begun.elapsed().as_secs() < 2);
}
