# Everything is set up in .venv; `make` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
PEERS := $(VENV)/peers/.made
TOOLS := $(VENV)/tools
COMPOSE_GO := v2.16.2
KUSTOMIZE := v5.8.1

.DEFAULT_GOAL := help
.PHONY: help demo test fmt lint types imports unit golden integration bench bench-small bench-sink chaos soak figures release generated lock audit tools clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 …") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(RUN): requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@ $(RUN)

demo: $(RUN) ## Show the whole system on this machine, in about a minute
	@$(BIN)/thread-history-worker demo

test: lint types imports unit golden integration ## Everything that must hold: lint, types, contracts, all tests

fmt: $(DEV) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(DEV) ## Style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV) ## Types, strictly
	$(BIN)/mypy

imports: $(DEV) ## The contracts between packages
	$(BIN)/lint-imports

unit: $(DEV) ## Unit tests and properties
	$(BIN)/pytest tests/unit --numprocesses 2

golden: $(DEV) ## Conformance vectors
	$(BIN)/pytest tests/golden

integration: $(DEV) ## Tests on a real broker, started and stopped by the tests
	$(BIN)/pytest tests/integration --numprocesses 3 --dist worksteal

$(PEERS): benchmarks/peers/requirements.lock pyproject.toml | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/peers/requirements.lock
	$(VENV)/peers/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

bench: $(DEV) $(PEERS) ## All measures with their report, on a real broker, beside the peers; 25 minutes
	$(BIN)/python -m benchmarks --write

bench-small: $(DEV) $(PEERS) ## The same, one short round of each, to see that all parts work
	$(BIN)/python -m benchmarks --scale small

bench-sink: $(DEV) ## The PostgreSQL sink beside a bare upsert loop, on a real broker and server
	$(BIN)/python -m benchmarks.sink

chaos: $(DEV) ## A group under kills, pauses and cut lines, then an audit; SEED=… NODES=1 or 3; ten minutes
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(NODES),--nodes $(NODES))

soak: $(DEV) ## Ten minutes at a steady rate: does memory grow?
	$(BIN)/python -m tests.chaos.soak

figures: $(DEV) ## Silence, restore, restart, stop, memory; on a real broker, half an hour
	$(BIN)/python -m tests.chaos.figures

generated: $(DEV) ## Write anew what is made from something else: tables in docs/, files in deploy/
	$(BIN)/python -m docs.settings --write
	$(BIN)/python -m docs.metrics --write
	$(BIN)/python -m deploy.generated --write

release: $(DEV) ## Check that this commit can be released and make the files in dist/; TAG=1 tags it, TRY=1 goes on regardless
	$(BIN)/python -m deploy.release $(if $(TAG),--tag) $(if $(TRY),--try)

lock: | $(BIN)/python ## Write the lock files anew
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra java --extra postgres --extra tracing pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra java --extra postgres --extra tracing --group dev --group bench pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --override benchmarks/peers/overrides.in pyproject.toml benchmarks/peers/requirements.in -o benchmarks/peers/requirements.lock

tools: $(TOOLS)/compose-$(COMPOSE_GO) $(TOOLS)/kustomize-$(KUSTOMIZE) ## Build what checks deploy/ (needs Go); without it those tests skip

$(TOOLS)/compose-$(COMPOSE_GO): | $(BIN)/python
	GOBIN=$(abspath $(TOOLS)/new) go install github.com/compose-spec/compose-go/v2/cmd@$(COMPOSE_GO)
	mv $(TOOLS)/new/cmd $@ && ln -sf $(@F) $(TOOLS)/compose

$(TOOLS)/kustomize-$(KUSTOMIZE): | $(BIN)/python
	GOBIN=$(abspath $(TOOLS)/new) go install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE)
	mv $(TOOLS)/new/kustomize $@ && ln -sf $(@F) $(TOOLS)/kustomize

audit: $(RUN) ## Known weaknesses of what is installed; asks an advisory database, so not part of `test`
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip

clean: ## Remove what was built
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
