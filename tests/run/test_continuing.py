"""Only the same training goes on from a checkpoint; ways to train that contradict each other are none."""

import hashlib
import json
from pathlib import Path

import pytest
from tiny_run import started, tiny_run

from asr_helpers.training.checkpoints import MARKER, CheckpointError, checkpoint_path
from asr_helpers.training.config import TrainingSetup


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The parameters of a run that was trained for a step."""
    parameters = tiny_run(tmp_path_factory.mktemp("once") / "made") | {"max_steps": 1, "evaluations": 1}
    started(parameters).fit()
    return parameters


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keep_head": False}, "keep_head was True and is False"),
        ({"lora_rank": 4}, "lora_rank was 0 and is 4"),
        ({"head_seed": 7, "dropout": 0.5}, r"head_seed was 101 and is 7, dropout was 0\.1 and is 0\.5"),
        ({"freeze_feature_encoder": False}, "freeze_feature_encoder was True and is False"),
    ],
)
def test_what_is_trained_otherwise_does_not_go_on_from_a_checkpoint(once, changes, said):
    with pytest.raises(CheckpointError, match=f"{said}.*resume=False"):
        started(once, **changes).preflight()


def test_a_checkpoint_of_an_earlier_version_wrote_down_less_and_steps_may_be_computed_otherwise(once):
    checkpoint = checkpoint_path(Path(once["run_folder"]) / "checkpoints", 1)
    recipe, marker = (json.loads((checkpoint / name).read_text()) for name in ("recipe.json", MARKER))
    del recipe["lora_rank"]
    (checkpoint / "recipe.json").write_text(json.dumps(recipe))
    marker["recipe.json"] = hashlib.sha256((checkpoint / "recipe.json").read_bytes()).hexdigest()
    (checkpoint / MARKER).write_text(json.dumps(marker))
    assert Path(started(once, micro_seconds=60.0).trainer.newest_checkpoint()) == checkpoint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lora_rank": 8, "adapter_language": "urd-script_arabic"}, "only that adapter .*leave out it, or lora_rank=8"),
        ({"adapter_language": "urd", "add_adapter": True}, "only that adapter .*leave out it, or add_adapter=True"),
        ({"lora_rank": 8, "freeze_feature_encoder": False}, "lora_rank is 8.*freeze_feature_encoder is False"),
        ({"adapter_language": "urd", "freeze_feature_encoder": False}, "adapter_language is 'urd'.*is False"),
        ({"lora_rank": -1}, "lora_rank is -1"),
        ({"lora_alpha": 0.0}, r"lora_alpha 0\.0; use .*above 0"),
    ],
)
def test_ways_to_train_that_contradict_each_other_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        TrainingSetup(**given)
