//! The product against its definition.

use super::*;
use crate::cpu::threads::set_num_threads;

/// A matrix in a buffer of its own, in one of several layouts.
struct Layout {
    len: usize,
    offset: usize,
    strides: [isize; 2],
}

fn layout([rows, cols]: [usize; 2], kind: usize) -> Layout {
    let (r, c) = (rows as isize, cols as isize);
    let strides = match kind {
        0 => [c, 1],
        1 => [1, r],
        2 => [c + 3, 1],
        3 => [1, r + 5],
        4 => [2 * c + 1, 2],
        5 => [-c - 1, 1],
        6 => [0, 1],
        7 => [1, 0],
        _ => [0, 0],
    };
    let reach = |n: usize, s: isize| (n.max(1) - 1) * s.unsigned_abs();
    let offset = if kind == 5 { reach(rows, strides[0]) } else { 0 };
    Layout { len: reach(rows, strides[0]) + reach(cols, strides[1]) + 1, offset, strides }
}

impl Layout {
    fn at(&self, i: usize, j: usize) -> usize {
        (self.offset as isize + i as isize * self.strides[0] + j as isize * self.strides[1]) as usize
    }
}

trait Element: GemmElement + Into<f64> + PartialEq + std::fmt::Debug {
    const EPSILON: f64;
    fn new(x: f64) -> Self;
}

impl Element for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    fn new(x: f64) -> Self {
        x as f32
    }
}

impl Element for f64 {
    const EPSILON: f64 = f64::EPSILON;
    fn new(x: f64) -> Self {
        x
    }
}

/// Values in -1..1, the same for the same seed.
fn values<T: Element>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        T::new((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
    };
    (0..len).map(|_| next()).collect()
}

/// A factor that is packed element by element.
struct Slow<'a, T>(Mat<'a, T>);

impl<T: Element> Pack<T> for Slow<'_, T> {
    fn depth(&self) -> usize {
        self.0.dims[1]
    }
    fn count(&self) -> usize {
        self.0.dims[0]
    }
    fn pack(&self, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T]) {
        let Mat { data, offset, strides, .. } = self.0;
        for (i, item) in items.enumerate() {
            for (p, k) in k.clone().enumerate() {
                let at = offset as isize + item as isize * strides[0] + k as isize * strides[1];
                panel[p * width + i] = data[at as usize];
            }
        }
    }
}

/// How the factors come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    Serial,
    OwnPacking,
    Panels,
    Shifted,
}

