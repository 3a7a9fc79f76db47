//! What large weights cost. Weight decay is a setting of the optimisers.

use crate::Param;
use mapsto_tensor::{Error, Result, Tensor};
use std::panic::Location;

/// The sum of the magnitudes of all parameters (Tibshirani, *Regression Shrinkage and Selection via the Lasso*, 1996), to be
/// added to a loss: `loss.add(l1_penalty(&model.parameters())?.mul(1e-4)?)`.
///
/// # Errors
/// No parameters, or one without a value.
#[track_caller]
pub fn l1_penalty(params: &[Param]) -> Result<Tensor> {
    total("l1_penalty", params, |value| value.abs()?.sum())
}

/// The sum of the squares of all parameters (Hoerl and Kennard, *Ridge Regression*, 1970), to be added to a loss.
///
/// # Errors
/// No parameters, or one without a value.
#[track_caller]
pub fn l2_penalty(params: &[Param]) -> Result<Tensor> {
    total("l2_penalty", params, |value| value.square()?.sum())
}

#[track_caller]
fn total(op: &'static str, params: &[Param], of: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let at = Location::caller();
    let add = |sum: Option<Tensor>, param: &Param| {
        let one = of(&param.get()?)?;
        sum.map_or(Ok(one.clone()), |sum| sum.add(&one)).map(Some)
    };
    let sum = params.iter().try_fold(None, add).map_err(|e| e.op(op).at(at))?;
    sum.ok_or_else(|| Error::argument("there are no parameters").op(op).at(at))
}
