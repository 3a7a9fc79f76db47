use super::*;
use crate::Answered;
use crate::Unwatched;
use crate::evaluation::Evaluation;
use crate::examples::{Answers, Examples, Truth};
use crate::run::Run;
use crate::table::{Problem, TableConfig, TableExamples};
use mapsto_models::TableModel;
use mapsto_train::run_dir::RunDir;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::json;

const WILD: [&str; 3] =
    ["<script>alert(1)</script>", "\"q\" & 'z' ]]>", "\u{1f600} \u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{202e}"];

fn parsed(page: &str) -> Document<'_> {
    Document::parse_with_options(page, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap()
}

fn all<'a>(page: &'a Document<'_>, name: &'a str) -> Vec<Node<'a, 'a>> {
    page.descendants().filter(|node| node.has_tag_name(name)).collect()
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

fn with_class<'a>(page: &'a Document<'_>, class: &str) -> Vec<Node<'a, 'a>> {
    page.descendants()
        .filter(|node| node.attribute("class").is_some_and(|c| c.split(' ').any(|c| c == class)))
        .collect()
}

/// The page of predictions, by a run that left these records.
fn page(answers: &Answers, truth: &Truth, predicted: &[f64], folds: &[Value], records: Vec<Value>) -> String {
    let tested: Vec<usize> = (0..truth.len()).collect();
    let test = Evaluation::of(truth, answers, &tested, predicted).unwrap();
    let show = |item: usize| Ok(Shown::Row(vec![("row".into(), item.to_string()), (WILD[1].into(), WILD[0].into())]));
    let own = |page: &mut Markup| {
        draw_answers(truth, &test, &tested, predicted, &show, page);
        Ok(())
    };
    let facts = Facts {
        task: "table",
        title: WILD[0].into(),
        about: vec![("Classes", WILD.join(", "))],
        settings: "[config]\ndata = \"<a>.csv\"\n".into(),
        version: "0",
        summary: "a < b".into(),
        parts: [7, 2, truth.len()],
        headline: Some(test.headline()),
        folds,
        combination: &Combination { weights: vec![3.0, 1.0], median: false },
        records,
        own: &own,
    };
    facts.page()
}

#[test]
fn a_page_of_classes() {
    let names: Vec<String> = WILD.map(String::from).to_vec();
    let truth = Truth::Classes { names: names.clone(), labels: vec![0, 0, 1, 2, 2] };
    let predicted = [
        [0.8, 0.1, 0.1],
        [0.3, 0.6, 0.1], // wrong: loss 1.2
        [0.2, 0.7, 0.1],
        [0.9, 0.05, 0.05], // wrong: loss 3.0
        [0.1, 0.2, 0.7],
    ];
    let epoch = |stage: &str, epoch: u64, loss: f64| json!({"event": "epoch", "stage": stage, "epoch": epoch, "loss": loss, "seconds": 0.75, "gradient/10": 0.1, "gradient/2": 10.0});
    let records = vec![epoch("member-1", 1, 2.0), epoch("member-1", 2, 1.0), epoch("member-2", 1, 1.5), json!(3)];
    let folds = [json!({"accuracy": 0.5, "auc": null}), json!({"accuracy": 1.0, "auc": 0.5})];
    let html = page(&Answers::Classes { names }, &truth, predicted.as_flattened(), &folds, records);
    let page = parsed(&html);
    assert!(all(&page, "script").is_empty() && !html.contains("<script"));
    assert!(all(&page, "bdi").iter().any(|bdi| bdi.text() == Some(WILD[2])));

    let tiles: Vec<String> = with_class(&page, "tiles")[0].children().map(text).collect();
    assert_eq!(tiles[0], "accuracy60.00 %");
    let matrix = with_class(&page, "matrix")[0];
    let rows: Vec<Vec<String>> = matrix
        .descendants()
        .filter(|node| node.has_tag_name("tr"))
        .skip(1)
        .map(|row| row.children().skip(1).map(text).collect())
        .collect();
    assert_eq!(rows, [["150 %", "150 %", ""], ["", "1100 %", ""], ["150 %", "", "150 %"]]);
    let recall: Vec<String> = all(&page, "tr")
        .iter()
        .filter(|row| row.children().count() == 7)
        .map(|r| text(r.children().nth(2).unwrap()))
        .collect();
    assert_eq!(recall, ["recall", "0.500", "1.000", "0.500"]);

    // The worst first; what was right is no mistake.
    let cards: Vec<String> = with_class(&page, "said").into_iter().map(text).collect();
    let [a, b, c] = WILD;
    assert_eq!(cards, [format!("said {a} (90.0 %), is {c} (5.0 %)"), format!("said {b} (60.0 %), is {a} (30.0 %)")]);

    let labels: Vec<&str> = all(&page, "svg").into_iter().filter_map(|svg| svg.attribute("aria-label")).collect();
    for title in
        ["Loss", "Gradient of each layer, member-1", "Receiver operating", "Precision and", "Reliability", "Certainty"]
    {
        assert!(labels.iter().any(|label| label.starts_with(title)), "{title}: {labels:?}");
    }
    let marks: Vec<String> =
        with_class(&page, "mark").into_iter().map(text).filter(|m| m.starts_with("member")).collect();
    assert_eq!(marks, ["member-1, training (1, 2)", "member-1, training (2, 1)", "member-2, training (1, 1.5)"]);
    let heat: Vec<String> = with_class(&page, "heat").into_iter().map(text).collect();
    assert_eq!(heat, ["2, epoch 1: 10", "2, epoch 2: 10", "10, epoch 1: 0.1", "10, epoch 2: 0.1"]);
    let facts = text(with_class(&page, "facts")[0]);
    assert!(facts.contains("7 learned from, 2 for validation, 5 tested on") && facts.contains("2.2 s"), "{facts}");
    assert!(facts.contains("<a>.csv"), "{facts}");

    let tables: Vec<String> = all(&page, "tbody").into_iter().map(text).collect();
    assert_eq!(tables[..2], ["1375.0 %2125.0 %", "accuracy0.750.35360.51auc––\u{2013}0.5"]);
}

