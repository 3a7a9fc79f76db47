//! One layer after another.

use super::Layer;
use crate::module::{Module, Visitor};
use mapsto_tensor::{Result, Tensor};

/// Layers in a row, each given the output of the one before. Their names in the tree are their numbers.
#[derive(Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Layer>>,
}

/// A [`Sequential`] of layers of any types: `sequential![Linear::new(2, 3)?, Tanh]`.
#[macro_export]
macro_rules! sequential {
    ($($layer:expr),* $(,)?) => {
        $crate::Sequential::new()$(.push($layer))*
    };
}

impl Sequential {
    /// No layers: the identity.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// With a layer added at the end.
    pub fn push(mut self, layer: impl Layer) -> Sequential {
        self.layers.push(Box::new(layer));
        self
    }

    /// The layers.
    pub fn layers(&self) -> &[Box<dyn Layer>] {
        &self.layers
    }

    /// The layers, to replace some.
    pub fn layers_mut(&mut self) -> &mut Vec<Box<dyn Layer>> {
        &mut self.layers
    }
}

impl Module for Sequential {
    fn kind(&self) -> &'static str {
        "Sequential"
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.layers.iter().enumerate().for_each(|(i, layer)| visitor.field(&i.to_string(), layer));
    }
}

impl Layer for Sequential {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let at = std::panic::Location::caller();
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x).map_err(|e| e.at(at).within(format!("{i} {}", layer.kind())))?;
        }
        Ok(x)
    }
}
