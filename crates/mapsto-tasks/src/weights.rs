//! Weights to begin with.

use crate::error::TaskError;
use mapsto_formats::read_torch;
use mapsto_nn::{StateDict, read_state};
use std::path::Path;

/// Weights by name, of a safetensors file or a PyTorch checkpoint.
pub(crate) fn read_weights(path: &Path) -> Result<StateDict, TaskError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        let file = read_state(path).map_err(|e| TaskError::Input(format!("{e:#}")))?;
        return Ok(file.tensors);
    }
    let state = read_torch(path).map_err(TaskError::input)?.state_dict();
    Ok(state.map_err(|e| TaskError::Input(format!("{}: {e}", path.display())))?.tensors)
}
