//! What a classifier's predictions are worth.

use super::answers::{Told, mistakes};
use super::markup::Markup;
use super::plot::{Line, Plot};
use mapsto_train::metrics::{ClassReport, ClassificationReport, ConfusionMatrix};

/// More classes than this make a confusion matrix that nobody reads.
const MATRIX: usize = 30;
/// Pairs of classes that are shown in its place.
const PAIRS: usize = 20;
/// Classes up to which each has its own curve.
const CURVES: usize = 10;
/// The least probability that a loss tells apart.
const LEAST: f64 = 1e-15;

/// The confusion matrix, each class's figures, curves, and the worst mistakes.
pub fn draw(them: &Told<'_>, report: &ClassificationReport, labels: &[usize], page: &mut Markup) {
    page.text("h2", &[], "Classes");
    if report.classes.len() <= MATRIX {
        matrix(&report.confusion, page);
    } else {
        pairs(&report.confusion, page);
    }
    table(report, page);
    page.element("div", &[("class", "figures")], |figures| {
        curves(report, figures);
        reliability(report, figures);
    });
    let (names, classes) = (report.confusion.names(), report.classes.len());
    let row = |place: usize| &them.predicted[place * classes..][..classes];
    let said = |place: usize| {
        let row = row(place);
        (0..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    };
    let loss = |place: usize| (said(place) != labels[place]).then(|| -row(place)[labels[place]].max(LEAST).ln());
    mistakes(them, loss, page, |place, card| {
        card.element("p", &[], |p| {
            for (what, class) in [("said ", said(place)), (", is ", labels[place])] {
                p.text("span", &[], what);
                p.told("b", &[], &names[class]);
                p.text("span", &[], &format!(" ({})", percent(row(place)[class])));
            }
        });
    });
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn matrix(confusion: &ConfusionMatrix, page: &mut Markup) {
    let (names, classes) = (confusion.names(), confusion.classes());
    page.text("h3", &[], "Confusion matrix");
    page.text("p", &[("class", "note")], "Rows are true classes, columns what was said; shares are of the row.");
    page.element("div", &[("class", "wide")], |div| {
        div.element("table", &[("class", "matrix")], |table| {
            table.headings(std::iter::once("").chain(names.iter().map(String::as_str)));
            table.element("tbody", &[], |body| {
                for (truth, counts) in confusion.counts().chunks_exact(classes).enumerate() {
                    let all: u64 = counts.iter().sum();
                    body.element("tr", &[], |row| {
                        row.told("th", &[("scope", "row")], &names[truth]);
                        for (said, &count) in counts.iter().enumerate() {
                            let share = if all > 0 { count as f64 / all as f64 } else { 0.0 };
                            let kind = if said == truth { "right" } else { "wrong" };
                            let dark = if share > 0.5 { " dark" } else { "" };
                            // Few mistakes are to be seen, too.
                            let depth = if count == 0 { 0.0 } else { 12.0 + 88.0 * share };
                            let style = format!("--depth: {depth:.0}%");
                            row.element("td", &[("class", &format!("{kind}{dark}")), ("style", &style)], |cell| {
                                if count > 0 {
                                    cell.text("span", &[], &count.to_string());
                                    cell.text("small", &[], &format!("{:.0} %", 100.0 * share));
                                }
                            });
                        }
                    });
                }
            });
        });
    });
}

fn pairs(confusion: &ConfusionMatrix, page: &mut Markup) {
    let (names, classes) = (confusion.names(), confusion.classes());
    let counts = confusion.counts();
    let mut wrong: Vec<usize> =
        (0..counts.len()).filter(|&place| counts[place] > 0 && place / classes != place % classes).collect();
    wrong.sort_by_key(|&place| (std::cmp::Reverse(counts[place]), place));
    page.text("h3", &[], "Most confused classes");
    if wrong.is_empty() {
        return page.text("p", &[], "None: all examples were told right.");
    }
    page.table(["is", "said", "examples", "of the class"], |body| {
        for &place in wrong.iter().take(PAIRS) {
            let (truth, said) = (place / classes, place % classes);
            let all: u64 = counts[truth * classes..][..classes].iter().sum();
            let share = percent(counts[place] as f64 / all as f64);
            body.row(&names[truth], [names[said].clone(), counts[place].to_string(), share]);
        }
    });
}

fn table(report: &ClassificationReport, page: &mut Markup) {
    let inside = |page: &mut Markup| {
        page.table(["class", "precision", "recall", "F1", "AUC", "average precision", "examples"], |body| {
            for class in &report.classes {
                let s = class.scores.scores;
                let figures = [Some(s.precision), Some(s.recall), Some(s.f1), class.auc, class.average_precision];
                let figures = figures.map(|figure| figure.map_or("–".into(), |figure| format!("{figure:.3}")));
                body.row(&class.name, figures.into_iter().chain([class.scores.support.to_string()]));
            }
        });
    };
    page.text("h3", &[], "Each class");
    if report.classes.len() <= MATRIX {
        return inside(page);
    }
    page.element("details", &[], |details| {
        details.text("summary", &[], &format!("{} classes", report.classes.len()));
        inside(details);
    });
}

/// Receiver operating characteristics, and precision against recall.
fn curves(report: &ClassificationReport, figures: &mut Markup) {
    let (shown, chosen) = chosen(&report.classes);
    let line = |place: usize, class: &ClassReport, points: Vec<[f64; 2]>, area: Option<f64>| Line {
        name: format!("{} ({})", class.name, area.map_or("–".into(), |area| format!("{area:.3}"))),
        colour: place,
        dashed: false,
        points,
    };
    let roc = shown.iter().enumerate().filter(|(_, class)| !class.roc.is_empty()).map(|(place, class)| {
        let points = class.roc.iter().map(|p| [p.false_positive_rate, p.true_positive_rate]).collect();
        line(place, class, points, class.auc)
    });
    let recall = shown.iter().enumerate().filter(|(_, class)| !class.precision_recall.is_empty());
    let recall = recall.map(|(place, class)| {
        let points = class.precision_recall.iter().map(|p| [p.recall, p.precision]).collect();
        line(place, class, points, class.average_precision)
    });
    let whole = Some([0.0, 1.0]);
    let mean = report.auc.map_or(String::new(), |auc| format!(" The mean area is {auc:.4}."));
    let plots = [
        (
            "Receiver operating characteristic",
            "area",
            ["false positive rate", "true positive rate"],
            mean,
            roc.collect(),
        ),
        (
            "Precision and recall",
            "average precision",
            ["recall", "precision"],
            String::new(),
            recall.collect::<Vec<_>>(),
        ),
    ];
    for (title, figure, axes, mean, lines) in plots {
        let plot = Plot {
            title: title.into(),
            note: format!("{chosen}, with the {figure} of each.{mean}"),
            axes: axes.map(String::from),
            spans: [whole, whole],
            diagonal: title.starts_with("Receiver"),
            lines,
            ..Plot::default()
        };
        plot.draw(figures);
    }
}

/// The classes that have curves: all, or the worst of many.
fn chosen(classes: &[ClassReport]) -> (Vec<&ClassReport>, String) {
    let mut all: Vec<&ClassReport> = classes.iter().collect();
    if all.len() <= CURVES {
        return (all, "All classes".into());
    }
    let worth = |class: &ClassReport| class.average_precision.unwrap_or(f64::INFINITY);
    all.sort_by(|a, b| worth(a).total_cmp(&worth(b)));
    all.truncate(CURVES);
    (all, format!("The {CURVES} worst of {} classes", classes.len()))
}

fn reliability(report: &ClassificationReport, figures: &mut Markup) {
    let bins: Vec<[f64; 2]> = report.calibration.iter().map(|bin| [bin.confidence, bin.accuracy]).collect();
    let plot = Plot {
        title: "Reliability".into(),
        note: format!(
            "How often the network is right where it is so sure; on the dashed line it knows itself. The expected calibration \
             error is {:.4}.",
            report.ece
        ),
        axes: ["certainty".into(), "share that is right".into()],
        spans: [Some([0.0, 1.0]), Some([0.0, 1.0])],
        diagonal: true,
        lines: vec![Line { name: "classes".into(), colour: 0, dashed: false, points: bins }],
        ..Plot::default()
    };
    plot.draw(figures);
    let most = report.calibration.iter().map(|bin| bin.items).max().unwrap_or(0).max(1);
    let bars = report.calibration.iter().map(|bin| {
        let from = ((bin.confidence * 15.0).ceil() - 1.0).max(0.0) / 15.0;
        [from, from + 1.0 / 15.0, bin.items as f64]
    });
    let plot = Plot {
        title: "Certainty".into(),
        note: format!("How sure the network is; {most} examples at most are about equally so."),
        axes: ["certainty".into(), "examples".into()],
        spans: [Some([0.0, 1.0]), None],
        bars: bars.collect(),
        ..Plot::default()
    };
    plot.draw(figures);
}
