"""What the study cannot tell, as far as its own files show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ulmfit.report import wording
from ulmfit.report.results import Study
from ulmfit.report.sheets import DAGGER, FEW_SEEDS, few_seeds


def sealed_fold_statement(study: Study, provenance: Mapping[str, Any]) -> str:
    """Whether, how often and for which tables the sealed test fold was looked at."""
    total = provenance["test_evaluations"]["total"]
    readers = _readers_of_test_text(study)
    read = (
        f" Language models that have read its text, never its labels: {wording.listing(readers)}."
        if readers
        else ""
    )
    if not total:
        return (
            "The test fold is sealed: nothing was predicted on it, and no number in this report "
            f"comes from it.{read}"
        )
    runs = provenance["test_evaluations"]["runs"]
    titles = [item.title for item in study.experiments if item.fold == "test"]
    shown = f" Tables that show it: {wording.listing(titles)}." if titles else ""
    most = max(runs.values())
    often = "once" if most == 1 else f"at most {most} times"
    return (
        f"The test fold was opened: {wording.plural(len(runs), 'run')} predicted it, each {often}, "
        f"{wording.plural(total, 'evaluation')} in all. The workflow chooses nothing by these "
        "numbers: epochs, the better of candidates and baselines are chosen on the select "
        f"fold.{shown}{read}"
    )


def _readers_of_test_text(study: Study) -> list[str]:
    titles = [title for item in study.experiments for title in item.readers_of_test_text()]
    return list(dict.fromkeys(titles))


def limits(study: Study, provenance: Mapping[str, Any]) -> list[str]:
    """Sentences for the section on limits; those that do not apply are left out."""
    rows = [row for experiment in study.experiments for row in experiment.rows]
    seeds = study.manifest["seeds"]
    few = len({row["cell"] for row in rows if few_seeds(row)})
    text = [
        "Not distinguished is not equal: the study cannot tell these lines apart with its "
        "documents and seeds. A difference anywhere within the interval remains possible."
    ]
    if seeds.get("statement"):
        text.append(f"Seeds: {seeds['statement']}")
    if _trained_once(study, "pretrain"):
        text.append(
            "One pretraining run stands behind each pretrained model, so no interval contains the "
            "chance of pretraining."
        )
    if len(seeds.get("runs") or ()) > 1 and _trained_once(study, "finetune"):
        text.append(
            "One fine-tuned language model stands behind all runs of a line, so no interval has "
            "the chance of LM fine-tuning, and lines that share one are more alike than it says."
        )
    if few:
        text.append(
            f"{wording.plural(few, 'line')} of the tables ({DAGGER}) "
            f"{'rests' if few == 1 else 'rest'} on fewer than {FEW_SEEDS} seeds and "
            f"{'says' if few == 1 else 'say'} nothing beyond these models."
        )
    text += [
        "Intervals cover the chance of documents and of the seeds that vary. They do not cover "
        "another corpus, another division into folds or another choice of hyperparameters.",
        "Intervals take documents as independent. Documents of one group (a module, a film) are "
        "alike, so intervals are somewhat too narrow.",
        "p-values are corrected (Holm) within one table, not across tables.",
    ]
    if study.crossings:
        text.append(
            "The interval of a number of labels at which two rows are as good is for that pair "
            "alone; none is corrected for the many pairs. A number between measured sizes supposes "
            "errors linear in the logarithm, and no interval contains the error of that."
        )
    if one_fold := [item.title for item in study.experiments if item.fold == "select"]:
        text.append(
            "One fold both chose (epochs, candidates, weights of ensembles, settings of baselines) "
            "and is shown, so that errors of the rows that chose are too low, and comparisons with "
            f"rows that chose nothing favour them, in: {wording.listing(one_fold)}."
        )
    if any(row["n_labelled"] != "all" for row in rows):
        text.append(
            "A number of labelled documents is one class-balanced draw, the same for all variants "
            "and seeds; no interval contains the chance of that draw."
        )
    if any(row["published"] for row in rows):
        text.append(
            "The paper gives its errors without number of runs and without intervals; data, size "
            "of model and division into folds may differ from those here."
        )
    if len({row["tokenizer"] for row in study.language_models}) > 1:
        text.append("Perplexities of different tokenizers are not comparable.")
    if len({_hardware(row) for row in provenance["devices"]}) > 1:
        text.append(
            "Models were trained on more than one kind of device; equal seeds do not give equal "
            "bits across devices."
        )
    # A baseline's card names no commit.
    commits = [row for row in provenance["commits"] if row["commit"]]
    if len(commits) > 1 or any(row["dirty"] for row in commits):
        text.append(
            "Not all trainings ran from one unchanged commit; the section on provenance lists them."
        )
    if provenance["code"]["dirty"]:
        text.append("This report was made by code that differs from its commit.")
    if mixed := _mixed_versions(provenance):
        text.append(
            f"Trainings used more than one version of {wording.listing(mixed)}; the section on "
            "provenance lists them."
        )
    return text


def _mixed_versions(provenance: Mapping[str, Any]) -> list[str]:
    """Packages of which trainings used several versions."""
    found: dict[str, set[str]] = {}
    for row in provenance["versions"]:
        for name, version in (row["versions"] or {}).items():
            found.setdefault(name, set()).add(str(version))
    return [name for name, versions in found.items() if len(versions) > 1]


def _trained_once(study: Study, stage: str) -> bool:
    """Whether there are language models of a stage, and none was trained with a second seed."""
    keys = ("name", "dataset", "corpus", "tokenizer", "direction", "n_text")
    trained = [row for row in study.language_models if row["stage"] == stage]
    models = [tuple(row[key] for key in keys) for row in trained]
    return bool(models) and len(set(models)) == len(models)


def _hardware(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Kind of device, and which one unless it is a CPU."""
    return (row["device"],) if row["device"] == "cpu" else (row["device"], row["device_name"])
