"""Make models/starter_people: a small Wav2Vec2 that has heard people in 42 languages, and synthetic Urdu.

The script is the model card's recipe. It goes on from models/starter (or any checkpoint of that form), makes its
frames twice as long and the network deeper without changing what it computes at first, and trains with CTC on phones
(``scripts/starter_corpus.py`` prepares recordings and phones) under noise, rooms, narrow bands and SpecAugment.

    python scripts/starter_corpus.py --human HUMAN --sentences SENTENCES --work build/starter
    python scripts/make_starter_people.py --work build/starter --steps 3050 --finish 800

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

import jiwer
import numpy as np
import pandas as pd
import soxr
import torch
from make_starter import collate, in_a_room, with_noise
from scipy.signal import butter, sosfilt
from starter_corpus import SYNTHETIC
from torch.nn.functional import ctc_loss
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.model.processor import make_processor
from asr_helpers.model.vocabulary import SPECIALS

BATCH_SECONDS = 76  # of speech a step: about 16 clips
PEAK_RATE, WARMUP = 8e-4, 300
AVERAGING = 0.998  # weight of the past in the running mean of the weights, a step
SYNTHETIC_SHARE = 0.5  # of the synthetic clips an epoch hears: models/starter has heard nothing else
REPORT_EVERY, SAVE_EVERY = 50, 250


class Clips:
    """Prepared recordings on disk, read one at a time: 16 kHz mono PCM, and phones with ``|`` between words."""

    def __init__(self, folder: Path):
        self.audio = np.memmap(folder / "audio.i16", dtype=np.int16, mode="r")
        self.table = pd.read_parquet(folder / "clips.parquet")
        self.ends = self.table["end"].to_numpy()
        self.starts = np.concatenate([[0], self.ends[:-1]])
        self.phones = self.table["phones"].tolist()
        self.languages = self.table["language"].to_numpy()

    def __len__(self) -> int:
        return len(self.phones)

    def seconds(self) -> np.ndarray:
        return (self.ends - self.starts) / SAMPLING_RATE

    def clip(self, i: int) -> np.ndarray:
        return self.audio[self.starts[i] : self.ends[i]].astype(np.float32) / 32768


def vocabulary(work: Path) -> dict[str, int]:
    phones = json.loads((work / "phones.json").read_text(encoding="utf-8"))
    return {token: i for i, token in enumerate((*SPECIALS, *(p for p in phones if p not in "_|")))}


def disturb(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change speed, band, room and noise: the model shall not learn one clean channel by heart."""
    if rng.random() < 0.6:
        clip = soxr.resample(clip, SAMPLING_RATE, SAMPLING_RATE * rng.uniform(0.88, 1.12))
    if rng.random() < 0.25:
        low, high = rng.uniform(60, 350), rng.uniform(3000, 7000)
        clip = sosfilt(butter(2, [low, high], "bandpass", fs=SAMPLING_RATE, output="sos"), clip)
    if rng.random() < 0.3:
        clip = in_a_room(clip, rng)
    if rng.random() < 0.5:
        clip = with_noise(clip, rng, at_least=8)
    return clip.astype(np.float32)


def grown_model(start: Path, vocab: dict[str, int], layers: int, seed: int) -> Wav2Vec2ForCTC:
    """A model with a frame every 40 ms and ``layers`` layers that begins where the checkpoint ``start`` stands.

    Coming from 20 ms, the last convolution steps twice as far and sees twice as much, with the old weights in its
    middle; new layers begin as the identity (their outputs are zero), above the old ones; the head is new unless
    ``start`` has the same phones.
    """
    old = Wav2Vec2ForCTC.from_pretrained(start, dtype=torch.float32)
    settings = old.config.to_dict()
    settings.update(
        vocab_size=len(vocab),
        num_hidden_layers=layers,
        conv_stride=(10, 4, 4, 4),  # 640 samples
        conv_kernel=(20, 8, 8, 8),
        mask_time_prob=0.1,
        mask_time_length=4,
        mask_feature_prob=0.1,
        mask_feature_length=16,
    )
    torch.manual_seed(seed)
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**settings))
    weights, new = old.state_dict(), model.state_dict()
    same_phones = json.loads((start / "vocab.json").read_text(encoding="utf-8")) == vocab
    for name, tensor in new.items():
        if name.startswith("lm_head") and not same_phones:
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


def loss_of(model: Wav2Vec2ForCTC, clips: list[np.ndarray], phones: list[str], ids: dict[str, int]) -> torch.Tensor:
    """CTC loss per phone, mean over the batch, in fp32; phones too rare for the vocabulary are left out."""
    values, mask = collate(clips)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(values, attention_mask=mask).logits
    labels = [torch.tensor([ids[c] for c in p if c in ids]) for p in phones]
    lengths = torch.tensor([len(x) for x in labels])
    frames = model._get_feat_extract_output_lengths(mask.sum(1))
    log_probs = logits.float().log_softmax(-1).transpose(0, 1)
    loss = ctc_loss(log_probs, torch.cat(labels), frames, lengths, reduction="none", zero_infinity=True)
    return (loss / lengths).mean()


