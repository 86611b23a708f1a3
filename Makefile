# make study        set up, run the built-in study, print the path of its report; again: go on, whatever
#                   stopped it
# make study-full   the same with every experiment, an estimated two and a half hours on two cores
# make plan         say what the study will cost, before anything starts; GPU=h200, or unnamed, for a GPU
# make archive      write the record of the finished study to results/archive/: no text, no weights, 2 to 31 MB
# make tables       make tables, figures and reports of all archives again, in build/archive/; trains nothing
# make pages        fill the tables of README.md and docs/results/ from the archives
# make report-so-far  report what is finished of the study, gaps marked, also while it runs
# make test         set up, check style and types, run the tests
# make test-cluster run studies through a real SLURM on this machine; INSTALL=yes installs its Debian packages
# PYTHON=python3.12 chooses an interpreter; PIP_ARGS="..." goes to pip (another torch build, a mirror).
PYTHON ?= python3
PIP_ARGS ?=
CORES ?= all
GPUS ?= 1
ARGS ?=
STUDY ?= config/config.yaml
GPU ?= none
VENV := .venv
RUN := $(VENV)/bin/python -m

# Caches too lie in this folder; outside it are locks of GPUs, in /tmp, and what INSTALL=yes installs.
export XDG_CACHE_HOME := $(CURDIR)/.cache
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: study study-full plan report-so-far test test-cluster setup clean-weights schema archive tables pages

study: $(VENV)/.base
	@$(VENV)/bin/python workflow/scripts/study.py $(STUDY) --cores $(CORES) --resources gpu=$(GPUS) $(ARGS)

study-full: STUDY := config/studies/docstrings-full.yaml
study-full: study

plan: $(VENV)/.base
	@$(RUN) ulmfit plan --configfile $(STUDY) --cores $(CORES) --gpu $(GPU) $(ARGS)

# Trains nothing; STUDY=config/studies/... chooses another study.
report-so-far: $(VENV)/.base
	@$(RUN) ulmfit so-far --configfile $(STUDY)

test: $(VENV)/.test
	$(RUN) ruff format --check src tests bench
	$(RUN) ruff check src tests bench
	$(RUN) mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(RUN) pytest --numprocesses 2 --dist loadfile $(ARGS)

test-cluster: $(VENV)/.test
	@$(VENV)/bin/python tests/cluster/one_machine_slurm.py $(if $(INSTALL),install,check)
	$(RUN) pytest tests/cluster --durations=0 $(ARGS)

setup: $(VENV)/.base

archive: $(VENV)/.base
	@$(RUN) ulmfit archive --study $(STUDY)

tables: $(VENV)/.base
	@$(RUN) ulmfit restore

# The tables of README.md and docs/results/, from results/archive/.
pages: $(VENV)/.base
	@$(RUN) ulmfit pages

# For studies that are finished: weights take most of the space. Tables, predictions and the report
# stay, and nothing runs again as long as the study is the same. A row that is added later trains the
# language models that it starts from again, with them every classifier that starts from them, and,
# where the test fold was opened, every model that predicted it.
clean-weights:
	@find results -type d -name checkpoints -prune -print -exec rm -r {} + 2>/dev/null || true
	@find results -name model.safetensors -print -delete 2>/dev/null || true

# Regenerate config/schema.json and config/README.md from the typed models.
schema: $(VENV)/.base
	$(RUN) ulmfit schema --config config

# A set-up that was interrupted, or moved, starts over.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; choose one with make PYTHON=..." >&2; exit 1; }
	@$(RUN) pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(RUN) pip install --quiet -e "$(1)" -c envs/constraints.txt $(PIP_ARGS)
endef

$(VENV)/.base: pyproject.toml envs/constraints.txt
	$(call install,.)
	@touch $@

$(VENV)/.test: pyproject.toml envs/constraints.txt
	$(call install,.[test])
	@touch $@ $(VENV)/.base
