//! The digits as tensors.

use crate::failure::Failure;
use mapsto_data::{Digits, digits, stratified_split};
use mapsto_nn::Layer;
use mapsto_tensor::ops::{Outside, Sampling};
use mapsto_tensor::{Result, Rng, Tensor, no_grad};

/// The share of images that only the last evaluation sees.
const TEST_SHARE: f64 = 0.2;
/// The seed of the split: one for all runs, so that their figures can be compared.
const SPLIT_SEED: u64 = 0;
/// Images that go through the network at once outside training.
const EVAL_BATCH: usize = 512;

/// Images `[N, 1, 8, 8]` with their digits.
pub struct Part {
    pub images: Tensor,
    pub labels: Vec<usize>,
}

impl Part {
    /// The training part and the test part of the embedded digits.
    pub fn both() -> Result<[Part; 2], Failure> {
        let Digits { images, labels } = digits();
        let labels: Vec<usize> = labels.into_iter().map(usize::from).collect();
        let mut rng = Rng::new(SPLIT_SEED);
        let (train, test) = stratified_split(&labels, TEST_SHARE, &mut |n| rng.below(n))
            .map_err(|e| Failure::Internal(e.to_string()))?;
        let part = |items: &[usize]| -> Result<Part, Failure> {
            let pixels: Vec<f32> = items
                .iter()
                .flat_map(|&item| &images[item * Digits::HEIGHT * Digits::WIDTH..][..Digits::HEIGHT * Digits::WIDTH])
                .map(|&pixel| pixel as f32)
                .collect();
            Ok(Part { images: pixels_to_images(&pixels)?, labels: items.iter().map(|&item| labels[item]).collect() })
        };
        Ok([part(&train)?, part(&test)?])
    }

    /// The test part alone.
    pub fn test() -> Result<Part, Failure> {
        let [_, test] = Part::both()?;
        Ok(test)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
}

/// Pixels from 0 to 16, image after image, as the network takes them: `[N, 1, 8, 8]` from 0 to 1.
pub fn pixels_to_images(pixels: &[f32]) -> Result<Tensor> {
    let count = pixels.len() / (Digits::HEIGHT * Digits::WIDTH);
    let scaled = pixels.iter().map(|&pixel| pixel / Digits::MAX as f32).collect();
    Tensor::from_vec(scaled, [count, 1, Digits::HEIGHT, Digits::WIDTH])
}

/// The network's outputs `[N, 10]`, without gradients. All are finite: others would be ranked as if they meant something.
pub fn logits(model: &impl Layer, images: &Tensor) -> Result<Tensor, Failure> {
    let forward = || images.split(EVAL_BATCH, 0)?.iter().map(|batch| model.forward(batch)).collect();
    let outputs: Vec<Tensor> = no_grad::<Result<_>>(forward)?;
    let outputs = Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 0)?;
    if let Some(place) = outputs.to_vec::<f32>()?.iter().position(|output| !output.is_finite()) {
        let image = place / Digits::CLASSES + 1;
        let mend = "train again, with a lower --lr";
        return Err(Failure::user(format!("the network's outputs for image {image} are NaN or infinite; {mend}")));
    }
    Ok(outputs)
}

/// How far training images are changed at random.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Turned by up to so many degrees to either side.
    pub degrees: f64,
    /// Scaled along each axis by up to this share up or down.
    pub scale: f64,
    /// Moved along each axis by up to this share of the image.
    pub shift: f64,
}

impl Default for Augmentation {
    fn default() -> Augmentation {
        Augmentation { degrees: 10.0, scale: 0.1, shift: 0.06 }
    }
}

impl Augmentation {
    /// Images turned, scaled and moved, each in its own way.
    pub fn apply(&self, images: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let mut maps = Vec::with_capacity(images.shape()[0] * 6);
        let mut within = |limit: f64| (2.0 * rng.next_f64() - 1.0) * limit;
        for _ in 0..images.shape()[0] {
            let (sin, cos) = within(self.degrees).to_radians().sin_cos();
            let (x, y) = (1.0 + within(self.scale), 1.0 + within(self.scale));
            // The grid spans from -1 to 1: a share of the image is twice as much.
            let (right, down) = (2.0 * within(self.shift), 2.0 * within(self.shift));
            maps.extend([cos * x, -sin * y, right, sin * x, cos * y, down].map(|v| v as f32));
        }
        let maps = Tensor::from_vec(maps, [images.shape()[0], 2, 3])?;
        let grid = maps.affine_grid(&[Digits::HEIGHT, Digits::WIDTH], false)?;
        images.grid_sample(&grid, Sampling::Linear, Outside::Zeros, false)
    }
}
