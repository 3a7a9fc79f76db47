//! The models of the tasks by their names, with sizes that suit them, and the forward passes that sum them up.

use mapsto_models::recommend::Query;
use mapsto_models::synthesis::Losses;
use mapsto_models::{
    AudioModel, AudioShape, ForecastModel, ForecastNet, ForecastShape, ImageModel, ImageShape, LanguageModel,
    LanguageNet, LanguageShape, Mixture, RecommendModel, RecommendNet, RecommendShape, SeriesModel, SeriesNet,
    SeriesShape, SpeechModel, SynthesisModel, SynthesisShape, TableModel, TableNet, TableShape, TextModel, TextNet,
    TextShape, TranslationModel, TranslationNet, TranslationShape,
};
use mapsto_nn::{AdamW, Module, Optimizer, Summary};
use mapsto_tensor::{DType, Error, Result, Tensor};

/// Tokens of a text that is said, and frames of each, in a summary.
const SAID: [usize; 2] = [20, 6];

/// The models that a task's networks can be.
#[derive(Clone, Copy)]
pub struct Models {
    /// Their names.
    pub names: &'static [&'static str],
    /// What the sizes of an input are called.
    pub sizes: &'static str,
    /// Usual sizes of the model of this name, and how many outputs it has, where that is another size.
    usual: fn(&str) -> (Vec<usize>, Option<usize>),
    /// The summary of the model of this name for such sizes, so many outputs and examples.
    summary: fn(&str, &[usize], usize, usize) -> Result<Summary>,
}

impl Models {
    /// The summary of a step of training with so many examples, for sizes and outputs as they are usual where they are not given.
    ///
    /// # Errors
    /// A name that is not among [`Models::names`]; sizes that cannot be; a refusal of memory.
    pub fn summary(
        &self,
        name: &str,
        input: Option<&[usize]>,
        outputs: Option<usize>,
        items: usize,
    ) -> Result<Summary> {
        let (usual, usual_outputs) = (self.usual)(name);
        let input = input.unwrap_or(&usual);
        if input.len() != usual.len() {
            let example: Vec<String> = usual.iter().map(usize::to_string).collect();
            return Err(Error::argument(format!("{name} takes the sizes {}", self.sizes))
                .mend(format!("give them as {}", example.join("x"))));
        }
        if outputs.is_some() && usual_outputs.is_none() {
            return Err(Error::argument(format!("the sizes {} tell how many outputs {name} has", self.sizes))
                .mend("leave the number of outputs out"));
        }
        (self.summary)(name, input, outputs.or(usual_outputs).unwrap_or(1), items)
    }
}

/// The model of this name.
fn named<M>(name: &str, of: fn(&str) -> Option<M>) -> Result<M> {
    of(name).ok_or_else(|| Error::argument(format!("there is no model {name:?}")))
}

/// The summary of a network that learns.
fn learning<N: Module>(network: N, summary: impl FnOnce(&N) -> Result<Summary>) -> Result<Summary> {
    let network = network.init(0)?;
    network.train();
    summary(&network)?.with_optimizer(&Optimizer::new(&network, AdamW::default())?)
}

/// Two sizes, whose number was compared.
fn two(sizes: &[usize]) -> [usize; 2] {
    [sizes[0], sizes[1]]
}

/// Numbers of tokens `[rows, length]`, and that all of them count, `[rows]`.
fn tokens(rows: usize, length: usize) -> Result<[Tensor; 2]> {
    Ok([Tensor::zeros([rows, length], DType::I64)?, Tensor::full([rows], length as i64, DType::I64)?])
}

pub(crate) const IMAGE: Models = Models {
    names: ImageModel::NAMES,
    sizes: "CHANNELSxHEIGHTxWIDTH",
    usual: |name| match ImageModel::named(name).map(|model| model.home()) {
        Some((ImageShape { channels, height, width }, classes)) => (vec![channels, height, width], Some(classes)),
        None => (Vec::new(), None),
    },
    summary: |name, sizes, outputs, items| {
        let (channels, height, width) = (sizes[0], sizes[1], sizes[2]);
        let model = named(name, ImageModel::named)?.fitted_to(height, width);
        learning(model.build(ImageShape { channels, height, width }, outputs)?, |network| {
            Summary::of(network, &Tensor::zeros([items, channels, height, width], DType::F32)?)
        })
    },
};

pub(crate) const TABLE: Models = Models {
    names: TableModel::NAMES,
    sizes: "COLUMNS",
    usual: |_| (vec![16], Some(1)),
    summary: |name, sizes, outputs, items| {
        let shape = TableShape { numbers: sizes[0], categories: Vec::new() };
        learning(named(name, TableModel::named)?.build(&shape, outputs)?, |network| {
            of_table(network, [sizes[0], 0], items)
        })
    },
};

