//! Parts of a tensor by ranges, integers, new axes, index tensors and masks: `x.index((.., 1..3, -1, NewAxis, &ids))`.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_inputs,
};
use crate::ops::{Assign, Either, Operand, Slice, Steps, as_indices, expect_indices};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::{SmallVec, smallvec};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// One term of an index.
#[derive(Clone)]
pub enum Index<'a> {
    /// One place; the axis goes. Negative ones count from the end.
    At(isize),
    /// Evenly spaced places, as NumPy's `start:stop:step`.
    Steps(Stride),
    /// An axis of size one.
    NewAxis,
    /// As many whole axes as the other terms leave.
    Ellipsis,
    /// The places that integers name, or at which truth values hold.
    Tensor(&'a Tensor),
}

/// An axis of size one, in an index.
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;

/// As many whole axes as the other terms of an index leave.
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

/// Evenly spaced places: NumPy's `start:stop:step`.
///
/// ```
/// use mapsto_tensor::{Stride, Tensor};
/// let x = Tensor::new([0, 1, 2, 3, 4, 5])?;
/// assert_eq!(x.index(Stride::by(.., -2))?.to_vec::<i32>()?, [5, 3, 1]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Stride {
    start: Option<isize>,
    stop: Option<isize>,
    step: isize,
}

impl Stride {
    /// The places `range.start`, `range.start + step`, ... short of `range.end`, which run backwards if `step` is negative.
    pub fn by(range: impl Into<Stride>, step: isize) -> Stride {
        Stride { step, ..range.into() }
    }

    /// The places on an axis of this size. Ends beyond it are moved to it, as NumPy does.
    fn places(&self, size: usize) -> Result<Steps> {
        if self.step == 0 {
            return Err(Error::argument("a step of zero leads nowhere"));
        }
        let (size, step) = (size as i128, self.step as i128);
        let (least, greatest) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let end = |given: Option<isize>, open: i128| match given {
            None => open,
            Some(place) if place < 0 => (place as i128 + size).clamp(least, greatest),
            Some(place) => (place as i128).clamp(least, greatest),
        };
        let (first, last) = if step > 0 { (least, greatest) } else { (greatest, least) };
        let (start, stop) = (end(self.start, first), end(self.stop, last));
        let len = ((stop - start + step - step.signum()) / step).max(0) as usize;
        Ok(match len {
            0 => Steps { start: 0, step: 1, len },
            1 => Steps { start: start as usize, step: 1, len },
            _ => Steps { start: start as usize, step: self.step, len },
        })
    }
}

/// One term of an index: a range, an integer, [`Stride::by`], [`NewAxis`], [`Ellipsis`] or a tensor.
pub trait Term<'a> {
    /// The term.
    fn term(self) -> Index<'a>;
}

/// A term, or a tuple of up to six.
pub trait Indices<'a> {
    /// The terms.
    fn terms(self) -> SmallVec<[Index<'a>; 6]>;
}

/// An integer of an index.
pub trait Place: Copy {
    /// Its value; beyond an address it is as good as the greatest or least one.
    fn place(self) -> isize;
}

macro_rules! places {
    ($($ty:ty),*) => {$(
        impl Place for $ty {
            fn place(self) -> isize {
                isize::try_from(self).unwrap_or(isize::MAX)
            }
        }

        impl<'a> Term<'a> for $ty {
            fn term(self) -> Index<'a> {
                Index::At(self.place())
            }
        }
    )*};
}
places!(i32, i64, isize, usize);

/// The end of a range that has its last place; after the last of all it is open.
fn after(last: isize) -> Option<isize> {
    last.checked_add(1).filter(|&end| end != 0)
}

macro_rules! ranges {
    ($([$($generic:tt)*] $ty:ty, |$range:ident| $start:expr, $stop:expr;)*) => {$(
        impl<$($generic)*> From<$ty> for Stride {
            fn from($range: $ty) -> Stride {
                Stride { start: $start, stop: $stop, step: 1 }
            }
        }

        impl<'a, $($generic)*> Term<'a> for $ty {
            fn term(self) -> Index<'a> {
                Index::Steps(self.into())
            }
        }
    )*};
}
ranges! {
    [] RangeFull, |_range| None, None;
    [T: Place] Range<T>, |range| Some(range.start.place()), Some(range.end.place());
    [T: Place] RangeFrom<T>, |range| Some(range.start.place()), None;
    [T: Place] RangeTo<T>, |range| None, Some(range.end.place());
    [T: Place] RangeInclusive<T>, |range| Some(range.start().place()), after(range.end().place());
    [T: Place] RangeToInclusive<T>, |range| None, after(range.end.place());
}

