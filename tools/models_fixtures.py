"""Writes what torchvision's and PyTorch's models give, for the tests of mapsto-models, under its tests/fixtures/:

- torchvision_states.txt: names and shapes of state dicts;
- audio.json, forecasts.json, images.json, recommend.json, series.json, tables.json, texts.json,
  translations.json: logits, gradients and losses.

Run from the repository root with a Python that has torch, torchvision and transformers: python tools/models_fixtures.py

Models that torchvision does not have are written here from their papers.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision.models as tv
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.models.vgg import VGG, make_layers
from transformers import BertConfig, BertModel

from golden import integers, run, units

FIXTURES = pathlib.Path("crates/mapsto-models/tests/fixtures")
# Rate and steps of plain SGD. Deep nets on a few small pictures are chaotic: at greater rates PyTorch's own losses in f32
# leave those in f64 by tenths at the third step.
USUAL, GENTLE, GENTLEST = (2e-2, 3), (2e-4, 3), (2e-5, 2)


# ---------------------------------------------------------------- models of pictures


class LeNet(nn.Module):
    def __init__(self, channels, features, classes):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(features, 120), nn.Linear(120, 84), nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


def vgg(width, pooled, hidden, classes, batch_norm, dropout):
    """torchvision's VGG-11 at another width."""
    model = VGG(make_layers([c if c == "M" else c * width // 64 for c in tv.vgg.cfgs["A"]], batch_norm), classes)
    model.avgpool = nn.AdaptiveAvgPool2d(pooled)
    model.classifier = nn.Sequential(
        nn.Linear(8 * width * pooled * pooled, hidden), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes),
    )
    return model


class Padded(nn.Module):
    """Option A of He et al.: every second pixel, zeros in new channels."""

    def __init__(self, stride, more):
        super().__init__()
        self.stride, self.more = stride, more

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


class AnyResNet(ResNet):
    """torchvision's at another width, of three or four stages, perhaps with the small stem and option A."""

    def __init__(self, width, block, layers, classes, small=False, padding=False):
        self.__dict__["width"] = width
        super().__init__(block, (layers + [1])[:4])
        self.bn1 = nn.BatchNorm2d(width)
        if small:
            self.conv1, self.maxpool = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.Identity()
        else:
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        if len(layers) == 3:
            self.layer4 = nn.Identity()
        if padding:
            for m in self.modules():
                if isinstance(m, BasicBlock) and m.downsample is not None:
                    m.downsample = Padded(m.stride, m.conv1.out_channels - m.conv1.in_channels)
        self.fc = nn.Linear((width << len(layers) - 1) * block.expansion, classes)

    def _make_layer(self, block, planes, blocks, **settings):
        if planes == 64:
            self.inplanes = self.width
        return super()._make_layer(block, planes * self.width // 64, blocks, **settings)


class MobileNetV1(nn.Module):
    """Howard et al. 2017, table 1."""

    def __init__(self, alpha, classes, dropout, stride=2):
        super().__init__()
        unit = lambda i, o, k, s, g: nn.Sequential(
            nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        i = int(32 * alpha)
        layers = [unit(3, i, 3, stride, 1)]
        for o, s in zip([64, 128, 128, 256, 256] + [512] * 6 + [1024] * 2, [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]):
            o = int(o * alpha)
            layers.append(nn.Sequential(unit(i, i, 3, s, i), unit(i, o, 1, 1, 1)))
            i = o
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(i, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def small_v2(model):
    model.features[0][0].stride = (1, 1)
    return model


def image_cases():
    """Name, settings as mapsto saves them, model, [channels, height, width], rows, classes, how it trains."""
    resnet = lambda **settings: {"architecture": "resnet", **settings}
    yield ("lenet", {"architecture": "lenet"}, LeNet(1, 16 * 5 * 3, 5), [1, 28, 20], 4, 5, USUAL)
    yield ("vgg11", {"architecture": "vgg", "convolutions": [1, 1, 2, 2, 2], "width": 8, "hidden": 24},
           vgg(8, 7, 24, 6, False, 0.5), [3, 64, 96], 2, 6, None)
    yield ("vgg11_bn", {"architecture": "vgg", "convolutions": [1, 1, 2, 2, 2], "batch_norm": True, "width": 8,
                        "pooled": 1, "hidden": 24, "dropout": 0},
           vgg(8, 1, 24, 6, True, 0.0), [3, 64, 40], 4, 6, USUAL)
    yield ("resnet18", resnet(), tv.resnet18(num_classes=7), [3, 40, 56], 2, 7, None)
    yield ("resnet18, narrow", resnet(blocks=[2, 2, 2, 2], width=8),
           AnyResNet(8, BasicBlock, [2, 2, 2, 2], 7), [3, 40, 56], 4, 7, USUAL)
    yield ("resnet18, small stem", resnet(blocks=[2, 2, 2, 2], width=8, stem="small"),
           AnyResNet(8, BasicBlock, [2, 2, 2, 2], 7, small=True), [3, 20, 28], 2, 7, None)
    yield ("resnet50, narrow", resnet(blocks=[3, 4, 6, 3], block="bottleneck", width=8),
           AnyResNet(8, Bottleneck, [3, 4, 6, 3], 7), [3, 40, 56], 4, 7, GENTLEST)
    yield ("resnet20", resnet(blocks=[3, 3, 3], width=16, stem="small", shortcut="padding"),
           AnyResNet(16, BasicBlock, [3, 3, 3], 10, small=True, padding=True), [3, 18, 13], 4, 10, USUAL)
    yield ("mobilenet_v1", {"architecture": "mobilenet_v1", "width_multiplier": 0.25, "dropout": 0},
           MobileNetV1(0.25, 6, 0.0), [3, 40, 56], 4, 6, GENTLE)
    yield ("mobilenet_v2", {"architecture": "mobilenet_v2"}, tv.mobilenet_v2(num_classes=7), [3, 40, 56], 2, 7, None)
    yield ("mobilenet_v2, narrow", {"architecture": "mobilenet_v2", "width_multiplier": 0.35, "dropout": 0},
           tv.mobilenet_v2(num_classes=7, width_mult=0.35, dropout=0.0), [3, 40, 56], 4, 7, GENTLE)
    yield ("mobilenet_v2, small stem", {"architecture": "mobilenet_v2", "width_multiplier": 0.5, "stem": "small"},
           small_v2(tv.mobilenet_v2(num_classes=7, width_mult=0.5)), [3, 20, 28], 2, 7, None)


def images():
    for name, settings, model, shape, rows, classes, train in image_cases():
        x = torch.from_numpy(units("input", [rows, *shape]))
        yield {"name": name, "model": settings, "input": dict(zip(["channels", "height", "width"], shape)),
               "rows": rows, "classes": classes} | run(model, [x], rows, classes, train)


# ---------------------------------------------------------------- models of tables


class Linear(nn.Module):
    def __init__(self, numbers, codes, outputs):
        super().__init__()
        self.linear = nn.Linear(numbers, outputs)
        self.categories = nn.ModuleList(nn.Embedding(n, outputs) for n in codes)

    def forward(self, numbers, categories):
        return self.linear(numbers) + sum(table(categories[:, i]) for i, table in enumerate(self.categories))


class Hidden(nn.Module):
    def __init__(self, i, o, activation, norm, residual):
        super().__init__()
        self.linear, self.activation, self.residual = nn.Linear(i, o), activation, residual and i == o
        self.norm = norm(o) if norm else nn.Identity()

    def forward(self, x):
        y = self.activation(self.norm(self.linear(x)))
        return x + y if self.residual else y


class Mlp(nn.Module):
    def __init__(self, numbers, codes, outputs, hidden, activation, norm=None, residual=False, width=None):
        super().__init__()
        widths = [width or min(50, (n + 1) // 2) for n in codes]
        self.embeddings = nn.ModuleList(nn.Embedding(n, w) for n, w in zip(codes, widths))
        sizes = [numbers + sum(widths), *hidden]
        self.layers = nn.ModuleList(Hidden(i, o, activation, norm, residual) for i, o in zip(sizes, sizes[1:]))
        self.head = nn.Linear(sizes[-1], outputs)

    def forward(self, numbers, categories):
        x = torch.cat([numbers, *(table(categories[:, i]) for i, table in enumerate(self.embeddings))], 1)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def table_cases():
    """Name, settings as mapsto saves them, model, numbers, codes."""
    mlp = lambda **settings: {"architecture": "mlp", "dropout": 0, **settings}
    yield ("linear", {"architecture": "linear"}, Linear(4, [3, 7], 3), 4, [3, 7])
    yield ("linear, numbers alone", {"architecture": "linear"}, Linear(4, [], 3), 4, [])
    yield ("linear, categories alone", {"architecture": "linear"}, Linear(0, [3, 7], 3), 0, [3, 7])
    yield ("mlp", mlp(hidden=[16, 8]), Mlp(4, [3, 120], 3, [16, 8], F.relu), 4, [3, 120])
    yield ("mlp, batch norm", mlp(hidden=[12, 12], norm="batch", residual=True, activation="silu"),
           Mlp(5, [4, 9], 3, [12, 12], F.silu, nn.BatchNorm1d, True), 5, [4, 9])
    yield ("mlp, layer norm", mlp(hidden=[9, 9, 6], norm="layer", residual=True, activation="gelu", embedding_width=3),
           Mlp(3, [4, 9], 3, [9, 9, 6], F.gelu, nn.LayerNorm, True, 3), 3, [4, 9])
    yield ("mlp, numbers alone", mlp(hidden=[8], activation="tanh"), Mlp(4, [], 3, [8], torch.tanh), 4, [])
    yield ("mlp, categories alone", mlp(hidden=[8]), Mlp(0, [3, 7], 3, [8], F.relu), 0, [3, 7])


def tables():
    rows, outputs = 6, 3
    for name, settings, model, n, codes in table_cases():
        numbers = torch.from_numpy(units("numbers", [rows, n]))
        categories = integers("categories", rows * len(codes)).reshape(rows, len(codes)).astype(np.int64)
        categories %= np.array(codes, dtype=np.int64)
        yield {"name": name, "model": settings, "input": {"numbers": n, "categories": codes},
               "rows": rows, "classes": outputs} | run(model, [numbers, torch.from_numpy(categories)], rows, outputs, USUAL)


# ---------------------------------------------------------------- models of texts


class Texts(nn.Module):
    """Takes each text alone, without what fills it up: so nothing can leak from there."""

    def forward(self, tokens, lengths):
        return self.head(torch.cat([self.features(row[:length][None]) for row, length in zip(tokens, lengths)]))


class TextCnn(Texts):
    def __init__(self, tokens, size, widths, filters, classes):
        super().__init__()
        self.embedding = nn.Embedding(tokens, size)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, filters, width) for width in widths)
        self.head = nn.Linear(filters * len(widths), classes)

    def features(self, row):
        x = self.embedding(row).transpose(1, 2)
        padded = lambda layer: F.pad(x, [layer.kernel_size[0] - 1] * 2)
        return torch.cat([F.relu(layer(padded(layer))).amax(2) for layer in self.convolutions], 1)


class TextRecurrent(Texts):
    def __init__(self, unit, tokens, size, hidden, layers, both, classes):
        super().__init__()
        self.embedding = nn.Embedding(tokens, size)
        self.rnn = unit(size, hidden, layers, batch_first=True, bidirectional=both)
        self.attention, self.head = nn.Linear(hidden * (1 + both), 1), nn.Linear(hidden * (1 + both), classes)

    def features(self, row):
        states, _ = self.rnn(self.embedding(row))
        return (self.attention(states).softmax(1) * states).sum(1)


def waves(length, width):
    angles = torch.arange(length, dtype=torch.float64)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width].float().double()


class TextTransformer(Texts):
    def __init__(self, tokens, length, width, heads, layers, feedforward, learned, classes):
        super().__init__()
        self.embedding, self.scale = nn.Embedding(tokens, width), math.sqrt(width)
        if learned:
            self.positions = nn.Module()
            self.positions.weight = nn.Parameter(torch.zeros(length, width))
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, 0.0, F.gelu, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def features(self, row):
        x = self.embedding(row) * self.scale
        places = self.positions.weight[: x.shape[1]] if hasattr(self, "positions") else waves(*x.shape[1:])
        return self.encoder(x + places).mean(1)


class Bert(Texts):
    """Hugging Face's, with the mean over the text."""

    def __init__(self, tokens, settings, classes):
        super().__init__()
        dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        config = BertConfig(vocab_size=tokens, **settings, **dropout, attn_implementation="eager", pad_token_id=None)
        self.__dict__["model"] = BertModel(config, add_pooling_layer=False)
        self.embeddings, self.encoder = self.model.embeddings, self.model.encoder
        self.classifier = nn.Linear(settings["hidden_size"], classes)
        self.__dict__["head"] = self.classifier

    def features(self, row):
        return self.model(row).last_hidden_state.mean(1)


def text_cases():
    """Name, settings as mapsto saves them, model, tokens."""
    n, most, classes = 23, 9, 3
    yield ("cnn", {"architecture": "cnn", "embedding": 6, "widths": [3, 4, 5], "filters": 7, "dropout": 0},
           TextCnn(n, 6, [3, 4, 5], 7, classes))
    yield ("cnn, odd widths", {"architecture": "cnn", "embedding": 5, "widths": [1, 12], "filters": 4, "dropout": 0},
           TextCnn(n, 5, [1, 12], 4, classes))
    recurrent = lambda unit, **more: {"architecture": unit, "embedding": 6, "hidden": 5, "dropout": 0, **more}
    yield ("lstm", recurrent("lstm"), TextRecurrent(nn.LSTM, n, 6, 5, 1, True, classes))
    yield ("lstm, deep", recurrent("lstm", layers=2, bidirectional=False), TextRecurrent(nn.LSTM, n, 6, 5, 2, False, classes))
    yield ("gru", recurrent("gru", layers=2), TextRecurrent(nn.GRU, n, 6, 5, 2, True, classes))
    transformer = {"architecture": "transformer", "width": 8, "heads": 2, "layers": 2, "feedforward": 12, "dropout": 0}
    yield ("transformer", transformer, TextTransformer(n, most, 8, 2, 2, 12, False, classes))
    yield ("transformer, learned positions", transformer | {"positions": "learned"},
           TextTransformer(n, most, 8, 2, 2, 12, True, classes))
    bert = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20,
            "max_position_embeddings": 16, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
    dropout = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}
    yield ("bert", {"architecture": "bert", **bert, **dropout}, Bert(n, bert, classes))


def texts():
    tokens, lengths, classes = 23, [9, 4, 1, 6, 2], 3
    rows, most = len(lengths), max(lengths)
    numbers = torch.from_numpy((integers("tokens", rows * most).astype(np.int64) % tokens).reshape(rows, most))
    for name, settings, model in text_cases():
        yield {"name": name, "model": settings, "input": {"tokens": tokens, "length": most}, "rows": rows, "classes": classes
               } | run(model, [numbers, lengths], rows, classes, USUAL)

# ---------------------------------------------------------------- models of translation


class Pairs(nn.Module):
    """Takes each source alone, without what fills it up, with its target."""

    def forward(self, source, lengths, target):
        pairs = [self.pair(row[:length][None], said[None]) for row, length, said in zip(source, lengths, target)]
        return self.head(torch.cat(pairs).flatten(0, 1))


class TranslationGru(Pairs):
    """Bahdanau et al. 2015, with one layer before the last."""

    def __init__(self, sources, targets, size, hidden, layers):
        super().__init__()
        self.source, self.target = nn.Embedding(sources, size), nn.Embedding(targets, size)
        self.encoder = nn.GRU(size, hidden, layers, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.attention = nn.ModuleDict({
            "query": nn.Linear(hidden, hidden, bias=False), "key": nn.Linear(2 * hidden, hidden),
            "score": nn.Linear(hidden, 1, bias=False)})
        self.decoder = nn.GRUCell(size + 2 * hidden, hidden)
        self.combine, self.head = nn.Linear(3 * hidden + size, hidden), nn.Linear(hidden, targets)

    def pair(self, source, target):
        memory, last = self.encoder(self.source(source))
        state, said = self.bridge(torch.cat([last[-2], last[-1]], 1)).tanh(), []
        ask = self.attention
        for token in self.target(target)[0]:
            scores = ask["score"]((ask["query"](state)[:, None] + ask["key"](memory)).tanh())
            context = (scores.softmax(1) * memory).sum(1)
            state = self.decoder(torch.cat([token[None], context], 1), state)
            said.append(self.combine(torch.cat([state, context, token[None]], 1)).tanh())
        return torch.stack(said, 1)


class TranslationTransformer(Pairs):
    def __init__(self, sources, targets, width, heads, layers, feedforward):
        super().__init__()
        self.source, self.target = nn.Embedding(sources, width), nn.Embedding(targets, width)
        settings = (width, heads, feedforward, 0.0, F.gelu)
        encoder = nn.TransformerEncoderLayer(*settings, batch_first=True, norm_first=True)
        decoder = nn.TransformerDecoderLayer(*settings, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(encoder, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, layers, nn.LayerNorm(width))
        self.head = nn.Linear(width, targets)

    def pair(self, source, target):
        placed = lambda x: x * math.sqrt(x.shape[2]) + waves(*x.shape[1:])
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1], dtype=torch.float64)
        return self.decoder(placed(self.target(target)), self.encoder(placed(self.source(source))), tgt_mask=mask)


def translations():
    sources, targets, lengths, places = 23, 17, [9, 4, 1, 6], 5
    number = lambda name, below, shape: torch.from_numpy(
        (integers(name, math.prod(shape)).astype(np.int64) % below).reshape(shape))
    source = number("tokens", sources, [len(lengths), max(lengths)])
    target = number("targets", targets, [len(lengths), places])
    gru = {"architecture": "gru", "embedding": 6, "hidden": 5, "layers": 2, "dropout": 0}
    transformer = {"architecture": "transformer", "width": 8, "heads": 2, "layers": 2, "feedforward": 12, "dropout": 0}
    rows = len(lengths) * places
    for name, settings, model in [("gru", gru, TranslationGru(sources, targets, 6, 5, 2)),
                                  ("transformer", transformer, TranslationTransformer(sources, targets, 8, 2, 2, 12))]:
        shape = {"source": sources, "target": targets, "length": max(lengths)}
        yield {"name": name, "model": settings, "input": shape, "rows": rows, "classes": targets
               } | run(model, [source, lengths, target], rows, targets, USUAL)


# ---------------------------------------------------------------- models of sounds


def own(x, frames, step):
    """Ones at places that stand for frames of the sound itself."""
    return (torch.arange(0, x.shape[3] * step, step) < frames[:, None]).to(x.dtype)[:, None, None]


def mean(x, frames, step):
    mask = own(x, frames, step)
    return (x * mask).sum((2, 3)) / (mask.sum((1, 2, 3)) * x.shape[2])[:, None]


def unit(i, o, kernel, stride=1, padding=0, groups=1):
    return [nn.Conv2d(i, o, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(o), nn.ReLU()]


class MelCnn(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        sizes = [1, *channels]
        self.blocks = nn.ModuleList(nn.Sequential(*unit(i, o, 3, 1, 1)) for i, o in zip(sizes, channels))
        self.head = nn.Linear(channels[-1], classes)

    def forward(self, x, frames):
        x, step = x * own(x, frames, 1), 1
        for block in self.blocks:
            x = block(x)
            x = F.max_pool2d(x * own(x, frames, step), 2, ceil_mode=True)
            step *= 2
        return self.head(mean(x, frames, step))


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


def audio_cases():
    """Name, settings as mapsto saves them, model, rows, frames of each sound."""
    mel = lambda *channels: {"architecture": "mel_cnn", "channels": channels, "dropout": 0}
    keyword = lambda c, n: {"architecture": "keyword_cnn", "channels": c, "blocks": n, "dropout": 0}
    yield "mel_cnn", mel(4, 8, 12), MelCnn([4, 8, 12], 3), 13, [23, 9, 16, 1, 22]
    yield "mel_cnn, one length", mel(5, 6), MelCnn([5, 6], 4), 8, [12, 12, 12, 12]
    yield "keyword_cnn", keyword(8, 2), KeywordCnn(8, 2, 3), 13, [23, 9, 16, 1, 22]
    yield "keyword_cnn, one length", keyword(6, 3), KeywordCnn(6, 3, 4), 10, [12, 12, 12, 12]


def audio():
    for name, settings, model, rows, frames in audio_cases():
        x = torch.from_numpy(units("input", [len(frames), 1, rows, max(frames)]))
        classes = model.head.out_features
        yield {"name": name, "model": settings, "input": {"rows": rows, "frames": frames}, "rows": len(frames),
               "classes": classes} | run(model, [x, torch.tensor(frames)], len(frames), classes, USUAL)


# ---------------------------------------------------------------- models of recommendation


class Recommender(nn.Module):
    """Items count differently, so that what a user adds to all of them has a gradient, too."""

    def forward(self, asked, items):
        return self.scores(asked, items) * torch.arange(1, len(items) + 1) / len(items)


class Factors(Recommender):
    """Koren et al. 2009: biased matrix factorisation."""

    def __init__(self, users, items, width):
        super().__init__()
        self.user_embedding, self.item_embedding = nn.Embedding(users, width), nn.Embedding(items, width)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)

    def scores(self, users, items):
        product = self.user_embedding(users) @ self.item_embedding(items).T
        return product + self.user_bias(users) + self.item_bias(items).T


class Tower(nn.Module):
    """Linear layers with rectifiers between them; number 0, the unknown, has no vector."""

    def __init__(self, count, embedding, hidden, width):
        super().__init__()
        self.embedding, self.bias = nn.Embedding(count, embedding), nn.Embedding(count, 1)
        widths = [embedding, *hidden, width]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))

    def forward(self, numbers):
        x = self.layers[0](self.embedding(numbers))
        for layer in self.layers[1:]:
            x = layer(F.relu(x))
        return x * (numbers != 0)[:, None]


class TwoTower(Recommender):
    def __init__(self, users, items, *widths):
        super().__init__()
        self.user, self.item = Tower(users, *widths), Tower(items, *widths)

    def scores(self, users, items):
        return self.user(users) @ self.item(items).T + self.user.bias(users) + self.item.bias(items).T


class Sequence(Recommender):
    """Kang and McAuley 2018, or Hidasi et al. 2016: each history by itself, asked behind its last item."""

    def __init__(self, items, width, layers, heads, length, gru):
        super().__init__()
        self.item_embedding, self.item_bias = nn.Embedding(items, width), nn.Embedding(items, 1)
        self.reader = nn.Module()
        if gru:
            self.reader.gru = nn.GRU(width, width, layers, batch_first=True)
        else:
            self.reader.positions = nn.Module()
            self.reader.positions.weight = nn.Parameter(torch.zeros(length, width))
            layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, F.gelu, batch_first=True, norm_first=True)
            self.reader.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def last(self, history):
        x = self.item_embedding(history)[None]
        if hasattr(self.reader, "gru"):
            return self.reader.gru(x)[0][0, -1]
        steps = len(history)
        mask = torch.triu(torch.ones(steps, steps, dtype=torch.bool), 1)
        return self.reader.encoder(x + self.reader.positions.weight[:steps], mask)[0, -1]

    def scores(self, histories, items):
        users = self.norm(torch.stack([self.last(history) for history in histories]))
        return users @ self.item_embedding(items).T + self.item_bias(items).T


def recommend_cases():
    """Name, settings as mapsto saves them, model, users, items."""
    sequence = lambda reader, width, layers: {"architecture": "sequence", "reader": reader, "length": 7, "width": width,
                                              "layers": layers, "heads": 2, "dropout": 0}
    towers = {"architecture": "two_tower", "embedding": 5, "hidden": [7, 6], "width": 4, "dropout": 0}
    yield "mf", {"architecture": "mf", "width": 6}, Factors(5, 9, 6), 5, 9
    yield "two_tower", towers, TwoTower(6, 8, 5, [7, 6], 4), 6, 8
    yield "sequence, attention", sequence("attention", 8, 2), Sequence(11, 8, 2, 2, 7, False), 2, 11
    yield "sequence, gru", sequence("gru", 6, 2), Sequence(9, 6, 2, 2, 7, True), 2, 9


def recommend():
    lengths = [7, 3, 1, 5, 2]
    for name, settings, model, users, items in recommend_cases():
        rows = len(lengths)
        asked = torch.from_numpy(integers("users", rows).astype(np.int64) % users)
        if "sequence" in name:
            all = integers("histories", rows * 7).astype(np.int64).reshape(rows, 7) % items
            asked = [torch.from_numpy(row[:length]) for row, length in zip(all, lengths)]
        yield {"name": name, "model": settings, "input": {"users": users, "items": items}, "rows": rows,
               "classes": items - 1} | run(model, [asked, torch.arange(1, items)], rows, items - 1, GENTLE)
# ---------------------------------------------------------------- models of labelled series


def same(i, o, kernel):
    return nn.Sequential(nn.Conv1d(i, o, kernel, padding="same", bias=False), nn.BatchNorm1d(o))


class Series(nn.Module):
    """The mean of features over a series' own steps; what stands behind them is zero before each convolution."""

    def forward(self, x, lengths):
        mask = (torch.arange(x.shape[2]) < lengths[:, None]).to(x.dtype)[:, None]
        return self.head((self.features(x * mask, mask) * mask).sum(2) / lengths[:, None])


class SeriesFcn(Series):
    """Wang et al. 2017."""

    def __init__(self, i, channels, kernels, classes):
        super().__init__()
        self.blocks = nn.ModuleList(same(i, o, k) for i, o, k in zip([i, *channels], channels, kernels))
        self.head = nn.Linear(channels[-1], classes)

    def features(self, x, mask):
        for block in self.blocks:
            x = F.relu(block(x)) * mask
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

    def features(self, x, mask):
        for block in self.blocks:
            around = block.shortcut(x)
            for convolution in block.convolutions[:-1]:
                x = F.relu(convolution(x)) * mask
            x = F.relu(block.convolutions[-1](x) + around) * mask
        return x


class SeriesRecurrent(nn.Module):
    """Takes each series alone, without what fills it up."""

    def __init__(self, i, hidden, layers, both, classes):
        super().__init__()
        self.rnn = nn.LSTM(i, hidden, layers, batch_first=True, bidirectional=both)
        self.attention, self.head = nn.Linear(hidden * (1 + both), 1), nn.Linear(hidden * (1 + both), classes)

    def forward(self, x, lengths):
        def features(one, length):
            states, _ = self.rnn(one[None, :, :length].transpose(1, 2))
            return (self.attention(states).softmax(1) * states).sum(1)

        return self.head(torch.cat([features(one, length) for one, length in zip(x, lengths)]))


def series_cases():
    """Name, settings as mapsto saves them, model, channels, length of each series."""
    with_kernels = lambda name, channels, kernels: {"architecture": name, "channels": channels, "kernels": kernels, "dropout": 0}
    lstm = {"architecture": "lstm", "hidden": 5, "dropout": 0}
    yield "cnn", with_kernels("cnn", [6, 9, 5], [8, 5, 3]), SeriesFcn(2, [6, 9, 5], [8, 5, 3], 3), 2, [14, 3, 9, 1, 13]
    yield "cnn, one length", with_kernels("cnn", [7], [4]), SeriesFcn(1, [7], [4], 4), 1, [11, 11, 11, 11]
    yield "resnet", with_kernels("resnet", [6, 6], [8, 5, 3]), SeriesResNet(2, [6, 6], [8, 5, 3], 3), 2, [14, 3, 9, 1, 13]
    yield "lstm", lstm, SeriesRecurrent(2, 5, 1, True, 3), 2, [14, 3, 9, 1, 13]
    yield "lstm, deep", lstm | {"layers": 2, "bidirectional": False}, SeriesRecurrent(3, 5, 2, False, 3), 3, [6, 6, 6, 6]


def series():
    for name, settings, model, channels, lengths in series_cases():
        x = torch.from_numpy(units("input", [len(lengths), channels, max(lengths)]))
        classes = model.head.out_features
        yield {"name": name, "model": settings, "input": {"channels": channels, "lengths": lengths}, "rows": len(lengths),
               "classes": classes} | run(model, [x, torch.tensor(lengths)], len(lengths), classes, USUAL)


# ---------------------------------------------------------------- models that forecast


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
    def __init__(self, hidden, layers, shape):
        super().__init__()
        context, horizon, targets, past, known = shape
        sizes = [context * (targets + past + known) + horizon * known] + [hidden] * layers
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(sizes, sizes[1:]))
        self.head = ForecastHead(hidden, shape)

    def forward(self, past, future):
        x = torch.cat([past.flatten(1), future.flatten(1)], 1)
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.head(x, past, future)


