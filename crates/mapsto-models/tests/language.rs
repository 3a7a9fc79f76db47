//! Language models by their names: they build, learn, are summed up and saved, see only what came before, and read in pieces what they
//! read at once.

use mapsto_models::decode::{Continuation, Sampling};
use mapsto_models::language::*;
use mapsto_models::{LanguageModel, LanguageNet, LanguageShape, Mixture};
use mapsto_nn::{CrossEntropyLoss, Module, Summary};
use mapsto_tensor::{DType, Result, Rng, Tensor};

const SHAPE: LanguageShape = LanguageShape { tokens: 20, length: 24 };

fn named(name: &str) -> LanguageModel {
    LanguageModel::named(name).unwrap()
}

/// The same architecture with few features.
fn narrow(model: LanguageModel) -> LanguageModel {
    let recurrent = |config| LanguageRecurrentConfig { embedding: 8, hidden: 6, ..config };
    match model {
        LanguageModel::Cnn(config) => {
            LanguageModel::Cnn(LanguageCnnConfig { width: 8, dilations: vec![1, 2, 4], ..config })
        }
        LanguageModel::Lstm(config) => LanguageModel::Lstm(recurrent(config)),
        LanguageModel::Gru(config) => LanguageModel::Gru(recurrent(config)),
        LanguageModel::Transformer(config) => LanguageModel::Transformer(LanguageTransformerConfig {
            width: 8,
            heads: 2,
            layers: 2,
            feedforward: 12,
            ..config
        }),
    }
}

fn all() -> Vec<LanguageModel> {
    let more = [
        LanguageModel::Lstm(LanguageRecurrentConfig { layers: 2, ..Default::default() }),
        LanguageModel::Transformer(LanguageTransformerConfig {
            positions: Positions::Sinusoidal,
            ..Default::default()
        }),
        LanguageModel::Cnn(LanguageCnnConfig { kernel: 1, ..Default::default() }),
    ];
    LanguageModel::NAMES.iter().map(|name| named(name)).chain(more).map(narrow).collect()
}

fn network(model: &LanguageModel) -> LanguageNet {
    let network = model.build(SHAPE).unwrap().init(3).unwrap();
    network.eval();
    network
}

fn tokens(texts: usize, places: usize, seed: u64) -> Tensor {
    let mut chance = Rng::new(seed);
    let all = (0..texts * places).map(|_| chance.below(SHAPE.tokens as u64) as i64).collect();
    Tensor::from_vec(all, [texts, places]).unwrap()
}

#[track_caller]
fn expect_near(what: &str, ours: &Tensor, theirs: &Tensor, tolerance: f32) {
    assert_eq!(ours.shape(), theirs.shape(), "{what}");
    let (ours, theirs) = (ours.to_vec::<f32>().unwrap(), theirs.to_vec::<f32>().unwrap());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!((ours - theirs).abs() <= tolerance * (1.0 + theirs.abs()), "{what}: {ours}, not {theirs}");
    }
}

#[test]
fn every_model_learns_and_is_saved() {
    for model in all() {
        let name = serde_json::to_string(&model).unwrap();
        let network = model.build(SHAPE).unwrap().init(3).unwrap();
        let x = tokens(3, 24, 1);
        let logits = network.forward(&x).unwrap().reshape([3 * 24, 20]).unwrap();
        let targets = tokens(3, 24, 2).reshape([3 * 24]).unwrap();
        let gradients = CrossEntropyLoss::default().forward(&logits, &targets).unwrap().backward().unwrap();
        for (param, value) in network.named_parameters() {
            let gradient = gradients.get(&value.get().unwrap()).unwrap_or_else(|| panic!("{name}: none of {param}"));
            let norm = gradient.square().unwrap().sum().unwrap().item::<f32>().unwrap();
            assert!(norm > 0.0 && norm.is_finite(), "{name}: {norm} of {param}");
        }
        let summary = Summary::of_forward(&network, &[&x], |x| Ok(vec![network.forward(&x[0])?])).unwrap();
        assert_eq!(summary.parameters as usize, network.num_parameters(), "{name}");
        assert_eq!(summary.layer(model.head_prefix()).unwrap().outputs, [[3, 24, 20]], "{name}");
        assert_eq!(serde_json::from_str::<LanguageModel>(&name).unwrap(), model);
        assert_eq!(toml::from_str::<LanguageModel>(&toml::to_string(&model).unwrap()).unwrap(), model);
        let mut misspelt = serde_json::to_value(&model).unwrap();
        misspelt["widht"] = 1.into();
        let refused = serde_json::from_value::<LanguageModel>(misspelt).unwrap_err().to_string();
        assert!(refused.contains("unknown field `widht`"), "{refused}");
    }
}

