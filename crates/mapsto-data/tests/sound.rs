//! Sounds and their features against libsndfile and torchaudio (`tools/sound_fixtures.py`); what is no sound.

use mapsto_data::{Log, LogMel, Mfcc, Sound, SoundAugmentation, SoundStep, Spectrogram, Spectrograph};
use mapsto_tensor::Rng;
use serde::Deserialize;
use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Fixture {
    files: Vec<Read>,
    resampled: Vec<Resampled>,
    log_mels: Vec<Made<LogMel>>,
    mfccs: Vec<Made<Mfcc>>,
    pitched: Vec<Pitched>,
}

#[derive(Deserialize)]
struct Read {
    name: String,
    rate: u32,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Resampled {
    from: u32,
    to: u32,
    samples: usize,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Pitched {
    semitones: f64,
    samples: usize,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Made<S> {
    settings: S,
    samples: usize,
    frames: usize,
    values: Vec<f32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/sound.json")).unwrap()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sound").join(name)
}

/// A tone that rises, and noise (Knuth's MMIX generator), the last eighth silent: the same as in the tool.
fn chirp(n: usize, rate: u32) -> Sound {
    let mut state = 1u64;
    let sample = |i: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (noise, place) = ((state >> 52) as f64 - 2048.0, i as f64);
        let tone = (20000.0 * (TAU * (0.01 * place + 1e-5 * place * place)).sin()).floor();
        if i < n - n / 8 { ((tone + noise) / 32768.0) as f32 } else { 0.0 }
    };
    Sound { rate, samples: (0..n).map(sample).collect() }
}

/// Fails unless the numbers are as near as this.
#[track_caller]
fn expect_near(what: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() <= tolerance, "{what}: number {i} is {ours}, not {theirs}");
    }
}

#[test]
fn files_are_libsndfiles() {
    let files = fixture().files;
    assert_eq!(files.len(), 10);
    for Read { name, rate, values } in files {
        let sound = Sound::read(&file(&name)).unwrap();
        assert_eq!(sound.rate, rate, "{name}");
        // Lossless formats to the bit but for the mean's rounding, Vorbis to that of its own arithmetic.
        expect_near(&name, &sound.samples, &values, if name.ends_with("ogg") { 2e-6 } else { 1e-7 });
    }
    assert_eq!(Sound::read(&file("float.wav")).unwrap(), chirp(100, 22050));
}

#[test]
fn resampled_sounds_are_torchaudios() {
    let cases = fixture().resampled;
    assert_eq!(cases.len(), 8);
    for Resampled { from, to, samples, values } in cases {
        let sound = chirp(samples, from).resample(to).unwrap();
        assert_eq!(sound.rate, to);
        expect_near(&format!("{from} to {to}"), &sound.samples, &values, 1e-5);
    }
    assert_eq!(chirp(9, 700).resample(700).unwrap(), chirp(9, 700));
    assert!(Sound { rate: 5, samples: vec![] }.resample(7).unwrap().samples.is_empty());
}

#[test]
fn log_mels_are_torchaudios() {
    let cases = fixture().log_mels;
    assert_eq!(cases.len(), 14);
    for Made { settings, samples, frames, values } in cases {
        let made = Spectrograph::new(&settings).unwrap().of(&chirp(samples, settings.rate)).unwrap();
        assert_eq!((made.rows, made.frames), (settings.mels, frames));
        // A ten-thousandth of the power, in both logarithms' units.
        let tolerance = if matches!(settings.log, Log::Natural { .. }) { 1e-4 } else { 1e-3 };
        expect_near(&format!("{settings:?}"), &made.values, &values, tolerance);
    }
}

#[test]
fn mfccs_are_torchaudios() {
    let cases = fixture().mfccs;
    assert_eq!(cases.len(), 4);
    for Made { settings, samples, frames, values } in cases {
        let made = Spectrograph::mfcc(&settings).unwrap().of(&chirp(samples, settings.mel.rate)).unwrap();
        assert_eq!((made.rows, made.frames), (settings.coefficients, frames));
        expect_near(&format!("{settings:?}"), &made.values, &values, 1e-3);
    }
}

#[test]
fn pitched_sounds_are_torchaudios() {
    let cases = fixture().pitched;
    assert_eq!(cases.len(), 3);
    for Pitched { semitones, samples, values } in cases {
        let step = SoundStep::Pitch { semitones: [semitones; 2], probability: 1.0 };
        let pitched = SoundAugmentation::new(vec![step]).unwrap().apply(chirp(samples, 16000), &Rng::new(0)).unwrap();
        expect_near(&format!("{semitones} semitones"), &pitched.samples, &values, 1e-4);
    }
}

