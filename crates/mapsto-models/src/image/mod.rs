//! Models of pictures, `[N, channels, height, width]` to `[N, classes]`, and the registry that builds one by its settings.

pub mod lenet;
pub mod mobilenet_v1;
pub mod mobilenet_v2;
pub mod resnet;
pub mod vgg;

pub use lenet::{LeNet, LeNetConfig};
pub use mobilenet_v1::{MobileNetV1, MobileNetV1Config};
pub use mobilenet_v2::{MobileNetV2, MobileNetV2Config};
pub use resnet::{ResNet, ResNetBlock, ResNetConfig, Shortcut};
pub use vgg::{Vgg, VggConfig};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::Layer;
use mapsto_tensor::{Result, composed};
use serde::{Deserialize, Serialize};

/// Pictures whose shorter side has at most so many pixels are small.
const SMALL: usize = 64;

/// The size of the pictures that a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Channels: 1 of grey pictures, 3 of coloured ones.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
}

/// How a network begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// As for ImageNet's pictures of 224 x 224: the picture is reduced at once.
    #[default]
    Imagenet,
    /// As for pictures of 64 pixels and less: the first layer keeps the picture's size.
    Small,
}

impl Stem {
    /// How far MobileNet's first convolution moves.
    fn stride(self) -> usize {
        match self {
            Stem::Imagenet => 2,
            Stem::Small => 1,
        }
    }
}

/// An architecture for pictures and its settings, as it is saved with the weights: a table with the key `architecture`.
///
/// ```
/// use mapsto_models::ImageModel;
///
/// let model = ImageModel::named("resnet18").map(|model| model.fitted_to(32, 32));
/// let saved = r#"{"architecture": "resnet", "blocks": [2, 2, 2, 2], "stem": "small"}"#;
/// assert_eq!(serde_json::from_str::<ImageModel>(saved).ok(), model);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum ImageModel {
    /// See [`LeNet`].
    #[serde(rename = "lenet")]
    LeNet(LeNetConfig),
    /// See [`Vgg`].
    Vgg(VggConfig),
    /// See [`ResNet`].
    #[serde(rename = "resnet")]
    ResNet(ResNetConfig),
    /// See [`MobileNetV1`].
    #[serde(rename = "mobilenet_v1")]
    MobileNetV1(MobileNetV1Config),
    /// See [`MobileNetV2`].
    #[serde(rename = "mobilenet_v2")]
    MobileNetV2(MobileNetV2Config),
}

named! { ImageModel:
    "lenet" => ImageModel::LeNet(LeNetConfig::default()),
    "vgg11" => ImageModel::Vgg(VggConfig::new([1, 1, 2, 2, 2], false)),
    "vgg11_bn" => ImageModel::Vgg(VggConfig::new([1, 1, 2, 2, 2], true)),
    "vgg13" => ImageModel::Vgg(VggConfig::new([2, 2, 2, 2, 2], false)),
    "vgg13_bn" => ImageModel::Vgg(VggConfig::new([2, 2, 2, 2, 2], true)),
    "vgg16" => ImageModel::Vgg(VggConfig::new([2, 2, 3, 3, 3], false)),
    "vgg16_bn" => ImageModel::Vgg(VggConfig::new([2, 2, 3, 3, 3], true)),
    "vgg19" => ImageModel::Vgg(VggConfig::new([2, 2, 4, 4, 4], false)),
    "vgg19_bn" => ImageModel::Vgg(VggConfig::new([2, 2, 4, 4, 4], true)),
    "resnet18" => ImageModel::ResNet(ResNetConfig::basic([2, 2, 2, 2])),
    "resnet34" => ImageModel::ResNet(ResNetConfig::basic([3, 4, 6, 3])),
    "resnet50" => ImageModel::ResNet(ResNetConfig::bottleneck([3, 4, 6, 3])),
    "resnet101" => ImageModel::ResNet(ResNetConfig::bottleneck([3, 4, 23, 3])),
    "resnet152" => ImageModel::ResNet(ResNetConfig::bottleneck([3, 8, 36, 3])),
    "resnet20" => ImageModel::ResNet(ResNetConfig::cifar(3)),
    "resnet32" => ImageModel::ResNet(ResNetConfig::cifar(5)),
    "resnet44" => ImageModel::ResNet(ResNetConfig::cifar(7)),
    "resnet56" => ImageModel::ResNet(ResNetConfig::cifar(9)),
    "resnet110" => ImageModel::ResNet(ResNetConfig::cifar(18)),
    "mobilenet_v1" => ImageModel::MobileNetV1(MobileNetV1Config::default()),
    "mobilenet_v2" => ImageModel::MobileNetV2(MobileNetV2Config::default()),
}

