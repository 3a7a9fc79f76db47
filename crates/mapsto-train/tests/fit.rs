//! The loop: resuming, several networks, what comes between epochs, and what is said of NaN.

use mapsto_nn::schedule::{OneCycle, PlateauConfig, Schedule};
use mapsto_nn::{
    Adam, Average, Averaged, BatchNorm1d, CrossEntropyLoss, Dropout, Layer, Linear, Module, Optimizer, Relu,
    Sequential, Sgd, StateDict, scope, sequential,
};
use mapsto_tensor::{Result, Rng, Tensor, set_num_threads};
use mapsto_train::callbacks::{Evaluate, KeepBest, Log, Plateau, Stopping};
use mapsto_train::early_stopping::EarlyStopping;
use mapsto_train::run_dir::MetricsLog;
use mapsto_train::{
    BatchIter, Batches, Callback, Checkpoint, Clock, Descent, Fit, Flow, Labelled, Learner, Measures, Objective, Parts,
    Stateful, Step, TrainError, Update,
};
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

const CLASSES: usize = 3;

/// Points of three heaps, in an order of each epoch's own.
struct Points {
    x: Tensor,
    y: Vec<i64>,
    batch: usize,
}

impl Points {
    fn new(items: usize, batch: usize) -> Points {
        let mut rng = Rng::new(5);
        let y: Vec<i64> = (0..items).map(|i| (i % CLASSES) as i64).collect();
        let x: Vec<f32> = y
            .iter()
            .flat_map(|&y| [y as f64 + 0.4 * rng.normal(), (y * y) as f64 + 0.4 * rng.normal()])
            .map(|x| x as f32)
            .collect();
        Points { x: Tensor::from_vec(x, [items, 2]).unwrap(), y, batch }
    }
}

impl Batches for Points {
    type Batch = Labelled<Tensor>;

    fn per_epoch(&self) -> u64 {
        self.y.len().div_ceil(self.batch) as u64
    }

    fn epoch<'a>(&'a self, epoch: u64, first: u64) -> Result<BatchIter<'a, Labelled<Tensor>>, TrainError> {
        let order = Rng::new(9).fork(epoch).permutation(self.y.len())?;
        let batches = (first..self.per_epoch()).map(move |batch| {
            let items = order.iter().skip(batch as usize * self.batch).take(self.batch);
            let (rows, labels): (Vec<i64>, Vec<i64>) = items.map(|&item| (item as i64, self.y[item])).unzip();
            let n = rows.len();
            let input = self.x.index_select(0, &Tensor::from_vec(rows, [n])?)?;
            Ok(Labelled { input, target: Tensor::from_vec(labels, [n])? })
        });
        Ok(Box::new(batches))
    }
}

type Classifier = Descent<'static, Sequential, Labelled<Tensor>>;

/// A network that is to tell classes.
fn telling(model: Sequential, update: Update) -> Classifier {
    let objective = Objective::Classes(CrossEntropyLoss::default());
    let loss =
        move |model: &Sequential, batch: &Labelled<Tensor>| objective.of(&model.forward(&batch.input)?, &batch.target);
    Descent { model, loss: Box::new(loss), update }
}

fn classifier(schedule: Option<Schedule>) -> Classifier {
    let model = sequential![
        Linear::new(2, 16).unwrap(),
        BatchNorm1d::new(16).unwrap(),
        Relu,
        Dropout::new(0.3).unwrap(),
        Linear::new(16, CLASSES).unwrap(),
    ];
    let model = model.init(3).unwrap();
    let optimizer = Optimizer::new(&model, Adam { lr: 0.02, ..Adam::default() }).unwrap();
    let average = Averaged::new(&model, Average::Exponential { decay: 0.9 }).unwrap();
    let update = Update { schedule, clip_norm: Some(1.0), average: Some((average, 4)), ..Update::new(optimizer) };
    telling(model, update)
}

/// Everything that a run leaves, as bytes.
fn whole(learner: &mut Classifier) -> Vec<(String, Vec<u8>)> {
    let mut all: StateDict = learner.model.state_dict().unwrap();
    for (name, value) in learner.update.average.as_ref().unwrap().0.state_dict() {
        all.insert(format!("average.{name}"), value);
    }
    for (name, value) in learner.update.optimizer.state_dict().unwrap() {
        all.insert(format!("optimizer.{name}"), value);
    }
    all.into_iter().map(|(name, value)| (name, value.to_bytes().unwrap())).collect()
}

