//! Weights of a network that was trained for something else.

use mapsto_nn::{LoadOptions, Module, StateDict};
use mapsto_tensor::{Error, Result};
use std::panic::Location;

/// Takes all values over but those of the head, `ImageModel::head_prefix` and the like: that keeps its
/// own, so that it may have another number of outputs. The network has been initialised. Nothing has changed after an
/// error.
///
/// ```
/// use mapsto_models::{ImageModel, ImageShape, load_all_but};
/// use mapsto_nn::Module;
///
/// let model = ImageModel::named("resnet20").expect("one of ImageModel::NAMES");
/// let input = ImageShape { channels: 1, height: 8, width: 8 };
/// let ten = model.build(input, 10)?.init(1)?;
/// let three = model.build(input, 3)?.init(2)?;
/// load_all_but(model.head_prefix(), &three, &ten.state_dict()?)?;
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
///
/// # Errors
/// Names that are missing or not in the network, shapes that differ, outside the head; a head without values; a network
/// that is all head.
#[track_caller]
pub fn load_all_but(head: &str, network: &(impl Module + ?Sized), values: &StateDict) -> Result<()> {
    if head.is_empty() {
        return Err(Error::argument("the head is all of the network: there is nothing to take over")
            .op("load_all_but")
            .at(Location::caller())
            .mend("train it from its first values"));
    }
    let in_head = |name: &str| name.strip_prefix(head).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let mut values = values.clone();
    for (name, param) in network.named_parameters().into_iter().filter(|(name, _)| in_head(name)) {
        values.insert(name, param.get()?.detach());
    }
    network.load_state_dict(&values, &LoadOptions::strict()).map(|_| ())
}
