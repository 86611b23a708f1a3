# make study   set up, run the built-in study, print the path of its report
# make test    set up, check style and types, run the tests
# PYTHON=python3.12 chooses an interpreter; PIP_ARGS="..." goes to pip (another torch build, a mirror).
PYTHON ?= python3
PIP_ARGS ?=
CORES ?= all
ARGS ?=
STUDY ?= config/config.yaml
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin

# Nothing outside this folder is touched, caches included.
export XDG_CACHE_HOME := $(CURDIR)/.cache
export XDG_CONFIG_HOME := $(CURDIR)/.cache/config
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: study test setup clean-checkpoints schema

study: $(VENV)/.base
	@$(BIN)/snakemake --cores $(CORES) --resources gpu=1 --configfile $(STUDY) $(ARGS)
	@echo "report: $$($(BIN)/python -c 'import sys, yaml; print("results/" + yaml.safe_load(open(sys.argv[1]))["study"] + "/report/report.html")' $(STUDY))"

test: $(VENV)/.test
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/pytest --numprocesses 2 --dist loadfile $(ARGS)

setup: $(VENV)/.base

# Weights take most of the space. Tables, predictions and the report stay, and nothing runs again
# until something that they depend on changes.
clean-checkpoints:
	@find results -name model.safetensors -print -delete 2>/dev/null || true

# Regenerate config/schema.json and config/README.md from the typed models.
schema: $(VENV)/.base
	$(BIN)/python -m ulmfit schema --config config

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; choose one with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml envs/constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e . -c envs/constraints.txt $(PIP_ARGS)
	@touch $@

$(VENV)/.test: pyproject.toml envs/constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e ".[test]" -c envs/constraints.txt $(PIP_ARGS)
	@touch $@ $(VENV)/.base
