"""What is wrong with recordings as sound: no length, no sound, no headroom, too little or too much of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pandas as pd

from asr_helpers.audio.measuring import CLIPPED
from asr_helpers.audio.reading import CANCELLED, LOUD, SAMPLING_RATE
from asr_helpers.wording import listed, percent

from ..problems import ERROR, WARNING, Problem

__all__ = ["check_recordings"]

# Set on 2,188 Common Voice clips (median -26.8 dBFS): four of the five that its listeners found nearly silent lie
# below -51 dBFS, the fifth at -45.2, and no other below -42.8.
SILENCE_DB = -60.0  # dBFS
NEAR_SILENCE_DB = -45.0  # dBFS
NO_CONTRAST_DB = 5.0  # snr_db; white noise has 0.5 to 1.3, the least of those clips with speech 10.4

Finding = tuple[str, str]  # value, advice


def check_recordings(utterances: pd.DataFrame, *, min_seconds: float, max_seconds: float) -> list[Problem]:
    """List what is wrong with each recording's duration, level and rate.

    Args:
        utterances: One row an utterance, with the measures of `asr_helpers.audio.measure`.
        min_seconds: Shorter recordings are reported.
        max_seconds: Longer recordings are reported.

    Returns:
        Problems in the order of the checks, then of the utterances.
    """
    checks: list[tuple[str, str, Callable[[Any], Finding | None]]] = [
        (ERROR, "zero length", _zero_length),
        (ERROR, "silence", _silence),
        (WARNING, "near silence", _near_silence),
        (WARNING, "no speech heard", _no_contrast),
        (WARNING, "clipping", _clipping),
        (WARNING, "too short", partial(_too_short, least=min_seconds)),
        (WARNING, "too long", partial(_too_long, most=max_seconds)),
    ]
    rows = list(utterances.itertuples(index=False))
    problems = [
        Problem(severity, check, row.id, *finding)
        for severity, check, look in checks
        for row in rows
        if (finding := look(row))
    ]
    return problems + list(_low_rate(utterances))


def _zero_length(row: Any) -> Finding | None:
    return ("0 s", "record it again, or take it out with its transcript") if row.seconds == 0 else None


def _silence(row: Any) -> Finding | None:
    if row.seconds == 0 or row.rms_db > SILENCE_DB:
        return None
    hint = f"; {CANCELLED}" if row.channels > 1 and row.peak > LOUD else ""
    return f"{row.rms_db:.0f} dBFS", f"listen; record it again, or take it out with its transcript{hint}"


def _near_silence(row: Any) -> Finding | None:
    if row.seconds == 0 or not SILENCE_DB < row.rms_db <= NEAR_SILENCE_DB:
        return None
    return f"{row.rms_db:.1f} dBFS", "listen: is the whole sentence there? If not, record it again or take it out"


def _no_contrast(row: Any) -> Finding | None:
    if row.seconds == 0 or row.rms_db <= SILENCE_DB or row.snr_db >= NO_CONTRAST_DB:
        return None
    return f"loud and quiet parts differ by {row.snr_db:.1f} dB", "listen: noise or a tone rather than speech?"


def _clipping(row: Any) -> Finding | None:
    if row.clipped < CLIPPED:
        return None
    beyond = f", up to {row.peak:.3g} × full scale" if row.peak > 1.2 else ""
    advice = "scale the recording to ±1" if beyond else "record with less gain; the distortion cannot be taken out"
    return f"{percent(row.clipped, 2)} of the samples at full scale{beyond}", advice


def _too_short(row: Any, *, least: float) -> Finding | None:
    if not 0 < row.seconds < least:
        return None
    return f"{row.seconds:.2f} s", f"03 leaves out what is shorter than {least:g} s; is the recording cut off?"


def _too_long(row: Any, *, most: float) -> Finding | None:
    if row.seconds <= most:
        return None
    return f"{row.seconds:.1f} s", f"03 leaves out what is longer than {most:g} s; cut it at a pause, and its text"


def _low_rate(utterances: pd.DataFrame) -> Iterator[Problem]:
    low = utterances[utterances["sampling_rate"] < SAMPLING_RATE]
    if len(low):
        rates = listed(f"{rate} Hz" for rate in sorted(set(low["sampling_rate"])))
        told = f"{len(low)} of {len(utterances)} recordings at {rates}, the first: {low['id'].iloc[0]}"
        advice = f"nothing above half that rate was recorded; if there is an original at {SAMPLING_RATE} Hz, use it"
        yield Problem(WARNING, "low sampling rate", "", told, advice)
