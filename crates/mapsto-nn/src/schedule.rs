//! Learning rates over the course of training: pure functions of the step, and one that watches a measure.

use crate::optim::domain::{above_zero, positive};
use mapsto_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::panic::Location;

/// A learning rate as a function of the step, counted from 0, and of the rate that the optimiser was given. It is data, to
/// save with a run; a function of your own needs none: give its values to
/// [`Algorithm::set_lr`](crate::Algorithm::set_lr).
///
/// ```
/// use mapsto_nn::schedule::Schedule;
/// let warm_up = Schedule::Linear { start_factor: 0.1, end_factor: 1.0, total_iters: 10 };
/// let schedule = warm_up.then(10, Schedule::Cosine { t_max: 90, eta_min: 0.0 });
/// assert_eq!(schedule.rate(0.5, 0), 0.05);
/// assert_eq!(schedule.rate(0.5, 10), 0.5);
/// assert!(schedule.rate(0.5, 100) < 1e-12);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// `factor` times the rate for the first `total_iters` steps.
    Constant {
        /// Factor of the rate.
        factor: f64,
        /// Steps.
        total_iters: u64,
    },
    /// From `start_factor` to `end_factor` times the rate in `total_iters` steps: warm-up, or decay.
    Linear {
        /// Factor at step 0.
        start_factor: f64,
        /// Factor from step `total_iters` on.
        end_factor: f64,
        /// Steps.
        total_iters: u64,
    },
    /// Times `gamma` every `step_size` steps.
    Step {
        /// Steps between drops.
        step_size: u64,
        /// Factor of a drop.
        gamma: f64,
    },
    /// Times `gamma` at every milestone; twice where one is named twice.
    MultiStep {
        /// Steps at which it drops.
        milestones: Vec<u64>,
        /// Factor of a drop.
        gamma: f64,
    },
    /// Times `gamma` every step.
    Exponential {
        /// Factor of a step.
        gamma: f64,
    },
    /// `(1 - step / total_iters)^power` times the rate.
    Polynomial {
        /// Steps to zero.
        total_iters: u64,
        /// Exponent.
        power: f64,
    },
    /// Half a period of a cosine from the rate to `eta_min` in `t_max` steps, and back, and so on (Loshchilov and Hutter,
    /// *SGDR: Stochastic Gradient Descent with Warm Restarts*, 2017).
    Cosine {
        /// Steps of half a period.
        t_max: u64,
        /// Least rate.
        eta_min: f64,
    },
    /// As [`Schedule::Cosine`], but after each descent back to the rate at once; each is `t_mult` times as long as the one
    /// before.
    CosineRestarts {
        /// Steps of the first descent.
        t_0: u64,
        /// Factor of the length.
        t_mult: u64,
        /// Least rate.
        eta_min: f64,
    },
    /// One rise to `max_lr` and one descent far below the start (Smith and Topin, *Super-Convergence*, 2018). The
    /// optimiser's own rate takes no part.
    OneCycle(OneCycle),
    /// Up and down again between two rates (Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017). The
    /// optimiser's own rate takes no part.
    Cyclic(Cyclic),
    /// One schedule after another; each counts its steps from its own start.
    Sequence {
        /// The steps at which the next schedule takes over.
        milestones: Vec<u64>,
        /// One more than the milestones.
        schedules: Vec<Schedule>,
    },
    /// All factors at once: the rate times the product of the schedules' rates over the rate, in any order. Of several that
    /// move the momentum, the last does, as with PyTorch's `ChainedScheduler`.
    Product(Vec<Schedule>),
}

impl Schedule {
    /// This schedule, and from `step` on the next one.
    pub fn then(self, step: u64, next: Schedule) -> Schedule {
        match self {
            Schedule::Sequence { mut milestones, mut schedules } => {
                milestones.push(step);
                schedules.push(next);
                Schedule::Sequence { milestones, schedules }
            }
            first => Schedule::Sequence { milestones: vec![step], schedules: vec![first, next] },
        }
    }

    /// Fails if the numbers make no sense, so that [`Schedule::rate`] need not.
    ///
    /// # Errors
    /// What makes no sense.
    #[track_caller]
    pub fn check(&self) -> Result<()> {
        let at = Location::caller();
        self.makes_sense().map_err(|e| e.as_of("schedule", at))
    }

