"""Writes tables of spoken digits, and sequences of them joined, for `mapsto train speech`:

    python tools/digit_sequences.py RECORDINGS OUT [TEST_SPEAKER]

RECORDINGS holds the Free Spoken Digit Dataset's files (`7_jackson_32.wav`, 8 kHz; Jackson et al., CC BY-SA 4.0). OUT gets
`digits.csv`, which lists them with their words, and `sequences.csv` with `sequences/*.wav`: utterances of two to four digits of one
speaker with silences of 30 to 200 milliseconds between them. One speaker (yweweler, if none is given) is for testing, of the others each
tenth recording is for validation; no recording is in sequences of two parts.
"""

import csv
import pathlib
import random
import sys
import wave

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
# How often each recording is taken.
TURNS = 2
SILENCE = [0.03, 0.2]


def read(path):
    with wave.open(str(path)) as file:
        return file.getparams(), file.readframes(file.getnframes())


def table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["path", "text", "speaker", "part"])
        out.writerows(rows)


def main():
    recordings, out = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    test = sys.argv[3] if len(sys.argv) > 3 else "yweweler"
    (out / "sequences").mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    singles, joined, groups = [], [], {}
    for path in sorted(recordings.glob("*.wav")):
        digit, speaker, number = path.stem.split("_")
        part = "test" if speaker == test else "validation" if int(number) % 10 == 9 else "train"
        singles.append((str(path), WORDS[int(digit)], speaker, part))
        groups.setdefault((speaker, part), []).append((path, WORDS[int(digit)]))
    for (speaker, part), group in groups.items():
        turns = [one for _ in range(TURNS) for one in chance.sample(group, len(group))]
        while len(turns) > 1:
            take = [turns.pop() for _ in range(min(chance.randint(2, 4), len(turns)))]
            sounds = [read(path) for path, _ in take]
            params = sounds[0][0]
            quiet = lambda: bytes(2 * int(params.framerate * chance.uniform(*SILENCE)))
            name = f"sequences/{speaker}_{part}_{len(joined):04}.wav"
            with wave.open(str(out / name), "wb") as file:
                file.setparams(params)
                file.writeframes(quiet().join([b"", *(sound for _, sound in sounds), b""]))
            joined.append((name, " ".join(word for _, word in take), speaker, part))
    table(out / "digits.csv", singles)
    table(out / "sequences.csv", joined)
    print(f"{len(singles)} recordings, {len(joined)} sequences")


if __name__ == "__main__":
    main()
