# make train: sets up, then trains.  make test: sets up, then checks and tests.  make bench: sets up, then measures speed.
# make mutants: breaks the code in many ways and sees that the tests notice each.
# make attack: tries thousands of bad inputs and faults on every command.  make audit: asks PyPI for known holes in the locked versions.
# make test-lowest: tests with the lowest versions that requirements.txt allows.  make lock: newest versions into the lock files.
# make records ARGS=quality: measures a record of docs/records.md again.
# All but make audit, make bench and make lock take ARGS="...".
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
ARGS ?=
UV := $(shell command -v uv || echo .venv-uv/bin/uv)
# An index that was named for pip serves uv too.
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)

.PHONY: install train test test-lowest mutants attack audit bench records lint format lock clean

install: $(VENV)/.installed

train: install
	@$(BIN)/python train.py --config configs/best.yaml --config configs/quickstart.yaml $(ARGS)

test: lint
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-lowest: $(LOWEST)/.installed
	@unset MNIST_DIR; OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

mutants: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.mutants $(ARGS)

attack: $(VENV)/.installed-dev
	@$(BIN)/python -W ignore -m tests.attacks $(ARGS)

audit: | .venv-audit/bin/pip-audit
	@.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.lock

bench: install
	@$(BIN)/python -m benchmarks.speed
	@$(BIN)/python -m benchmarks.growth
	@$(BIN)/python -m benchmarks.busy

records: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.records $(ARGS)

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# One lock for 3.11 and newer on every system; what both files list is of one version.
lock: | $(UV)
	@$(call compile,requirements-dev.txt,requirements-dev.lock)
	@$(call compile,requirements.txt --constraints requirements-dev.lock,requirements.lock)

clean:
	rm -rf $(VENV) $(LOWEST) .venv-uv .venv-audit .mypy_cache .pytest_cache .ruff_cache

# A marker is written only after the install succeeded, so that one that broke off is taken up again.
$(VENV)/.installed: requirements.lock
	@$(call install,requirements.lock)

$(VENV)/.installed-dev: requirements-dev.lock
	@$(call install,requirements-dev.lock)

$(LOWEST)/.installed: requirements-dev.txt requirements.txt requirements-onnx.txt requirements-study.txt | $(UV)
	@$(call new-environment,$(LOWEST)); \
	echo "Installing the lowest versions that requirements-dev.txt allows into $(LOWEST) ..."; \
	$(UV) pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct -r requirements-dev.txt; \
	touch $@

.venv-uv/bin/uv:
	@$(call new-environment,.venv-uv); \
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv || { $(NO-INDEX) }

.venv-audit/bin/pip-audit:
	@$(call new-environment,.venv-audit); \
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit || { $(NO-INDEX) }

define new-environment
set -e; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "make: Python 3.11 or newer is needed; name it with make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
test -x $(1)/bin/python || "$(PYTHON)" -m venv $(1) || \
	{ echo "make: $(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; exit 1; }
endef

# uv in seconds where it is on PATH; pip, which reads its own configuration of indexes, where uv is not or fails.
define install
$(call new-environment,$(VENV)); \
echo "Installing $(1) into $(VENV) (torch alone is several GB; this takes minutes) ..."; \
if command -v uv >/dev/null; then \
	if uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1); then touch $@; exit; fi; \
	echo "make: uv could not install $(1), as it says above; now pip tries" >&2; \
fi; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) || { $(NO-INDEX) }; \
touch $@
endef

define NO-INDEX
echo "make: pip could not install $(or $(1),uv): its last lines above say why. If they speak of the connection or find no" >&2; \
echo "      version, the package index cannot be reached: check the network, or name a mirror in PIP_INDEX_URL." >&2; \
exit 1;
endef

compile = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(1) --output-file $(2)
