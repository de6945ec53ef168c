# One command each; `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# One more than cores: a third of the tests wait for processes and clocks of their own.
WORKERS ?= $(shell expr $$(nproc) + 1)

.PHONY: help dev demo check test bench bench-leaving bench-freezing bench-desk chaos lock catalogs pictures clean

help:
	@grep -E '^## ' Makefile | sed 's/^## //'

## make demo    show the main job on loopback (ARGS=--once ends by itself)
demo: $(VENV)/.runtime
	@$(BIN)/mailer demo $(ARGS)

## make test    run every test, system packages included
test: $(VENV)/.dev
	@PYTHON=$(BIN)/python sh tests/system-packages.sh
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

## make check   format, lint, types, import contracts
check: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

## make bench   how near the limit of the wire mailings go out (ARGS=--json; needs Debian's postfix)
bench: $(VENV)/.dev
	@$(BIN)/python -m bench.sending $(ARGS)

## make bench-leaving  10,000 people unsubscribe while a mailing runs; part of make bench
bench-leaving: $(VENV)/.dev
	@$(BIN)/python -m bench.leaving $(ARGS)

## make bench-desk  how long each page of the desk takes, with a million supporters (ARGS="--people 100000")
bench-desk: $(VENV)/.dev
	@$(BIN)/python -m bench.desk_pages $(ARGS)

## make bench-freezing  how long freezing a mailing takes, and who unsubscribes waits (ARGS="--people 1000000")
bench-freezing: $(VENV)/.dev
	@$(BIN)/python -m bench.freezing $(ARGS)

## make chaos   kill senders 300 times in mid-mailing, count who is lost or mailed twice (ARGS="--seed 7")
chaos: $(VENV)/.dev
	@$(BIN)/python -m bench.chaos $(ARGS)

## make dev     set up everything a developer needs
dev: $(VENV)/.dev

## make catalogs  bring the catalogs of fixed phrases up to date with the templates
catalogs: $(VENV)/.dev
	@$(BIN)/python tools/catalogs.py $(ARGS)

## make pictures  make the pictures of the README and of docs/desk.md anew
pictures: $(VENV)/.dev
	@$(BIN)/python tools/pictures.py
	@$(BIN)/python tools/desk_pictures.py

## make lock    renew the lock files (versions and hashes only)
lock: $(VENV)/.dev
	@sh tools/lock.sh --upgrade

$(VENV)/.venv-made:
	@PYTHON="$(PYTHON)" sh tools/venv.sh $(VENV)
	@touch $@

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Nothing is built in an environment of its own, into which pip would fetch what no lock names.
LOCKED := $(PIP) --require-hashes --no-build-isolation -r
OURS := $(PIP) --no-deps --no-build-isolation --editable .

$(VENV)/.runtime: $(VENV)/.venv-made requirements-build.lock requirements.lock pyproject.toml
	@echo "Installing the locked packages (a minute or so) ..."
	@$(LOCKED) requirements-build.lock
	@$(LOCKED) requirements.lock
	@$(OURS)
	@touch $@

$(VENV)/.dev: $(VENV)/.venv-made requirements-build.lock requirements-dev.lock pyproject.toml
	@echo "Installing the locked packages for development (a minute or two) ..."
	@$(LOCKED) requirements-build.lock
	@$(LOCKED) requirements-dev.lock
	@$(OURS)
	@touch $@ $(VENV)/.runtime

clean:
	@rm -rf $(VENV) demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
