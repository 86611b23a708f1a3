"""What a study may not say although every key and type is right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ulmfit.config import paths
from ulmfit.config.recipes import Classifier, LanguageModel, from_json, to_dict
from ulmfit.config.sources import (
    ANY_FILES,
    OPTIONAL_FILES,
    SOURCE_FILES,
    SOURCE_OPTIONS,
    Folds,
    has_labels,
)
from ulmfit.config.study import RECIPE_TYPES, STAGES, Preset, Registry, SourceFile, Study, Text
from ulmfit.config.validation import check_name
from ulmfit.errors import UserError
from ulmfit.schedule.freezing import group_names, stages


def check_names(study: Study, variants: Iterable[str]) -> None:
    """Names become parts of paths, so a name that no path can have must stop here (UserError)."""
    where = f"study {study.study}"
    if study.study == paths.ARCHIVES:
        raise UserError(f"{where}: no study may have this name: archives of studies lie there")
    for what, pattern, names in (
        ("dataset", paths.NAME, study.datasets),
        ("tokenizer", paths.NAME, study.recipes.tokenizers),
        ("variant", paths.NAME, variants),
        ("experiment", paths.NAME, study.experiments),
        ("ensemble", paths.ENSEMBLE_NAME, study.ensembles),
    ):
        for name in names:
            _check_path_name(where, what, pattern, name)
    for name in study.order:
        check_name(name, study.experiments, f"{where}: order", "experiment")
    for name in (*paths.FACT_TABLES, *paths.READ_TABLES, paths.UNFINISHED):
        if name in study.experiments:
            raise UserError(f"{where}: no experiment may be called {name!r}")


def _check_path_name(where: str, what: str, pattern: str, name: str) -> None:
    if not re.fullmatch(pattern, name) or name == paths.NONE:
        raise UserError(
            f"{where}: {what} {name!r}: names are lower-case letters, digits and hyphens, "
            f"and not {paths.NONE!r}"
        )


def check_corpus(where: str, name: str, registry: Registry) -> None:
    """A corpus that a dataset or a variant names: registered, and no text of another kind.

    ``where`` opens the messages of the UserError.
    """
    check_name(name, registry.corpora, where, "corpus")
    if name in registry.datasets:
        raise UserError(f"{where}: {name!r} is both a corpus and a dataset")
    _check_path_name(where, "corpus", paths.NAME, name)
    # Beside these names in a path stand the texts that words may come from.
    if name.isdigit() or name in ("labelled", "with-test"):
        raise UserError(f"{where}: corpus {name!r}: no corpus may have this name")


def check_experiments(study: Study, preset: Preset) -> None:
    """What an experiment needs, and what only some presets allow (UserError)."""
    taken: dict[str, str] = {}
    for name, experiment in study.experiments.items():
        where = f"study {study.study}: experiments.{name}"
        if not experiment.title or not experiment.cells:
            raise UserError(
                f"{where}: needs `title` and `cells`: config/experiments.yaml has no experiment "
                "of this name"
            )
        if experiment.fold == "select" and not preset.one_fold:
            raise UserError(
                f"{where}: the fold select chooses epochs, so it may be shown only with a preset "
                f"that has `one_fold`; {study.preset!r} has not"
            )
        sizes = experiment.n_labelled
        if isinstance(sizes, dict):
            for dataset in sizes:
                check_name(dataset, study.datasets, f"{where}: n_labelled", "dataset")
        datasets = experiment.datasets or tuple(study.datasets)
        if not any(experiment.sizes(dataset) for dataset in datasets):
            raise UserError(f"{where}: n_labelled is empty")
        for n in (n for dataset in datasets for n in experiment.sizes(dataset)):
            if n != "all" and int(n) < 2:
                raise UserError(f"{where}: n_labelled must be at least 2, not {n}")
        for target in (name, *experiment.aliases):
            if not re.fullmatch(paths.NAME, target):
                raise UserError(f"{where}: alias {target!r}: no lower-case letters and hyphens")
            if taken.setdefault(target, name) != name:
                raise UserError(f"{where}: {taken[target]!r} is called {target!r} too")


def check_seeds(study: Study) -> None:
    """Equal seeds would count one run twice, and paths have no negative ones (UserError)."""
    seeds = study.seeds.runs
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(
            f"study {study.study}: seeds.runs: {list(seeds)} must be different and not negative"
        )


def check_stages(
    where: str, fields: Mapping[str, str], recipe_of: Callable[[str, Mapping[str, str]], str]
) -> None:
    """A run's recipes need epochs for their stages of freezing, and rates for their layer groups.

    Their dropouts must be chances, and each model must fit the one that it starts from. UserError;
    training says the same, hours later.
    """
    above: tuple[str, Any] | None = None
    for stage in STAGES:
        if fields.get(stage, paths.NONE) != paths.NONE:
            recipe = from_json(RECIPE_TYPES[stage], recipe_of(stage, fields))
            try:
                _check_dropouts(recipe)
                stages(group_names(recipe), recipe)
            except UserError as error:
                raise UserError(f"{where}: {stage}: {error}") from None
            if above is not None:
                _check_sizes(where, above, (stage, recipe))
            above = (stage, recipe)


def _check_dropouts(recipe: LanguageModel | Classifier) -> None:
    """Dropouts may be multiplied beyond what drops everything."""
    factor = recipe.dropouts.multiplier
    rates = {f"dropouts.{key}": rate for key, rate in to_dict(recipe.dropouts).items()}
    del rates["dropouts.multiplier"]
    if isinstance(recipe, Classifier):
        rates |= {f"head_dropouts.{k}": rate for k, rate in enumerate(recipe.head_dropouts[:-1])}
    for key, rate in rates.items():
        if rate * factor >= 1:
            raise UserError(
                f"{key}: {rate} times dropouts.multiplier {factor} is {rate * factor:g}, "
                "and must be less than 1"
            )


def _check_sizes(where: str, above: tuple[str, Any], below: tuple[str, Any]) -> None:
    """A stage takes the weights of the one above it; a classifier leaves out the decoder's bias."""
    (from_stage, parent), (to_stage, child) = above, below
    sizes, given = to_dict(child.architecture), to_dict(parent.architecture)
    if to_stage == "classify":
        del sizes["decoder_bias"]
    for key, size in sizes.items():
        if size != given[key]:
            raise UserError(
                f"{where}: {to_stage}: architecture.{key} is {size} and {given[key]} in "
                f"{from_stage}, whose weights it starts from: give both stages the same"
            )


