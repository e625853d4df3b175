"""The run folder, what it came from, and the notebooks one after another.

`asr_helpers.run.training` and `run.launch` bring torch, which takes seconds to load: they are imported by their names.
"""

from .folder import MissingArtifact, StaleArtifact, open_run, parameters_of, read_lines
from .places import NOTEBOOKS, about, repository, resolve, source
from .provenance import device_line, device_table, versions_line

__all__ = [
    "NOTEBOOKS",
    "MissingArtifact",
    "StaleArtifact",
    "about",
    "device_line",
    "device_table",
    "open_run",
    "parameters_of",
    "read_lines",
    "repository",
    "resolve",
    "source",
    "versions_line",
]
