//! `mapsto data preview`: pictures as a network will see them.

use crate::failure::Failure;
use crate::output::Output;
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage, imageops};
use mapsto_data::{Augmentation, Channels, ImageSet, Picture, Preset, Step, printable};
use mapsto_nn::write_atomic;
use mapsto_tensor::Rng;
use serde_json::json;
use std::fs;
use std::io::{Cursor, Write, stderr};
use std::path::{Path, PathBuf};

/// Pixels of a cell's side.
const CELL: u32 = 144;
/// Pixels between cells.
const GAP: u32 = 4;
/// What is between cells.
const GROUND: Rgb<u8> = Rgb([96, 96, 96]);
/// Changed pictures of a row.
const VERSIONS: usize = 7;
/// Pixels of the side of what a network sees of large pictures.
const LARGE: usize = 224;
/// Pixels up to which pictures are seen in their own size.
const SMALL: usize = 64;

#[derive(clap::Args)]
pub struct Arguments {
    /// A folder with one of pictures for each class, a table of paths and labels, a folder of IDX files, or an archive of NumPy's (.npz)
    path: PathBuf,
    /// How pictures are changed: none, light, standard, strong, or a TOML file with a list of steps
    #[arg(long, value_name = "PRESET|FILE", default_value = "standard")]
    augment: String,
    /// One step alone, with its usual settings: rotate, colour_jitter, ...
    #[arg(long, value_name = "NAME", conflicts_with = "augment")]
    step: Option<String>,
    /// Where the sheet is written: .png, .jpg, .bmp, .webp or .ppm
    #[arg(long, value_name = "FILE", default_value = "preview.png")]
    out: PathBuf,
    /// Pictures, a row each
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    count: u32,
    /// What chance depends on
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { path, augment, step, out, count, seed, json } = arguments;
    let format = format(out)?;
    let set = ImageSet::open(path).map_err(|error| Failure::user(error.to_string()))?;
    let rng = Rng::new(*seed).split("preview");
    let Chosen { pictures, passed_over } = chosen(&set, *count as usize, rng.split("pictures"))?;
    if let [first, ..] = &passed_over[..] {
        let what = if let [_] = passed_over[..] { "picture is" } else { "pictures are" };
        // Where that is closed, there is nobody to tell.
        let _ = writeln!(stderr(), "warning: {} {what} passed over: {}", passed_over.len(), printable(first));
    }
    let (what, augmentation) = match step {
        Some(name) => (name, one_step(name)?),
        None => (augment, augmentation(augment, &pictures)?),
    };
    let rows: Vec<Vec<Picture>> = pictures
        .iter()
        .map(|(index, picture)| row(picture, &augmentation, &rng.fork(*index as u64)))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::user(error.to_string()))?;
    let mut bytes = Cursor::new(Vec::new());
    sheet(rows)?.write_to(&mut bytes, format).map_err(|error| Failure::Internal(error.to_string()))?;
    write_atomic(out, |file| file.write_all(bytes.get_ref()))
        .map_err(|error| Failure::user(format!("cannot write {}: {error}", out.display())))?;
    let output = Output { json: *json, goes_on: false };
    let names: Vec<String> = pictures.iter().map(|(index, _)| set.name(*index)).collect();
    output.text(&format!(
        "{}: {} {}, a row each; at the left as they are, then changed by {what} {VERSIONS} times",
        out.display(),
        names.len(),
        if names.len() == 1 { "picture" } else { "pictures" }
    ))?;
    let steps = augmentation.steps();
    let [path, out] = [path, out].map(|path| path.to_string_lossy());
    output.event(&json!({
        "event": "preview", "path": path, "out": out, "pictures": names, "passed_over": passed_over, "steps": steps, "seed": seed
    }))
}

/// The format that a file's name ends in, if pictures are written in it.
fn format(out: &Path) -> Result<ImageFormat, Failure> {
    let format = ImageFormat::from_path(out).ok().filter(ImageFormat::writing_enabled);
    format.ok_or_else(|| {
        let mend = "its name must end in .png, .jpg, .bmp, .webp or .ppm";
        Failure::user(format!("cannot write {}: {mend}", out.display()))
    })
}

