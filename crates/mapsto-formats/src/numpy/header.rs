//! The header of an array: a dict as Python writes it.

use super::NumpyError;
use crate::elements::Stored;

/// What stands before the numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub stored: Stored,
    pub big_endian: bool,
    /// The first axis is the fastest, not the last.
    pub fortran: bool,
    pub sizes: Vec<usize>,
}

impl Header {
    /// Reads a header without evaluating it.
    pub fn parse(text: &str) -> Result<Header, NumpyError> {
        let wrong = |what| NumpyError::Header { header: text.trim_end().into(), what };
        let mut rest = Rest(text);
        let (mut descr, mut fortran, mut sizes) = (None, None, None);
        rest.token("{").ok_or_else(|| wrong("it is no dict"))?;
        while rest.token("}").is_none() {
            let key = rest.quoted().ok_or_else(|| wrong("a key is no text"))?;
            rest.token(":").ok_or_else(|| wrong("a key has no value"))?;
            let twice = match key {
                "descr" => {
                    // A list describes records; it is told by its beginning and not read.
                    let Some(name) = rest.quoted() else {
                        return Err(match rest.token("[") {
                            Some(()) => NumpyError::Lacking("records".into()),
                            None => wrong("descr is no text"),
                        });
                    };
                    descr.replace(name).is_some()
                }
                "fortran_order" => {
                    let truth = [("True", true), ("False", false)];
                    let found = truth.into_iter().find(|(word, _)| rest.token(word).is_some());
                    fortran.replace(found.ok_or_else(|| wrong("fortran_order is neither True nor False"))?.1).is_some()
                }
                "shape" => sizes.replace(rest.sizes().ok_or_else(|| wrong("shape is no tuple of sizes"))?).is_some(),
                _ => return Err(wrong("it has another key than descr, fortran_order and shape")),
            };
            if twice {
                return Err(wrong("a key stands twice"));
            }
            if rest.token(",").is_none() && !rest.0.trim_start().starts_with('}') {
                return Err(wrong("it is no dict"));
            }
        }
        if !rest.0.trim().is_empty() {
            return Err(wrong("something follows the dict"));
        }
        let (Some(descr), Some(fortran), Some(sizes)) = (descr, fortran, sizes) else {
            return Err(wrong("descr, fortran_order or shape is missing"));
        };
        let (stored, big_endian) = element(descr)?;
        Ok(Header { stored, big_endian, fortran, sizes })
    }

    /// The header of an array that is written: numbers with the lowest byte first, the last axis the fastest.
    pub fn text(stored: Stored, sizes: &[usize]) -> String {
        let name = name(stored);
        let order = if stored.size() == 1 { '|' } else { '<' };
        let sizes: String = match sizes {
            [one] => format!("{one},"),
            sizes => sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        };
        format!("{{'descr': '{order}{name}', 'fortran_order': False, 'shape': ({sizes}), }}")
    }
}

/// How NumPy calls a type; nothing where it has none.
fn name(stored: Stored) -> &'static str {
    match stored {
        Stored::Bool => "b1",
        Stored::U8 => "u1",
        Stored::I8 => "i1",
        Stored::I16 => "i2",
        Stored::U16 => "u2",
        Stored::I32 => "i4",
        Stored::U32 => "u4",
        Stored::I64 => "i8",
        Stored::F16 => "f2",
        Stored::BF16 => "",
        Stored::F32 => "f4",
        Stored::F64 => "f8",
    }
}

/// The type of elements, and whether their highest byte comes first.
fn element(descr: &str) -> Result<(Stored, bool), NumpyError> {
    let lacking = || NumpyError::Lacking(descr.into());
    // Without a sign of the order, the order is the machine's: that of all that this runs on.
    let (big_endian, wanted) = match descr.as_bytes().first() {
        Some(b'>') => (true, &descr[1..]),
        Some(b'<' | b'|' | b'=') => (false, &descr[1..]),
        _ => (false, descr),
    };
    if wanted.starts_with('O') {
        return Err(NumpyError::Objects);
    }
    let known = Stored::ALL.into_iter().find(|&stored| !wanted.is_empty() && name(stored) == wanted);
    Ok((known.ok_or_else(lacking)?, big_endian))
}

/// What is left of a header.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn token(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    /// A text without escapes.
    fn quoted(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (quoted, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        (!quoted.contains('\\')).then_some(quoted)
    }

    /// A tuple of sizes, which Python 2 wrote with an `L`.
    fn sizes(&mut self) -> Option<Vec<usize>> {
        self.token("(")?;
        let mut sizes = Vec::new();
        let mut last_comma = true;
        while self.token(")").is_none() {
            let text = self.0.trim_start();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            sizes.push(text[..digits].parse().ok().filter(|_| last_comma)?);
            self.0 = &text[digits..];
            let _ = self.token("L");
            last_comma = self.token(",").is_some();
        }
        // (3) is no tuple.
        (sizes.len() != 1 || last_comma).then_some(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_strictly() {
        let parse = Header::parse;
        let header = Header { stored: Stored::F32, big_endian: false, fortran: false, sizes: vec![3, 4] };
        assert_eq!(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").unwrap(), header);
        assert_eq!(parse("{\"shape\":(3L,4L,),\"descr\":\"<f4\",\"fortran_order\":False}").unwrap(), header);
        assert_eq!(parse("{'descr': '>i2', 'fortran_order': True, 'shape': ()}").unwrap().sizes, Vec::<usize>::new());
        for (text, what) in [
            ("", "it is no dict"),
            ("{'descr': '<f4'", "it is no dict"),
            ("{'descr': '<f4', 'fortran_order': False, }", "descr, fortran_order or shape is missing"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "fortran_order is neither True nor False"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "shape is no tuple of sizes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "shape is no tuple of sizes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}", "shape is no tuple of sizes"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
                "shape is no tuple of sizes",
            ),
            ("{'descr': '<f4', 'descr': '<f4', 'shape': (3,)}", "a key stands twice"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} or exit()", "something follows the dict"),
            ("{'descr': '<f4', 'x': 1}", "it has another key than descr, fortran_order and shape"),
            ("{'descr': __import__('os')}", "descr is no text"),
            ("{'descr': '<f\\x34'}", "descr is no text"),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.ends_with(&format!("is not as NumPy writes it: {what}")), "{text}: {said}");
        }
        let lacking = |descr: &str| {
            parse(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ()}}")).unwrap_err().to_string()
        };
        assert!(lacking("'|O'").starts_with("the array holds Python objects (dtype=object)"));
        assert!(lacking("[('a', '<f4')]").starts_with("the array holds elements of type \"records\""));
        for name in ["<c8", "<u8", "<U3", "|S3", "<M8[s]", "|V2", "<f16", "é", ""] {
            let said = lacking(&format!("'{name}'"));
            assert_eq!(
                said,
                format!(
                    "the array holds elements of type {name:?}, which tensors do not have; convert it in NumPy with astype"
                )
            );
        }
    }
}
