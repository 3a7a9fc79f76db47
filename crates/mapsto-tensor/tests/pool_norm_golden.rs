//! Pooling, resizing, sampling and normalisation against PyTorch's results and gradients.

use mapsto_tensor::ops::{Interpolation, Outside, Sampling, Window};
use mapsto_tensor::{DType, GradOptions, Result, Rng, Tensor, grad};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A fixture: its description and its tensors.
struct Golden {
    case: Value,
    tensors: BTreeMap<String, Tensor>,
}

impl Golden {
    fn read(path: &Path) -> Golden {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let case = serde_json::from_str(&header.metadata().as_ref().unwrap()["case"]).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let shape = view.shape().to_vec();
            let tensor = match view.dtype() {
                safetensors::Dtype::F32 => {
                    let data = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                    Tensor::from_vec::<f32>(data.collect(), shape)
                }
                safetensors::Dtype::I64 => {
                    let data = view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()));
                    Tensor::from_vec::<i64>(data.collect(), shape)
                }
                dtype => panic!("{name} is {dtype:?}"),
            };
            (name, tensor.unwrap())
        };
        Golden { case, tensors: file.tensors().into_iter().map(tensor).collect() }
    }

    fn setting(&self, name: &str) -> &Value {
        let group = if self.case.get("config").is_some() { "config" } else { "args" };
        &self.case[group][name]
    }

    fn flag(&self, name: &str) -> bool {
        self.setting(name).as_bool().unwrap_or(false)
    }

    fn number(&self, name: &str) -> f64 {
        self.setting(name).as_f64().unwrap()
    }

    fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Fails unless a tensor is PyTorch's, up to a few times PyTorch's own error.
    fn compare(&self, has: &Tensor, name: &str) {
        let wants = &self.tensors[name];
        let numbers = |t: &Tensor| t.detach().to_dtype(mapsto_tensor::DType::F64).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(has.shape(), wants.shape(), "{}: {name}", self.case["case"]);
        let (has, wants) = (numbers(has), numbers(wants));
        let size = wants.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        let tolerance = size * (4e-6 + 8.0 * self.case["noise"].as_f64().unwrap_or(0.0));
        for (i, (has, wants)) in has.iter().zip(&wants).enumerate() {
            let near = has == wants || (has.is_nan() && wants.is_nan()) || (has - wants).abs() <= tolerance;
            assert!(near, "{}: {name} at {i} is {has}, wanted {wants}", self.case["case"]);
        }
    }

    /// Runs the operation on the inputs and parameters as variables; compares outputs and gradients.
    fn check(&self, run: impl Fn(&Golden, &[Tensor], [Option<&Tensor>; 2]) -> Result<Vec<Tensor>>) {
        let variables = |prefix: &str, names: &[&str]| -> Vec<Option<Tensor>> {
            names.iter().map(|name| self.get(&format!("{prefix}{name}")).map(|t| t.variable().unwrap())).collect()
        };
        let inputs: Vec<Tensor> = variables("input.", &["0", "1"]).into_iter().flatten().collect();
        let parameters = variables("state.", &["weight", "bias"]);
        let affine = [parameters[0].as_ref(), parameters[1].as_ref()];
        let outputs = run(self, &inputs, affine).unwrap_or_else(|e| panic!("{}: {e}", self.case["case"]));
        outputs.iter().enumerate().for_each(|(i, output)| self.compare(output, &format!("output.{i}")));
        let names = ["grad_input.0", "grad_input.1", "grad.weight", "grad.bias"];
        let all = [inputs.first(), inputs.get(1), affine[0], affine[1]];
        let (names, variables): (Vec<&str>, Vec<&Tensor>) = names
            .into_iter()
            .zip(all)
            .filter_map(|(name, t)| Some((name, t.filter(|_| self.get(name).is_some())?)))
            .unzip();
        let cotangent = &self.tensors["cotangent.0"];
        let found = grad(&[&outputs[0]], Some(&[cotangent]), &variables, GradOptions::default())
            .unwrap_or_else(|e| panic!("{}: {e}", self.case["case"]));
        for (name, gradient) in names.iter().zip(found) {
            self.compare(&gradient.unwrap_or_else(|| panic!("{}: no {name}", self.case["case"])), name);
        }
    }
}

