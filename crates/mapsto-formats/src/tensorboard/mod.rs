//! Events for TensorBoard.

mod error;
mod histogram;
mod message;
mod record;

pub use error::EventError;

use histogram::Histogram;
use mapsto_tensor::{DType, Error, Tensor};
use message::{Summary, event, version};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes curves, histograms, pictures and texts that TensorBoard shows (`tensorboard --logdir FOLDER`).
///
/// Events reach the system when the buffer is full, at [`flush`](EventWriter::flush), and when the writer is dropped. A run that
/// resumes from a checkpoint opens its file again with the [`length`](EventWriter::length) that the checkpoint remembers, and what
/// was written after it is gone.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// use mapsto_formats::EventWriter;
/// let mut events = EventWriter::create(folder)?;
/// events.scalar("loss/train", 1, 0.7)?;
/// events.flush()?;
/// let (path, length) = (events.path().to_owned(), events.length());
/// events.scalar("loss/train", 2, 0.6)?;
/// drop(events);
/// let mut events = EventWriter::open(path, length)?;
/// events.scalar("loss/train", 2, 0.65)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    out: BufWriter<File>,
    length: u64,
}

impl EventWriter {
    /// A new file in a folder, which is made where it is not there: `events.out.tfevents.<seconds>.<host>.<process>.<number>`.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn create(folder: impl AsRef<Path>) -> Result<EventWriter, EventError> {
        let folder = folder.as_ref();
        let refused = |source| EventError::Io { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(refused)?;
        let start = format!("events.out.tfevents.{:010}.{}.{}", now() as u64, host(), std::process::id());
        let (path, file) = (0u64..)
            .map(|number| folder.join(format!("{start}.{number}")))
            .map(|path| (OpenOptions::new().write(true).create_new(true).open(&path), path))
            .find(|(opened, _)| !matches!(opened, Err(error) if error.kind() == ErrorKind::AlreadyExists))
            .map(|(opened, path)| opened.map(|file| (path, file)))
            .unwrap_or_else(|| Err(ErrorKind::AlreadyExists.into()))
            .map_err(refused)?;
        let mut events = EventWriter { path, out: BufWriter::new(file), length: 0 };
        events.write(&version(now()))?;
        events.flush()?;
        Ok(events)
    }

    /// Goes on in a file after its first `keep_bytes` bytes. What follows them is cut off, and so is a record that is not
    /// whole: [`length`](EventWriter::length) tells what is left, at least the record that every file begins with.
    ///
    /// # Errors
    /// A refusal of the system; a file that is no event file, which stays as it is.
    pub fn open(path: impl AsRef<Path>, keep_bytes: u64) -> Result<EventWriter, EventError> {
        let path = path.as_ref();
        let opened = || -> io::Result<Option<(File, u64)>> {
            let mut file = OpenOptions::new().read(true).write(true).open(path)?;
            let Some(length) = whole_length(&mut file, keep_bytes)? else { return Ok(None) };
            file.set_len(length)?;
            file.seek(SeekFrom::Start(length))?;
            Ok(Some((file, length)))
        };
        match opened() {
            Ok(Some((file, length))) => Ok(EventWriter { path: path.to_owned(), out: BufWriter::new(file), length }),
            Ok(None) => Err(EventError::Other(path.to_owned())),
            Err(source) => Err(EventError::Io { path: path.to_owned(), source }),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of all events so far, those that are still buffered too.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Hands all events to the system.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn flush(&mut self) -> Result<(), EventError> {
        self.out.flush().map_err(|source| EventError::Io { path: self.path.clone(), source })
    }

    /// A point of a curve.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f32) -> Result<(), EventError> {
        self.event(step, Summary::scalar(tag, value))
    }

    /// How often values of each size occur in a tensor, in TensorFlow's buckets (each a tenth wider than the one before); what
    /// is infinite or NaN is not counted.
    ///
    /// # Errors
    /// A refusal of memory or of the system.
    pub fn histogram(&mut self, tag: &str, step: u64, values: &Tensor) -> Result<(), EventError> {
        let read = || values.detach().to_dtype(DType::F64)?.to_vec::<f64>();
        let values = read().map_err(|source: Error| EventError::Tensor { tag: tag.into(), source })?;
        self.event(step, Summary::histogram(tag, &Histogram::of(&values)))
    }

    /// A picture: `u8[height, width, channels]`, grey with one channel, red, green and blue with three.
    ///
    /// # Errors
    /// A tensor of another type or shape; a refusal of the system.
    pub fn image(&mut self, tag: &str, step: u64, pixels: &Tensor) -> Result<(), EventError> {
        let sizes = match pixels.shape()[..] {
            [height, width, channels @ (1 | 3)] if pixels.dtype() == DType::U8 && height * width > 0 => {
                [height, width, channels]
            }
            _ => {
                let (dtype, shape) = (pixels.dtype(), Box::new(*pixels.shape()));
                return Err(EventError::Image { tag: tag.into(), dtype, shape });
            }
        };
        let bytes = pixels.to_vec::<u8>().map_err(|source| EventError::Tensor { tag: tag.into(), source })?;
        let png = png(sizes, &bytes).map_err(|e| EventError::Png { tag: tag.into(), why: e.to_string() })?;
        self.event(step, Summary::image(tag, sizes, &png))
    }

    /// A text, which TensorBoard shows as Markdown.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn text(&mut self, tag: &str, step: u64, text: &str) -> Result<(), EventError> {
        self.event(step, Summary::text(tag, text))
    }

    fn event(&mut self, step: u64, summary: Summary) -> Result<(), EventError> {
        self.write(&event(now(), step, summary))
    }

    fn write(&mut self, event: &[u8]) -> Result<(), EventError> {
        let record = record::framed(event);
        self.out.write_all(&record).map_err(|source| EventError::Io { path: self.path.clone(), source })?;
        self.length += record.len() as u64;
        Ok(())
    }
}

/// The length of the whole records within `keep` bytes, at least of the first; none where the first is not whole or not of an
/// event file.
fn whole_length(file: &mut File, keep: u64) -> io::Result<Option<u64>> {
    let mut from = BufReader::new(file);
    let mut first: Vec<u8> = Vec::new();
    let head = |piece: &[u8]| first.extend(&piece[..piece.len().min(64_usize.saturating_sub(first.len()))]);
    let Some(mut length) = record::skip(&mut from, head)? else { return Ok(None) };
    if !first.windows(message::VERSION.len()).any(|window| window == message::VERSION) {
        return Ok(None);
    }
    while let Some(record) = record::skip(&mut from, |_| ())?
        && length + record <= keep
    {
        length += record;
    }
    Ok(Some(length))
}

fn png([height, width, channels]: [usize; 3], pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    // More than a PNG can have is refused by its encoder.
    let [height, width] = [height, width].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The machine's name, as far as it fits the name of a file.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok()));
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let host: String = name.unwrap_or_default().chars().filter(fits).take(64).collect();
    if host.is_empty() { "localhost".into() } else { host }
}

#[cfg(test)]
mod tests;
