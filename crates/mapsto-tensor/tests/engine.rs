//! The record and its gradients: orders, freeing, errors, depth, replay, checkpoints.

use mapsto_tensor::testing::{Array, Case, Entry, Gen, Registered, check};
use mapsto_tensor::*;

fn scalar(x: f64) -> Tensor {
    Tensor::new(x).unwrap().variable().unwrap()
}

fn line_of(error: &Error) -> u32 {
    error.location().unwrap().line()
}

#[test]
fn errors_name_the_callers_line() {
    let x = Tensor::zeros(3, DType::U8).unwrap();
    let errors = [
        x.full_like(300).unwrap_err(),
        x.add(300).unwrap_err(),
        update::norms(&[&x], update::Norm::Two).unwrap_err(),
        x.full_like(300).map_err(|e| e.as_of("outer", std::panic::Location::caller())).unwrap_err(),
    ];
    for (error, line) in errors.iter().zip(line!() - 5..) {
        let at = error.location().unwrap();
        assert!(at.file().ends_with("engine.rs") && at.line() == line, "{error}");
    }
    assert_eq!(errors[3].operation(), Some("outer"));
}

#[test]
fn gradients_of_any_order() -> Result<()> {
    // d/dx x⁴ e^x at 1, up to the third derivative.
    let x = scalar(1.0);
    let f = x.square()?.square()?.mul(x.exp()?)?;
    let options = GradOptions { create_graph: true, retain: true };
    let derivative = |f: &Tensor| Ok::<_, Error>(grad(&[f], None, &[&x], options)?.remove(0).unwrap());
    let first = derivative(&f)?;
    let second = derivative(&first)?;
    let third = derivative(&second)?;
    let e = 1f64.exp();
    for (has, wants) in [(f, e), (first, 5.0 * e), (second, 21.0 * e), (third, 73.0 * e)] {
        assert!((has.item::<f64>()? - wants).abs() <= 1e-12 * wants, "{} {wants}", has.item::<f64>()?);
    }
    Ok(())
}

#[test]
fn a_value_used_twice_adds_its_gradients_up() -> Result<()> {
    let x = scalar(3.0);
    let y = x.mul(&x)?.add(&x)?;
    assert_eq!(y.backward()?.get(&x).unwrap().item::<f64>()?, 7.0);
    Ok(())
}

#[test]
fn gradients_of_values_on_the_way() -> Result<()> {
    let x = scalar(2.0);
    let y = x.square()?;
    let z = y.mul(3.0)?.add(x.mul(5.0)?)?;
    let found = |wanted: &[&Tensor]| -> Result<Vec<f64>> {
        let options = GradOptions { retain: true, create_graph: false };
        grad(&[&z], None, wanted, options)?.into_iter().map(|found| found.unwrap().item::<f64>()).collect()
    };
    assert_eq!(found(&[&y, &x, &y])?, [3.0, 17.0, 3.0]);
    assert_eq!(found(&[&x])?, [17.0]);
    assert_eq!(found(&[&z, &y])?, [1.0, 3.0]);
    // The walk ends at the earliest value that is asked: what comes before is not freed.
    grad(&[&z], None, &[&y], GradOptions::default())?;
    assert_eq!(y.backward()?.get(&x).unwrap().item::<f64>()?, 4.0);
    Ok(())
}

/// What leads to no value that is asked is not run backward, whether it could be or not.
#[test]
fn only_what_leads_to_the_wanted_values_runs_backward() -> Result<()> {
    let (x, a) = (scalar(2.0), Tensor::ones([2, 2], DType::F64)?.variable()?);
    let z = x.mul(3.0)?.mul(linalg::qr(&a)?.0.sum()?)?;
    assert!(z.backward_with(GradOptions { retain: true, create_graph: false }).is_err());
    let both = grad(&[&z], None, &[&x, &a], GradOptions { retain: true, create_graph: false });
    assert_eq!(both.map(|_| ()).unwrap_err().operation(), Some("qr"));
    let slope = grad(&[&z], None, &[&x], GradOptions::default())?.remove(0).unwrap().item::<f64>()?;
    assert!((slope - z.item::<f64>()? / 2.0).abs() < 1e-12, "{slope}");
    Ok(())
}