#[test]
fn a_page_of_numbers() {
    let answers = Answers::Number { name: WILD[0].into(), mean: 0.0, deviation: 1.0 };
    let truth = Truth::Numbers { name: WILD[0].into(), values: vec![1.0, 2.0, 3.0, 4.0] };
    let epoch =
        json!({"event": "epoch", "stage": "network", "epoch": 1, "loss": 0.5, "val_loss": 20.0, "val_mae": 10.0});
    let html = page(&answers, &truth, &[1.0, 2.5, 2.0, 4.0], &[], vec![epoch]);
    let page = parsed(&html);
    assert!(!html.contains("<script"));
    let tiles: Vec<String> = with_class(&page, "tiles")[0].children().map(text).collect();
    assert_eq!(tiles, ["RMSE0.559", "mean absolute error0.375", "R²0.7500", "greatest error1"]);
    // Losses of scaled and of unscaled numbers do not share an axis.
    let labels: Vec<&str> = all(&page, "svg").into_iter().filter_map(|svg| svg.attribute("aria-label")).collect();
    assert!(labels[0].starts_with("Loss: ") && labels[1].starts_with("Validation loss: "), "{labels:?}");
    let points: Vec<String> = with_class(&page, "point").into_iter().map(text).collect();
    assert_eq!(points, ["(1, 1)", "(2, 2.5)", "(3, 2)", "(4, 4)"]);
    let cards: Vec<String> = with_class(&page, "said").into_iter().map(text).collect();
    assert_eq!(cards[..2], ["said 2, is 3: off by -1", "said 2.5, is 2: off by 0.5"]);
}

#[test]
fn many_classes_and_one() {
    for count in [1, 31, 200] {
        let names: Vec<String> = (0..count).map(|class| format!("kind {class}")).collect();
        let labels: Vec<usize> = (0..2 * count).map(|item| item % count).collect();
        // Every second item of class 0 is taken for class 1.
        let said = |item: usize| if item == count && count > 1 { 1 } else { labels[item] };
        let row = |item: usize| (0..count).map(move |class| f64::from(u8::from(class == said(item))));
        let predicted: Vec<f64> = (0..2 * count).flat_map(row).collect();
        let truth = Truth::Classes { names: names.clone(), labels: labels.clone() };
        let html = page(&Answers::Classes { names }, &truth, &predicted, &[], Vec::new());
        let page = parsed(&html);
        assert_eq!(with_class(&page, "matrix").len(), usize::from(count == 1));
        let pair = all(&page, "tr").into_iter().map(text).any(|row| row == "kind 0kind 1150.0 %");
        assert_eq!(pair, count > 1);
    }
}

#[test]
fn a_run_ends_with_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("t.csv");
    let rows: String = (0..60).map(|i| format!("{i},{},<i>{}\n", i % 7, ["a", "b"][i % 2])).collect();
    fs::write(&data, format!("x,y & z,\"the \"\"class\"\"\"\n{rows}")).unwrap();
    let config = TableConfig {
        data,
        target: "the \"class\"".into(),
        problem: Problem::Auto,
        group: String::new(),
        time: String::new(),
        ignore: Vec::new(),
        skip_bad: false,
        model: TableModel::named("linear").unwrap(),
    };
    let examples = TableExamples::open(&config).unwrap();
    let mut settings = examples.settings(config);
    (settings.training.epochs, settings.folds) = (3, 2);
    let run = Run::begin(RunDir::create(&folder.path().join("runs"), "r").unwrap(), settings).unwrap();
    let outcome = run.train(&Answered(examples), &mut Unwatched, &|| false).unwrap();
    let html = fs::read_to_string(run.folder.path().join(REPORT_FILE)).unwrap();
    let page = parsed(&html);
    let Some(Evaluation::Classes(report)) = outcome.test.map(|test| test.evaluation) else { panic!("classes") };
    let tiles = text(with_class(&page, "tiles")[0]);
    assert!(tiles.starts_with(&format!("accuracy{:.2} %", 100.0 * report.accuracy)), "{tiles}");
    assert!(text(page.root()).contains("y & z"));
    // Nothing is asked of the network.
    let sources = page.descendants().flat_map(|node| node.attributes().map(|a| (a.name(), a.value())));
    assert!(sources.filter(|(name, _)| ["src", "href"].contains(name)).all(|(_, value)| value.starts_with("data:")));
}
