# Every target sets itself up; it needs Python 3.11 and nothing else.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: setup demo test lint oracle bench docs image clean

setup: .venv/complete

.venv/complete: requirements.txt requirements-dev.txt constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: setup
	rm -rf demo
	$(BIN)/python -m experiments.demo demo

# One process per processor, each with one thread; the tests of a file share their fixtures.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The tests beside torch-ecg, in an environment of its own. `python -m tests.reference.make_oracle`
# there writes the outputs that `make test` compares with.
oracle: .venv-oracle/complete
	.venv-oracle/bin/python -m pytest tests/models/test_against_torch_ecg.py

.venv-oracle/complete: requirements-oracle.txt constraints.txt
	$(PYTHON) -m venv --clear .venv-oracle
	.venv-oracle/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench: setup
	$(BIN)/python -m benchmarks.scoring
	$(BIN)/python -m benchmarks.reading tests/data/challenge-samples

docs: setup
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.drawings

image:
	docker build -t leadwise .

clean:
	rm -rf .venv .venv-oracle demo build leadwise.egg-info .pytest_cache .mypy_cache .ruff_cache
