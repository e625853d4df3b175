"""What a prepared dataset was made for, and whether a processor and a checkpoint are that.

Labels are numbers: those of another vocabulary of the same size train, and end, and mean other letters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr_helpers.model.frames import conv_layers
from asr_helpers.model.vocabulary import Alphabet

__all__ = ["DatasetMisfit", "made_for", "require_fit"]


class DatasetMisfit(ValueError):
    """A dataset was prepared for another vocabulary, checkpoint or spelling; the text names what differs."""


def made_for(processor: Any, config: Any, *, normalisation: Mapping[str, Any]) -> dict[str, Any]:
    """What a dataset has to fit, for `prepare_dataset` to write down.

    Args:
        processor: Whose tokenizer makes the labels.
        config: Of the checkpoint whose convolutions count the frames.
        normalisation: How the texts were normalised: ``language``, ``digits``.
    """
    alphabet = Alphabet.of(processor)
    return {
        "vocabulary": list(alphabet.tokens),
        "blank": alphabet.blank,
        "layers": [list(layer) for layer in conv_layers(config)],
        "normalisation": {name: normalisation[name] for name in ("language", "digits") if name in normalisation},
    }


def require_fit(
    folder: str | Path, processor: Any, config: Any, *, normalisation: Mapping[str, Any] | None = None
) -> None:
    """Refuse a dataset that was made for something else than `made_for` of these arguments.

    Args:
        folder: The dataset's.
        processor: As in `made_for`.
        config: As in `made_for`.
        normalisation: As in `made_for`; None: not asked (a training needs no spelling).

    Raises:
        DatasetMisfit: It was, or it does not say; the text names what differs, and the notebook to run.
        FileNotFoundError: There is no dataset in ``folder``.
    """
    try:
        root = json.loads((Path(folder) / "dataset_dict.json").read_text(encoding="utf-8"))
        before = dict(root["made_for"])
        own = Alphabet(tuple(before["vocabulary"]), before["blank"])
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} holds no prepared dataset; run notebook 03") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DatasetMisfit(f"{folder} does not say what it was prepared for; run notebook 03 again") from None
    now = made_for(processor, config, normalisation=normalisation or {})
    differs = []
    if difference := own.difference(Alphabet.of(processor), "the dataset", "the processor"):
        differs.append(difference)
    if before["layers"] != now["layers"]:
        those = f"its frames are those of convolutions {before['layers']}, and not of {now['layers']}"
        differs.append(f"{those}, which checkpoint and add_adapter now ask for")
    if normalisation is not None and before["normalisation"] != now["normalisation"]:
        differs.append(f"its texts were normalised with {before['normalisation']}, the run's {now['normalisation']}")
    if differs:
        raise DatasetMisfit(f"{folder} was prepared for something else ({'; '.join(differs)}); run notebook 03 again")
