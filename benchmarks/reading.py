"""How long reading a corpus of many rows takes, row by row: each layout and each way in which it was once slow.

    python benchmarks/reading.py            # 100,000 rows
    python benchmarks/reading.py --rows 10000

The recordings are empty files: nothing is decoded. Seconds mean little on another machine; the ratio to reading the
same rows as a well-formed ``metadata.csv`` says what a layout, or a fault in a table, costs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_tables import markdown

from asr_helpers.corpus import read_corpus

SENTENCE = "یہ جملہ {} ہے"


def metadata(name: Callable[[int], str] = "{}.wav".format, quote: str = "") -> Callable[[Path, int], None]:
    """A writer of ``metadata.csv``."""

    def write(root: Path, rows: int) -> None:
        lines = [f"{name(i)},{quote}{SENTENCE.format(i)},s{i % 9}" for i in range(1, rows + 1)]
        (root / "metadata.csv").write_text("\n".join(["file_name,text,speaker", *lines]) + "\n", encoding="utf-8")

    return write


def lines(template: str, file: str, head: str = "") -> Callable[[Path, int], None]:
    """A writer of one line a recording."""
    text = "".join
    return lambda root, rows: (root / file).write_text(
        head + text(template.replace("#", str(i)) + "\n" for i in range(1, rows + 1)), encoding="utf-8"
    )  # fmt: skip


def kaldi(root: Path, rows: int) -> None:
    """Write Kaldi's two files."""
    lines("u# #.wav", "wav.scp")(root, rows)
    lines("u# " + SENTENCE, "text")(root, rows)


WAYS: dict[str, Callable[[Path, int], object]] = {
    "audiofolder": metadata(),
    "numbered": lines(SENTENCE, "text.txt"),
    "numbered, each line with its number": lines("#. " + SENTENCE, "text.txt"),
    "common_voice": lines("#.wav\t" + SENTENCE + "\tx", "x.tsv", "path\tsentence\taccent\n"),
    "nemo": lines(json.dumps({"audio_filepath": "#.wav", "text": SENTENCE}), "manifest.json"),
    "kaldi": kaldi,
    "every recording missing": metadata("clips/{}.wav".format),
    "every recording outside": metadata("../{}.wav".format),
    "every recording the same": metadata(lambda i: "1.wav"),
    "a quotation mark left open in every row": metadata(quote='"'),
    "one line of 10 MB": lambda root, rows: (root / "text.txt").write_bytes("لفظ ".encode() * 1_400_000),
    "one line of 10 MB in another code page": lambda root, rows: (root / "text.txt").write_bytes(
        "كتاب ".encode("cp1256") * 2_000_000
    ),
}


def main() -> None:
    """Measure every way and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    results: list[dict[str, str]] = []
    first = 0.0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(1, rows + 1):
            (root / f"{number}.wav").touch()
        for way, write in WAYS.items():
            write(root, rows)
            started = time.perf_counter()
            try:
                said = f"{len(read_corpus(root).rows):,} utterances"
            except ValueError as error:
                said = str(error).replace(folder, "corpus")[:60]
            seconds = time.perf_counter() - started
            first = first or seconds
            results.append({"way": way, "s": f"{seconds:.1f}", "ratio": f"{seconds / first:.2f}", "read": said})
            for file in root.iterdir():
                if file.suffix != ".wav":
                    file.unlink()
    print(markdown(results))


if __name__ == "__main__":
    main()
