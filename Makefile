# Everything runs in .venv, which is made on demand; data, logs and what was fetched lie in .local.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
.DEFAULT_GOAL := help
UI := web/ui
UI_SOURCES := $(shell find $(UI) -name node_modules -prune -o -name dist -prune -o -type f -not -name schema.d.ts -print)
.PHONY: help demo up down status clean ui openapi check test bench bench-ui

help:  ## these lines
	@sed -n 's/^\([a-z-]*\):.*##\(.*\)/  make \1 \t\2/p' $(MAKEFILE_LIST) | expand -t 17
	@echo "  Variables: WORKERS=2 SIMULATOR=0 RATE=200 LOCAL_DIR=.local APP_PORT POSTGRES_PORT KAFKA_PORT"
	@echo "             KAFKA_CONTROLLER_PORT CONNECT_PORT METRICS_PORT PYTHON JAVA_HOME MVN"

demo: .venv/stamp web/console/stamp  ## record a living PostgreSQL and answer for every moment of it, until Ctrl-C
	@$(BIN)/python -m msr_local demo

up: .venv/stamp web/console/stamp  ## the same in the background; where everything is: .local/endpoints.json
	@$(BIN)/python -m msr_local up

down: .venv/stamp  ## stop what `make up` started; the data stay
	@$(BIN)/python -m msr_local down

status: .venv/stamp  ## what is running, and where
	@$(BIN)/python -m msr_local status

clean:  ## stop it and remove its data
	@if [ -e .venv/stamp ]; then $(BIN)/python -m msr_local clean; else rm -rf .local; fi

ui: web/console/stamp  ## the console, built once; the worker serves it at /

openapi: .venv/stamp  ## write down the API's description, from which the console's types are made
	@$(BIN)/python $(UI)/openapi.py > $(UI)/openapi.json

check: .venv/stamp $(UI)/node_modules/stamp  ## format, lint, types and unit tests, in both languages
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit
	@npm --prefix $(UI) run --silent check

test: .venv/stamp web/console/stamp  ## every test, on real services; no benchmarks
	@npm --prefix $(UI) run --silent test
	@$(BIN)/python -m pytest tests --ignore=tests/benchmarks

bench: .venv/stamp  ## how fast a worker records and answers, beside others in the same run (BENCH="--full --write")
	@$(BIN)/python -m tests.benchmarks $(BENCH)

bench-ui: .venv/stamp web/console/stamp  ## how the console seeks and plays 100,000 entities, in Chromium (BENCH="--quick")
	@$(BIN)/python -m tests.benchmarks.ui $(BENCH)

web/console/stamp: $(UI)/node_modules/stamp $(UI_SOURCES)
	@echo "building the console"
	@npm --prefix $(UI) run --silent build -- --logLevel warn
	@touch $@

$(UI)/node_modules/stamp: $(UI)/package-lock.json
	@command -v npm >/dev/null || { echo "error: npm is missing: install Node 20 or newer with it" >&2; exit 1; }
	@echo "installing into $(UI)/node_modules"
	@npm --prefix $(UI) ci --silent
	@touch $@

.venv/stamp: pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is missing: install it, or set PYTHON to the program" >&2; exit 1; }
	@echo "installing into .venv"
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv .venv || \
	  { rm -rf .venv; echo "error: no virtual environment: install Debian's python3-venv, or set PYTHON" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@
