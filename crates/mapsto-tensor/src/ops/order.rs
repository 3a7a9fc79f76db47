//! Elements in order: sorting, selecting, searching. NaN is greater than every number, -0 equals 0, and equal elements
//! keep their order. Values are gathered by the indices found here, so gradients flow through them.

use crate::backend::Reduction;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs, expect_same_dtype,
};
use crate::shape::{Layout, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::cmp::Ordering;
use std::panic::Location;

/// Declares an operation whose result is indices, which have no gradient.
macro_rules! indices {
    () => {
        fn keeps(&self) -> Keeps {
            Keeps::NOTHING
        }

        fn differentiable(&self) -> bool {
            false
        }

        fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
            Ok((0..cx.num_inputs()).map(|_| None).collect())
        }
    };
}

/// The indices that put the elements along an axis in order. NaN is greatest; equal elements keep their order.
#[derive(Clone, Copy, Debug)]
pub struct Argsort {
    /// The axis.
    pub axis: usize,
    /// From the greatest to the least.
    pub descending: bool,
}

/// The indices of the `k` greatest or least elements along an axis, in that order. NaN is greatest; of equal elements the
/// first come first.
#[derive(Clone, Copy, Debug)]
pub struct TopK {
    /// The axis.
    pub axis: usize,
    /// How many.
    pub k: usize,
    /// The greatest rather than the least.
    pub largest: bool,
}

/// For each value `[..]`, the place in an ascending list `[n]` at which it could be put in keeping the order: before
/// equal elements, or after them if `right`. NaN is greatest.
#[derive(Clone, Copy, Debug)]
pub struct SearchSorted {
    /// Whether the place is after equal elements.
    pub right: bool,
}

impl Op for Argsort {
    fn name(&self) -> &'static str {
        "argsort"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into()), ("descending", self.descending.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        inputs[0].shape.expect_axis(self.axis)?;
        Ok(smallvec![inputs[0].with_dtype(DType::I64)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let x = inputs[0];
        Ok(smallvec![x.backend().order(x, self.axis, self.descending, x.shape()[self.axis])?])
    }

    indices!();
}

impl Op for TopK {
    fn name(&self) -> &'static str {
        "topk"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into()), ("k", self.k.into()), ("largest", self.largest.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        inputs[0].shape.expect_axis(self.axis)?;
        let mut shape = inputs[0].shape;
        if self.k > shape[self.axis] {
            return Err(Error::argument(format!("k = {} is more than axis {} of {shape} has", self.k, self.axis)));
        }
        shape.sizes_mut()[self.axis] = self.k;
        Ok(smallvec![Spec::new(shape, DType::I64)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().order(inputs[0], self.axis, self.largest, self.k)?])
    }

    indices!();
}

