//! Weights to begin with.

use crate::error::TaskError;
use crate::saved::{MODEL_FILE, Saved};
use crate::settings::Settings;
use crate::task::Task;
use mapsto_formats::read_torch;
use mapsto_models::load_all_but;
use mapsto_nn::{LoadOptions, Module, StateDict, read_state};
use std::path::Path;

/// Weights by name, of a safetensors file, a PyTorch checkpoint, or the model file in a folder.
fn read_weights(path: &Path) -> Result<StateDict, TaskError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        let file = read_state(path).map_err(|e| TaskError::Input(format!("{e:#}")))?;
        return Ok(file.tensors);
    }
    let state = read_torch(path).map_err(TaskError::input)?.state_dict();
    Ok(state.map_err(|e| TaskError::Input(format!("{}: {e}", path.display())))?.tensors)
}

/// What an earlier run of a task was: its settings, and what it had learned of its data.
///
/// # Errors
/// No run, or one of another task.
pub(crate) fn earlier<T: Task>(run: &Path) -> Result<(Settings<T::Config>, T::Preparation), TaskError> {
    let mend = format!("--pretrained takes a run of {}, or the model file in it", T::NAME);
    let saved = Saved::read(run).map_err(|e| TaskError::Input(format!("{e}; {mend}")))?;
    if saved.task != T::NAME {
        return Err(saved.wrong("network", format!("it is one of {}, not of {}", saved.task, T::NAME)));
    }
    Ok((saved.part("settings", &saved.settings)?, saved.part("preparation", &saved.preparation)?))
}

/// Lets a network begin with the weights at a path, of which `own` says what it takes; its head, if one is named, keeps its own values. An
/// empty path leaves all as it is, a folder is one with a model file.
///
/// # Errors
/// Weights that cannot be read, or do not fit the network.
pub(crate) fn begin_with(
    path: &Path,
    head: Option<&str>,
    network: &impl Module,
    own: impl Fn(StateDict) -> StateDict,
) -> Result<(), TaskError> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let path = if path.is_dir() { &path.join(MODEL_FILE) } else { path };
    let values = own(read_weights(path)?);
    let loaded = match head {
        Some(head) => load_all_but(head, network, &values),
        None => network.load_state_dict(&values, &LoadOptions::strict()).map(|_| ()),
    };
    loaded.map_err(|e| TaskError::Input(format!("{}: {e:#}", path.display())))
}
