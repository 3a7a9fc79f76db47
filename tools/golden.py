"""What the scripts share that write what PyTorch's models give: weights and inputs from names, and a case.

Weights and inputs are too many to keep: both sides compute them from names (`units`, `value`). All runs are in f64, on
weights and inputs that f32 holds exactly.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

torch.use_deterministic_algorithms(True)


# ---------------------------------------------------------------- numbers from names


def integers(name, count):
    """Element i: FNV-1a of the name and i in Weyl's sequence, mixed (Wellons's lowbias32)."""
    start = 0x811C9DC5
    for byte in name.encode():
        start = (start ^ byte) * 0x01000193 & 0xFFFFFFFF
    x = (start + np.arange(count, dtype=np.uint64) * 0x9E3779B9).astype(np.uint32)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7FEB352D)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846CA68B)
    return x ^ x >> np.uint32(16)


def units(name, shape):
    """Numbers in [-1, 1) that f32 holds exactly."""
    unit = (integers(name, math.prod(shape)) >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1.0
    return unit.reshape(shape)


def value(name, shape):
    """He's variance for weights, near one for norms' weights and variances, small for biases and means."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if len(shape) > 1:
        offset, scale = 0.0, math.sqrt(6.0 / math.prod(shape[1:])) if math.prod(shape) else 0.0
    elif name.endswith("running_var"):
        offset, scale = 1.0, 0.5
    elif name.endswith("weight"):
        offset, scale = 1.0, 0.25
    else:
        offset, scale = 0.0, 0.1
    return torch.from_numpy((offset + scale * units(name, shape)).astype(np.float32))


# ---------------------------------------------------------------- one case


def fill(model):
    """Gives a model the values of its names; it evaluates, in f64."""
    model.load_state_dict({name: value(name, tuple(x.shape)) for name, x in model.state_dict().items()})
    return model.double().eval()


def run(model, inputs, rows, classes, train):
    """Logits of the evaluating model; then losses and gradients of plain SGD, and the logits behind it."""
    fill(model)
    with torch.no_grad():
        case = {"logits": model(*inputs).flatten().tolist()}
    if train is None:
        return case
    lr, steps = train
    labels = torch.arange(rows) * 3 % classes
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    model.train()
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(*inputs), labels)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            dot = lambda name, g: (g * torch.from_numpy(units("along " + name, tuple(g.shape)))).sum().item()
            gradients = {name: [p.grad.norm().item(), dot(name, p.grad)] for name, p in model.named_parameters()}
        optimizer.step()
    model.eval()
    with torch.no_grad():
        after = model(*inputs).flatten().tolist()
    return case | {"train": {"lr": lr, "losses": losses, "gradients": gradients, "after": after}}
