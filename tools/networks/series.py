"""mapsto's networks of labelled series in PyTorch, under the same names: of series `[N, channels, T]`, filled up, and lengths `[N]`."""

import torch.nn as nn
import torch.nn.functional as F

from networks.texts import attended, before, packed


def same(i, o, kernel):
    return nn.Sequential(nn.Conv1d(i, o, kernel, padding="same", bias=False), nn.BatchNorm1d(o))


class Series(nn.Module):
    """The mean of features over a series' own steps; what stands behind them is zero before each convolution."""

    def forward(self, x, lengths):
        """Of series of one length without `lengths`."""
        if lengths is None:
            return self.head(self.features(x, lambda x: x).mean(2))
        mask = before(lengths, x.shape[2]).to(x.dtype)[:, None]
        held = lambda x: x * mask
        return self.head(self.features(held(x), held).sum(2) / lengths[:, None])


class SeriesFcn(Series):
    """Wang et al. 2017."""

    def __init__(self, i, channels, kernels, classes):
        super().__init__()
        self.blocks = nn.ModuleList(same(i, o, k) for i, o, k in zip([i, *channels], channels, kernels))
        self.head = nn.Linear(channels[-1], classes)

    def features(self, x, held):
        for block in self.blocks:
            x = held(F.relu(block(x)))
        return x


class SeriesResNet(Series):
    """Wang et al. 2017."""

    def __init__(self, i, channels, kernels, classes):
        super().__init__()
        self.blocks = nn.ModuleList()
        for o in channels:
            block = nn.Module()
            block.convolutions = nn.ModuleList(same(i if place == 0 else o, o, k) for place, k in enumerate(kernels))
            block.shortcut = nn.Sequential(nn.BatchNorm1d(o)) if i == o else same(i, o, 1)
            self.blocks.append(block)
            i = o
        self.head = nn.Linear(i, classes)

    def features(self, x, held):
        for block in self.blocks:
            around = block.shortcut(x)
            for convolution in block.convolutions[:-1]:
                x = held(F.relu(convolution(x)))
            x = held(F.relu(block.convolutions[-1](x) + around))
        return x


class SeriesRecurrent(nn.Module):
    def __init__(self, i, hidden, layers, both, classes, dropout=0.0):
        super().__init__()
        self.rnn = nn.LSTM(i, hidden, layers, batch_first=True, bidirectional=both, dropout=dropout if layers > 1 else 0.0)
        self.attention, self.head = nn.Linear(hidden * (1 + both), 1), nn.Linear(hidden * (1 + both), classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, lengths):
        """Of series of one length without `lengths`."""
        x = x.transpose(1, 2)
        states = self.rnn(x)[0] if lengths is None else packed(self.rnn, x, lengths)
        scores = self.attention(states).squeeze(2)
        return self.head(self.dropout(attended(states, scores, lengths)))
