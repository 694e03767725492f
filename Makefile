# Every target makes what it needs: a machine with Python 3.11 or newer, its venv module and make is enough.

PYTHON ?= python3
WORKERS ?= 2
UV_VERSION := 0.13.9

BIN := .venv/bin
UV := $(BIN)/uv
EXTRAS := cli,langchain,llama-index,sandbox
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --all-extras

# A real server for a command: its test answers are neither recorded nor replayed, and it takes its time.
SERVER = $(BIN)/python -m tests.live.run $(if $(PLAN),--plan)
ON_SERVER := --disable-recording --force-enable-socket --timeout=900

export PYTHONUNBUFFERED := 1
# nltk, which llama-index-core uses, refuses to read files that are hard links into uv's cache.
export UV_LINK_MODE := copy


.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo test lint unit format notebooks live record dialects clients oldest newest dist-check compare-langchain matrix bench embeddings constraints clean

help: ## This list
	@echo "Usage: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "PYTHON=$(PYTHON) chooses the interpreter, WORKERS=$(WORKERS) the number of test processes."

setup: .venv/.done ## Make .venv with everything below (the other targets do it themselves)

demo: .venv/.done ## A chain, agents and a query engine, on loopback: no key, no network
	$(BIN)/python -m demo

test: lint unit ## The gate: lint, then every offline test with coverage

lint: .venv/.done ## Style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

unit: .venv/.done ## The offline tests, with coverage
	$(BIN)/python -m pytest -n $(WORKERS) -m "not live" --cov

format: .venv/.done ## Sort the imports, mend what can be mended, lay out the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

notebooks: .venv/.done ## Execute the notebooks, in place
	$(BIN)/python -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

live: .venv/.done ## Tests on a real server: llama.cpp's, or with PLAN=1 the plan itself
	$(SERVER) $(BIN)/python -m pytest tests/live tests/recorded -m "live or vcr" $(ON_SERVER)

record: .venv/.done ## Record anew what the tests replay, from the same; ARGS chooses, as pytest's
	$(SERVER) $(BIN)/python -m tests.recorded.record $(ARGS)

dialects: .venv/.done ## The same jobs on litellm, aimock and llmock, and what llmock says of the client (Node.js, 600 MB)
	$(SERVER) $(BIN)/python -m pytest tests/dialects $(ON_SERVER)

clients: .venv/.done ## The vendors' own clients, Claude Code and opencode, on the sandbox (Node.js, 800 MB)
	$(BIN)/python -m pytest tests/clients --timeout=300

oldest: .venv-oldest/.done ## The tests on the oldest dependencies that are promised
	.venv-oldest/bin/python -m pytest -n $(WORKERS) -m "not live"

newest: .venv-newest/.done ## The tests on the newest frameworks there are
	.venv-newest/bin/python -m pytest -n $(WORKERS) -m "not live"

dist-check: .venv/.done ## Build the three distributions, and use each in a clean environment
	$(BIN)/python distributions/check.py

compare-langchain: .venv-compare-langchain/.done ## Run every feature of ChatStepPlan on LangChain's own chat models too
	.venv-compare-langchain/bin/python -m pytest -q tests/langchain/test_deepagents.py tests/langchain/test_peers.py
	.venv-compare-langchain/bin/python -m tests.langchain.compare docs/comparison-langchain.md

matrix: .venv-matrix/.done .venv-matrix-sdk/.done ## Hold LlamaIndex's other LLM classes to what StepPlan does
	rm -f .venv-matrix/results.json
	.venv-matrix/bin/python -m tests.llama_index.matrix.run .venv-matrix/results.json \
		stepplan openai-like stepfun openai anthropic
	.venv-matrix-sdk/bin/python -m tests.llama_index.matrix.run .venv-matrix/results.json anthropic
	.venv-matrix/bin/python -m tests.llama_index.matrix.run .venv-matrix/results.json --table docs/matrix-llamaindex.md

bench: .venv-bench/.done ## What it costs, beside the peers: best on a machine that does nothing else
	.venv-bench/bin/python -m benchmarks docs/performance.md

embeddings: .venv/.done ## A vector index over real embeddings, and agents that search it (25 MB)
	$(UV) pip install --quiet --python .venv -c constraints/dev.txt --group embeddings
	$(BIN)/python -m pytest tests/llama_index/test_embeddings.py

constraints: $(UV) ## Choose the versions anew
	$(COMPILE) --upgrade --group dev --group embeddings -o constraints/dev.txt pyproject.toml
	$(COMPILE) --upgrade --group test -c constraints/oldest.in --overrides constraints/oldest-overrides.in \
		-o constraints/oldest.txt pyproject.toml
	$(COMPILE) --upgrade --group test --group clients --overrides constraints/overrides.txt \
		-o constraints/newest.txt pyproject.toml constraints/newest.in
	$(COMPILE) --upgrade --group test --overrides constraints/overrides.txt \
		-o constraints/compare-langchain.txt pyproject.toml constraints/newest.in constraints/compare-langchain.in
	$(COMPILE) --upgrade --overrides constraints/overrides.txt \
		-o constraints/bench.txt pyproject.toml constraints/newest.in constraints/bench.in

clean: ## Remove everything that is not in git
	rm -rf .venv .venv-oldest .venv-newest .venv-compare-langchain .venv-matrix .venv-matrix-sdk .venv-bench dist build htmlcov .coverage .coverage.* .benchmarks
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# ------------------------------------------------------------------------------------------------------- environments

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.done: $(UV) pyproject.toml constraints/dev.txt
	$(UV) pip install --quiet --python .venv -c constraints/dev.txt --group dev --editable ".[$(EXTRAS)]"
	@touch $@

# What pip installs today, and the last SDK that the class for Anthropic works with.
.venv-matrix/.done: PACKAGES := llama-index-llms-openai-like llama-index-llms-stepfun llama-index-llms-openai llama-index-llms-anthropic
.venv-matrix-sdk/.done: PACKAGES := llama-index-llms-anthropic 'anthropic<1'
.venv-matrix/.done .venv-matrix-sdk/.done: pyproject.toml $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	$(UV) pip install --quiet --python $(@D) --editable ".[llama-index,sandbox]" $(PACKAGES)
	@touch $@

.venv-%/.done: constraints/%.txt pyproject.toml $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-$*
	$(UV) pip install --quiet --python .venv-$* --no-deps -r constraints/$*.txt --editable .
	@touch $@
