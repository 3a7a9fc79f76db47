//! Layers that draw: what they keep, what they drop, and that the same seed draws the same.

use mapsto_nn::*;
use mapsto_tensor::{DType, Gradients, Result, Rng, Tensor, checkpoint};

fn ones(sizes: &[usize]) -> Tensor {
    Tensor::ones(sizes, DType::F32).expect("a small tensor")
}

fn values(x: &Tensor) -> Vec<f32> {
    x.to_vec().expect("floats")
}

fn share(x: &[f32], what: impl Fn(f32) -> bool) -> f64 {
    x.iter().filter(|&&x| what(x)).count() as f64 / x.len() as f64
}

fn mean(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64
}

/// Each layer that drops, with the axes whose places share a fate and how many fates there are in [`SIZES`].
fn droppers(p: f64) -> Result<Vec<(Box<dyn Layer>, usize)>> {
    let [n, c, h, w] = SIZES;
    Ok(vec![
        (Box::new(Dropout::new(p)?.init(3)?), n * c * h * w),
        (Box::new(Dropout2d::new(p)?.init(3)?), n * c),
        (Box::new(DropPath::new(p)?.init(3)?), n),
    ])
}

const SIZES: [usize; 4] = [500, 20, 3, 2];

#[test]
fn a_share_is_dropped_and_the_mean_stays() -> Result<()> {
    let x = ones(&SIZES);
    for p in [0.1, 0.4, 0.9] {
        for (layer, fates) in droppers(p)? {
            let y = values(&layer.forward(&x)?);
            // Five deviations of a share of so many draws.
            let off = 5.0 * (p * (1.0 - p) / fates as f64).sqrt();
            let dropped = share(&y, |y| y == 0.0);
            assert!((dropped - p).abs() < off, "{} {p}: {dropped} dropped", layer.kind());
            assert!((mean(&y) - 1.0).abs() < off / (1.0 - p), "{} {p}: mean {}", layer.kind(), mean(&y));
            let kept = 1.0 / (1.0 - p) as f32;
            assert_eq!(share(&y, |y| y == 0.0 || (y - kept).abs() < 1e-6), 1.0, "{} {p}", layer.kind());
            // What shares a fate is dropped or kept together.
            for fate in y.chunks(y.len() / fates) {
                assert!(fate.iter().all(|&y| y == fate[0]), "{} {p}", layer.kind());
            }
        }
    }
    Ok(())
}

#[test]
fn other_ranks_drop_channels_too() -> Result<()> {
    for (layer, sizes) in [
        (Box::new(Dropout1d::new(0.5)?.init(1)?) as Box<dyn Layer>, &[40, 50, 3][..]),
        (Box::new(Dropout1d::new(0.5)?.init(1)?), &[2000, 3]),
        (Box::new(Dropout2d::new(0.5)?.init(1)?), &[2000, 3, 1]),
        (Box::new(Dropout3d::new(0.5)?.init(1)?), &[40, 50, 1, 3, 1]),
        (Box::new(Dropout3d::new(0.5)?.init(1)?), &[2000, 1, 3, 1]),
    ] {
        let y = values(&layer.forward(&ones(sizes))?);
        assert!(y.chunks(3).all(|channel| channel == [0.0; 3] || channel == [2.0; 3]), "{} {sizes:?}", layer.kind());
        assert!((share(&y, |y| y == 0.0) - 0.5).abs() < 0.06, "{} {sizes:?}", layer.kind());
    }
    Ok(())
}