/// Some pictures.
struct Chosen {
    /// Those that can be read, and their indices.
    pictures: Vec<(usize, Picture)>,
    /// What is wrong with the others that were tried.
    passed_over: Vec<String>,
}

fn chosen(set: &ImageSet, count: usize, mut rng: Rng) -> Result<Chosen, Failure> {
    let (mut pictures, mut passed_over) = (Vec::new(), Vec::new());
    for index in rng.permutation(set.len())? {
        match set.picture(index) {
            Ok(picture) => pictures.push((index, picture)),
            Err(error) => passed_over.push(error.to_string()),
        }
        if pictures.len() == count {
            break;
        }
    }
    match pictures.is_empty() {
        true => Err(Failure::user(passed_over.pop().unwrap_or_else(|| "there are no pictures".into()))),
        false => Ok(Chosen { pictures, passed_over }),
    }
}

/// A preset for pictures of such sizes, or what a file says.
fn augmentation(said: &str, pictures: &[(usize, Picture)]) -> Result<Augmentation, Failure> {
    if let Some(preset) = Preset::ALL.into_iter().find(|preset| preset.name() == said) {
        let largest =
            pictures.iter().map(|(_, picture)| picture).max_by_key(|picture| picture.height.max(picture.width));
        let size = largest.map_or([LARGE; 2], |picture| [picture.height, picture.width]);
        let [height, width] = if size.iter().all(|&side| side <= SMALL) { size } else { [LARGE; 2] };
        return Augmentation::preset(preset, height, width).map_err(|error| Failure::user(error.to_string()));
    }
    let text = fs::read_to_string(Path::new(said)).map_err(|error| {
        let names = Preset::ALL.map(Preset::name).join(", ");
        Failure::user(format!("--augment {said}: cannot read it: {error}; give a TOML file or one of {names}"))
    })?;
    toml::from_str(&text).map_err(|error| Failure::user(format!("{said}: {}", error.to_string().trim_end())))
}

fn one_step(name: &str) -> Result<Augmentation, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::user(format!("--step: {error}"));
    let step: Step = serde_json::from_value(json!({"name": name})).map_err(|error| wrong(&error))?;
    Augmentation::new(vec![step]).map_err(|error| wrong(&error))
}

/// A picture and changed ones.
fn row(picture: &Picture, augmentation: &Augmentation, rng: &Rng) -> Result<Vec<Picture>, mapsto_data::AugmentError> {
    let mut row = vec![picture.clone()];
    for version in 0..VERSIONS as u64 {
        row.push(augmentation.apply(picture.clone(), &rng.fork(version))?);
    }
    Ok(row)
}

fn sheet(rows: Vec<Vec<Picture>>) -> Result<RgbImage, Failure> {
    let end = |cells: usize| cells as u32 * (CELL + GAP) + GAP;
    let mut sheet = RgbImage::from_pixel(end(VERSIONS + 1), end(rows.len()), GROUND);
    for (y, row) in rows.into_iter().enumerate() {
        for (x, picture) in row.into_iter().enumerate() {
            let cell = cell(picture)?;
            let middle = |at: usize, side: u32| i64::from(end(at) + (CELL - side) / 2);
            imageops::replace(&mut sheet, &cell, middle(x, cell.width()), middle(y, cell.height()));
        }
    }
    Ok(sheet)
}

/// A picture as large as a cell allows; small ones keep their pixels apart.
fn cell(picture: Picture) -> Result<RgbImage, Failure> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let image = match picture.channels {
        Channels::Grey => GrayImage::from_raw(width, height, picture.pixels).map(DynamicImage::from),
        Channels::Rgb => RgbImage::from_raw(width, height, picture.pixels).map(DynamicImage::from),
    };
    let image = image.ok_or_else(|| Failure::Internal("a picture has another size than it says".into()))?;
    let filter = if width.max(height) < CELL { imageops::FilterType::Nearest } else { imageops::FilterType::Triangle };
    Ok(image.resize(CELL, CELL, filter).into_rgb8())
}
