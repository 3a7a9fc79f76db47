#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_data::{Synonyms, TextColumns, TextSet};
use mapsto_fuzz::with_file;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        let _ = Synonyms::open(path);
        let lines = path.with_extension("jsonl");
        std::fs::write(&lines, bytes).expect("a file");
        if let Ok(set) = TextSet::read(&lines, &TextColumns::default()) {
            let _ = set.inspect();
        }
    });
});
