"""A checkpoint learns: the recipe, what is checked before it, the trainer, what it leaves behind."""

from .checkpoints import CheckpointError
from .config import TrainingConfig, TrainingSetup, training_arguments
from .fitting import TrainingResult, check, train
from .preflight import preflight_lines, require_no_errors
from .trainer import CTCTrainer

__all__ = [
    "CTCTrainer",
    "CheckpointError",
    "TrainingConfig",
    "TrainingResult",
    "TrainingSetup",
    "check",
    "preflight_lines",
    "require_no_errors",
    "train",
    "training_arguments",
]
