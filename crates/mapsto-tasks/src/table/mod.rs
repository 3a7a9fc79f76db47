//! Tables: a column predicted from the others, a class or a number.

mod input;
mod truth;

pub use input::TableInput;

use crate::answered::Answered;
use crate::error::TaskError;
use crate::examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
use crate::fingerprint::Fingerprint;
use crate::models::{self, Models};
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::report::Shown;
use crate::request::{Begun, Request};
use crate::settings::{Settings, Training};
use crate::task::{Division, Given};
use input::EncodedRows;
use jiff::Timestamp;
use mapsto_data::{Encoding, Kind, Table, TableOptions, Values};
use mapsto_models::{TableModel, TableNet, TableShape};
use mapsto_nn::Summary;
use mapsto_tensor::{Result, Rng, Tensor};
use mapsto_train::{Labelled, short};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use truth::{division, truth};

/// Steps that a training has by default, about.
const STEPS: usize = 1500;
/// Tables of fewer rows spare none to choose the best epoch by.
const SPARE: usize = 1000;

/// Rows that go through a network at once outside training.
const CHUNK: usize = 4096;

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Problem {
    /// What the column's values suggest.
    Auto,
    /// Each distinct value is a class.
    Classification,
    /// Numbers.
    Regression,
}

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// The file.
    pub data: PathBuf,
    /// The column that is predicted.
    pub target: String,
    /// What kind of answer it is.
    pub problem: Problem,
    /// A column whose rows of one value stay on one side of every division; none if empty.
    pub group: String,
    /// A column of times or numbers by which the rows are divided; none if empty.
    pub time: String,
    /// Columns that say nothing.
    pub ignore: Vec<String>,
    /// Rows without an answer are passed over.
    pub skip_bad: bool,
    /// The network.
    pub model: TableModel,
}

/// What was learned of the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TablePreparation {
    kinds: BTreeMap<String, Kind>,
    encoding: Encoding,
}

/// The rows of a table with their answers.
pub struct TableExamples {
    table: Table,
    truth: Truth,
    given: Given,
    division: Division,
    fingerprint: u64,
    /// Columns that are no features.
    without: Vec<String>,
    /// Which rows have no answer and are passed over, in words.
    unanswered: Option<String>,
    /// What was decided for the user.
    decided: Problem,
}

impl TableExamples {
    fn of(table: Table, config: &TableConfig, known: Option<&Answers>) -> Result<TableExamples, TaskError> {
        let path = config.data.display();
        if table.rows() == 0 {
            return Err(TaskError::Input(format!("{path} has no rows")));
        }
        let mut without = vec![config.target.clone()];
        for name in [&config.group, &config.time].into_iter().chain(&config.ignore).filter(|name| !name.is_empty()) {
            // A network that has learned does without them.
            if known.is_none() {
                table.column(name).map_err(|e| TaskError::Input(format!("{path}: {e}")))?;
            }
            without.push(name.clone());
        }
        let column = table.column(&config.target).map_err(|e| TaskError::Input(format!("{path}: {e}")))?;
        let (missing, train): (Vec<usize>, Vec<usize>) =
            (0..table.rows()).partition(|&row| column.values.is_missing(row));
        let unanswered = missing.first().map(|first| {
            let (count, name, row) = (missing.len(), &config.target, first + 1);
            let what = "empty, or a word that stands for nothing, as NA and null";
            format!("{count} of {} rows have no {name:?} ({what}), row {row} first", table.rows())
        });
        if let Some(what) = unanswered.as_ref().filter(|_| !config.skip_bad || train.is_empty()) {
            let mend = "fill them in, or leave them out with --skip-bad";
            return Err(TaskError::Input(format!("{path}: {what}: {mend}")));
        }
        let (truth, decided) = truth(&config.target, &column.values, config.problem, known)
            .map_err(|what| TaskError::Input(format!("{path}: {what}")))?;
        let given = Given { train, ..Given::default() };
        let is_divided = known.is_none()
            || [&config.group, &config.time].into_iter().all(|name| name.is_empty() || table.column(name).is_ok());
        let division = if is_divided { division(&table, config)? } else { Division::Random };
        let fingerprint = fingerprint(&config.data)?;
        Ok(TableExamples { table, truth, given, division, fingerprint, without, unanswered, decided })
    }

    /// Whether the column that is predicted holds numbers, be they taken for classes or not.
    fn target_is_numbers(&self) -> bool {
        self.table.column(&self.without[0]).is_ok_and(|column| column.values.kind() == Kind::Number)
    }

