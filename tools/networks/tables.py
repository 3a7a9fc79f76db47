"""mapsto's networks of tables in PyTorch, under the same names: of numbers `[N, numbers]` and codes `[N, categories]`."""

import torch
import torch.nn as nn


class Linear(nn.Module):
    def __init__(self, numbers, codes, outputs):
        super().__init__()
        self.linear = nn.Linear(numbers, outputs)
        self.categories = nn.ModuleList(nn.Embedding(n, outputs) for n in codes)

    def forward(self, numbers, categories):
        return self.linear(numbers) + sum(table(categories[:, i]) for i, table in enumerate(self.categories))


class Hidden(nn.Module):
    def __init__(self, i, o, activation, norm, residual, dropout):
        super().__init__()
        self.linear, self.activation, self.residual = nn.Linear(i, o), activation, residual and i == o
        self.norm, self.dropout = norm(o) if norm else nn.Identity(), nn.Dropout(dropout)

    def forward(self, x):
        y = self.dropout(self.activation(self.norm(self.linear(x))))
        return x + y if self.residual else y


class Mlp(nn.Module):
    def __init__(self, numbers, codes, outputs, hidden, activation, norm=None, residual=False, width=None, dropout=0.0):
        super().__init__()
        widths = [width or min(50, (n + 1) // 2) for n in codes]
        self.embeddings = nn.ModuleList(nn.Embedding(n, w) for n, w in zip(codes, widths))
        sizes = [numbers + sum(widths), *hidden]
        self.layers = nn.ModuleList(Hidden(i, o, activation, norm, residual, dropout) for i, o in zip(sizes, sizes[1:]))
        self.head = nn.Linear(sizes[-1], outputs)

    def forward(self, numbers, categories):
        x = torch.cat([numbers, *(table(categories[:, i]) for i, table in enumerate(self.embeddings))], 1)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)
