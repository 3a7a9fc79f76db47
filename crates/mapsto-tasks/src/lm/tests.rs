//! A run whose states go on from window to window, stopped at any step, goes on to the same weights.

use super::*;
use crate::run::Run;
use crate::{CONFIG_FILE, Unwatched};
use mapsto_nn::{Module, StateDict};
use mapsto_train::run_dir::RunDir;
use std::cell::Cell;
use std::fs;

/// The weights and the figures of a run that is stopped after so many steps, again and again.
fn trained(folder: &Path, name: &str, model: &str, stop: u64) -> (StateDict, Value) {
    let text: String = (0..4000).map(|i| char::from(b'a' + (i * i / 7 % 11) as u8)).collect();
    fs::write(folder.join("text.txt"), text).unwrap();
    let set = [
        "streams=4",
        "length=16",
        "epochs=2",
        "learning_rate=0.01",
        "config.model.hidden=12",
        "checkpoint_seconds=1000",
    ];
    let request = Request {
        data: Some(folder.join("text.txt")),
        model: Some(model.into()),
        set: set.map(String::from).to_vec(),
        ..Request::default()
    };
    let Begun { task, settings, .. } = Lm::begun(&request).unwrap();
    let settings = request.settle(settings).unwrap();
    let mut run = Run::begin(RunDir::create(folder, name).unwrap(), settings).unwrap();
    loop {
        let steps = Cell::new(0);
        let interrupted = || {
            steps.set(steps.get() + 1);
            steps.get() == stop
        };
        match run.train(&task, &mut Unwatched, &interrupted) {
            Ok(outcome) => return (outcome.predictor.weights().unwrap(), outcome.test.unwrap().metrics()),
            Err(TaskError::Train(_)) => {}
            Err(error) => panic!("{error}"),
        }
        let path = run.folder.path().to_owned();
        assert!(path.join(CONFIG_FILE).is_file());
        drop(run);
        run = Run::open(&path).unwrap();
    }
}

#[test]
fn states_go_on_where_a_run_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    for model in ["lstm", "gru"] {
        let (weights, figures) = trained(folder.path(), &format!("{model}-straight"), model, u64::MAX);
        assert!(weights.contains_key("carried.0"), "{:?}", weights.keys());
        let moved = weights["carried.0"].abs().unwrap().sum().unwrap().item::<f32>().unwrap();
        assert!(moved > 0.0, "nothing was carried");
        let (again, figures_again) = trained(folder.path(), &format!("{model}-stopped"), model, 7);
        for (name, value) in &weights {
            assert_eq!(value.to_vec::<f32>().unwrap(), again[name].to_vec::<f32>().unwrap(), "{model}: {name}");
        }
        assert_eq!(figures, figures_again);
    }
}

#[test]
fn only_recurrent_networks_carry_a_state() {
    for (name, known) in [("lstm", true), ("gru", true), ("cnn", false), ("transformer", false)] {
        let model = LanguageModel::named(name).unwrap();
        let build = || model.build(LanguageShape { tokens: 9, length: 8 }).unwrap();
        assert!(Reader::new(build(), 0).is_ok());
        match Reader::new(build(), 4) {
            Ok(reader) => assert!(known && reader.init(1).unwrap().remembered(false).unwrap().states().len() < 3),
            Err(error) => {
                let said = error.to_string();
                assert!(!known && said.contains("only lstm and gru have a state to carry on"), "{name}: {said}");
            }
        }
    }
}
