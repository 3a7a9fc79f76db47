//! What a module's tree ends in: parameters, buffers, the training mode and random streams.

use crate::init::Init;
use crate::module::Module;
use crate::summary::log_read;
use mapsto_tensor::{DType, Error, IntoShape, Result, Rng, Shape, Tensor, composed};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value that is set once in a while and read all the time.
struct Cell {
    shape: Shape,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    value: Option<Tensor>,
    first: First,
    dtype: DType,
    /// Whether the value is a variable.
    trainable: bool,
    /// What computes the value instead.
    by: Option<Arc<dyn Parametrization>>,
}

/// How the first value is found.
#[derive(Clone)]
enum First {
    /// By a rule.
    Rule(Init),
    /// From values that the tree shows before.
    Computed(Arc<dyn Fn(&Rng) -> Result<Tensor> + Send + Sync>),
}

impl Cell {
    fn new(shape: Shape, init: Init, dtype: DType, trainable: bool) -> Arc<Cell> {
        let state = State { value: None, first: First::Rule(init), dtype, trainable, by: None };
        Arc::new(Cell { shape, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, state: &mut State, value: &Tensor) -> Result<()> {
        if state.by.is_some() {
            return Err(Error::argument("the value is computed from other parameters").mend("set those"));
        }
        if *value.shape() != self.shape {
            return Err(Error::shape(format!("a value of shape {} does not fit {}", value.shape(), self.shape)));
        }
        if value.dtype() != state.dtype {
            return Err(Error::dtype(format!("a value of {} does not fit {}", value.dtype(), state.dtype))
                .mend("convert with to_dtype first"));
        }
        state.value = Some(match &state.value {
            // It stays the variable that it is: what was computed from the old value still finds its gradients.
            Some(old) if state.trainable && old.spec() == value.spec() => old.with_value(value)?,
            _ if state.trainable => value.variable()?,
            _ => value.detach(),
        });
        Ok(())
    }

    fn init(&self, rng: &Rng, anew: bool) -> Result<()> {
        let mut state = self.lock();
        if state.value.is_none() || anew {
            let value = match &state.first {
                First::Rule(init) => init.tensor(&self.shape, rng)?,
                First::Computed(f) => f(rng)?,
            };
            let value = value.to_dtype(state.dtype)?;
            self.put(&mut state, &value)?;
        }
        Ok(())
    }

    fn to_dtype(&self, dtype: DType) -> Result<()> {
        let mut state = self.lock();
        if !state.dtype.is_float() {
            return Ok(());
        }
        if !dtype.is_float() {
            return Err(Error::dtype(format!("a network's numbers cannot be {dtype}"))
                .op("to_dtype")
                .mend("choose one of f16, bf16, f32, f64"));
        }
        state.dtype = dtype;
        match state.value.take() {
            Some(value) => self.put(&mut state, &value.detach().to_dtype(dtype)?),
            None => Ok(()),
        }
    }
}

/// A trained tensor of a network: a handle, whose clones all mean the same parameter. Sharing weights is cloning it.
#[derive(Clone)]
pub struct Param(Arc<Cell>);

impl Param {
    /// A parameter of `f32` numbers that [`Module::init`](crate::Module::init) will fill by `init`.
    ///
    /// # Errors
    /// A shape that cannot be.
    #[track_caller]
    pub fn new(shape: impl IntoShape, init: Init) -> Result<Param> {
        let at = Location::caller();
        let shape = shape.into_shape().map_err(|e| e.op("Param").at(at))?;
        Ok(Param(Cell::new(shape, init, DType::F32, true)))
    }

    /// A parameter that has this value already.
    ///
    /// # Errors
    /// A value that is not of floats.
    #[track_caller]
    pub fn from_tensor(value: &Tensor) -> Result<Param> {
        let param = Param(Cell::new(*value.shape(), Init::Zeros, value.dtype(), true));
        param.set(value)?;
        Ok(param)
    }

    /// The value: a variable, unless the parameter is frozen.
    ///
    /// # Errors
    /// No value yet.
    #[track_caller]
    pub fn get(&self) -> Result<Tensor> {
        let at = Location::caller();
        let state = self.0.lock();
        if let Some(by) = state.by.clone() {
            drop(state);
            return composed(by.kind(), || by.value());
        }
        let value = state.value.clone().ok_or_else(|| no_value("parameter", self.shape(), at))?;
        value.keep_forms();
        log_read(self, self.id(), &value);
        Ok(value)
    }

    /// Sets the value. No gradient flows back through it.
    ///
    /// # Errors
    /// Another shape or type than the parameter's.
    #[track_caller]
    pub fn set(&self, value: &Tensor) -> Result<()> {
        let at = Location::caller();
        self.0.put(&mut self.0.lock(), value).map_err(|e| e.op("set").at(at))
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.0.lock().dtype
    }

    /// Chooses the rule by which [`Module::init`](crate::Module::init) fills it.
    pub fn set_init(&self, init: Init) {
        self.0.lock().first = First::Rule(init);
    }

    /// Whether gradients are asked of it.
    pub fn is_trainable(&self) -> bool {
        self.0.lock().trainable
    }

    /// Whether gradients are asked of it from now on.
    pub fn set_trainable(&self, trainable: bool) {
        let mut state = self.0.lock();
        state.trainable = trainable;
        if let Some(value) = state.value.take() {
            state.value = Some(match trainable {
                true if !value.is_tracked() => value.variable().unwrap_or(value),
                true => value,
                false => value.detach(),
            });
        }
    }

    /// Lets the value be computed from now on, by what `make` makes of a new parameter that has this one's value and rule.
    /// In the tree `parametrizations.<name>` takes this one's place. A value that is there gets the others theirs, too.
    ///
    /// # Errors
    /// A parameter that is computed already; what `make` or an initialiser refuses.
    pub fn parametrize<P: Parametrization>(&self, make: impl FnOnce(Param) -> Result<P>) -> Result<()> {
        let state = self.0.lock().clone();
        if state.by.is_some() {
            return Err(Error::argument("the value is computed from other parameters already"));
        }
        let has_value = state.value.is_some();
        let by = make(Param(Arc::new(Cell { shape: *self.shape(), state: Mutex::new(state) })))?;
        let by = if has_value { by.init(0)? } else { by };
        let mut state = self.0.lock();
        state.value = None;
        state.by = Some(Arc::new(by));
        Ok(())
    }

    /// A parameter like `of`, but of another shape, whose first value is computed from values that the tree shows before.
    pub(crate) fn computed(
        of: &Param,
        shape: impl IntoShape,
        first: impl Fn(&Rng) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Param> {
        let cell = Cell::new(shape.into_shape()?, Init::Zeros, of.dtype(), of.is_trainable());
        cell.lock().first = First::Computed(Arc::new(first));
        Ok(Param(cell))
    }

    /// What computes the value, if anything does.
    pub(crate) fn parametrization(&self) -> Option<Arc<dyn Parametrization>> {
        self.0.lock().by.clone()
    }

    /// An identity that clones share and no other parameter has while this one lives.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    pub(crate) fn init(&self, rng: &Rng, anew: bool) -> Result<()> {
        self.0.init(rng, anew)
    }

    pub(crate) fn to_dtype(&self, dtype: DType) -> Result<()> {
        self.0.to_dtype(dtype)
    }

    /// Takes the value out, so that an update can change it in place; [`Param::put_back`] must follow.
    pub(crate) fn take(&self) -> Option<Tensor> {
        self.0.lock().value.take()
    }

    pub(crate) fn put_back(&self, value: Tensor) {
        self.0.lock().value = Some(value);
    }
}

/// Computes the value of a parameter from others, which are its fields: see [`Param::parametrize`].
pub trait Parametrization: Module {
    /// The value.
    ///
    /// # Errors
    /// Parameters without a value.
    fn value(&self) -> Result<Tensor>;
}

fn no_value(what: &str, shape: &Shape, at: &'static Location<'static>) -> Error {
    Error::argument(format!("this {what} of shape {shape} has no value yet"))
        .at(at)
        .mend("call init(seed) on the network, or load a state")
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param({}{})", self.dtype(), self.shape())
    }
}

/// A tensor of a network that is not trained by gradients, such as a running mean: a handle, as [`Param`] is.
#[derive(Clone)]
pub struct Buffer {
    cell: Arc<Cell>,
    persistent: bool,
}

impl Buffer {
    /// A buffer that [`Module::init`](crate::Module::init) will fill by `init`, and that is saved with the network.
    ///
    /// # Errors
    /// A shape that cannot be.
    #[track_caller]
    pub fn new(shape: impl IntoShape, init: Init, dtype: DType) -> Result<Buffer> {
        let at = Location::caller();
        let shape = shape.into_shape().map_err(|e| e.op("Buffer").at(at))?;
        Ok(Buffer { cell: Cell::new(shape, init, dtype, false), persistent: true })
    }

