"""A fresh Colab machine, played: its installed versions, its ``google.colab``, and a pip that only writes down.

The machine is a Python that sees the standard library, ``packaging`` and metadata of what Colab has, nothing else: what
the setup cell imports beyond that fails here as it would there.
"""

import json
import subprocess
import sys
from pathlib import Path

import packaging
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# Colab's versions, as far as the project asks for these packages; what it lacks is what is not here.
COLAB = {
    "torch": "2.9.0+cu128",
    "transformers": "5.15.0",
    "datasets": "4.0.0",
    "huggingface_hub": "1.31.0",
    "accelerate": "1.15.0",
    "safetensors": "0.8.0",
    "filelock": "3.20.0",
    "fsspec": "2025.3.0",
    "soundfile": "0.13.1",
    "soxr": "1.0.0",
    "numpy": "2.1.3",
    "scipy": "1.16.3",
    "pandas": "2.2.3",
    "pyarrow": "19.0.1",
    "matplotlib": "3.10.0",
    "pillow": "11.3.0",
    "librosa": "0.11.0",
    "ipywidgets": "7.7.1",
    "jinja2": "3.1.6",
    "markupsafe": "3.0.3",
    "tqdm": "4.67.1",
    "PyYAML": "6.0.3",
    "psutil": "5.9.5",
    "tensorboard": "2.19.0",
    "ipykernel": "6.17.1",
    "jupyter_client": "7.4.9",
    "nbformat": "5.10.4",
}
LACKING = ["rapidfuzz>=3.9.7", "num2words>=0.5.14", "praatio>=6.2", "pympi-ling>=1.71", "papermill>=2.6", "jiwer>=4.0"]
LACKING += ["espeakng-loader==0.2.4"]

MACHINE = """
import json, os, subprocess, sys, types
site, root, given = json.loads(sys.argv[1])
sys.path[:0] = [site]
calls, new = [], given["pip"]
def run(command, **options):
    calls.append(command[command.index("--disable-pip-version-check") + 1:])
    for name, version in new.items():
        os.rename(f"{site}/{name}-{given['installed'][name]}.dist-info", f"{site}/{name}-{version}.dist-info")
        open(f"{site}/{name}-{version}.dist-info/METADATA", "w").write(f"Name: {name}\\nVersion: {version}\\n")
    new.clear()
    fails = "--only-binary=:all:" in command if given["fails"] == "search" else given["fails"] == "all"
    return types.SimpleNamespace(returncode=int(fails), stderr="x\\nERROR: no such thing", stdout="")
class Drive:
    mount = staticmethod(lambda place: calls.append(["mount", place]))
colab = types.ModuleType("google.colab"); colab.drive = Drive
hub = types.ModuleType("huggingface_hub"); hub.get_token = lambda: given["token"]
sys.modules.update({"google": types.ModuleType("google"), "google.colab": colab, "huggingface_hub": hub})
for name in given["loaded"]:
    sys.modules[name] = types.ModuleType(name)
git = subprocess.call
subprocess.run = run
os.chdir(given["folder"])
try:
    exec(given["cell"], {"__name__": "__main__", **given["parameters"]})
    error = ""
except Exception as wrong:
    error = f"{type(wrong).__name__}: {wrong}"
print(json.dumps([calls, error, os.getcwd(), os.environ.get("HF_TOKEN")]))
"""


