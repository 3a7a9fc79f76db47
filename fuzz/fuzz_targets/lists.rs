#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_data::{PairColumns, PairSet, RatingColumns, Ratings, Utterance};
use mapsto_fuzz::with_file;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        let lines = path.with_extension("jsonl");
        std::fs::write(&lines, bytes).expect("a file");
        for path in [path, &lines] {
            let _ = Utterance::list(path);
            if let Ok(set) = PairSet::open(path, &PairColumns::default()) {
                let _ = set.inspect();
            }
            if let Ok(ratings) = Ratings::read(path, &RatingColumns::default()) {
                let _ = ratings.inspect();
            }
        }
    });
});