#[test]
fn a_second_backward_pass_says_what_was_freed() -> Result<()> {
    let x = scalar(2.0);
    let y = x.exp()?;
    let kept = y.backward_with(GradOptions { retain: true, create_graph: false })?;
    assert!(kept.get(&x).is_some());
    y.backward()?;
    let error = y.backward().map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("exp: the values this gradient needs were freed by an earlier backward pass at "),
        "{text}"
    );
    assert!(text.ends_with("run the forward pass again, or use retain in the first pass's GradOptions"), "{text}");
    Ok(())
}

#[test]
fn gradients_that_do_not_exist_are_errors() -> Result<()> {
    let x = scalar(2.0);
    let untracked = Tensor::new(1.0f32)?;
    let text = untracked.backward().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("was not computed from a variable while recording"), "{text}");
    let text = no_grad(|| x.exp())?.backward().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("compute it outside no_grad"), "{text}");
    let text = Tensor::new(1i64)?.variable().map(|_| ()).unwrap_err().to_string();
    assert!(text.starts_with("variable: gradients are not defined for i64 elements at "), "{text}");
    let wide = x.broadcast_to([3])?;
    let text = wide.backward().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("a gradient starts from one number, not from shape [3]"), "{text}");
    let text = grad(&[&wide], Some(&[&x]), &[&x], GradOptions::default()).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("cotangents [f64[]] do not fit the outputs [f64[3]]"), "{text}");
    Ok(())
}

#[test]
fn errors_name_the_operation_the_shapes_the_line_and_the_mend() -> Result<()> {
    let (a, b) = (Tensor::zeros([32, 784], DType::F32)?, Tensor::zeros([512, 784], DType::F32)?);
    let error = a.matmul(&b).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "matmul: inner sizes differ: [32, 784] x [512, 784] (784 != 512) at {}:{}; did you mean to transpose the second?",
            file!(),
            line!() - 6
        )
    );
    let error = (&a + &b).map(|_| ()).unwrap_err();
    assert_eq!(line_of(&error), line!() - 1);
    assert!(error.to_string().starts_with("add: shapes do not broadcast: [32, 784] and [512, 784]"));
    assert_eq!(error.category(), Category::Shape);
    let error = a.sum_axes(&[2], false).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("sum: axis 2 is outside a tensor of shape [32, 784]: axes are -2..=1"));
    let error = a.to_vec::<f64>().unwrap_err();
    assert!(error.to_string().starts_with("to_vec: a tensor of f32 cannot be read as f64"));
    let error = a.reshape([5, -1]).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no size for -1 in [5, -1] fits the 25088 elements"), "{error}");
    Ok(())
}

#[test]
fn a_graph_of_a_hundred_thousand_operations() -> Result<()> {
    let x = scalar(1.0);
    let mut y = x.clone();
    for _ in 0..100_000 {
        y = y.add(1.0)?;
    }
    assert_eq!(y.backward()?.get(&x).unwrap().item::<f64>()?, 1.0);
    let untouched = (0..100_000).try_fold(x.clone(), |y, _| y.exp())?;
    drop(untouched); // must not overflow the stack
    Ok(())
}

#[test]
fn values_never_change_under_another_handle() -> Result<()> {
    let a = Tensor::new([1.0f32, 2.0])?;
    let (b, view) = (a.clone(), a.narrow(0, 0, 1)?);
    let c = a.add(1.0)?;
    assert_eq!(
        (b.to_vec::<f32>()?, view.to_vec::<f32>()?, c.to_vec::<f32>()?),
        (vec![1.0, 2.0], vec![1.0], vec![2.0, 3.0])
    );
    Ok(())
}