impl<'a> Term<'a> for Stride {
    fn term(self) -> Index<'a> {
        Index::Steps(self)
    }
}

impl<'a> Term<'a> for NewAxis {
    fn term(self) -> Index<'a> {
        Index::NewAxis
    }
}

impl<'a> Term<'a> for Ellipsis {
    fn term(self) -> Index<'a> {
        Index::Ellipsis
    }
}

impl<'a> Term<'a> for &'a Tensor {
    fn term(self) -> Index<'a> {
        Index::Tensor(self)
    }
}

impl<'a, T: Term<'a>> Indices<'a> for T {
    fn terms(self) -> SmallVec<[Index<'a>; 6]> {
        smallvec![self.term()]
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<'a, $($name: Term<'a>),*> Indices<'a> for ($($name,)*) {
            #[allow(non_snake_case)]
            fn terms(self) -> SmallVec<[Index<'a>; 6]> {
                let ($($name,)*) = self;
                smallvec![$($name.term()),*]
            }
        }
    )*};
}
tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; }

/// What becomes of one axis, or comes between two.
enum Slot {
    /// An axis of the tensor that stays.
    Kept,
    /// One that goes: a single place was taken.
    Gone,
    /// A new one.
    New,
    /// One whose places a tensor of integers names.
    Named(Tensor),
}

/// An index against a shape: the places along each axis, and what becomes of the axes, in order.
struct Plan {
    steps: Vec<Steps>,
    slots: Vec<Slot>,
}

impl Plan {
    fn new(shape: &Shape, terms: SmallVec<[Index<'_>; 6]>) -> Result<Plan> {
        let taken = |term: &Index<'_>| match term {
            Index::At(_) | Index::Steps(_) => 1,
            Index::Tensor(tensor) if tensor.dtype() == DType::Bool => tensor.rank(),
            Index::Tensor(_) => 1,
            Index::NewAxis | Index::Ellipsis => 0,
        };
        let total: usize = terms.iter().map(taken).sum();
        if total > shape.rank() {
            return Err(Error::index(format!("the index names {total} axes, but {shape} has {}", shape.rank())));
        }
        let ellipses = terms.iter().filter(|term| matches!(term, Index::Ellipsis)).count();
        if ellipses > 1 {
            return Err(Error::index(format!("an index has one ellipsis at most, not {ellipses}")));
        }
        let named = terms.iter().any(|term| matches!(term, Index::Tensor(_)));
        let mut plan = Plan { steps: Vec::new(), slots: Vec::new() };
        for term in terms.iter().chain((ellipses == 0).then_some(&Index::Ellipsis)) {
            let axis = plan.steps.len();
            match term {
                Index::At(place) => {
                    let size = shape[axis] as isize;
                    if !(-size..size).contains(place) {
                        let what = format!("index {place} is outside axis {axis} of {shape}, whose size is {size}");
                        return Err(Error::index(what));
                    }
                    let start = if *place < 0 { place + size } else { *place } as usize;
                    // Beside tensors, an integer is one of them: NumPy's rule.
                    if named {
                        let place = Tensor::full((), start as i64, DType::I64)?;
                        plan.push(Steps::all(shape[axis]), Slot::Named(place));
                    } else {
                        plan.push(Steps { start, step: 1, len: 1 }, Slot::Gone);
                    }
                }
                Index::Steps(step) => plan.push(step.places(shape[axis])?, Slot::Kept),
                Index::NewAxis => plan.slots.push(Slot::New),
                Index::Ellipsis => (0..shape.rank() - total).for_each(|_| {
                    plan.push(Steps::all(shape[plan.steps.len()]), Slot::Kept);
                }),
                Index::Tensor(mask) if mask.dtype() == DType::Bool => {
                    let sizes = &shape[axis..axis + mask.rank()];
                    if **mask.shape() != *sizes || mask.rank() == 0 {
                        let what = format!("a mask of shape {} does not cover the axes {sizes:?}", mask.shape());
                        return Err(Error::shape(what));
                    }
                    let places = mask.nonzero()?;
                    for column in 0..mask.rank() {
                        let places = places.narrow(1, column, 1)?.squeeze(&[1])?;
                        plan.push(Steps::all(shape[axis + column]), Slot::Named(places));
                    }
                }
                Index::Tensor(places) => {
                    let places = as_indices(places)?;
                    expect_indices(&places.spec())?;
                    plan.push(Steps::all(shape[axis]), Slot::Named(places));
                }
            }
        }
        Ok(plan)
    }

