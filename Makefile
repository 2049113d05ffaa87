# Everything runs in .venv, which any target makes when the lock or the project file changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: bench faults soak help demo up down test fuzz lint schemas

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name it as in: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## play the Koblenz story on real parts
	$(BIN)/lotse demo

up: $(STAMP) ## start Kafka, PostgreSQL and the four services
	$(BIN)/lotse up

down: $(STAMP) ## stop them
	$(BIN)/lotse down

test: $(STAMP) ## run the tests on a real Kafka and PostgreSQL, with coverage
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15 --cov --cov-branch --cov-report=term --cov-fail-under=90

faults: $(STAMP) ## kill, cut and poison everything under load, and write what was lost to docs/ (40 minutes at most)
	$(BIN)/python -m tests.faults --write

soak: $(STAMP) ## the same with the long sizes (hours)
	LOTSE_RACE_ROUNDS=10000 $(BIN)/python -m pytest tests/intake/test_gate.py tests/flows/test_race.py -k "withdrawal_was_answered or after_the_end"
	$(BIN)/python -m tests.faults --sizes soak --write

SIZE ?= large
PARTS ?=

bench: $(STAMP) ## measure speed and scale beside bare loops and write docs/bench.md (SIZE=small; PARTS="http relay", PARTS=soak)
	$(BIN)/python -m tests.bench --size $(SIZE) --write --parts $(PARTS)

FUZZ_EXAMPLES ?= 20000

fuzz: $(STAMP) ## attack decoder, files and APIs with random input for an hour or more (FUZZ_EXAMPLES=20000)
	LOTSE_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/badinput -n 2 --dist loadfile

lint: $(STAMP) ## check style, types, imports and that the schemas are as the models say
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m deploy.privacy --check
	$(BIN)/python -m deploy.routing --check
	$(BIN)/python -m deploy.states --check

schemas: $(STAMP) ## write JSON Schemas and AsyncAPI from the models
	$(BIN)/python -m schemas.generate
