//! Whole slices read from and added to places that indices name: the embedding among them.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_inputs,
    expect_same_dtype,
};
use crate::ops::gather::{as_indices, expect_indices};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The slices of `x` along an axis that `n` indices name, in their order: `[.., size, ..]` to `[.., n, ..]`. The gradient
/// is [`IndexAdd`].
#[derive(Clone, Copy, Debug)]
pub struct IndexSelect {
    /// The axis along which the indices count; negative ones from the end.
    pub axis: usize,
}

/// A copy of `x` with the slices of `source` `[.., n, ..]` added to those that `n` indices name, in their order. The
/// gradient is [`IndexSelect`].
#[derive(Clone, Copy, Debug)]
pub struct IndexAdd {
    /// The axis along which the indices count; negative ones from the end.
    pub axis: usize,
}

/// Rows of a matrix `[n, width]` that indices of any shape `[..]` name: `[.., width]`. Row `padding_index` has no gradient
/// (Mikolov et al. 2013 call the matrix a projection layer).
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// The row that stands for nothing.
    pub padding_index: Option<usize>,
}

/// The shape with another size along an axis.
fn resized(shape: &Shape, axis: usize, size: usize) -> Result<Shape> {
    let mut sizes = *shape;
    sizes.sizes_mut()[axis] = size;
    Shape::new(&sizes)
}

/// Fails unless indices of this spec are a list for this axis.
fn expect_list(shape: &Shape, axis: usize, indices: &Spec) -> Result<()> {
    expect_indices(indices)?;
    shape.expect_axis(axis)?;
    if indices.shape.rank() != 1 {
        return Err(Error::shape(format!("indices must be a list, not {}", indices.shape)).mend("flatten them first"));
    }
    Ok(())
}

