"""Make models/starter again: a small Wav2Vec2 that has heard synthetic Urdu before the sample run fine-tunes it.

The script is the model card's recipe. It draws random word sequences from wordfreq's Urdu list, lets espeak-ng read
them in voices that the sample corpus does not use, and trains with CTC under noise, reverberation and SpecAugment. Then
it does the same with people's sentences, whose words follow each other as Urdu's do:

    python scripts/make_starter.py --work build/words --out build/words/model
    python scripts/make_starter.py --work build/sentences --start build/words/model --sentences SENTENCES \\
        --peak-rate 6e-4 --steps 4300 --decay 1200

Speech (2 and 4 GB) and checkpoints stay in the work folder; a killed run goes on from the newest checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import jiwer
import numpy as np
import soxr
import torch
from scipy.signal import fftconvolve
from starter_corpus import SPEAKERS, any_voice, usable_sentences
from torch.nn.functional import ctc_loss
from tqdm import tqdm
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.model.processor import make_processor
from asr_helpers.model.vocabulary import SPECIALS
from asr_helpers.sample.synthesis import NATIVE_RATE, Line, speak_lines

SAMPLE_VOICES = ("m3", "f2", "m7", "f4")  # the sample corpus speaks with these, so the starter never hears them
ALPHABET = "ءآأؤئابتثجحخدذرزسشصضطظعغفقلمنوٹپچڈڑژکگںھہۂیے"
UTTERANCES = 24_000
ZIPF_FLATTENING = 0.6  # word probabilities to this power: rare words are heard too
HELD_OUT_EVERY = 20  # every 20th word is kept from training, to measure what an unheard word costs
CHECKED = 200  # utterances held out of each kind
BATCH = 16
WARMUP = 400


def vocabulary() -> dict[str, int]:
    return {token: i for i, token in enumerate((*SPECIALS, *sorted(ALPHABET)))}


def word_list() -> tuple[list[str], np.ndarray]:
    """wordfreq's Urdu words that are spelt with the Urdu alphabet, with flattened probabilities."""
    from wordfreq import get_frequency_dict

    frequencies = get_frequency_dict("ur", wordlist="best")
    words = sorted(w for w in frequencies if set(w) <= set(ALPHABET) and (len(w) > 1 or w == "و"))
    weights = np.array([frequencies[w] for w in words]) ** ZIPF_FLATTENING
    return words, weights / weights.sum()


def make_script(count: int, voices: Sequence[str], rng: np.random.Generator, *, held_out: bool | None) -> list[Line]:
    """Random word sequences: ``held_out`` False uses the training words, True only the others."""
    words, weights = word_list()
    is_held_out = np.arange(len(words)) % HELD_OUT_EVERY == 0
    weights = np.where(is_held_out == held_out, weights, 0)
    weights = weights / weights.sum()
    lines = []
    for _ in range(count):
        chosen = rng.choice(len(words), size=rng.integers(2, 10), p=weights)
        lines.append(Line(" ".join(words[i] for i in chosen), any_voice(voices, rng)))
    return lines


def scripts_of_words(rng: np.random.Generator) -> dict[str, list[Line]]:
    """What training hears, and what it is checked on: voices that it has not heard, and words."""
    return {
        "train": make_script(UTTERANCES, SPEAKERS, rng, held_out=False),
        "unheard_voices": make_script(CHECKED, SAMPLE_VOICES, rng, held_out=False),
        "unheard_voices_and_words": make_script(CHECKED, SAMPLE_VOICES, rng, held_out=True),
    }


def scripts_of_sentences(file: Path, takes: int, rng: np.random.Generator) -> dict[str, list[Line]]:
    """The same of a file's sentences: each is heard in ``takes`` voices, or is checked on."""
    sentences = [text for text in usable_sentences(file) if set(text) <= {*ALPHABET, " "}]
    order = [sentences[i] for i in rng.permutation(len(sentences))]
    heard = [Line(text, any_voice(SPEAKERS, rng)) for text in order[CHECKED:]]
    checked = [Line(text, any_voice(SAMPLE_VOICES, rng)) for text in order[:CHECKED]]  # the same for any takes
    heard += [Line(text, any_voice(SPEAKERS, rng)) for _ in range(takes - 1) for text in order[CHECKED:]]
    return {"train": heard, "unheard_voices_and_sentences": checked}


