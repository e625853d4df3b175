"""Parameters: text as it is written, the types and ranges of the notebooks, nothing that could run."""

import ast
import random

import pytest
import yaml
from little_project import execute, make_project, run_project
from papermill.translators import PythonTranslator

from asr_helpers.run import parameters, runner
from asr_helpers.run.fingerprints import code_cells
from asr_helpers.run.parameters import ParameterError, all_parameters, read_parameters, typed
from asr_helpers.run.places import NOTEBOOKS, repository

BINARY = "corpus: !!binary Ijsgb3BlbigicHduZWQiLCAidyIpICM="  # "; open("pwned", "w") #


@pytest.fixture
def file(tmp_path):
    return tmp_path / "p.yaml"


TAKEN = {
    # on the command line or in a file → what the notebooks get
    "corpus: 010": ("corpus", "010"),
    "corpus: 2024-05-01": ("corpus", "2024-05-01"),
    "corpus: 1_000": ("corpus", "1_000"),
    "corpus: 12:30:45": ("corpus", "12:30:45"),
    "script: no": ("script", "no"),
    "data_name: true": ("data_name", "true"),
    "data_name: 'PRUS: 708'": ("data_name", "PRUS: 708"),
    'data_name: "null"': ("data_name", "null"),
    "data_name:": ("data_name", ""),
    "data_name: 'it''s \"so\" \\n'": ("data_name", 'it\'s "so" \\n'),
    "data_name: اردو": ("data_name", "اردو"),
    "corpus: =": ("corpus", "="),
    "learning_rate: 5e-4": ("learning_rate", 5e-4),
    "learning_rate: 1": ("learning_rate", 1.0),
    "epochs: '3'": ("epochs", 3.0),
    "batch_size: 010": ("batch_size", 10),
    "seed: 1_000": ("seed", 1000),
    "resume: no": ("resume", False),
    "split_by_speaker: True": ("split_by_speaker", True),
    "max_steps: -1": ("max_steps", -1),
    "# nothing": None,
}

REFUSED = {
    "epochs: three": "epochs is 'three'; it takes a number, such as 5.0",
    "epochs:": "epochs is ''; it takes a number",
    "epochs: 1.5.2": "epochs is '1.5.2'",
    "epochs: .inf": "epochs is '.inf'",
    "epochs: inf": "epochs is inf; it can be 0 or more",
    "epochs: nan": "epochs is nan; it can be 0 or more",
    "learning_rate: -1": "learning_rate is -1.0; it can be 0 or more",
    "batch_size: 8.0": "batch_size is '8.0'; it takes a whole number, such as 8",
    "batch_size: 0": "batch_size is 0; it can be 1 or more",
    "batch_size: true": "batch_size is 'true'; it takes a whole number",
    "test_share: 20": "test_share is 20.0; it can be 0.001 to 0.9",
    "test_share: 0": "test_share is 0.0; it can be 0.001 to 0.9",
    "validation_share: 0.0": "validation_share is 0.0; it can be 0.001 to 0.9",
    "validation_share: 1": "validation_share is 1.0; it can be",
    "test_share: 20%": "test_share is '20%'; it takes a number",
    "resume: 1": "resume is '1'; it takes true or false, such as true",
    "precision: fp8": "precision is 'fp8'; it can be auto, bf16, fp16, fp32",
    "on_error: ignore": "on_error is 'ignore'; it can be stop, drop",
    "channel: -2": "channel is -2; it can be -1 or more",
    "epoch: 3": "no notebook has a parameter 'epoch'; the nearest is 'epochs'",
    "data_name: PRUS: 708": "line 1: mapping values are not allowed here; write one `name: value` a line",
    "data_name: {PRUS: 708}": "line 1: 'data_name' is a mapping; write one value, text with a colon in quotes",
    "seed: [1, 2]": "line 1: 'seed' is a list",
    "corpus: ~": "line 1: 'corpus' is ~; write \"\" for none, or leave the line out",
    "corpus: null": "'corpus' is null",
    "seed: 1\nseed: 2": "line 2: seed stands there twice",
    BINARY: "line 1: 'corpus' has the tag 'tag:yaml.org,2002:binary'; write the value without a tag",
    "seed: !!python/object/apply:os.system [touch pwned]": "'seed' is a list",
    "seed: !!python/name:os.system ''": "has the tag 'tag:yaml.org,2002:python/name:os.system'",
    "seed: !!int 3": "has the tag",
    "corpus: !x y": "has the tag '!x'",
    "a: &a {seed: 1}\n<<: *a": "'a' is a mapping",
    "<<: 3": "no notebook has a parameter '<<'",
    "? [1, 2]\n: 3": "no notebook has a parameter",
    'data_name: "a\\nb"': "data_name holds the character U+000A; write it without",
    'corpus: "a\\0b"': "corpus holds the character U+0000",
    'corpus: "\\ud800"': "corpus holds the character U+D800",
    "- seed": "holds a list; write one `name: value` a line",
    "seed": "holds a single value",
    "seed: 1\n---\nseed: 2": "line 2: but found another document",
    "seed: 'x": "line",
    "seed: *a": "undefined alias",
    "\tseed: 1": "line 1",
}


