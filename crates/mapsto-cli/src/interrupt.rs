//! Ctrl-C as a question that long work asks, so that it can end in good order.

use crate::failure::Failure;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);
/// What shells report of a program that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

/// From now on the first Ctrl-C is left to [`is_asked`]; a second one ends the process at once.
pub fn watch() -> Result<(), Failure> {
    let handler = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_CODE.into());
        }
    };
    ctrlc::set_handler(handler).map_err(|e| Failure::Internal(format!("cannot watch for Ctrl-C: {e}")))
}

/// Whether Ctrl-C was pressed.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
