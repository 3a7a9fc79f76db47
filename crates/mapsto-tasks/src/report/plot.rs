//! Plots as SVG: axes with round ticks, lines, points, bars; colours come from the page's style.

use super::markup::Markup;
use mapsto_train::short;

/// The size of a plot in units of its own; it fills the width that the page gives.
const SIZE: [f64; 2] = [480.0, 300.0];
/// What is left free around the axes: left, top, right, bottom.
const MARGIN: [f64; 4] = [58.0, 12.0, 14.0, 44.0];
/// Colours of lines; the next line has the first one again.
pub const COLOURS: usize = 10;
/// Points of a line up to which each is marked.
const MARKED: usize = 40;
/// Lines that the legend names.
const NAMED: usize = 12;

/// A line.
pub struct Line {
    /// What the legend calls it; not named where it is empty.
    pub name: String,
    /// Its colour, by number.
    pub colour: usize,
    /// Whether it is dashed.
    pub dashed: bool,
    /// Its points; those that are not finite are gaps.
    pub points: Vec<[f64; 2]>,
}

/// A plot.
#[derive(Default)]
pub struct Plot {
    /// What it shows: the title, and the text for who cannot see it.
    pub title: String,
    /// What is said below the title.
    pub note: String,
    /// What the axes show.
    pub axes: [String; 2],
    /// What the axes span; by default what there is to see.
    pub spans: [Option<[f64; 2]>; 2],
    /// Whether the diagonal is drawn.
    pub diagonal: bool,
    /// Lines.
    pub lines: Vec<Line>,
    /// Points without a line.
    pub points: Vec<[f64; 2]>,
    /// Names, each at its place.
    pub names: Vec<(String, [f64; 2])>,
    /// Bars from 0: where each begins and ends, and how high it is.
    pub bars: Vec<[f64; 3]>,
}

impl Plot {
    /// Draws it, with its title and legend.
    pub fn draw(&self, page: &mut Markup) {
        page.element("figure", &[], |figure| {
            figure.element("figcaption", &[], |caption| {
                caption.told("strong", &[], &self.title);
                if !self.note.is_empty() {
                    caption.told("span", &[("class", "note")], &self.note);
                }
            });
            let [x, y] = [self.span(0), self.span(1)];
            let label = format!("{}: {} against {}. {}", self.title, self.axes[1], self.axes[0], self.note);
            let view = format!("0 0 {} {}", SIZE[0], SIZE[1]);
            figure.element("svg", &[("viewBox", &view), ("role", "img"), ("aria-label", &label)], |svg| {
                let at = Place { x, y };
                self.axes(svg, &at);
                self.content(svg, &at);
            });
            self.legend(figure);
        });
    }

    /// What an axis spans.
    fn span(&self, axis: usize) -> [f64; 2] {
        if let Some(span) = self.spans[axis] {
            return span;
        }
        let names = self.names.iter().map(|(_, place)| place);
        let lines = self.lines.iter().flat_map(|line| &line.points).chain(&self.points).chain(names);
        let lines = lines.map(|point| point[axis]);
        let bars = self.bars.iter().flat_map(|&[from, to, high]| if axis == 0 { [from, to] } else { [0.0, high] });
        let all = lines.chain(bars).filter(|value| value.is_finite());
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        match () {
            () if low > high => [0.0, 1.0],
            () if low == high => [low - 0.5 * low.abs().max(1.0), high + 0.5 * high.abs().max(1.0)],
            () if axis == 0 || !self.bars.is_empty() => [low, high],
            () => [low - 0.04 * (high - low), high + 0.04 * (high - low)],
        }
    }

