PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Also for what builds the package, which pip installs apart.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
STAMP := $(VENV)/.installed

.PHONY: demo test audit memory faults lint types clean

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

memory: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m "memory or not memory" tests/cli/test_memory.py

faults: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults --output results

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