#[test]
fn nothing_is_seen_of_what_follows() {
    for model in all() {
        let (name, network) = (serde_json::to_string(&model).unwrap(), network(&model));
        let (x, other) = (tokens(2, 24, 4), tokens(2, 24, 5));
        let whole = network.forward(&x).unwrap();
        for place in [1, 7, 23] {
            let begin = x.narrow(1, 0, place).unwrap();
            let end = other.narrow(1, place, 24 - place).unwrap();
            let changed = network.forward(&Tensor::concat(&[&begin, &end], 1).unwrap()).unwrap();
            let [before, after] = [&whole, &changed].map(|y| y.narrow(1, 0, place).unwrap());
            expect_near(&format!("{name} before {place}"), &after, &before, 1e-5);
            let [before, after] = [&whole, &changed].map(|y| y.narrow(1, place, 1).unwrap().to_vec::<f32>().unwrap());
            assert_ne!(before, after, "{name}, {place}");
        }
    }
}

#[test]
fn pieces_give_what_the_whole_gives() {
    for model in all() {
        let (name, network) = (serde_json::to_string(&model).unwrap(), network(&model));
        let x = tokens(3, 24, 6);
        let whole = network.forward(&x).unwrap();
        for sizes in [vec![1; 24], vec![23, 1], vec![1, 23], vec![5, 1, 7, 1, 10], vec![24]] {
            let mut memory = Memory::default();
            let mut found = Vec::new();
            for &size in &sizes {
                let room = network.room(&memory);
                assert!(room.is_none_or(|room| room == 24 - memory.read()), "{name}: {room:?}");
                found.push(network.step(&x.narrow(1, memory.read(), size).unwrap(), &mut memory).unwrap());
            }
            let found = Tensor::concat(&found.iter().collect::<Vec<_>>(), 1).unwrap();
            expect_near(&format!("{name} in {sizes:?}"), &found, &whole, 1e-4);
        }
    }
}

#[test]
fn states_begin_where_others_ended() {
    for name in ["lstm", "gru"] {
        let network = network(&narrow(named(name)));
        let x = tokens(2, 9, 1);
        let whole = network.forward(&x).unwrap();
        let mut memory = Memory::default();
        network.step(&x.narrow(1, 0, 5).unwrap(), &mut memory).unwrap();
        let shapes: Vec<Vec<usize>> = memory.states().iter().map(|state| state.shape().to_vec()).collect();
        assert_eq!(shapes, network.states(2).iter().map(|shape| shape.to_vec()).collect::<Vec<_>>());
        let embedding = network.named_parameters().swap_remove(0).1.get().unwrap();
        let of = |memory: &mut Memory| {
            let next = network.step(&x.narrow(1, 5, 4).unwrap(), memory).unwrap();
            expect_near(name, &next, &whole.narrow(1, 5, 4).unwrap(), 1e-5);
            let gradients = next.sum().unwrap().backward().unwrap();
            let squares = gradients.get(&embedding).unwrap().square().unwrap().sum_axes(&[1], false).unwrap();
            squares.to_vec::<f32>().unwrap().iter().filter(|row| **row > 0.0).count()
        };
        let rows = |x: Tensor| x.to_vec::<i64>().unwrap().into_iter().collect::<std::collections::BTreeSet<_>>().len();
        let mut cut = Memory::of_states(memory.states());
        // Gradients reach the tokens before, unless the states were taken out.
        assert_eq!(of(&mut memory), rows(x.clone()), "{name}");
        assert_eq!(of(&mut cut), rows(x.narrow(1, 5, 4).unwrap()), "{name}");
    }
    assert!(network(&narrow(named("cnn"))).states(2).is_empty());
}

