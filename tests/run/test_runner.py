"""The runner over little notebooks of its own: what runs again and why, what is said, what is refused."""

import json
import os
import shutil
import sys

import pytest
from little_project import body, execute, make_project, run_project, write_notebook

from asr_helpers.__main__ import main
from asr_helpers.run import manifest, runner
from asr_helpers.run.manifest import BrokenRecord, Manifest
from asr_helpers.run.parameters import ParameterError
from asr_helpers.run.places import NOTEBOOKS

ALL = ["01", "02", "03", "04", "05"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The repository; notebooks run in this process, and time of change never decides by chance."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "_execute", execute)
    return tmp_path


def same_length(path, text):
    """Replace a file's content, keeping size and name; the time of change moves on."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


CHANGES = {
    # what changes: how, what it is called, which notebooks run
    "nothing": (lambda p: None, "", []),
    "a recording is replaced": (
        lambda p: same_length(p / "data/mine/1.wav", "eno"),
        "1 recording changed (1.wav) in data/mine since 01_data_inspection ran: running it",
        ALL,
    ),
    "a transcript is corrected": (
        lambda p: same_length(p / "data/mine/text.txt", "ایک\nدن\n"),
        "1 other file changed (text.txt) in data/mine since 01",
        ALL,
    ),
    "a transcript is corrected in a browser": (
        lambda p: (p / "runs/a/corrections.csv").write_text("x"),
        "runs/a/corrections.csv changed since 01_data_inspection ran: running it",
        ["01"],
    ),
    "several": (
        lambda p: (
            [same_length(p / "data/mine" / name, "abc") for name in ("1.wav", "deep/2.wav")]
            + [(p / "data/mine/speakers.txt").write_text("x")]
        ),
        "2 recordings changed (1.wav, deep/2.wav), 1 other file new (speakers.txt) in data/mine",
        ALL,
    ),
    "a recording is gone": (
        lambda p: (p / "data/mine/deep/2.wav").unlink(),
        "1 recording gone (deep/2.wav) in data/mine",
        ALL,
    ),
    "only a time": (lambda p: os.utime(p / "data/mine/1.wav"), "", []),
    "a hidden file": (lambda p: (p / "data/mine/.DS_Store").write_text("x"), "", []),
    "another checkpoint under the same name": (
        lambda p: same_length(p / "models/m/config.json", "[]"),
        "1 other file changed (config.json) in models/m since 02",
        ["02", "03", "04"],
    ),
    "an artifact is gone": (
        lambda p: (p / "runs/a/utterances.parquet").unlink(),
        "utterances.parquet is gone since 01",
        ["01"],
    ),
    "an artifact is cut": (
        lambda p: (p / "runs/a/texts.parquet").write_bytes((p / "runs/a/texts.parquet").read_bytes()[:-9]),
        "texts.parquet is not as it was written since 02",
        ["02"],
    ),
    "a notebook's code": (
        lambda p: write_notebook(p, "04", body("04", content="sorted(read) + ['more']")),
        "the notebook changed since 04_training ran",
        ["04", "05"],
    ),
    "a notebook's comment": (lambda p: write_notebook(p, "01", "# first of all\n" + body("01")), "", []),
    "the manifest's detail": (lambda p: (p / "runs/a/files.json").write_text('{"a": 3'), "", []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_said_and_only_what_depends_on_it_runs_again(project, capsys, change):
    alter, said, ran = CHANGES[change]
    assert run_project(project) == ALL
    alter(project)
    capsys.readouterr()
    assert run_project(project) == ran
    out = capsys.readouterr().out
    assert said in out
    assert run_project(project) == [] and capsys.readouterr().out.count("already done with these parameters") == 5


def test_a_notebook_whose_artifacts_come_out_the_same_spares_those_after_it(project):
    """A corrected transcript that 01 leaves out anyway, say: nothing after 01 reads another thing."""
    write_notebook(project, "01", body("01", content="[len(read)]"))
    assert run_project(project) == ALL
    same_length(project / "data/mine/1.wav", "eno")
    assert run_project(project) == ["01"]


def test_other_code_of_the_package_is_said(project, monkeypatch, capsys):
    run_project(project)
    monkeypatch.setattr(manifest, "package_fingerprint", lambda: "another")
    assert run_project(project) == ALL
    assert "asr_helpers changed since 01_data_inspection ran" in capsys.readouterr().out


def test_a_corpus_gives_the_terminal_no_commands(project, capsys):
    run_project(project)
    (project / "data/mine/\x1b]0;pwned\x07.wav").write_text("x")
    assert run_project(project) == ALL
    assert main(["run", "params/\x1b[2J.yaml"]) == 1
    said = capsys.readouterr()
    assert "1 recording new (␛]0;pwned␇.wav)" in said.out and "␛[2J" in said.err
    assert "\x1b" not in said.out + said.err and "\x07" not in said.out


def test_another_text_for_the_language_model(project, capsys):
    (project / "lines.txt").write_text("ایک")
    assert run_project(project, language_model="lines.txt") == ALL
    (project / "lines.txt").write_text("دو")
    assert run_project(project, language_model="lines.txt") == ["05"]
    assert "lines.txt changed since 05" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"),
        (b"\xff\xfeab", "byte 0 is not UTF-8"),
        (b"\xef\xbb\xbf \n\n", "it holds no text"),
    ],
)
def test_a_text_that_no_language_model_can_learn_from_is_refused_before_anything_runs(project, content, why):
    file = project / "my lines.txt"
    if content is not None:
        file.write_bytes(content)
    says = rf"language_model 'my lines\.txt' cannot be read \({why}\); give train, a UTF-8 text file, or nothing"
    with pytest.raises(ParameterError, match=says):
        run_project(project, language_model="my lines.txt")
    assert not (project / "ran.txt").exists() and not (project / "runs").exists()
    with pytest.raises(ParameterError, match="'data' cannot be read"):
        run_project(project, language_model="data")
    assert run_project(project, language_model="my lines.txt", until="04") == ALL[:4], "it is notebook 05 that reads it"


def test_without_the_package_for_beam_search_it_is_said_at_the_start(project, monkeypatch, capsys):
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    assert run_project(project, language_model="train") == ALL
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("without the language model, since beam search needs the package flashlight-text")
    run_project(project)
    assert "flashlight" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("low", "high", "utterances", "says"),
    [
        (
            0.125,
            0.5,
            4,
            ["WER 25.0 % (12.5 % to 50.0 %), CER 25.0 % (12.5 % to 50.0 %) with 95 % intervals,", "on 4 test utt"],
        ),
        (
            float("nan"),
            float("nan"),
            1,
            ["WER 25.0 %, CER 25.0 % (too few for intervals),", "on 1 test utterance of mine"],
        ),
    ],
)
def test_the_last_lines_say_an_interval_where_there_is_one(project, low, high, utterances, says):
    run_project(project)
    scores = [
        {"text": "normalised", "by": "utterance", "unit": unit, "value": 0.25, "low": low, "high": high}
        for unit in ("word", "character")
    ]
    run = runner.open_run("runs/a")
    run.write_json("metrics", {"scores": scores, "utterances": utterances, "data": "mine"})
    Manifest(run.folder).forget("05")
    lines = runner.summary(run).splitlines()
    assert lines[0] == says[0] and says[1] in lines[1]


def test_another_parameter(project, capsys):
    run_project(project)
    assert run_project(project, epochs=3) == ALL  # every little notebook has it
    assert "epochs was 2 and is 3 since 01_data_inspection ran" in capsys.readouterr().out
    assert run_project(project, epochs=3, start="04") == ["04", "05"]
    assert run_project(project, epochs=3, until="02") == []


def test_a_parameter_that_a_notebook_does_not_record_is_no_reason_to_run_it_again(project):
    """A training records what it learnt with; where the corpus lies is not part of that."""
    source = body("04").replace("parameters_of(globals())", "{'epochs': epochs}")
    write_notebook(project, "04", source)
    assert run_project(project) == ALL and run_project(project) == []
    assert run_project(project, epochs=3, start="04") == ["04", "05"]


def test_a_corpus_that_changes_while_it_is_read_is_read_again(project, capsys):
    late = "resolve(corpus + '/1.wav').write_text('late')"
    write_notebook(project, "01", body("01", also=late))
    assert run_project(project) == ["01", *ALL]
    assert "01_data_inspection: what it reads changed while it ran" in capsys.readouterr().out
    assert "late" in (project / "runs/a/utterances.parquet").read_bytes().decode(errors="replace")
    write_notebook(project, "01", body("01", also=late.replace("'late'", "'late' + str(len(read) + id(run))")))
    with pytest.raises(runner.NotebookFailed, match="what 01_data_inspection reads keeps changing"):
        run_project(project)


def test_a_corpus_that_changes_during_the_training_does_not_cost_the_training(project, capsys):
    write_notebook(project, "04", body("04", also="resolve(corpus + '/1.wav').write_text('late')"))
    assert run_project(project) == ALL
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("1 recording changed (1.wav) in data/mine since 01_data_inspection ran: the same command")
    assert run_project(project) == ALL


def test_a_notebook_that_was_stopped_runs_again(project):
    write_notebook(project, "03", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        run_project(project)
    write_notebook(project, "03", body("03"))
    assert run_project(project) == ["03", "04", "05"]


def test_a_training_on_other_data_begins_anew_and_on_the_same_goes_on(project, capsys):
    run_project(project)
    checkpoint = project / "runs/a/checkpoints/checkpoint-5"
    checkpoint.mkdir(parents=True)
    write_notebook(project, "04", body("04") + "\nmore = 1")
    assert run_project(project) == ["04"] and checkpoint.exists()
    assert run_project(project, epochs=9) == ALL and checkpoint.exists()  # 04 itself says that the recipe is another
    same_length(project / "data/mine/1.wav", "eno")
    assert run_project(project, epochs=9) == ALL and not checkpoint.exists()
    assert "04_training: its training learnt from other data and begins anew" in capsys.readouterr().out


def test_a_corpus_that_holds_the_run_folder_does_not_see_it(project):
    of_all = lambda: manifest.Manifest(project / "runs/a").inputs("01", {"corpus": "."})  # noqa: E731
    run_project(project)
    first = of_all()
    (project / "runs/a/more.json").write_text("{}")
    assert of_all() == first
    (project / "data/mine/more.json").write_text("{}")
    assert of_all() != first


@pytest.mark.parametrize(
    "content", ["", '{"01": ', "[]", '{"01": 3}', "\x00\x00", '"x"', '{"01": {}}', '{"06": {}}', "[" * 99_999]
)
def test_a_broken_manifest_is_one_sentence(project, content):
    run_project(project)
    (project / "runs/a/manifest.json").write_text(content)
    with pytest.raises(BrokenRecord, match=r"^runs/a/manifest\.json cannot be read .*; delete it, and every"):
        run_project(project)
    (project / "runs/a/manifest.json").unlink()
    assert run_project(project) == ALL


NAMES = [
    "../x",
    "a/b",
    "/tmp/x",
    "..",
    ".",
    "",
    " x",
    "x ",
    "x.",
    "a\0b",
    "a\nb",
    "x" * 101,
    "{pm}",
    "a\\b",
    "-rf",
    "a:b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_name_is_a_folder_s_name(project, name):
    with pytest.raises(ParameterError, match=r"^the run name .* use up to 100 letters"):
        runner.run_notebooks({}, name=name)
    assert not (project / "runs").exists()


@pytest.mark.parametrize("name", ["a", "test-own-a", "نمونہ 1", "v1.2_x"])
def test_names_that_people_give(name):
    assert runner.run_folder_of(name) == f"runs/{name}"


def test_a_run_folder_that_cannot_be_made_is_one_sentence(project, capsys):
    (project / "runs").write_text("a file")
    assert main(["run", "params/p.yaml"]) == 1
    assert capsys.readouterr().err == (
        "the run folder 'runs/p' cannot be made (Not a directory); give another run_folder\n"
    )


def test_a_run_folder_of_the_file_s_own_is_refused(project):
    with pytest.raises(ParameterError, match="run_folder is made from the run's name, here runs/a"):
        run_project(project, run_folder="runs/b")


def test_a_single_failing_command_exits_with_one_and_says_what_to_mend(project, capsys):
    assert main(["run", "params/p.yaml", "-p", "epoch=1"]) == 1
    assert "nearest is 'epochs'" in capsys.readouterr().err
    assert main(["run", "params/missing.yaml"]) == 1
    assert "there is no parameter file params/missing.yaml; params/ has p.yaml" in capsys.readouterr().err
    assert not (project / "runs").exists()


@pytest.fixture
def with_kernels(tmp_path, monkeypatch):
    """The repository; notebooks run in kernels, as they do in earnest."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_failure_says_where_and_why_and_the_same_command_goes_on(with_kernels, capsys):
    write_notebook(with_kernels, "02", "raise ValueError('no labels in row 7')")
    assert main(["run", "params/p.yaml", "--name", "a", "--until", "02"]) == 1
    said = capsys.readouterr().err
    assert "02_vocab_and_tokenizer stopped in cell 3: ValueError: no labels in row 7" in said
    assert "runs/a/notebooks/02_vocab_and_tokenizer.ipynb" in said and "same command" in said
    executed = json.loads((with_kernels / "runs/a/notebooks/02_vocab_and_tokenizer.ipynb").read_text())
    assert any(o.get("ename") == "ValueError" for c in executed["cells"] for o in c.get("outputs", []))
    write_notebook(with_kernels, "02", body("02"))
    assert run_project(with_kernels, until="02") == ["02"]


@pytest.mark.slow
def test_the_kernel_is_this_python_whatever_is_installed_as_python3(with_kernels, monkeypatch):
    spec = with_kernels / "jupyter/kernels/python3"
    spec.mkdir(parents=True)
    command = ["/bin/false", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(with_kernels / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    write_notebook(with_kernels, "01", "import sys; open('who.txt', 'w').write(sys.executable)")
    run_project(with_kernels, until="01")
    assert (with_kernels / "who.txt").read_text() == sys.executable


@pytest.mark.slow
def test_strings_arrive_in_the_kernel_letter_by_letter(with_kernels):
    text = "\"]; open('pwned', 'w') #' \\\" \\n {pm} {{x}} %run !ls 'PRUS: 708' اردو \U0001f600"
    write_notebook(with_kernels, "01", "open('got.txt', 'w').write(data_name)")
    run_project(with_kernels, until="01", data_name=text)
    assert (with_kernels / "got.txt").read_text() == text
    assert not (with_kernels / "pwned").exists()


@pytest.mark.slow
def test_a_full_disk_is_named_with_its_folder(with_kernels, monkeypatch, capsys):
    import errno

    import papermill

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(papermill, "execute_notebook", full)
    assert main(["run", "params/p.yaml", "--name", "a"]) == 1
    said = "01_data_inspection could not write to runs/a (its disk is full); free some space and give the same command"
    assert said in capsys.readouterr().err
    shutil.rmtree(with_kernels / "runs")
    assert set(NOTEBOOKS) == set(ALL)
