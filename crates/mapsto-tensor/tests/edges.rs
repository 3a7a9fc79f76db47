//! Numbers at the edges of their types: what overflows, what is infinite or no number, what a type does not have.

use mapsto_tensor::ops::{RecurrentStack, Window};
use mapsto_tensor::{CrossEntropyOptions, DType, GradOptions, Result, Tensor, grad};

const INF: f32 = f32::INFINITY;

fn float(x: Result<Tensor>) -> Result<f64> {
    x?.to_dtype(DType::F64)?.item()
}

fn near(has: Result<Tensor>, wants: f64, tolerance: f64) {
    let has = float(has).unwrap();
    assert!((has - wants).abs() <= tolerance * wants.abs(), "{has}, wanted {wants}");
}

fn message(result: Result<Tensor>) -> String {
    result.err().map(|e| e.to_string()).unwrap_or_default()
}

/// PyTorch's results: sums, counts and squares need not fit the type of the result.
#[test]
fn halves_are_reduced_in_single_precision() -> Result<()> {
    let half = |sizes: &[usize], x: f64| Tensor::full(sizes, x, DType::F16);
    near(half(&[70_000], 1.0)?.mean(), 1.0, 0.0);
    near(half(&[1000], 300.0)?.mean(), 300.0, 0.0);
    near(half(&[1, 1, 512, 512], 1.0)?.global_avg_pool(), 1.0, 0.0);
    near(half(&[2], 300.0)?.norm(2.0), 424.25, 0.0);
    near(half(&[4], 1e-4)?.norm(2.0), 2e-4, 1e-3);
    near(half(&[2], 300.0)?.norm(3.0), 378.0, 1e-3);
    near(Tensor::new([-600.0f32, 600.0])?.to_dtype(DType::F16)?.std(0), 600.0, 0.0);
    near(Tensor::new([-60000.0f32, 60000.0])?.to_dtype(DType::F16)?.quantile(0.75, 0, false), 30000.0, 1e-3);
    // Rounded once: bf16 has neither the sum nor a third.
    near(Tensor::full([3], 1.0078125, DType::BF16)?.mean(), 1.0078125, 0.0);
    // Gradients: the count does not fit either.
    let x = half(&[70_000], 1.0)?.variable()?;
    let gradient = x.mean()?.mul(60_000)?.backward()?.take(&x).unwrap();
    near(gradient.narrow(0, 0, 1), 60_000.0 / 70_000.0, 1e-3);
    let x = half(&[70_000], 1.0)?.variable()?;
    let gradient = x.max()?.mul(60_000)?.backward()?.take(&x).unwrap();
    near(gradient.narrow(0, 0, 1), 60_000.0 / 70_000.0, 2e-3);
    Ok(())
}

#[test]
fn the_mean_cross_entropy_of_many_halves() -> Result<()> {
    let (logits, targets) = (Tensor::zeros([70_000, 2], DType::F16)?, Tensor::zeros([70_000], DType::I64)?);
    near(logits.cross_entropy(&targets, &CrossEntropyOptions::default()), std::f64::consts::LN_2, 1e-3);
    Ok(())
}

#[test]
fn logits_are_floats() -> Result<()> {
    let (logits, targets) = (Tensor::new([[1i64, 2]])?, Tensor::new([[0.5f32, 0.5]])?);
    let error = message(logits.cross_entropy(&targets, &CrossEntropyOptions::default()));
    assert!(error.starts_with("cross_entropy: ") && error.contains("i64"), "{error}");
    Ok(())
}

#[test]
fn the_greatest_magnitudes_of_windows() -> Result<()> {
    let (x, window) = (Tensor::new([[[1.0f32, -3.0, 2.0, 0.5]]])?, Window::new([2]));
    assert_eq!(x.lp_pool(&window, f64::INFINITY)?.to_vec::<f32>()?, [3.0, 2.0]);
    for p in [f64::NAN, f64::NEG_INFINITY, 0.0] {
        assert!(message(x.lp_pool(&window, p)).starts_with("lp_pool: the order "), "{p}");
    }
    Ok(())
}

/// Behind a sequence's end nothing is read, however the gradients are computed.
#[test]
fn padding_may_be_nan() -> Result<()> {
    let x = Tensor::new([[[0.5f32], [-0.25]], [[0.75], [f32::NAN]]])?.variable()?;
    let lengths = Tensor::new([2i64, 1])?;
    let ones = |gates: usize| Tensor::full([gates, 1], 0.5, DType::F32)?.variable();
    for cell in 0..3 {
        let (w_ih, w_hh) = (ones([1, 3, 4][cell])?, ones([1, 3, 4][cell])?);
        let (b_ih, b_hh) = (w_ih.detach().squeeze(&[1])?, w_hh.detach().squeeze(&[1])?);
        let weights = [&w_ih, &w_hh, &b_ih, &b_hh];
        let stack = RecurrentStack {
            weights: &weights,
            bidirectional: false,
            batch_first: false,
            lengths: Some(&lengths),
            between: None,
        };
        let y = match cell {
            0 => x.rnn(false, None, &stack)?.0,
            1 => x.gru(None, &stack)?.0,
            _ => x.lstm(None, &stack)?.0,
        };
        let options = GradOptions { create_graph: true, retain: true };
        let found = grad(&[&y.sum()?], None, &[&x, &w_ih, &w_hh], options)?;
        let plain = grad(&[&y.sum()?], None, &[&x, &w_ih, &w_hh], GradOptions::default())?;
        for (found, plain) in found.iter().zip(&plain) {
            let (found, plain) = (found.as_ref().unwrap().to_vec::<f32>()?, plain.as_ref().unwrap().to_vec::<f32>()?);
            for (found, plain) in found.iter().zip(&plain) {
                assert!((found - plain).abs() < 1e-5, "cell {cell}: {found} {plain}");
            }
        }
    }
    Ok(())
}

