//! What a network understands of files, whole or piece by piece.

use super::decoding::{Decode, Decoder, Decoding, text};
use super::{Speech, SpeechConfig, SpeechPreparation};
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction, Question};
use crate::settings::assign;
use crate::sounds::{ASKED, SoundInput, asked};
use crate::task::finite;
use mapsto_data::{Sound, Spectrogram, Spectrograph};
use mapsto_models::Mixture;
use mapsto_models::speech::DeepSpeech;
use mapsto_nn::{CtcLoss, LossReduction};
use mapsto_tensor::{DType, Result, Tensor, no_grad};
use mapsto_train::short;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;

/// How a network is to listen.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listening {
    /// How symbols are found.
    decode: Decode,
    /// Texts that a beam search keeps.
    beam: usize,
    /// Whether a sound is heard piece by piece, and what is understood told as soon as it is settled.
    stream: bool,
    /// Seconds of a piece.
    chunk: f64,
}

impl Listening {
    /// As it was trained, with what the question asks for in its place.
    fn of(config: &SpeechConfig, question: &Question) -> Result<Listening, TaskError> {
        let Decoding { decode, beam } = config.decoding;
        let usual = Listening { decode, beam, stream: false, chunk: 0.5 };
        let listening: Listening =
            question.set.iter().try_fold(usual, |listening, assignment| assign(&listening, assignment))?;
        listening.decoding().check()?;
        if !(listening.chunk > 0.0 && listening.chunk.is_finite()) {
            return Err(TaskError::Input(format!("chunk is {}, it must be above 0: seconds", listening.chunk)));
        }
        Ok(listening)
    }

    fn decoding(self) -> Decoding {
        Decoding { decode: self.decode, beam: self.beam }
    }
}

/// The log-probabilities of symbols `[N, steps, symbols]` that networks hear, and the steps of each sound `[N]`, which are the same for all.
///
/// # Errors
/// An input that does not fit.
pub(super) fn heard(networks: &Mixture<'_, DeepSpeech>, input: &SoundInput) -> Result<(Tensor, Tensor)> {
    let each = networks.networks().iter().map(|network| network.forward(&input.features, &input.frames));
    let (each, steps): (Vec<Tensor>, Vec<Tensor>) = each.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    Ok((networks.log_mean(each)?, steps[0].clone()))
}

/// Tells what is said in files and folders.
pub(super) fn predict(
    predictor: &Predictor<Speech>,
    question: &Question,
    listener: &mut dyn Listener,
) -> Result<(), TaskError> {
    if !question.texts.is_empty() {
        return Err(TaskError::input("--text means nothing to speech: give sounds"));
    }
    if question.files.is_empty() {
        return Err(TaskError::input("give files or folders of sounds"));
    }
    let config = &predictor.settings.config;
    let listening = Listening::of(config, question)?;
    let ear = Ear {
        config,
        preparation: &predictor.preparation,
        networks: predictor.mixture(|network| network)?,
        spectrograph: Spectrograph::new(&config.features).map_err(TaskError::input)?,
        listening,
    };
    let paths = asked(&question.files)?;
    // Piece by piece, a sound is told before the next is read.
    for paths in paths.chunks(if listening.stream { 1 } else { ASKED }) {
        let (mut names, mut sounds) = (Vec::new(), Vec::new());
        for path in paths {
            match ear.sound(path, listener) {
                Ok(sound) => {
                    names.push(path.display().to_string());
                    sounds.push(sound);
                }
                Err(why) if question.skip_bad => listener.warn(&why),
                Err(why) => {
                    return Err(TaskError::Input(format!("{why}; --skip-bad passes over what cannot be read")));
                }
            }
        }
        let told = match listening.stream {
            true => sounds.iter().map(|sound| ear.in_pieces(sound, listener)).collect::<Result<Vec<_>, _>>()?,
            false => ear.as_wholes(&sounds)?,
        };
        for ((input, sound), Told { text, probability }) in names.into_iter().zip(&sounds).zip(told) {
            let seconds = sound.seconds();
            listener.answer(Prediction {
                input,
                text: text.clone(),
                cells: vec![text.clone(), probability.to_string(), short(seconds)],
                fields: json!({ "text": text, "probability": probability, "seconds": seconds }),
            })?;
        }
    }
    Ok(())
}

/// What was understood of a sound.
struct Told {
    text: String,
    /// That of the text, by all of its paths.
    probability: f64,
}

/// Networks that listen.
struct Ear<'a> {
    config: &'a SpeechConfig,
    preparation: &'a SpeechPreparation,
    networks: Mixture<'a, DeepSpeech>,
    spectrograph: Spectrograph,
    listening: Listening,
}

