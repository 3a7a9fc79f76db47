//! Files for readers that take paths.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Runs a reader on a file of these bytes, in memory where the system has such a folder. One file a process.
pub fn with_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        folder.join(format!("mapsto-fuzz-{}", std::process::id()))
    });
    std::fs::write(&*FILE, bytes).expect("a file");
    read(&FILE);
}
