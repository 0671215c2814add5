# make demo: set up and run the main job on real data.   make test: set up and pass the tests.
# Needs git, make and Python 3.11; everything else comes into .venv from pinned versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
EXTRAS := train,rtl,cocotb,notebooks,docs,dev

.PHONY: fresh demo test test-slow test-finn test-hls4ml bench mutants attacks lint docs clean setup

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "etb_hw needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@

demo: setup
	$(BIN)/etb-hw run flows/digits.toml --out runs/digits

# by two processes, each on a core: make test JOBS=8 where there are more
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -m slow

# all benchmarks, or one: make bench ONLY=packed
bench: setup
	$(BIN)/python -m hw_tests.benchmarks $(ONLY)

# faults in core files, one by one: the tests near each must notice (about an hour; SAMPLE=200 takes so many)
mutants: setup
	$(BIN)/python -m hw_tests.mutants --sample $(or $(SAMPLE),0)

# bad input to every command, thousands of times (about ten minutes)
attacks: setup
	$(BIN)/python -m hw_tests.fuzz.attacks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the tutorials are executed first: minutes the first time, and again where code has changed
docs: setup
	$(BIN)/python docs/execute_tutorials.py
	$(BIN)/mkdocs build --strict

clean:
	rm -rf runs site .pytest_cache .mypy_cache .ruff_cache .hypothesis

test-finn: setup .venv-finn/.installed
	$(BIN)/python -m pytest -m finn hw_tests/finn

.venv-finn/.installed: hw_tests/finn/requirements.txt hw_tests/finn/setup.sh
	hw_tests/finn/setup.sh .venv-finn $(BIN)/python

test-hls4ml: setup .venv-hls4ml/.installed
	$(BIN)/python -m pytest -m hls4ml hw_tests/hls4ml

.venv-hls4ml/.installed: hw_tests/hls4ml/requirements.txt hw_tests/hls4ml/setup.sh
	hw_tests/hls4ml/setup.sh .venv-hls4ml $(BIN)/python

# demo and test as a newcomer's machine runs them: a clone, an empty home, no tools beyond what the README names
fresh:
	.ci/fresh
