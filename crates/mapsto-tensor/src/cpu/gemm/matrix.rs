//! Views of matrices with any strides.

use std::marker::PhantomData;
use std::ops::Range;

/// A read-only matrix view with any strides (in elements; zero and negative ones too).
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    pub(super) data: &'a [T],
    pub(super) offset: usize,
    pub(super) dims: [usize; 2],
    pub(super) strides: [isize; 2],
}

impl<'a, T> Mat<'a, T> {
    /// The matrix whose element (i, j) is `data[offset + i * strides[0] + j * strides[1]]`.
    ///
    /// Panics when an element lies outside `data`, as do the other constructors: the caller's mistake.
    pub(crate) fn new(data: &'a [T], offset: usize, dims: [usize; 2], strides: [isize; 2]) -> Self {
        check_span(data.len(), offset, dims.into_iter().zip(strides));
        Mat { data, offset, dims, strides }
    }

    /// A contiguous row-major matrix.
    pub(crate) fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Mat::new(data, 0, [rows, cols], [cols as isize, 1])
    }

    /// How many columns it has.
    pub(crate) fn columns(&self) -> usize {
        self.dims[1]
    }

    /// Some of its columns.
    pub(crate) fn columns_of(&self, columns: Range<usize>) -> Self {
        let offset = self.offset as isize + columns.start as isize * self.strides[1];
        assert!(columns.end <= self.dims[1], "columns of a matrix");
        Mat { data: self.data, offset: offset as usize, dims: [self.dims[0], columns.len()], strides: self.strides }
    }

    /// The transposed view.
    pub(crate) fn t(self) -> Self {
        Mat { dims: swapped(self.dims), strides: swapped(self.strides), ..self }
    }
}

/// A writable matrix view with any strides that keep its elements apart.
pub(crate) struct MatMut<'a, T> {
    pub(super) data: *mut T,
    pub(super) len: usize,
    pub(super) offset: usize,
    pub(super) dims: [usize; 2],
    pub(super) strides: [isize; 2],
    slice: PhantomData<&'a mut [T]>,
}

impl<'a, T> MatMut<'a, T> {
    /// The matrix whose element (i, j) is `data[offset + i * strides[0] + j * strides[1]]`.
    ///
    /// Panics when elements lie outside `data` or may coincide.
    pub(crate) fn new(data: &'a mut [T], offset: usize, dims: [usize; 2], strides: [isize; 2]) -> Self {
        check_span(data.len(), offset, dims.into_iter().zip(strides));
        check_apart(dims.into_iter().zip(strides));
        MatMut { data: data.as_mut_ptr(), len: data.len(), offset, dims, strides, slice: PhantomData }
    }

    /// A contiguous row-major matrix.
    pub(crate) fn row_major(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        MatMut::new(data, 0, [rows, cols], [cols as isize, 1])
    }

    /// As [`MatMut::new`], for tasks that write disjoint matrices interleaved in one slice of length `len`.
    ///
    /// # Safety
    /// For `'a`, `data` points to `len` elements, and nothing else uses those of this matrix.
    pub(crate) unsafe fn from_raw(
        data: *mut T,
        len: usize,
        offset: usize,
        dims: [usize; 2],
        strides: [isize; 2],
    ) -> Self {
        check_span(len, offset, dims.into_iter().zip(strides));
        check_apart(dims.into_iter().zip(strides));
        MatMut { data, len, offset, dims, strides, slice: PhantomData }
    }
}

/// Panics unless all elements of a strided array lie within `0..len`.
pub(super) fn check_span(len: usize, offset: usize, axes: impl Iterator<Item = (usize, isize)>) {
    let (mut low, mut high, mut empty) = (offset as i128, offset as i128, false);
    for (dim, stride) in axes {
        empty |= dim == 0;
        let reach = (dim as i128 - 1) * stride as i128;
        low += reach.min(0);
        high += reach.max(0);
    }
    assert!(empty || (low >= 0 && high < len as i128), "a matrix view lies outside its data");
}

/// Panics unless the elements of a strided array are certainly distinct.
pub(super) fn check_apart(axes: impl Iterator<Item = (usize, isize)>) {
    let mut axes: smallvec::SmallVec<[(usize, usize); 6]> = axes.map(|(n, s)| (s.unsigned_abs(), n)).collect();
    if axes.iter().any(|&(_, n)| n == 0) {
        return;
    }
    axes.retain(|&mut (_, n)| n > 1);
    axes.sort_unstable();
    let mut reach = 0;
    for (stride, n) in axes {
        assert!(stride > reach, "elements of a matrix to write coincide");
        reach += stride * (n - 1);
    }
}

pub(super) fn swapped<U: Copy>([x, y]: [U; 2]) -> [U; 2] {
    [y, x]
}
