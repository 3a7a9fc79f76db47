//! Einstein's summation convention, composed of permutations, products and sums.

use crate::error::{Error, Result};
use crate::op::composed;
use crate::ops::permuted;
use crate::tensor::Tensor;
use std::fmt;

/// One axis's name: a letter, or a place in the ellipsis counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Letter(char),
    Ellipsis(usize),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Letter(letter) => write!(f, "{letter:?}"),
            Label::Ellipsis(_) => f.write_str("an axis of the ellipsis"),
        }
    }
}

impl Tensor {
    /// Products of tensors summed over the axes that the output does not name, in the notation of NumPy and PyTorch:
    /// a letter an axis, operands between commas, the output after `->`. A letter that repeats within an operand takes
    /// the diagonal; `...` stands for axes that broadcast. Without `->` the output has the ellipsis and then the letters
    /// that come once, in alphabetical order (capitals first). Axes of size one broadcast. Types are promoted.
    ///
    /// Pairs of operands are contracted as matrix products, first those whose product is smallest.
    ///
    /// ```
    /// use mapsto_tensor::Tensor;
    /// let a = Tensor::new([[1.0f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(Tensor::einsum("ij,jk->ik", &[&a, &a])?.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
    /// assert_eq!(Tensor::einsum("ii", &[&a])?.item::<f32>()?, 5.0);
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// A string that is not in this notation; other operands than it names; sizes of one letter that differ; an output
    /// or a product of two operands of more axes than a tensor has.
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
        composed("einsum", || evaluate(equation, operands))
    }
}

fn evaluate(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
    let (inputs, output) = parse(equation, operands)?;
    check_sizes(equation, &inputs, operands)?;
    let dtype = operands.iter().fold(operands[0].dtype(), |dtype, t| dtype.promote(t.dtype()));
    let mut terms = Vec::with_capacity(operands.len());
    for (labels, operand) in inputs.into_iter().zip(operands) {
        terms.push(Term { labels, value: operand.to_dtype(dtype)? }.with_diagonals()?);
    }
    while terms.len() > 1 {
        let (i, j) = cheapest(&terms, &output);
        let (b, a) = (terms.remove(j), terms.remove(i));
        let wanted = |label: &Label| output.contains(label) || terms.iter().any(|term| term.labels.contains(label));
        let product = a.sum_to(|l| wanted(l) || b.labels.contains(l))?;
        let product = product.times(b.sum_to(|l| wanted(l) || a.labels.contains(l))?, wanted)?;
        terms.push(product);
    }
    let term = terms.swap_remove(0).sum_to(|label| output.contains(label))?;
    let order = |label: &Label| term.labels.iter().position(|l| l == label);
    permuted(&term.value, &output.iter().filter_map(order).collect::<Vec<_>>())?.to_dtype(dtype)
}

/// The labels of each operand and of the output.
fn parse(equation: &str, operands: &[&Tensor]) -> Result<(Vec<Vec<Label>>, Vec<Label>)> {
    let malformed = |what: String| Error::argument(format!("{what} in {equation:?}"));
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (&text[..], None),
    };
    let parts: Vec<&str> = left.split(',').collect();
    if operands.is_empty() || parts.len() != operands.len() {
        return Err(malformed(format!("{} operands for the {}", operands.len(), parts.len())));
    }
    // Letters, and where among them the ellipsis stands.
    let letters = |part: &str| -> Result<(Vec<char>, Option<usize>)> {
        let (bare, ellipsis) = match part.split_once("...") {
            Some((before, after)) => (format!("{before}{after}"), Some(before.len())),
            None => (part.to_string(), None),
        };
        match bare.chars().find(|c| !c.is_ascii_alphabetic()) {
            None => Ok((bare.chars().collect(), ellipsis)),
            Some('.') if ellipsis.is_some() => Err(malformed(format!("more than one ellipsis in {part:?}"))),
            Some('.') => Err(malformed(format!("a point that is no ellipsis in {part:?}"))),
            Some('-' | '>') => Err(malformed("an arrow that is broken or comes twice".into())),
            Some(',') => Err(malformed("a comma in the output".into())),
            Some(other) => Err(malformed(format!("{other:?}, which is no letter,"))),
        }
    };
    let mut inputs = Vec::with_capacity(parts.len());
    let mut dots = 0;
    for (number, (part, operand)) in parts.iter().zip(operands).enumerate() {
        let (letters, ellipsis) = letters(part)?;
        let rest = operand.rank().checked_sub(letters.len()).filter(|&rest| rest == 0 || ellipsis.is_some());
        let rest = rest.ok_or_else(|| {
            let (has, shape) = (letters.len(), operand.shape());
            malformed(format!("operand {number} of shape {shape} has {} axes, {part:?} names {has},", operand.rank()))
        })?;
        dots = dots.max(rest);
        let mut labels: Vec<Label> = letters.into_iter().map(Label::Letter).collect();
        let place = ellipsis.unwrap_or(0);
        labels.splice(place..place, (0..rest).rev().map(Label::Ellipsis));
        inputs.push(labels);
    }
    let ellipsis = (0..dots).rev().map(Label::Ellipsis);
    let Some(right) = right else {
        let all: Vec<Label> = inputs.iter().flatten().copied().collect();
        let once = |label: &Label| all.iter().filter(|l| *l == label).count() == 1;
        let mut letters: Vec<Label> =
            all.iter().copied().filter(|l| matches!(l, Label::Letter(_)) && once(l)).collect();
        letters.sort_unstable();
        return Ok((inputs, ellipsis.chain(letters).collect()));
    };
    let (letters, place) = letters(right)?;
    let mut output: Vec<Label> = letters.iter().copied().map(Label::Letter).collect();
    for (i, label) in output.iter().enumerate() {
        let Label::Letter(letter) = label else { continue };
        if output[..i].contains(label) {
            return Err(malformed(format!("the output names {letter:?} twice")));
        }
        if !inputs.iter().any(|labels| labels.contains(label)) {
            return Err(malformed(format!("the output names {letter:?}, which no operand has,")));
        }
    }
    if let Some(place) = place {
        output.splice(place..place, ellipsis);
    }
    Ok((inputs, output))
}

