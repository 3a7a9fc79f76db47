//! What comes with the weights that a network of texts begins with: its settings and its tokenizer.

use super::{TextConfig, TextExamples, TextPreparation};
use crate::answered::{Answered, Prepared};
use crate::error::TaskError;
use crate::saved::Saved;
use crate::settings::Settings;
use crate::task::Task;
use mapsto_data::Tokenizer;
use mapsto_models::TextModel;
use mapsto_models::text::BertConfig;
use std::fs;
use std::path::{Path, PathBuf};

/// The tokenizer and the settings beside an encoder's weights, as Hugging Face names them.
const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "config.json";

/// What comes with weights.
pub(super) enum Origin {
    /// A folder with an encoder's tokenizer and settings.
    Encoder(PathBuf),
    /// A network that an earlier run has trained.
    Run(Box<Saved>),
    /// Nothing.
    Weights,
}

impl Origin {
    /// What is at a path, which may be empty.
    ///
    /// # Errors
    /// A folder that is neither an encoder's nor a run's; a run of another task.
    pub fn at(path: &Path) -> Result<Origin, TaskError> {
        if path.as_os_str().is_empty() {
            return Ok(Origin::Weights);
        }
        if path.join(TOKENIZER).is_file() {
            return Ok(Origin::Encoder(path.to_owned()));
        }
        let name = <Answered<TextExamples> as Task>::NAME;
        match Saved::read(path) {
            Ok(saved) if saved.task == name => Ok(Origin::Run(Box::new(saved))),
            Ok(saved) => Err(saved.wrong("network", format!("it is one of {}, not of {name}", saved.task))),
            Err(error) if path.is_dir() => {
                Err(TaskError::Input(format!("{error}; or that of an encoder, with its {TOKENIZER}")))
            }
            Err(_) => Ok(Origin::Weights),
        }
    }

    /// Gives settings what the weights were learned with.
    ///
    /// # Errors
    /// Settings that cannot be read.
    pub fn settle(&self, config: &mut TextConfig) -> Result<(), TaskError> {
        match self {
            Origin::Encoder(folder) => config.model = TextModel::Bert(encoder_config(folder)?),
            Origin::Run(saved) => {
                let own: Settings<TextConfig> = saved.part("settings", &saved.settings)?;
                (config.model, config.length) = (own.config.model, own.config.length);
            }
            Origin::Weights => {}
        }
        Ok(())
    }

    /// The tokenizer that the weights were learned with, where it is known.
    ///
    /// # Errors
    /// A tokenizer that cannot be read.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>, TaskError> {
        match self {
            Origin::Encoder(folder) => Tokenizer::open(&folder.join(TOKENIZER)).map(Some).map_err(TaskError::input),
            Origin::Run(saved) => {
                let own: Prepared<TextPreparation> = saved.part("preparation", &saved.preparation)?;
                Ok(Some(own.inputs.tokenizer))
            }
            Origin::Weights => Ok(None),
        }
    }
}

/// The settings of the encoder in a folder.
fn encoder_config(folder: &Path) -> Result<BertConfig, TaskError> {
    let path = folder.join(CONFIG);
    let text =
        fs::read_to_string(&path).map_err(|e| TaskError::Input(format!("cannot read {}: {e}", path.display())))?;
    let found = BertConfig::from_hugging_face(&text);
    found.map(|(config, _)| config).map_err(|e| TaskError::Input(format!("{}: {e:#}", path.display())))
}