def synthesise(lines: list[Line], folder: Path) -> None:
    """Write ``audio.i16`` (16 kHz mono PCM, clip after clip), ``ends.npy`` and ``texts.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    ends, total = [], 0
    with open(folder / "audio.part", "wb") as file:
        for clip in tqdm(speak_lines(lines), total=len(lines), desc=folder.name, mininterval=10):
            clip = soxr.resample(clip, NATIVE_RATE, SAMPLING_RATE)
            file.write(clip.tobytes())
            total += len(clip)
            ends.append(total)
    np.save(folder / "ends.npy", ends)
    (folder / "texts.json").write_text(json.dumps([line.text for line in lines], ensure_ascii=False), encoding="utf-8")
    (folder / "audio.part").rename(folder / "audio.i16")


class Clips:
    """Synthesised clips on disk, read one at a time."""

    def __init__(self, folder: Path):
        self.audio = np.memmap(folder / "audio.i16", dtype=np.int16, mode="r")
        self.ends = np.load(folder / "ends.npy")
        self.starts = np.concatenate([[0], self.ends[:-1]])
        self.texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))

    def __len__(self) -> int:
        return len(self.texts)

    def clip(self, i: int) -> np.ndarray:
        return self.audio[self.starts[i] : self.ends[i]].astype(np.float32) / 32768


def in_a_room(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a room's reverberation, 60 dB down after 50 to 400 ms."""
    tail = np.arange(int(rng.uniform(0.05, 0.4) * SAMPLING_RATE))
    room = rng.standard_normal(len(tail)) * np.exp(-6.9 * tail / len(tail)) * rng.uniform(0.02, 0.15)
    room[0] = 1
    return fftconvolve(clip, room)[: len(clip)]


def with_noise(clip: np.ndarray, rng: np.random.Generator, *, at_least: float) -> np.ndarray:
    """Add white or red noise, ``at_least`` to 40 dB below the speech."""
    noise = rng.standard_normal(len(clip))
    if rng.random() < 0.5:
        noise = np.cumsum(noise) - np.linspace(0, noise.sum(), len(noise))  # red noise: hum rather than hiss
        noise -= noise.mean()
    snr = rng.uniform(at_least, 40)
    return clip + noise * np.sqrt(np.mean(clip**2) / (np.mean(noise**2) + 1e-12)) * 10 ** (-snr / 20)


