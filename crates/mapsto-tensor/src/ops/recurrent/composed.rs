//! A recurrent layer out of simple operations, step by step.

use crate::backend::RecurrentArgs;
use crate::error::Result;
use crate::op::Outputs;
use crate::ops::Cell;
use crate::tensor::Tensor;

pub(super) fn recurrent(args: &RecurrentArgs) -> Result<Outputs> {
    let [steps, sequences, _] = [0, 1, 2].map(|axis| args.x.shape()[axis]);
    let (hidden, dtype) = (args.weight_hh.shape()[1], args.x.dtype());
    let (mut h, mut c) = (args.h0.clone(), args.c0.cloned());
    let mut y = vec![Tensor::zeros([1, sequences, hidden], dtype)?; steps];
    for step in 0..steps {
        let t = if args.reverse { steps - 1 - step } else { step };
        let mut x = args.x.narrow(0, t, 1)?.squeeze(&[0])?;
        let inside = args.lengths.map(|lengths| lengths.gt(t as i64)?.unsqueeze(1)).transpose()?;
        if let Some(inside) = &inside {
            // Whatever is behind a sequence's end, NaN included, is not read.
            x = inside.where_(&x, 0)?;
        }
        let mut of_input = x.matmul(&args.weight_ih.t()?)?;
        let mut of_state = h.matmul(&args.weight_hh.t()?)?;
        if let Some([bias_ih, bias_hh]) = args.bias {
            (of_input, of_state) = (of_input.add(bias_ih)?, of_state.add(bias_hh)?);
        }
        let (new_h, new_c) = stepped(args.cell, &of_input, &of_state, &h, c.as_ref())?;
        let Some(inside) = inside else {
            (h, c) = (new_h, new_c);
            y[t] = h.unsqueeze(0)?;
            continue;
        };
        y[t] = inside.where_(&new_h, 0)?.unsqueeze(0)?;
        h = inside.where_(&new_h, &h)?;
        c = new_c.zip(c).map(|(new, old)| inside.where_(&new, &old)).transpose()?;
    }
    let y = if steps == 0 {
        Tensor::zeros([0, sequences, hidden], dtype)?
    } else {
        Tensor::concat(&y.iter().collect::<Vec<_>>(), 0)?
    };
    Ok([y, h].into_iter().chain(c).collect())
}

/// The new states from the products with input and state, `[N, G * H]` each.
fn stepped(
    cell: Cell,
    of_input: &Tensor,
    of_state: &Tensor,
    h: &Tensor,
    c: Option<&Tensor>,
) -> Result<(Tensor, Option<Tensor>)> {
    let hidden = h.shape()[1];
    let sum = of_input.add(of_state)?;
    let part = |x: &Tensor, gate: usize| x.narrow(1, gate * hidden, hidden);
    let sigmoid = |x: Tensor| x.mul(0.5)?.tanh()?.mul(0.5)?.add(0.5);
    match (cell, c) {
        (Cell::RnnTanh, _) => Ok((sum.tanh()?, None)),
        (Cell::RnnRelu, _) => {
            let positive = sum.detach().gt(0)?.to_dtype(sum.dtype())?;
            Ok((sum.mul(positive)?, None))
        }
        (Cell::Gru, _) => {
            let (r, z) = (sigmoid(part(&sum, 0)?)?, sigmoid(part(&sum, 1)?)?);
            let n = part(of_input, 2)?.add(r.mul(part(of_state, 2)?)?)?.tanh()?;
            Ok((n.add(z.mul(h.sub(&n)?)?)?, None))
        }
        (Cell::Lstm, c) => {
            let (i, f) = (sigmoid(part(&sum, 0)?)?, sigmoid(part(&sum, 1)?)?);
            let (g, o) = (part(&sum, 2)?.tanh()?, sigmoid(part(&sum, 3)?)?);
            let fresh = i.mul(g)?;
            let c = match c {
                Some(c) => f.mul(c)?.add(fresh)?,
                None => fresh,
            };
            Ok((o.mul(c.tanh()?)?, Some(c)))
        }
    }
}
