//! Numbers side by side, which explicit vectors add and multiply: whether the compiler makes vectors of unrolled loops over
//! arrays changes with the code around them.

use crate::cpu::real::Real;
use pulp::Simd;
use std::ops::{Add, Mul, Sub};

/// How many; a whole number of vectors of every instruction set.
pub(crate) const LANES: usize = 16;

/// A number for each lane.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<S, T> {
    simd: S,
    values: [T; LANES],
}

impl<S: Simd, T: Real> Lanes<S, T> {
    #[inline(always)]
    pub fn new(simd: S, values: [T; LANES]) -> Self {
        Lanes { simd, values }
    }

    #[inline(always)]
    pub fn zero(simd: S) -> Self {
        Lanes { simd, values: [T::ZERO; LANES] }
    }

    #[inline(always)]
    pub fn splat(simd: S, value: T) -> Self {
        Lanes { simd, values: [value; LANES] }
    }

    /// The first numbers of a slice.
    #[inline(always)]
    pub fn load(simd: S, from: &[T]) -> Self {
        Lanes { simd, values: *from.first_chunk().expect("a row is long enough") }
    }

    #[inline(always)]
    pub fn values(&self) -> &[T; LANES] {
        &self.values
    }

    /// Writes the numbers to the beginning of a slice.
    #[inline(always)]
    pub fn store(&self, to: &mut [T]) {
        to[..LANES].copy_from_slice(&self.values);
    }

    /// Writes as many of the numbers to a slice as it has room for.
    #[inline(always)]
    pub fn store_part(&self, to: &mut [T]) {
        for i in (0..to.len().min(LANES)).step_by(T::lanes::<S>()) {
            // SAFETY: a whole vector of an array whose length is a multiple of theirs, and of the slice where it has room.
            unsafe {
                let x = T::load::<S>(self.values.as_ptr().add(i));
                if i + T::lanes::<S>() <= to.len() {
                    T::store::<S>(to.as_mut_ptr().add(i), x);
                } else {
                    T::partial_store(self.simd, &mut to[i..], x);
                }
            }
        }
    }

    /// The numbers of two by turns, in two.
    #[inline(always)]
    pub fn zipped(self, other: Self) -> [Self; 2] {
        let mut both = [self; 2];
        #[cfg(target_arch = "x86_64")]
        if is_one_vector::<S, T>() {
            // SAFETY: vectors of this kind are in use.
            unsafe {
                permuted(&self.values, &other.values, &LOW, &mut both[0].values);
                permuted(&self.values, &other.values, &HIGH, &mut both[1].values);
            }
            return both;
        }
        for i in 0..2 * LANES {
            both[i / LANES].values[i % LANES] = if i % 2 == 0 { self.values[i / 2] } else { other.values[i / 2] };
        }
        both
    }

    /// Every other number of two, from the first on and from the second on: the opposite of [`zipped`](Lanes::zipped).
    #[inline(always)]
    pub fn halves(self, other: Self) -> [Self; 2] {
        let mut halves = [self; 2];
        #[cfg(target_arch = "x86_64")]
        if is_one_vector::<S, T>() {
            // SAFETY: vectors of this kind are in use.
            unsafe {
                permuted(&self.values, &other.values, &EVEN, &mut halves[0].values);
                permuted(&self.values, &other.values, &ODD, &mut halves[1].values);
            }
            return halves;
        }
        for i in 0..LANES / 2 {
            for (half, values) in halves.iter_mut().enumerate() {
                values.values[i] = self.values[2 * i + half];
                values.values[LANES / 2 + i] = other.values[2 * i + half];
            }
        }
        halves
    }

    /// `f` of the vectors of two pairs.
    #[inline(always)]
    pub fn zip_pairs(
        x: [Self; 2],
        y: [Self; 2],
        f: impl Fn([T::Vector<S>; 2], [T::Vector<S>; 2]) -> [T::Vector<S>; 2],
    ) -> [Self; 2] {
        let mut values = [[T::ZERO; LANES]; 2];
        for i in (0..LANES).step_by(T::lanes::<S>()) {
            // SAFETY: whole vectors of arrays whose length is a multiple of theirs.
            unsafe {
                let load = |lanes: &Self| T::load::<S>(lanes.values.as_ptr().add(i));
                let [a, b] = f([load(&x[0]), load(&x[1])], [load(&y[0]), load(&y[1])]);
                T::store::<S>(values[0].as_mut_ptr().add(i), a);
                T::store::<S>(values[1].as_mut_ptr().add(i), b);
            }
        }
        [Lanes { simd: x[0].simd, values: values[0] }, Lanes { simd: x[0].simd, values: values[1] }]
    }

    /// `f` of the vectors of two.
    #[inline(always)]
    pub fn zip(self, other: Self, f: impl Fn(T::Vector<S>, T::Vector<S>) -> T::Vector<S>) -> Self {
        const { assert!(LANES.is_multiple_of(size_of::<T::Vector<S>>() / size_of::<T>())) };
        let mut values = [T::ZERO; LANES];
        for i in (0..LANES).step_by(T::lanes::<S>()) {
            // SAFETY: whole vectors of arrays whose length is a multiple of theirs.
            unsafe {
                let (x, y) = (self.values.as_ptr().add(i), other.values.as_ptr().add(i));
                T::store::<S>(values.as_mut_ptr().add(i), f(T::load::<S>(x), T::load::<S>(y)));
            }
        }
        Lanes { simd: self.simd, values }
    }
}

/// Whether the lanes are one vector of AVX-512.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn is_one_vector<S: Simd, T: Real>() -> bool {
    size_of::<T::Vector<S>>() == 64 && size_of::<T>() == 4
}

/// Which numbers of two rows, one behind the other, make up the halves of both by turns, and every other one of both.
#[cfg(target_arch = "x86_64")]
const LOW: [i32; LANES] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
#[cfg(target_arch = "x86_64")]
const HIGH: [i32; LANES] = [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31];
#[cfg(target_arch = "x86_64")]
const EVEN: [i32; LANES] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];
#[cfg(target_arch = "x86_64")]
const ODD: [i32; LANES] = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31];

/// The numbers of two rows at these places.
///
/// # Safety
/// The machine has AVX-512; numbers have 32 bits.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn permuted<T: Real>(x: &[T; LANES], y: &[T; LANES], places: &[i32; LANES], to: &mut [T; LANES]) {
    use core::arch::x86_64::{__m512, __m512i, _mm512_permutex2var_ps};
    let places = std::ptr::from_ref(places).cast::<__m512i>();
    let (x, y) = (std::ptr::from_ref(x).cast::<__m512>(), std::ptr::from_ref(y).cast::<__m512>());
    // SAFETY: whole vectors; the instruction is there, as the caller promised.
    unsafe {
        let values = _mm512_permutex2var_ps(x.read_unaligned(), places.read_unaligned(), y.read_unaligned());
        std::ptr::from_mut(to).cast::<__m512>().write_unaligned(values);
    }
}

impl<S: Simd, T: Real> Add for Lanes<S, T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(
            other,
            #[inline(always)]
            |x, y| T::plus(self.simd, x, y),
        )
    }
}

impl<S: Simd, T: Real> Sub for Lanes<S, T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(
            other,
            #[inline(always)]
            |x, y| T::minus(self.simd, x, y),
        )
    }
}

impl<S: Simd, T: Real> Mul<T> for Lanes<S, T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: T) -> Self {
        let factor = T::splat(self.simd, factor);
        self.zip(
            self,
            #[inline(always)]
            |x, _| T::times(self.simd, x, factor),
        )
    }
}
