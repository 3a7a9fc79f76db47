//! Receptive fields along the graph.

use super::ReceptiveField;
use super::places::{Kind, Placed};
use mapsto_tensor::{Origin, Record, Shape, Span, Spec, ValueId};

/// What a value sees of the inputs along its last axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// Nothing: it comes from parameters and constants.
    Nothing,
    /// So much; itself where there is no number.
    Field(Vec<Axis>),
    /// Everything, or what no window says.
    Unbounded,
}

/// Along one axis, in places of the inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    size: f64,
    stride: f64,
}

const ITSELF: Axis = Axis { size: 1.0, stride: 1.0 };

impl Axis {
    fn through(self, span: Span) -> Axis {
        let more = span.size.saturating_sub(1) as f64 * span.dilation as f64;
        Axis { size: self.size + more * self.stride, stride: self.stride * span.stride }
    }

    fn max(self, other: Axis) -> Axis {
        Axis { size: self.size.max(other.size), stride: self.stride.max(other.stride) }
    }
}

impl Seen {
    /// Of both together.
    fn with(self, other: Seen) -> Seen {
        match (self, other) {
            (Seen::Unbounded, _) | (_, Seen::Unbounded) => Seen::Unbounded,
            (Seen::Nothing, seen) | (seen, Seen::Nothing) => seen,
            (Seen::Field(a), Seen::Field(b)) => {
                let count = a.len().max(b.len());
                Seen::Field((0..count).map(|i| axis(&a, count, i).max(axis(&b, count, i))).collect())
            }
        }
    }
}

/// The `i`-th of the last `count` axes.
fn axis(axes: &[Axis], count: usize, i: usize) -> Axis {
    (i + axes.len()).checked_sub(count).map_or(ITSELF, |i| axes[i])
}

/// What each value of a record sees.
pub(super) fn seen(record: &Record, placed: &Placed) -> Vec<Seen> {
    let first = |(value, origin): (ValueId, &Origin)| match (origin, placed.values[value]) {
        (Origin::Input(_), _) => Seen::Field(Vec::new()),
        _ => Seen::Nothing,
    };
    let mut seen: Vec<Seen> = record.origins().iter().enumerate().map(first).collect();
    for step in record.steps() {
        let specs = |values: &[ValueId]| values.iter().map(|&value| record.specs()[value]).collect::<Vec<Spec>>();
        let (inputs, outputs) = (specs(&step.inputs), specs(&step.outputs));
        let is_data = |value: &&ValueId| placed.values[**value] == Kind::Data;
        let data: Vec<&ValueId> = step.inputs.iter().filter(is_data).collect();
        let spans = step.op.spans(&inputs);
        let slides = !spans.is_empty() && data.len() == 1 && data.first() == Some(&&step.inputs[0]);
        for (&value, output) in step.outputs.iter().zip(&outputs) {
            seen[value] = if data.is_empty() {
                Seen::Nothing
            } else if slides {
                slid(&seen[step.inputs[0]], &spans, &inputs[0].shape, &output.shape)
            } else if step.op.multiply_adds(&inputs, &outputs) > 0 {
                Seen::Unbounded
            } else {
                let through =
                    data.iter().map(|&&input| passed(&seen[input], &record.specs()[input].shape, &output.shape));
                through.fold(Seen::Nothing, Seen::with)
            };
        }
    }
    seen
}

/// Through windows along the last axes. The first two axes, samples and channels, are not counted.
fn slid(seen: &Seen, spans: &[Span], input: &Shape, output: &Shape) -> Seen {
    let Seen::Field(axes) = seen else { return seen.clone() };
    let count = spans.len().max(axes.len()).min(output.rank().saturating_sub(2));
    let through = |i: usize| {
        let span = (i + spans.len()).checked_sub(count).map(|i| spans[i]);
        let at = |shape: &Shape| shape[shape.rank() - count + i];
        let span = span.or_else(|| (at(input) == at(output)).then_some(Span::SAME));
        span.map(|span| axis(axes, count, i).through(span))
    };
    (0..count).map(through).collect::<Option<_>>().map_or(Seen::Unbounded, Seen::Field)
}

/// Through an operation of which nothing is known: where sizes stay, places do.
fn passed(seen: &Seen, input: &Shape, output: &Shape) -> Seen {
    let Seen::Field(axes) = seen else { return seen.clone() };
    let stays = if axes.is_empty() {
        output.numel() >= input.numel()
    } else {
        let last = |shape: &Shape| shape.rank().checked_sub(axes.len()).map(|lead| shape[lead..].to_vec());
        let fits = |(&from, to): (&usize, usize)| from == to || from == 1;
        match (last(input), last(output)) {
            (Some(from), Some(to)) => input.rank() == output.rank() && from.iter().zip(to).all(fits),
            _ => false,
        }
    };
    if stays { seen.clone() } else { Seen::Unbounded }
}

/// What several values see together, as a summary shows it; nothing where no window slid or one sees everything.
pub(super) fn shown<'a>(values: impl Iterator<Item = &'a Seen>) -> Vec<ReceptiveField> {
    let show = |axis: &Axis| ReceptiveField { size: axis.size.ceil() as u64, stride: axis.stride };
    match values.cloned().fold(Seen::Nothing, Seen::with) {
        Seen::Field(axes) => axes.iter().map(show).collect(),
        _ => Vec::new(),
    }
}
