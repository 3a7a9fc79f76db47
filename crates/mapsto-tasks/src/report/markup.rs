//! HTML that is well-formed as XML: every tag is closed and every text escaped, because nothing else can be written.

use std::fmt::Write;

/// A piece of HTML.
#[derive(Default)]
pub struct Markup(String);

impl Markup {
    /// An element with what is inside it.
    pub fn element(&mut self, name: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Markup)) {
        self.tag(name, attributes, ">");
        inside(self);
        self.0 += "</";
        self.0 += name;
        self.0 += ">";
    }

    /// An element with a text.
    pub fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |inside| inside.escaped(text));
    }

    /// An element with a text of the user's: whatever direction it is written in, what stands around it keeps its own.
    pub fn told(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |inside| inside.text("bdi", &[], text));
    }

    /// An element that can have nothing inside.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, "/>");
    }

    /// A row of a table, the first cell its heading.
    pub fn row(&mut self, heading: &str, cells: impl IntoIterator<Item = String>) {
        self.element("tr", &[], |row| {
            row.told("th", &[("scope", "row")], heading);
            cells.into_iter().for_each(|cell| row.told("td", &[], &cell));
        });
    }

    /// The first row of a table.
    pub fn headings<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.element("thead", &[], |head| {
            head.element("tr", &[], |row| {
                names.into_iter().for_each(|name| row.told("th", &[("scope", "col")], name));
            });
        });
    }

    /// A table that scrolls by itself where it is wider than the page.
    pub fn table<'a>(&mut self, headings: impl IntoIterator<Item = &'a str>, rows: impl FnOnce(&mut Markup)) {
        self.element("div", &[("class", "wide")], |div| {
            div.element("table", &[], |table| {
                table.headings(headings);
                table.element("tbody", &[], rows);
            });
        });
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.0
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) {
        self.0 += "<";
        self.0 += name;
        for (attribute, value) in attributes {
            // Writing to a text cannot fail.
            let _ = write!(self.0, " {attribute}=\"");
            self.escaped(value);
            self.0 += "\"";
        }
        self.0 += end;
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0 += "&amp;",
                '<' => self.0 += "&lt;",
                '>' => self.0 += "&gt;",
                '"' => self.0 += "&quot;",
                '\'' => self.0 += "&#39;",
                '\n' | '\t' => self.0.push(c),
                // XML has no form for these.
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => self.0.push(char::REPLACEMENT_CHARACTER),
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_holds_it_stays_a_text() {
        let wild = "<script>alert(\"x\")</script> & 'q' \u{1f600} \u{5e9}\u{5dc}\u{202e} \u{0}\u{1b}\u{ffff} ]]> -->";
        let mut page = Markup::default();
        page.element("p", &[("title", wild)], |p| p.told("b", &[], wild));
        let text = page.finish();
        let parsed = roxmltree::Document::parse(&text).unwrap();
        let expected = wild.replace(['\0', '\u{1b}', '\u{ffff}'], "\u{fffd}");
        assert_eq!(parsed.root_element().attribute("title"), Some(&expected[..]));
        assert_eq!(parsed.descendants().find(|node| node.has_tag_name("bdi")).unwrap().text(), Some(&expected[..]));
        assert_eq!(parsed.descendants().filter(|node| node.is_element()).count(), 3);
    }
}
