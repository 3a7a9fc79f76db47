//! Losses by their definitions where PyTorch has none, their messages, and whatever is thrown at them.

use mapsto_nn::*;
use mapsto_tensor::{DType, Result, Rng, Tensor};

/// Numbers in `[low, high)` as `f64`.
fn random(rng: &mut Rng, sizes: &[usize], low: f64, high: f64) -> Tensor {
    let count = sizes.iter().product();
    let numbers = (0..count).map(|_| low + (high - low) * rng.next_f64()).collect();
    Tensor::from_vec::<f64>(numbers, sizes).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

/// Fails unless the loss of these inputs is `wanted`, and its gradients are those of finite differences.
fn expect(what: &str, inputs: &[&Tensor], loss: impl Fn(&[Tensor]) -> Result<Tensor>, wanted: f64) {
    let variables: Vec<Tensor> = inputs.iter().map(|x| x.variable().unwrap()).collect();
    let value = |inputs: &[Tensor]| loss(inputs).unwrap().item::<f64>().unwrap();
    let ours = loss(&variables).unwrap();
    assert!((ours.item::<f64>().unwrap() - wanted).abs() <= 1e-12 * (1.0 + wanted.abs()), "{what}: {ours:?}, {wanted}");
    let gradients = ours.backward().unwrap();
    for (i, variable) in variables.iter().enumerate() {
        let gradient = numbers(gradients.get(variable).unwrap_or_else(|| panic!("{what}: no gradient of {i}")));
        for (place, gradient) in gradient.into_iter().enumerate() {
            let moved = |step: f64| {
                let mut inputs: Vec<Tensor> = inputs.iter().map(|&x| x.clone()).collect();
                let mut data = numbers(&inputs[i]);
                data[place] += step;
                inputs[i] = Tensor::from_vec(data, *inputs[i].shape()).unwrap();
                value(&inputs)
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - gradient).abs() < 1e-6, "{what}: gradient {i} at {place} is {gradient}, not {slope}");
        }
    }
}

fn mean(terms: impl Iterator<Item = f64>) -> f64 {
    let terms: Vec<f64> = terms.collect();
    terms.iter().sum::<f64>() / terms.len() as f64
}