    fn axes(&self, svg: &mut Markup, at: &Place) {
        let [left, top, right, bottom] = [MARGIN[0], MARGIN[1], SIZE[0] - MARGIN[2], SIZE[1] - MARGIN[3]];
        for tick in ticks(at.x, 6) {
            let x = number(at.x(tick));
            line(svg, "grid", [&x, &number(top), &x, &number(bottom)]);
            let y = number(bottom + 16.0);
            svg.text("text", &[("class", "tick middle"), ("x", &x), ("y", &y)], &label(tick));
        }
        for tick in ticks(at.y, 5) {
            let y = at.y(tick);
            line(svg, "grid", [&number(left), &number(y), &number(right), &number(y)]);
            let (x, y) = (number(left - 6.0), number(y + 4.0));
            svg.text("text", &[("class", "tick end"), ("x", &x), ("y", &y)], &label(tick));
        }
        line(svg, "axis", [left, bottom, right, bottom].map(number).each_ref().map(String::as_str));
        line(svg, "axis", [left, top, left, bottom].map(number).each_ref().map(String::as_str));
        let (x, y) = (number((left + right) / 2.0), number(SIZE[1] - 8.0));
        svg.text("text", &[("class", "label middle"), ("x", &x), ("y", &y)], &self.axes[0]);
        let turned = format!("translate(13 {}) rotate(-90)", number((top + bottom) / 2.0));
        svg.text("text", &[("class", "label middle"), ("transform", &turned)], &self.axes[1]);
    }

    fn content(&self, svg: &mut Markup, at: &Place) {
        if self.diagonal {
            let (low, high) = (at.x[0].max(at.y[0]), at.x[1].min(at.y[1]));
            let ends = [at.x(low), at.y(low), at.x(high), at.y(high)].map(number);
            line(svg, "diagonal", ends.each_ref().map(String::as_str));
        }
        for &[from, to, high] in &self.bars {
            let (x, width) = (at.x(from), (at.x(to) - at.x(from) - 1.0).max(0.5));
            let (y, height) = (at.y(high), (at.y(at.y[0].max(0.0)) - at.y(high)).max(0.0));
            let [x, y, width, height] = [x, y, width, height].map(number);
            let sides = [("class", "bar"), ("x", &x), ("y", &y), ("width", &width), ("height", &height)];
            let told = format!("{} to {}: {}", short(from), short(to), short(high));
            svg.element("rect", &sides, |rect| rect.text("title", &[], &told));
        }
        for line in &self.lines {
            let kind = format!("c{}{}", line.colour % COLOURS, if line.dashed { " dashed" } else { "" });
            for piece in line.points.split(|point| !point.iter().all(|value| value.is_finite())) {
                let place = |point: &[f64; 2]| format!("{},{}", number(at.x(point[0])), number(at.y(point[1])));
                let points: Vec<String> = piece.iter().map(place).collect();
                if points.len() > 1 {
                    svg.empty("polyline", &[("class", &format!("line {kind}")), ("points", &points.join(" "))]);
                }
                let marked = if line.points.len() <= MARKED { piece } else { &piece[..usize::from(piece.len() == 1)] };
                marked.iter().for_each(|point| dot(svg, &format!("mark {kind}"), 2.5, *point, at, &line.name));
            }
        }
        for point in self.points.iter().filter(|point| point.iter().all(|value| value.is_finite())) {
            dot(svg, "point", 2.8, *point, at, "");
        }
        for (name, point) in self.names.iter().filter(|(_, point)| point.iter().all(|value| value.is_finite())) {
            dot(svg, "point", 1.8, *point, at, name);
            let [x, y] = [at.x(point[0]), at.y(point[1]) - 3.0].map(number);
            svg.text("text", &[("class", "name middle"), ("x", &x), ("y", &y)], name);
        }
    }

    fn legend(&self, figure: &mut Markup) {
        let named: Vec<&Line> = self.lines.iter().filter(|line| !line.name.is_empty()).collect();
        if named.len() < 2 {
            return;
        }
        figure.element("ul", &[("class", "legend")], |list| {
            for line in named.iter().take(NAMED) {
                list.element("li", &[], |item| {
                    let kind = format!("line c{}{}", line.colour % COLOURS, if line.dashed { " dashed" } else { "" });
                    item.element("svg", &[("viewBox", "0 0 22 8"), ("aria-hidden", "true")], |svg| {
                        self::line(svg, &kind, ["0", "4", "22", "4"]);
                    });
                    item.told("span", &[], &line.name);
                });
            }
            if named.len() > NAMED {
                list.text("li", &[], &format!("and {} more", named.len() - NAMED));
            }
        });
    }
}

