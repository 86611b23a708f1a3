"""Tables as a reader sees them, before they become Markdown or HTML: both show the same sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ulmfit.report import wording
from ulmfit.report.results import Experiment, Row, Study, number

FEW_SEEDS = 3
"""Below so many seeds an interval says nothing beyond those models."""
DAGGER = "\N{DAGGER}"


@dataclass(frozen=True)
class Cell:
    """What one cell shows, and the value of the file behind it (for sorting and for checking)."""

    text: str
    value: str = ""
    verdict: bool = False


@dataclass(frozen=True)
class Column:
    """A heading; numbers stand to the right."""

    heading: str
    numeric: bool = False


@dataclass(frozen=True)
class Line:
    """The cells of one line; a strong line is what the others are compared with."""

    cells: tuple[Cell, ...]
    strong: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table: ``groups`` are lines that belong together, ``notes`` stand below."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[Line, ...], ...]
    notes: tuple[str, ...] = ()


Show = Callable[[Row], Cell]


def experiment_sheet(experiment: Experiment) -> Sheet:
    """The table of one experiment: errors in per cent, differences in percentage points."""
    rows, places = experiment.rows, wording.decimals(experiment.rows)
    columns: list[tuple[Column, Show]] = [
        *_setting_columns(rows),
        (Column("Variant"), lambda row: _variant(experiment, row)),
        *_reading_columns(rows),
        (Column("Seeds", True), lambda row: Cell(_seeds(row), row["seeds"])),
        (Column("n", True), _counted("n")),
        (Column("Error %", True), _percent("error", places)),
        (Column("95 % interval", True), _interval("error", places)),
    ]
    if any(row["difference"] for row in rows):
        columns += [
            (Column("Difference", True), _percent("difference", places, wording.points)),
            (Column("95 % interval", True), _interval("difference", places, sign=True)),
            (Column("p (Holm)", True), _p("p_holm")),
            (Column("Verdict"), lambda row: _verdict(experiment, row)),
        ]
    if any(row["published"] for row in rows):
        columns.append((Column("Published %", True), _percent("published", 2)))
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


def language_model_sheet(study: Study) -> Sheet:
    """One line a language model: perplexity on its validation text before and after training."""
    rows = study.language_models
    columns: list[tuple[Column, Show]] = [
        (Column("Stage"), lambda row: Cell(wording.STAGES.get(row["stage"], row["stage"]))),
        (Column("Model"), _plain("name")),
        (Column("Text"), lambda row: Cell(_text(row))),
        (Column("Tokenizer"), lambda row: Cell(wording.tokenizer(row["tokenizer"]))),
        (Column("Direction"), lambda row: Cell(wording.direction(row["direction"]))),
        (Column("Seed", True), _counted("seed")),
        (Column("Epochs", True), _counted("epochs")),
        (Column("Perplexity before", True), _fixed("valid_perplexity_before", 1)),
        (Column("Perplexity", True), _fixed("valid_perplexity", 1)),
        (Column("Accuracy %", True), _percent("valid_accuracy", 1)),
        (Column("CPU time", True), _duration("cpu_s")),
        (Column("Tokens/s", True), _counted("tokens_per_s")),
        (Column("Device"), _plain("device")),
    ]
    return Sheet(
        name="language_models",
        title="Language models",
        caption="Validation perplexity before and after training, one line a model.",
        columns=tuple(column for column, _ in columns),
        groups=_by(rows, ("stage", "dataset"), columns),
        notes=("Perplexities of different tokenizers or vocabularies are not comparable.",),
    )


def run_sheet(study: Study) -> Sheet:
    """Every run and fold behind the tables, with the digest of its recipe."""
    columns: list[tuple[Column, Show]] = [
        (Column("Data set"), _plain("dataset")),
        (Column("Labels", True), _counted("n_labelled")),
        (Column("Variant"), _plain("title")),
        (Column("Tokenizer"), lambda row: Cell(wording.tokenizer(row["tokenizer"]))),
        (Column("Direction"), lambda row: Cell(wording.direction(row["direction"]))),
        (Column("Seed", True), _counted("seed")),
        (Column("Fold"), _plain("fold")),
        (Column("n", True), _counted("n")),
        (Column("Errors", True), _counted("errors")),
        (Column("Error %", True), _percent("error", wording.decimals(study.runs))),
        (Column("Macro-F1 %", True), _percent("macro_f1", 1)),
        (Column("Recipe"), _plain("recipe_digest")),
        (Column("Folder"), _plain("path")),
    ]
    return Sheet(
        name="runs",
        title="All runs",
        caption="One line a run and fold: wrong documents out of n.",
        columns=tuple(column for column, _ in columns),
        groups=_by(study.runs, ("dataset", "n_labelled"), columns),
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


def _by(
    rows: Sequence[Row], keys: tuple[str, ...], columns: Iterable[tuple[Column, Show]]
) -> tuple[tuple[Line, ...], ...]:
    found = list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))
    shows = [show for _, show in columns]
    return tuple(
        tuple(
            Line(tuple(show(row) for show in shows))
            for row in rows
            if tuple(row[key] for key in keys) == value
        )
        for value in found
    )


def _common(experiment: Experiment, column: str) -> list[str]:
    """The one value of a column over all lines (baselines have no tokenizer), or nothing."""
    values = {row[column] for row in experiment.rows if row[column] not in ("-", "")}
    return list(values) if len(values) == 1 else []


def _setting_columns(rows: Sequence[Row]) -> list[tuple[Column, Show]]:
    columns: list[tuple[Column, Show]] = []
    if len({row["dataset"] for row in rows}) > 1:
        columns.append((Column("Data set"), _plain("dataset")))
    if len({row["n_labelled"] for row in rows}) > 1:
        columns.append((Column("Labels", True), _counted("n_labelled")))
    return columns


def _reading_columns(rows: Sequence[Row]) -> list[tuple[Column, Show]]:
    columns: list[tuple[Column, Show]] = []
    if len({row["tokenizer"] for row in rows} - {"-", ""}) > 1:
        columns.append((Column("Tokenizer"), lambda row: Cell(wording.tokenizer(row["tokenizer"]))))
    if len({row["direction"] for row in rows} - {"-", ""}) > 1:
        columns.append((Column("Direction"), lambda row: Cell(wording.direction(row["direction"]))))
    return columns


def _variant(experiment: Experiment, row: Row) -> Cell:
    chosen = experiment.chosen_title(row)
    return Cell(f"{row['title']} = {chosen}" if chosen else row["title"])


def _verdict(experiment: Experiment, row: Row) -> Cell:
    return Cell("reference" if experiment.is_reference(row) else row["verdict"], verdict=True)


def _seeds(row: Row) -> str:
    return wording.count(row["seeds"]) + (DAGGER if few_seeds(row) else "")


def _text(row: Row) -> str:
    text = row["dataset"] or row["corpus"]
    return text if row["n_text"] in ("", "all") else f"{text} ({wording.count(row['n_text'])})"


def _caption(experiment: Experiment) -> str:
    same = setting(experiment)
    fold = f"Errors on the {experiment.fold} fold"
    return " ".join(
        part for part in (experiment.caption, f"{fold}: {same}." if same else f"{fold}.") if part
    )


def _notes(experiment: Experiment) -> list[str]:
    notes = []
    if experiment.references:
        notes.append(
            "Difference: percentage points, line minus reference; below zero is better than the "
            "reference. Holm: p corrected for all comparisons of this table."
        )
    if any(few_seeds(row) for row in experiment.rows):
        notes.append(
            f"{DAGGER} Fewer than {FEW_SEEDS} seeds: nothing is claimed beyond these models."
        )
    if any(row["chosen"] for row in experiment.rows):
        notes.append(
            "A line that stands for the better of several was chosen on the select fold, not on "
            "the fold shown."
        )
    if any(row["published"] for row in experiment.rows):
        notes.append(
            "Published: error of the paper on its own division of this data set, without interval."
        )
    return notes


def _plain(column: str) -> Show:
    return lambda row: Cell(row[column], row[column])


def _counted(column: str) -> Show:
    return lambda row: Cell(wording.count(row[column]), row[column])


def _fixed(column: str, places: int) -> Show:
    def show(row: Row) -> Cell:
        value = number(row, column)
        return Cell("" if value is None else wording.fixed(value, places), row[column])

    return show


def _duration(column: str) -> Show:
    return lambda row: Cell(wording.duration(number(row, column)), row[column])


def _percent(
    column: str, places: int, write: Callable[[float | None, int], str] = wording.percent
) -> Show:
    return lambda row: Cell(write(number(row, column), places), row[column])


def _interval(column: str, places: int, *, sign: bool = False) -> Show:
    def show(row: Row) -> Cell:
        low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
        return Cell(wording.interval(low, high, places, sign=sign), row[f"{column}_low"])

    return show


def _p(column: str) -> Show:
    return lambda row: Cell(wording.p_value(number(row, column)), row[column])
