"""A checkpoint learns: the recipe, what is checked before it, the trainer, what it leaves behind."""

from .checkpoints import CheckpointError
from .config import TrainingConfig, training_arguments
from .fitting import TrainingResult, train
from .preflight import preflight_lines, require_no_errors
from .trainer import CTCTrainer

__all__ = [
    "CTCTrainer",
    "CheckpointError",
    "TrainingConfig",
    "TrainingResult",
    "preflight_lines",
    "require_no_errors",
    "train",
    "training_arguments",
]
