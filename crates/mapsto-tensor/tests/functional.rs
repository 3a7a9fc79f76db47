//! Every function of `fixtures/functional` against PyTorch's values and gradients.

use mapsto_tensor::ops::{ConvOptions, FftNorm, PadMode, Stft};
use mapsto_tensor::{DType, GradOptions, Record, Result, Shape, Tensor, grad, linalg};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Functions whose files another test takes: all whose `op` or name begins so.
const ELSEWHERE: [(&str, &str); 6] = [
    ("interpolate", "pool_norm_golden.rs"),
    ("grid_sample", "pool_norm_golden.rs"),
    ("affine_grid", "pool_norm_golden.rs"),
    ("scaled_dot_product_attention", "sequence_golden.rs"),
    ("clip_grad_norm", "mapsto-nn/tests/golden/gradients.rs"),
    ("clip_grad_value", "mapsto-nn/tests/golden/gradients.rs"),
];

/// Files of functions that we do not have, and why.
const NOT_OURS: [(&str, &str); 11] = [
    ("cummax", "no task takes running maxima"),
    ("det", "no density is transformed"),
    ("digamma", "no distribution has a Gamma function in it"),
    ("erfinv", "normal numbers are drawn without it"),
    ("hfft", "signals are real, and rfft takes them"),
    ("lgamma", "PoissonNllLoss takes Stirling's formula, as PyTorch's does"),
    ("logcumsumexp", "no task takes running sums of logarithms"),
    ("scatter_reduce_prod", "no task multiplies at places"),
    ("scatter_reduce_prod_exclude_self", "no task multiplies at places"),
    ("slogdet", "no density is transformed"),
    ("unique_consecutive", "CTC's decoder takes repeats out as it goes"),
];

/// One file.
struct Case {
    name: String,
    op: String,
    args: Value,
    tensors: BTreeMap<String, Tensor>,
}

impl Case {
    fn read(path: &Path) -> Case {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let about: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["case"]).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let (data, shape) = (view.data(), Shape::new(view.shape()).unwrap());
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::I64 => DType::I64,
                Dtype::BOOL => DType::Bool,
                other => panic!("{name} is {other:?}"),
            };
            (name, Tensor::from_bytes(data, shape, dtype).unwrap())
        };
        let text = |key: &str| about[key].as_str().unwrap().to_string();
        let tensors = file.tensors().into_iter().map(tensor).collect();
        Case { name: text("case"), op: text("op"), args: about["args"].clone(), tensors }
    }

    /// All tensors of a kind: `input.0`, `input.1`, ...
    fn list(&self, kind: &str) -> Vec<Tensor> {
        (0..).map_while(|i| self.tensors.get(&format!("{kind}.{i}")).cloned()).collect()
    }

    /// Whole numbers, one or a list.
    fn ints(&self, key: &str) -> Option<Vec<isize>> {
        match &self.args[key] {
            Value::Null => None,
            Value::Array(list) => Some(list.iter().map(|n| n.as_i64().unwrap() as isize).collect()),
            one => Some(vec![one.as_i64().unwrap() as isize]),
        }
    }

    fn int(&self, key: &str) -> isize {
        self.args[key].as_i64().unwrap_or_else(|| panic!("{}: {key}", self.name)) as isize
    }

    fn size(&self, key: &str) -> usize {
        self.int(key) as usize
    }

    fn sizes(&self, key: &str) -> Option<Vec<usize>> {
        Some(self.ints(key)?.into_iter().map(|n| n as usize).collect())
    }

    fn float(&self, key: &str) -> f64 {
        match &self.args[key] {
            Value::String(text) => text.parse().unwrap(),
            number => number.as_f64().unwrap_or_else(|| panic!("{}: {key}", self.name)),
        }
    }

    /// False where nothing is said.
    fn flag(&self, key: &str) -> bool {
        self.args[key].as_bool().unwrap_or_default()
    }

    fn norm(&self) -> FftNorm {
        match self.args["norm"].as_str() {
            Some("ortho") => FftNorm::Ortho,
            Some("forward") => FftNorm::Forward,
            Some("backward") | None => FftNorm::Backward,
            Some(other) => panic!("no norm {other}"),
        }
    }

    fn conv(&self, axes: usize) -> ConvOptions {
        let list = |key: &str, default: usize| {
            let given = self.sizes(key).unwrap_or(vec![default]);
            if given.len() == axes { given } else { vec![given[0]; axes] }
        };
        ConvOptions::new()
            .stride(&list("stride", 1)[..])
            .padding(&list("padding", 0)[..])
            .dilation(&list("dilation", 1)[..])
            .output_padding(&list("output_padding", 0)[..])
            .groups(self.sizes("groups").map_or(1, |list| list[0]))
    }

    fn spectrogram(&self) -> Stft {
        let pad = if self.args["pad_mode"] == "constant" { PadMode::ZEROS } else { PadMode::Reflect };
        Stft {
            points: self.size("n_fft"),
            hop: self.size("hop_length"),
            center: self.flag("center").then_some(pad),
            normalized: self.flag("normalized"),
            onesided: self.flag("onesided"),
        }
    }
}