/// Fails unless it is refused in these words.
#[track_caller]
fn refused<T>(result: Result<T>, words: &str) {
    match result {
        Ok(_) => panic!("taken, not refused: {words}"),
        Err(error) => assert_eq!(format!("{error:#}"), words),
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let build = |text: &str| serde_json::from_str::<LanguageModel>(text).unwrap().build(SHAPE);
    let shape = |tokens, length| LanguageShape { tokens, length };
    refused(named("gru").build(shape(0, 1)), "LanguageRecurrent: the number of tokens is 0, not in 1..=16777216");
    refused(named("cnn").build(shape(1, 0)), "LanguageCnn: the length of texts is 0, not in 1..=16777216");
    refused(build(r#"{"architecture": "cnn", "kernel": 0}"#), "LanguageCnn: kernel is 0, not in 1..=16777216");
    refused(
        build(r#"{"architecture": "cnn", "dilations": []}"#),
        "LanguageCnn: the number of dilations is 0, not in 1..=16777216",
    );
    refused(
        build(r#"{"architecture": "cnn", "dilations": [16777216]}"#),
        "LanguageCnn: a kernel of 3 with dilation 16777216 sees 33554432 tokens back, more than 1048576",
    );
    refused(
        build(r#"{"architecture": "gru", "dropout": 2}"#),
        "LanguageRecurrent: a probability lies in [0, 1], got 2",
    );
    refused(build(r#"{"architecture": "lstm", "hidden": 0}"#), "LanguageRecurrent: hidden is 0, not in 1..=16777216");
    refused(
        build(r#"{"architecture": "transformer", "heads": 3}"#),
        "LanguageTransformer: 128 features do not fall into 3 equal heads",
    );
    refused(
        named("transformer").build(shape(10, 1 << 24)),
        "LanguageTransformer: positions of 16777216 places of 128 numbers are too many; choose a smaller length or width",
    );
    for &name in LanguageModel::NAMES {
        for shape in [shape(usize::MAX, 1), shape(1, usize::MAX)] {
            assert!(named(name).build(shape).is_err(), "{name}");
        }
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    for model in all() {
        let (name, network) = (serde_json::to_string(&model).unwrap(), network(&model));
        let said = |x: &Tensor, memory: &mut Memory| {
            let error = network.step(x, memory).err().unwrap_or_else(|| panic!("{name} took {}", x.shape()));
            error.to_string()
        };
        let new = &mut Memory::default();
        for shape in [vec![3], vec![0, 3], vec![3, 0], vec![1, 2, 3]] {
            let told = said(&Tensor::zeros(shape.clone(), DType::I64).unwrap(), new);
            assert!(told.contains("takes tokens [N, T] of one text and token or more, not ["), "{told}");
        }
        let told = said(&Tensor::zeros([1, 3], DType::F32).unwrap(), new);
        assert!(
            told.contains("tokens are f32, not i64 at ") && told.contains("; convert them with to_dtype"),
            "{told}"
        );
        let told = said(&Tensor::new([[1i64, 20]]).unwrap(), new);
        assert!(told.contains("index 20 (number 1 of 2) is not among 20 rows"), "{told}");
        let mut memory = Memory::default();
        network.step(&tokens(2, 5, 1), &mut memory).unwrap();
        said(&tokens(3, 1, 1), &mut memory);
    }
    let network = network(&narrow(named("transformer")));
    let mut memory = Memory::default();
    network.step(&tokens(2, 20, 1), &mut memory).unwrap();
    let error = network.step(&tokens(2, 5, 1), &mut memory).err().unwrap().to_string();
    assert!(error.contains("LanguageTransformer: 5 tokens behind 20 are more than its 24 positions"), "{error}");
}

#[test]
fn texts_go_on_token_by_token() {
    let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
    for model in all() {
        let (name, network) = (serde_json::to_string(&model).unwrap(), network(&model));
        let prompt: Vec<u32> = vec![3, 1, 4, 1, 5];
        let never = [0, 7];
        let go_on = |prompt: Vec<u32>, sampling, seed, count| {
            let networks = Mixture::one(&network);
            let text = Continuation::new(&networks, prompt, sampling, &never, Rng::new(seed)).unwrap();
            text.take(count).collect::<Result<Vec<u32>>>().unwrap()
        };
        // As slowly: all of the text again for each token.
        let (mut text, mut slowly) = (prompt.clone(), Vec::new());
        for _ in 0..19 {
            let tokens: Vec<i64> = text.iter().map(|&token| token.into()).collect();
            let count = tokens.len();
            let logits = network.forward(&Tensor::from_vec(tokens, [1, count]).unwrap()).unwrap();
            let mut logits = logits.to_vec::<f32>().unwrap().split_off((count - 1) * 20);
            never.iter().for_each(|&token| logits[token as usize] = f32::NEG_INFINITY);
            let best = (0..20).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32;
            text.push(best);
            slowly.push(best);
        }
        assert_eq!(go_on(prompt.clone(), greedy, 1, 19), slowly, "{name}");
        // Beyond what a transformer can read at once, and from more than that.
        let long = go_on((0..3000).map(|i| i % 20).collect(), Sampling::default(), 1, 200);
        assert!(long.len() == 200 && long.iter().all(|token| *token < 20 && !never.contains(token)), "{name}");
        let drawn = |seed| go_on(prompt.clone(), Sampling::default(), seed, 50);
        assert!(drawn(1) == drawn(1) && drawn(1) != drawn(2), "{name}");
    }
    let network = network(&narrow(named("gru")));
    let new = |prompt, sampling| {
        Continuation::new(&Mixture::one(&network), prompt, sampling, &[], Rng::new(1)).err().unwrap()
    };
    assert!(new(vec![], greedy).to_string().starts_with("there is no token to go on from"));
    let wild = Sampling { top_p: 2.0, ..greedy };
    assert!(new(vec![1], wild).to_string().starts_with("top_p is 2, it must be above 0 and at most 1"));
}
