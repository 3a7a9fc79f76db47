//! Progress of a training run, on standard error.

mod losses;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use losses::{Losses, terminal_columns};

/// Between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Between two updates of the bar: what no eye follows is not worth formatting.
const BAR_INTERVAL: Duration = Duration::from_millis(50);
/// Above the bar stands the chart of the losses.
const TEMPLATE: &str = "{prefix}{bar:30.green} {pos}/{len} {msg}  left {eta}";

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A live bar, for a terminal.
    Bar,
    /// A plain line now and then, for log files.
    Lines,
    /// Nothing: standard output speaks to a program.
    Silent,
}

impl Mode {
    /// The mode that suits this process: silent when `json` is asked for, a bar when standard error is a terminal, lines
    /// otherwise.
    pub fn detect(json: bool) -> Self {
        match (json, io::stderr().is_terminal()) {
            (true, _) => Self::Silent,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

/// Shows how far a run is, its latest loss and accuracy, and the time left.
///
/// Nothing here can fail: when standard error is closed, the run goes on unseen.
#[derive(Debug)]
pub struct Progress(Display);

#[derive(Debug)]
enum Display {
    Bar { bar: ProgressBar, status: Status, losses: Losses, shown: Option<Instant> },
    Lines(Lines<io::Stderr>),
    Silent,
}

impl Progress {
    /// Starts the clock of a run of `total_steps` steps over all its epochs, of which some are done.
    pub fn new(total_steps: u64, done: u64, mode: Mode) -> Self {
        Self(match mode {
            Mode::Bar => {
                let bar = ProgressBar::with_draw_target(Some(total_steps), ProgressDrawTarget::stderr());
                // No terminal after all, or one that cannot move its cursor: a hidden bar would swallow the lines too.
                if bar.is_hidden() {
                    return Self::new(total_steps, done, Mode::Lines);
                }
                bar.set_position(done);
                bar.reset_eta();
                bar.set_style(ProgressStyle::with_template(TEMPLATE).expect("a test parses the template"));
                Display::Bar { bar, status: Status::default(), losses: Losses::default(), shown: None }
            }
            Mode::Lines => Display::Lines(Lines::new(total_steps, done, io::stderr(), Instant::now())),
            Mode::Silent => Display::Silent,
        })
    }

    /// One step is done, with its loss and, where the task has one, its accuracy (0 to 1).
    pub fn step(&mut self, loss: f64, accuracy: Option<f64>) {
        match &mut self.0 {
            Display::Bar { bar, status, shown, .. } => {
                status.step(loss, accuracy);
                bar.inc(1);
                let now = Instant::now();
                if shown.is_none_or(|last| now - last >= BAR_INTERVAL) {
                    bar.set_message(status.to_string());
                    *shown = Some(now);
                }
            }
            Display::Lines(lines) => lines.step(loss, accuracy, Instant::now()),
            Display::Silent => {}
        }
    }

    /// Says something that stays on screen.
    pub fn line(&mut self, line: &str) {
        match &mut self.0 {
            Display::Bar { bar, .. } => bar.println(line),
            Display::Lines(lines) => lines.print(line),
            Display::Silent => {}
        }
    }

    /// One epoch is done: `line` sums it up and stays on screen. A bar stands below a chart of the losses so far, those for
    /// training and validation on one scale.
    pub fn epoch(&mut self, line: &str, loss: Option<f64>, validation: Option<f64>) {
        match &mut self.0 {
            Display::Bar { bar, status, losses, .. } => {
                status.epochs += 1;
                bar.println(line);
                losses.push(loss, validation);
                let chart = losses.draw(terminal_columns());
                bar.set_prefix(if chart.is_empty() { chart } else { chart + "\n" });
            }
            Display::Lines(lines) => lines.epoch(line),
            Display::Silent => {}
        }
    }

    /// The run is done: the bar goes, the lines of its epochs and the chart stay.
    pub fn finish(self) {
        if let Display::Bar { bar, losses, .. } = self.0 {
            let chart = losses.draw(terminal_columns());
            if !chart.is_empty() {
                bar.println(chart);
            }
            bar.finish_and_clear();
        }
    }
}

/// What is known of the run's latest step.
#[derive(Debug, Default)]
struct Status {
    steps: u64,
    epochs: u64,
    loss: f64,
    accuracy: Option<f64>,
}

impl Status {
    fn step(&mut self, loss: f64, accuracy: Option<f64>) {
        self.steps += 1;
        (self.loss, self.accuracy) = (loss, accuracy);
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, " epoch {}  loss {:.4}", self.epochs + 1, self.loss)?;
        match self.accuracy {
            Some(accuracy) => write!(f, "  accuracy {:.1} %", 100.0 * accuracy),
            None => Ok(()),
        }
    }
}

/// Plain lines: each epoch's, and between them the status when some time has passed.
#[derive(Debug)]
struct Lines<W> {
    out: W,
    total: u64,
    /// Steps of before.
    done: u64,
    status: Status,
    started: Instant,
    spoke: Instant,
}

impl<W: Write> Lines<W> {
    fn new(total: u64, done: u64, out: W, now: Instant) -> Self {
        Self { out, total, done, status: Status::default(), started: now, spoke: now }
    }

    fn step(&mut self, loss: f64, accuracy: Option<f64>, now: Instant) {
        self.status.step(loss, accuracy);
        if now - self.spoke < LINE_INTERVAL {
            return;
        }
        self.spoke = now;
        let steps = self.status.steps;
        let at = self.done + steps;
        let left = (now - self.started).as_secs_f64() / steps as f64 * self.total.saturating_sub(at) as f64;
        let line = format!("step {at}/{} {}  left {}", self.total, self.status, seconds(left));
        self.print(&line);
    }

    fn epoch(&mut self, line: &str) {
        self.status.epochs += 1;
        self.print(line);
    }

    /// `eprintln!` would panic on a closed pipe and end the run.
    fn print(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
    }
}

/// A duration as `1h 2m`, `3m 4s` or `5s`.
fn seconds(duration: f64) -> String {
    let whole = duration.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, m, _) => format!("{h}h {m}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_at_intervals() {
        let start = Instant::now();
        let mut lines = Lines::new(1000, 0, Vec::new(), start);
        for step in 1..=25 {
            lines.step(1.0 / step as f64, Some(step as f64 / 100.0), start + Duration::from_secs(step));
        }
        lines.epoch("epoch 1: loss 0.0400");
        lines.step(f64::NAN, None, start + Duration::from_secs(7226));
        let expected = "
step 10/1000  epoch 1  loss 0.1000  accuracy 10.0 %  left 16m 30s
step 20/1000  epoch 1  loss 0.0500  accuracy 20.0 %  left 16m 20s
epoch 1: loss 0.0400
step 26/1000  epoch 2  loss NaN  left 75h 11m
";
        assert_eq!(String::from_utf8(lines.out).unwrap(), expected[1..]);
    }

    #[test]
    fn a_closed_output_does_not_stop_the_run() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let start = Instant::now();
        let mut lines = Lines::new(1, 0, Closed, start);
        lines.step(0.5, None, start + LINE_INTERVAL);
        lines.epoch("epoch 1");
        // More steps than announced, and a run of none, are no reason to stop either.
        lines.step(0.5, None, start + 2 * LINE_INTERVAL);
        Lines::new(0, 0, Vec::new(), start).step(0.5, None, start + LINE_INTERVAL);
    }

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn every_mode_runs() {
        for mode in [Mode::Bar, Mode::Lines, Mode::Silent] {
            let mut progress = Progress::new(2, 0, mode);
            (0..3).for_each(|_| progress.step(0.5, Some(0.25)));
            (0..2).for_each(|_| progress.epoch("", Some(0.5), None));
            progress.finish();
        }
        assert_eq!(Mode::detect(true), Mode::Silent);
        assert_ne!(Mode::detect(false), Mode::Silent);
    }

    #[test]
    fn durations() {
        let shown = [0.4, 59.6, 3599.0, 3600.0, 90_061.0].map(seconds);
        assert_eq!(shown, ["0s", "1m 0s", "59m 59s", "1h 0m", "25h 1m"]);
    }
}