/// Our function of these inputs; several lines where PyTorch has one name for what ours are put together to.
fn ours(case: &Case, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let all: Vec<&Tensor> = x.iter().collect();
    let (dim, keep) = (|| case.int("dim"), case.flag("keepdim"));
    let one = |y: Result<Tensor>| Ok(vec![y?]);
    let two = |y: Result<(Tensor, Tensor)>| y.map(|(a, b)| vec![a, b]);
    let along = |f: fn(&Tensor, Option<usize>, isize, FftNorm) -> Result<Tensor>| {
        let n = case.sizes("n").map(|list| list[0]);
        one(f(&x[0], n, case.ints("dim").map_or(-1, |list| list[0]), case.norm()))
    };
    let axes = |f: fn(&Tensor, Option<&[usize]>, &[isize], FftNorm) -> Result<Tensor>| {
        one(f(&x[0], case.sizes("s").as_deref(), &case.ints("dim").unwrap_or_default(), case.norm()))
    };
    match case.op.as_str() {
        "amax" => one(x[0].max_axes(&[dim()], keep)),
        "argsort" => one(x[0].argsort(dim(), case.flag("descending"))),
        "atan2" => one(x[0].atan2(&x[1])),
        "bincount" => one(x[0].bincount(case.size("minlength"))),
        "cat" => one(Tensor::concat(&all, dim())),
        "cdist" => one(x[0].unsqueeze(1)?.sub(x[1].unsqueeze(0)?)?.norm_axes(case.float("p"), &[-1], false)),
        "clamp" => one(x[0].clamp(case.float("min"), case.float("max"))),
        "conv1d" => one(x[0].conv1d(&x[1], x.get(2), &case.conv(1))),
        "conv2d" => one(x[0].conv2d(&x[1], x.get(2), &case.conv(2))),
        "conv_transpose2d" => one(x[0].conv_transpose2d(&x[1], x.get(2), &case.conv(2))),
        "cumprod" => one(x[0].cumprod(dim())),
        "cumsum" => one(x[0].cumsum(dim())),
        "diagonal" => one(x[0].diagonal(case.int("offset"), case.int("dim1"), case.int("dim2"))),
        "einsum" => one(Tensor::einsum(case.args["equation"].as_str().unwrap(), &all)),
        "erf" => one(x[0].erf()),
        "expm1" => one(x[0].exp_m1()),
        "fft.fft" => along(|x, n, axis, norm| x.fft(n, axis, norm)),
        "fft.ifft" => along(|x, n, axis, norm| x.ifft(n, axis, norm)),
        "fft.rfft" => along(|x, n, axis, norm| x.rfft(n, axis, norm)),
        "fft.irfft" => along(|x, n, axis, norm| x.irfft(n, axis, norm)),
        "fft.fft2" | "fft.fftn" => axes(|x, sizes, axes, norm| x.fft_axes(sizes, axes, norm)),
        "fft.ifftn" => axes(|x, sizes, axes, norm| x.ifft_axes(sizes, axes, norm)),
        "fft.rfftn" => axes(|x, sizes, axes, norm| x.rfft_axes(sizes, axes, norm)),
        "fft.irfftn" => axes(|x, sizes, axes, norm| x.irfft_axes(sizes, axes, norm)),
        "flip" => one(x[0].flip(&case.ints("dims").unwrap())),
        "gather" => one(x[0].gather(dim(), &x[1])),
        "getitem_index" => one(x[0].index((&x[1], .., &x[2]))),
        "getitem_mask" => one(x[0].index(&x[1])),
        "index_add" => one(x[0].index_add(dim(), &x[1], &x[2].mul(case.float("alpha"))?)),
        "index_put" => {
            assert!(case.flag("accumulate"));
            one(x[0].index_add(0, &x[1], &x[2]))
        }
        "index_select" => one(x[0].index_select(dim(), &x[1])),
        "istft" => one(x[0].istft(x.get(1), &case.spectrogram(), case.sizes("length").map(|list| list[0]))),
        "kthvalue" => {
            let (values, places) = x[0].sort(dim(), false)?;
            let kth = |t: Tensor| t.narrow(dim(), case.size("k") - 1, 1)?.squeeze(&[dim()]);
            Ok(vec![kth(values)?, kth(places)?])
        }
        "linalg.cholesky" => one(linalg::cholesky(&x[0])),
        "linalg.inv" => one(linalg::inverse(&x[0])),
        "linalg.solve" => one(linalg::solve(&x[0], &x[1])),
        "linalg.vector_norm" => one(x[0].norm_axes(case.float("ord"), &case.ints("dim").unwrap(), keep)),
        "logsumexp" => one(x[0].logsumexp(&case.ints("dim").unwrap(), keep)),
        "masked_fill" => one(x[0].masked_fill(&x[1], case.float("value"))),
        "matmul" => one(x[0].matmul(&x[1])),
        "max" => two(x[0].max_with_index(dim(), keep)),
        "maximum" => one(x[0].maximum(&x[1])),
        "median" => two(x[0].median(dim(), keep)),
        "mul" => one(x[0].mul(&x[1])),
        "normalize" => one(x[0].div(x[0].norm_axes(case.float("p"), &[dim()], true)?.clamp_min(1e-12)?)),
        "one_hot" => one(x[0].one_hot(case.size("num_classes"), DType::I64)),
        "pad" => {
            // PyTorch lists pads from the last axis on.
            let pads: Vec<(isize, isize)> =
                case.ints("pad").unwrap().chunks(2).rev().map(|pair| (pair[0], pair[1])).collect();
            one(x[0].pad(
                &pads,
                match case.args["mode"].as_str().unwrap() {
                    "constant" => PadMode::ZEROS,
                    "reflect" => PadMode::Reflect,
                    "replicate" => PadMode::Replicate,
                    "circular" => PadMode::Circular,
                    other => panic!("no mode {other}"),
                },
            ))
        }
        "pow" if x.len() == 1 => one(x[0].pow(case.float("exponent"))),
        "pow" => one(x[0].pow(&x[1])),
        "prod" => one(x[0].product_axes(&[dim()], keep)),
        "quantile" => one(x[0].quantile(case.float("q"), dim(), keep)),
        "remainder" => one(x[0].remainder(&x[1])),
        "repeat_interleave" => {
            let times = x[1].to_vec::<i64>()?;
            let places = times.iter().enumerate().flat_map(|(i, &n)| std::iter::repeat_n(i as i64, n as usize));
            let places: Vec<i64> = places.collect();
            let count = places.len();
            one(x[0].index_select(dim(), &Tensor::from_vec(places, [count])?))
        }
        "roll" => one(x[0].roll(&case.ints("shifts").unwrap(), &case.ints("dims").unwrap())),
        "round" => one(x[0].round()),
        "scatter" => one(x[0].scatter(dim(), &x[1], &x[2])),
        "scatter_add" => one(x[0].scatter_add(dim(), &x[1], &x[2])),
        "scatter_reduce" => one(scatter_reduce(case, x)),
        "searchsorted" => one(x[0].searchsorted(&x[1], case.flag("right"))),
        "softmax" => one(x[0].softmax(dim())),
        "sort" => two(x[0].sort(dim(), case.flag("descending"))),
        "stack" => one(Tensor::stack(&all, dim())),
        "std" => one(x[0].std_axes(&case.ints("dim").unwrap(), keep, case.size("correction"))),
        "stft" => one(x[0].stft(x.get(1), &case.spectrogram())),
        "topk" => two(x[0].topk(case.size("k"), dim(), case.flag("largest"))),
        "tril" => one(x[0].tril(case.int("diagonal") as i64)),
        "unique" => x[0].unique().map(|(values, places, counts)| vec![values, places, counts]),
        "var" => one(x[0].var_axes(&case.ints("dim").unwrap(), keep, case.size("correction"))),
        "where" => one(x[0].where_(&x[1], &x[2])),
        other => panic!("no function {other}"),
    }
}

