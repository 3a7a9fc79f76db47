//! Architectures for images, sounds, speech, tables, texts, series and ratings, each from a configuration that is saved with the weights.
//!
//! ```
//! use mapsto_models::{ImageModel, ImageShape};
//! use mapsto_nn::{Layer, Module};
//! use mapsto_tensor::{DType, Tensor};
//!
//! let input = ImageShape { channels: 3, height: 32, width: 32 };
//! let model = ImageModel::named("resnet20").expect("one of ImageModel::NAMES").fitted_to(32, 32);
//! let network = model.build(input, 10)?.init(42)?;
//! let logits = network.forward(&Tensor::zeros([2, 3, 32, 32], DType::F32)?)?;
//! assert_eq!(logits.shape()[..], [2, 10]);
//! assert_eq!(network.num_parameters(), 269_722);
//!
//! // All but the last layer is kept for other pictures.
//! network.freeze("")?;
//! network.unfreeze(model.head_prefix())?;
//! # Ok::<(), mapsto_tensor::Error>(())
//! ```

pub mod audio;
pub mod decode;
pub mod forecast;
pub mod image;
pub mod language;
mod mixture;
mod parts;
mod positions;
pub mod recommend;
mod registry;
pub mod series;
pub mod speech;
pub mod synthesis;
pub mod table;
pub mod text;
mod transfer;
pub mod translation;

pub use audio::{AudioModel, AudioNet, AudioShape};
pub use forecast::{ForecastModel, ForecastNet, ForecastShape};
pub use image::{ImageModel, ImageShape, Stem};
pub use language::{LanguageModel, LanguageNet, LanguageShape};
pub use mixture::Mixture;
pub use recommend::{Query, RecommendModel, RecommendNet, RecommendShape, Side};
pub use series::{SeriesModel, SeriesNet, SeriesShape};
pub use speech::SpeechModel;
pub use synthesis::{SynthesisModel, SynthesisShape};
pub use table::{TableModel, TableNet, TableShape};
pub use text::{TextModel, TextNet, TextShape};
pub use transfer::load_all_but;
pub use translation::{TranslationModel, TranslationNet, TranslationShape};