#[test]
fn losses_without_a_fixture_keep_to_their_definitions() {
    let rng = &mut Rng::new(1);
    let (x, p) = (random(rng, &[4, 5], -3.0, 3.0), random(rng, &[4, 5], 0.05, 0.95));
    let truth = Tensor::from_vec::<f64>((0..20).map(|i| (i * 7 % 3 == 0) as u8 as f64).collect(), [4, 5]).unwrap();
    let signs = truth.mul(2).unwrap().sub(1).unwrap();
    let pairs = |a: &Tensor, b: &Tensor| numbers(a).into_iter().zip(numbers(b)).collect::<Vec<_>>();
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());

    let hinge = mean(pairs(&x, &signs).into_iter().map(|(x, y)| (0.8 - y * x).max(0.0)));
    expect("hinge", &[&x], |x| HingeLoss { margin: 0.8, ..HingeLoss::default() }.forward(&x[0], &signs), hinge);

    for (alpha, gamma) in [(Some(0.25), 2.0), (None, 1.5), (Some(0.6), 0.0)] {
        let terms = pairs(&x, &truth).into_iter().map(|(x, y)| {
            let right = if y == 1.0 { logistic(x) } else { 1.0 - logistic(x) };
            let weight = alpha.map_or(1.0, |alpha| if y == 1.0 { alpha } else { 1.0 - alpha });
            -weight * (1.0 - right).powf(gamma) * right.ln()
        });
        let focal = FocalLoss { alpha, gamma, reduction: LossReduction::Sum };
        expect("focal", &[&x], |x| focal.forward(&x[0], &truth), terms.sum());
    }

    for power in [1.0, 2.0] {
        let each = (0..4).map(|row| {
            let (mut both, mut apart) = (0.0, 0.0);
            for (p, y) in &pairs(&p, &truth)[row * 5..row * 5 + 5] {
                both += p * y;
                apart += p.powf(power) + y.powf(power);
            }
            1.0 - (2.0 * both + 0.3) / (apart + 0.3)
        });
        let dice = DiceLoss { smooth: 0.3, p: power, ..DiceLoss::default() };
        expect("dice", &[&p], |p| dice.forward(&p[0], &truth), mean(each));
    }
    let perfect = DiceLoss::default().forward(&truth, &truth).unwrap().item::<f64>().unwrap();
    assert!(perfect.abs() < 1e-12, "{perfect}");

    let smoothed = mean(pairs(&x, &truth).into_iter().map(|(x, y)| {
        let y = 0.8 * y + 0.1;
        -(y * logistic(x).ln() + (1.0 - y) * (1.0 - logistic(x)).ln())
    }));
    let bce = BceWithLogitsLoss { label_smoothing: 0.2, ..BceWithLogitsLoss::default() };
    expect("smoothed binary cross entropy", &[&x], |x| bce.forward(&x[0], &truth), smoothed);

    let (quantiles, y) = (random(rng, &[4, 5, 2], -3.0, 3.0), random(rng, &[4, 5], -3.0, 3.0));
    let each = numbers(&quantiles).into_iter().enumerate().map(|(place, x)| {
        let (quantile, above) = ([0.1, 0.7][place % 2], x - numbers(&y)[place / 2]);
        if above > 0.0 { (1.0 - quantile) * above } else { -quantile * above }
    });
    let pinball = PinballLoss { quantiles: vec![0.1, 0.7], reduction: LossReduction::Mean };
    expect("pinball", &[&quantiles], |x| pinball.forward(&x[0], &y), mean(each));

    let (a, b) = (random(rng, &[4, 3], -1.0, 1.0), random(rng, &[4, 3], -1.0, 1.0));
    let like = Tensor::new([1i64, 0, 0, 1]).unwrap();
    let each = (0..4).map(|row| {
        let apart = pairs(&a, &b)[row * 3..row * 3 + 3].iter().map(|(a, b)| (a - b + 1e-6).powi(2)).sum::<f64>().sqrt();
        0.5 * if row % 3 == 0 { apart.powi(2) } else { (1.5 - apart).max(0.0).powi(2) }
    });
    let contrastive = ContrastiveLoss { margin: 1.5, ..ContrastiveLoss::default() };
    expect("contrastive", &[&a, &b], |x| contrastive.forward(&x[0], &x[1], &like), mean(each));

    let (real, made) = (mean(numbers(&a).into_iter()), mean(numbers(&b).into_iter()));
    expect("critic", &[&a, &b], |x| WassersteinLoss.critic(&x[0], &x[1]), made - real);
    expect("generator", &[&b], |x| WassersteinLoss.generator(&x[0]), -made);
}

#[test]
fn penalties_add_up_over_parameters() {
    let model = sequential![Linear::new(3, 2).unwrap(), Linear::new(2, 1).unwrap()].init(4).unwrap();
    let all: Vec<f64> = model.parameters().iter().flat_map(|param| numbers(&param.get().unwrap())).collect();
    let (l1, l2) = (l1_penalty(&model.parameters()).unwrap(), l2_penalty(&model.parameters()).unwrap());
    assert!((numbers(&l1)[0] - all.iter().map(|x| x.abs()).sum::<f64>()).abs() < 1e-6);
    assert!((numbers(&l2)[0] - all.iter().map(|x| x * x).sum::<f64>()).abs() < 1e-6);
    let (signs, doubles) = (l1.backward().unwrap(), l2.backward().unwrap());
    for param in model.parameters() {
        let value = param.get().unwrap();
        let wanted: Vec<f64> = numbers(&value).iter().map(|x| x.signum()).collect();
        assert_eq!(numbers(signs.get(&value).unwrap()), wanted);
        assert_eq!(numbers(doubles.get(&value).unwrap()), numbers(&value.mul(2).unwrap()));
    }
    assert_eq!(message(l1_penalty(&[])), "l1_penalty: there are no parameters");
}

