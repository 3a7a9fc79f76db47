//! Rolled, repeated, ranked and counted elements: methods composed of the other operations.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::memory::room;
use crate::op::composed;
use crate::ops::gather::as_indices;
use crate::tensor::Tensor;

impl Tensor {
    /// The elements as a list in row-major order.
    #[track_caller]
    pub(crate) fn flattened(&self) -> Result<Tensor> {
        self.reshape([self.numel()])
    }

    /// The elements moved along each of `axes` by the shift beside it; those that leave come back at the other end.
    ///
    /// # Errors
    /// Another number of axes than of shifts; an axis outside the shape.
    #[track_caller]
    pub fn roll(&self, shifts: &[isize], axes: &[isize]) -> Result<Tensor> {
        composed("roll", || {
            if shifts.len() != axes.len() {
                return Err(Error::argument(format!("{} shifts for {} axes", shifts.len(), axes.len())));
            }
            let mut x = self.clone();
            for (&shift, &axis) in shifts.iter().zip(axes) {
                let size = x.size(axis)?;
                let head = shift.rem_euclid(size.max(1) as isize) as usize;
                if head > 0 {
                    let parts = [x.narrow(axis, size - head, head)?, x.narrow(axis, 0, size - head)?];
                    x = Tensor::concat(&[&parts[0], &parts[1]], axis)?;
                }
            }
            Ok(x)
        })
    }

    /// Each slice along `axis` `count` times in a row.
    ///
    /// # Errors
    /// An axis outside the shape; more elements than fit.
    #[track_caller]
    pub fn repeat_interleave(&self, count: usize, axis: isize) -> Result<Tensor> {
        composed("repeat_interleave", || {
            let axis = self.shape().axis(axis)?;
            let mut sizes = self.shape().to_vec();
            sizes.insert(axis + 1, count);
            let repeated = self.unsqueeze(axis as isize + 1)?.broadcast_to(&sizes)?;
            sizes[axis] = sizes[axis].saturating_mul(sizes.remove(axis + 1));
            repeated.reshape(sizes)
        })
    }

    /// Each element along `axis` less the one before it: one element fewer.
    ///
    /// # Errors
    /// An axis outside the shape, or with no elements.
    #[track_caller]
    pub fn diff(&self, axis: isize) -> Result<Tensor> {
        composed("diff", || match self.size(axis)? {
            0 => Err(Error::shape(format!("axis {axis} of {} is empty: it has no differences", self.shape()))),
            size => self.narrow(axis, 1, size - 1)?.sub(self.narrow(axis, 0, size - 1)?),
        })
    }

    /// The middle elements along `axis`, which stays with size one if `keep` (of an even number the lesser one), and their
    /// indices; NaN if any is.
    ///
    /// # Errors
    /// An axis outside the shape, or with no elements.
    #[track_caller]
    pub fn median(&self, axis: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        composed("median", || {
            let order = self.argsort(axis, false)?;
            let places = self.ranked(&order, axis, (self.size(axis)?.saturating_sub(1)) / 2)?;
            let values = self.gather(axis, &places)?;
            if keep { Ok((values, places)) } else { Ok((values.squeeze(&[axis])?, places.squeeze(&[axis])?)) }
        })
    }

    /// The `q`-quantile along `axis`, which stays with size one if `keep`, linearly between the two nearest elements; NaN
    /// if any is. Integers count as `f32`.
    ///
    /// # Errors
    /// `q` outside `0..=1`; an axis outside the shape, or with no elements.
    #[track_caller]
    pub fn quantile(&self, q: f64, axis: isize, keep: bool) -> Result<Tensor> {
        composed("quantile", || {
            if !(0.0..=1.0).contains(&q) {
                return Err(Error::argument(format!("the quantile {q} is outside 0..=1")));
            }
            let x = self.to_dtype(self.dtype().to_float())?;
            let order = x.argsort(axis, false)?;
            let place = q * x.size(axis)?.saturating_sub(1) as f64;
            // Halves are rounded once, at the end: the difference need not fit their type.
            let element = |rank: usize| x.gather(axis, &x.ranked(&order, axis, rank)?)?.to_dtype(x.dtype().to_wide());
            let below = element(place.floor() as usize)?;
            let value = if place.fract() == 0.0 {
                below
            } else {
                let above = element(place.floor() as usize + 1)?;
                below.add(above.sub(&below)?.mul(place.fract())?)?
            };
            let value = value.to_dtype(x.dtype())?;
            if keep { Ok(value) } else { value.squeeze(&[axis]) }
        })
    }

