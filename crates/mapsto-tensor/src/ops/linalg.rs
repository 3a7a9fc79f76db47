//! Linear algebra on matrices `[..., m, n]`: systems of equations and factorisations, in `f32` (computed in double
//! precision) and `f64`.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply, apply_one, composed, expect_inputs,
    expect_same_dtype,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The solution x of `a x = b`: `[..., n, n]` and `[..., n, k]` to `[..., n, k]`, by Gaussian elimination.
#[derive(Clone, Copy, Debug)]
pub struct Solve;

/// The lower triangular factor l of a positive definite matrix, `a = l l^T`. The symmetric part of the input counts.
#[derive(Clone, Copy, Debug)]
pub struct Cholesky;

/// The factors of `a = q r` by Householder's reflections: orthonormal columns `[..., m, min(m, n)]` and an upper
/// triangle `[..., min(m, n), n]` without negative numbers on the diagonal, which makes both unique at full rank. No
/// gradient.
#[derive(Clone, Copy, Debug)]
pub struct Qr;

/// Eigenvalues, ascending, and orthonormal eigenvectors, as columns, of a symmetric matrix: `[..., n, n]` to `[..., n]`
/// and `[..., n, n]`. The symmetric part of the input counts; the vectors' signs are arbitrary. No gradient.
#[derive(Clone, Copy, Debug)]
pub struct Eigh;

/// The factors of `a = u diag(s) v^T`: orthonormal columns `[..., m, r]`, singular values `[..., r]`, descending, and
/// orthonormal rows `[..., r, n]` with `r = min(m, n)`; signs are arbitrary. By Jacobi's rotations, which find small
/// singular values to high relative accuracy. No gradient.
#[derive(Clone, Copy, Debug)]
pub struct Svd;

fn expect_matrices(input: &Spec) -> Result<[usize; 2]> {
    if !matches!(input.dtype, DType::F32 | DType::F64) {
        return Err(Error::dtype(format!("is not defined for {} elements", input.dtype))
            .mend("convert with to_dtype(DType::F32) first"));
    }
    match *input.shape {
        [.., m, n] => Ok([m, n]),
        _ => Err(Error::shape(format!("needs matrices, not shape {}", input.shape))),
    }
}

fn expect_square(input: &Spec) -> Result<usize> {
    let [m, n] = expect_matrices(input)?;
    if m == n { Ok(n) } else { Err(Error::shape(format!("needs square matrices, not shape {}", input.shape))) }
}

/// An input with other sizes in place of its last two.
fn resized(input: &Spec, last: &[usize]) -> Result<Spec> {
    Ok(input.with_shape(Shape::new(&[&input.shape[..input.shape.rank() - 2], last].concat())?))
}

/// Square matrices with ones below the diagonal, `diagonal` on it and zeros above.
fn lower_triangle(n: usize, diagonal: f64, dtype: DType) -> Result<Tensor> {
    let element = |i: usize, j: usize| if i > j { 1.0 } else { diagonal * (i == j) as u8 as f64 };
    let data = (0..n * n).map(|at| element(at / n, at % n)).collect();
    Tensor::from_vec::<f64>(data, [n, n])?.to_dtype(dtype)
}

impl Op for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_same_dtype(inputs)?;
        let n = expect_square(&inputs[0])?;
        let [rows, _] = expect_matrices(&inputs[1])?;
        let (a, b) = (inputs[0].shape, inputs[1].shape);
        if rows != n || a[..a.rank() - 2] != b[..b.rank() - 2] {
            return Err(Error::shape(format!("{a} and {b} are not systems of equations [..., n, n] and [..., n, k]")));
        }
        Ok(smallvec![inputs[1]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let backend = inputs[0].backend();
        Ok(smallvec![backend.cast(&backend.solve(inputs[0], inputs[1])?, inputs[0].dtype())?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 1, outputs: true }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let b = apply_one(Solve, &[&cx.input(0)?.t()?, &cx.grad(0)?])?;
        let a = if cx.needs(0) { Some(b.matmul(&cx.output(0)?.t()?)?.neg()?) } else { None };
        Ok(smallvec![a, Some(b)])
    }

    /// A third of the cube for the factors, a square for each right side.
    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        let (a, b) = (inputs[0].shape, inputs[1].shape);
        let n = a[a.rank() - 1] as u64;
        ((a.numel() as u64).saturating_mul(n) / 3).saturating_add(n.saturating_mul(b.numel() as u64))
    }
}