    fn push(&mut self, steps: Steps, slot: Slot) {
        self.steps.push(steps);
        self.slots.push(slot);
    }

    /// The sizes of the axes that slots make of the sliced ones; a named axis makes none.
    fn sizes(&self, slots: &[Slot], axis: usize) -> Vec<usize> {
        let mut lengths = self.steps[axis..].iter().map(|steps| steps.len);
        let size = |slot: &Slot| match slot {
            Slot::New => Some(1),
            Slot::Kept => lengths.next(),
            Slot::Gone | Slot::Named(_) => lengths.next().and(None),
        };
        slots.iter().filter_map(size).collect()
    }

    fn is_named(slot: &Slot) -> bool {
        matches!(slot, Slot::Named(_))
    }

    /// The part of `x`.
    fn read(&self, x: &Tensor) -> Result<Tensor> {
        let whole = x.shape().iter().zip(&self.steps).all(|(&size, &steps)| steps == Steps::all(size));
        let part = if whole { x.clone() } else { apply_one(Slice { steps: self.steps.clone() }, &[x])? };
        let Some(first) = self.slots.iter().position(Plan::is_named) else {
            return part.reshape(self.sizes(&self.slots, 0));
        };
        let last = self.slots.iter().rposition(Plan::is_named).unwrap_or(first);
        // The named axes stay where they are if they are neighbours; otherwise they come first.
        let joined = self.slots[first..=last].iter().all(Plan::is_named);
        let axes: Vec<(usize, &Slot)> =
            self.slots.iter().filter(|slot| !matches!(slot, Slot::New)).enumerate().collect();
        let named: Vec<usize> = axes.iter().filter(|(_, slot)| Plan::is_named(slot)).map(|(axis, _)| *axis).collect();
        let lead = if joined { named[0] } else { 0 };
        let others = (0..axes.len()).filter(|axis| !named.contains(axis));
        let mut order: Vec<isize> = others.map(|axis| axis as isize).collect();
        let moved: Vec<isize> = named.iter().map(|&axis| axis as isize).collect();
        order.splice(lead..lead, moved);
        let part = part.permute(&order)?;
        let sizes = part.shape().to_vec();
        let (before, rest) = sizes.split_at(lead);
        let (along, after) = rest.split_at(named.len());
        let places = places(axes.iter().filter_map(|&(axis, slot)| match slot {
            Slot::Named(places) => Some((axis, x.shape()[axis], places)),
            _ => None,
        }))?;
        let merged = part.reshape([before, &[along.iter().product()], after].concat())?;
        let found = merged.index_select(lead as isize, &places.reshape([places.numel()])?)?;
        let (head, tail) = if joined { self.slots.split_at(first) } else { (&[][..], &self.slots[..]) };
        let head = self.sizes(head, 0);
        found.reshape([&head[..], places.shape(), &self.sizes(tail, lead)].concat())
    }
}

/// The places along several axes as places along their product, given each axis, its size and its places.
fn places<'a>(axes: impl Iterator<Item = (usize, usize, &'a Tensor)>) -> Result<Tensor> {
    let mut all: Option<Tensor> = None;
    for (axis, size, places) in axes {
        let places = apply_one(WrapIndex { axis, size }, &[places])?;
        all = Some(match all {
            Some(all) => all.mul(size as i64)?.add(places)?,
            None => places,
        });
    }
    all.ok_or_else(|| Error::index("no axis is named"))
}

/// Indices into an axis with the negative ones, which count from its end, made positive.
#[derive(Clone, Copy, Debug)]
pub struct WrapIndex {
    /// The axis, for the message where one is outside.
    pub axis: usize,
    /// Its size.
    pub size: usize,
}