/// A run in a folder, which is asked to stop after so many steps.
fn run(folder: &Path, steps: Option<u64>, threads: usize) -> (Result<u64, TrainError>, Classifier) {
    set_num_threads(threads);
    let points = Points::new(50, 8);
    let (epochs, per_epoch) = (5, points.per_epoch());
    let one_cycle = OneCycle { max_lr: 0.02, total_steps: epochs * per_epoch, momenta: None, ..OneCycle::default() };
    let mut learner = classifier(Some(Schedule::OneCycle(one_cycle)));
    let mut file = MetricsLog::open(&folder.join("metrics.jsonl")).unwrap();
    let mut log = Log::new(&mut file, serde_json::json!({"member": 0}));
    let mut evaluate = Evaluate(|learner: &mut Classifier, _: &Clock| {
        learner.model.eval();
        let out = learner.model.forward(&points.x)?;
        learner.model.train();
        let y = Tensor::from_vec(points.y.clone(), [points.y.len()])?;
        let loss = CrossEntropyLoss::default().forward(&out, &y)?.item::<f32>()? as f64;
        Ok(Measures::from([("val_loss".to_string(), loss)]))
    });
    let mut best = KeepBest::new("val_loss", false);
    let mut stopping = Stopping { measure: "val_loss".into(), rule: EarlyStopping::lowest(3) };
    let taken = Cell::new(0);
    let interrupted = || {
        taken.set(taken.get() + 1);
        Some(taken.get()) == steps
    };
    let fit = Fit {
        batches: &points,
        epochs,
        callbacks: vec![&mut evaluate, &mut best, &mut stopping, &mut log],
        checkpoint: Some(Checkpoint { path: folder.join("checkpoint"), every: Duration::ZERO }),
        interrupted: &interrupted,
    };
    let ended = fit.run(&mut learner);
    (ended, learner)
}

#[test]
fn a_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (ended, mut straight) = run(folder.path(), None, 2);
    assert_eq!(ended.unwrap(), 5);
    let log = |folder: &Path| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .map(|mut line| {
                let times = ["seconds", "waited"].map(|name| line.as_object_mut().unwrap().remove(name).unwrap());
                let [seconds, waited] = times.map(|time| time.as_f64().unwrap());
                assert!((0.0..seconds).contains(&waited), "{waited} of {seconds}");
                line
            })
            .collect()
    };
    let expected = (whole(&mut straight), log(folder.path()));
    assert_eq!(expected.1.len(), 5);
    let text = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    assert!(text.lines().count() == 5 && !text.contains("\"waited\":0.0,"), "{text}");
    // Within an epoch, at its last step, at the first; several times in one run; with other numbers of threads.
    for stops in [vec![1], vec![7], vec![6, 1], vec![20, 1, 1], vec![3, 3, 3, 3, 3]] {
        let folder = tempfile::tempdir().unwrap();
        for (i, &steps) in stops.iter().enumerate() {
            let (ended, _) = run(folder.path(), Some(steps), 1 + i % 2);
            assert!(matches!(ended, Err(TrainError::Interrupted { .. })), "{ended:?}");
        }
        let (ended, mut learner) = run(folder.path(), None, 1);
        assert_eq!(ended.unwrap(), 5);
        assert!(whole(&mut learner) == expected.0, "stopped after {stops:?} steps");
        assert_eq!(log(folder.path()), expected.1, "stopped after {stops:?} steps");
    }
    // A finished run has nothing to do.
    let (ended, mut learner) = run(folder.path(), None, 1);
    assert_eq!(ended.unwrap(), 5);
    assert!(whole(&mut learner) == expected.0);
    assert_eq!(log(folder.path()), expected.1);
}

