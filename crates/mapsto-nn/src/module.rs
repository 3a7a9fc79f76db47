//! A network as a tree of named parameters, buffers and modules.

use crate::file;
use crate::param::{Buffer, Mode, Param, Stream};
use crate::state::{self, LoadOptions, LoadReport, StateDict};
use mapsto_tensor::{DType, Error, Result, Rng};
use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// A tree of named parameters, buffers and modules: what there is to train, save and load. Derive it:
///
/// ```
/// use mapsto_nn::{Linear, Module, Param};
///
/// #[derive(Module)]
/// struct Head {
///     hidden: Vec<Linear>,
///     scale: Param,
///     temperature: f64,
/// }
/// # use mapsto_nn::Init;
/// # let head = Head { hidden: vec![Linear::new(3, 2)?], scale: Param::new(2, Init::Ones)?, temperature: 1.0 };
/// let names: Vec<String> = head.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["hidden.0.weight", "hidden.0.bias", "scale"]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
///
/// Names are those that PyTorch gives to the same tree, so that its state dicts load. Everything else that is done to a
/// network as a whole (initialising, freezing, saving, averaging, optimising) is a walk over this tree.
pub trait Module: Any + Send + Sync {
    /// The name of the type: `Linear`.
    fn kind(&self) -> &'static str;

