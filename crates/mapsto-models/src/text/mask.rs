//! Which places of a batch hold tokens.

use mapsto_tensor::{DType, Error, Result, Tensor};

/// Fails unless these are tokens `[N, T]` and lengths `[N]` from 1 to `T`.
pub(crate) fn check_texts(tokens: &Tensor, lengths: &Tensor) -> Result<()> {
    for (name, x) in [("tokens", tokens), ("lengths", lengths)] {
        if x.dtype() != DType::I64 {
            return Err(Error::dtype(format!("{name} are {}, not i64", x.dtype()))
                .mend("convert them with to_dtype(DType::I64)"));
        }
    }
    let &[texts, places] = &tokens.shape()[..] else {
        return Err(Error::shape(format!("takes tokens [N, T], not {}", tokens.shape())));
    };
    if lengths.shape()[..] != [texts] {
        return Err(Error::shape(format!("takes lengths [{texts}], one a text, not {}", lengths.shape())));
    }
    let all = lengths.to_vec::<i64>()?;
    match all.iter().position(|&length| length < 1 || length > places as i64) {
        Some(text) => Err(Error::argument(format!("the length of text {text} is {}, not in 1..={places}", all[text]))),
        None => Ok(()),
    }
}

/// Where a row of `places` lies before its length: truth values `[N, places]`.
pub(crate) fn before(lengths: &Tensor, places: usize) -> Result<Tensor> {
    Tensor::arange(0, places as i64, 1)?.lt(lengths.unsqueeze(1)?)
}

/// The mean of the places `[N, T, E]` that hold tokens, `[N, E]`.
pub(crate) fn mean(x: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let held = before(lengths, x.shape()[1])?.unsqueeze(2)?.to_dtype(x.dtype())?;
    x.mul(held)?.sum_axes(&[1], false)?.div(lengths.to_dtype(x.dtype())?.unsqueeze(1)?)
}