#[test]
fn a_checkpoint_of_another_network_or_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let points = Points::new(20, 10);
    let fit = |learner: &mut Classifier| {
        Fit {
            batches: &points,
            epochs: 1,
            callbacks: vec![],
            checkpoint: Some(Checkpoint { path: path.clone(), every: Duration::MAX }),
            interrupted: &|| false,
        }
        .run(learner)
    };
    fit(&mut classifier(None)).unwrap();
    let model = Linear::new(2, CLASSES).unwrap().init(0).unwrap();
    let update = Update::new(Optimizer::new(&model, Adam::default()).unwrap());
    let mut other = telling(sequential![model], update);
    let text = fit(&mut other).unwrap_err().to_string();
    assert!(text.contains("unexpected: ") && text.contains("checkpoint"), "{text}");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let text = fit(&mut classifier(None)).unwrap_err().to_string();
    assert!(text.contains("the header claims") && text.contains("checkpoint"), "{text}");
}

/// Two networks and two optimisers: one makes numbers, the other tells them from real ones.
struct Pair {
    maker: Sequential,
    judge: Sequential,
    updates: [Update; 2],
}

impl Stateful for Pair {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.model("maker", &self.maker)?;
        parts.model("judge", &self.judge)?;
        let [maker, judge] = &mut self.updates;
        parts.inside("maker_update", maker)?;
        parts.inside("judge_update", judge)
    }
}

impl Learner for Pair {
    type Batch = Labelled<Tensor>;

    fn step(&mut self, batch: &Labelled<Tensor>, step: &mut Step<'_>) -> Result<()> {
        let real = &batch.input;
        let noise = Tensor::randn(*real.shape(), real.dtype(), &mut Rng::new(1).fork(step.clock.step))?;
        let made = self.maker.forward(&noise)?;
        let score = self.judge.forward(&made.detach())?.mean()?.sub(self.judge.forward(real)?.mean()?)?;
        let judge = self.updates[1].descend(&self.judge, &score, step)?;
        let fooled = self.judge.forward(&made)?.mean()?.neg()?;
        let maker = self.updates[0].descend(&self.maker, &fooled, step)?;
        step.measure("judge", judge, 1.0);
        step.measure("maker", maker, 1.0);
        Ok(())
    }
}

#[test]
fn several_networks_and_optimisers_resume() {
    let make = || {
        let net = |seed| sequential![Linear::new(2, 8).unwrap(), Relu, Linear::new(8, 2).unwrap()].init(seed).unwrap();
        let (maker, judge) = (net(1), net(2));
        let update = |net: &Sequential| Update::new(Optimizer::new(net, Adam::default()).unwrap());
        let updates = [update(&maker), update(&judge)];
        Pair { maker, judge, updates }
    };
    let points = Points::new(24, 8);
    let run = |path: &Path, steps: u64| {
        let mut pair = make();
        let taken = Cell::new(0);
        let interrupted = || {
            taken.set(taken.get() + 1);
            taken.get() == steps
        };
        let checkpoint = Some(Checkpoint { path: path.to_owned(), every: Duration::MAX });
        let fit = Fit { batches: &points, epochs: 4, callbacks: vec![], checkpoint, interrupted: &interrupted };
        let ended = fit.run(&mut pair);
        (ended, [pair.maker, pair.judge].map(|net| net.state_dict().unwrap()))
    };
    let folder = tempfile::tempdir().unwrap();
    let (ended, straight) = run(&folder.path().join("a"), 1000);
    assert_eq!(ended.unwrap(), 4);
    assert!(run(&folder.path().join("b"), 5).0.is_err());
    let (ended, resumed) = run(&folder.path().join("b"), 1000);
    assert_eq!(ended.unwrap(), 4);
    for (a, b) in straight.iter().flatten().zip(resumed.iter().flatten()) {
        assert_eq!((a.0, a.1.to_bytes().unwrap()), (b.0, b.1.to_bytes().unwrap()));
    }
}

/// Raises to a power that is too high.
#[derive(Module)]
struct Blows;

impl Layer for Blows {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        x.mul(1e3)?.exp()
    }
}

/// The square root, of which the slope at zero is infinite.
#[derive(Module)]
struct Root;

impl Layer for Root {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        x.sub(x)?.sqrt()?.add(x)
    }
}

