# make train: sets up, then trains.  make test: sets up, then checks and tests.  make bench: sets up, then measures speed.
# make mutants: breaks the code in many ways and sees that the tests notice each.
# All but make bench take ARGS="...".
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: install train test mutants bench lint format clean

install: $(VENV)/.installed

train: install
	@$(BIN)/python train.py --config configs/best.yaml --config configs/quickstart.yaml $(ARGS)

test: lint
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

mutants: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: install
	@$(BIN)/python -m benchmarks.speed
	@$(BIN)/python -m benchmarks.growth

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

# A marker is written only after pip succeeded, so that an install that broke off is taken up again.
$(VENV)/.installed: requirements.txt
	@$(call pip-install,requirements.txt)

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt requirements-onnx.txt
	@$(call pip-install,requirements-dev.txt)

define pip-install
set -e; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "make: Python 3.11 or newer is needed; name it with make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV) || \
	{ echo "make: $(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; exit 1; }; \
echo "Installing $(1) into $(VENV) (torch alone is several GB; this takes minutes) ..."; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(1) || \
	{ echo "make: pip could not install $(1): its last lines above say why. If they speak of the connection or find no" >&2; \
	  echo "      version, the package index cannot be reached: check the network, or name a mirror in PIP_INDEX_URL." >&2; \
	  exit 1; }; \
touch $@
endef
