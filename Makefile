# `make demo` and `make test` are all a newcomer needs; the rest is for those who change the code.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PEERS = $(VENV)/.peers
PYTEST = $(BIN)/python -m pytest
# Without compiled modules every test run, and every program that a test starts, compiles them anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test soak check interop bench clean

demo: $(STAMP)
	$(BIN)/cipherbucket demo

# Three workers on two cores: the tests wait for children and servers a third of the time.
test: $(STAMP)
	$(PYTEST) -q -n 3 --ignore=tests/interop

# The same tests as `make test`, at their full counts; those of minutes first, each to the next worker.
soak: $(STAMP)
	CIPHERBUCKET_SOAK=1 $(PYTEST) -q -n 3 --maxschedchunk=1 --ignore=tests/interop

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/architecture tests/docs

# The official SDKs of every language this machine has a toolchain for, against the local endpoint.
interop: $(PEERS)
	$(PYTEST) -q tests/interop

bench: $(STAMP)
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.oss
	$(BIN)/python -m bench.sealed
	$(BIN)/python -m bench.transfers
	$(BIN)/python -m bench.small_objects
	$(BIN)/python -m bench.rotation
	$(BIN)/python -m bench.oss2_layer
	$(BIN)/python -m bench.parquet
	$(BIN)/python -m bench.scale
	$(BIN)/python -m bench.s3

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(PEERS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[interop]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
