//! Panics of others' code that are errors here.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Catches panics of `f`, which say nothing: decoders have many for damaged files.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    static HOOK: Once = Once::new();
    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |said| {
            if !QUIET.get() {
                before(said);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(outer);
    done
}

/// The words of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it is damaged ({})", words.unwrap_or("the decoder gave up"))
}
