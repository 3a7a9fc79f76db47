//! Convolutions and patches against PyTorch's results and gradients.

use mapsto_tensor::ops::ConvOptions;
use mapsto_tensor::{GradOptions, Result, Tensor, grad};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::PathBuf;

/// The path of each case whose name begins so.
fn cases(prefixes: &[&str]) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/layers");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    let begins = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    paths.retain(begins);
    paths.sort();
    paths
}

/// One case: PyTorch's tensors and what its layer was told.
struct Golden {
    name: String,
    tensors: Vec<(String, Tensor)>,
    config: Value,
}

impl Golden {
    fn read(path: &PathBuf) -> Golden {
        let bytes = std::fs::read(path).expect("readable");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
        let case = metadata.metadata().as_ref().and_then(|map| map.get("case")).expect("a case").clone();
        let case: Value = serde_json::from_str(&case).expect("JSON");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            assert_eq!(view.dtype(), Dtype::F32, "{name}");
            let data: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            (name, Tensor::from_vec(data, view.shape()).expect("as many elements as the shape says"))
        };
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
        Golden { name, tensors: file.tensors().into_iter().map(tensor).collect(), config: case["config"].clone() }
    }

    fn get(&self, name: &str) -> Option<Tensor> {
        self.tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor.clone())
    }

    /// A setting as one number for each of `rank` axes.
    fn axes(&self, name: &str, rank: usize) -> Vec<usize> {
        let number = |value: &Value| value.as_u64().expect("a number") as usize;
        match &self.config[name] {
            Value::Array(list) => list.iter().map(number).collect(),
            value => vec![number(value); rank],
        }
    }

    /// Compares an output and the gradients of what it was computed from.
    fn compare(&self, output: &Tensor, of: &[(&Tensor, &str)]) -> Result<()> {
        self.close(output, "output.0");
        let cotangent = self.get("cotangent.0").expect("a cotangent");
        let inputs: Vec<&Tensor> = of.iter().map(|(tensor, _)| *tensor).collect();
        let gradients = grad(&[output], Some(&[&cotangent]), &inputs, GradOptions::default())?;
        for (gradient, (_, name)) in gradients.iter().zip(of) {
            self.close(gradient.as_ref().expect("a gradient"), name);
        }
        Ok(())
    }

    fn close(&self, has: &Tensor, name: &str) {
        let wants = self.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.name));
        assert_eq!(has.shape(), wants.shape(), "{}: {name}", self.name);
        let (has, wants) = (has.to_vec::<f32>().expect("f32"), wants.to_vec::<f32>().expect("f32"));
        for (i, (has, wants)) in has.iter().zip(&wants).enumerate() {
            let near = (has - wants).abs() <= 2e-5 * (1.0 + wants.abs());
            assert!(near, "{}: element {i} of {name} is {has}, PyTorch's {wants}", self.name);
        }
    }
}

#[test]
fn convolutions_and_their_gradients_are_pytorchs() -> Result<()> {
    let mut count = 0;
    for path in cases(&["conv1d", "conv2d", "conv3d", "conv_transpose"]) {
        let golden = Golden::read(&path);
        let transposed = golden.name.starts_with("conv_transpose");
        // Other padding and unbatched inputs are the layer's work.
        let given = golden.get("input.0").expect("an input");
        let weight = golden.get("state.weight").expect("a weight").variable()?;
        if golden.config["padding_mode"] != "zeros" || given.rank() != weight.rank() {
            continue;
        }
        let rank = weight.rank() - 2;
        let (stride, dilation) = (golden.axes("stride", rank), golden.axes("dilation", rank));
        let sides = match golden.config["padding"].as_str() {
            Some("valid") => vec![[0, 0]; rank],
            // PyTorch's "same" puts the odd zero behind.
            Some("same") => (0..rank)
                .map(|i| dilation[i] * (weight.shape()[i + 2] - 1))
                .map(|all| [all / 2, all - all / 2])
                .collect(),
            _ => golden.axes("padding", rank).into_iter().map(|side| [side, side]).collect(),
        };
        let groups = golden.config["groups"].as_u64().expect("a number") as usize;
        let options =
            ConvOptions::new().stride(&stride[..]).dilation(&dilation[..]).padding_sides(&sides).groups(groups);
        let bias = golden.get("state.bias").map(|bias| bias.variable()).transpose()?;
        let x = given.variable()?;
        let output = if transposed {
            let options = options.output_padding(&golden.axes("output_padding", rank)[..]);
            match rank {
                1 => x.conv_transpose1d(&weight, bias.as_ref(), &options)?,
                2 => x.conv_transpose2d(&weight, bias.as_ref(), &options)?,
                _ => x.conv_transpose3d(&weight, bias.as_ref(), &options)?,
            }
        } else {
            match rank {
                1 => x.conv1d(&weight, bias.as_ref(), &options)?,
                2 => x.conv2d(&weight, bias.as_ref(), &options)?,
                _ => x.conv3d(&weight, bias.as_ref(), &options)?,
            }
        };
        let mut of = vec![(&x, "grad_input.0"), (&weight, "grad.weight")];
        of.extend(bias.iter().map(|bias| (bias, "grad.bias")));
        golden.compare(&output, &of)?;
        count += 1;
    }
    assert!(count >= 35, "only {count} cases");
    Ok(())
}

#[test]
fn patches_and_pixels_are_pytorchs() -> Result<()> {
    let mut count = 0;
    for path in cases(&["unfold", "fold", "pixel_"]) {
        let golden = Golden::read(&path);
        let x = golden.get("input.0").expect("an input").variable()?;
        let pair = |name: &str| <[usize; 2]>::try_from(golden.axes(name, 2)).expect("two numbers");
        let options = || ConvOptions::new().stride(pair("stride")).padding(pair("padding")).dilation(pair("dilation"));
        let output = match &golden.name[..] {
            "pixel_shuffle" => x.pixel_shuffle(golden.axes("upscale_factor", 1)[0])?,
            "pixel_unshuffle" => x.pixel_unshuffle(golden.axes("downscale_factor", 1)[0])?,
            name if name.starts_with("fold") => x.fold2d(pair("output_size"), pair("kernel_size"), &options())?,
            _ => x.unfold2d(pair("kernel_size"), &options())?,
        };
        golden.compare(&output, &[(&x, "grad_input.0")])?;
        count += 1;
    }
    assert!(count >= 6, "only {count} cases");
    Ok(())
}