/// The fixtures of a group whose layer or operation starts so; there must be some.
fn golden(group: &str, key: &str, starts: &str) -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(group);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_one = |golden: &Golden| golden.case[key].as_str().is_some_and(|name| name.starts_with(starts));
    let found: Vec<Golden> =
        paths.iter().filter(|path| could_be(path)).map(|path| Golden::read(path)).filter(is_one).collect();
    assert!(!found.is_empty(), "no fixtures of {starts}");
    found
}

/// Whether a file may be one of ours: others hold types that are not read here.
fn could_be(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    ["pool", "norm", "upsample", "interpolate", "grid"].iter().any(|part| name.contains(part))
}

/// One number for each of `axes`, from a number or a list.
fn list(value: &Value, axes: usize) -> Option<Vec<usize>> {
    match value {
        Value::Number(n) => Some(vec![n.as_u64().unwrap() as usize; axes]),
        Value::Array(all) => Some(all.iter().map(|n| n.as_u64().unwrap() as usize).collect()),
        _ => None,
    }
}

/// The number of axes in a layer's name: `MaxPool2d`.
fn axes(golden: &Golden) -> usize {
    let name = golden.case["layer"].as_str().unwrap();
    name.chars().nth_back(1).and_then(|digit| digit.to_digit(10)).unwrap() as usize
}

fn window(golden: &Golden) -> Window {
    let axes = axes(golden);
    let setting = |name: &str| list(golden.setting(name), axes);
    let mut window = Window::new(setting("kernel_size").unwrap()).ceil(golden.flag("ceil_mode"));
    if let Some(stride) = setting("stride") {
        window = window.stride(stride);
    }
    if let Some(padding) = setting("padding") {
        window = window.padding(padding);
    }
    if let Some(dilation) = setting("dilation") {
        window = window.dilation(dilation);
    }
    window
}

/// Output sizes; `null` keeps an axis.
fn output_sizes(golden: &Golden, x: &Tensor) -> Vec<usize> {
    let axes = axes(golden);
    let lead = x.rank() - axes;
    match golden.setting("output_size") {
        Value::Array(sizes) => {
            let size = |(i, n): (usize, &Value)| n.as_u64().map_or(x.shape()[lead + i], |n| n as usize);
            sizes.iter().enumerate().map(size).collect()
        }
        n => vec![n.as_u64().unwrap() as usize; axes],
    }
}

#[test]
fn max_pooling() {
    for golden in golden("layers", "layer", "MaxPool") {
        golden.check(|golden, x, _| {
            let (y, indices) = x[0].max_pool_with_indices(&window(golden))?;
            Ok(if golden.flag("return_indices") { vec![y, indices] } else { vec![x[0].max_pool(&window(golden))?] })
        });
    }
}

#[test]
fn average_pooling() {
    for golden in golden("layers", "layer", "AvgPool") {
        golden.check(|golden, x, _| {
            let divisor = golden.setting("divisor_override").as_u64().map(|n| n as usize);
            Ok(vec![x[0].avg_pool(&window(golden), golden.flag("count_include_pad"), divisor)?])
        });
    }
}

#[test]
fn adaptive_pooling() {
    for golden in golden("layers", "layer", "AdaptiveAvgPool") {
        golden.check(|golden, x, _| Ok(vec![x[0].adaptive_avg_pool(&output_sizes(golden, &x[0]))?]));
    }
    for golden in golden("layers", "layer", "AdaptiveMaxPool") {
        golden.check(|golden, x, _| {
            let (y, indices) = x[0].adaptive_max_pool_with_indices(&output_sizes(golden, &x[0]))?;
            Ok(vec![y, indices])
        });
    }
}

