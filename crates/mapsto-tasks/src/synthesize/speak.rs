//! Texts that are said: a file of sound for each.

use super::{Synthesize, SynthesizePreparation};
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction, Question};
use crate::run::write;
use crate::utterances::written;
use mapsto_data::{GriffinLim, Sound, Spectrogram, Spectrograph, Text, read_sources};
use mapsto_models::Mixture;
use mapsto_models::synthesis::Parallel;
use mapsto_tensor::{Tensor, no_grad};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The most tokens of a text.
const LONGEST: usize = 5000;
/// The slowest and the quickest that can be spoken.
const PACES: [f64; 2] = [0.1, 10.0];
/// The column of a table that is read aloud.
const COLUMN: &str = "text";
/// What tells what each file says: a table that `mapsto eval` takes to hear how well it is understood.
const INDEX: &str = "said.csv";

/// How texts are said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Voice {
    /// The folder that sounds are written into.
    pub out: PathBuf,
    /// So many times as fast as was learned.
    pub pace: f64,
    /// Passes in which phases are found: see [`GriffinLim`].
    pub iterations: usize,
}

impl Default for Voice {
    fn default() -> Voice {
        Voice { out: "spoken".into(), pace: 1.0, iterations: 60 }
    }
}

impl Voice {
    fn phases(&self) -> Result<GriffinLim, TaskError> {
        let [least, most] = PACES;
        if !(least..=most).contains(&self.pace) {
            return Err(TaskError::Input(format!("pace is {}, it must be from {least} to {most}", self.pace)));
        }
        let phases = GriffinLim { iterations: self.iterations, ..GriffinLim::default() };
        phases.check().map(|()| phases).map_err(TaskError::input)
    }
}

/// Says texts, and writes what is said, one after another.
pub(super) fn predict(
    predictor: &Predictor<Synthesize>,
    question: &Question,
    listener: &mut dyn Listener,
) -> Result<(), TaskError> {
    let voice: Voice = question.settle()?;
    voice.phases()?;
    let mut texts: Vec<Text> =
        question.texts.iter().map(|text| Text { name: text.clone(), text: text.clone() }).collect();
    for path in &question.files {
        texts.extend(read_sources(path, COLUMN).map_err(TaskError::input)?);
    }
    if texts.is_empty() {
        return Err(TaskError::input("give a text to say with --text, or files with a text a line"));
    }
    let refused = |e| TaskError::Input(format!("cannot make the folder {}: {e}", voice.out.display()));
    fs::create_dir_all(&voice.out).map_err(refused)?;
    let digits = texts.len().to_string().len().max(3);
    let mut index = String::from("path,text\n");
    for (number, Text { name, text }) in texts.iter().enumerate() {
        let file = format!("{:0digits$}.wav", number + 1);
        let path = voice.out.join(&file);
        let aloud = written(text, predictor.settings.config.lowercase);
        let sound = say(predictor, &aloud, name, &voice, listener)?;
        write(&path, &sound.wav().map_err(TaskError::input)?)?;
        index += &format!("{file},\"{}\"\n", aloud.replace('"', "\"\""));
        let seconds = sound.seconds();
        listener.answer(Prediction {
            input: name.clone(),
            text: format!("{} ({seconds:.2} s)", path.display()),
            cells: vec![path.display().to_string(), format!("{seconds:.3}")],
            fields: json!({"path": path.display().to_string(), "seconds": seconds, "text": aloud}),
        })?;
    }
    write(&voice.out.join(INDEX), index.as_bytes())
}

/// The sound of a text.
fn say(
    predictor: &Predictor<Synthesize>,
    text: &str,
    name: &str,
    voice: &Voice,
    listener: &mut dyn Listener,
) -> Result<Sound, TaskError> {
    let SynthesizePreparation { tokenizer, .. } = &predictor.preparation;
    let told = |e: mapsto_data::TokenError| TaskError::Input(format!("{name}: {e}"));
    let mut tokens = tokenizer.encode(text, LONGEST).map_err(told)?;
    let special = tokenizer.special();
    let is_known = |token: &u32| Some(*token) != special.unk && Some(*token) != special.pad;
    let all = tokens.len();
    tokens.retain(is_known);
    if tokens.is_empty() {
        return Err(TaskError::Input(format!("{name}: nothing in it was learned to be said")));
    }
    if tokens.len() < all {
        listener
            .warn(&format!("{name}: {} of {all} characters were not learned, and are not said", all - tokens.len()));
    }
    let (_, spectrogram) =
        spectrogram(&predictor.mixture(|network| network)?, &predictor.preparation, &tokens, voice.pace)?;
    let spectrograph = Spectrograph::new(&predictor.settings.config.features).map_err(TaskError::input)?;
    spectrograph.sound(&spectrogram, &voice.phases()?).map_err(TaskError::input)
}

/// The spectrogram of a text, scaled as the network says it and as sounds have it.
pub(super) fn spectrogram(
    networks: &Mixture<'_, Parallel>,
    preparation: &SynthesizePreparation,
    tokens: &[u32],
    pace: f64,
) -> Result<(Vec<f32>, Spectrogram), TaskError> {
    let tokens = preparation.bounded(tokens);
    let count = tokens.len();
    let tokens = Tensor::from_vec(tokens, [1, count])?;
    let lengths = Tensor::from_vec(vec![count as i64], [1])?;
    let spoken = no_grad(|| networks.speak(&tokens, &lengths, pace))?;
    let (frames, rows) = (spoken.lengths[0], preparation.scale.rows());
    let scaled = spoken.frames.reshape([frames, rows])?.t()?.contiguous()?.to_vec::<f32>()?;
    let of = |(place, x): (usize, &f32)| {
        x * preparation.scale.deviations[place / frames] + preparation.scale.means[place / frames]
    };
    let values: Vec<f32> = scaled.iter().enumerate().map(of).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(TaskError::input("what the network says is NaN or infinite: did it learn at too high a rate?"));
    }
    Ok((scaled, Spectrogram { rows, frames, values }))
}

/// Where a file of this name is said to lie in a report.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
