#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_data::{Histories, HistoryColumns, SeriesColumns, SeriesSet};
use mapsto_fuzz::with_file;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        let series = path.with_extension("ts");
        std::fs::copy(path, &series).expect("a file");
        let _ = SeriesSet::open(&series, &SeriesColumns::default());
        let columns = HistoryColumns { targets: vec!["x".into()], ..HistoryColumns::default() };
        let _ = Histories::read(path, &columns, true);
    });
});
