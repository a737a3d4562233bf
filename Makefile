# `make demo` and `make test` do all of their own set-up: Python 3.11 is all that must be there.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup demo test lint bench docs image clean

setup: .venv/complete

.venv/complete: requirements.txt requirements-dev.txt constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
