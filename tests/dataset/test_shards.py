"""Stale shards: prepared audio is made again when what decides its samples changes, and only then.

Kept clips hold this: their rows are compared with those that ``PREPARATION`` stands for.
"""

import base64
import importlib.util
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import soxr

from asr_helpers.dataset import shards
from asr_helpers.dataset.shards import PREPARATION, Clip, ClipSettings, Shard, write_shard

# Two tenths of a second that a decoder alone can read: what encoders write differs from version to version.
MP3 = (
    "c-s5_x#I`}3`At+r2{E`AZBG?U`}9Azyt|czyvJd0v7Ne3jo^1?&Ij|YOH5yV8CPnbBYMR3ey24uv?fDSS@GHVHg<j|Fgys2Cf9VJN3>IOrEFr"
    "-DY6ky?eg^4+unlYG_c9IP(1P4+W0YgWsR>iSv~F-c@_o?%h--M+P>Q7B|t>n``(VC7+y-`v0@X5kYy*Z!NrY7cd0>o2$klT4SIfYCgx-aEg-2"
    "Ej?on6T_5mmJt<<j0X-eGB6}PQ4wZdEW*vM$NolQg@M4a|6MFjODu}pqW`OTXgr(Ju~F>*XQ7uyDRKG||Nq76%@prGG2MG*{r{(rKB-=M(V@k)"
    "`TsPowr;Icv;Y4$W^S;wH&AK}_{`A3nap$IvUAh_&lX3-#ZSyqVVwViVO@7I_Y&`7{zv;RGyl<_Y+I<bxn`mDVU7UF&&*4hopolZ87r8WB`(z9"
    "X}7<_^Es)GCov(x{{R1<?|%Q+fyU$a|Np;UWe{dq@cF#WhXenOXQ`KeY4AF}%C*=D<aaTJ&Rbij_Ag)%^KfHeS;1Vb!YM7LAZEkv;*mAMAcNuB"
    "8e{V#N1{(2da%j)k;Et6PZw+UO<a(A(MBLJns5K<j%Bkvgb&YhlbV=x{)^bll@p3eHXMDt^8dTJ6LwGc)3|XoZK3}=-;-=E3mr5SmjC~tsjzU7"
    "bFUUxABX4T8Lt9k{wgfKv?$xs^W>!m{*55Ni%AH)is3(B!LWrb=}?!t>q(cN9ovPMx2%ZiS@HbkqKp-JbDcvB6AiUzZsm;mUD@>Y-GjYd22wV>"
    ">@Evd288j-3EHNIm3QpDYyVI6(cSo0pZ9ED1y9DS5C8xm1X5}"
)
OPUS = (
    "c-r$%PY-5bVt@jh{?&;f`s)+>n~cK#1*OFvsfj6!j24Uyc3=hmAmt3m${B(5jd*7{mjD0%OM!HRB&HX00|j$3lk$OF1w%a(hEXsIMlb;98kQfz"
    "h+G58abI$FYO~46%E>D6aI~naA6?`-`}JXm$-Q~6>tA?Ewlzn^&AXL<^8m-%Pj3v5Zfn*3q3V--rrO3nzxs}W)%<OuU$<vgajcwEAhE!}-EZxo"
    "#kJpmcpN)W)b{=9ym({IrPGu;I98rZwKbDnH}incslvs7IVboOY)cKT{JE;?^F|Ji)&6x&lP#X<cr0vr7NWN>HrVv>;bRX)Qg5l1zU!}Kxaz>L"
    "|94mO(ru-mzeY>|047Ou+y"
)

# What each clip becomes: samples, and their sums under three patterns of signs; or why it is left out.
ROWS = {
    1: {
        "a.mp3": [1600, -839628, 740512, 917934],
        "a.opus": [1600, -760681, 700411, 794535],
        "deep.wav": [1600, -157758, 908466, -20446],
        "fast.wav": "infeasible",
        "joined.mp3": [5807, 375681, -485715, -135791],
        "long.wav": "too long",
        "loud.wav": [1600, -126275, 1766399, -218519],
        "nan.wav": "not finite",
        "short.wav": "too short",
        "stereo.wav": [1600, -48611, 110119, 178757],
        "studio.flac": [1600, 51761, -277175, 89265],
        "text.wav": "unreadable",
    },
}

# How far a sum may lie off: vector units round the last bits of a resampler and of a lossy decoder in their own ways.
EXACT, RESAMPLED, LOSSY = 0, 6, 100
TOLERANCE = {"stereo.wav": RESAMPLED, "studio.flac": RESAMPLED, "a.mp3": LOSSY, "joined.mp3": LOSSY, "a.opus": LOSSY}


def frames(samples):
    return samples // 320


