//! Reads JSON `[tokens of a text, ...]` from its input and prints the mean vectors of the texts, as one batch, by weights of a BERT of Hugging Face's:
//! tools/minilm_check.py.

use mapsto_models::text::{Bert, BertConfig};
use mapsto_models::{TextModel, TextNet, TextShape, load_all_but};
use mapsto_nn::{Module, read_state};
use mapsto_tensor::{Tensor, no_grad};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: sentences FOLDER < tokens.json")?;
    let texts: Vec<Vec<i64>> = serde_json::from_reader(std::io::stdin().lock())?;
    let (config, tokens) = BertConfig::from_hugging_face(&std::fs::read_to_string(folder.join("config.json"))?)?;
    let (model, input) = (TextModel::Bert(config), TextShape { tokens, length: 512 });
    let network = model.build(input, 2)?.init(1)?;
    let values = Bert::values(read_state(folder.join("model.safetensors"))?.tensors);
    load_all_but(model.head_prefix(), &network, &values)?;
    network.eval();
    let most = texts.iter().map(Vec::len).max().unwrap_or(0);
    let filled = texts.iter().flat_map(|text| text.iter().copied().chain(std::iter::repeat(0)).take(most)).collect();
    let tokens = Tensor::from_vec(filled, [texts.len(), most])?;
    let lengths = Tensor::from_vec(texts.iter().map(|text| text.len() as i64).collect(), [texts.len()])?;
    let TextNet::Bert(bert) = &network else { return Err("not BERT".into()) };
    let features = no_grad(|| bert.features(&tokens, &lengths))?.to_vec::<f32>()?;
    println!("{}", serde_json::to_string(&features)?);
    Ok(())
}
