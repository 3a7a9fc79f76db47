#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_data::Sound;
use mapsto_fuzz::with_file;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        let _ = Sound::read(path);
    });
});
