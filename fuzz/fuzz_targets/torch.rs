#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_formats::TorchFile;
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = TorchFile::from_reader(Cursor::new(bytes)) {
        let _ = file.state_dict();
    }
});