#[test]
fn integer_types_hold_what_they_are_given() -> Result<()> {
    let like = Tensor::zeros([2], DType::I64)?;
    let refused = [
        (Tensor::full([2], 300, DType::U8), "full: the number 300 does not fit u8 "),
        (Tensor::full([1], 2.7, DType::I32), "full: the number 2.7 does not fit i32 "),
        (Tensor::full([2], 1e300, DType::I32), "full: the number 1e300 does not fit i32 "),
        (Tensor::full([2], f64::NAN, DType::I64), "full: the number NaN does not fit i64 "),
        (like.full_like(2.5), "full_like: the number 2.5 does not fit i64 "),
        (like.with_index(0, 2.7), "with_index: the number 2.7 does not fit i64 "),
        (like.to_dtype(DType::U8)?.add(-1), "add: the number -1 does not fit u8 "),
    ];
    for (result, start) in refused {
        let error = message(result);
        assert!(error.starts_with(start) && error.contains("edges.rs"), "{error}");
    }
    assert_eq!(Tensor::full([1], 3.0, DType::I32)?.item::<i32>()?, 3);
    Ok(())
}

#[test]
fn comparisons_with_numbers_beyond_the_type_have_answers() -> Result<()> {
    let x = Tensor::new([0u8, 255])?;
    assert_eq!(x.gt(300)?.to_vec::<bool>()?, [false; 2]);
    assert_eq!(x.lt(300)?.to_vec::<bool>()?, [true; 2]);
    assert_eq!(x.eq(-1)?.to_vec::<bool>()?, [false; 2]);
    assert_eq!(x.ne(511)?.to_vec::<bool>()?, [true; 2]);
    assert_eq!(x.ge(-1)?.to_vec::<bool>()?, [true; 2]);
    assert_eq!(x.le(255)?.to_vec::<bool>()?, [true; 2]);
    Ok(())
}

#[test]
fn lerp_ends_where_it_says() -> Result<()> {
    let (a, b) = (Tensor::new([1e8f32, -3.0, 0.1])?, Tensor::new([1.3f32, 7e7, 0.7])?);
    assert_eq!(a.lerp(&b, 1.0)?.to_vec::<f32>()?, b.to_vec::<f32>()?);
    assert_eq!(a.lerp(&b, 0.0)?.to_vec::<f32>()?, a.to_vec::<f32>()?);
    let weight = Tensor::new([1.0f32, 1.0, 0.0])?;
    assert_eq!(a.lerp(&b, &weight)?.to_vec::<f32>()?, [1.3, 7e7, 0.1]);
    assert_eq!(Tensor::new([2i64])?.lerp(&Tensor::new([10i64])?, 1)?.to_vec::<i64>()?, [10]);
    Ok(())
}

#[test]
fn histograms_have_finite_edges() -> Result<()> {
    for (dtype, low, high) in [
        (DType::F64, -1e308, 1e308),
        (DType::F32, 0.0, 1e300),
        (DType::F16, -1e5, 0.0),
        (DType::F32, 1.0, 1.0 + 1e-12),
        (DType::F32, f64::NAN, 1.0),
    ] {
        let error = message(Tensor::zeros([3], dtype)?.histogram(4, low, high).map(|(counts, _)| counts));
        assert!(error.starts_with("histogram: 4 bins of "), "{dtype} {low} {high}: {error}");
    }
    Ok(())
}

#[test]
fn clamp_is_exact_and_infinite_bounds_are_none() -> Result<()> {
    let x = Tensor::new([16_777_217i64, -5])?;
    assert_eq!(x.clamp(0.0, 1e300)?.to_vec::<i64>()?, [16_777_217, 0]);
    assert_eq!(x.clamp_max(6.5)?.to_vec::<i64>()?, [6, -5]);
    assert_eq!(Tensor::new([5u8, 200])?.clamp(-3.0, 100.0)?.to_vec::<u8>()?, [5, 100]);
    assert!(message(x.clamp_min(f64::NAN)).contains("min is NaN"));
    // PyTorch's gradients with a bound left out.
    for create_graph in [false, true] {
        for (max, wanted) in [(1.0, [1.0f32, 1.0, 0.0, 0.0]), (f64::INFINITY, [1.0; 4])] {
            let x = Tensor::new([-INF, 0.5, 1.0, INF])?.variable()?;
            let options = GradOptions { create_graph, retain: false };
            let found = grad(&[&x.clamp_max(max)?.sum()?], None, &[&x], options)?;
            assert_eq!(found[0].as_ref().unwrap().to_vec::<f32>()?, wanted);
        }
    }
    Ok(())
}
