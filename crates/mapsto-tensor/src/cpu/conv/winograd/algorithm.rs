//! Winograd's minimal algorithms F(m, r) along one axis, as maps of lanes of numbers.
//!
//! A tile of `m + r - 1` elements and a kernel of `r` are polynomials' values at `m + r - 2` points and at infinity; products
//! of these, mapped back, are the `m` results. The gradient with respect to the kernel is the adjoint of that.

use crate::cpu::lanes::Lanes;
use crate::cpu::real::{Real, c};
use pulp::Simd;
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// The most elements of a tile.
pub(super) const MOST: usize = 6;

/// Lanes for each element; those beyond an algorithm's own are not used.
pub(super) type Elements<S, T> = [Lanes<S, T>; MOST];

/// The most elements of a kernel.
pub(super) const MOST_TAPS: usize = 5;

/// Lanes for each element of a kernel; those beyond an algorithm's own are not used.
pub(super) type Taps<S, T> = [Lanes<S, T>; MOST_TAPS];

/// An algorithm along one axis. A kernel's values are scaled such that upside down it has the same, elsewhere.
pub(super) trait Algorithm {
    /// Results of a tile.
    const RESULTS: usize;
    /// Elements of a kernel.
    const TAPS: usize;
    /// Elements of a tile, and of a mapped kernel.
    const ELEMENTS: usize = Self::RESULTS + Self::TAPS - 1;
    /// Which element of a mapped kernel is there when the kernel is upside down.
    const TURNED: [usize; MOST];

    /// What a tile is mapped to.
    fn widened<S: Simd, T: Real>(x: Elements<S, T>) -> Elements<S, T>;
    /// The results that products are mapped to.
    fn narrowed<S: Simd, T: Real>(x: Elements<S, T>) -> Elements<S, T>;
    /// The adjoint of [`narrowed`](Algorithm::narrowed).
    fn spread<S: Simd, T: Real>(y: Elements<S, T>) -> Elements<S, T>;
    /// What a kernel is mapped to.
    fn mapped<S: Simd, T: Real>(k: Taps<S, T>) -> Elements<S, T>;
    /// The adjoint of [`mapped`](Algorithm::mapped).
    fn joined<S: Simd, T: Real>(x: Elements<S, T>) -> Taps<S, T>;
}

/// F(2, 3), whose points are 0, 1 and -1.
pub(super) struct F23;

impl Algorithm for F23 {
    const RESULTS: usize = 2;
    const TAPS: usize = 3;
    const TURNED: [usize; MOST] = [3, 1, 2, 0, 4, 5];

    #[inline(always)]
    fn widened<S: Simd, T: Real>([x0, x1, x2, x3, rest @ ..]: Elements<S, T>) -> Elements<S, T> {
        [x0 - x2, x1 + x2, x2 - x1, x1 - x3, rest[0], rest[1]]
    }

    #[inline(always)]
    fn narrowed<S: Simd, T: Real>([x0, x1, x2, x3, rest @ ..]: Elements<S, T>) -> Elements<S, T> {
        [x0 + x1 + x2, x1 - x2 - x3, rest[0], rest[0], rest[0], rest[1]]
    }

    #[inline(always)]
    fn spread<S: Simd, T: Real>([y0, y1, rest @ ..]: Elements<S, T>) -> Elements<S, T> {
        [y0, y0 + y1, y0 - y1, y1 * -T::ONE, rest[0], rest[1]]
    }

    #[inline(always)]
    fn mapped<S: Simd, T: Real>([k0, k1, k2, rest @ ..]: Taps<S, T>) -> Elements<S, T> {
        let (even, half) = (k0 + k2, c::<T>(0.5));
        [k0, (even + k1) * half, (even - k1) * half, k2, rest[0], rest[1]]
    }

    #[inline(always)]
    fn joined<S: Simd, T: Real>([x0, x1, x2, x3, rest @ ..]: Elements<S, T>) -> Taps<S, T> {
        let half = c::<T>(0.5);
        let even = (x1 + x2) * half;
        [x0 + even, (x1 - x2) * half, even + x3, rest[0], rest[1]]
    }
}

/// F(4, 3), whose points are 0, √2, -√2, 1/√2 and -1/√2. With 0, 1, -1, 2 and -2 rounding errors are three times as large.
pub(super) struct F43;

impl Algorithm for F43 {
    const RESULTS: usize = 4;
    const TAPS: usize = 3;
    const TURNED: [usize; MOST] = [5, 3, 4, 1, 2, 0];

    #[inline(always)]
    fn widened<S: Simd, T: Real>([x0, x1, x2, x3, x4, x5]: Elements<S, T>) -> Elements<S, T> {
        let (half, two, most, root, inverse) =
            (c::<T>(0.5), c::<T>(2.0), c::<T>(2.5), c::<T>(SQRT_2), c::<T>(FRAC_1_SQRT_2));
        let (near, slope) = (x4 - x2 * half, (x3 - x1 * half) * root);
        let (far, bend) = (x4 - x2 * two, (x3 - x1 * two) * inverse);
        [x0 + x4 - x2 * most, near + slope, near - slope, far + bend, far - bend, x1 + x5 - x3 * most]
    }

