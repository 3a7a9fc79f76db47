//! Every error names the method that the user called and the user's line.

use mapsto_tensor::ops::{
    AttentionOptions, ConvOptions, FftNorm, Interpolation, Outside, PadMode, RecurrentStack, Sampling, Stft, Window,
};
use mapsto_tensor::*;

/// What is wrong with an error of this method.
fn complaint<T>(method: &str, result: Result<T>) -> Option<String> {
    let error = match result {
        Ok(_) => return Some(format!("{method}: no error")),
        Err(error) => error,
    };
    let here = error.location().is_some_and(|at| at.file() == file!());
    (!here || error.operation() != Some(method)).then(|| format!("{method}: {error}"))
}

macro_rules! refusals {
    ($($method:literal: $($call:expr),+;)*) => {
        let complaints: Vec<String> = [$($(complaint($method, $call)),+),*].into_iter().flatten().collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    };
}

/// More than any machine has.
const MANY: usize = 1 << 50;

#[test]
fn errors_name_the_method_and_the_callers_line() -> Result<()> {
    let rng = &mut Rng::new(1);
    let x = Tensor::zeros([2, 3], DType::F32)?; // a matrix
    let y = Tensor::zeros([4, 5], DType::F32)?; // one that does not fit it
    let v = Tensor::zeros(7, DType::F32)?;
    let n = Tensor::new([0i64, 9])?; // indices, one outside
    let flags = Tensor::ones(7, DType::Bool)?;
    let empty = Tensor::zeros([1, 2, 0], DType::F32)?;
    let deep = [1usize; 9];
    let (w, z) = (x.variable()?, Tensor::new(0f32)?.variable()?);
    let keep = GradOptions::default();
    let mut gradients = z.mul(2.0)?.backward()?;
    gradients.insert(&w, Tensor::zeros(5, DType::F32)?);
    let mut others = Gradients::default();
    others.insert(&w, Tensor::zeros(6, DType::F32)?);
    refusals! {
        "new": Tensor::new([[[[[[[[[0f32]]]]]]]]]);
        "from_slice": Tensor::from_slice(&[1f32], 2);
        "from_vec": Tensor::from_vec(vec![1f32], 2);
        "full": Tensor::full(deep, 1.0, DType::F32);
        "zeros": Tensor::zeros(deep, DType::F32);
        "ones": Tensor::ones(deep, DType::F32);
        "full_like": flags.to_dtype(DType::U8)?.full_like(300);
        "arange": Tensor::arange(0, 1, 0), Tensor::arange(0.0f32, 1e18, 1.0);
        "linspace": Tensor::linspace(0, 1, 3), Tensor::linspace(0f32, 1.0, MANY);
        "eye": Tensor::eye(MANY, 2, DType::F32), Tensor::eye(MANY, MANY, DType::F32);
        "rand": Tensor::rand(2, DType::I64, rng), Tensor::rand(MANY, DType::F32, rng);
        "randn": Tensor::randn(2, DType::I64, rng), Tensor::randn(MANY, DType::F32, rng);
        "randint": Tensor::randint(1, 1, 2, rng), Tensor::randint(0, 9, MANY, rng);
        "bernoulli": Tensor::bernoulli(2.0, 2, rng), Tensor::bernoulli(0.5, MANY, rng);
        "permutation": Tensor::permutation(MANY, rng);
        "permutation": rng.permutation(MANY);
        "size": x.size(2);
        "to_vec": x.to_vec::<f64>();
        "item": x.item::<f32>();
        "variable": n.variable();
        "backward": x.backward(), w.backward();
        "grad": grad(&[&w], None, &[&w], keep), grad(&[&z], None, &[&x], keep);
        "accumulate": gradients.accumulate(others);
        "argmax": x.argmax_axis(3, true);

        "roll": x.roll(&[1], &[]), x.roll(&[1], &[2]);
        "repeat_interleave": x.repeat_interleave(2, 2), x.repeat_interleave(usize::MAX, 1);
        "diff": x.diff(2), empty.diff(2);
        "median": x.median(2, true), empty.median(2, true);
        "quantile": x.quantile(2.0, 0, true), x.quantile(0.5, 2, true), empty.quantile(0.5, 2, true);
        "bincount": x.bincount(0), n.neg()?.bincount(0), n.bincount(MANY);
        "histogram": x.histogram(0, 0.0, 1.0), x.histogram(MANY, 0.0, 1.0), x.histogram(usize::MAX, 0.0, 1.0);

        "stack": Tensor::stack(&[], 0), Tensor::stack(&[&x, &y], 0), Tensor::stack(&[&x], 9);
        "concat": Tensor::concat(&[], 0), Tensor::concat(&[&x, &y], 0), Tensor::concat(&[&x], 9);
        "split": x.split(0, 1), x.split(1, 2), x.split([1, 1], 1), Tensor::zeros(MANY, DType::U8)?.split(1, 0);
        "chunk": x.chunk(0, 1), x.chunk(1, 2), Tensor::zeros(MANY, DType::U8)?.chunk(MANY, 0);
        "repeat": x.repeat(&[usize::MAX, 2]), x.repeat(&[1; 9]), x.repeat(&[MANY, MANY]);
        "expand": x.expand(&[3]), x.expand(&[2, -2]), x.expand(&[4, 7]);
        "move_axes": x.move_axes(&[0], &[]), x.move_axes(&[5], &[0]);
        "broadcast_tensors": Tensor::broadcast_tensors(&[&x, &y]);
        "meshgrid": Tensor::meshgrid(&[&x]), Tensor::meshgrid(&[&v; 9]);
        "broadcast_to": x.broadcast_to([4, 7]);
        "sum_to": x.sum_to([5]);
        "reshape": x.reshape([7]), x.reshape([-1, -1]);
        "flatten": x.flatten(1, 0);
        "unsqueeze": x.unsqueeze(9);
        "squeeze": x.squeeze(&[0]);
        "permute": x.permute(&[0]), x.permute(&[0, 5]);
        "transpose": x.transpose(0, 5);
        "narrow": x.narrow(0, 1, 9), x.narrow(5, 0, 1);
        "flip": x.flip(&[5]);
        "pad": x.pad(&[(4, 0)], PadMode::Reflect), x.pad(&[(0, isize::MAX), (isize::MAX, 0)], PadMode::ZEROS);
        "diagonal": x.diagonal(0, 0, 5);
        "diagonal_embed": x.diagonal_embed(isize::MAX);

        "index": x.index((.., .., 0)), x.index((.., 3)), x.index((.., &n)), x.index(&flags);
        "with_index": x.with_index((.., 9), 1), x.with_index((.., 0), &v), x.with_index(&n, 0);
        "index_select": x.index_select(0, &n), x.index_select(5, &n);
        "index_add": x.index_add(0, &n, &y);
        "embedding": x.embedding(&n, None);
        "gather": x.gather(5, &n), x.gather(0, &v);
        "scatter": x.scatter(5, &n, &x);
        "masked_select": x.masked_select(&x), x.masked_select(&flags);
        "masked_fill": x.masked_fill(&flags, 0.0), x.masked_fill(&v, 0.0);
        "where": flags.where_(&x, 0.0);
        "one_hot": n.one_hot(3, DType::F32), x.one_hot(3, DType::F32), n.one_hot(MANY, DType::F32);
        "einsum": Tensor::einsum("ij,ij", &[&x, &y]), Tensor::einsum("i", &[&x]);
        "topk": x.topk(9, 0, true), x.topk(1, 5, true);
        "argsort": x.argsort(5, true);

        "add": x.add(&y), n.to_dtype(DType::U8)?.add(300);
        "logical_and": x.logical_and(&y);
        "logical_or": x.logical_or(&y);
        "logical_xor": x.logical_xor(&y);
        "lerp": x.lerp(&y, 0.5), x.lerp(&x, &y);
        "fract": flags.fract();
        "count_nonzero": x.count_nonzero(&[5], true);
        "sum": x.sum_axes(&[5], true);
        "mean": x.mean_axes(&[5], true);
        "norm": x.norm_axes(2.0, &[5], true);
        "logsumexp": x.logsumexp(&[5], true);
        "softmax": x.softmax(5);
        "cumsum": x.cumsum(5);
        "glu": x.glu(1), x.glu(5);
        "dropout": x.dropout(2.0, rng);
        "matmul": x.matmul(&y);
        "linear": x.linear(&y, None);
        "matmul": checkpoint(|x| Ok(vec![x[0].matmul(&y)?]), &[&w]);
    }
    Ok(())
}

