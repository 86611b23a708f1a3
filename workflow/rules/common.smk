import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The package of this checkout, whether or not one is installed: code and workflow never part.
here = Path(workflow.basedir).resolve()
for SOURCE_FOLDER in (here, *here.parents):
    if (SOURCE_FOLDER / "src" / "ulmfit").exists():
        break
else:
    raise WorkflowError(
        f"{here} lies in no checkout: no folder above it has src/ulmfit"
    )
sys.path.insert(0, str(SOURCE_FOLDER / "src"))

from ulmfit.config import paths
from ulmfit.config.code_versions import CODE_VERSIONS
from ulmfit.config.experiments import targets, tested
from ulmfit.config.files import digests, places, published_forms
from ulmfit.config.manifest import language_models
from ulmfit.config.recipes import compute_threads
from ulmfit.errors import UserError
from ulmfit.store.checkpoints import forget
from ulmfit.store.files import canonical_json, folder_state
from ulmfit.studies import check_published_files, load_plan, plan_values
from ulmfit.gpus.devices import gpus_to_request

# A study given with --configfile replaces the built-in one; two studies are never merged.
if not workflow.configfiles:

    configfile: str(SOURCE_FOLDER / "config" / "config.yaml")


try:
    PLAN = load_plan(
        dict(config), SOURCE_FOLDER / "config", str(workflow.configfiles[-1])
    )
    # Files are fetched by the main process alone: a cluster's nodes may see no mirror.
    if workflow.is_main_process:
        check_published_files(PLAN)
except UserError as error:
    raise WorkflowError(str(error)) from None

# Jobs run the package of this checkout with the interpreter of this Snakemake, unless a software
# environment brings its own. None of this is part of a rule, so moving the folder reruns nothing.
shell.prefix(
    f"set -euo pipefail; export ULMFIT_DEVICE={PLAN.study.device}; "
    # A job that was submitted has the GPUs that its scheduler chose.
    f"export ULMFIT_GPUS_BY={'scheduler' if workflow.remote_exec else 'launcher'}; "
    f"export ULMFIT_DATA_MIRROR={shlex.quote(PLAN.study.data_mirror or '')}; "
    f"export ULMFIT_TESTED={shlex.quote(' '.join(tested(PLAN.study)))}; "
    f"export PYTHONPATH={shlex.quote(str(SOURCE_FOLDER / 'src'))}; "
    + (
        ""
        if workflow.deployment_settings.deployment_method
        else f"export PATH={shlex.quote(os.path.dirname(sys.executable))}:$PATH; "
    )
)

NAME = paths.NAME
WILDCARDS = {
    "text": NAME,
    "file": paths.FILE_NAME,
    "dataset": NAME,
    "corpus": NAME,
    "tokenizer": NAME,
    "trained_on": NAME,
    "direction": f"fwd|bwd|{paths.NONE}",
    "pretrain": NAME,
    "finetune": NAME,
    "classify": NAME,
    "n_text": rf"(all|labelled|with-test|\d+)({paths.KEPT})?",
    "experiment": NAME,
    "n_labelled": r"all|\d+",
    "pretrain_seed": r"\d+",
    "finetune_seed": r"\d+",
    "classify_seed": r"\d+",
    "seed": r"\d+",
    "ensemble": paths.ENSEMBLE_NAME,
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


def growing_with_input(start, times):
    """Memory in MB that grows with the size of the input and with each attempt."""

    def amount(wildcards, input, attempt):
        return round((start + times * input.size_mb) * attempt)

    return amount


def growing_with_text(most):
    """Threads: one for 5 MB of documents, whose text is twice as long, which is what the stage
    wants for a process; a job that asked for more would wait until all cores are free.
    """

    def amount(wildcards, input):
        # Not input.size_mb, which is unknown while Snakemake makes its graph, as threads may not be.
        documents = Path(input.documents)
        size = documents.stat().st_size if documents.exists() else 0
        return max(1, min(most, int(size / 5e6)))

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


def training_text(pattern):
    """Words need no training; sub-words are trained on a corpus, or each text on itself."""

    def files(wildcards):
        if wildcards.trained_on == paths.NONE:
            return []
        return f"<results>/{pattern.format(text=wildcards.trained_on)}"

    return files


def tokenizer_file(wildcards):
    """Words need no training, whatever their vocabulary comes from."""
    words = PLAN.kind(wildcards.tokenizer) == "word"
    trained_on = paths.NONE if words else wildcards.trained_on
    path = paths.TOKENIZER.format(tokenizer=wildcards.tokenizer, trained_on=trained_on)
    return f"<results>/{path}"


def kept_vocabulary(wildcards):
    """A vocabulary of words that is not made from the text itself; none otherwise."""
    folder = PLAN.keeps(wildcards)
    return f"<results>/{folder}/vocabulary.txt" if folder else []


def vocabulary_text(wildcards):
    """Which documents make the vocabulary of words."""
    own = (paths.NONE, *PLAN.texts())
    return "all" if wildcards.trained_on in own else wildcards.trained_on


def finetune_text(wildcards):
    """Which documents LM fine-tuning reads."""
    return wildcards.n_text.removesuffix(paths.KEPT)


def member_files(file):
    """A file of every member of an ensemble."""

    def files(wildcards):
        ensemble = paths.ENSEMBLE.format(**wildcards)
        return [f"<results>/{member}/{file}" for member in PLAN.members(ensemble)]

    return files


def combination(wildcards):
    """How an ensemble combines its members."""
    return PLAN.combination(wildcards.ensemble)


def source_files(wildcards):
    """Files that a source reads: published ones, fetched, and the user's own."""
    text = PLAN.text(wildcards.text)
    # `params` of the rule hold the digests of published files, so a file that is fetched again, say
    # from another URL, reruns nothing; a file of the user's own is known by its time alone, and a
    # folder by those of its files, which `params` hold too.
    return [
        path if text.versions(key)[0].path else ancient(path)
        for key, path in places(wildcards.text, text).items()
    ]


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
    return PLAN.source_options(wildcards.text)


def file_versions(wildcards):
    return published_forms(PLAN.text(wildcards.text), wildcards.file)


def file_places(wildcards):
    return canonical_json(places(wildcards.text, PLAN.text(wildcards.text)))


def file_digests(wildcards):
    """Digests of published files; a folder of the user's own is known by what is in it."""
    return digests(PLAN.text(wildcards.text), folder_state)


def fold_options(wildcards):
    return PLAN.fold_options(wildcards.text)


# What is kept


def training_folders():
    """Folders of the trainings of this run that Snakemake has seen end, now or before."""
    return sorted(
        {
            Path(output).parent
            for job in workflow.dag.jobs
            for output in job.output
            if Path(output).name == paths.WEIGHTS and Path(output).exists()
        }
    )