class ForecastRecurrent(nn.Module):
    def __init__(self, hidden, layers, shape):
        super().__init__()
        self.rnn = nn.LSTM(sum(shape[2:]), hidden, layers, batch_first=True)
        self.head = ForecastHead(hidden, shape)

    def forward(self, past, future):
        return self.head(self.rnn(past)[0][:, -1], past, future)


class ForecastTcn(nn.Module):
    """Bai et al. 2018, without weight normalisation."""

    def __init__(self, channels, kernel, levels, shape):
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
        self.head = ForecastHead(channels, shape)

    def forward(self, past, future):
        x = past.transpose(1, 2)
        for block in self.blocks:
            around = block.downsample(x) if hasattr(block, "downsample") else x
            for convolution in (block.conv1, block.conv2):
                x = F.relu(convolution(x)[..., : around.shape[2]])
            x = F.relu(x + around)
        return self.head(x[..., -1], past, future)


class ForecastTransformer(nn.Module):
    def __init__(self, width, heads, layers, feedforward, shape):
        super().__init__()
        self.input = nn.Linear(sum(shape[2:]), width)
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, 0.0, F.gelu, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = ForecastHead(width, shape)

    def forward(self, past, future):
        x = self.input(past)
        return self.head(self.encoder(x + TextTransformer.waves(None, *x.shape[1:]))[:, -1], past, future)


