//! Settings that suit the data.

use super::config::{Feedback, RecommendConfig, Sampling};
use crate::settings::Settings;
use mapsto_data::Ratings;
use mapsto_models::RecommendModel;

/// The fewest and most epochs.
const EPOCHS: [usize; 2] = [3, 40];
/// Rows of a history, about: it is one example where histories are read.
const HISTORY: usize = 30;
/// Of more items than this, some are drawn where rankings are learned.
const MANY_ITEMS: usize = 20_000;

/// With what is to be learned of these ratings: themselves where there are some, unless the network reads histories.
pub(super) fn feedback(mut settings: Settings<RecommendConfig>, ratings: &Ratings) -> Settings<RecommendConfig> {
    if ratings.ratings.is_some() && !settings.config.reads_histories() {
        settings.config.feedback = Feedback::Explicit;
    }
    settings
}

/// With a training that suits what is learned.
pub(super) fn training(mut settings: Settings<RecommendConfig>, ratings: &Ratings) -> Settings<RecommendConfig> {
    let Settings { config, training, .. } = &mut settings;
    let is_explicit = config.feedback == Feedback::Explicit;
    // Where all that was had counts as liked, so does what has the lowest rating.
    let mut all = ratings.ratings.clone().unwrap_or_else(|| vec![1.0]);
    all.sort_unstable_by(f64::total_cmp);
    config.liked = all[if is_explicit { all.len() / 2 } else { 0 }];
    if ratings.items.names.len() > MANY_ITEMS {
        config.sampling = Sampling::Uniform;
    }
    // Small data are in small batches, so that there are some hundred steps.
    let batch = |rows: usize, sizes: [usize; 2]| (ratings.len() / rows).clamp(sizes[0], sizes[1]);
    let steps;
    (training.batch_size, training.learning_rate, config.l2, steps) = match (is_explicit, &config.model) {
        (true, RecommendModel::TwoTower(_)) => (batch(300, [32, 256]), 5e-3, 0.02, 5000),
        (true, _) => (batch(300, [32, 256]), 5e-3, 0.1, 5000),
        (_, RecommendModel::Mf(_)) => (batch(150, [64, 512]), 5e-3, 0.02, 2000),
        (_, RecommendModel::TwoTower(_)) => (batch(150, [64, 512]), 5e-3, 0.0, 4000),
        (_, RecommendModel::Sequence(_)) => (batch(1000, [16, 64]), 3e-3, 0.0, 1000),
    };
    let reads = config.reads_histories();
    training.clip_norm = if reads { 1.0 } else { 0.0 };
    let per_epoch = ratings.len() / training.batch_size / if reads { HISTORY } else { 1 };
    training.epochs = (steps / per_epoch.max(1)).clamp(EPOCHS[0], EPOCHS[1]) as u64;
    settings
}
