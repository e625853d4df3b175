import pytest

from asr_helpers import train_command
from asr_helpers.__main__ import main
from asr_helpers.training import TrainingConfig


def test_the_command_trains_what_notebook_04_trains():
    parameters = train_command.notebook_parameters({"epochs": 3.0, "language": "ur"})
    config = train_command.config_of(parameters)
    assert config.epochs == 3.0 and "language" not in parameters
    assert config.patience is None and config.micro_seconds is None and config.push_to_hub is None
    assert config.learning_rate == parameters["learning_rate"] and config.seed == parameters["seed"]


def test_what_a_parameter_switches_on_arrives():
    parameters = train_command.notebook_parameters({"patience": 4, "micro_seconds": 80.0, "precision": "fp32"})
    config = train_command.config_of(parameters)
    assert (config.patience, config.micro_seconds, config.precision) == (4, 80.0, "fp32")
    assert isinstance(config, TrainingConfig)


def test_without_a_run_it_says_so(tmp_path, monkeypatch, capsys):
    file = tmp_path / "p.yaml"
    file.write_text("epochs: 1\n")
    assert main(["train", str(file), "--name", "no-such-run"]) == 1
    assert "no run folder runs/no-such-run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["compare", "runs/no-a", "runs/no-b"], ["transcribe", "--model", "runs/no/model", "x.wav"]]
)
def test_a_missing_run_or_model_is_named(command, capsys):
    assert main(command) == 1
    assert "runs/no" in capsys.readouterr().err
