# Every target makes what it needs: a machine with Python 3.11 or newer, its venv module and make is enough.

PYTHON ?= python3
WORKERS ?= 2
UV_VERSION := 0.13.9

BIN := .venv/bin
UV := $(BIN)/uv
PYTEST := $(BIN)/python -m pytest

# A real server for a command: its test answers are neither recorded nor replayed, and it takes its time.
SERVER = $(BIN)/python -m tests.live.run $(if $(PLAN),--plan)
ON_SERVER := --disable-recording --force-enable-socket --timeout=900

export PYTHONUNBUFFERED := 1
# nltk, which llama-index-core uses, refuses to read files that are hard links into uv's cache.
export UV_LINK_MODE := copy
export WORKERS

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo test lint unit format versions live record notebooks peers dist docs extra

help: ## This list
	@echo "Usage: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "PYTHON=$(PYTHON) chooses the interpreter, WORKERS=$(WORKERS) the number of test processes."

setup: .venv/.done ## Make .venv with everything below (the other targets do it themselves)

demo: .venv/.done ## A chain, agents and a query engine on a local server: no key, no network
	$(BIN)/python -m demo

test: lint unit ## The gate: lint, then every offline test with coverage

lint: .venv/.done ## Style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

unit: .venv/.done ## The offline tests, with coverage
	$(PYTEST) -n $(WORKERS) -m "not live" --cov

format: .venv/.done ## Sort the imports, mend what can be mended, lay out the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

versions: .venv/.done ## The offline tests on each Python from 3.11 to 3.14, and on the oldest and newest dependencies (RUNS="3.13 oldest")
	$(BIN)/python .ci/versions.py $(RUNS)

live: .venv/.done ## Tests on a real server: llama.cpp's, or with PLAN=1 the plan itself
	$(SERVER) $(PYTEST) tests/live tests/recorded -m "live or vcr" $(ON_SERVER)

record: .venv/.done ## Record anew what the tests replay, from the same; ARGS chooses, as pytest's
	$(SERVER) $(BIN)/python -m tests.recorded.record $(ARGS)

