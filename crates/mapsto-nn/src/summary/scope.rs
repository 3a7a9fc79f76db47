//! What a forward pass tells a summary of where it is.

use crate::Module;
use mapsto_tensor::{Moment, Tensor, moment};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

/// Something that happened in a forward pass.
#[derive(Clone, Copy)]
pub(super) enum Event {
    /// A module's own code began.
    Enter {
        /// Where the module lies in memory.
        address: usize,
        /// Its kind: a module and its first field lie at the same place.
        kind: &'static str,
    },
    /// And ended.
    Exit,
    /// A parameter or buffer was read.
    Read {
        /// Where the handle lies in memory: in which module, where modules share it.
        address: usize,
        /// What the handle means.
        id: usize,
        /// The identity of the value.
        value: u64,
    },
}

/// Events and their moments, in order.
pub(super) type Log = Vec<(Moment, Event)>;

thread_local! {
    static LOGGING: Cell<bool> = const { Cell::new(false) };
    static LOG: RefCell<Log> = const { RefCell::new(Log::new()) };
}

fn log(event: Event) {
    LOG.with_borrow_mut(|log| log.push((moment(), event)));
}

fn address<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).cast::<()>() as usize
}

/// Notes that the value of a handle is read.
pub(crate) fn log_read<H>(handle: &H, id: usize, value: &Tensor) {
    if LOGGING.get() {
        log(Event::Read { address: address(handle), id, value: value.id() });
    }
}

/// Runs `f`, and gives what happened in it and the moment of its end.
pub(super) fn logged<R>(f: impl FnOnce() -> R) -> (R, Log, Moment) {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            LOGGING.set(false);
        }
    }
    LOG.take();
    LOGGING.set(true);
    let off = Off;
    let result = f();
    drop(off);
    (result, LOG.take(), moment())
}

/// Says, while it lives, that what runs is a module's own code: see [`scope`].
#[must_use = "the scope ends where it is dropped: `let _scope = scope(self);`"]
pub struct Scope {
    logging: bool,
    /// A scope belongs to its thread.
    thread: PhantomData<*const ()>,
}

/// Says that what this thread runs from now on, until the scope is dropped, is the code of `module`: the first line of a
/// `forward`. A [`Summary`](crate::Summary) counts to the module what happens inside; nothing else looks at it, and it
/// costs nothing then.
///
/// All layers of this crate say so. A module that does not is placed by the parameters that it reads and by the layers in
/// it; only modules that have neither are not seen without it.
///
/// ```
/// use mapsto_nn::{Layer, Module, scope};
/// use mapsto_tensor::{Result, Tensor};
///
/// #[derive(Module)]
/// struct Doubled;
///
/// impl Layer for Doubled {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         let _scope = scope(self);
///         x.mul(2)
///     }
/// }
/// ```
pub fn scope<M: Module + ?Sized>(module: &M) -> Scope {
    let logging = LOGGING.get();
    if logging {
        log(Event::Enter { address: address(module), kind: module.kind() });
    }
    Scope { logging, thread: PhantomData }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if self.logging && LOGGING.get() {
            log(Event::Exit);
        }
    }
}