/// Of a table with so many columns of numbers and of categories.
pub(crate) fn of_table(network: &TableNet, columns: [usize; 2], items: usize) -> Result<Summary> {
    let numbers = Tensor::zeros([items, columns[0]], DType::F32)?;
    let categories = Tensor::zeros([items, columns[1]], DType::I64)?;
    Summary::of_forward(network, &[&numbers, &categories], |x| Ok(vec![network.forward(&x[0], &x[1])?]))
}

pub(crate) const TEXT: Models = Models {
    names: TextModel::NAMES,
    sizes: "TOKENSxLENGTH",
    usual: |name| match name {
        "bert" | "minilm" => (vec![30_522, 128], Some(2)),
        _ => (vec![20_000, 256], Some(2)),
    },
    summary: |name, sizes, outputs, items| {
        let [tokens, length] = two(sizes);
        let network = named(name, TextModel::named)?.build(TextShape { tokens, length }, outputs)?;
        learning(network, |network| of_text(network, length, items))
    },
};

/// Of texts of so many tokens.
pub(crate) fn of_text(network: &TextNet, length: usize, items: usize) -> Result<Summary> {
    let [tokens, lengths] = tokens(items, length)?;
    Summary::of_forward(network, &[&tokens, &lengths], |x| Ok(vec![network.forward(&x[0], &x[1])?]))
}

pub(crate) const LANGUAGE: Models = Models {
    names: LanguageModel::NAMES,
    sizes: "TOKENSxLENGTH",
    usual: |_| (vec![100, 128], None),
    summary: |name, sizes, _, items| {
        let [tokens, length] = two(sizes);
        let network = named(name, LanguageModel::named)?.build(LanguageShape { tokens, length })?;
        learning(network, |network| of_language(network, network, length, items))
    },
};

/// Of windows of so many tokens, of a network in a module that may stand around it.
pub(crate) fn of_language(around: &impl Module, network: &LanguageNet, length: usize, items: usize) -> Result<Summary> {
    let [tokens, _] = tokens(items, length)?;
    Summary::of_forward(around, &[&tokens], |x| Ok(vec![network.forward(&x[0])?]))
}

pub(crate) const TRANSLATION: Models = Models {
    names: TranslationModel::NAMES,
    sizes: "TOKENSxLENGTH",
    usual: |_| (vec![4000, 100], None),
    summary: |name, sizes, _, items| {
        let [tokens, length] = two(sizes);
        let shape = TranslationShape { source: tokens, target: tokens, length };
        let network = named(name, TranslationModel::named)?.build(shape)?;
        learning(network, |network| of_translation(network, length, items))
    },
};

/// Of sources and targets of so many tokens.
pub(crate) fn of_translation(network: &TranslationNet, length: usize, items: usize) -> Result<Summary> {
    let [tokens, lengths] = tokens(items, length)?;
    Summary::of_forward(network, &[&tokens, &lengths, &tokens], |x| Ok(vec![network.forward(&x[0], &x[1], &x[2])?]))
}

pub(crate) const AUDIO: Models = Models {
    names: AudioModel::NAMES,
    sizes: "BANDSxFRAMES",
    usual: |_| (vec![64, 101], Some(10)),
    summary: |name, sizes, outputs, items| {
        let [rows, frames] = two(sizes);
        let network = named(name, AudioModel::named)?.build(AudioShape { rows }, outputs)?;
        learning(network, |network| of_sounds(network, [rows, frames], items, |x| network.forward(&x[0], &x[1])))
    },
};

pub(crate) const SPEECH: Models = Models {
    names: SpeechModel::NAMES,
    sizes: "BANDSxFRAMES",
    usual: |_| (vec![64, 101], Some(29)),
    summary: |name, sizes, outputs, items| {
        let [rows, frames] = two(sizes);
        let network = named(name, SpeechModel::named)?.build(AudioShape { rows }, outputs)?;
        learning(network, |network| of_sounds(network, [rows, frames], items, |x| Ok(network.forward(&x[0], &x[1])?.0)))
    },
};

