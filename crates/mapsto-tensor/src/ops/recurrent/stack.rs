//! Layers and directions of recurrence, one upon the other.

use super::{Cell, Recurrent};
use crate::error::{Error, Result};
use crate::op::{apply, composed};
use crate::tensor::Tensor;
use std::panic::Location;

/// Recurrent layers one upon the other, each in one direction or two.
///
/// The number of layers follows from the number of weights, and whether there are biases from the third one's shape.
#[derive(Clone, Copy, Default)]
pub struct RecurrentStack<'a> {
    /// In PyTorch's order: for each layer, for each of its directions, `weight_ih`, `weight_hh` and, with biases,
    /// `bias_ih`, `bias_hh`.
    pub weights: &'a [&'a Tensor],
    /// Whether each layer also runs from the ends of the sequences to their beginnings, its results beside the others.
    pub bidirectional: bool,
    /// Whether the input is `[N, T, I]` rather than `[T, N, I]`, and the output likewise.
    pub batch_first: bool,
    /// How long each sequence is, `i64` `[N]`; what lies behind is not read, and the output there is zero.
    pub lengths: Option<&'a Tensor>,
    /// What is done to the output of each layer but the last: dropout.
    pub between: Option<&'a dyn Fn(&Tensor) -> Result<Tensor>>,
}

impl RecurrentStack<'_> {
    /// Weights of each direction of each layer.
    fn weights_each(&self) -> usize {
        if self.weights.get(2).is_some_and(|w| w.rank() == 1) { 4 } else { 2 }
    }

    fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// Runs the layers from the states `[L * D, N, H]`, zero if there are none; gives the output and the last states.
    #[track_caller]
    fn run(&self, cell: Cell, x: &Tensor, states: &[&Tensor]) -> Result<Vec<Tensor>> {
        let (each, directions) = (self.weights_each(), self.directions());
        let layers = self.weights.len() / (each * directions);
        if layers == 0 || self.weights.len() != layers * each * directions {
            let (count, name) = (self.weights.len(), cell.name());
            let message = format!("{count} weights are not {each} for each of {directions} directions of each layer");
            return Err(Error::argument(message).op(name).at(Location::caller()));
        }
        if x.rank() == 2 {
            let axis = if self.batch_first { 0 } else { 1 };
            let states = states.iter().map(|state| state.unsqueeze(1)).collect::<Result<Vec<_>>>()?;
            let all = self.run(cell, &x.unsqueeze(axis)?, &states.iter().collect::<Vec<_>>())?;
            return all.iter().enumerate().map(|(i, t)| t.squeeze(&[if i == 0 { axis } else { 1 }])).collect();
        }
        if x.rank() != 3 {
            let message = format!("the input is [steps, sequences, features] or one sequence of it, not {}", x.shape());
            return Err(Error::shape(message).op(cell.name()).at(Location::caller()));
        }
        let hidden = self.weights[1].size(-1)?;
        let sequences = x.shape()[if self.batch_first { 0 } else { 1 }];
        let wanted = [layers * directions, sequences, hidden];
        if let Some(state) = states.iter().find(|state| **state.shape() != wanted) {
            let message = format!("the first state is {}, not {wanted:?}", state.shape());
            let mend = "states are [layers * directions, sequences, hidden] also where the batch comes first";
            return Err(Error::shape(message).op(cell.name()).at(Location::caller()).mend(mend));
        }
        let zeros = Tensor::zeros([sequences, hidden], x.dtype())?;
        let kinds = if cell == Cell::Lstm { 2 } else { 1 };
        // Views change the order of the axes; the kernels keep that of memory.
        let turned = |x: &Tensor| if self.batch_first { x.transpose(0, 1) } else { Ok(x.clone()) };
        let mut last: Vec<Vec<Tensor>> = vec![Vec::new(); kinds];
        let mut value = x.clone();
        for layer in 0..layers {
            let input = turned(&value)?;
            let mut results = Vec::with_capacity(directions);
            for direction in 0..directions {
                let index = layer * directions + direction;
                let weights = &self.weights[index * each..][..each];
                let states = (0..kinds)
                    .map(|kind| match states.get(kind) {
                        Some(state) => state.narrow(0, index, 1)?.squeeze(&[0]),
                        None => Ok(zeros.clone()),
                    })
                    .collect::<Result<Vec<_>>>()?;
                let op = Recurrent { cell, reverse: direction == 1, bias: each == 4, lengths: self.lengths.is_some() };
                let mut inputs = vec![&input, weights[0], weights[1]];
                inputs.extend(&states);
                inputs.extend(&weights[2..]);
                inputs.extend(self.lengths);
                let mut outputs = apply(op, &inputs)?;
                results.push(turned(&outputs[0])?);
                outputs.drain(1..).enumerate().for_each(|(kind, state)| last[kind].push(state));
            }
            value = match &results[..] {
                [one] => one.clone(),
                both => Tensor::concat(&both.iter().collect::<Vec<_>>(), 2)?,
            };
            if layer + 1 < layers
                && let Some(between) = self.between
            {
                value = between(&value)?;
            }
        }
        let stacked = |states: &Vec<Tensor>| {
            let states = states.iter().map(|state| state.unsqueeze(0)).collect::<Result<Vec<_>>>()?;
            Tensor::concat(&states.iter().collect::<Vec<_>>(), 0)
        };
        let mut all = vec![value];
        for states in &last {
            all.push(stacked(states)?);
        }
        Ok(all)
    }
}

