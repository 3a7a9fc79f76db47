//! Random numbers: Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, *Parallel Random
//! Numbers: As Easy as 1, 2, 3* (SC 2011).
//!
//! A counter-based generator is a keyed function of a position, so that any part of a stream can be had without the
//! parts before it: fills are the same for any division among threads, and a stream resumes from two numbers.
//! Bits and uniform numbers are the same on every machine; normal numbers agree to rounding.

use crate::cpu::isa::simd;
use crate::cpu::math::{cos_turn, ln_normal, sin_turn};
use crate::error::Result;
use crate::memory::room;
use pulp::Simd;
use std::panic::Location;

/// The multipliers of the first and third counter words (Salmon et al., table 2).
const MULTIPLIERS: [u64; 2] = [0xd251_1f53, 0xcd9e_8d57];
/// The steps of the two key words from round to round: the golden ratio and `sqrt(3) - 1` (Salmon et al.).
const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// Words of the third and fourth counter that keep derived keys apart from each other and from the stream, whose
/// blocks have zero in both.
const SPLIT: u32 = 1;
/// See [`SPLIT`].
const FORK: u32 = 2;

/// Philox4x32-10 of a counter.
#[inline(always)]
fn philox(key: u64, counter: [u32; 4]) -> [u32; 4] {
    // Each word has a 64-bit lane to itself, as the vector multiplication of 32 by 32 bits wants it; what lies above
    // the low half is left over from products and never read.
    let low = |word: u64| word & 0xffff_ffff;
    let mut c = counter.map(u64::from);
    let mut k = [key as u32, (key >> 32) as u32];
    for _ in 0..10 {
        let p = [low(c[0]) * MULTIPLIERS[0], low(c[2]) * MULTIPLIERS[1]];
        c = [(p[1] >> 32) ^ c[1] ^ u64::from(k[0]), p[1], (p[0] >> 32) ^ c[3] ^ u64::from(k[1]), p[0]];
        k = [k[0].wrapping_add(KEY_STEPS[0]), k[1].wrapping_add(KEY_STEPS[1])];
    }
    c.map(|word| word as u32)
}

/// The block of four words at `index` in the stream of `key`.
#[inline(always)]
fn block(key: u64, index: u64) -> [u32; 4] {
    philox(key, [index as u32, (index >> 32) as u32, 0, 0])
}

/// Two words as one, the first the lower.
#[inline(always)]
fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// A uniform number in `[0, 1)` from the upper 24 bits of a word.
#[inline(always)]
fn uniform_f32(word: u32) -> f32 {
    (word >> 8) as i32 as f32 * (1.0 / 16_777_216.0)
}

