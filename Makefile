# `make` lists what there is. Each target sets up what it needs; nothing is installed outside .venv
# except by `make test`, which installs missing test servers where it may (see scripts/install-servers).
PYTHON_ENV := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help demo demo-open run test-fast test test-all lint fmt types check screenshots lock clean base dev bench fuzz

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: base ## See the whole service do its job once, from sample people to a verified certificate
	@$(PYTHON_ENV) manage.py demo

demo-open: base ## Open the access package that the demo left sealed
	@$(PYTHON_ENV) manage.py demo_open

run: base ## Serve portal, console and API with worker and beat (PORT=8000)
	@$(PYTHON_ENV) manage.py serve --port $(or $(PORT),8000)

test-fast: dev ## The inner loop: unit tests on SQLite, no servers, under a minute
	@$(PYTHON_ENV) -m tests.run fast

test: dev ## Unit tests on SQLite and PostgreSQL, journeys in Chromium, faults with real workers
	@$(PYTHON_ENV) -m tests.run test

test-all: dev ## Everything at full size, before a release
	@$(PYTHON_ENV) -m tests.run all

fuzz: dev ## The API against its own schema, at length (FUZZ_EXAMPLES=1000 of each operation)
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),1000) $(PYTHON_ENV) -m pytest -q --numprocesses=auto tests/api/test_fuzz.py

bench: dev ## Measure, and write benchmarks/results.json (ONLY=crypto for one group; minutes)
	@scripts/bootstrap bench
	@$(PYTHON_ENV) -m benchmarks $(addprefix --only ,$(ONLY))

lint: dev ## Rules of style and of who may import whom
	$(PYTHON_ENV) -m ruff check
	$(PYTHON_ENV) -m ruff format --check
	$(PYTHON_ENV) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())'

fmt: dev ## Format, and repair what can be repaired safely
	$(PYTHON_ENV) -m ruff check --fix
	$(PYTHON_ENV) -m ruff format

screenshots: dev ## Pictures of the pages into docs/screenshots
	@mkdir -p docs/screenshots
	$(PYTHON_ENV) -m pytest -q tests/e2e/screenshots.py

types: dev ## Strict types
	$(PYTHON_ENV) -m mypy

check: dev ## Start-up checks, missing migrations, the API's published schema
	$(PYTHON_ENV) manage.py check --fail-level WARNING
	$(PYTHON_ENV) manage.py makemigrations --check --dry-run
	$(PYTHON_ENV) manage.py spectacular --validate --fail-on-warn --file /dev/null

lock: dev ## Lock the requirements anew, to releases at least a week old
	$(LOCK) pyproject.toml -o requirements/base.txt
	$(LOCK) pyproject.toml --extra aws -c requirements/base.txt -o requirements/aws.txt
	$(LOCK) pyproject.toml --group dev -c requirements/base.txt -c requirements/aws.txt -o requirements/dev.txt
	$(LOCK) --group bench -c requirements/base.txt -o requirements/bench.txt

LOCK := $(PYTHON_ENV) -m uv pip compile --quiet --upgrade --exclude-newer "1 week" --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

clean: ## Remove what was made here: the environment, caches, the service's own files under var/
	rm -rf .venv .venv.lock .venv-bench .venv-bench.lock var .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

base:
	@scripts/bootstrap base

dev:
	@scripts/bootstrap dev
