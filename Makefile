# The verbs of the house. `make demo` is the first to try; `make test` is the one that must pass.

# Debian's own first: it is the one that MAG is locked for, and it is built optimised, which others seldom are.
PYTHON ?= $(shell for python in /usr/bin/python3.11 python3.11 python3; do \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null && command -v "$$python" && exit; done; command -v python3.11 || command -v python3)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin
COMPILE := env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --all-build-deps \
	--allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench serve lock widget clean

help:
	@echo "make demo    MAG, three portals and a mail catcher on this machine; Ctrl-C stops everything"
	@echo "make test    the whole test suite; finds or installs PostgreSQL, Redis, browsers"
	@echo "make lint    ruff and mypy"
	@echo "make bench   requests per second, latencies, round trips; MASSE=1: 300,000 rights at once, too"
	@echo "make serve   MAG alone, from the settings of the environment"
	@echo "make lock    pin the dependencies again, with their hashes"
	@echo "make widget  release the widget: minified, measured, hashed (needs npm)"
	@echo "make clean   forget the environment, the caches and the data of the demo"

demo: $(VENV)/installed
	@$(BIN)/mag demo

serve: $(VENV)/installed
	@$(BIN)/mag serve

bench: $(VENV)/installed
	@$(BIN)/python -m tests.services postgresql redis
	@$(BIN)/python -m tests.bench $(if $(MASSE),--masse)

test: $(VENV)/installed
	@$(BIN)/python -m tests.services
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal

lint: $(VENV)/installed
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# Only what is asked for is installed, and each file is checked against the hash written in the lock.
$(VENV)/installed: requirements.lock setup.cfg pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 is missing: apt-get install python3 (Debian 12), or make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; } \
		|| { echo "Python's venv module is missing: sudo apt-get install python3-venv"; exit 1; }
	@echo "Installing MAG in $(VENV)…"
	@rm -f $@
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Debian 12's Python is 3.11.2, and some packages ask for more before 3.11.3: a later Python would leave it out of the lock.
lock: $(VENV)/installed
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 11, 3))' \
		|| { echo "Make the lock with the Python of Debian 12: make clean, then make lock PYTHON=/usr/bin/python3"; exit 1; }
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(COMPILE) --extra postgresql --extra demo --extra test --extra lint -o requirements.lock setup.cfg
	@$(COMPILE) --extra postgresql -c requirements.lock -o requirements-production.lock setup.cfg

# PUBLIER=--remplacer writes again a version that no page loads yet.
widget: $(VENV)/installed
	@command -v npm >/dev/null || { echo "npm is missing: sudo apt-get install nodejs npm"; exit 1; }
	@mkdir -p var/widget && cp widget/package.json widget/package-lock.json var/widget/
	@cd var/widget && npm ci --ignore-scripts --no-audit --no-fund --silent
	@$(BIN)/mag widget publier --esbuild var/widget/node_modules/.bin/esbuild $(PUBLIER)

clean:
	rm -rf $(VENV) var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
