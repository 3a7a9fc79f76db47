//! Models of texts. PyTorch took each text alone, we a batch with tokens behind the shorter ones' ends.

use super::numbers::{fill, integers};
use super::{Case, TOLERANCE, expect_near, wide};
use mapsto_models::{TextModel, TextShape};
use mapsto_nn::Module;
use mapsto_tensor::Tensor;
use serde::Deserialize;

/// A case, and where a transformer looks: of each layer, of each text, how much each token at each.
#[derive(Deserialize)]
struct TextCase {
    #[serde(flatten)]
    case: Case<TextModel, TextShape>,
    #[serde(default)]
    attention: Vec<Vec<Vec<f64>>>,
}

#[test]
fn texts_models_are_pytorchs() {
    let cases: Vec<TextCase> = serde_json::from_str(include_str!("../fixtures/texts.json")).unwrap();
    assert_eq!(cases.len(), 8);
    for TextCase { case, attention } in cases {
        let TextShape { tokens, length } = case.input;
        let all = integers("tokens", case.rows * length).map(|x| i64::from(x) % tokens as i64).collect();
        let all = Tensor::from_vec(all, [case.rows, length]).unwrap();
        let sizes = [9, 4, 1, 6, 2];
        let lengths = Tensor::from_vec(sizes.map(|size| size as i64).to_vec(), [sizes.len()]).unwrap();
        let network = case.model.build(case.input, case.classes).unwrap().init(0).unwrap();
        fill(&network);
        network.eval();
        let looks = network.self_attention(&all, &lengths).unwrap();
        let is_transformer = matches!(case.model, TextModel::Transformer(_) | TextModel::Bert(_));
        assert_eq!((looks.len(), attention.len()), if is_transformer { (2, 2) } else { (0, 0) }, "{}", case.name);
        for (layer, (ours, theirs)) in looks.iter().zip(&attention).enumerate() {
            assert_eq!(theirs.len(), sizes.len());
            for (text, (&size, theirs)) in sizes.iter().zip(theirs).enumerate() {
                let ours = ours.narrow(0, text, 1).unwrap().narrow(1, 0, size).unwrap();
                let what = format!("{}, layer {layer} of text {text}", case.name);
                expect_near(&what, &wide(&ours.narrow(2, 0, size).unwrap()), theirs, TOLERANCE);
                let behind = ours.narrow(2, size, length - size).unwrap();
                assert!(wide(&behind).iter().all(|&weight| weight == 0.0), "{what} looks behind its end");
            }
        }
        if let Some(last) = attention.last() {
            let looked = wide(&network.attention(&all, &lengths).unwrap().unwrap());
            for ((ours, theirs), size) in looked.chunks(length).zip(last).zip(sizes) {
                let mean = |to: usize| theirs.iter().skip(to).step_by(size).sum::<f64>() / size as f64;
                let theirs: Vec<f64> = (0..size).map(mean).collect();
                expect_near(&format!("{}, all looks", case.name), &ours[..size], &theirs, TOLERANCE);
            }
        }
        case.check(case.model.build(case.input, case.classes).unwrap(), |network| {
            network.forward(&all, &lengths).unwrap()
        });
    }
}
