//! The tasks, listed once, and what the commands do with each.

use crate::commands::{eval, predict, summary, train};
use crate::failure::Failure;
use mapsto_tasks::audio::AudioExamples;
use mapsto_tasks::digits::DigitsExamples;
use mapsto_tasks::forecast::Forecast;
use mapsto_tasks::image::ImageExamples;
use mapsto_tasks::lm::Lm;
use mapsto_tasks::recommend::Recommend;
use mapsto_tasks::series::SeriesExamples;
use mapsto_tasks::speech::Speech;
use mapsto_tasks::synthesize::Synthesize;
use mapsto_tasks::table::TableExamples;
use mapsto_tasks::text::TextExamples;
use mapsto_tasks::translate::TranslateExamples;
use mapsto_tasks::{Answered, Models, Saved, Task};
use std::marker::PhantomData;
use std::path::Path;

/// A task as the commands know it.
pub trait Known: Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it learns, in a few words.
    fn about(&self) -> &'static str;
    /// `mapsto train`.
    fn train(&self, arguments: &train::Arguments) -> Result<(), Failure>;
    /// `mapsto train --resume`.
    fn resume(&self, arguments: &train::Arguments, run: &Path) -> Result<(), Failure>;
    /// `mapsto eval`.
    fn eval(&self, arguments: &eval::Arguments, saved: &Saved) -> Result<(), Failure>;
    /// `mapsto predict`.
    fn predict(&self, arguments: &predict::Arguments, saved: &Saved) -> Result<(), Failure>;
    /// The models that its networks can be.
    fn models(&self) -> Option<Models>;
    /// `mapsto summary`.
    fn summary(&self, arguments: &summary::Arguments, saved: &Saved) -> Result<(), Failure>;
}

/// A task, without its data.
struct Of<T>(PhantomData<fn() -> T>);

impl<T: Task> Known for Of<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn about(&self) -> &'static str {
        T::ABOUT
    }

    fn train(&self, arguments: &train::Arguments) -> Result<(), Failure> {
        train::begin::<T>(arguments)
    }

    fn resume(&self, arguments: &train::Arguments, run: &Path) -> Result<(), Failure> {
        train::resume::<T>(arguments, run)
    }

    fn eval(&self, arguments: &eval::Arguments, saved: &Saved) -> Result<(), Failure> {
        eval::evaluate::<T>(arguments, saved)
    }

    fn predict(&self, arguments: &predict::Arguments, saved: &Saved) -> Result<(), Failure> {
        predict::predict::<T>(arguments, saved)
    }

    fn models(&self) -> Option<Models> {
        T::MODELS
    }

    fn summary(&self, arguments: &summary::Arguments, saved: &Saved) -> Result<(), Failure> {
        summary::summarise::<T>(arguments, saved)
    }
}

/// All tasks.
pub static TASKS: &[&dyn Known] = &[
    &Of::<Answered<DigitsExamples>>(PhantomData),
    &Of::<Answered<ImageExamples>>(PhantomData),
    &Of::<Answered<TableExamples>>(PhantomData),
    &Of::<Answered<TextExamples>>(PhantomData),
    &Of::<Answered<AudioExamples>>(PhantomData),
    &Of::<TranslateExamples>(PhantomData),
    &Of::<Recommend>(PhantomData),
    &Of::<Answered<SeriesExamples>>(PhantomData),
    &Of::<Forecast>(PhantomData),
    &Of::<Lm>(PhantomData),
    &Of::<Synthesize>(PhantomData),
    &Of::<Speech>(PhantomData),
];

/// The task of this name, which stands in a file.
pub fn task(name: &str, file: &Path) -> Result<&'static dyn Known, Failure> {
    let known = || TASKS.iter().map(|task| task.name()).collect::<Vec<_>>().join(", ");
    let unknown = || format!("{} is of the task {name:?}, this version knows {}", file.display(), known());
    TASKS.iter().copied().find(|task| task.name() == name).ok_or_else(|| Failure::user(unknown()))
}
