# Two commands: `make serve` starts the hub, `make test` proves that it works. `make help` lists the rest.
SHELL := /bin/sh
PY    ?= python3
BIN   := .venv/bin
HOST  ?= 127.0.0.1
PORT  ?= 8000
DATA  ?= var
PYTEST_ARGS ?=
JOBS  ?= 2
BENCH_ARGS ?=
SOAK_ARGS ?= --kills 1000
FUZZ_ARGS ?= --seconds 600

.DEFAULT_GOAL := help
.PHONY: help serve test conformance check docs bench soak fuzz wheel format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 14

.venv/.uv:
	@$(PY) -c 'import ensurepip, sys; assert sys.version_info >= (3, 11)' 2>/dev/null || \
	  { echo "Openshelf needs Python 3.11 or newer with venv: apt-get install python3-venv"; exit 1; }
	@git --version >/dev/null || { echo "Openshelf needs git: apt-get install git"; exit 1; }
	$(PY) -m venv .venv
	$(BIN)/pip install -q uv
	@touch $@

# `make serve` installs what the hub needs and no more; the other targets use a second environment.
.venv/.runtime: .venv/.uv pyproject.toml requirements/runtime.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --compile-bytecode --require-hashes -r requirements/runtime.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --no-deps -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --require-hashes -r requirements/dev.lock
	@touch $@

serve: .venv/.runtime ## start the hub on http://127.0.0.1:8000 with its data in ./var
	$(BIN)/openshelf serve --data $(DATA) --host $(HOST) --port $(PORT)

# Tests drive real programs. As root they are installed where they are missing; otherwise the names are printed.
.venv/.programs: .venv/.uv
	@missing=""; for pair in git-lfs:git-lfs chromium:chromium nginx:nginx-light ab:apache2-utils curl:curl; do \
	  PATH=$$PATH:/usr/sbin command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	  else echo "The tests need these packages of your system:$$missing"; exit 1; fi; fi
	@touch $@

test: .venv/.dev .venv/.programs ## install what the tests need and run them
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

conformance: .venv/.dev .venv/.programs ## all clients, the heavy cases too; writes docs/reference/clients.md
	$(BIN)/python -m pytest tests/conformance -n $(JOBS) --heavy --publish-clients $(PYTEST_ARGS)

check: .venv/.dev ## ruff, mypy --strict, import-linter, docs checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: .venv/.dev ## rewrite the generated reference pages
	$(BIN)/python docs/generate.py

# The peers that come from PyPI get environments of their own in .venv-clients; where a program cannot be installed, its
# peer is left out and the page says so.
.venv/.bench: .venv/.uv
	@missing=""; for pair in nginx:nginx-light docker-registry:docker-registry ab:apache2-utils curl:curl fcgiwrap:fcgiwrap; do \
	  PATH=$$PATH:/usr/sbin command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null || true; \
	  else echo "Some peers are left out without these packages of your system:$$missing"; fi; fi
	@touch $@

bench: .venv/.dev .venv/.bench ## measure beside peers; BENCH_ARGS=--publish writes the page, --quick tries it out
	$(BIN)/python -m bench $(BENCH_ARGS)

soak: .venv/.dev .venv/.programs ## a fault at every durable effect, then 1,000 kills at random; takes hours; writes durability.md
	$(BIN)/python -m tests.durability.soak --publish $(SOAK_ARGS)

fuzz: .venv/.dev .venv/.programs ## hostile bytes for every parser and hostile requests for every route, for 10 minutes
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --require-hashes --only-binary :all: -r requirements/fuzz.lock || \
	  echo "atheris has no build for this machine: the parsers are left out"
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

wheel: .venv/.uv ## build the wheel into dist/
	$(BIN)/uv build -q --wheel

format: .venv/.dev ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/.uv ## renew the lock files from pyproject.toml and requirements/dev.in
	$(BIN)/uv pip compile -q -U --generate-hashes --no-annotate --no-header --python-version 3.11 pyproject.toml -o requirements/runtime.lock
	$(BIN)/uv pip compile -q -U --generate-hashes --no-annotate --no-header --python-version 3.11 pyproject.toml requirements/dev.in -o requirements/dev.lock
	$(BIN)/uv pip compile -q -U --generate-hashes --no-annotate --no-header --python-version 3.11 requirements/fuzz.in -o requirements/fuzz.lock

clean: ## remove the environments and caches, never the data
	rm -rf .venv .venv-clients .mypy_cache .ruff_cache .pytest_cache dist