/// At the kinks PyTorch's gradient is zero.
#[test]
fn gradients_vanish_at_kinks() {
    let zeros = || Tensor::zeros([3], DType::F32).unwrap().variable().unwrap();
    let (a, b, ones) = (zeros(), zeros(), Tensor::ones([3], DType::F32).unwrap());
    for loss in [
        MarginRankingLoss::default().forward(&a, &b, &ones),
        HingeEmbeddingLoss { margin: 0.0, ..HingeEmbeddingLoss::default() }.forward(&a, &ones.neg().unwrap()),
        HingeLoss { margin: 0.0, ..HingeLoss::default() }.forward(&a, &ones),
        L1Loss::default().forward(&a, &b),
    ] {
        let gradients = loss.unwrap().backward().unwrap();
        assert_eq!(numbers(gradients.get(&a).unwrap()), [0.0; 3]);
    }
}

#[test]
fn one_sequence_is_a_batch_of_one() {
    let log_probs = random(&mut Rng::new(2), &[6, 4], -2.0, 0.0).log_softmax(-1).unwrap();
    let labels = Tensor::new([1i64, 3, 3]).unwrap();
    let length = |n: i64| Tensor::new(n).unwrap();
    let alone = CtcLoss::default().forward(&log_probs, &labels, &length(6), &length(3)).unwrap();
    let batch = |x: &Tensor, axis: isize| x.unsqueeze(axis).unwrap();
    let lengths = [batch(&length(6), 0), batch(&length(3), 0)];
    let both = CtcLoss::default().forward(&batch(&log_probs, 1), &batch(&labels, 0), &lengths[0], &lengths[1]).unwrap();
    assert_eq!(numbers(&alone), numbers(&both));
    assert_eq!(alone.rank(), 0);
}

fn message(result: Result<Tensor>) -> String {
    let error = result.expect_err("a mistake");
    let at = error.location().expect("a line");
    assert!(at.file().ends_with("tests/losses.rs"), "{error}");
    error.to_string().replace(&format!(" at {}:{}", at.file(), at.line()), "")
}