#[test]
fn a_record_is_data_that_runs_again() -> Result<()> {
    let w = Gen::new(1).tensor(&[3, 2], -1.0, 1.0).variable()?;
    let model = |x: &[Tensor]| Ok(vec![x[0].matmul(&w)?.tanh()?.sum_axes(&[1], false)?]);
    let x = Gen::new(2).tensor(&[4, 3], -1.0, 1.0);
    let record = Record::trace(&[&x], model)?;
    let names: Vec<&str> = record.steps().iter().map(|step| step.op.name()).collect();
    assert_eq!(names, ["matmul", "tanh", "sum"]);
    assert!(
        record
            .to_string()
            .starts_with("%0 f64[4, 3] = input 0\n%1 f64[3, 2] = variable\n%2 f64[4, 2] = matmul(%0, %1)\n")
    );
    let other = Gen::new(3).tensor(&[4, 3], -1.0, 1.0);
    let (again, straight) = (record.replay(&[&other])?, model(&[other])?);
    assert_eq!(again[0].to_vec::<f64>()?, straight[0].to_vec::<f64>()?);
    let gradients = again[0].sum()?.backward()?;
    let wanted = straight[0].sum()?.backward()?;
    assert_eq!(gradients.get(&w).unwrap().to_vec::<f64>()?, wanted.get(&w).unwrap().to_vec::<f64>()?);
    let text = record.replay(&[]).map(|_| ()).unwrap_err().to_string();
    assert!(text.starts_with("replay: the record takes 1 inputs, got 0"), "{text}");
    Ok(())
}

#[test]
fn checkpoints_change_memory_not_gradients() -> Result<()> {
    let w = Gen::new(1).tensor(&[5, 5], -1.0, 1.0).variable()?;
    let x = Gen::new(2).tensor(&[4, 5], -1.0, 1.0).variable()?;
    let inner = w.clone();
    let block = move |x: &[Tensor]| Ok(vec![x[0].matmul(&inner)?.tanh()?.exp()?]);
    let plain = block(std::slice::from_ref(&x))?.remove(0).square()?.sum()?;
    let saved = checkpoint(block, &[&x])?.remove(0).square()?.sum()?;
    assert_eq!(plain.item::<f64>()?, saved.item::<f64>()?);
    let options = GradOptions { create_graph: true, retain: true };
    for variable in [&x, &w] {
        let of = |y: &Tensor| -> Result<(Vec<f64>, Vec<f64>)> {
            let first = y.backward_with(GradOptions { retain: true, create_graph: false })?.take(variable).unwrap();
            let slope = grad(&[y], None, &[variable], options)?.remove(0).unwrap();
            let second = slope.square()?.sum()?.backward_with(options)?.take(variable).unwrap();
            Ok((first.to_vec()?, second.to_vec()?))
        };
        let ((first, second), (first_saved, second_saved)) = (of(&plain)?, of(&saved)?);
        assert_eq!(first, first_saved);
        for (has, wants) in second_saved.iter().zip(&second) {
            assert!((has - wants).abs() <= 1e-12 * (1.0 + wants.abs()), "{has} {wants}");
        }
    }
    Ok(())
}

#[test]
fn checkpoints_reach_what_the_function_reads_from_outside() -> Result<()> {
    let (w, x) = (scalar(3.0), scalar(2.0));
    let h = w.square()?;
    let y = checkpoint(|x| Ok(vec![x[0].mul(&h)?.add(&w)?]), &[&x])?.remove(0);
    let of_w = |y: &Tensor, options| Ok::<_, Error>(grad(&[y], None, &[&w], options)?.remove(0).unwrap());
    // x w² + w + w² by w, and by w again: 2xw + 1 + 2w and 2x + 2.
    let y = y.add(&h)?;
    let slope = of_w(&y, GradOptions { create_graph: true, retain: true })?;
    assert_eq!(slope.item::<f64>()?, 19.0);
    assert_eq!(of_w(&slope, GradOptions { create_graph: false, retain: true })?.item::<f64>()?, 6.0);
    let gradients = y.backward()?;
    assert_eq!(gradients.get(&x).unwrap().item::<f64>()?, 9.0);
    assert_eq!(gradients.get(&w).unwrap().item::<f64>()?, 19.0);
    // A trace begins where it begins, too.
    let record = Record::trace(&[&x], |x| Ok(vec![x[0].mul(&h)?]))?;
    assert_eq!(record.steps().len(), 1, "{record}");
    assert_eq!(record.replay(&[&scalar(5.0)])?[0].item::<f64>()?, 45.0);
    Ok(())
}