impl Op for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_square(&inputs[0])?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let backend = inputs[0].backend();
        Ok(smallvec![backend.cast(&backend.cholesky(inputs[0])?, inputs[0].dtype())?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::OUTPUTS
    }

    /// With P = lower(l^T g), its diagonal halved, the symmetric part of l^-T P l^-1 (Murray, "Differentiation of the
    /// Cholesky decomposition", 2016, equation 10).
    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let l = cx.output(0)?;
        let n = l.shape()[l.rank() - 1];
        let g = cx.grad(0)?.mul(lower_triangle(n, 1.0, l.dtype())?)?;
        let upper = l.t()?;
        let p = upper.matmul(&g)?.mul(lower_triangle(n, 0.5, l.dtype())?)?;
        let left = apply_one(Solve, &[&upper, &p])?;
        let both = apply_one(Solve, &[&upper, &left.t()?])?;
        Ok(smallvec![Some(both.add(&both.t()?)?.mul(0.5)?)])
    }

    /// A sixth of the cube.
    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        let shape = inputs[0].shape;
        (shape.numel() as u64).saturating_mul(shape[shape.rank() - 1] as u64) / 6
    }
}

/// Declares a factorisation without gradient: its outputs' sizes from m and n, and its kernel.
macro_rules! factorisations {
    ($($name:ident, $method:ident, $expect:ident |$sizes:pat_param| $outputs:expr;)*) => {$(
        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 1)?;
                let $sizes = $expect(&inputs[0])?;
                $outputs.iter().map(|sizes: &Vec<usize>| resized(&inputs[0], sizes)).collect()
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                let backend = inputs[0].backend();
                backend.$method(inputs[0])?.iter().map(|x| backend.cast(x, inputs[0].dtype())).collect()
            }

            fn keeps(&self) -> Keeps {
                Keeps::NOTHING
            }

            fn differentiable(&self) -> bool {
                false
            }

            fn vjp(&self, _: &Backward<'_>) -> Result<Cotangents> {
                Err(Error::gradient("is not differentiated"))
            }
        }
    )*};
}

factorisations! {
    Qr, qr, expect_matrices |[m, n]| [vec![m, m.min(n)], vec![m.min(n), n]];
    Eigh, eigh, expect_square |n| [vec![n], vec![n, n]];
    Svd, svd, expect_matrices |[m, n]| [vec![m, m.min(n)], vec![m.min(n)], vec![m.min(n), n]];
}

/// Matrices far from singular, and positive definite: noise about a multiple of one.
fn well_conditioned(seed: u64, sizes: &[usize]) -> Tensor {
    let x = Array::of(&Gen::new(seed).tensor(sizes, -1.0, 1.0)).expect("every type converts to f64");
    let rank = sizes.len();
    let n = sizes[rank - 1] as f64;
    let shifted = Array::from_fn(sizes, |i| x.at(i) + if i[rank - 2] == i[rank - 1] { n + 1.0 } else { 0.0 });
    Tensor::from_vec(shifted.data, sizes).expect("as many elements as the sizes say")
}

/// Applies a function of one matrix to each of `[..., m, n]`, giving matrices of the sizes that it gives.
fn each_matrix(x: &Array, last: [usize; 2], f: impl Fn(&dyn Fn(usize, usize) -> f64) -> Vec<Vec<f64>>) -> Array {
    let rank = x.sizes.len();
    let (m, n) = (x.sizes[rank - 2], x.sizes[rank - 1]);
    let count: usize = x.sizes[..rank - 2].iter().product();
    let one = |k: usize| f(&|i, j| x.data[(k * m + i) * n + j]).concat();
    Array { sizes: [&x.sizes[..rank - 2], &last].concat(), data: (0..count).flat_map(one).collect() }
}