    fn makes_sense(&self) -> Result<()> {
        let counts = |name: &str, x: u64| match x {
            0 => Err(Error::argument(format!("{name} must be at least 1, got 0"))),
            _ => Ok(()),
        };
        match self {
            Schedule::Constant { factor, .. } => positive("factor", factor),
            Schedule::Linear { start_factor, end_factor, .. } => {
                positive("start_factor", start_factor)?;
                positive("end_factor", end_factor)
            }
            Schedule::Step { step_size, gamma } => {
                counts("step_size", *step_size)?;
                positive("gamma", gamma)
            }
            Schedule::MultiStep { gamma, .. } | Schedule::Exponential { gamma } => positive("gamma", gamma),
            Schedule::Polynomial { power, .. } => positive("power", power),
            Schedule::Cosine { t_max, eta_min } => {
                counts("t_max", *t_max)?;
                positive("eta_min", eta_min)
            }
            Schedule::CosineRestarts { t_0, t_mult, eta_min } => {
                counts("t_0", *t_0)?;
                counts("t_mult", *t_mult)?;
                positive("eta_min", eta_min)
            }
            Schedule::OneCycle(cycle) => {
                counts("total_steps", cycle.total_steps)?;
                positive("max_lr", &cycle.max_lr)?;
                above_zero("div_factor", &cycle.div_factor)?;
                above_zero("final_div_factor", &cycle.final_div_factor)?;
                positive("momenta", &cycle.momenta.unwrap_or_default())?;
                if (0.0..=1.0).contains(&cycle.pct_start) {
                    return Ok(());
                }
                Err(Error::argument(format!("pct_start must lie in [0, 1], got {}", cycle.pct_start)))
            }
            Schedule::Cyclic(cycle) => {
                counts("step_size_up", cycle.step_size_up)?;
                positive("base_lr", &cycle.base_lr)?;
                positive("max_lr", &cycle.max_lr)?;
                positive("momenta", &cycle.momenta.unwrap_or_default())?;
                match &cycle.mode {
                    CyclicMode::ExpRange(gamma) => positive("gamma", gamma),
                    CyclicMode::Triangular | CyclicMode::Triangular2 => Ok(()),
                }
            }
            Schedule::Sequence { milestones, schedules } => {
                if schedules.len() != milestones.len() + 1 {
                    let (m, s) = (milestones.len(), schedules.len());
                    return Err(Error::argument(format!("{m} milestones part {} schedules, got {s}", m + 1)));
                }
                if !milestones.is_sorted() {
                    return Err(Error::argument(format!("milestones must rise, got {milestones:?}")));
                }
                schedules.iter().try_for_each(Schedule::makes_sense)
            }
            Schedule::Product(schedules) => schedules.iter().try_for_each(Schedule::makes_sense),
        }
    }

    /// The learning rate of a step, counted from 0, for an optimiser whose rate is `base`.
    pub fn rate(&self, base: f64, step: u64) -> f64 {
        let t = step as f64;
        match self {
            Schedule::Constant { factor, total_iters } => base * if step < *total_iters { *factor } else { 1.0 },
            Schedule::Linear { start_factor, end_factor, total_iters } => {
                base * line(*start_factor, *end_factor, (t / (*total_iters).max(1) as f64).min(1.0))
            }
            Schedule::Step { step_size, gamma } => base * gamma.powf((step / step_size.max(&1)) as f64),
            Schedule::MultiStep { milestones, gamma } => {
                base * gamma.powf(milestones.iter().filter(|&&milestone| milestone <= step).count() as f64)
            }
            Schedule::Exponential { gamma } => base * gamma.powf(t),
            Schedule::Polynomial { total_iters, power } => {
                base * (1.0 - t.min(*total_iters as f64) / (*total_iters).max(1) as f64).powf(*power)
            }
            Schedule::Cosine { t_max, eta_min } => cosine(base, *eta_min, t / (*t_max).max(1) as f64),
            Schedule::CosineRestarts { t_0, t_mult, eta_min } => {
                let (mut begun, mut length) = (0, (*t_0).max(1));
                if *t_mult <= 1 {
                    begun = step - step % length;
                }
                while step - begun >= length {
                    begun += length;
                    length = length.saturating_mul(*t_mult);
                }
                cosine(base, *eta_min, (step - begun) as f64 / length as f64)
            }
            Schedule::OneCycle(cycle) => cycle.at(step, cycle.rates()),
            Schedule::Cyclic(cycle) => cycle.base_lr + (cycle.max_lr - cycle.base_lr) * cycle.height(step),
            Schedule::Sequence { milestones, schedules } => {
                let (current, begun) = part(milestones, step);
                schedules.get(current).map_or(base, |schedule| schedule.rate(base, step - begun))
            }
            // No factors are known of a rate of zero.
            Schedule::Product(_) if base == 0.0 => 0.0,
            Schedule::Product(schedules) => {
                schedules.iter().fold(base, |rate, schedule| rate * (schedule.rate(base, step) / base))
            }
        }
    }

