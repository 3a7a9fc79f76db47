"""mapsto's networks that forecast in PyTorch, under the same names: of the past `[N, context, variables]` and the future `[N, horizon, known]`."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from networks.texts import waves


def quantiles(x, more):
    """Of medians and what makes distances from them, in ascending order; flat."""
    median = x[..., 1:2] + more
    return torch.cat([median - F.softplus(x[..., :1]), median, median + F.softplus(x[..., 2:])], -1).flatten(1)


class ForecastHead(nn.Module):
    def __init__(self, features, shape):
        super().__init__()
        context, horizon, targets, _, known = shape
        self.shape, self.linear = shape, nn.Linear(features + horizon * known, horizon * targets * 3)
        self.skip = nn.Linear(context, horizon)

    def forward(self, features, past, future):
        _, horizon, targets, _, _ = self.shape
        x = self.linear(torch.cat([features, future.flatten(1)], 1)).unflatten(1, (horizon, targets, 3))
        return quantiles(x, self.skip(past[..., :targets].transpose(1, 2)).transpose(1, 2)[..., None])


class ForecastLinear(nn.Module):
    """Zeng et al. 2023: DLinear, with other variables besides."""

    def __init__(self, smoothing, shape):
        super().__init__()
        context, horizon, targets, past, known = self.shape = shape
        self.smoothing = smoothing
        self.trend, self.seasonal = nn.Linear(context, horizon * 3), nn.Linear(context, horizon * 3)
        if past:
            self.past = nn.Linear(past, horizon * targets * 3)
        if known:
            self.future = nn.Linear(known, targets * 3)

    def forward(self, past, future):
        _, horizon, targets, others, known = self.shape
        x = past[..., :targets].transpose(1, 2)
        padded = F.pad(x, ((self.smoothing - 1) // 2, self.smoothing // 2), mode="replicate")
        trend = F.avg_pool1d(padded, self.smoothing, 1)
        out = (self.trend(trend) + self.seasonal(x - trend)).unflatten(2, (horizon, 3)).transpose(1, 2)
        if others:
            out = out + self.past(past[:, -1, targets : targets + others]).unflatten(1, (horizon, targets, 3))
        if known:
            out = out + self.future(future).unflatten(2, (targets, 3))
        return quantiles(out, 0)


class ForecastMlp(nn.Module):
    def __init__(self, hidden, layers, shape, dropout=0.0):
        super().__init__()
        context, horizon, targets, past, known = shape
        sizes = [context * (targets + past + known) + horizon * known] + [hidden] * layers
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes, sizes[1:]))
        self.dropout, self.head = nn.Dropout(dropout), ForecastHead(hidden, shape)

    def forward(self, past, future):
        x = torch.cat([past.flatten(1), future.flatten(1)], 1)
        for layer in self.layers:
            x = self.dropout(F.relu(layer(x)))
        return self.head(x, past, future)


class ForecastRecurrent(nn.Module):
    def __init__(self, hidden, layers, shape, dropout=0.0):
        super().__init__()
        self.rnn = nn.LSTM(sum(shape[2:]), hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout, self.head = nn.Dropout(dropout), ForecastHead(hidden, shape)

    def forward(self, past, future):
        return self.head(self.dropout(self.rnn(past)[0][:, -1]), past, future)


class ForecastTcn(nn.Module):
    """Bai et al. 2018, without weight normalisation."""

    def __init__(self, channels, kernel, levels, shape, dropout=0.0):
        super().__init__()
        self.blocks, i = nn.ModuleList(), sum(shape[2:])
        for level in range(levels):
            block, d = nn.Module(), 2**level
            block.conv1 = nn.Conv1d(i, channels, kernel, padding=(kernel - 1) * d, dilation=d)
            block.conv2 = nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) * d, dilation=d)
            if i != channels:
                block.downsample = nn.Conv1d(i, channels, 1)
            self.blocks.append(block)
            i = channels
        self.dropout, self.head = nn.Dropout(dropout), ForecastHead(channels, shape)

    def forward(self, past, future):
        x = past.transpose(1, 2)
        for block in self.blocks:
            around = block.downsample(x) if hasattr(block, "downsample") else x
            for convolution in (block.conv1, block.conv2):
                x = self.dropout(F.relu(convolution(x)[..., : around.shape[2]]))
            x = F.relu(x + around)
        return self.head(x[..., -1], past, future)


class ForecastTransformer(nn.Module):
    def __init__(self, width, heads, layers, feedforward, shape, dropout=0.0):
        super().__init__()
        self.input = nn.Linear(sum(shape[2:]), width)
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, F.gelu, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.register_buffer("waves", waves(shape[0], width), persistent=False)
        self.dropout, self.head = nn.Dropout(dropout), ForecastHead(width, shape)

    def forward(self, past, future):
        x = self.input(past)
        return self.head(self.encoder(self.dropout(x + self.waves))[:, -1], past, future)
