"""Make models/starter_people: a small Wav2Vec2 that has heard people in 42 languages, and synthetic Urdu.

The script is the model card's recipe. It goes on from models/starter (or any checkpoint of that form), makes its
frames twice as long and the network deeper without changing what it computes at first, and trains with CTC on phones
and, where a clip is Urdu, on letters (``scripts/starter_corpus.py`` prepares recordings and both) under noise, rooms,
narrow bands and SpecAugment. The phones' head is left out of what it writes.

    python scripts/starter_corpus.py --human HUMAN --sentences SENTENCES --work build/starter
    python scripts/make_starter_people.py --work build/starter --start models/starter_people --steps 1900 --finish 600

The learning rate rises, stays, and falls over the last ``--finish`` steps; state.pt holds the rest, so a killed
training goes on, and one that has not finished can be given more ``--steps``. ``curve.jsonl`` says what each hour
brought.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np
import pandas as pd
import soxr
import torch
from make_starter import collate, in_a_room, losses_of, rate_share, spelt, with_noise
from make_starter import vocabulary as letter_vocabulary
from scipy.signal import butter, sosfilt
from starter_corpus import SYNTHETIC
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.model.processor import make_processor
from asr_helpers.model.vocabulary import SPECIALS

BATCH_SECONDS = 96  # of speech a step: about 20 clips
PEAK_RATE, MUON_RATE, WARMUP = 8e-4, 1e-3, 100
AVERAGING = 0.998  # weight of the past in the running mean of the weights, a step
SYNTHETIC_SHARE = 0.3  # of the synthetic clips an epoch hears: they are soon known, people are not
REPORT_EVERY, SAVE_EVERY = 50, 250


class Clips:
    """Prepared recordings on disk, read one at a time: 16 kHz mono PCM, and phones with ``|`` between words."""

    def __init__(self, folder: Path):
        self.audio = np.memmap(folder / "audio.i16", dtype=np.int16, mode="r")
        self.table = pd.read_parquet(folder / "clips.parquet")
        self.ends = self.table["end"].to_numpy()
        self.starts = np.concatenate([[0], self.ends[:-1]])
        self.phones = self.table["phones"].tolist()
        self.letters = self.table["letters"].tolist()  # of Urdu; empty for all else
        self.languages = self.table["language"].to_numpy()

    def __len__(self) -> int:
        return len(self.phones)

    def seconds(self) -> np.ndarray:
        return (self.ends - self.starts) / SAMPLING_RATE

    def clip(self, i: int) -> np.ndarray:
        return self.audio[self.starts[i] : self.ends[i]].astype(np.float32) / 32768


class Vocabularies(NamedTuple):
    """The tokens of the two heads: Urdu's letters, and phones of all languages."""

    letters: dict[str, int]
    phones: dict[str, int]

    @classmethod
    def of(cls, work: Path) -> Vocabularies:
        phones = json.loads((work / "phones.json").read_text(encoding="utf-8"))
        return cls(
            letters=letter_vocabulary(),
            phones={token: i for i, token in enumerate((*SPECIALS, *(p for p in phones if p not in "_|")))},
        )


