#!/usr/bin/env python3
"""Make every golden fixture: what PyTorch computes, for the Rust tests to equal.

    python tools/fixtures.py            write fixtures/
    python tools/fixtures.py --check    remake into a temporary folder and compare with fixtures/

One safetensors file a case, under fixtures/<group>/<case>.safetensors; the format is
told in fixtures/README.md. Each group is a table of cases and one runner. Every case
is seeded by its own name, so adding one changes no other.
Needs: pip install torch numpy safetensors
"""
import argparse, copy, filecmp, inspect, json, math, shutil, sys, tempfile, warnings, zlib
from pathlib import Path
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True, warn_only=True)
ROOT = Path(__file__).resolve().parent.parent
TORCH = torch.__version__.split("+")[0]
LIMIT = 1_500_000

# ---------------------------------------------------------------- inputs
# A case gives its inputs as makers, called in order once the case is seeded.

def N(*shape): return lambda: torch.randn(*shape)
def U(*shape, lo=0.0, hi=1.0): return lambda: lo + (hi - lo) * torch.rand(*shape)
def I(high, *shape, low=0): return lambda: torch.randint(low, high, shape)
def T(*values, dtype=None): return lambda: torch.tensor(values[0] if len(values) == 1 else values, dtype=dtype)
def B(*shape, p=0.7): return lambda: torch.rand(*shape) < p
def soft(*shape, dim=-1): return lambda: torch.randn(*shape).softmax(dim)
def sign(*shape): return lambda: torch.randn(*shape).sign()
def spd(n): return lambda: (lambda a: a @ a.T / n + torch.eye(n))(torch.randn(n, n))
def causal(n): return lambda: torch.full((n, n), -math.inf).triu(1)
def tail(*lengths, total): return lambda: torch.arange(total)[None] >= torch.tensor(lengths)[:, None]


class Cx:
    """A complex input, stored as its real view (a last axis of 2: real, imaginary)."""
    def __init__(self, make): self.make = make


class NoGrad:
    """A float input whose gradient is not wanted."""
    def __init__(self, make): self.make = make


def seed(group, case):
    torch.manual_seed(zlib.crc32(f"{group}/{case}".encode()))


# ---------------------------------------------------------------- core: one forward and backward

def flat(x):
    """The outputs in order: nested tuples flattened, absent ones dropped."""
    if x is None: return []
    if isinstance(x, (tuple, list)): return [t for y in x for t in flat(y)]
    return [torch.view_as_real(x) if x.is_complex() else x]


def forward_backward(fn, inputs, wants, params, cotangents):
    """Outputs, input gradients and parameter gradients of fn(*inputs)."""
    xs = [x.clone().requires_grad_(w) if w else x.clone() for x, w in zip(inputs, wants)]
    outs = flat(fn(*xs))
    ends = [(o, c.to(o.dtype)) for o, c in zip(outs, cotangents) if c is not None and o.requires_grad]
    leaves = [x for x, w in zip(xs, wants) if w] + [p for p in params.values() if p.requires_grad]
    grads = torch.autograd.grad([o for o, _ in ends], leaves, [c for _, c in ends], allow_unused=True) if ends else [None] * len(leaves)
    grads = iter(grads)
    gx = [next(grads) if w else None for w in wants]
    gp = {k: next(grads) for k, p in params.items() if p.requires_grad}
    return [o.detach() for o in outs], gx, gp


def wide(x): return x.double() if x.dtype == torch.float32 else x


def gap(pairs):
    """Largest |a - b| / max(1, max |b|) over finite values: how far f32 lies from f64."""
    worst = 0.0
    for a, b in pairs:
        if a is None or not a.dtype.is_floating_point: continue
        a, b = a.double(), b.double()
        ok = a.isfinite() & b.isfinite()
        if ok.any(): worst = max(worst, ((a - b)[ok].abs().max() / max(1.0, b[ok].abs().max().item())).item())
    return float(f"{worst:.1e}")


def measure(fn, fn64, inputs, wants, module=None, module64=None, backward=None):
    """Run in f32 and in f64; the tensors of the f32 run and the gap between the two.

    backward: the outputs that get a cotangent (None: every float one; []: no backward)."""
    kept = copy.deepcopy(module.state_dict()) if module is not None else None
    with torch.no_grad(): probe = flat(fn(*inputs))
    if kept is not None: module.load_state_dict(kept)              # the probe moved running statistics
    cot = [torch.randn(o.shape) if o.dtype.is_floating_point and (backward is None or i in backward) else None
           for i, o in enumerate(probe)]
    params = dict(module.named_parameters()) if module is not None else {}
    before = {k: v.detach().clone() for k, v in module.state_dict().items()} if module is not None else {}
    outs, gx, gp = forward_backward(fn, inputs, wants, params, cot)
    after = module.state_dict() if module is not None else {}
    params64 = dict(module64.named_parameters()) if module is not None else {}
    outs64, gx64, gp64 = forward_backward(fn64, [wide(x) for x in inputs], wants, params64, cot)

    t = {f"state.{k}": v for k, v in before.items()}
    t |= {f"state_after.{k}": v for k, v in after.items() if not torch.equal(v, before[k])}
    t |= {f"input.{i}": x for i, x in enumerate(inputs)}
    t |= {f"output.{i}": o for i, o in enumerate(outs)}
    grads = {f"grad_input.{i}": g for i, g in enumerate(gx)} | {f"grad.{k}": g for k, g in gp.items()}
    grads = {k: g for k, g in grads.items() if g is not None}
    if grads:
        t |= {f"cotangent.{i}": c for i, c in enumerate(cot) if c is not None} | grads
    noise = {"output": gap(zip(outs, outs64)), "grad": gap([*zip(gx, gx64), *((g, gp64[k]) for k, g in gp.items())])}
    for a, b in zip(outs, outs64):
        assert a.dtype.is_floating_point or torch.equal(a, b), "integer outputs differ between f32 and f64"
    return t, noise


class Store:
    """Where the files go; counts what it writes and keeps the odd ones for the summary."""
    def __init__(self, root): self.root, self.count, self.noisy, self.odd = root, {}, [], []

    def save(self, group, case, tensors, meta, finite=True):
        path = self.root / group / f"{case}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists(), f"two cases are called {group}/{case}"
        meta = {"group": group, "case": case} | meta | {"torch": TORCH}
        tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
        for k, v in tensors.items():
            if finite and v.dtype.is_floating_point and not k.startswith("input") and not v.isfinite().all():
                self.odd.append(f"{group}/{case}: {k} is not finite")
        save_file(tensors, path, metadata={"case": json.dumps(meta, allow_nan=False, separators=(",", ":"))})
        self.count[group] = self.count.get(group, 0) + 1
        worst = max([0.0, *meta.get("noise", {}).values()])
        if worst > 2e-5: self.noisy.append((worst, f"{group}/{case}"))


def plain(x):
    """A constructor argument as JSON."""
    if isinstance(x, tuple): return [plain(y) for y in x]
    if isinstance(x, float) and math.isinf(x): return "inf" if x > 0 else "-inf"
    if isinstance(x, Layer): return {"layer": x.name, "config": x.config()}
    if callable(x): return x.__name__
    return x


# ---------------------------------------------------------------- A: layers

RNN = dict(input_size=None, hidden_size=None, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False)
OPEN = {"RNN": RNN | {"nonlinearity": "tanh"}, "LSTM": RNN | {"proj_size": 0}, "GRU": RNN}   # constructors that take *args


class Layer:
    """A layer by its PyTorch name and constructor arguments; an argument may be a Layer itself."""
    def __init__(self, name, *args, **kw): self.name, self.args, self.kw = name, args, kw

    def config(self):
        if self.name in OPEN:
            full = dict(OPEN[self.name])
            full |= dict(zip(full, self.args)) | self.kw
        else:
            bound = inspect.signature(getattr(nn, self.name)).bind(*self.args, **self.kw)
            bound.apply_defaults()
            full = {k: v for k, v in bound.arguments.items() if k not in ("device", "dtype", "_weight", "_freeze", "args", "kwargs")}
        return {k: plain(v) for k, v in full.items()}

    def build(self):
        make = lambda a: a.build() if isinstance(a, Layer) else a
        return getattr(nn, self.name)(*map(make, self.args), **{k: make(v) for k, v in self.kw.items()})


def unsettle(m):
    """Move parameters and running statistics off their defaults."""
    with torch.no_grad():
        for p in m.parameters(): p.add_(0.2 * torch.randn_like(p))
        for k, b in m.named_buffers():
            if k.endswith("running_mean"): b.copy_(0.5 * torch.randn_like(b))
            if k.endswith("running_var"): b.copy_(0.5 + torch.rand_like(b))
            if k.endswith("num_batches_tracked"): b.fill_(3)


# How a layer is called where it is not layer(**{argument name: input}). Each returns a flat tuple of outputs.
def call_recurrent(m, a):
    hx = (a["h_0"], a["c_0"]) if "c_0" in a else a.get("h_0")
    if "lengths" not in a:
        y, h = m(a["input"], hx)
        return y, h
    x = nn.utils.rnn.pack_padded_sequence(a["input"], a["lengths"], m.batch_first, enforce_sorted=False)
    y, h = m(x, hx)
    y, _ = nn.utils.rnn.pad_packed_sequence(y, m.batch_first, total_length=a["input"].shape[1 if m.batch_first else 0])
    return y, h


def call_cell(m, a):
    hx = (a["h_0"], a["c_0"]) if "c_0" in a else a.get("h_0")
    return m(a["input"], hx)


CALLS = {"RNN": call_recurrent, "LSTM": call_recurrent, "GRU": call_recurrent,
         "RNNCell": call_cell, "LSTMCell": call_cell, "GRUCell": call_cell}
OUTPUTS = {"RNN": ["output", "h_n"], "GRU": ["output", "h_n"], "LSTM": ["output", "h_n", "c_n"], "LSTMCell": ["h_1", "c_1"],
           "RNNCell": ["h_1"], "GRUCell": ["h_1"], "MultiheadAttention": ["attn_output", "attn_output_weights"]}
WRAPS = {"weight_norm": nn.utils.parametrizations.weight_norm, "spectral_norm": nn.utils.parametrizations.spectral_norm}


def run_layer(store, case, layer, inputs, train=True, call={}, wrap=None, backward=None):
    """inputs: makers; a list (names from the first arguments of forward) or a dict by argument name."""
    seed("layers", case)
    m = layer.build()
    if wrap: WRAPS[wrap[0]](m, **wrap[1])
    unsettle(m)
    m.train(train)
    if not isinstance(inputs, dict):
        names = [p for p in inspect.signature(m.forward).parameters]
        if names[0] == "args": names = ["input"]
        inputs = dict(zip(names, inputs))
    names = list(inputs)
    makers = list(inputs.values())
    xs = [(k.make if isinstance(k, NoGrad) else k)() for k in makers]
    wants = [x.dtype.is_floating_point and not isinstance(k, NoGrad) for k, x in zip(makers, xs)]
    m64 = copy.deepcopy(m).double()
    def caller(mod):
        if layer.name in CALLS: return lambda *x: CALLS[layer.name](mod, dict(zip(names, x)))
        return lambda *x: mod(**dict(zip(names, x)), **call) if len(x) != 1 else mod(x[0], **call)
    t, noise = measure(caller(m), caller(m64), xs, wants, m, m64, backward)
    count = sum(k.startswith("output.") for k in t)
    outs = OUTPUTS.get(layer.name, ["output"])[:count]
    if count > len(outs): outs = ["output", "indices"]
    meta = {"layer": layer.name, "config": layer.config()}
    if wrap: meta |= {"wrap": wrap[0], "wrap_config": wrap[1]}
    meta |= {"train": train, "inputs": names, "call": call, "outputs": outs, "noise": noise}
    store.save("layers", case, t, meta)


