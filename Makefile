# SPDX-License-Identifier: Apache-2.0
# The same few verbs at a desk and in CI. `make` alone lists them.

PYTHON ?= python3
PORT ?= 5000
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
# Two workers; what tests log is not captured, because not all of it (lone surrogates) can be sent between processes.
PARALLEL := -n 2 -p no:logging
DISTRIBUTION := v3.1.2
UV_VERSION := 0.13.9
UV := .cache/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	--python-version 3.11 --python-platform linux $(UPGRADE)

# In CI the built package is what gets tested; at a desk the sources are.
ifdef CI
PACKAGE := .
SOURCES := $(shell find src -type f -not -name '*.pyc')
else
PACKAGE := --editable .
endif

.DEFAULT_GOAL := help
.PHONY: help install run check test test-ways test-fast test-long conformance bench bench-peers image lock clients

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/runtime  ## install Estiva and what it needs into .venv

run: .venv/runtime  ## serve on port 5000 (PORT=5001: another), data in ./data, no authentication
	$(BIN)/estiva serve --open --port $(PORT) --data data $(ARGS)

check: .venv/dev  ## lint, format, types, floors and budgets
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p bench
	$(BIN)/lint-imports
	$(PYTEST) -q tests/test_budgets.py

test: .venv/dev clients  ## everything that CI runs, conformance and real clients included
	$(PYTEST) $(PARALLEL) -m "not clients and not crash and not long"
	TEST_WORKERS=2 $(PYTEST) -m "(clients or crash) and not long"

test-ways: .venv/dev clients  ## the second half of that with one worker, and without the shorter ways through the server
	TEST_WITHOUT=lane,direct_uploads $(PYTEST) -m "(clients or crash) and not long"

test-fast: .venv/dev  ## what needs no client and no PostgreSQL, and kills nothing
	$(PYTEST) $(PARALLEL) -m "not clients and not crash and not long and not postgresql"

test-long: .venv/dev clients  ## the long crash and model runs
	$(PYTEST) -m long

conformance: .venv/dev  ## the official OCI conformance suite
	tests/tools/install-clients conformance
	$(PYTEST) tests/conformance

bench: .venv/dev  ## compare with other registries and nginx; ARGS are passed on
	$(BIN)/python -m bench $(ARGS)

bench-peers:  ## build the peer of the benchmark that Debian does not have (needs Go)
	GOBIN=$(CURDIR)/.cache/go/bin go install github.com/distribution/distribution/v3/cmd/registry@$(DISTRIBUTION)

image: .venv/runtime  ## build the container image; ARGS are passed on
	deploy/build-image $(ARGS)

lock: $(UV)  ## write requirements/ anew from pyproject.toml; UPGRADE=--upgrade takes newer versions
	$(COMPILE) -o requirements/runtime.txt pyproject.toml
	$(COMPILE) -o requirements/image.txt -c requirements/runtime.txt --extra postgresql pyproject.toml
	$(COMPILE) -o requirements/build.txt requirements/build.in
	$(COMPILE) -o requirements/dev.txt -c requirements/runtime.txt -c requirements/build.txt \
		--extra postgresql --group dev pyproject.toml requirements/build.in

clients:
	tests/tools/install-clients

.venv/runtime: requirements/runtime.txt requirements/build.txt pyproject.toml $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit("Estiva needs Python 3.11 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	$(PIP) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(PIP) --no-deps --no-build-isolation $(PACKAGE)
	@touch $@

.venv/dev: requirements/dev.txt .venv/runtime
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(UV):
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
