//! The tensor: a cheap handle on an immutable array, and on the record of how it came about.

use crate::backend::Backend;
use crate::dtype::{DType, Element, Scalar, with_dtype};
use crate::error::{Error, Result};
use crate::grad::is_inferring;
use crate::memory::{Buffer, Memory};
use crate::op::{Node, composed};
use crate::ops::Detach;
use crate::record::{Tracing, tracing};
use crate::shape::{IntoShape, Layout, Shape, Spec};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// An n-dimensional array of one element type, on one device.
///
/// A tensor is a value: nothing that is done to it changes what another handle sees. Clones, slices, permutations and
/// broadcasts share memory. Shape and type are checked when an operation runs; every operation returns a [`Result`].
///
/// ```
/// use mapsto_tensor::Tensor;
/// let x = Tensor::new([[1.0f32, 2.0], [3.0, 4.0]])?;
/// assert_eq!(x.mul(10.0)?.to_vec::<f32>()?, [10.0, 20.0, 30.0, 40.0]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    id: u64,
    buffer: Arc<Buffer>,
    layout: Layout,
    dtype: DType,
    source: Source,
}

/// Where a value came from.
#[derive(Clone)]
pub(crate) enum Source {
    /// Given data, of which no gradient is asked.
    Constant,
    /// Given data, of which gradients are asked.
    Variable,
    /// The output of a recorded operation.
    Node(Arc<Node>, usize),
}

impl Source {
    /// Whether gradients flow to this value.
    pub fn is_tracked(&self) -> bool {
        match self {
            Source::Constant => false,
            Source::Variable => true,
            Source::Node(node, output) => node.tracks(*output),
        }
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// `count` identities in a row, never given before: later values have greater ones than the values they came from.
pub(crate) fn fresh_ids(count: usize) -> u64 {
    MADE.set(MADE.get() + count as u64);
    NEXT_ID.fetch_add(count as u64, Relaxed)
}

thread_local! {
    /// How many identities this thread has given.
    static MADE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A point in the order of computation.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Greater than [`Tensor::id`] of every value that there was, less than that of every one to come.
    pub id: u64,
    /// Values that this thread had made, and moments that it had asked for, with this one.
    pub made: u64,
}

/// This moment.
pub fn moment() -> Moment {
    let id = fresh_ids(1);
    Moment { id, made: MADE.get() }
}

/// A new contiguous tensor while it is written.
///
/// ```
/// use mapsto_tensor::{Shape, Writing};
///
/// let mut squares = Writing::filled(Shape::new(&[4])?, 0f32)?;
/// squares.as_mut().iter_mut().enumerate().for_each(|(i, x)| *x = (i * i) as f32);
/// assert_eq!(squares.finish().to_vec::<f32>()?, [0.0, 1.0, 4.0, 9.0]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
pub struct Writing<T> {
    buffer: Buffer,
    shape: Shape,
    element: std::marker::PhantomData<T>,
}

impl<T: Element> Writing<T> {
    /// Room for a tensor of this shape; its content is arbitrary until written.
    pub(crate) fn new(shape: Shape) -> Result<Writing<T>> {
        let mut buffer = Buffer::new(shape.numel() * size_of::<T>())?;
        // What a buffer held before may be no truth value.
        if T::DTYPE == DType::Bool {
            buffer.as_mut_slice::<u8>().fill(0);
        }
        Ok(Writing { buffer, shape, element: std::marker::PhantomData })
    }

    /// Room filled with one value.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn filled(shape: Shape, value: T) -> Result<Writing<T>> {
        let mut out = Writing::new(shape)?;
        out.as_mut().fill(value);
        Ok(out)
    }

    /// The written tensor.
    pub fn finish(self) -> Tensor {
        Tensor::from_parts(Arc::new(self.buffer), Layout::contiguous(self.shape), T::DTYPE, Source::Constant)
    }
}

/// The elements in row-major order.
impl<T: Element> AsMut<[T]> for Writing<T> {
    fn as_mut(&mut self) -> &mut [T] {
        self.buffer.as_mut_slice()
    }
}

/// Construction.
impl Tensor {
    pub(crate) fn from_parts(buffer: Arc<Buffer>, layout: Layout, dtype: DType, source: Source) -> Tensor {
        Tensor(Arc::new(Inner { id: fresh_ids(1), buffer, layout, dtype, source }))
    }

