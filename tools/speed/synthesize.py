"""Speech from texts, as a voice says them.

DATA is a folder of recordings called DIGIT_SPEAKER_NUMBER.wav, such as those of the free spoken digit dataset; one speaker's are learned from, those with a
number below 5 tested on, those below 10 for validation. Needs torchaudio, soundfile and numba.
"""

import csv

import soundfile
import torch

from networks.synthesis import Parallel
from speed.audio import log_mel, padded, write_table
from speed.course import bucketed, in_order

MODELS = ["parallel"]
WORDS = "zero one two three four five six seven eight nine".split()
SPEAKER, UNKNOWN = "george", 1


def words(options, model, folder):
    write_table(options.data, folder / "sounds.csv", lambda digit, speaker: {"text": WORDS[int(digit)], "speaker": speaker})
    return ["--data", folder / "sounds.csv", "--set", f"speaker={SPEAKER}", "--set", "mels=40", "--model", model]


class Peer:
    def __init__(self, settings):
        config, model = settings["config"], dict(settings["config"]["model"])
        rows = [row for row in csv.DictReader(open(config["data"], newline="")) if row["speaker"] == config["speaker"]]
        learned = "".join(row["text"] for row in rows if row["part"] == "train")
        # 0 fills up, 1 is the unknown; what is silent before and behind a text comes last.
        numbers = {letter: number for number, letter in enumerate(sorted(set(learned)), 2)}
        silence = len(numbers) + 2
        mel, self.parts = log_mel(config["features"]), {}
        for part in ("train", "validation", "test"):
            own = [row for row in rows if row["part"] == part]
            mels = [mel(torch.from_numpy(soundfile.read(row["path"], dtype="float32", always_2d=True)[0].mean(1))) for row in own]
            texts = [torch.tensor([silence, *(numbers.get(letter, UNKNOWN) for letter in row["text"]), silence]) for row in own]
            self.parts[part] = texts, mels
        every = torch.cat(self.parts["train"][1], 1)
        mean, std = every.mean(1, keepdim=True), every.std(1, keepdim=True, correction=0)
        self.parts = {part: (texts, [(one - mean) / std for one in mels]) for part, (texts, mels) in self.parts.items()}
        self.frames = torch.tensor([one.shape[1] for one in self.parts["train"][1]])
        self.batch = settings["training"]["batch_size"]
        self.steps = len(self.frames) // min(self.batch, len(self.frames))
        assert model.pop("architecture") == "parallel"
        self.model = Parallel(silence + 1, len(mean), **model)

    def batches(self, part):
        texts, mels = self.parts[part]
        for rows in bucketed(self.frames, self.batch) if part == "train" else in_order(len(texts), 32):
            some = [texts[row] for row in rows]
            x, counts = padded([mels[row] for row in rows])
            tokens = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
            yield tokens, torch.tensor([len(text) for text in some]), x.squeeze(1).transpose(1, 2), counts

    def loss(self, batch):
        return sum(self.model(*batch)), len(batch[0])