/// Mean zero and variance one stay so, whatever is dropped.
#[test]
fn alpha_dropout_keeps_mean_and_variance() -> Result<()> {
    let x = Tensor::randn([400, 300, 1], DType::F32, &mut mapsto_tensor::Rng::new(5))?;
    for p in [0.1, 0.5, 0.8] {
        let layers: [Box<dyn Layer>; 2] =
            [Box::new(AlphaDropout::new(p)?.init(1)?), Box::new(FeatureAlphaDropout::new(p)?.init(1)?)];
        for layer in layers {
            let y = values(&layer.forward(&x)?);
            let variance = y.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>() / y.len() as f64 - mean(&y).powi(2);
            assert!(mean(&y).abs() < 0.02, "{} {p}: mean {}", layer.kind(), mean(&y));
            assert!((variance - 1.0).abs() < 0.03, "{} {p}: variance {variance}", layer.kind());
        }
    }
    let channels = values(&FeatureAlphaDropout::new(0.5)?.init(1)?.forward(&ones(&[50, 40, 3]))?);
    assert!(channels.chunks(3).all(|channel| channel.iter().all(|&y| y == channel[0])));
    Ok(())
}

#[test]
fn seed_name_and_count_of_calls_choose_what_is_drawn() -> Result<()> {
    let x = ones(&[50, 4, 2, 2]);
    type Make = fn() -> Result<Sequential>;
    let makes: [Make; 8] = [
        || Ok(sequential![Dropout::new(0.5)?]),
        || Ok(sequential![Dropout1d::new(0.5)?]),
        || Ok(sequential![Dropout2d::new(0.5)?]),
        || Ok(sequential![Dropout3d::new(0.5)?]),
        || Ok(sequential![AlphaDropout::new(0.5)?]),
        || Ok(sequential![FeatureAlphaDropout::new(0.5)?]),
        || Ok(sequential![DropPath::new(0.5)?]),
        || Ok(sequential![Rrelu::new(0.1, 0.9)?]),
    ];
    for make in makes {
        let kind = make()?.layers()[0].kind();
        let x = match kind {
            "Dropout1d" => x.flatten(2, 3)?,
            "Rrelu" => x.neg()?,
            _ => x.clone(),
        };
        let model = make()?.init(7)?;
        let [first, second] = [values(&model.forward(&x)?), values(&model.forward(&x)?)];
        assert_ne!(first, second, "{kind}: each call draws anew");
        let again = make()?.init(7)?;
        assert_eq!(values(&again.forward(&x)?), first, "{kind}: the same seed");
        assert_ne!(values(&make()?.init(8)?.forward(&x)?), first, "{kind}: another seed");
        let other = sequential![Identity].push(make()?).init(7)?;
        assert_ne!(values(&other.forward(&x)?), first, "{kind}: another name");
        // Taken up where it was.
        let resumed = make()?.init(9)?;
        resumed.set_random_state(&again.random_state())?;
        assert_eq!(values(&resumed.forward(&x)?), second, "{kind}: resumed");
        model.eval();
        if kind != "Rrelu" {
            assert_eq!(values(&model.forward(&x)?), values(&x), "{kind}: evaluating");
        }
        model.train();
        assert_ne!(values(&model.forward(&x)?), values(&x), "{kind}: training");
    }
    Ok(())
}

/// A gradient passes where the value passed, scaled alike.
#[test]
fn gradients_pass_where_values_do() -> Result<()> {
    for (layer, _) in droppers(0.3)? {
        let x = ones(&[30, 4, 3, 2]).variable()?;
        let y = layer.forward(&x)?;
        let gradients = y.sum()?.backward()?;
        assert_eq!(values(gradients.get(&x).expect("a gradient")), values(&y), "{}", layer.kind());
    }
    Ok(())
}

#[test]
fn the_ends_drop_nothing_and_everything() -> Result<()> {
    let x = ones(&[4, 3, 2, 2]);
    for (layer, _) in droppers(0.0)? {
        assert_eq!(values(&layer.forward(&x)?), values(&x), "{}", layer.kind());
    }
    for (layer, _) in droppers(1.0)? {
        assert_eq!(share(&values(&layer.forward(&x)?), |y| y == 0.0), 1.0, "{}", layer.kind());
    }
    Ok(())
}

