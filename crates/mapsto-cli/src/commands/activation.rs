//! `mapsto activation`.

use crate::failure::Failure;
use crate::output::Output;
use clap::ValueEnum;
use mapsto_nn::Curve;
use mapsto_tensor::{Result, Tensor};
use serde_json::json;

#[derive(clap::Args)]
pub struct Arguments {
    /// Functions; all if none is named
    #[arg(value_enum)]
    names: Vec<Name>,
    /// The least input
    #[arg(long, default_value_t = -6.0, allow_negative_numbers = true)]
    from: f64,
    /// The greatest input
    #[arg(long, default_value_t = 6.0, allow_negative_numbers = true)]
    to: f64,
    /// One JSON object a line, with inputs, values and gradients
    #[arg(long)]
    json: bool,
}

macro_rules! activations {
    ($($name:ident |$x:ident| $y:expr;)*) => {
        #[derive(Clone, Copy, Debug, ValueEnum)]
        #[value(rename_all = "snake_case")]
        enum Name {
            $($name,)*
        }

        impl Name {
            fn of(self, x: &Tensor) -> Result<Tensor> {
                match self {
                    $(Name::$name => { let $x = x; $y })*
                }
            }
        }
    };
}

activations! {
    Relu |x| x.relu();
    Relu6 |x| x.relu6();
    LeakyRelu |x| x.leaky_relu(0.01);
    Elu |x| x.elu(1.0);
    Celu |x| x.celu(1.0);
    Selu |x| x.selu();
    Gelu |x| x.gelu();
    GeluTanh |x| x.gelu_tanh();
    Silu |x| x.silu();
    Mish |x| x.mish();
    Softplus |x| x.softplus(1.0, 20.0);
    Sigmoid |x| x.sigmoid();
    LogSigmoid |x| x.log_sigmoid();
    Tanh |x| x.tanh();
    Tanhshrink |x| x.tanhshrink();
    Softsign |x| x.softsign();
    Hardtanh |x| x.hardtanh(-1.0, 1.0);
    Hardsigmoid |x| x.hardsigmoid();
    Hardswish |x| x.hardswish();
    Softshrink |x| x.softshrink(0.5);
    Hardshrink |x| x.hardshrink(0.5);
    // Of two inputs, the other zero.
    Softmax |x| first(&beside_zero(x)?.softmax(-1)?);
    LogSoftmax |x| first(&beside_zero(x)?.log_softmax(-1)?);
}

fn beside_zero(x: &Tensor) -> Result<Tensor> {
    Tensor::stack(&[x, &Tensor::zeros(*x.shape(), x.dtype())?], -1)
}

fn first(pairs: &Tensor) -> Result<Tensor> {
    pairs.narrow(-1, 0, 1)?.squeeze(&[-1])
}

/// Draws the activations that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    const POINTS: usize = 241;
    let output = Output { json: arguments.json, goes_on: false };
    let names = if arguments.names.is_empty() { Name::value_variants() } else { &arguments.names[..] };
    for &name in names {
        let text = name.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string());
        let curve = Curve::of(|x| name.of(x), arguments.from, arguments.to, POINTS)
            .map_err(|error| Failure::user(format!("{error:#}")))?;
        output.text(&format!("{text}\n{curve}\n"))?;
        output.event(&json!({
            "activation": text, "x": curve.x, "y": curve.y, "gradient": curve.slope, "saturated": curve.saturated(),
        }))?;
    }
    Ok(())
}
