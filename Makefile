# Each target makes the environment it needs. `make help` lists them.

VENV := $(or $(FLOWSENSE_VENV),.venv)
BIN := $(VENV)/bin
SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && echo $$p && break; done),python3)

export OMP_WAIT_POLICY ?= passive# two busy workers on two cores must not spin
unexport PYTHONDONTWRITEBYTECODE# every worker, and every program that a test starts, would compile all again

# Two halves in the order of files: what a module or a folder shares is made once, not in each.
# Each is a process of one thread: more would wait for those of the other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo check lint test docs dashboard bench soak core dev node clean

help: ## print this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

demo: core ## simulated market -> book -> features -> models -> report, in about a minute
	$(BIN)/flowsense demo

check: lint ## format, lint, types, layers and the fast tests; what to run before a push
	$(PYTEST) -q -m "not slow and not soak"

lint: dev ## format, lint, types and layers alone
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy src scripts
	$(BIN)/lint-imports

# Compiled code cannot be traced: the first run counts the kernels, as plain Python.
KERNELS := $(addprefix tests/,book exchange simulate sources features model backtest risk online serve/test_outcomes.py)

test: dev ## the whole suite with its branch coverage
	NUMBA_DISABLE_JIT=1 $(PYTEST) -q -m "not slow and not soak and not compiled" \
		--cov --cov-report= $(KERNELS)
	$(BIN)/pytest -q -m "not soak" tests/dashboard # by itself: pages are timed
	$(PYTEST) -m "not soak" --ignore=tests/dashboard \
		--cov --cov-append --cov-report=term --cov-fail-under=95

docs: dev ## the documentation as a site in dist/site, links checked
	$(BIN)/python scripts/site.py

MODULES := dashboard/node_modules/.package-lock.json

dashboard: node $(MODULES) ## the dashboard's page: lint, types, tests, build; needs Node.js 18 or newer
	cd dashboard && npm run --silent lint && npm run --silent types && npm run --silent test \
		&& npm run --silent build

$(MODULES): dashboard/package-lock.json | node
	cd dashboard && npm install --no-save # `npm ci` wants the optional parts of every other system, too
	@touch $@

node:
	@node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null \
		&& command -v npm >/dev/null \
		|| { echo "make dashboard: install Node.js 18 or newer with npm, as by: apt install nodejs npm" >&2; exit 1; }

bench: core ## our figures beside a named alternative, in one run
	$(BIN)/flowsense bench

soak: dev ## what is too long for every change
	$(BIN)/pytest -m soak

core:
	@$(PYTHON) scripts/bootstrap.py core

dev:
	@$(PYTHON) scripts/bootstrap.py dev

clean: ## remove environments and caches; runs stay
	rm -rf dashboard/node_modules src/flowsense/serve/board/page
	rm -rf .venv* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* dist
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
