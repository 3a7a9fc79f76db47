//! Tensors as text, exactly as NumPy prints arrays.
//!
//! `{}` is NumPy's `str` and `{:?}` its `repr` with our name, type and shape: eight digits at most, aligned columns,
//! scientific notation where magnitudes differ by more than a thousand, lines of 75 characters, and beyond a thousand
//! elements only the corners, which are all that is read.

use crate::dtype::{DType, Element, with_dtype};
use crate::error::Result;
use crate::grad::no_grad;
use crate::tensor::Tensor;
use half::{bf16, f16};
use std::fmt::{self, Write};

/// Digits after the point, at most.
const PRECISION: usize = 8;
/// Elements above which only the corners are shown.
const THRESHOLD: usize = 1000;
/// Elements at each end of an axis that is not shown whole.
const EDGE: usize = 3;
/// Characters in a line.
const LINE: usize = 75;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self, " ", "", "").map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = format!(", {})", self.spec());
        f.write_str("tensor(")?;
        f.write_str(&text(self, ", ", "tensor(", &suffix).map_err(|_| fmt::Error)?)?;
        f.write_str(&suffix)
    }
}

/// The elements between brackets; `prefix` and `suffix` are what the caller writes around them.
fn text(x: &Tensor, separator: &str, prefix: &str, suffix: &str) -> Result<String> {
    if x.numel() == 0 {
        return Ok("[]".into());
    }
    let summarised = x.numel() > THRESHOLD;
    let shown = no_grad(|| if summarised { corners(&x.detach()) } else { Ok(x.detach()) })?;
    let words = match x.dtype() {
        DType::Bool => booleans(&shown.to_vec()?, x.rank() == 0),
        dtype if dtype.is_float() => {
            let values =
                with_dtype!(dtype, T => shown.to_vec::<T>()?.into_iter().map(Element::to_f64).collect::<Vec<_>>());
            if x.rank() == 0 { vec![lone(values[0], dtype)] } else { floats(&values, dtype) }
        }
        dtype => {
            let values = with_dtype!(dtype, T => shown.to_vec::<T>()?.into_iter().map(|x| x.to_i64().to_string()).collect::<Vec<_>>());
            let width = values.iter().map(String::len).max().unwrap_or(0);
            values.iter().map(|value| format!("{value:>width$}")).collect()
        }
    };
    let sizes = shown.shape().iter().zip(x.shape().iter()).map(|(&shown, &size)| (shown, shown < size)).collect();
    let page = Page { words, sizes, separator };
    Ok(page.block(0, 0, " ".repeat(prefix.len() + 1), LINE.saturating_sub(suffix.len())))
}

/// The elements at both ends of every long axis.
fn corners(x: &Tensor) -> Result<Tensor> {
    (0..x.rank()).try_fold(x.clone(), |x, axis| {
        let (axis, size) = (axis as isize, x.shape()[axis]);
        if size <= 2 * EDGE {
            return Ok(x);
        }
        Tensor::concat(&[&x.narrow(axis, 0, EDGE)?, &x.narrow(axis, size - EDGE, EDGE)?], axis)
    })
}

/// The words of an array, to be set in rows and brackets.
struct Page<'a> {
    words: Vec<String>,
    /// Size of each axis, and whether its middle is left out.
    sizes: Vec<(usize, bool)>,
    separator: &'a str,
}

impl Page<'_> {
    /// The part of the array below `axis` whose number among such parts is `index`. Lines after the first begin with
    /// `indent`; `width` is what lines may take.
    fn block(&self, axis: usize, index: usize, indent: String, width: usize) -> String {
        let Some(&(size, cut)) = self.sizes.get(axis) else { return self.words[index].clone() };
        let deeper = || (format!("{indent} "), width.saturating_sub(1));
        let is_gap = |i: usize| cut && i == EDGE;
        let mut out = String::new();
        if axis + 1 == self.sizes.len() {
            let width = width.saturating_sub(1);
            let mut line = indent.clone();
            let mut add = |line: &mut String, word: &str| {
                if line.len() + word.len() > width && line.len() > indent.len() {
                    out.push_str(line.trim_end());
                    out.push('\n');
                    line.clone_from(&indent);
                }
                line.push_str(word);
            };
            for i in 0..size {
                if is_gap(i) {
                    add(&mut line, "...");
                    line.push_str(self.separator);
                }
                add(&mut line, &self.words[index * size + i]);
                if i + 1 < size {
                    line.push_str(self.separator);
                }
            }
            out.push_str(&line);
        } else {
            let between = format!("{}{}", self.separator.trim_end(), "\n".repeat(self.sizes.len() - axis - 1));
            for i in 0..size {
                if is_gap(i) {
                    out.push_str(&indent);
                    out.push_str("...");
                    out.push_str(&between);
                }
                let (indent_below, width) = deeper();
                out.push_str(&indent);
                out.push_str(&self.block(axis + 1, index * size + i, indent_below, width));
                if i + 1 < size {
                    out.push_str(&between);
                }
            }
        }
        format!("[{}]", &out[indent.len()..])
    }
}

fn booleans(values: &[bool], alone: bool) -> Vec<String> {
    let truth = if alone { "True" } else { " True" };
    values.iter().map(|&x| if x { truth } else { "False" }.to_string()).collect()
}

/// The shortest decimal that reads back as the same number of its type: `sign d.ddd x 10^exponent`.
struct Decimal {
    value: f64,
    digits: String,
    exponent: i32,
}

