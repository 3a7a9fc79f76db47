//! Factorisations of matrices in double precision, one matrix after another: for initialisers, whitening and checks,
//! whose matrices are small. The crate `nalgebra` factorises, but for
//! singular values, of which its version 0.35 gets some matrices of rank one wrong.

use crate::backend::{ElementwiseKernels, LinalgKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::{fma64, simd};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use nalgebra::{Cholesky, DMatrix, SymmetricEigen};

/// Steps of an iteration for each row or column: LAPACK's bound.
const STEPS: usize = 60;

impl LinalgKernels for Cpu {
    fn solve(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let mut x = Writing::<f64>::new(*b.shape())?;
        let (a, b) = (matrices(a)?, matrices(b)?);
        for (i, (a, b)) in a.zip(b).enumerate() {
            let solution = a.lu().solve(&b).filter(|x| x.iter().all(|x| x.is_finite()));
            let solution = solution.ok_or_else(|| Error::argument(format!("matrix {i} is singular")))?;
            put(&mut x, i, &solution);
        }
        Ok(x.finish())
    }

    fn cholesky(&self, a: &Tensor) -> Result<Tensor> {
        let mut l = Writing::<f64>::new(*a.shape())?;
        for (i, a) in matrices(a)?.enumerate() {
            let factor = Cholesky::new(symmetric(a));
            let factor = factor.ok_or_else(|| Error::argument(format!("matrix {i} is not positive definite")))?;
            put(&mut l, i, &factor.l());
        }
        Ok(l.finish())
    }

    fn qr(&self, a: &Tensor) -> Result<[Tensor; 2]> {
        let (m, n) = (a.shape()[a.rank() - 2], a.shape()[a.rank() - 1]);
        let mut q = Writing::<f64>::new(resized(a, [m, m.min(n)])?)?;
        let mut r = Writing::<f64>::new(resized(a, [m.min(n), n])?)?;
        for (i, a) in matrices(a)?.enumerate() {
            let (mut own_q, mut own_r) = a.qr().unpack();
            // The diagonal is made positive, so that there is one answer.
            for k in (0..m.min(n)).filter(|&k| own_r[(k, k)] < 0.0).collect::<Vec<_>>() {
                own_q.column_mut(k).neg_mut();
                own_r.row_mut(k).neg_mut();
            }
            put(&mut q, i, &own_q);
            put(&mut r, i, &own_r);
        }
        Ok([q.finish(), r.finish()])
    }

    fn eigh(&self, a: &Tensor) -> Result<[Tensor; 2]> {
        let n = a.shape()[a.rank() - 1];
        let mut values = Writing::<f64>::new(Shape::new(&a.shape()[..a.rank() - 1])?)?;
        let mut vectors = Writing::<f64>::new(*a.shape())?;
        for (i, a) in matrices(a)?.enumerate() {
            expect_finite(&a, i)?;
            let found = SymmetricEigen::try_new(symmetric(a), f64::EPSILON, STEPS * n);
            let found =
                found.ok_or_else(|| Error::argument(format!("the eigenvalues of matrix {i} do not converge")))?;
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&i, &j| found.eigenvalues[i].total_cmp(&found.eigenvalues[j]));
            let own = &mut values.as_mut()[i * n..][..n];
            own.iter_mut().zip(&order).for_each(|(value, &from)| *value = found.eigenvalues[from]);
            put(&mut vectors, i, &found.eigenvectors.select_columns(&order));
        }
        Ok([values.finish(), vectors.finish()])
    }

    fn svd(&self, a: &Tensor) -> Result<[Tensor; 3]> {
        let (m, n) = (a.shape()[a.rank() - 2], a.shape()[a.rank() - 1]);
        let rank = m.min(n);
        let mut u = Writing::<f64>::new(resized(a, [m, rank])?)?;
        let mut s = Writing::<f64>::new(Shape::new(&[&a.shape()[..a.rank() - 2], &[rank]].concat())?)?;
        let mut vt = Writing::<f64>::new(resized(a, [rank, n])?)?;
        // The shorter side's vectors as rows, and the rotations that make them orthogonal.
        let long = m.max(n);
        let mut scratch = Writing::<f64>::new(Shape::new(&[rank * (long + rank)])?)?;
        if rank > 0 {
            let (u, vt) = (u.as_mut().chunks_exact_mut(m * rank), vt.as_mut().chunks_exact_mut(rank * n));
            for (i, (((a, u), s), vt)) in matrices(a)?.zip(u).zip(s.as_mut().chunks_exact_mut(rank)).zip(vt).enumerate()
            {
                expect_finite(&a, i)?;
                let (rows, turns) = scratch.as_mut().split_at_mut(rank * long);
                for (k, row) in rows.chunks_exact_mut(long).enumerate() {
                    let element = |j: usize| if m >= n { a[(j, k)] } else { a[(k, j)] };
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

/// The matrices of the last two axes; none where they have no elements.
fn matrices(x: &Tensor) -> Result<impl Iterator<Item = DMatrix<f64>> + use<>> {
    let (m, n) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let x = if x.dtype() == DType::F64 { Cpu.contiguous(x)? } else { Cpu.cast(x, DType::F64)? };
    let count = x.numel().checked_div(m * n).unwrap_or(0);
    Ok((0..count).map(move |i| DMatrix::from_row_slice(m, n, &x.as_slice().unwrap_or_default()[i * m * n..][..m * n])))
}

/// Writes a matrix to its place among the others.
fn put(out: &mut Writing<f64>, index: usize, matrix: &DMatrix<f64>) {
    let out = out.as_mut()[index * matrix.len()..][..matrix.len()].chunks_exact_mut(matrix.ncols().max(1));
    for (out, row) in out.zip(matrix.row_iter()) {
        out.iter_mut().zip(row.iter()).for_each(|(out, &x)| *out = x);
    }
}

/// The mean of a matrix and its transpose.
fn symmetric(a: DMatrix<f64>) -> DMatrix<f64> {
    (&a + a.transpose()) * 0.5
}

/// The shape of a tensor with other last two sizes.
fn resized(x: &Tensor, last: [usize; 2]) -> Result<Shape> {
    Shape::new(&[&x.shape()[..x.rank() - 2], &last].concat())
}

fn expect_finite(a: &DMatrix<f64>, index: usize) -> Result<()> {
    if a.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Error::argument(format!("matrix {index} has elements that are not finite")))
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