impl Registered for Solve {
    fn cases() -> Vec<Case> {
        let sizes: [(&[usize], usize); 6] =
            [(&[1, 1], 1), (&[3, 3], 2), (&[2, 4, 4], 1), (&[0, 2, 2], 3), (&[0, 0], 2), (&[9, 9], 0)];
        let case = |(a, k): (&[usize], usize)| {
            let b = Gen::new(3).tensor(&[&a[..a.len() - 1], &[k]].concat(), -1.0, 1.0);
            Case::new(Solve, [well_conditioned(7, a), b])
        };
        sizes.into_iter().map(case).collect()
    }

    /// Jacobi's iteration, which converges where the diagonal outweighs the rest.
    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let mut x = b.map(|_| 0.0);
        let rank = b.sizes.len();
        let n = b.sizes[rank - 2];
        for _ in 0..3000 {
            x = Array::from_fn(&b.sizes, |index| {
                let (lead, i, k) = (&index[..rank - 2], index[rank - 2], index[rank - 1]);
                let a = |j: usize| a.at(&[lead, &[i, j]].concat());
                let x = |j: usize| x.at(&[lead, &[j, k]].concat());
                let others: f64 = (0..n).filter(|&j| j != i).map(|j| a(j) * x(j)).sum();
                (b.at(index) - others) / a(i)
            });
        }
        vec![x]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Solve
    }
}

impl Registered for Cholesky {
    fn cases() -> Vec<Case> {
        let sizes: [&[usize]; 5] = [&[1, 1], &[3, 3], &[2, 5, 5], &[0, 0], &[0, 2, 2]];
        sizes.iter().map(|sizes| Case::new(Cholesky, [well_conditioned(2, sizes)])).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let n = inputs[0].sizes[inputs[0].sizes.len() - 1];
        vec![each_matrix(&inputs[0], [n, n], |a| {
            let mut l = vec![vec![0.0f64; n]; n];
            for j in 0..n {
                for i in j..n {
                    let known: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
                    let rest = 0.5 * (a(i, j) + a(j, i)) - known;
                    l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
                }
            }
            l
        })]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Cholesky
    }
}

/// Wide, tall and square matrices, batches, nothing.
const MATRICES: [&[usize]; 8] = [&[1, 1], &[3, 3], &[5, 2], &[2, 5], &[2, 3, 4], &[0, 3], &[3, 0], &[0, 2, 2]];

impl Registered for Qr {
    fn cases() -> Vec<Case> {
        MATRICES.iter().map(|sizes| Case::new(Qr, [Gen::new(2).tensor(sizes, -1.0, 1.0)])).collect()
    }

    /// Gram and Schmidt's orthogonalisation, each step twice.
    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let [.., m, n] = inputs[0].sizes[..] else { return Vec::new() };
        let rank = m.min(n);
        let basis = |a: &dyn Fn(usize, usize) -> f64| {
            let mut columns: Vec<Vec<f64>> = Vec::new();
            for j in 0..rank {
                let mut v: Vec<f64> = (0..m).map(|i| a(i, j)).collect();
                for _ in 0..2 {
                    for other in &columns {
                        let along: f64 = v.iter().zip(other).map(|(x, y)| x * y).sum();
                        v.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
                    }
                }
                let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
                columns.push(v.iter().map(|x| x / norm).collect());
            }
            columns
        };
        let q = |a: &dyn Fn(usize, usize) -> f64| {
            let columns = basis(a);
            (0..m).map(|i| columns.iter().map(|column| column[i]).collect()).collect()
        };
        let r = |a: &dyn Fn(usize, usize) -> f64| {
            let columns = basis(a);
            let element = |k: usize, j: usize| if j < k { 0.0 } else { (0..m).map(|i| columns[k][i] * a(i, j)).sum() };
            (0..rank).map(|k| (0..n).map(|j| element(k, j)).collect()).collect()
        };
        vec![each_matrix(&inputs[0], [m, rank], q), each_matrix(&inputs[0], [rank, n], r)]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Qr
    }
}

impl Registered for Eigh {
    const COMPARABLE: bool = false;

