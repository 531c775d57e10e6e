# Needs Python 3.11+, git and make; everything else is installed into .venv from locks/.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Tests start some hundred processes: each takes a second less of a processor from compiled modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-fast reference fuzz chaos lint clients format bench bench-compare autoscaling loadtest loadtest-throttled image image-base manifests lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run.installed ## Start everything on embedded servers
	@exec $(BIN)/tocsin up

test: .venv/dev.installed ## Run all tests on embedded servers
	$(BIN)/pytest

reference: .venv/dev.installed ## Write the pages of docs that are made from the code
	$(BIN)/python -m tests.docs.reference

test-fast: .venv/dev.installed ## Run the tests that start no servers
	$(BIN)/pytest -m "not processes" --hypothesis-profile=fast

fuzz: .venv/dev.installed ## Send random requests of everything that the API describes, for ten minutes
	$(BIN)/python -m tests.api.fuzzing

chaos: .venv/dev.installed ## Kill, stop and mislead everything at random, and judge [SEEDS=1-10] [SECONDS=1800] [PARALLEL=1]
	$(BIN)/python -m tests.chaos --seeds $(or $(SEEDS),$(SEED),1) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PARALLEL),--parallel $(PARALLEL))

lint: .venv/dev.installed ## Check style, types, import directions and the API's document
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m app.openapi | $(BIN)/openapi-spec-validator -

clients: .venv/dev.installed ## Generate clients from /openapi.json and try them (needs npm and Java)
	$(BIN)/python -m tests.clients .venv/clients

format: .venv/dev.installed ## Rewrite files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.installed .venv/loadtest.installed ## Measure firing and the API [ONLY=burst,growth] [SIZES=10000,1000000]
	$(BIN)/python -m loadtests.bench $(if $(ONLY),--only $(ONLY)) $(if $(SIZES),--sizes $(SIZES))

bench-compare: .venv/dev.installed ## Measure BASE and this checkout in turn: BASE=main [ONLY=burst] [TURNS=3]
	$(BIN)/python -m loadtests.compare.revisions $(BASE) $(if $(ONLY),--only $(ONLY)) $(if $(TURNS),--turns $(TURNS))

loadtest: .venv/loadtest.installed ## Simulate 10,000 users, and judge [SHAPE=steady|ramp|spike|soak] [SECONDS=45] [RATE=200]
	$(BIN)/python -m loadtests.locust.run $(if $(SHAPE),--shape $(SHAPE)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE))

autoscaling: .venv/loadtest.installed ## Try the autoscaler's thresholds on a day of load, and draw the result [DAY=recorded.csv]
	$(BIN)/python -m loadtests.scaling $(if $(DAY),--day $(DAY))

loadtest-throttled: .venv/loadtest.installed ## Run the load test against a throttled API: it has to fail
	$(BIN)/python -m loadtests.locust.run --throttle 0.8 --seconds 20; test $$? -eq 3

image: ## Build the image with docker, podman or buildah [BASE_IMAGE=…]
	@k8s/image/build.sh

image-base: ## Make a base image from Debian's packages, for use without a registry of images
	@k8s/image/base.sh

manifests: .venv/manifests/installed ## Check everything that is deployed (needs kubectl or kustomize)
	.venv/manifests/bin/python -m tests.manifests.check

lock: ## Resolve the locks anew from pyproject.toml (needs uv)
	uv pip compile $(LOCK) --extra embedded --group build pyproject.toml -o locks/run.txt
	uv pip compile $(LOCK) --extra embedded --extra otel --group build --extra dev -c locks/run.txt pyproject.toml -o locks/dev.txt
	uv pip compile $(LOCK) --extra embedded --group build --extra loadtest -c locks/run.txt -c locks/dev.txt pyproject.toml -o locks/loadtest.txt
	uv pip compile $(LOCK) --extra otel -c locks/dev.txt pyproject.toml -o locks/image.txt
	uv pip compile $(LOCK) -c locks/run.txt --group build -o locks/build.txt
	uv pip compile $(LOCK) -c locks/dev.txt --group manifests -o locks/manifests.txt
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade

clean: ## Remove the environment, the data and what tools left
	@# As root, the servers' files lie where they may be read by an ordinary user.
	[ ! -L .data/servers ] || rm -rf "$$(readlink -f .data/servers)"
	rm -rf .venv .data .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache build dist loadtests/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -m venv .venv

# --no-compile: modules compile when first imported, and only those that are.
.venv/%.installed: locks/%.txt pyproject.toml .venv/bin/python
	$(PIP_INSTALL) --no-compile --require-hashes -r $<
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# An environment of its own: the models of other people's operators bring much along.
.venv/manifests/installed: locks/manifests.txt
	$(PYTHON) -m venv .venv/manifests
	.venv/manifests/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
