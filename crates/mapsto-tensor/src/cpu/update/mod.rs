//! Optimisers' updates and norms over lists of tensors.

mod rules;

use crate::backend::{ElementwiseKernels, UpdateKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::tensor::{Source, Tensor};
use crate::update::{Norm, Rule, Slot};
use rules::{Real, lamb_apply, lamb_moments, step};
use smallvec::SmallVec;

impl UpdateKernels for Cpu {
    fn update(&self, slots: &mut [Slot<'_>]) -> Result<()> {
        for Slot { rule, param, grad, state } in slots.iter_mut().filter(|slot| is_half(slot.param.dtype())) {
            let tracked = matches!(param.source(), Source::Variable);
            let (mut wide, grad) = (self.cast(param, DType::F32)?, self.cast(grad, DType::F32)?);
            run::<f32>(&mut [Slot { rule: *rule, param: &mut wide, grad: &grad, state }])?;
            **param = self.cast(&wide, param.dtype())?;
            if tracked {
                param.become_variable();
            }
        }
        run::<f32>(slots)?;
        run::<f64>(slots)
    }

    fn norms(&self, tensors: &[&Tensor], norm: Norm) -> Result<Vec<f64>> {
        let row_major = |x: &&Tensor| match x.dtype() {
            DType::F32 | DType::F64 => self.contiguous(x),
            _ => self.cast(x, DType::F32),
        };
        let tensors = tensors.iter().map(row_major).collect::<Result<SmallVec<[Tensor; 16]>>>()?;
        let pieces = Pieces::new(tensors.iter().map(Tensor::numel));
        let mut partial: SmallVec<[f64; 32]> = SmallVec::from_elem(0.0, pieces.all.len());
        let parts = Parts::new(&mut partial);
        pieces.parallel(|index, piece| {
            let x = &tensors[piece.slot];
            let value = match x.dtype() {
                DType::F64 => partial_norm::<f64>(norm, &x.as_slice().unwrap_or_default()[piece.range()]),
                _ => partial_norm::<f32>(norm, &x.as_slice().unwrap_or_default()[piece.range()]),
            };
            // SAFETY: every piece has its own index.
            unsafe { parts.part(index, 1) }.fill(value);
        });
        let mut totals = vec![0.0; tensors.len()];
        for (piece, &value) in pieces.all.iter().zip(&partial) {
            let total = &mut totals[piece.slot];
            *total = if norm == Norm::Infinity { Norm::Infinity.total(&[*total, value]) } else { *total + value };
        }
        if norm == Norm::Two {
            totals.iter_mut().for_each(|total| *total = total.sqrt());
        }
        Ok(totals)
    }
}

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// A part of one tensor of a list.
#[derive(Clone, Copy)]
struct Piece {
    slot: usize,
    start: usize,
    len: usize,
}

impl Piece {
    fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

/// A list of tensors cut into pieces, and these dealt out to tasks, all by the sizes alone.
struct Pieces {
    all: SmallVec<[Piece; 32]>,
    /// The piece after the last of each task.
    tasks: SmallVec<[usize; 32]>,
}

impl Pieces {
    fn new(sizes: impl Iterator<Item = usize>) -> Pieces {
        let (mut all, mut tasks, mut load) = (SmallVec::new(), SmallVec::new(), 0);
        for (slot, size) in sizes.enumerate() {
            for start in (0..size).step_by(GRAIN) {
                let len = GRAIN.min(size - start);
                all.push(Piece { slot, start, len });
                load += len;
                if load >= GRAIN {
                    tasks.push(all.len());
                    load = 0;
                }
            }
        }
        if load > 0 {
            tasks.push(all.len());
        }
        Pieces { all, tasks }
    }

    /// Calls `f` once for every piece and its index.
    fn parallel(&self, f: impl Fn(usize, Piece) + Sync) {
        parallel_for(self.tasks.len(), |task| {
            let begin = if task == 0 { 0 } else { self.tasks[task - 1] };
            (begin..self.tasks[task]).for_each(|index| f(index, self.all[index]));
        });
    }
}

/// One parameter as the pieces see it.
struct View<'a, T> {
    rule: Rule,
    param: Parts<'a, T>,
    grad: &'a [T],
    state: SmallVec<[Parts<'a, T>; 3]>,
}

impl<T: Real> View<'_, T> {
    /// A piece of the parameter and of its states, to write.
    ///
    /// # Safety
    /// No two pieces that are alive at the same time overlap.
    #[allow(clippy::mut_from_ref)] // as `Parts::part`
    unsafe fn piece(&self, piece: Piece) -> (&mut [T], [&mut [T]; 3]) {
        let Piece { start, len, .. } = piece;
        // SAFETY: as the caller promised.
        let state =
            |i| self.state.get(i).map(|state: &Parts<'_, T>| unsafe { state.part(start, len) }).unwrap_or_default();
        // SAFETY: as the caller promised.
        (unsafe { self.param.part(start, len) }, [state(0), state(1), state(2)])
    }
}

/// Steps the parameters of type `T`.
fn run<T: Real>(slots: &mut [Slot<'_>]) -> Result<()> {
    let ours = |slot: &Slot<'_>| slot.param.dtype() == T::DTYPE;
    let grads = slots.iter().filter(|slot| ours(slot)).map(|slot| Cpu.contiguous(slot.grad));
    let grads = grads.collect::<Result<SmallVec<[Tensor; 16]>>>()?;
    let tracked: SmallVec<[bool; 16]> =
        slots.iter().filter(|slot| ours(slot)).map(|slot| matches!(slot.param.source(), Source::Variable)).collect();
    let mut views: SmallVec<[View<'_, T>; 16]> = SmallVec::with_capacity(grads.len());
    for (slot, grad) in slots.iter_mut().filter(|slot| ours(slot)).zip(&grads) {
        let state = slot.state.iter_mut().map(|state| Ok(Parts::new(state.make_mut::<T>()?)));
        views.push(View {
            rule: slot.rule,
            param: Parts::new(slot.param.make_mut::<T>()?),
            grad: grad.as_slice().unwrap_or_default(),
            state: state.collect::<Result<_>>()?,
        });
    }
    let pieces = Pieces::new(views.iter().map(|view| view.grad.len()));
    let is_lamb = |view: &View<'_, T>| matches!(view.rule, Rule::Lamb { .. });
    let any_lamb = views.iter().any(is_lamb);
    // The squared norms of parameter and step that LAMB wants, for each piece.
    let mut squares: SmallVec<[[f64; 2]; 32]> =
        SmallVec::from_elem([0.0; 2], if any_lamb { pieces.all.len() } else { 0 });
    let square_parts = Parts::new(&mut squares);
    pieces.parallel(|index, piece| {
        let view = &views[piece.slot];
        // SAFETY: pieces are disjoint parts of the parameters and their states.
        let (param, mut state) = unsafe { view.piece(piece) };
        let grad = &view.grad[piece.range()];
        if is_lamb(view) {
            let squares = lamb_moments(view.rule, param, grad, &mut state);
            // SAFETY: every piece has its own index.
            unsafe { square_parts.part(index, 1) }.fill(squares);
        } else {
            step(view.rule, param, grad, state);
        }
    });
    if any_lamb {
        let mut totals = vec![[0.0; 2]; views.len()];
        for (piece, square) in pieces.all.iter().zip(&squares) {
            (0..2).for_each(|i| totals[piece.slot][i] += square[i]);
        }
        pieces.parallel(|_, piece| {
            let view = &views[piece.slot];
            if is_lamb(view) {
                // SAFETY: pieces are disjoint parts of the parameters and their states.
                let (param, [m, v, _]) = unsafe { view.piece(piece) };
                lamb_apply(view.rule, totals[piece.slot], param, [m, v]);
            }
        });
    }
    drop(views);
    for (slot, tracked) in slots.iter_mut().filter(|slot| ours(slot)).zip(tracked) {
        if tracked {
            slot.param.become_variable();
        }
    }
    Ok(())
}

/// What a piece gives to its tensor's norm.
fn partial_norm<T: Real>(norm: Norm, x: &[T]) -> f64 {
    match norm {
        Norm::One => fold::<T, SumOfMagnitudes>(x),
        Norm::Two => fold::<T, SumOfSquares>(x),
        Norm::Infinity => fold::<T, GreatestMagnitude>(x),
    }
}

/// How numbers become one, from zero.
trait Fold {
    fn add(total: f64, x: f64) -> f64;
    fn join(a: f64, b: f64) -> f64;
}

struct SumOfMagnitudes;
impl Fold for SumOfMagnitudes {
    #[inline(always)]
    fn add(total: f64, x: f64) -> f64 {
        total + x.abs()
    }
    #[inline(always)]
    fn join(a: f64, b: f64) -> f64 {
        a + b
    }
}

pub(super) struct SumOfSquares;
impl Fold for SumOfSquares {
    #[inline(always)]
    fn add(total: f64, x: f64) -> f64 {
        total + x * x
    }
    #[inline(always)]
    fn join(a: f64, b: f64) -> f64 {
        a + b
    }
}

struct GreatestMagnitude;
impl Fold for GreatestMagnitude {
    #[inline(always)]
    fn add(total: f64, x: f64) -> f64 {
        Self::join(total, x.abs())
    }
    #[inline(always)]
    fn join(a: f64, b: f64) -> f64 {
        if a > b || a.is_nan() { a } else { b }
    }
}

simd! {
    /// In sixteen lanes, then by halves.
    fn fold<S, T: Real, F: Fold>(simd: S, x: &[T]) -> f64 {
        let mut lanes = [0.0; 16];
        let mut chunks = x.chunks_exact(16);
        for chunk in &mut chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = F::add(*lane, Element::to_f64(x));
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
            *lane = F::add(*lane, Element::to_f64(x));
        }
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                lanes[i] = F::join(lanes[i], lanes[i + width]);
            }
        }
        lanes[0]
    }
}
