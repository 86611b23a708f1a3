"""Tables that only the paper has: what variants change, published errors, costs, all settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ulmfit.report import wording
from ulmfit.report.cards import read_optional
from ulmfit.report.layout import Cell, Column, Line, Sheet, counted
from ulmfit.report.recipes import Departure, Difference, UsedRecipe
from ulmfit.report.results import Experiment, Row, Study, number
from ulmfit.report.sheets import FEW_SEEDS

ARROW = "\N{RIGHTWARDS ARROW}"
FOLDS = ("fit", "select", "report", "test", "unlabelled")


def method_sheet(reference: str, departures: Sequence[Departure]) -> Sheet:
    """One line a variant: what it is, and every setting in which it departs from the reference."""
    return Sheet(
        name="",
        title="What each variant changes",
        caption=f"What each variant changes, beside {reference}: setting, its value there "
        f"{ARROW} its value here. Everything else is equal.",
        columns=(Column("Variant"), Column("What it is"), Column("Settings changed")),
        groups=(
            tuple(
                Line(
                    (
                        Cell(
                            f"{item.title} ({item.where})" if item.where else item.title, item.title
                        ),
                        Cell(item.description),
                        Cell(_changes(item.differences)),
                    )
                )
                for item in departures
            ),
        ),
    )


def _changes(differences: Iterable[Difference]) -> str:
    by_stage: dict[str, list[str]] = {}
    for item in differences:
        text = f"{item.key} {item.reference} {ARROW} {item.value}"
        by_stage.setdefault(item.stage, []).append(text)
    parts = (f"{stage}: {', '.join(texts)}" for stage, texts in by_stage.items())
    return "; ".join(parts) or "none"


def published_sheet(experiments: Sequence[Experiment]) -> Sheet | None:
    """Every line that the paper printed beside ours, each once; None if there is none."""
    lines: dict[tuple[str, str], Line] = {}
    for experiment in experiments:
        places = wording.decimals(experiment.rows)
        for row in experiment.rows:
            if row["published"]:
                line = _published_line(experiment, row, places)
                lines.setdefault((row["cell"], experiment.fold), line)
    if not lines:
        return None
    return Sheet(
        name="",
        title="Published errors beside ours",
        caption="Errors that the paper printed beside ours, in per cent with 95 % intervals; that "
        "of a published error is binomial, of the documents of its own test set.",
        columns=(
            Column("Data set"),
            Column("Variant"),
            Column("Fold"),
            Column("n", True),
            Column("Ours %", True),
            Column("95 % interval", True),
            Column("Published %", True),
            Column("95 % interval", True),
            Column("Reproduced"),
        ),
        groups=(tuple(lines.values()),),
        notes=(
            f"Reproduced: the 95 % interval of the difference holds zero; empty below {FEW_SEEDS} "
            "seeds, and where the size of the published test set is not known.",
        ),
    )


def _published_line(experiment: Experiment, row: Row, places: int) -> Line:
    ours = wording.interval(number(row, "error_low"), number(row, "error_high"), places)
    low, high = number(row, "published_low"), number(row, "published_high")
    printed = experiment.published(row)
    digits = len(printed.partition(".")[2])
    return Line(
        (
            Cell(row["dataset"]),
            Cell(f"{row['title']} ({wording.direction(row['direction'])})"),
            Cell(experiment.fold),
            counted("n")(row),
            Cell(wording.percent(number(row, "error"), places), row["error"]),
            Cell(ours),
            Cell(printed, row["published"]),
            Cell(wording.interval(low, high, digits)),
            Cell(row.get("reproduced") or ""),
        )
    )


def text_sheet(study: Study, results: Path) -> Sheet:
    """Documents, classes and folds of every corpus and data set."""
    lines = []
    for name, text in study.manifest["texts"].items():
        source = _content(results, text.get("source"))
        folds = _content(results, text.get("folds")).get("folds") or {}
        counts = [folds.get(fold, {}).get("documents") for fold in FOLDS]
        classes = source.get("classes") or ()
        lines.append(
            Line(
                (
                    Cell(text.get("title") or name, name),
                    Cell(name),
                    Cell(text["role"]),
                    Cell(wording.count(source.get("documents"))),
                    Cell(wording.count(len(classes)) if classes else ""),
                    *(Cell(wording.count(count)) for count in counts),
                )
            )
        )
    return Sheet(
        name="",
        title="Texts",
        caption="Texts of the study: documents as they were read, and documents of each fold.",
        columns=(
            Column("Text"),
            Column("Name"),
            Column("Role"),
            Column("Documents", True),
            Column("Classes", True),
            *(Column(fold, True) for fold in FOLDS),
        ),
        groups=(tuple(lines),),
    )


def _content(results: Path, path: str | None) -> Mapping[str, Any]:
    return (read_optional(results, path) if path else None) or {}


def settings_sheet(recipes: Sequence[UsedRecipe]) -> Sheet | None:
    """Every setting of the recipe that each training stage used most; None without recipes."""
    bases = _bases(recipes)
    if not bases:
        return None
    values = {stage: {key: value for key, value, _ in base.rows} for stage, base in bases.items()}
    meanings: dict[str, str] = {}
    for base in reversed(bases.values()):
        meanings |= {key: meaning.replace("`", "") for key, _, meaning in base.rows}
    keys = sorted(meanings)
    return Sheet(
        name="",
        title="Settings",
        caption="Hyperparameters: all settings of the recipe that most trainings of a stage used ("
        + "; ".join(
            f"{stage}: {base.digest}, {wording.plural(base.jobs, 'training')}"
            for stage, base in bases.items()
        )
        + ").",
        columns=(
            Column("Setting"),
            *(Column(stage[:1].upper() + stage[1:]) for stage in bases),
            Column("Meaning"),
        ),
        groups=(
            tuple(
                Line(
                    (
                        Cell(key),
                        *(Cell(values[stage].get(key, "")) for stage in bases),
                        Cell(meanings[key]),
                    )
                )
                for key in keys
            ),
        ),
    )


def other_recipes_sheet(recipes: Sequence[UsedRecipe]) -> Sheet | None:
    """Every other recipe by the settings that set it apart from that of most trainings."""
    bases = _bases(recipes)
    lines = []
    for recipe in recipes:
        base = bases.get(recipe.stage)
        if recipe is base:
            continue
        before = {key: value for key, value, _ in base.rows} if base else {}
        changed = ", ".join(
            f"{key} {value}" for key, value, _ in recipe.rows if before.get(key) != value
        )
        gone = ", ".join(
            f"{key} none" for key in before if key not in {name for name, _, _ in recipe.rows}
        )
        lines.append(
            Line(
                (
                    Cell(recipe.digest),
                    Cell(recipe.stage),
                    Cell(wording.count(recipe.jobs)),
                    Cell(recipe.users),
                    Cell(", ".join(part for part in (changed, gone) if part)),
                )
            )
        )
    if not lines:
        return None
    return Sheet(
        name="",
        title="Other recipes",
        caption="All other recipes: settings in which they differ from that of most trainings of "
        "their stage.",
        columns=(
            Column("Recipe"),
            Column("Stage"),
            Column("Trainings", True),
            Column("Used by"),
            Column("Settings"),
        ),
        groups=(tuple(lines),),
    )


def _bases(recipes: Sequence[UsedRecipe]) -> dict[str, UsedRecipe]:
    """The recipe of most trainings of each stage; baselines have nothing in common."""
    trained = [recipe for recipe in recipes if recipe.stage != wording.STAGES["baseline"]]
    most = Counter({(item.stage, item.digest): item.jobs for item in trained})
    found: dict[str, UsedRecipe] = {}
    for item in trained:
        best = found.get(item.stage)
        if best is None or most[item.stage, item.digest] > most[best.stage, best.digest]:
            found[item.stage] = item
    return found
