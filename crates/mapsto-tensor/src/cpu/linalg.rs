//! Factorisations of matrices in double precision, one matrix after another: for initialisers, whitening and checks,
//! whose matrices are small. Rows are contiguous, so every inner loop runs along a row.

use crate::backend::{ElementwiseKernels, LinalgKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::{fma64, simd};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};

impl LinalgKernels for Cpu {
    fn solve(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (n, k) = (b.shape()[b.rank() - 2], b.shape()[b.rank() - 1]);
        let (mut a, mut b) = (editable(a)?, editable(b)?);
        let count = b.numel().checked_div(n * k).unwrap_or(0);
        let (a, x) = (a.make_mut::<f64>()?, b.make_mut::<f64>()?);
        for i in 0..count {
            let singular = |_| Error::argument(format!("matrix {i} is singular"));
            eliminate(&mut a[i * n * n..][..n * n], &mut x[i * n * k..][..n * k], n, k).map_err(singular)?;
        }
        Ok(b)
    }

    fn cholesky(&self, a: &Tensor) -> Result<Tensor> {
        let n = a.shape()[a.rank() - 1];
        let mut l = editable(a)?;
        for (i, l) in l.make_mut::<f64>()?.chunks_exact_mut((n * n).max(1)).enumerate() {
            symmetrise(l, n);
            lower_factor(l, n).map_err(|()| Error::argument(format!("matrix {i} is not positive definite")))?;
        }
        Ok(l)
    }

    fn qr(&self, a: &Tensor) -> Result<[Tensor; 2]> {
        let (m, n) = (a.shape()[a.rank() - 2], a.shape()[a.rank() - 1]);
        let rank = m.min(n);
        let mut work = editable(a)?;
        let mut q = Writing::<f64>::filled(resized(a, [m, rank])?, 0.0)?;
        let mut r = Writing::<f64>::filled(resized(a, [rank, n])?, 0.0)?;
        let mut scratch = Writing::<f64>::new(Shape::new(&[m * rank + n.max(rank)])?)?;
        if m * n > 0 {
            let (q, r) = (q.as_mut().chunks_exact_mut(m * rank), r.as_mut().chunks_exact_mut(rank * n));
            for ((a, q), r) in work.make_mut::<f64>()?.chunks_exact_mut(m * n).zip(q).zip(r) {
                orthogonalise(a, q, r, scratch.as_mut(), m, n);
            }
        }
        Ok([q.finish(), r.finish()])
    }

    fn eigh(&self, a: &Tensor) -> Result<[Tensor; 2]> {
        let n = a.shape()[a.rank() - 1];
        let mut work = editable(a)?;
        let mut values = Writing::<f64>::new(Shape::new(&a.shape()[..a.rank() - 1])?)?;
        let mut vectors = Writing::<f64>::new(*a.shape())?;
        let mut scratch = Writing::<f64>::new(Shape::new(&[n * n + 2 * n])?)?;
        if n > 0 {
            let (values, vectors) = (values.as_mut().chunks_exact_mut(n), vectors.as_mut().chunks_exact_mut(n * n));
            let matrices = work.make_mut::<f64>()?.chunks_exact_mut(n * n);
            for (i, ((a, values), vectors)) in matrices.zip(values).zip(vectors).enumerate() {
                expect_finite(a, i)?;
                symmetrise(a, n);
                let stuck = |()| Error::argument(format!("the eigenvalues of matrix {i} do not converge"));
                eigen(a, values, vectors, scratch.as_mut(), n).map_err(stuck)?;
            }
        }
        Ok([values.finish(), vectors.finish()])
    }

    fn svd(&self, a: &Tensor) -> Result<[Tensor; 3]> {
        let (m, n) = (a.shape()[a.rank() - 2], a.shape()[a.rank() - 1]);
        let rank = m.min(n);
        let input = editable(a)?;
        let mut u = Writing::<f64>::new(resized(a, [m, rank])?)?;
        let mut s = Writing::<f64>::new(Shape::new(&[&a.shape()[..a.rank() - 2], &[rank]].concat())?)?;
        let mut vt = Writing::<f64>::new(resized(a, [rank, n])?)?;
        // The shorter side's vectors as rows, and the rotations that make them orthogonal.
        let long = m.max(n);
        let mut scratch = Writing::<f64>::new(Shape::new(&[rank * (long + rank)])?)?;
        if rank > 0 {
            let (u, vt) = (u.as_mut().chunks_exact_mut(m * rank), vt.as_mut().chunks_exact_mut(rank * n));
            let matrices = input.as_slice::<f64>().unwrap_or_default().chunks_exact(m * n);
            for (i, (((a, u), s), vt)) in matrices.zip(u).zip(s.as_mut().chunks_exact_mut(rank)).zip(vt).enumerate() {
                expect_finite(a, i)?;
                let (rows, turns) = scratch.as_mut().split_at_mut(rank * long);
                for (k, row) in rows.chunks_exact_mut(long).enumerate() {
                    let element = |j: usize| if m >= n { a[j * n + k] } else { a[k * n + j] };
                    row.iter_mut().enumerate().for_each(|(j, x)| *x = element(j));
                }
                let stuck = |()| Error::argument(format!("the singular values of matrix {i} do not converge"));
                rotate_orthogonal(rows, turns, s, long).map_err(stuck)?;
                for k in 0..rank {
                    for j in 0..m {
                        u[j * rank + k] = if m >= n { rows[k * long + j] } else { turns[k * rank + j] };
                    }
                    for j in 0..n {
                        vt[k * n + j] = if m >= n { turns[k * rank + j] } else { rows[k * long + j] };
                    }
                }
            }
        }
        Ok([u.finish(), s.finish(), vt.finish()])
    }
}

