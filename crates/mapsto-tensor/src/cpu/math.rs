//! Elementary functions for kernels: branch-free, so that a plain loop over them vectorises.
//!
//! Each function is generic over the instruction set only to choose between fused and plain multiply-adds
//! ([`fma32`]); call it inside [`simd!`](super::isa::simd) loops. Bounds in units in the last place (ulp) hold for
//! both. NaN gives NaN, infinities give limits, and subnormal arguments and results are exact to the same bounds.
//!
//! Coefficients written without a source are minimax fits made for this file: weighted least squares on Chebyshev
//! nodes with Lawson's reweighting in 40-digit arithmetic, rounded to `f32` from the lowest degree up, the remaining
//! ones refitted after each rounding. Range reductions follow Cody and Waite, *Software Manual for the Elementary
//! Functions* (1980).

#![allow(clippy::excessive_precision)] // Coefficients stand as they were fitted or published.

use super::isa::{fma32, simd};
use pulp::Simd;

/// `1.5 * 2^23`: adding it to `|x| < 2^22` leaves `x` rounded to an integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// `ln 2` rounded to nine bits, so that its product with any exponent is exact (Cephes).
const LN_2_HI: f32 = 0.693_359_375;
/// `ln 2 - LN_2_HI` (Cephes).
const LN_2_LO: f32 = -2.121_944_4e-4;

/// `log10 2` cut to eleven bits.
const LOG10_2_HI: f32 = 0.301_025_390_625;
/// `log10 2 - LOG10_2_HI`.
const LOG10_2_LO: f32 = 4.605_039e-6;

/// `(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 2`, to 2^-31 of `e^r - 1`.
const EXP: [f32; 6] = [0.5, 0.166666657, 0.0416664928, 0.00833354518, 0.00139323308, 0.000197625399];

/// `(ln(1 + f) - f) / f^2` for `1 + f` between the square roots of 1/2 and 2, to 2^-27.8.
const LN: [f32; 9] = [
    -0.499999881,
    0.333333254,
    -0.250015974,
    0.200019538,
    -0.166087985,
    0.141825065,
    -0.132459074,
    0.128996551,
    -0.076080896,
];

/// `log2(1 + f) / f - 1` on the range of [`LN`], to 2^-27.
const LOG2: [f32; 10] = [
    0.442695051,
    -0.721347511,
    0.480896741,
    -0.360684127,
    0.288610846,
    -0.239902556,
    0.204217777,
    -0.188701078,
    0.186873659,
    -0.115506694,
];

/// `log10(1 + f) / f - 1/2` on the range of [`LN`], to 2^-27.2.
const LOG10: [f32; 10] = [
    -0.0657055154,
    -0.217147246,
    0.144764543,
    -0.108576626,
    0.0868723467,
    -0.0722111687,
    0.0615881011,
    -0.0569632165,
    0.055750519,
    -0.0338758305,
];

/// `(sin r - r) / r^3` in powers of `r^2` for `|r| <= pi / 2`, to 2^-27.2 of `sin r`.
const SIN: [f32; 4] = [-0.166666597, 0.00833306927, -0.000198097696, 2.60605998e-06];

/// `erf(x) / x - 1` in powers of `x^2` for `|x| <= 1`, to 2^-29.4.
const ERF: [f32; 7] =
    [0.128379166, -0.37612626, 0.112835787, -0.0268533509, 0.00518717989, -0.000799811562, 7.80814516e-05];

/// `-ln erfc(x)` for `1 <= x <= 4`, to 2^-29.7 of `erf x`.
const LN_ERFC: [f32; 7] =
    [0.000321063621, 1.12716961, 0.638015687, 0.103215128, -0.0218881499, 0.00295973849, -0.000187566533];

/// `erfcx(x) / t` in powers of `1 - 2t`, `t = 2 / (2 + x)`, for `0 <= x <= 10.3`, to 2^-25.8; a variable of this
/// kind is due to Shepherd and Laframboise (*Mathematics of Computation* 36, 1981).
const ERFCX: [f32; 11] = [
    0.510791361,
    -0.343580335,
    0.139735505,
    -0.0182212591,
    -0.0107493699,
    0.00324102025,
    0.00152091787,
    -0.000426181621,
    -0.000287331495,
    3.46129382e-05,
    3.67683388e-05,
];

/// `pi / 2` in four parts; the first three have eleven bits, so that their products with integers below 2^13 are
/// exact.
const HALF_PI: [f32; 4] = [1.5703125, 0.00048351287841796875, 3.1385570764541625977e-7, 6.07710063e-11];

/// The greatest `|x|` that [`sin`] and [`cos`] reduce accurately.
pub(crate) const TRIG_LIMIT: f32 = 12_800.0;

/// `1 / sqrt(2 pi)`.
const INV_SQRT_2_PI: f32 = 0.398_942_28;

/// `2 sqrt(2 / pi)`, the slope of the logistic argument in [`gelu_tanh`].
const GELU_SLOPE: f32 = 1.595_769_1;
/// The cubic coefficient in the tanh form of GELU (Hendrycks and Gimpel 2016).
const GELU_CUBIC: f32 = 0.044_715;

