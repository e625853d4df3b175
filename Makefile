PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: run test notebooks starter lint clean

# 01 to 05 on the sample corpus; ends with WER and CER and where the results lie.
run: $(INSTALLED)
	$(BIN)/python -m asr_helpers run params/sample.yaml

# Unit tests, the papermill chain, the notebooks under nbval.
test: $(INSTALLED)
	$(BIN)/ruff check asr_helpers scripts benchmarks tests
	$(BIN)/python -m pytest tests
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks

# Run all five again and commit their cleaned outputs.
notebooks: $(INSTALLED)
	$(BIN)/python -m asr_helpers run params/sample.yaml --from 01
	$(BIN)/python scripts/clean_notebooks.py runs/sample/notebooks notebooks

# The starter checkpoint from nothing: hours on two CPU cores (see models/starter/README.md).
starter: $(INSTALLED)
	$(BIN)/python -m pip install -q wordfreq==3.1.1
	$(BIN)/python scripts/make_starter.py

lint: $(INSTALLED)
	$(BIN)/ruff check asr_helpers scripts benchmarks tests

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

clean:
	rm -rf runs build data/sample/recordings
