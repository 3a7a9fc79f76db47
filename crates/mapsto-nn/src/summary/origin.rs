//! In which layer the first NaN or infinity came up.

use super::places::Tree;
use super::scope::{Log, logged};
use crate::module::Module;
use mapsto_tensor::{Moment, NotFinite, watch_finite};
use std::fmt;

/// The operation that first made NaN or infinity of finite numbers, and the layer that it ran in.
#[derive(Clone, Debug)]
pub struct NotFiniteOrigin {
    /// The layer's name in its network.
    pub layer: String,
    /// Its kind: `Linear`.
    pub kind: &'static str,
    /// The operation.
    pub found: NotFinite,
}

impl fmt::Display for NotFiniteOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in layer {:?} ({}), {}", self.layer, self.kind, self.found)
    }
}

/// A step of training that went wrong, looked at.
pub struct NotFiniteTrace {
    log: Log,
    found: NotFinite,
}

impl NotFiniteTrace {
    /// Runs `f`, a step of training; gives what it gave, and a trace where NaN or infinity came up.
    ///
    /// ```
    /// use mapsto_nn::{Layer, Linear, Module, NotFiniteTrace, sequential};
    /// use mapsto_tensor::Tensor;
    ///
    /// let net = sequential![Linear::new(2, 3)?, Linear::new(3, 1)?].init(0)?;
    /// let huge = Tensor::new([[3e38f32, -3e38]])?;
    /// let (_, trace) = NotFiniteTrace::of(|| net.forward(&huge)?.mul(1e10)?.sum()?.backward());
    /// let trace = trace.expect("3e38 times 1e10 is infinite");
    /// assert_eq!(trace.found().op, "mul");
    /// // The product is of no layer.
    /// assert!(trace.origin("", &net).is_none());
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    pub fn of<R>(f: impl FnOnce() -> R) -> (R, Option<NotFiniteTrace>) {
        let ((result, found), log, _) = logged(|| watch_finite(f));
        (result, found.map(|found| NotFiniteTrace { log, found }))
    }

    /// Where in this network it came up, which has a name where there are several; none if it was not in use then.
    pub fn origin(&self, name: &str, network: &dyn Module) -> Option<NotFiniteOrigin> {
        let moment = self.found.moment;
        let until: Log = self.log.iter().copied().filter(|(at, _)| at.id <= moment.id).collect();
        // The operation is the one that follows the last event: nothing was computed between.
        let end = Moment { made: until.last()?.0.made + 1, ..moment };
        let tree = Tree::of(network);
        let place = &tree.places[Some(tree.failed(&until, end)).filter(|&place| place > 0)?];
        let layer = if name.is_empty() { place.path.clone() } else { format!("{name}.{}", place.path) };
        Some(NotFiniteOrigin { layer, kind: place.kind, found: self.found.clone() })
    }

    /// What it was, where no network tells the layer.
    pub fn found(&self) -> &NotFinite {
        &self.found
    }
}