/// Where values stand.
struct Place {
    x: [f64; 2],
    y: [f64; 2],
}

impl Place {
    fn x(&self, value: f64) -> f64 {
        MARGIN[0] + (value - self.x[0]) / (self.x[1] - self.x[0]) * (SIZE[0] - MARGIN[0] - MARGIN[2])
    }

    fn y(&self, value: f64) -> f64 {
        SIZE[1] - MARGIN[3] - (value - self.y[0]) / (self.y[1] - self.y[0]) * (SIZE[1] - MARGIN[1] - MARGIN[3])
    }
}

fn line(svg: &mut Markup, class: &str, [x1, y1, x2, y2]: [&str; 4]) {
    svg.empty("line", &[("class", class), ("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)]);
}

fn dot(svg: &mut Markup, class: &str, radius: f64, point: [f64; 2], at: &Place, name: &str) {
    let [x, y, r] = [at.x(point[0]), at.y(point[1]), radius].map(number);
    let told = format!("{name} ({}, {})", short(point[0]), short(point[1]));
    svg.element("circle", &[("class", class), ("cx", &x), ("cy", &y), ("r", &r)], |c| {
        c.text("title", &[], told.trim_start());
    });
}

/// A length or place, to a tenth of a unit.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_string).unwrap_or(text)
}

/// A tick's number: without the zeros that powers of ten leave.
fn label(tick: f64) -> String {
    let text = short(tick);
    match text.split_once('e') {
        Some((digits, power)) => format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.')),
        None => text,
    }
}

/// Round numbers within a span, about so many: multiples of 1, 2 or 5 times a power of ten.
fn ticks([low, high]: [f64; 2], about: usize) -> Vec<f64> {
    let rough = (high - low) / about as f64;
    if !(rough > 0.0 && rough.is_finite()) {
        return Vec::new();
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    // The product may miss the decimal number that is meant by a hair.
    let round = |tick: f64| format!("{:.*}", (-step.log10().floor()).max(0.0) as usize, tick).parse().unwrap_or(tick);
    // Of a span that is tiny beside its values, numbers cannot tell the steps apart.
    if !(last - first <= 4.0 * about as f64) || first + 1.0 == first {
        return Vec::new();
    }
    (0..=(last - first).max(0.0) as usize).map(|i| round((first + i as f64) * step) + 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks([0.0, 1.0], 5), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks([-3.2, 17.0], 5), [0.0, 5.0, 10.0, 15.0]);
        assert_eq!(ticks([0.00031, 0.00064], 3), [0.0004, 0.0006]);
        assert_eq!(ticks([1.0, 5.0], 6), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(ticks([1e9, 3e9], 4), [1e9, 1.5e9, 2e9, 2.5e9, 3e9]);
        assert_eq!([0.2, 1e-4, 2.5e7].map(label), ["0.2", "1e-4", "2.5e7"]);
        for span in [[0.0, 0.0], [1.0, 0.0], [f64::NAN, 1.0], [0.0, f64::INFINITY], [1e300, 1.000000000000001e300]] {
            assert!(ticks(span, 5).len() < 30);
        }
    }

    #[test]
    fn points_stand_where_they_should() {
        let name = "a<b".to_string();
        let line = Line { name, colour: 0, dashed: false, points: vec![[0.0, 0.0], [5.0, f64::NAN], [10.0, 1.0]] };
        let plot = Plot { spans: [Some([0.0, 10.0]), Some([0.0, 1.0])], lines: vec![line], ..Plot::default() };
        let mut page = Markup::default();
        plot.draw(&mut page);
        let text = page.finish();
        let parsed = roxmltree::Document::parse(&text).unwrap();
        let dots: Vec<_> = parsed.descendants().filter(|node| node.has_tag_name("circle")).collect();
        let place = |i: usize| ["cx", "cy"].map(|name| dots[i].attribute(name).unwrap());
        assert_eq!((dots.len(), place(0), place(1)), (2, ["58", "256"], ["466", "12"]));
        assert_eq!(dots[1].first_element_child().unwrap().text(), Some("a<b (10, 1)"));
    }
}
