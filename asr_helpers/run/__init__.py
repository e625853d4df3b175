"""The run folder, what it came from, and the notebooks one after another.

`asr_helpers.run.training` and `run.launch` bring torch, which takes seconds to load: they are imported by their names.
"""

from .folder import NOTEBOOKS, MissingArtifact, open_run, parameters_of, read_lines, repository, resolve, source
from .provenance import device_line, device_table, table_fingerprint, versions_line

__all__ = [
    "NOTEBOOKS",
    "MissingArtifact",
    "device_line",
    "device_table",
    "open_run",
    "parameters_of",
    "read_lines",
    "repository",
    "resolve",
    "source",
    "table_fingerprint",
    "versions_line",
]