def setup_cell() -> str:
    """Both of them: the first fetches the project, the second installs."""
    cells = json.loads(NOTEBOOKS[0].read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["id"] in ("colab", "colab-install"))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Run the setup cell on the machine; gives what it called, its error, its folder, the token, what it printed."""
    monkeypatch.delenv("HF_TOKEN", raising=False)

    def run(installed=COLAB, *, folder=ROOT, loaded=(), pip=None, fails="", token=None, cell=None, **parameters):
        site = tmp_path / "site"
        site.mkdir()
        (site / "packaging").symlink_to(Path(packaging.__file__).parent)
        for name, version in installed.items():
            info = site / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            (info / "top_level.txt").write_text(f"{name}\n")
        given = {"installed": dict(installed), "loaded": loaded, "pip": pip or {}, "fails": fails, "token": token}
        given |= {"cell": cell or setup_cell(), "folder": str(folder), "parameters": {"project_url": "", **parameters}}
        command = [sys.executable, "-I", "-S", "-c", MACHINE, json.dumps([str(site), str(ROOT), given])]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        *said, last = done.stdout.splitlines()
        return *json.loads(last), "\n".join(said)

    return run


def test_only_what_colab_lacks_is_installed_in_one_call(machine):
    calls, error, folder, _, said = machine()
    assert calls == [LACKING, ["--only-binary=:all:", "flashlight-text>=0.0.7"]] and not error
    assert folder == str(ROOT) and said == f"installing what this machine lacks: {', '.join(LACKING)}"


def test_what_lies_outside_the_range_is_replaced_but_never_torch_or_the_page(machine):
    old = {
        "pandas": "2.1.4",
        "torch": "2.5.0+cu121",
        "ipywidgets": "7.6.0",
        "ipykernel": "6.9",
        "transformers": "6.0.0",
    }
    calls, *_ = machine(COLAB | old)
    assert set(calls[0]) - set(LACKING) == {"pandas>=2.2", "transformers>=5.15,<6"}


def test_a_complete_machine_installs_nothing(machine):
    whole = {"rapidfuzz": "3.14.6", "praatio": "6.2.2", "papermill": "2.7.0", "jiwer": "4.0.0"}
    whole |= {"espeakng-loader": "0.2.4", "flashlight-text": "0.0.7", "num2words": "0.5.14", "pympi-ling": "1.71"}
    calls, error, *_, said = machine(COLAB | whole)
    assert (calls, error, said) == ([], "", "")


def test_without_a_build_of_beam_search_one_line_says_so_and_the_cell_ends_well(machine):
    *_, error, _, _, said = machine(fails="search")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    off = f"beam search is off: there is no build of flashlight-text>=0.0.7 for Python {python}; all else works"
    assert not error and said.splitlines()[1:] == [off]


def test_pip_s_failure_is_a_sentence_with_its_last_line(machine):
    _, error, *_ = machine(fails="all")
    assert error == (
        "RuntimeError: pip could not install what the notebooks need: ERROR: no such thing; run this cell again"
    )


def test_what_the_session_holds_in_memory_asks_for_a_restart(machine):
    _, error, *_ = machine(COLAB | {"pandas": "2.1.4"}, loaded=("numpy", "pandas"), pip={"pandas": "3.1.1"})
    assert error.startswith("RuntimeError: pandas had to be replaced and is in this session's memory: choose Runtime")


@pytest.mark.parametrize(
    ("parameters", "mounted"),
    [
        ({"corpus": "/content/drive/MyDrive/prus"}, True),
        ({"corpus": "data/x", "run_folder": "/content/drive/MyDrive/runs/a"}, True),
        ({"checkpoint": "/content/drive/Shareddrives/m"}, True),
        ({"language_model": "/content/drive/MyDrive/lines.txt"}, True),
        ({"corpus": "data/x", "run_folder": "runs/a", "epochs": 3.0}, False),
        ({"corpus": "data/x", "_i2": "/content/drive/MyDrive"}, False),  # what was typed before
    ],
)
def test_drive_is_mounted_for_any_path_that_lies_there(machine, parameters, mounted):
    calls, error, *_ = machine(**parameters)
    assert (["mount", "/content/drive"] in calls) is mounted and not error


def test_a_token_from_colab_s_secrets_reaches_the_kernels_that_are_started(machine):
    assert machine(token="a token")[3] == "a token"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_an_address_that_is_none_is_a_sentence(machine, tmp_path, address):
    _, error, *_ = machine(folder=tmp_path, project_url=address)
    assert error == (f"ValueError: git finds nothing at project_url={address!r}: write your copy's address there")


def test_the_project_is_fetched_once_and_used_again(machine, tmp_path):
    copy = tmp_path / "copy"
    (copy / "asr_helpers").mkdir(parents=True)
    for name in ("asr_helpers/__init__.py", "asr_helpers/colab.py", "pyproject.toml"):
        (copy / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], cwd=copy, check=True)
    twice = f"{setup_cell()}\nos.chdir('..')\n{setup_cell()}"  # and after a restart
    calls, error, folder, *_ = machine(folder=tmp_path, cell=twice, project_url=str(copy))
    assert (folder, error) == (str(tmp_path / "project"), "") and calls[0] == LACKING


def test_elsewhere_than_on_colab_the_cell_does_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    exec(setup_cell(), {"project_url": ""})
    assert Path.cwd() == tmp_path and sys.path == path
