# Galley: one command each to see it work, to work on it, and to check it.
#
# Nothing is needed but make and Python >= 3.12. The first use installs pinned, hash-checked
# packages into .venv; later uses start at once.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
PY := $(VENV)/bin/python
GALLEY := $(VENV)/bin/galley
SERVICES := research outline write edit images ready gateway projector

# A topic is any text: it travels through the environment, so that neither make nor the shell
# reads a meaning into its quotes and dollars.
TOPIC ?= How to Train a Puppy
override TOPIC := $(value TOPIC)
export TOPIC
# An installer that is told a second place to look must still take what the hashes name.
PIP := $(PY) -m pip --disable-pip-version-check
INSTALL := $(PIP) install --require-hashes --requirement
# hatchling is among the hashed requirements: building ourselves fetches nothing.
INSTALL_SELF := $(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .

# Each test brings its own servers and ports; most of them wait more than they work.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal

COMPILE = $(VENV)/bin/uv pip compile --quiet --python-version 3.12 --universal \
	--generate-hashes --no-emit-index-url --no-header \
	$(if $(UPGRADE),--upgrade) pyproject.toml

.PHONY: help demo up test check static types simulate bench chaos drills failpoints fuzz lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.local ## watch TOPIC="..." become an article, all on this machine (EXIT=1: then stop)
	@$(GALLEY) demo --topic "$$TOPIC" $(if $(filter-out 0,$(EXIT)),--exit)

up: $(VENV)/.local ## start all services on this machine and stay up
	@$(GALLEY) up

test: static ## everything: what `check` does, and every test against real servers
	$(PY) -m pytest $(PARALLEL)

check: static types ## format, lint, types, imports, prices and the fast tests: seconds, no servers
	$(PY) -m pytest -m "not integration and not slow" $(wildcard tests/unit tests/contract tests/house)

static: $(VENV)/.dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m shared.providers.pricing --check

# From nothing it takes a minute on one core, so `test` has it done among the tests
# (tests/house/test_types.py).
types: $(VENV)/.dev
	$(PY) -m mypy

fuzz: $(VENV)/.dev ## thousands of requests made up from the OpenAPI document (CASES=20 SEED=1)
	$(PY) -m tests.fuzz --cases $(or $(CASES),20) --seed $(or $(SEED),1)

simulate: $(VENV)/.dev ## lives of a post in virtual time, with everything failing (LIVES=10000 FIRST=0)
	$(PY) -m tests.unit.runtime.simulation --lives $(or $(LIVES),10000) --first $(or $(FIRST),0)

chaos: $(VENV)/.dev ## storms over a whole plant: everything fails, nothing may be lost (SEED=1 SECONDS=90 SEEDS=1)
	$(PY) -m tests.chaos --seed $(or $(SEED),1) --seconds $(or $(SECONDS),90) \
		--seeds $(or $(SEEDS),1) --posts $(or $(POSTS),20)

# A minute for each drill unless SECONDS says more or less; DRILL picks some by their names.
drills: $(VENV)/.dev ## break the log's servers, disks and networks (SEED=1 SECONDS=60 DRILL=power)
	CHAOS_SEED=$(or $(SEED),1) CHAOS_SECONDS=$(or $(SECONDS),60) \
		$(PY) -m pytest tests/chaos --capture=no $(if $(DRILL),-k "$(DRILL)")

failpoints: $(VENV)/.dev ## every process killed and stopped at every named place (minutes)
	$(PY) -m pytest tests/failpoints --all-failpoints

bench: $(VENV)/.dev ## how many pipelines a second this machine carries
	$(PY) -m tests.bench

lock: $(VENV)/.dev ## write the requirements files anew from pyproject.toml (UPGRADE=1: newest)
	$(COMPILE) --extra dev --output-file requirements-dev.txt
	$(COMPILE) --extra local --extra build --constraints requirements-dev.txt \
		--output-file requirements.txt
	@for service in $(SERVICES); do \
		echo "services/$$service/requirements.txt"; \
		$(COMPILE) --extra "$$service" --constraints requirements-dev.txt \
			--output-file "services/$$service/requirements.txt" || exit 1; \
	done

clean: ## remove .venv and every cache; your data stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.local: requirements.txt pyproject.toml | $(PY)
	@echo "Installing what Galley runs on (the first time takes about a minute)"
	@$(INSTALL) requirements.txt
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(PY)
	@echo "Installing what Galley runs on and is checked with (the first time takes a minute or two)"
	@$(INSTALL) requirements-dev.txt
	@$(INSTALL_SELF)
	@touch $@ $(VENV)/.local

SUITABLE := import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 12))

# A name on the path may be a shim for a version that is not there, and a distribution's Python
# may come without venv: each candidate is tried, not only looked for.
$(PY):
	@for candidate in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.14 python3 \
			"$$HOME"/.pyenv/versions/*/bin/python); do \
		if "$$candidate" -c '$(SUITABLE)' >/dev/null 2>&1; then \
			echo "Making $(VENV) with $$("$$candidate" --version) ($$candidate)"; \
			exec "$$candidate" -m venv --clear $(VENV); \
		fi; \
	done; \
	echo "Galley needs Python 3.12 or newer with venv, and $(if $(PYTHON),$(PYTHON) is not one,found none)." >&2; \
	echo "Install it (on Debian and Ubuntu: python3 and python3-venv), or name one: make PYTHON=/path/to/python" >&2; \
	exit 1
