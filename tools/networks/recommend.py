"""mapsto's recommenders in PyTorch, under the same names: vectors and biases of users and of items."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from networks.texts import packed


def rows(count, width, deviation):
    """An embedding whose first row, the unknown's, is zero at first."""
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=deviation)
    with torch.no_grad():
        table.weight[0] = 0
    return table


class Factors(nn.Module):
    """Koren et al. 2009: biased matrix factorisation."""

    def __init__(self, users, items, width):
        super().__init__()
        self.user_embedding, self.item_embedding = rows(users, width, 0.1), rows(items, width, 0.1)
        self.user_bias, self.item_bias = rows(users, 1, 0.0), rows(items, 1, 0.0)

    def users(self, users):
        """Vectors and biases."""
        return self.user_embedding(users), self.user_bias(users).squeeze(1)

    def items(self, items):
        """Vectors and biases."""
        return self.item_embedding(items), self.item_bias(items).squeeze(1)


class Tower(nn.Module):
    """Linear layers with rectifiers between them; number 0, the unknown, has no vector."""

    def __init__(self, count, embedding, hidden, width, dropout):
        super().__init__()
        self.embedding, self.bias, self.dropout = rows(count, embedding, 1.0), rows(count, 1, 0.0), nn.Dropout(dropout)
        widths = [embedding, *hidden, width]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))

    def forward(self, numbers):
        x = self.layers[0](self.dropout(self.embedding(numbers)))
        for layer in self.layers[1:]:
            x = layer(self.dropout(F.relu(x)))
        return x * (numbers != 0)[:, None], self.bias(numbers).squeeze(1)


class TwoTower(nn.Module):
    def __init__(self, users, items, *widths, dropout=0.0):
        super().__init__()
        self.user, self.item = Tower(users, *widths, dropout), Tower(items, *widths, dropout)

    def users(self, users):
        return self.user(users)

    def items(self, items):
        return self.item(items)


class Sequence(nn.Module):
    """Kang and McAuley 2018, or Hidasi et al. 2016: histories `[N, T]`, filled up behind their ends, with lengths `[N]`."""

    def __init__(self, items, width, layers, heads, length, gru, dropout=0.0):
        super().__init__()
        self.item_embedding, self.item_bias, self.dropout = nn.Embedding(items, width), rows(items, 1, 0.0), nn.Dropout(dropout)
        nn.init.normal_(self.item_embedding.weight, std=width**-0.5)
        self.reader = nn.Module()
        if gru:
            self.reader.gru = nn.GRU(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        else:
            self.reader.positions = nn.Module()
            self.reader.positions.weight = nn.Parameter(torch.empty(length, width).normal_(std=0.02))
            layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, F.gelu, batch_first=True, norm_first=True)
            self.reader.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def users(self, histories, lengths, places):
        """Vectors after these places, counted through all histories; no biases."""
        x = self.item_embedding(histories)
        if hasattr(self.reader, "gru"):
            states = packed(self.reader.gru, self.dropout(x), lengths)
        else:
            # What fills a history up stands behind it, where no item of it looks.
            mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
            x = self.dropout(x + self.reader.positions.weight[: x.shape[1]])
            states = self.reader.encoder(x, mask, is_causal=True)
        return self.norm(states.flatten(0, 1)[places]), 0.0

    def items(self, items):
        """Vectors and biases."""
        return self.item_embedding(items), self.item_bias(items).squeeze(1)


def against(users, items):
    """The score of each item for each user."""
    (of_users, users_bias), (of_items, items_bias) = users, items
    users_bias = users_bias[:, None] if torch.is_tensor(users_bias) else users_bias
    return of_users @ of_items.T + users_bias + items_bias