/// The polynomial with coefficients `c`, lowest first, by Horner's rule.
#[inline(always)]
pub(super) fn poly<S: Simd, const N: usize>(x: f32, c: &[f32; N]) -> f32 {
    let mut y = c[N - 1];
    for i in 1..N {
        y = fma32::<S>(y, x, c[N - 1 - i]);
    }
    y
}

/// `2^n` for `-126 <= n <= 127`.
#[inline(always)]
fn pow2(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `y * 2^n` for `-250 <= n <= 254`, rounded once: only the second product can leave the normal range.
#[inline(always)]
pub(super) fn scale(y: f32, n: i32) -> f32 {
    let half = n >> 1;
    y * pow2(half) * pow2(n.wrapping_sub(half))
}

/// `(r, n)` with `x = n ln 2 + r` and `|r| <= ln 2 / 2`, for `|x| < 256`.
#[inline(always)]
fn reduce_exp<S: Simd>(x: f32) -> (f32, i32) {
    let t = fma32::<S>(x, std::f32::consts::LOG2_E, ROUND);
    let n = (t.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let k = t - ROUND;
    (fma32::<S>(k, -LN_2_LO, fma32::<S>(k, -LN_2_HI, x)), n)
}

/// `e^r - 1` for `|r| <= ln 2 / 2`.
#[inline(always)]
pub(super) fn exp_m1_small<S: Simd>(r: f32) -> f32 {
    fma32::<S>(r * r, poly::<S, _>(r, &EXP), r)
}

/// `e^x` (1 ulp).
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: f32) -> f32 {
    // The results at both ends have already overflowed to infinity and underflowed to zero. What underflows takes some
    // processors a hundred cycles, and scores of minus infinity are many.
    let vanishes = x < -104.0;
    let (r, n) = reduce_exp::<S>((if vanishes { 0.0 } else { x }).clamp(-105.0, 90.0));
    let y = scale(1.0 + exp_m1_small::<S>(r), n);
    if vanishes { 0.0 } else { y }
}

/// `e^x - 1` for `-30 <= x <= 89`.
#[inline(always)]
fn exp_m1_bounded<S: Simd>(x: f32) -> f32 {
    let (r, n) = reduce_exp::<S>(x);
    let p = exp_m1_small::<S>(r);
    // Half of the scale first: 2^128 is not a number where the result still is.
    let s = pow2(n.wrapping_sub(1));
    let y = 2.0 * fma32::<S>(s, p, s - 0.5);
    if n == 0 { p } else { y }
}

/// `e^x - 1` (2 ulp).
#[inline(always)]
pub(crate) fn exp_m1<S: Simd>(x: f32) -> f32 {
    exp_m1_bounded::<S>(x.clamp(-30.0, 89.0)).copysign(x)
}

/// `(f, e)` with `x = (1 + f) 2^e` and `1 + f` between the square roots of 1/2 and 2, for normal positive `x`.
#[inline(always)]
fn reduce_ln(x: f32) -> (f32, i32) {
    let sqrt_half = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    let bits = x.to_bits().wrapping_sub(sqrt_half);
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(sqrt_half));
    (m - 1.0, (bits as i32) >> 23)
}

/// [`reduce_ln`] for subnormal `x` too.
#[inline(always)]
fn reduce_ln_any(x: f32) -> (f32, i32) {
    let tiny = x < f32::MIN_POSITIVE;
    let (f, e) = reduce_ln(if tiny { x * 8_388_608.0 } else { x });
    (f, e.wrapping_sub(if tiny { 23 } else { 0 }))
}

/// `y`, a logarithm of `x`, corrected where `x` is zero, negative, infinite or NaN.
#[inline(always)]
fn ln_specials(x: f32, y: f32) -> f32 {
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 { f32::NAN } else { y }
}

/// `ln((1 + f) 2^e)`.
#[inline(always)]
fn ln_reduced<S: Simd>(f: f32, e: i32) -> f32 {
    let e = e as f32;
    let y = fma32::<S>(f * f, poly::<S, _>(f, &LN), e * LN_2_LO);
    fma32::<S>(e, LN_2_HI, f + y)
}

/// `ln x` for normal positive `x` (2 ulp).
#[inline(always)]
pub(crate) fn ln_normal<S: Simd>(x: f32) -> f32 {
    let (f, e) = reduce_ln(x);
    ln_reduced::<S>(f, e)
}

/// `ln x` (2 ulp).
#[inline(always)]
pub(crate) fn ln<S: Simd>(x: f32) -> f32 {
    let (f, e) = reduce_ln_any(x);
    ln_specials(x, ln_reduced::<S>(f, e))
}

/// `ln(1 + x)` for finite `x > -1`.
#[inline(always)]
fn ln_1p_bounded<S: Simd>(x: f32) -> f32 {
    let (f, e) = reduce_ln(1.0 + x);
    // `1 + x` was rounded; `x` was not, and `(1 + x) / 2^e - 1` from it is exact or rounded once. Where `x` is so
    // great that the one in `1 + x` has no weight, the rounded sum serves, and `2^-e` may be no normal number.
    let s = pow2(e.wrapping_neg());
    let exact = fma32::<S>(x, s, s - 1.0);
    ln_reduced::<S>(if e < 40 { exact } else { f }, e)
}

