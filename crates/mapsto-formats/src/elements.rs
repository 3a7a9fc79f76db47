//! Numbers as files hold them, and the tensors that they become.

use mapsto_tensor::{DType, Error, Shape, Tensor};
use std::io::{self, Read};

/// Bytes that are read at a time: memory grows with what is there, not with what a header promises.
const PIECE: u64 = 1 << 20;

/// The type of a file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stored {
    Bool,
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

impl Stored {
    /// Every type.
    pub const ALL: [Stored; 12] = {
        use Stored::*;
        [Bool, U8, I8, I16, U16, I32, U32, I64, F16, BF16, F32, F64]
    };

    /// Bytes that a number takes.
    pub fn size(self) -> usize {
        match self {
            Stored::Bool | Stored::U8 | Stored::I8 => 1,
            Stored::I16 | Stored::U16 | Stored::F16 | Stored::BF16 => 2,
            Stored::I32 | Stored::U32 | Stored::F32 => 4,
            Stored::I64 | Stored::F64 => 8,
        }
    }

    /// A tensor of these bytes, whose number must be the shape's. Integers that tensors do not hold become wider ones that
    /// hold all their values: `i16` and `u16` become `i32`, `u32` becomes `i64`.
    pub fn tensor(self, mut bytes: Vec<u8>, big_endian: bool, shape: Shape) -> Result<Tensor, Error> {
        if big_endian {
            bytes.chunks_exact_mut(self.size()).for_each(<[u8]>::reverse);
        }
        if bytes.len() != shape.numel() * self.size() {
            let what = format!("{} bytes do not fill the shape {shape} of {self:?}", bytes.len());
            return Err(Error::data(what));
        }
        let dtype = match self {
            Stored::Bool => DType::Bool,
            Stored::U8 => DType::U8,
            Stored::I8 => DType::I8,
            Stored::I16 => return Tensor::from_vec(wider(&bytes, |x| i16::from_le_bytes(x) as i32), shape),
            Stored::U16 => return Tensor::from_vec(wider(&bytes, |x| u16::from_le_bytes(x) as i32), shape),
            Stored::I32 => DType::I32,
            Stored::U32 => return Tensor::from_vec(wider(&bytes, |x| u32::from_le_bytes(x) as i64), shape),
            Stored::I64 => DType::I64,
            Stored::F16 => DType::F16,
            Stored::BF16 => DType::BF16,
            Stored::F32 => DType::F32,
            Stored::F64 => DType::F64,
        };
        Tensor::from_bytes(&bytes, shape, dtype)
    }
}

fn wider<T, const N: usize>(bytes: &[u8], widen: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&bytes| widen(bytes)).collect()
}

/// At most `most` bytes, in memory that grows with what is there.
pub(crate) fn read_up_to(from: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let wanted = PIECE.min(most - bytes.len() as u64);
        if wanted == 0 || from.by_ref().take(wanted).read_to_end(&mut bytes)? == 0 {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_that_tensors_lack_keep_their_values() {
        let of = |stored: Stored, bytes: &[u8]| {
            let n = bytes.len() / stored.size();
            let tensor = stored.tensor(bytes.to_vec(), false, Shape::new(&[n]).unwrap()).unwrap();
            (tensor.dtype(), tensor.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap())
        };
        assert_eq!(of(Stored::I16, &[0xfe, 0xff, 1, 0]), (DType::I32, vec![-2, 1]));
        assert_eq!(of(Stored::U16, &[0xfe, 0xff, 1, 0]), (DType::I32, vec![65534, 1]));
        assert_eq!(of(Stored::U32, &[0xfe, 0xff, 0xff, 0xff]), (DType::I64, vec![4294967294]));
        let said = Stored::F32.tensor(vec![0; 3], false, Shape::new(&[1]).unwrap()).err().unwrap().to_string();
        assert!(said.contains("3 bytes do not fill the shape [1] of F32"), "{said}");
    }
}