/// A row-major copy in double precision.
fn editable(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::F64 { Cpu.copy(x) } else { Cpu.cast(x, DType::F64) }
}

/// The shape of a tensor with other last two sizes.
fn resized(x: &Tensor, last: [usize; 2]) -> Result<Shape> {
    Shape::new(&[&x.shape()[..x.rank() - 2], &last].concat())
}

fn expect_finite(a: &[f64], index: usize) -> Result<()> {
    if a.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Error::argument(format!("matrix {index} has elements that are not finite")))
}

fn symmetrise(a: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (a[i * n + j] + a[j * n + i]);
            (a[i * n + j], a[j * n + i]) = (mean, mean);
        }
    }
}

simd! {
    /// `y += a * x`
    fn axpy<S>(simd: S, a: f64, x: &[f64], y: &mut [f64]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = fma64::<S>(a, x, *y);
        }
    }
}

simd! {
    /// The sum of products, in eight lanes.
    fn dot<S>(simd: S, x: &[f64], y: &[f64]) -> f64 {
        let mut lanes = [0.0; 8];
        let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
        let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
        for (x, y) in xs.zip(ys) {
            for i in 0..8 {
                lanes[i] = fma64::<S>(x[i], y[i], lanes[i]);
            }
        }
        lanes.iter().sum::<f64>() + rest
    }
}

simd! {
    /// `(x, y) = (c x - s y, s x + c y)`
    fn rotate<S>(simd: S, c: f64, s: f64, x: &mut [f64], y: &mut [f64]) {
        for (x, y) in x.iter_mut().zip(y) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
}

/// Two rows of a matrix, `i < j`.
fn two_rows(a: &mut [f64], width: usize, i: usize, j: usize) -> (&mut [f64], &mut [f64]) {
    let (head, tail) = a.split_at_mut(j * width);
    (&mut head[i * width..][..width], &mut tail[..width])
}

/// `b` becomes the solution by Gaussian elimination with row pivots; fails on a zero pivot.
fn eliminate(a: &mut [f64], b: &mut [f64], n: usize, k: usize) -> Result<(), ()> {
    for column in 0..n {
        let greater = |best: usize, row: usize| {
            let better = a[row * n + column].abs() > a[best * n + column].abs();
            if better { row } else { best }
        };
        let pivot = (column + 1..n).fold(column, greater);
        if a[pivot * n + column] == 0.0 {
            return Err(());
        }
        if pivot != column {
            let (x, y) = two_rows(a, n, column, pivot);
            x.swap_with_slice(y);
            let (x, y) = two_rows(b, k, column, pivot);
            x.swap_with_slice(y);
        }
        for row in column + 1..n {
            let (above, below) = two_rows(a, n, column, row);
            let factor = -below[column] / above[column];
            axpy(factor, &above[column..], &mut below[column..]);
            let (above, below) = two_rows(b, k, column, row);
            axpy(factor, above, below);
        }
    }
    for row in (0..n).rev() {
        let (head, tail) = b.split_at_mut((row + 1) * k);
        let x = &mut head[row * k..];
        for (j, known) in (row + 1..n).zip(tail.chunks_exact(k)) {
            axpy(-a[row * n + j], known, x);
        }
        x.iter_mut().for_each(|x| *x /= a[row * n + row]);
    }
    Ok(())
}

/// The lower factor in place, row by row; fails where a pivot is not positive.
fn lower_factor(a: &mut [f64], n: usize) -> Result<(), ()> {
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..][..n];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        if pivot <= 0.0 || pivot.is_nan() {
            return Err(());
        }
        row[i] = pivot.sqrt();
        row[i + 1..n].fill(0.0);
    }
    Ok(())
}