notebooks: .venv/.done ## Execute the notebooks, in place
	PYTHONPATH=$(CURDIR)/distributions/llama-index-llms-stepplan \
		$(BIN)/python -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb
	$(BIN)/python -m nbconvert --coalesce-streams --inplace notebooks/*.ipynb

peers: .venv-peers/.done ## Compare with the frameworks' own models: features, and costs (PAGES="langchain llama-index costs", ROUNDS=3)
	.venv-peers/bin/python -m pytest -q tests/langchain/test_deepagents.py tests/langchain/test_peers.py
	.venv-peers/bin/python -m tests.peers $(PAGES)

dist: .venv/.done ## Build the three distributions, check them, and use each in a clean environment on every Python
	$(INSTALL) --group dist
	$(BIN)/python .ci/dist.py

docs: .venv/.done ## Build the docs site into site/, with warnings as errors
	$(INSTALL) --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

extra: .venv/.done ## What is seldom needed: `make extra` lists it, WHAT chooses
	$(if $(EXTRA.$(WHAT)),$(EXTRA.$(WHAT)),$(LIST_EXTRAS))

# ------------------------------------------------------------------------------------------------------------- extras

## dialects: the same jobs on litellm, aimock and llmock, and what llmock reports of the client (Node.js, 600 MB)
EXTRA.dialects = $(SERVER) $(PYTEST) tests/dialects $(ON_SERVER)

## clients: the vendors' own clients, Claude Code, opencode, OpenClaw and Hermes Agent, on the sandbox (Node.js, 1.8 GB)
EXTRA.clients = $(PYTEST) tests/clients --timeout=300

## embeddings: a vector index over real embeddings, and agents that search it (25 MB)
EXTRA.embeddings = $(INSTALL) --group embeddings && $(PYTEST) tests/llama_index/test_embeddings.py

## order: every test file alone, then all tests in a random order; SEED chooses one
EXTRA.order = for file in $$(git ls-files 'tests/*test_*.py'); do \
		$(PYTEST) -q -m "not live" $$file > .order.log || test $$? = 5 || { cat .order.log; failed="$$failed $$file"; }; \
	done; rm -f .order.log; test -z "$$failed" || { echo "Alone, these fail:$$failed"; exit 1; }; \
	$(PYTEST) -n $(WORKERS) -m "not live" --random-order-bucket global $(if $(SEED),--random-order-seed $(SEED))

## many: 60, 1,000 and 10,000 prompts at once with each framework, on a plan that takes ten requests (10 minutes); COUNTS chooses
EXTRA.many = $(BIN)/python -m tests.load.many $(COUNTS)

## killed: a batch of 5,000 lines, killed and resumed five times (a minute)
EXTRA.killed = $(BIN)/python -m tests.load.killed

## soak: 20,000 calls of all sorts, 5 % of them with a fault (10 minutes); COUNT and SEED choose others
EXTRA.soak = $(BIN)/python -m tests.load.soak $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

## fuzz: spoiled answers, histories and options, composed by Hypothesis (10 minutes); MINUTES and SEED choose others
EXTRA.fuzz = $(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

## ray: 2,000 prompts with each framework on a local Ray cluster (700 MB)
EXTRA.ray = $(UV) venv --quiet --allow-existing --python $(BIN)/python .venv-ray && \
	$(UV) pip install --quiet --python .venv-ray --constraints constraints/dev.txt 'ray[data]' --editable '.[aiohttp,langchain,llama-index,sandbox]' && \
	.venv-ray/bin/python -m tests.load.cluster

## mcp: the recipes for the plan's MCP server for web search, with the frameworks' MCP packages (30 MB)
EXTRA.mcp = $(INSTALL) --group mcp && $(PYTEST) tests/mcp

## pages: each page's examples, in a clean environment made by the page's own install lines; PAGES="README.md" chooses
EXTRA.pages = $(BIN)/python .ci/pages.py $(PAGES)

## browser: the docs site in headless Chromium, which the system must have: pages, links, search, a phone's width (50 MB)
EXTRA.browser = $(INSTALL) --group docs --group browser && $(PYTEST) tests/site --timeout=300

## constraints: choose the versions in constraints/ anew
EXTRA.constraints = $(COMPILE) --group dev --group dist --group docs --group embeddings -o constraints/dev.txt pyproject.toml && \
	$(COMPILE) --group test -c constraints/oldest.in --overrides constraints/oldest.overrides -o constraints/oldest.txt pyproject.toml && \
	$(COMPILE) --group test --overrides constraints/peers.overrides -o constraints/peers.txt pyproject.toml constraints/peers.in

## mutants: change the code in COUNT=300 places that SEED=1 chooses, to see that tests fail (an hour; goes on if it was ended)
EXTRA.mutants = $(INSTALL) --group mutants && SEED=$(SEED) COUNT=$(COUNT) $(BIN)/python .ci/mutants

## reliability: write docs/reliability.md, from the guarantees and the tests that are marked as holding them
EXTRA.reliability = $(BIN)/python -m tests.reliability

## clean: remove everything that is not in git
EXTRA.clean = rm -rf .venv .venv-* dist build htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .mutants

LIST_EXTRAS = @awk -F '^\#\# |: ' '/^\#\# / { printf "  make extra WHAT=%-12s %s\n", $$2, $$3 }' $(firstword $(MAKEFILE_LIST)); test -z "$(WHAT)"

# ------------------------------------------------------------------------------------------------------- environments

COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url --all-extras
INSTALL = $(UV) pip install --quiet --python .venv --constraints constraints/dev.txt

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.done: $(UV) pyproject.toml constraints/dev.txt
	$(INSTALL) --group dev --all-extras --requirements pyproject.toml --editable .
	@touch $@

.venv-peers/.done: constraints/peers.txt pyproject.toml $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-peers
	$(UV) pip install --quiet --compile-bytecode --python .venv-peers --no-deps --requirements constraints/peers.txt --editable .
	@touch $@
