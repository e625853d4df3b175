PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: run test lint notebooks starter clean

# 01 to 05 on the sample corpus; ends with WER and CER and where the results lie.
run: $(INSTALLED)
	$(BIN)/python -m asr_helpers run params/sample.yaml

# Unit tests; the papermill chain on other recordings and on the sample; real processes and a real browser; the notebooks
# against their kept outputs (after the sample run, whose finished training they then find).
test: lint
	$(BIN)/python -m pytest -q -n 2 -m "not slow" tests
	$(BIN)/python -m pytest -q -m slow tests/test_notebooks.py
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow tests --ignore tests/test_notebooks.py
	$(BIN)/python -m pytest -q --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks

# Rules and layout of the code, that of the notebooks' cells too.
lint: $(INSTALLED)
	$(BIN)/ruff check asr_helpers benchmarks scripts tests
	$(BIN)/ruff format --check asr_helpers benchmarks scripts tests
	$(BIN)/ruff format --check --line-length 110 notebooks/*.ipynb

# Run all five again and commit their cleaned outputs.
notebooks: $(INSTALLED)
	$(BIN)/python -m asr_helpers run params/sample.yaml --from 01
	$(BIN)/python scripts/clean_notebooks.py runs/sample/notebooks notebooks

# The starter checkpoint from nothing: hours on two CPU cores (see models/starter/README.md).
starter: $(INSTALLED)
	$(BIN)/python -m pip install -q wordfreq==3.1.1
	$(BIN)/python scripts/make_starter.py

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

clean:
	rm -rf runs build data/sample/recordings