/// Of sounds of so many bands and frames.
pub(crate) fn of_sounds(
    network: &impl Module,
    [rows, frames]: [usize; 2],
    items: usize,
    forward: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Summary> {
    let features = Tensor::zeros([items, 1, rows, frames], DType::F32)?;
    let frames = Tensor::full([items], frames as i64, DType::I64)?;
    Summary::of_forward(network, &[&features, &frames], |x| Ok(vec![forward(x)?]))
}

pub(crate) const SERIES: Models = Models {
    names: SeriesModel::NAMES,
    sizes: "CHANNELSxSTEPS",
    usual: |_| (vec![1, 128], Some(2)),
    summary: |name, sizes, outputs, items| {
        let network = named(name, SeriesModel::named)?.build(SeriesShape { channels: sizes[0] }, outputs)?;
        learning(network, |network| of_series(network, two(sizes), items))
    },
};

/// Of series of so many channels and steps.
pub(crate) fn of_series(network: &SeriesNet, [channels, steps]: [usize; 2], items: usize) -> Result<Summary> {
    let series = Tensor::zeros([items, channels, steps], DType::F32)?;
    let lengths = Tensor::full([items], steps as i64, DType::I64)?;
    Summary::of_forward(network, &[&series, &lengths], |x| Ok(vec![network.forward(&x[0], &x[1])?]))
}

pub(crate) const FORECAST: Models = Models {
    names: ForecastModel::NAMES,
    sizes: "CONTEXTxHORIZON",
    usual: |_| (vec![36, 12], Some(1)),
    summary: |name, sizes, targets, items| {
        let [context, horizon] = two(sizes);
        let shape = ForecastShape { context, horizon, targets, past: 0, known: 0 };
        learning(named(name, ForecastModel::named)?.build(shape)?, |network| of_forecast(network, shape, items))
    },
};

/// Of windows of such a shape.
pub(crate) fn of_forecast(network: &ForecastNet, shape: ForecastShape, items: usize) -> Result<Summary> {
    let ForecastShape { context, horizon, targets, past, known } = shape;
    let past = Tensor::zeros([items, context, targets + past + known], DType::F32)?;
    let future = Tensor::zeros([items, horizon, known], DType::F32)?;
    Summary::of_forward(network, &[&past, &future], |x| Ok(vec![network.forward(&x[0], &x[1])?]))
}

pub(crate) const RECOMMEND: Models = Models {
    names: RecommendModel::NAMES,
    sizes: "USERSxITEMS",
    usual: |_| (vec![1000, 1000], None),
    summary: |name, sizes, _, items| {
        let model = named(name, RecommendModel::named)?;
        // The unknown stands beside those that are counted.
        let [users, liked] = two(sizes).map(|count| count.saturating_add(1));
        let network = model.build(RecommendShape { users, items: liked })?;
        learning(network, |network| of_recommendation(network, network, &model, items))
    },
};

/// Of users, or of histories where the model reads them, each beside an item; of a network in a module that may stand around it.
pub(crate) fn of_recommendation(
    around: &impl Module,
    network: &RecommendNet,
    model: &RecommendModel,
    items: usize,
) -> Result<Summary> {
    let RecommendModel::Sequence(config) = model else {
        let ones = Tensor::full([items], 1, DType::I64)?;
        return Summary::of_forward(around, &[&ones, &ones], |x| {
            let users = network.users(&Query::Users(x[0].clone()))?;
            Ok(vec![users.beside(&network.items(&x[1])?)?])
        });
    };
    let steps = config.length;
    let read = Tensor::full([items, steps], 1, DType::I64)?;
    let lengths = Tensor::full([items], steps as i64, DType::I64)?;
    let (places, liked) = (Tensor::arange(0, read.numel() as i64, 1)?, read.reshape([read.numel()])?);
    Summary::of_forward(around, &[&read, &lengths, &places, &liked], |x| {
        let query = Query::Histories { items: x[0].clone(), lengths: x[1].clone(), places: x[2].clone() };
        Ok(vec![network.users(&query)?.beside(&network.items(&x[3])?)?])
    })
}

pub(crate) const SYNTHESIS: Models = Models {
    names: SynthesisModel::NAMES,
    sizes: "TOKENSxBANDS",
    usual: |_| (vec![40, 64], None),
    summary: |name, sizes, _, items| {
        let [tokens, bands] = two(sizes);
        let network = named(name, SynthesisModel::named)?.build(SynthesisShape { tokens, bands })?;
        learning(network, |network| of_synthesis(network, [tokens, bands], items))
    },
};

/// Of a text that is said in so many bands; of the tokens the last is silence.
pub(crate) fn of_synthesis(
    network: &mapsto_models::synthesis::Parallel,
    [tokens, bands]: [usize; 2],
    items: usize,
) -> Result<Summary> {
    let [length, each] = SAID;
    let frames = length * each;
    let text = Tensor::full([items, length], tokens.saturating_sub(1) as i64, DType::I64)?;
    let lengths = Tensor::full([items], length as i64, DType::I64)?;
    let bands = Tensor::zeros([items, frames, bands], DType::F32)?;
    let counts = Tensor::full([items], frames as i64, DType::I64)?;
    Summary::of_forward(network, &[&text, &lengths, &bands, &counts], |x| {
        let Losses { frames, durations, alignment } = Mixture::one(network).losses(&x[0], &x[1], &x[2], &x[3])?;
        Ok(vec![frames, durations, alignment])
    })
}