    /// The same memory under another layout, which must stay inside it.
    pub(crate) fn view(&self, layout: Layout) -> Tensor {
        Tensor::from_parts(self.0.buffer.clone(), layout, self.0.dtype, Source::Constant)
    }

    /// The same elements with two axes exchanged, not recorded.
    pub(crate) fn swapped(&self, a: usize, b: usize) -> Tensor {
        let mut layout = *self.layout();
        layout.strides.swap(a, b);
        layout.shape.sizes_mut().swap(a, b);
        self.view(layout)
    }

    /// The same value with another identity and origin. Reuses the handle where this is its only owner.
    pub(crate) fn with_source(mut self, id: u64, source: Source) -> Tensor {
        match Arc::get_mut(&mut self.0) {
            Some(inner) => {
                inner.id = id;
                inner.source = source;
                self
            }
            None => Tensor(Arc::new(Inner {
                id,
                buffer: self.0.buffer.clone(),
                layout: self.0.layout,
                dtype: self.0.dtype,
                source,
            })),
        }
    }

    /// A tensor from a number, an array, or arrays of arrays of equal lengths.
    ///
    /// # Errors
    /// Arrays nested deeper than a tensor has axes ([`MAX_RANK`](crate::MAX_RANK)); a refusal of memory. That lengths are
    /// equal the type of nested arrays ensures.
    #[track_caller]
    pub fn new<A: Nested>(data: A) -> Result<Tensor> {
        let mut flat = Vec::new();
        data.flatten(&mut flat);
        composed("new", || Tensor::from_vec(flat, &A::sizes()[..]))
    }

    /// A tensor of the given shape from its elements in row-major order.
    ///
    /// # Errors
    /// A number of elements that is not the shape's.
    #[track_caller]
    pub fn from_slice<T: Element>(data: &[T], shape: impl IntoShape) -> Result<Tensor> {
        composed("from_slice", || {
            let shape = shape.into_shape()?;
            if shape.numel() != data.len() {
                let (has, wants) = (data.len(), shape.numel());
                return Err(Error::shape(format!("{has} elements do not fill the shape {shape}, which has {wants}")));
            }
            let mut out = Writing::<T>::new(shape)?;
            out.as_mut().copy_from_slice(data);
            Ok(out.finish())
        })
    }

    /// As [`Tensor::from_slice`], from a vector.
    ///
    /// # Errors
    /// Those of [`Tensor::from_slice`].
    #[track_caller]
    pub fn from_vec<T: Element>(data: Vec<T>, shape: impl IntoShape) -> Result<Tensor> {
        composed("from_vec", || Tensor::from_slice(&data, shape))
    }

    /// A scalar of type `dtype`; fails where an integer type does not have the number.
    pub(crate) fn scalar(value: Scalar, dtype: DType) -> Result<Tensor> {
        value.check_fits(dtype)?;
        with_dtype!(dtype, T => Ok(Writing::<T>::filled(Shape::SCALAR, value.to())?.finish()))
    }

    /// A tensor filled with one value. It takes the memory of one element: all of them are the same one.
    ///
    /// # Errors
    /// A shape that cannot be; a number that the integer type does not have.
    #[track_caller]
    pub fn full(shape: impl IntoShape, value: impl Into<Scalar>, dtype: DType) -> Result<Tensor> {
        composed("full", || {
            let shape = shape.into_shape()?;
            let one = Tensor::scalar(value.into(), dtype)?;
            Ok(one.view(one.layout().broadcast_to(shape)))
        })
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// A shape that cannot be.
    #[track_caller]
    pub fn zeros(shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        composed("zeros", || Tensor::full(shape, 0, dtype))
    }

    /// A tensor of ones.
    ///
    /// # Errors
    /// A shape that cannot be.
    #[track_caller]
    pub fn ones(shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        composed("ones", || Tensor::full(shape, 1, dtype))
    }
}

/// What a tensor is.
impl Tensor {
    /// An identity that no other value has; clones share it.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &Shape {
        &self.0.layout.shape
    }

