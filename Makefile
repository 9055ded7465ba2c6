# No target needs an argument. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv is in the lock like everything else; its version is pinned there and nowhere else.
UV_VERSION = $(shell sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements.lock)
LOCAL := $(BIN)/python -m gammaops.orchestration.local

# One BLAS thread: Airflow runs one task per core, and sums come out the same everywhere.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

# A worker for each core; the tests of a file stay together, because they share what is dear to make.
PARALLEL := -n auto --dist loadfile

.PHONY: help
help:  ## list the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: $(READY)  ## make .venv from requirements.lock (needs only Python 3.11 or newer)

$(READY): requirements.lock pyproject.toml requirements.txt
	@python=; for name in python3 python3.13 python3.12 python3.11; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$name"; break; fi; done; \
	if [[ -z "$$python" ]]; then echo "gammaops needs Python 3.11 or newer on PATH" >&2; exit 1; fi; \
	if [[ ! -x $(BIN)/python ]]; then echo "making $(VENV) with $$("$$python" --version)"; "$$python" -m venv --clear $(VENV) \
		|| { rm -rf $(VENV); echo "this Python has no venv module (Debian: install python3-venv)" >&2; exit 1; }; fi
	@if [[ "$$($(BIN)/uv --version 2>/dev/null)" != "uv $(UV_VERSION)"* ]]; then $(BIN)/python -m pip install --quiet uv==$(UV_VERSION); fi
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: $(READY)  ## simulate an archive, process four nights in Airflow, print verdicts and reports
	$(LOCAL) demo

.PHONY: up
up: $(READY)  ## start Airflow on this machine and print the address of its UI
	$(LOCAL) up

.PHONY: down
down: $(READY)  ## stop the Airflow that `make up` started
	$(LOCAL) down

.PHONY: test
test: $(READY)  ## quick tests; with GAMMAOPS_TEST_DATA also those on real data
	$(BIN)/pytest $(PARALLEL) -m "not slow and not live and not physics and not s3"

.PHONY: test-slow
test-slow: $(READY)  ## many seeds, long sequences; FULL=1 runs whole what CI samples
	$(BIN)/pytest $(PARALLEL) -m "slow and not live and not physics and not s3"

.PHONY: test-airflow
test-airflow: $(READY)  ## a live Airflow: schedules, backfills, runs by hand, kills; FULL=1 runs whole what CI samples
	$(BIN)/pytest -m "live and not airflow_pg and not ui"

.PHONY: test-ui
test-ui: $(READY)  ## what a person does in Airflow's UI, by Debian's Chromium, which it installs where it is root
	tests/live/install-browser
	$(BIN)/pytest -m ui

.PHONY: test-scale
test-scale: $(READY)  ## 1,500 observations in one run on SQLite and on PostgreSQL; FULL=1: 5,000
	$(BIN)/pytest -m airflow_pg

.PHONY: test-s3
test-s3: $(READY)  ## the store on object storage: an S3 API server on loopback
	$(BIN)/pytest -m s3

.PHONY: physics
physics: $(READY)  ## published numbers from HESS DL3 DR1, which GAMMAOPS_TEST_DATA must name; FULL=1 samples nothing
	$(BIN)/pytest $(PARALLEL) -m physics

.PHONY: lint
lint: $(READY) check-configs  ## ruff, mypy, codespell and the analysis configs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell

.PHONY: check-configs
check-configs: $(READY)  ## check every analysis in include/configs
	$(BIN)/gammaops lint include/configs/*.yaml

.PHONY: bench
bench: $(READY)  ## run the benchmarks
	@shopt -s nullglob; for script in benchmarks/bench_*.py; do echo "$$script"; $(BIN)/python "$$script"; done

.PHONY: docs
docs: $(READY)  ## write docs/reference from the step types and the config schema
	$(BIN)/python docs/generate.py

.PHONY: lock
lock: $(READY)  ## resolve requirements.txt and [test] anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra test --extra docs --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

.PHONY: clean
clean:  ## stop Airflow, remove what demo and tests made and the caches; store/, out/ and .venv stay
	@if [[ -x $(BIN)/python && -d .airflow ]]; then $(LOCAL) down || true; fi
	rm -rf .airflow .demo build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.git -prune -o -path ./$(VENV) -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -type d -exec rm -rf {} +