def layer_cases():
    """(case, layer, inputs, options)"""
    L = Layer
    def c(case, layer, *inputs, **opt):
        rows.append((case, layer, inputs[0] if len(inputs) == 1 and isinstance(inputs[0], dict) else list(inputs), opt))
    rows = []

    # dense
    c("linear", L("Linear", 5, 3), N(4, 5))
    c("linear_no_bias", L("Linear", 7, 2, bias=False), N(2, 3, 7))
    c("linear_vector", L("Linear", 5, 3), N(5))
    c("linear_wide", L("Linear", 19, 9), N(7, 19))
    c("bilinear", L("Bilinear", 3, 5, 2), N(4, 3), N(4, 5))
    c("bilinear_no_bias", L("Bilinear", 2, 3, 4, bias=False), N(3, 2, 2), N(3, 2, 3))
    c("flatten", L("Flatten", 1, 2), N(2, 3, 5, 2))
    c("unflatten", L("Unflatten", 1, (2, 3)), N(3, 6, 2))
    c("dropout_eval", L("Dropout", 0.4), N(3, 5), train=False)
    c("cosine_similarity", L("CosineSimilarity", dim=1, eps=1e-6), N(3, 5, 2), N(3, 5, 2))
    c("pairwise_distance", L("PairwiseDistance", p=3.0, keepdim=True), N(4, 5), N(4, 5))

    # convolutions
    c("conv1d", L("Conv1d", 3, 4, 3), N(2, 3, 9))
    c("conv1d_stride_pad_dilation", L("Conv1d", 2, 5, 3, stride=2, padding=3, dilation=2), N(3, 2, 11))
    c("conv1d_groups", L("Conv1d", 4, 6, 2, groups=2, bias=False), N(1, 4, 7))
    c("conv1d_same_even_kernel", L("Conv1d", 2, 3, 4, padding="same"), N(2, 2, 7))
    c("conv1d_reflect", L("Conv1d", 2, 3, 5, padding=2, padding_mode="reflect"), N(2, 2, 7))
    c("conv1d_circular", L("Conv1d", 2, 3, 3, padding=2, padding_mode="circular"), N(2, 2, 5))
    c("conv1d_unbatched", L("Conv1d", 3, 2, 3, padding=1), N(3, 8))
    c("conv1d_pointwise", L("Conv1d", 5, 3, 1), N(2, 5, 7))
    c("conv2d", L("Conv2d", 3, 4, 3), N(2, 3, 5, 6))
    c("conv2d_no_bias", L("Conv2d", 1, 5, 2, bias=False), N(3, 1, 5, 4))
    c("conv2d_stride", L("Conv2d", 3, 5, 3, stride=2), N(1, 3, 8, 7))
    c("conv2d_stride_rect", L("Conv2d", 2, 3, (3, 2), stride=(2, 3), padding=(1, 2)), N(2, 2, 9, 8))
    c("conv2d_pad", L("Conv2d", 3, 4, 3, padding=1), N(2, 3, 5, 7))
    c("conv2d_pad_beyond_kernel", L("Conv2d", 2, 3, 2, padding=3), N(1, 2, 3, 4))
    c("conv2d_dilation", L("Conv2d", 2, 3, 3, dilation=2, padding=1), N(2, 2, 8, 7))
    c("conv2d_dilation_rect", L("Conv2d", 2, 3, (2, 3), dilation=(3, 1), stride=(1, 2), padding=(2, 0)), N(1, 2, 7, 9))
    c("conv2d_groups", L("Conv2d", 6, 9, 3, groups=3, padding=1), N(1, 6, 5, 4))
    c("conv2d_depthwise", L("Conv2d", 5, 5, 3, groups=5, padding=1, stride=2), N(1, 5, 7, 6))
    c("conv2d_depthwise_multiplier", L("Conv2d", 3, 6, (3, 5), groups=3, padding=(1, 2)), N(1, 3, 5, 7))
    c("conv2d_depthwise_dilated", L("Conv2d", 4, 4, 3, groups=4, padding=2, dilation=2, bias=False), N(1, 4, 6, 5))
    c("conv2d_pointwise", L("Conv2d", 5, 7, 1), N(2, 5, 3, 3))
    c("conv2d_pointwise_stride", L("Conv2d", 3, 4, 1, stride=2, bias=False), N(2, 3, 5, 7))
    c("conv2d_same", L("Conv2d", 2, 3, 3, padding="same", dilation=2), N(2, 2, 6, 5))
    c("conv2d_same_even_kernel", L("Conv2d", 2, 3, (2, 4), padding="same"), N(2, 2, 6, 5))
    c("conv2d_valid", L("Conv2d", 2, 3, 3, padding="valid"), N(1, 2, 4, 5))
    c("conv2d_reflect", L("Conv2d", 2, 3, 3, padding=(2, 1), padding_mode="reflect"), N(2, 2, 5, 6))
    c("conv2d_reflect_same", L("Conv2d", 2, 3, (4, 3), padding="same", padding_mode="reflect"), N(1, 2, 5, 6))
    c("conv2d_replicate", L("Conv2d", 2, 3, 3, padding=2, padding_mode="replicate", stride=2), N(2, 2, 5, 6))
    c("conv2d_circular", L("Conv2d", 2, 4, 3, padding=(1, 2), padding_mode="circular", groups=2), N(2, 2, 5, 4))
    c("conv2d_kernel_is_image", L("Conv2d", 3, 4, (4, 5)), N(3, 3, 4, 5))
    c("conv2d_kernel5", L("Conv2d", 2, 3, 5, padding=2), N(1, 2, 9, 7))
    c("conv2d_winograd_shape", L("Conv2d", 3, 4, 3, padding=1), N(1, 3, 9, 11))
    c("conv3d", L("Conv3d", 2, 3, 2), N(2, 2, 4, 3, 5))
    c("conv3d_stride_pad_dilation", L("Conv3d", 2, 3, (3, 2, 2), stride=(1, 2, 1), padding=(1, 0, 1), dilation=(1, 1, 2)), N(1, 2, 4, 5, 4))
    c("conv3d_groups", L("Conv3d", 4, 4, 2, groups=2, padding=1, bias=False), N(1, 4, 3, 2, 3))
    c("conv3d_depthwise", L("Conv3d", 3, 3, (1, 3, 3), groups=3, padding=(0, 1, 1)), N(2, 3, 2, 4, 3))
    c("conv3d_replicate", L("Conv3d", 1, 2, 3, padding=1, padding_mode="replicate"), N(1, 1, 3, 4, 2))
    c("conv3d_circular", L("Conv3d", 1, 2, 2, padding=1, padding_mode="circular"), N(1, 1, 3, 2, 3))

    # transposed convolutions
    c("conv_transpose1d", L("ConvTranspose1d", 3, 2, 3), N(2, 3, 5))
    c("conv_transpose1d_stride_out_pad", L("ConvTranspose1d", 3, 2, 4, stride=3, padding=1, output_padding=2), N(2, 3, 5))
    c("conv_transpose1d_groups_dilation", L("ConvTranspose1d", 4, 6, 3, groups=2, dilation=2, bias=False), N(2, 4, 5))
    c("conv_transpose2d", L("ConvTranspose2d", 3, 2, 3), N(2, 3, 4, 5))
    c("conv_transpose2d_stride_pad", L("ConvTranspose2d", 3, 2, 4, stride=2, padding=1), N(2, 3, 3, 4))
    c("conv_transpose2d_out_pad", L("ConvTranspose2d", 2, 3, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2)), N(2, 2, 4, 3))
    c("conv_transpose2d_groups", L("ConvTranspose2d", 4, 6, 3, groups=2, stride=2), N(1, 4, 3, 4))
    c("conv_transpose2d_depthwise", L("ConvTranspose2d", 3, 3, 3, groups=3, stride=2, padding=1, output_padding=1), N(2, 3, 3, 4))
    c("conv_transpose2d_unbatched", L("ConvTranspose2d", 3, 2, 3, stride=2), N(3, 3, 4))
    c("conv_transpose2d_dilation", L("ConvTranspose2d", 2, 3, 3, dilation=(2, 3), padding=2, bias=False), N(2, 2, 4, 3))
    c("conv_transpose2d_kernel_is_stride", L("ConvTranspose2d", 4, 3, 2, stride=2), N(2, 4, 3, 5))
    c("conv_transpose3d", L("ConvTranspose3d", 2, 3, 2), N(1, 2, 3, 2, 4))
    c("conv_transpose3d_all", L("ConvTranspose3d", 2, 4, (3, 2, 2), stride=(2, 1, 3), padding=(1, 0, 1), output_padding=(1, 0, 2), groups=2,
                                dilation=(1, 2, 1)), N(1, 2, 2, 3, 2))

    # normalisation
    for d, shape in (1, (6, 3, 4)), (2, (3, 4, 3, 5)), (3, (2, 3, 2, 3, 2)):
        name, ch = f"BatchNorm{d}d", shape[1]
        key = f"batch_norm{d}d"
        c(f"{key}_train", L(name, ch, momentum=0.3, eps=1e-3), N(*shape))
        c(f"{key}_eval", L(name, ch), N(*shape), train=False)
        c(f"{key}_not_affine", L(name, ch, affine=False), N(*shape))
        c(f"{key}_no_stats", L(name, ch, track_running_stats=False), N(*shape))
        c(f"{key}_momentum_none", L(name, ch, momentum=None), N(*shape))
    c("batch_norm1d_flat", L("BatchNorm1d", 5), N(7, 5))
    c("batch_norm1d_no_bias", L("BatchNorm1d", 5, bias=False), N(7, 5))
    c("batch_norm1d_no_stats_eval", L("BatchNorm1d", 5, track_running_stats=False), N(7, 5), train=False)
    c("layer_norm", L("LayerNorm", 7), N(3, 5, 7))
    c("layer_norm_2d", L("LayerNorm", (3, 5), eps=1e-3), N(2, 4, 3, 5))
    c("layer_norm_not_affine", L("LayerNorm", 5, elementwise_affine=False), N(4, 5))
    c("layer_norm_no_bias", L("LayerNorm", 5, bias=False), N(4, 3, 5))
    c("group_norm", L("GroupNorm", 2, 6), N(3, 6, 3, 4))
    c("group_norm_one_group", L("GroupNorm", 1, 5), N(2, 5, 7))
    c("group_norm_each_channel", L("GroupNorm", 4, 4, eps=1e-2), N(2, 4, 3))
    c("group_norm_not_affine", L("GroupNorm", 3, 6, affine=False), N(4, 6, 2))
    for d, shape in (1, (3, 4, 5)), (2, (2, 3, 4, 3)), (3, (2, 3, 2, 3, 2)):
        key = f"instance_norm{d}d"
        c(key, L(f"InstanceNorm{d}d", shape[1]), N(*shape))
        c(f"{key}_affine", L(f"InstanceNorm{d}d", shape[1], affine=True, eps=1e-3), N(*shape))
        if d < 3:
            c(f"{key}_track_train", L(f"InstanceNorm{d}d", shape[1], affine=True, track_running_stats=True, momentum=0.2), N(*shape))
            c(f"{key}_track_eval", L(f"InstanceNorm{d}d", shape[1], affine=True, track_running_stats=True), N(*shape), train=False)
    c("rms_norm", L("RMSNorm", 7), N(3, 5, 7))
    c("rms_norm_eps_2d", L("RMSNorm", (3, 4), eps=1e-2), N(5, 3, 4))
    c("rms_norm_not_affine", L("RMSNorm", 5, elementwise_affine=False), N(4, 5))
    c("local_response_norm", L("LocalResponseNorm", 3, alpha=0.1, beta=0.6, k=1.5), N(2, 5, 3, 4))
    c("local_response_norm_even", L("LocalResponseNorm", 4), N(2, 7, 5))
    c("instance_norm1d_unbatched", L("InstanceNorm1d", 4, affine=True, track_running_stats=True), N(4, 5))

    # reparametrised weights
    wn, sn = lambda **k: ("weight_norm", dict(name="weight", dim=0) | k), lambda **k: ("spectral_norm", dict(name="weight", n_power_iterations=1, eps=1e-12, dim=0) | k)
    c("weight_norm_linear", L("Linear", 5, 3), N(4, 5), wrap=wn())
    c("weight_norm_linear_dim1", L("Linear", 5, 3), N(4, 5), wrap=wn(dim=1))
    c("weight_norm_linear_dim_none", L("Linear", 5, 3), N(4, 5), wrap=wn(dim=None))
    c("weight_norm_conv2d", L("Conv2d", 2, 3, 3, padding=1), N(2, 2, 4, 5), wrap=wn())
    c("spectral_norm_linear_eval", L("Linear", 5, 4), N(3, 5), wrap=sn(), train=False)
    c("spectral_norm_linear_train", L("Linear", 5, 4), N(3, 5), wrap=sn())
    c("spectral_norm_conv2d_train", L("Conv2d", 2, 3, 3), N(2, 2, 4, 5), wrap=sn())
    c("spectral_norm_conv2d_eval", L("Conv2d", 2, 3, 3), N(2, 2, 4, 5), wrap=sn(), train=False)
    c("spectral_norm_conv_transpose2d_two_iterations", L("ConvTranspose2d", 3, 2, 2), N(1, 3, 3, 4), wrap=sn(n_power_iterations=2, dim=1))

    # embeddings
    c("embedding", L("Embedding", 7, 3), I(7, 4, 5))
    c("embedding_padding", L("Embedding", 5, 3, padding_idx=2), T([[2, 0, 4], [2, 2, 1]]))
    c("embedding_padding_negative", L("Embedding", 5, 3, padding_idx=-1), T([4, 0, 4, 3]))
    c("embedding_scale_by_freq", L("Embedding", 4, 3, scale_grad_by_freq=True), T([1, 1, 3, 1, 0]))
    c("embedding_max_norm", L("Embedding", 7, 3, max_norm=1.2), I(7, 4, 2))
    c("embedding_bag_max_norm", L("EmbeddingBag", 7, 3, max_norm=1.0, mode="sum"), I(7, 2, 3))
    for mode in "sum", "mean", "max":
        c(f"embedding_bag_{mode}", L("EmbeddingBag", 7, 3, mode=mode), I(7, 4, 5))
        c(f"embedding_bag_{mode}_offsets", L("EmbeddingBag", 7, 3, mode=mode), dict(input=I(7, 9), offsets=T([0, 2, 2, 5])))   # bag 1 is empty
        c(f"embedding_bag_{mode}_padding", L("EmbeddingBag", 5, 3, mode=mode, padding_idx=1), T([[1, 0, 4], [1, 1, 1], [3, 3, 1]]))
    c("embedding_bag_weights", L("EmbeddingBag", 7, 3, mode="sum"), dict(input=I(7, 6), offsets=T([0, 4]), per_sample_weights=N(6)))
    c("embedding_bag_last_offset", L("EmbeddingBag", 7, 3, mode="mean", include_last_offset=True), dict(input=I(7, 6), offsets=T([0, 4, 6])))

    # recurrent: sizes are input 3, hidden 4, 5 steps, batch 3
    kinds = [("rnn_tanh", "RNN", {}), ("rnn_relu", "RNN", {"nonlinearity": "relu"}), ("lstm", "LSTM", {}), ("gru", "GRU", {})]
    for key, name, kw in kinds:
        def states(n, b=3):
            return {"h_0": N(n, b, 4)} | ({"c_0": N(n, b, 4)} if name == "LSTM" else {})
        lengths = {"lengths": T([3, 5, 1])}
        c(key, L(name, 3, 4, **kw), dict(input=N(5, 3, 3)))
        c(f"{key}_no_bias", L(name, 3, 4, bias=False, **kw), dict(input=N(5, 3, 3)) | states(1))
        c(f"{key}_batch_first_2layers", L(name, 3, 4, num_layers=2, batch_first=True, **kw), dict(input=N(3, 5, 3)) | states(2))
        c(f"{key}_packed", L(name, 3, 4, **kw), dict(input=N(5, 3, 3)) | lengths)
        c(f"{key}_bidirectional", L(name, 3, 4, bidirectional=True, batch_first=True, **kw), dict(input=N(3, 5, 3)))
        if key == "rnn_relu": continue
        c(f"{key}_bidirectional_2layers", L(name, 3, 4, num_layers=2, bidirectional=True, **kw), dict(input=N(5, 3, 3)) | states(4))
        c(f"{key}_packed_bidirectional_2layers", L(name, 3, 4, num_layers=2, bidirectional=True, batch_first=True, **kw),
          dict(input=N(3, 5, 3)) | states(4) | lengths)
        c(f"{key}_packed_padded_tail", L(name, 3, 4, batch_first=True, **kw), dict(input=N(3, 6, 3)) | states(1) | {"lengths": T([2, 4, 3])})
    c("lstm_unbatched", L("LSTM", 3, 4), dict(input=N(5, 3)))
    c("rnn_cell_tanh", L("RNNCell", 3, 4), dict(input=N(5, 3), h_0=N(5, 4)))
    c("rnn_cell_relu_no_bias", L("RNNCell", 3, 4, bias=False, nonlinearity="relu"), dict(input=N(5, 3), h_0=N(5, 4)))
    c("lstm_cell", L("LSTMCell", 3, 4), dict(input=N(5, 3), h_0=N(5, 4), c_0=N(5, 4)))
    c("lstm_cell_no_state", L("LSTMCell", 3, 4, bias=False), dict(input=N(5, 3)))
    c("gru_cell", L("GRUCell", 3, 4), dict(input=N(5, 3), h_0=N(5, 4)))
    c("gru_cell_no_bias", L("GRUCell", 3, 4, bias=False), dict(input=N(5, 3), h_0=N(5, 4)))

    # attention: batch 2, 4 queries, 5 keys, width 6
    on, off = dict(need_weights=True, average_attn_weights=True), dict(need_weights=False)
    qkv = dict(query=N(4, 2, 6), key=N(5, 2, 6), value=N(5, 2, 6))
    c("mha_cross", L("MultiheadAttention", 6, 2), qkv, call=on)
    c("mha_cross_weights_per_head", L("MultiheadAttention", 6, 2), qkv, call=dict(need_weights=True, average_attn_weights=False))
    c("mha_no_weights", L("MultiheadAttention", 6, 3), qkv, call=off)
    c("mha_no_bias", L("MultiheadAttention", 6, 3, bias=False, batch_first=True), dict(query=N(2, 5, 6), key=N(2, 3, 6), value=N(2, 3, 6)), call=on)
    c("mha_key_padding", L("MultiheadAttention", 6, 2, batch_first=True),
      dict(query=N(2, 4, 6), key=N(2, 5, 6), value=N(2, 5, 6), key_padding_mask=tail(3, 5, total=5)), call=on)
    c("mha_attn_mask_bool", L("MultiheadAttention", 6, 2), qkv | dict(attn_mask=lambda: (torch.rand(4, 5) < 0.3) & (torch.arange(5) > 0)), call=on, backward=[0])
    c("mha_attn_mask_float", L("MultiheadAttention", 6, 2), qkv | dict(attn_mask=N(4, 5)), call=on)
    c("mha_attn_mask_per_head", L("MultiheadAttention", 6, 2), qkv | dict(attn_mask=NoGrad(N(4, 4, 5))), call=off)
    c("mha_causal_and_padding", L("MultiheadAttention", 6, 2, batch_first=True),
      dict(query=N(2, 5, 6), key=N(2, 5, 6), value=N(2, 5, 6), key_padding_mask=tail(3, 5, total=5), attn_mask=lambda: torch.ones(5, 5).triu(1).bool()),
      call=off)
    c("mha_kdim_vdim", L("MultiheadAttention", 6, 2, kdim=3, vdim=5, batch_first=True), dict(query=N(2, 4, 6), key=N(2, 5, 3), value=N(2, 5, 5)), call=on)
    c("mha_bias_kv_zero_attn", L("MultiheadAttention", 6, 2, add_bias_kv=True, add_zero_attn=True), qkv, call=on)
    enc = lambda **k: L("TransformerEncoderLayer", **(dict(d_model=6, nhead=2, dim_feedforward=7, dropout=0.0, activation="relu", batch_first=True) | k))
    dec = lambda **k: L("TransformerDecoderLayer", **(dict(d_model=6, nhead=2, dim_feedforward=7, dropout=0.0, activation="relu", batch_first=True) | k))
    for tag, kw in ("post_relu", dict(norm_first=False, activation="relu")), ("pre_gelu", dict(norm_first=True, activation="gelu")):
        c(f"transformer_encoder_layer_{tag}", enc(**kw), dict(src=N(2, 5, 6)))
        c(f"transformer_decoder_layer_{tag}", dec(**kw), dict(tgt=N(2, 4, 6), memory=N(2, 5, 6), tgt_mask=NoGrad(causal(4))))
    c("transformer_encoder_layer_masks", enc(norm_first=True, batch_first=False, bias=False),
      dict(src=N(5, 2, 6), src_mask=lambda: torch.ones(5, 5).triu(1).bool(), src_key_padding_mask=tail(3, 5, total=5)))
    c("transformer_decoder_layer_masks", dec(), dict(tgt=N(2, 4, 6), memory=N(2, 5, 6), tgt_mask=lambda: torch.ones(4, 4).triu(1).bool(),
      tgt_key_padding_mask=tail(4, 2, total=4), memory_key_padding_mask=tail(5, 3, total=5)))
    c("transformer_encoder", L("TransformerEncoder", enc(norm_first=True, activation="gelu"), 2, norm=L("LayerNorm", 6), enable_nested_tensor=False),
      dict(src=N(2, 5, 6), src_key_padding_mask=tail(3, 5, total=5)))
    c("transformer_decoder", L("TransformerDecoder", dec(), 2, norm=L("LayerNorm", 6)), dict(tgt=N(2, 4, 6), memory=N(2, 5, 6), tgt_mask=NoGrad(causal(4))))
    c("transformer", L("Transformer", d_model=6, nhead=2, num_encoder_layers=2, num_decoder_layers=1, dim_feedforward=7, dropout=0.0, activation="gelu", batch_first=True),
      dict(src=N(2, 5, 6), tgt=N(2, 4, 6), tgt_mask=NoGrad(causal(4))))

    # pooling
    for d, s in (1, (2, 3, 11)), (2, (1, 3, 7, 8)), (3, (1, 2, 4, 5, 3)):
        c(f"max_pool{d}d", L(f"MaxPool{d}d", 2), N(*s))
        c(f"max_pool{d}d_overlap", L(f"MaxPool{d}d", 3, stride=2, padding=1), N(*s))
        c(f"max_pool{d}d_ceil", L(f"MaxPool{d}d", 3, stride=2, ceil_mode=True), N(*s))
        c(f"max_pool{d}d_dilation", L(f"MaxPool{d}d", 2, stride=1, dilation=2, padding=1), N(*s))
        c(f"avg_pool{d}d", L(f"AvgPool{d}d", 2), N(*s))
        c(f"avg_pool{d}d_pad", L(f"AvgPool{d}d", 3, stride=2, padding=1), N(*s))
        c(f"avg_pool{d}d_ceil", L(f"AvgPool{d}d", 3, stride=2, padding=1, ceil_mode=True), N(*s))
        c(f"avg_pool{d}d_exclude_pad_ceil", L(f"AvgPool{d}d", 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), N(*s))
        out = [4, (3, 5), (2, 4, 3)][d - 1]
        c(f"adaptive_avg_pool{d}d", L(f"AdaptiveAvgPool{d}d", out), N(*s))
        c(f"adaptive_max_pool{d}d", L(f"AdaptiveMaxPool{d}d", out, return_indices=True), N(*s))
        c(f"adaptive_avg_pool{d}d_one", L(f"AdaptiveAvgPool{d}d", 1), N(*s))
        c(f"lp_pool{d}d", L(f"LPPool{d}d", 2, 2), N(*s))
    c("max_pool2d_rect_indices", L("MaxPool2d", (2, 3), stride=(3, 2), padding=(1, 0), return_indices=True), N(2, 3, 7, 8))
    c("max_pool2d_ceil_pad", L("MaxPool2d", 3, stride=3, padding=1, ceil_mode=True), N(1, 2, 6, 9))
    c("max_pool2d_ties", L("MaxPool2d", 3, stride=1), lambda: torch.randint(0, 3, (1, 2, 5, 5)).float())
    c("max_pool2d_unbatched", L("MaxPool2d", 2), N(3, 5, 4))
    c("avg_pool2d_divisor", L("AvgPool2d", (2, 3), divisor_override=5), N(2, 3, 5, 7))
    c("avg_pool3d_divisor", L("AvgPool3d", 2, divisor_override=3), N(1, 2, 4, 5, 4))
    c("adaptive_avg_pool2d_keep_axis", L("AdaptiveAvgPool2d", (None, 2)), N(2, 3, 5, 7))
    c("adaptive_avg_pool2d_enlarge", L("AdaptiveAvgPool2d", (7, 4)), N(1, 2, 3, 5))
    c("lp_pool1d_norm3_ceil", L("LPPool1d", 3, 3, stride=2, ceil_mode=True), U(2, 3, 10, lo=0.1, hi=2.0))
    c("lp_pool2d_stride", L("LPPool2d", 2, (3, 2), stride=(1, 2)), N(1, 2, 5, 6))

    # resampling and rearranging
    for mode, s, size in ("linear", (2, 3, 5), (8,)), ("bilinear", (2, 2, 4, 5), (7, 3)), ("bicubic", (1, 2, 4, 5), (7, 9)), ("trilinear", (1, 2, 3, 2, 4), (4, 5, 3)):
        for align in False, True:
            tag = f"upsample_{mode}{'_aligned' if align else ''}"
            c(tag, L("Upsample", size=size, mode=mode, align_corners=align), N(*s))
            c(f"{tag}_scale", L("Upsample", scale_factor=2.0, mode=mode, align_corners=align), N(*s))
    c("upsample_nearest1d", L("Upsample", size=(8,)), N(2, 3, 5))
    c("upsample_nearest2d", L("Upsample", scale_factor=2.0), N(2, 2, 3, 5))
    c("upsample_nearest2d_odd", L("Upsample", size=(7, 3)), N(2, 2, 4, 5))
    c("upsample_nearest2d_fraction", L("Upsample", scale_factor=(1.7, 0.6)), N(2, 2, 4, 5))
    c("upsample_nearest3d", L("Upsample", size=(4, 3, 5)), N(1, 2, 3, 2, 4))
    c("upsample_bilinear_fraction", L("Upsample", scale_factor=(1.7, 2.3), mode="bilinear", align_corners=False), N(1, 2, 4, 5))
    c("upsample_bilinear_recompute", L("Upsample", scale_factor=(1.7, 2.3), mode="bilinear", align_corners=False, recompute_scale_factor=True), N(1, 2, 4, 5))
    c("pixel_shuffle", L("PixelShuffle", 3), N(2, 18, 2, 3))
    c("pixel_unshuffle", L("PixelUnshuffle", 2), N(2, 3, 4, 6))
    c("channel_shuffle", L("ChannelShuffle", 3), N(2, 6, 2, 3))
    c("unfold", L("Unfold", (2, 3)), N(2, 3, 4, 5))
    c("unfold_all", L("Unfold", (3, 2), dilation=(1, 2), padding=(2, 1), stride=(2, 1)), N(2, 2, 5, 4))
    c("fold", L("Fold", (4, 5), (2, 3)), N(2, 12, 9))
    c("fold_all", L("Fold", (5, 4), (3, 2), dilation=(1, 2), padding=(2, 1), stride=(2, 1)), N(2, 12, 16))
    for d, s, pad in (1, (2, 3, 5), (1, 3)), (2, (2, 2, 4, 5), (1, 2, 3, 0)), (3, (1, 2, 3, 3, 4), (1, 0, 2, 1, 0, 1)):
        c(f"zero_pad{d}d", L(f"ZeroPad{d}d", pad), N(*s))
        c(f"constant_pad{d}d", L(f"ConstantPad{d}d", pad, -1.5), N(*s))
        c(f"reflection_pad{d}d", L(f"ReflectionPad{d}d", pad), N(*s))
        c(f"replication_pad{d}d", L(f"ReplicationPad{d}d", pad), N(*s))
        c(f"circular_pad{d}d", L(f"CircularPad{d}d", pad), N(*s))
    c("zero_pad2d_crop", L("ZeroPad2d", (-1, 2, 1, -2)), N(2, 2, 4, 5))

    # activations: 21 random values, then the kinks and the far ends
    corners = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, 20.0, -20.0, 100.0, -100.0, 1e-4]
    A = lambda: torch.cat([2 * torch.randn(21), torch.tensor(corners)]).view(5, 7)
    for key, layer in {
        "sigmoid": L("Sigmoid"), "tanh": L("Tanh"), "relu": L("ReLU"), "relu6": L("ReLU6"),
        "leaky_relu": L("LeakyReLU"), "leaky_relu_slope": L("LeakyReLU", 0.3), "rrelu_eval": L("RReLU", 0.1, 0.4),
        "prelu": L("PReLU"), "prelu_per_channel": L("PReLU", 7), "elu": L("ELU"), "elu_alpha": L("ELU", 0.7),
        "celu": L("CELU"), "celu_alpha": L("CELU", 0.7), "selu": L("SELU"), "gelu": L("GELU"), "gelu_tanh": L("GELU", approximate="tanh"),
        "silu": L("SiLU"), "mish": L("Mish"), "softplus": L("Softplus"), "softplus_beta_threshold": L("Softplus", 2.0, 5.0),
        "softsign": L("Softsign"), "softshrink": L("Softshrink"), "softshrink_lambda": L("Softshrink", 1.0), "hardshrink": L("Hardshrink"),
        "hardshrink_lambda": L("Hardshrink", 1.0), "hardtanh": L("Hardtanh"), "hardtanh_bounds": L("Hardtanh", -0.5, 3.0),
        "hardsigmoid": L("Hardsigmoid"), "hardswish": L("Hardswish"), "log_sigmoid": L("LogSigmoid"), "tanhshrink": L("Tanhshrink"),
        "threshold": L("Threshold", 0.5, -7.0), "softmax": L("Softmax", 1), "softmax_dim0": L("Softmax", 0), "log_softmax": L("LogSoftmax", 1),
        "log_softmax_dim0": L("LogSoftmax", 0), "softmin": L("Softmin", -1),
    }.items():
        c(key, layer, A, train=key != "rrelu_eval")
    c("prelu_per_channel_4d", L("PReLU", 3), N(2, 3, 2, 3))
    c("glu", L("GLU"), N(3, 6))
    c("glu_dim0", L("GLU", 0), N(4, 3))
    c("softmax2d", L("Softmax2d"), N(2, 3, 2, 3))
    c("softmax_middle", L("Softmax", 1), N(2, 5, 3))
    c("log_softmax_middle", L("LogSoftmax", 1), N(2, 5, 3))
    return rows