    /// The momentum of a step, where the schedule moves it: against the learning rate.
    pub fn momentum(&self, step: u64) -> Option<f64> {
        match self {
            Schedule::OneCycle(cycle) => {
                let [low, high] = cycle.momenta?;
                Some(cycle.at(step, [high, low, high, high]))
            }
            Schedule::Cyclic(cycle) => {
                let [low, high] = cycle.momenta?;
                Some(high - (high - low) * cycle.height(step))
            }
            Schedule::Sequence { milestones, schedules } => {
                let (current, begun) = part(milestones, step);
                schedules.get(current)?.momentum(step - begun)
            }
            Schedule::Product(schedules) => schedules.iter().rev().find_map(|schedule| schedule.momentum(step)),
            _ => None,
        }
    }
}

/// Which part of a sequence a step is in, and the step at which that part began. Parts are passed in their order, so that
/// none begins after the step even where milestones fall.
fn part(milestones: &[u64], step: u64) -> (usize, u64) {
    let passed = milestones.iter().take_while(|&&milestone| milestone <= step);
    (passed.clone().count(), passed.last().copied().unwrap_or(0))
}

/// Between `a` and `b`.
fn line(a: f64, b: f64, share: f64) -> f64 {
    a + (b - a) * share
}

/// From `a` at 0 to `b` at 1 along a cosine.
fn cosine(a: f64, b: f64, share: f64) -> f64 {
    b + (a - b) * (1.0 + (PI * share).cos()) / 2.0
}

/// The numbers of [`Schedule::OneCycle`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneCycle {
    /// Greatest rate.
    pub max_lr: f64,
    /// Steps of the whole cycle.
    pub total_steps: u64,
    /// Share of the steps in which the rate rises.
    pub pct_start: f64,
    /// Along a line, not a cosine.
    pub linear: bool,
    /// Least and greatest momentum, if it moves.
    pub momenta: Option<[f64; 2]>,
    /// The first rate is `max_lr / div_factor`.
    pub div_factor: f64,
    /// The last rate is the first one divided by this.
    pub final_div_factor: f64,
    /// Descend to the first rate in as many steps as the rise took, and then to the last.
    pub three_phase: bool,
}

impl Default for OneCycle {
    fn default() -> OneCycle {
        OneCycle {
            max_lr: 0.1,
            total_steps: 1,
            pct_start: 0.3,
            linear: false,
            momenta: Some([0.85, 0.95]),
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }
}

impl OneCycle {
    /// The rates at the corners.
    fn rates(&self) -> [f64; 4] {
        let first = self.max_lr / self.div_factor;
        [first, self.max_lr, first, first / self.final_div_factor]
    }

    /// The value of a step, from those at the corners: start, top, the end of the descent in three phases, end.
    fn at(&self, step: u64, [first, top, back, last]: [f64; 4]) -> f64 {
        let total = self.total_steps as f64;
        let (rise, end) = (self.pct_start * total - 1.0, total - 1.0);
        let two = [(0.0, rise, first, top), (rise, end, top, last)];
        let second = 2.0 * self.pct_start * total - 2.0;
        let three = [(0.0, rise, first, top), (rise, second, top, back), (second, end, back, last)];
        let phases = if self.three_phase { &three[..] } else { &two[..] };
        let t = (step as f64).min(end.max(0.0));
        let phase = phases.iter().find(|phase| t <= phase.1).or(phases.last());
        let Some(&(begin, end, a, b)) = phase else { return last };
        let share = if end > begin { (t - begin) / (end - begin) } else { 1.0 };
        if self.linear { line(a, b, share) } else { cosine(a, b, share) }
    }
}

/// The numbers of [`Schedule::Cyclic`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cyclic {
    /// Least rate.
    pub base_lr: f64,
    /// Greatest rate of the first cycle.
    pub max_lr: f64,
    /// Steps up.
    pub step_size_up: u64,
    /// Steps down; as many as up if none.
    pub step_size_down: Option<u64>,
    /// How the height changes from cycle to cycle.
    pub mode: CyclicMode,
    /// Least and greatest momentum, if it moves.
    pub momenta: Option<[f64; 2]>,
}