impl Op for WrapIndex {
    fn name(&self) -> &'static str {
        "wrap_index"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into()), ("size", self.size.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_indices(&inputs[0])?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().resolve(inputs[0], self.axis, self.size)?.detach()])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp(&self, _cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![None])
    }
}

impl Registered for WrapIndex {
    fn cases() -> Vec<Case> {
        let case = |(i, sizes): (usize, &[usize])| {
            let indices = Gen::new(i as u64).integers(sizes, 8).add(if i % 2 == 0 { 0 } else { -4 })?;
            Ok(Case::new(WrapIndex { axis: 0, size: 8 }, [indices]))
        };
        let samples: [&[usize]; 5] = [&[], &[7], &[0], &[2, 3], &[1]];
        samples.into_iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].map(|index| if index < 0.0 { index + self.size as f64 } else { index })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        WrapIndex { axis: g.below(5), size: g.below(9) }
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    vec![Entry::of::<WrapIndex>()]
}

impl Tensor {
    /// The part that an index names: a term or a tuple of up to six, each for the next axis.
    ///
    /// - Ranges take a part of an axis. Negative ends count from its end; ends beyond it are moved to it. [`Stride::by`]
    ///   gives them a step.
    /// - Integers take one place; the axis goes. Negative ones count from the end; outside the axis is an error.
    /// - [`NewAxis`] is an axis of size one, [`Ellipsis`] stands for as many whole axes as the other terms leave; without
    ///   one, it is at the end.
    /// - Index tensors (integers of any shape) take the places that they name; several broadcast with each other, and
    ///   integers beside them join in. Their axes stand where they did if they were neighbours, otherwise first.
    /// - Masks (truth values) stand for the places at which they hold, over as many axes as they have.
    ///
    /// This is NumPy's indexing, but that a mask must have at least one axis. Without tensors, memory is shared.
    ///
    /// ```
    /// use mapsto_tensor::{Ellipsis, NewAxis, Tensor};
    /// let x = Tensor::new([[1, 2, 3], [4, 5, 6]])?;
    /// assert_eq!(x.index((.., -1))?.to_vec::<i32>()?, [3, 6]);
    /// assert_eq!(x.index((1, 0..2))?.to_vec::<i32>()?, [4, 5]);
    /// assert_eq!(x.index((Ellipsis, &Tensor::new([2i64, 0])?))?.to_vec::<i32>()?, [3, 1, 6, 4]);
    /// assert_eq!(x.index(&x.gt(4)?)?.to_vec::<i32>()?, [5, 6]);
    /// assert_eq!(&x.index((NewAxis, ..))?.shape()[..], [1, 2, 3]);
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// More terms than axes; an integer outside its axis; a mask of another shape than its axes; a step of zero.
    #[track_caller]
    pub fn index<'a>(&self, index: impl Indices<'a>) -> Result<Tensor> {
        composed("index", || Plan::new(self.shape(), index.terms())?.read(self))
    }

    /// A copy with the part that an index names replaced by `value`: a tensor, broadcast to the part's shape, or a number.
    /// Gradients flow to both. The index has ranges, integers, new axes and an ellipsis, no tensors: those are for
    /// [`Tensor::scatter`].
    ///
    /// ```
    /// use mapsto_tensor::Tensor;
    /// let x = Tensor::new([[1, 2, 3], [4, 5, 6]])?;
    /// assert_eq!(x.with_index((.., 1..), 0)?.to_vec::<i32>()?, [1, 0, 0, 4, 0, 0]);
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tensor::index`]; a value that does not broadcast to the part, or of another element type.
    #[track_caller]
    pub fn with_index<'a>(&self, index: impl Indices<'a>, value: impl Operand) -> Result<Tensor> {
        composed("with_index", || {
            let plan = Plan::new(self.shape(), index.terms())?;
            if plan.slots.iter().any(Plan::is_named) {
                return Err(Error::argument("takes no index tensors").mend("use scatter for those"));
            }
            let value = match value.as_operand() {
                Either::Tensor(value) => value.clone(),
                Either::Scalar(value) => Tensor::scalar(value, self.dtype())?,
            };
            let part: Vec<usize> = plan.steps.iter().map(|steps| steps.len).collect();
            let value = value.broadcast_to(plan.sizes(&plan.slots, 0))?.reshape(part)?;
            apply_one(Assign { steps: plan.steps }, &[self, &value])
        })
    }
}