    /// Settings of a table that nothing is known of yet.
    pub fn defaults(config: TableConfig) -> Settings<TableConfig> {
        let usual = Training { epochs: 100, warmup: 0.05, ..Training::default() };
        let training = match config.model {
            TableModel::Linear(_) => Training { learning_rate: 0.02, weight_decay: 0.0, ..usual },
            TableModel::Mlp(_) => Training { label_smoothing: 0.05, ..usual },
        };
        Settings::new(Self::NAME, training, config)
    }

    /// Settings that suit the table.
    pub fn settings(&self, config: TableConfig) -> Settings<TableConfig> {
        let mut settings = TableExamples::defaults(config);
        let rows = self.given.train.len();
        if rows < SPARE {
            settings.training.validation = 0.0;
        }
        let batch_size = (rows / 16).next_power_of_two().clamp(16, 256);
        settings.training.batch_size = batch_size;
        settings.training.epochs = (STEPS * batch_size / rows.max(1)).clamp(20, 400) as u64;
        settings
    }
}

/// Reads a table whose columns are of the kinds of before.
fn read_like(preparation: &TablePreparation, path: &Path) -> Result<Table, TaskError> {
    let options = TableOptions { kinds: preparation.kinds.clone(), ..TableOptions::default() };
    Table::read(path, &options).map_err(TaskError::input)
}

fn fingerprint(path: &Path) -> Result<u64, TaskError> {
    let refused = |e: std::io::Error| TaskError::Input(format!("cannot read {}: {e}", path.display()));
    let mut file = File::open(path).map_err(refused)?;
    let (mut fingerprint, mut piece) = (Fingerprint::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece).map_err(refused)? {
            0 => return Ok(fingerprint.value()),
            count => fingerprint.add(&piece[..count]),
        }
    }
}

impl Examples for TableExamples {
    const NAME: &'static str = "table";
    const ABOUT: &'static str = "A column of a table from the others";
    const FILE: &'static str = "MORE.csv";
    const SKIPS_BAD: bool = true;
    const MODELS: Option<Models> = Some(models::TABLE);
    type Config = TableConfig;
    type Preparation = TablePreparation;
    type Input = TableInput;
    type Network = TableNet;

    fn begun(request: &Request) -> Result<Begun<Answered<Self>>, TaskError> {
        request.takes(Self::NAME, &["--data", "--target", "--model", "--skip-bad"])?;
        let missing = || TaskError::input("--target is missing: name the column that is to be predicted");
        let config = TableConfig {
            data: request.data("a table: CSV, TSV, Parquet, or NumPy's arrays")?,
            target: request.target.clone().ok_or_else(missing)?,
            problem: Problem::Auto,
            group: String::new(),
            time: String::new(),
            ignore: Vec::new(),
            skip_bad: request.skip_bad,
            model: request.model("tables", "mlp", TableModel::named, TableModel::NAMES)?,
        };
        // What decides how the table is read has to be known before the rest suits it.
        let config = request.settle(TableExamples::defaults(config))?.config;
        let examples = TableExamples::open(&config)?;
        let decided = match examples.decided {
            Problem::Regression => {
                "a number is predicted: a regression (for classes: --set problem=classification)".to_string()
            }
            _ => {
                let classes = examples.truth.answers(&[]).outputs();
                let numbers = examples.target_is_numbers();
                let otherwise = if numbers { " (for numbers: --set problem=regression)" } else { "" };
                format!("classes are told apart: {classes} of them{otherwise}")
            }
        };
        let notes = if config.problem == Problem::Auto { vec![decided] } else { Vec::new() };
        let settings = examples.settings(config);
        Ok(Begun { task: Answered(examples), settings, notes })
    }

    fn open(config: &TableConfig) -> Result<TableExamples, TaskError> {
        let table = Table::read(&config.data, &TableOptions::default()).map_err(TaskError::input)?;
        TableExamples::of(table, config, None)
    }

    fn open_for(
        predictor: &Predictor<Answered<Self>>,
        data: Option<&Path>,
        skip_bad: bool,
    ) -> Result<TableExamples, TaskError> {
        let own = &predictor.settings.config;
        let (data, skip_bad) = match data {
            Some(path) => (path, skip_bad),
            None => (own.data.as_path(), skip_bad || own.skip_bad),
        };
        let config = TableConfig { data: data.to_owned(), skip_bad, ..own.clone() };
        let table = read_like(&predictor.preparation.inputs, &config.data)?;
        TableExamples::of(table, &config, Some(&predictor.preparation.answers))
    }