/// A uniform number in `[0, 1)` from the upper 53 bits of a word.
#[inline(always)]
fn uniform_f64(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// Two independent normal numbers from two words, by the transform of Box and Muller (1958).
#[inline(always)]
fn normal_pair_f32<S: Simd>(radius: u32, turn: u32) -> [f32; 2] {
    // In (0, 1]: the logarithm meets neither zero nor a positive result.
    let u = radius as f32 * (1.0 / 4_294_967_296.0) + 0.5 / 4_294_967_296.0;
    let r = (-2.0 * ln_normal::<S>(u)).sqrt();
    [r * cos_turn::<S>(turn), r * sin_turn::<S>(turn)]
}

/// [`normal_pair_f32`] in double precision, from two words of 64 bits.
#[inline(always)]
fn normal_pair_f64(radius: u64, turn: u64) -> [f64; 2] {
    let u = 1.0 - uniform_f64(radius);
    let r = (-2.0 * u.ln()).sqrt();
    let (sin, cos) = (uniform_f64(turn) * std::f64::consts::TAU).sin_cos();
    [r * cos, r * sin]
}

/// Writes the elements from `offset` on of a stream whose blocks each make `N` elements.
#[inline(always)]
fn fill<T: Copy, const N: usize>(key: u64, offset: u64, out: &mut [T], make: impl Fn([u32; 4]) -> [T; N]) {
    let skip = (offset % N as u64) as usize;
    let mut index = offset / N as u64;
    let mut out = out;
    if skip > 0 {
        let (head, rest) = out.split_at_mut(out.len().min(N - skip));
        head.copy_from_slice(&make(block(key, index))[skip..skip + head.len()]);
        index = index.wrapping_add(1);
        out = rest;
    }
    let (blocks, tail) = out.as_chunks_mut::<N>();
    for (i, out) in blocks.iter_mut().enumerate() {
        *out = make(block(key, index.wrapping_add(i as u64)));
    }
    if !tail.is_empty() {
        let last = make(block(key, index.wrapping_add(blocks.len() as u64)));
        tail.copy_from_slice(&last[..tail.len()]);
    }
}

simd! {
    /// Writes words of 32 random bits; element `i` depends on `key` and `offset + i` only.
    pub(crate) fn fill_bits_u32<S>(simd: S, key: u64, offset: u64, out: &mut [u32]) {
        fill(key, offset, out, #[inline(always)] |words| words)
    }
}

simd! {
    /// Writes uniform numbers in `[0, 1)` of 24 bits; element `i` depends on `key` and `offset + i` only.
    pub(crate) fn fill_uniform_f32<S>(simd: S, key: u64, offset: u64, out: &mut [f32]) {
        fill(key, offset, out, #[inline(always)] |words| words.map(uniform_f32))
    }
}

simd! {
    /// Writes uniform numbers in `[0, 1)` of 53 bits; element `i` depends on `key` and `offset + i` only.
    pub(crate) fn fill_uniform_f64<S>(simd: S, key: u64, offset: u64, out: &mut [f64]) {
        fill(key, offset, out, #[inline(always)] |[a, b, c, d]| [join(a, b), join(c, d)].map(uniform_f64))
    }
}

simd! {
    /// Writes standard normal numbers; element `i` depends on `key` and `offset + i` only.
    pub(crate) fn fill_normal_f32<S>(simd: S, key: u64, offset: u64, out: &mut [f32]) {
        fill(key, offset, out, #[inline(always)] |[a, b, c, d]| {
            let ([x, y], [z, w]) = (normal_pair_f32::<S>(a, b), normal_pair_f32::<S>(c, d));
            [x, y, z, w]
        })
    }
}

simd! {
    /// Writes standard normal numbers in double precision; element `i` depends on `key` and `offset + i` only.
    pub(crate) fn fill_normal_f64<S>(simd: S, key: u64, offset: u64, out: &mut [f64]) {
        fill(key, offset, out, #[inline(always)] |[a, b, c, d]| normal_pair_f64(join(a, b), join(c, d)))
    }
}

/// A stream of random numbers: a key, which names the stream, and a position in it, counted in words of 32 bits.
///
/// ```
/// use mapsto_tensor::Rng;
/// let mut rng = Rng::new(42).split("dropout");
/// let first = rng.next_f32();
/// let mut resumed = Rng::from_parts(rng.key(), 0);
/// assert_eq!(resumed.next_f32(), first);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    key: u64,
    position: u64,
    /// The words about the position, `position / 4` of the stream.
    block: [u32; 4],
}

impl Rng {
    /// The stream of a seed, from its start.
    pub fn new(seed: u64) -> Self {
        Rng::from_parts(seed, 0)
    }

    /// The stream of a key from a position on, to resume from [`Rng::key`] and [`Rng::position`].
    pub fn from_parts(key: u64, position: u64) -> Self {
        Rng { key, position, block: block(key, position / 4) }
    }

    /// The key of the stream.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The number of words drawn so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Skips `words` words of 32 bits.
    pub fn advance(&mut self, words: u64) {
        *self = Rng::from_parts(self.key, self.position.wrapping_add(words));
    }

    /// Takes whole blocks for `elements` that a fill makes of `words` words each (1, 2 or 4): the fill's offset.
    pub(crate) fn take(&mut self, elements: usize, words: u64) -> u64 {
        let first = self.position.div_ceil(4);
        let blocks = (elements as u64).wrapping_mul(words).div_ceil(4);
        *self = Rng::from_parts(self.key, first.wrapping_add(blocks).wrapping_mul(4));
        first.wrapping_mul(4 / words)
    }

    /// An independent stream whose key depends on this key and `name` only, not on the position.
    pub fn split(&self, name: &str) -> Rng {
        // A chain over words of the name; the length in the first link keeps padded names apart.
        let key = self.derive(name.len() as u64, SPLIT);
        let key = name.as_bytes().chunks(8).fold(key, |key, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            Rng::new(key).derive(u64::from_le_bytes(word), SPLIT)
        });
        Rng::new(key)
    }

    /// An independent stream whose key depends on this key and `index` only, not on the position.
    pub fn fork(&self, index: u64) -> Rng {
        Rng::new(self.derive(index, FORK))
    }

    /// A key made of this key, a word and a purpose.
    fn derive(&self, word: u64, purpose: u32) -> u64 {
        let [low, high, ..] = philox(self.key, [word as u32, (word >> 32) as u32, 0, purpose]);
        join(low, high)
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let word = self.block[(self.position % 4) as usize];
        self.position = self.position.wrapping_add(1);
        if self.position.is_multiple_of(4) {
            self.block = block(self.key, self.position / 4);
        }
        word
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        join(low, self.next_u32())
    }

    /// A uniform number in `[0, 1)` of 24 bits.
    pub fn next_f32(&mut self) -> f32 {
        uniform_f32(self.next_u32())
    }

    /// A uniform number in `[0, 1)` of 53 bits.
    pub fn next_f64(&mut self) -> f64 {
        uniform_f64(self.next_u64())
    }

    /// A uniform integer below `n`, without bias (Lemire, *Fast Random Integer Generation in an Interval*, 2019). Zero where
    /// `n` is zero; nothing is drawn then.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Of the 2^64 products, this many low halves at the bottom would favour some results.
        let surplus = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= surplus {
                return (product >> 64) as u64;
            }
        }
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f64 {
        let radius = self.next_u64();
        normal_pair_f64(radius, self.next_u64())[0]
    }

    /// Puts `items` in an order drawn uniformly (Fisher and Yates; Durstenfeld 1964).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// The integers below `n` in an order drawn uniformly.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn permutation(&mut self, n: usize) -> Result<Vec<usize>> {
        let at = Location::caller();
        let mut order = room(n).map_err(|e| e.op("permutation").at(at))?;
        order.extend(0..n);
        self.shuffle(&mut order);
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::math::erfc64;
    use std::collections::HashSet;

    /// The known answers of the Random123 distribution.
    #[test]
    fn known_answers() {
        assert_eq!(philox(0, [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox(u64::MAX, [u32::MAX; 4]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        let counter = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
        let answer = [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1];
        assert_eq!(philox(join(0xa4093822, 0x299f31d0), counter), answer);
    }

    /// Fails unless a fill from any offset is the tail of the fill from zero, bit for bit.
    fn offsets_agree<T: Copy + Default + PartialEq + std::fmt::Debug>(fill: fn(u64, u64, &mut [T])) {
        let mut whole = vec![T::default(); 301];
        fill(7, 0, &mut whole);
        for offset in (0..20).chain([150, 299, 300, 301]) {
            for end in [offset, offset + 1, offset + 2, offset + 3, offset + 66, 301] {
                let end = end.min(whole.len());
                let mut part = vec![T::default(); end - offset];
                fill(7, offset as u64, &mut part);
                assert_eq!(part, whole[offset..end], "{offset}..{end}");
            }
        }
    }

    #[test]
    fn fills_depend_on_the_offset_only() {
        offsets_agree(fill_bits_u32);
        offsets_agree(fill_uniform_f32);
        offsets_agree(fill_uniform_f64);
        offsets_agree(fill_normal_f32);
        offsets_agree(fill_normal_f64);
    }

    #[test]
    fn fills_follow_the_stream() {
        let mut rng = Rng::new(3);
        let mut bits = [0; 37];
        fill_bits_u32(3, 0, &mut bits);
        assert!(bits.iter().all(|&word| rng.next_u32() == word));
        let mut uniform = [0.0; 37];
        fill_uniform_f32(3, 37, &mut uniform);
        assert!(uniform.iter().all(|&x| rng.next_f32() == x));
        // Past 2^32 blocks too.
        let far = (1 << 34) - 2;
        fill_bits_u32(3, far, &mut bits);
        rng = Rng::from_parts(3, far);
        assert!(bits.iter().all(|&word| rng.next_u32() == word));
    }

    /// The statistic of Kolmogorov and Smirnov, times the root of the sample's size.
    fn kolmogorov_smirnov(mut sample: Vec<f64>, cdf: fn(f64) -> f64) -> f64 {
        sample.sort_by(f64::total_cmp);
        let n = sample.len() as f64;
        let gap = |(i, &x): (usize, &f64)| (cdf(x) - i as f64 / n).abs().max((cdf(x) - (i + 1) as f64 / n).abs());
        sample.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
    }

    /// Holds the first moments and the distribution of a sample to what chance allows once in tens of thousands.
    fn follows(sample: Vec<f64>, cdf: fn(f64) -> f64, moments: [f64; 4], spreads: [f64; 4]) {
        let n = sample.len() as f64;
        for (power, (moment, spread)) in moments.into_iter().zip(spreads).enumerate() {
            let mean = sample.iter().map(|x| x.powi(power as i32 + 1)).sum::<f64>() / n;
            let z = (mean - moment) / spread * n.sqrt();
            assert!(z.abs() <= 4.0, "moment {}: {mean} is {z} deviations off {moment}", power + 1);
        }
        let statistic = kolmogorov_smirnov(sample, cdf);
        assert!(statistic <= 2.2, "{statistic}");
    }

    fn follows_uniform(sample: Vec<f64>) {
        assert!(sample.iter().all(|x| (0.0..1.0).contains(x)));
        let moments = [1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0, 1.0 / 5.0];
        let variance = |k: f64| 1.0 / (2.0 * k + 1.0) - 1.0 / ((k + 1.0) * (k + 1.0));
        follows(sample, |x| x, moments, [1.0, 2.0, 3.0, 4.0].map(|k| f64::sqrt(variance(k))));
    }

    fn follows_normal(sample: Vec<f64>) {
        // Even moments are double factorials.
        let spreads = [1.0, 2.0, 15.0, 96.0].map(f64::sqrt);
        follows(sample, |x| 0.5 * erfc64(-x / std::f64::consts::SQRT_2), [0.0, 1.0, 0.0, 3.0], spreads);
    }

    #[test]
    fn distributions() {
        const N: usize = 1 << 20;
        let (mut single, mut double) = (vec![0.0; N], vec![0.0; N]);
        let widen = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        fill_uniform_f32(11, 0, &mut single);
        follows_uniform(widen(&single));
        fill_uniform_f64(12, 0, &mut double);
        follows_uniform(double.clone());
        fill_normal_f32(13, 0, &mut single);
        follows_normal(widen(&single));
        // The two of a pair are uncorrelated, and so are their squares.
        let n = (N / 2) as f64;
        let pairs = || single.chunks(2).map(|pair| (f64::from(pair[0]), f64::from(pair[1])));
        assert!((pairs().map(|(x, y)| x * y).sum::<f64>() / n.sqrt()).abs() <= 4.0);
        assert!((pairs().map(|(x, y)| (x * x - 1.0) * (y * y - 1.0)).sum::<f64>() / n.sqrt() / 2.0).abs() <= 4.0);
        fill_normal_f64(14, 0, &mut double);
        follows_normal(double);
        let mut rng = Rng::new(15);
        follows_normal((0..N).map(|_| rng.normal()).collect());
        follows_uniform((0..N).map(|_| rng.next_f64()).collect());
    }

    #[test]
    fn extremes_are_finite() {
        for radius in [0, 1, u32::MAX - 1, u32::MAX] {
            for turn in [0, 1, 1 << 30, 1 << 31, u32::MAX] {
                let pair = normal_pair_f32::<pulp::Scalar>(radius, turn);
                assert!(pair.iter().all(|x| x.abs() < 7.0), "{radius} {turn}: {pair:?}");
                let pair = normal_pair_f64(u64::from(radius) << 32 | 0xffff_ffff, u64::from(turn) << 32);
                assert!(pair.iter().all(|x| x.abs() < 9.0), "{radius} {turn}: {pair:?}");
            }
        }
    }

    #[test]
    fn below_is_unbiased() {
        let mut rng = Rng::new(5);
        let mut counts = [0; 6];
        (0..60_000).for_each(|_| counts[rng.below(6) as usize] += 1);
        // Chi squared with five degrees of freedom exceeds 25.7 once in ten thousand samples.
        let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 1e4).powi(2) / 1e4).sum();
        assert!(chi <= 25.7, "{counts:?}");
        // A quarter of the words are refused here; without that, multiples of three would be twice as likely.
        let n = 3 << 62;
        let multiples = (0..30_000).filter(|_| rng.below(n).is_multiple_of(3)).count() as f64;
        assert!((multiples - 1e4).abs() <= 4.0 * (3e4_f64 * 2.0 / 9.0).sqrt(), "{multiples}");
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn permutations() {
        let mut rng = Rng::new(6);
        let mut order = rng.permutation(1000).unwrap();
        assert!(order.iter().enumerate().filter(|&(i, &x)| i == x).count() < 10);
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, &x)| i == x));
        let orders: HashSet<Vec<usize>> = (0..500).map(|_| rng.permutation(4).unwrap()).collect();
        assert_eq!(orders.len(), 24);
        assert!(rng.permutation(0).unwrap().is_empty());
        assert!(rng.permutation(1 << 50).is_err());
        let before = rng.position();
        assert_eq!((rng.below(0), rng.position()), (0, before));
    }

    #[test]
    fn streams_resume() {
        let mut rng = Rng::new(8);
        for step in 0..10 {
            rng.next_u32();
            let resumed = Rng::from_parts(rng.key(), rng.position());
            assert_eq!(rng, resumed);
            let mut skipped = Rng::new(8);
            skipped.advance(step + 1);
            assert_eq!(rng, skipped);
        }
    }

    #[test]
    fn derived_streams_are_independent() {
        let mut rng = Rng::new(9);
        let before = (rng.split("a"), rng.fork(0));
        rng.next_u64();
        assert_eq!((rng.split("a"), rng.fork(0)), before, "the position has no part");
        let names = ["", "a", "b", "a\0", "ab", "ba", "weights/0", "weights/1", "weights/0/a", "12345678", "123456780"];
        let mut streams: Vec<Rng> = names.iter().map(|name| rng.split(name)).collect();
        streams.extend((0..1000).map(|i| rng.fork(i)));
        streams.extend([rng.split("a").split("b"), rng.split("b").split("a"), Rng::new(10).split("a"), Rng::new(9)]);
        let keys: HashSet<u64> = streams.iter().map(Rng::key).collect();
        assert_eq!(keys.len(), streams.len());
        // Words at the same position in the streams are uniform among themselves, and uncorrelated between neighbours.
        let first: Vec<f64> = streams.iter_mut().map(Rng::next_f64).collect();
        assert!(kolmogorov_smirnov(first.clone(), |x| x) <= 2.2);
        let n = (first.len() - 1) as f64;
        let product: f64 = first.windows(2).map(|pair| 12.0 * (pair[0] - 0.5) * (pair[1] - 0.5)).sum();
        assert!((product / n.sqrt()).abs() <= 4.0);
    }
}