    /// Size of one axis, counted from the end if negative.
    ///
    /// # Errors
    /// An axis that the tensor does not have.
    #[track_caller]
    pub fn size(&self, axis: isize) -> Result<usize> {
        let at = Location::caller();
        Ok(self.shape()[self.shape().axis(axis).map_err(|e| e.op("size").at(at))?])
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.shape().numel()
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Shape and type.
    pub fn spec(&self) -> Spec {
        Spec::new(*self.shape(), self.dtype())
    }

    /// Whether the elements lie in memory in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// The memory that holds the elements, or that they are a part of.
    pub fn memory(&self) -> Memory {
        self.0.buffer.memory()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(crate) fn source(&self) -> &Source {
        &self.0.source
    }

    /// The kernels of the device that holds this tensor.
    pub(crate) fn backend(&self) -> &'static dyn Backend {
        &crate::cpu::Cpu
    }

    /// The whole buffer as elements, to be read through the layout. `T` must be the tensor's type.
    pub(crate) fn storage<T: Element>(&self) -> &[T] {
        assert_eq!(T::DTYPE, self.dtype(), "a kernel reads its tensor's own type");
        self.0.buffer.as_slice()
    }

    /// The elements in row-major order, if they lie so.
    pub(crate) fn as_slice<T: Element>(&self) -> Option<&[T]> {
        let layout = self.layout();
        self.is_contiguous().then(|| &self.storage::<T>()[layout.offset..][..layout.shape.numel()])
    }

    /// The elements, to change in place. Where memory is shared or not row-major it is copied first, so no other handle
    /// sees the change; the value gets a new identity and no origin.
    pub(crate) fn make_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        assert_eq!(T::DTYPE, self.dtype(), "a kernel writes its tensor's own type");
        let alone = self.is_contiguous()
            && Arc::get_mut(&mut self.0).is_some_and(|inner| Arc::get_mut(&mut inner.buffer).is_some());
        if !alone {
            *self = self.backend().copy(self)?;
        }
        let numel = self.numel();
        let inner = Arc::get_mut(&mut self.0).expect("a fresh copy has one owner");
        inner.id = fresh_ids(1);
        inner.source = Source::Constant;
        let offset = inner.layout.offset;
        let buffer = Arc::get_mut(&mut inner.buffer).expect("a fresh copy has one owner");
        Ok(&mut buffer.as_mut_slice()[offset..][..numel])
    }
}

/// Forms that are kept of one buffer, at most.
const MOST_FORMS: usize = 8;

/// Forms: what kernels make of elements that they read again and again.
impl Tensor {
    /// Says that this value will be read again and again, as a network's parameters are: inside [`no_grad`](crate::no_grad)
    /// kernels keep forms of it that are quicker to read, from call to call. They are dropped when the elements change.
    pub fn keep_forms(&self) {
        self.0.buffer.keep_forms();
    }

    /// Whether forms of it are kept now.
    pub(crate) fn keeps_forms(&self) -> bool {
        is_inferring() && self.0.buffer.forms().is_some()
    }

    /// What `make` makes of the elements, kept if [`keeps_forms`](Tensor::keeps_forms).
    pub(crate) fn form(
        &self,
        name: &'static str,
        shape: Shape,
        make: impl FnOnce(Shape) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if !self.keeps_forms() {
            return make(shape);
        }
        let key = (name, shape, *self.layout());
        let forms = || self.0.buffer.forms();
        let kept = forms().and_then(|forms| forms.iter().find(|(k, _)| *k == key).map(|(_, form)| form.clone()));
        if let Some(form) = kept {
            return Ok(form);
        }
        let form = make(shape)?;
        if let Some(mut forms) = forms() {
            // Views of a parameter, a slice at every step, must not fill the memory.
            if forms.len() == MOST_FORMS {
                forms.remove(0);
            }
            forms.push((key, form.clone()));
        }
        Ok(form)
    }
}

/// Gradients.
impl Tensor {
    /// Makes a value that has no other handle a variable, in place.
    pub(crate) fn become_variable(&mut self) {
        let inner = Arc::get_mut(&mut self.0).expect("a value that a kernel just wrote has one owner");
        inner.source = Source::Variable;
    }