/// `ln(1 + x)` (2 ulp).
#[inline(always)]
pub(crate) fn ln_1p<S: Simd>(x: f32) -> f32 {
    let y = ln_1p_bounded::<S>(x).copysign(x);
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x == -1.0 { f32::NEG_INFINITY } else { y };
    if x < -1.0 { f32::NAN } else { y }
}

/// `log2 x` (2 ulp; exact at powers of two).
#[inline(always)]
pub(crate) fn log2<S: Simd>(x: f32) -> f32 {
    let (f, e) = reduce_ln_any(x);
    // The slope `1 / ln 2` counts as one, exact, plus the rest.
    let y = fma32::<S>(f, poly::<S, _>(f, &LOG2), f);
    ln_specials(x, e as f32 + y)
}

/// `log10 x` (2 ulp).
#[inline(always)]
pub(crate) fn log10<S: Simd>(x: f32) -> f32 {
    let (f, e) = reduce_ln_any(x);
    let e = e as f32;
    // The slope `1 / ln 10` counts as one half, exact, plus the rest.
    let y = fma32::<S>(f, poly::<S, _>(f, &LOG10), e * LOG10_2_LO);
    ln_specials(x, fma32::<S>(e, LOG10_2_HI, fma32::<S>(f, 0.5, y)))
}

/// `tanh x` (4 ulp).
#[inline(always)]
pub(crate) fn tanh<S: Simd>(x: f32) -> f32 {
    let t = exp_m1_bounded::<S>((2.0 * x.abs()).clamp(0.0, 20.0));
    (t / (t + 2.0)).copysign(x)
}