def make_layers(store):
    for case, layer, inputs, opt in layer_cases():
        try: run_layer(store, case, layer, inputs, **opt)
        except Exception as e: raise RuntimeError(f"layers/{case}") from e


# ---------------------------------------------------------------- B: losses

def loss_cases():
    """(case, loss, arguments, inputs by name, options); an argument that is a maker becomes a tensor `arg.<name>`."""
    rows = []
    def c(case, loss, args, backward=None, pre=None, **inputs): rows.append((case, loss, args, inputs, backward, pre))
    every = "none", "mean", "sum"
    x, y = N(4, 5), NoGrad(N(4, 5))
    prob, prob_t = U(4, 5, lo=0.02, hi=0.98), NoGrad(U(4, 5))
    for r in every:
        R = dict(reduction=r)
        c(f"mse_{r}", "MSELoss", R, input=x, target=N(4, 5))
        c(f"l1_{r}", "L1Loss", R, input=x, target=N(4, 5))
        c(f"smooth_l1_{r}", "SmoothL1Loss", R | dict(beta=0.6), input=x, target=N(4, 5))
        c(f"huber_{r}", "HuberLoss", R | dict(delta=0.6), input=x, target=N(4, 5))
        c(f"bce_{r}", "BCELoss", R, input=prob, target=prob_t)
        c(f"bce_logits_{r}", "BCEWithLogitsLoss", R, input=x, target=prob_t)
        c(f"cross_entropy_{r}", "CrossEntropyLoss", R, input=N(6, 5), target=I(5, 6))
        c(f"cross_entropy_weight_ignore_{r}", "CrossEntropyLoss", R | dict(weight=U(5, lo=0.2, hi=2.0), ignore_index=2),
          input=N(7, 5), target=T([0, 2, 4, 1, 3, 2, 0]))
        c(f"cross_entropy_smoothing_weight_{r}", "CrossEntropyLoss", R | dict(weight=U(5, lo=0.2, hi=2.0), label_smoothing=0.15, ignore_index=-100),
          input=N(6, 5), target=T([0, -100, 4, 1, 3, 2]))
        c(f"cross_entropy_soft_{r}", "CrossEntropyLoss", R, input=N(4, 5), target=soft(4, 5))
        c(f"cross_entropy_soft_weight_smoothing_{r}", "CrossEntropyLoss", R | dict(weight=U(5, lo=0.2, hi=2.0), label_smoothing=0.1),
          input=N(4, 5), target=NoGrad(soft(4, 5)))
        c(f"cross_entropy_2d_{r}", "CrossEntropyLoss", R | dict(weight=U(3, lo=0.2, hi=2.0), label_smoothing=0.1, ignore_index=1),
          input=N(2, 3, 4, 5), target=I(3, 2, 4, 5))
        c(f"nll_{r}", "NLLLoss", R | dict(weight=U(5, lo=0.2, hi=2.0), ignore_index=1), input=N(6, 5), target=T([0, 1, 4, 1, 3, 2]))
        c(f"kl_div_{r}", "KLDivLoss", R, input=N(4, 5), target=soft(4, 5))
        c(f"kl_div_log_target_{r}", "KLDivLoss", R | dict(log_target=True), input=N(4, 5), target=N(4, 5))
        c(f"hinge_embedding_{r}", "HingeEmbeddingLoss", R | dict(margin=0.8), input=x, target=NoGrad(sign(4, 5)))
        c(f"soft_margin_{r}", "SoftMarginLoss", R, input=x, target=NoGrad(sign(4, 5)))
        c(f"multi_margin_{r}", "MultiMarginLoss", R, input=N(6, 5), target=I(5, 6))
        c(f"multi_label_margin_{r}", "MultiLabelMarginLoss", R, input=N(3, 4), target=T([[3, 0, -1, 1], [2, -1, 0, 1], [0, 1, 2, 3]]))
        c(f"multi_label_soft_margin_{r}", "MultiLabelSoftMarginLoss", R | dict(weight=U(5, lo=0.2, hi=2.0)), input=x, target=NoGrad(lambda: (torch.rand(4, 5) < 0.5).float()))
        c(f"margin_ranking_{r}", "MarginRankingLoss", R | dict(margin=0.3), input1=N(7), input2=N(7), target=NoGrad(sign(7)))
        c(f"cosine_embedding_{r}", "CosineEmbeddingLoss", R | dict(margin=-0.2), input1=N(5, 3), input2=N(5, 3), target=NoGrad(T([1, -1, -1, 1, -1], dtype=torch.float32)))
        c(f"triplet_margin_{r}", "TripletMarginLoss", R, anchor=N(6, 3), positive=N(6, 3), negative=N(6, 3))
        c(f"gaussian_nll_{r}", "GaussianNLLLoss", R, input=x, target=N(4, 5), var=U(4, 5, lo=0.2, hi=2.0))
        c(f"poisson_nll_{r}", "PoissonNLLLoss", R, input=x, target=NoGrad(lambda: torch.randint(0, 6, (4, 5)).float()))
        c(f"ctc_{r}", "CTCLoss", R, pre="log_softmax", log_probs=N(9, 3, 5), targets=I(5, 3, 4, low=1), input_lengths=T([9, 6, 7]), target_lengths=T([4, 2, 3]))
    c("kl_div_batchmean", "KLDivLoss", dict(reduction="batchmean"), input=N(4, 5), target=soft(4, 5))
    c("kl_div_log_target_batchmean", "KLDivLoss", dict(reduction="batchmean", log_target=True), input=N(4, 5), target=N(4, 5))
    c("kl_div_zero_target", "KLDivLoss", dict(reduction="sum"), input=N(2, 3), target=NoGrad(T([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])))
    c("smooth_l1_beta_zero", "SmoothL1Loss", dict(beta=0.0), input=x, target=y)
    c("bce_weight", "BCELoss", dict(weight=U(5)), input=prob, target=prob_t)
    c("bce_saturated", "BCELoss", dict(reduction="none"), input=T([0.0, 1.0, 0.0, 1.0, 1e-30, 0.5]), target=NoGrad(T([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])))
    c("bce_logits_weight_pos_weight", "BCEWithLogitsLoss", dict(weight=U(4, 1), pos_weight=U(5, lo=0.3, hi=3.0)), input=x, target=prob_t)
    c("bce_logits_far", "BCEWithLogitsLoss", dict(reduction="none"), input=T([100.0, -100.0, 100.0, -100.0, 0.0]), target=NoGrad(T([0.0, 0.0, 1.0, 1.0, 0.5])))
    c("cross_entropy_soft_2d", "CrossEntropyLoss", {}, input=N(2, 3, 5), target=soft(2, 3, 5, dim=1))
    c("cross_entropy_one_sample", "CrossEntropyLoss", {}, input=N(5), target=T(3))
    c("cross_entropy_far", "CrossEntropyLoss", dict(reduction="none"), input=T([[300.0, -300.0, 0.0], [-90.0, 90.0, 89.0]]), target=T([1, 1]))
    c("nll_2d", "NLLLoss", dict(weight=U(3, lo=0.2, hi=2.0)), input=N(2, 3, 4, 2), target=I(3, 2, 4, 2))
    c("multi_margin_p2_weight", "MultiMarginLoss", dict(p=2, margin=0.7, weight=U(5, lo=0.2, hi=2.0)), input=N(6, 5), target=I(5, 6))
    c("triplet_margin_swap", "TripletMarginLoss", dict(margin=0.7, swap=True), anchor=N(6, 3), positive=N(6, 3), negative=N(6, 3))
    c("triplet_margin_p1", "TripletMarginLoss", dict(p=1.0, reduction="none"), anchor=N(6, 3), positive=N(6, 3), negative=N(6, 3))
    c("triplet_margin_p3_swap", "TripletMarginLoss", dict(p=3.0, swap=True, reduction="sum"), anchor=N(6, 3), positive=N(6, 3), negative=N(6, 3))
    c("gaussian_nll_full", "GaussianNLLLoss", dict(full=True, eps=0.5), input=x, target=N(4, 5), var=U(4, 5, lo=0.2, hi=2.0))
    c("gaussian_nll_shared_var", "GaussianNLLLoss", {}, input=x, target=y, var=U(4, 1, lo=0.2, hi=2.0))
    c("poisson_nll_rate_full", "PoissonNLLLoss", dict(log_input=False, full=True), input=U(4, 5, lo=0.3, hi=4.0), target=NoGrad(lambda: torch.randint(0, 6, (4, 5)).float()))
    ctc = dict(pre="log_softmax", log_probs=N(7, 3, 4))
    c("ctc_blank_last", "CTCLoss", dict(blank=3), **ctc, targets=I(3, 3, 3), input_lengths=T([7, 7, 5]), target_lengths=T([3, 1, 2]))
    c("ctc_repeats", "CTCLoss", dict(reduction="sum"), **ctc, targets=T([[1, 1, 1], [2, 2, 3], [3, 1, 3]]), input_lengths=T([7, 5, 6]), target_lengths=T([3, 3, 3]))
    c("ctc_concatenated", "CTCLoss", dict(reduction="none"), **ctc, targets=T([1, 2, 3, 1, 2, 2]), input_lengths=T([7, 4, 6]), target_lengths=T([3, 0, 3]))
    short = ctc | dict(targets=T([[1, 1, 1], [2, 3, 1], [3, 1, 3]]), input_lengths=T([4, 2, 7]), target_lengths=T([3, 3, 3]))
    c("ctc_infeasible", "CTCLoss", dict(reduction="none"), **short, backward=[])
    c("ctc_infeasible_zero_none", "CTCLoss", dict(reduction="none", zero_infinity=True), **short)
    c("ctc_infeasible_zero_mean", "CTCLoss", dict(zero_infinity=True), **short)
    return rows


