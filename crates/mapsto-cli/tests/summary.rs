//! `mapsto summary` of models by their names.

mod common;

use common::{complaint, events, text};

#[test]
fn a_model_is_summarised_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Parameters as torchvision and the papers give them.
    for (name, parameters) in [
        ("resnet18", 11_689_512),
        ("mobilenet_v2", 3_504_872),
        ("vgg11", 132_863_336),
        ("lenet", 61_706),
        ("table/mlp", 1_801),
        // Hugging Face's, without its pooler and with two outputs.
        ("minilm", 22_565_376 + 2 * 385),
        ("text/gru", 20_000 * 128 + 2 * 3 * 128 * (128 + 128 + 2) + 257 + 2 * 257),
        ("forecast/linear", 2 * 37 * 36),
        ("mf", 2 * 1001 * 65),
    ] {
        let told = events(folder, &["summary", name, "--json"]);
        assert_eq!(told[0]["model"], name);
        assert_eq!(told[0]["summary"]["parameters"], parameters, "{name}");
    }
    let small = events(folder, &["summary", "resnet18", "--input", "3x32x32", "--outputs", "10", "--json"]);
    assert_eq!(small[0]["summary"]["parameters"], 11_173_962);
    assert!(text(folder, &["summary", "logistic", "--input", "30"]).contains("Linear"));
    for (arguments, said) in [
        (&["resnet19"][..], "resnet19 is no run and no model: models are image/lenet, vgg11,"),
        (&["resnet18", "--input", "3xa"], "give whole numbers with an x between them, as 3x224x224"),
        (&["resnet18", "--input", "32"], "resnet18 takes the sizes CHANNELSxHEIGHTxWIDTH; give them as 3x224x224"),
        (&["table/mlp", "--input", "3x32x32"], "mlp takes the sizes COLUMNS; give them as 16"),
        (&["lenet", "--input", "1x4x4"], "LeNet"),
        (&["gru"], "several tasks have a model gru: give one of text/gru, translate/gru, lm/gru"),
        (&["text/gpt"], "text has no model \"gpt\": its models are bag, cnn, lstm, gru"),
        (&["lm/gru", "--outputs", "3"], "the sizes TOKENSxLENGTH tell how many outputs gru has"),
        (&["text/gru", "--input", "18446744073709551615x2"], "the number of tokens is"),
        (&["runs/mine"], "runs/mine is not there"),
        (&["digits/cnn"], "digits/cnn is not there"),
    ] {
        let told = complaint(folder, &[&["summary"], arguments].concat());
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn every_model_of_every_task_is_summarised() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, layer) in [
        ("text/cnn", "Conv1d"),
        ("text/transformer", "TransformerEncoder"),
        ("lm/gru", "Unit"),
        ("lm/transformer", "Linear"),
        ("translate/gru", "AdditiveAttention"),
        ("translate/transformer", "TransformerDecoder"),
        ("deepspeech", "BatchNorm"),
        ("streaming", "Gru"),
        ("mel_cnn", "Conv2d"),
        ("keyword_cnn", "Conv2d"),
        ("series/cnn", "Conv1d"),
        ("series/resnet", "Conv1d"),
        ("series/lstm", "Lstm"),
        ("forecast/tcn", "Conv1d"),
        ("forecast/transformer", "TransformerEncoder"),
        ("two_tower", "Linear"),
        ("sequence", "TransformerEncoder"),
        ("parallel", "Conv1d"),
    ] {
        let told = text(folder, &["summary", name]);
        assert!(told.contains(layer), "{name}: {told}");
    }
    let wide = events(folder, &["summary", "deepspeech", "--input", "80x200", "--outputs", "40", "--json"]);
    let usual = events(folder, &["summary", "speech/deepspeech", "--json"]);
    let of = |told: &[serde_json::Value], name: &str| told[0]["summary"][name].as_u64().unwrap();
    assert!(of(&wide, "parameters") > of(&usual, "parameters"));
}