/// Sums and extremes at places; where what stood there takes no part, it is replaced by what changes nothing.
fn scatter_reduce(case: &Case, x: &[Tensor]) -> Result<Tensor> {
    let (dim, index, source) = (case.int("dim"), &x[1], &x[2]);
    let from = |nothing: f64| match case.flag("include_self") {
        true => Ok(x[0].clone()),
        false => x[0].scatter(dim, index, &Tensor::full(*source.shape(), nothing, source.dtype())?),
    };
    match case.args["reduce"].as_str().unwrap() {
        "sum" => from(0.0)?.scatter_add(dim, index, source),
        "amax" => from(f64::NEG_INFINITY)?.scatter_max(dim, index, source),
        "amin" => from(f64::INFINITY)?.neg()?.scatter_max(dim, index, &source.neg()?)?.neg(),
        "mean" => {
            let ones = |x: &Tensor| Tensor::ones(*x.shape(), x.dtype());
            let own = if case.flag("include_self") { ones(&x[0])? } else { x[0].detach().zeros_like()? };
            let count = own.scatter_add(dim, index, &ones(source)?)?.clamp_min(1.0)?;
            from(0.0)?.scatter_add(dim, index, source)?.div(count)
        }
        other => panic!("no reduction {other}"),
    }
}

/// A complaint unless shapes and types are the same and no element is farther off than 1e-5 of `1 + |theirs|`.
fn complaint(what: String, ours: &Tensor, theirs: &Tensor) -> Option<String> {
    if ours.spec() != theirs.spec() {
        return Some(format!("{what}: {} is not {}", ours.spec(), theirs.spec()));
    }
    let values = |t: &Tensor| t.detach().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let (ours, theirs) = (values(ours), values(theirs));
    let near = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * (1.0 + b.abs());
    (!ours.iter().zip(&theirs).all(near)).then(|| format!("{what}: {ours:?} is not {theirs:?}"))
}

