# Everything a developer does here. `make` alone explains it.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed-from-lock
# Debian keeps mail servers where only root looks
export PATH := $(PATH):/usr/sbin:/sbin

PACKAGES := tickets channels router storage outbound desk web gateway bench

# The newest Python that serves; `make install PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import ensurepip, ssl, sqlite3, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$each && break; done)

# Tests spend half of their time waiting for servers and disks, so there are two at work for each processor.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
WORKERS ?= $(shell echo $$(( $(CORES) > 4 ? 8 : $(CORES) * 2 )))

# Databases of tests live in memory where a gigabyte of it can be had as a folder: thousands of tests would wait for the
# disk alone. What must survive the machine is shown by `make crash` and `make trace`, on the disk.
MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 1000000 {print "/dev/shm"}')
ifneq ($(MEMORY),)
export PYTEST_DEBUG_TEMPROOT ?= $(MEMORY)
endif

# What `make crash` does: how many kills, and the seed to repeat a run (empty: a new one, printed).
KILLS ?= 300
SEED ?=

# What `make fuzz` does: seconds of mutated mails, and how many inputs into the doors of each database.
SECONDS ?= 60
COUNT ?= 2000

# Cases of each call and token in `make api-check`.
EXAMPLES ?= 100

# Programs the peer tests talk to, and what Debian calls them.
PEER_PROGRAMS := strace systemd-analyze swaks postfix dovecot
PEER_PACKAGES := strace systemd swaks libnet-ssleay-perl postfix dovecot-imapd dovecot-lmtpd
BROWSER_PROGRAMS := chromium npm
BROWSER_PACKAGES := chromium npm
PEER_SCRIPTS := axe-core@4.14.1

.PHONY: help
help: ## this page
	@echo "Otklik. What make can do here:"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "Variables: PYTHON=python3.12 (install), ARGS='-k smtp' WORKERS=2 (tests), KILLS=300 (crash), SECONDS=60"
	@echo "COUNT=2000 (fuzz, fuzz-mails), EXAMPLES=100 (api-check), SEED=1 (all four)"

.PHONY: install
install: $(INSTALLED) ## a virtual environment in .venv with exactly the locked packages

$(INSTALLED): requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 with venv is needed; name one: make install PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/python -c 'import pathlib, site; \
		pathlib.Path(site.getsitepackages()[0], "otklik.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
	printf '#!%s\nfrom gateway.cli import run\n\nrun()\n' '$(CURDIR)/$(BIN)/python' > $(BIN)/otklik
	chmod +x $(BIN)/otklik
	touch $@

.PHONY: demo
demo: $(INSTALLED) ## the whole gateway on SQLite with a simulated relay; ctrl-C ends it
	$(BIN)/python -m gateway demo

.PHONY: test
test: $(INSTALLED) ## tests and doctests, on SQLite and PostgreSQL
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not peers and not browser and not long' $(ARGS)

.PHONY: test-long
test-long: $(INSTALLED) ## the pages and the API once more on PostgreSQL, and campaigns of minutes
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'long and not peers and not browser' --timeout 300 $(ARGS)

.PHONY: test-peers
test-peers: $(INSTALLED) peers browser ## tests that need programs of Debian and npm: mail servers, strace, Chromium
	$(BIN)/python -m pytest -q -n $(CORES) -m 'peers or browser' tests $(ARGS)

.PHONY: test-browser
test-browser: $(INSTALLED) browser ## the pages in Chromium, with axe (installed by apt and npm)
	$(BIN)/python -m pytest -q -m browser tests $(ARGS)

.PHONY: peers
peers:
	@missing=; for each in $(PEER_PROGRAMS); do command -v $$each >/dev/null || missing="$$missing $$each"; done; \
	test -z "$$missing" && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PEER_PACKAGES); \
	else echo "missing:$$missing; install them (Debian: apt-get install $(PEER_PACKAGES))" >&2; exit 1; fi

.PHONY: browser
browser:
	@missing=; for each in $(BROWSER_PROGRAMS); do command -v $$each >/dev/null || missing="$$missing $$each"; done; \
	test -z "$$missing" && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && apt-get install -q -y --no-install-recommends $(BROWSER_PACKAGES); \
	else echo "missing:$$missing; install them (Debian: apt-get install $(BROWSER_PACKAGES))" >&2; exit 1; fi
	@test -d build/npm/node_modules/axe-core || npm install --loglevel=error --no-fund --no-audit --no-save --prefix build/npm $(PEER_SCRIPTS)

.PHONY: check
check: $(INSTALLED) ## format, lint, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(INSTALLED) ## put the code in its format and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: docs
docs: $(INSTALLED) ## write the pages that are made from the program
	$(BIN)/python -m gateway.settings_reference

.PHONY: crash
crash: $(INSTALLED) ## kill -9 at random moments under load: nothing lost, nothing double (KILLS, SEED)
	$(BIN)/python -m bench.crash --kills $(KILLS) $(if $(SEED),--seed $(SEED))

.PHONY: faults
faults: $(INSTALLED) ## kill, fail and stand still at every commit and send, on both databases
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not peers' tests/crash $(ARGS)

.PHONY: trace
trace: $(INSTALLED) ## show by system calls that nothing is acknowledged before the sync
	$(BIN)/python -m bench.trace

.PHONY: fuzz
fuzz: $(INSTALLED) ## garbage into SMTP and JSON, mutated mails: no crash, no loss, no hang (SECONDS, COUNT, SEED)
	$(BIN)/python -m bench.garbage_mails --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m bench.garbage --count $(COUNT) $(if $(SEED),--seed $(SEED))

.PHONY: fuzz-mails
fuzz-mails: $(INSTALLED) ## mutated mails and replies against the reader alone (SECONDS, SEED)
	$(BIN)/python -m bench.garbage_mails --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

.PHONY: api-check
api-check: $(INSTALLED) ## hold the API to its own description with every kind of token, on both databases (SEED, EXAMPLES)
	$(BIN)/python -m bench.contract --examples $(EXAMPLES) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: $(INSTALLED) ## measure; figures to build/bench.json
	$(BIN)/python -m bench

.PHONY: lock
lock: ## resolve the dependencies anew into requirements/
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lock/bin/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --upgrade -o requirements/runtime.txt
	build/lock/bin/uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -c requirements/runtime.txt --upgrade -o requirements/dev.txt

.PHONY: clean
clean: ## remove what was made here, the virtual environment and the demo's data included
	rm -rf $(VENV) build demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
