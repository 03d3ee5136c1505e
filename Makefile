PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Also for what builds the package, which pip installs apart.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed

.PHONY: demo docs test audit memory faults lint types clean

demo: $(STAMP)
	$(BIN)/discretevae train digits --output runs/demo --overwrite

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal

audit: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal -m "audit or not audit" \
		tests/models/test_battery.py tests/test_configs.py tests/latents/quantisers \
		tests/training tests/evaluation

# The site, in docs/_build/html. EXECUTE=off leaves the pages' examples out: a minute, as CI has it.
EXECUTE ?= force
docs: $(DOCS_STAMP)
	rm -rf docs/_build
	OMP_NUM_THREADS=1 DOCS_EXECUTE=$(EXECUTE) $(BIN)/sphinx-build -W --keep-going -q -j 2 \
		docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

memory: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m "memory or not memory" tests/cli/test_memory.py

faults: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults --output results

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) docs/_build docs/results .mypy_cache .ruff_cache .pytest_cache .hypothesis
