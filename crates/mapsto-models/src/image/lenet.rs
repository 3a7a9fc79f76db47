//! LeNet-5 (LeCun, Bottou, Bengio and Haffner, *Gradient-Based Learning Applied to Document Recognition*, 1998).

use super::ImageShape;
use mapsto_nn::{Conv2d, ConvConfig, Layer, Linear, MaxPool2d, Module, scope};
use mapsto_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// Settings of [`LeNet`]: there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeNetConfig {}

/// LeNet-5 with today's parts, ReLU and max-pooling: two convolutions of 5 x 5 (the first pads by 2, so that pictures of
/// 28 x 28 give the paper's sizes), each pooled by 2, and three fully connected layers. Weights begin by the layers' own
/// rule.
#[derive(Module)]
pub struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
    #[module(skip)]
    input: ImageShape,
    #[module(skip)]
    halve: MaxPool2d,
}

/// The size behind the convolutions and poolings; none if the picture is too small.
fn reduced(size: usize) -> Option<usize> {
    (size / 2).checked_sub(4).map(|size| size / 2).filter(|&size| size > 0)
}

impl LeNet {
    /// For pictures of one size.
    ///
    /// # Errors
    /// A picture of less than 12 x 12; sizes whose product is too large.
    pub(super) fn new(_: &LeNetConfig, input: ImageShape, classes: usize) -> Result<LeNet> {
        let ImageShape { channels, height, width } = input;
        let (Some(rows), Some(columns)) = (reduced(height), reduced(width)) else {
            return Err(Error::shape(format!("a picture of {height} x {width} is too small: 12 x 12 is the least"))
                .mend("enlarge the pictures, or choose an architecture without this bound such as resnet20"));
        };
        let features = rows.saturating_mul(columns).saturating_mul(16);
        Ok(LeNet {
            conv1: Conv2d::from_config(&ConvConfig::new(channels, 6, 5).padding(2))?,
            conv2: Conv2d::new(6, 16, 5)?,
            fc1: Linear::new(features, 120)?,
            fc2: Linear::new(120, 84)?,
            fc3: Linear::new(84, classes)?,
            input,
            halve: MaxPool2d::new(2)?,
        })
    }
}

impl Layer for LeNet {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let ImageShape { channels, height, width } = self.input;
        if x.rank() != 4 || x.shape()[1..] != [channels, height, width] {
            return Err(Error::shape(format!("takes [N, {channels}, {height}, {width}], not {}", x.shape()))
                .op("LeNet")
                .at(Location::caller())
                .mend("resize the pictures, or build it for their size"));
        }
        let x = self.halve.forward(&self.conv1.forward(x)?.relu()?)?;
        let x = self.halve.forward(&self.conv2.forward(&x)?.relu()?)?;
        let x = self.fc1.forward(&x.flatten(1, -1)?)?.relu()?;
        self.fc3.forward(&self.fc2.forward(&x)?.relu()?)
    }
}
