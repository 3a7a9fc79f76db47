//! Models of texts by their names: they build, learn, are summed up and saved, and do not read what fills texts up.

use mapsto_models::text::*;
use mapsto_models::{TextModel, TextNet, TextShape, load_all_but};
use mapsto_nn::{CrossEntropyLoss, LoadOptions, Module, Summary};
use mapsto_tensor::{DType, Result, Rng, Tensor};

const SHAPE: TextShape = TextShape { tokens: 50, length: 12 };

fn named(name: &str) -> TextModel {
    TextModel::named(name).unwrap()
}

/// The same architecture with few features.
fn narrow(model: TextModel) -> TextModel {
    let recurrent = |config| TextRecurrentConfig { embedding: 8, hidden: 6, ..config };
    match model {
        TextModel::Bag(config) => TextModel::Bag(TextBagConfig { embedding: 8, ..config }),
        TextModel::Cnn(config) => TextModel::Cnn(TextCnnConfig { embedding: 8, filters: 5, ..config }),
        TextModel::Lstm(config) => TextModel::Lstm(recurrent(config)),
        TextModel::Gru(config) => TextModel::Gru(recurrent(config)),
        TextModel::Transformer(config) => {
            TextModel::Transformer(TextTransformerConfig { width: 8, heads: 2, feedforward: 12, ..config })
        }
        TextModel::Bert(config) => TextModel::Bert(BertConfig {
            hidden_size: 12,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            intermediate_size: 20,
            ..config
        }),
    }
}

fn all() -> Vec<TextModel> {
    let more = [
        TextModel::Gru(TextRecurrentConfig { layers: 2, bidirectional: false, ..TextRecurrentConfig::default() }),
        TextModel::Transformer(TextTransformerConfig { positions: Positions::Learned, ..Default::default() }),
    ];
    TextModel::NAMES.iter().map(|name| named(name)).chain(more).map(narrow).collect()
}

fn tokens(rows: usize, places: usize, seed: u64) -> Tensor {
    let mut chance = Rng::new(seed);
    let all = (0..rows * places).map(|_| chance.below(SHAPE.tokens as u64) as i64).collect();
    Tensor::from_vec(all, [rows, places]).unwrap()
}

#[test]
fn every_model_learns_and_is_saved() {
    for model in all() {
        let name = serde_json::to_string(&model).unwrap();
        let network = model.build(SHAPE, 5).unwrap().init(3).unwrap();
        let (x, lengths) = (tokens(6, 12, 1), Tensor::new([12i64, 3, 7, 1, 12, 9]).unwrap());
        let labels = Tensor::new([0i64, 1, 2, 3, 4, 0]).unwrap();
        let loss = CrossEntropyLoss::default().forward(&network.forward(&x, &lengths).unwrap(), &labels).unwrap();
        let gradients = loss.backward().unwrap();
        for (param, value) in network.named_parameters() {
            let gradient = gradients.get(&value.get().unwrap()).unwrap_or_else(|| panic!("{name}: none of {param}"));
            let norm = gradient.square().unwrap().sum().unwrap().item::<f32>().unwrap();
            assert!(norm > 0.0 && norm.is_finite(), "{name}: {norm} of {param}");
        }
        let forward = |x: &[Tensor]| Ok(vec![network.forward(&x[0], &x[1])?]);
        let summary = Summary::of_forward(&network, &[&x, &lengths], forward).unwrap();
        assert_eq!(summary.parameters as usize, network.num_parameters(), "{name}");
        assert_eq!(summary.layer(model.head_prefix()).unwrap().outputs, [[6, 5]], "{name}");
        network.freeze("").unwrap();
        assert_eq!(network.unfreeze(model.head_prefix()).unwrap(), 2, "{name}");
        assert_eq!(serde_json::from_str::<TextModel>(&name).unwrap(), model);
        assert_eq!(toml::from_str::<TextModel>(&toml::to_string(&model).unwrap()).unwrap(), model);
        let mut misspelt = serde_json::to_value(&model).unwrap();
        misspelt["widht"] = 1.into();
        let refused = serde_json::from_value::<TextModel>(misspelt).unwrap_err().to_string();
        assert!(refused.contains("unknown field `widht`"), "{refused}");
        let other = model.build(SHAPE, 3).unwrap().init(4).unwrap();
        load_all_but(model.head_prefix(), &other, &network.state_dict().unwrap()).unwrap();
    }
    for (name, millions) in [("minilm", 22.6), ("bert", 108.9)] {
        let network = named(name).build(TextShape { tokens: 30_522, length: 512 }, 2).unwrap();
        let ours = network.num_parameters() as f64 / 1e6;
        // Hugging Face's, without the pooler.
        assert!((ours - millions).abs() < 0.1, "{name} has {ours} million");
    }
}

