# Everything is set up on first use; every target may be run again and again.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
MUTATION := .venv-mutation
MUTMUT := mutmut==3.8.1
# A registry that answers slowly, or not the first few times, is no reason to give up.
export PIP_RETRIES ?= 10
export PIP_TIMEOUT ?= 60

.PHONY: help setup demo test test-postgresql check format generate lock bench baseline mutate clean
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# Python's code is compiled as pip compiles all it installs but what is editable: where Python may write no .pyc files,
# every start would compile it.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q hub adapters protos/roamhub
	@touch $@
setup: $(STAMP) ## Create .venv with the locked dependencies and the project itself

demo: $(STAMP) ## A month of roaming in demo-out/; LOCATIONS= TARIFFS= SESSIONS= for real data
	$(BIN)/roamhub demo --out demo-out $(if $(LOCATIONS),--locations $(LOCATIONS)) $(if $(TARIFFS),--tariffs $(TARIFFS)) $(if $(SESSIONS),--sessions $(SESSIONS))

test: $(STAMP) ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-postgresql: $(STAMP) ## Run the tests of a whole hub on PostgreSQL instead of SQLite
	TESTS_DATABASE=postgresql $(BIN)/python -m pytest -n 2 --dist loadfile tests/rpc

check: $(STAMP) ## Format, lint, types, import contracts, contract lint and breaking, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code --path protos/roamhub
	$(BIN)/buf build -o - | $(BIN)/buf breaking - --against tests/contract/released.binpb
	$(BIN)/python protos/generate.py --check

format: $(STAMP) ## Format everything
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/buf format -w --path protos/roamhub

baseline: $(STAMP) ## Take the contract as it is for the released one, which may only grow from there
	$(BIN)/buf build -o tests/contract/released.binpb

generate: $(STAMP) ## Generate the Python code of the contract
	$(BIN)/python protos/generate.py

bench: $(STAMP) ## Run every benchmark; each prints ratios to a bare baseline of the same run
	for each in cdrs rated authorize catalog rating radar; do $(BIN)/python -m tests.bench.bench_$$each || exit 1; done

$(MUTATION)/.ready: requirements.lock requirements-mutation.lock pyproject.toml
	$(PYTHON) -m venv $(MUTATION)
	$(MUTATION)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-mutation.lock
	$(MUTATION)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
mutate: $(MUTATION)/.ready ## Mutation score of the rating engine; MODULES="steps limits", OPTIONS=--quick, --fresh or --show
	$(MUTATION)/bin/python -m tests.mutation $(MODULES) $(OPTIONS)

lock: ## Pin the dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	echo $(MUTMUT) | uv pip compile --quiet --universal --python-version 3.11 --constraint requirements.lock --generate-hashes --no-emit-index-url --no-annotate --no-header - -o requirements-mutation.lock

clean: ## Remove what the targets made
	rm -rf $(VENV) $(MUTATION) mutants demo-out build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
