//! Learning rates: their course over a run, and the search for one to begin with.

use crate::error::TaskError;
use crate::run::divide;
use crate::settings::{Course, Method, Settings, Training};
use crate::stage::{Stage, plan, student};
use crate::task::Task;
use mapsto_nn::schedule::{OneCycle, Schedule};
use mapsto_nn::{RateFinder, RateFinderConfig};
use mapsto_tensor::DType;

/// What is left of the rate at the end of an exponential fall.
const FALLEN: f64 = 0.01;
/// The share of a one-cycle run in which the rate rises, where the settings have no warm-up.
const RISE: f64 = 0.3;
/// The least rate of a search.
const LEAST: f64 = 1e-6;

impl<C> Settings<C> {
    /// How often the rate begins anew.
    pub(crate) fn cycles(&self) -> u64 {
        if self.ensemble.method == Method::Snapshot { self.ensemble.members as u64 } else { 1 }
    }

    pub(crate) fn epochs_of_a_cycle(&self) -> u64 {
        (self.training.epochs / self.cycles()).max(1)
    }

    /// The learning rate of each step.
    pub(crate) fn schedule(&self, per_epoch: u64) -> Option<Schedule> {
        let Training { schedule, warmup, learning_rate, .. } = self.training;
        let total = (self.epochs_of_a_cycle() * self.cycles() * per_epoch).max(1);
        let rising = ((warmup * total as f64) as u64).min(total - 1);
        let falling = total - rising;
        let after = match (self.ensemble.method, schedule) {
            (Method::Snapshot, _) => {
                let t_0 = (total / self.cycles()).max(1);
                return Some(Schedule::CosineRestarts { t_0, t_mult: 1, eta_min: 0.0 });
            }
            (_, Course::Plateau) => return None,
            (_, Course::Constant) => Schedule::Constant { factor: 1.0, total_iters: total },
            (Method::Average, _) => {
                let averaged = (self.ensemble.members as u64 * per_epoch).min(falling - 1);
                let low = 0.1 * learning_rate;
                let down = Schedule::Cosine { t_max: falling - averaged, eta_min: low };
                down.then(falling - averaged, Schedule::Constant { factor: 0.1, total_iters: total })
            }
            (_, Course::Cosine) => Schedule::Cosine { t_max: falling, eta_min: 0.0 },
            (_, Course::Step) => {
                let milestones = vec![falling / 2, falling * 3 / 4];
                Schedule::MultiStep { milestones, gamma: 0.1 }
            }
            (_, Course::Exponential) => Schedule::Exponential { gamma: FALLEN.powf(1.0 / falling as f64) },
            (_, Course::OneCycle) => {
                let pct_start = if warmup > 0.0 { warmup } else { RISE };
                let cycle = OneCycle { max_lr: learning_rate, total_steps: total, pct_start, ..OneCycle::default() };
                return Some(Schedule::OneCycle(cycle));
            }
        };
        if rising == 0 {
            return Some(after);
        }
        let up = Schedule::Linear { start_factor: 1.0 / (rising + 1) as f64, end_factor: 1.0, total_iters: rising };
        Some(Schedule::Sequence { milestones: vec![rising], schedules: vec![up, after] })
    }
}

/// What a search for a learning rate found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRate {
    /// The rate at which the loss falls fastest.
    pub rate: f64,
    /// Rates, and the losses that steps at them began with, smoothed.
    pub curve: Vec<(f64, f64)>,
}

/// Searches a learning rate: steps on the training part at rates that grow from a millionth to ten, until the loss explodes
/// ([`RateFinder`]). Nothing of it is kept; it gives nothing when it was interrupted.
///
/// # Errors
/// Examples that cannot be learned from; no rate that lets the loss fall.
pub fn find_rate<T: Task>(
    task: &T,
    settings: &Settings<T::Config>,
    interrupted: &dyn Fn() -> bool,
) -> Result<Option<FoundRate>, TaskError> {
    let parts = divide(task, settings)?;
    let preparation = task.prepare(&settings.config, &parts.train)?;
    let seed = settings.training.seed;
    let stage = Stage { name: "rate".into(), train: parts.train, validation: Vec::new(), weights: None, seed };
    let plan = plan(&settings.training, task.classes(), &stage);
    let batches = task.batches(&settings.config, &preparation, plan)?;
    let mut student = student(task, settings, &preparation, &stage, batches.per_epoch())?;
    let mut finder = RateFinder::new(RateFinderConfig { start: LEAST, ..RateFinderConfig::default() })?;
    let endless = (0..).map(|epoch| batches.epoch(epoch, 0));
    for batch in endless.flat_map(|epoch| match epoch {
        Ok(epoch) => epoch,
        Err(error) => Box::new(std::iter::once(Err(error))),
    }) {
        let Some(rate) = finder.rate() else { break };
        let loss = (student.loss)(&student.model, &batch?)?.value;
        finder.record(loss.detach().to_dtype(DType::F64)?.item::<f64>()?);
        if interrupted() {
            return Ok(None);
        }
        if finder.rate().is_none() {
            break;
        }
        for group in student.update.optimizer.groups_mut() {
            group.algorithm.set_lr(rate * group.base_lr() / settings.training.learning_rate);
        }
        student.update.optimizer.minimize(&loss)?;
    }
    let nothing =
        || TaskError::input("no learning rate lets the loss fall: do the inputs tell anything of the answers?");
    let rate = finder.suggestion().ok_or_else(nothing)?;
    Ok(Some(FoundRate { rate, curve: finder.curve().to_vec() }))
}