#[test]
fn nan_is_traced_to_the_operation_and_the_layer() {
    let points = Points::new(24, 8);
    let said = |model: Sequential, lr: f64| {
        let model = model.init(3).unwrap();
        let update = Update::new(Optimizer::new(&model, Sgd { lr, ..Sgd::default() }).unwrap());
        let mut learner = telling(model, update);
        let fit = Fit { batches: &points, epochs: 50, callbacks: vec![], checkpoint: None, interrupted: &|| false };
        let error = fit.run(&mut learner).unwrap_err();
        assert!(matches!(error, TrainError::NotFinite { .. }), "{error}");
        error.to_string()
    };
    let linear = |i, o| Linear::new(i, o).unwrap();
    let dropout = Dropout::new(0.5).unwrap();
    let text = said(sequential![linear(2, 8), dropout, sequential![Relu, Blows], linear(8, CLASSES)], 0.1);
    assert!(text.starts_with("the loss became NaN in step 1 of epoch 1: in layer \"2.1\" (Blows), exp at "), "{text}");
    assert!(text.contains("fit.rs:") && text.ends_with("huge values"), "{text}");
    let text = said(sequential![linear(2, 8), Root, linear(8, CLASSES)], 0.1);
    let head = "the gradients' norm became inf in step 1 of epoch 1: in layer \"1\" (Root), the gradient of sqrt at ";
    assert!(text.starts_with(head) || text.starts_with(&head.replace("inf", "NaN")), "{text}");
    // Nothing in the network is at fault: it ran away.
    let text = said(sequential![linear(2, 64), linear(64, CLASSES)], 1e30);
    assert!(text.contains("in layer \"") && text.contains("(Linear), linear at "), "{text}");
}

#[test]
fn gradients_are_measured_by_layer_and_the_best_epoch_comes_back() {
    struct Look(Vec<Measures>);
    impl Stateful for Look {
        fn visit(&mut self, _: &mut Parts<'_>) -> Result<()> {
            Ok(())
        }
    }
    impl Callback<Classifier> for Look {
        fn epoch(&mut self, _: &mut Classifier, _: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
            self.0.push(measures.clone());
            Ok(Flow::GoOn)
        }
    }
    let points = Points::new(50, 8);
    let mut learner = classifier(None);
    // Best in the second epoch, by decree; then the rate falls.
    let decreed = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0];
    let kept = std::cell::RefCell::new(Vec::new());
    let mut evaluate = Evaluate(|learner: &mut Classifier, clock: &Clock| {
        kept.borrow_mut().push(learner.model.state_dict()?["0.weight"].to_vec::<f32>()?);
        Ok(Measures::from([("decreed".to_string(), decreed[clock.epoch as usize])]))
    });
    let mut best = KeepBest::new("decreed", false);
    let config = PlateauConfig { patience: 1, ..PlateauConfig::default() };
    let mut plateau = Plateau::new("decreed", config, |learner: &mut Classifier| &mut learner.update.optimizer);
    let mut stopping = Stopping { measure: "decreed".into(), rule: EarlyStopping::lowest(3) };
    let mut look = Look(Vec::new());
    let callbacks: Vec<&mut dyn Callback<Classifier>> =
        vec![&mut evaluate, &mut best, &mut plateau, &mut stopping, &mut look];
    let fit = Fit { batches: &points, epochs: 6, callbacks, checkpoint: None, interrupted: &|| false };
    assert_eq!(fit.run(&mut learner).unwrap(), 5, "three epochs without a gain");
    assert_eq!(best.best(), Some((1, 1.0)));
    assert_eq!(learner.model.state_dict().unwrap()["0.weight"].to_vec::<f32>().unwrap(), kept.borrow()[1]);
    let rates: Vec<f64> = look.0.iter().map(|measures| measures["rate"]).collect();
    assert_eq!(rates[..4], [0.02; 4]);
    assert!((rates[4] - 0.002).abs() <= 1e-12, "{rates:?}");
    let layers: Vec<&String> = look.0[0].keys().filter(|name| name.starts_with("gradient/")).collect();
    assert_eq!(layers, ["gradient/0", "gradient/1", "gradient/4"]);
    assert!(look.0[0]["gradient/4"] > 0.0 && look.0[0]["accuracy"] > 0.2);
}
