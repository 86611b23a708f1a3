"""The table of one experiment, and what its lines have in common."""

from __future__ import annotations

from collections.abc import Sequence

from ulmfit.report import wording
from ulmfit.report.layout import Cell, Column, Line, Sheet, Show, counted, percent, plain, worded
from ulmfit.report.results import Experiment, Row, number

FEW_SEEDS = 3
"""Below so many seeds an interval says nothing beyond those models."""
DAGGER = "\N{DAGGER}"
CHOICES = {
    "epoch": "epochs",
    "candidate": "the better of candidates",
    "weights": "the weights of ensembles",
    "settings": "the settings of baselines",
}
"""What a row may have chosen by the fold select, as the manifest calls it."""
PAPERS_DIVISION = "on its own division of this data set"


def experiment_sheet(experiment: Experiment) -> Sheet:
    """The table of one experiment: errors in per cent, differences in percentage points."""
    rows, places = experiment.rows, wording.decimals(experiment.rows)
    columns: list[tuple[Column, Show]] = [
        *_setting_columns(rows),
        (Column("Variant"), lambda row: _variant(experiment, row)),
        *_reading_columns(rows),
        (Column("Seeds", True), lambda row: Cell(_seeds(experiment, row), row["seeds"])),
        (Column("n", True), counted("n")),
        (Column("Error %", True), percent("error", places)),
        (Column("95 % interval", True), _interval("error", places)),
    ]
    if any(row["difference"] for row in rows):
        columns += [
            (Column("Difference", True), percent("difference", places, wording.points)),
            (Column("95 % interval", True), _interval("difference", places, sign=True)),
            (Column("p (Holm)", True), _p("p_holm")),
            (Column("Verdict"), lambda row: _verdict(experiment, row)),
            (Column("n needed", True), lambda row: Cell(_needed(row), row["n_needed"])),
        ]
    if any(row["published"] for row in rows):
        columns += [
            (
                Column("Published %", True),
                lambda row: Cell(experiment.published(row), row["published"]),
            ),
            (Column("Published interval", True), _interval("published", places)),
            (Column("Reproduced"), plain("reproduced")),
        ]
    return Sheet(
        name=experiment.name,
        title=experiment.title,
        caption=_caption(experiment),
        columns=tuple(column for column, _ in columns),
        groups=tuple(
            tuple(
                Line(tuple(show(row) for _, show in columns), experiment.is_reference(row))
                for row in group
            )
            for group in experiment.groups()
        ),
        notes=tuple(_notes(experiment)),
    )


def few_seeds(row: Row) -> bool:
    """Whether the line rests on too few seeds to speak beyond its models (never a baseline)."""
    seeds = number(row, "seeds")
    return seeds is not None and seeds < FEW_SEEDS and row["kind"] != "baseline"


def setting(experiment: Experiment) -> str:
    """What all lines have in common: data set, labels, tokenizer, direction; perhaps empty."""
    parts = [f"data set {row}" for row in _common(experiment, "dataset")]
    parts += [wording.labels(value) for value in _common(experiment, "n_labelled")]
    parts += [f"{wording.tokenizer(value)} tokens" for value in _common(experiment, "tokenizer")]
    parts += [f"{wording.direction(value)} model" for value in _common(experiment, "direction")]
    return ", ".join(parts)


def _common(experiment: Experiment, column: str) -> list[str]:
    """The one value of a column over all lines (baselines have no tokenizer), or nothing."""
    values = {row[column] for row in experiment.rows if row[column] not in ("-", "")}
    return list(values) if len(values) == 1 else []


def _setting_columns(rows: Sequence[Row]) -> list[tuple[Column, Show]]:
    columns: list[tuple[Column, Show]] = []
    if len({row["dataset"] for row in rows}) > 1:
        columns.append((Column("Data set"), plain("dataset")))
    if len({row["n_labelled"] for row in rows}) > 1:
        columns.append((Column("Labels", True), counted("n_labelled")))
    return columns


def _reading_columns(rows: Sequence[Row]) -> list[tuple[Column, Show]]:
    columns: list[tuple[Column, Show]] = []
    if len({row["tokenizer"] for row in rows} - {"-", ""}) > 1:
        columns.append((Column("Tokenizer"), worded("tokenizer", wording.tokenizer)))
    if len({row["direction"] for row in rows} - {"-", ""}) > 1:
        columns.append((Column("Direction"), worded("direction", wording.direction)))
    return columns


