//! Records of TensorFlow: a length, its checksum, the data, its checksum (`tensorflow/core/lib/io/record_writer.h`).

use std::io::{self, Read};

/// Bytes before the data, and after it.
const HEAD: u64 = 12;
const FOOT: u64 = 4;
/// Castagnoli's polynomial, its lowest power in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// Added to checksums, so that data that holds checksums is not its own.
const MASK: u32 = 0xa282_ead8;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// A checksum on its way (CRC-32C).
struct Crc(u32);

impl Crc {
    fn new() -> Crc {
        Crc(u32::MAX)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |crc, &byte| (crc >> 8) ^ TABLE[((crc ^ byte as u32) & 0xff) as usize]);
    }

    fn masked(self) -> u32 {
        (!self.0).rotate_right(15).wrapping_add(MASK)
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.add(bytes);
    crc.masked().to_le_bytes()
}

/// A record that holds `data`.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// The length of the next record with all that belongs to it, if it is whole; `seen` gets its data.
pub(super) fn skip(from: &mut impl Read, mut seen: impl FnMut(&[u8])) -> io::Result<Option<u64>> {
    let Some(length) = exactly::<8>(from)? else { return Ok(None) };
    let Some(sum) = exactly::<4>(from)? else { return Ok(None) };
    if checksum(&length) != sum {
        return Ok(None);
    }
    let length = u64::from_le_bytes(length);
    let (mut crc, mut left, mut piece) = (Crc::new(), length, [0; 1 << 12]);
    while left > 0 {
        let wanted = left.min(piece.len() as u64) as usize;
        match from.read(&mut piece[..wanted])? {
            0 => return Ok(None),
            got => {
                crc.add(&piece[..got]);
                seen(&piece[..got]);
                left -= got as u64;
            }
        }
    }
    let whole = exactly::<4>(from)? == Some(crc.masked().to_le_bytes());
    Ok(whole.then_some(HEAD + length + FOOT))
}

fn exactly<const N: usize>(from: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match from.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        let crc = |bytes: &[u8]| {
            let mut crc = Crc::new();
            crc.add(bytes);
            !crc.0
        };
        assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[test]
    fn only_whole_records_count() {
        let record = framed(&[7; 9000]);
        let mut seen = 0;
        assert_eq!(skip(&mut &record[..], |piece| seen += piece.len()).unwrap(), Some(9016));
        assert_eq!(seen, 9000);
        for end in [0, 5, 11, 12, 9000, 9015] {
            assert_eq!(skip(&mut &record[..end], |_| ()).unwrap(), None, "{end}");
        }
        for at in [0, 9, 12, 5000, 9015] {
            let mut changed = record.clone();
            changed[at] ^= 1;
            assert_eq!(skip(&mut &changed[..], |_| ()).unwrap(), None, "{at}");
        }
    }
}