#[test]
fn what_runs_again_draws_and_cuts_as_the_first_time() -> Result<()> {
    let x = Gen::new(1).tensor(&[50], -1.0, 1.0).variable()?;
    let model = |x: &[Tensor], rng: &mut Rng| {
        let noise = Tensor::randn(50, DType::F64, rng)?;
        let cut = x[0].mul(x[0].detach())?.add(no_grad(|| x[0].square())?)?.add(x[0].exp()?.detach())?;
        Ok(vec![cut.dropout(0.5, rng)?.mul(noise)?.sum()?])
    };
    let (mut rng, mut again) = (Rng::new(3), Rng::new(3));
    let plain = model(std::slice::from_ref(&x), &mut rng)?.remove(0);
    let saved = checkpoint(|x| model(x, &mut again), &[&x])?.remove(0);
    assert_eq!(rng.position(), again.position(), "the function runs once");
    assert_eq!(plain.item::<f64>()?, saved.item::<f64>()?);
    let slope = |y: &Tensor| y.backward()?.get(&x).unwrap().to_vec::<f64>();
    assert_eq!(slope(&plain)?, slope(&saved)?);
    assert_eq!(rng.position(), again.position());
    let record = Record::trace(&[&x], |x| Ok(vec![x[0].mul(x[0].detach())?.sum()?]))?;
    let other = Gen::new(2).tensor(&[50], -1.0, 1.0).variable()?;
    let slope = record.replay(&[&other])?[0].backward()?.take(&other).unwrap();
    assert_eq!(slope.to_vec::<f64>()?, other.to_vec::<f64>()?);
    Ok(())
}

#[test]
fn a_checkpoint_follows_its_inputs() -> Result<()> {
    let w = Gen::new(1).tensor(&[5, 5], -1.0, 1.0).variable()?;
    let model = |x: &[Tensor]| {
        let y = checkpoint(|x| Ok(vec![x[0].matmul(&w)?.tanh()?]), &[&x[0]])?.remove(0);
        checkpoint(|x| checkpoint(|x| Ok(vec![x[0].mul(&y)?]), &[&x[0]]), &[&x[0]])
    };
    let record = Record::trace(&[&Tensor::zeros([2, 5], DType::F64)?], model)?;
    assert_eq!(record.steps().len(), 2, "{record}");
    assert_eq!(record.multiply_adds(), 2 * 5 * 5);
    let x = Gen::new(2).tensor(&[7, 5], -1.0, 1.0).variable()?;
    let (again, straight) = (record.replay(&[&x])?.remove(0), model(std::slice::from_ref(&x))?.remove(0));
    assert_eq!(again.to_vec::<f64>()?, straight.to_vec::<f64>()?);
    for variable in [&x, &w] {
        let of = |y: &Tensor| {
            let found = grad(&[&y.sum()?], None, &[variable], GradOptions { retain: true, create_graph: false })?;
            found[0].as_ref().unwrap().to_vec::<f64>()
        };
        assert_eq!(of(&again)?, of(&straight)?);
    }
    let text = record.replay(&[&Tensor::zeros([2, 4], DType::F64)?]).map(|_| ()).unwrap_err().to_string();
    assert!(
        text.starts_with("checkpoint: inner sizes differ: [2, 4] x [5, 5]") && text.contains("replay at "),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_record_shows_what_a_backward_pass_would_walk() -> Result<()> {
    let w = Gen::new(1).tensor(&[3], -1.0, 1.0).variable()?;
    let record = Record::of(&[&w.add(1.0)?.square()?.sum()?]);
    let names: Vec<&str> = record.steps().iter().map(|step| step.op.name()).collect();
    assert_eq!(names, ["add", "square", "sum"]);
    assert!(record.to_string().starts_with("%0 f64[3] = not kept\n"), "{record}");
    let text = record.replay(&[]).map(|_| ()).unwrap_err().to_string();
    assert!(text.starts_with("replay: a value f64[3] (%0), which the computation read, was not kept at "), "{text}");
    let y = checkpoint(|x| Ok(vec![x[0].exp()?.exp()?]), &[&w])?.remove(0);
    let record = Record::of(&[&y]);
    assert_eq!(record.steps()[0].kept, [w.memory()], "a checkpoint keeps what it reads");
    Ok(())
}

/// The sum of its float inputs.
#[derive(Debug)]
struct SumAll;

impl Op for SumAll {
    fn name(&self) -> &'static str {
        "sum_all"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok([inputs[0]].into_iter().collect())
    }
    fn forward(&self, inputs: &[&Tensor], _: &mut Forward) -> Result<Outputs> {
        let mut floats = inputs.iter().filter(|input| input.dtype().is_float());
        Ok([floats.try_fold(Tensor::zeros((), DType::F64)?, |sum, x| sum.add(*x))?].into_iter().collect())
    }
    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        (0..cx.num_inputs()).map(|i| cx.needs(i).then(|| cx.grad(0)).transpose()).collect()
    }
}

