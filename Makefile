# Everything a clone needs: `make dataset`, `make test`. The virtual environment is made on first use.

PYTHON ?= python3
VENV ?= .venv
CONFIG ?= demo
SET ?=
OUT ?=
WORKERS ?=
TORCH_INDEX ?=
JOBS ?= 2

STAGES = ingest fit amputate background render annotate report
READY = $(VENV)/.ready
READY_TEST = $(VENV)/.ready-test
A3DGEN = $(VENV)/bin/a3dgen
PYTEST = $(VENV)/bin/python -m pytest
OPTIONS = --config $(CONFIG) $(foreach s,$(SET),--set '$(s)') \
	$(if $(OUT),--out '$(OUT)') $(if $(WORKERS),--workers $(WORKERS))

.DEFAULT_GOAL := help
.PHONY: help setup setup-test dataset $(STAGES) demo status validate test test-all test-install lint lock docs format bench clean

help:  ## show this
	@echo "make <target> [CONFIG=configs/coco.yaml] [SET=\"key=value key=value\"] [OUT=dir] [WORKERS=n] [TORCH_INDEX=url]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  one stage, then what depends on it: $(STAGES)"

setup: $(READY)  ## make the virtual environment (done on demand by all others)
setup-test: $(READY_TEST)  ## and what the tests need, torch among it

$(READY): requirements.lock setup.cfg pyproject.toml tools/install.sh
	@PYTHON='$(PYTHON)' bash tools/install.sh '$(VENV)'

$(READY_TEST): requirements-test.lock setup.cfg pyproject.toml tools/install.sh
	@PYTHON='$(PYTHON)' TORCH_INDEX='$(TORCH_INDEX)' bash tools/install.sh '$(VENV)' test

dataset: $(READY)  ## build the dataset of CONFIG (the demo by default) into build/<name>
	@$(A3DGEN) build $(OPTIONS)

$(STAGES): $(READY)
	@$(A3DGEN) $@ $(OPTIONS)

demo: $(READY)  ## write the demo's raw COCO, MPII and Human3.6M trees only
	@$(A3DGEN) demo --config $(CONFIG) $(foreach s,$(SET),--set '$(s)') $(if $(OUT),--out '$(OUT)')

status: $(READY)  ## show what a build would make, and why
	@$(A3DGEN) status --config $(CONFIG) $(foreach s,$(SET),--set '$(s)') $(if $(OUT),--out '$(OUT)')

validate: $(READY)  ## check build/<name>/A3D_Dataset against the format
	@$(A3DGEN) validate $(if $(OUT),'$(OUT)',build/$(basename $(notdir $(CONFIG))))/A3D_Dataset

test: $(READY_TEST)  ## run the default tests (minutes)
	$(PYTEST) -n $(JOBS)

test-all: $(READY_TEST)  ## run all tests with their full counts (long)
	$(PYTEST) -n $(JOBS) -m "not gpu"

test-install:  ## install the wheel with lowest and newest versions, Python 3.11 to 3.13, and build a demo in each (long)
	$(PYTHON) tools/test_install.py

lint: $(READY_TEST)  ## check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(READY_TEST)  ## build the documentation site into build/site
	@$(VENV)/bin/python -c "import mkdocstrings, material" 2>/dev/null || $(VENV)/bin/pip install -q -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

lock:  ## choose the exact versions anew from setup.cfg (needs uv)
	bash tools/lock.sh

format: $(READY_TEST)  ## apply style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(READY)  ## measure the pipeline
	@$(A3DGEN) bench pipeline --json

clean:  ## remove the virtual environment and caches, not what was built
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis a3dgen.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
