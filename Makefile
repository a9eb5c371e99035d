SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
MEDIA ?=
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
NUM ?= 10000
DOCKER ?= docker
SEED ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
step = @printf '== %s\n' '$(1)'

.PHONY: help demo test check fuzz matrix kills raykills clips mutants bench shell notebooks image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# torch comes first and alone: a CPU build, where there is one, is then kept by everything that needs torch afterwards.
$(READY): pyproject.toml constraints.txt
	$(call step,$(VENV): install)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt torch
	@$(PIP) install -c constraints.txt -e '.[features,images,ray,shell,dev,notebook]'
	@touch $@

demo: $(READY) ## make tables and a training set, from rendered media or MEDIA=folder, and train on it
	@$(BIN)/python -m cutlist_torch.demo $(if $(MEDIA),--media '$(MEDIA)')

test: $(READY) ## run the tests and the doctests
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

check: $(READY) ## everything that CI runs: format, lint, types, layers, tests
	$(call step,ruff format)
	@$(BIN)/ruff format --quiet --diff
	$(call step,ruff check)
	@$(BIN)/ruff check --quiet
	$(call step,mypy)
	@$(BIN)/mypy
	$(call step,import-linter)
	@$(BIN)/lint-imports --no-cache >$(VENV)/layers.txt || { cat $(VENV)/layers.txt; exit 1; }
	@grep '^Contracts:' $(VENV)/layers.txt
	$(call step,pytest)
	@$(MAKE) test

fuzz: $(READY) ## compare NUM=10000 generated queries with DuckDB, from SEED=…; Ctrl-C stops and tells what was found
	@$(BIN)/python -m tests.test_generated --num $(NUM) $(if $(SEED),--seed $(SEED))

matrix: $(READY) ## compare the global batches of every number of ranks and workers, start method, depth and order
	@$(BIN)/python -m tests.loaders.matrix

kills: $(READY) ## kill NUM=50 runs, from SEED=…, resume each with other ranks, and compare with runs left in peace
	@$(BIN)/python -m tests.loaders.kills --num $(if $(filter file,$(origin NUM)),50,$(NUM)) $(if $(SEED),--seed $(SEED))

raykills: $(READY) ## kill NUM=20 backfills on Ray, from SEED=…; nothing may be left, and the next goes on
	@$(BIN)/python -m tests.backfill.ray_kills --num $(if $(filter file,$(origin NUM)),20,$(NUM)) $(if $(SEED),--seed $(SEED))

clips: $(READY) ## compare NUM=20 random clips of every video in ../shared/media, read by packet, with the whole file
	@$(BIN)/python -m tests.media.every_clip --num $(if $(filter file,$(origin NUM)),20,$(NUM)) $(if $(SEED),--seed $(SEED))

mutants: $(READY) ## give NUM=20000 damaged copies of small media files, from SEED=…, to all decoders; no crash, no hang
	@$(BIN)/python -m tests.media.mutants --num $(if $(filter file,$(origin NUM)),20000,$(NUM)) $(if $(SEED),--seed $(SEED))

bench: $(READY) ## run the benchmarks, one after another
	@for program in benchmarks/*.py; do printf '== %s\n' "$$program"; $(BIN)/python "$$program"; done

shell: $(READY) ## open the SQL shell on the demo's tables
	@test -d demo-data || { echo 'no demo-data yet; type: make demo'; exit 1; }
	@$(BIN)/cutlist shell --root demo-data

notebooks: $(READY) ## run every notebook from top to bottom, and keep what its cells show
	@$(BIN)/python notebooks/run.py

image: ## build a container image with the Dockerfile; DOCKER=podman works, too
	@$(DOCKER) build --tag cutlist .

clean: ## remove everything that was made: .venv, caches, builds and demo-data
	@rm -rf $(VENV) build dist demo-data .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