#[test]
fn operations_of_many_inputs() -> Result<()> {
    let inputs = |odd: usize| -> Result<Vec<Tensor>> {
        (0..40).map(|i| if i == odd { Tensor::new(1i64) } else { Ok(scalar(i as f64)) }).collect()
    };
    for odd in [1, 30, 31, 32, 39] {
        let inputs = inputs(odd)?;
        let refs: Vec<&Tensor> = inputs.iter().collect();
        let gradients = apply_one(SumAll, &refs)?.backward()?;
        assert!(inputs.iter().enumerate().all(|(i, x)| gradients.get(x).is_some() == (i != odd)), "{odd}");
        let sum = |x: &[Tensor]| Ok(vec![apply_one(SumAll, &x.iter().collect::<Vec<_>>())?]);
        let gradients = checkpoint(sum, &refs)?[0].backward()?;
        assert_eq!(gradients.len(), 39);
    }
    Ok(())
}

/// An operation that promises one shape and gives so many tensors of another.
#[derive(Debug)]
struct Liar(usize);

impl Op for Liar {
    fn name(&self) -> &'static str {
        "liar"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        Ok(inputs.iter().copied().take(self.0).collect())
    }
    fn forward(&self, _: &[&Tensor], _: &mut Forward) -> Result<Outputs> {
        (0..self.0).map(|_| Tensor::zeros(7, DType::F64)).collect()
    }
    fn vjp(&self, _: &Backward<'_>) -> Result<Cotangents> {
        Ok([None].into_iter().collect())
    }
}

#[test]
fn operations_that_contradict_themselves_are_errors() {
    let text = apply_one(Liar(1), &[&scalar(1.0)]).map(|_| ()).unwrap_err().to_string();
    assert!(text.starts_with("liar: Op::forward gave [f64[7]], where Op::infer promised [f64[]] at "), "{text}");
    let text = apply_one(Liar(0), &[&scalar(1.0)]).map(|_| ()).unwrap_err().to_string();
    assert!(text.starts_with("liar: the operation gives no output at "), "{text}");
}

/// An operation with a gradient that is off by a little, and one whose reference disagrees at NaN.
#[derive(Clone, Copy, Debug)]
enum Planted {
    WrongGradient,
    WrongSecondOrder,
    Nan,
}

impl Op for Planted {
    fn name(&self) -> &'static str {
        "planted"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        Ok([inputs[0]].into_iter().collect())
    }
    fn forward(&self, inputs: &[&Tensor], _: &mut Forward) -> Result<Outputs> {
        let x = match self {
            Planted::Nan => inputs[0].mul(f64::NAN)?,
            _ => inputs[0].square()?,
        };
        Ok([x].into_iter().collect())
    }
    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let slope = match self {
            Planted::WrongGradient => cx.input(0)?.mul(2.001)?,
            _ => cx.input(0)?.detach().mul(2.0)?,
        };
        Ok([Some(cx.grad(0)?.mul(slope)?)].into_iter().collect())
    }
}