    /// A buffer that has this value already and is made anew with the network, not saved: a table of constants.
    pub fn constant(value: &Tensor) -> Buffer {
        let cell = Cell::new(*value.shape(), Init::Zeros, value.dtype(), false);
        cell.lock().value = Some(value.detach());
        Buffer { cell, persistent: false }
    }

    /// A buffer whose first value is computed from values that the tree shows before.
    pub(crate) fn computed(
        shape: impl IntoShape,
        dtype: DType,
        first: impl Fn(&Rng) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Buffer> {
        let cell = Cell::new(shape.into_shape()?, Init::Zeros, dtype, false);
        cell.lock().first = First::Computed(Arc::new(first));
        Ok(Buffer { cell, persistent: true })
    }

    /// The value.
    ///
    /// # Errors
    /// No value yet.
    #[track_caller]
    pub fn get(&self) -> Result<Tensor> {
        let at = Location::caller();
        let value = self.cell.lock().value.clone().ok_or_else(|| no_value("buffer", self.shape(), at))?;
        log_read(self, self.id(), &value);
        Ok(value)
    }

    /// Sets the value. No gradient flows back through it.
    ///
    /// # Errors
    /// Another shape or type than the buffer's.
    #[track_caller]
    pub fn set(&self, value: &Tensor) -> Result<()> {
        let at = Location::caller();
        self.cell.put(&mut self.cell.lock(), value).map_err(|e| e.op("set").at(at))
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.cell.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.cell.lock().dtype
    }

    /// An identity that clones share and no other buffer has while this one lives.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.cell) as usize
    }

