"""A model folder's own Python never runs, not even where somebody, or a script, answers yes."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_model, tiny_processor

from asr_helpers.run.fingerprints import code_cells

ROOT = Path(__file__).resolve().parents[2]

EVIL = """
import pathlib
pathlib.Path({mark!r}).touch()
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC
from transformers import Wav2Vec2Processor
class Config(Wav2Vec2Config): model_type = "evil"
class Model(Wav2Vec2ForCTC): pass
class Tokenizer(Wav2Vec2CTCTokenizer): pass
class Extractor(Wav2Vec2FeatureExtractor): pass
class Processor(Wav2Vec2Processor): pass
"""

AUTO_MAP = {
    "AutoConfig": "evil.Config",
    "AutoModelForCTC": "evil.Model",
    "AutoTokenizer": ["evil.Tokenizer", None],
    "AutoFeatureExtractor": "evil.Extractor",
    "AutoProcessor": "evil.Processor",
}

PROGRAMS = {
    "the config": "from asr_helpers.model import load_config; load_config({folder!r})",
    "the weights": "from asr_helpers.model import load_trained; load_trained({folder!r})",
    "for training": (
        "from asr_helpers.model import load_for_ctc, load_processor; "
        "load_for_ctc({folder!r}, processor=load_processor({folder!r}), head_seed=1)"
    ),
    "its vocabulary": (
        "from pathlib import Path; from asr_helpers.model.vocabulary import read_alphabet; "
        "read_alphabet(Path({folder!r}))"
    ),
    "a new processor": (
        "from asr_helpers.model import make_processor; "
        "make_processor({{'[PAD]': 0, '[UNK]': 1, '|': 2, 'a': 3}}, {folder!r} + '/new', checkpoint={folder!r})"
    ),
    "transcribe": (
        "from asr_helpers.__main__ import main; main(['transcribe', '--model', {folder!r}, {folder!r} + '/a.wav'])"
    ),
    "the notebooks' processor": ("from asr_helpers.model import load_processor; load_processor({folder!r})"),
}


@pytest.fixture(scope="module", params=["wav2vec2", "evil"])
def folder(request, tmp_path_factory):
    """A checkpoint whose files ask for the Python beside them, of a known and of an unknown kind of model."""
    folder = tmp_path_factory.mktemp(request.param)
    tiny_model().save_pretrained(folder)
    tiny_processor(folder).save_pretrained(folder)
    (folder / "evil.py").write_text(EVIL.format(mark=str(folder / "ran")))
    for path in folder.glob("*.json"):
        content = json.loads(path.read_text())
        if path.name == "vocab.json" or not isinstance(content, dict):
            continue
        kind = {"model_type": request.param} if path.name == "config.json" else {}
        path.write_text(json.dumps(content | kind | {"auto_map": AUTO_MAP}))
    return folder


def test_a_checkpoint_s_own_python_does_not_run(folder):
    """All ways in one process, which takes seconds to load torch; each says yes to whatever it is asked."""
    tries = [
        f"try:\n    {code.format(folder=str(folder))}\nexcept (Exception, SystemExit):\n    pass"
        for code in PROGRAMS.values()
    ]
    program = "\n".join(f"{one}\nprint('tried', {name!r})" for name, one in zip(PROGRAMS, tries, strict=True))
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, input="y\n" * 50, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.count("tried") == len(PROGRAMS)
    assert not (folder / "ran").exists()
    assert "Do you wish to run the custom code" not in said


def sources():
    for path in (ROOT / "asr_helpers").rglob("*.py"):
        yield path.name, path.read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        yield from ((path.name, source) for _, source in code_cells(path))


def test_nothing_is_loaded_by_name_without_refusing_foreign_code():
    calls = 0
    for name, source in sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "from_pretrained":
                refused = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert refused.get("trust_remote_code") == "False", f"{name}: {ast.unparse(node)}"
                calls += 1
    assert calls > 4