/// One step of a cell: its recurrence over a sequence of length one.
#[track_caller]
fn one_step(cell: Cell, x: &Tensor, states: &[&Tensor], weights: &[&Tensor]) -> Result<Vec<Tensor>> {
    // Without a batch this is one sequence, which `run` takes too.
    let states = states.iter().map(|state| state.unsqueeze(0)).collect::<Result<Vec<_>>>()?;
    let stack = RecurrentStack { weights, ..RecurrentStack::default() };
    let all = stack.run(cell, &x.unsqueeze(0)?, &states.iter().collect::<Vec<_>>())?;
    all[1..].iter().map(|state| state.squeeze(&[0])).collect()
}

/// The two tensors of a list of two.
fn pair(mut all: Vec<Tensor>) -> (Tensor, Tensor) {
    let second = all.swap_remove(1);
    (all.swap_remove(0), second)
}

/// Recurrent layers. Inputs are `[T, N, I]`, or `[N, T, I]` where the batch comes first, or without `N` one sequence;
/// outputs likewise `[T, N, D * H]` with `D` directions; states `[L * D, N, H]` with `L` layers.
impl Tensor {
    /// Elman layers over whole sequences, with `tanh` or (`relu`) its positive part: the output and the last states.
    ///
    /// # Errors
    /// Shapes that do not fit; element types that differ; lengths beyond the sequences.
    #[track_caller]
    pub fn rnn(&self, relu: bool, h0: Option<&Tensor>, stack: &RecurrentStack) -> Result<(Tensor, Tensor)> {
        composed("rnn", || Ok(pair(stack.run(rnn_cell(relu), self, h0.as_slice())?)))
    }

    /// LSTM layers over whole sequences: the output, the last states and the last cell states.
    ///
    /// # Errors
    /// Those of [`Tensor::rnn`].
    #[track_caller]
    pub fn lstm(&self, state: Option<(&Tensor, &Tensor)>, stack: &RecurrentStack) -> Result<(Tensor, Tensor, Tensor)> {
        let states: Vec<&Tensor> = state.into_iter().flat_map(|(h, c)| [h, c]).collect();
        let mut all = composed("lstm", || stack.run(Cell::Lstm, self, &states))?;
        let c = all.swap_remove(2);
        let (y, h) = pair(all);
        Ok((y, h, c))
    }

    /// GRU layers over whole sequences: the output and the last states.
    ///
    /// # Errors
    /// Those of [`Tensor::rnn`].
    #[track_caller]
    pub fn gru(&self, h0: Option<&Tensor>, stack: &RecurrentStack) -> Result<(Tensor, Tensor)> {
        composed("gru", || Ok(pair(stack.run(Cell::Gru, self, h0.as_slice())?)))
    }

    /// One step of an Elman cell on `[N, I]` or `[I]` from the state `[N, H]` or `[H]` (zero if none), with two weights
    /// and perhaps two biases: the new state.
    ///
    /// # Errors
    /// Those of [`Tensor::rnn`].
    #[track_caller]
    pub fn rnn_cell(&self, relu: bool, h: Option<&Tensor>, weights: &[&Tensor]) -> Result<Tensor> {
        composed("rnn_cell", || Ok(one_step(rnn_cell(relu), self, h.as_slice(), weights)?.swap_remove(0)))
    }

    /// One step of an LSTM cell, as [`Tensor::rnn_cell`]: the new state and the new cell state.
    ///
    /// # Errors
    /// Those of [`Tensor::rnn`].
    #[track_caller]
    pub fn lstm_cell(&self, state: Option<(&Tensor, &Tensor)>, weights: &[&Tensor]) -> Result<(Tensor, Tensor)> {
        let states: Vec<&Tensor> = state.into_iter().flat_map(|(h, c)| [h, c]).collect();
        composed("lstm_cell", || Ok(pair(one_step(Cell::Lstm, self, &states, weights)?)))
    }

    /// One step of a GRU cell, as [`Tensor::rnn_cell`]: the new state.
    ///
    /// # Errors
    /// Those of [`Tensor::rnn`].
    #[track_caller]
    pub fn gru_cell(&self, h: Option<&Tensor>, weights: &[&Tensor]) -> Result<Tensor> {
        composed("gru_cell", || Ok(one_step(Cell::Gru, self, h.as_slice(), weights)?.swap_remove(0)))
    }
}

fn rnn_cell(relu: bool) -> Cell {
    if relu { Cell::RnnRelu } else { Cell::RnnTanh }
}