    /// The same value as a variable: a leaf of which gradients are asked.
    ///
    /// # Errors
    /// Elements that are not floats.
    #[track_caller]
    pub fn variable(&self) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Err(Error::gradient(format!("gradients are not defined for {} elements", self.dtype()))
                .op("variable")
                .at(Location::caller())
                .mend("convert with to_dtype(DType::F32) first"));
        }
        Ok(self.detach().with_source(fresh_ids(1), Source::Variable))
    }

    /// This variable with another value: gradients with respect to it gather what both were used for.
    ///
    /// # Errors
    /// A value of another shape or type; a tensor that is not a variable.
    #[track_caller]
    pub fn with_value(&self, value: &Tensor) -> Result<Tensor> {
        let refuse = |error: Error| Err(error.op("with_value").at(Location::caller()));
        if !matches!(self.0.source, Source::Variable) {
            return refuse(Error::gradient("only a variable takes another value"));
        }
        if value.spec() != self.spec() {
            return refuse(Error::shape(format!("a value {} does not fit the variable {}", value.spec(), self.spec())));
        }
        Ok(value.detach().with_source(self.id(), Source::Variable))
    }

    /// The same value without its origin: no gradient flows through it.
    pub fn detach(&self) -> Tensor {
        match self.0.source {
            _ if tracing() != Tracing::Off => Detach::traced(self),
            Source::Constant => self.clone(),
            _ => self.view(*self.layout()),
        }
    }

    /// Whether gradients flow to this value: it is a variable, or was computed from one while recording.
    pub fn is_tracked(&self) -> bool {
        self.0.source.is_tracked()
    }
}

/// Reading elements.
impl Tensor {
    /// The elements in row-major order.
    ///
    /// # Errors
    /// Another element type than the tensor's.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let at = Location::caller();
        self.check_read::<T>().map_err(|e| e.op("to_vec").at(at))?;
        let contiguous = self.backend().contiguous(self).map_err(|e| e.op("to_vec").at(at))?;
        Ok(contiguous.as_slice().unwrap_or_default().to_vec())
    }

    /// The only element.
    ///
    /// # Errors
    /// More or fewer than one element, or another type.
    #[track_caller]
    pub fn item<T: Element>(&self) -> Result<T> {
        let at = Location::caller();
        self.check_read::<T>().map_err(|e| e.op("item").at(at))?;
        if self.numel() != 1 {
            return Err(Error::shape(format!("shape {} has {} elements, not one", self.shape(), self.numel()))
                .op("item")
                .at(at)
                .mend("reduce it first (sum, mean), or read all with to_vec"));
        }
        Ok(self.storage::<T>()[self.layout().offset])
    }

    fn check_read<T: Element>(&self) -> Result<()> {
        if T::DTYPE == self.dtype() {
            return Ok(());
        }
        Err(Error::dtype(format!("a tensor of {} cannot be read as {}", self.dtype(), T::DTYPE))
            .mend(format!("convert with to_dtype(DType::{:?}) first", T::DTYPE)))
    }
}

/// Numbers and nested arrays, from which [`Tensor::new`] makes a tensor.
pub trait Nested {
    /// The innermost type.
    type Item: Element;
    /// The sizes, outermost first.
    fn sizes() -> Vec<usize>;
    /// Appends the elements in row-major order.
    fn flatten(&self, out: &mut Vec<Self::Item>);
}

impl<T: Element> Nested for T {
    type Item = T;
    fn sizes() -> Vec<usize> {
        Vec::new()
    }
    fn flatten(&self, out: &mut Vec<T>) {
        out.push(*self);
    }
}

impl<A: Nested, const N: usize> Nested for [A; N] {
    type Item = A::Item;
    fn sizes() -> Vec<usize> {
        let mut sizes = vec![N];
        sizes.extend(A::sizes());
        sizes
    }
    fn flatten(&self, out: &mut Vec<A::Item>) {
        self.iter().for_each(|inner| inner.flatten(out));
    }
}
