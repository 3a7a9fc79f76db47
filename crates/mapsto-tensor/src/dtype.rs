//! Element types, their promotion, and scalars that take the type of their neighbour.

use crate::error::{Error, Result};
use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// Truth values, one byte each.
    Bool,
    /// Unsigned 8-bit integers.
    U8,
    /// Signed 8-bit integers.
    I8,
    /// Signed 32-bit integers.
    I32,
    /// Signed 64-bit integers: indices.
    I64,
    /// IEEE half precision.
    F16,
    /// The upper half of a single-precision number.
    BF16,
    /// IEEE single precision: the default.
    F32,
    /// IEEE double precision.
    F64,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 9] =
        [DType::Bool, DType::U8, DType::I8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];

    /// Bytes an element takes.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    /// Whether elements are floating-point numbers: what gradients need.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// Whether elements are integers (truth values are not).
    pub fn is_integer(self) -> bool {
        matches!(self, DType::U8 | DType::I8 | DType::I32 | DType::I64)
    }

    /// The least and the greatest number of an integer type.
    pub(crate) fn integer_range(self) -> Option<(i64, i64)> {
        match self {
            DType::U8 => Some((u8::MIN as i64, u8::MAX as i64)),
            DType::I8 => Some((i8::MIN as i64, i8::MAX as i64)),
            DType::I32 => Some((i32::MIN as i64, i32::MAX as i64)),
            DType::I64 => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }

    /// The type that holds the values of both, by NumPy's rules with two differences that keep single precision the
    /// working type: an integer beside a float takes the float's type (NumPy widens `i64` + `f32` to `f64`), and
    /// `u8` + `i8` gives `i32` (there is no `i16`). `f16` beside `bf16` gives `f32`.
    pub fn promote(self, other: DType) -> DType {
        use DType::*;
        let (a, b) = (self.min(other), self.max(other));
        match (a, b) {
            _ if a == b => a,
            (U8, I8) => I32,
            (F16, BF16) => F32,
            _ => b, // the declaration order is the order of promotion for every other pair
        }
    }

    /// The float type in which a function such as `exp` of this type is computed: itself, or `f32` for the others.
    pub fn to_float(self) -> DType {
        if self.is_float() { self } else { DType::F32 }
    }

    /// The type in which long sums, roots and quotients of elements of this type are computed: `f64` of itself, `f32` of
    /// the others.
    pub(crate) fn to_wide(self) -> DType {
        if self == DType::F64 { DType::F64 } else { DType::F32 }
    }

    /// The type's name, as Rust writes it.
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "u8",
            DType::I8 => "i8",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that a tensor can hold.
pub trait Element: Copy + Default + PartialOrd + fmt::Debug + Send + Sync + sealed::Sealed + 'static {
    /// The tensor's name for this type.
    const DTYPE: DType;
    /// The value nearest to `x`; floats to integers truncate and saturate, anything but zero is true.
    fn from_f64(x: f64) -> Self;
    /// The value as a double (64-bit integers beyond 2^53 are rounded).
    fn to_f64(self) -> f64;
    /// The value nearest to `x`; integers wrap as Rust's `as` does.
    fn from_i64(x: i64) -> Self;
    /// The value as an integer; floats truncate and saturate.
    fn to_i64(self) -> i64;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($ty:ty, $dtype:ident, $from_f64:expr, $to_f64:expr, $from_i64:expr, $to_i64:expr) => {
        impl sealed::Sealed for $ty {}
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                ($from_f64)(x)
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                ($to_f64)(self)
            }
            #[inline(always)]
            fn from_i64(x: i64) -> Self {
                ($from_i64)(x)
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                ($to_i64)(self)
            }
        }
    };
}

element!(bool, Bool, |x| x != 0.0, |x| x as u8 as f64, |x| x != 0, |x| x as i64);
element!(u8, U8, |x| x as u8, |x| x as f64, |x| x as u8, |x| x as i64);
element!(i8, I8, |x| x as i8, |x| x as f64, |x| x as i8, |x| x as i64);
element!(i32, I32, |x| x as i32, |x| x as f64, |x| x as i32, |x| x as i64);
element!(i64, I64, |x| x as i64, |x| x as f64, |x| x, |x| x);
element!(f16, F16, f16::from_f64, f16::to_f64, |x| f16::from_f64(x as f64), |x| f16::to_f64(x) as i64);
element!(bf16, BF16, bf16::from_f64, bf16::to_f64, |x| bf16::from_f64(x as f64), |x| bf16::to_f64(x) as i64);
element!(f32, F32, |x| x as f32, |x| x as f64, |x| x as f32, |x| x as i64);
element!(f64, F64, |x| x, |x| x, |x| x as f64, |x| x as i64);