/// Compares one product, in all its forms, with a plain loop in double precision.
fn check<T: Element>([m, n, k]: [usize; 3], kinds: [usize; 3], accumulate: bool, finish: bool) {
    let seed = (m * 1_000_003 + n * 1009 + k) as u64;
    let [la, lb, lc] = [layout([m, k], kinds[0]), layout([k, n], kinds[1]), layout([m, n], kinds[2])];
    let (a, b) = (values::<T>(la.len, seed), values::<T>(lb.len, seed + 1));
    let old = values::<T>(lc.len, seed + 2);
    let (row_bias, col_bias) = (values::<T>(m, 3), values::<T>(n, 4));
    let a_mat = Mat::new(&a, la.offset, [m, k], la.strides);
    let b_mat = Mat::new(&b, lb.offset, [k, n], lb.strides);
    let options = Options {
        accumulate,
        row_bias: finish.then_some(&row_bias),
        col_bias: finish.then_some(&col_bias),
        relu: finish,
        serial: false,
    };
    let mut c = old.clone();
    let [row_width, column_width] = panel_widths::<T>();
    let mut panels = [
        vec![T::new(0.0); Panels::<T>::len(row_width, [m, k])],
        vec![T::new(0.0); Panels::<T>::len(column_width, [n, k])],
    ];
    Panels::write(a_mat, row_width, &mut panels[0]);
    Panels::write(b_mat.t(), column_width, &mut panels[1]);
    // The panels of B's rows, the last ones first.
    let starts: Vec<usize> = (0..n.div_ceil(column_width)).rev().map(|panel| panel * k * column_width).collect();
    let mut rows = vec![T::new(0.0); starts.len() * k * column_width + column_width];
    let offsets: Vec<usize> = (0..k).rev().map(|p| p * column_width).collect();
    for (p, &offset) in offsets.iter().enumerate() {
        (0..n).for_each(|j| rows[offset + starts[j / column_width] + j % column_width] = b[lb.at(p, j)]);
    }
    let run = |c: &mut Vec<T>, way: Way| {
        let to = MatMut::new(c, lc.offset, [m, n], lc.strides);
        let options = Options { serial: way == Way::Serial, ..options };
        match way {
            Way::Plain | Way::Serial => gemm_with(to, a_mat.into(), b_mat.into(), options),
            Way::OwnPacking => {
                gemm_with(to, Factor::Pack(&Slow(a_mat)), Factor::Pack(&Slow(b_mat.t())), options);
            }
            Way::Panels => {
                let a = Panels::new(&panels[0], row_width, [m, k]);
                let b = Panels::new(&panels[1], column_width, [n, k]);
                gemm_with(to, Factor::Pack(&a), Factor::Pack(&b), options);
            }
            Way::Shifted => {
                let b = Shifted::new(&rows, &offsets, &starts, n);
                gemm_with(to, a_mat.into(), Factor::Shifted(b), options);
            }
        }
    };
    run(&mut c, Way::Plain);

    let mut touched = vec![false; c.len()];
    for i in 0..m {
        for j in 0..n {
            let at = lc.at(i, j);
            touched[at] = true;
            let (mut sum, mut size) = (if accumulate { old[at].into() } else { 0.0 }, 4.0);
            for p in 0..k {
                let term = a[la.at(i, p)].into() * b[lb.at(p, j)].into();
                sum += term;
                size += term.abs();
            }
            if finish {
                sum = (sum + row_bias[i].into() + col_bias[j].into()).max(0.0);
            }
            let error = (c[at].into() - sum).abs();
            let bound = (k + 4) as f64 * T::EPSILON * size;
            assert!(error <= bound, "{m}x{n}x{k} {kinds:?} {accumulate} {finish}: [{i}, {j}] off by {error}");
        }
    }
    for ((&new, &old), touched) in c.iter().zip(&old).zip(touched) {
        assert!(touched || new == old, "{m}x{n}x{k} {kinds:?}: wrote outside C");
    }

    let mut other = old.clone();
    run(&mut other, Way::Serial);
    assert_eq!(c, other, "{m}x{n}x{k} {kinds:?}: serial");
    if m > 1 && n > 1 {
        for way in [Way::OwnPacking, Way::Panels, Way::Shifted] {
            other.copy_from_slice(&old);
            run(&mut other, way);
            assert_eq!(c, other, "{m}x{n}x{k} {kinds:?}: {way:?}");
        }
    }
}

#[test]
fn awkward_sizes() {
    let sizes = [0, 1, 2, 3, 5, 7, 8, 12, 13, 15, 16, 17, 31, 33, 64, 65];
    let mut turn = 0;
    for m in sizes {
        for n in sizes {
            for k in [0, 1, 2, 3, 4, 7, 16, 17, 33, 65] {
                turn += 1;
                let kinds = [turn % 9, turn / 3 % 9, turn / 2 % 6];
                check::<f32>([m, n, k], kinds, turn % 2 == 0, turn % 5 == 0);
                check::<f64>([m, n, k], [kinds[1], kinds[0], kinds[2]], turn % 2 == 1, turn % 7 == 0);
            }
        }
    }
}

#[test]
fn all_layouts() {
    for [m, n, k] in [[13, 37, 9], [1, 70, 40], [70, 1, 40], [2, 3, 70], [66, 129, 5]] {
        for a in 0..9 {
            for b in 0..9 {
                for c in 0..6 {
                    check::<f32>([m, n, k], [a, b, c], (a + b + c) % 2 == 0, (a + b) % 3 == 0);
                }
            }
        }
    }
}

