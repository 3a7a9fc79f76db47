//! What convolutions say when they are asked for what cannot be.

use mapsto_tensor::ops::ConvOptions;
use mapsto_tensor::{DType, Result, Tensor};

fn ones(sizes: &[usize]) -> Tensor {
    Tensor::ones(sizes, DType::F32).expect("a small tensor")
}

/// The message without the line that it names.
fn message(result: Result<Tensor>) -> String {
    let text = result.expect_err("this cannot be").to_string();
    let begin = text.find(" at ").expect("the caller's line");
    let end = text[begin..].find(';').map_or(text.len(), |end| begin + end);
    assert!(text[begin..end].contains("conv_errors.rs:"), "{text}");
    format!("{}{}", &text[..begin], &text[end..])
}

#[test]
fn mistakes_are_explained() {
    let options = ConvOptions::new();
    let (x, w) = (ones(&[1, 4, 5, 6]), ones(&[8, 4, 3, 3]));
    assert_eq!(
        message(ones(&[4, 5, 6]).conv2d(&w, None, &options)),
        "conv2d: input [4, 5, 6] needs 4 axes, two and the spatial ones; add an axis of size one with unsqueeze(0)"
    );
    assert_eq!(
        message(x.conv2d(&ones(&[8, 3, 3, 3]), None, &options)),
        "conv2d: weight [8, 3, 3, 3] takes 3 channels a group, input [1, 4, 5, 6] has 4 (4 in 1 groups); weight is [out, in / groups, *kernel]"
    );
    assert_eq!(
        message(x.conv2d(&w, None, &ConvOptions::new().dilation([1, 3]))),
        "conv2d: a kernel that spans 7 does not fit on spatial axis 1 of [1, 4, 5, 6], 6 with padding 0 and 0; pad the image or use a smaller kernel or dilation"
    );
    assert_eq!(
        message(x.conv2d(&w, Some(&ones(&[7])), &options)),
        "conv2d: bias [7] is not one value for each of 8 channels"
    );
    assert_eq!(
        message(x.conv2d(&ones(&[8, 1, 3, 3]), None, &ConvOptions::new().groups(3))),
        "conv2d: the 4 channels of [1, 4, 5, 6] do not fall into 3 groups; groups must divide the channels of the input and of the output"
    );
    assert_eq!(
        message(x.conv2d(&w, None, &ConvOptions::new().stride(0))),
        "conv2d: stride 0 of spatial axis 0 is not in 1..=16777216"
    );
    assert_eq!(
        message(x.conv2d(&w, None, &ConvOptions::new().stride([1, 2, 3]))),
        "conv2d: stride [1, 2, 3] has 3 values for 2 spatial axes; give one value, or one for each axis"
    );
    assert_eq!(
        message(x.conv_transpose2d(&w, None, &options)),
        "conv_transpose2d: weight [8, 4, 3, 3] takes 8 channels, input [1, 4, 5, 6] has 4; the weight of a transposed convolution is [in, out / groups, *kernel]"
    );
    assert_eq!(
        message(x.conv_transpose2d(&ones(&[4, 8, 3, 3]), None, &ConvOptions::new().stride(2).output_padding(2))),
        "conv_transpose2d: output_padding 2 of spatial axis 0 is not below stride 2 or dilation 1"
    );
    assert_eq!(message(x.pixel_shuffle(3)), "pixel_shuffle: 4 channels are not a multiple of the factor 3 squared");
}

#[test]
fn pixels_come_back() -> Result<()> {
    let x = Tensor::from_vec((0..96).map(|i| i as f32).collect(), [1, 4, 4, 6])?;
    assert_eq!(x.pixel_shuffle(2)?.pixel_unshuffle(2)?.to_vec::<f32>()?, x.to_vec::<f32>()?);
    Ok(())
}
