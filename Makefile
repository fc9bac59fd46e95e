# Two commands set everything up on a machine that has Python 3.11+ with venv, make and the network:
#   make demo    runs the main job on the embedded archive
#   make test    checks the code and runs the tests
# 'make matrix' judges every kind of file in every object that takes it, into docs/matrix.md;
# 'make soak' kills daemons and imports again and again, and gives them very many files: for hours.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check matrix soak clean

demo: $(READY)
	$(BIN)/gateway demo

test: check
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

matrix: $(READY)
	$(BIN)/python tests/matrix.py docs/matrix.md

soak: $(READY)
	PYTHONPATH=tests $(BIN)/python tests/intake/crash.py --files 2000 --kills 50
	PYTHONPATH=tests $(BIN)/python tests/intake/drop.py --files 100000
	PYTHONPATH=tests $(BIN)/python tests/intake/import_soak.py

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: name one with 'make PYTHON=/path/to/python3.11 ...'."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing: install it (on Debian and Ubuntu: apt-get install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
