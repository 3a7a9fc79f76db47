//! Heat maps as SVG.

use super::markup::Markup;
use super::plot::number;

/// The width in units of its own; it fills what the page gives.
const WIDTH: f64 = 480.0;
/// What names of rows take.
const LEFT: f64 = 150.0;
/// What names of columns take, where there are any.
const TOP: f64 = 96.0;
/// What names of columns, which lean to the right, take behind the last one.
const RIGHT: f64 = 48.0;
/// The height of a row.
const LINE: f64 = 16.0;
/// The greatest width of a column that has a name.
const WIDEST: f64 = 22.0;
/// Letters of a row's name that are shown, and of a column's.
const LETTERS: [usize; 2] = [22, 15];

/// What a cell shows: how strong it is, 0 to 1, and what is told of it.
pub type Cell = (f64, String);

/// A heat map.
pub struct Heat<'a> {
    /// What it shows.
    pub title: String,
    /// What is said below the title.
    pub note: String,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Number of columns.
    pub columns: usize,
    /// Names of the columns, if they have any.
    pub names: Vec<String>,
    /// What a row and a column meet in, if anything.
    pub cell: &'a dyn Fn(usize, usize) -> Option<Cell>,
}

impl Heat<'_> {
    /// Draws it, with its title.
    pub fn draw(&self, page: &mut Markup) {
        page.element("figure", &[], |figure| {
            figure.element("figcaption", &[], |caption| {
                caption.told("strong", &[], &self.title);
                caption.told("span", &[("class", "note")], &self.note);
            });
            let top = if self.names.is_empty() { 0.0 } else { TOP };
            let view = format!("0 0 {WIDTH} {}", number(top + LINE * self.rows.len() as f64));
            let label = format!("{}. {}", self.title, self.note);
            figure.element("svg", &[("viewBox", &view), ("role", "img"), ("aria-label", &label)], |svg| {
                self.content(svg, top);
            });
        });
    }

    fn content(&self, svg: &mut Markup, top: f64) {
        let (widest, right) = if self.names.is_empty() { (WIDTH, 0.0) } else { (WIDEST, RIGHT) };
        let width = ((WIDTH - LEFT - right) / self.columns.max(1) as f64).min(widest);
        for (column, name) in self.names.iter().enumerate() {
            let (x, y) = (number(LEFT + (column as f64 + 0.5) * width + 3.0), number(top - 5.0));
            let turned = format!("translate({x} {y}) rotate(-60)");
            svg.text("text", &[("class", "tick"), ("transform", &turned)], &tail(name, LETTERS[1]));
        }
        for (row, name) in self.rows.iter().enumerate() {
            let above = top + row as f64 * LINE;
            let (x, y) = (number(LEFT - 6.0), number(above + 12.0));
            svg.text("text", &[("class", "tick end"), ("x", &x), ("y", &y)], &tail(name, LETTERS[0]));
            for column in 0..self.columns {
                let Some((strength, told)) = (self.cell)(row, column) else { continue };
                let sides = [LEFT + column as f64 * width, above, width + 0.1, LINE - 1.0].map(number);
                let [x, y, width, height] = sides.each_ref().map(String::as_str);
                let opacity = format!("{:.2}", 0.06 + 0.94 * strength);
                let sides = [
                    ("class", "heat"),
                    ("x", x),
                    ("y", y),
                    ("width", width),
                    ("height", height),
                    ("fill-opacity", &opacity),
                ];
                svg.element("rect", &sides, |rect| rect.text("title", &[], &told));
            }
        }
    }
}

/// The end of a long name.
fn tail(name: &str, letters: usize) -> String {
    let count = name.chars().count();
    match count <= letters {
        true => name.to_string(),
        false => format!("…{}", name.chars().skip(count + 1 - letters).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_names_stand_where_they_should() {
        let cell = |row: usize, column: usize| (row != column).then(|| (0.5, format!("{row} {column}")));
        let heat = Heat {
            title: "a<b".into(),
            note: String::new(),
            rows: vec!["first".into(), "a name that is too long to be shown".into()],
            columns: 2,
            names: vec!["x".into(), "y".into()],
            cell: &cell,
        };
        let mut page = Markup::default();
        heat.draw(&mut page);
        let text = page.finish();
        let parsed = roxmltree::Document::parse(&text).unwrap();
        let of = |name: &'static str| parsed.descendants().filter(move |node| node.has_tag_name(name));
        let places: Vec<_> =
            of("rect").map(|cell| (cell.attribute("x").unwrap(), cell.attribute("y").unwrap())).collect();
        assert_eq!(places, [("172", "96"), ("150", "112")]);
        assert!(of("rect").all(|cell| cell.attribute("fill-opacity") == Some("0.53")));
        assert_eq!(of("text").next_back().unwrap().text(), Some("… too long to be shown"));
    }
}