def disturb(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change speed, add a room's reverberation and noise: the model shall not learn one clean channel by heart."""
    if rng.random() < 0.5:
        clip = soxr.resample(clip, SAMPLING_RATE, SAMPLING_RATE * rng.uniform(0.9, 1.1))
    if rng.random() < 0.3:
        clip = in_a_room(clip, rng)
    if rng.random() < 0.6:
        clip = with_noise(clip, rng, at_least=5)
    return clip.astype(np.float32)


def collate(clips: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalise each clip to mean 0 and variance 1 and pad: ``(batch, samples)`` values and attention mask."""
    lengths = [len(c) for c in clips]
    values = torch.zeros(len(clips), max(lengths))
    mask = torch.zeros(len(clips), max(lengths), dtype=torch.long)
    for i, clip in enumerate(clips):
        values[i, : len(clip)] = torch.from_numpy((clip - clip.mean()) / (clip.std() + 1e-5))
        mask[i, : len(clip)] = 1
    return values, mask


def new_model(seed: int) -> Wav2Vec2ForCTC:
    torch.manual_seed(seed)
    return Wav2Vec2ForCTC(
        Wav2Vec2Config(
            vocab_size=len(vocabulary()),
            hidden_size=256,
            num_hidden_layers=6,
            num_attention_heads=4,
            intermediate_size=1024,
            conv_dim=(64, 128, 192, 256),
            conv_stride=(10, 4, 4, 2),  # 320 samples, 20 ms a frame, as in wav2vec2-base
            conv_kernel=(20, 8, 8, 4),
            num_feat_extract_layers=4,
            feat_extract_norm="layer",
            conv_bias=True,
            do_stable_layer_norm=True,
            num_conv_pos_embeddings=32,
            num_conv_pos_embedding_groups=8,
            hidden_dropout=0.0,
            attention_dropout=0.0,
            activation_dropout=0.0,
            feat_proj_dropout=0.0,
            final_dropout=0.0,
            layerdrop=0.0,
            mask_time_prob=0.05,
            mask_time_length=5,
            mask_feature_prob=0.05,
            mask_feature_length=16,
            ctc_loss_reduction="mean",
            ctc_zero_infinity=True,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


def batches(clips: Clips, epoch: int) -> list[np.ndarray]:
    """Shuffled batches of clips of about one length."""
    rng = np.random.default_rng([1, epoch])
    order = rng.permutation(len(clips))
    seconds = (clips.ends - clips.starts)[order]
    pools = np.array_split(np.arange(len(order)), max(1, len(order) // (BATCH * 50)))
    order = np.concatenate([order[pool[np.argsort(seconds[pool], kind="stable")]] for pool in pools])
    full = order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)
    return list(full[rng.permutation(len(full))])


def losses_of(logits: torch.Tensor, frames: torch.Tensor, texts: list[str], vocab: dict[str, int]) -> torch.Tensor:
    """CTC loss per token of each clip, in fp32; tokens too rare for the vocabulary are left out."""
    labels = [torch.tensor([vocab[c] for c in text if c in vocab]) for text in texts]
    lengths = torch.tensor([len(x) for x in labels])
    log_probs = logits.float().log_softmax(-1).transpose(0, 1)
    loss = ctc_loss(log_probs, torch.cat(labels), frames, lengths, reduction="none", zero_infinity=True)
    return loss / lengths.clamp(1)  # a clip in other letters has none


def loss_of(model: Wav2Vec2ForCTC, clips: list[np.ndarray], texts: list[str]) -> torch.Tensor:
    """CTC loss per letter, mean over the batch."""
    values, mask = collate(clips)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(values, attention_mask=mask).logits
    frames = model._get_feat_extract_output_lengths(mask.sum(1))
    return losses_of(logits, frames, [text.replace(" ", "|") for text in texts], vocabulary()).mean()


def spelt(row: torch.Tensor, vocab: dict[str, int]) -> str:
    """One clip's best tokens without repeats and specials."""
    tokens = list(vocab)
    return "".join(t for t in (tokens[k] for k in torch.unique_consecutive(row).tolist()) if len(t) == 1)


@torch.no_grad()
def evaluate(model: Wav2Vec2ForCTC, clips: Clips, count: int = 150) -> tuple[float, float]:
    model.eval()
    vocab, hypotheses = vocabulary(), []
    for start in range(0, count, BATCH):
        values, mask = collate([clips.clip(i) for i in range(start, min(count, start + BATCH))])
        with torch.autocast("cpu", torch.bfloat16):
            best = model(values, attention_mask=mask).logits.argmax(-1)
        frames = model._get_feat_extract_output_lengths(mask.sum(1))
        for row, n in zip(best, frames, strict=True):
            hypotheses.append(spelt(row[:n], vocab).replace("|", " ").strip())
    model.train()
    references = clips.texts[:count]
    return jiwer.wer(references, hypotheses), jiwer.cer(references, hypotheses)


def rate_share(step: int, steps: int, decay: int, *, warmup: int = WARMUP) -> float:
    """Of the peak learning rate at a step: it rises, stays, and falls to 0 over the last ``decay`` steps."""
    return min(1, (step + 1) / warmup, max(0.0, (steps - step) / max(1, decay)))


def train(
    model: Wav2Vec2ForCTC, work: Path, checked: Sequence[str], *, steps: int, decay: int, peak: float, seed: int
) -> Wav2Vec2ForCTC:
    """Train on ``work / "train"`` and read ``checked`` now and then.

    ``checkpoint.pt`` holds where it stands.
    """
    clips, held = Clips(work / "train"), {name: Clips(work / name) for name in checked}
    model = model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    checkpoint, step = work / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    started, losses = time.time(), []
    while step < steps:
        epoch, position = divmod(step, len(clips) // BATCH)
        for batch in batches(clips, epoch)[position:]:
            rng = np.random.default_rng([seed, step])
            np.random.seed(step)  # transformers draws its SpecAugment masks from here
            for group in optimiser.param_groups:
                group["lr"] = peak * rate_share(step, steps, decay)
            loss = loss_of(model, [disturb(clips.clip(i), rng) for i in batch], [clips.texts[i] for i in batch])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())
            step += 1
            if step % 50 == 0:
                print(f"step {step} loss {np.mean(losses):.3f} {time.time() - started:.0f} s", flush=True)
                losses.clear()
            if step % 250 == 0 or step == steps:
                scores = {k: "WER {:.3f} CER {:.3f}".format(*evaluate(model, c)) for k, c in held.items()}
                print(f"step {step} {scores}", flush=True)
                state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
                torch.save(state, work / "checkpoint.tmp")
                (work / "checkpoint.tmp").rename(checkpoint)
            if step >= steps:
                break
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/starter"))
    parser.add_argument("--out", type=Path, default=Path("models/starter"))
    parser.add_argument("--start", type=Path, help="checkpoint of this script to go on from; else random weights")
    parser.add_argument("--sentences", type=Path, help="Urdu sentences, one a line, in place of random words")
    parser.add_argument("--takes", type=int, default=2, help="voices in which each of those sentences is heard")
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--decay", type=int, default=1200, help="last steps, with the learning rate falling to 0")
    parser.add_argument("--peak-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    scripts = scripts_of_sentences(args.sentences, args.takes, rng) if args.sentences else scripts_of_words(rng)
    for name, lines in scripts.items():
        if not (args.work / name / "audio.i16").exists():
            synthesise(lines, args.work / name)
        elif Clips(args.work / name).texts != [line.text for line in lines]:
            raise SystemExit(f"{args.work / name} holds the speech of another script; give --work another folder")
    if args.start:
        model = Wav2Vec2ForCTC.from_pretrained(args.start, dtype=torch.float32, attn_implementation="eager")
    else:
        model = new_model(args.seed)
    checked = [name for name in scripts if name != "train"]
    train(model, args.work, checked, steps=args.steps, decay=args.decay, peak=args.peak_rate, seed=args.seed)
    # half precision: half the download; load_for_ctc trains in fp32 all the same
    model.half().save_pretrained(args.out)
    make_processor(vocabulary(), args.out)


if __name__ == "__main__":
    main()