def check_folds(dataset: str, sizes: Folds, shown: str) -> None:
    """A dataset needs documents to choose by, and documents to show (UserError)."""
    for name in ("select", "report"):
        if getattr(sizes, name) == 0 and name in ("select", shown):
            raise UserError(f"{dataset}.folds: {name} is 0, but the study needs that fold")


def check_labels(dataset: str, source: str, options_json: str) -> None:
    """A dataset needs labels; text without them is a corpus (UserError)."""
    if not has_labels(source, from_json(SOURCE_OPTIONS[source], options_json)):
        raise UserError(
            f"datasets.yaml: {dataset}: its documents have no labels (source {source!r} with these "
            "options): a dataset needs them; text without labels is an entry under `corpora`"
        )


def check_files(name: str, text: Text) -> None:
    """A text needs the files that its source reads, each known by digest or by path (UserError)."""
    where = f"datasets.yaml: {name}.files"
    for key in SOURCE_FILES.get(text.source, ()):
        if key not in text.files:
            raise UserError(f"{where}: source {text.source!r} needs a file {key!r}")
    known = (*SOURCE_FILES.get(text.source, ()), *OPTIONAL_FILES.get(text.source, ()))
    for key in text.files:
        if text.source not in ANY_FILES:
            check_name(key, known, where, "file")
        versions = text.versions(key)
        if not versions:
            raise UserError(f"{where}.{key}: no file in the list")
        for file in versions:
            _check_file(f"{where}.{key}", file, alone=len(versions) == 1)
    local = [PurePosixPath(text.versions(key)[0].name).name for key in text.files]
    for file_name in local:
        if file_name and local.count(file_name) > 1:
            raise UserError(f"{where}: two files are called {file_name!r}")


def _check_file(where: str, file: SourceFile, alone: bool) -> None:
    if file.path:
        if not alone or file != SourceFile(path=file.path):
            raise UserError(f"{where}: a file with a `path` has no other key and no alternative")
        if set("{}") & set(file.path):
            raise UserError(
                f"{where}: path {file.path!r}: Snakemake takes braces for a wildcard: rename it"
            )
        return
    name = PurePosixPath(file.name)
    if not re.fullmatch(paths.FILE_NAME, name.name):
        raise UserError(f"{where}: needs the `name` of a published file, or the `path` of your own")
    if name.is_absolute() or ".." in name.parts:
        raise UserError(f"{where}: name {file.name!r} leads out of `data_mirror`")
    if not file.bytes or not (file.sha256 or file.md5):
        raise UserError(f"{where}: {file.name} needs `bytes` and `sha256` (or `md5`)")
    for url in file.urls:
        if not url.startswith(("https://", "http://")):
            raise UserError(f"{where}: {url}: only http and https are fetched")
