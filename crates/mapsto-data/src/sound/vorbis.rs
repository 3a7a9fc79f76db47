//! OGG Vorbis (Xiph.Org, *Vorbis I specification*, 2020).

use super::read::{CUT, Mixer};
use lewton::audio::{PreviousWindowRight, read_audio_packet_generic};
use lewton::header::{read_header_ident, read_header_setup};
use ogg::reading::OggReadError;
use ogg::{Packet, PacketReader};
use std::io::{BufRead, ErrorKind, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Numbers in all codebooks together, at most: libvorbis has this bound for each.
const MOST_NUMBERS: u64 = 1 << 24;

pub(super) fn read(file: impl BufRead + Seek) -> Result<Mixer, String> {
    // The decoder takes what it was not written for with panics.
    catch_unwind(AssertUnwindSafe(|| decode(PacketReader::new(file))))
        .unwrap_or_else(|_| Err("it is damaged in a way that the decoder does not know".into()))
}

fn decode(mut packets: PacketReader<impl BufRead + Seek>) -> Result<Mixer, String> {
    let first = next(&mut packets, None)?.ok_or(CUT)?;
    match &first.data[..] {
        [b'O', b'p', b'u', b's', b'H', ..] => return Err("it is Opus; convert it to WAV, FLAC or OGG Vorbis".into()),
        [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => (),
        _ => return Err("it is OGG, but not Vorbis; convert it to WAV, FLAC or OGG Vorbis".into()),
    }
    let head = read_header_ident(&first.data).map_err(|error| error.to_string())?;
    let mut mixer = Mixer::new(head.audio_sample_rate, head.audio_channels.into())?;
    let serial = Some(first.stream_serial());
    // Titles and the like, which the decoder would allocate unbounded memory for.
    next(&mut packets, serial)?.ok_or(CUT)?;
    let setup = next(&mut packets, serial)?.ok_or(CUT)?.data;
    match numbers_in_codebooks(&setup) {
        Some(numbers) if numbers <= MOST_NUMBERS => (),
        Some(numbers) => return Err(format!("its codebooks have {numbers} numbers, more than {MOST_NUMBERS}")),
        None => return Err("its codebooks are damaged".into()),
    }
    let sizes = (head.blocksize_0, head.blocksize_1);
    let setup = read_header_setup(&setup, head.audio_channels, sizes).map_err(|error| error.to_string())?;
    let mut window = PreviousWindowRight::new();
    // Samples so far; pages count them, too, and the last page's count cuts its last block.
    let mut position: u64 = 0;
    // Some files end behind a page that is not marked as the last; what is there is taken, as libvorbis does.
    while let Some(packet) = next(&mut packets, serial)? {
        let read = read_audio_packet_generic::<Vec<Vec<f32>>>(&head, &setup, &packet.data, &mut window);
        let block = read.map_err(|error| error.to_string())?;
        let mut len = block.iter().map(Vec::len).min().unwrap_or(0);
        if packet.last_in_stream() {
            len = len.min(usize::try_from(packet.absgp_page().saturating_sub(position)).unwrap_or(len));
        }
        let scale = 1.0 / block.len() as f32;
        mixer.push((0..len).map(|i| block.iter().map(|channel| channel[i]).sum::<f32>() * scale))?;
        position = if packet.last_in_page() { packet.absgp_page() } else { position.saturating_add(len as u64) };
        if packet.last_in_stream() {
            break;
        }
    }
    Ok(mixer)
}

/// The next packet of a stream, of any if none is named.
fn next(packets: &mut PacketReader<impl BufRead + Seek>, serial: Option<u32>) -> Result<Option<Packet>, String> {
    loop {
        match packets.read_packet() {
            Ok(Some(packet)) if serial.is_none_or(|serial| packet.stream_serial() == serial) => {
                return Ok(Some(packet));
            }
            Ok(Some(_)) => (),
            Ok(None) => return Ok(None),
            Err(OggReadError::ReadError(error)) if error.kind() == ErrorKind::UnexpectedEof => return Err(CUT.into()),
            Err(OggReadError::NoCapturePatternFound) => return Err(format!("{CUT} or damaged: a page does not begin")),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// How many numbers the codebooks of a setup header (section 3.2.1) have, which the decoder allocates without asking. None if the
/// header is damaged.
fn numbers_in_codebooks(setup: &[u8]) -> Option<u64> {
    let mut bits = Bits { bytes: setup.strip_prefix(b"\x05vorbis")?, at: 0 };
    let mut numbers = 0;
    for _ in 0..=bits.read(8)? {
        if bits.read(24)? != 0x56_4342 {
            return None;
        }
        let (dimensions, entries) = (bits.read(16)?, bits.read(24)?);
        if dimensions == 0 {
            return None;
        }
        numbers += dimensions * entries;
        match (bits.read(1)?, numbers) {
            (_, MOST_NUMBERS..) => return Some(numbers),
            (0, _) => {
                let sparse = bits.read(1)? == 1;
                for _ in 0..entries {
                    if !sparse || bits.read(1)? == 1 {
                        bits.read(5)?;
                    }
                }
            }
            _ => {
                bits.read(5)?;
                let mut entry = 0;
                while entry < entries {
                    entry += bits.read((entries - entry).ilog2() + 1)?;
                }
            }
        }
        let values = match bits.read(4)? {
            0 => continue,
            1 => root(entries, dimensions),
            _ => dimensions * entries,
        };
        bits.read(64)?;
        let width = bits.read(4)? + 1;
        bits.read(1)?;
        bits.at += usize::try_from(values * width).ok()?;
    }
    Some(numbers)
}

/// The greatest number whose power is at most `x`.
fn root(x: u64, power: u64) -> u64 {
    let fits = |root: u64| u32::try_from(power).ok().and_then(|power| root.checked_pow(power)).is_some_and(|y| y <= x);
    let (mut low, mut high) = (0, x + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

/// Numbers of any width, the lowest bit first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn read(&mut self, width: u32) -> Option<u64> {
        let mut number = 0;
        for place in 0..width {
            let byte = self.bytes.get(self.at / 8)?;
            number |= u64::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(number)
    }
}