fn interpolated(golden: &Golden, x: &Tensor) -> Result<Tensor> {
    let axes = x.rank() - 2;
    let (align_corners, antialias) = (golden.flag("align_corners"), golden.flag("antialias"));
    let size = list(golden.setting("size"), axes);
    let mode = match golden.setting("mode").as_str().unwrap() {
        "nearest" => Interpolation::Nearest,
        "nearest-exact" => Interpolation::NearestExact,
        "bicubic" => Interpolation::Cubic { align_corners, antialias },
        "area" => return x.adaptive_avg_pool(&size.unwrap()),
        _ => Interpolation::Linear { align_corners, antialias },
    };
    match (size, golden.setting("scale_factor")) {
        (Some(size), _) => x.resize(&size, mode),
        (None, Value::Array(scales)) => {
            let scales: Vec<f64> = scales.iter().map(|s| s.as_f64().unwrap()).collect();
            x.resize_by(&scales, mode, golden.flag("recompute_scale_factor"))
        }
        (None, scale) => x.resize_by(&vec![scale.as_f64().unwrap(); axes], mode, golden.flag("recompute_scale_factor")),
    }
}

#[test]
fn resizing() {
    for (group, key, starts) in [("layers", "layer", "Upsample"), ("functional", "op", "interpolate")] {
        for golden in golden(group, key, starts) {
            golden.check(|golden, x, _| Ok(vec![interpolated(golden, &x[0])?]));
        }
    }
}

#[test]
fn sampling_at_points() {
    for golden in golden("functional", "op", "grid_sample") {
        golden.check(|golden, x, _| {
            let mode = match golden.setting("mode").as_str().unwrap() {
                "nearest" => Sampling::Nearest,
                "bilinear" => Sampling::Linear,
                _ => Sampling::Cubic,
            };
            let outside = match golden.setting("padding_mode").as_str().unwrap() {
                "zeros" => Outside::Zeros,
                "border" => Outside::Border,
                _ => Outside::Reflection,
            };
            Ok(vec![x[0].grid_sample(&x[1], mode, outside, golden.flag("align_corners"))?])
        });
    }
    for golden in golden("functional", "op", "affine_grid") {
        golden.check(|golden, x, _| {
            let sizes = list(golden.setting("size"), 0).unwrap();
            Ok(vec![x[0].affine_grid(&sizes[2..], golden.flag("align_corners"))?])
        });
    }
}

#[test]
fn batch_normalisation() {
    for golden in golden("layers", "layer", "BatchNorm") {
        golden.check(|golden, x, [weight, bias]| {
            let eps = golden.number("eps");
            let running = |name: &str| golden.get(&format!("state.{name}"));
            if let (Some(mean), Some(variance), false) =
                (running("running_mean"), running("running_var"), golden.case["train"].as_bool().unwrap())
            {
                return Ok(vec![x[0].batch_norm_inference(mean, variance, weight, bias, eps)?]);
            }
            let (y, mean, variance) = x[0].batch_norm(weight, bias, eps)?;
            if let (Some(old_mean), Some(old_variance)) = (running("running_mean"), running("running_var")) {
                let count = golden.tensors["state_after.num_batches_tracked"].item::<i64>()? as f64;
                let part = golden.setting("momentum").as_f64().unwrap_or(1.0 / count);
                let elements = (x[0].numel() / x[0].shape()[1]) as f64;
                let unbiased = variance.mul(elements / (elements - 1.0))?;
                let update = |old: &Tensor, new: &Tensor| old.mul(1.0 - part)?.add(new.mul(part)?);
                golden.compare(&update(old_mean, &mean)?, "state_after.running_mean");
                golden.compare(&update(old_variance, &unbiased)?, "state_after.running_var");
            }
            Ok(vec![y])
        });
    }
}