/// Slopes are uniform between the bounds, and positive values stay.
#[test]
fn rrelu_draws_slopes() -> Result<()> {
    let layer = Rrelu::new(0.2, 0.6)?.init(1)?;
    let y = values(&layer.forward(&ones(&[20_000]).neg()?)?);
    assert!(y.iter().all(|y| (-0.6..=-0.2).contains(y)));
    assert!((mean(&y) + 0.4).abs() < 0.005);
    assert!((share(&y, |y| y < -0.5) - 0.25).abs() < 0.02);
    assert_eq!(values(&layer.forward(&ones(&[3]))?), [1.0; 3]);
    Ok(())
}

/// Layers with dropout inside differ while training, and not while evaluating.
#[test]
fn dropout_inside_layers() -> Result<()> {
    let x = ones(&[5, 2, 4]);
    let lstm = Lstm::from_config(&RecurrentConfig::new(4, 8).num_layers(2).dropout(0.5))?.init(1)?;
    let gru = Gru::from_config(&RecurrentConfig::new(4, 8).num_layers(2).dropout(0.5))?.init(1)?;
    let rnn = Rnn::from_config(&RecurrentConfig::new(4, 8).num_layers(2).dropout(0.5))?.init(1)?;
    let attention = MultiheadAttention::from_config(&MultiheadAttentionConfig::new(4, 2).dropout(0.5))?.init(1)?;
    let encoder = TransformerEncoderLayer::from_config(&TransformerLayerConfig::new(4, 2).dropout(0.5))?.init(1)?;
    let masks = AttentionMasks::default();
    type Run<'a> = Box<dyn Fn() -> Result<Tensor> + 'a>;
    let all: [(&dyn Module, Run); 6] = [
        (&lstm, Box::new(|| Ok(lstm.forward(&x, None)?.0))),
        (&gru, Box::new(|| Ok(gru.forward(&x, None)?.0))),
        (&rnn, Box::new(|| Ok(rnn.forward(&x, None)?.0))),
        (&attention, Box::new(|| attention.forward(&x, &x, &x, &masks))),
        (&attention, Box::new(|| Ok(attention.forward_weights(&x, &x, &x, &masks, true)?.0))),
        (&encoder, Box::new(|| encoder.forward(&x))),
    ];
    for (layer, run) in all {
        layer.train();
        assert_ne!(values(&run()?), values(&run()?), "{}", layer.kind());
        layer.eval();
        assert_eq!(values(&run()?), values(&run()?), "{}", layer.kind());
    }
    Ok(())
}

/// What makes a block draw and count.
fn drawing_block() -> Result<Sequential> {
    sequential![Linear::new(6, 8)?, BatchNorm1d::new(8)?, Dropout::new(0.5)?, Tanh, Dropout::new(0.3)?].init(5)
}

#[test]
fn a_checkpointed_block_draws_and_counts_once() -> Result<()> {
    let (plain, saved) = (drawing_block()?, drawing_block()?);
    let x = Tensor::rand([9, 6], DType::F32, &mut Rng::new(1))?;
    for round in 0..3 {
        let wants = plain.forward(&x)?.square()?.sum()?.backward()?;
        let y = checkpoint(|x| Ok(vec![saved.forward(&x[0])?]), &[&x])?.remove(0);
        let has = y.square()?.sum()?.backward()?;
        for ((name, p), (_, q)) in plain.named_parameters().iter().zip(saved.named_parameters()) {
            let values = |gradients: &Gradients, param: &Param| {
                gradients.get(&param.get()?).expect("every parameter is read").to_vec::<f32>()
            };
            assert_eq!(values(&wants, p)?, values(&has, &q)?, "{name}, round {round}");
        }
        for ((name, p), (_, q)) in plain.named_buffers().iter().zip(saved.named_buffers()) {
            let values = |buffer: &Buffer| buffer.get()?.to_dtype(DType::F64)?.to_vec::<f64>();
            assert_eq!(values(p)?, values(&q)?, "{name}, round {round}");
        }
        assert_eq!(plain.random_state(), saved.random_state());
    }
    Ok(())
}
