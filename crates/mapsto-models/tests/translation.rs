//! Models of translation by their names: they build, learn, are summed up and saved, go step by step, and do not read what fills up.

use mapsto_models::decode::{BeamConfig, Decode, Without, beam_search};
use mapsto_models::translation::*;
use mapsto_models::{TranslationModel, TranslationNet, TranslationShape};
use mapsto_nn::{CrossEntropyLoss, LoadOptions, Module, Summary};
use mapsto_tensor::{Result, Rng, Tensor, no_grad};

const SHAPE: TranslationShape = TranslationShape { source: 40, target: 30, length: 9 };

/// The architectures with few features.
fn all() -> Vec<TranslationModel> {
    let narrow = |model| match model {
        TranslationModel::Gru(config) => {
            TranslationModel::Gru(TranslationGruConfig { embedding: 8, hidden: 6, layers: 2, ..config })
        }
        TranslationModel::Transformer(config) => TranslationModel::Transformer(TranslationTransformerConfig {
            width: 8,
            heads: 2,
            layers: 2,
            feedforward: 12,
            ..config
        }),
    };
    TranslationModel::NAMES.iter().map(|name| narrow(TranslationModel::named(name).unwrap())).collect()
}

fn built(model: &TranslationModel, seed: u64) -> TranslationNet {
    model.build(SHAPE).unwrap().init(seed).unwrap()
}

fn tokens(rows: usize, places: usize, below: usize, seed: u64) -> Tensor {
    let mut chance = Rng::new(seed);
    let all = (0..rows * places).map(|_| chance.below(below as u64) as i64).collect();
    Tensor::from_vec(all, [rows, places]).unwrap()
}

/// Sources of two lengths, their lengths and targets.
fn texts() -> [Tensor; 3] {
    [tokens(3, 7, SHAPE.source, 1), Tensor::new([7i64, 2, 5]).unwrap(), tokens(3, 6, SHAPE.target, 2)]
}

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.shape(), b.shape());
    let difference = a.sub(b).unwrap().abs().unwrap().max().unwrap().item::<f32>().unwrap();
    assert!(difference.is_finite());
    difference
}

#[test]
fn every_model_learns_and_is_saved() {
    for model in all() {
        let name = serde_json::to_string(&model).unwrap();
        let network = built(&model, 3);
        let [source, lengths, target] = texts();
        let logits = network.forward(&source, &lengths, &target).unwrap().flatten(0, 1).unwrap();
        let labels = tokens(1, 18, SHAPE.target, 3).flatten(0, 1).unwrap();
        let gradients = CrossEntropyLoss::default().forward(&logits, &labels).unwrap().backward().unwrap();
        for (param, value) in network.named_parameters() {
            let gradient = gradients.get(&value.get().unwrap()).unwrap_or_else(|| panic!("{name}: none of {param}"));
            let norm = gradient.square().unwrap().sum().unwrap().item::<f32>().unwrap();
            // A softmax does not see what is added to all keys alike.
            let unseen = param.ends_with("in_proj_bias") || norm > 0.0;
            assert!(unseen && norm.is_finite(), "{name}: {norm} of {param}");
        }
        network.eval();
        let again: TranslationModel = serde_json::from_str(&name).unwrap();
        let other = built(&again, 4);
        other.eval();
        let before = network.forward(&source, &lengths, &target).unwrap();
        assert!(difference(&before, &other.forward(&source, &lengths, &target).unwrap()) > 1e-3, "{name}");
        other.load_state_dict(&network.state_dict().unwrap(), &LoadOptions::strict()).unwrap();
        assert_eq!(difference(&before, &other.forward(&source, &lengths, &target).unwrap()), 0.0, "{name}");
        let forward = |x: &[Tensor]| Ok(vec![network.forward(&x[0], &x[1], &x[2])?]);
        let summary = Summary::of_forward(&network, &[&source, &lengths, &target], forward).unwrap();
        assert_eq!(summary.parameters, network.num_parameters() as u64, "{name}");
    }
}

