PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test test-slow lint clean

# Remade whenever the dependencies in pyproject.toml change.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[qlora,dev]"
	touch $@

demo: .venv/installed
	$(BIN)/st-vlm demo

# Two workers with one thread each: threads of linear algebra on top of them only wait for each other.
test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m "not slow and not gpu and not network"

test-slow: .venv/installed
	$(BIN)/pytest -m "slow and not gpu and not network"

lint: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo st-vlm