def make_losses(store):
    for case, name, args, inputs, backward, pre in loss_cases():
        seed("losses", case)
        cls = getattr(nn, name)
        extra = {k: v() for k, v in args.items() if callable(v)}
        config = inspect.signature(cls).bind(**args)
        config.apply_defaults()
        shown = {k: f"arg.{k}" if k in extra else plain(v) for k, v in config.arguments.items() if k not in ("size_average", "reduce")}
        names = list(inputs)
        xs = [(m.make if isinstance(m, NoGrad) else m)() for m in inputs.values()]
        wants = [x.dtype.is_floating_point and not isinstance(m, NoGrad) for m, x in zip(inputs.values(), xs)]
        def caller(cast):
            loss = cls(**(args | {k: cast(v) for k, v in extra.items()}))
            return lambda *x: loss(*((x[0].log_softmax(-1), *x[1:]) if pre else x))
        t, noise = measure(caller(lambda v: v), caller(wide), xs, wants, backward=backward)
        t |= {f"arg.{k}": v for k, v in extra.items()}
        meta = {"loss": name, "config": shown, "inputs": names, "outputs": ["loss"], "noise": noise}
        if pre: meta["applied_to"] = "log_softmax(input.0, dim=-1)"
        store.save("losses", case, t, meta, finite="infeasible" not in case)


