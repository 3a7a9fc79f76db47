//! Sounds per second on one thread, stage after stage: `cargo bench -p mapsto-data --bench sound -- FOLDER`.
//!
//! FOLDER holds sounds; those that cannot be read are told. `tools/sound_speed.py` does the same with torchaudio.

use mapsto_data::{LogMel, Sound, SoundFolder, Spectrograph};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

fn main() {
    // Cargo adds --bench.
    let Some(folder) = std::env::args().skip(1).find(|argument| argument != "--bench") else {
        println!("give a folder with sounds");
        return;
    };
    let files = SoundFolder::list(Path::new(&folder)).expect("a folder with sounds");
    let settings = LogMel::default();
    let spectrograph = Spectrograph::new(&settings).expect("the usual settings");
    let tell = |what: &str, count: usize, seconds: f64, start: Instant| {
        let took = start.elapsed().as_secs_f64();
        println!("{what}: {:.0} files/s, {:.0} times as fast as they play", count as f64 / took, seconds / took);
    };

    let (start, mut sounds, mut refused) = (Instant::now(), Vec::new(), BTreeMap::<String, usize>::new());
    for path in &files {
        match Sound::read(path) {
            Ok(sound) => sounds.push(sound),
            Err(error) => {
                println!("{error}");
                let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
                *refused.entry(ending).or_default() += 1;
            }
        }
    }
    let seconds = sounds.iter().map(Sound::seconds).sum();
    tell("read", sounds.len(), seconds, start);
    println!("{} of {} read, {refused:?} refused", sounds.len(), files.len());
    let start = Instant::now();
    let resampled = sounds.into_iter().map(|sound| sound.resample(settings.rate).expect("a usual rate"));
    let sounds: Vec<Sound> = resampled.collect();
    tell("resampled to 16 kHz", sounds.len(), seconds, start);
    let start = Instant::now();
    sounds.iter().for_each(|sound| drop(black_box(spectrograph.of(sound).expect("a spectrogram"))));
    tell("log-mel", sounds.len(), seconds, start);

    let second = Sound { rate: 16_000, samples: sounds[0].samples.iter().copied().cycle().take(16_000).collect() };
    let (start, count) = (Instant::now(), 2000);
    (0..count).for_each(|_| drop(black_box(spectrograph.of(black_box(&second)).expect("a spectrogram"))));
    println!("log-mel of one second: {:.0} sounds/s", f64::from(count) / start.elapsed().as_secs_f64());
}
