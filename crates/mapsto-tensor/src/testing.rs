//! What an operation declares for its tests, and the harness that every registered operation goes through.
//!
//! The harness is public so that an operation defined in another crate is tested as ours are: [`check`] compares with a
//! slow reference, in every type that it takes and in scattered layouts; checks gradients against finite differences, to
//! second order; and [`throw`] throws random shapes, types and settings at it, which must give a result or an [`Error`],
//! never a panic.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::grad::{GradOptions, grad};
use crate::op::{Op, Outputs, apply_shared};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::sync::Arc;

/// What an operation gives to be tested.
pub trait Registered: Op + Sized {
    /// Whether gradients of gradients are right; false for operations whose gradient is zero, none or not recorded.
    const SECOND_ORDER: bool = true;
    /// Whether the values can be compared at all: not those of random operations, nor factorisations that are right with
    /// more than one sign (`Eigh`, `Svd`). Their tests stand beside them.
    const COMPARABLE: bool = true;

    /// Settings and inputs that cover its cases: sizes that divide and that do not, size one, nothing.
    fn cases() -> Vec<Case>;

    /// The same mapping by the plainest code, independent of the kernels.
    fn reference(&self, inputs: &[Array]) -> Vec<Array>;

    /// Random settings, senseless ones among them.
    fn arbitrary(g: &mut Gen) -> Self;
}

/// An operation with inputs. Float inputs are `f64`; inputs of other types are taken as they are.
pub struct Case {
    op: Arc<dyn Op>,
    inputs: Vec<Tensor>,
    reference: Box<dyn Fn(&[Array]) -> Vec<Array>>,
    second_order: bool,
    comparable: bool,
    /// How far results may be from the reference in `f64`, relative to their size.
    tolerance: f64,
}

impl Case {
    /// A case of this operation on these inputs.
    pub fn new<O: Registered>(op: O, inputs: impl IntoIterator<Item = Tensor>) -> Case {
        let op = Arc::new(op);
        let reference = op.clone();
        Case {
            op,
            inputs: inputs.into_iter().collect(),
            reference: Box::new(move |inputs| reference.reference(inputs)),
            second_order: O::SECOND_ORDER,
            comparable: O::COMPARABLE,
            tolerance: 1e-10,
        }
    }

    /// With another tolerance than 1e-10.
    pub fn tolerance(mut self, tolerance: f64) -> Case {
        self.tolerance = tolerance;
        self
    }
}

/// An operation in the registry.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its cases.
    pub cases: fn() -> Vec<Case>,
    /// The operation with random settings.
    pub arbitrary: fn(&mut Gen) -> Arc<dyn Op>,
}

impl Entry {
    /// The entry of an operation.
    pub fn of<O: Registered>() -> Entry {
        let name = O::arbitrary(&mut Gen::new(0)).name();
        Entry { name, cases: O::cases, arbitrary: |g| Arc::new(O::arbitrary(g)) }
    }
}

/// A plain row-major array for references.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes of the axes.
    pub sizes: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<f64>,
}

