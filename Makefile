# `make demo` and `make test` are all a newcomer needs; the rest is for those who change the code.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PYTEST = $(BIN)/python -m pytest

.PHONY: demo test soak check interop bench clean

demo: $(STAMP)
	$(BIN)/cipherbucket demo

test: $(STAMP)
	$(PYTEST) -q -n 2

# The same tests as `make test`, at their full counts.
soak: $(STAMP)
	CIPHERBUCKET_SOAK=1 $(PYTEST) -q -n 2

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -q tests/test_architecture.py tests/test_public_face.py tests/test_docs.py

interop: $(STAMP)
	@echo "interop: programs of the official SDKs against a local endpoint arrive with the OSS store;"
	@echo "objects that those SDKs wrote are read by 'make test' (tests/unit/test_vectors.py)"

bench: $(STAMP)
	$(BIN)/python -m bench.run

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