    #[inline(always)]
    fn narrowed<S: Simd, T: Real>([x0, x1, x2, x3, x4, x5]: Elements<S, T>) -> Elements<S, T> {
        let (half, two, root) = (c::<T>(0.5), c::<T>(2.0), c::<T>(SQRT_2));
        let (even, odd, inner, outer) = (x1 + x2, x1 - x2, x3 + x4, x3 - x4);
        let last = (odd * two - outer * half) * root + x5;
        [x0 + even - inner * two, (odd - outer) * root, even * two - inner, last, x4, x5]
    }

    #[inline(always)]
    fn spread<S: Simd, T: Real>([y0, y1, y2, y3, ..]: Elements<S, T>) -> Elements<S, T> {
        let (half, two, root) = (c::<T>(0.5), c::<T>(2.0), c::<T>(SQRT_2));
        let (even, odd) = (y0 + y2 * two, (y1 + y3 * two) * root);
        let (inner, outer) = (y0 * two + y2, (y1 + y3 * half) * root);
        [y0, even + odd, even - odd, (inner + outer) * -T::ONE, outer - inner, y3]
    }

    #[inline(always)]
    fn mapped<S: Simd, T: Real>([k0, k1, k2, ..]: Taps<S, T>) -> Elements<S, T> {
        let (sixth, two, root) = (c::<T>(1.0 / 6.0), c::<T>(2.0), c::<T>(SQRT_2 / 6.0));
        let (even, inner, odd) = ((k0 + k2 * two) * sixth, (k0 * two + k2) * sixth, k1 * root);
        [k0, even + odd, even - odd, inner + odd, inner - odd, k2]
    }

    #[inline(always)]
    fn joined<S: Simd, T: Real>([x0, x1, x2, x3, x4, x5]: Elements<S, T>) -> Taps<S, T> {
        let (sixth, two, root) = (c::<T>(1.0 / 6.0), c::<T>(2.0), c::<T>(SQRT_2 / 6.0));
        let (even, inner) = (x1 + x2, x3 + x4);
        [x0 + (even + inner * two) * sixth, (x1 - x2 + x3 - x4) * root, (even * two + inner) * sixth + x5, x4, x5]
    }
}

/// F(2, 5), with the points of F(4, 3).
pub(super) struct F25;

impl Algorithm for F25 {
    const RESULTS: usize = 2;
    const TAPS: usize = 5;
    const TURNED: [usize; MOST] = F43::TURNED;

    #[inline(always)]
    fn widened<S: Simd, T: Real>(x: Elements<S, T>) -> Elements<S, T> {
        F43::widened(x)
    }

    #[inline(always)]
    fn narrowed<S: Simd, T: Real>([x0, x1, x2, x3, x4, x5]: Elements<S, T>) -> Elements<S, T> {
        let (root, inverse) = (c::<T>(SQRT_2), c::<T>(FRAC_1_SQRT_2));
        let last = (x1 - x2) * root - (x3 - x4) * inverse + x5;
        [x0 + x1 + x2 - x3 - x4, last, x2, x3, x4, x5]
    }

    #[inline(always)]
    fn spread<S: Simd, T: Real>([y0, y1, ..]: Elements<S, T>) -> Elements<S, T> {
        let (root, inverse) = (c::<T>(SQRT_2), c::<T>(FRAC_1_SQRT_2));
        let (near, far) = (y1 * root, y1 * inverse);
        [y0, y0 + near, y0 - near, (y0 + far) * -T::ONE, far - y0, y1]
    }

    #[inline(always)]
    fn mapped<S: Simd, T: Real>([k0, k1, k2, k3, k4]: Taps<S, T>) -> Elements<S, T> {
        let (half, two, third, root, inverse) =
            (c::<T>(0.5), c::<T>(2.0), c::<T>(1.0 / 3.0), c::<T>(SQRT_2 / 3.0), c::<T>(FRAC_1_SQRT_2 / 3.0));
        let (even, odd) = ((k0 * half + k2 + k4 * two) * third, k1 * inverse + k3 * root);
        let (inner, outer) = ((k0 * two + k2 + k4 * half) * third, k1 * root + k3 * inverse);
        [k0, even + odd, even - odd, inner + outer, inner - outer, k4]
    }

    #[inline(always)]
    fn joined<S: Simd, T: Real>([x0, x1, x2, x3, x4, x5]: Elements<S, T>) -> Taps<S, T> {
        let (sixth, third, more) = (c::<T>(1.0 / 6.0), c::<T>(1.0 / 3.0), c::<T>(2.0 / 3.0));
        let (root, inverse) = (c::<T>(SQRT_2 / 3.0), c::<T>(FRAC_1_SQRT_2 / 3.0));
        let (even, odd, inner, outer) = (x1 + x2, x1 - x2, x3 + x4, x3 - x4);
        [
            x0 + even * sixth + inner * more,
            odd * inverse + outer * root,
            (even + inner) * third,
            odd * root + outer * inverse,
            even * more + inner * sixth + x5,
        ]
    }
}
