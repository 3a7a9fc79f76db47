//! Indexing and order against PyTorch's results.

use mapsto_tensor::{DType, GradOptions, Result, Shape, Tensor, grad};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// A case of the golden fixtures.
struct Golden {
    bytes: Vec<u8>,
}

fn golden(name: &str) -> Golden {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/functional").join(format!("{name}.safetensors"));
    Golden { bytes: std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())) }
}

impl Golden {
    fn find(&self, name: &str) -> Option<Tensor> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        let (data, shape) = (view.data(), Shape::new(view.shape()).unwrap());
        let tensor = match view.dtype() {
            Dtype::F32 => {
                let values = data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                Tensor::from_vec(values.collect(), shape)
            }
            Dtype::I64 => {
                let values = data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()));
                Tensor::from_vec(values.collect(), shape)
            }
            Dtype::BOOL => Tensor::from_vec(data.iter().map(|&b| b != 0).collect(), shape),
            other => panic!("{name} is {other:?}"),
        };
        Some(tensor.unwrap())
    }

    /// `f` of the inputs against the outputs, and its gradients against theirs.
    fn check(&self, name: &str, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) {
        let inputs: Vec<Tensor> = (0..).map_while(|i| self.find(&format!("input.{i}"))).collect();
        let tracked = |t: &Tensor| if t.dtype().is_float() { t.variable().unwrap() } else { t.clone() };
        let inputs: Vec<Tensor> = inputs.iter().map(tracked).collect();
        let outputs = f(&inputs).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (i, output) in outputs.iter().enumerate() {
            let wanted = self.find(&format!("output.{i}")).unwrap_or_else(|| panic!("{name}: no output {i}"));
            assert_close(output, &wanted, &format!("{name}: output {i}"));
        }
        let Some(cotangent) = self.find("cotangent.0") else { return };
        for (i, input) in inputs.iter().enumerate() {
            let Some(wanted) = self.find(&format!("grad_input.{i}")) else { continue };
            let found =
                grad(&[&outputs[0]], Some(&[&cotangent]), &[input], GradOptions { retain: true, create_graph: false });
            let found = found.unwrap_or_else(|e| panic!("{name}: {e}")).remove(0);
            assert_close(&found.unwrap(), &wanted, &format!("{name}: gradient {i}"));
        }
    }
}

fn assert_close(has: &Tensor, wants: &Tensor, what: &str) {
    assert_eq!(has.spec(), wants.spec(), "{what}");
    let values = |t: &Tensor| t.detach().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let (has, wants) = (values(has), values(wants));
    let near = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 3e-6 * (1.0 + b.abs());
    assert!(has.iter().zip(&wants).all(near), "{what}: {has:?}, wanted {wants:?}");
}

/// Checks a list of cases, each the name of a fixture and what to do with its inputs.
macro_rules! cases {
    ($test:ident: $($name:literal => |$x:ident| [$($output:expr),*];)*) => {
        #[test]
        fn $test() {
            $(golden($name).check($name, |$x| Ok(vec![$($output),*]));)*
        }
    };
}

fn both((values, places): (Tensor, Tensor)) -> [Tensor; 2] {
    [values, places]
}

cases! { indices:
    "gather" => |x| [x[0].gather(1, &x[1])?];
    "index_select" => |x| [x[0].index_select(1, &x[1])?];
    "index_add" => |x| [x[0].index_add(1, &x[1], &x[2].mul(-0.5)?)?];
    "index_put_accumulate" => |x| [x[0].index_add(0, &x[1], &x[2])?];
    "scatter" => |x| [x[0].scatter(1, &x[1], &x[2])?];
    "scatter_add" => |x| [x[0].scatter_add(0, &x[1], &x[2])?];
    "scatter_reduce_sum" => |x| [x[0].scatter_add(1, &x[1], &x[2])?];
    "scatter_reduce_amax" => |x| [x[0].scatter_max(1, &x[1], &x[2])?];
    "scatter_reduce_amax_ties" => |x| [x[0].scatter_max(0, &x[1], &x[2])?];
    "one_hot" => |x| [x[0].one_hot(5, DType::I64)?];
    "boolean_mask" => |x| [x[0].index(&x[1])?];
    "advanced_index_split" => |x| [x[0].index((&x[1], .., &x[2]))?];
    "tril" => |x| [x[0].tril(-1)?];
    "roll" => |x| [x[0].roll(&[2, -1], &[0, 1])?];
}

cases! { order:
    "argsort" => |x| [x[0].argsort(0, false)?];
    "max_dim_ties" => |x| [x[0].max_with_index(1, false)?.0, x[0].max_with_index(1, false)?.1];
    "max_nan" => |x| [x[0].max_with_index(1, false)?.0, x[0].max_with_index(1, false)?.1];
    "median" => |x| [x[0].median(1, false)?.0, x[0].median(1, false)?.1];
    "quantile" => |x| [x[0].quantile(0.37, 1, false)?];
    "searchsorted" => |x| [x[0].searchsorted(&x[1], true)?];
    "unique" => |x| [x[0].unique()?.0, x[0].unique()?.1, x[0].unique()?.2];
    "unique_float" => |x| [x[0].unique()?.0, x[0].unique()?.1, x[0].unique()?.2];
    "bincount" => |x| [x[0].bincount(6)?];
}

#[test]
fn sorting() {
    for (name, axis, descending) in [
        ("sort", 1, false),
        ("sort_descending", 1, true),
        ("sort_nan", 1, false),
        ("sort_nan_descending", 1, true),
        ("sort_stable_ties", 0, false),
        ("sort_stable_ties_descending", 0, true),
    ] {
        golden(name).check(name, |x| Ok(both(x[0].sort(axis, descending)?).into()));
    }
    for (name, largest) in
        [("topk_largest", true), ("topk_smallest", false), ("topk_nan_largest", true), ("topk_nan_smallest", false)]
    {
        golden(name).check(name, |x| Ok(both(x[0].topk(3, 1, largest)?).into()));
    }
}

cases! { along_axes:
    "cumsum" => |x| [x[0].cumsum(0)?];
    "cumprod" => |x| [x[0].cumprod(1)?];
    "cumprod_zeros" => |x| [x[0].cumprod(0)?];
    "std" => |x| [x[0].std_axes(&[1], true, 1)?];
    "var_correction0" => |x| [x[0].var_axes(&[0, 2], false, 0)?];
    "norm_of_zero" => |x| [x[0].norm_axes(2.0, &[1], false)?];
    "norm_two_axes" => |x| [x[0].norm_axes(2.0, &[0, 2], true)?];
    "vector_norm_0_0" => |x| [x[0].norm_axes(0.0, &[1], false)?];
    "vector_norm_0_5" => |x| [x[0].norm_axes(0.5, &[1], false)?];
    "vector_norm_1_0" => |x| [x[0].norm_axes(1.0, &[1], false)?];
    "vector_norm_2_0" => |x| [x[0].norm_axes(2.0, &[1], false)?];
    "vector_norm_3_0" => |x| [x[0].norm_axes(3.0, &[1], false)?];
    "vector_norm_inf" => |x| [x[0].norm_axes(f64::INFINITY, &[1], false)?];
    "vector_norm_minus_inf" => |x| [x[0].norm_axes(f64::NEG_INFINITY, &[1], false)?];
}
