//! An operation of one's own: the same standing as the engine's. Run with `cargo run --example own_op`.
//!
//! Swish with a learned slope, `x · σ(b·x)`, with its gradient, its reference, and the engine's own harness run over it.

use mapsto_tensor::testing::{Array, Case, Entry, Gen, Registered, check, throw};
use mapsto_tensor::*;

/// `x · σ(b·x)` for `x` of any shape and a scalar `b`.
#[derive(Debug)]
struct Swish;

/// `σ(b·x)` out of the engine's operations.
fn gate(x: &Tensor, b: &Tensor) -> Result<Tensor> {
    x.mul(b)?.mul(0.5)?.tanh()?.add(1.0)?.mul(0.5)
}

impl Op for Swish {
    fn name(&self) -> &'static str {
        "swish"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_float(inputs)?;
        expect_same_dtype(inputs)?;
        if inputs[1].shape.rank() != 0 {
            return Err(Error::shape(format!("the slope is one number, not {}", inputs[1].shape)));
        }
        Ok([inputs[0]].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok([inputs[0].mul(gate(inputs[0], inputs[1])?)?].into_iter().collect())
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (x, b, g) = (cx.input(0)?, cx.input(1)?, cx.grad(0)?);
        let s = gate(&x, &b)?;
        let slope = s.mul(s.neg()?.add(1.0)?)?; // σ'
        let dx = s.add(x.mul(&b)?.mul(&slope)?)?;
        let db = x.square()?.mul(&slope)?;
        Ok([Some(g.mul(dx)?), Some(g.mul(db)?)].into_iter().collect())
    }
}

impl Registered for Swish {
    fn cases() -> Vec<Case> {
        let case = |sizes: &[usize]| {
            Case::new(Swish, [Gen::new(1).tensor(sizes, -3.0, 3.0), Gen::new(2).tensor(&[], 0.5, 2.0)])
        };
        vec![case(&[]), case(&[0, 2]), case(&[3, 5])]
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| x / (1.0 + (-inputs[1].data[0] * x).exp()))]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Swish
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let x = Tensor::new([-1.0, 0.0, 2.0])?.variable()?;
    let b = Tensor::new(1.5)?.variable()?;
    let y = apply_one(Swish, &[&x, &b])?;
    let gradients = y.sum()?.backward()?;
    println!("swish {:?}", y.to_vec::<f64>()?);
    println!("d/dx  {:?}", gradients.get(&x).map(Tensor::to_vec::<f64>).transpose()?);
    println!("d/db  {:?}", gradients.get(&b).map(Tensor::to_vec::<f64>).transpose()?);
    let entry = Entry::of::<Swish>();
    check(&entry)?;
    throw(&entry, 100);
    println!("values, layouts, types, gradients of first and second order: all agree");
    Ok(())
}

#[test]
fn it_holds() {
    main().unwrap();
}
