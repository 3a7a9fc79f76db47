//! Elementary functions beyond those of [`math`](super::math): powers, hyperbolic and inverse functions. The same rules
//! hold: branch-free, generic over the instruction set, bounds in units in the last place.

#![allow(clippy::excessive_precision)] // Coefficients stand as they were published.

use super::isa::fma32;
use super::math::{exp, exp_m1, exp_m1_small, ln, ln_1p, poly, scale};
use crate::backend::Binary;
use pulp::Simd;
use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, PI};

/// `(atan(x) - x) / x^3` in powers of `x^2` for `|x| <= tan(pi / 8)` (Cephes).
const ATAN: [f32; 4] = [-3.33329491539e-1, 1.99777106478e-1, -1.38776856032e-1, 8.05374449538e-2];

/// `(asin(x) - x) / x^3` in powers of `x^2` for `|x| <= 1/2` (Cephes).
const ASIN: [f32; 5] = [1.6666752422e-1, 7.4953002686e-2, 4.5470025998e-2, 2.4181311049e-2, 4.2163199048e-2];

/// `2^x` (2 ulp; exact for integers).
#[inline(always)]
pub(crate) fn exp2<S: Simd>(x: f32) -> f32 {
    // The results at both ends have already overflowed to infinity and underflowed to zero.
    let x = x.clamp(-151.0, 129.0);
    let n = x.round_ties_even();
    // NaN as an integer is zero, and stays NaN through the fraction.
    scale(1.0 + exp_m1_small::<S>((x - n) * LN_2), n as i32)
}

/// `log2 x` to 2^-38 for positive `x`, -inf of zero, +inf of infinity.
#[inline(always)]
fn log2_wide(x: f32) -> f64 {
    let bits = f64::from(x).to_bits();
    // 1 / sqrt 2 <= m < sqrt 2.
    let offset = bits.wrapping_sub(std::f64::consts::FRAC_1_SQRT_2.to_bits());
    let m = f64::from_bits((offset & 0x000f_ffff_ffff_ffff).wrapping_add(std::f64::consts::FRAC_1_SQRT_2.to_bits()));
    // The exponent, an integer of few bits, through the low bits of a double: 64-bit conversions do not vectorise widely.
    let e = f64::from_bits((offset >> 52).wrapping_add(2048) & 0xfff | 0x4330_0000_0000_0000)
        - (4_503_599_627_370_496.0 + 2048.0);
    // 2 artanh(s) = ln m.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = 1.0
        + z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z * (1.0 / 9.0 + z * (1.0 / 11.0 + z * (1.0 / 13.0))))));
    let y = e + 2.0 * std::f64::consts::LOG2_E * s * series;
    let y = if x < f32::INFINITY { y } else { f64::from(x) };
    if x == 0.0 { f64::NEG_INFINITY } else { y }
}

/// `2^t` to 2^-37.
#[inline(always)]
fn exp2_wide(t: f64) -> f64 {
    let t = t.clamp(-200.0, 200.0);
    let shifted = t + 6_755_399_441_055_744.0;
    let r = (t - (shifted - 6_755_399_441_055_744.0)) * std::f64::consts::LN_2;
    let series = 1.0
        + r * (1.0
            + r * (1.0 / 2.0
                + r * (1.0 / 6.0
                    + r * (1.0 / 24.0
                        + r * (1.0 / 120.0
                            + r * (1.0 / 720.0 + r * (1.0 / 5040.0 + r * (1.0 / 40320.0 + r / 362880.0))))))));
    series * f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52)
}

/// `x^y` (1 ulp), with the special values of IEEE 754: `x^0 = 1^y = 1` even beside NaN; a negative number to anything but
/// an integer is NaN.
#[inline(always)]
pub(crate) fn pow(x: f32, y: f32) -> f32 {
    let a = x.abs();
    let product = f64::from(y) * log2_wide(a);
    let z = exp2_wide(if a == 1.0 { 0.0 } else { product }) as f32;
    let whole = y.floor() == y;
    let half = y * 0.5;
    let odd = whole && half.floor() != half;
    let z = if odd { z.copysign(x) } else { z };
    let z = if x < 0.0 && x > f32::NEG_INFINITY && !whole { f32::NAN } else { z };
    if x == 1.0 || y == 0.0 { 1.0 } else { z }
}

/// Powers and quotients of integers: rounded down, and zero where the divisor is.
#[inline(never)]
pub(crate) fn integer(f: Binary, a: i64, b: i64) -> i64 {
    let inexact = |rest: i64| rest != 0 && (rest < 0) != (b < 0);
    match f {
        Binary::Pow => pow_integer(a, b),
        Binary::FloorDivide | Binary::Remainder if b == 0 => 0,
        Binary::FloorDivide => a.wrapping_div(b) - inexact(a.wrapping_rem(b)) as i64,
        Binary::Remainder => {
            let rest = a.wrapping_rem(b);
            if inexact(rest) { rest + b } else { rest }
        }
        f => unreachable!("shape rules admit only floats to {f:?}"),
    }
}

