"""mapsto's networks of sounds in PyTorch, under the same names: of features `[N, 1, rows, frames]`, filled up, and frames `[N]`."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def own(x, frames, step):
    """Ones at places that stand for frames of the sound itself."""
    return (torch.arange(0, x.shape[3] * step, step) < frames[:, None]).to(x.dtype)[:, None, None]


def mean(x, frames, step):
    mask = own(x, frames, step)
    return (x * mask).sum((2, 3)) / (mask.sum((1, 2, 3)) * x.shape[2])[:, None]


def unit(i, o, kernel, stride=1, padding=0, groups=1):
    return [nn.Conv2d(i, o, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(o), nn.ReLU()]


class MelCnn(nn.Module):
    def __init__(self, channels, classes, dropout=0.0):
        super().__init__()
        sizes = [1, *channels]
        self.blocks = nn.ModuleList(nn.Sequential(*unit(i, o, 3, 1, 1)) for i, o in zip(sizes, channels))
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(channels[-1], classes)

    def forward(self, x, frames):
        x, step = x * own(x, frames, 1), 1
        for block in self.blocks:
            x = block(x)
            x = F.max_pool2d(x * own(x, frames, step), 2, ceil_mode=True)
            step *= 2
        return self.head(self.dropout(mean(x, frames, step)))


class KeywordCnn(nn.Module):
    """Zhang et al. 2017: DS-CNN, whose first convolution has 10 frames and 4 rows."""

    def __init__(self, channels, blocks, classes):
        super().__init__()
        c = channels
        self.stem = nn.Sequential(*unit(1, c, (4, 10), 2, (1, 5)))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Sequential(*unit(c, c, 3, 1, 1, c)), nn.Sequential(*unit(c, c, 1))) for _ in range(blocks))
        self.head = nn.Linear(c, classes)

    def forward(self, x, frames):
        x = self.stem(x * own(x, frames, 1))
        for block in self.blocks:
            x = block(x * own(x, frames + 1, 2))
        return self.head(mean(x, frames + 1, 2))
