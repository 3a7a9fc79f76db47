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
        let mut layers = self.layers.iter().enumerate().peekable();
        while let Some((i, layer)) = layers.next() {
            let relu = layers.next_if(|(_, next)| layer.rectifies() && next.is_relu());
            let y = if relu.is_some() { layer.forward_relu(&x) } else { layer.forward(&x) };
            x = y.map_err(|e| e.at(at).within(format!("{i} {}", layer.kind())))?;
            // It went by, for a summary.
            relu.iter().for_each(|(_, relu)| drop(crate::scope(relu.as_ref())));
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchNorm1d, InstanceNorm1d, Linear, Relu, Tanh};
    use mapsto_tensor::{DType, Rng};

    #[test]
    fn a_relu_is_done_by_the_layer_before_it() -> Result<()> {
        let make = || -> Result<Sequential> {
            let first = sequential![Relu, BatchNorm1d::new(6)?, Relu, Relu, Tanh, InstanceNorm1d::new(6)?, Relu];
            Ok(first.push(sequential![BatchNorm1d::new(6)?]).push(Relu).push(Linear::new(5, 3)?).push(Relu))
        };
        let x = Tensor::randn([4, 6, 5], DType::F32, &mut Rng::new(3))?.variable()?;
        let bits = |network: &Sequential, y: Tensor| -> Result<Vec<u32>> {
            let gradients = y.square()?.sum()?.backward()?;
            let mut all = [y.to_vec::<f32>()?, gradients.get(&x).expect("a gradient").to_vec::<f32>()?].concat();
            for (_, value) in network.state_dict()? {
                all.extend(value.to_dtype(DType::F32)?.to_vec::<f32>()?);
            }
            Ok(all.into_iter().map(f32::to_bits).collect())
        };
        let (together, apart) = (make()?.init(1)?, make()?.init(1)?);
        for training in [true, false] {
            for network in [&together, &apart] {
                if training { network.train() } else { network.eval() }
            }
            let whole = bits(&together, together.forward(&x)?)?;
            let y = apart.layers().iter().try_fold(x.clone(), |x, layer| layer.forward(&x))?;
            assert_eq!(whole, bits(&apart, y)?, "training: {training}");
        }
        Ok(())
    }
}