def _variant(experiment: Experiment, row: Row) -> Cell:
    chosen = experiment.chosen_title(row)
    return Cell(f"{row['title']} = {chosen}" if chosen else row["title"])


def _verdict(experiment: Experiment, row: Row) -> Cell:
    return Cell("reference" if experiment.is_reference(row) else row["verdict"], verdict=True)


def _needed(row: Row) -> str:
    if row["n_needed"] or not row["seeds_needed"]:
        return wording.count(row["n_needed"])
    return wording.plural(number(row, "seeds_needed") or 0, "seed")


def _seeds(experiment: Experiment, row: Row) -> str:
    planned = len(experiment.paths(row))
    of = f" of {planned}" if planned > (number(row, "seeds") or planned) else ""
    return wording.count(row["seeds"]) + of + (DAGGER if few_seeds(row) else "")


def fold_remark(experiment: Experiment) -> str:
    """What must be said of the fold that is shown; mostly nothing."""
    if experiment.fold != "select":
        return ""
    made = {choice for row in experiment.rows for choice in experiment.choices(row)}
    chosen = [words for choice, words in CHOICES.items() if choice in made]
    none = dict.fromkeys(row["title"] for row in experiment.rows if not experiment.choices(row))
    if not chosen:
        return "The same fold is there to choose by, but no row chose anything."
    text = f"The same fold chose {wording.listing(chosen)}, so errors of those rows are too low"
    if not none:
        return f"{text}."
    kept = "kept their best epoch" if "epoch" in made else "chose what suits it"
    return (
        f"{text}. {wording.listing(none)} chose nothing on it, while the other rows {kept}, which "
        "favours them."
    )


def _caption(experiment: Experiment) -> str:
    same = setting(experiment)
    fold = f"Errors on the {experiment.fold} fold"
    parts = (
        experiment.caption,
        f"{fold}: {same}." if same else f"{fold}.",
        fold_remark(experiment),
    )
    return " ".join(part for part in parts if part)


def _notes(experiment: Experiment) -> list[str]:
    notes = []
    if experiment.references:
        notes.append(
            "Difference: percentage points, line minus reference; below zero is better than the "
            "reference. Holm: p corrected for all comparisons of this table."
        )
    if any(row["n_needed"] or row["seeds_needed"] for row in experiment.rows):
        notes.append(
            "n needed: documents that would tell a difference of the size observed in four of five "
            "studies, given the chance observed, at the significance that Holm's correction leaves "
            "to this comparison here (two-sided 5 % or less); where no number of documents would "
            "do, the seeds a line."
        )
    if any(few_seeds(row) for row in experiment.rows):
        notes.append(
            f"{DAGGER} Fewer than {FEW_SEEDS} seeds: nothing is claimed beyond these models."
        )
    if any(row["chosen"] for row in experiment.rows):
        notes.append(
            "A line that stands for the better of several was chosen on the select fold"
            + (", not on the fold shown." if experiment.fold != "select" else ", which is shown.")
        )
    if any(row["published"] for row in experiment.rows):
        notes.append(
            "Published: error of the paper "
            + ("on the test set" if experiment.fold == "test" else PAPERS_DIVISION)
            + ". Its interval is that of its documents: the paper says nothing of runs. "
            "Reproduced: the 95 % interval of the difference holds zero; nothing is said below "
            f"{FEW_SEEDS} seeds."
        )
    if experiment.quoted:
        notes.append(f"The paper quotes, {_quotes(experiment)}.")
    if readers := experiment.readers_of_test_text():
        notes.append(
            f"Language models that have read the text of the test documents, never their labels: "
            f"{wording.listing(readers)}."
        )
    return notes


def _quotes(experiment: Experiment) -> str:
    by_dataset: dict[str, list[str]] = {}
    for row in experiment.quoted:
        by_dataset.setdefault(row["dataset"], []).append(f"{row['title']} {row['error']} %")
    return "; ".join(f"on {dataset}: {', '.join(rows)}" for dataset, rows in by_dataset.items())


def _interval(column: str, places: int, *, sign: bool = False) -> Show:
    def show(row: Row) -> Cell:
        low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
        return Cell(wording.interval(low, high, places, sign=sign), row[f"{column}_low"])

    return show


def _p(column: str) -> Show:
    return lambda row: Cell(wording.p_value(number(row, column)), row[column])
