//! Winograd's minimal algorithms F(m, r) along one axis, as maps of lanes of `N` numbers.
//!
//! A tile of `m + r - 1` elements and a kernel of `r` are polynomials' values at `m + r - 2` points and at infinity; products
//! of these, mapped back, are the `m` results. The gradient with respect to the kernel is the adjoint of that.

use crate::cpu::real::{Real, c};

/// The most elements of a tile.
pub(super) const MOST: usize = 6;

/// `N` numbers for each element; those beyond an algorithm's own are not used.
pub(super) type Lanes<T, const N: usize> = [[T; N]; MOST];

/// The most elements of a kernel.
pub(super) const MOST_TAPS: usize = 5;

/// `N` numbers for each element of a kernel; those beyond an algorithm's own are not used.
pub(super) type Taps<T, const N: usize> = [[T; N]; MOST_TAPS];

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
    fn widened<T: Real, const N: usize>(x: Lanes<T, N>) -> Lanes<T, N>;
    /// The results that products are mapped to.
    fn narrowed<T: Real, const N: usize>(x: Lanes<T, N>) -> Lanes<T, N>;
    /// The adjoint of [`narrowed`](Algorithm::narrowed).
    fn spread<T: Real, const N: usize>(y: Lanes<T, N>) -> Lanes<T, N>;
    /// What a kernel is mapped to.
    fn mapped<T: Real, const N: usize>(k: Taps<T, N>) -> Lanes<T, N>;
    /// The adjoint of [`mapped`](Algorithm::mapped).
    fn joined<T: Real, const N: usize>(x: Lanes<T, N>) -> Taps<T, N>;
}

/// Lane by lane.
#[inline(always)]
fn each<T: Real, const N: usize>(f: impl Fn(usize) -> T) -> [T; N] {
    let mut all = [T::ZERO; N];
    for (i, x) in all.iter_mut().enumerate() {
        *x = f(i);
    }
    all
}

/// F(2, 3), whose points are 0, 1 and -1.
pub(super) struct F23;

impl Algorithm for F23 {
    const RESULTS: usize = 2;
    const TAPS: usize = 3;
    const TURNED: [usize; MOST] = [3, 1, 2, 0, 4, 5];

    #[inline(always)]
    fn widened<T: Real, const N: usize>([x0, x1, x2, x3, ..]: Lanes<T, N>) -> Lanes<T, N> {
        let zero = [T::ZERO; N];
        let ends = [each(|i| x0[i] - x2[i]), each(|i| x1[i] - x3[i])];
        [ends[0], each(|i| x1[i] + x2[i]), each(|i| x2[i] - x1[i]), ends[1], zero, zero]
    }

    #[inline(always)]
    fn narrowed<T: Real, const N: usize>([x0, x1, x2, x3, ..]: Lanes<T, N>) -> Lanes<T, N> {
        let zero = [T::ZERO; N];
        [each(|i| x0[i] + x1[i] + x2[i]), each(|i| x1[i] - x2[i] - x3[i]), zero, zero, zero, zero]
    }

    #[inline(always)]
    fn spread<T: Real, const N: usize>([y0, y1, ..]: Lanes<T, N>) -> Lanes<T, N> {
        let zero = [T::ZERO; N];
        [y0, each(|i| y0[i] + y1[i]), each(|i| y0[i] - y1[i]), each(|i| -y1[i]), zero, zero]
    }

    #[inline(always)]
    fn mapped<T: Real, const N: usize>([k0, k1, k2, ..]: Taps<T, N>) -> Lanes<T, N> {
        let (half, zero) = (c::<T>(0.5), [T::ZERO; N]);
        let (plus, minus) = (each(|i| (k0[i] + k2[i] + k1[i]) * half), each(|i| (k0[i] + k2[i] - k1[i]) * half));
        [k0, plus, minus, k2, zero, zero]
    }

    #[inline(always)]
    fn joined<T: Real, const N: usize>([x0, x1, x2, x3, ..]: Lanes<T, N>) -> Taps<T, N> {
        let (half, zero) = (c::<T>(0.5), [T::ZERO; N]);
        let even = |i: usize| (x1[i] + x2[i]) * half;
        [each(|i| x0[i] + even(i)), each(|i| (x1[i] - x2[i]) * half), each(|i| even(i) + x3[i]), zero, zero]
    }
}

