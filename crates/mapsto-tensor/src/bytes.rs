//! Tensors as the bytes that files hold: row-major, little-endian, truth as 0 or 1.

use crate::backend::ElementwiseKernels;
use crate::cpu::Cpu;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::IntoShape;
use crate::tensor::{Tensor, Writing};
use std::panic::Location;

#[cfg(target_endian = "big")]
compile_error!("files hold little-endian numbers; this machine's order is not handled");

/// Names each type of number with its Rust type; the body runs for the one that `dtype` is.
macro_rules! numbers {
    ($dtype:expr, $T:ident => $body:expr, bool => $bool:expr) => {
        numbers!(@match $dtype, $T => $body, $bool,
            U8 u8, I8 i8, I32 i32, I64 i64, F16 half::f16, BF16 half::bf16, F32 f32, F64 f64)
    };
    (@match $dtype:expr, $T:ident => $body:expr, $bool:expr, $($variant:ident $ty:ty),*) => {
        match $dtype {
            DType::Bool => $bool,
            $(DType::$variant => {
                type $T = $ty;
                $body
            })*
        }
    };
}

impl Tensor {
    /// The elements in row-major order as little-endian bytes.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let at = Location::caller();
        let x = Cpu.contiguous(self).map_err(|e| e.as_of("to_bytes", at))?;
        Ok(numbers!(self.dtype(),
            T => bytemuck::cast_slice(x.as_slice::<T>().unwrap_or_default()).to_vec(),
            bool => x.as_slice::<bool>().unwrap_or_default().iter().map(|&x| x as u8).collect()))
    }

    /// A tensor from what [`Tensor::to_bytes`] gives.
    ///
    /// # Errors
    /// A number of bytes that is not the shape's; a truth value other than 0 and 1.
    #[track_caller]
    pub fn from_bytes(bytes: &[u8], shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        let at = Location::caller();
        let make = || {
            let shape = shape.into_shape()?;
            if bytes.len() != shape.numel() * dtype.size() {
                let (has, wants) = (bytes.len(), shape.numel() * dtype.size());
                return Err(Error::data(format!("{has} bytes do not hold {dtype}{shape}, which has {wants}")));
            }
            numbers!(dtype,
            T => {
                    let mut out = Writing::<T>::new(shape)?;
                    bytemuck::cast_slice_mut(out.as_mut()).copy_from_slice(bytes);
                    Ok(out.finish())
                },
            bool => {
                if let Some(byte) = bytes.iter().find(|&&byte| byte > 1) {
                    return Err(Error::data(format!("the byte {byte} is no truth value")));
                }
                Tensor::from_vec(bytes.iter().map(|&byte| byte == 1).collect(), shape)
            })
        };
        make().map_err(|e: Error| e.op("from_bytes").at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_back() {
        let x = Tensor::new([[1.0f32, -2.5, 0.0], [3.0, 1e3, 7.0]]).unwrap();
        for dtype in DType::ALL {
            let x = x.to_dtype(dtype).unwrap().t().unwrap();
            let bytes = x.to_bytes().unwrap();
            assert_eq!(bytes.len(), 6 * dtype.size());
            let back = Tensor::from_bytes(&bytes, [3, 2], dtype).unwrap();
            let wide = |x: &Tensor| x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
            assert_eq!(wide(&x), wide(&back), "{dtype}");
        }
        assert_eq!(Tensor::new([1.0f32]).unwrap().to_bytes().unwrap(), [0, 0, 128, 63]);
        let error = |bytes: &[u8], dtype| match Tensor::from_bytes(bytes, 2, dtype) {
            Ok(_) => String::new(),
            Err(e) => e.to_string().split(" at ").next().unwrap_or_default().to_string(),
        };
        assert_eq!(error(&[0; 3], DType::F16), "from_bytes: 3 bytes do not hold f16[2], which has 4");
        assert_eq!(error(&[1, 2], DType::Bool), "from_bytes: the byte 2 is no truth value");
    }
}