/// Fails where a label has two sizes that are not one.
fn check_sizes(equation: &str, inputs: &[Vec<Label>], operands: &[&Tensor]) -> Result<()> {
    let mut known: Vec<(Label, usize, usize)> = Vec::new();
    for (number, (labels, operand)) in inputs.iter().zip(operands).enumerate() {
        for (axis, (&label, &size)) in labels.iter().zip(operand.shape().iter()).enumerate() {
            if labels[..axis].iter().position(|&l| l == label).is_some_and(|first| operand.shape()[first] != size) {
                let message = format!("operand {number} of shape {} has no diagonal of {label}", operand.shape());
                return Err(Error::shape(format!("{message} in {equation:?}")));
            }
            match known.iter().find(|(l, other, _)| *l == label && *other != size) {
                Some((_, other, first)) if size != 1 => {
                    let shapes = format!("{} and {}", operands[*first].shape(), operand.shape());
                    let message = format!("sizes {other} and {size} of {label} differ: {shapes} in {equation:?}");
                    return Err(Error::shape(message));
                }
                _ if size != 1 => known.push((label, size, number)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A tensor whose axes have names.
struct Term {
    labels: Vec<Label>,
    value: Tensor,
}

impl Term {
    fn size(&self, label: &Label) -> Option<usize> {
        self.labels.iter().position(|l| l == label).map(|axis| self.value.shape()[axis])
    }

    /// With the diagonal of every label that repeats.
    fn with_diagonals(mut self) -> Result<Term> {
        let repeated = |labels: &[Label]| {
            let first = |(axis, label): (usize, &Label)| Some((labels[..axis].iter().position(|l| l == label)?, axis));
            labels.iter().enumerate().find_map(first)
        };
        while let Some((first, second)) = repeated(&self.labels) {
            self.value = self.value.diagonal(0, first as isize, second as isize)?;
            let label = self.labels[first];
            self.labels.remove(second);
            self.labels.remove(first);
            self.labels.push(label);
        }
        Ok(self)
    }

    /// Summed over the labels that are not kept.
    fn sum_to(&self, keep: impl Fn(&Label) -> bool) -> Result<Term> {
        let gone: Vec<isize> =
            (0..).zip(&self.labels).filter(|(_, label)| !keep(label)).map(|(axis, _)| axis).collect();
        let labels = self.labels.iter().copied().filter(|label| keep(label)).collect();
        let value = if gone.is_empty() {
            self.value.clone()
        } else {
            // Sums of integers are wider; the terms keep one type.
            self.value.sum_axes(&gone, false)?.to_dtype(self.value.dtype())?
        };
        Ok(Term { labels, value })
    }

    /// Without the labels of size one that have another size in `other`.
    fn without_broadcast(self, other: &Term) -> Result<Term> {
        let repeats = |label: &Label| self.size(label) == Some(1) && other.size(label).is_some_and(|size| size != 1);
        let gone: Vec<isize> =
            (0..).zip(&self.labels).filter(|(_, label)| repeats(label)).map(|(axis, _)| axis).collect();
        if gone.is_empty() {
            return Ok(self);
        }
        let labels = self.labels.iter().copied().filter(|label| !repeats(label)).collect();
        Ok(Term { labels, value: self.value.squeeze(&gone)? })
    }

    /// The axes in the order of these labels.
    fn ordered(&self, labels: &[Label]) -> Result<Tensor> {
        let axis = |label| self.labels.iter().position(|l| l == label);
        permuted(&self.value, &labels.iter().filter_map(axis).collect::<Vec<_>>())
    }

    /// The product, summed over the labels of both that are not wanted; those of one alone are all wanted.
    fn times(self, other: Term, wanted: impl Fn(&Label) -> bool) -> Result<Term> {
        let a = self.without_broadcast(&other)?;
        let b = other.without_broadcast(&a)?;
        // What was summed together with a broadcast axis is now one operand's alone.
        let (a, b) =
            (a.sum_to(|l| wanted(l) || b.labels.contains(l))?, b.sum_to(|l| wanted(l) || a.labels.contains(l))?);
        let list = |term: &Term, keep: &dyn Fn(&Label) -> bool| -> Vec<Label> {
            term.labels.iter().copied().filter(|label| keep(label)).collect()
        };
        let shared = |label: &Label| a.labels.contains(label) && b.labels.contains(label);
        let batch = list(&a, &|l| shared(l) && wanted(l));
        let inner = list(&a, &|l| shared(l) && !wanted(l));
        let rows = list(&a, &|l| !shared(l));
        let columns = list(&b, &|l| !shared(l));
        let labels = [&batch[..], &rows, &columns].concat();
        let dtype = a.value.dtype();
        let sizes = |term: &Term, labels: &[Label]| labels.iter().filter_map(|l| term.size(l)).collect::<Vec<_>>();
        let (lead, m, n) = (sizes(&a, &batch), sizes(&a, &rows), sizes(&b, &columns));
        let (left, right) =
            (a.ordered(&[&batch[..], &rows, &inner].concat())?, b.ordered(&[&batch[..], &inner, &columns].concat())?);
        let shape = [&lead[..], &m, &n].concat();
        let value = if inner.is_empty() || !dtype.is_float() {
            // [batch, rows, inner, 1...] times [batch, 1..., inner, columns]
            let k = sizes(&a, &inner);
            let left = left.reshape([&lead[..], &m, &k, &vec![1; n.len()]].concat())?;
            let right = right.reshape([&lead[..], &vec![1; m.len()], &k, &n].concat())?;
            let first = (lead.len() + m.len()) as isize;
            let gone: Vec<isize> = (first..first + k.len() as isize).collect();
            let product = left.mul(&right)?;
            if gone.is_empty() { product } else { product.sum_axes(&gone, false)?.to_dtype(dtype)? }
        } else {
            let merged = |sizes: &[usize]| sizes.iter().product::<usize>();
            let k = merged(&sizes(&a, &inner));
            let left = left.reshape([&lead[..], &[merged(&m), k]].concat())?;
            let right = right.reshape([&lead[..], &[k, merged(&n)]].concat())?;
            left.matmul(&right)?.reshape(shape)?
        };
        Ok(Term { labels, value })
    }
}

/// The pair of terms whose product is smallest compared with the two, the first of equals (Gray and Kourtis,
/// "Hyper-optimized tensor network contraction", 2021, section 3).
fn cheapest(terms: &[Term], output: &[Label]) -> (usize, usize) {
    let mut best = (f64::INFINITY, (0, 1));
    for i in 0..terms.len() {
        for j in i + 1..terms.len() {
            let wanted = |label: &Label| {
                let elsewhere = |(k, term): (usize, &Term)| k != i && k != j && term.labels.contains(label);
                output.contains(label) || terms.iter().enumerate().any(elsewhere)
            };
            let size = |term: &Term| term.value.numel() as f64;
            let (a, b) = (&terms[i], &terms[j]);
            let mut product = 1.0;
            for label in a.labels.iter().chain(b.labels.iter().filter(|l| !a.labels.contains(l))).filter(|l| wanted(l))
            {
                product *= a.size(label).max(b.size(label)).unwrap_or(1) as f64;
            }
            let cost = product - size(a) - size(b);
            if cost < best.0 {
                best = (cost, (i, j));
            }
        }
    }
    best.1
}