/// The logistic function of `x` and of `-x`, neither cancelled.
#[inline(always)]
fn sigmoid_pair<S: Simd>(x: f32) -> (f32, f32) {
    let e = exp::<S>(-x.abs());
    let (great, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    if x < 0.0 { (small, great) } else { (great, small) }
}

/// The logistic function `1 / (1 + e^-x)` (3 ulp).
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(x: f32) -> f32 {
    let e = exp::<S>(-x.abs());
    let numerator = if x < 0.0 { e } else { 1.0 };
    numerator / (1.0 + e)
}

/// `ln(1 + e^x)` (3 ulp); its derivative is [`sigmoid`].
#[inline(always)]
pub(crate) fn softplus<S: Simd>(x: f32) -> f32 {
    let positive = if x > 0.0 { x } else { 0.0 };
    positive + ln_1p_bounded::<S>(exp::<S>(-x.abs()))
}

/// `x sigmoid(x)`, also known as swish.
#[inline(always)]
pub(crate) fn silu<S: Simd>(x: f32) -> f32 {
    // Below the bound the logistic factor is zero; it must not meet infinity.
    x.clamp(-120.0, f32::INFINITY) * sigmoid::<S>(x)
}

/// The derivative of [`silu`].
#[inline(always)]
pub(crate) fn silu_grad<S: Simd>(x: f32) -> f32 {
    let (s, t) = sigmoid_pair::<S>(x);
    s * fma32::<S>(x.clamp(-120.0, 120.0), t, 1.0)
}

/// The sine of `r` for `|r| <= pi / 2`, its sign flipped where `flip` has its top bit set.
#[inline(always)]
fn sin_reduced<S: Simd>(r: f32, flip: u32) -> f32 {
    // On the magnitude, so that a zero keeps its sign.
    let a = r.abs();
    let z = a * a;
    let y = fma32::<S>(a * z, poly::<S, _>(z, &SIN), a);
    let y = if y > 1.0 { 1.0 } else { y };
    f32::from_bits(y.to_bits() ^ (r.to_bits() ^ flip) & 0x8000_0000)
}

/// `x - q pi / 2` for integers `|q| < 2^13`.
#[inline(always)]
fn sub_quarters<S: Simd>(x: f32, q: f32) -> f32 {
    let [first, second, third, rest] = HALF_PI;
    let r = fma32::<S>(q, -second, fma32::<S>(q, -first, x));
    // The third difference is the first to be rounded; what it lost joins the rest, so that the sum is rounded once.
    let s = fma32::<S>(q, -third, r);
    let lost = fma32::<S>(q, -third, r - s);
    s + fma32::<S>(q, -rest, lost)
}

/// `sin x` for `|x| <= TRIG_LIMIT` (2 ulp), NaN for infinities; beyond the limit use [`sin_any`].
#[inline(always)]
pub(crate) fn sin<S: Simd>(x: f32) -> f32 {
    let t = fma32::<S>(x, std::f32::consts::FRAC_1_PI, ROUND);
    let k = t - ROUND;
    sin_reduced::<S>(sub_quarters::<S>(x, 2.0 * k), t.to_bits() << 31)
}

/// `cos x` for `|x| <= TRIG_LIMIT` (2 ulp), NaN for infinities; beyond the limit use [`cos_any`].
#[inline(always)]
pub(crate) fn cos<S: Simd>(x: f32) -> f32 {
    // About an odd multiple of `pi / 2` the cosine is a sine: `cos(r + (2k + 1) pi / 2) = -(-1)^k sin r`.
    let t = fma32::<S>(x, std::f32::consts::FRAC_1_PI, -0.5) + ROUND;
    let k = t - ROUND;
    sin_reduced::<S>(sub_quarters::<S>(x, fma32::<S>(2.0, k, 1.0)), !(t.to_bits() << 31))
}

/// `tan x` for `|x| <= TRIG_LIMIT` (5 ulp), NaN for infinities; beyond the limit use [`tan_any`].
#[inline(always)]
pub(crate) fn tan<S: Simd>(x: f32) -> f32 {
    sin::<S>(x) / cos::<S>(x)
}

/// `sin x` for every `x`, scalar.
pub(crate) fn sin_any(x: f32) -> f32 {
    f64::from(x).sin() as f32
}

/// `cos x` for every `x`, scalar.
pub(crate) fn cos_any(x: f32) -> f32 {
    f64::from(x).cos() as f32
}

/// `tan x` for every `x`, scalar.
pub(crate) fn tan_any(x: f32) -> f32 {
    f64::from(x).tan() as f32
}

/// Whether [`sin`] and [`cos`] serve for all of `x`.
#[inline(always)]
pub(crate) fn trig_in_range(x: &[f32]) -> bool {
    // The bits of magnitudes order as the magnitudes do, and an integer maximum vectorises. NaN counts as out of range.
    x.iter().fold(0, |most: u32, x| most.max(x.abs().to_bits())) <= TRIG_LIMIT.to_bits()
}

/// Defines the slice form of a trigonometric function: vectors where a stretch of arguments is in range, scalars
/// where it is not.
macro_rules! trig_slice {
    ($(#[$meta:meta])* $name:ident, $fast:ident, $any:ident) => {
        simd! {
            $(#[$meta])*
            pub(crate) fn $name<S>(simd: S, x: &[f32], out: &mut [f32]) {
                for (x, out) in x.chunks(256).zip(out.chunks_mut(256)) {
                    if trig_in_range(x) {
                        for (x, out) in x.iter().zip(out) {
                            *out = $fast::<S>(*x);
                        }
                    } else {
                        // An element's value does not depend on its neighbours.
                        for (x, out) in x.iter().zip(out) {
                            *out = if x.abs() <= TRIG_LIMIT { $fast::<S>(*x) } else { $any(*x) };
                        }
                    }
                }
            }
        }
    };
}
trig_slice! {
    /// Writes `sin x` for every `x`, however great.
    sin_slice, sin, sin_any
}
trig_slice! {
    /// Writes `cos x` for every `x`, however great.
    cos_slice, cos, cos_any
}
trig_slice! {
    /// Writes `tan x` for every `x`, however great.
    tan_slice, tan, tan_any
}

/// `sin(2 pi turn / 2^32)`, the turn taken exactly.
#[inline(always)]
pub(crate) fn sin_turn<S: Simd>(turn: u32) -> f32 {
    // The nearest half turn flips the sign, the rest is a signed quarter.
    let half = turn.wrapping_add(1 << 30) & 0x8000_0000;
    let rest = turn.wrapping_sub(half) as i32;
    sin_reduced::<S>(rest as f32 * (std::f32::consts::PI / 2_147_483_648.0), half)
}

/// `cos(2 pi turn / 2^32)`.
#[inline(always)]
pub(crate) fn cos_turn<S: Simd>(turn: u32) -> f32 {
    sin_turn::<S>(turn.wrapping_add(1 << 30))
}

/// The error function for `|x| <= 1`.
#[inline(always)]
fn erf_small<S: Simd>(x: f32) -> f32 {
    fma32::<S>(x, poly::<S, _>(x * x, &ERF), x)
}

/// The error function (2 ulp).
#[inline(always)]
pub(crate) fn erf<S: Simd>(x: f32) -> f32 {
    let a = x.abs();
    let b = a.clamp(0.0, 4.0);
    let (r, n) = reduce_exp::<S>(-poly::<S, _>(b, &LN_ERFC));
    let p = exp_m1_small::<S>(r);
    let great = 1.0 - (1.0 + p) * pow2(n);
    (if a < 1.0 { erf_small::<S>(a) } else { great }).copysign(x)
}

/// `erfcx(x) = e^(x^2) erfc(x)` for `0 <= x <= 10.3`.
#[inline(always)]
fn erfcx<S: Simd>(x: f32) -> f32 {
    let t = 2.0 / (2.0 + x);
    t * poly::<S, _>(fma32::<S>(t, -2.0, 1.0), &ERFCX)
}

/// `(y, n)` with `e^(-factor x^2) = y 2^n`, for powers of two `factor`.
#[inline(always)]
fn exp_neg_square<S: Simd>(x: f32, factor: f32) -> (f32, i32) {
    // The head has twelve bits, so its square is exact; the rest of the square is added after reduction.
    let head = f32::from_bits(x.to_bits() & 0xffff_f000);
    let rest = (x - head) * (x + head);
    let (r, n) = reduce_exp::<S>(-factor * (head * head));
    (1.0 + exp_m1_small::<S>(fma32::<S>(-factor, rest, r)), n)
}

/// The complementary error function (5 ulp).
#[inline(always)]
pub(crate) fn erfc<S: Simd>(x: f32) -> f32 {
    let a = x.abs().clamp(0.0, 10.3);
    let (y, n) = exp_neg_square::<S>(a, 1.0);
    let tail = scale(erfcx::<S>(a) * y, n);
    let tail = if a < 0.75 { 1.0 - erf_small::<S>(a) } else { tail };
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// The standard normal distribution function and density at `x`.
#[inline(always)]
fn normal_cdf_pdf<S: Simd>(x: f32) -> (f32, f32) {
    let a = x.abs().clamp(0.0, 14.5);
    let (y, n) = exp_neg_square::<S>(a, 0.5);
    let tail = scale(0.5 * erfcx::<S>(a * std::f32::consts::FRAC_1_SQRT_2) * y, n);
    (if x > 0.0 { 1.0 - tail } else { tail }, scale(INV_SQRT_2_PI * y, n))
}

/// GELU, `x` times the normal distribution function (6 ulp, the lower tail included).
#[inline(always)]
pub(crate) fn gelu<S: Simd>(x: f32) -> f32 {
    // Below the bound the other factor is zero; it must not meet infinity.
    x.clamp(-15.0, f32::INFINITY) * normal_cdf_pdf::<S>(x).0
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(crate) fn gelu_grad<S: Simd>(x: f32) -> f32 {
    let (cdf, pdf) = normal_cdf_pdf::<S>(x);
    fma32::<S>(x.clamp(-15.0, 15.0), pdf, cdf)
}

/// The tanh form of GELU: `x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))` (Hendrycks and Gimpel 2016).
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(x: f32) -> f32 {
    let b = x.clamp(-15.0, 15.0);
    let u = b * fma32::<S>(b * b, GELU_SLOPE * GELU_CUBIC, GELU_SLOPE);
    x.clamp(-15.0, f32::INFINITY) * sigmoid::<S>(u)
}

/// The derivative of [`gelu_tanh`].
#[inline(always)]
pub(crate) fn gelu_tanh_grad<S: Simd>(x: f32) -> f32 {
    let b = x.clamp(-15.0, 15.0);
    let u = b * fma32::<S>(b * b, GELU_SLOPE * GELU_CUBIC, GELU_SLOPE);
    let slope = fma32::<S>(b * b, 3.0 * GELU_SLOPE * GELU_CUBIC, GELU_SLOPE);
    let (s, t) = sigmoid_pair::<S>(u);
    s * fma32::<S>(b * t, slope, 1.0)
}

/// The rational function `p(x) / q(x)`, coefficients lowest first.
#[inline(always)]
fn ratio64(x: f64, p: &[f64], q: &[f64]) -> f64 {
    let horner = |c: &[f64]| c.iter().rev().fold(0.0, |y, c| y * x + c);
    horner(p) / horner(q)
}

/// `erf(x) / x - 1` in powers of `x^2` for `|x| < 0.84375` (this and the next six: fdlibm, Sun Microsystems 1993).
const ERF64_P: [f64; 5] = [
    1.28379167095512558561e-01,
    -3.25042107247001499370e-01,
    -2.84817495755985104766e-02,
    -5.77027029648944159157e-03,
    -2.37630166566501626084e-05,
];
/// The denominator to [`ERF64_P`].
const ERF64_Q: [f64; 6] = [
    1.0,
    3.97917223959155352819e-01,
    6.50222499887672944485e-02,
    5.08130628187576562776e-03,
    1.32494738004321644526e-04,
    -3.96022827877536812320e-06,
];
/// `erf(1)` rounded to single precision, the constant to which [`MID64_P`] adds.
const MID64: f64 = 8.45062911510467529297e-01;
/// `erf(x) - MID64` in powers of `x - 1` for `0.84375 <= x < 1.25`.
const MID64_P: [f64; 7] = [
    -2.36211856075265944077e-03,
    4.14856118683748331666e-01,
    -3.72207876035701323847e-01,
    3.18346619901161753674e-01,
    -1.10894694282396677476e-01,
    3.54783043256182359371e-02,
    -2.16637559486879084300e-03,
];
/// The denominator to [`MID64_P`].
const MID64_Q: [f64; 7] = [
    1.0,
    1.06420880400844228286e-01,
    5.40397917702171048937e-01,
    7.18286544141962662868e-02,
    1.26171219808761642112e-01,
    1.36370839120290507362e-02,
    1.19844998467991074170e-02,
];
/// `ln(x erfc(x)) + x^2 + 0.5625` in powers of `1 / x^2` for `1.25 <= x < 1 / 0.35`.
const NEAR64_P: [f64; 8] = [
    -9.86494403484714822705e-03,
    -6.93858572707181764372e-01,
    -1.05586262253232909814e+01,
    -6.23753324503260060396e+01,
    -1.62396669462573470355e+02,
    -1.84605092906711035994e+02,
    -8.12874355063065934246e+01,
    -9.81432934416914548592e+00,
];
/// The denominator to [`NEAR64_P`].
const NEAR64_Q: [f64; 9] = [
    1.0,
    1.96512716674392571292e+01,
    1.37657754143519042600e+02,
    4.34565877475229228821e+02,
    6.45387271733267880336e+02,
    4.29008140027567833386e+02,
    1.08635005541779435134e+02,
    6.57024977031928170135e+00,
    -6.04244152148580987438e-02,
];
/// As [`NEAR64_P`], for `1 / 0.35 <= x < 28`.
const FAR64_P: [f64; 7] = [
    -9.86494292470009928597e-03,
    -7.99283237680523006574e-01,
    -1.77579549177547519889e+01,
    -1.60636384855821916062e+02,
    -6.37566443368389627722e+02,
    -1.02509513161107724954e+03,
    -4.83519191608651397019e+02,
];
/// The denominator to [`FAR64_P`].
const FAR64_Q: [f64; 8] = [
    1.0,
    3.03380607434824582924e+01,
    3.25792512996573918826e+02,
    1.53672958608443695994e+03,
    3.19985821950859553908e+03,
    2.55305040643316442583e+03,
    4.74528541206955367215e+02,
    -2.24409524465858183362e+01,
];

/// `erfc(x)` for `x >= 1.25`.
fn erfc64_tail(x: f64) -> f64 {
    let inverse = 1.0 / (x * x);
    let y = if x < 1.0 / 0.35 { ratio64(inverse, &NEAR64_P, &NEAR64_Q) } else { ratio64(inverse, &FAR64_P, &FAR64_Q) };
    // The head's square is exact; the small rest of the exponent goes with the fit.
    let head = f64::from_bits(x.to_bits() & !0xffff_ffff);
    (-head * head - 0.5625).exp() * ((head - x) * (head + x) + y).exp() / x
}

/// The error function in double precision (1 ulp), by the rational fits of fdlibm.
pub(crate) fn erf64(x: f64) -> f64 {
    let a = x.abs();
    let y = if a < 0.84375 {
        a + a * ratio64(a * a, &ERF64_P, &ERF64_Q)
    } else if a < 1.25 {
        MID64 + ratio64(a - 1.0, &MID64_P, &MID64_Q)
    } else if a < 6.0 {
        1.0 - erfc64_tail(a)
    } else if a.is_nan() {
        a
    } else {
        1.0
    };
    y.copysign(x)
}

/// The complementary error function in double precision (2 ulp), by the rational fits of fdlibm.
pub(crate) fn erfc64(x: f64) -> f64 {
    let a = x.abs();
    if a < 0.84375 {
        let rest = x * ratio64(x * x, &ERF64_P, &ERF64_Q);
        if x < 0.25 { 1.0 - (x + rest) } else { 0.5 - (x - 0.5 + rest) }
    } else if a < 1.25 {
        let y = ratio64(a - 1.0, &MID64_P, &MID64_Q);
        if x < 0.0 { 1.0 + (MID64 + y) } else { 1.0 - MID64 - y }
    } else if a < 28.0 {
        if x < 0.0 { 2.0 - erfc64_tail(a) } else { erfc64_tail(a) }
    } else if x.is_nan() {
        x
    } else if x < 0.0 {
        2.0
    } else {
        0.0
    }
}

/// The logistic function in double precision.
pub(crate) fn sigmoid64(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// `ln(1 + e^x)` in double precision.
pub(crate) fn softplus64(x: f64) -> f64 {
    (if x > 0.0 { x } else { 0.0 }) + (-x.abs()).exp().ln_1p()
}

/// [`silu`] in double precision.
pub(crate) fn silu64(x: f64) -> f64 {
    x.clamp(-800.0, f64::INFINITY) * sigmoid64(x)
}

/// [`silu_grad`] in double precision.
pub(crate) fn silu_grad64(x: f64) -> f64 {
    sigmoid64(x) * (1.0 + x.clamp(-800.0, 800.0) * sigmoid64(-x))
}

/// The standard normal distribution function in double precision.
fn normal_cdf64(x: f64) -> f64 {
    0.5 * erfc64(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// [`gelu`] in double precision.
pub(crate) fn gelu64(x: f64) -> f64 {
    x.clamp(-40.0, f64::INFINITY) * normal_cdf64(x)
}

/// [`gelu_grad`] in double precision.
pub(crate) fn gelu_grad64(x: f64) -> f64 {
    let b = x.clamp(-40.0, 40.0);
    normal_cdf64(x) + b * (-0.5 * b * b).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The logistic argument of [`gelu_tanh64`] and its slope.
fn gelu_argument64(x: f64) -> (f64, f64) {
    let slope = 2.0 * std::f64::consts::FRAC_2_PI.sqrt();
    (slope * x * (1.0 + 0.044715 * x * x), slope * (1.0 + 3.0 * 0.044715 * x * x))
}

/// [`gelu_tanh`] in double precision.
pub(crate) fn gelu_tanh64(x: f64) -> f64 {
    x.clamp(-40.0, f64::INFINITY) * sigmoid64(gelu_argument64(x.clamp(-40.0, 40.0)).0)
}

/// [`gelu_tanh_grad`] in double precision.
pub(crate) fn gelu_tanh_grad64(x: f64) -> f64 {
    let b = x.clamp(-40.0, 40.0);
    let (u, slope) = gelu_argument64(b);
    sigmoid64(u) * (1.0 + b * slope * sigmoid64(-u))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of `got` in units in the last place of `f32` at `want`; zero where the two are the same special.
    fn ulps(got: f32, want: f64) -> f64 {
        let nearest = want as f32;
        if got == nearest || (got.is_nan() && nearest.is_nan()) {
            let signs_agree = nearest.is_nan() || got.is_sign_negative() == nearest.is_sign_negative();
            return if signs_agree { (f64::from(got) - want).abs().min(0.5) } else { f64::INFINITY };
        }
        let exponent = want.abs().log2().floor().clamp(-126.0, 127.0);
        (f64::from(got) - want).abs() / (exponent - 23.0).exp2()
    }

    /// About a million arguments through all bit patterns, and the specials.
    fn sweep() -> Vec<f32> {
        let specials = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN];
        (0..u32::MAX).step_by(4099).map(f32::from_bits).chain(specials).collect()
    }

    /// About a million arguments evenly between two bounds.
    fn between(low: f64, high: f64) -> impl Iterator<Item = f32> {
        (0..1 << 20).map(move |i| (low + (high - low) * f64::from(i) / f64::from(1 << 20)) as f32)
    }

    /// Defines a function's slice form for this machine's instruction set, and for the portable one.
    macro_rules! forms {
        ($name:ident) => {{
            simd! {
                fn wide<S>(simd: S, x: &[f32], out: &mut [f32]) {
                    for (x, out) in x.iter().zip(out) { *out = $name::<S>(*x) }
                }
            }
            fn portable(x: &[f32], out: &mut [f32]) {
                for (x, out) in x.iter().zip(out) {
                    *out = $name::<pulp::Scalar>(*x)
                }
            }
            (stringify!($name), wide as Form, portable as Form)
        }};
    }
    type Form = fn(&[f32], &mut [f32]);

    /// Holds both forms of a function to a bound, in ulp or within `absolute`.
    fn check((name, wide, portable): (&str, Form, Form), x: &[f32], want: fn(f64) -> f64, bound: f64, absolute: f64) {
        for (form, f) in [("wide", wide), ("portable", portable)] {
            let mut got = vec![0.0; x.len()];
            f(x, &mut got);
            let (mut worst, mut at) = (0.0, 0.0);
            for (&x, &got) in x.iter().zip(&got) {
                let want = want(f64::from(x));
                let err = ulps(got, want);
                let near = (f64::from(got) - want).abs() <= absolute;
                assert!(err <= bound || near, "{name} ({form}): {x:e} gives {got:e}, not {want:e}: {err} ulp");
                if err > worst && !near {
                    (worst, at) = (err, x);
                }
            }
            println!("{name:>14} {form:>8}: {worst:.3} ulp at {at:e}");
        }
    }

    #[test]
    fn exponentials() {
        let x: Vec<f32> = sweep().into_iter().chain(between(-106.0, 91.0)).chain(between(-2.0, 2.0)).collect();
        check(forms!(exp), &x, f64::exp, 1.0, 0.0);
        check(forms!(exp_m1), &x, f64::exp_m1, 2.0, 0.0);
        check(forms!(tanh), &x, f64::tanh, 4.0, 0.0);
        check(forms!(sigmoid), &x, sigmoid64, 3.0, 0.0);
        check(forms!(softplus), &x, softplus64, 3.0, 0.0);
        // Where the logistic factor is subnormal, its rounding counts as many times as `x` is great.
        check(forms!(silu), &x, silu64, 4.0, 1e-43);
        check(forms!(silu_grad), &x, silu_grad64, 4.0, 2e-7);
    }

    #[test]
    fn logarithms() {
        let x: Vec<f32> = sweep().into_iter().chain(between(0.0, 4.0)).chain(between(-1.0, 1.0)).collect();
        check(forms!(ln), &x, f64::ln, 2.0, 0.0);
        check(forms!(log2), &x, f64::log2, 2.0, 0.0);
        check(forms!(log10), &x, f64::log10, 2.0, 0.0);
        check(forms!(ln_1p), &x, f64::ln_1p, 2.0, 0.0);
        let normal: Vec<f32> = x.iter().copied().filter(|x| x.is_normal() && *x > 0.0).collect();
        check(forms!(ln_normal), &normal, f64::ln, 2.0, 0.0);
        for n in -126..128 {
            assert_eq!(log2::<pulp::Scalar>(pow2(n)), n as f32);
        }
    }

    #[test]
    fn trigonometry() {
        let limit = f64::from(TRIG_LIMIT);
        let mut x: Vec<f32> = sweep().into_iter().filter(|x| x.abs() <= TRIG_LIMIT || !x.is_finite()).collect();
        x.extend(between(-limit, limit).chain(between(-10.0, 10.0)));
        // The zeros of both, where cancellation is greatest.
        for q in 1..8148 {
            let zero = (f64::from(q) * std::f64::consts::FRAC_PI_2) as f32;
            x.extend([zero, zero.next_down(), zero.next_up(), -zero]);
        }
        check(forms!(sin), &x, f64::sin, 2.0, 0.0);
        check(forms!(cos), &x, f64::cos, 2.0, 0.0);
        check(forms!(tan), &x, f64::tan, 5.0, 0.0);

        let x = sweep();
        check(("sin_slice", sin_slice, sin_slice), &x, f64::sin, 2.0, 0.0);
        check(("cos_slice", cos_slice, cos_slice), &x, f64::cos, 2.0, 0.0);
        check(("tan_slice", tan_slice, tan_slice), &x, f64::tan, 5.0, 0.0);
    }

    #[test]
    fn turns() {
        for turn in (0..u32::MAX).step_by(65_521) {
            let angle = f64::from(turn) * std::f64::consts::PI / 2_147_483_648.0;
            let (sine, cosine) = (sin_turn::<pulp::Scalar>(turn), cos_turn::<pulp::Scalar>(turn));
            assert!((f64::from(sine) - angle.sin()).abs() <= 1.5e-7, "{turn}");
            assert!((f64::from(cosine) - angle.cos()).abs() <= 1.5e-7, "{turn}");
        }
    }

    #[test]
    fn error_functions() {
        let x: Vec<f32> = sweep().into_iter().chain(between(-15.0, 15.0)).chain(between(-1.5, 1.5)).collect();
        check(forms!(erf), &x, erf64, 2.0, 0.0);
        check(forms!(erfc), &x, erfc64, 5.0, 0.0);
        check(forms!(gelu), &x, gelu64, 6.0, 3e-44);
        check(forms!(gelu_grad), &x, gelu_grad64, 4.0, 2e-7);
        // The cubic in the argument is rounded, which the exponential magnifies in the tail.
        check(forms!(gelu_tanh), &x, gelu_tanh64, 4.0, 2e-7);
        check(forms!(gelu_tanh_grad), &x, gelu_tanh_grad64, 4.0, 4e-7);
    }

    #[test]
    fn limits_of_activations() {
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        let gates = [gelu::<pulp::Scalar>, gelu_tanh::<pulp::Scalar>, silu::<pulp::Scalar>];
        assert!(gates.iter().all(|f| f(low) == 0.0 && f(high) == high && f(f32::NAN).is_nan()));
        let slopes = [gelu_grad::<pulp::Scalar>, gelu_tanh_grad::<pulp::Scalar>, silu_grad::<pulp::Scalar>];
        assert!(slopes.iter().all(|f| f(low) == 0.0 && f(high) == 1.0 && f(f32::NAN).is_nan()));
    }

    /// Against 40-digit arithmetic.
    #[test]
    fn double_precision_error_functions() {
        let table = [
            (0.1, 0.1124629160182849, 0.887537083981715),
            (-0.5, -0.5204998778130465, 1.5204998778130465),
            (0.84375, 0.7672256612323416, 0.23277433876765838),
            (1.0, 0.8427007929497149, 0.15729920705028513),
            (1.25, 0.9229001282564583, 0.07709987174354177),
            (2.0, 0.9953222650189527, 0.004677734981047266),
            (-2.5, -0.999593047982555, 1.999593047982555),
            (2.9, 0.9999589021219005, 4.109787809945886e-05),
            (4.0, 0.9999999845827421, 1.541725790028002e-08),
            (5.5, 0.9999999999999927, 7.357847917974398e-15),
            (0.3, 0.3286267594591274, 0.6713732405408726),
            (10.0, 1.0, 2.088487583762545e-45),
            (20.0, 1.0, 5.395865611607901e-176),
            (26.0, 1.0, 5.663192408856143e-296),
            (-0.9, -0.7969082124228322, 1.7969082124228322),
        ];
        for (x, erf, erfc) in table {
            assert!(((erf64(x) - erf) / erf).abs() <= f64::EPSILON, "erf {x}");
            assert!(((erfc64(x) - erfc) / erfc).abs() <= 2.0 * f64::EPSILON, "erfc {x}");
        }
        assert!(erf64(f64::NAN).is_nan() && erfc64(f64::NAN).is_nan());
        assert_eq!([erf64(f64::INFINITY), erf64(f64::NEG_INFINITY)], [1.0, -1.0]);
        assert_eq!([erfc64(f64::INFINITY), erfc64(f64::NEG_INFINITY)], [0.0, 2.0]);
        assert!(erf64(-0.0).is_sign_negative());
    }
}
