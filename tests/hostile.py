"""A corpus whose every field attacks whoever shows it, files it, runs it or hands it on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from conftest import speech_like

FLAG = "window.hacked=1"  # what every script of the corpus would do
STRANGER = "http://stranger.invalid"  # whom every link of the corpus would ask

ATTACKS = {
    "script": f"<script>{FLAG}</script>",
    "closing script": f"</script><script>{FLAG}</script>",
    "image": f"<img src=x onerror={FLAG}>",
    "svg": f"<svg onload={FLAG}>",
    "frame": f"<iframe srcdoc='<script>parent.{FLAG}</script>'></iframe>",
    "attribute": f'" autofocus onfocus="{FLAG}" x="',
    "single quotes": f"' onmouseover='{FLAG}' x='",
    "closing style": f"</style></title></textarea><script>{FLAG}</script>",
    "comment": f"--><script>{FLAG}</script><!--",
    "link": f"[x](javascript:{FLAG})",
    "anchor": f"<a href=javascript:{FLAG}>x</a>",
    "stranger": f"<img src={STRANGER}/a><link rel=stylesheet href={STRANGER}/b>",
    "style": f"<style>@import '{STRANGER}/c';body{{display:none}}</style>",
    "refresh": f"<meta http-equiv=refresh content=0;url={STRANGER}/d>",
    "picture": f"![x]({STRANGER}/e)",
    "entity": f"&lt;script&gt;{FLAG}&lt;/script&gt;",
    "formula": "$x^{$",
    "LaTeX": r"\input{/etc/passwd} $$\href{javascript:alert(1)}{x}$$",
    "cell": "=cmd('/C calc')!A0",
    "template": "{{7*7}} {%x%} {pm} ${7*7}",
    "format": "%s%n%(x)s {0!r}",
    "path": "../../x",
    "Windows path": r"..\..\x",
    "shell": "$(touch pwned) `touch pwned` ; touch pwned #",
    "Python": '"]; open("pwned", "w") #',
    "YAML": "!!python/object/apply:os.system ['touch pwned']",
    "bidi": "\u202eabc\u2066",
    "emoji": "🎙️👩‍🔬",
    "300 letters": "ا" * 300,
    "flag": "-rf",
}
TERMINAL = "\x1b]0;pwned\x07\x1b[2J"  # a terminal's title, and an empty screen
REFUSED = {"NUL": "a\0b", "terminal": TERMINAL}  # a transcript with these has an error and is dropped
LETTERS = "abcdefgh"


def file_name(attack: str) -> str:
    """The attack as the stem of a file, as far as a file system takes it."""
    stem = attack.replace("/", "∕").replace("\0", "")
    while len(stem.encode()) > 240:
        stem = stem[:-1]
    return stem


def make_hostile_corpus(folder: Path) -> int:
    """Make recordings and a ``metadata.jsonl``; the attacks are its names, values and columns.

    Returns:
        Utterances without an error of their own.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows, attacks = [], [*ATTACKS.values()]
    for i, attack in enumerate(attacks * 2):
        words = " ".join("".join(rng.choice(list(LETTERS), size=4)) for _ in range(3))
        name = f"{file_name(attack)}{'' if i < len(attacks) else i}.wav"
        text = f"{attack[:150]} {words}" if i < len(attacks) else words
        soundfile.write(folder / name, speech_like(0.5 + 0.06 * len(text), seed=i), 16_000)
        own = {"file_name": name, "transcription": text, "speaker": attacks[i % 5] if i % 2 else attacks[i % 3 + 20]}
        rows.append(own | {column: attacks[(i + k) % 4 * 7] for k, column in enumerate(attacks[:12])})
    good = len(rows)
    for i, (what, text) in enumerate(REFUSED.items()):
        soundfile.write(folder / f"{i}{file_name(text)}.wav", speech_like(1.0, seed=1000 + i), 16_000)
        rows.append({"file_name": f"{i}{file_name(text)}.wav", "transcription": text, "speaker": what, text: text})
    for outside in ("../../x.wav", "/etc/passwd", "..\\x.wav", "a\0.wav", STRANGER):
        rows.append({"file_name": outside, "transcription": "abc def", "speaker": "a"})
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / ".about").write_text(f"{ATTACKS['script']} {TERMINAL}", encoding="utf-8")
    return good
