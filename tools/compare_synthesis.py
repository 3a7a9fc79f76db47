"""Trains a voice on one speaker's recordings and a recogniser on everybody's, and prints how well the recogniser understands both.

    cargo build --release && python tools/compare_synthesis.py recordings --speaker george

The folder holds recordings called DIGIT_SPEAKER_NUMBER.wav, such as those of the free spoken digit dataset; the first five of each speaker and digit
are tested on. The voice says the ten words; word and character error rates are of these, and of the recordings that were not learned from.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import tempfile

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"
WORDS = "zero one two three four five six seven eight nine".split()
TESTED = 5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--speaker", default="george")
    parser.add_argument("--epochs", nargs=2, type=int, default=[20, 10], help="of the voice, and of the recogniser")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with open(folder / "all.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["path", "text", "speaker", "part"])
            for path in sorted(arguments.folder.resolve().glob("*.wav")):
                digit, speaker, number = path.stem.split("_")
                out.writerow([path, WORDS[int(digit)], speaker, "test" if int(number) < TESTED else "train"])
        (folder / "words.txt").write_text("\n".join(WORDS) + "\n")

        def run(*command):
            out = subprocess.run([BINARY, *command, "--json"], cwd=folder, check=True, capture_output=True, text=True).stdout
            return json.loads(out.splitlines()[-1])

        voice, ear = map(str, arguments.epochs)
        data = ["--data", "all.csv", "--set", "mels=40"]
        told = run("train", "synthesize", *data, "--set", f"speaker={arguments.speaker}", "--epochs", voice, "--run", "voice")
        print(f"voice: {told['test']}, {told['seconds']:.0f} s", flush=True)
        told = run("train", "speech", *data, "--epochs", ear, "--run", "ear")
        print(f"recordings: wer {told['test']['wer']:.4f}, cer {told['test']['cer']:.4f}, {told['seconds']:.0f} s", flush=True)
        run("predict", "runs/voice", "words.txt", "--set", "out=spoken")
        told = run("eval", "runs/ear", "--data", "spoken/said.csv")["metrics"]
        print(f"the voice: wer {told['wer']:.4f}, cer {told['cer']:.4f}", flush=True)


if __name__ == "__main__":
    main()
