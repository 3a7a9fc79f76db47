#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_data::{Table, TableOptions};
use mapsto_fuzz::with_file;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        if let Ok(table) = Table::read(path, &TableOptions::default()) {
            let _ = table.inspect(None);
        }
    });
});
