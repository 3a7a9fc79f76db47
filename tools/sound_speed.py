"""Log-mel spectrograms per second on one thread, torchaudio's beside mapsto's.

Run from the repository root with a Python that has torch and torchaudio: python tools/sound_speed.py FOLDER, which holds sounds. It runs
`cargo bench -p mapsto-data --bench sound -- FOLDER` first.
"""

import subprocess
import sys
import time

import torch
import torchaudio.transforms as T

subprocess.run(["cargo", "bench", "-q", "-p", "mapsto-data", "--bench", "sound", "--", sys.argv[1]], check=True)

torch.set_num_threads(1)
mel = T.MelSpectrogram(16000, n_fft=512, win_length=400, hop_length=160, n_mels=64)
second = torch.randn(16000) * 0.1
with torch.inference_mode():
    for _ in range(50):
        torch.log(mel(second) + 1e-6)
    start, count = time.perf_counter(), 1000
    for _ in range(count):
        torch.log(mel(second) + 1e-6)
    print(f"torchaudio, log-mel of one second: {count / (time.perf_counter() - start):.0f} sounds/s")
