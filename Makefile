PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p --version >/dev/null 2>&1 && echo $$p && break; done)
BIN = .venv/bin

run: .venv/installed        ## compare the receivers of the default scenario
	$(BIN)/link-sim run

test: .venv/installed       ## run the quick tests
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: .venv/installed  ## run the tests of trained quality and long checks
	$(BIN)/python -m pytest -m slow

test-all: test test-slow    ## run all tests

test-torch: .venv/installed .torch/installed  ## run blocks under PyTorch and Sionna 2
	LINK_SIM_TORCH=$(CURDIR)/.torch/bin/python $(BIN)/python -m pytest tests/backends

.torch/installed: pyproject.toml tests/backends/requirements.txt
	$(PYTHON) -m venv .torch
	.torch/bin/pip install --quiet -r tests/backends/requirements.txt
	.torch/bin/pip install --quiet --no-deps -e .
	touch $@

torture: .venv/installed    ## disturb runs, kill workers, feed bad input
	$(BIN)/python tests/torture/faults.py kill --times 100
	$(BIN)/python tests/torture/faults.py --times 10
	$(BIN)/python tests/torture/dask_deaths.py --deaths 20
	$(BIN)/python tests/torture/bad_input.py --cases 2000

lint: .venv/installed       ## check style and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: .venv/docs            ## build the documentation in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/docs: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

notebooks: .venv/notebooks  ## execute the notebooks and keep what they show
	$(BIN)/python notebooks/execute.py

.venv/notebooks: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e ".[notebooks]"
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev,cluster]"
	touch $@

clean:                      ## remove the environments
	rm -rf .venv .torch

.PHONY: run test test-slow test-all test-torch torture lint docs notebooks clean
