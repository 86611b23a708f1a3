"""What a study may not say although every key and type is right."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ulmfit.config import paths
from ulmfit.config.sources import Folds
from ulmfit.config.study import Study
from ulmfit.config.validation import check_name
from ulmfit.errors import UserError


def check_names(study: Study, variants: Iterable[str]) -> None:
    """Names become parts of paths, so a name that no path can have must stop here (UserError)."""
    where = f"study {study.study}"
    for what, pattern, names in (
        ("dataset", paths.NAME, study.datasets),
        ("corpus", paths.NAME, [used.corpus for used in study.datasets.values()]),
        ("tokenizer", paths.NAME, study.recipes.tokenizers),
        ("variant", paths.NAME, variants),
        ("experiment", paths.NAME, study.experiments),
        ("ensemble", paths.ENSEMBLE_NAME, study.ensembles),
    ):
        for name in names:
            if not re.fullmatch(pattern, name) or name == paths.NONE:
                raise UserError(
                    f"{where}: {what} {name!r}: names are lower-case letters, digits and hyphens, "
                    f"and not {paths.NONE!r}"
                )
    for name in study.order:
        check_name(name, study.experiments, f"{where}: order", "experiment")
    for name in paths.FACT_TABLES:
        if name in study.experiments:
            raise UserError(f"{where}: no experiment may be called {name!r}")


def check_seeds(study: Study) -> None:
    """Equal seeds would count one run twice, and paths have no negative ones (UserError)."""
    seeds = study.seeds.runs
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(
            f"study {study.study}: seeds.runs: {list(seeds)} must be different and not negative"
        )


def check_folds(dataset: str, sizes: Folds, shown: str) -> None:
    """A dataset needs documents to choose by, and documents to show (UserError)."""
    for name in ("select", "report"):
        if getattr(sizes, name) == 0 and name in ("select", shown):
            raise UserError(
                f"datasets.yaml: {dataset}.folds: {name} is 0, but the study needs that fold"
            )