#[test]
fn beyond_one_block() {
    for (m, n, k) in [(100, 129, 1100), (129, 2100, 20), (65, 300, 513), (1, 600, 1030), (300, 1, 1030)] {
        for kinds in [[0, 0, 0], [1, 1, 1], [0, 1, 0], [2, 3, 4]] {
            check::<f32>([m, n, k], kinds, kinds[1] == 1, kinds[0] == 0);
            check::<f64>([m, n, k], kinds, kinds[1] == 1, kinds[0] == 0);
        }
    }
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    for (m, n, k) in [(200, 300, 600), (70, 1030, 100), (1, 3000, 300), (12, 96, 2000)] {
        let (a, b) = (values::<f32>(m * k, 1), values::<f32>(k * n, 2));
        for transposed in [false, true] {
            let b = if transposed { Mat::row_major(&b, n, k).t() } else { Mat::row_major(&b, k, n) };
            let results = [1, 2, 3].map(|threads| {
                set_num_threads(threads);
                let mut c = vec![0.0; m * n];
                gemm(MatMut::row_major(&mut c, m, n), Mat::row_major(&a, m, k), b, false);
                c
            });
            assert!(results[0] == results[1] && results[0] == results[2], "{m}x{n}x{k}");
        }
    }
}

#[test]
fn batches() {
    // As in attention: two batch dimensions, the heads interleaved in C; A is the same for all heads.
    for (m, n, k) in [(5, 8, 4), (33, 40, 64), (300, 200, 256)] {
        let (batch, heads) = (2, 3);
        let (a, b) = (values::<f32>(batch * m * k, 1), values::<f32>(batch * heads * k * n, 2));
        let mut c = vec![1.0; batch * m * heads * n];
        let row = (heads * n) as isize;
        gemm_batch(
            &[batch, heads],
            (MatMut::new(&mut c, 0, [m, n], [row, 1]), &[m as isize * row, n as isize]),
            (Mat::row_major(&a[..], m, k), &[(m * k) as isize, 0]),
            (Mat::row_major(&b[..], k, n), &[(heads * k * n) as isize, (k * n) as isize]),
            true,
        );
        let mut expected = vec![1.0; c.len()];
        let (len, start) = (expected.len(), expected.as_mut_ptr());
        for i in 0..batch * heads {
            let a = Mat::row_major(&a[i / heads * m * k..][..m * k], m, k);
            let b = Mat::row_major(&b[i * k * n..][..k * n], k, n);
            let offset = i / heads * m * heads * n + i % heads * n;
            // SAFETY: the only view of `expected` for as long as it lives.
            let c = unsafe { MatMut::from_raw(start, len, offset, [m, n], [row, 1]) };
            gemm_serial(c, a, b, true);
        }
        assert_eq!(c, expected);
    }
    let mut c = [1.0f64; 4];
    let (a, b) = ([1.0; 4], [1.0; 4]);
    let (a, b) = ((Mat::row_major(&a, 2, 2), &[0][..]), (Mat::row_major(&b, 2, 2), &[0][..]));
    gemm_batch(&[0], (MatMut::row_major(&mut c, 2, 2), &[4]), a, b, false);
    assert_eq!(c, [1.0; 4]);
}

#[test]
fn views_are_checked() {
    let caught = |f: fn()| std::panic::catch_unwind(f).is_err();
    assert!(caught(|| {
        let _ = Mat::new(&[0f32; 5], 0, [2, 3], [3, 1]).t();
    }));
    assert!(caught(|| {
        let _ = Mat::new(&[0f32; 6], 0, [2, 3], [-3, 1]).t();
    }));
    assert!(caught(|| {
        let _ = MatMut::new(&mut [0f32; 6], 0, [2, 3], [0, 1]);
    }));
    assert!(caught(|| {
        let _ = MatMut::new(&mut [0f32; 9], 0, [3, 3], [2, 1]);
    }));
    assert!(caught(|| gemm(
        MatMut::row_major(&mut [0f32; 4], 2, 2),
        Mat::row_major(&[0f32; 4], 2, 2),
        Mat::row_major(&[0f32; 6], 3, 2),
        false
    )));
}
