"""Writes what torchvision's and PyTorch's models give, for the tests of mapsto-models, under its tests/fixtures/:

- torchvision_states.txt: names and shapes of state dicts;
- audio.json, forecasts.json, images.json, recommend.json, series.json, tables.json, texts.json,
  translations.json: logits, gradients and losses; of texts' transformers also where they look.

Run from the repository root with a Python that has torch, torchvision and transformers: python tools/models_fixtures.py

Models that torchvision does not have are written from their papers, here or in `tools/networks`.
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

from golden import fill, integers, run, units
from networks.forecasts import ForecastLinear, ForecastMlp, ForecastRecurrent, ForecastTcn, ForecastTransformer
from networks.recommend import Factors, Sequence, TwoTower, against
from networks.series import SeriesFcn, SeriesRecurrent, SeriesResNet
from networks.sounds import KeywordCnn, MelCnn
from networks.tables import Linear, Mlp
from networks.texts import TextCnn, TextRecurrent, TextTransformer, waves

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
        return torch.cat([super(Texts, self).forward(row[:length][None], torch.tensor([length])) for row, length in zip(tokens, lengths)])


def alone(network):
    """The network, which takes each text alone."""
    return type(network.__name__, (Texts, network), {})


class Bert(nn.Module):
    """Hugging Face's, with the mean over the text; of texts of one length."""

    def __init__(self, tokens, settings, classes):
        super().__init__()
        dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        config = BertConfig(vocab_size=tokens, **settings, **dropout, attn_implementation="eager", pad_token_id=None)
        self.__dict__["model"] = BertModel(config, add_pooling_layer=False)
        self.embeddings, self.encoder = self.model.embeddings, self.model.encoder
        self.classifier = nn.Linear(settings["hidden_size"], classes)

    def forward(self, tokens, lengths):
        return self.classifier(self.model(tokens).last_hidden_state.mean(1))


def looks(model, row):
    """How much each token of a text looks at each in each layer of a transformer: the mean of the heads."""
    if hasattr(model, "model"):
        yield from (heads.mean(1) for heads in model.model(row, output_attentions=True).attentions)
    elif hasattr(model, "encoder"):
        x = model.embed(row)
        for layer in model.encoder.layers:
            asking = layer.norm1(x)
            yield layer.self_attn(asking, asking, asking)[1]
            x = layer(x)


def text_cases():
    """Name, settings as mapsto saves them, model, tokens."""
    n, most, classes = 23, 9, 3
    yield ("cnn", {"architecture": "cnn", "embedding": 6, "widths": [3, 4, 5], "filters": 7, "dropout": 0},
           alone(TextCnn)(n, 6, [3, 4, 5], 7, classes))
    yield ("cnn, odd widths", {"architecture": "cnn", "embedding": 5, "widths": [1, 12], "filters": 4, "dropout": 0},
           alone(TextCnn)(n, 5, [1, 12], 4, classes))
    recurrent = lambda unit, **more: {"architecture": unit, "embedding": 6, "hidden": 5, "dropout": 0, **more}
    yield ("lstm", recurrent("lstm"), alone(TextRecurrent)(nn.LSTM, n, 6, 5, 1, True, classes))
    yield ("lstm, deep", recurrent("lstm", layers=2, bidirectional=False), alone(TextRecurrent)(nn.LSTM, n, 6, 5, 2, False, classes))
    yield ("gru", recurrent("gru", layers=2), alone(TextRecurrent)(nn.GRU, n, 6, 5, 2, True, classes))
    transformer = {"architecture": "transformer", "width": 8, "heads": 2, "layers": 2, "feedforward": 12, "dropout": 0}
    yield ("transformer", transformer, alone(TextTransformer)(n, most, 8, 2, 2, 12, False, classes))
    yield ("transformer, learned positions", transformer | {"positions": "learned"},
           alone(TextTransformer)(n, most, 8, 2, 2, 12, True, classes))
    bert = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20,
            "max_position_embeddings": 16, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
    dropout = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}
    yield ("bert", {"architecture": "bert", **bert, **dropout}, alone(Bert)(n, bert, classes))


def texts():
    tokens, lengths, classes = 23, [9, 4, 1, 6, 2], 3
    rows, most = len(lengths), max(lengths)
    numbers = torch.from_numpy((integers("tokens", rows * most).astype(np.int64) % tokens).reshape(rows, most))
    for name, settings, model in text_cases():
        case = {"name": name, "model": settings, "input": {"tokens": tokens, "length": most}, "rows": rows, "classes": classes
                } | run(model, [numbers, lengths], rows, classes, USUAL)
        fill(model)
        with torch.no_grad():
            # Of each layer, of each text.
            layers = zip(*(looks(model, row[:length][None]) for row, length in zip(numbers, lengths)))
            case["attention"] = [[look.flatten().tolist() for look in layer] for layer in layers]
        yield case


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
        scores = against(self.asked(asked), self.items(items))
        return scores * torch.arange(1, len(items) + 1) / len(items)

    def asked(self, users):
        return self.users(users)


class Reader(Recommender):
    """Of histories each by itself, asked behind its last item."""

    def asked(self, histories):
        last = [self.users(history[None], torch.tensor([len(history)]), [len(history) - 1])[0] for history in histories]
        return torch.cat(last), 0.0


def counted(network, kind=Recommender):
    """The network, whose items count differently."""
    return type(network.__name__, (kind, network), {})


def recommend_cases():
    """Name, settings as mapsto saves them, model, users, items."""
    sequence = lambda reader, width, layers: {"architecture": "sequence", "reader": reader, "length": 7, "width": width,
                                              "layers": layers, "heads": 2, "dropout": 0}
    towers = {"architecture": "two_tower", "embedding": 5, "hidden": [7, 6], "width": 4, "dropout": 0}
    yield "mf", {"architecture": "mf", "width": 6}, counted(Factors)(5, 9, 6), 5, 9
    yield "two_tower", towers, counted(TwoTower)(6, 8, 5, [7, 6], 4), 6, 8
    yield "sequence, attention", sequence("attention", 8, 2), counted(Sequence, Reader)(11, 8, 2, 2, 7, False), 2, 11
    yield "sequence, gru", sequence("gru", 6, 2), counted(Sequence, Reader)(9, 6, 2, 2, 7, True), 2, 9


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
