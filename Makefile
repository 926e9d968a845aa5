# Every target installs its dependencies inside this folder.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.8
UV := .tools/bin/uv
RUN := .venv/bin/

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

.PHONY: demo
demo: install ## Run the main job: a burst of requests through a real deployment on this machine, with an account
	$(RUN)python -m demo

.PHONY: test
test: install ## Run all tests and checks
	$(MAKE) --no-print-directory check
	$(RUN)pytest -n 2 --dist loadgroup -m 'not campaign'

.PHONY: unit
unit: install ## Run the tests that need no server: under 90 seconds
	$(RUN)pytest -n 2 --dist loadgroup -m 'not (server or slow or campaign)'

.PHONY: campaign
campaign: install ## Run the long tests: storms, outages, kill loops
	$(RUN)pytest -m campaign

.PHONY: bench-drain
bench-drain: install ## Compare the drain with common alternatives: a table, and build/bench-drain.json
	$(RUN)python -m benchmarks.drain $(BENCH)

.PHONY: figures-drain
figures-drain: install ## Run bench-drain anew for the documentation: docs/figures.md, its plot, and the costs
	$(RUN)python -m benchmarks.drain --markdown docs/figures.md $(BENCH)
	$(MAKE) --no-print-directory plot cost

.PHONY: bench-transports
bench-transports: install ## Compare arrays with JSON as the transport of a batch to Postgres: a table
	$(RUN)python -m benchmarks.drain.transports $(BENCH)

.PHONY: bench-emit
bench-emit: install ## Compare emitting with a producer without a framework: a table, and build/bench-emit.json
	$(RUN)python -m benchmarks.emit $(BENCH)

.PHONY: bench-dlq
bench-dlq: install ## Measure counting, exporting and replaying 100,000 dead letters: a table, and build/bench-dlq.json
	$(RUN)python -m benchmarks.dlq $(BENCH)

.PHONY: bench-storm
bench-storm: install ## Run 1,000 instances against a Postgres with 30 connections: a table, and build/bench-storm.json
	$(RUN)python -m benchmarks.storm $(BENCH)

.PHONY: bench-start
bench-start: install ## Compare cold starts with functions written by hand, and with and without bytecode
	$(RUN)python -m benchmarks.start $(BENCH)

.PHONY: bench-sensitive
bench-sensitive: install ## Measure what a Sensitive field costs, to emit and to drain
	$(RUN)python -m benchmarks.sensitive $(BENCH)

.PHONY: check
check: install ## Check style, types and import rules
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports --no-logo

.PHONY: openapi
openapi: install ## Generate the OpenAPI document: producer/openapi.json
	@mkdir -p build
	$(RUN)python -m penstock.producer.http.openapi --title shop producer.page_views producer.orders producer.stock \
		producer.emails producer.batches > build/openapi.json
	mv build/openapi.json producer/openapi.json

.PHONY: picture
picture: install ## Draw the pictures of `penstock top`: docs/top.svg and docs/top-letters.svg
	@mkdir -p build
	$(RUN)python -m demo.picture build
	mv build/top.svg build/top-letters.svg docs/

.PHONY: console-pictures
console-pictures: install ## Take the pictures of `penstock console` with Chromium: docs/console-*.png
	@mkdir -p build/console
	$(RUN)python -m demo.console_pictures build/console
	mv build/console/*.png docs/

.PHONY: on-call
on-call: install ## Run incidents on a local stack, and draw the pictures of docs/operations.md
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(RUN)python -m demo.on_call

.PHONY: reference
reference: install ## Write the pages that are made from the code: docs/reference/cli.md and settings.md
	$(RUN)python -m reference

.PHONY: docs
docs: install ## Build the site of the documentation: build/site/
	UV_PROJECT_ENVIRONMENT=.tools/docs $(UV) run --locked --quiet --only-group docs --python $(RUN)python \
		zensical build --clean --strict

.PHONY: plot
plot: install ## Draw the plots of the figures, docs/figures.svg and docs/storm.svg, from their pages
	@mkdir -p build
	$(RUN)python -m benchmarks.plot > build/figures.svg
	$(RUN)python -m benchmarks.storm.plot > build/storm.svg
	mv build/figures.svg build/storm.svg docs/

.PHONY: cost
cost: install ## Write what a million writes cost on AWS: docs/cost.md
	$(RUN)python -m benchmarks.cost

.PHONY: package
package: install ## Build and package for AWS, stage dev: build/dev/*.zip and .serverless/
	$(RUN)penstock build --stage dev
	npx osls package --stage dev
	$(RUN)penstock infra --check --template .serverless/cloudformation-template-update-stack.json

.PHONY: wheel
wheel: install ## Build the wheel of the framework: dist/
	$(UV) build --wheel

.PHONY: install
install: .venv/.installed node_modules/.installed ## Install all dependencies, inside this folder

.venv/.installed: pyproject.toml uv.lock | .tools/uv-$(UV_VERSION)
	$(UV) sync --locked --all-extras --quiet --python "$$(command -v $(PYTHON))"
	ln -sf ../../$(UV) .venv/bin/uv
	@touch $@

.tools/uv-$(UV_VERSION): | tools
	$(PYTHON) -m venv --clear .tools/environment
	.tools/environment/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	mkdir -p .tools/bin && ln -sf ../environment/bin/uv $(UV)
	@touch $@

node_modules/.installed: package.json package-lock.json | tools
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: tools
tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed: '$(PYTHON)' is missing or older. Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv module is needed; Debian and Ubuntu have it in the package python3-venv." >&2; exit 1; }
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
		|| { echo "Node.js 20.19 or newer is needed: 'node' is missing or older. It packages and deploys (osls)." >&2; exit 1; }
	@command -v npm >/dev/null \
		|| { echo "npm is needed: it comes with Node.js." >&2; exit 1; }