#[test]
fn what_fills_up_is_not_read_and_what_comes_later_is_not_seen() {
    for model in all() {
        let network = built(&model, 5);
        network.eval();
        let [source, lengths, target] = texts();
        let all = network.forward(&source, &lengths, &target).unwrap();
        for (row, length) in lengths.to_vec::<i64>().unwrap().into_iter().enumerate() {
            let alone = source.narrow(0, row, 1).unwrap().narrow(1, 0, length as usize).unwrap();
            let lengths = Tensor::new([length]).unwrap();
            // A shorter target: what follows must not matter.
            let target = target.narrow(0, row, 1).unwrap().narrow(1, 0, 4).unwrap();
            let logits = network.forward(&alone, &lengths, &target).unwrap();
            let same = all.narrow(0, row, 1).unwrap().narrow(1, 0, 4).unwrap();
            assert!(difference(&logits, &same) < 1e-5, "{model:?}, {row}");
        }
        let looks = network.attention(&source, &lengths, &target).unwrap();
        assert_eq!(looks.shape()[..], [3, 6, 7]);
        let sums = looks.sum_axes(&[2], false).unwrap().to_vec::<f32>().unwrap();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
        let hidden = looks.narrow(0, 1, 1).unwrap().narrow(2, 2, 5).unwrap();
        assert_eq!(hidden.abs().unwrap().max().unwrap().item::<f32>().unwrap(), 0.0);
    }
}

#[test]
fn steps_are_the_whole() -> Result<()> {
    for model in all() {
        let network = built(&model, 6);
        network.eval();
        let [source, lengths, target] = texts();
        no_grad(|| {
            let whole = network.forward(&source, &lengths, &target)?.log_softmax(-1)?;
            let mut state = network.begin(&source, &lengths)?;
            // After some steps the rows come in another order, and one of them twice.
            let (mut rows, moved) = (vec![0i64, 1, 2], vec![2i64, 0, 0, 1]);
            for step in 0..6 {
                if step == 3 {
                    rows = moved.clone();
                    state = network.select(&state, &Tensor::from_vec(moved.clone(), [4])?)?;
                }
                let rows = Tensor::from_vec(rows.clone(), [rows.len()])?;
                let last = target.narrow(1, step, 1)?.squeeze(&[1])?.index_select(0, &rows)?;
                let (log_probabilities, next) = network.step(&last, &state)?;
                let expected = whole.narrow(1, step, 1)?.squeeze(&[1])?.index_select(0, &rows)?;
                let off = difference(&log_probabilities, &expected);
                assert!(off < 1e-4, "{model:?}, step {step}: {off}");
                state = next;
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_beam_finds_likelier_translations_without_what_shall_not_come() -> Result<()> {
    for model in all() {
        let network = built(&model, 7);
        network.eval();
        let [source, lengths, _] = texts();
        let decoder = Without::new(&network, SHAPE.target, &[0, 28])?;
        let of = |width| -> Result<Vec<f64>> {
            let config = BeamConfig { width, length_penalty: 0.0, longest: SHAPE.length };
            let state = no_grad(|| network.begin(&source, &lengths))?;
            let found = beam_search(&decoder, state, &[28, 28, 28], 29, &config)?;
            assert!(found.iter().flatten().all(|one| one.tokens.iter().all(|token| ![0, 28, 29].contains(token))));
            assert!(found.iter().flatten().all(|one| one.tokens.len() <= SHAPE.length));
            Ok(found.iter().map(|found| found[0].log_probability).collect())
        };
        let (narrow, wide) = (of(1)?, of(16)?);
        assert_eq!(narrow.len(), 3);
        assert!(narrow.iter().zip(&wide).filter(|(narrow, wide)| wide > narrow).count() > 0, "{narrow:?} {wide:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() {
    let said = |model: TranslationModel| model.build(SHAPE).err().map(|error| format!("{error:#}")).unwrap_or_default();
    let gru = TranslationGruConfig::default();
    assert!(said(TranslationModel::Gru(TranslationGruConfig { hidden: 0, ..gru })).contains("hidden is 0"));
    let transformer = TranslationTransformerConfig { heads: 3, ..TranslationTransformerConfig::default() };
    assert!(said(TranslationModel::Transformer(transformer)).contains("128 features do not fall into 3 equal heads"));
    for model in all() {
        let network = built(&model, 8);
        let [source, lengths, target] = texts();
        let refused = |source: &Tensor, lengths: &Tensor, target: &Tensor| {
            format!("{:#}", network.forward(source, lengths, target).unwrap_err())
        };
        let fewer = target.narrow(0, 0, 2).unwrap();
        assert!(refused(&source, &lengths, &fewer).contains("takes targets [3, T], one a source, not [2, 6]"));
        let none = Tensor::new([7i64, 0, 5]).unwrap();
        assert!(refused(&source, &none, &target).contains("the length of text 1 is 0"));
        let outside = target.add(25).unwrap();
        assert!(refused(&source, &lengths, &outside).contains("is not among 30 rows"));
    }
}
