//! Every metric against scikit-learn's values (tools/metrics_fixtures.py).

use mapsto_train::metrics::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixtures {
    labels: Vec<Labels>,
    probabilities: Vec<Probabilities>,
    regression: Vec<Regression>,
    curves: Vec<Curves>,
}

#[derive(Deserialize)]
struct Labels {
    name: String,
    classes: usize,
    truth: Vec<usize>,
    predicted: Vec<usize>,
    matrix: Vec<Vec<u64>>,
    accuracy: f64,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<u64>,
    r#macro: [f64; 3],
    micro: [f64; 3],
    weighted: [f64; 3],
    balanced_accuracy: f64,
    matthews: f64,
    kappa: f64,
}

#[derive(Deserialize)]
struct Probabilities {
    name: String,
    classes: usize,
    truth: Vec<usize>,
    probabilities: Vec<f64>,
    top_k: Vec<f64>,
    log_loss: f64,
    brier: f64,
    roc_auc: f64,
    roc_auc_weighted: f64,
    perplexity: f64,
    calibration_error: f64,
}

#[derive(Deserialize)]
struct Regression {
    name: String,
    truth: Vec<f64>,
    predicted: Vec<f64>,
    mse: f64,
    rmse: f64,
    mae: f64,
    r2: f64,
    explained_variance: f64,
    median_absolute_error: f64,
    max_error: f64,
    mape: f64,
}

#[derive(Deserialize)]
struct Curves {
    name: String,
    truth: Vec<bool>,
    scores: Vec<f64>,
    roc: Vec<(Option<f64>, f64, f64)>,
    precision_recall: Vec<(Option<f64>, f64, f64)>,
    average_precision: f64,
    calibration: Vec<[f64; 2]>,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap()
}

/// Fails on NaN too.
fn assert_close(got: f64, expected: f64, what: &str) {
    let error = (got - expected).abs();
    assert!(error <= 1e-12 * expected.abs().max(1.0), "{what}: {got}, expected {expected}");
}

fn assert_scores(got: Scores, [precision, recall, f1]: [f64; 3], what: &str) {
    assert_close(got.precision, precision, &format!("precision, {what}"));
    assert_close(got.recall, recall, &format!("recall, {what}"));
    assert_close(got.f1, f1, &format!("f1, {what}"));
}

