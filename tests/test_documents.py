"""What the documents say is there: links, anchors, commands, parameters, messages, the model without this project."""

import re
import shlex
import tomllib
import unicodedata
from pathlib import Path

import pytest
import test_messages
import yaml

from asr_helpers import __main__ as commands
from asr_helpers.text.normaliser import Normaliser

ROOT = Path(__file__).resolve().parents[1]
NAMES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "data/README.md",
    "models/starter/README.md",
    "models/starter_people/README.md",
]
DOCUMENTS = [*(ROOT / name for name in NAMES), ROOT / "benchmarks/RESULTS.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read(path):
    return path.read_text(encoding="utf-8")


def prose(path):
    return FENCED.sub("", read(path))


def links(path):
    return re.findall(r"\]\(([^)\s]+)\)", prose(path))


def anchors(path):
    """A heading's anchor, as GitHub makes it: lower case, letters, digits, - and _, a hyphen for a space."""
    found = []
    for heading in re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE):
        kept = [c for c in heading.lower() if c in " -_" or unicodedata.category(c)[0] in "LNM"]
        found.append("".join(kept).replace(" ", "-"))
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path):
    for link in links(path):
        if not link.startswith(("http://", "https://")):
            place, _, anchor = link.partition("#")
            target = (path.parent / place).resolve() if place else path
            assert target.exists() and target.is_relative_to(ROOT), link
            assert not anchor or anchor in anchors(target), link


def test_every_document_is_to_be_found_from_the_first():
    found, new = set(), {ROOT / "README.md"}
    while new:
        found |= new
        linked = {(path.parent / link.split("#")[0]).resolve() for path in new for link in links(path)}
        new = {path for path in linked if path.suffix == ".md" and path.exists()} - found
    assert found >= set(DOCUMENTS)


def typed(path):
    """The lines of a document that are typed, without prompts and what a shell reads."""
    lines = [line for _, block in FENCED.findall(read(path)) for line in block.splitlines()]
    return [line.split("#")[0].partition("<")[0].strip() for line in lines]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_is_understood(path):
    lines = [*typed(path), *re.findall(r"`([^`\n]*-m asr_helpers [^`\n]*)`", prose(path))]
    declared = test_messages.declared()
    for line in lines:
        _, ours, options = line.partition("-m asr_helpers ")
        if ours and options != "run":
            options = commands._parser().parse_args(shlex.split(re.sub(r"\[-p name=value …\]|[][]", "", options)))
            named = {given.split("=")[0] for given in getattr(options, "parameter", None) or []}
            assert named <= declared, line
            file = getattr(options, "file", None)
            assert file is None or (ROOT / file).is_file(), line
        if line.startswith("make "):
            assert f"\n{line.split()[1]}:" in read(ROOT / "Makefile"), line


def test_every_message_of_the_troubleshooting_is_in_the_program():
    rows = re.findall(r"^\| `([^`]+)` \|", read(ROOT / "docs/troubleshooting.md"), re.MULTILINE)
    told = [text for source in test_messages.SOURCES for _, text in test_messages.messages(source)]
    assert len(rows) > 30
    for row in rows:
        pattern = re.compile(".*".join(map(re.escape, row.split("…"))))
        assert any(pattern.search(text) for text in told), f"nothing in the package says «{row}»"


@pytest.mark.parametrize("path", [*DOCUMENTS, *sorted((ROOT / "params").glob("*"))], ids=lambda path: path.name)
def test_a_share_has_a_space_before_its_sign(path):
    assert not re.findall(r".*\d%.*", read(path)), "write 19.1 %, as the program does"


def test_the_sample_table_marks_every_error_it_shows():
    normaliser = Normaliser("ur")
    rows = re.findall(r"^\| (said|recognised) \| (.+) \|$", read(ROOT / "README.md"), re.MULTILINE)
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    assert len(pairs) >= 2
    for (_, said), (_, recognised) in pairs:
        shown = recognised.split(" (")[0].split()
        for word, heard in zip(normaliser(said).split(), shown, strict=True):
            assert (word == heard.strip("*")) != heard.startswith("**"), heard


def test_the_picture_is_small():
    (picture,) = (ROOT / "docs" / Path(link).name for link in links(ROOT / "README.md") if link.endswith(".webp"))
    assert picture.stat().st_size < 100_000


def test_the_model_is_used_without_this_project(tmp_path):
    """The document's own lines, on the starter and a sentence of the sample, give the text that transcribe gives."""
    from asr_helpers.decoding.recogniser import Recogniser
    from asr_helpers.decoding.transcribe import transcribe_file
    from asr_helpers.sample.corpus import make_sample

    (tmp_path / "one.txt").write_text(read(ROOT / "data/sample/transcripts.txt").splitlines()[0] + "\n", "utf-8")
    recording = min(make_sample(tmp_path / "one.txt", tmp_path / "speech").glob("*.wav"))
    ((_, block),) = [found for found in FENCED.findall(read(ROOT / "docs/use_the_model.md")) if found[0] == "python"]
    assert "asr_helpers" not in block and len(block.splitlines()) <= 15
    places = {"runs/sample/model": str(ROOT / "models/starter"), "data/sample/recordings/1.wav": str(recording)}
    for place, here in places.items():
        assert block.count(f'"{place}"') == 1
        block = block.replace(f'"{place}"', repr(here))
    names = {}
    exec(block, names)
    assert names["text"] == transcribe_file(recording, Recogniser.load(ROOT / "models/starter")).hypothesis.text != ""


def test_the_citation_is_of_this_version():
    """The fields that version 1.2.0 of the Citation File Format asks for, and what else has a home here."""
    cited = yaml.safe_load(read(ROOT / "CITATION.cff"))
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["type"] == "software"
    assert all(author["name"] for author in cited["authors"])
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert f"# {cited['title']}\n" in read(ROOT / "README.md")


def test_the_changelog_is_kept_as_such():
    lines = [line for line in read(ROOT / "CHANGELOG.md").splitlines() if line.startswith("#")]
    assert lines[:2] == ["# Changelog", "## [Unreleased]"]
    versions = [line for line in lines[2:] if line.startswith("## ")]
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line) for line in versions)
    kinds = {line for line in lines if line.startswith("### ")}
    assert kinds <= {f"### {kind}" for kind in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")}