/// Householder's reflection `1 - beta v v^T` that sends `v` to a multiple of its first axis: `v` in place, with beta and
/// the multiple.
fn reflection(v: &mut [f64]) -> (f64, f64) {
    let norm = dot(v, v).sqrt();
    if norm == 0.0 {
        return (0.0, 0.0);
    }
    let image = if v[0] > 0.0 { -norm } else { norm };
    v[0] -= image;
    (1.0 / (norm * v[0].abs()), image)
}

/// `a` (rows of `width` from column `first` on) reflected from the left: `a -= beta v (v^T a)`.
fn reflect_rows(a: &mut [f64], width: usize, first: usize, v: &[f64], beta: f64, scratch: &mut [f64]) {
    let sums = &mut scratch[..width - first];
    sums.fill(0.0);
    for (row, &v) in a.chunks_exact(width).zip(v) {
        axpy(v, &row[first..], sums);
    }
    for (row, &v) in a.chunks_exact_mut(width).zip(v) {
        axpy(-beta * v, sums, &mut row[first..]);
    }
}

/// Householder's factorisation, the diagonal of `r` made positive. `q` and `r` come in as zeros.
fn orthogonalise(a: &mut [f64], q: &mut [f64], r: &mut [f64], scratch: &mut [f64], m: usize, n: usize) {
    let rank = m.min(n);
    let (vectors, scratch) = scratch.split_at_mut(m * rank);
    for k in 0..rank {
        let v = &mut vectors[k * m..][..m - k];
        v.iter_mut().enumerate().for_each(|(i, v)| *v = a[(k + i) * n + k]);
        let (beta, image) = reflection(v);
        reflect_rows(&mut a[k * n..], n, k, v, beta, scratch);
        if beta != 0.0 {
            a[k * n + k] = image;
        }
        // With v scaled by sqrt(beta) the reflection is 1 - v v^T.
        v.iter_mut().for_each(|v| *v *= beta.sqrt());
        r[k * n + k..][..n - k].copy_from_slice(&a[k * n + k..][..n - k]);
        q[k * rank + k] = 1.0;
    }
    for k in (0..rank).rev() {
        reflect_rows(&mut q[k * rank..], rank, k, &vectors[k * m..][..m - k], 1.0, scratch);
    }
    for k in (0..rank).filter(|k| r[k * n + k] < 0.0).collect::<smallvec::SmallVec<[usize; 64]>>() {
        r[k * n + k..][..n - k].iter_mut().for_each(|x| *x = -*x);
        (0..m).for_each(|i| q[i * rank + k] = -q[i * rank + k]);
    }
}

/// Eigenvalues, ascending, and eigenvectors as columns: reduction to three diagonals by Householder's reflections, then
/// the implicit QL iteration (Martin, Reinsch and Wilkinson, "Handbook for Automatic Computation", 1971, II/2 and II/4).
fn eigen(a: &mut [f64], values: &mut [f64], vectors: &mut [f64], scratch: &mut [f64], n: usize) -> Result<(), ()> {
    let (rows, scratch) = scratch.split_at_mut(n * n);
    let (off, scratch) = scratch.split_at_mut(n);
    for k in 0..n.saturating_sub(2) {
        // The reflection's vector takes the place of column k, kept in row k.
        let width = n - k - 1;
        let (head, block) = a.split_at_mut((k + 1) * n);
        let v = &mut head[k * n + k + 1..];
        let (beta, image) = reflection(v);
        off[k] = image;
        v.iter_mut().for_each(|v| *v *= beta.sqrt());
        // block -= v w^T + w v^T with w = block v - (v^T block v / 2) v
        let w = &mut scratch[..width];
        w.iter_mut().zip(block.chunks_exact(n)).for_each(|(w, row)| *w = dot(&row[k + 1..], v));
        let half = -0.5 * dot(w, v);
        axpy(half, v, w);
        for (row, (&v_row, &w_row)) in block.chunks_exact_mut(n).zip(v.iter().zip(w.iter())) {
            axpy(-v_row, w, &mut row[k + 1..]);
            axpy(-w_row, v, &mut row[k + 1..]);
        }
    }
    if n > 1 {
        off[n - 2] = a[(n - 1) * n + n - 2];
    }
    off[n - 1] = 0.0;
    values.iter_mut().enumerate().for_each(|(i, value)| *value = a[i * n + i]);
    // The product of the reflections; it is applied to rows, so the transpose is what the iteration turns.
    vectors.fill(0.0);
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for k in (0..n.saturating_sub(2)).rev() {
        let v = &a[k * n + k + 1..][..n - k - 1];
        reflect_rows(&mut vectors[(k + 1) * n..], n, k + 1, v, 1.0, scratch);
    }
    for i in 0..n {
        (0..n).for_each(|j| rows[j * n + i] = vectors[i * n + j]);
    }
    ql_iteration(values, off, rows, n)?;
    let mut order: smallvec::SmallVec<[usize; 64]> = (0..n).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    off.copy_from_slice(values);
    for (to, &from) in order.iter().enumerate() {
        values[to] = off[from];
        (0..n).for_each(|i| vectors[i * n + to] = rows[from * n + i]);
    }
    Ok(())
}

