"""One road for every family: trained a few steps, killed, resumed, saved, and read by plain transformers."""

import shutil

import pytest
import safetensors.torch
import torch
from shapes import SHAPES, model_of
from tiny import VOCAB
from tiny_run import killed_at, tiny_run, trained
from transformers import AutoModelForCTC, AutoProcessor

from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.fit import DatasetMisfit
from asr_helpers.decoding.inference import log_probs_of
from asr_helpers.model.adapters import save_adapter
from asr_helpers.model.families import FAMILIES, inputs_of
from asr_helpers.run.folder import open_run
from asr_helpers.run.training import start_training
from asr_helpers.training.checkpoints import CheckpointError

CHOSEN = (
    "hubert-base",
    "wavlm-base",
    "data2vec-audio",
    "unispeech-sat-large",
    "conformer-rel-pos",
    "w2v-bert",
    "w2v-bert with adapter",
)  # wav2vec2 is what all other tests train
LORA = {"lora_rank": 4, "lora_alpha": 8.0, "encoder_frozen": 0.25}
CASES = [*((name, {}) for name in CHOSEN), ("xls-r", LORA)]


@pytest.mark.parametrize(("name", "way"), CASES, ids=[name + (" with LoRA" if way else "") for name, way in CASES])
def test_it_is_trained_resumed_and_saved(name, way, tmp_path, monkeypatch):
    given = tiny_run(tmp_path / "made", model=model_of(name, vocab_size=len(VOCAB)))
    given |= {"max_steps": 4, "evaluations": 2, "mask_time_prob": 0.05, **way}
    shutil.copytree(given["run_folder"], tmp_path / "killed")
    whole = trained(given)
    with killed_at(3):
        trained(given, run_folder=str(tmp_path / "killed"))
    trained(given, run_folder=str(tmp_path / "killed"))
    ours, theirs = (
        safetensors.torch.load_file(run / "checkpoints/checkpoint-4/model.safetensors")
        for run in (tmp_path / "made/run", tmp_path / "killed")
    )
    assert ours.keys() == theirs.keys()
    assert not [key for key in ours if not torch.equal(ours[key], theirs[key])]

    assert any("lora_B" in key for key in ours) == bool(way)
    assert not way or any(ours[key].abs().max() > 0 for key in ours if "lora_B" in key)

    saved = tmp_path / "made/run/model"
    plain, processor = AutoModelForCTC.from_pretrained(saved).eval(), AutoProcessor.from_pretrained(saved)
    assert type(plain).__name__ == type(model_of(name)).__name__
    assert type(processor).__name__ == FAMILIES[SHAPES[name][0]].processor
    rows = [{"audio": (torch.randn(n) * 3_000).short().numpy()} for n in (9_000, 5_000)]
    collate = Collator.of(processor)
    for row, ours in zip(rows, log_probs_of(whole.model, rows, collate=collate), strict=True):
        with torch.no_grad():
            theirs = plain(**inputs_of(collate([row]))).logits[0].log_softmax(-1)
        assert ours.shape == theirs.shape
        torch.testing.assert_close(torch.from_numpy(ours), theirs, rtol=0, atol=1e-4)


def test_a_dataset_for_other_frames_is_refused(tmp_path):
    """Audio is stored once for all families; which utterances fit depends on the frames."""
    given = tiny_run(tmp_path / "made", model=model_of("w2v-bert", vocab_size=len(VOCAB)))
    model_of("w2v-bert with adapter", vocab_size=len(VOCAB)).save_pretrained(tmp_path / "other")
    for other in ({"checkpoint": str(tmp_path / "other")}, {"add_adapter": True}):
        with pytest.raises(
            DatasetMisfit, match=r"\[400, 160\], \[2, 2\]\], .*\[1, 2\]\], which checkpoint and add_adapter"
        ):
            start_training(open_run(given["run_folder"]), given | other)


def test_an_adapter_is_trained_alone_and_saved_as_mms_does(tmp_path):
    model = model_of("mms", vocab_size=len(VOCAB))
    given = tiny_run(tmp_path / "made", model=model) | {"max_steps": 2, "evaluations": 1, "mask_time_prob": 0.05}
    save_adapter(model, tmp_path / "made/checkpoint", "urd-script_arabic")
    whole = trained(given, adapter_language="urd-script_arabic").model.eval()
    before = model.state_dict()
    before |= {key: value for key, value in whole.state_dict().items() if key not in before}  # the vector of masks
    changed = {key for key, value in whole.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and all("adapter_layer" in key or key.startswith("lm_head") for key in changed)
    saved = tmp_path / "made/run/model"
    plain = AutoModelForCTC.from_pretrained(saved, target_lang="urd-script_arabic").eval()
    assert all(torch.equal(value, plain.state_dict()[key]) for key, value in whole.state_dict().items())
    with pytest.raises(CheckpointError, match="adapter_language was 'urd-script_arabic' and is ''"):
        trained(given)