#[test]
fn mistakes_are_named() {
    let floats = |sizes: &[usize]| Tensor::full(sizes, 0.5, DType::F32).unwrap();
    let x = floats(&[2, 3]);
    let classes = |list: [i64; 2]| Tensor::new(list).unwrap();

    // Shapes.
    assert_eq!(
        message(MseLoss::default().forward(&x, &floats(&[2]))),
        "MseLoss: input [2, 3] and target [2] differ in shape; reshape one of them"
    );
    assert_eq!(
        message(CrossEntropyLoss::default().forward(&x, &Tensor::new([0i64, 1, 2]).unwrap())),
        "cross_entropy: targets [3] do not fit logits [2, 3]: they must be [2]; classes are axis 1 of the logits"
    );
    assert_eq!(
        message(MultiMarginLoss::default().forward(&x, &Tensor::new([0i64, 1, 2]).unwrap())),
        "MultiMarginLoss: scores [2, 3] and targets [3] do not fit; give scores [batch, classes] and class numbers [batch]"
    );
    assert_eq!(
        message(TripletMarginLoss::default().forward(&x, &x, &floats(&[2, 4]))),
        "TripletMarginLoss: input [2, 3] and target [2, 4] differ in shape; reshape one of them"
    );
    assert_eq!(
        message(GaussianNllLoss::default().forward(&x, &x, &floats(&[5, 2, 3]))),
        "GaussianNllLoss: the variance [5, 2, 3] does not broadcast to the input [2, 3]"
    );
    let weighted = BceLoss { weight: Some(floats(&[4])), ..BceLoss::default() };
    assert_eq!(message(weighted.forward(&x, &x)), "BceLoss: the weight [4] does not broadcast to the input [2, 3]");
    let weighted = MultiMarginLoss { weight: Some(floats(&[2])), ..MultiMarginLoss::default() };
    assert_eq!(
        message(weighted.forward(&x, &classes([0, 1]))),
        "MultiMarginLoss: the weights [2] are not one for each of 3 classes"
    );
    assert_eq!(
        message(DiceLoss::default().forward(&floats(&[3]), &floats(&[3]))),
        "DiceLoss: needs a batch axis and others, got [3]"
    );

    // Class numbers.
    for (list, found) in [([0, 3], 3), ([-1, 1], -1)] {
        let place = if found == 3 { 1 } else { 0 };
        let mend = "give class numbers, or name a number to be ignored with ignore_index";
        let wanted = format!("the target at [{place}] is {found}: the 3 classes are 0..=2; {mend}");
        assert_eq!(
            message(CrossEntropyLoss::default().forward(&x, &classes(list))),
            format!("cross_entropy: {wanted}")
        );
        assert_eq!(message(NllLoss::default().forward(&x, &classes(list))), format!("nll_loss: {wanted}"));
        assert_eq!(
            message(MultiMarginLoss::default().forward(&x, &classes(list))),
            format!("MultiMarginLoss: the target {found} is none of 3 classes, counted from 0")
        );
    }
    let lists = Tensor::new([[0i64, -1, 9], [5, -1, 0]]).unwrap();
    assert_eq!(
        message(MultiLabelMarginLoss::default().forward(&x, &lists)),
        "MultiLabelMarginLoss: the target 9 is none of 3 classes, counted from 0"
    );

    // Types.
    let whole = Tensor::new([[1i64, 2, 3], [4, 5, 6]]).unwrap();
    assert_eq!(
        message(HuberLoss::default().forward(&whole, &whole)),
        "HuberLoss: the input holds i64, not floats; convert with to_dtype(DType::F32) first"
    );
    assert_eq!(
        message(MultiMarginLoss::default().forward(&x, &floats(&[2]))),
        "MultiMarginLoss: scores are floats and targets integers, not f32 and f32; convert with to_dtype first"
    );
    assert_eq!(
        message(NllLoss::default().forward(&x, &floats(&[2]))),
        "nll_loss: targets are i64 class numbers, not f32; convert with to_dtype(DType::I64) first"
    );

    // Nothing.
    let none = floats(&[0, 3]);
    assert_eq!(
        message(MseLoss::default().forward(&none, &none)),
        "MseLoss: losses [0, 3] have no mean; leave empty batches out, or choose LossReduction::Sum"
    );
    let no_classes = Tensor::zeros([0], DType::I64).unwrap();
    assert_eq!(
        message(CrossEntropyLoss::default().forward(&none, &no_classes)),
        "CrossEntropyLoss: losses [0, 3] have no mean; leave empty batches out, or choose LossReduction::Sum"
    );
    assert_eq!(
        message(WassersteinLoss.critic(&x, &none)),
        "WassersteinLoss: losses [0, 3] have no mean; leave empty batches out, or choose LossReduction::Sum"
    );
    let sum = MseLoss { reduction: LossReduction::Sum }.forward(&none, &none).unwrap();
    assert_eq!(numbers(&sum), [0.0]);

    // Values and settings.
    assert_eq!(
        message(BceLoss::default().forward(&x.mul(3).unwrap(), &x)),
        "BceLoss: a probability does not lie in [0, 1]; use BceWithLogitsLoss for logits"
    );
    assert_eq!(
        message(GaussianNllLoss::default().forward(&x, &x, &x.neg().unwrap())),
        "GaussianNllLoss: a variance is negative"
    );
    let smoothed = BceWithLogitsLoss { label_smoothing: 1.5, ..BceWithLogitsLoss::default() };
    assert_eq!(message(smoothed.forward(&x, &x)), "BceWithLogitsLoss: the smoothing 1.5 is outside 0..=1");
    let smoothed = CrossEntropyLoss { label_smoothing: -0.5, ..CrossEntropyLoss::default() };
    assert_eq!(message(smoothed.forward(&x, &classes([0, 1]))), "cross_entropy: the smoothing -0.5 is outside 0..=1");
    let beta = SmoothL1Loss { beta: f64::NAN, ..SmoothL1Loss::default() };
    assert_eq!(message(beta.forward(&x, &x)), "SmoothL1Loss: beta must not be negative, got NaN");
    let pinball = |quantiles: &[f64]| PinballLoss { quantiles: quantiles.to_vec(), reduction: LossReduction::Mean };
    assert_eq!(message(pinball(&[1.5]).forward(&x, &x)), "PinballLoss: a quantile lies in [0, 1], got 1.5");
    assert_eq!(
        message(pinball(&[0.1, 0.9]).forward(&x, &floats(&[2]))),
        "PinballLoss: input [2, 3] is not target [2] with 2 quantiles each"
    );
    let delta = HuberLoss { delta: 0.0, ..HuberLoss::default() };
    assert_eq!(message(delta.forward(&x, &x)), "HuberLoss: delta must be positive, got 0");
    let power = MultiMarginLoss { p: 3, ..MultiMarginLoss::default() };
    assert_eq!(message(power.forward(&x, &classes([0, 1]))), "MultiMarginLoss: the power must be 1 or 2, got 3");
    let (log_probs, two) = (floats(&[4, 2, 3]), classes([2, 2]));
    assert_eq!(
        message(CtcLoss::default().forward(&log_probs, &floats(&[2, 2]), &two, &two)),
        "CtcLoss: labels and lengths are integers, not f32; convert with to_dtype(DType::I64) first"
    );
    assert_eq!(
        message(CtcLoss { blank: 7, ..CtcLoss::default() }.forward(&log_probs, &whole, &two, &two)),
        "ctc_loss: the blank 7 is not one of 3 classes"
    );
}