impl Decimal {
    fn shortest(value: f64, dtype: DType) -> Decimal {
        let reads_back = |text: &str| {
            let parsed: f64 = text.parse().unwrap_or(f64::NAN);
            match dtype {
                DType::F16 => f16::from_f64(parsed).to_f64() == value,
                _ => bf16::from_f64(parsed).to_f64() == value,
            }
        };
        let text = match dtype {
            DType::F64 => format!("{value:e}"),
            DType::F32 => format!("{:e}", value as f32),
            _ => (0..17).map(|n| format!("{value:.n$e}")).find(|text| reads_back(text)).unwrap_or_default(),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
        Decimal { value, digits, exponent: exponent.parse().unwrap_or(0) }
    }

    fn sign(&self) -> &'static str {
        if self.value.is_sign_negative() { "-" } else { "" }
    }

    /// What stands before and after the point; after it at most `precision` digits, without trailing zeros.
    fn positional(&self, precision: usize) -> (String, String) {
        let after = self.digits.len() as i64 - 1 - self.exponent as i64;
        if after > precision as i64 {
            let text = format!("{:.precision$}", self.value);
            let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
            return (whole.to_string(), part.trim_end_matches('0').to_string());
        }
        if self.exponent < 0 {
            let zeros = "0".repeat((-self.exponent - 1) as usize);
            let part = format!("{zeros}{}", self.digits);
            return (format!("{}0", self.sign()), part.trim_end_matches('0').to_string());
        }
        let split = self.exponent as usize + 1;
        let digits = format!("{:0<split$}", self.digits);
        (format!("{}{}", self.sign(), &digits[..split]), digits[split..].trim_end_matches('0').to_string())
    }

    /// What stands before and after the point, and the exponent; after the point at most `precision` digits, without
    /// trailing zeros.
    fn scientific(&self, precision: usize) -> (String, String, i32) {
        let (digits, exponent) = if self.digits.len() - 1 > precision {
            let text = format!("{:.precision$e}", self.value.abs());
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
        } else {
            (self.digits.clone(), self.exponent)
        };
        (format!("{}{}", self.sign(), &digits[..1]), digits[1..].trim_end_matches('0').to_string(), exponent)
    }
}

/// `e+05`: the exponent with its sign and at least `width` digits.
fn exponent_text(exponent: i32, width: usize) -> String {
    format!("e{}{:0>width$}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

/// NaN and infinities as NumPy names them.
fn not_finite(x: f64) -> &'static str {
    match x {
        x if x.is_nan() => "nan",
        x if x < 0.0 => "-inf",
        _ => "inf",
    }
}

/// A number on its own, in full.
fn lone(x: f64, dtype: DType) -> String {
    if !x.is_finite() {
        return not_finite(x).to_string();
    }
    let decimal = Decimal::shortest(x, dtype);
    if x == 0.0 || (1e-4..1e16).contains(&x.abs()) {
        let (whole, part) = decimal.positional(400);
        return format!("{whole}.{}", if part.is_empty() { "0" } else { &part });
    }
    let (whole, part, exponent) = decimal.scientific(400);
    let point = if part.is_empty() { "" } else { "." };
    format!("{whole}{point}{part}{}", exponent_text(exponent, 2))
}

/// Whether the numbers span so much that each gets its own exponent.
fn needs_exponents(values: &[f64], dtype: DType) -> bool {
    let round = |x: f64| with_dtype!(dtype, T => T::from_f64(x).to_f64());
    let magnitudes = || values.iter().filter(|x| x.is_finite() && **x != 0.0).map(|x| x.abs());
    let (least, greatest) = magnitudes().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let limit = match dtype {
        DType::F64 => 1e8,
        DType::F32 => 1e6,
        _ => 1e3,
    };
    greatest > 0.0 && (greatest >= limit || least < round(0.0001) || round(greatest / least) > 1000.0)
}

/// Numbers of equal width with their points in line.
fn floats(values: &[f64], dtype: DType) -> Vec<String> {
    let finite: Vec<Decimal> = values.iter().filter(|x| x.is_finite()).map(|&x| Decimal::shortest(x, dtype)).collect();
    let scientific = needs_exponents(values, dtype);
    let parts: Vec<(String, String, String)> = finite
        .iter()
        .map(|decimal| {
            if scientific {
                let (whole, part, exponent) = decimal.scientific(PRECISION);
                (whole, part, exponent_text(exponent, 2))
            } else {
                let (whole, part) = decimal.positional(PRECISION);
                (whole, part, String::new())
            }
        })
        .collect();
    let longest = |f: fn(&(String, String, String)) -> usize| parts.iter().map(f).max().unwrap_or(0);
    let (mut left, right, tail) = (longest(|p| p.0.len()), longest(|p| p.1.len()), longest(|p| p.2.len()));
    let after = right + tail + 1;
    for x in values.iter().filter(|x| !x.is_finite()) {
        left = left.max(not_finite(*x).len().saturating_sub(after));
    }
    let mut finite = finite.iter().zip(&parts);
    let word = |&x: &f64| {
        let mut word = String::new();
        let written = match (x.is_finite().then(|| finite.next()).flatten(), scientific) {
            (None, _) => write!(word, "{:>width$}", not_finite(x), width = left + after),
            (Some((_, (whole, part, _))), false) => write!(word, "{whole:>left$}.{part:<right$}"),
            (Some((decimal, _)), true) => {
                let (whole, part, exponent) = decimal.scientific(right);
                write!(word, "{whole:>left$}.{part:0<right$}{}", exponent_text(exponent, tail - 2))
            }
        };
        written.map_or(String::new(), |()| word)
    };
    values.iter().map(word).collect()
}
