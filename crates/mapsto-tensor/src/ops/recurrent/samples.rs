//! Cases and the plain reference of recurrent layers.

use crate::ops::{Cell, Recurrent};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Gen, Registered};

/// Inputs of a layer over `[T, N, I]` with `H` hidden units.
fn case(op: Recurrent, [steps, sequences, inputs, hidden]: [usize; 4], lengths: &[i64], seed: u64) -> Case {
    let mut g = Gen::new(seed);
    let rows = op.cell.gates() * hidden;
    let mut sizes = vec![vec![steps, sequences, inputs], vec![rows, inputs], vec![rows, hidden]];
    sizes.extend(vec![vec![sequences, hidden]; if op.cell == Cell::Lstm { 2 } else { 1 }]);
    sizes.extend(vec![vec![rows]; if op.bias { 2 } else { 0 }]);
    let mut all: Vec<Tensor> = sizes.iter().map(|sizes| g.tensor(sizes, -1.0, 1.0)).collect();
    if op.lengths {
        all.push(Tensor::from_slice(lengths, [sequences]).expect("a length for each sequence"));
    }
    Case::new(op, all)
}

impl Registered for Recurrent {
    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for cell in Cell::ALL {
            let op = |reverse, bias, lengths| Recurrent { cell, reverse, bias, lengths };
            cases.extend([
                case(op(false, true, false), [3, 2, 3, 4], &[], 1),
                case(op(true, false, false), [2, 1, 1, 1], &[], 2),
                case(op(false, true, true), [4, 3, 2, 3], &[2, 4, 0], 3),
                case(op(true, true, true), [4, 3, 2, 3], &[3, 1, 4], 4),
                case(op(true, true, false), [2, 19, 2, 3], &[], 5),
                case(op(false, true, false), [0, 2, 3, 2], &[], 6),
                case(op(false, true, true), [3, 0, 2, 2], &[], 7),
                case(op(false, true, false), [2, 2, 0, 3], &[], 8),
            ]);
        }
        cases
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let places = self.places();
        let (x, hidden) = (&inputs[0], inputs[2].sizes[1]);
        let [steps, sequences, features] = [x.sizes[0], x.sizes[1], x.sizes[2]];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let mut y = vec![0.0; steps * sequences * hidden];
        let mut states = vec![inputs[3].clone()];
        states.extend(places.c0.map(|i| inputs[i].clone()));
        for n in 0..sequences {
            let length = places.lengths.map_or(steps, |i| inputs[i].at(&[n]) as usize);
            for step in 0..length {
                let t = if self.reverse { length - 1 - step } else { step };
                let h: Vec<f64> = (0..hidden).map(|j| states[0].at(&[n, j])).collect();
                // The two sums of row `r` of the weights.
                let of_input = |r: usize| {
                    let product: f64 = (0..features).map(|i| inputs[1].at(&[r, i]) * x.at(&[t, n, i])).sum();
                    product + places.bias.map_or(0.0, |i| inputs[i].at(&[r]))
                };
                let of_state = |r: usize| {
                    let product: f64 = h.iter().enumerate().map(|(j, h)| inputs[2].at(&[r, j]) * h).sum();
                    product + places.bias.map_or(0.0, |i| inputs[i + 1].at(&[r]))
                };
                let gate = |index: usize, j: usize| of_input(index * hidden + j) + of_state(index * hidden + j);
                for j in 0..hidden {
                    let new = match self.cell {
                        Cell::RnnTanh => gate(0, j).tanh(),
                        Cell::RnnRelu => gate(0, j).max(0.0),
                        Cell::Lstm => {
                            let c = &mut states[1].data[n * hidden + j];
                            *c = sigmoid(gate(1, j)) * *c + sigmoid(gate(0, j)) * gate(2, j).tanh();
                            sigmoid(gate(3, j)) * c.tanh()
                        }
                        Cell::Gru => {
                            let (r, z) = (sigmoid(gate(0, j)), sigmoid(gate(1, j)));
                            let candidate = (of_input(2 * hidden + j) + r * of_state(2 * hidden + j)).tanh();
                            (1.0 - z) * candidate + z * h[j]
                        }
                    };
                    states[0].data[n * hidden + j] = new;
                    y[(t * sequences + n) * hidden + j] = new;
                }
            }
        }
        states.insert(0, Array { sizes: vec![steps, sequences, hidden], data: y });
        states
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Recurrent { cell: g.pick(&Cell::ALL), reverse: g.bool(), bias: g.bool(), lengths: g.bool() }
    }
}