/// F(4, 3), whose points are 0, √2, -√2, 1/√2 and -1/√2. With 0, 1, -1, 2 and -2 rounding errors are three times as large.
pub(super) struct F43;

impl Algorithm for F43 {
    const RESULTS: usize = 4;
    const TAPS: usize = 3;
    const TURNED: [usize; MOST] = [5, 3, 4, 1, 2, 0];

    #[inline(always)]
    fn widened<T: Real, const N: usize>([x0, x1, x2, x3, x4, x5]: Lanes<T, N>) -> Lanes<T, N> {
        let [half, two, most] = [0.5, 2.0, 2.5].map(c::<T>);
        let [root, inverse] = [std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2].map(c::<T>);
        let near: [T; N] = each(|i| x4[i] - half * x2[i]);
        let slope: [T; N] = each(|i| root * (x3[i] - half * x1[i]));
        let far: [T; N] = each(|i| x4[i] - two * x2[i]);
        let bend: [T; N] = each(|i| inverse * (x3[i] - two * x1[i]));
        [
            each(|i| x0[i] + x4[i] - most * x2[i]),
            each(|i| near[i] + slope[i]),
            each(|i| near[i] - slope[i]),
            each(|i| far[i] + bend[i]),
            each(|i| far[i] - bend[i]),
            each(|i| x1[i] + x5[i] - most * x3[i]),
        ]
    }

    #[inline(always)]
    fn narrowed<T: Real, const N: usize>([x0, x1, x2, x3, x4, x5]: Lanes<T, N>) -> Lanes<T, N> {
        let ([half, two], root) = ([0.5, 2.0].map(c::<T>), c::<T>(std::f64::consts::SQRT_2));
        let [even, odd]: [[T; N]; 2] = [each(|i| x1[i] + x2[i]), each(|i| x1[i] - x2[i])];
        let [inner, outer]: [[T; N]; 2] = [each(|i| x3[i] + x4[i]), each(|i| x3[i] - x4[i])];
        [
            each(|i| x0[i] + even[i] - two * inner[i]),
            each(|i| root * (odd[i] - outer[i])),
            each(|i| two * even[i] - inner[i]),
            each(|i| root * (two * odd[i] - half * outer[i]) + x5[i]),
            [T::ZERO; N],
            [T::ZERO; N],
        ]
    }

    #[inline(always)]
    fn spread<T: Real, const N: usize>([y0, y1, y2, y3, ..]: Lanes<T, N>) -> Lanes<T, N> {
        let ([half, two], root) = ([0.5, 2.0].map(c::<T>), c::<T>(std::f64::consts::SQRT_2));
        let [even, odd]: [[T; N]; 2] = [each(|i| y0[i] + two * y2[i]), each(|i| root * (y1[i] + two * y3[i]))];
        let [inner, outer]: [[T; N]; 2] = [each(|i| two * y0[i] + y2[i]), each(|i| root * (y1[i] + half * y3[i]))];
        [
            y0,
            each(|i| even[i] + odd[i]),
            each(|i| even[i] - odd[i]),
            each(|i| -inner[i] - outer[i]),
            each(|i| outer[i] - inner[i]),
            y3,
        ]
    }

    #[inline(always)]
    fn mapped<T: Real, const N: usize>([k0, k1, k2, ..]: Taps<T, N>) -> Lanes<T, N> {
        let ([sixth, two], root) = ([1.0 / 6.0, 2.0].map(c::<T>), c::<T>(std::f64::consts::SQRT_2 / 6.0));
        let [even, inner]: [[T; N]; 2] =
            [each(|i| (k0[i] + two * k2[i]) * sixth), each(|i| (two * k0[i] + k2[i]) * sixth)];
        let odd: [T; N] = each(|i| k1[i] * root);
        [
            k0,
            each(|i| even[i] + odd[i]),
            each(|i| even[i] - odd[i]),
            each(|i| inner[i] + odd[i]),
            each(|i| inner[i] - odd[i]),
            k2,
        ]
    }