    /// Whether it is saved with the network.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    pub(crate) fn init(&self, rng: &Rng, anew: bool) -> Result<()> {
        self.cell.init(rng, anew && self.persistent)
    }

    pub(crate) fn to_dtype(&self, dtype: DType) -> Result<()> {
        self.cell.to_dtype(dtype)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({}{})", self.dtype(), self.shape())
    }
}

/// Whether a part of a network is training (at first it is) or evaluating: a handle.
#[derive(Clone, Debug)]
pub struct Mode(Arc<AtomicBool>);

impl Mode {
    /// Whether it is training.
    pub fn is_training(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Sets it.
    pub fn set(&self, training: bool) {
        self.0.store(training, Relaxed);
    }
}

impl Default for Mode {
    fn default() -> Mode {
        Mode(Arc::new(AtomicBool::new(true)))
    }
}

/// A source of randomness of a network, such as a dropout layer's: a handle. What it gives depends on the seed and name
/// that [`Module::init`](crate::Module::init) found, and on the count of calls.
#[derive(Clone, Debug, Default)]
pub struct Stream(Arc<Mutex<Option<[u64; 2]>>>);

impl Stream {
    /// Fresh random numbers: each call gives others.
    ///
    /// # Errors
    /// No key yet.
    #[track_caller]
    pub fn next_rng(&self) -> Result<Rng> {
        match &mut *self.lock() {
            Some([key, calls]) => {
                *calls += 1;
                Ok(Rng::new(*key).fork(*calls))
            }
            None => Err(Error::argument("this random stream has no key yet")
                .at(Location::caller())
                .mend("call init(seed) on the network; it leaves loaded parameters as they are")),
        }
    }

    /// Key and count of calls; none without a key.
    pub fn state(&self) -> Option<[u64; 2]> {
        *self.lock()
    }

    /// Sets what [`Stream::state`] gave: the same random numbers come again.
    pub fn set_state(&self, state: Option<[u64; 2]>) {
        *self.lock() = state;
    }

    fn lock(&self) -> MutexGuard<'_, Option<[u64; 2]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
