//! Recurrent layers.

mod composed;
mod samples;
mod stack;

pub use stack::RecurrentStack;

use crate::backend::RecurrentArgs;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Op, Outputs, Specs};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::Entry;
use smallvec::smallvec;

/// What happens to a state in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// `h' = tanh(Wx + b + Uh + c)` (Elman, 1990).
    RnnTanh,
    /// `h' = max(0, Wx + b + Uh + c)`.
    RnnRelu,
    /// Long short-term memory (Hochreiter and Schmidhuber, 1997; with Gers' forget gate), gates in the order i, f, g, o:
    /// `c' = σ(f) c + σ(i) tanh(g)`, `h' = σ(o) tanh(c')`.
    Lstm,
    /// Gated recurrent unit (Cho et al., 2014, reset after the product as in cuDNN), gates in the order r, z, n:
    /// `n = tanh(Wx + b + σ(r) (Uh + c))`, `h' = (1 - σ(z)) n + σ(z) h`.
    Gru,
}

impl Cell {
    /// Every cell.
    pub const ALL: [Cell; 4] = [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru];

    /// How many blocks of `H` rows its weights have.
    pub fn gates(self) -> usize {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Cell::RnnTanh => "rnn_tanh",
            Cell::RnnRelu => "rnn_relu",
            Cell::Lstm => "lstm",
            Cell::Gru => "gru",
        }
    }
}

/// One direction of one recurrent layer over whole sequences, PyTorch's formulas and order of gates.
///
/// Inputs, in this order: `x [T, N, I]`, `weight_ih [G * H, I]`, `weight_hh [G * H, H]`, `h0 [N, H]`; of an LSTM
/// `c0 [N, H]`; with `bias`, `bias_ih [G * H]` and `bias_hh [G * H]`; with `lengths`, `lengths [N]` of `i64`, each from
/// 0 to `T`. Outputs: `y [T, N, H]`, `h_n [N, H]`; of an LSTM `c_n [N, H]`.
///
/// With lengths a sequence ends at its own length: behind it nothing is read, `y` is zero and the state stays; in
/// reverse the sequence begins there.
#[derive(Clone, Copy, Debug)]
pub struct Recurrent {
    /// What happens in one step.
    pub cell: Cell,
    /// Whether sequences run from their ends to their beginnings.
    pub reverse: bool,
    /// Whether there are biases.
    pub bias: bool,
    /// Whether sequences have lengths of their own.
    pub lengths: bool,
}

/// Where the inputs stand; those that are always there stand at 0 to 3.
struct Places {
    c0: Option<usize>,
    bias: Option<usize>,
    lengths: Option<usize>,
    count: usize,
}

impl Recurrent {
    fn places(&self) -> Places {
        let mut count = 4;
        let mut next = |wanted: bool, size: usize| {
            count += if wanted { size } else { 0 };
            wanted.then(|| count - size)
        };
        let (c0, bias, lengths) = (next(self.cell == Cell::Lstm, 1), next(self.bias, 2), next(self.lengths, 1));
        Places { c0, bias, lengths, count }
    }

    fn args<'a>(&self, inputs: &[&'a Tensor]) -> RecurrentArgs<'a> {
        let places = self.places();
        RecurrentArgs {
            cell: self.cell,
            reverse: self.reverse,
            x: inputs[0],
            weight_ih: inputs[1],
            weight_hh: inputs[2],
            h0: inputs[3],
            c0: places.c0.map(|i| inputs[i]),
            bias: places.bias.map(|i| [inputs[i], inputs[i + 1]]),
            lengths: places.lengths.map(|i| inputs[i]),
        }
    }
}

