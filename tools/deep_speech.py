"""mapsto's model of speech in PyTorch, for the tools that compare the two."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def own(x, count, step):
    """1 where a place of the last axis, which stand `step` frames apart, is a sound's own."""
    return (torch.arange(x.shape[-1]) * step < count[:, None])[:, None, None].to(x.dtype)


class DeepSpeech(nn.Module):
    """Two convolutions, recurrent units and a linear layer, as Amodei et al. 2016; a causal one never looks ahead."""

    def __init__(self, rows, channels, hidden, layers, symbols, causal, dropout=0.0):
        super().__init__()
        self.causal = causal
        conv = lambda i, k, stride: nn.Conv2d(i, channels, k, (2, stride), (k // 2, 0 if causal else k // 2), bias=False)
        self.conv1, self.norm1 = conv(1, 7, 2), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = conv(channels, 5, 1), nn.BatchNorm2d(channels)
        features = channels * -(-rows // 4)
        between = dropout if layers > 1 else 0.0
        self.rnn = nn.GRU(features, hidden, layers, batch_first=True, bidirectional=not causal, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden if causal else 2 * hidden, symbols)

    def forward(self, x, frames):
        """Log-probabilities `[N, steps, symbols]` of features `[N, 1, rows, frames]`, and how many steps are each sound's own."""
        before = lambda x, k: F.pad(x, (k - 1, 0)) if self.causal else x
        x = F.relu(self.norm1(self.conv1(before(x * own(x, frames, 1), 7))))
        x = F.relu(self.norm2(self.conv2(before(x * own(x, frames, 2), 5))))
        steps = (frames + 1) // 2
        packed = nn.utils.rnn.pack_padded_sequence(
            x.permute(0, 3, 1, 2).flatten(2), steps, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return self.head(self.dropout(states)).log_softmax(-1), steps