    /// The indices of the elements of this rank along `axis`, given their order; of a NaN where there is one.
    fn ranked(&self, order: &Tensor, axis: isize, rank: usize) -> Result<Tensor> {
        let size = self.size(axis)?;
        if size == 0 {
            return Err(Error::shape(format!("axis {axis} of {} is empty", self.shape())));
        }
        // NaN is last, and differs from itself.
        let last = self.detach().gather(axis, &order.narrow(axis, size - 1, 1)?)?;
        let ranks = last.ne(&last)?.to_dtype(DType::I64)?.mul((size - 1 - rank) as i64)?.add(rank as i64)?;
        order.gather(axis, &ranks)
    }

    /// The distinct elements in ascending order; for each element of this tensor the index of its value among them; and
    /// how often each occurs. NaN differs from every other, as in PyTorch. Not a recorded operation, because its shapes
    /// depend on values: no gradient flows.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn unique(&self) -> Result<(Tensor, Tensor, Tensor)> {
        composed("unique", || {
            let flat = self.detach().flattened()?;
            let count = flat.numel();
            let (sorted, order) = flat.sort(0, false)?;
            let first = Tensor::ones([count.min(1)], DType::Bool)?;
            let rest = count.saturating_sub(1);
            let starts = sorted.narrow(0, count - rest, rest)?.ne(sorted.narrow(0, 0, rest)?)?;
            let starts = Tensor::concat(&[&first, &starts], 0)?;
            let begins = starts.nonzero()?.flattened()?;
            let ends = Tensor::concat(&[&begins, &Tensor::full([1], count as i64, DType::I64)?], 0)?;
            let groups = starts.cumsum(0)?.sub(1)?;
            let inverse = groups.zeros_like()?.scatter(0, &order, &groups)?.reshape(*self.shape())?;
            Ok((sorted.index_select(0, &begins)?, inverse, ends.diff(0)?))
        })
    }

    /// How often each of 0, 1, ... occurs among these integers: up to the greatest, and at least `min_length` counts. Not a
    /// recorded operation, because its shape depends on values.
    ///
    /// # Errors
    /// Elements that are not integers, or negative.
    #[track_caller]
    pub fn bincount(&self, min_length: usize) -> Result<Tensor> {
        composed("bincount", || {
            let x = as_indices(self)?.flattened()?;
            let mut length = min_length;
            if x.dtype() == DType::I64 && x.numel() > 0 {
                let least = x.min()?.item::<i64>()?;
                if least < 0 {
                    return Err(Error::argument(format!("{least} is negative: only 0, 1, ... are counted")));
                }
                length = length.max((x.max()?.item::<i64>()? as usize).saturating_add(1));
            }
            let ones = Tensor::ones([x.numel()], DType::I64)?;
            Tensor::zeros([length], DType::I64)?.index_add(0, &x, &ones)
        })
    }

    /// How many elements lie in each of `bins` equal parts of `low..=high`, and the parts' edges. A part has its lower edge
    /// but not its upper one, the last has both; elements outside and NaN are not counted. No gradient flows.
    ///
    /// # Errors
    /// No bins; an interval that is empty or not finite.
    #[track_caller]
    pub fn histogram(&self, bins: usize, low: f64, high: f64) -> Result<(Tensor, Tensor)> {
        composed("histogram", || {
            let x = self.detach().to_dtype(self.dtype().to_float())?.flattened()?;
            // As the elements' type has them: between them, too, all edges must be numbers.
            let ends = Tensor::new([low, high])?.to_dtype(x.dtype())?.to_dtype(DType::F64)?.to_vec::<f64>()?;
            if bins == 0
                || !(ends[0] < ends[1] && (high - low).is_finite() && ends[1].is_finite() && ends[0].is_finite())
            {
                return Err(Error::argument(format!("{bins} bins of {} do not divide {low}..={high}", x.dtype())));
            }
            let edge = |i: usize| if i == bins { high } else { low + (high - low) * (i as f64 / bins as f64) };
            let mut edges = room(bins.saturating_add(1))?;
            edges.extend((0..=bins).map(edge));
            let edges = Tensor::from_vec(edges, [bins + 1])?.to_dtype(x.dtype())?;
            let top = edges.narrow(0, bins, 1)?;
            let inside = x.masked_select(&x.ge(edges.narrow(0, 0, 1)?)?.mul(x.le(&top)?)?)?;
            let bin = edges.searchsorted(&inside, true)?.sub(1)?;
            let bin = bin.sub(inside.eq(&top)?.to_dtype(DType::I64)?)?;
            Ok((bin.bincount(bins)?, edges))
        })
    }
}