@pytest.mark.parametrize("text", TAKEN)
def test_a_value_is_the_text_that_is_written_in_the_type_of_its_annotation(file, text):
    file.write_text(text + "\n", encoding="utf-8")
    wanted = dict([TAKEN[text]]) if TAKEN[text] else {}
    found = read_parameters(file)
    assert found == wanted and [type(v) for v in found.values()] == [type(v) for v in wanted.values()]


@pytest.mark.parametrize("text", REFUSED)
def test_what_has_another_type_or_range_is_refused_in_one_sentence(file, text):
    file.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ParameterError) as error:
        read_parameters(file)
    assert REFUSED[text] in str(error.value) and "\n" not in str(error.value)


LINE = {
    "epochs=3": {"epochs": 3.0},
    "learning_rate=5e-4": {"learning_rate": 5e-4},
    "corpus=010": {"corpus": "010"},
    "data_name=PRUS: 708": {"data_name": "PRUS: 708"},
    "script=no": {"script": "no"},
    "corpus=!!binary aGk=": {"corpus": "!!binary aGk="},  # on the command line text is text
    "data_name=a=b": {"data_name": "a=b"},
    "corpus=": {"corpus": ""},
    "language_model=": {"language_model": ""},  # off
}


@pytest.mark.parametrize("override", LINE)
def test_the_command_line_overrides_the_file_as_text(file, override):
    file.write_text("epochs: 7\ncorpus: data/mine\n")
    assert read_parameters(file, [override]) == {"epochs": 7.0, "corpus": "data/mine"} | LINE[override]


def test_an_override_without_a_value(file):
    file.write_text("")
    with pytest.raises(ParameterError, match="-p 'epochs' has no value; write -p epochs=VALUE"):
        read_parameters(file, ["epochs"])