/// The integer power, wrapping; a negative exponent gives the quotient truncated: zero unless `|x| = 1`.
fn pow_integer(x: i64, y: i64) -> i64 {
    match (x, y) {
        (_, 0..) => {
            let (mut power, mut square, mut rest) = (1i64, x, y);
            while rest > 0 {
                power = if rest & 1 == 1 { power.wrapping_mul(square) } else { power };
                square = square.wrapping_mul(square);
                rest >>= 1;
            }
            power
        }
        (1, _) => 1,
        (-1, _) => 1 - 2 * (y & 1),
        _ => 0,
    }
}

/// `sqrt(x^2 + y^2)` (1 ulp); infinite if either is.
#[inline(always)]
pub(crate) fn hypot(x: f32, y: f32) -> f32 {
    let (a, b) = (f64::from(x), f64::from(y));
    let z = (a * a + b * b).sqrt() as f32;
    if x.abs() == f32::INFINITY || y.abs() == f32::INFINITY { f32::INFINITY } else { z }
}

/// The remainder of the division by the floor, which has the sign of `b`; exact. NaN for `b = 0`.
pub(crate) fn remainder(a: f64, b: f64) -> f64 {
    let r = a % b;
    match r == 0.0 {
        true => 0f64.copysign(b),
        false if (r < 0.0) != (b < 0.0) => r + b,
        false => r,
    }
}

/// The floor of `a / b`, consistent with [`remainder`]; `a / b` for `b = 0`.
pub(crate) fn floor_divide(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    // Less what remains, `a` is a multiple of `b` but for rounding; the quotient is truncated where the signs differ.
    let rest = a % b;
    let truncated = rest != 0.0 && (rest < 0.0) != (b < 0.0);
    let quotient = (a - rest) / b - f64::from(truncated);
    if quotient == 0.0 { 0f64.copysign(a / b) } else { quotient.round_ties_even() }
}

/// `sinh x` (4 ulp).
#[inline(always)]
pub(crate) fn sinh<S: Simd>(x: f32) -> f32 {
    let a = x.abs();
    let t = exp_m1::<S>(a);
    // Squares of halves where the exponential overflows before the result does.
    let root = exp::<S>(0.5 * a);
    (if a < 44.0 { 0.5 * (t + t / (t + 1.0)) } else { 0.5 * root * root }).copysign(x)
}

/// `cosh x` (4 ulp).
#[inline(always)]
pub(crate) fn cosh<S: Simd>(x: f32) -> f32 {
    let root = exp::<S>(0.5 * x.abs());
    0.5 * root * root + 0.5 / root / root
}

/// `atan x` for `x >= 0`.
#[inline(always)]
fn atan_positive<S: Simd>(x: f32) -> f32 {
    let (far, middle) = (x > 2.414_213_56, x > 0.414_213_562);
    let base = if middle { FRAC_PI_4 } else { 0.0 };
    let r = if middle { (x - 1.0) / (x + 1.0) } else { x };
    let base = if far { FRAC_PI_2 } else { base };
    let r = if far { -1.0 / x } else { r };
    let z = r * r;
    base + fma32::<S>(r * z, poly::<S, _>(z, &ATAN), r)
}

/// `atan x` (3 ulp).
#[inline(always)]
pub(crate) fn atan<S: Simd>(x: f32) -> f32 {
    atan_positive::<S>(x.abs()).copysign(x)
}

/// The angle of the point `(x, y)` (4 ulp), with the special values of IEEE 754.
#[inline(always)]
pub(crate) fn atan2<S: Simd>(y: f32, x: f32) -> f32 {
    let (a, b) = (y.abs(), x.abs());
    let steep = a > b;
    let quotient = if steep { b / a } else { a / b };
    let quotient = if a == 0.0 && b == 0.0 { 0.0 } else { quotient };
    let quotient = if a == f32::INFINITY && b == f32::INFINITY { 1.0 } else { quotient };
    let r = atan_positive::<S>(quotient);
    let r = if steep { FRAC_PI_2 - r } else { r };
    let r = if x.is_sign_negative() { PI - r } else { r };
    r.copysign(y)
}

/// `asin x` for `0 <= x <= 1/2`.
#[inline(always)]
fn asin_small<S: Simd>(x: f32) -> f32 {
    let z = x * x;
    fma32::<S>(x * z, poly::<S, _>(z, &ASIN), x)
}

/// `asin x` (3 ulp), NaN outside [-1, 1].
#[inline(always)]
pub(crate) fn asin<S: Simd>(x: f32) -> f32 {
    let a = x.abs();
    let great = a > 0.5;
    let y = asin_small::<S>(if great { (0.5 * (1.0 - a)).sqrt() } else { a });
    (if great { fma32::<S>(-2.0, y, FRAC_PI_2) } else { y }).copysign(x)
}