    /// Shows the visitor every field.
    fn visit(&self, visitor: &mut Visitor<'_>);

    /// Calls `f` for everything in the tree and its full name: modules before what is in them, fields in their order.
    fn walk(&self, f: &mut dyn FnMut(&str, Node<'_>)) {
        self.visit(&mut Visitor { path: String::new(), see: f });
    }

    /// Every parameter under all of its names: a shared one comes once for each.
    fn named_parameters(&self) -> Vec<(String, Param)> {
        let mut found = Vec::new();
        self.walk(&mut |name, node| {
            if let Node::Param(param) = node {
                found.push((name.to_string(), param.clone()));
            }
        });
        found
    }

    /// Every parameter, a shared one once.
    fn parameters(&self) -> Vec<Param> {
        let mut seen = HashSet::new();
        self.named_parameters().into_iter().map(|(_, param)| param).filter(|param| seen.insert(param.id())).collect()
    }

    /// Every buffer under its name.
    fn named_buffers(&self) -> Vec<(String, Buffer)> {
        let mut found = Vec::new();
        self.walk(&mut |name, node| {
            if let Node::Buffer(buffer) = node {
                found.push((name.to_string(), buffer.clone()));
            }
        });
        found
    }

    /// Number of elements of all parameters, shared ones counted once.
    fn num_parameters(&self) -> usize {
        self.parameters().iter().map(|param| param.shape().numel()).sum()
    }

    /// Gives every parameter and buffer that has no value yet its first one, and every random stream its key. Each
    /// depends on the seed and its own name alone, not on the order of construction. Loaded values stay.
    ///
    /// # Errors
    /// An initialiser that does not fit its parameter's shape.
    #[track_caller]
    fn init(self, seed: u64) -> Result<Self>
    where
        Self: Sized,
    {
        initialise(&self, seed, false)?;
        Ok(self)
    }

    /// [`Module::init`] for parameters that have a value already, too: the network begins anew.
    ///
    /// # Errors
    /// Those of [`Module::init`].
    #[track_caller]
    fn reset(&self, seed: u64) -> Result<()> {
        initialise(self, seed, true)
    }

    /// Sets every part to training: dropout drops, running statistics follow the batches.
    fn train(&self) {
        set_mode(self, true);
    }

    /// Sets every part to evaluating: dropout passes everything, running statistics are used and stay.
    fn eval(&self) {
        set_mode(self, false);
    }

    /// Keeps the parameter of this name, or all below it, from being trained; the empty name means all. Gives their
    /// number.
    ///
    /// # Errors
    /// A name that is not in the tree.
    #[track_caller]
    fn freeze(&self, name: &str) -> Result<usize> {
        set_trainable(self, name, false)
    }

    /// Undoes [`Module::freeze`].
    ///
    /// # Errors
    /// A name that is not in the tree.
    #[track_caller]
    fn unfreeze(&self, name: &str) -> Result<usize> {
        set_trainable(self, name, true)
    }

    /// Converts all parameters and buffers of floats to another float type.
    ///
    /// # Errors
    /// A type that is not of floats.
    #[track_caller]
    fn to_dtype(&self, dtype: DType) -> Result<()> {
        let at = std::panic::Location::caller();
        let mut result = Ok(());
        self.walk(&mut |_, node| {
            let converted = match node {
                Node::Param(param) => param.to_dtype(dtype),
                Node::Buffer(buffer) => buffer.to_dtype(dtype),
                _ => Ok(()),
            };
            result = std::mem::replace(&mut result, Ok(())).and(converted);
        });
        result.map_err(|e| e.as_of("to_dtype", at))
    }

    /// All values by name: parameters and persistent buffers.
    ///
    /// # Errors
    /// A parameter without a value.
    #[track_caller]
    fn state_dict(&self) -> Result<StateDict> {
        state::save(self)
    }

    /// Takes values over by name, all or (as the options say) those that fit. Nothing has changed after an error.
    ///
    /// # Errors
    /// With [`LoadOptions::strict`]: names that are missing or not in the tree, shapes that differ.
    #[track_caller]
    fn load_state_dict(&self, values: &StateDict, options: &LoadOptions) -> Result<LoadReport> {
        state::load(self, values, options)
    }

    /// Writes all values to a safetensors file. A crash leaves the old file or the new one, never a part.
    ///
    /// # Errors
    /// A parameter without a value; a refusal of the system.
    #[track_caller]
    fn save(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        file::write_state(path, &self.state_dict()?, &BTreeMap::new())
    }

    /// Takes values over from a safetensors file.
    ///
    /// # Errors
    /// Those of [`Module::load_state_dict`]; a file that is not what it should be.
    #[track_caller]
    fn load(&self, path: impl AsRef<Path>, options: &LoadOptions) -> Result<LoadReport>
    where
        Self: Sized,
    {
        let path = path.as_ref();
        let state = file::read_state(path)?;
        self.load_state_dict(&state.tensors, options).map_err(|e| e.within(path.display().to_string()))
    }

    /// Key and count of calls of every random stream by name, for exact resume.
    fn random_state(&self) -> BTreeMap<String, Option<[u64; 2]>> {
        let mut found = BTreeMap::new();
        self.walk(&mut |name, node| {
            if let Node::Stream(stream) = node {
                found.insert(name.to_string(), stream.state());
            }
        });
        found
    }

    /// Sets every random stream to what [`Module::random_state`] gave.
    ///
    /// # Errors
    /// Names other than this tree's.
    #[track_caller]
    fn set_random_state(&self, state: &BTreeMap<String, Option<[u64; 2]>>) -> Result<()> {
        let own = self.random_state();
        if !own.keys().eq(state.keys()) {
            let (own, given): (Vec<_>, Vec<_>) = (own.keys().collect(), state.keys().collect());
            return Err(Error::argument(format!("the network's random streams are {own:?}, the state has {given:?}"))
                .op("set_random_state")
                .at(std::panic::Location::caller()));
        }
        self.walk(&mut |name, node| {
            if let Node::Stream(stream) = node {
                stream.set_state(state[name]);
            }
        });
        Ok(())
    }
}

#[track_caller]
fn initialise(module: &(impl Module + ?Sized), seed: u64, anew: bool) -> Result<()> {
    let at = std::panic::Location::caller();
    let rng = Rng::new(seed);
    let mut seen = HashSet::new();
    let mut result = Ok(());
    module.walk(&mut |name, node| {
        let done = match node {
            Node::Param(param) if seen.insert(param.id()) => param.init(&rng.split(name), anew),
            Node::Buffer(buffer) => buffer.init(&rng.split(name), anew),
            Node::Stream(stream) => {
                stream.set_state(Some([rng.split(name).key(), 0]));
                Ok(())
            }
            _ => Ok(()),
        };
        let done = done.map_err(|e| e.op("init").at(at).within(name));
        result = std::mem::replace(&mut result, Ok(())).and(done);
    });
    result
}

fn set_mode(module: &(impl Module + ?Sized), training: bool) {
    module.walk(&mut |_, node| {
        if let Node::Mode(mode) = node {
            mode.set(training);
        }
    });
}

#[track_caller]
fn set_trainable(module: &(impl Module + ?Sized), prefix: &str, trainable: bool) -> Result<usize> {
    let below = |name: &str| {
        prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut count = 0;
    for (_, param) in module.named_parameters().iter().filter(|(name, _)| below(name)) {
        param.set_trainable(trainable);
        count += 1;
    }
    if count == 0 && !prefix.is_empty() {
        let mut tops: Vec<String> = Vec::new();
        for (name, _) in module.named_parameters() {
            let top = name.split('.').next().unwrap_or_default().to_string();
            if !tops.contains(&top) {
                tops.push(top);
            }
        }
        return Err(Error::argument(format!("no parameter is named or below {prefix:?}"))
            .op(if trainable { "unfreeze" } else { "freeze" })
            .at(std::panic::Location::caller())
            .mend(format!("the names at the top are {}", tops.join(", "))));
    }
    Ok(count)
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
    fn visit(&self, visitor: &mut Visitor<'_>) {
        (**self).visit(visitor);
    }
}

/// Something in a module's tree.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    /// A module; what is in it follows.
    Module(&'a dyn Module),
    /// A parameter.
    Param(&'a Param),
    /// A buffer.
    Buffer(&'a Buffer),
    /// Whether a part is training.
    Mode(&'a Mode),
    /// A random stream.
    Stream(&'a Stream),
}

/// What [`Module::visit`] shows its fields to: it keeps the names on the way.
pub struct Visitor<'a> {
    path: String,
    see: &'a mut dyn FnMut(&str, Node<'_>),
}

impl Visitor<'_> {
    /// Shows a field under its name.
    pub fn field<F: Field + ?Sized>(&mut self, name: &str, field: &F) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        field.show(self);
        self.path.truncate(length);
    }

    fn see(&mut self, node: Node<'_>) {
        (self.see)(&self.path, node);
    }
}

/// What a field of a module can be.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` has no place in the tree of a module",
    label = "neither a module, parameter or buffer, nor a plain setting",
    note = "derive `Module` for `{Self}`, or mark the field `#[module(skip)]`"
)]
pub trait Field: Send + Sync + 'static {
    /// Shows what is in the field, at the visitor's place in the tree.
    fn show(&self, visitor: &mut Visitor<'_>);
}

impl<M: Module> Field for M {
    fn show(&self, visitor: &mut Visitor<'_>) {
        visitor.see(Node::Module(self));
        self.visit(visitor);
    }
}

macro_rules! leaves {
    ($($name:ident),*) => {$(
        impl Field for $name {
            fn show(&self, visitor: &mut Visitor<'_>) {
                visitor.see(Node::$name(self));
            }
        }
    )*};
}
leaves!(Buffer, Mode, Stream);

impl Field for Param {
    fn show(&self, visitor: &mut Visitor<'_>) {
        let Some(by) = self.parametrization() else { return visitor.see(Node::Param(self)) };
        // `layer.weight` becomes `layer.parametrizations.weight`; the visitor cuts it off.
        let name = visitor.path.rfind('.').map_or(0, |dot| dot + 1);
        visitor.path.insert_str(name, "parametrizations.");
        visitor.see(Node::Module(&*by));
        by.visit(visitor);
    }
}

impl<T: Field> Field for Option<T> {
    fn show(&self, visitor: &mut Visitor<'_>) {
        if let Some(field) = self {
            field.show(visitor);
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn show(&self, visitor: &mut Visitor<'_>) {
        self.iter().enumerate().for_each(|(i, field)| visitor.field(&i.to_string(), field));
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    fn show(&self, visitor: &mut Visitor<'_>) {
        self.iter().enumerate().for_each(|(i, field)| visitor.field(&i.to_string(), field));
    }
}

macro_rules! tuples {
    ($($($T:ident $i:tt),+;)*) => {$(
        impl<$($T: Field),+> Field for ($($T,)+) {
            fn show(&self, visitor: &mut Visitor<'_>) {
                $(visitor.field(stringify!($i), &self.$i);)+
            }
        }
    )*};
}
tuples! { A 0, B 1; A 0, B 1, C 2; A 0, B 1, C 2, D 3; }

macro_rules! settings {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            fn show(&self, _: &mut Visitor<'_>) {}
        }
    )*};
}
settings!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64, char, String, &'static str);
settings!(DType, mapsto_tensor::Shape, std::path::PathBuf);