def test_files_that_are_no_parameter_files(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("data_name: Müller".encode("latin-1"))
    cases = {
        tmp_path: "cannot be read",
        tmp_path / "x": "there is no parameter file",
        tmp_path / "latin.yaml": "not UTF-8",
    }
    for path, said in cases.items():
        with pytest.raises(ParameterError, match=said):
            read_parameters(path)
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfseed: 1")
    assert read_parameters(tmp_path / "bom.yaml") == {"seed": 1}


VALUES = [
    # what a program gives, and what the notebook gets; None: refused
    ("epochs", 3, 3.0),
    ("epochs", "3", 3.0),
    ("epochs", True, None),
    ("seed", 3.0, None),
    ("resume", 1, None),
    ("corpus", b"\"]; open('pwned', 'w') #", None),
    ("corpus", ["a"], None),
    ("corpus", {"a": 1}, None),
    ("corpus", None, None),
    ("corpus", 10, None),
]


@pytest.mark.parametrize(("name", "value", "wanted"), VALUES)
def test_a_program_s_values_are_checked_too(name, value, wanted):
    if wanted is None:
        with pytest.raises(ParameterError, match=f"{name} is "):
            typed({name: value})
    else:
        assert typed({name: value}) == {name: wanted}


@pytest.fixture
def read_once(monkeypatch):
    """The notebooks' parameters, read once: thousands of cases ask for them."""
    known = all_parameters()
    monkeypatch.setattr(parameters, "all_parameters", lambda: known)


ALPHABET = "\"'\\\n\r\t #{}[]()%!;:=$`abnrxuN0\0\x1b\u2028اردو\U0001f600\ud800"


def test_whatever_text_arrives_it_stays_text_in_the_kernel(read_once):
    """papermill writes parameters into the notebook as a program: one assignment of one literal, always."""
    rng = random.Random(13)
    taken = 0
    for _ in range(2000):
        text = "".join(rng.choices(ALPHABET, k=rng.randrange(12)))
        try:
            values = typed({"data_name": text})
        except ParameterError:
            continue
        (line,) = ast.parse(PythonTranslator.codify(values)).body
        assert ast.literal_eval(line.value) == text
        taken += 1
    assert taken > 200


def test_whatever_a_file_holds_it_gives_parameters_or_one_sentence(file, read_once):
    rng = random.Random(13)
    pieces = [
        "seed",
        "corpus",
        "data_name",
        ": ",
        ":",
        "\n",
        " ",
        "!!",
        "!",
        "&a",
        "*a",
        "<<",
        "[",
        "]",
        "{",
        "}",
        "|",
        "-",
    ]
    pieces += [
        "'",
        '"',
        "#",
        "1",
        "x",
        "---",
        "...",
        "%YAML",
        "\t",
        "\0",
        "\xff",
        "? ",
        "binary",
        "python/name:os.system",
    ]
    read = 0
    for _ in range(1500):
        file.write_bytes("".join(rng.choices(pieces, k=rng.randrange(1, 10))).encode("latin-1"))
        try:
            found = read_parameters(file)
        except ParameterError as error:
            assert "\n" not in str(error)
        else:
            assert all(type(value) in (str, int, float, bool) for value in found.values())
            read += bool(found)
    assert read > 2


def test_every_range_and_choice_belongs_to_a_parameter_and_every_default_lies_within():
    declared = {name: p for notebook in all_parameters().values() for name, p in notebook.items()}
    assert set(parameters.RANGES) | set(parameters.CHOICES) <= set(declared)
    for notebook in all_parameters().values():
        for name, parameter in notebook.items():
            assert parameter.type is declared[name].type, f"{name} has two types"
            assert parameter.take(parameter.default) == parameter.default
            if parameter.type in (int, float):
                assert name in parameters.RANGES, f"{name} has no range"


@pytest.mark.parametrize("path", sorted((repository() / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_parameter_files_are_read(path):
    assert read_parameters(path)["corpus"].startswith("data/")


def test_nothing_runs_before_all_are_checked(tmp_path, monkeypatch):
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "_execute", execute)
    for bad in ({"epochs": "three"}, {"corpus": b"x"}, {"test_share": 3}, {"language_model": "no.txt"}):
        with pytest.raises(ParameterError):
            run_project(tmp_path, **bad)
    assert not (tmp_path / "ran.txt").exists() and not (tmp_path / "runs").exists()


def test_the_old_way_in_is_what_is_ruled_out(tmp_path):
    """What `safe_load` made of a tag was bytes, and papermill put them into the kernel as a program."""
    loaded = yaml.safe_load(BINARY)
    assert len(ast.parse(PythonTranslator.codify(loaded)).body) > 1


def test_no_notebook_changes_its_parameters():
    """What the manifest records is what was given: found values (a language, a script) have names of their own."""
    for number, declared in all_parameters().items():
        for tags, source in code_cells(repository() / "notebooks" / f"{NOTEBOOKS[number]}.ipynb"):
            stored = {
                n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
            assert "parameters" in tags or not stored & set(declared), f"{number} changes {stored & set(declared)}"