type Loss = Box<dyn Fn(&[Tensor], LossReduction) -> Result<Tensor>>;

/// Every loss, and how many inputs it takes.
fn all() -> Vec<(usize, Loss)> {
    macro_rules! losses {
        ($($count:tt $name:ident { $($field:ident: $value:expr),* };)*) => {
            vec![$(($count, Box::new(|x: &[Tensor], reduction| {
                let loss = $name { $($field: $value,)* reduction, ..$name::default() };
                losses!(@call loss, x, $count)
            }) as Loss)),*]
        };
        (@call $loss:ident, $x:ident, 2) => { $loss.forward(&$x[0], &$x[1]) };
        (@call $loss:ident, $x:ident, 3) => { $loss.forward(&$x[0], &$x[1], &$x[2]) };
        (@call $loss:ident, $x:ident, 4) => { $loss.forward(&$x[0], &$x[1], &$x[2], &$x[3]) };
    }
    let mut all = losses! {
        2 SmoothL1Loss {};
        2 HuberLoss {};
        2 CrossEntropyLoss {};
        2 CrossEntropyLoss { label_smoothing: 0.1, weight: Some(Tensor::ones([3], DType::F32)?) };
        2 NllLoss {};
        2 BceWithLogitsLoss { label_smoothing: 0.1 };
        2 BceLoss {};
        2 FocalLoss {};
        2 DiceLoss {};
        2 HingeLoss {};
        2 MultiMarginLoss {};
        2 MultiMarginLoss { p: 2, weight: Some(Tensor::ones([3], DType::F32)?) };
        2 MultiLabelSoftMarginLoss {};
        2 HingeEmbeddingLoss {};
        2 PoissonNllLoss { full: true };
        2 PoissonNllLoss { log_input: false };
        3 GaussianNllLoss {};
        3 MarginRankingLoss {};
        3 CosineEmbeddingLoss {};
        3 TripletMarginLoss { swap: true };
        3 ContrastiveLoss {};
        4 CtcLoss {};
    };
    all.push((2, Box::new(|x, reduction| MseLoss { reduction }.forward(&x[0], &x[1]))));
    all.push((2, Box::new(|x, reduction| SmoothL1Loss { beta: 0.0, reduction }.forward(&x[0], &x[1]))));
    all.push((2, Box::new(|x, reduction| L1Loss { reduction }.forward(&x[0], &x[1]))));
    all.push((2, Box::new(|x, reduction| SoftMarginLoss { reduction }.forward(&x[0], &x[1]))));
    all.push((2, Box::new(|x, reduction| MultiLabelMarginLoss { reduction }.forward(&x[0], &x[1]))));
    let weighted = |reduction| Result::Ok(BceLoss { weight: Some(Tensor::ones([3], DType::F32)?), reduction });
    all.push((2, Box::new(move |x, reduction| weighted(reduction)?.forward(&x[0], &x[1]))));
    for reduction in [KlReduction::None, KlReduction::Mean, KlReduction::BatchMean, KlReduction::Sum] {
        for log_target in [false, true] {
            let loss = KlDivLoss { log_target, reduction };
            all.push((2, Box::new(move |x, _| loss.forward(&x[0], &x[1]))));
        }
    }
    all.push((2, Box::new(|x, _| WassersteinLoss.critic(&x[0], &x[1]))));
    all.push((1, Box::new(|x, _| WassersteinLoss.generator(&x[0]))));
    all
}

