#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_data::Tokenizer;
use mapsto_fuzz::with_file;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        if let Ok(tokenizer) = Tokenizer::open(path) {
            let _ = tokenizer.encode("A naïve café, 你好!  \u{1f600}", 16).map(|tokens| tokenizer.decode(&tokens));
        }
    });
});
