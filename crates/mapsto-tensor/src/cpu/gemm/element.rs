//! Elements of matrix products and the vectors that they lie in.

use bytemuck::Pod;
use pulp::Simd;
use std::ops::Add;

/// An element type of matrix products, with its vectors.
pub(crate) trait GemmElement: Pod + Default + PartialOrd + Send + Sync + Add<Output = Self> {
    /// A vector of the instruction set.
    type Vector<S: Simd>: Copy;
    /// Elements in a vector.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }
    /// Reads a vector, aligned or not.
    ///
    /// # Safety
    /// All its elements may be read.
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> Self::Vector<S> {
        // SAFETY: as the caller promised.
        unsafe { from.cast::<Self::Vector<S>>().read_unaligned() }
    }
    /// Writes a vector, aligned or not.
    ///
    /// # Safety
    /// All its elements may be written.
    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, x: Self::Vector<S>) {
        // SAFETY: as the caller promised.
        unsafe { to.cast::<Self::Vector<S>>().write_unaligned(x) }
    }
    /// The same element throughout.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// `x + y`.
    fn plus<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>) -> Self::Vector<S>;
    /// `x - y`.
    fn minus<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>) -> Self::Vector<S>;
    /// `x * y`.
    fn times<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>) -> Self::Vector<S>;
    /// `x * y + z`, fused where the instruction set fuses it in one instruction.
    fn mul_add<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>, z: Self::Vector<S>) -> Self::Vector<S>;
    /// The elements, zero in place of negative ones; NaN stays.
    fn rectified<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Vector<S>;
    /// Sum of the elements.
    fn reduce_sum<S: Simd>(simd: S, x: Self::Vector<S>) -> Self;
    /// Reads up to a vector, with zeros behind.
    fn partial_load<S: Simd>(simd: S, from: &[Self]) -> Self::Vector<S>;
    /// Writes the first elements of a vector.
    fn partial_store<S: Simd>(simd: S, to: &mut [Self], x: Self::Vector<S>);
}

macro_rules! gemm_element {
    ($T:ty, $vector:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $mul_add:ident, $sum:ident, $less:ident, $select:ident, $load:ident, $store:ident) => {
        impl GemmElement for $T {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn plus<S: Simd>(simd: S, x: S::$vector, y: S::$vector) -> S::$vector {
                simd.$add(x, y)
            }
            #[inline(always)]
            fn minus<S: Simd>(simd: S, x: S::$vector, y: S::$vector) -> S::$vector {
                simd.$sub(x, y)
            }
            #[inline(always)]
            fn times<S: Simd>(simd: S, x: S::$vector, y: S::$vector) -> S::$vector {
                simd.$mul(x, y)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, x: S::$vector, y: S::$vector, z: S::$vector) -> S::$vector {
                // pulp's portable vectors would call the C library's fma.
                if size_of::<S::$vector>() <= 16 && cfg!(not(target_arch = "aarch64")) {
                    simd.$add(simd.$mul(x, y), z)
                } else {
                    simd.$mul_add(x, y, z)
                }
            }
            #[inline(always)]
            fn rectified<S: Simd>(simd: S, x: S::$vector) -> S::$vector {
                let zero = simd.$splat(0.0);
                simd.$select(simd.$less(x, zero), zero, x)
            }
            #[inline(always)]
            fn reduce_sum<S: Simd>(simd: S, x: S::$vector) -> Self {
                simd.$sum(x)
            }
            #[inline(always)]
            fn partial_load<S: Simd>(simd: S, from: &[Self]) -> S::$vector {
                simd.$load(from)
            }
            #[inline(always)]
            fn partial_store<S: Simd>(simd: S, to: &mut [Self], x: S::$vector) {
                simd.$store(to, x)
            }
        }
    };
}

gemm_element!(
    f32,
    f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    mul_add_e_f32s,
    reduce_sum_f32s,
    less_than_f32s,
    select_f32s,
    partial_load_f32s,
    partial_store_f32s
);
gemm_element!(
    f64,
    f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    mul_add_e_f64s,
    reduce_sum_f64s,
    less_than_f64s,
    select_f64s,
    partial_load_f64s,
    partial_store_f64s
);