#[test]
fn errors_of_layers_name_the_method_and_the_callers_line() -> Result<()> {
    let x = Tensor::zeros([2, 3], DType::F32)?;
    let y = Tensor::zeros([4, 5], DType::F32)?;
    let v = Tensor::zeros(7, DType::F32)?;
    let n = Tensor::new([0i64, 9])?;
    let image = Tensor::zeros([1, 2, 5, 5], DType::F32)?;
    let whole = image.to_dtype(DType::I32)?;
    let empty = Tensor::zeros([1, 2, 0], DType::F32)?;
    let maps = Tensor::zeros([1, 2, 3], DType::F32)?;
    let (conv, window) = (ConvOptions::new(), Window::new([9, 9]));
    let stack = RecurrentStack { weights: &[&y, &y, &y, &y, &y, &y, &y], ..RecurrentStack::default() };
    let short = RecurrentStack { weights: &[&y, &y], ..RecurrentStack::default() };
    let linear = Interpolation::Linear { align_corners: false, antialias: false };
    let (norm, stft) = (FftNorm::Backward, Stft::new(4, 2));
    let (step, signal) = (empty.transpose(0, 2)?, Tensor::zeros([5, 2], DType::F32)?);
    let side = 1 << 25;
    refusals! {
        "fft": x.fft(None, 0, norm), signal.fft(None, 5, norm), signal.fft(Some(0), 0, norm), signal.fft(Some(MANY), 0, norm);
        "ifft": x.ifft(None, 0, norm);
        "fft_axes": x.fft_axes(None, &[], norm), signal.fft_axes(Some(&[1, 2]), &[], norm);
        "ifft_axes": x.ifft_axes(None, &[], norm);
        "rfft": x.rfft(None, 5, norm), x.rfft(Some(0), 0, norm);
        "irfft": x.irfft(None, 0, norm), signal.irfft(Some(0), 0, norm);
        "rfft_axes": x.rfft_axes(None, &[5], norm), x.rfft_axes(Some(&[0]), &[0], norm);
        "irfft_axes": x.irfft_axes(None, &[], norm);
        "stft": x.stft(None, &Stft::new(0, 1)), x.stft(Some(&v), &stft), Tensor::zeros((), DType::F32)?.stft(None, &stft);
        "istft": x.istft(None, &stft, None);
        "hann_window": Tensor::hann_window(MANY, true, DType::F32), Tensor::hann_window(usize::MAX, true, DType::F32);
        "hamming_window": Tensor::hamming_window(MANY, true, DType::F32);
        "blackman_window": Tensor::blackman_window(MANY, true, DType::F32);

        "solve": linalg::solve(&x, &x);
        "inverse": linalg::inverse(&x), linalg::inverse(&Tensor::zeros([2, 2], DType::F32)?);
        "cholesky": linalg::cholesky(&x);
        "qr": linalg::qr(&v), linalg::qr(&x.variable()?)?.0.sum()?.backward();
        "eigh": linalg::eigh(&x);
        "svd": linalg::svd(&v);

        "avg_pool": image.avg_pool(&window, true, None);
        "max_pool": image.max_pool(&window);
        "lp_pool": image.lp_pool(&window, 2.0), image.lp_pool(&window, 0.0);
        "adaptive_avg_pool": whole.adaptive_avg_pool(&[2]), image.adaptive_avg_pool(&[1 << 45]);
        "adaptive_max_pool": whole.adaptive_max_pool(&[2]), image.adaptive_max_pool(&[1 << 45]);
        "global_avg_pool": x.global_avg_pool();
        "global_max_pool": x.global_max_pool(), empty.global_max_pool();
        "max_unpool": image.max_unpool(&x, &[5, 5]), image.max_unpool(&n, &[5, 5]);
        "conv1d": x.conv1d(&y, None, &conv);
        "conv2d": image.conv2d(&y, None, &conv), image.conv2d(&image, None, &ConvOptions::new().stride(0));
        "conv_transpose2d": image.conv_transpose2d(&y, None, &conv);
        "pixel_shuffle": x.pixel_shuffle(2), image.pixel_shuffle(0), image.pixel_shuffle(2);
        "pixel_unshuffle": x.pixel_unshuffle(2), image.pixel_unshuffle(2);
        "resize": image.resize(&[1 << 45], linear), image.resize(&[1; 7], linear), whole.resize(&[2, 2], linear);
        "grid_sample": image.grid_sample(&x, Sampling::Linear, Outside::Zeros, true);
        "affine_grid": x.affine_grid(&[2, 2], true), maps.affine_grid(&[side, side], true);

        "batch_norm": v.batch_norm(None, Some(&v), 1e-5), image.batch_norm(Some(&v), None, 1e-5);
        "batch_norm_inference": v.batch_norm_inference(&v, &v, None, Some(&v), 1e-5);
        "layer_norm": x.layer_norm(5, None, Some(&v), 1e-5), x.layer_norm(1, Some(&v), None, 1e-5);
        "rms_norm": x.rms_norm(1, Some(&v), 1e-5);
        "group_norm": image.group_norm(3, None, None, 1e-5);
        "instance_norm": v.instance_norm(None, None, 1e-5), image.instance_norm(Some(&v), None, 1e-5);
        "scaled_dot_product_attention": x.attention(&y, &y, &AttentionOptions::default());
        "attention_weights": x.attention_weights(&y, &AttentionOptions::default());
        "cross_entropy": x.cross_entropy(&v, &CrossEntropyOptions::default()),
            x.cross_entropy(&n, &CrossEntropyOptions::default());
        "rnn": image.rnn(true, None, &short), step.rnn(true, None, &stack), step.rnn(true, None, &short);
        "lstm": image.lstm(None, &short), step.lstm(None, &stack), step.lstm(None, &short);
        "gru": image.gru(None, &short), step.gru(None, &stack), step.gru(None, &short);
        "rnn_cell": x.rnn_cell(true, None, &[&y]), x.rnn_cell(true, None, &[&y, &y]);
        "lstm_cell": x.lstm_cell(None, &[&y]), x.lstm_cell(None, &[&y, &y]);
        "gru_cell": x.gru_cell(None, &[&y]), x.gru_cell(None, &[&y, &y]);
    }
    Ok(())
}