    fn read(
        predictor: &Predictor<Answered<Self>>,
        files: &[PathBuf],
        _: bool,
        ask: Ask<'_, TableInput>,
    ) -> Result<(), TaskError> {
        let TablePreparation { encoding, .. } = &predictor.preparation.inputs;
        for path in files {
            let table = read_like(&predictor.preparation.inputs, path)?;
            let rows: Vec<usize> = (0..table.rows()).collect();
            let wrong = |e: mapsto_data::TableError| TaskError::Input(format!("{}: {e}", path.display()));
            let encoder = encoding.of(&table).map_err(wrong)?;
            for rows in rows.chunks(CHUNK) {
                let input = TableInput::of(encoder.rows(rows).map_err(wrong)?, encoding)?;
                let names = rows.iter().map(|row| format!("{} row {}", path.display(), row + 1)).collect();
                ask(Asked::unknown(names, input))?;
            }
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let features = self.table.nearly_numeric().into_iter().filter(|of| !self.without.contains(&of.column));
        let unanswered = self.unanswered.iter().map(|what| format!("{what}: they are passed over"));
        unanswered.chain(features.map(|of| of.to_string())).collect()
    }

    fn truth(&self) -> &Truth {
        &self.truth
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn division(&self) -> Division {
        self.division.clone()
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, config: &TableConfig, train: &[usize]) -> Result<TablePreparation, TaskError> {
        let without: Vec<&str> = self.without.iter().map(String::as_str).collect();
        let encoding = Encoding::learn(&self.table, train, &without).map_err(TaskError::input)?;
        if encoding.numbers() == 0 && encoding.categories().is_empty() {
            let (path, target) = (config.data.display(), &config.target);
            let what = "are texts or have one value";
            return Err(TaskError::Input(format!(
                "{path}: all columns but {target:?} {what}: there is nothing to learn from"
            )));
        }
        let kinds = self.table.kinds();
        Ok(TablePreparation { kinds, encoding })
    }

    fn notes(&self, preparation: &TablePreparation) -> Vec<String> {
        let kind = |name: &String| self.table.column(name).map(|column| column.values.kind());
        let left_out = preparation.encoding.left_out().iter().filter(|name| !self.without.contains(name));
        let (texts, constant): (Vec<&String>, Vec<&String>) =
            left_out.partition(|name| kind(name).is_ok_and(|kind| kind == Kind::Text));
        let named = |names: Vec<&String>| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let note = |names: Vec<&String>, why: &str| (!names.is_empty()).then(|| format!("{why}: {}", named(names)));
        let texts = note(texts, "columns of texts, which are left out");
        let constant = note(constant, "columns that have one value where it is learned, and are left out");
        texts.into_iter().chain(constant).collect()
    }

    fn network(config: &TableConfig, preparation: &TablePreparation, outputs: usize) -> Result<TableNet> {
        let TablePreparation { encoding, .. } = preparation;
        let shape = TableShape { numbers: encoding.numbers(), categories: encoding.categories() };
        config.model.build(&shape, outputs)
    }

    fn forward(network: &TableNet, input: &TableInput) -> Result<Tensor> {
        network.forward(&input.numbers, &input.categories)
    }

    fn input(&self, _: &TableConfig, preparation: &TablePreparation, items: &[usize]) -> Result<TableInput, TaskError> {
        let TablePreparation { encoding, .. } = preparation;
        let features = encoding.apply(&self.table, items).map_err(TaskError::input)?;
        Ok(TableInput::of(features, encoding)?)
    }

    fn batches<'a>(
        &'a self,
        _: &'a TableConfig,
        preparation: &'a TablePreparation,
        answers: &'a Answers,
        plan: Plan,
    ) -> Result<LabelledBatches<'a, TableInput>, TaskError> {
        let all = EncodedRows::of(&self.table, &preparation.encoding)?;
        let gather = move |items: &[usize], _: Rng| -> Result<Labelled<TableInput>, TaskError> {
            Ok(Labelled { input: all.input(items)?, target: self.truth.target(items, answers)? })
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn summary(network: &TableNet, _: &TableConfig, preparation: &TablePreparation, items: usize) -> Result<Summary> {
        let encoding = &preparation.encoding;
        models::of_table(network, [encoding.numbers(), encoding.categories().len()], items)
    }

    fn chunk(&self) -> usize {
        CHUNK
    }

    fn show(&self, item: usize) -> Result<Shown, TaskError> {
        let features = self.table.columns().iter().filter(|column| column.name != self.without[0]);
        let value = |values: &Values| match values {
            _ if values.is_missing(item) => "–".to_string(),
            Values::Numbers(values) => short(values[item]),
            Values::Times(values) => Timestamp::from_second(values[item] as i64)
                .map_or_else(|_| short(values[item]), |time| time.to_string()),
            Values::Categories { names, codes } => {
                codes.get(item).map_or("–".into(), |code| names[code as usize].clone())
            }
            Values::Texts(texts) => texts.get(item).unwrap_or_default().to_string(),
        };
        let number = ("row".to_string(), (item + 1).to_string());
        let values = features.map(|column| (column.name.clone(), value(&column.values)));
        Ok(Shown::Row(std::iter::once(number).chain(values).collect()))
    }
}
