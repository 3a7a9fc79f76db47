//! Models of tables, numbers `[N, n]` and categories `[N, c]` to `[N, outputs]`, and the registry that builds one by its
//! settings.

pub mod linear;
pub mod mlp;

pub use linear::{LinearModel, LinearModelConfig};
pub use mlp::{Activation, Mlp, MlpConfig, Norm};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::{Embedding, Init, Layer, Module};
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The columns that a model takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableShape {
    /// Number of columns of numbers.
    pub numbers: usize,
    /// How many codes each column of categories has, code 0, which stands for the unknown, among them.
    pub categories: Vec<usize>,
}

/// An architecture for tables and its settings, as it is saved with the weights: a table with the key `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum TableModel {
    /// See [`LinearModel`].
    Linear(LinearModelConfig),
    /// See [`Mlp`].
    Mlp(MlpConfig),
}

named! { TableModel:
    "linear" => TableModel::Linear(LinearModelConfig::default()),
    "logistic" => TableModel::Linear(LinearModelConfig::default()),
    "mlp" => TableModel::Mlp(MlpConfig::default()),
}

impl TableModel {
    /// The network for tables of these columns, whose parameters have no values yet: [`Module::init`] or a saved state gives
    /// them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, no column at all, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, input: &TableShape, outputs: usize) -> Result<TableNet> {
        composed(self.kind(), || {
            check_size("the number of outputs", outputs)?;
            if input.numbers > 0 {
                check_size("the number of columns of numbers", input.numbers)?;
            } else if input.categories.is_empty() {
                return Err(Error::shape("a table without a column of numbers or categories tells nothing"));
            }
            for (column, &codes) in input.categories.iter().enumerate() {
                check_size(&format!("the number of codes of column {column} of the categories"), codes)?;
            }
            check_parameters(match self {
                TableModel::Linear(_) => TableNet::Linear(LinearModel::new(input, outputs)?),
                TableModel::Mlp(config) => TableNet::Mlp(Mlp::new(config, input, outputs)?),
            })
        })
    }

    /// The name of the last layer in the network's tree; empty, which means all of it, where there is but one.
    pub fn head_prefix(&self) -> &'static str {
        match self {
            TableModel::Linear(_) => "",
            TableModel::Mlp(_) => "head",
        }
    }

    /// The name of the architecture in errors.
    fn kind(&self) -> &'static str {
        match self {
            TableModel::Linear(_) => "Linear",
            TableModel::Mlp(_) => "MLP",
        }
    }
}

/// A network for tables.
#[derive(Module)]
pub enum TableNet {
    /// One linear layer.
    Linear(LinearModel),
    /// Several, with activations between them.
    Mlp(Mlp),
}

impl TableNet {
    /// The outputs `[N, outputs]` of numbers `[N, n]` of `f32` and codes of categories `[N, c]` of `i64`; `n` or `c` may
    /// be 0.
    ///
    /// # Errors
    /// Other shapes or types; a code that its column does not have.
    #[track_caller]
    pub fn forward(&self, numbers: &Tensor, categories: &Tensor) -> Result<Tensor> {
        match self {
            TableNet::Linear(network) => network.forward(numbers, categories),
            TableNet::Mlp(network) => network.forward(numbers, categories),
        }
    }
}

/// Fails unless these are as many numbers and categories as a network takes, of as many rows.
fn check_columns(numbers: &Tensor, categories: &Tensor, input: &TableShape) -> Result<()> {
    let (n, c) = (input.numbers, input.categories.len());
    let columns = |x: &Tensor| (x.rank() == 2).then(|| x.shape()[1]);
    let problem = if columns(numbers) != Some(n) {
        Error::shape(format!("takes numbers [N, {n}], not {}", numbers.shape()))
    } else if columns(categories) != Some(c) {
        Error::shape(format!("takes categories [N, {c}], not {}", categories.shape()))
    } else if numbers.shape()[0] != categories.shape()[0] {
        Error::shape(format!("{} rows of numbers, {} of categories", numbers.shape()[0], categories.shape()[0]))
    } else if !numbers.dtype().is_float() {
        Error::dtype(format!("numbers are {}, not floats", numbers.dtype()))
            .mend("convert them with to_dtype(DType::F32)")
    } else if categories.dtype() != DType::I64 {
        Error::dtype(format!("codes of categories are {}, not i64", categories.dtype()))
            .mend("convert them with to_dtype(DType::I64)")
    } else {
        return Ok(());
    };
    Err(problem)
}

/// A learned row for each code; that of the unknown is zero until it is trained.
fn embedding(codes: usize, width: usize, init: Init) -> Result<Embedding> {
    let table = Embedding::new(codes, width)?;
    table.weight.set_init(Init::ZeroRow { row: 0, of: Box::new(init) });
    Ok(table)
}

/// The learned rows of each column of categories.
fn rows(tables: &[Embedding], categories: &Tensor) -> Result<Vec<Tensor>> {
    let one = |(column, table): (usize, &Embedding)| {
        let codes = categories.narrow(1, column, 1)?.squeeze(&[1])?;
        table.forward(&codes).map_err(|e| e.within(format!("column {column} of the categories")))
    };
    tables.iter().enumerate().map(one).collect()
}
