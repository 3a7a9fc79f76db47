"""Writes what torchaudio and libsndfile make of sounds, for the tests of mapsto-data, under its tests/fixtures/: sound.json, and files of
each format in sound/.

Run from the repository root with a Python that has torch, torchaudio and soundfile: python tools/sound_fixtures.py

Sounds are chirps that both sides compute (`chirp`), of integers, so that no file has to hold them.
"""

import json
import math
import pathlib

import numpy as np
import soundfile
import torch
import torchaudio.functional as F
import torchaudio.transforms as T

FIXTURE = pathlib.Path("crates/mapsto-data/tests/fixtures/sound.json")
FILES = FIXTURE.with_suffix("")


def chirp(n):
    """A tone that rises and noise (Knuth's MMIX generator), in steps of 1/32768, the last eighth silent."""
    state, out = 1, []
    for i in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        noise = (state >> 52) - 2048
        tone = math.floor(20000 * math.sin(2 * math.pi * (0.01 * i + 1e-5 * i * i)))
        out.append((tone + noise) / 32768 if i < n - n // 8 else 0.0)
    return torch.tensor(out, dtype=torch.float32)


def numbers(x):
    return [float(f"{v:.7g}") for v in x.flatten().tolist()]


def resampled():
    for rate, to, n in [(8000, 16000, 200), (44100, 16000, 500), (16000, 8000, 301), (22050, 16000, 200), (3, 7, 20),
                        (16000, 16001, 50), (48000, 8000, 5), (8000, 44100, 30)]:
        yield {"from": rate, "to": to, "samples": n, "values": numbers(F.resample(chirp(n), rate, to))}


def mel(rate, points, window, hop, mels, f_min=0.0, f_max=None, scale="htk", norm=None):
    settings = {"rate": rate, "points": points, "window": window, "hop": hop, "mels": mels, "f_min": f_min, "scale": scale}
    settings |= {"f_max": f_max} if f_max else {}
    settings |= {"norm": norm} if norm else {}
    args = dict(n_fft=points, win_length=window, hop_length=hop, n_mels=mels, f_min=f_min, f_max=f_max,
                mel_scale=scale, norm=norm)
    return rate, settings, args


MELS = [
    (mel(16000, 400, 400, 160, 20), 2000),
    (mel(16000, 512, 400, 160, 24, 20.0, 7600.0), 1900),
    (mel(8000, 256, 200, 80, 23, 0.0, None, "slaney", "slaney"), 800),
    (mel(22050, 302, 300, 97, 13, 50.0, 9000.0, "slaney"), 777),
    (mel(16000, 128, 64, 200, 40, 0.0, 8000.0, "htk", "slaney"), 650),
    (mel(16000, 400, 400, 160, 128), 401),
]


def log_mels():
    for (rate, settings, args), n in MELS:
        power = T.MelSpectrogram(rate, **args)(chirp(n))
        logs = [({"kind": "natural", "offset": 1e-6}, torch.log(power + 1e-6)),
                ({"kind": "decibels", "floor": 1e-10}, T.AmplitudeToDB("power")(power)),
                ({"kind": "decibels", "floor": 1e-10, "range": 40.0}, T.AmplitudeToDB("power", 40.0)(power))]
        for log, values in logs[: 1 if n < 700 else 3]:
            yield {"settings": settings | {"log": log}, "samples": n, "frames": power.shape[1], "values": numbers(values)}


def mfccs():
    for ((rate, settings, args), n), count, log in zip(MELS, [13, 24, 20, 5], [False, True, False, True]):
        values = T.MFCC(rate, count, log_mels=log, melkwargs=args)(chirp(n))
        kind = {"kind": "natural", "offset": 1e-6} if log else {"kind": "decibels", "floor": 1e-10, "range": 80.0}
        yield {"settings": {"coefficients": count, "mel": settings | {"log": kind}}, "samples": n,
               "frames": values.shape[1], "values": numbers(values)}


def pitched():
    for semitones, n in [(2, 1500), (-3, 1500), (7, 1300)]:
        yield {"semitones": semitones, "samples": n, "values": numbers(F.pitch_shift(chirp(n).double(), 16000, semitones))}


def griffin_lims():
    """Sounds of magnitudes, from phases of zero on."""
    for points, window, hop, n, iterations, momentum in [(64, 64, 16, 500, 0, 0.0), (64, 50, 20, 500, 8, 0.0),
                                                         (128, 128, 32, 700, 30, 0.99)]:
        shape = torch.hann_window(window).double()
        power = F.spectrogram(chirp(n).double(), 0, shape, points, hop, window, 1.0, False)
        values = F.griffinlim(power, shape, points, hop, window, 1.0, iterations, momentum, n, False)
        yield {"points": points, "window": window, "hop": hop, "samples": n, "iterations": iterations, "momentum": momentum,
               "values": numbers(values)}


def files():
    """A file of each format; of two channels the second is the first, half as loud and turned round."""
    FILES.mkdir(exist_ok=True)
    for name, subtype, rate, channels, n in [
        ("pcm_u8.wav", "PCM_U8", 8000, 1, 100), ("pcm_16.wav", "PCM_16", 16000, 2, 100), ("pcm_24.wav", "PCM_24", 44100, 1, 100),
        ("pcm_32.wav", "PCM_32", 48000, 2, 100), ("float.wav", "FLOAT", 22050, 1, 100),
        ("16.flac", "PCM_16", 16000, 2, 300), ("24.flac", "PCM_24", 44100, 1, 300), ("8.flac", "PCM_S8", 8000, 1, 300),
        ("mono.ogg", "VORBIS", 16000, 1, 1500), ("stereo.ogg", "VORBIS", 44100, 2, 700)]:
        sound = chirp(n).double().numpy()
        sound = np.stack([sound, sound[::-1] / 2], 1) if channels == 2 else sound
        path = FILES / name
        soundfile.write(path, sound, rate, subtype=subtype)
        read, _ = soundfile.read(path, dtype="float64", always_2d=True)
        yield {"name": name, "rate": rate, "channels": channels, "values": numbers(torch.from_numpy(read.mean(1)))}


if __name__ == "__main__":
    cases = {"resampled": resampled(), "log_mels": log_mels(), "mfccs": mfccs(), "pitched": pitched(),
             "griffin_lims": griffin_lims(), "files": files()}
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in all) + "\n]" for name, all in cases.items()]
    FIXTURE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
