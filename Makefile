# `make demo` and `make test` set up what they need: each works as the first command after a clone.
#   PYTHON   the interpreter that makes the environment
#   VENV     the environment; made once, renewed when pyproject.toml changes
#   WORKERS  test processes, one thread each
#   ARGS     more options for `projgan demo` or pytest: make test ARGS="-k hinge"

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
# One thread a process: more only wait for each other when several test processes share the cores.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo setup test test-all test-faults test-floors bench-check bench-record lint check format clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed  ## draw 600 pictures, train a small generator, show samples, film and chart
	$(BIN)/projgan demo $(ARGS)

setup: $(VENV)/.installed-dev  ## the environment for working on projgan, and nothing else

test: $(VENV)/.installed-dev  ## the tests, without slow ones and those for a GPU
	$(PYTEST) -m "not slow and not gpu"

test-all: $(VENV)/.installed-dev  ## all tests
	$(PYTEST)

test-faults: $(VENV)/.installed-dev  ## kills, full disks, damaged files: the fault suites at full size
	PROJGAN_FAULTS=full $(PYTEST) -m faults

# About a minute on an idle machine; not a test, because it is about time.
bench-check: $(VENV)/.installed  ## is a step still as fast, compared to the reference's step?
	$(BIN)/python benchmarks/check.py $(ARGS)

bench-record: $(VENV)/.installed  ## write down how fast it is, for machines of this kind
	$(BIN)/python benchmarks/check.py --record $(ARGS)

lint: $(VENV)/.installed-dev  ## style, format and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

check: lint test  ## what must pass before a change is brought

format: $(VENV)/.installed-dev  ## put imports and layout in order
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

# An environment of its own, in which every dependency has the lowest version that pyproject.toml allows.
test-floors:  ## the tests with the lowest allowed versions (needs Python 3.10 to 3.12)
	mkdir -p build
	sed -n 's/^ *"\([A-Za-z0-9_-]*\)>=\([0-9.]*\).*",.*/\1==\2/p' pyproject.toml | sort -u > build/floors.txt
	PIP_CONSTRAINT=build/floors.txt $(MAKE) test VENV=build/floors-venv

clean:  ## remove caches and builds; the environment, runs and pictures stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# Running venv again over an unfinished environment completes it, so nothing is ever deleted here.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "projgan needs Python 3.10 or newer; $(PYTHON) is missing or older."; \
		echo "next: make $(or $(MAKECMDGOALS),test) PYTHON=/path/to/python3"; exit 1; } >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		echo "$(PYTHON) cannot make the environment $(VENV): most likely its venv module is missing."; \
		echo "next, on Debian or Ubuntu: apt install python3-venv"; \
		echo "then again:                make $(or $(MAKECMDGOALS),test)"; \
		echo "to see its own words:      $(PYTHON) -m venv $(VENV)"; exit 1; } >&2
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.created
	@echo "Installing projgan into $(VENV): once, minutes, several GB (PyTorch)."
	$(BIN)/python -m pip install "pip>=21.3"
	$(BIN)/python -m pip install -e .
	@touch $@

# Also renews the other stamp: `make demo` after `make test` has nothing left to install.
$(VENV)/.installed-dev: pyproject.toml $(VENV)/.created
	@echo "Installing projgan and its tools into $(VENV): once, minutes, several GB (PyTorch)."
	$(BIN)/python -m pip install "pip>=21.3"
	$(BIN)/python -m pip install -e ".[dev]"
	@touch $(VENV)/.installed $@
