//! Series of several lengths in a batch, and forecasts.

use mapsto_models::{ForecastModel, ForecastNet, ForecastShape, SeriesModel, SeriesNet, SeriesShape};
use mapsto_nn::Module;
use mapsto_tensor::{DType, Rng, Tensor};

const CHANNELS: usize = 2;
const SHAPE: ForecastShape = ForecastShape { context: 10, horizon: 3, targets: 2, past: 2, known: 1 };

fn network(name: &str) -> SeriesNet {
    SeriesModel::named(name).unwrap().build(SeriesShape { channels: CHANNELS }, 3).unwrap().init(5).unwrap()
}

fn forecaster(name: &str) -> ForecastNet {
    let network = ForecastModel::named(name).unwrap().build(SHAPE).unwrap().init(5).unwrap();
    network.eval();
    network
}

fn logits(network: &SeriesNet, series: &Tensor, lengths: &[i64]) -> Vec<f32> {
    let lengths = Tensor::from_vec(lengths.to_vec(), [lengths.len()]).unwrap();
    network.forward(series, &lengths).unwrap().to_vec().unwrap()
}

#[test]
fn padding_is_not_read() {
    for &name in SeriesModel::NAMES {
        let network = network(name);
        // Means and variances, and norms' own settings, as after training.
        let mut rng = Rng::new(9);
        for (_, buffer) in network.named_buffers().into_iter().filter(|(name, _)| name.contains("running")) {
            let old = buffer.get().unwrap();
            buffer.set(&Tensor::rand(*old.shape(), DType::F32, &mut rng).unwrap().add(0.5).unwrap()).unwrap();
        }
        for (_, param) in network.named_parameters().into_iter().filter(|(_, param)| param.shape().rank() == 1) {
            param.set(&Tensor::rand(*param.shape(), DType::F32, &mut rng).unwrap().add(0.5).unwrap()).unwrap();
        }
        network.eval();
        let lengths = [20i64, 1, 2, 3, 17];
        let all = Tensor::randn([lengths.len(), CHANNELS, 20], DType::F32, &mut Rng::new(3)).unwrap();
        let together = logits(&network, &all, &lengths);
        for (i, &length) in lengths.iter().enumerate() {
            let alone = all.narrow(0, i, 1).unwrap().narrow(2, 0, length as usize).unwrap();
            let alone = logits(&network, &alone, &[length]);
            for (ours, theirs) in together[3 * i..][..3].iter().zip(&alone) {
                assert!((ours - theirs).abs() <= 1e-4 * theirs.abs().max(1.0), "{name}, {length}: {ours}, {theirs}");
            }
        }
        assert!(together[..3] != together[3..6], "{name} reads nothing");
    }
}

#[test]
fn series_that_do_not_fit_are_refused() {
    for &name in SeriesModel::NAMES {
        let network = network(name);
        let series = |shape: [usize; 3]| Tensor::zeros(shape, DType::F32).unwrap();
        let said = |x: &Tensor, lengths: &Tensor| format!("{:#}", network.forward(x, lengths).unwrap_err());
        let two = Tensor::new([4i64, 5]).unwrap();
        for shape in [[2, 1, 5], [2, 3, 5], [2, CHANNELS, 0]] {
            let error = said(&series(shape), &two);
            assert!(error.contains("takes series [N, 2, T], not ["), "{error}");
        }
        let error = said(&series([3, CHANNELS, 5]), &two);
        assert!(error.contains("takes 3 lengths, one a series, not [2]"), "{error}");
        let error = said(&series([2, CHANNELS, 4]), &two);
        assert!(error.contains("the length of series 1 is 5, not in 1..=4"), "{error}");
        let error = said(&series([2, CHANNELS, 5]), &two.to_dtype(DType::F32).unwrap());
        assert!(error.contains("lengths are f32, not i64; convert them with to_dtype(DType::I64)"), "{error}");
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let said = |text: &str| {
        let model: SeriesModel = serde_json::from_str(text).unwrap();
        format!("{:#}", model.build(SeriesShape { channels: 1 }, 2).err().unwrap())
    };
    let kernels = r#"{"architecture": "cnn", "channels": [4, 4], "kernels": [3]}"#;
    assert!(said(kernels).contains("SeriesFcn: there are 2 numbers of channels and 1 kernels: give one each a layer"));
    assert!(said(r#"{"architecture": "cnn", "channels": [0], "kernels": [3]}"#).contains("channels is 0"));
    assert!(said(r#"{"architecture": "resnet", "channels": []}"#).contains("channels and kernels have one number"));
    assert!(said(r#"{"architecture": "resnet", "kernels": [0]}"#).contains("a kernel is 0"));
    assert!(said(r#"{"architecture": "lstm", "layers": 0}"#).contains("layers is 0"));
    assert!(said(r#"{"architecture": "lstm", "dropout": 2}"#).contains("a probability lies in [0, 1], got 2"));
    let said = |text: &str, shape: ForecastShape| {
        let model: ForecastModel = serde_json::from_str(text).unwrap();
        format!("{:#}", model.build(shape).err().unwrap())
    };
    let linear = r#"{"architecture": "linear"}"#;
    assert!(said(linear, ForecastShape { horizon: 0, ..SHAPE }).contains("horizon is 0"));
    let huge = ForecastShape { context: 1 << 24, past: 1 << 40, ..SHAPE };
    assert!(said(linear, huge).contains("are too large; choose a smaller context or horizon"));
    assert!(said(r#"{"architecture": "linear", "smoothing": 0}"#, SHAPE).contains("smoothing is 0"));
    assert!(said(r#"{"architecture": "tcn", "levels": 25}"#, SHAPE).contains("levels is 25, not in 1..=24"));
    assert!(said(r#"{"architecture": "mlp", "layers": 0}"#, SHAPE).contains("layers is 0"));
    assert!(said(r#"{"architecture": "transformer", "width": 0}"#, SHAPE).contains("width is 0"));
}

#[test]
fn forecasts_are_in_order_and_depend_on_all_that_is_known() {
    let mut rng = Rng::new(2);
    let past = Tensor::randn([4, 10, 5], DType::F32, &mut rng).unwrap();
    let future = Tensor::randn([4, 3, 1], DType::F32, &mut rng).unwrap();
    for &name in ForecastModel::NAMES {
        let network = forecaster(name);
        let of = |past: &Tensor, future: &Tensor| network.forward(past, future).unwrap().to_vec::<f32>().unwrap();
        let said = of(&past, &future);
        assert_eq!(said.len(), 4 * 3 * 2 * 3);
        assert!(said.chunks(3).all(|quantiles| quantiles[0] <= quantiles[1] && quantiles[1] <= quantiles[2]), "{name}");
        // Neither the targets, nor what goes with them, nor the future is without effect.
        for variable in 0..5 {
            let one = Tensor::arange(0, 5, 1).unwrap().eq(variable as f64).unwrap().to_dtype(DType::F32).unwrap();
            let other = of(&past.add(&one).unwrap(), &future);
            // What is known of the past alone may be all that a network reads of a known variable, or none of it.
            assert!(said != other || (variable == 4 && name == "linear"), "{name}, {variable}");
        }
        assert!(said != of(&past, &future.add(1.0).unwrap()), "{name}");
        let error = format!("{:#}", network.forward(&future, &future).unwrap_err());
        assert!(error.contains("takes the past as [N, 10, 5], not [4, 3, 1]"), "{error}");
        let error = format!("{:#}", network.forward(&past, &past).unwrap_err());
        assert!(error.contains("takes the future as [N, 3, 1], not [4, 10, 5]"), "{error}");
    }
}