#[test]
fn bags_weigh_as_scikit_learn_does() {
    #[derive(serde::Deserialize)]
    struct Fixture {
        tokens: usize,
        learned: Vec<Vec<i64>>,
        asked: Vec<Vec<i64>>,
        weights: Vec<Vec<f32>>,
    }
    let Fixture { tokens, learned, asked, weights } =
        serde_json::from_str(include_str!("fixtures/tfidf.json")).unwrap();
    // Vectors and a last layer that leave the weights as they are.
    let model = TextModel::Bag(TextBagConfig { embedding: tokens, dropout: 0.0 });
    let network = model.build(TextShape { tokens, length: 20 }, tokens).unwrap().init(1).unwrap();
    let one = Tensor::eye(tokens, tokens, DType::F32).unwrap();
    let mut state = network.state_dict().unwrap();
    state.insert("embedding.weight".into(), one.clone());
    state.insert("head.weight".into(), one);
    state.insert("head.bias".into(), Tensor::zeros([tokens], DType::F32).unwrap());
    network.load_state_dict(&state, &LoadOptions::strict()).unwrap();
    let TextNet::Bag(bag) = &network else { panic!("another network") };
    let having = |token: i64| learned.iter().filter(|text| text.contains(&token)).count() as u32;
    let documents: Vec<u32> = (0..tokens as i64).map(having).collect();
    bag.set_document_frequencies(&documents, learned.len()).unwrap();
    assert!(bag.set_document_frequencies(&documents[1..], 3).is_err());
    let longest = asked.iter().map(Vec::len).max().unwrap();
    let filled = |text: &Vec<i64>| text.iter().copied().chain(std::iter::repeat(7)).take(longest).collect::<Vec<_>>();
    let input = Tensor::from_vec(asked.iter().flat_map(filled).collect(), [asked.len(), longest]).unwrap();
    let lengths = asked.iter().map(|text| text.len() as i64).collect();
    let found = network.forward(&input, &Tensor::from_vec(lengths, [asked.len()]).unwrap()).unwrap();
    let (found, weights) = (found.to_vec::<f32>().unwrap(), weights.concat());
    let furthest = found.iter().zip(&weights).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest < 1e-6, "{furthest}");
}

#[test]
fn what_fills_texts_up_is_not_read() {
    for model in all() {
        let name = serde_json::to_string(&model).unwrap();
        let network = model.build(SHAPE, 4).unwrap().init(3).unwrap();
        network.eval();
        let x = tokens(5, 12, 2);
        let lengths = [1, 12, 4, 8, 2];
        let given = Tensor::from_vec(lengths.map(|length| length as i64).to_vec(), [5]).unwrap();
        let together: Vec<f32> = network.forward(&x, &given).unwrap().to_vec().unwrap();
        // Other tokens behind the ends, in another order.
        let held = Tensor::arange(0i64, 12, 1).unwrap().lt(given.unsqueeze(1).unwrap()).unwrap();
        let refilled = held.where_(&x, tokens(5, 12, 9)).unwrap();
        let again: Vec<f32> = network.forward(&refilled, &given).unwrap().to_vec().unwrap();
        assert_eq!(together, again, "{name}");
        for (row, &length) in lengths.iter().enumerate() {
            let alone = x.narrow(0, row, 1).unwrap().narrow(1, 0, length).unwrap();
            let alone = network.forward(&alone, &Tensor::new([length as i64]).unwrap()).unwrap();
            for (alone, together) in alone.to_vec::<f32>().unwrap().iter().zip(&together[4 * row..]) {
                assert!(
                    (alone - together).abs() <= 1e-5 * (1.0 + alone.abs()),
                    "{name}, {length}: {alone}, {together}"
                );
            }
        }
    }
}