/// A tensor of a random type, often of the shape and type that fit, with numbers that often are classes.
fn thrown(rng: &mut Rng, shape: &[usize], usual: DType) -> Tensor {
    const TYPES: [DType; 9] =
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::I32, DType::U8, DType::I8, DType::Bool];
    let dtype = if rng.below(3) == 0 { TYPES[rng.below(9) as usize] } else { usual };
    let shape = match rng.below(8) {
        0 => (0..rng.below(5)).map(|_| rng.below(4) as usize).collect(),
        1 if !shape.is_empty() => shape[..1].to_vec(),
        // What class numbers look like.
        2 | 3 if shape.len() > 1 => [&shape[..1], &shape[2..]].concat(),
        2 | 3 => Vec::new(),
        _ => shape.to_vec(),
    };
    let (low, high) = match rng.below(8) {
        0 => (-9.0, 9.0),
        1 | 2 if !dtype.is_float() => (0.0, 3.0),
        _ => (0.0, 1.0),
    };
    let x = random(rng, &shape, low, high);
    x.to_dtype(dtype).unwrap()
}

/// Sequences, labels and lengths that are right or nearly so.
fn sequences(rng: &mut Rng) -> Vec<Tensor> {
    let [steps, count, labels] = [1, 1, 0].map(|least| least + rng.below(3) as usize);
    let lengths = |rng: &mut Rng, most: usize| random(rng, &[count], 0.0, most as f64 + 1.2);
    let floats = [random(rng, &[count, labels], 0.9, 3.05), lengths(rng, steps), lengths(rng, labels)];
    let whole = floats.iter().map(|x| x.to_dtype(DType::I64).unwrap());
    std::iter::once(random(rng, &[steps, count, 3], -2.0, 0.0)).chain(whole).collect()
}

/// Whatever is thrown at a loss, it gives a loss and gradients of the inputs' shapes, or an error with a line of ours.
#[test]
fn nothing_panics() {
    let (all, mut good, mut bad) = (all(), 0, 0);
    for (i, (count, loss)) in all.iter().enumerate() {
        let rng = &mut Rng::new(i as u64);
        let mut succeeded = 0;
        for round in 0..1000 {
            let shape: Vec<usize> = (0..rng.below(4)).map(|_| [0, 1, 2, 3, 3, 3][rng.below(6) as usize]).collect();
            let usual = if rng.below(2) == 0 { DType::I64 } else { DType::F32 };
            let inputs: Vec<Tensor> = match (count, rng.below(2)) {
                (4, 0) => sequences(rng),
                _ => (0..*count).map(|k| thrown(rng, &shape, if k == 0 { DType::F32 } else { usual })).collect(),
            };
            let tracked = |x: Tensor| if x.dtype().is_float() { x.variable().unwrap() } else { x };
            let inputs: Vec<Tensor> = inputs.into_iter().map(tracked).collect();
            let reduction = [LossReduction::None, LossReduction::Mean, LossReduction::Sum][round % 3];
            let result = loss(&inputs, reduction);
            let result =
                result.and_then(|loss| if loss.is_tracked() { loss.sum()?.backward().map(Some) } else { Ok(None) });
            match result {
                Ok(gradients) => {
                    for x in inputs.iter().filter(|x| x.is_tracked()) {
                        if let Some(gradient) = gradients.as_ref().and_then(|gradients| gradients.get(x)) {
                            assert_eq!(gradient.spec(), x.spec());
                        }
                    }
                    succeeded += 1;
                }
                Err(e) => {
                    let at = e.location().unwrap_or_else(|| panic!("no line: {e}"));
                    assert!(at.file().ends_with("tests/losses.rs"), "loss {i}: {e}");
                    bad += 1;
                }
            }
        }
        assert!(succeeded > 10, "loss {i} takes next to nothing");
        good += succeeded;
    }
    assert!(good > 5000 && bad > 5000, "{good} good, {bad} bad");
}