impl Op for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_list(&inputs[0].shape, self.axis, &inputs[1])?;
        Ok(smallvec![inputs[0].with_shape(resized(&inputs[0].shape, self.axis, inputs[1].shape[0])?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = resized(inputs[0].shape(), self.axis, inputs[1].numel())?;
        Ok(smallvec![inputs[0].backend().select_slices(inputs[0], self.axis, inputs[1], shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b10, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let zeros = Tensor::zeros(cx.spec(0).shape, cx.spec(0).dtype)?;
        let g = apply_one(IndexAdd { axis: self.axis }, &[&zeros, &cx.input(1)?, &cx.grad(0)?])?;
        Ok(smallvec![Some(g), None])
    }
}

impl Op for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 3)?;
        let (x, indices, source) = (&inputs[0], &inputs[1], &inputs[2]);
        expect_same_dtype(&[*x, *source])?;
        super::expect_numbers(&inputs[..1])?;
        expect_list(&x.shape, self.axis, indices)?;
        let wanted = resized(&x.shape, self.axis, indices.shape[0])?;
        if source.shape != wanted {
            return Err(Error::shape(format!("the source is {}, but the indices name slices {wanted}", source.shape)));
        }
        Ok(smallvec![*x])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().add_slices(inputs[0], self.axis, inputs[1], inputs[2])?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b10, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = cx.grad(0)?;
        let source =
            if cx.needs(2) { Some(apply_one(IndexSelect { axis: self.axis }, &[&g, &cx.input(1)?])?) } else { None };
        Ok(smallvec![Some(g), None, source])
    }
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn attributes(&self) -> Attributes {
        self.padding_index.map(|index| ("padding_index", index.into())).into_iter().collect()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        let (rows, indices) = (&inputs[0], &inputs[1]);
        expect_indices(indices)?;
        let [count, width] = rows.shape[..] else {
            return Err(Error::shape(format!("the rows must be a matrix, not {}", rows.shape)));
        };
        if let Some(index) = self.padding_index.filter(|&index| index >= count) {
            return Err(Error::index(format!("padding index {index} is outside the {count} rows")));
        }
        Ok(smallvec![rows.with_shape(Shape::new(&[&indices.shape[..], &[width]].concat())?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let (rows, indices) = (inputs[0], inputs[1]);
        let mut shape = indices.shape().to_vec();
        shape.push(rows.shape()[1]);
        Ok(smallvec![rows.backend().select_slices(rows, 0, indices, Shape::new(&shape)?)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b10, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let rows = cx.spec(0);
        let mut indices = cx.input(1)?.reshape([cx.spec(1).shape.numel()])?;
        let mut g = cx.grad(0)?.reshape([indices.numel(), rows.shape[1]])?;
        if let Some(index) = self.padding_index {
            let (index, count) = (index as i64, rows.shape[0] as i64);
            let others = indices.ne(index)?.mul(indices.ne(index - count)?)?;
            let others = others.nonzero()?.flattened()?;
            (indices, g) = (indices.index_select(0, &others)?, g.index_select(0, &others)?);
        }
        let g = apply_one(IndexAdd { axis: 0 }, &[&Tensor::zeros(rows.shape, rows.dtype)?, &indices, &g])?;
        Ok(smallvec![Some(g), None])
    }
}

/// Shapes, axes and numbers of indices.
fn samples() -> [(&'static [usize], usize, usize); 8] {
    [
        (&[5], 0, 9),
        (&[4], 0, 0),
        (&[1], 0, 2),
        (&[3, 4], 1, 5),
        (&[6, 130], 0, 11),
        (&[2, 5, 3], 1, 4),
        (&[2, 3, 0], 1, 4),
        (&[2, 3, 4], 2, 3),
    ]
}

fn named(index: f64, size: usize) -> usize {
    (if index < 0.0 { index + size as f64 } else { index }) as usize
}

impl Registered for IndexSelect {
    fn cases() -> Vec<Case> {
        let case = |(sizes, axis, count): (&[usize], usize, usize)| {
            let mut g = Gen::new(count as u64);
            let x = g.tensor(sizes, -3.0, 3.0);
            Ok(Case::new(IndexSelect { axis }, [x, g.indices(&[count], sizes[axis])]))
        };
        samples().into_iter().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let mut sizes = inputs[0].sizes.clone();
        sizes[self.axis] = inputs[1].data.len();
        vec![Array::from_fn(&sizes, |index| {
            let mut from = index.to_vec();
            from[self.axis] = named(inputs[1].data[index[self.axis]], inputs[0].sizes[self.axis]);
            inputs[0].at(&from)
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        IndexSelect { axis: g.below(5) }
    }
}

impl Registered for IndexAdd {
    fn cases() -> Vec<Case> {
        let case = |(sizes, axis, count): (&[usize], usize, usize)| {
            let mut g = Gen::new(count as u64);
            let (x, indices) = (g.tensor(sizes, -3.0, 3.0), g.indices(&[count], sizes[axis]));
            let source = g.tensor(&resized(x.shape(), axis, count)?, -3.0, 3.0);
            Ok(Case::new(IndexAdd { axis }, [x, indices, source]))
        };
        samples().into_iter().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        vec![Array::from_fn(&x.sizes, |index| {
            let mut from = index.to_vec();
            inputs[1].data.iter().enumerate().fold(x.at(index), |sum, (i, &to)| {
                from[self.axis] = i;
                if named(to, x.sizes[self.axis]) == index[self.axis] { sum + inputs[2].at(&from) } else { sum }
            })
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        IndexAdd { axis: g.below(5) }
    }
}

impl Registered for Embedding {
    fn cases() -> Vec<Case> {
        let case = |(i, (rows, sizes)): (usize, (&[usize; 2], &[usize]))| {
            let mut g = Gen::new(i as u64);
            let matrix = g.tensor(rows, -3.0, 3.0);
            Ok(Case::new(Embedding { padding_index: None }, [matrix, g.indices(sizes, rows[0])]))
        };
        let samples: [(&[usize; 2], &[usize]); 5] =
            [(&[7, 3], &[]), (&[7, 3], &[4, 5]), (&[1, 1], &[2]), (&[5, 2], &[3, 0]), (&[9, 70], &[2, 3, 4])];
        samples.into_iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (rows, indices) = (&inputs[0], &inputs[1]);
        let mut sizes = indices.sizes.clone();
        sizes.push(rows.sizes[1]);
        let last = sizes.len() - 1;
        vec![Array::from_fn(&sizes, |i| rows.at(&[named(indices.at(&i[..last]), rows.sizes[0]), i[last]]))]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Embedding { padding_index: g.bool().then(|| g.below(9)) }
    }
}

impl Tensor {
    /// The slices along `axis` that a list of indices names, in its order; negative indices count from the end.
    ///
    /// # Errors
    /// Indices that are not a list of integers; one outside the axis.
    #[track_caller]
    pub fn index_select(&self, axis: isize, indices: &Tensor) -> Result<Tensor> {
        composed("index_select", || {
            apply_one(IndexSelect { axis: self.shape().axis(axis)? }, &[self, &as_indices(indices)?])
        })
    }

    /// A copy with the slices of `source` added to those that a list of indices names; negative indices count from the
    /// end.
    ///
    /// # Errors
    /// Indices that are not a list of integers; one outside the axis; a source that does not fit.
    #[track_caller]
    pub fn index_add(&self, axis: isize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        composed("index_add", || {
            apply_one(IndexAdd { axis: self.shape().axis(axis)? }, &[self, &as_indices(indices)?, source])
        })
    }

    /// Rows of this matrix `[n, width]` that indices `[..]` name: `[.., width]`; negative indices count from the end. Row
    /// `padding_index` gets no gradient.
    ///
    /// # Errors
    /// Not a matrix; indices that are not integers, or outside `0..n`.
    #[track_caller]
    pub fn embedding(&self, indices: &Tensor, padding_index: Option<usize>) -> Result<Tensor> {
        apply_one(Embedding { padding_index }, &[self, &as_indices(indices)?])
    }

    /// The elements at which `mask` (truth values, broadcast to the tensor's shape) holds, in row-major order: a list whose
    /// length depends on values.
    ///
    /// # Errors
    /// A mask that does not broadcast, or is not truth values.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        composed("masked_select", || {
            if mask.dtype() != DType::Bool {
                return Err(Error::dtype(format!("a mask is truth values, not {}", mask.dtype())).mend("compare first"));
            }
            let places = mask.broadcast_to(*self.shape())?.flattened()?.nonzero()?.flattened()?;
            self.flattened()?.index_select(0, &places)
        })
    }

    /// The indices of the elements that are not zero (NaN is not zero), in row-major order: `i64` `[count, rank]`. Not a
    /// recorded operation, because its shape depends on values.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn nonzero(&self) -> Result<Tensor> {
        composed("nonzero", || self.backend().nonzero(self))
    }

    /// Ones of type `dtype` at the places that these integers name among `classes`, zeros elsewhere: `[..]` to
    /// `[.., classes]`. Negative integers count from the end.
    ///
    /// # Errors
    /// Elements that are not integers, or outside `0..classes`.
    #[track_caller]
    pub fn one_hot(&self, classes: usize, dtype: DType) -> Result<Tensor> {
        composed("one_hot", || {
            let places = as_indices(self)?.unsqueeze(-1)?;
            let zeros = Tensor::zeros([&self.shape()[..], &[classes]].concat(), dtype)?;
            zeros.scatter(-1, &places, &Tensor::ones(*places.shape(), dtype)?)
        })
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<IndexSelect>(), Entry::of::<IndexAdd>(), Entry::of::<Embedding>()]
}
