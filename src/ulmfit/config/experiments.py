"""What the experiments of a study need of its datasets and of the workflow."""

from __future__ import annotations

from ulmfit.config.sources import Folds
from ulmfit.config.study import Study, Text
from ulmfit.config.validation import check_name
from ulmfit.errors import UserError

RULES = (
    *("all", "fetch", "documents", "folds", "leakage", "tokenizer", "tokens", "pretrain"),
    *("finetune", "classify", "predict_test", "score", "score_test", "ensemble", "ensemble_test"),
    *("baseline", "baseline_test", "manifest", "before_test", "tables", "figures", "report"),
    *("paper", "part_manifest", "part_tables", "part"),
)
"""Rules of the workflow: no target of an experiment can be called like one."""

HAVE_TEST = ("trec", "imdb")
"""Sources that always have a test split of their own."""
MAY_HAVE_TEST = ("zhang-csv", "folder")
"""Sources whose files may or may not have one: the stage `folds` sees."""


def targets(study: Study) -> dict[str, str]:
    """Experiments by the names of their targets: their own, and their aliases, ``_`` for ``-``."""
    return {
        target.replace("-", "_"): name
        for name, experiment in study.experiments.items()
        for target in (name, *experiment.aliases)
    }


def check_targets(study: Study) -> None:
    """A target needs a name that no rule of the workflow has (UserError)."""
    for target, name in targets(study).items():
        if target in RULES:
            raise UserError(
                f"study {study.study}: experiments.{name}: {target.replace('_', '-')!r} is the "
                "name of a rule of the workflow: call the experiment, or its alias, otherwise"
            )


def check_datasets(study: Study) -> None:
    """Datasets must be known, and each have numbers of labels where a mapping gives them.

    UserError: one that is forgotten would vanish from the table.
    """
    for name, experiment in study.experiments.items():
        where = f"study {study.study}: experiments.{name}"
        for dataset in experiment.datasets:
            check_name(dataset, study.datasets, f"{where}: datasets", "dataset")
        if not isinstance(experiment.n_labelled, dict):
            continue
        shown = experiment.datasets or tuple(study.datasets)
        for dataset in experiment.n_labelled:
            check_name(dataset, shown, f"{where}: n_labelled", "dataset")
        for dataset in shown:
            if not experiment.sizes(dataset):
                raise UserError(
                    f"{where}: n_labelled is empty for {dataset}: give it numbers of labels, or "
                    "name the others under `datasets`"
                )


def tested(study: Study) -> list[str]:
    """Datasets whose test fold some experiment shows."""
    shown = (
        dataset
        for experiment in study.experiments.values()
        if experiment.fold == "test"
        for dataset in experiment.datasets or study.datasets
    )
    return list(dict.fromkeys(shown))


def check_test_fold(where: str, dataset: str, text: Text, sizes: Folds) -> None:
    """A dataset whose test fold is shown needs test documents (UserError).

    ``where`` opens the message. What only the files can tell, the stage `folds` checks.
    """
    table = text.source == "table" and ("test" in text.files or text.options.get("split"))
    if sizes.test or table or text.source in (*HAVE_TEST, *MAY_HAVE_TEST):
        return
    more = ", a file `test` or a column `split`" if text.source == "table" else ""
    raise UserError(
        f"{where}: shows the fold test, but {dataset} has no test documents: give it "
        f"`folds: {{test: ...}}`{more}"
    )
