//! Where the first NaN or infinity comes from.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::grad::no_grad;
use crate::op::{Attribute, Op};
use crate::tensor::{Moment, Tensor, moment};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;

/// The first operation that gave NaN or infinity without having been given any.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotFinite {
    /// The operation.
    pub op: &'static str,
    /// The line of whoever called it.
    pub at: &'static Location<'static>,
    /// Whether its gradient gave it, and not the operation itself.
    pub in_gradient: bool,
    /// When the operation itself ran.
    pub moment: Moment,
    /// The first such number.
    pub value: f64,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gradient = if self.in_gradient { "the gradient of " } else { "" };
        write!(f, "{gradient}{} at {}:{} was the first to give {}", self.op, self.at.file(), self.at.line(), self.value)
    }
}

thread_local! {
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    static FOUND: RefCell<Option<NotFinite>> = const { RefCell::new(None) };
}

/// Runs `f` and looks at what every operation of this thread gives, in forward and backward passes: the first that gives NaN or
/// infinity, where it was given none, fails. It costs a look at every number: for a step that is known to go wrong.
///
/// ```
/// use mapsto_tensor::{Tensor, watch_finite};
/// let x = Tensor::new([0.0f32, 1.0])?;
/// let (_, found) = watch_finite(|| x.ln()?.sum());
/// assert_eq!(found.map(|found| found.op), Some("ln"));
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
pub fn watch_finite<R>(f: impl FnOnce() -> R) -> (R, Option<NotFinite>) {
    let _watching = Watching::set(true);
    FOUND.take();
    let result = f();
    (result, FOUND.take())
}

/// Sets the watch while it lives, also through a panic.
struct Watching {
    before: bool,
}

impl Watching {
    fn set(on: bool) -> Watching {
        Watching { before: WATCHING.replace(on) }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHING.set(self.before);
    }
}

/// Whether this thread looks at what operations give.
pub(crate) fn is_watching() -> bool {
    WATCHING.get()
}

/// Runs `f` without looking.
pub(crate) fn unwatched<R>(f: impl FnOnce() -> R) -> R {
    let _not_this = Watching::set(false);
    f()
}

/// What was not finite among some values.
#[derive(Clone, Copy, Default, PartialEq)]
struct Seen {
    nan: bool,
    infinity: Option<f64>,
}

fn seen<'a>(values: impl IntoIterator<Item = &'a Tensor>) -> Result<Seen> {
    let mut seen = Seen::default();
    for value in values.into_iter().filter(|value| value.dtype().is_float()) {
        for x in value.to_dtype(DType::F64)?.to_vec::<f64>()? {
            seen.nan |= x.is_nan();
            seen.infinity = seen.infinity.or(x.is_infinite().then_some(x));
        }
    }
    Ok(seen)
}

/// Fails where an operation, or its gradient, made something of finite values that is not.
pub(crate) fn check(
    op: &dyn Op,
    at: &'static Location<'static>,
    gradient_of: Option<u64>,
    given: &[&Tensor],
    gave: &[&Tensor],
) -> Result<()> {
    let look = |values: &[&Tensor]| unwatched(|| no_grad(|| seen(values.iter().copied())));
    let (before, after) = (look(given)?, look(gave)?);
    // What a setting names is meant, as the minus infinity of a mask.
    let meant = |x: f64| op.attributes().iter().any(|(_, value)| matches!(value, Attribute::Float(y) if *y == x));
    let infinity = after.infinity.filter(|&x| before.infinity.is_none() && !before.nan && !meant(x));
    let Some(value) = (after.nan && !before.nan).then_some(f64::NAN).or(infinity) else { return Ok(()) };
    let now = moment();
    let moment = gradient_of.map_or(now, |id| Moment { id, ..now });
    let found = NotFinite { op: op.name(), at, in_gradient: gradient_of.is_some(), moment, value };
    FOUND.replace(Some(found));
    Err(Error::gradient(format!("it made {value} of finite numbers")))
}