#[test]
fn normalisation_of_rows() {
    let last = |golden: &Golden| match golden.setting("normalized_shape") {
        Value::Array(sizes) => sizes.len(),
        _ => 1,
    };
    for golden in golden("layers", "layer", "LayerNorm") {
        golden.check(|golden, x, [w, b]| Ok(vec![x[0].layer_norm(last(golden), w, b, golden.number("eps"))?]));
    }
    for golden in golden("layers", "layer", "RMSNorm") {
        golden.check(|golden, x, [w, _]| {
            let eps = golden.setting("eps").as_f64().unwrap_or(f32::EPSILON as f64);
            Ok(vec![x[0].rms_norm(last(golden), w, eps)?])
        });
    }
    for golden in golden("layers", "layer", "GroupNorm") {
        golden.check(|golden, x, [w, b]| {
            Ok(vec![x[0].group_norm(golden.number("num_groups") as usize, w, b, golden.number("eps"))?])
        });
    }
    for golden in golden("layers", "layer", "InstanceNorm") {
        golden.check(|golden, x, [w, b]| {
            let eps = golden.number("eps");
            if x[0].rank() == 2 {
                return Ok(vec![x[0].unsqueeze(0)?.instance_norm(w, b, eps)?.squeeze(&[0])?]);
            }
            let running = (golden.get("state.running_mean"), golden.get("state.running_var"));
            match (running, golden.case["train"].as_bool().unwrap()) {
                ((Some(mean), Some(variance)), false) => {
                    Ok(vec![x[0].batch_norm_inference(mean, variance, w, b, eps)?])
                }
                _ => Ok(vec![x[0].instance_norm(w, b, eps)?]),
            }
        });
    }
}

#[test]
fn not_a_number_and_infinity_pass_through() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let x = Tensor::new([[[1.0f32, nan, 2.0, -inf, -inf, 3.0, nan, nan]]]).unwrap();
    let (y, indices) = x.max_pool_with_indices(&Window::new([2])).unwrap();
    let y = y.to_vec::<f32>().unwrap();
    assert!(y[0].is_nan() && y[1..3] == [2.0, 3.0] && y[3].is_nan());
    assert_eq!(indices.to_vec::<i64>().unwrap(), [1, 2, 5, 7]);
    let low = Tensor::new([[[-inf, -inf]]]).unwrap().max_pool_with_indices(&Window::new([2])).unwrap();
    assert_eq!((low.0.item::<f32>().unwrap(), low.1.item::<i64>().unwrap()), (-inf, 0));
    for y in [x.layer_norm(1, None, None, 1e-5), x.rms_norm(1, None, 1e-5), x.batch_norm(None, None, 1e-5).map(|y| y.0)]
    {
        assert!(y.unwrap().to_vec::<f32>().unwrap().iter().all(|y| y.is_nan()));
    }
}

/// Without places maxima come from a kernel of their own.
#[test]
fn maxima_are_the_same_with_places_and_without() {
    for width in [1, 2, 7, 8, 33, 64] {
        let noise = Tensor::randn([2, 3, 9, width], DType::F32, &mut Rng::new(width as u64)).unwrap();
        let x = noise.masked_fill(&noise.gt(1.5).unwrap(), f32::NAN).unwrap();
        for window in [
            Window::new([2, 1]),
            Window::new([2, 2]).padding([0, 1]),
            Window::new([3, 3]).stride([1, 1]).padding([1, 1]),
            Window::new([3, 3]).stride([2, 2]).padding([1, 1]),
            Window::new([2, 2]).stride([3, 3]).padding([1, 1]).dilation([2, 1]),
        ] {
            let [y, same] = [x.max_pool(&window), x.max_pool_with_indices(&window).map(|(y, _)| y)];
            let bits = |y: Result<Tensor>| y.unwrap().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
            let [y, same]: [Vec<u32>; 2] = [bits(y), bits(same)];
            assert_eq!(y, same, "{width} columns, {window:?}");
        }
    }
}

