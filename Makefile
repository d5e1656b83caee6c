# Everything a newcomer and CI need; each target builds what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One worker per core; a file stays with one worker, because its tests share servers. Files keep their order: the
# longest has few tests and would come last, when one worker has nothing left to do.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo ui example test check lint types layers schema constraints clean help

help:
	@echo "make demo     a real Airflow takes a model version from shadow log to the registry"
	@echo "make ui       open Airflow and MLflow over what the demo left behind"
	@echo "make example  the same lifecycle on logs of two policies that really served users"
	@echo "make test     the whole test suite"
	@echo "make check    lint, types and layers"

# uv installs the pinned closure in seconds where pip needs a minute; both read the same constraints.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv -c constraints.txt
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(BIN)/python -e ".[dev]" -c constraints.txt
	touch $@

demo: $(STAMP)
	$(BIN)/python -m abflow.local demo

ui: $(STAMP)
	$(BIN)/python -m abflow.local ui

# obp asks for old versions of half the field; the example only reads the CSV files inside it.
example: $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps obp==0.4.1
	$(BIN)/python -m abflow.local example

# gbstats, an oracle of the statistics' tests, asks for an older numpy and works with the present one.
test: $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps obp==0.4.1 gbstats==0.8.0
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint types layers

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

schema: $(STAMP)
	$(BIN)/abflow schema > docs/experiment.schema.json

# Pins everything together without naming an index; markers cover newer Pythons.
constraints:
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
	  --all-extras pyproject.toml -o constraints.txt

clean:
	rm -rf $(VENV) data/demo data/example
