"""The classes of texts: networks that learn from nothing, and `minilm`, an encoder that is tuned.

DATA is a table with the columns `part` (train and test), `text`, and that of the classes, told by `--target`, such as `tools/compare_texts.py`
writes; a tenth of the part to learn from becomes the validation part. `minilm` begins with what `--pretrained` names, a folder of
`all-MiniLM-L6-v2`. Needs pandas and tokenizers, for `minilm` transformers.
"""

import os
import sys

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
import torch.nn.functional as F
from tokenizers import Tokenizer

from networks.texts import TextCnn, TextRecurrent, TextTransformer, before, mean
from speed.course import bucketed, in_order
from text_fixtures import words as tokenizer_of_words

MODELS = ["cnn", "gru", "transformer", "minilm"]


def words(options, model, folder):
    """Writes the table with a validation part, and tells mapsto of it."""
    table = pd.read_csv(options.data, keep_default_na=False)
    train = np.flatnonzero(table.part == "train")
    table.loc[np.random.default_rng(1).choice(train, len(train) // 10, replace=False), "part"] = "validation"
    table.to_csv(folder / "table.csv", index=False)
    network = ["--pretrained", options.pretrained or sys.exit("give --pretrained")] if model == "minilm" else ["--model", model]
    return ["--data", folder / "table.csv", "--target", options.target or sys.exit("give --target"), *network]


class Bert(nn.Module):
    def __init__(self, folder, classes):
        super().__init__()
        from transformers import BertModel, logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.bert = BertModel.from_pretrained(folder, add_pooling_layer=False)
        config = self.bert.config
        self.dropout, self.classifier = nn.Dropout(config.hidden_dropout_prob), nn.Linear(config.hidden_size, classes)
        nn.init.normal_(self.classifier.weight, std=config.initializer_range)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, tokens, lengths):
        held = before(lengths, tokens.shape[1])
        return self.classifier(self.dropout(mean(self.bert(tokens, attention_mask=held.long()).last_hidden_state, held)))


def network(config, tokens, classes):
    model = dict(config["model"])
    name, dropout = model.pop("architecture"), model.get("dropout")
    match name:
        case "cnn":
            return TextCnn(tokens, model["embedding"], model["widths"], model["filters"], classes, dropout)
        case "gru" | "lstm":
            unit = {"gru": nn.GRU, "lstm": nn.LSTM}[name]
            sizes = (model["embedding"], model["hidden"], model["layers"], model["bidirectional"])
            return TextRecurrent(unit, tokens, *sizes, classes, dropout)
        case "transformer":
            sizes = (model["width"], model["heads"], model["layers"], model["feedforward"])
            return TextTransformer(tokens, config["length"], *sizes, model["positions"] == "learned", classes, dropout)
        case "bert":
            return Bert(config["pretrained"], classes)


class Peer:
    def __init__(self, settings):
        config = settings["config"]
        self.batch, self.smoothing = settings["training"]["batch_size"], settings["training"]["label_smoothing"]
        os.environ["RAYON_NUM_THREADS"] = str(torch.get_num_threads())
        table = pd.read_csv(config["data"], keep_default_na=False)
        if config["pretrained"]:
            tokenizer = Tokenizer.from_file(f"{config['pretrained']}/tokenizer.json")
            tokenizer.no_padding()
        else:
            tokenizer, trainer = tokenizer_of_words(config["vocabulary"])
            tokenizer.train_from_iterator(table.text[table.part == "train"], trainer)
        tokenizer.enable_truncation(config["length"])
        labels, classes = pd.factorize(table[config["target"]], sort=True)
        encoded = [torch.tensor(one.ids) for one in tokenizer.encode_batch(table.text.tolist())]
        self.parts = {}
        for part in ("train", "validation", "test"):
            rows = np.flatnonzero(table.part == part)
            tokens = [encoded[row] for row in rows]
            self.parts[part] = tokens, torch.tensor([len(one) for one in tokens]), torch.from_numpy(labels[rows])
        self.steps = len(self.parts["train"][0]) // self.batch
        self.model = network(config, tokenizer.get_vocab_size(), len(classes))

    def batches(self, part):
        tokens, lengths, labels = self.parts[part]
        for rows in bucketed(lengths, self.batch) if part == "train" else in_order(len(labels), 64):
            yield nn.utils.rnn.pad_sequence([tokens[row] for row in rows], batch_first=True), lengths[rows], labels[rows]

    def loss(self, batch):
        tokens, lengths, labels = batch
        smoothing = self.smoothing if self.model.training else 0.0
        return F.cross_entropy(self.model(tokens, lengths), labels, label_smoothing=smoothing), len(labels)