#[test]
fn changes_depend_on_the_stream_alone() {
    let text =
        r#"{"steps": [{"name": "noise"}, {"name": "gain"}, {"name": "shift"}, {"name": "speed"}, {"name": "pitch"}]}"#;
    let augmentation: SoundAugmentation = serde_json::from_str(text).unwrap();
    let saved = serde_json::to_string(&augmentation).unwrap();
    assert_eq!(serde_json::from_str::<SoundAugmentation>(&saved).unwrap(), augmentation);
    let changed = |seed| augmentation.apply(chirp(600, 8000), &Rng::new(seed)).unwrap();
    assert_eq!(changed(1), changed(1));
    assert_ne!(changed(1), changed(2));
    let lengths: Vec<usize> = (0..20).map(|seed| changed(seed).samples.len()).collect();
    assert!(
        lengths.iter().all(|len| (540..=670).contains(len)) && lengths.iter().any(|&len| len != 600),
        "{lengths:?}"
    );
    // Next to nothing is taken, too.
    for samples in [vec![], vec![0.5]] {
        let len = samples.len();
        assert!(augmentation.apply(Sound { rate: 8000, samples }, &Rng::new(3)).unwrap().samples.len() <= len + 1);
    }
    let said =
        |step: &str| serde_json::from_str::<SoundAugmentation>(&format!(r#"{{"steps": [{step}]}}"#)).unwrap_err();
    let speed = said(r#"{"name": "speed", "factor": [0, 2]}"#).to_string();
    assert!(speed.contains("sound: factor rises within 0.1 to 10, not [0.0, 2.0]"), "{speed}");
    let noise = said(r#"{"name": "noise", "probability": 2}"#).to_string();
    assert!(noise.contains("sound: probability lies in 0 to 1, not 2"), "{noise}");
    assert!(said(r#"{"name": "shift", "shares": 0.1}"#).to_string().contains("unknown field `shares`"));
}

#[test]
fn settings_are_saved() {
    let settings = Mfcc { mel: LogMel { f_max: Some(7000.0), ..LogMel::default() }, ..Mfcc::default() };
    for settings in [settings, Mfcc::default()] {
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Mfcc>(&text).unwrap(), settings, "{text}");
    }
    let error = serde_json::from_str::<LogMel>(r#"{"mel": 3}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `mel`"), "{error}");
    let error = serde_json::from_str::<LogMel>(r#"{"log": {"kind": "natural", "offset": 1, "x": 2}}"#);
    assert!(error.unwrap_err().to_string().contains("unknown field `x`"));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let said = |text: &str| match Spectrograph::new(&serde_json::from_str(text).unwrap()) {
        Ok(_) => panic!("{text} is taken"),
        Err(error) => error.to_string(),
    };
    assert_eq!(said(r#"{"rate": 0}"#), "sound: rate lies in 1..=1000000, not 0");
    assert_eq!(said(r#"{"points": 401}"#), "sound: points is even and lies in 2..=65536, not 401");
    assert_eq!(said(r#"{"points": 100000}"#), "sound: points is even and lies in 2..=65536, not 100000");
    assert_eq!(said(r#"{"window": 600}"#), "sound: window lies in 1..=512, the points, not 600");
    assert_eq!(said(r#"{"hop": 0}"#), "sound: hop lies in 1..=268435456, not 0");
    assert_eq!(said(r#"{"mels": 0}"#), "sound: mels lies in 1..=1024, not 0");
    assert_eq!(said(r#"{"f_min": 8000}"#), "sound: f_min lies from 0 to below f_max, 8000, not 8000");
    assert_eq!(said(r#"{"f_min": -1}"#), "sound: f_min lies from 0 to below f_max, 8000, not -1");
    assert_eq!(said(r#"{"f_max": 8001}"#), "sound: f_max is at most 8000, half the rate, not 8001");
    assert_eq!(said(r#"{"log": {"kind": "natural", "offset": 0}}"#), "sound: offset is above 0, not 0");
    assert_eq!(said(r#"{"log": {"kind": "decibels", "floor": -1}}"#), "sound: floor is above 0, not -1");
    assert_eq!(said(r#"{"log": {"kind": "decibels", "floor": 1, "range": 0}}"#), "sound: range is above 0, not 0");
    let many = Mfcc { coefficients: 65, ..Mfcc::default() };
    let error = Spectrograph::mfcc(&many).err().unwrap().to_string();
    assert_eq!(error, "sound: coefficients lies in 1..=64, the mels, not 65");

    let of = |sound: &Sound, settings: &LogMel| Spectrograph::new(settings).unwrap().of(sound);
    let usual = LogMel::default();
    let error = of(&chirp(10, 8000), &usual).unwrap_err().to_string();
    assert_eq!(error, "a sound of 8000 samples a second is not for features of 16000: resample it");
    let error = of(&Sound { rate: 16000, samples: vec![] }, &usual).unwrap_err().to_string();
    assert_eq!(error, "a sound without samples has no features");
    let dense = LogMel { hop: 1, mels: 1024, ..LogMel::default() };
    let error = of(&Sound { rate: 16000, samples: vec![0.0; 1 << 18] }, &dense).unwrap_err().to_string();
    assert_eq!(error, "262144 samples are too many for 1024 bands at a hop of 1: cut the sound into pieces");
    let Spectrogram { frames, values, .. } = of(&chirp(1, 16000), &usual).unwrap();
    assert_eq!((frames, values.len()), (2, 128));
    for rate in [0, 2_000_000] {
        let error = chirp(10, 8000).resample(rate).unwrap_err().to_string();
        assert_eq!(error, format!("sound: rate lies in 1..=1000000, not {rate}"));
    }
    let error = Sound { rate: 1, samples: vec![0.0; 1000] }.resample(1_000_000).unwrap_err().to_string();
    assert_eq!(error, "1000 samples are too many for 1000000 samples for each 1: cut the sound into pieces");
}

#[test]
fn what_is_no_sound_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let said = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = Sound::read(&path).unwrap_err().to_string();
        error.split_once("x.wav is no whole sound: ").unwrap_or_else(|| panic!("{error}")).1.to_string()
    };
    assert!(Sound::read(&folder.path().join("none.wav")).unwrap_err().to_string().starts_with("cannot read "));
    assert_eq!(said(b""), "the file is empty");
    assert_eq!(said(b"no sound"), "it is not WAV, FLAC or OGG Vorbis; convert it to one of these");
    assert_eq!(said(b"ID3\x04\0\0"), "it is MP3; convert it to WAV, FLAC or OGG Vorbis");
    for name in ["pcm_16.wav", "16.flac", "mono.ogg"] {
        let whole = fs::read(file(name)).unwrap();
        for len in [20, 40, whole.len() / 2, whole.len() - 2] {
            assert!(said(&whole[..len]).starts_with("it is cut off"), "{name}, {len} bytes");
        }
    }
    let mut wav = fs::read(file("float.wav")).unwrap();
    let data = wav.len() - 400;
    wav[data + 8..data + 12].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(said(&wav), "sample 2 is NaN");
    let mut wav = fs::read(file("pcm_16.wav")).unwrap();
    // Samples and bytes of a second.
    wav[24..28].copy_from_slice(&2_000_000u32.to_le_bytes());
    wav[28..32].copy_from_slice(&8_000_000u32.to_le_bytes());
    assert_eq!(said(&wav), "it has 2000000 samples a second, not 1 to 1000000");
    let data = wav.len() - 400;
    wav[24..28].copy_from_slice(&8000u32.to_le_bytes());
    wav[28..32].copy_from_slice(&32000u32.to_le_bytes());
    wav[data - 4..data].fill(0);
    assert_eq!(said(&wav), "it has no samples");
}

/// A page of OGG with one packet that is not the last.
fn page(number: u32, packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(if number == 0 { 2 } else { 0 });
    page.extend([0; 8]);
    page.extend(1u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push((packet.len() / 255 + 1) as u8);
    page.extend(std::iter::repeat_n(255, packet.len() / 255));
    page.push((packet.len() % 255) as u8);
    page.extend(packet);
    checksum(&mut page);
    page
}

/// Puts a page's checksum in (RFC 3533): CRC-32 with the polynomial 0x04c11db7, from 0, not reflected.
fn checksum(page: &mut [u8]) {
    page[22..26].fill(0);
    let step = |crc: u32| if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
    let crc = page.iter().fold(0, |crc: u32, &byte| (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| step(crc)));
    page[22..26].copy_from_slice(&crc.to_le_bytes());
}

/// Puts the checksums of all pages in that are whole.
fn checksums(mut file: &mut [u8]) {
    while file.len() > 27 && file.starts_with(b"OggS") && file.len() > 27 + usize::from(file[26]) {
        let table = 27 + usize::from(file[26]);
        let len = table + file[27..table].iter().map(|&len| usize::from(len)).sum::<usize>();
        if len > file.len() {
            return;
        }
        let (page, rest) = std::mem::take(&mut file).split_at_mut(len);
        checksum(page);
        file = rest;
    }
}

#[test]
fn headers_of_vorbis_allocate_no_more_than_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ogg");
    let said = |packets: &[&[u8]]| {
        fs::write(&path, packets.iter().zip(0..).flat_map(|(packet, i)| page(i, packet)).collect::<Vec<_>>()).unwrap();
        let error = Sound::read(&path).unwrap_err().to_string();
        error.split_once("x.ogg is no whole sound: ").unwrap_or_else(|| panic!("{error}")).1.to_string()
    };
    let head = b"\x01vorbis\0\0\0\0\x01\x80\x3e\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb8\x01";
    assert_eq!(said(&[b"OpusHead\x01"]), "it is Opus; convert it to WAV, FLAC or OGG Vorbis");
    assert_eq!(said(&[b"\x7fFLAC"]), "it is OGG, but not Vorbis; convert it to WAV, FLAC or OGG Vorbis");
    assert_eq!(said(&[head]), "it is cut off");
    // Four billion titles: passed over.
    let titles = b"\x03vorbis\0\0\0\0\xff\xff\xff\xff";
    assert_eq!(said(&[head, titles, b"\x05vorbis"]), "its codebooks are damaged");
    assert_eq!(said(&[head, titles, b"\x05vorbis\0no"]), "its codebooks are damaged");
    // 65535 dimensions of 16777215 entries.
    let vast = b"\x05vorbis\0BCV\xff\xff\xff\xff\xff\x01\0\0\0\0\0\0";
    assert_eq!(said(&[head, titles, vast]), "its codebooks have 1099494785025 numbers, more than 16777216");
}

#[test]
fn mutated_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut read = 0;
    for name in ["pcm_16.wav", "pcm_24.wav", "float.wav", "16.flac", "8.flac", "mono.ogg"] {
        let whole = fs::read(file(name)).unwrap();
        for at in (0..whole.len()).step_by(whole.len().div_ceil(60)) {
            for byte in [0, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                checksums(&mut bytes);
                fs::write(&path, &bytes).unwrap();
                read += usize::from(Sound::read(&path).is_ok());
            }
        }
    }
    assert!(read > 100, "{read} were read");
}

#[test]
fn pieces_of_a_sound_give_the_frames_of_the_whole() {
    let small = LogMel { rate: 8000, points: 64, window: 50, hop: 20, mels: 10, ..LogMel::default() };
    // Windows that lie apart, too.
    for settings in [small.clone(), LogMel { hop: 90, ..small.clone() }, LogMel { hop: 33, points: 50, ..small }] {
        let spectrograph = Spectrograph::new(&settings).unwrap();
        for samples in [1, 10, 32, 33, 64, 65, 99, 400, 1001] {
            let sound = chirp(samples, settings.rate);
            let whole = spectrograph.of(&sound).unwrap();
            for piece in [1, 7, 20, 64, 333] {
                let mut stream = spectrograph.stream().unwrap();
                let mut pieces: Vec<Spectrogram> = sound.samples.chunks(piece).map(|some| stream.push(some)).collect();
                pieces.push(stream.finish());
                assert_eq!(pieces.iter().map(|piece| piece.frames).sum::<usize>(), whole.frames, "{samples}, {piece}");
                for row in 0..whole.rows {
                    let of = |one: &Spectrogram| one.values[row * one.frames..][..one.frames].to_vec();
                    let joined: Vec<f32> = pieces.iter().flat_map(of).collect();
                    assert_eq!(joined, of(&whole), "{samples}, {piece}, {settings:?}");
                }
            }
        }
        assert_eq!(spectrograph.stream().unwrap().finish().frames, 0);
    }
    let range = LogMel { log: Log::Decibels { floor: 1e-10, range: Some(80.0) }, ..LogMel::default() };
    let told = Spectrograph::new(&range).unwrap().stream().err().unwrap().to_string();
    assert_eq!(told, "sound: range is not given of a sound that comes piece by piece, not 80");
}