/// `acos x` (3 ulp), NaN outside [-1, 1].
#[inline(always)]
pub(crate) fn acos<S: Simd>(x: f32) -> f32 {
    let a = x.abs();
    let great = a > 0.5;
    let y = asin_small::<S>(if great { (0.5 * (1.0 - a)).sqrt() } else { a });
    let positive = x > 0.0;
    match (great, positive) {
        (true, true) => 2.0 * y,
        (true, false) => fma32::<S>(-2.0, y, PI),
        (false, true) => FRAC_PI_2 - y,
        (false, false) => FRAC_PI_2 + y,
    }
}

/// `asinh x` (4 ulp).
#[inline(always)]
pub(crate) fn asinh<S: Simd>(x: f32) -> f32 {
    let a = x.abs();
    let near = ln_1p::<S>(a + a * a / (1.0 + (1.0 + a * a).sqrt()));
    (if a < 1e9 { near } else { ln::<S>(a) + LN_2 }).copysign(x)
}

/// `acosh x` (4 ulp), NaN below 1.
#[inline(always)]
pub(crate) fn acosh<S: Simd>(x: f32) -> f32 {
    let t = x - 1.0;
    let near = ln_1p::<S>(t + (2.0 * t + t * t).sqrt());
    let y = if x > 1e9 { ln::<S>(x) + LN_2 } else { near };
    if x < 1.0 { f32::NAN } else { y }
}

/// `atanh x` (4 ulp), NaN outside [-1, 1].
#[inline(always)]
pub(crate) fn atanh<S: Simd>(x: f32) -> f32 {
    let a = x.abs();
    (0.5 * ln_1p::<S>(2.0 * a / (1.0 - a))).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::isa::simd;

    /// The error of `got` in units in the last place of `f32` at `want`.
    fn ulps(got: f32, want: f64) -> f64 {
        if got == want as f32 || (got.is_nan() && want.is_nan()) {
            return 0.0;
        }
        (f64::from(got) - want).abs() / (want.abs().log2().floor().clamp(-126.0, 127.0) - 23.0).exp2()
    }

    fn sweep() -> impl Iterator<Item = f32> {
        let bits = (0..u32::MAX).step_by(65_521).map(f32::from_bits);
        bits.chain((-4000..4000).map(|i| i as f32 * 0.025)).chain((-1000..=1000).map(|i| i as f32 * 1e-3))
    }

    macro_rules! holds {
        ($name:ident, $want:expr, $bound:expr) => {{
            simd! {
                fn wide<S>(simd: S, x: &[f32], y: &mut [f32]) { x.iter().zip(y).for_each(|(&x, y)| *y = $name::<S>(x)) }
            }
            let x: Vec<f32> = sweep().collect();
            let mut y = vec![0.0; x.len()];
            wide(&x, &mut y);
            for (&x, &y) in x.iter().zip(&y) {
                for y in [y, $name::<pulp::Scalar>(x)] {
                    let want = $want(f64::from(x));
                    assert!(ulps(y, want) <= $bound, "{} {x:e}: {y:e}, not {want:e}", stringify!($name));
                }
            }
        }};
    }

    #[test]
    fn one_number() {
        holds!(exp2, f64::exp2, 2.0);
        holds!(sinh, f64::sinh, 4.0);
        holds!(cosh, f64::cosh, 4.0);
        holds!(atan, f64::atan, 3.0);
        holds!(asin, f64::asin, 3.0);
        holds!(acos, f64::acos, 3.0);
        holds!(asinh, f64::asinh, 4.0);
        holds!(acosh, f64::acosh, 4.0);
        holds!(atanh, f64::atanh, 4.0);
    }

    #[test]
    fn two_numbers() {
        let specials =
            [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0, -3.0, 1e-40, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        let spread: Vec<f32> = (0..u32::MAX).step_by(9_999_991).map(f32::from_bits).chain(specials).collect();
        for &x in &spread {
            for &y in spread.iter().chain(&[0.1, 7.5, -20.25, 33.0]) {
                let (has, want) = (pow(x, y), f64::from(x).powf(f64::from(y)));
                assert!(
                    ulps(has, want) <= 1.0 && has.is_sign_negative() == (want as f32).is_sign_negative()
                        || has.is_nan() && want.is_nan(),
                    "{x:e}^{y:e}: {has:e}, not {want:e}"
                );
                let (has, want) = (atan2::<pulp::Scalar>(x, y), f64::from(x).atan2(f64::from(y)));
                assert!(ulps(has, want) <= 4.0, "atan2({x:e}, {y:e}): {has:e}, not {want:e}");
            }
        }
    }
}
