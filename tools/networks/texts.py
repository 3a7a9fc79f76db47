"""mapsto's networks of texts in PyTorch, under the same names: what the fixtures and the comparison of speed are made with.

All take tokens `[N, T]`, filled up with zeros, and lengths `[N]`.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def before(lengths, places):
    """Which places hold tokens, `[N, places]`."""
    return torch.arange(places) < lengths[:, None]


def mean(x, held):
    """Of the places that hold tokens."""
    held = held.to(x.dtype)
    return (x * held[..., None]).sum(1) / held.sum(1, keepdim=True)


def attended(states, scores, lengths):
    """The mean of states, weighted by the softmax of their scores `[N, T]` before each length, if there are any."""
    if lengths is not None:
        scores = scores.masked_fill(~before(lengths, scores.shape[1]), -math.inf)
    return (scores.softmax(1)[:, None] @ states).squeeze(1)


def packed(rnn, x, lengths):
    """The states of series `[N, T, E]` of these lengths."""
    x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return nn.utils.rnn.pad_packed_sequence(rnn(x)[0], batch_first=True)[0]


class TextCnn(nn.Module):
    def __init__(self, tokens, size, widths, filters, classes, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(tokens, size)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, filters, width, padding=width - 1) for width in widths)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(filters * len(widths), classes)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)

    def forward(self, tokens, lengths):
        x = (self.embedding(tokens) * before(lengths, tokens.shape[1])[..., None]).transpose(1, 2)
        features = []
        for layer in self.convolutions:
            answers = F.relu(layer(x))
            features.append((answers * before(lengths + layer.padding[0], answers.shape[2])[:, None]).max(2).values)
        return self.head(self.dropout(torch.cat(features, 1)))


class TextRecurrent(nn.Module):
    def __init__(self, unit, tokens, size, hidden, layers, both, classes, dropout=0.0):
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(tokens, size), nn.Dropout(dropout)
        self.rnn = unit(size, hidden, layers, batch_first=True, bidirectional=both, dropout=dropout if layers > 1 else 0.0)
        self.attention, self.head = nn.Linear(hidden * (1 + both), 1), nn.Linear(hidden * (1 + both), classes)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, tokens, lengths):
        states = packed(self.rnn, self.dropout(self.embedding(tokens)), lengths)
        return self.head(self.dropout(attended(states, self.attention(states).squeeze(2), lengths)))


def waves(length, width):
    angles = torch.arange(length, dtype=torch.float64)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width].float()


class TextTransformer(nn.Module):
    def __init__(self, tokens, length, width, heads, layers, feedforward, learned, classes, dropout=0.0):
        super().__init__()
        self.embedding, self.scale = nn.Embedding(tokens, width), math.sqrt(width)
        if learned:
            self.positions = nn.Module()
            self.positions.weight = nn.Parameter(torch.zeros(length, width))
        else:
            self.register_buffer("waves", waves(length, width), persistent=False)
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, F.gelu, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(width, classes)
        nn.init.normal_(self.embedding.weight, std=1 / self.scale)

    def embed(self, tokens):
        places = self.positions.weight if hasattr(self, "positions") else self.waves
        return self.dropout(self.embedding(tokens) * self.scale + places[: tokens.shape[1]])

    def forward(self, tokens, lengths):
        held = before(lengths, tokens.shape[1])
        x = self.encoder(self.embed(tokens), src_key_padding_mask=~held)
        return self.head(self.dropout(mean(x, held)))