/// Complaints about outputs and gradients.
fn compare(case: &Case) -> Result<Vec<String>> {
    let given = |kind: &str, i: usize| case.tensors.get(&format!("{kind}.{i}"));
    let mut inputs = case.list("input");
    for (i, input) in inputs.iter_mut().enumerate().filter(|(i, _)| given("grad_input", *i).is_some()) {
        *input = input.variable().map_err(|e| e.within(format!("input {i}")))?;
    }
    let (outputs, theirs) = (ours(case, &inputs)?, case.list("output"));
    assert_eq!(outputs.len(), theirs.len(), "{}", case.name);
    let mut complaints = Vec::new();
    for (i, (ours, theirs)) in outputs.iter().zip(&theirs).enumerate() {
        complaints.extend(complaint(format!("{}, output {i}", case.name), ours, theirs));
    }
    let steps = Record::of(&outputs.iter().collect::<Vec<_>>());
    for step in steps.steps().iter().filter(|step| step.at.file() != file!()) {
        complaints.push(format!("{}: the caller of {} is {}", case.name, step.op.name(), step.at));
    }
    let (seeded, cotangents): (Vec<&Tensor>, Vec<&Tensor>) =
        outputs.iter().enumerate().filter_map(|(i, output)| Some((output, given("cotangent", i)?))).unzip();
    if seeded.is_empty() {
        return Ok(complaints);
    }
    let of: Vec<usize> = (0..inputs.len()).filter(|&i| given("grad_input", i).is_some()).collect();
    assert!(!of.is_empty(), "{}: a cotangent, and no gradient", case.name);
    let variables: Vec<&Tensor> = of.iter().map(|&i| &inputs[i]).collect();
    let found = grad(&seeded, Some(&cotangents), &variables, GradOptions::default())?;
    for (i, found) in of.into_iter().zip(found) {
        let (what, theirs) = (format!("{}, gradient {i}", case.name), given("grad_input", i).unwrap());
        complaints.extend(match found {
            Some(ours) => complaint(what, &ours, theirs),
            None => Some(format!("{what}: none")),
        });
    }
    Ok(complaints)
}

#[test]
fn every_function_is_pytorchs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/functional");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 204);
    let (mut complaints, mut left_out, mut elsewhere) = (Vec::new(), Vec::new(), BTreeMap::new());
    for path in paths {
        let case = Case::read(&path);
        if ELSEWHERE.iter().any(|(op, _)| *op == case.op) {
            *elsewhere.entry(case.op).or_insert(0) += 1;
        } else if NOT_OURS.iter().any(|(name, _)| *name == case.name) {
            left_out.push(case.name);
        } else {
            complaints.extend(compare(&case).unwrap_or_else(|e| vec![format!("{}: {e}", case.name)]));
        }
    }
    assert!(complaints.is_empty(), "{} complaints\n{}", complaints.len(), complaints.join("\n"));
    assert_eq!(left_out, NOT_OURS.map(|(name, _)| name));
    assert_eq!(elsewhere.len(), ELSEWHERE.len(), "{elsewhere:?}");
}