#[test]
fn unpooling_puts_maxima_back() {
    let x = Tensor::new([[[1.0f32, 5.0, 2.0, 4.0]]]).unwrap();
    let (y, indices) = x.max_pool_with_indices(&Window::new([2])).unwrap();
    assert_eq!(y.max_unpool(&indices, &[4]).unwrap().to_vec::<f32>().unwrap(), [0.0, 5.0, 0.0, 4.0]);
    let error = y.max_unpool(&indices, &[3]).unwrap_err().to_string();
    assert!(error.starts_with("max_unpool: place 3 is outside a plane of 3 elements"), "{error}");
}

#[test]
fn large_offsets_do_not_spoil_the_variance() {
    let values: Vec<f32> = (0..6000).map(|i| 10_000.0 + (i % 7) as f32).collect();
    let x = Tensor::from_vec(values, [2, 1, 3000]).unwrap();
    let (_, mean, variance) = x.batch_norm(None, None, 0.0).unwrap();
    assert!((mean.item::<f32>().unwrap() - 10_003.0).abs() < 0.01);
    assert!((variance.item::<f32>().unwrap() - 4.0).abs() < 0.01);
    let y = x.layer_norm(2, None, None, 0.0).unwrap().square().unwrap().mean().unwrap();
    assert!((y.item::<f32>().unwrap() - 1.0).abs() < 1e-3);
}

fn noise(sizes: [usize; 4]) -> Tensor {
    let count = sizes.iter().product::<usize>();
    let value = |i: usize| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / 1e6 - 8.0;
    Tensor::from_vec((0..count).map(value).collect(), sizes).unwrap()
}