impl ImageModel {
    /// The network for pictures of this size, whose parameters have no values yet: [`Module::init`](mapsto_nn::Module::init) or a saved state
    /// gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, a picture that is too small for the architecture, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, input: ImageShape, classes: usize) -> Result<Box<dyn Layer>> {
        composed(self.kind(), || {
            check_size("the number of channels", input.channels)?;
            check_size("the picture's height", input.height)?;
            check_size("the picture's width", input.width)?;
            check_size("the number of classes", classes)?;
            let network: Box<dyn Layer> = match self {
                ImageModel::LeNet(config) => Box::new(LeNet::new(config, input, classes)?),
                ImageModel::Vgg(config) => Box::new(Vgg::new(config, input, classes)?),
                ImageModel::ResNet(config) => Box::new(ResNet::new(config, input.channels, classes)?),
                ImageModel::MobileNetV1(config) => Box::new(MobileNetV1::new(config, input.channels, classes)?),
                ImageModel::MobileNetV2(config) => Box::new(MobileNetV2::new(config, input.channels, classes)?),
            };
            check_parameters(network)
        })
    }

    /// The same architecture, for small pictures (whose shorter side has at most 64 pixels) with the settings that are usual
    /// for these: [`Stem::Small`] of ResNet and MobileNet; of VGG one place in place of 7 x 7 before its fully connected
    /// layers, and these 512 wide in place of 4096.
    pub fn fitted_to(self, height: usize, width: usize) -> ImageModel {
        if height.min(width) > SMALL {
            return self;
        }
        match self {
            ImageModel::LeNet(config) => ImageModel::LeNet(config),
            ImageModel::Vgg(config) => ImageModel::Vgg(VggConfig { pooled: 1, hidden: 512, ..config }),
            ImageModel::ResNet(config) => ImageModel::ResNet(ResNetConfig { stem: Stem::Small, ..config }),
            ImageModel::MobileNetV1(config) => {
                ImageModel::MobileNetV1(MobileNetV1Config { stem: Stem::Small, ..config })
            }
            ImageModel::MobileNetV2(config) => {
                ImageModel::MobileNetV2(MobileNetV2Config { stem: Stem::Small, ..config })
            }
        }
    }

    /// The pictures that the architecture was made for, and how many classes of them are told apart: MNIST's, CIFAR-10's or ImageNet's.
    pub fn home(&self) -> (ImageShape, usize) {
        match self {
            ImageModel::LeNet(_) => (ImageShape { channels: 1, height: 28, width: 28 }, 10),
            ImageModel::ResNet(ResNetConfig { shortcut: Shortcut::Padding, .. }) => {
                (ImageShape { channels: 3, height: 32, width: 32 }, 10)
            }
            _ => (ImageShape { channels: 3, height: 224, width: 224 }, 1000),
        }
    }

    /// The name of the last layer in the network's tree, the one that has an output for each class.
    pub fn head_prefix(&self) -> &'static str {
        match self {
            ImageModel::LeNet(_) => "fc3",
            ImageModel::Vgg(_) => "classifier.6",
            ImageModel::ResNet(_) => "fc",
            ImageModel::MobileNetV1(_) | ImageModel::MobileNetV2(_) => "classifier.1",
        }
    }

    /// The name of the architecture in errors.
    fn kind(&self) -> &'static str {
        match self {
            ImageModel::LeNet(_) => "LeNet",
            ImageModel::Vgg(_) => "VGG",
            ImageModel::ResNet(_) => "ResNet",
            ImageModel::MobileNetV1(_) => "MobileNetV1",
            ImageModel::MobileNetV2(_) => "MobileNetV2",
        }
    }
}
