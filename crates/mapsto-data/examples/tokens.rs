//! Reads JSON `[[text, most], ...]` from its input and prints the tokens of each by a `tokenizer.json`: tools/minilm_check.py.

use mapsto_data::Tokenizer;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: tokens tokenizer.json < cases.json")?;
    let tokenizer = Tokenizer::open(&path)?;
    let cases: Vec<(String, usize)> = serde_json::from_reader(std::io::stdin().lock())?;
    let tokens = cases.iter().map(|(text, most)| tokenizer.encode(text, *most)).collect::<Result<Vec<_>, _>>()?;
    println!("{}", serde_json::to_string(&tokens)?);
    Ok(())
}