# ---------------------------------------------------------------- C: functional

class own:
    """Calls that need a little around PyTorch's function so that all are op(**inputs, **args)."""
    def einsum(equation, **x): return torch.einsum(equation, *x.values())
    def cat(dim, **x): return torch.cat(list(x.values()), dim)
    def stack(dim, **x): return torch.stack(list(x.values()), dim)
    def clip_grad_norm(max_norm, norm_type, **g): return own._clip(g, lambda p: [nn.utils.clip_grad_norm_(p, max_norm, float(norm_type))])
    def clip_grad_value(clip_value, **g): return own._clip(g, lambda p: [nn.utils.clip_grad_value_(p, clip_value)])
    def stft(**a): return torch.stft(**a, return_complex=True)
    def getitem_mask(input, mask): return input[mask]
    def getitem_index(input, i, j): return input[i, :, j]
    def index_put(input, index, source, accumulate): return input.index_put((index,), source, accumulate)

    def _clip(g, do):
        ps = [nn.Parameter(torch.zeros_like(v)) for v in g.values()]
        for p, v in zip(ps, g.values()): p.grad = v.clone()
        total = do(ps)
        return (*total, *(p.grad for p in ps))


def functional_cases():
    """(case, op, arguments, inputs by name, which outputs get a cotangent)"""
    rows = []
    def c(case, op, args, backward=None, **inputs): rows.append((case, op, args, inputs, backward))
    nan, inf = math.nan, math.inf

    # attention: batch 2, 3 heads, 4 queries, 5 keys, widths 3 and 2
    qkv = dict(query=N(2, 3, 4, 3), key=N(2, 3, 5, 3), value=N(2, 3, 5, 2))
    sdpa = "F.scaled_dot_product_attention"
    c("sdpa", sdpa, {}, **qkv)
    c("sdpa_bool_mask", sdpa, {}, **qkv, attn_mask=lambda: (torch.rand(2, 1, 4, 5) < 0.6) | (torch.arange(5) == 2))
    c("sdpa_bool_mask_row_all_false", sdpa, {}, **qkv, attn_mask=lambda: (torch.rand(4, 5) < 0.6) & (torch.arange(4) != 2)[:, None])
    c("sdpa_float_mask", sdpa, {}, **qkv, attn_mask=N(3, 4, 5))
    c("sdpa_float_mask_inf", sdpa, {}, **qkv, attn_mask=NoGrad(lambda: torch.full((4, 5), -inf).triu(2)))
    c("sdpa_causal", sdpa, dict(is_causal=True), query=N(2, 2, 6, 3), key=N(2, 2, 6, 3), value=N(2, 2, 6, 3))
    c("sdpa_causal_rect", sdpa, dict(is_causal=True), **qkv)
    c("sdpa_scale", sdpa, dict(scale=0.3), **qkv)
    c("sdpa_grouped_queries", sdpa, dict(enable_gqa=True), query=N(1, 4, 3, 3), key=N(1, 2, 5, 3), value=N(1, 2, 5, 3))

    # sampling and resizing
    for mode in "bilinear", "nearest", "bicubic":
        for pad in "zeros", "border", "reflection":
            for align in False, True:
                c(f"grid_sample_{mode}_{pad}{'_aligned' if align else ''}", "F.grid_sample", dict(mode=mode, padding_mode=pad, align_corners=align),
                  input=N(2, 2, 4, 5), grid=U(2, 3, 3, 2, lo=-1.6, hi=1.6))
    c("grid_sample_3d", "F.grid_sample", dict(mode="bilinear", padding_mode="zeros", align_corners=False), input=N(1, 2, 3, 2, 4), grid=U(1, 2, 3, 2, 3, lo=-1.3, hi=1.3))
    for align in False, True:
        c(f"affine_grid{'_aligned' if align else ''}", "F.affine_grid", dict(size=[2, 3, 4, 5], align_corners=align), theta=N(2, 2, 3))
    ip = "F.interpolate"
    c("interpolate_nearest_exact", ip, dict(size=[7, 3], mode="nearest-exact"), input=N(2, 2, 4, 5))
    c("interpolate_nearest_exact_scale", ip, dict(scale_factor=[1.7, 0.6], mode="nearest-exact"), input=N(1, 2, 4, 5))
    c("interpolate_area", ip, dict(size=[3, 4], mode="area"), input=N(2, 2, 7, 5))
    c("interpolate_area_1d", ip, dict(size=4, mode="area"), input=N(2, 2, 7))
    c("interpolate_bilinear_down", ip, dict(size=[3, 4], mode="bilinear", align_corners=False), input=N(1, 2, 8, 7))
    c("interpolate_bilinear_antialias", ip, dict(size=[3, 4], mode="bilinear", align_corners=False, antialias=True), input=N(1, 2, 8, 7))
    c("interpolate_bicubic_down", ip, dict(size=[3, 4], mode="bicubic", align_corners=False), input=N(1, 2, 8, 7))
    c("interpolate_bicubic_antialias", ip, dict(size=[3, 4], mode="bicubic", align_corners=False, antialias=True), input=N(1, 2, 8, 7))
    c("interpolate_linear_scale", ip, dict(scale_factor=0.7, mode="linear", align_corners=False), input=N(2, 2, 8))
    c("interpolate_to_one_aligned", ip, dict(size=[1, 1], mode="bilinear", align_corners=True), input=N(1, 2, 3, 4))

    # products
    for case, eq, *shapes in [
        ("matmul", "ij,jk->ik", (3, 5), (5, 4)), ("batch", "bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("implicit", "ij,jk", (3, 4), (4, 2)),
        ("outer", "i,j->ij", (3,), (4,)), ("trace", "ii", (4, 4)), ("diagonal", "bii->bi", (2, 3, 3)), ("transpose", "abc->cab", (2, 3, 4)),
        ("sum_all", "ijk->", (2, 3, 4)), ("sum_axis", "ijk->ik", (2, 3, 4)), ("heads", "bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
        ("ellipsis", "...ij,...jk->...ik", (2, 3, 2, 4), (3, 4, 5)), ("three", "ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
        ("bilinear", "bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)), ("hadamard", "ij,ij->ij", (3, 4), (3, 4)), ("lonely_axis", "ij,kj->i", (3, 4), (2, 4)),
        ("repeated", "iij,jk->ik", (3, 3, 2), (2, 4)), ("broadcast_one", "bij,bjk->bik", (1, 3, 4), (2, 4, 5)),
    ]:
        c(f"einsum_{case}", "own.einsum", dict(equation=eq), **{f"operand{i}": N(*s) for i, s in enumerate(shapes)})
    for case, a, b in ("vector_vector", (5,), (5,)), ("vector_matrix", (5,), (5, 3)), ("matrix_vector", (2, 4, 5), (5,)), ("broadcast", (2, 1, 3, 4), (5, 4, 2)), ("larger", (9, 17), (17, 11)):
        c(f"matmul_{case}", "torch.matmul", {}, input=N(*a), other=N(*b))

    # Fourier
    for norm in "backward", "ortho", "forward":
        c(f"fft_{norm}", "torch.fft.fft", dict(norm=norm), input=Cx(N(2, 7, 2)))
        c(f"irfft_{norm}", "torch.fft.irfft", dict(norm=norm, n=9), input=Cx(N(2, 5, 2)))
    c("fft_dim_n_pad", "torch.fft.fft", dict(n=10, dim=0), input=Cx(N(7, 3, 2)))
    c("fft_n_cut", "torch.fft.fft", dict(n=5), input=Cx(N(2, 8, 2)))
    c("fft_prime", "torch.fft.fft", {}, input=Cx(N(1, 31, 2)))
    c("fft_power_of_two", "torch.fft.fft", {}, input=Cx(N(1, 32, 2)))
    c("ifft", "torch.fft.ifft", {}, input=Cx(N(2, 6, 2)))
    c("rfft", "torch.fft.rfft", {}, input=N(2, 9))
    c("rfft_even_ortho", "torch.fft.rfft", dict(norm="ortho", dim=0), input=N(8, 3))
    c("irfft_even", "torch.fft.irfft", {}, input=Cx(N(2, 5, 2)))
    c("fftn", "torch.fft.fftn", {}, input=Cx(N(3, 4, 5, 2)))
    c("fft2", "torch.fft.fft2", dict(s=[5, 3]), input=Cx(N(2, 4, 4, 2)))
    c("ifftn", "torch.fft.ifftn", dict(dim=[0, 2], norm="ortho"), input=Cx(N(3, 2, 5, 2)))
    c("rfftn", "torch.fft.rfftn", {}, input=N(3, 4, 5))
    c("irfftn", "torch.fft.irfftn", dict(s=[3, 5]), input=Cx(N(2, 3, 3, 2)))
    c("hfft", "torch.fft.hfft", dict(n=8), input=Cx(N(2, 5, 2)))
    base = dict(n_fft=8, hop_length=3, center=True, pad_mode="reflect", normalized=False, onesided=True)
    hann = NoGrad(lambda: torch.hann_window(8))
    for case, kw, win in ("center", {}, hann), ("no_center", dict(center=False), hann), ("two_sided", dict(onesided=False), hann), ("normalized", dict(normalized=True), hann), \
            ("constant_pad", dict(pad_mode="constant"), hann), ("short_window", dict(win_length=5), NoGrad(lambda: torch.hann_window(5))), ("odd", dict(n_fft=7, hop_length=2), NoGrad(lambda: torch.hann_window(7))):
        c(f"stft_{case}", "own.stft", base | kw, input=N(2, 23), window=win)
    c("stft_no_window", "own.stft", base, input=N(19))
    ib = dict(n_fft=8, hop_length=2, center=True, normalized=False, onesided=True)
    for case, kw, bins in ("center", {}, 5), ("length", dict(length=17), 5), ("normalized", dict(normalized=True), 5), ("two_sided", dict(onesided=False), 8), ("short_window", dict(win_length=6), 5):
        c(f"istft_{case}", "torch.istft", ib | kw, input=Cx(N(2, bins, 9, 2)), window=NoGrad(lambda k=kw: torch.hamming_window(k.get("win_length", 8))))

    # scans and reductions
    c("cumprod", "torch.cumprod", dict(dim=1), input=N(3, 5))
    c("cumprod_zeros", "torch.cumprod", dict(dim=0), input=T([[2.0, 0.0], [0.0, -1.5], [3.0, 0.5], [0.0, 2.0]]))
    c("prod_zeros", "torch.prod", dict(dim=1), input=T([[2.0, 0.0, 3.0], [0.0, 1.5, 0.0], [1.0, 2.0, -3.0]]))
    c("cumsum", "torch.cumsum", dict(dim=0), input=N(5, 3))
    c("cummax", "torch.cummax", dict(dim=1), input=N(3, 7))
    c("logcumsumexp", "torch.logcumsumexp", dict(dim=1), input=N(3, 7))
    c("logsumexp", "torch.logsumexp", dict(dim=[0, 2]), input=N(3, 4, 5))
    c("logsumexp_keepdim", "torch.logsumexp", dict(dim=1, keepdim=True), input=T([[500.0, 499.0, -3.0], [-800.0, -801.0, -799.5]]))
    c("logsumexp_minus_inf", "torch.logsumexp", dict(dim=1), backward=[], input=T([[-inf, -inf], [-inf, 1.0], [inf, 0.0]]))
    for p in (0.5, 1, 2, 3, inf, -inf, 0):
        c(f"vector_norm_{plain(float(p))}".replace(".", "_").replace("-", "minus_"), "torch.linalg.vector_norm", dict(ord=p, dim=1), input=N(3, 5))
    c("norm_two_axes", "torch.linalg.vector_norm", dict(ord=2, dim=[0, 2], keepdim=True), input=N(3, 4, 2))
    c("norm_of_zero", "torch.linalg.vector_norm", dict(ord=2, dim=1), input=T([[0.0, 0.0], [3.0, 4.0]]))
    c("normalize", "F.normalize", dict(p=2.0, dim=1), input=N(3, 5))
    for corr in 0, 1:
        c(f"var_correction{corr}", "torch.var", dict(dim=[0, 2], correction=corr), input=N(3, 4, 5))
    c("std", "torch.std", dict(dim=1, correction=1, keepdim=True), input=N(3, 5))
    c("max_dim_ties", "torch.max", dict(dim=1), input=T([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))
    c("amax_ties", "torch.amax", dict(dim=1), input=T([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))
    c("maximum_ties", "torch.maximum", {}, input=T([1.0, 2.0, -3.0, 0.0]), other=T([1.0, -2.0, 4.0, 0.0]))
    c("maximum_nan", "torch.maximum", {}, backward=[], input=T([1.0, nan, 3.0]), other=T([nan, 2.0, 1.0]))
    c("clamp_edges", "torch.clamp", dict(min=-1.0, max=2.0), input=T([-1.0, 2.0, -1.5, 0.3, 7.0]))
    c("max_nan", "torch.max", dict(dim=1), backward=[], input=T([[1.0, nan, 3.0], [2.0, 0.0, -1.0]]))
    c("median", "torch.median", dict(dim=1), input=N(3, 6))
    c("quantile", "torch.quantile", dict(q=0.37, dim=1), input=N(3, 7))
    c("softmax_masked_row", "torch.softmax", dict(dim=1), backward=[], input=T([[0.0, -inf, 1.0], [-inf, -inf, -inf]]))

    # order
    nans = lambda: torch.tensor([[0.5, nan, -1.0, 2.0, -3.5], [1.5, -0.5, 0.25, nan, 9.0]])
    for down in False, True:
        tag = "_descending" if down else ""
        c(f"sort{tag}", "torch.sort", dict(dim=1, descending=down, stable=True), input=N(3, 7))
        c(f"sort_stable_ties{tag}", "torch.sort", dict(dim=0, descending=down, stable=True), input=lambda: torch.randint(0, 3, (6, 2)).float())
        c(f"sort_nan{tag}", "torch.sort", dict(dim=1, descending=down, stable=True), input=nans)
    for big in True, False:
        c(f"topk_{'largest' if big else 'smallest'}", "torch.topk", dict(k=3, dim=1, largest=big, sorted=True), input=N(3, 7))
        c(f"topk_nan_{'largest' if big else 'smallest'}", "torch.topk", dict(k=3, dim=1, largest=big, sorted=True), input=nans)
    c("kthvalue", "torch.kthvalue", dict(k=3, dim=1), input=N(3, 7))
    c("argsort", "torch.argsort", dict(dim=0, stable=True), input=N(5, 3))
    c("unique", "torch.unique", dict(sorted=True, return_inverse=True, return_counts=True), input=I(6, 3, 5, low=-2))
    c("unique_float", "torch.unique", dict(sorted=True, return_inverse=True, return_counts=True), backward=[], input=lambda: torch.randint(-2, 3, (9,)).float() / 2)
    c("unique_consecutive", "torch.unique_consecutive", dict(return_inverse=True, return_counts=True), input=T([3, 3, 1, 1, 1, 3, 2]))
    c("searchsorted", "torch.searchsorted", dict(right=True), backward=[], sorted_sequence=T([0.0, 1.0, 1.0, 2.5]), input=T([-1.0, 1.0, 2.0, 3.0, 0.0]))
    c("bincount", "torch.bincount", dict(minlength=6), input=T([1, 4, 1, 0, 4, 4]))

    # indexing
    c("one_hot", "F.one_hot", dict(num_classes=5), tensor=I(5, 2, 3))
    c("index_add", "torch.index_add", dict(dim=1, alpha=-0.5), input=N(3, 4), index=T([1, 3, 1]), source=N(3, 3))
    c("index_select", "torch.index_select", dict(dim=1), input=N(3, 4), index=T([2, 0, 2]))
    c("gather", "torch.gather", dict(dim=1), input=N(3, 4), index=I(4, 3, 6))
    c("scatter", "torch.scatter", dict(dim=1), input=N(3, 5), index=T([[0, 2], [4, 1], [3, 0]]), src=N(3, 2))
    c("scatter_add", "torch.scatter_add", dict(dim=0), input=N(3, 4), index=I(3, 5, 4), src=N(5, 4))
    for red in "amax", "amin", "sum", "mean", "prod":
        for own_value in True, False:
            c(f"scatter_reduce_{red}{'' if own_value else '_exclude_self'}", "torch.scatter_reduce", dict(dim=1, reduce=red, include_self=own_value),
              input=N(3, 4), index=I(4, 3, 6), src=N(3, 6))
    c("scatter_reduce_amax_ties", "torch.scatter_reduce", dict(dim=0, reduce="amax", include_self=True), input=T([1.0, 5.0, 0.0]), index=T([0, 0, 1, 1, 2]), src=T([1.0, 1.0, 2.0, 5.0, -1.0]))
    c("masked_fill", "torch.masked_fill", dict(value=-2.5), input=N(3, 4), mask=B(3, 1, p=0.5))
    c("where_broadcast", "torch.where", {}, condition=T([[True], [False], [True]]), input=N(3, 4), other=N(4))
    c("boolean_mask", "own.getitem_mask", {}, input=N(3, 4), mask=B(3, 4, p=0.5))
    c("advanced_index_split", "own.getitem_index", {}, input=N(3, 4, 5), i=T([0, 2, 0]), j=T([4, 1, 4]))
    c("index_put_accumulate", "own.index_put", dict(accumulate=True), input=N(4, 3), index=T([1, 3, 1]), source=N(3, 3))
    c("cat", "own.cat", dict(dim=1), a=N(2, 3), b=N(2, 1), c=N(2, 4))
    c("stack", "own.stack", dict(dim=-1), a=N(2, 3), b=N(2, 3))
    c("roll", "torch.roll", dict(shifts=[2, -1], dims=[0, 1]), input=N(3, 5))
    c("flip", "torch.flip", dict(dims=[0, 2]), input=N(2, 3, 4))
    c("tril", "torch.tril", dict(diagonal=-1), input=N(2, 4, 5))
    c("repeat_interleave", "torch.repeat_interleave", dict(dim=1), input=N(2, 3), repeats=T([2, 0, 3]))
    c("diagonal", "torch.diagonal", dict(offset=1, dim1=0, dim2=2), input=N(3, 2, 4))
    for mode in "reflect", "replicate", "circular", "constant":
        c(f"pad_{mode}", "F.pad", dict(pad=[2, 1, 0, 3], mode=mode), input=N(1, 2, 4, 5))

    # pointwise corners
    c("atan2", "torch.atan2", {}, input=N(3, 4), other=N(3, 4))
    c("pow", "torch.pow", {}, input=U(3, 4, lo=0.2, hi=2.0), exponent=N(3, 4))
    c("pow_integer_exponents", "torch.pow", dict(exponent=3), input=T([-2.0, -0.5, 0.0, 1.5]))
    c("remainder", "torch.remainder", {}, input=N(7), other=NoGrad(T([0.7, -0.7, 0.5, -0.5, 1.0, 2.0, -2.0])))
    c("erf", "torch.erf", {}, input=N(3, 4))
    c("erfinv", "torch.erfinv", {}, input=U(3, 4, lo=-0.95, hi=0.95))
    c("lgamma", "torch.lgamma", {}, input=U(3, 4, lo=0.2, hi=6.0))
    c("digamma", "torch.digamma", {}, input=U(3, 4, lo=0.2, hi=6.0))
    c("log1p_expm1_small", "torch.expm1", {}, input=T([1e-7, -1e-7, 1e-3, 2.0]))
    c("broadcast_mul", "torch.mul", {}, input=N(3, 1, 4), other=N(2, 1))
    c("round_half", "torch.round", {}, backward=[], input=T([0.5, 1.5, 2.5, -0.5, -1.5, 2.4]))

    # convolutions as functions
    c("conv2d_odd", "F.conv2d", dict(stride=[3, 2], padding=[4, 1], dilation=[2, 3], groups=2), input=N(2, 4, 6, 9), weight=N(6, 2, 2, 3), bias=N(6))
    c("conv2d_stride_beyond_kernel", "F.conv2d", dict(stride=4, padding=1), input=N(1, 2, 9, 10), weight=N(3, 2, 2, 1))
    c("conv2d_one_pixel", "F.conv2d", dict(padding=2), input=N(2, 3, 1, 1), weight=N(2, 3, 3, 5))
    c("conv1d_long_kernel", "F.conv1d", dict(stride=3, padding=7), input=N(1, 2, 10), weight=N(2, 2, 13), bias=N(2))
    c("conv_transpose2d_odd", "F.conv_transpose2d", dict(stride=[3, 2], padding=[2, 1], output_padding=[2, 1], dilation=[1, 3], groups=2), input=N(1, 4, 3, 2), weight=N(4, 3, 2, 3), bias=N(6))

    # linear algebra
    c("inv", "torch.linalg.inv", {}, input=lambda: torch.randn(2, 3, 3) + 3 * torch.eye(3))
    c("solve", "torch.linalg.solve", {}, A=lambda: torch.randn(4, 4) + 3 * torch.eye(4), B=N(4, 3))
    c("det", "torch.linalg.det", {}, A=lambda: torch.randn(2, 4, 4) + 2 * torch.eye(4))
    c("slogdet", "torch.linalg.slogdet", {}, backward=[1], A=lambda: torch.randn(4, 4) + 2 * torch.eye(4))
    c("cholesky", "torch.linalg.cholesky", {}, input=spd(4))
    c("cdist", "torch.cdist", dict(p=2.0), x1=N(4, 3), x2=N(5, 3))
    c("cdist_p1", "torch.cdist", dict(p=1.0), x1=N(4, 3), x2=N(5, 3))

    # gradient clipping: output.0 of clip_grad_norm is the total norm, then the clipped gradients
    for p in 2, 1, "inf":
        c(f"clip_grad_norm_{p}", "own.clip_grad_norm", dict(max_norm=1.5, norm_type=p), backward=[], a=N(3, 4), b=N(5))
    c("clip_grad_norm_below", "own.clip_grad_norm", dict(max_norm=50.0, norm_type=2), backward=[], a=N(3, 4), b=N(5))
    c("clip_grad_value", "own.clip_grad_value", dict(clip_value=0.4), backward=[], a=N(3, 4), b=N(5))
    return rows


SPACES = {"F": F, "torch": torch, "own": own}


def resolve(op):
    head, *rest = op.split(".")
    f = SPACES[head]
    for r in rest: f = getattr(f, r) if not (f is own) else own.__dict__[r]
    return f


def make_functional(store):
    for case, op, args, inputs, backward in functional_cases():
        seed("functional", case)
        f, names = resolve(op), list(inputs)
        makers = list(inputs.values())
        xs = [(m.make if isinstance(m, (Cx, NoGrad)) else m)() for m in makers]
        cx = [isinstance(m, Cx) for m in makers]
        wants = [x.dtype.is_floating_point and not isinstance(m, NoGrad) for m, x in zip(makers, xs)]
        def call(*x):
            x = [torch.view_as_complex(v.contiguous()) if z else v for v, z in zip(x, cx)]
            if len(x) == 1: return f(x[0], **args) if not op.startswith("own.") else f(**dict(zip(names, x)), **args)
            return f(**dict(zip(names, x)), **args)
        try:
            t, noise = measure(call, call, xs, wants, backward=backward)
            first = call(*xs)
        except Exception as e: raise RuntimeError(f"functional/{case}") from e
        name = op.removeprefix("own.").removeprefix("torch.").removeprefix("F.")
        meta = {"op": name, "args": {k: plain(v) for k, v in args.items()}, "inputs": names}
        if any(cx): meta["complex_inputs"] = [i for i, z in enumerate(cx) if z]
        outs = first if isinstance(first, (tuple, list)) else [first]
        if any(o is not None and o.is_complex() for o in outs): meta["complex_outputs"] = [i for i, o in enumerate(outs) if o.is_complex()]
        store.save("functional", case, t, meta | {"noise": noise}, finite=not any(w in case for w in ("nan", "inf", "masked")))


# ---------------------------------------------------------------- D: optimisers, schedules, averages

class Lion:
    """Chen et al. 2023, Algorithm 2."""
    defaults = dict(lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0)
    def __init__(self, params, lr, betas, weight_decay): self.m, self.c = [np.zeros_like(p) for p in params], (lr, *betas, weight_decay)

    def step(self, params, grads, t):
        lr, b1, b2, wd = self.c
        for i, (p, g) in enumerate(zip(params, grads)):
            update = np.sign(b1 * self.m[i] + (1 - b1) * g)
            p -= lr * (update + wd * p)
            self.m[i] = b2 * self.m[i] + (1 - b2) * g


class Lamb:
    """You et al. 2019, Algorithm 2, with phi the identity; the trust ratio is 1 where either norm is 0. A layer is one tensor."""
    defaults = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0)
    def __init__(self, params, lr, betas, eps, weight_decay):
        self.m, self.v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
        self.c = lr, *betas, eps, weight_decay

    def step(self, params, grads, t):
        lr, b1, b2, eps, wd = self.c
        for i, (p, g) in enumerate(zip(params, grads)):
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g * g
            r = (self.m[i] / (1 - b1**t)) / (np.sqrt(self.v[i] / (1 - b2**t)) + eps) + wd * p
            pn, rn = np.sqrt((p * p).sum()), np.sqrt((r * r).sum())
            p -= lr * (pn / rn if pn > 0 and rn > 0 else 1.0) * r


class MuonFull:
    """torch.optim.Muon with the Newton-Schulz iteration in the parameter's own precision, not bfloat16."""
    defaults = dict(lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.7750, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None)
    def __init__(self, params, **c): self.b, self.c = [np.zeros_like(p) for p in params], c

    def step(self, params, grads, t):
        c, mu = self.c, self.c["momentum"]
        a, b, d = c["ns_coefficients"]
        for i, (p, g) in enumerate(zip(params, grads)):
            self.b[i] = mu * self.b[i] + (1 - mu) * g
            x = (1 - mu) * g + mu * self.b[i] if c["nesterov"] else self.b[i]
            tall = x.shape[0] > x.shape[1]
            x = x.T if tall else x
            x = x / max(np.sqrt((x * x).sum()), c["eps"])
            for _ in range(c["ns_steps"]):
                gram = x @ x.T
                x = a * x + (b * gram + d * gram @ gram) @ x
            x = x.T if tall else x
            rows, cols = p.shape
            ratio = {None: math.sqrt(max(1, rows / cols)), "original": math.sqrt(max(1, rows / cols)),
                     "match_rms_adamw": 0.2 * math.sqrt(max(rows, cols)), "spectral_unclamped": math.sqrt(rows / cols)}[c["adjust_lr_fn"]]
            p *= 1 - c["lr"] * c["weight_decay"]
            p -= c["lr"] * ratio * x


OWN_OPTIMISERS = {"Lion": Lion, "LAMB": Lamb, "MuonFull": MuonFull}
OPTIMISERS = {   # case: (class, arguments)
    "sgd": ("SGD", dict(lr=0.05)),
    "sgd_momentum": ("SGD", dict(lr=0.03, momentum=0.9)),
    "sgd_dampening": ("SGD", dict(lr=0.05, momentum=0.8, dampening=0.3)),
    "sgd_nesterov": ("SGD", dict(lr=0.03, momentum=0.9, nesterov=True)),
    "sgd_weight_decay": ("SGD", dict(lr=0.05, weight_decay=0.1)),
    "sgd_all": ("SGD", dict(lr=0.03, momentum=0.9, nesterov=True, weight_decay=0.05)),
    "sgd_maximize": ("SGD", dict(lr=0.005, maximize=True)),
    "rmsprop": ("RMSprop", dict(lr=0.01)),
    "rmsprop_centered": ("RMSprop", dict(lr=0.01, alpha=0.9, centered=True)),
    "rmsprop_momentum": ("RMSprop", dict(lr=0.005, momentum=0.7, weight_decay=0.05)),
    "rmsprop_all": ("RMSprop", dict(lr=0.005, alpha=0.95, eps=1e-4, momentum=0.7, centered=True, weight_decay=0.05)),
    "adagrad": ("Adagrad", dict(lr=0.1)),
    "adagrad_all": ("Adagrad", dict(lr=0.1, lr_decay=0.05, weight_decay=0.05, initial_accumulator_value=0.2)),
    "adadelta": ("Adadelta", dict(lr=1.0)),
    "adadelta_all": ("Adadelta", dict(lr=0.7, rho=0.8, eps=1e-4, weight_decay=0.05)),
    "adam": ("Adam", dict(lr=0.02)),
    "adam_amsgrad": ("Adam", dict(lr=0.02, betas=(0.8, 0.95), amsgrad=True)),
    "adam_weight_decay": ("Adam", dict(lr=0.02, eps=1e-4, weight_decay=0.1)),
    "adamw": ("AdamW", dict(lr=0.02)),
    "adamw_amsgrad": ("AdamW", dict(lr=0.02, betas=(0.8, 0.95), weight_decay=0.2, amsgrad=True)),
    "adamax": ("Adamax", dict(lr=0.02)),
    "adamax_weight_decay": ("Adamax", dict(lr=0.02, betas=(0.8, 0.95), weight_decay=0.1)),
    "nadam": ("NAdam", dict(lr=0.02)),
    "nadam_weight_decay": ("NAdam", dict(lr=0.02, weight_decay=0.1, momentum_decay=0.01)),
    "nadam_decoupled": ("NAdam", dict(lr=0.02, weight_decay=0.1, decoupled_weight_decay=True)),
    "radam": ("RAdam", dict(lr=0.02)),
    "radam_weight_decay": ("RAdam", dict(lr=0.02, betas=(0.8, 0.95), weight_decay=0.1)),
    "radam_decoupled": ("RAdam", dict(lr=0.02, weight_decay=0.1, decoupled_weight_decay=True)),
    "rprop": ("Rprop", dict(lr=0.01)),
    "rprop_all": ("Rprop", dict(lr=0.02, etas=(0.4, 1.3), step_sizes=(1e-4, 0.3))),
    "asgd": ("ASGD", dict(lr=0.05, weight_decay=0.05)),
    "adafactor": ("Adafactor", dict(lr=0.02, weight_decay=0.05)),
    "lion": ("Lion", dict(lr=0.01)),
    "lion_weight_decay": ("Lion", dict(lr=0.01, betas=(0.8, 0.95), weight_decay=0.1)),
    "lamb": ("LAMB", dict(lr=0.02)),
    "lamb_weight_decay": ("LAMB", dict(lr=0.02, betas=(0.8, 0.95), weight_decay=0.1)),
    "muon_full": ("MuonFull", dict(lr=0.02)),
    "muon_full_rms": ("MuonFull", dict(lr=0.02, weight_decay=0.0, momentum=0.8, nesterov=False, adjust_lr_fn="match_rms_adamw")),
    "muon_bf16": ("Muon", dict(lr=0.02)),
}
GRADIENT = ("g_i = A_i * p_i + sin(p_i + s_t) elementwise in f32, where s_t is 0.1 * t taken in f64 and rounded to f32, "
            "t = 1 on the first step, and p_i is the parameter before that step")
SCALARS = (bool, int, float, str, type(None), tuple)


def trajectory(name, config, start, A, dtype):
    """The parameters after steps 1, 10 and 100."""
    shift = lambda t: 0.1 * t if dtype == torch.float64 else float(np.float32(0.1 * t))
    seen = {}
    if name in OWN_OPTIMISERS:
        ps, As = [p.to(dtype).numpy().copy() for p in start], [a.to(dtype).numpy() for a in A]
        opt = OWN_OPTIMISERS[name](ps, **config)
        for t in range(1, 101):
            opt.step(ps, [a * p + np.sin(p + p.dtype.type(shift(t))) for p, a in zip(ps, As)], t)
            if t in (1, 10, 100): seen |= {f"after.{t}.param.{i}": torch.from_numpy(p.copy()) for i, p in enumerate(ps)}
        return seen
    ps = [p.to(dtype).clone().requires_grad_() for p in start]
    opt = getattr(torch.optim, name)(ps, **config)
    for t in range(1, 101):
        for p, a in zip(ps, A): p.grad = a.to(dtype) * p.detach() + torch.sin(p.detach() + shift(t))
        opt.step()
        if t in (1, 10, 100): seen |= {f"after.{t}.param.{i}": p.detach().clone() for i, p in enumerate(ps)}
    return seen


def make_optimisers(store):
    for case, (name, args) in OPTIMISERS.items():
        seed("optimisers", case)
        start, A = [torch.randn(4, 3), torch.randn(5)], [0.3 + torch.rand(4, 3), 0.3 + torch.rand(5)]
        if "Muon" in name: start, A = start[:1], A[:1]
        if name in OWN_OPTIMISERS: config = OWN_OPTIMISERS[name].defaults | args
        else:
            bound = inspect.signature(getattr(torch.optim, name)).bind([], **args)
            bound.apply_defaults()
            config = {k: v for k, v in bound.arguments.items() if k not in ("params", "foreach", "capturable", "differentiable", "fused")}
        narrow = trajectory(name, config, start, A, torch.float32)
        exact = trajectory("MuonFull" if name == "Muon" else name, config, start, A, torch.float64)   # torch's Muon rounds to bfloat16 even in f64
        noise = {t: gap((v, exact[k]) for k, v in narrow.items() if k.startswith(f"after.{t}.")) for t in ("1", "10", "100")}
        t = {f"param.{i}": p for i, p in enumerate(start)} | {f"A.{i}": a for i, a in enumerate(A)} | narrow
        source = f"numpy f32: {OWN_OPTIMISERS[name].__doc__}" if name in OWN_OPTIMISERS else f"torch.optim.{name}"
        meta = {"optimiser": name, "config": {k: plain(v) for k, v in config.items()}, "gradient": GRADIENT, "steps": [1, 10, 100], "source": source, "noise": noise}
        store.save("optimisers", case, t, meta)


STEPS = 60
SCHEDULES = {   # case: (class, arguments, base learning rate); a list of (class, arguments) is a SequentialLR, without arguments a Product
    "step": ("StepLR", dict(step_size=7, gamma=0.5), 0.3),
    "multi_step": ("MultiStepLR", dict(milestones=[4, 11, 11, 30], gamma=0.3), 0.3),
    "exponential": ("ExponentialLR", dict(gamma=0.93), 0.3),
    "constant": ("ConstantLR", dict(factor=0.25, total_iters=9), 0.3),
    "cosine": ("CosineAnnealingLR", dict(T_max=40, eta_min=0.01), 0.3),
    "cosine_beyond_period": ("CosineAnnealingLR", dict(T_max=17), 0.3),
    "cosine_restarts": ("CosineAnnealingWarmRestarts", dict(T_0=7, T_mult=2, eta_min=0.02), 0.3),
    "cosine_restarts_even": ("CosineAnnealingWarmRestarts", dict(T_0=9), 0.3),
    "linear_warmup": ("LinearLR", dict(start_factor=0.1, end_factor=1.0, total_iters=13), 0.3),
    "linear_down": ("LinearLR", dict(start_factor=1.0, end_factor=0.05, total_iters=50), 0.3),
    "polynomial": ("PolynomialLR", dict(total_iters=37, power=2.0), 0.3),
    "one_cycle_cos": ("OneCycleLR", dict(max_lr=0.5, total_steps=60), 0.1),
    "one_cycle_linear": ("OneCycleLR", dict(max_lr=0.5, total_steps=60, pct_start=0.23, anneal_strategy="linear", div_factor=10.0, final_div_factor=100.0), 0.1),
    "one_cycle_three_phase": ("OneCycleLR", dict(max_lr=0.5, total_steps=60, pct_start=0.37, three_phase=True), 0.1),
    "cyclic_triangular": ("CyclicLR", dict(base_lr=0.01, max_lr=0.3, step_size_up=7), 0.1),
    "cyclic_triangular2": ("CyclicLR", dict(base_lr=0.01, max_lr=0.3, step_size_up=5, step_size_down=9, mode="triangular2"), 0.1),
    "cyclic_exp_range": ("CyclicLR", dict(base_lr=0.01, max_lr=0.3, step_size_up=6, mode="exp_range", gamma=0.97), 0.1),
    "plateau": ("ReduceLROnPlateau", dict(factor=0.4, patience=3), 0.3),
    "plateau_cooldown": ("ReduceLROnPlateau", dict(factor=0.5, patience=2, cooldown=3, min_lr=0.02, threshold=0.05), 0.3),
    "plateau_max_abs": ("ReduceLROnPlateau", dict(mode="max", factor=0.5, patience=4, threshold=0.1, threshold_mode="abs"), 0.3),
    "warmup_then_cosine": ([("LinearLR", dict(start_factor=0.05, end_factor=1.0, total_iters=11)), ("CosineAnnealingLR", dict(T_max=49, eta_min=0.001))], dict(milestones=[11]), 0.3),
    "warmup_step_exponential": ([("ConstantLR", dict(factor=0.1, total_iters=5)), ("StepLR", dict(step_size=9, gamma=0.5)), ("ExponentialLR", dict(gamma=0.9))], dict(milestones=[5, 32]), 0.3),
    "product": ([("ConstantLR", dict(factor=0.1, total_iters=5)), ("CosineAnnealingLR", dict(T_max=70, eta_min=0.02)), ("StepLR", dict(step_size=9, gamma=0.5))], None, 0.3),
}


def full_config(cls, args):
    bound = inspect.signature(cls).bind(None, **args)
    bound.apply_defaults()
    return {k: plain(v) for k, v in bound.arguments.items() if k not in ("optimizer", "scale_fn", "last_epoch") and isinstance(v, (*SCALARS, list))}


class Product:
    """What ChainedScheduler is used for, in any order: the closed forms of the schedules as factors of the base rate."""
    def __init__(self, opt, parts): self.opt, self.parts, self.base, self.k = opt, parts, parts[0].base_lrs[0], -1; self.step()
    def step(self):
        self.k += 1
        for part in self.parts: part.last_epoch = self.k
        self.opt.param_groups[0]["lr"] = self.base * math.prod(part._get_closed_form_lr()[0] / self.base for part in self.parts)


def make_schedules(store):
    sch = torch.optim.lr_scheduler
    for case, (name, args, base) in SCHEDULES.items():
        seed("schedules", case)
        opt = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base, momentum=0.9)
        if isinstance(name, list):
            parts = [getattr(sch, n)(opt, **a) for n, a in name]
            s = sch.SequentialLR(opt, parts, **args) if args else Product(opt, parts)
            config = {"schedulers": [{"schedule": n, "config": full_config(getattr(sch, n), a)} for n, a in name]}
            meta = {"schedule": type(s).__name__, "config": (args or {}) | config}
        else:
            s = getattr(sch, name)(opt, **args)
            meta = {"schedule": name, "config": full_config(getattr(sch, name), args)}
        t, loss = {}, None
        if "plateau" in case:
            loss = (torch.cat([2.0 * 0.85 ** torch.arange(20.0), torch.full((40,), 0.08)]) + 0.02 * torch.rand(STEPS)).double()
            if "max" in case: loss = 1.5 - loss
            t["loss"] = loss
        lr, momentum = [], []
        for k in range(STEPS):
            lr.append(opt.param_groups[0]["lr"])
            momentum.append(opt.param_groups[0]["momentum"])
            opt.step()
            if loss is not None: s.step(loss[k].item())
            elif k + 1 < STEPS: s.step()
        t["lr"] = torch.tensor(lr, dtype=torch.float64)
        if len(set(momentum)) > 1: t["momentum"] = torch.tensor(momentum, dtype=torch.float64)
        meta |= {"base_lr": base, "base_momentum": 0.9, "reading": "lr[k] is the rate in use on step k (from 0), read before scheduler.step number k + 1"
                 + ("; that step is given loss[k]" if loss is not None else "")}
        store.save("schedules", case, t, meta)


def make_averages(store):
    swa = torch.optim.swa_utils
    for case, config, fn in ("ema", dict(decay=0.9), dict(multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))), ("swa", {}, dict(multi_avg_fn=swa.get_swa_multi_avg_fn())):
        seed("averages", case)
        p = nn.ParameterList([nn.Parameter(torch.zeros(4, 3))])
        avg, seq, out = swa.AveragedModel(p, **fn), torch.randn(12, 4, 3), []
        for x in seq:
            with torch.no_grad(): p[0].copy_(x)
            avg.update_parameters(p)
            out.append(avg.module[0].detach().clone())
        store.save("averages", case, {"param": seq, "average": torch.stack(out)},
                   {"average": case, "config": config, "reading": "average[k] is the average after update_parameters with param[0], ..., param[k]; the first update copies"})


# ---------------------------------------------------------------- E: whole models

class LstmLm(nn.Module):
    def __init__(self, vocab=11, d=6, hidden=7):
        super().__init__()
        self.e, self.l, self.f = nn.Embedding(vocab, d), nn.LSTM(d, hidden, num_layers=2, batch_first=True), nn.Linear(hidden, vocab)

    def forward(self, x): return self.f(self.l(self.e(x))[0]).flatten(0, 1)


class Block(nn.Module):
    def __init__(self, d, heads, ff):
        super().__init__()
        self.h = heads
        self.n1, self.qkv, self.o = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.n2, self.f1, self.f2 = nn.LayerNorm(d), nn.Linear(d, ff), nn.Linear(ff, d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (z.view(b, t, self.h, d // self.h).transpose(1, 2) for z in self.qkv(self.n1(x)).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(b, t, d))
        return x + self.f2(F.gelu(self.f1(self.n2(x))))


class Gpt(nn.Module):
    def __init__(self, vocab=13, d=16, heads=2, layers=2, t=12):
        super().__init__()
        self.e, self.p = nn.Embedding(vocab, d), nn.Parameter(torch.zeros(t, d))
        self.b = nn.Sequential(*[Block(d, heads, 4 * d) for _ in range(layers)])
        self.n, self.f = nn.LayerNorm(d), nn.Linear(d, vocab)

    def forward(self, x): return self.f(self.n(self.b(self.e(x) + self.p))).flatten(0, 1)


def mlp(): return nn.Sequential(nn.Linear(7, 11), nn.ReLU(), nn.Linear(11, 9), nn.Tanh(), nn.Linear(9, 5))


def cnn():
    layers = []
    for i, o in ((2, 5), (5, 6)): layers += [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(12, 4))


MODELS = {   # case: (build, description, input, target, optimiser, its arguments)
    "mlp": (mlp, "Sequential: 0 Linear(7,11), 1 ReLU, 2 Linear(11,9), 3 Tanh, 4 Linear(9,5)", N(9, 7), I(5, 9), "SGD", dict(lr=0.05, momentum=0.9)),
    "cnn": (cnn, "Sequential: 0 Conv2d(2,5,3,padding=1), 1 BatchNorm2d(5), 2 ReLU, 3 MaxPool2d(2), 4 Conv2d(5,6,3,padding=1), 5 BatchNorm2d(6), 6 ReLU, "
                 "7 MaxPool2d(2), 8 Flatten, 9 Linear(12,4)", N(6, 2, 9, 5), I(4, 6), "SGD", dict(lr=0.05, momentum=0.9)),
    "lstm_lm": (LstmLm, "e Embedding(11,6); l LSTM(6,7,num_layers=2,batch_first=True) from zero state; f Linear(7,11) on every step; logits flattened to (batch*time, vocab)",
                I(11, 3, 8), I(11, 24), "Adam", dict(lr=1e-2)),
    "transformer_lm": (Gpt, "e Embedding(13,16) plus p (12,16); b.0 and b.1 blocks: x += o(causal attention, 2 heads, over qkv(n1(x)) split in thirds q,k,v); "
                            "x += f2(gelu(f1(n2(x)))), ff 64; n LayerNorm(16); f Linear(16,13); logits flattened to (batch*time, vocab)",
                       I(13, 2, 12), I(13, 24), "AdamW", dict(lr=1e-3, weight_decay=0.01)),
}


def train(m, x, y, opt, args, loss_steps=10):
    """First logits, loss and gradients; the buffers after that pass; the losses of ten steps."""
    opt, losses, first = getattr(torch.optim, opt)(m.parameters(), **args), [], None
    for _ in range(loss_steps):
        opt.zero_grad()
        logits = m(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        if first is None:
            first = logits.detach().clone(), {k: p.grad.clone() for k, p in m.named_parameters()}, {k: b.clone() for k, b in m.named_buffers()}
        opt.step()
        losses.append(loss.item())
    return *first, torch.tensor(losses, dtype=torch.float32 if logits.dtype == torch.float32 else torch.float64)


def make_models(store):
    for case, (build, text, make_x, make_y, opt, args) in MODELS.items():
        seed("models", case)
        m, x, y = build(), make_x(), make_y()
        with torch.no_grad():
            for p in m.parameters(): p.add_(0.1 * torch.randn_like(p))
        m64 = copy.deepcopy(m).double()
        state = {k: v.clone() for k, v in m.state_dict().items()}
        logits, grads, buffers, losses = train(m, x, y, opt, args)
        logits64, grads64, _, losses64 = train(m64, wide(x), y, opt, args)
        t = {f"state.{k}": v for k, v in state.items()} | {"input.0": x, "target": y, "output.0": logits, "losses": losses}
        t |= {f"grad.{k}": g for k, g in grads.items()} | {f"state_after.{k}": b for k, b in buffers.items()}
        noise = {"output": gap([(logits, logits64)]), "grad": gap((g, grads64[k]) for k, g in grads.items()), "losses": gap([(losses, losses64)])}
        meta = {"model": case, "definition": text, "loss": "CrossEntropyLoss, mean; losses[k] is taken before step k + 1, all on the one batch; "
                "grad.* and state_after.* (buffers) belong to the first pass", "train": True, "optimiser": {"name": opt, "config": args}, "noise": noise}
        store.save("models", case, t, meta)


# ---------------------------------------------------------------- F: initialisers

def make_initialisers(store):
    """A table of formulas: only statistics can be compared. Each bound and std is checked against a PyTorch draw."""
    rows, gains = [], {}
    kinds = [("linear", None), ("conv2d", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("leaky_relu", None), ("leaky_relu", 0.2), ("selu", None)]
    for kind, a in kinds: gains[kind if a is None else f"{kind}({a})"] = nn.init.calculate_gain(kind, a)
    shapes = [[7, 5], [6, 4, 3], [16, 8, 3, 5]]
    def fans(s):
        field = math.prod(s[2:])
        return s[1] * field, s[0] * field
    def row(init, shape, std, dist, **more):
        fan_in, fan_out = fans(shape)
        rows.append({"init": init, "shape": shape, "fan_in": fan_in, "fan_out": fan_out} | more
                    | {"distribution": dist, "std": std} | ({"bound": math.sqrt(3) * std} if dist == "uniform" else {}))
    for s in shapes:
        fan_in, fan_out = fans(s)
        for dist in "uniform", "normal":
            for gain in 1.0, gains["tanh"]: row(f"xavier_{dist}", s, gain * math.sqrt(2 / (fan_in + fan_out)), dist, gain=gain)
            for mode, fan in ("fan_in", fan_in), ("fan_out", fan_out):
                for kind, a in ("relu", 0), ("leaky_relu", 0.2), ("linear", 0), ("tanh", 0), ("selu", 0):
                    gain = nn.init.calculate_gain(kind, a)
                    row(f"kaiming_{dist}", s, gain / math.sqrt(fan), dist, mode=mode, nonlinearity=kind, a=a, gain=gain)
            row(f"lecun_{dist}", s, 1 / math.sqrt(fan_in), dist)
    seed("initialisers", "check")
    for r in rows:                                                      # the formulas are PyTorch's: draw, and see
        if r["init"].startswith("lecun"): continue
        f, big = getattr(nn.init, r["init"] + "_"), [r["shape"][0] * 9, r["shape"][1] * 9, *r["shape"][2:]]   # fans grow by 9, std falls by 3
        kw = {"gain": r["gain"]} if "xavier" in r["init"] else {k: r[k] for k in ("mode", "nonlinearity", "a")}
        w = 3 * f(torch.empty(big), **kw)
        assert abs(w.std().item() / r["std"] - 1) < 0.06, r
        assert "bound" not in r or 0.98 * r["bound"] < w.abs().max().item() <= r["bound"] * 1.000001, r
    defaults = [
        {"layers": ["Linear", "Conv1d", "Conv2d", "Conv3d"], "parameters": ["weight", "bias"], "distribution": "uniform", "bound": "1 / sqrt(fan_in)"},
        {"layers": ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"], "parameters": ["weight", "bias"], "distribution": "uniform", "bound": "1 / sqrt(weight.shape[1] * prod(kernel))"},
        {"layers": ["Bilinear"], "parameters": ["weight", "bias"], "distribution": "uniform", "bound": "1 / sqrt(in1_features)"},
        {"layers": ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"], "parameters": ["all"], "distribution": "uniform", "bound": "1 / sqrt(hidden_size)"},
        {"layers": ["Embedding", "EmbeddingBag"], "parameters": ["weight"], "distribution": "normal", "std": "1; the padding_idx row is 0"},
        {"layers": ["BatchNorm*", "LayerNorm", "GroupNorm", "InstanceNorm*", "RMSNorm"], "parameters": ["weight", "bias"], "distribution": "constant", "value": "1, 0"},
        {"layers": ["PReLU"], "parameters": ["weight"], "distribution": "constant", "value": "0.25"},
        {"layers": ["MultiheadAttention"], "parameters": ["in_proj_weight"], "distribution": "uniform", "bound": "sqrt(6 / (4 * embed_dim)): xavier_uniform over the (3E, E) matrix"},
        {"layers": ["MultiheadAttention"], "parameters": ["out_proj.weight"], "distribution": "uniform", "bound": "1 / sqrt(embed_dim)"},
        {"layers": ["MultiheadAttention"], "parameters": ["in_proj_bias", "out_proj.bias"], "distribution": "constant", "value": "0"},
    ]
    store.root.mkdir(parents=True, exist_ok=True)
    line = lambda xs: "[\n  " + ",\n  ".join(json.dumps(x) for x in xs) + "\n ]"
    (store.root / "initialisers.json").write_text(f'{{"torch": "{TORCH}",\n "gains": {json.dumps(gains)},\n "defaults": {line(defaults)},\n "rows": {line(rows)}}}\n')
    store.count["initialisers (rows)"] = len(rows)


# ---------------------------------------------------------------- all of it

GROUPS = {"layers": make_layers, "losses": make_losses, "functional": make_functional, "optimisers": make_optimisers,
          "schedules": make_schedules, "averages": make_averages, "models": make_models, "initialisers": make_initialisers}


def make_all(root):
    store = Store(root)
    for make in GROUPS.values(): make(store)
    size = sum(f.stat().st_size for f in root.rglob("*") if f.is_file())
    print(", ".join(f"{k} {n}" for k, n in store.count.items()), f"; {size / 1e6:.3f} MB")
    for worst, case in sorted(store.noisy, reverse=True): print(f"  f32 lies {worst:.1e} from f64: {case}")
    for line in store.odd: print(f"  {line}")
    assert size < LIMIT, f"{size} bytes is over the limit of {LIMIT}"


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--check", action="store_true", help="remake into a temporary folder and compare")
    args = ap.parse_args()
    home = ROOT / "fixtures"
    if not args.check:
        for g in GROUPS:
            if (home / g).is_dir(): shutil.rmtree(home / g)
        make_all(home)
        return
    with tempfile.TemporaryDirectory() as tmp:
        make_all(Path(tmp))
        names = lambda r: {str(f.relative_to(r)) for f in r.rglob("*") if f.is_file() and f.name != "README.md"}
        a, b = names(Path(tmp)), names(home)
        differ = sorted(a ^ b) + [n for n in sorted(a & b) if not filecmp.cmp(Path(tmp) / n, home / n, shallow=False)]
        print("identical" if not differ else "differ:\n  " + "\n  ".join(differ))
        sys.exit(bool(differ))


if __name__ == "__main__": main()