/// Operations of which a method is made record the user's line for the time when their gradient is asked.
#[test]
fn errors_of_gradients_name_the_callers_line() -> Result<()> {
    let x = Tensor::new([[1f32, 5.0, 2.0], [4.0, 3.0, 0.0]])?.variable()?;
    let signal = Tensor::ones(64, DType::F32)?.variable()?;
    let values = [
        x.quantile(0.3, 1, false)?,
        x.roll(&[1], &[1])?.square()?,
        signal.stft(None, &Stft::new(16, 4))?.square()?,
        linalg::inverse(&x.narrow(1, 0, 2)?)?,
    ];
    let recorded = GradOptions { create_graph: true, ..GradOptions::default() };
    for (i, value) in values.iter().enumerate() {
        let loss = value.sum()?;
        let of = if i == 2 { &signal } else { &x };
        // The gradient's own operations stand for those that it is of.
        let slope = grad(&[&loss], None, &[of], recorded)?.remove(0).expect("it depends on the variable");
        let hidden = |step: &&Step| step.at.file() != file!();
        assert_eq!(Record::of(&[&slope]).steps().iter().find(hidden).map(|step| step.at), None);
        loss.backward()?;
        let error = value.sum()?.backward().map(drop).expect_err("what it needs was freed");
        assert_eq!(error.location().map(|at| at.file()), Some(file!()), "{error}");
    }
    Ok(())
}