#[test]
fn berts_values_are_found_in_files() {
    let TextNet::Bert(bert) = narrow(named("bert")).build(SHAPE, 2).unwrap().init(1).unwrap() else { panic!() };
    let own = bert.state_dict().unwrap();
    let names: Vec<&str> = own.keys().map(String::as_str).filter(|name| !name.starts_with("classifier.")).collect();
    assert!(names.contains(&"encoder.layer.1.attention.self.query.weight"), "{names:?}");
    assert!(names.contains(&"embeddings.LayerNorm.bias"), "{names:?}");
    let zero = Tensor::zeros([1], DType::F32).unwrap();
    let old =
        |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    for prefix in ["", "bert."] {
        let mut file: mapsto_nn::StateDict =
            own.iter().map(|(name, x)| (format!("{prefix}{}", old(name)), x.clone())).collect();
        for more in ["pooler.dense.weight", "embeddings.position_ids"] {
            file.insert(format!("{prefix}{more}"), zero.clone());
        }
        file.insert("cls.predictions.bias".into(), zero.clone());
        let values = Bert::values(file);
        assert!(values.keys().map(String::as_str).eq(names.iter().copied()), "{:?}", values.keys());
    }
}

#[test]
fn hugging_faces_settings_are_read() {
    let minilm = r#"{"architectures": ["BertModel"], "hidden_act": "gelu", "hidden_size": 384, "intermediate_size": 1536,
        "model_type": "bert", "num_hidden_layers": 6, "vocab_size": 30522, "pad_token_id": 0}"#;
    assert_eq!(BertConfig::from_hugging_face(minilm).unwrap(), (BertConfig::minilm(), 30_522));
    let said = |text: &str| BertConfig::from_hugging_face(text).unwrap_err().to_string();
    for (text, words) in [
        ("{}", "Bert: model_type is null, not \"bert\" at "),
        (&minilm.replace("gelu", "relu"), "Bert: hidden_act is \"relu\", not \"gelu\" at "),
        (r#"{"model_type": "bert"}"#, "Bert: there is no vocab_size at "),
        (&minilm.replace("384", "-1"), "Bert: invalid value: integer `-1`, expected usize at "),
        ("{", "Bert: EOF while parsing"),
    ] {
        assert!(
            said(text).starts_with(words) && said(text).ends_with("; is it the config.json of a BERT?"),
            "{}",
            said(text)
        );
    }
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
    let build = |text: &str| serde_json::from_str::<TextModel>(text).unwrap().build(SHAPE, 2);
    let shape = |tokens, length| TextShape { tokens, length };
    refused(named("cnn").build(SHAPE, 0), "TextCnn: the number of classes is 0, not in 1..=16777216");
    refused(named("gru").build(shape(0, 1), 2), "TextRecurrent: the number of tokens is 0, not in 1..=16777216");
    refused(named("gru").build(shape(1, 0), 2), "TextRecurrent: the length of texts is 0, not in 1..=16777216");
    refused(
        build(r#"{"architecture": "cnn", "widths": []}"#),
        "TextCnn: the number of widths is 0, not in 1..=16777216",
    );
    refused(build(r#"{"architecture": "cnn", "widths": [3, 0]}"#), "TextCnn: a width is 0, not in 1..=16777216");
    refused(build(r#"{"architecture": "cnn", "dropout": 2}"#), "TextCnn: a probability lies in [0, 1], got 2");
    refused(build(r#"{"architecture": "lstm", "layers": 0}"#), "TextRecurrent: layers is 0, not in 1..=16777216");
    refused(
        build(r#"{"architecture": "gru", "layers": 2000}"#),
        "TextRecurrent: layers asks for 2000 layers, more than 1000",
    );
    refused(build(r#"{"architecture": "gru", "hidden": 0}"#), "TextRecurrent: hidden is 0, not in 1..=16777216");
    refused(
        build(r#"{"architecture": "transformer", "heads": 3}"#),
        "TextTransformer: 128 features do not fall into 3 equal heads",
    );
    refused(
        named("transformer").build(shape(10, 1 << 24), 2),
        "TextTransformer: positions of 16777216 places of 128 numbers are too many; choose a smaller length or width",
    );
    refused(
        named("minilm").build(shape(10, 513), 2),
        "Bert: texts of 513 tokens are longer than its 512 positions; cut the texts shorter",
    );
    refused(
        build(r#"{"architecture": "bert", "num_attention_heads": 5}"#),
        "Bert: 768 features do not fall into 5 equal heads",
    );
    refused(build(r#"{"architecture": "bert", "layer_norm_eps": 0}"#), "Bert: layer_norm_eps is 0, not above 0");
    refused(
        build(r#"{"architecture": "bert", "attention_probs_dropout_prob": -1}"#),
        "Bert: attention_probs_dropout_prob is -1, not in 0..=1",
    );
    for &name in TextModel::NAMES {
        for shape in [shape(usize::MAX, 1), shape(1, usize::MAX)] {
            assert!(named(name).build(shape, 2).is_err(), "{name}");
        }
        // The greatest sizes are refused before anything is allocated.
        assert!(named(name).build(shape(1 << 24, 8), 1 << 24).is_err(), "{name}");
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    for model in all() {
        let kind = match model {
            TextModel::Bag(_) => "TextBag",
            TextModel::Cnn(_) => "TextCnn",
            TextModel::Lstm(_) | TextModel::Gru(_) => "TextRecurrent",
            TextModel::Transformer(_) => "TextTransformer",
            TextModel::Bert(_) => "Bert",
        };
        let network = model.build(SHAPE, 2).unwrap().init(0).unwrap();
        let of = |lengths: &[i64]| Tensor::from_vec(lengths.to_vec(), [lengths.len()]).unwrap();
        let said = |x: &Tensor, lengths: &Tensor, words: &str| {
            refused(network.forward(x, lengths), &format!("{kind}: {words}"))
        };
        let x = tokens(2, 5, 1);
        said(&x, &of(&[5]), "takes lengths [2], one a text, not [1]");
        said(&x, &of(&[5, 6]), "the length of text 1 is 6, not in 1..=5");
        said(&x, &of(&[0, 5]), "the length of text 0 is 0, not in 1..=5");
        said(&tokens(1, 5, 1).squeeze(&[0]).unwrap(), &of(&[5]), "takes tokens [N, T], not [5]");
        let floats = x.to_dtype(DType::F32).unwrap();
        said(&floats, &of(&[5, 5]), "tokens are f32, not i64; convert them with to_dtype(DType::I64)");
        let unknown = Tensor::new([[1i64, 50]]).unwrap();
        let error = network.forward(&unknown, &of(&[2])).err().unwrap().to_string();
        assert!(error.contains("index 50 (number 1 of 2) is not among 50 rows"), "{error}");
    }
    let network = narrow(named("transformer")).build(SHAPE, 2).unwrap().init(0).unwrap();
    let error = network.forward(&tokens(1, 13, 1), &Tensor::new([13i64]).unwrap()).err().unwrap().to_string();
    assert!(error.contains("the input has 13 steps, the table 12 positions"), "{error}");
}
