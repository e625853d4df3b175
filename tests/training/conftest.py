"""Trainings that several modules look at, each done once a module."""

import pytest
from fitting import run, trainer_for

from asr_helpers.training.trainer import CTCTrainer


@pytest.fixture(scope="module")
def one_batch(tmp_path_factory: pytest.TempPathFactory) -> CTCTrainer:
    trainer = trainer_for(tmp_path_factory.mktemp("one"))
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder)
