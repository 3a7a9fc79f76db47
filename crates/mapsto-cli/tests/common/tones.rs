//! Speech of words whose letters are tones.

use mapsto_tensor::Rng;
use std::f32::consts::TAU;
use std::fs;
use std::path::Path;

/// Samples of a second.
pub const RATE: u32 = 8000;
/// What is said, and how high each sounds, in hertz.
pub const LETTERS: [(char, f32); 4] = [('a', 400.0), ('b', 900.0), ('c', 1700.0), ('d', 3000.0)];

/// A WAV file of 16 bits, its channels alike.
pub fn write(path: &Path, samples: &[f32], rate: u32, channels: u16) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let each = |x: &f32| ((x * 30_000.0) as i16).to_le_bytes().repeat(channels.into());
    let bytes: Vec<u8> = samples.iter().flat_map(each).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + bytes.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    for half in [1u16, channels] {
        file.extend(half.to_le_bytes());
    }
    file.extend(rate.to_le_bytes());
    file.extend((2 * rate * u32::from(channels)).to_le_bytes());
    for half in [2 * channels, 16] {
        file.extend(half.to_le_bytes());
    }
    file.extend(b"data");
    file.extend((bytes.len() as u32).to_le_bytes());
    fs::write(path, [file, bytes].concat()).unwrap();
}

/// What is said, and how it sounds: letters of 50 to 80 milliseconds with pauses between them, longer ones between words.
pub fn utterance(chance: &mut Rng) -> (String, Vec<f32>) {
    let (mut text, mut samples) = (String::new(), Vec::new());
    let pause = |samples: &mut Vec<f32>, milliseconds: u64| {
        samples.extend(std::iter::repeat_n(0.0, (milliseconds * u64::from(RATE) / 1000) as usize));
    };
    for word in 0..1 + chance.below(2) {
        if word > 0 {
            text.push(' ');
            pause(&mut samples, 120);
        }
        for _ in 0..1 + chance.below(3) {
            let (letter, pitch) = LETTERS[chance.below(4) as usize];
            text.push(letter);
            let length = (50 + chance.below(30)) * u64::from(RATE) / 1000;
            let strength = 0.2 + 0.05 * chance.below(10) as f32;
            samples.extend((0..length).map(|i| strength * (TAU * pitch * i as f32 / RATE as f32).sin()));
            pause(&mut samples, 40);
        }
    }
    samples.iter_mut().for_each(|x| *x += 0.002 * chance.normal() as f32);
    (text, samples)
}

/// Utterances and their table.
pub fn utterances(folder: &Path, count: usize) {
    let mut chance = Rng::new(3);
    let mut table = "path,text\n".to_string();
    for number in 0..count {
        let (text, samples) = utterance(&mut chance);
        write(&folder.join(format!("{number}.wav")), &samples, RATE, 1);
        table += &format!("{number}.wav,{text}\n");
    }
    fs::write(folder.join("said.csv"), table).unwrap();
}

/// Settings of a small network that learns quickly.
pub const SMALL: [&str; 20] = [
    "--set",
    "mels=20",
    "--set",
    "channels=8",
    "--set",
    "hidden=32",
    "--set",
    "layers=1",
    "--set",
    "dropout=0",
    "--set",
    "learning_rate=0.01",
    "--set",
    "batch_size=8",
    "--set",
    "validation=0",
    "--set",
    "frequency_masks=0",
    "--set",
    "time_masks=0",
];
