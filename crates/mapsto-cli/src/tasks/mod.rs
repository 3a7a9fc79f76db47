//! What the commands can train, a folder or file each: data, model, loss, loop, metrics.

pub mod digits;
