import os
import sys
from pathlib import Path

# The package of this checkout, whether or not one is installed: code and workflow never part.
SOURCE_FOLDER = Path(workflow.basedir).resolve()
while not (SOURCE_FOLDER / "src" / "ulmfit").exists():
    SOURCE_FOLDER = SOURCE_FOLDER.parent
sys.path.insert(0, str(SOURCE_FOLDER / "src"))

from snakemake.exceptions import WorkflowError

from ulmfit.config import paths
from ulmfit.config.code_versions import CODE_VERSIONS
from ulmfit.config.manifest import language_models
from ulmfit.config.recipes import compute_threads
from ulmfit.errors import UserError
from ulmfit.store.files import canonical_json
from ulmfit.studies import BUILT_IN, load_plan
from ulmfit.gpus import gpus_to_request

STUDY_FILE = workflow.configfiles[-1] if workflow.configfiles else BUILT_IN

try:
    PLAN = load_plan(dict(config), SOURCE_FOLDER / "config", str(STUDY_FILE))
except UserError as error:
    raise WorkflowError(str(error)) from None

# Jobs run the package of this checkout with the interpreter of this Snakemake, unless a software
# environment brings its own. None of this is part of a rule, so moving the folder reruns nothing.
shell.prefix(
    f"set -euo pipefail; export ULMFIT_DEVICE={PLAN.study.device}; "
    f"export PYTHONPATH={SOURCE_FOLDER}/src${{PYTHONPATH:+:$PYTHONPATH}}; "
    + (
        ""
        if workflow.deployment_settings.deployment_method
        else f"export PATH={os.path.dirname(sys.executable)}:$PATH; "
    )
)

NAME = r"[a-z0-9][a-z0-9-]*"
WILDCARDS = {
    "text": NAME,
    "dataset": NAME,
    "corpus": NAME,
    "tokenizer": NAME,
    "trained_on": NAME,
    "direction": "fwd|bwd",
    "pretrain": NAME,
    "finetune": NAME,
    "classify": NAME,
    "n_text": r"all|\d+",
    "n_labelled": r"all|\d+",
    "pretrain_seed": r"\d+",
    "finetune_seed": r"\d+",
    "classify_seed": r"\d+",
    "seed": r"\d+",
    "ensemble": r"[a-z0-9][a-z0-9+-]*",
    "variant": NAME,
    "baseline": NAME,
}


# Resources


def gpus(wildcards):
    """GPUs that a training job asks for; never part of params, so it never causes a rerun."""
    return gpus_to_request(PLAN.study.device, local=workflow.local_exec)


def growing(start):
    """A resource that grows with each attempt."""

    def amount(wildcards, attempt):
        return start * attempt

    return amount


# Inputs


def token_files(folder):
    return {
        name.split(".")[0]: f"<results>/{folder}/{name}" for name in paths.TOKEN_FILES
    }


def corpus_tokens(wildcards):
    return token_files(PLAN.tokens(wildcards.corpus, wildcards))


def dataset_tokens(wildcards):
    return token_files(PLAN.tokens(wildcards.dataset, wildcards))


def facts(folder):
    """What stands beside the weights of a language model and is read with them."""
    return {
        "initial_card": f"<results>/{folder}/card.json",
        "initial_vocabulary": f"<results>/{folder}/vocabulary.txt",
    }


def pretrained_weights(wildcards):
    """Weights that LM fine-tuning starts from; none for a random start."""
    parent = PLAN.parent(wildcards, finetuned=False)
    return f"<results>/{parent}/{paths.WEIGHTS}" if parent else []


def pretrained_facts(wildcards):
    parent = PLAN.parent(wildcards, finetuned=False)
    return facts(parent) if parent else {}


def language_model_weights(wildcards):
    """Weights that a classifier starts from; none for a random start."""
    parent = PLAN.parent(wildcards, finetuned=True)
    return f"<results>/{parent}/{paths.WEIGHTS}" if parent else []


def language_model_facts(wildcards):
    parent = PLAN.parent(wildcards, finetuned=True)
    return facts(parent) if parent else {}


# Recipes


def recipe(stage):
    """Canonical JSON of the recipe of a stage: equal recipes give equal jobs."""

    def value(wildcards):
        return PLAN.recipe(stage, wildcards)

    return value


def threads_of(stage):
    """Threads of a training job: what its recipe computes with."""

    def value(wildcards):
        return compute_threads(PLAN.recipe(stage, wildcards))

    return value


def text_source(wildcards):
    return PLAN.text(wildcards.text).source


def text_options(wildcards):
    return canonical_json(PLAN.text(wildcards.text).options)


def fold_options(wildcards):
    return canonical_json(PLAN.text(wildcards.text).folds)


# Targets


def collect_outputs():
    """Everything that a study makes for its readers."""
    return [
        "<results>/report/report.html",
        "<results>/provenance.json",
        *(f"<results>/tables/{name}.csv" for name in TABLES),
        *(f"<results>/tables/{name}.md" for name in PLAN.study.experiments),
    ]


def run_files(file):
    """A file of every run of the study."""
    return [f"<results>/{run.path}/{file}" for run in PLAN.runs()]


def unsealed_files(file):
    """A file of the test fold of every run whose test fold some experiment shows."""
    return [f"<results>/{run.path}/test/{file}" for run in PLAN.unsealed()]


def language_model_files(file):
    """A file of every language model of the study."""
    return [f"<results>/{model['path']}/{file}" for model in language_models(PLAN)]


TABLES = ["runs", "language_models", "epochs", "confusion", *PLAN.study.experiments]