def disturb(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change speed, band, room and noise, each rarely: the model is far from knowing the clips by heart."""
    if rng.random() < 0.4:
        clip = soxr.resample(clip, SAMPLING_RATE, SAMPLING_RATE * rng.uniform(0.88, 1.12))
    if rng.random() < 0.1:
        low, high = rng.uniform(60, 350), rng.uniform(3000, 7000)
        clip = sosfilt(butter(2, [low, high], "bandpass", fs=SAMPLING_RATE, output="sos"), clip)
    if rng.random() < 0.15:
        clip = in_a_room(clip, rng)
    if rng.random() < 0.3:
        clip = with_noise(clip, rng, at_least=8)
    return clip.astype(np.float32)


def grown_model(start: Path, vocab: Vocabularies, layers: int, seed: int) -> Wav2Vec2ForCTC:
    """A model with a frame every 40 ms and ``layers`` layers that begins where the checkpoint ``start`` stands.

    ``lm_head`` writes Urdu's letters, ``phone_head``, which only training has, phones; each is new unless ``start``
    writes the same. Coming from 20 ms, the last convolution steps twice as far and sees twice as much, with the old
    weights in its middle; new layers begin as the identity (their outputs are zero), above the old ones.
    """
    old = Wav2Vec2ForCTC.from_pretrained(start, dtype=torch.float32)
    settings = old.config.to_dict()
    settings.update(
        vocab_size=len(vocab.letters),
        num_hidden_layers=layers,
        conv_stride=(10, 4, 4, 4),  # 640 samples
        conv_kernel=(20, 8, 8, 8),
        mask_time_prob=0.06,
        mask_time_length=4,
        mask_feature_prob=0.05,
        mask_feature_length=16,
    )
    torch.manual_seed(seed)
    model = with_phone_head(Wav2Vec2Config(**settings), len(vocab.phones))
    weights, new = old.state_dict(), model.state_dict()
    written = json.loads((start / "vocab.json").read_text(encoding="utf-8"))
    heads = {"lm_head": vocab.letters, "phone_head": vocab.phones}
    for head, tokens in heads.items():
        for part in ("weight", "bias") if tokens == written else ():
            new[f"{head}.{part}"].copy_(weights[f"lm_head.{part}"])
    for name, tensor in new.items():
        if name.split(".")[0] in heads:
            continue
        if name in weights and weights[name].shape == tensor.shape:
            tensor.copy_(weights[name])
        elif name in weights:  # the last convolution's kernel: (out, in, 8) around the old (out, in, 4)
            extra = (tensor.shape[-1] - weights[name].shape[-1]) // 2
            tensor.zero_()
            tensor[..., extra : extra + weights[name].shape[-1]] = weights[name]
        elif name.endswith(("attention.out_proj.weight", "feed_forward.output_dense.weight")):
            tensor.zero_()
    model.load_state_dict(new)
    return model


def with_phone_head(config: Wav2Vec2Config, phones: int) -> Wav2Vec2ForCTC:
    model = Wav2Vec2ForCTC(config)
    model.set_attn_implementation("eager")  # the fastest on a CPU for clips of seconds
    model.phone_head = torch.nn.Linear(config.hidden_size, phones)
    return model


def batches(clips: Clips, epoch: int) -> list[np.ndarray]:
    """Shuffled batches of clips of about one length, BATCH_SECONDS each; of the synthetic clips only a share."""
    rng = np.random.default_rng([1, epoch])
    synthetic = clips.languages == SYNTHETIC
    chosen = np.flatnonzero(~synthetic | (rng.random(len(clips)) < SYNTHETIC_SHARE))
    order, seconds = rng.permutation(chosen), clips.seconds()
    made = []
    for pool in np.array_split(order, max(1, len(order) // 800)):
        pool = pool[np.argsort(seconds[pool], kind="stable")]
        cuts, filled = [], 0.0
        for place, i in enumerate(pool):
            if filled + seconds[i] > BATCH_SECONDS:
                cuts.append(place)
                filled = 0.0
            filled += seconds[i]
        made += np.split(pool, cuts)
    return [made[i] for i in rng.permutation(len(made))]


def hear(model: Wav2Vec2ForCTC, clips: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """The encoder's frames (clips, frames, features) in bf16, and how many of them each clip has."""
    values, mask = collate(clips)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.wav2vec2(values, attention_mask=mask).last_hidden_state
    return hidden, model._get_feat_extract_output_lengths(mask.sum(1))


def loss_of(model: Wav2Vec2ForCTC, heard: list[np.ndarray], clips: Clips, batch: np.ndarray, vocab: Vocabularies):
    """Mean over the batch of the phones' loss and, where a clip is Urdu, its letters'."""
    hidden, frames = hear(model, heard)
    urdu = [place for place, i in enumerate(batch) if clips.letters[i]]
    with torch.autocast("cpu", torch.bfloat16):
        phones, letters = model.phone_head(hidden), model.lm_head(hidden[urdu])
    loss = losses_of(phones, frames, [clips.phones[i] for i in batch], vocab.phones).sum()
    if urdu:
        loss = (
            loss
            + losses_of(letters, frames[urdu], [clips.letters[batch[place]] for place in urdu], vocab.letters).sum()
        )
    return loss / len(batch)


@torch.no_grad()
def error_rates(model: Wav2Vec2ForCTC, clips: Clips, vocab: Vocabularies) -> dict[str, float]:
    """Share of wrong phones (without ``|``) by language and over all people, and of wrong letters in Urdu.

    An error is an edit over the length of the reference.
    """
    model.eval()
    phones, letters = {}, {}
    order = np.argsort(clips.seconds(), kind="stable")
    for part in np.array_split(order, max(1, len(order) // 16)):
        hidden, frames = hear(model, [clips.clip(i) for i in part])
        with torch.autocast("cpu", torch.bfloat16):
            best = zip(model.phone_head(hidden).argmax(-1), model.lm_head(hidden).argmax(-1), frames, strict=True)
        for i, (phone_row, letter_row, n) in zip(part, best, strict=True):
            phones[i] = spelt(phone_row[:n], vocab.phones).replace("|", "")
            letters[i] = spelt(letter_row[:n], vocab.letters)
    model.train()

    def rate(chosen: np.ndarray) -> float:
        return jiwer.cer([clips.phones[i].replace("|", "") for i in chosen], [phones[i] for i in chosen])

    languages = sorted(set(clips.languages))
    urdu = [i for i in order if clips.letters[i]]
    return {
        "all": rate(order),
        **{name: rate(np.flatnonzero(clips.languages == name)) for name in languages},
        "letters": jiwer.cer([clips.letters[i] for i in urdu], [letters[i] for i in urdu]),
    }


def make_optimisers(model: Wav2Vec2ForCTC) -> list[torch.optim.Optimizer]:
    """Muon for the transformer's matrices, which it trains in fewer steps, AdamW for all else."""
    matrices = {n: p for n, p in model.named_parameters() if p.ndim == 2 and "encoder.layers" in n}
    rest = [p for n, p in model.named_parameters() if n not in matrices]
    return [
        torch.optim.Muon(matrices.values(), lr=MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98), fused=True),
    ]


@dataclass
class Training:
    """The model, its running mean and the optimisers, as ``state.pt`` keeps them."""

    model: Wav2Vec2ForCTC
    mean: dict[str, torch.Tensor]
    optimisers: list[torch.optim.Optimizer]
    step: int = 0
    hours: float = 0.0  # of speech heard

    def save(self, path: Path) -> None:
        optimisers = [optimiser.state_dict() for optimiser in self.optimisers]
        state = {"model": self.model.state_dict(), "mean": self.mean, "optimisers": optimisers}
        torch.save({**state, "step": self.step, "hours": self.hours}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").rename(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.mean, self.step, self.hours = state["mean"], state["step"], state["hours"]

    def average(self) -> None:
        """Take the newest weights into the running mean, which begins as a plain mean."""
        share = min(AVERAGING, 1 - 1 / (self.step + 1))
        for name, value in self.model.state_dict().items():
            self.mean[name].lerp_(value, 1 - share)

    def averaged(self) -> Wav2Vec2ForCTC:
        model = with_phone_head(self.model.config, self.model.phone_head.out_features)
        model.load_state_dict(self.mean)
        return model

    def advance(self, share: float) -> None:
        """One step of the optimisers at ``share`` of their peak rates."""
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = optimiser.defaults["lr"] * share
            optimiser.step()
            optimiser.zero_grad()
        self.average()
        self.step += 1


def train(work: Path, training: Training, vocab: Vocabularies, *, steps: int, finish: int, seed: int) -> None:
    clips, held_out = Clips(work / "train"), Clips(work / "held_out")
    seconds, started, losses = clips.seconds(), time.time(), []
    model, epoch, first = training.model.train(), 0, 0
    while training.step < steps:
        plan = batches(clips, epoch)
        for batch in plan[max(0, training.step - first) :]:
            rng = np.random.default_rng([seed, training.step])
            np.random.seed(training.step)  # transformers draws its SpecAugment masks from here
            heard = [disturb(clips.clip(i), rng) for i in batch]
            loss = loss_of(model, heard, clips, batch, vocab)
            if not loss.isfinite():
                raise FloatingPointError(f"step {training.step}: the loss is {loss.item()}; state.pt is from before")
            loss.backward()
            training.advance(rate_share(training.step, steps, finish, warmup=WARMUP))
            losses.append(loss.item())
            training.hours += float(seconds[batch].sum()) / 3600
            if training.step % REPORT_EVERY == 0:
                mean, spent = np.mean(losses[-REPORT_EVERY:]), time.time() - started
                print(f"step {training.step} loss {mean:.3f} {training.hours:.1f} h heard {spent:.0f} s", flush=True)
            if training.step % SAVE_EVERY == 0 or training.step == steps:
                rates = error_rates(training.averaged(), held_out, vocab)
                line = {"step": training.step, "hours": training.hours, "seconds": time.time() - started}
                line |= {"loss": float(np.mean(losses)), "error_rates": rates}
                with open(work / "curve.jsonl", "a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                shown = ", ".join(f"{name} {rates[name]:.3f}" for name in ("all", "ur", "letters"))
                print(f"step {training.step} error rates: {shown}", flush=True)
                training.save(work / "state.pt")
                losses.clear()
            if training.step >= steps:
                break
        first, epoch = first + len(plan), epoch + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/starter"))
    parser.add_argument("--start", type=Path, default=Path("models/starter"), help="checkpoint to begin with")
    parser.add_argument("--out", type=Path, default=Path("build/starter/model"))
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3050)
    parser.add_argument("--finish", type=int, default=800, help="last steps, with the learning rate falling to 0")
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    vocab = Vocabularies.of(args.work)
    model = grown_model(args.start, vocab, args.layers, args.seed)
    mean = {name: value.clone() for name, value in model.state_dict().items()}
    training = Training(model, mean, make_optimisers(model))
    if (args.work / "state.pt").exists():
        training.load(args.work / "state.pt")
    train(args.work, training, vocab, steps=args.steps, finish=args.finish, seed=args.seed)
    made = training.averaged()
    del made.phone_head
    # half precision: half the download; load_for_ctc trains in fp32 all the same
    made.half().save_pretrained(args.out)
    make_processor(vocab.letters, args.out)


if __name__ == "__main__":
    main()
