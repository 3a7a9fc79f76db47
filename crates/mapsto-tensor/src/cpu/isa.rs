//! Run-time choice of instruction set: one binary carries every variant of each kernel.

use std::sync::OnceLock;

/// An instruction set that kernels are compiled for, from plainest to widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What every machine of the target has.
    Portable,
    /// AArch64 Advanced SIMD.
    Neon,
    /// x86-64-v3: AVX2 and FMA.
    Avx2,
    /// x86-64-v4: AVX-512 F, BW, CD, DQ and VL.
    Avx512,
}

impl Isa {
    /// All, from the plainest.
    pub const ALL: [Isa; 4] = [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512];

    /// The name that `MAPSTO_ISA` takes.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

/// The instruction set in use: the widest that this machine has, capped by the environment variable
/// `MAPSTO_ISA` (`portable`, `neon`, `avx2` or `avx512`), read once. An unknown name caps nothing.
pub fn isa() -> Isa {
    static CHOSEN: OnceLock<Isa> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let cap = std::env::var("MAPSTO_ISA").ok();
        let cap = Isa::ALL.into_iter().find(|isa| Some(isa.name()) == cap.as_deref()).unwrap_or(Isa::Avx512);
        widest().min(cap)
    })
}

#[cfg(target_arch = "x86_64")]
fn widest() -> Isa {
    match () {
        () if pulp::x86::V4::is_available() => Isa::Avx512,
        () if pulp::x86::V3::is_available() => Isa::Avx2,
        () => Isa::Portable,
    }
}

#[cfg(target_arch = "aarch64")]
fn widest() -> Isa {
    if pulp::aarch64::Neon::is_available() { Isa::Neon } else { Isa::Portable }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn widest() -> Isa {
    Isa::Portable
}

/// Defines a function whose body is compiled once for each instruction set and chosen at run time.
///
/// The body sees a [`pulp::Simd`] token, for explicit lanes; plain loops in it are vectorised by the compiler
/// for that instruction set. Everything that it calls in its inner loops must be `#[inline(always)]`.
///
/// ```ignore
/// simd! {
///     pub(crate) fn scale<S>(simd: S, x: &mut [f32], by: f32) { for x in x { *x *= by } }
/// }
/// scale(&mut data, 2.0);
/// ```
///
/// With `lanes of T:` before the function, only its `f32` and `f64` forms are compiled for each instruction set; other
/// element types, which no training step waits for, take the portable one. That halves the build.
macro_rules! simd {
    (lanes of $lane:ident : $($function:tt)*) => {
        $crate::cpu::isa::simd! { @[const { $crate::cpu::isa::has_lanes(<$lane as $crate::Element>::DTYPE) }] $($function)* }
    };
    (@[$wide:expr] $(#[$meta:meta])* $vis:vis fn $name:ident<$S:ident $(, $g:ident : $bound:path)* $(,)?>
     ($simd:ident : $S2:ident $(, $arg:ident : $ty:ty)* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$($g: $bound),*>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(unused_variables, clippy::too_many_arguments)]
            fn body<$S: pulp::Simd, $($g: $bound),*>($simd: $S, $($arg: $ty),*) $(-> $ret)? $body
            if !$wide {
                return body::<_, $($g),*>(pulp::Scalar, $($arg),*);
            }
            match $crate::cpu::isa::isa() {
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::isa::Isa::Avx512 => {
                    if let Some(simd) = pulp::x86::V4::try_new() {
                        return simd.vectorize(#[inline(always)] || body::<_, $($g),*>(simd, $($arg),*));
                    }
                }
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::isa::Isa::Avx2 => {
                    if let Some(simd) = pulp::x86::V3::try_new() {
                        return simd.vectorize(#[inline(always)] || body::<_, $($g),*>(simd, $($arg),*));
                    }
                }
                #[cfg(target_arch = "aarch64")]
                $crate::cpu::isa::Isa::Neon => {
                    if let Some(simd) = pulp::aarch64::Neon::try_new() {
                        return simd.vectorize(#[inline(always)] || body::<_, $($g),*>(simd, $($arg),*));
                    }
                }
                _ => {}
            }
            body::<_, $($g),*>(pulp::Scalar, $($arg),*)
        }
    };
    ($($function:tt)*) => {
        $crate::cpu::isa::simd! { @[true] $($function)* }
    };
}
pub(crate) use simd;

/// Whether kernels for this type are compiled for each instruction set.
pub(crate) const fn has_lanes(dtype: crate::DType) -> bool {
    matches!(dtype, crate::DType::F32 | crate::DType::F64)
}

/// `a * b + c`, fused where the instruction set fuses it in one instruction.
#[inline(always)]
pub(crate) fn fma32<S: pulp::Simd>(a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// [`fma32`] in double precision.
#[inline(always)]
pub(crate) fn fma64<S: pulp::Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}