#[test]
fn labels_agree_with_scikit_learn() {
    let cases = fixtures().labels;
    assert_eq!(cases.len(), 6);
    for case in cases {
        let name = &case.name;
        let matrix = ConfusionMatrix::from_labels(&case.truth, &case.predicted, case.classes).unwrap();
        assert_eq!(matrix.counts(), case.matrix.concat(), "{name}");
        assert_close(matrix.accuracy(), case.accuracy, name);
        let classes = matrix.class_scores();
        assert_eq!(classes.len(), case.classes);
        for (c, class) in classes.iter().enumerate() {
            assert_scores(class.scores, [case.precision[c], case.recall[c], case.f1[c]], &format!("{name}, class {c}"));
            assert_eq!(class.support, case.support[c], "{name}, class {c}");
        }
        assert_scores(matrix.macro_average(), case.r#macro, &format!("{name}, macro"));
        assert_scores(matrix.micro_average(), case.micro, &format!("{name}, micro"));
        assert_scores(matrix.weighted_average(), case.weighted, &format!("{name}, weighted"));
        assert_close(matrix.balanced_accuracy(), case.balanced_accuracy, &format!("{name}, balanced"));
        assert_close(matrix.matthews(), case.matthews, &format!("{name}, matthews"));
        assert_close(matrix.kappa(), case.kappa, &format!("{name}, kappa"));
    }
}

#[test]
fn probabilities_agree_with_scikit_learn() {
    let cases = fixtures().probabilities;
    assert_eq!(cases.len(), 5);
    for case in cases {
        let Probabilities { name, classes, truth, probabilities, .. } = case;
        assert_eq!(case.top_k.len(), classes, "{name}");
        for (k, expected) in (1..).zip(case.top_k) {
            assert_close(
                top_k_accuracy(&truth, &probabilities, classes, k).unwrap(),
                expected,
                &format!("{name}, {k}"),
            );
        }
        assert_close(log_loss(&truth, &probabilities, classes).unwrap(), case.log_loss, &name);
        assert_close(brier_score(&truth, &probabilities, classes).unwrap(), case.brier, &name);
        assert_close(roc_auc_ovr(&truth, &probabilities, classes).unwrap(), case.roc_auc, &name);
        assert_close(roc_auc_ovr_weighted(&truth, &probabilities, classes).unwrap(), case.roc_auc_weighted, &name);
        assert_close(perplexity(&truth, &probabilities, classes).unwrap(), case.perplexity, &name);
        let report = ClassificationReport::of(&truth, &probabilities, classes).unwrap();
        assert_close(report.log_loss, case.log_loss, &name);
        assert_close(report.brier, case.brier, &name);
        assert_close(report.auc.unwrap(), case.roc_auc, &name);
        let error = expected_calibration_error(&truth, &probabilities, classes, 7).unwrap();
        assert_close(error, case.calibration_error, &name);
        if classes == 2 {
            let second: Vec<f64> = probabilities.iter().skip(1).step_by(2).copied().collect();
            let truth: Vec<bool> = truth.iter().map(|&label| label == 1).collect();
            assert_close(roc_auc(&truth, &second).unwrap(), case.roc_auc, &name);
        }
    }
}

#[test]
fn regression_agrees_with_scikit_learn() {
    let cases = fixtures().regression;
    assert_eq!(cases.len(), 4);
    for case in cases {
        let Regression { name, truth, predicted, .. } = &case;
        assert_close(mse(truth, predicted).unwrap(), case.mse, name);
        assert_close(rmse(truth, predicted).unwrap(), case.rmse, name);
        assert_close(mae(truth, predicted).unwrap(), case.mae, name);
        assert_close(r2(truth, predicted).unwrap(), case.r2, name);
        assert_close(explained_variance(truth, predicted).unwrap(), case.explained_variance, name);
        assert_close(median_absolute_error(truth, predicted).unwrap(), case.median_absolute_error, name);
        assert_close(max_error(truth, predicted).unwrap(), case.max_error, name);
        assert_close(mape(truth, predicted).unwrap(), case.mape, name);
        let report = RegressionReport::of(truth, predicted).unwrap();
        assert_close(report.rmse, case.rmse, name);
        assert_close(report.r2.unwrap(), case.r2, name);
    }
}

#[test]
fn curves_agree_with_scikit_learn() {
    let cases = fixtures().curves;
    assert_eq!(cases.len(), 5);
    for case in cases {
        let Curves { name, truth, scores, .. } = &case;
        let roc = roc_curve(truth, scores).unwrap();
        assert_eq!(roc.len(), case.roc.len(), "{name}");
        for (point, &(threshold, false_rate, true_rate)) in roc.iter().zip(&case.roc) {
            assert_eq!(point.threshold, threshold, "{name}");
            assert_close(point.false_positive_rate, false_rate, name);
            assert_close(point.true_positive_rate, true_rate, name);
        }
        let curve = precision_recall_curve(truth, scores).unwrap();
        assert_eq!(curve.len(), case.precision_recall.len(), "{name}");
        for (point, &(threshold, precision, recall)) in curve.iter().zip(&case.precision_recall) {
            assert_eq!(point.threshold, threshold, "{name}");
            assert_close(point.precision, precision, name);
            assert_close(point.recall, recall, name);
        }
        assert_close(average_precision(truth, scores).unwrap(), case.average_precision, name);
        let bins = calibration_curve(truth, scores, 5).unwrap();
        assert_eq!(bins.len(), case.calibration.len(), "{name}");
        assert_eq!(bins.iter().map(|bin| bin.items).sum::<usize>(), truth.len());
        for (bin, &[confidence, accuracy]) in bins.iter().zip(&case.calibration) {
            assert_close(bin.confidence, confidence, name);
            assert_close(bin.accuracy, accuracy, name);
        }
    }
}
