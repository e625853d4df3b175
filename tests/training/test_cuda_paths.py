"""What a training does beside a GPU: with stand-ins for torch.cuda here, and for real where there is a GPU."""

from __future__ import annotations

import ast
import importlib
import pickle
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
import torch
from datasets import Dataset
from tiny import collate, tiny_model, tiny_processor, tiny_rows
from torch.utils.data._utils.pin_memory import pin_memory
from transformers import TrainerCallback, Wav2Vec2Config, Wav2Vec2ForCTC

import asr_helpers
from asr_helpers.model.exact import make_exact
from asr_helpers.training import config, rehearsal
from asr_helpers.training.checkpoints import keep_only, newest_whole
from asr_helpers.training.config import TrainingConfig, training_arguments
from asr_helpers.training.evaluation import IntervalMeter
from asr_helpers.training.fitting import check, train
from asr_helpers.training.pieces import out_of_memory
from asr_helpers.training.preflight import preflight
from asr_helpers.training.trainer import CTCTrainer

CONFIG = TrainingConfig(
    epochs=2, batch_size=8, learning_rate=3e-3, precision="fp32", log_every=1, evaluations=6, workers=0
)  # 6 steps, with a checkpoint after each
BRIEF = replace(CONFIG, epochs=1, evaluations=1, max_grad_norm=1e9)  # 3 steps, gradients as they come
TRAIN, VALIDATION = tiny_rows(21), tiny_rows(7, seed=1)
CUDA = torch.device("cuda", 0)
GPU = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
)
DEVICES = ["cpu", GPU]  # on the CPU too, so that a test of the GPU cannot itself be wrong unseen


