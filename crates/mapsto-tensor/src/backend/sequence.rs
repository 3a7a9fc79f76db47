//! Kernels over whole sequences: recurrent layers, attention, connectionist temporal classification.

use crate::error::Result;
use crate::ops::Cell;
use crate::tensor::Tensor;

/// One direction of one recurrent layer.
#[derive(Clone, Copy)]
pub(crate) struct RecurrentArgs<'a> {
    pub cell: Cell,
    /// Whether the sequences run from their ends to their beginnings.
    pub reverse: bool,
    /// `[T, N, I]`.
    pub x: &'a Tensor,
    /// `[G * H, I]`.
    pub weight_ih: &'a Tensor,
    /// `[G * H, H]`.
    pub weight_hh: &'a Tensor,
    /// Two of `[G * H]`: beside the input and beside the state.
    pub bias: Option<[&'a Tensor; 2]>,
    /// `[N, H]`.
    pub h0: &'a Tensor,
    /// `[N, H]`, of an LSTM.
    pub c0: Option<&'a Tensor>,
    /// `i64` `[N]`: how long each sequence is; what lies behind is never read.
    pub lengths: Option<&'a Tensor>,
}

/// What a recurrent layer gives.
pub(crate) struct RecurrentOut {
    /// `[T, N, H]`, in memory in the order of the input's axes.
    pub y: Tensor,
    /// `[N, H]`.
    pub h_n: Tensor,
    /// `[N, H]`, of an LSTM.
    pub c_n: Option<Tensor>,
    /// What the backward pass reads, if it was asked to be kept: activated gates and the states before each step.
    pub saved: Vec<Tensor>,
}

/// Gradients of a recurrent layer's inputs.
pub(crate) struct RecurrentGrads {
    pub x: Option<Tensor>,
    pub weight_ih: Tensor,
    pub weight_hh: Tensor,
    pub bias: Option<[Tensor; 2]>,
    pub h0: Tensor,
    pub c0: Option<Tensor>,
}

/// One attention, its leading axes broadcast.
#[derive(Clone, Copy)]
pub(crate) struct AttentionArgs<'a> {
    /// `[..., Lq, D]`.
    pub query: &'a Tensor,
    /// `[..., Lk, D]`.
    pub key: &'a Tensor,
    /// `[..., Lk, Dv]`.
    pub value: &'a Tensor,
    /// Broadcasts to `[..., Lq, Lk]`: truth values (attend where true), or numbers of the others' type, added.
    pub mask: Option<&'a Tensor>,
    /// Query `i` attends to keys `0..=i`.
    pub causal: bool,
    /// What scores are multiplied by.
    pub scale: f64,
    /// Probability with which a weight is dropped, and the key of the stream of random numbers that says which.
    pub dropout: (f64, u64),
}

/// Gradients of attention's inputs, of the broadcast shapes.
pub(crate) struct AttentionGrads {
    pub query: Tensor,
    pub key: Tensor,
    pub value: Tensor,
    /// Of the shape of all scores, if it was asked.
    pub mask: Option<Tensor>,
}

/// Log-probabilities and what they are to spell.
#[derive(Clone, Copy)]
pub(crate) struct CtcArgs<'a> {
    /// `[T, N, C]`.
    pub log_probs: &'a Tensor,
    /// `i64` `[N, S]`, or one after another `[sum]`.
    pub targets: &'a Tensor,
    /// `i64` `[N]`.
    pub input_lengths: &'a Tensor,
    /// `i64` `[N]`.
    pub target_lengths: &'a Tensor,
    pub blank: usize,
    pub zero_infinity: bool,
}

/// Over whole sequences; float types. Lengths and labels are checked here: they are values.
pub(crate) trait SequenceKernels {
    /// One direction of a recurrent layer; `keep` what the backward pass reads.
    fn recurrent(&self, args: &RecurrentArgs, keep: bool) -> Result<RecurrentOut>;
    /// Its gradients from those of `y`, `h_n`, `c_n` (`None`: zero); that of `x` only if `needs_x`.
    fn recurrent_backward(
        &self,
        args: &RecurrentArgs,
        saved: &[Tensor],
        grads: [Option<&Tensor>; 3],
        needs_x: bool,
    ) -> Result<RecurrentGrads>;
    /// Attention without its weights in memory: the result `[..., Lq, Dv]`, and the logarithm of each query's sum of
    /// exponentials `[..., Lq]` for the backward pass (infinite where nothing is attended to).
    fn attention(&self, args: &AttentionArgs) -> Result<(Tensor, Tensor)>;
    /// Its gradients; that of the mask only if `needs_mask`.
    fn attention_backward(
        &self,
        args: &AttentionArgs,
        out: &Tensor,
        log_sum: &Tensor,
        grad: &Tensor,
        needs_mask: bool,
    ) -> Result<AttentionGrads>;
    /// Which attention weights stay, `[..., Lq, Lk]` of `args`, scaled: zero or `1 / (1 - p)`.
    fn attention_dropout(&self, args: &AttentionArgs) -> Result<Tensor>;
    /// The negative log-likelihood of each sequence's target `[N]`.
    fn ctc(&self, args: &CtcArgs) -> Result<Tensor>;
    /// The gradient of the log-probabilities from that of the losses `[N]`.
    fn ctc_backward(&self, args: &CtcArgs, grad: &Tensor) -> Result<Tensor>;
}
