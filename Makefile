# One word each; CI calls the same words. Needs only Python 3.11+ with venv, and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_DIR ?= .demo
DURATION ?=
GROUPS ?=
RUNS ?=
KEEP ?=
SEED ?= 1
COMPILE = $(BIN)/uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

.PHONY: help setup demo test test-all lint types contracts check bench chaos fmt lock lock-upgrade console images

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.ready: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Observer needs Python 3.11 or newer; set PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python has no venv module: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.ready ## virtual environment from the hash-pinned lock

demo: setup ## collect from the simulated exchange; console on a terminal; DURATION=60 runs headless for 60 s
	$(BIN)/python -m supervisor.demo_run --directory "$(DEMO_DIR)" $(if $(DURATION),--duration $(DURATION))

test: setup ## all tests but the long chaos runs and the benchmarks
	$(BIN)/python -m pytest -q -m "not chaos and not bench"

test-all: setup ## everything, the chaos run in its short form too
	$(BIN)/python -m pytest -q

fmt: setup ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup ## ruff, codespell
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

types: setup ## mypy --strict
	$(BIN)/mypy

contracts: setup ## import directions
	$(BIN)/lint-imports

images: setup ## Dockerfile and compose file
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/yamllint -s .yamllint compose .github
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose/docker-compose.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	$(BIN)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/ci.yml

check: lint types contracts images test ## everything CI runs

bench: setup ## measurements, one table, compared with the kept run: GROUPS="stages restart" RUNS=5 KEEP=1
	$(BIN)/python -m tests.bench $(GROUPS) --runs $(or $(RUNS),5) $(if $(KEEP),--keep)

chaos: setup ## seeded kills under load with the oracle: SEED=1 DURATION=60
	$(BIN)/python -m tests.chaos --seed $(SEED) --duration $(or $(DURATION),60)

lock: setup ## the locks follow pyproject.toml; what they hold keeps its version
	$(COMPILE) -o requirements.txt
	$(COMPILE) --extra embedded --extra datasets --extra browser --extra dev -c requirements.txt -o requirements-dev.txt

lock-upgrade: setup ## every lock at its newest versions
	@$(MAKE) --no-print-directory lock COMPILE="$(COMPILE) --upgrade"

console: setup ## attach the console to the demo
	OBSERVER_RUN_DIR="$$(cat "$(DEMO_DIR)/run-directory")" $(BIN)/observer-tui
