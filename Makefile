PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

OLD := .venv-lowest
export PIP_DISABLE_PIP_VERSION_CHECK := 1
TWO := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -q -n 2

.PHONY: run test lowest lint notebooks picture starter clean

# 01 to 05 on the sample corpus; ends with WER and CER and where the results lie.
run: $(INSTALLED)
	@$(BIN)/python -m asr_helpers run params/sample.yaml

# Unit tests; the sample run, whose finished training the browser tests and nbval then find; the papermill chain on other
# recordings, real processes and a real browser; the notebooks against their kept outputs. Two workers have a thread each.
test: lint
	$(TWO) -m "not slow" tests
	$(BIN)/python -m pytest -q -m slow tests/test_sample_run.py
	$(TWO) --dist loadfile --durations=12 -m slow tests --ignore tests/test_sample_run.py
	$(BIN)/python -m pytest -q --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks

# The oldest supported versions, Colab's among them: every module imports, and all notebooks run on a small corpus, as Colab
# runs them; and whether all of it has wheels for the Python that Colab has, which cannot be had here.
lowest:
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/python -m pip install -q -c tests/constraints-lowest.txt -e ".[notebooks]" pytest
	$(OLD)/bin/python scripts/check_wheels.py 3.13
	$(OLD)/bin/python -m pytest -q tests/test_house.py
	$(OLD)/bin/python -m pytest -q tests/test_notebooks.py -k run_by_notebook_00

# Rules and layout of the code, that of the notebooks' cells too.
lint: $(INSTALLED)
	$(BIN)/ruff check asr_helpers benchmarks scripts tests
	$(BIN)/ruff format --check asr_helpers benchmarks scripts tests
	$(BIN)/ruff format --check --line-length 110 notebooks/*.ipynb

# Run all five again and commit their cleaned outputs.
notebooks: $(INSTALLED)
	$(BIN)/python -m asr_helpers run params/sample.yaml --from 01
	$(BIN)/python scripts/clean_notebooks.py runs/sample/notebooks notebooks

# README's picture, from the report of the sample run.
picture: $(INSTALLED)
	@mkdir -p build
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1100,800 \
	  --screenshot=build/report.png "file://$(CURDIR)/runs/sample/report.html"
	$(BIN)/python -c "from PIL import Image; Image.open('build/report.png').save('docs/report.webp', lossless=True)"

# The starter checkpoint from nothing: hours on two CPU cores (see models/starter/README.md). SENTENCES: a file of Urdu, one a line.
starter: $(INSTALLED)
	@test -f "$(SENTENCES)" || { echo 'make starter SENTENCES=file: Urdu sentences, one a line'; exit 1; }
	$(BIN)/python -m pip install -q wordfreq==3.1.1
	$(BIN)/python scripts/make_starter.py --work build/words --out build/words/model
	$(BIN)/python scripts/make_starter.py --work build/sentences --start build/words/model --sentences $(SENTENCES) \
	  --peak-rate 6e-4 --steps 4300 --decay 1200

$(INSTALLED): requirements.txt pyproject.toml
	@echo "installing into $(VENV): some minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade pip
	@$(BIN)/python -m pip install -q -r requirements.txt
	@$(BIN)/python -m pip install -q --no-deps -e .
	@touch $@

clean:
	rm -rf runs build data/sample/recordings