impl Op for SearchSorted {
    fn name(&self) -> &'static str {
        "searchsorted"
    }

    fn attributes(&self) -> Attributes {
        vec![("right", self.right.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_same_dtype(inputs)?;
        if inputs[0].shape.rank() != 1 {
            return Err(Error::shape(format!("the sorted elements must be a list, not {}", inputs[0].shape)));
        }
        Ok(smallvec![inputs[1].with_dtype(DType::I64)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().count_less(inputs[0], inputs[1], self.right)?])
    }

    indices!();
}

/// Declares the place of an extreme.
macro_rules! extremes {
    ($($(#[$doc:meta])* $name:ident, $method:ident, $method_axis:ident, $with:ident, $kernel:ident, $better:expr;)*) => {
        $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            /// The axis.
            pub axis: usize,
            /// Whether it stays with size one.
            pub keep: bool,
        }

        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn attributes(&self) -> Attributes {
                vec![("axis", self.axis.into()), ("keep", self.keep.into())]
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 1)?;
                inputs[0].shape.expect_axis(self.axis)?;
                let shape = inputs[0].shape;
                if shape[self.axis] == 0 {
                    return Err(Error::shape(format!("axis {} of {shape} is empty: no element stands out", self.axis)));
                }
                Ok(smallvec![Spec::new(shape.reduced(&[self.axis], self.keep), DType::I64)])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                let (x, axis) = (inputs[0], self.axis);
                let extreme = x.backend().reduce(Reduction::$kernel, x, &[axis], x.shape().reduced(&[axis], true))?;
                let places = x.backend().first_place(x, axis, &extreme)?;
                Ok(smallvec![places.view(Layout::contiguous(x.shape().reduced(&[axis], self.keep)))])
            }

            indices!();
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                let case = |(i, (sizes, axis)): (usize, (&[usize], usize))| {
                    Case::new($name { axis, keep: i % 2 == 0 }, [with_equals(i, sizes)])
                };
                samples().into_iter().filter(|(sizes, axis)| sizes[*axis] > 0).enumerate().map(case).collect()
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].reduce(&[self.axis], self.keep, |values| {
                    (1..values.len()).fold(0, |best, i| if $better(values[i], values[best]) { i } else { best }) as f64
                })]
            }

            fn arbitrary(g: &mut Gen) -> Self {
                $name { axis: g.below(5), keep: g.bool() }
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// The index counts in row-major order over all elements.
            ///
            /// # Errors
            /// No elements.
            #[track_caller]
            pub fn $method(&self) -> Result<Tensor> {
                apply_one($name { axis: 0, keep: false }, &[&self.flattened()?])
            }

            $(#[$doc])*
            ///
            /// Along `axis` (negative ones count from the end), which stays with size one if `keep`.
            ///
            /// # Errors
            /// An axis outside the shape, or with no elements.
            #[track_caller]
            pub fn $method_axis(&self, axis: isize, keep: bool) -> Result<Tensor> {
                let at = Location::caller();
                let axis = self.shape().axis(axis).map_err(|e| e.op(stringify!($method)).at(at))?;
                apply_one($name { axis, keep }, &[self])
            }

            /// The extreme elements along `axis`, which stays with size one if `keep`, and their indices.
            $(#[$doc])*
            /// The gradient goes to that element alone.
            ///
            /// # Errors
            /// An axis outside the shape, or with no elements.
            #[track_caller]
            pub fn $with(&self, axis: isize, keep: bool) -> Result<(Tensor, Tensor)> {
                let places = self.$method_axis(axis, true)?;
                let values = self.gather(axis, &places)?;
                if keep { Ok((values, places)) } else { Ok((values.squeeze(&[axis])?, places.squeeze(&[axis])?)) }
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![Entry::of::<Argsort>(), Entry::of::<TopK>(), Entry::of::<SearchSorted>(), $(Entry::of::<$name>()),*]
        }
    };
}

extremes! {
    /// The index of the greatest element: of the first NaN if there is one, otherwise of the first of equals.
    Argmax, argmax, argmax_axis, max_with_index, Max, |x: f64, best: f64| x > best;

    /// The index of the least element: of the first NaN if there is one, otherwise of the first of equals.
    Argmin, argmin, argmin_axis, min_with_index, Min, |x: f64, best: f64| x < best;
}

fn samples() -> [(&'static [usize], usize); 9] {
    [
        (&[7], 0),
        (&[1], 0),
        (&[0], 0),
        (&[3, 4], 0),
        (&[3, 4], 1),
        (&[2, 5, 3], 1),
        (&[0, 3], 1),
        (&[2, 300], 1),
        (&[40, 2], 0),
    ]
}

/// Small whole numbers, some of them equal, as `f64`.
fn with_equals(seed: usize, sizes: &[usize]) -> Tensor {
    let numbers = Gen::new(seed as u64).integers(sizes, 9).add(-4);
    numbers.and_then(|x| x.to_dtype(DType::F64)).expect("small numbers fit")
}

/// The first `count` indices along an axis in a stable order.
fn ordered(x: &Array, axis: usize, count: usize, descending: bool) -> Vec<Array> {
    let mut sizes = x.sizes.clone();
    sizes[axis] = count;
    vec![Array::from_fn(&sizes, |index| {
        let line = |i: usize| {
            let mut at = index.to_vec();
            at[axis] = i;
            x.at(&at)
        };
        let mut places: Vec<usize> = (0..x.sizes[axis]).collect();
        let order = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(Ordering::Equal);
        places.sort_by(|&a, &b| if descending { order(line(b), line(a)) } else { order(line(a), line(b)) });
        places[index[axis]] as f64
    })]
}

impl Registered for Argsort {
    fn cases() -> Vec<Case> {
        let case = |(i, (sizes, axis)): (usize, (&[usize], usize))| {
            Case::new(Argsort { axis, descending: i % 2 == 1 }, [with_equals(i, sizes)])
        };
        samples().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        ordered(&inputs[0], self.axis, inputs[0].sizes[self.axis], self.descending)
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Argsort { axis: g.below(5), descending: g.bool() }
    }
}

impl Registered for TopK {
    fn cases() -> Vec<Case> {
        let case = |(i, (sizes, axis)): (usize, (&[usize], usize))| {
            let k = [3, 1, 0, 2, 0, 5, 1, 20, 40][i];
            Case::new(TopK { axis, k, largest: i % 2 == 1 }, [with_equals(i, sizes)])
        };
        samples().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        ordered(&inputs[0], self.axis, self.k, self.largest)
    }

    fn arbitrary(g: &mut Gen) -> Self {
        TopK { axis: g.below(5), k: g.below(5), largest: g.bool() }
    }
}

impl Registered for SearchSorted {
    fn cases() -> Vec<Case> {
        let samples: [(usize, &[usize]); 5] = [(5, &[9]), (0, &[2]), (1, &[2, 3]), (12, &[]), (3, &[0])];
        let case = |(i, (count, sizes)): (usize, (usize, &[usize]))| {
            // Ascending as truth values, too.
            let sorted = Tensor::from_vec((0..count).map(|i| (i / 2) as f64).collect(), [count])?;
            Ok(Case::new(SearchSorted { right: i % 2 == 0 }, [sorted, with_equals(i, sizes)]))
        };
        samples.into_iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let before = |value: f64| inputs[0].data.iter().filter(|&&x| x < value || (self.right && x == value)).count();
        vec![inputs[1].map(|value| before(value) as f64)]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        SearchSorted { right: g.bool() }
    }
}

impl Tensor {
    /// The indices that put the elements along `axis` in order, ascending or descending. NaN is greatest (last when
    /// ascending); equal elements keep their order.
    ///
    /// # Errors
    /// An axis outside the shape.
    #[track_caller]
    pub fn argsort(&self, axis: isize, descending: bool) -> Result<Tensor> {
        let at = Location::caller();
        let axis = self.shape().axis(axis).map_err(|e| e.op("argsort").at(at))?;
        apply_one(Argsort { axis, descending }, &[self])
    }

    /// The elements along `axis` in order, and the indices they came from. See [`Tensor::argsort`].
    ///
    /// # Errors
    /// An axis outside the shape.
    #[track_caller]
    pub fn sort(&self, axis: isize, descending: bool) -> Result<(Tensor, Tensor)> {
        let places = self.argsort(axis, descending)?;
        Ok((self.gather(axis, &places)?, places))
    }

    /// The `k` greatest (or least) elements along `axis` in that order, and their indices. NaN is greatest; of equal
    /// elements the first come first.
    ///
    /// # Errors
    /// An axis outside the shape; `k` more than it has.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: isize, largest: bool) -> Result<(Tensor, Tensor)> {
        let at = Location::caller();
        let index = self.shape().axis(axis).map_err(|e| e.op("topk").at(at))?;
        let places = apply_one(TopK { axis: index, k, largest }, &[self])?;
        Ok((self.gather(axis, &places)?, places))
    }

    /// For each of `values`, the place in this ascending list at which it could be put in keeping the order: before equal
    /// elements, or after them if `right`. NaN is greatest.
    ///
    /// # Errors
    /// Not a list.
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor, right: bool) -> Result<Tensor> {
        let dtype = self.dtype().promote(values.dtype());
        apply_one(SearchSorted { right }, &[&self.to_dtype(dtype)?, &values.to_dtype(dtype)?])
    }
}
