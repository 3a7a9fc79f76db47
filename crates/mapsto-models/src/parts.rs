//! What several architectures are made of, and the checks that all of them share.

use mapsto_nn::init::{Fan, Nonlinearity};
use mapsto_nn::{
    BatchNorm2d, Conv2d, ConvConfig, Embedding, Init, Layer, Linear, Module, Param, Sequential, TransformerActivation,
    TransformerLayerConfig, TransformerStackConfig, sequential,
};
use mapsto_tensor::{Error, Result};

/// The greatest size that a setting can have: products of a few do not overflow, and no sensible model has more.
const MOST_SIZE: usize = 1 << 24;
/// The greatest width multiplier.
const MOST_MULTIPLIER: f64 = 64.0;
/// The most layers in a row: beyond it a mistyped number would fill the memory before anyone could tell.
const MOST_LAYERS: usize = 1_000;
/// The most stages of an image model: each halves the picture.
const MOST_STAGES: usize = 8;
/// The most numbers in a table of positions: 1 GiB.
const MOST_POSITIONS: usize = 1 << 28;
/// The most numbers in all parameters together: 8 GiB.
const MOST_PARAMETERS: usize = 1 << 31;

/// Fails unless a size is above zero and sensible.
pub(crate) fn check_size(name: &str, size: usize) -> Result<()> {
    if (1..=MOST_SIZE).contains(&size) {
        return Ok(());
    }
    Err(Error::argument(format!("{name} is {size}, not in 1..={MOST_SIZE}")))
}

/// Fails unless a width multiplier is above zero and sensible.
pub(crate) fn check_multiplier(width: f64) -> Result<()> {
    if width > 0.0 && width <= MOST_MULTIPLIER {
        return Ok(());
    }
    Err(Error::argument(format!("width_multiplier is {width}, not above 0 and at most {MOST_MULTIPLIER}")))
}

/// Fails unless each stage has a layer and they are not too many.
pub(crate) fn check_stages(name: &str, stages: &[usize]) -> Result<()> {
    if !(1..=MOST_STAGES).contains(&stages.len()) {
        let problem = format!("{name} has {} stages, not 1 to {MOST_STAGES}", stages.len());
        return Err(Error::argument(problem));
    }
    if stages.contains(&0) {
        return Err(Error::argument(format!("{name} is {stages:?}: a stage has at least one")));
    }
    check_layers(name, stages.iter().fold(0, |sum, &count| sum.saturating_add(count)))
}

/// Fails if there are too many layers in a row.
pub(crate) fn check_layers(name: &str, count: usize) -> Result<()> {
    if count <= MOST_LAYERS {
        return Ok(());
    }
    Err(Error::argument(format!("{name} asks for {count} layers, more than {MOST_LAYERS}")))
}

/// Fails if a table of positions of this length would be too large.
pub(crate) fn check_positions(length: usize, width: usize) -> Result<()> {
    if length.saturating_mul(width) <= MOST_POSITIONS {
        return Ok(());
    }
    let problem = format!("positions of {length} places of {width} numbers are too many");
    Err(Error::memory(problem).mend("choose a smaller length or width"))
}

/// The network, unless its parameters are too many. They have shapes but no values yet, so nothing is allocated.
pub(crate) fn check_parameters<M: Module>(network: M) -> Result<M> {
    let count = |sum: usize, param: &Param| sum.saturating_add(param.shape().numel());
    let parameters = network.parameters().iter().fold(0, count);
    if parameters <= MOST_PARAMETERS {
        return Ok(network);
    }
    Err(Error::memory(format!("the network would have {parameters} parameters, more than {MOST_PARAMETERS}"))
        .mend("are the sizes mistyped? smaller ones need less"))
}

/// A convolution whose weights keep the variance of gradients (He et al. 2015) and whose bias, if any, is zero at first,
/// as torchvision has them.
pub(crate) fn convolution(config: ConvConfig) -> Result<Conv2d> {
    let layer = Conv2d::from_config(&config)?;
    layer.weight.set_init(Init::kaiming_normal(Fan::Out, Nonlinearity::Relu));
    if let Some(bias) = &layer.bias {
        bias.set_init(Init::Zeros);
    }
    Ok(layer)
}

/// A square convolution without bias that keeps the picture's size at stride 1.
pub(crate) fn same(i: usize, o: usize, kernel: usize, stride: usize, groups: usize) -> Result<Conv2d> {
    convolution(ConvConfig::new(i, o, kernel).stride(stride).padding(kernel / 2).groups(groups).no_bias())
}

/// [`same`], its normalisation and an activation.
pub(crate) fn block(
    [i, o]: [usize; 2],
    kernel: usize,
    stride: usize,
    groups: usize,
    activation: impl Layer,
) -> Result<Sequential> {
    Ok(sequential![same(i, o, kernel, stride, groups)?, BatchNorm2d::new(o)?, activation])
}

/// A last layer that begins near zero, as those of torchvision's VGG and MobileNet do.
pub(crate) fn near_zero(inputs: usize, outputs: usize) -> Result<Linear> {
    let layer = Linear::new(inputs, outputs)?;
    layer.weight.set_init(Init::Normal { mean: 0.0, std: 0.01 });
    if let Some(bias) = &layer.bias {
        bias.set_init(Init::Zeros);
    }
    Ok(layer)
}

/// An embedding whose vectors have a length of about one at first: multiplied by the root of their width they are as large as positions.
pub(crate) fn unit_embedding(tokens: usize, width: usize) -> Result<Embedding> {
    let embedding = Embedding::new(tokens, width)?;
    embedding.weight.set_init(Init::Normal { mean: 0.0, std: 1.0 / (width as f64).sqrt() });
    Ok(embedding)
}

/// The layers of a Transformer with GELU and the normalisation before each part (Xiong et al., *On Layer Normalization in the Transformer
/// Architecture*, 2020), batches first, and one more normalisation behind the last.
pub(crate) fn transformer_stack(
    [width, heads, feedforward]: [usize; 3],
    layers: usize,
    dropout: f64,
) -> Result<TransformerStackConfig> {
    check_size("width", width)?;
    check_size("heads", heads)?;
    check_size("feedforward", feedforward)?;
    check_layers("layers", layers)?;
    let layer = TransformerLayerConfig::new(width, heads)
        .dim_feedforward(feedforward)
        .dropout(dropout)
        .activation(TransformerActivation::Gelu)
        .batch_first()
        .norm_first();
    Ok(TransformerStackConfig { layer, num_layers: layers, norm: true })
}