macro_rules! planted {
    ($name:ident) => {{
        #[derive(Debug)]
        struct Wrapped(Planted);
        impl Op for Wrapped {
            fn name(&self) -> &'static str {
                self.0.name()
            }
            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                self.0.infer(inputs)
            }
            fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
                self.0.forward(inputs, cx)
            }
            fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
                self.0.vjp(cx)
            }
        }
        impl Registered for Wrapped {
            fn cases() -> Vec<Case> {
                vec![Case::new(Wrapped(Planted::$name), [Gen::new(0).tensor(&[3], 1.0, 2.0)])]
            }
            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].map(|x| x * x)]
            }
            fn arbitrary(_: &mut Gen) -> Self {
                Wrapped(Planted::$name)
            }
        }
        check(&Entry::of::<Wrapped>()).unwrap_err()
    }};
}

#[test]
fn planted_mistakes_turn_the_harness_red() {
    let text = planted!(WrongGradient);
    assert!(text.contains("the gradient along a direction is"), "{text}");
    let text = planted!(WrongSecondOrder);
    assert!(text.contains("the second derivative along a direction is"), "{text}");
    let text = planted!(Nan);
    assert!(text.contains("element 0 is NaN"), "{text}");
}

#[test]
fn the_same_bits_with_any_number_of_threads() -> Result<()> {
    let before = num_threads();
    let mut g = Gen::new(5);
    let x = g.tensor(&[70, 900], -1.0, 1.0).to_dtype(DType::F32)?;
    let long = g.tensor(&[1_000_003], -1.0, 1.0).to_dtype(DType::F32)?;
    let run = || -> Result<Vec<u32>> {
        let all =
            [x.matmul(&x.t()?)?, x.sum_axes(&[0], false)?, x.sum_axes(&[1], false)?, long.sum()?, long.exp()?.mean()?];
        let bits = |t: &Tensor| Ok::<_, Error>(t.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect::<Vec<_>>());
        Ok(all.iter().map(bits).collect::<Result<Vec<_>>>()?.concat())
    };
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 5] {
        set_num_threads(threads);
        seen.push(run()?);
    }
    set_num_threads(before);
    assert!(seen.iter().all(|bits| *bits == seen[0]));
    Ok(())
}

#[test]
fn kept_forms_change_nothing_but_rounding() -> Result<()> {
    let before = num_threads();
    let mut g = Gen::new(6);
    let mut random = |sizes: &[usize]| g.tensor(sizes, -1.0, 1.0).to_dtype(DType::F32);
    let (x, w) = (random(&[5, 40])?, random(&[33, 40])?);
    let image = random(&[1, 24, 16, 18])?;
    let kernels = random(&[50, 24, 3, 3])?;
    let options = ops::ConvOptions::new().padding(1);
    let outside = (x.linear(&w, None)?, image.conv2d(&kernels, None, &options)?);
    let (strided, moves) = (random(&[50, 12, 3, 3])?, ops::ConvOptions::new().padding(1).stride(2).groups(2));
    let moved = image.conv2d(&strided, None, &moves)?;
    [&w, &kernels, &strided].into_iter().for_each(Tensor::keep_forms);
    let mut seen = Vec::new();
    for threads in [1, 2, 3] {
        set_num_threads(threads);
        for _ in 0..2 {
            let (y, z) = no_grad(|| Ok::<_, Error>((x.linear(&w, None)?, image.conv2d(&kernels, None, &options)?)))?;
            assert_eq!(y.to_vec::<f32>()?, outside.0.to_vec::<f32>()?, "products are the same to the bit");
            let by_patches = no_grad(|| image.conv2d(&strided, None, &moves))?;
            assert_eq!(by_patches.to_vec::<f32>()?, moved.to_vec::<f32>()?, "so are those with patches");
            let error = z.sub(&outside.1)?.abs()?.max()?.item::<f32>()?;
            assert!(error < 1e-4, "{error}");
            seen.push(z.to_vec::<f32>()?);
        }
    }
    set_num_threads(before);
    assert!(seen.iter().all(|z| *z == seen[0]));
    Ok(())
}
