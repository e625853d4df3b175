"""Preparing and streaming hold a minute of audio, however large the corpus."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MEASURED = """
    import resource, sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from test_preparing import make_corpus, prepare
    from asr_helpers.dataset.reading import stream_prepared

    def growth(count, root=Path({root!r})):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        folder = root / str(count)
        prepare(one.loc[[0] * count].assign(id=[str(i) for i in range(count)]), root, folder, shard_seconds=600)
        prepared = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert sum(len(row["audio"]) for row in stream_prepared(folder, seed=0, buffer=8)) == count * 160_000
        return (prepared - before) / 1024, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - prepared) / 1024

    one = make_corpus(Path({root!r}), 1, 10.0)
    growth(20)  # what the first use of everything takes
    print(*growth(300))
"""


@pytest.mark.skipif(os.name == "nt", reason="getrusage")
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """300 clips of 10 s are 92 MiB as int16 and 183 MiB as float32; a worker holds a minute of them, 2 to 4 MiB."""
    code = textwrap.dedent(MEASURED).format(tests=str(Path(__file__).parent), root=str(tmp_path))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    preparing, streaming = map(float, run.stdout.split())
    assert preparing < 30 and streaming < 45, run.stdout
