#!/usr/bin/env bash
# What this project would like to know of a GPU, in one command of 40 minutes at most; it ends with a table.
#   scripts/gpu_check.sh           on a machine with a CUDA device, after the installation (see README)
#   scripts/gpu_check.sh --tiny    a rehearsal with tiny sizes, on any machine; nobody quotes its figures
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${PYTHON:-}" ] || { [ -x .venv/bin/python ] && PYTHON=.venv/bin/python; } || PYTHON=python
exec "$PYTHON" benchmarks/gpu_check.py "$@"