/// Runs an expression with `$T` standing for the Rust type of a [`DType`].
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}
pub(crate) use with_dtype;

/// A number beside a tensor. It is weakly typed, as in NumPy 2 (NEP 50): it takes the tensor's type, unless the
/// tensor's kind cannot hold it (a float beside integers gives `f32`, an integer beside truth values `i64`). An integer
/// beyond the tensor's integer type is an error, except in comparisons, which have an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
}

impl Scalar {
    /// The type of the result when this number meets a tensor of type `dtype`.
    pub fn promote(self, dtype: DType) -> DType {
        match self {
            Scalar::Bool(_) => dtype,
            Scalar::Int(_) if dtype == DType::Bool => DType::I64,
            Scalar::Int(_) => dtype,
            Scalar::Float(_) => dtype.to_float(),
        }
    }

    /// The value as an element.
    pub(crate) fn to<T: Element>(self) -> T {
        match self {
            Scalar::Bool(x) => T::from_i64(x as i64),
            Scalar::Int(x) => T::from_i64(x),
            Scalar::Float(x) => T::from_f64(x),
        }
    }

    /// Fails if an integer type `dtype` does not have this number, as NumPy 2 does.
    pub(crate) fn check_fits(self, dtype: DType) -> Result<()> {
        let Some((low, high)) = dtype.integer_range() else { return Ok(()) };
        let (fits, number) = match self {
            Scalar::Bool(_) => return Ok(()),
            Scalar::Int(x) => ((low..=high).contains(&x), x.to_string()),
            // The sum is exact: of i64 it is 2^63.
            Scalar::Float(x) => (x.fract() == 0.0 && x >= low as f64 && x < high as f64 + 1.0, format!("{x:?}")),
        };
        if fits {
            return Ok(());
        }
        Err(Error::dtype(format!("the number {number} does not fit {dtype} (whole numbers, {low} to {high})"))
            .mend("take a type that holds it, to_dtype converts a tensor"))
    }
}

macro_rules! scalar_from {
    ($($ty:ty => $variant:ident as $wide:ty),*) => {$(
        impl From<$ty> for Scalar {
            fn from(x: $ty) -> Scalar {
                Scalar::$variant(x as $wide)
            }
        }
    )*};
}
scalar_from!(bool => Bool as bool, i32 => Int as i64, i64 => Int as i64, u8 => Int as i64, i8 => Int as i64, f32 => Float as f64, f64 => Float as f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric_and_idempotent() {
        for a in DType::ALL {
            assert_eq!(a.promote(a), a);
            for b in DType::ALL {
                assert_eq!(a.promote(b), b.promote(a), "{a} {b}");
                assert!(a.promote(b) >= a.max(b) || (a, b) == (DType::BF16, DType::F16));
            }
        }
        assert_eq!(DType::U8.promote(DType::I8), DType::I32);
        assert_eq!(DType::I64.promote(DType::F16), DType::F16);
        assert_eq!(DType::F16.promote(DType::BF16), DType::F32);
    }

    #[test]
    fn scalars_are_weak() {
        assert_eq!(Scalar::from(2.0).promote(DType::BF16), DType::BF16);
        assert_eq!(Scalar::from(2.0).promote(DType::I64), DType::F32);
        assert_eq!(Scalar::from(2).promote(DType::Bool), DType::I64);
        assert_eq!(Scalar::from(2).promote(DType::U8), DType::U8);
        for (number, dtype) in
            [(2.5, DType::I64), (256.0, DType::U8), (f64::NAN, DType::I32), (2f64.powi(63), DType::I64)]
        {
            assert!(Scalar::from(number).check_fits(dtype).is_err(), "{number} {dtype}");
        }
        for (number, dtype) in [(2.5, DType::F16), (255.0, DType::U8), (-2f64.powi(63), DType::I64)] {
            Scalar::from(number).check_fits(dtype).unwrap();
        }
        let error = Scalar::from(300).check_fits(DType::U8).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the number 300 does not fit u8 (whole numbers, 0 to 255); take a type that holds it, to_dtype converts a tensor"
        );
    }
}