class Gradients(TrainerCallback):
    """Keep every step's gradient, as one vector."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs) -> None:
        self.steps.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).cpu())


def trainer_for(folder: Path, config: TrainingConfig = BRIEF, *, device="cpu", model=None, rows=TRAIN, **kwargs):
    utterances = len(rows) if hasattr(rows, "__len__") else None
    arguments = training_arguments(config, folder / "checkpoints", utterances=utterances, use_cpu=device == "cpu")
    for name, value in kwargs.items():
        setattr(arguments, name, value)
    return CTCTrainer(
        model or tiny_model(),
        arguments,
        config=config,
        processing_class=tiny_processor(folder / "processor"),
        train_dataset=rows,
        eval_dataset=VALIDATION,
        data_collator=collate,
        callbacks=[Gradients()],
    )


def gradients(trainer: CTCTrainer) -> list[torch.Tensor]:
    return next(c for c in trainer.callback_handler.callbacks if isinstance(c, Gradients)).steps


def run(folder: Path, device: str, config: TrainingConfig = CONFIG):
    """Preflight and training, with dropout and SpecAugment, as notebook 04 does them."""
    trainer = CTCTrainer(
        tiny_model(dropout=0.1, mask=0.1),
        training_arguments(config, folder / "checkpoints", utterances=len(TRAIN), use_cpu=device == "cpu"),
        config=config,
        processing_class=tiny_processor(folder / "processor"),
        train_dataset=TRAIN,
        eval_dataset=VALIDATION,
        data_collator=collate,
    )
    return train(trainer, check(trainer))


def losses(result) -> list[float]:
    return result.log.query("split == 'train' and name == 'loss'")["value"].tolist()


# ---- names and stand-ins -------------------------------------------------------


def test_every_name_of_torch_that_is_written_exists() -> None:
    """Also where only a GPU would get to: a misspelt name there would be found by a user."""

    def exists(name: str) -> bool:
        found, *rest = name.split(".")
        value = importlib.import_module(found)
        for part in rest:
            found = f"{found}.{part}"
            try:
                value = getattr(value, part) if hasattr(value, part) else importlib.import_module(found)
            except ImportError:
                return False
        return True

    modules = sorted(Path(asr_helpers.__file__).parent.rglob("*.py"))
    nodes = [node for path in modules for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    names = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    names = {name for name in names if name.startswith("torch.") and name.replace(".", "").isidentifier()}
    assert "torch.cuda.reset_peak_memory_stats" in names and not exists("torch.cuda.reset_Peak_memory_stats")
    assert [name for name in sorted(names) if not exists(name)] == []


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch):
    """Give functions of torch.cuda made-up results; names and arguments have to be the real ones."""

    def stand_in(**results: object) -> None:
        for name, result in results.items():
            real = getattr(torch.cuda, name)
            monkeypatch.setattr(torch.cuda, name, create_autospec(real, return_value=result))

    return stand_in


def test_the_peak_counts_from_what_was_there(cuda) -> None:
    cuda(reset_peak_memory_stats=None, memory_allocated=100, max_memory_allocated=350)
    with rehearsal.PeakMemory(CUDA) as peak:
        torch.cuda.reset_peak_memory_stats.assert_called_once_with(CUDA)
    assert peak.most == 250


def test_what_torch_holds_and_does_not_use_is_free(cuda) -> None:
    cuda(mem_get_info=(500, 1000), memory_reserved=80, memory_allocated=30)
    assert rehearsal._free(CUDA) == 550


def test_the_random_numbers_of_a_gpu_are_put_back(cuda) -> None:
    cuda(get_rng_state_all=["state"], set_rng_state_all=None, empty_cache=None, synchronize=None)
    meter = create_autospec(IntervalMeter, instance=True)
    trainer = SimpleNamespace(args=SimpleNamespace(device=CUDA), model=tiny_model(), meter=meter, micro_batches=[1])
    with rehearsal._untouched(trainer):
        rehearsal._wait(CUDA)
    torch.cuda.synchronize.assert_called_once_with(CUDA)
    torch.cuda.set_rng_state_all.assert_called_once_with(["state"])
    torch.cuda.empty_cache.assert_called_once_with()


def test_one_process_computes_on_one_gpu(tmp_path: Path, cuda) -> None:
    """The Trainer would wrap the model in DataParallel, which knows nothing of mixed precision."""
    trainer = trainer_for(tmp_path, _n_gpu=2)
    assert trainer.args.n_gpu == 1
    cuda(device_count=2)
    trainer.args.__dict__["_setup_devices"] = CUDA
    (idle,) = preflight(trainer, measure=False).query("check == 'GPUs'").itertuples()
    assert idle.value == "1 of 2" and "--nproc_per_node=2" in idle.advice


@pytest.mark.parametrize(("gpus", "processes", "talk"), [(0, 2, None), (1, 1, None), (2, 2, None), (1, 2, "gloo")])
def test_two_processes_on_one_gpu_talk_otherwise(tmp_path: Path, cuda, monkeypatch, gpus, processes, talk) -> None:
    cuda(device_count=gpus)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    monkeypatch.setattr(config, "TrainingArguments", SimpleNamespace)  # the real ones join the processes' group
    assert training_arguments(CONFIG, tmp_path, utterances=8, use_cpu=True).ddp_backend == talk


@pytest.mark.parametrize("text", ["CUDA error: out of memory", "MPS backend out of memory (MPS allocated: 9 GB)"])
def test_out_of_memory_is_known_by_its_words(text: str) -> None:
    assert out_of_memory(RuntimeError(text)) and not out_of_memory(ValueError(text))
    assert not out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


# ---- measuring -----------------------------------------------------------------


def test_the_preflight_measures_with_gradient_checkpointing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = set(), CTCTrainer.losses

    def watched(self: CTCTrainer, model, piece):
        seen.add((model.training, model.wav2vec2.encoder.layers[0].gradient_checkpointing))
        return real(self, model, piece)

    monkeypatch.setattr(CTCTrainer, "losses", watched)
    preflight(trainer_for(tmp_path, replace(BRIEF, gradient_checkpointing=True)))
    assert seen == {(True, True), (False, True)}  # where it trains, and where it does not and nothing is stored


def test_gradients_are_compared_without_tf32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = set(), CTCTrainer.losses

    def watched(self: CTCTrainer, model, piece):
        seen.add(torch.backends.cudnn.conv.fp32_precision)
        return real(self, model, piece)

    monkeypatch.setattr(CTCTrainer, "losses", watched)
    before = torch.backends.cudnn.conv.fp32_precision
    assert rehearsal.accumulation_gap(trainer_for(tmp_path)) < 1e-5
    assert seen == {"ieee"} and torch.backends.cudnn.conv.fp32_precision == before != "ieee"


# ---- mixed precision -----------------------------------------------------------


def scaled(folder: Path, config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, scale: float) -> CTCTrainer:
    """A trainer in fp16 with loss scaling on the CPU, which accelerate would only set up beside a GPU."""
    trainer = trainer_for(folder, config)
    monkeypatch.setattr(trainer.accelerator.state, "_mixed_precision", "fp16")
    trainer.accelerator.native_amp = True
    trainer.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return trainer


@pytest.mark.parametrize("change", [{}, {"accumulation": 2, "micro_seconds": 1.5}])
def test_loss_scaling_leaves_gradients_and_clipping_as_they_are(tmp_path: Path, monkeypatch, change: dict) -> None:
    config = replace(BRIEF, max_grad_norm=1.0, **change)
    plain, fp16 = trainer_for(tmp_path / "plain", config), scaled(tmp_path / "fp16", config, monkeypatch, 1024.0)
    plain.train()
    fp16.train()
    for ours, theirs in zip(gradients(fp16), gradients(plain), strict=True):
        assert ours.norm() == pytest.approx(1.0, abs=1e-3)  # they are clipped
        assert (ours - theirs).norm() < 3e-3
    assert (newest_whole(tmp_path / "fp16" / "checkpoints") / "scaler.pt").is_file()


def test_a_step_that_overflows_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = scaled(tmp_path, BRIEF, monkeypatch, 2.0**30)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    assert trainer.state.global_step == 3 and trainer.accelerator.scaler.get_scale() == 2.0**27
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


@pytest.mark.parametrize("device", DEVICES)
def test_validation_computes_in_the_precision_of_the_training(tmp_path: Path, device: str) -> None:
    trainer, seen = trainer_for(tmp_path, replace(BRIEF, precision="bf16"), device=device), set()
    trainer.model.lm_head.register_forward_hook(lambda head, _, logits: seen.add((head.training, logits.dtype)))
    trainer.train()
    assert seen == {(True, torch.bfloat16), (False, torch.bfloat16)}


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("cpu", "fp32"),
        ("cpu", "bf16"),
        *(pytest.param("cuda", precision, marks=GPU.marks) for precision in ("fp32", "bf16", "fp16")),
    ],
)
def test_preflight_and_training(tmp_path: Path, device: str, precision: str) -> None:
    result = run(tmp_path, device, replace(CONFIG, precision=precision, epochs=10, evaluations=2))
    assert not (result.preflight["verdict"] == "error").any(), result.preflight
    assert {"accumulation scaling", "peak memory", "expected time"} <= set(result.preflight["check"])
    assert all(torch.isfinite(value).all() for value in result.model.state_dict().values())
    assert losses(result)[-1] < 0.8 * losses(result)[0]
    assert ("peak_memory_gb" in set(result.log["name"])) == (device == "cuda")


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize(("precision", "most"), [(torch.float32, 1e-4), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("device", DEVICES)
def test_a_padded_batch_gives_the_logits_of_the_clips_alone(device, precision, most, norm) -> None:
    torch.manual_seed(0)
    config = Wav2Vec2Config(**{**tiny_model().config.to_dict(), "feat_extract_norm": norm})
    model = make_exact(Wav2Vec2ForCTC(config)).to(device).eval()

    @torch.no_grad()
    def logits_of(rows: list[dict]) -> torch.Tensor:
        batch = {name: value.to(device) for name, value in collate(rows).items()}
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
            return model(batch["input_values"], attention_mask=batch["attention_mask"]).logits.float()

    with rehearsal._full_fp32():
        together, alone = logits_of(VALIDATION), [logits_of([row])[0] for row in VALIDATION]
    apart = max((batch[: len(clip)] - clip).abs().max() for batch, clip in zip(together, alone, strict=True))
    assert apart < most * together.abs().max()


# ---- out of memory -------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_a_pass_that_ran_out_of_memory_holds_none_of_it(tmp_path: Path, device: str) -> None:
    trainer, made = trainer_for(tmp_path, device=device), []
    for module in trainer.model.modules():
        module.register_forward_hook(
            lambda module, args, output: made.append(weakref.ref(output)) if torch.is_tensor(output) else None
        )
    trainer.model.lm_head.register_forward_hook(lambda *_: torch.empty(1 << 50, device=device))  # a petabyte, and more
    trainer.micro_batches = [next(iter(trainer.get_train_dataloader()))]
    trainer.model.train()
    assert trainer.passes(trainer.model, trainer.micro_batches, torch.tensor(8.0, device=device)) is None
    assert len(made) > 20 and not any(output() is not None for output in made)


@pytest.mark.parametrize("device", DEVICES)
def test_out_of_memory_halves_the_pieces_and_not_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    whole = trainer_for(tmp_path / "whole", device=device)
    whole.train()
    real = CTCTrainer.losses

    def large(self: CTCTrainer, model, piece):
        found = real(self, model, piece)
        if len(piece["ids"]) > 2:
            torch.empty(1 << 50, device=device)
        return found

    monkeypatch.setattr(CTCTrainer, "losses", large)
    cut = trainer_for(tmp_path / "cut", device=device)
    cut.train()
    assert cut.halvings.count == 2 and whole.halvings.count == 0
    for ours, theirs in zip(gradients(cut), gradients(whole), strict=True):
        assert (ours - theirs).norm() / theirs.norm() < (1e-5 if device == "cpu" else 1e-2)  # TF32, other kernels


# ---- resuming, workers ---------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_a_resumed_run_takes_the_steps_of_an_undisturbed_one(tmp_path: Path, device: str) -> None:
    config = replace(CONFIG, precision="fp32" if device == "cpu" else "fp16", checkpoints=6)
    whole = run(tmp_path / "whole", device, config)
    run(tmp_path / "parts", device, config)
    keep_only(tmp_path / "parts" / "checkpoints", {3})
    assert newest_whole(tmp_path / "parts" / "checkpoints").name == "checkpoint-3"
    resumed = run(tmp_path / "parts", device, config)
    assert len(losses(whole)) == 6
    assert losses(resumed) == pytest.approx(losses(whole), abs=1e-6 if device == "cpu" else 1e-2)


@pytest.mark.parametrize("device", DEVICES)
def test_worker_processes_change_nothing(tmp_path: Path, device: str) -> None:
    config = replace(CONFIG, augmentation=0.5, speed_change=0.1)
    here = run(tmp_path / "here", device, config)
    there = run(tmp_path / "there", device, replace(config, workers=2))
    assert losses(there) == pytest.approx(losses(here), abs=1e-6 if device == "cpu" else 1e-2)


def test_a_stream_beside_workers_is_read_once(tmp_path: Path) -> None:
    class Stream:
        def set_epoch(self, epoch):
            pass

        def __iter__(self):
            return iter(TRAIN)

    def steps(workers: int) -> list[list[str]]:
        config = replace(BRIEF, max_steps=3, workers=workers)
        batches = iter(trainer_for(tmp_path, config, rows=Stream()).get_train_dataloader())
        return [piece["ids"] for _ in range(3) for piece in next(batches)["pieces"]]

    assert steps(workers=2) == steps(workers=0)


def test_a_batch_can_be_pinned_and_its_loader_sent_to_a_worker(tmp_path: Path, monkeypatch) -> None:
    loader = trainer_for(tmp_path, rows=Dataset.from_list(TRAIN)).get_train_dataloader()
    rows, pieces = pickle.loads(pickle.dumps((loader.dataset, loader.collate_fn)))  # as a spawned worker gets them
    batch, pinned = pieces(rows.__getitems__(next(iter(loader.batch_sampler)))), []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self.clone())
    (before,), (after,) = batch["pieces"], pin_memory(batch)["pieces"]
    assert len(pinned) == sum(map(torch.is_tensor, before.values())) == 4
    assert all(after[name] == value for name, value in before.items() if not torch.is_tensor(value))