def forecast_cases():
    """Name, settings as mapsto saves them, model, shape: context, horizon, targets, past, known."""
    full, alone = (9, 4, 2, 3, 2), (9, 4, 1, 0, 0)
    linear = lambda smoothing: {"architecture": "linear", "smoothing": smoothing}
    yield "linear", linear(4), ForecastLinear(4, full), full
    yield "linear, alone", linear(25), ForecastLinear(25, alone), alone
    yield "mlp", {"architecture": "mlp", "hidden": 8, "layers": 2, "dropout": 0}, ForecastMlp(8, 2, full), full
    yield "mlp, alone", {"architecture": "mlp", "hidden": 8, "layers": 1, "dropout": 0}, ForecastMlp(8, 1, alone), alone
    yield "lstm", {"architecture": "lstm", "hidden": 6, "layers": 2, "dropout": 0}, ForecastRecurrent(6, 2, full), full
    tcn = {"architecture": "tcn", "channels": 6, "kernel": 3, "levels": 3, "dropout": 0}
    yield "tcn", tcn, ForecastTcn(6, 3, 3, full), full
    transformer = {"architecture": "transformer", "width": 8, "heads": 2, "layers": 2, "feedforward": 12, "dropout": 0}
    yield "transformer", transformer, ForecastTransformer(8, 2, 2, 12, full), full