@torch.no_grad()
def phone_error_rates(model: Wav2Vec2ForCTC, clips: Clips, vocab: dict[str, int]) -> dict[str, float]:
    """Share of wrong phones (without ``|``) by language, and over all people: edits over the reference's phones."""
    model.eval()
    tokens, hypotheses = list(vocab), {}
    order = np.argsort(clips.seconds(), kind="stable")
    for part in np.array_split(order, max(1, len(order) // 16)):
        values, mask = collate([clips.clip(i) for i in part])
        with torch.autocast("cpu", torch.bfloat16):
            best = model(values, attention_mask=mask).logits.argmax(-1)
        frames = model._get_feat_extract_output_lengths(mask.sum(1))
        for i, row, n in zip(part, best, frames, strict=True):
            found = torch.unique_consecutive(row[:n]).tolist()
            hypotheses[i] = "".join(t for t in (tokens[k] for k in found) if len(t) == 1 and t != "|")
    model.train()

    def rate(chosen: np.ndarray) -> float:
        return jiwer.cer([clips.phones[i].replace("|", "") for i in chosen], [hypotheses[i] for i in chosen])

    languages = sorted(set(clips.languages))
    return {"all": rate(order), **{name: rate(np.flatnonzero(clips.languages == name)) for name in languages}}


def learning_rate(step: int, steps: int, finish: int) -> float:
    return PEAK_RATE * min(1, (step + 1) / WARMUP, max(0.0, (steps - step) / max(1, finish)))


@dataclass
class Training:
    """The model, its running mean and the optimiser, as ``state.pt`` keeps them."""

    model: Wav2Vec2ForCTC
    mean: dict[str, torch.Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    hours: float = 0.0  # of speech heard

    def save(self, path: Path) -> None:
        state = {"model": self.model.state_dict(), "mean": self.mean, "optimiser": self.optimiser.state_dict()}
        torch.save({**state, "step": self.step, "hours": self.hours}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").rename(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.mean, self.step, self.hours = state["mean"], state["step"], state["hours"]

    def average(self) -> None:
        """Take the newest weights into the running mean, which begins as a plain mean."""
        share = min(AVERAGING, 1 - 1 / (self.step + 1))
        for name, value in self.model.state_dict().items():
            self.mean[name].lerp_(value, 1 - share)

    def averaged(self) -> Wav2Vec2ForCTC:
        model = Wav2Vec2ForCTC(self.model.config)
        model.load_state_dict(self.mean)
        return model


def train(work: Path, training: Training, vocab: dict[str, int], *, steps: int, finish: int, seed: int) -> None:
    clips, held_out = Clips(work / "train"), Clips(work / "held_out")
    seconds, started, losses = clips.seconds(), time.time(), []
    model, optimiser, epoch = training.model.train(), training.optimiser, 0
    first = 0
    while training.step < steps:
        plan = batches(clips, epoch)
        for batch in plan[max(0, training.step - first) :]:
            rng = np.random.default_rng([seed, training.step])
            np.random.seed(training.step)  # transformers draws its SpecAugment masks from here
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(training.step, steps, finish)
            heard = [disturb(clips.clip(i), rng) for i in batch]
            loss = loss_of(model, heard, [clips.phones[i] for i in batch], vocab)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            training.average()
            losses.append(loss.item())
            training.step += 1
            training.hours += float(seconds[batch].sum()) / 3600
            if training.step % REPORT_EVERY == 0:
                mean, spent = np.mean(losses), time.time() - started
                print(f"step {training.step} loss {mean:.3f} {training.hours:.1f} h heard {spent:.0f} s", flush=True)
            if training.step % SAVE_EVERY == 0 or training.step == steps:
                rates = phone_error_rates(training.averaged(), held_out, vocab)
                line = {"step": training.step, "hours": training.hours, "seconds": time.time() - started}
                line |= {"loss": float(np.mean(losses)), "phone_error_rates": rates}
                with open(work / "curve.jsonl", "a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"step {training.step} phone error rate {rates['all']:.3f}, Urdu {rates['ur']:.3f}", flush=True)
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
    vocab = vocabulary(args.work)
    model = grown_model(args.start, vocab, args.layers, args.seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    mean = {name: value.clone() for name, value in model.state_dict().items()}
    training = Training(model, mean, optimiser)
    if (args.work / "state.pt").exists():
        training.load(args.work / "state.pt")
    train(args.work, training, vocab, steps=args.steps, finish=args.finish, seed=args.seed)
    # half precision: half the download; load_for_ctc trains in fp32 all the same
    training.averaged().half().save_pretrained(args.out)
    make_processor(vocab, args.out)


if __name__ == "__main__":
    main()