impl Default for Cyclic {
    fn default() -> Cyclic {
        Cyclic {
            base_lr: 1e-3,
            max_lr: 1e-1,
            step_size_up: 2000,
            step_size_down: None,
            mode: CyclicMode::Triangular,
            momenta: Some([0.8, 0.9]),
        }
    }
}

/// How the height of [`Cyclic`] changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CyclicMode {
    /// It stays.
    Triangular,
    /// Half of it every cycle.
    Triangular2,
    /// Times this number every step.
    ExpRange(f64),
}

impl Cyclic {
    /// How far between least and greatest a step is, times the height of its cycle.
    fn height(&self, step: u64) -> f64 {
        let up = self.step_size_up as f64;
        let total = up + self.step_size_down.map_or(up, |down| down as f64);
        let cycle = (1.0 + step as f64 / total).floor();
        let place = 1.0 + step as f64 / total - cycle;
        let rising = up / total;
        let height = if place <= rising { place / rising } else { (place - 1.0) / (rising - 1.0) };
        height
            * match self.mode {
                CyclicMode::Triangular => 1.0,
                CyclicMode::Triangular2 => 0.5f64.powf(cycle - 1.0),
                CyclicMode::ExpRange(gamma) => gamma.powf(step as f64),
            }
    }
}

/// Settings of [`ReduceOnPlateau`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlateauConfig {
    /// Whether greater measures are better.
    pub maximize: bool,
    /// Factor of the rate.
    pub factor: f64,
    /// How many times in a row the measure may be no better.
    pub patience: u64,
    /// By how much it must be better.
    pub threshold: f64,
    /// The threshold is a share of the best measure, not a distance.
    pub relative: bool,
    /// How many measures after a division are not counted.
    pub cooldown: u64,
    /// Least rate.
    pub min_lr: f64,
    /// The least division that is made.
    pub eps: f64,
}

impl Default for PlateauConfig {
    fn default() -> PlateauConfig {
        PlateauConfig {
            maximize: false,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            relative: true,
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
        }
    }
}

/// Divides the learning rate when a measure has stopped getting better. The measures seen are part of the value, to save
/// and resume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReduceOnPlateau {
    config: PlateauConfig,
    best: Option<f64>,
    bad: u64,
    resting: u64,
}

impl ReduceOnPlateau {
    /// Before the first measure.
    pub fn new(config: PlateauConfig) -> ReduceOnPlateau {
        ReduceOnPlateau { config, ..ReduceOnPlateau::default() }
    }

    /// The rate after a measure, from the one before it.
    pub fn next(&mut self, measure: f64, rate: f64) -> f64 {
        if self.is_better(measure) {
            self.best = Some(measure);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.resting > 0 {
            self.resting -= 1;
            self.bad = 0;
        }
        if self.bad <= self.config.patience {
            return rate;
        }
        self.resting = self.config.cooldown;
        self.bad = 0;
        let lower = (rate * self.config.factor).max(self.config.min_lr);
        if rate - lower > self.config.eps { lower } else { rate }
    }

    /// Never of a NaN; of the first measure, unless it is as bad as can be.
    fn is_better(&self, measure: f64) -> bool {
        let PlateauConfig { maximize, threshold, relative, .. } = self.config;
        let Some(best) = self.best else {
            return if maximize { measure > f64::NEG_INFINITY } else { measure < f64::INFINITY };
        };
        let margin = if relative { threshold * best } else { threshold };
        if maximize { measure > best + margin } else { measure < best - margin }
    }
}