def forecasts():
    rows = 5
    for name, settings, model, shape in forecast_cases():
        context, horizon, targets, _, known = shape
        past = torch.from_numpy(units("past", [rows, context, sum(shape[2:])]))
        future = torch.from_numpy(units("future", [rows, horizon, known]))
        classes = horizon * targets * 3
        yield {"name": name, "model": settings, "input": dict(zip(["context", "horizon", "targets", "past", "known"], shape)),
               "rows": rows, "classes": classes} | run(model, [past, future], rows, classes, USUAL)


# ---------------------------------------------------------------- files


def states():
    for name in ["vgg11", "vgg11_bn", "vgg16", "resnet18", "resnet34", "resnet50", "mobilenet_v2"]:
        with torch.device("meta"):
            model = getattr(tv, name)(**({"init_weights": False} if name.startswith("vgg") else {}))
        yield f"model {name} {sum(p.numel() for p in model.parameters())}"
        for entry, x in model.state_dict().items():
            yield " ".join([entry, *map(str, x.shape)])


def write(name, text):
    (FIXTURES / name).write_text(text + "\n")


if __name__ == "__main__":
    write("torchvision_states.txt", "\n".join(states()))
    all = {"audio.json": audio, "forecasts.json": forecasts, "images.json": images, "recommend.json": recommend,
           "series.json": series, "tables.json": tables, "texts.json": texts, "translations.json": translations}
    for name, cases in all.items():
        write(name, "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]")
