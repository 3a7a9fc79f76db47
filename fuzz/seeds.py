"""Writes fuzz/corpus: whole files of each format, from which the fuzzer begins.

Run from the repository root with a Python that has Pillow: python fuzz/seeds.py
"""

import gzip
import io
import pathlib
import struct
import zipfile

from PIL import Image

CORPUS = pathlib.Path("fuzz/corpus")
FIXTURES = pathlib.Path("fixtures")
SOUNDS = pathlib.Path("crates/mapsto-data/tests/fixtures/sound")
TABLES = [
    "a,b,c\n1,2,x\n3,,y\n",
    "name;size;day\n\"a;b\";1,5;2020-01-31\n\"c\n\"\"d\"\"\";2,25;2020-02-01\n",
    "\ufeffa\tb\n1\t31/12/2020\n2\t1/1/2021\n",
    "x|y\nNA|?\nJan 31 2020|1e-3\n",
]
TEXTS = [
    '{"text": "one two", "label": 1}\n{"label": true, "text": "caf\\u00e9", "split": "test", "more": [1, {}]}\n',
    "big, large,huge\n\nice cream\tgelato\n",
]
LISTS = [
    "path,text,speaker,part\na.wav,\"Well, yes.\",Ann,train\nb.wav,,,test\n",
    '{"audio": "a.wav", "sentence": "one"}\n{"audio": "b.wav", "sentence": "two", "split": "val"}\n',
    "Go on.\tSigue.\n\"Go!\" he said.\t\n",
    "source,target,split\nGo on.,Sigue.,train\nHi!,\u00a1Hola!,test\n",
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\ti1\t3.5\t10\nu1\ti2\t\t11\n",
    "1::2::5::978300760\n1::3::4::978300761\n",
]
TOKENS = pathlib.Path("crates/mapsto-data/tests/fixtures/tokens/minilm.json")


def put(target, name, data):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(data)


def main():
    for path in FIXTURES.glob("torch/*.pt"):
        data = path.read_bytes()
        put("torch", path.name, data)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inside = [name for name in archive.namelist() if name.endswith("/data.pkl")]
                put("pickle", path.name, archive.read(inside[0]))
    for path in FIXTURES.glob("numpy/*.np[yz]"):
        put(path.suffix[1:], path.name, path.read_bytes())
    for path in FIXTURES.glob("numpy/*.safetensors"):
        put("safetensors", path.name, path.read_bytes())
    for path in sorted(FIXTURES.glob("torch/*.safetensors"))[:4]:
        put("safetensors", path.name, path.read_bytes())
    for path in FIXTURES.glob("tensorboard/*"):
        put("events", path.name, path.read_bytes())
    for path in SOUNDS.glob("*"):
        put("sound", path.name, path.read_bytes())
    for i, text in enumerate(TABLES):
        put("table", str(i), text.encode())
    for i, text in enumerate(TEXTS):
        put("texts", str(i), text.encode())
    for i, text in enumerate(["@classLabel true a b\n@data\n1,2,?:3,4,5:a\n1:2:b\n", "date,x,y\n2020-01-31,1,no\n2020-02-29,,yes\n2020-04-30,3,no\n"]):
        put("series", str(i), text.encode())
    for i, text in enumerate(LISTS):
        put("lists", str(i), text.encode())
    put("tokenizer", TOKENS.name, TOKENS.read_bytes())
    for kind, width in [(8, 1), (9, 1), (11, 2), (12, 4), (13, 4), (14, 8)]:
        data = struct.pack(">BBBBII", 0, 0, kind, 2, 2, 3) + bytes(range(6 * width))
        put("idx", str(kind), data)
        put("idx", f"{kind}.gz", gzip.compress(data))
    for mode in ["1", "L", "LA", "P", "RGB", "RGBA"]:
        picture = Image.linear_gradient("L").resize((5, 3)).convert(mode)
        for kind in ["png", "bmp", "jpeg", "webp", "ppm"]:
            out = io.BytesIO()
            try:
                picture.save(out, kind)
            except (OSError, KeyError):
                continue  # not every format has every mode
            put("picture", f"{mode}.{kind}", out.getvalue())


main()
