PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p --version >/dev/null 2>&1 && echo $$p && break; done)
BIN = .venv/bin

run: .venv/installed        ## compare the receivers of the default scenario
	$(BIN)/link-sim run

test: .venv/installed       ## run all tests
	$(BIN)/python -m pytest

lint: .venv/installed       ## check style
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev,cluster]"
	touch $@

clean:                      ## remove the environment
	rm -rf .venv

.PHONY: run test lint clean