impl Op for Recurrent {
    fn name(&self) -> &'static str {
        "recurrent"
    }

    fn attributes(&self) -> Attributes {
        vec![
            ("cell", self.cell.name().into()),
            ("reverse", self.reverse.into()),
            ("bias", self.bias.into()),
            ("lengths", self.lengths.into()),
        ]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let places = self.places();
        crate::op::expect_inputs(inputs, places.count)?;
        let floats = &inputs[..places.lengths.unwrap_or(places.count)];
        crate::op::expect_float(floats)?;
        let dtype = crate::op::expect_same_dtype(floats)?;
        let (x, weight_hh) = (inputs[0].shape, inputs[2].shape);
        let &[steps, sequences, features] = &*x else {
            return Err(Error::shape(format!("the input is [steps, sequences, features], not {x}")));
        };
        let &[rows, hidden] = &*weight_hh else {
            return Err(Error::shape(format!("the state's weights are a matrix, not {weight_hh}")));
        };
        if hidden.checked_mul(self.cell.gates()) != Some(rows) {
            let (name, gates) = (self.cell.name(), self.cell.gates());
            return Err(Error::shape(format!("the state's weights of {name} are [{gates} * H, H], not {weight_hh}")));
        }
        let expect = |index: usize, what: &str, sizes: &[usize]| {
            let shape = inputs[index].shape;
            if *shape == *sizes {
                return Ok(());
            }
            Err(Error::shape(format!("{what} is {shape}; an input {x} and state weights {weight_hh} need {sizes:?}")))
        };
        expect(1, "the input's weights", &[rows, features])?;
        expect(3, "the first state", &[sequences, hidden])?;
        places.c0.map_or(Ok(()), |i| expect(i, "the first cell state", &[sequences, hidden]))?;
        places.bias.map_or(Ok(()), |i| expect(i, "the input's bias", &[rows]))?;
        places.bias.map_or(Ok(()), |i| expect(i + 1, "the state's bias", &[rows]))?;
        if let Some(i) = places.lengths {
            expect(i, "the list of lengths", &[sequences])?;
            if inputs[i].dtype != DType::I64 {
                return Err(Error::dtype(format!("lengths are i64, not {}", inputs[i].dtype)));
            }
        }
        // What is kept for each step must be addressable too.
        Shape::new(&[steps, sequences, hidden, 5])?;
        let state = Spec::new(Shape::new(&[sequences, hidden])?, dtype);
        let mut outputs: Specs = smallvec![Spec::new(Shape::new(&[steps, sequences, hidden])?, dtype), state];
        outputs.extend(places.c0.map(|_| state));
        Ok(outputs)
    }

    fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
        let out = inputs[0].backend().recurrent(&self.args(inputs), cx.is_recording())?;
        out.saved.into_iter().for_each(|value| cx.save(value));
        Ok([out.y, out.h_n].into_iter().chain(out.c_n).collect())
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let places = self.places();
        let inputs = (0..places.count).map(|i| cx.input(i)).collect::<Result<Vec<_>>>()?;
        let saved = (0..3).map(|i| cx.saved(i)).collect::<Result<Vec<_>>>()?;
        let grads = [0, 1, 2].map(|output| cx.grad_if_any(output));
        let args = self.args(&inputs.iter().collect::<Vec<_>>());
        let found = inputs[0].backend().recurrent_backward(&args, &saved, grads, cx.needs(0))?;
        let mut all: Cotangents = smallvec![found.x, Some(found.weight_ih), Some(found.weight_hh), Some(found.h0)];
        all.extend(found.c0.map(Some));
        all.extend(found.bias.into_iter().flatten().map(Some));
        all.resize(places.count, None);
        Ok(all)
    }

    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        let (x, weights) = (inputs[0].shape, [inputs[1].shape, inputs[2].shape]);
        let weights = weights.iter().map(|weight| weight.numel() as u64).fold(0, u64::saturating_add);
        weights.saturating_mul(x[0] as u64).saturating_mul(x[1] as u64)
    }

    fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
        composed::recurrent(&self.args(&inputs.iter().collect::<Vec<_>>())).map(Some)
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Recurrent>()]
}
