#![no_main]

use libfuzzer_sys::fuzz_target;
use mapsto_formats::EventWriter;
use mapsto_fuzz::with_file;

fuzz_target!(|bytes: &[u8]| {
    with_file(bytes, |path| {
        if let Ok(mut events) = EventWriter::open(path, u64::MAX) {
            events.scalar("x", 1, 1.0).expect("it is writable");
            events.flush().expect("it is writable");
            let length = events.length();
            drop(events);
            // What was written is found again.
            assert_eq!(EventWriter::open(path, u64::MAX).expect("an event file").length(), length);
        }
    });
});