/// Diagonal `d` and neighbours `e` become eigenvalues and zeros; the rows turn with them.
fn ql_iteration(d: &mut [f64], e: &mut [f64], rows: &mut [f64], n: usize) -> Result<(), ()> {
    for low in 0..n {
        for round in 0.. {
            let negligible = |&i: &usize| e[i].abs() <= f64::EPSILON * (d[i].abs() + d[i + 1].abs());
            let high = (low..n - 1).find(negligible).unwrap_or(n - 1);
            if high == low {
                break;
            }
            if round == 60 {
                return Err(());
            }
            let slope = (d[low + 1] - d[low]) / (2.0 * e[low]);
            let mut g = d[high] - d[low] + e[low] / (slope + slope.hypot(1.0).copysign(slope));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (low..high).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                let (x, y) = two_rows(rows, n, i, i + 1);
                rotate(c, s, x, y);
            }
            if !split {
                d[low] -= p;
                e[low] = g;
            }
            e[high] = 0.0;
        }
    }
    Ok(())
}

/// Rows become orthonormal by rotations of pairs (one-sided Jacobi; Hestenes 1958), longest first; `turns` the transpose
/// of the rotations' product, `lengths` the rows' lengths before.
fn rotate_orthogonal(rows: &mut [f64], turns: &mut [f64], lengths: &mut [f64], width: usize) -> Result<(), ()> {
    let count = lengths.len();
    let scale = rows.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if scale > 0.0 {
        rows.iter_mut().for_each(|x| *x /= scale);
    }
    turns.fill(0.0);
    (0..count).for_each(|i| turns[i * count + i] = 1.0);
    let tolerance = f64::EPSILON * (width as f64).sqrt();
    for sweep in 0.. {
        let mut turned = false;
        for i in 0..count {
            for j in i + 1..count {
                let (x, y) = two_rows(rows, width, i, j);
                let (xx, yy, xy) = (dot(x, x), dot(y, y), dot(x, y));
                if xy.abs() <= tolerance * (xx.sqrt() * yy.sqrt()) {
                    continue;
                }
                turned = true;
                let zeta = (yy - xx) / (2.0 * xy);
                let t = 1f64.copysign(zeta) / (zeta.abs() + zeta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                rotate(c, c * t, x, y);
                let (x, y) = two_rows(turns, count, i, j);
                rotate(c, c * t, x, y);
            }
        }
        if !turned {
            break;
        }
        if sweep == 60 {
            return Err(());
        }
    }
    for (length, row) in lengths.iter_mut().zip(rows.chunks_exact(width)) {
        *length = dot(row, row).sqrt();
    }
    // Longest first: selection, since rows move with their lengths.
    for i in 0..count {
        let longest = (i + 1..count).fold(i, |best, j| if lengths[j] > lengths[best] { j } else { best });
        if longest != i {
            lengths.swap(i, longest);
            let (x, y) = two_rows(rows, width, i, longest);
            x.swap_with_slice(y);
            let (x, y) = two_rows(turns, count, i, longest);
            x.swap_with_slice(y);
        }
    }
    for i in 0..count {
        let (known, rest) = rows.split_at_mut(i * width);
        let row = &mut rest[..width];
        if lengths[i] > f64::MIN_POSITIVE {
            row.iter_mut().for_each(|x| *x /= lengths[i]);
        } else {
            complete(known, row);
        }
        lengths[i] *= scale;
    }
    Ok(())
}

/// A unit row orthogonal to the orthonormal rows before it, of which there are fewer than the row is long.
fn complete(known: &[f64], row: &mut [f64]) {
    let width = row.len();
    for axis in 0..width {
        row.fill(0.0);
        row[axis] = 1.0;
        // Twice, so that what cancels in the first pass leaves no error.
        for _ in 0..2 {
            for other in known.chunks_exact(width) {
                let along = dot(row, other);
                axpy(-along, other, row);
            }
        }
        let norm = dot(row, row);
        // The squares of all axes' remainders add up to at least one.
        if norm > 0.5 / width as f64 {
            let norm = norm.sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
            return;
        }
    }
}