def make_clips(folder: Path) -> list[Clip]:
    """Every way to decode: channels, rates, depths, lossy codecs, and clips that are left out."""
    noise = np.random.RandomState(7).randint(-(2**30), 2**30, (2, 4_410), dtype=np.int32)  # a stream frozen for good
    soundfile.write(folder / "stereo.wav", noise[:, :2_205].T, 22_050, subtype="PCM_16")
    soundfile.write(folder / "deep.wav", noise[0, :1_600], 16_000, subtype="PCM_24")
    soundfile.write(folder / "loud.wav", noise[1, :1_600] / 2.0**29, 16_000, subtype="FLOAT")  # beyond full scale
    soundfile.write(folder / "studio.flac", noise[0], 44_100, subtype="PCM_16")
    soundfile.write(folder / "nan.wav", np.full(1_600, np.nan), 16_000, subtype="FLOAT")
    soundfile.write(folder / "short.wav", noise[0, :100], 16_000, subtype="PCM_16")
    soundfile.write(folder / "long.wav", np.zeros(9_000), 16_000)
    soundfile.write(folder / "fast.wav", np.zeros(1_600), 16_000)  # 5 frames
    (folder / "text.wav").write_text("not sound")
    mp3, opus = (zlib.decompress(base64.b85decode(text)) for text in (MP3, OPUS))
    for name, data in {"a.mp3": mp3, "joined.mp3": 2 * mp3, "a.opus": opus}.items():
        (folder / name).write_bytes(data)
    labels = {"fast.wav": (1, 1, 1, 2)}  # 6 frames needed
    names = sorted(path.name for path in folder.iterdir())
    return [Clip(name, folder / name, labels.get(name, (1,)), "x", "") for name in names]


def sketch(samples: np.ndarray) -> list[int]:
    """Say briefly which samples these are."""
    signs = np.random.RandomState(0).choice([-1, 1], (3, samples.size))
    return [samples.size, *(signs @ samples.astype(np.int64)).tolist()]


def rows_of(folder: Path) -> dict[str, list[int] | str]:
    """What the kept clips become."""
    (folder / "kept").mkdir()
    (folder / "dataset" / "train").mkdir(parents=True)
    shard = Shard("train", 0, tuple(make_clips(folder / "kept")), 1.0)
    report = write_shard(shard, ClipSettings(frames, 0.05, 0.5), folder=folder / "dataset")
    with pa.OSFile(str(folder / "dataset" / "train" / shard.name)) as file:
        rows = pa.ipc.open_stream(file).read_all().to_pylist()
    found = {row["id"]: sketch(np.array(row["audio"])) for row in rows}
    return found | {row["id"]: row["reason"] for row in report["left_out"]}


def alike(row: list[int] | str, expected: list[int] | str | None, tolerance: int) -> bool:
    if isinstance(row, str) or not isinstance(expected, list):
        return row == expected
    return row[0] == expected[0] and np.allclose(row, expected, rtol=0, atol=tolerance)


def test_the_version_stands_for_what_kept_clips_become(tmp_path):
    found, expected = rows_of(tmp_path), ROWS.get(PREPARATION, {})
    same = [name for name, row in found.items() if alike(row, expected.get(name), TOLERANCE.get(name, EXACT))]
    assert same == list(found), (
        f"recordings become other rows than PREPARATION = {PREPARATION} stands for: count it up in dataset/shards.py "
        f"with a line that says why, and record in ROWS what they become now:\n{found}"
    )


def test_every_version_has_its_line_of_history():
    source = Path(shards.__file__).read_text(encoding="utf-8")
    assert all(f"\n# {version}: " in source for version in range(1, PREPARATION + 1))
    assert max(ROWS) == PREPARATION and len({str(rows) for rows in ROWS.values()}) == len(ROWS)


@pytest.mark.parametrize(
    ("place", "name"),
    [(shards, "PREPARATION"), (soundfile, "__libsndfile_version__"), (soxr, "__version__"),
     (soxr, "__libsoxr_version__"), (shards, "SCHEMA")],
)  # fmt: skip
def test_what_decides_samples_and_columns_is_in_the_fingerprint(monkeypatch, place, name):
    before = ClipSettings(frames, 0.3, 30.0).fingerprint
    monkeypatch.setattr(place, name, pa.schema({}) if name == "SCHEMA" else "another")
    assert ClipSettings(frames, 0.3, 30.0).fingerprint != before


def test_a_remark_in_the_code_is_not_in_the_fingerprint(tmp_path, monkeypatch):
    path = tmp_path / "remarked.py"
    path.write_text(Path(shards.__file__).read_text(encoding="utf-8") + "\n# a remark\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("remarked", path)
    remarked = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "remarked", remarked)
    spec.loader.exec_module(remarked)
    assert remarked.ClipSettings(frames, 0.3, 30.0).fingerprint == ClipSettings(frames, 0.3, 30.0).fingerprint