    fn cases() -> Vec<Case> {
        let square = MATRICES.iter().filter(|sizes| sizes[sizes.len() - 2] == sizes[sizes.len() - 1]);
        square.map(|sizes| Case::new(Eigh, [Gen::new(2).tensor(sizes, -1.0, 1.0)])).collect()
    }

    fn reference(&self, _: &[Array]) -> Vec<Array> {
        Vec::new()
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Eigh
    }
}

impl Registered for Svd {
    const COMPARABLE: bool = false;

    fn cases() -> Vec<Case> {
        MATRICES.iter().map(|sizes| Case::new(Svd, [Gen::new(2).tensor(sizes, -1.0, 1.0)])).collect()
    }

    fn reference(&self, _: &[Array]) -> Vec<Array> {
        Vec::new()
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Svd
    }
}

/// The solution x of `a x = b`, where `b` holds vectors as columns or is one vector; leading axes broadcast. See
/// [`Solve`].
///
/// # Errors
/// Matrices that are not square or are singular; sizes that do not fit; element types other than `f32` and `f64`.
#[track_caller]
pub fn solve(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    composed("solve", || {
        let columns = if b.rank() == 1 { b.unsqueeze(1)? } else { b.clone() };
        let (n, [rows, k]) = (expect_square(&a.spec())?, expect_matrices(&columns.spec())?);
        let lead = |x: &Tensor| Shape::new(&x.shape()[..x.rank() - 2]);
        let lead = lead(a)?.broadcast(&lead(&columns)?)?;
        let spread = |x: &Tensor, last: [usize; 2]| x.broadcast_to([&lead[..], &last].concat());
        let x = apply_one(Solve, &[&spread(a, [n, n])?, &spread(&columns, [rows, k])?])?;
        if b.rank() == 1 { x.squeeze(&[-1]) } else { Ok(x) }
    })
}

/// The inverse of square matrices. To solve equations, [`solve`] is faster and more exact.
///
/// # Errors
/// Matrices that are not square or are singular; element types other than `f32` and `f64`.
#[track_caller]
pub fn inverse(a: &Tensor) -> Result<Tensor> {
    composed("inverse", || {
        let n = expect_square(&a.spec())?;
        solve(a, &Tensor::ones([n], a.dtype())?.diagonal_embed(0)?)
    })
}

/// The lower triangular factor of positive definite matrices. See [`Cholesky`].
///
/// # Errors
/// Matrices that are not square or not positive definite; element types other than `f32` and `f64`.
#[track_caller]
pub fn cholesky(a: &Tensor) -> Result<Tensor> {
    apply_one(Cholesky, &[a])
}

/// Orthonormal columns q and an upper triangle r with `a = q r`. See [`Qr`].
///
/// # Errors
/// Fewer than two axes; element types other than `f32` and `f64`.
#[track_caller]
pub fn qr(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply(Qr, &[a])?.into_iter();
    Ok((next(&mut outputs)?, next(&mut outputs)?))
}

/// Eigenvalues and eigenvectors of symmetric matrices. See [`Eigh`].
///
/// # Errors
/// Matrices that are not square or not finite; element types other than `f32` and `f64`.
#[track_caller]
pub fn eigh(a: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply(Eigh, &[a])?.into_iter();
    Ok((next(&mut outputs)?, next(&mut outputs)?))
}

/// Singular value decomposition: u, s and v^T with `a = u diag(s) v^T`. See [`Svd`].
///
/// # Errors
/// Fewer than two axes; elements that are not finite; element types other than `f32` and `f64`.
#[track_caller]
pub fn svd(a: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let mut outputs = apply(Svd, &[a])?.into_iter();
    Ok((next(&mut outputs)?, next(&mut outputs)?, next(&mut outputs)?))
}

fn next(outputs: &mut impl Iterator<Item = Tensor>) -> Result<Tensor> {
    outputs.next().ok_or_else(|| Error::argument("an output is missing"))
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Solve>(), Entry::of::<Cholesky>(), Entry::of::<Qr>(), Entry::of::<Eigh>(), Entry::of::<Svd>()]
}
