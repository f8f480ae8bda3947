# Everything runs in .venv, which is made on demand; data, logs and what was fetched lie in .local.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo up down status clean check test bench

help:  ## these lines
	@sed -n 's/^\([a-z]*\):.*##\(.*\)/  make \1 \t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo "  Variables: WORKERS=2 SIMULATOR=0 RATE=200 LOCAL_DIR=.local APP_PORT POSTGRES_PORT KAFKA_PORT"
	@echo "             KAFKA_CONTROLLER_PORT CONNECT_PORT METRICS_PORT PYTHON JAVA_HOME MVN"

demo: .venv/stamp  ## record a living PostgreSQL and answer for every moment of it, until Ctrl-C
	@$(BIN)/python -m msr_local demo

up: .venv/stamp  ## the same in the background; where everything is: .local/endpoints.json
	@$(BIN)/python -m msr_local up

down: .venv/stamp  ## stop what `make up` started; the data stay
	@$(BIN)/python -m msr_local down

status: .venv/stamp  ## what is running, and where
	@$(BIN)/python -m msr_local status

clean:  ## stop it and remove its data
	@if [ -e .venv/stamp ]; then $(BIN)/python -m msr_local clean; else rm -rf .local; fi

check: .venv/stamp  ## format, lint, types and unit tests
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit

test: .venv/stamp  ## every test, on real services; no benchmarks
	@$(BIN)/python -m pytest tests --ignore=tests/benchmarks

bench: .venv/stamp  ## how fast a worker records and answers, beside others in the same run (BENCH="--full --write")
	@$(BIN)/python -m tests.benchmarks $(BENCH)
	@$(BIN)/python tests/benchmarks/bench_activity.py

.venv/stamp: pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is missing: install it, or set PYTHON to the program" >&2; exit 1; }
	@echo "installing into .venv"
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv .venv || \
	  { rm -rf .venv; echo "error: no virtual environment: install Debian's python3-venv, or set PYTHON" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@