impl Array {
    /// An array of `f` of every index.
    pub fn from_fn(sizes: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Array {
        let count: usize = sizes.iter().product();
        let mut index = vec![0; sizes.len()];
        let mut data = Vec::with_capacity(count);
        for _ in 0..count {
            data.push(f(&index));
            for axis in (0..sizes.len()).rev() {
                index[axis] += 1;
                if index[axis] < sizes[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Array { sizes: sizes.to_vec(), data }
    }

    /// The elements of a tensor of any type.
    pub fn of(tensor: &Tensor) -> Result<Array> {
        Ok(Array { sizes: tensor.shape().to_vec(), data: tensor.detach().to_dtype(DType::F64)?.to_vec()? })
    }

    /// The element at an index.
    pub fn at(&self, index: &[usize]) -> f64 {
        let place = index.iter().zip(&self.sizes).fold(0, |place, (&i, &size)| place * size + i);
        self.data[place]
    }

    /// The element at an index into a shape that this one broadcasts to.
    pub fn broadcast_at(&self, index: &[usize]) -> f64 {
        let lead = index.len() - self.sizes.len();
        let own: Vec<usize> =
            index[lead..].iter().zip(&self.sizes).map(|(&i, &size)| if size == 1 { 0 } else { i }).collect();
        self.at(&own)
    }

    /// `f` of each element.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Array {
        Array { sizes: self.sizes.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }

    /// The sizes that two lists of sizes broadcast to.
    pub fn broadcast_sizes(a: &[usize], b: &[usize]) -> Vec<usize> {
        let rank = a.len().max(b.len());
        let size = |list: &[usize], i: usize| if i + list.len() < rank { 1 } else { list[i + list.len() - rank] };
        (0..rank).map(|i| if size(a, i) == 1 { size(b, i) } else { size(a, i) }).collect()
    }

    /// `f` of each pair of elements, broadcast.
    pub fn zip(&self, other: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
        let sizes = Array::broadcast_sizes(&self.sizes, &other.sizes);
        Array::from_fn(&sizes, |index| f(self.broadcast_at(index), other.broadcast_at(index)))
    }

    /// `f` of the elements that become one along `axes`.
    pub fn reduce(&self, axes: &[usize], keep: bool, f: impl Fn(&[f64]) -> f64) -> Array {
        let kept: Vec<usize> =
            (0..self.sizes.len()).map(|a| if axes.contains(&a) { 1 } else { self.sizes[a] }).collect();
        let run: Vec<usize> =
            (0..self.sizes.len()).map(|a| if axes.contains(&a) { self.sizes[a] } else { 1 }).collect();
        let mut out = Array::from_fn(&kept, |index| {
            let values = Array::from_fn(&run, |inner| {
                self.at(&index.iter().zip(inner).map(|(&i, &j)| i + j).collect::<Vec<_>>())
            });
            f(&values.data)
        });
        if !keep {
            out.sizes = (0..kept.len()).filter(|a| !axes.contains(a)).map(|a| kept[a]).collect();
        }
        out
    }
}

/// A small source of random cases, the same on every run.
pub struct Gen(u64);

impl Gen {
    /// A source that depends on the seed alone.
    pub fn new(seed: u64) -> Gen {
        Gen(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Sixty-four random bits (SplitMix64, Steele et al. 2014).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n` (zero for `n` = 0).
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.bits() % n as u64) as usize }
    }

    /// A number in `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A truth value.
    pub fn bool(&mut self) -> bool {
        self.bits() & 1 == 1
    }

    /// One of a list that is not empty.
    pub fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    /// An axis, sometimes outside every shape.
    pub fn axis(&mut self) -> isize {
        self.below(12) as isize - 6
    }

    /// A small shape, often with sizes of nothing and one.
    pub fn shape(&mut self) -> Shape {
        let sizes: Vec<usize> = (0..self.below(6)).map(|_| self.pick(&[0, 1, 1, 2, 3, 4, 5, 8])).collect();
        Shape::new(&sizes).expect("small sizes fit")
    }

    /// Uniform `f64` numbers from `low..high`.
    pub fn tensor(&mut self, sizes: &[usize], low: f64, high: f64) -> Tensor {
        let count: usize = sizes.iter().product();
        let data = (0..count).map(|_| self.uniform(low, high)).collect();
        Tensor::from_vec::<f64>(data, sizes).expect("as many elements as the sizes say")
    }

    /// Distinct `f64` numbers in random order, well apart: for operations that compare elements.
    pub fn distinct(&mut self, sizes: &[usize]) -> Tensor {
        let count: usize = sizes.iter().product();
        let mut data: Vec<f64> = (0..count).map(|i| (i as f64 - (count / 2) as f64) * 0.125 + 0.0625).collect();
        (1..count).rev().for_each(|i| data.swap(i, self.below(i + 1)));
        Tensor::from_vec::<f64>(data, sizes).expect("as many elements as the sizes say")
    }

    /// Integers from `0..n`.
    pub fn integers(&mut self, sizes: &[usize], n: usize) -> Tensor {
        let count: usize = sizes.iter().product();
        let data = (0..count).map(|_| self.below(n) as i64).collect();
        Tensor::from_vec::<i64>(data, sizes).expect("as many elements as the sizes say")
    }

    /// Indices into an axis of size `n`, some of them negative.
    pub fn indices(&mut self, sizes: &[usize], n: usize) -> Tensor {
        let count: usize = sizes.iter().product();
        let data = (0..count).map(|_| self.below(2 * n) as i64 - n as i64).collect();
        Tensor::from_vec::<i64>(data, sizes).expect("as many elements as the sizes say")
    }
}

/// Puts an operation's cases through everything; the text of the first failure otherwise.
pub fn check(entry: &Entry) -> Result<(), String> {
    let cases = (entry.cases)();
    if cases.is_empty() {
        return Err(format!("{}: no cases", entry.name));
    }
    for (number, case) in cases.iter().enumerate() {
        let fails = |what: String| format!("{} case {number} ({:?}): {what}", entry.name, case.op);
        values(case).map_err(fails)?;
        layouts(case).map_err(fails)?;
        gradients(case).map_err(fails)?;
    }
    Ok(())
}

/// Throws random shapes, types and settings at an operation. Only a panic fails.
pub fn throw(entry: &Entry, rounds: u64) {
    for seed in 0..rounds {
        let mut g = Gen::new(seed ^ 0x7137);
        let cases = if seed % 2 == 0 { (entry.cases)() } else { Vec::new() };
        let op = match cases.len() {
            0 => (entry.arbitrary)(&mut g),
            n => cases[g.below(n)].op.clone(),
        };
        let mut inputs: Vec<Tensor> = match cases.len() {
            0 => {
                let shapes: Vec<Shape> = (0..g.below(5)).map(|_| g.shape()).collect();
                shapes.iter().map(|shape| g.tensor(shape, -2.0, 2.0)).collect()
            }
            n => cases[g.below(n)].inputs.clone(),
        };
        for input in &mut inputs {
            if g.below(3) == 0 {
                let dtype = g.pick(&DType::ALL);
                *input = input.to_dtype(dtype).expect("every type converts to every other");
            }
            if g.below(4) == 0 {
                let shape = g.shape();
                *input =
                    g.tensor(&shape, -9.0, 9.0).to_dtype(input.dtype()).expect("every type converts to every other");
            }
            if input.dtype().is_float() && g.bool() {
                *input = input.variable().expect("floats have gradients");
            }
        }
        if let Ok(outputs) = apply_shared(&op, &inputs.iter().collect::<Vec<_>>()) {
            for output in outputs.iter().filter(|output| output.is_tracked()) {
                let _ = output.sum().and_then(|sum| sum.backward());
            }
        }
    }
}

fn run(case: &Case, inputs: &[Tensor]) -> Result<Outputs, String> {
    let text = |e: Error| e.to_string();
    let outputs = apply_shared(&case.op, &inputs.iter().collect::<Vec<_>>()).map_err(text)?;
    let specs: Vec<_> = inputs.iter().map(Tensor::spec).collect();
    let promised = case.op.infer(&specs).map_err(text)?;
    if !outputs.iter().map(Tensor::spec).eq(promised.iter().copied()) {
        let given: Vec<_> = outputs.iter().map(Tensor::spec).collect();
        return Err(format!("infer promised {promised:?}, forward gave {given:?}"));
    }
    Ok(outputs)
}

/// Fails unless every element is within `tolerance` of the other relative to `1 + |wanted|`. NaN equals NaN alone.
fn close(has: &Array, wants: &Array, tolerance: f64) -> Result<(), String> {
    if has.sizes != wants.sizes {
        return Err(format!("sizes {:?}, wanted {:?}", has.sizes, wants.sizes));
    }
    for (i, (&has, &wants)) in has.data.iter().zip(&wants.data).enumerate() {
        let same = has == wants || (has.is_nan() && wants.is_nan());
        let near = (has - wants).abs() <= tolerance * (1.0 + wants.abs());
        if !(same || near) {
            return Err(format!("element {i} is {has}, wanted {wants}"));
        }
    }
    Ok(())
}

fn arrays(tensors: &[Tensor]) -> Vec<Array> {
    tensors.iter().map(|t| Array::of(t).expect("every type converts to f64")).collect()
}

/// The reference's numbers in a type's range: small integers wrap, truth values are one or zero.
fn held(wanted: &Array, dtype: DType) -> Array {
    match dtype.integer_range() {
        // Doubles do not hold the range of `i64`.
        Some((low, high)) if dtype != DType::I64 => {
            wanted.map(|x| (x - low as f64).rem_euclid((high - low + 1) as f64) + low as f64)
        }
        _ if dtype == DType::Bool => wanted.map(|x| (x != 0.0) as u8 as f64),
        _ => wanted.clone(),
    }
}

/// Values against the reference, in every type that the operation takes.
fn values(case: &Case) -> Result<(), String> {
    for dtype in DType::ALL {
        let convert =
            |input: &Tensor| if input.dtype() == DType::F64 { input.to_dtype(dtype) } else { Ok(input.clone()) };
        let inputs: Vec<Tensor> = case.inputs.iter().map(convert).collect::<Result<_>>().map_err(|e| e.to_string())?;
        let specs: Vec<_> = inputs.iter().map(Tensor::spec).collect();
        let Ok(promised) = case.op.infer(&specs) else {
            if dtype == DType::F64 && case.inputs.iter().any(|input| input.dtype() == DType::F64) {
                return Err(format!("f64 is refused: {}", case.op.infer(&specs).unwrap_err()));
            }
            continue;
        };
        let outputs = run(case, &inputs).map_err(|e| format!("in {dtype}: {e}"))?;
        if !case.comparable {
            continue;
        }
        let tolerance = match dtype {
            DType::F32 => 2e-5,
            DType::F16 => 2e-2,
            DType::BF16 => 8e-2,
            _ => case.tolerance,
        };
        // Compared after rounding the inputs, so that only the operation's own error counts.
        let wanted = (case.reference)(&arrays(&inputs));
        if wanted.len() != promised.len() {
            return Err(format!("the reference gives {} outputs, the operation {}", wanted.len(), promised.len()));
        }
        for ((output, has), wanted) in outputs.iter().zip(&arrays(&outputs)).zip(&wanted) {
            close(has, &held(wanted, output.dtype()), tolerance).map_err(|e| format!("in {dtype}: {e}"))?;
        }
    }
    Ok(())
}

/// The same elements in another layout: axes stored in reverse order, with gaps, backwards, from an offset.
pub fn scattered(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 {
        let two = Tensor::concat(&[&x.reshape([1usize])?, &x.reshape([1usize])?], 0)?;
        return two.narrow(0, 1, 1)?.reshape(Shape::SCALAR);
    }
    let order: Vec<isize> = (0..x.rank() as isize).rev().collect();
    let reversed = x.permute(&order)?;
    // Each element twice, then every second one, backwards storage on the first axis.
    let wide = reversed.unsqueeze(-1)?.broadcast_to([&reversed.shape()[..], &[2]].concat())?;
    let backwards = wide.flip(&[0])?;
    let wide = backwards.backend().copy(&backwards)?.flip(&[0])?;
    wide.narrow(-1, 1, 1)?.squeeze(&[-1])?.permute(&order)
}

/// Values do not depend on layouts.
fn layouts(case: &Case) -> Result<(), String> {
    let text = |e: Error| e.to_string();
    if !case.comparable || case.inputs.iter().any(|input| input.rank() >= crate::shape::MAX_RANK) {
        return Ok(());
    }
    let plain = arrays(&run(case, &case.inputs)?);
    let inputs: Vec<Tensor> = case.inputs.iter().map(scattered).collect::<Result<_>>().map_err(text)?;
    for (has, wants) in arrays(&run(case, &inputs)?).iter().zip(&plain) {
        close(has, wants, 1e-12).map_err(|e| format!("from another layout: {e}"))?;
    }
    Ok(())
}

/// Gradients against central differences, and gradients of gradients likewise.
fn gradients(case: &Case) -> Result<(), String> {
    let text = |e: Error| e.to_string();
    let is_float = |t: &Tensor| t.dtype() == DType::F64;
    let tracked = run(case, &variables(&case.inputs).map_err(text)?)?;
    // Differences of outputs in less than double precision say nothing.
    let differs = |output: &Tensor| output.is_tracked() && is_float(output);
    if !case.op.differentiable() || !tracked.iter().any(differs) {
        return Ok(());
    }
    // The mean of nothing, say, has no derivative; that it is NaN was compared before.
    if arrays(&tracked).iter().any(|output| output.data.iter().any(|x| !x.is_finite())) {
        return Ok(());
    }
    let mut g = Gen::new(99);
    let weights: Vec<Option<Tensor>> =
        tracked.iter().map(|t| differs(t).then(|| g.tensor(t.shape(), -1.0, 1.0))).collect();
    let directions: Vec<Option<Tensor>> =
        case.inputs.iter().map(|t| is_float(t).then(|| g.tensor(t.shape(), -1.0, 1.0))).collect();
    // The weighted sum of the outputs: a scalar function of the inputs.
    let value = |inputs: &[Tensor]| -> Result<f64, String> {
        let outputs = run(case, inputs)?;
        let dot = |(output, w): (&Tensor, &Option<Tensor>)| match w {
            Some(w) => output.detach().mul(w)?.sum()?.item::<f64>(),
            None => Ok(0.0),
        };
        outputs.iter().zip(&weights).map(dot).sum::<Result<f64>>().map_err(text)
    };
    let first = |inputs: &[Tensor], create_graph: bool| -> Result<Vec<Option<Tensor>>, String> {
        let outputs = run(case, inputs)?;
        let (outputs, weights): (Vec<&Tensor>, Vec<&Tensor>) =
            outputs.iter().zip(&weights).filter_map(|(output, w)| Some((output, w.as_ref()?))).unzip();
        let floats: Vec<&Tensor> = inputs.iter().filter(|t| is_float(t)).collect();
        let options = GradOptions { create_graph, retain: false };
        let mut found = grad(&outputs, Some(&weights), &floats, options).map_err(text)?.into_iter();
        Ok(inputs.iter().map(|t| if is_float(t) { found.next().flatten() } else { None }).collect())
    };
    // The directional derivative of the weighted sum, and its own derivative along the directions.
    let along = |gradients: &[Option<Tensor>]| -> Result<Option<Tensor>, String> {
        let mut sum: Option<Tensor> = None;
        for (gradient, direction) in gradients.iter().zip(&directions) {
            if let (Some(gradient), Some(direction)) = (gradient, direction) {
                let part = gradient.mul(direction).and_then(|p| p.sum()).map_err(text)?;
                sum = Some(match sum {
                    Some(sum) => sum.add(&part).map_err(text)?,
                    None => part,
                });
            }
        }
        Ok(sum)
    };
    let moved = |step: f64, only: Option<(usize, usize)>| -> Result<Vec<Tensor>, String> {
        let shift = |(i, (input, direction)): (usize, (&Tensor, &Option<Tensor>))| match (direction, only) {
            (Some(direction), None) => input.add(direction.mul(step)?)?.variable(),
            (Some(_), Some((at, element))) if at == i => {
                let mut data = input.to_vec::<f64>()?;
                data[element] += step;
                Tensor::from_vec(data, *input.shape())?.variable()
            }
            (Some(_), _) => input.variable(),
            (None, _) => Ok(input.clone()),
        };
        case.inputs.iter().zip(&directions).enumerate().map(shift).collect::<Result<_>>().map_err(text)
    };
    let step = 1e-5;
    let near = |has: f64, wants: f64, what: String| -> Result<(), String> {
        if (has - wants).abs() <= 2e-6 * (1.0 + wants.abs().max(has.abs())) {
            return Ok(());
        }
        Err(format!("{what} is {has}, finite differences give {wants}"))
    };
    let gradients = first(&variables(&case.inputs).map_err(text)?, false)?;
    let slope = along(&gradients)?.map_or(Ok(0.0), |t| t.item::<f64>()).map_err(text)?;
    let wanted = (value(&moved(step, None)?)? - value(&moved(-step, None)?)?) / (2.0 * step);
    near(slope, wanted, "the gradient along a direction".into())?;
    for (i, gradient) in gradients.iter().enumerate() {
        let Some(gradient) = gradient else { continue };
        let gradient = Array::of(gradient).map_err(text)?;
        let stride = (gradient.data.len() / 24).max(1);
        for element in (0..gradient.data.len()).step_by(stride) {
            let ahead = value(&moved(step, Some((i, element)))?)?;
            let behind = value(&moved(-step, Some((i, element)))?)?;
            let what = format!("the gradient of input {i} at element {element}");
            near(gradient.data[element], (ahead - behind) / (2.0 * step), what)?;
        }
    }
    if !case.second_order {
        return Ok(());
    }
    let inputs = variables(&case.inputs).map_err(text)?;
    let Some(slope) = along(&first(&inputs, true)?)? else { return Ok(()) };
    let curvature = if slope.is_tracked() {
        let floats: Vec<&Tensor> = inputs.iter().filter(|t| is_float(t)).collect();
        let mut found = grad(&[&slope], None, &floats, GradOptions::default()).map_err(text)?.into_iter();
        let second: Vec<_> = inputs.iter().map(|t| if is_float(t) { found.next().flatten() } else { None }).collect();
        along(&second)?.map_or(Ok(0.0), |t| t.item::<f64>()).map_err(text)?
    } else {
        0.0
    };
    let slope_at = |step: f64| -> Result<f64, String> {
        along(&first(&moved(step, None)?, false)?)?.map_or(Ok(0.0), |t| t.item::<f64>()).map_err(text)
    };
    let wanted = (slope_at(step)? - slope_at(-step)?) / (2.0 * step);
    near(curvature, wanted, "the second derivative along a direction".into())
}

/// Float inputs as variables.
fn variables(inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    inputs.iter().map(|t| if t.dtype().is_float() { t.variable() } else { Ok(t.clone()) }).collect()
}
