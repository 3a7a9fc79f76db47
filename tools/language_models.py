"""The language models of mapsto in PyTorch, under the same names: what the fixtures and the comparison are made with."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Recurrent(nn.Module):
    def __init__(self, unit, tokens, embedding=128, hidden=256, layers=1, dropout=0.1):
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(tokens, embedding), nn.Dropout(dropout)
        self.rnn = unit(embedding, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.head = nn.Linear(hidden, tokens)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, tokens):
        return self.head(self.dropout(self.rnn(self.dropout(self.embedding(tokens)))[0]))


class Block(nn.Module):
    def __init__(self, width, kernel, dilation, dropout):
        super().__init__()
        self.norm, self.back = nn.LayerNorm(width), (kernel - 1) * dilation
        self.conv = nn.Conv1d(width, 2 * width, kernel, dilation=dilation)
        self.linear, self.dropout = nn.Linear(width, width), nn.Dropout(dropout)

    def forward(self, x):
        y = self.conv(F.pad(self.norm(x).transpose(1, 2), (self.back, 0))).transpose(1, 2)
        return x + self.dropout(self.linear(F.glu(y, -1)))


class Cnn(nn.Module):
    def __init__(self, tokens, width=128, kernel=3, dilations=(1, 2, 4, 8, 16, 32), dropout=0.1):
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(tokens, width), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, kernel, dilation, dropout) for dilation in dilations)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tokens)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, tokens):
        x = self.dropout(self.embedding(tokens))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Learned(nn.Module):
    def __init__(self, length, width):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(length, width).normal_(std=0.02))

    def forward(self, places):
        return self.weight[:places]


class Waves(nn.Module):
    def __init__(self, length, width):
        super().__init__()
        angles = torch.arange(length, dtype=torch.float64)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
        self.register_buffer("table", torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width].float(), False)

    def forward(self, places):
        return self.table[:places]


class Transformer(nn.Module):
    def __init__(self, tokens, length, width=128, heads=4, layers=4, feedforward=512, dropout=0.1, positions="learned"):
        super().__init__()
        self.embedding, self.scale = nn.Embedding(tokens, width), math.sqrt(width)
        self.positions = Learned(length, width) if positions == "learned" else Waves(length, width)
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, F.gelu, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(width, tokens)
        nn.init.normal_(self.embedding.weight, std=1 / self.scale)

    def forward(self, tokens):
        places = tokens.shape[1]
        x = self.dropout(self.embedding(tokens) * self.scale + self.positions(places))
        mask = nn.Transformer.generate_square_subsequent_mask(places, dtype=x.dtype)
        return self.head(self.encoder(x, mask, is_causal=True))


def build(name, tokens, length, **settings):
    """The model of a name in mapsto, with its usual settings or others."""
    match name:
        case "lstm":
            return Recurrent(nn.LSTM, tokens, **settings)
        case "gru":
            return Recurrent(nn.GRU, tokens, **settings)
        case "cnn":
            return Cnn(tokens, **settings)
        case "transformer":
            return Transformer(tokens, length, **settings)