    #[inline(always)]
    fn joined<T: Real, const N: usize>([x0, x1, x2, x3, x4, x5]: Lanes<T, N>) -> Taps<T, N> {
        let ([sixth, two], root) = ([1.0 / 6.0, 2.0].map(c::<T>), c::<T>(std::f64::consts::SQRT_2 / 6.0));
        let [even, inner]: [[T; N]; 2] = [each(|i| x1[i] + x2[i]), each(|i| x3[i] + x4[i])];
        [
            each(|i| x0[i] + (even[i] + two * inner[i]) * sixth),
            each(|i| (x1[i] - x2[i] + x3[i] - x4[i]) * root),
            each(|i| (two * even[i] + inner[i]) * sixth + x5[i]),
            [T::ZERO; N],
            [T::ZERO; N],
        ]
    }
}

/// F(2, 5), with the points of F(4, 3).
pub(super) struct F25;

impl Algorithm for F25 {
    const RESULTS: usize = 2;
    const TAPS: usize = 5;
    const TURNED: [usize; MOST] = F43::TURNED;

    #[inline(always)]
    fn widened<T: Real, const N: usize>(x: Lanes<T, N>) -> Lanes<T, N> {
        F43::widened(x)
    }

    #[inline(always)]
    fn narrowed<T: Real, const N: usize>([x0, x1, x2, x3, x4, x5]: Lanes<T, N>) -> Lanes<T, N> {
        let [root, inverse] = [std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2].map(c::<T>);
        let zero = [T::ZERO; N];
        [
            each(|i| x0[i] + x1[i] + x2[i] - x3[i] - x4[i]),
            each(|i| root * (x1[i] - x2[i]) - inverse * (x3[i] - x4[i]) + x5[i]),
            zero,
            zero,
            zero,
            zero,
        ]
    }

    #[inline(always)]
    fn spread<T: Real, const N: usize>([y0, y1, ..]: Lanes<T, N>) -> Lanes<T, N> {
        let [root, inverse] = [std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2].map(c::<T>);
        [
            y0,
            each(|i| y0[i] + root * y1[i]),
            each(|i| y0[i] - root * y1[i]),
            each(|i| -y0[i] - inverse * y1[i]),
            each(|i| inverse * y1[i] - y0[i]),
            y1,
        ]
    }

    #[inline(always)]
    fn mapped<T: Real, const N: usize>([k0, k1, k2, k3, k4]: Taps<T, N>) -> Lanes<T, N> {
        let [half, two, third] = [0.5, 2.0, 1.0 / 3.0].map(c::<T>);
        let [root, inverse] = [std::f64::consts::SQRT_2 / 3.0, std::f64::consts::FRAC_1_SQRT_2 / 3.0].map(c::<T>);
        let even: [T; N] = each(|i| (half * k0[i] + k2[i] + two * k4[i]) * third);
        let odd: [T; N] = each(|i| inverse * k1[i] + root * k3[i]);
        let inner: [T; N] = each(|i| (two * k0[i] + k2[i] + half * k4[i]) * third);
        let outer: [T; N] = each(|i| root * k1[i] + inverse * k3[i]);
        [
            k0,
            each(|i| even[i] + odd[i]),
            each(|i| even[i] - odd[i]),
            each(|i| inner[i] + outer[i]),
            each(|i| inner[i] - outer[i]),
            k4,
        ]
    }

    #[inline(always)]
    fn joined<T: Real, const N: usize>([x0, x1, x2, x3, x4, x5]: Lanes<T, N>) -> Taps<T, N> {
        let [sixth, third, more] = [1.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0].map(c::<T>);
        let [root, inverse] = [std::f64::consts::SQRT_2 / 3.0, std::f64::consts::FRAC_1_SQRT_2 / 3.0].map(c::<T>);
        let [even, odd]: [[T; N]; 2] = [each(|i| x1[i] + x2[i]), each(|i| x1[i] - x2[i])];
        let [inner, outer]: [[T; N]; 2] = [each(|i| x3[i] + x4[i]), each(|i| x3[i] - x4[i])];
        [
            each(|i| x0[i] + sixth * even[i] + more * inner[i]),
            each(|i| inverse * odd[i] + root * outer[i]),
            each(|i| (even[i] + inner[i]) * third),
            each(|i| root * odd[i] + inverse * outer[i]),
            each(|i| more * even[i] + sixth * inner[i] + x5[i]),
        ]
    }
}
