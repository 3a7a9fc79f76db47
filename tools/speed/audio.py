"""The classes of sounds.

DATA is a folder of recordings called CLASS_SPEAKER_NUMBER.wav, such as those of the free spoken digit dataset: those with a number below 5 are tested
on, those below 10 for validation. Both change sounds as mapsto does by default (speed, shift, noise, masks), in as many processes or threads as there
are cores: mapsto loads so whatever `--threads` is. Needs torchaudio and soundfile.
"""

import csv
import os

import soundfile
import torch
import torch.nn.functional as F
import torchaudio
from torchaudio.transforms import FrequencyMasking, MelSpectrogram, Resample, TimeMasking

from networks.sounds import MelCnn
from speed.course import bucketed, in_order

MODELS = ["mel_cnn"]


def write_table(folder, to, named):
    """A table of the recordings; `named` tells what stands beside each path for its class and speaker."""
    with open(to, "w", newline="") as file:
        out = csv.writer(file)
        for place, path in enumerate(sorted(folder.glob("*.wav"))):
            label, speaker, number = path.stem.split("_")
            row = named(label, speaker) | {"part": "test" if int(number) < 5 else "validation" if int(number) < 10 else "train"}
            if place == 0:
                out.writerow(["path", *row])
            out.writerow([path, *row.values()])


def words(options, model, folder):
    write_table(options.data, folder / "sounds.csv", lambda label, _: {"label": label})
    return ["--data", folder / "sounds.csv", "--model", model]


def log_mel(features):
    mel = MelSpectrogram(features["rate"], features["points"], features["window"], features["hop"], n_mels=features["mels"])
    return lambda sound: torch.log(mel(sound) + 1e-6)


class Changed(torch.utils.data.Dataset):
    """Spectrograms of sounds that are changed by chance."""

    def __init__(self, sounds, config, mean, std):
        self.sounds, self.mean, self.std, self.mel = sounds, mean, std, log_mel(config["features"])
        self.steps = {step["name"]: step for step in config["steps"]}
        assert self.steps.keys() == {"speed", "shift", "noise"}, config["steps"]
        masks = config["masks"]
        self.masks = [FrequencyMasking(masks["frequency_width"])] * masks["frequency_masks"]
        self.masks += [TimeMasking(masks["time_width"], p=masks["time_share"])] * masks["time_masks"]
        low, high = (round(100 * factor) for factor in self.steps["speed"]["factor"])
        self.speeds = [Resample(speed, 100) for speed in range(low, high + 1)]

    def __len__(self):
        return len(self.sounds)

    def __getitem__(self, index):
        sound = self.speeds[int(torch.randint(len(self.speeds), ()))](self.sounds[index])
        most = self.steps["shift"]["share"] * len(sound)
        by = round(float(torch.empty(()).uniform_(-most, most)))
        sound = F.pad(sound, (by, -by))
        if torch.rand(()) < self.steps["noise"]["probability"]:
            decibels = torch.empty(1).uniform_(*self.steps["noise"]["decibels"])
            sound = torchaudio.functional.add_noise(sound, torch.randn_like(sound), decibels[0])
        x = (self.mel(sound) - self.mean) / self.std
        for mask in self.masks:
            x = mask(x[None])[0]
        return x


def padded(features):
    frames = torch.tensor([one.shape[1] for one in features])
    x = torch.zeros(len(features), 1, features[0].shape[0], int(frames.max()))
    for row, one in zip(x, features):
        row[0, :, : one.shape[1]] = one
    return x, frames


class Order:
    """The batches of an epoch, drawn anew each time."""

    def __init__(self, lengths, batch):
        self.lengths, self.batch = lengths, batch

    def __iter__(self):
        return (rows.tolist() for rows in bucketed(self.lengths, self.batch))

    def __len__(self):
        return len(self.lengths) // self.batch


class Numbered(torch.utils.data.Dataset):
    """Items with their numbers."""

    def __init__(self, items):
        self.items = items

    def __getitem__(self, index):
        return index, self.items[index]


def collated(items):
    return torch.tensor([index for index, _ in items]), *padded([one for _, one in items])


class Peer:
    def __init__(self, settings):
        config, training = settings["config"], settings["training"]
        rows = list(csv.DictReader(open(config["data"], newline="")))
        classes = sorted({row["label"] for row in rows})
        self.smoothing, self.parts = training["label_smoothing"], {}
        mel = log_mel(config["features"])
        for part in ("train", "validation", "test"):
            own = [row for row in rows if row["part"] == part]
            sounds = [torch.from_numpy(soundfile.read(row["path"], dtype="float32", always_2d=True)[0].mean(1)) for row in own]
            self.parts[part] = sounds, [mel(sound) for sound in sounds], torch.tensor([classes.index(row["label"]) for row in own])
        sounds, mels, self.labels = self.parts["train"]
        learned = torch.cat(mels, 1)
        self.mean, self.std = learned.mean(1, keepdim=True), learned.std(1, keepdim=True, correction=0)
        order = Order(torch.tensor([one.shape[1] for one in mels]), training["batch_size"])
        self.loader = torch.utils.data.DataLoader(
            Numbered(Changed(sounds, config, self.mean, self.std)), batch_sampler=order, collate_fn=collated,
            num_workers=os.cpu_count(), persistent_workers=True)
        self.steps = len(order)
        self.model = MelCnn(config["model"]["channels"], len(classes), config["model"]["dropout"])

    def batches(self, part):
        if part == "train":
            for rows, x, frames in self.loader:
                yield x, frames, self.labels[rows]
            return
        _, mels, labels = self.parts[part]
        for rows in in_order(len(labels), 32):
            yield *padded([(mels[row] - self.mean) / self.std for row in rows]), labels[rows]

    def loss(self, batch):
        x, frames, labels = batch
        smoothing = self.smoothing if self.model.training else 0.0
        return F.cross_entropy(self.model(x, frames), labels, label_smoothing=smoothing), len(labels)