impl Ear<'_> {
    /// A sound at the network's rate; says what is changed for that.
    fn sound(&self, path: &Path, listener: &mut dyn Listener) -> Result<Sound, String> {
        let (sound, channels) = Sound::read_channels(path).map_err(|error| error.to_string())?;
        let name = path.display();
        let (rate, own) = (sound.rate, self.config.features.rate);
        if channels > 1 {
            listener.warn(&format!("{name}: its {channels} channels are averaged"));
        }
        if rate != own {
            listener.warn(&format!("{name}: its {rate} samples a second are resampled to {own}"));
        }
        if sound.is_clipped() {
            listener.warn(&format!("{name}: it is clipped, as it was too loud; it may be misunderstood"));
        }
        if let Some(why) = self.config.too_long(sound.seconds()).filter(|_| !self.listening.stream) {
            return Err(format!("{name}: {why}, or hear it piece by piece with --set stream=true"));
        }
        sound.resample(own).map_err(|error| format!("{name}: {error}"))
    }

    fn as_wholes(&self, sounds: &[Sound]) -> Result<Vec<Told>, TaskError> {
        if sounds.is_empty() {
            return Ok(Vec::new());
        }
        let spectrograms = sounds.iter().map(|sound| self.spectrograph.of(sound)).collect::<Result<Vec<_>, _>>();
        let input = SoundInput::of(&spectrograms.map_err(TaskError::input)?, &self.preparation.scale)?;
        let (log_probs, steps) = no_grad(|| heard(&self.networks, &input))?;
        let steps = steps.to_vec::<i64>()?;
        let one = |(i, &steps): (usize, &i64)| {
            let own = log_probs.narrow(0, i, 1)?.squeeze(&[0])?.narrow(0, 0, steps as usize)?;
            let width = own.shape()[1];
            let symbols = self.listening.decoding().symbols(&finite(own.clone())?, width);
            self.told(&symbols, &own)
        };
        steps.iter().enumerate().map(one).collect()
    }

    /// Hears a sound piece by piece, and tells what is settled as soon as it is.
    fn in_pieces(&self, sound: &Sound, listener: &mut dyn Listener) -> Result<Told, TaskError> {
        let streams = self.networks.networks().iter().map(|network| network.stream().transpose());
        let Some(mut streams) = streams.collect::<Option<Result<Vec<_>>>>().transpose()? else {
            let mend = "train with --model streaming to hear sounds piece by piece";
            return Err(TaskError::Input(format!("stream = true: this network looks ahead; {mend}")));
        };
        let mut spectrogram = self.spectrograph.stream().map_err(TaskError::input)?;
        let mut decoder = Decoder::new(self.listening.decoding());
        let piece = ((self.listening.chunk * f64::from(sound.rate)) as usize).max(1);
        let (mut said, mut heard) = (String::new(), Vec::new());
        let mut hear = |frames: Spectrogram, decoder: &mut Decoder| -> Result<(), TaskError> {
            if frames.frames == 0 {
                return Ok(());
            }
            let input = SoundInput::of(&[frames], &self.preparation.scale)?;
            let each = streams.iter_mut().map(|stream| stream.push(&input.features).transpose());
            if let Some(each) = each.collect::<Option<Result<Vec<_>>>>().transpose()? {
                let log_probs = self.networks.log_mean(each)?;
                let width = log_probs.shape()[1];
                finite(log_probs.clone())?.chunks_exact(width).for_each(|step| decoder.push(step));
                heard.push(log_probs);
            }
            Ok(())
        };
        for samples in sound.samples.chunks(piece) {
            hear(spectrogram.push(samples), &mut decoder)?;
            self.say(decoder.settled(), &mut said, listener)?;
        }
        hear(spectrogram.finish(), &mut decoder)?;
        let symbols = decoder.finish();
        self.say(&symbols, &mut said, listener)?;
        self.told(&symbols, &Tensor::concat(&heard.iter().collect::<Vec<_>>(), 0)?)
    }

    /// Tells what is new of symbols that stay.
    fn say(&self, symbols: &[usize], said: &mut String, listener: &mut dyn Listener) -> Result<(), TaskError> {
        let text = text(&self.preparation.tokenizer, symbols)?;
        // A character of several symbols may not be whole yet.
        if let Some(new) = text.strip_prefix(said.as_str()).filter(|new| !new.is_empty()) {
            listener.piece(new)?;
            *said = text;
        }
        Ok(())
    }

    /// The text of symbols, and how probable log-probabilities `[steps, symbols]` make it.
    fn told(&self, symbols: &[usize], log_probs: &Tensor) -> Result<Told, TaskError> {
        let targets = Tensor::from_vec(symbols.iter().map(|&symbol| symbol as i64).collect(), [symbols.len()])?;
        let [steps, count] =
            [log_probs.shape()[0], symbols.len()].map(|length| Tensor::from_vec(vec![length as i64], [1]));
        let loss = CtcLoss { reduction: LossReduction::Sum, ..CtcLoss::default() };
        let loss = loss.forward(&log_probs.to_dtype(DType::F64)?.unsqueeze(1)?, &targets, &steps?, &count?)?;
        let probability = (-loss.item::<f64>()?).exp().min(1.0);
        Ok(Told { text: text(&self.preparation.tokenizer, symbols)?, probability })
    }
}