#[test]
fn rectifying_on_the_way_changes_no_bit() {
    // Planes by rows, of several pieces, and by columns; a channel that is nothing but its bias, which is 0.
    for sizes in [[9, 3, 40, 41], [3, 3, 300, 170], [700, 3, 5, 2], [1, 3, 6, 6]] {
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            let x = noise(sizes).to_dtype(dtype).unwrap().variable().unwrap();
            let of = |values: [f32; 3]| Tensor::new(values).unwrap().to_dtype(dtype).unwrap();
            let [w, b] = [[0.5, 0.0, -0.7], [0.1, 0.0, 0.3]].map(|values| of(values).variable().unwrap());
            let [mean, variance] = [[0.3, 0.0, -1.0], [9.0, 1.0, 20.0]].map(of);
            let bits = |y: Tensor| {
                let weights = noise(sizes).to_dtype(dtype).unwrap();
                let gradients = y.mul(weights).unwrap().sum().unwrap().backward().unwrap();
                let gradients = [&x, &w, &b].map(|t| gradients.get(t).unwrap().clone());
                let all = std::iter::once(&y).chain(&gradients);
                let all = all.flat_map(|t| t.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap());
                all.map(f64::to_bits).collect::<Vec<_>>()
            };
            let after = x.batch_norm(Some(&w), Some(&b), 1e-5).unwrap().0.relu().unwrap();
            let within = x.batch_norm_relu(Some(&w), Some(&b), 1e-5).unwrap().0;
            assert!(bits(after) == bits(within), "{sizes:?}, {dtype}");
            let after = x.batch_norm_inference(&mean, &variance, Some(&w), Some(&b), 1e-5).unwrap().relu().unwrap();
            let within = x.batch_norm_inference_relu(&mean, &variance, Some(&w), Some(&b), 1e-5).unwrap();
            assert!(bits(after) == bits(within), "inference, {sizes:?}, {dtype}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    type Run = fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>;
    let runs: [(&str, [usize; 4], Run); 8] = [
        ("batch_norm", [9, 3, 40, 41], |x, w, b| Ok(x.batch_norm(Some(w), Some(b), 1e-5)?.0)),
        ("batch_norm of large channels", [3, 3, 300, 170], |x, w, b| Ok(x.batch_norm(Some(w), Some(b), 1e-5)?.0)),
        ("batch_norm by columns", [700, 3, 5, 2], |x, w, b| Ok(x.batch_norm(Some(w), Some(b), 1e-5)?.0)),
        ("group_norm", [40, 3, 40, 41], |x, w, b| x.group_norm(3, Some(w), Some(b), 1e-5)),
        ("layer_norm", [700, 70, 2, 3], |x, w, b| x.layer_norm(1, Some(w), Some(b), 1e-5)),
        ("max_pool", [7, 5, 40, 41], |x, _, _| x.max_pool(&Window::new([3, 3]).stride([2, 2]).padding([1, 1]))),
        ("avg_pool", [7, 5, 40, 41], |x, _, _| x.avg_pool(&Window::new([3, 3]).stride([2, 2]), true, None)),
        ("resize", [2, 3, 300, 310], |x, _, _| {
            x.resize(&[199, 400], Interpolation::Cubic { align_corners: false, antialias: false })
        }),
    ];
    for (name, sizes, run) in runs {
        let results = [1, 2, 5].map(|threads| {
            mapsto_tensor::set_num_threads(threads);
            let x = noise(sizes).variable().unwrap();
            let [w, b] = [[0.5f32, 1.5, -0.7], [0.1, 0.2, 0.3]].map(|t| Tensor::new(t).unwrap().variable().unwrap());
            let y = run(&x, &w, &b).unwrap();
            let gradients = y.square().unwrap().sum().unwrap().backward().unwrap();
            let mut all = y.to_vec::<f32>().unwrap();
            [&x, &w, &b].iter().filter_map(|t| gradients.get(t)).for_each(|g| all.extend(g.to_vec::<f32>().unwrap()));
            all.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        });
        assert!(results[0] == results[1] && results[0] == results[2], "{name}");
    }
}

#[test]
fn gradients_that_do_not_exist_are_errors() {
    let x = Tensor::new([[[[1.0f32, 2.0], [3.0, 4.0]]]]).unwrap().variable().unwrap();
    let grid = Tensor::new([[[[0.1f32, 0.2]]]]).unwrap();
    let y = x.grid_sample(&grid, Sampling::Linear, Outside::Zeros, false).unwrap().square().unwrap().sum().unwrap();
    let options = GradOptions { create_graph: true, retain: false };
    let first = grad(&[&y], None, &[&x], options).unwrap().remove(0).unwrap().square().unwrap().sum().unwrap();
    let error = first.backward().err().unwrap().to_string();
    assert!(error.contains("grid_sample_gradient: the operation has no gradient"), "{error}");
}

#[test]
fn messages_name_the_values() {
    let x = Tensor::zeros([1, 2, 3, 3], mapsto_tensor::DType::F32).unwrap();
    let text = |result: Result<Tensor>| result.err().unwrap().to_string();
    let pool = text(x.max_pool(&Window::new([5, 5])));
    assert!(pool.starts_with("max_pool: a window of extent 5 does not fit size 3 with padding 0"), "{pool}");
    let pool = text(x.max_pool(&Window::new([2, 2]).padding([2, 0])));
    assert!(pool.starts_with("max_pool: padding 2 is more than half of the window's extent 2"), "{pool}");
    let norm = text(x.group_norm(3, None, None, 1e-5));
    assert!(norm.starts_with("group_norm: 2 channels of [1, 2, 3, 3] do not divide into 3 groups"), "{norm}");
    let norm = text(x.layer_norm(1, Some(&Tensor::zeros([4], mapsto_tensor::DType::F32).unwrap()), None, 1e-5));
    assert!(norm.starts_with("layer_norm: weight or bias [4] does not fit [1, 2, 3, 3]: it must be [3]"), "{norm}");
}
