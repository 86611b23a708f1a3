"""Tables of what was trained and measured: language models, runs, confusion, cost, disk use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ulmfit.report import wording
from ulmfit.report.cards import STAGES
from ulmfit.report.layout import Cell, Column, Line, Sheet, Show, counted, percent, plain, worded
from ulmfit.report.results import Experiment, Row, Study, number


def language_model_sheet(study: Study) -> Sheet:
    """One line a language model: perplexity on its validation text before and after training."""
    rows = study.language_models
    columns: list[tuple[Column, Show]] = [
        (Column("Stage"), worded("stage", lambda stage: wording.STAGES.get(stage, stage))),
        (Column("Model"), plain("name")),
        (Column("Text"), lambda row: Cell(_text(study, row))),
        (Column("Tokenizer"), worded("tokenizer", wording.tokenizer)),
        (Column("Direction"), worded("direction", wording.direction)),
        (Column("Seed", True), counted("seed")),
        (Column("Epochs", True), counted("epochs")),
        (Column("Perplexity before", True), _perplexity("valid_perplexity_before")),
        (Column("Perplexity", True), _perplexity("valid_perplexity")),
        (Column("Accuracy %", True), percent("valid_accuracy", 1)),
        (Column("CPU time", True), _duration("cpu_s")),
        (Column("Tokens/s", True), counted("tokens_per_s")),
        (Column("Device"), plain("device")),
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
        (Column("Data set"), plain("dataset")),
        (Column("Labels", True), counted("n_labelled")),
        (Column("Variant"), plain("title")),
        (Column("Tokenizer"), worded("tokenizer", wording.tokenizer)),
        (Column("Direction"), worded("direction", wording.direction)),
        (Column("Seed", True), counted("seed")),
        (Column("Fold"), plain("fold")),
        (Column("n", True), counted("n")),
        (Column("Errors", True), counted("errors")),
        (Column("Error %", True), percent("error", wording.decimals(study.runs))),
        (Column("Macro-F1 %", True), percent("macro_f1", 1)),
        (Column("Recipe"), plain("recipe_digest")),
        (Column("Folder"), plain("path")),
    ]
    return Sheet(
        name="runs",
        title="All runs",
        caption="One line a run and fold: wrong documents out of n.",
        columns=tuple(column for column, _ in columns),
        groups=_by(study.runs, ("dataset", "n_labelled"), columns),
    )


def confusion_sheets(study: Study, experiment: Experiment) -> list[Sheet]:
    """Documents by label and predicted class, for each line that others are compared with."""
    sheets = []
    for line in filter(experiment.is_reference, experiment.rows):
        where = f"{line['title']}, {line['dataset']}, {wording.labels(line['n_labelled'])}"
        sheet = confusion_sheet(
            [
                row
                for row in study.confusion
                if (row["experiment"], row["cell"]) == (experiment.name, line["cell"])
            ],
            f"Confusion of classes: {where}",
            f"Documents of the {experiment.fold} fold by label (lines) and predicted class "
            f"(columns), added up over {_seeds_of(line)}: {where}.",
        )
        sheets += [sheet] if sheet else []
    return sheets


def confusion_sheet(rows: Sequence[Row], title: str, caption: str) -> Sheet | None:
    """Documents by label (lines) and predicted class (columns); None without rows."""
    counts = {(row["label"], row["predicted"]): row for row in rows}
    # A class that no document has may be predicted all the same.
    classes = list(dict.fromkeys([*(label for label, _ in counts), *(name for _, name in counts)]))
    if not classes:
        return None
    return Sheet(
        name="",
        title=title,
        caption=caption,
        columns=(Column("Label"), *(Column(name, True) for name in classes)),
        groups=(tuple(_confusion_line(counts, label, classes) for label in classes),),
    )


def _confusion_line(
    counts: Mapping[tuple[str, str], Row], label: str, classes: Sequence[str]
) -> Line:
    values = [number(counts.get((label, name), {}), "count") or 0.0 for name in classes]
    whole = sum(values) or 1.0
    cells = (Cell(wording.count(value), f"{value:.0f}", share=value / whole) for value in values)
    return Line((Cell(label, label), *cells))


def _seeds_of(row: Row) -> str:
    return wording.plural(number(row, "seeds") or 0, "seed")


def cost_sheet(cost: Mapping[str, Mapping[str, float]]) -> Sheet:
    """Trainings, wall and CPU time and peak memory of each stage, and in total."""
    columns = (
        Column("Stage"),
        Column("Trainings", True),
        Column("Wall time", True),
        Column("CPU time", True),
        Column("Peak memory", True),
    )
    lines = tuple(
        Line(
            (
                Cell(wording.STAGES.get(stage, stage), stage),
                Cell(wording.count(values["jobs"]), str(values["jobs"])),
                Cell(wording.duration(values["wall_s"]), str(values["wall_s"])),
                Cell(wording.duration(values["cpu_s"]), str(values["cpu_s"])),
                Cell(
                    wording.size(values["peak_memory_mib"] * 2**20), str(values["peak_memory_mib"])
                ),
            ),
            strong=stage == "total",
        )
        for stage in (*STAGES, "total")
        if (values := cost.get(stage))
    )
    caption = "Cost of all trainings by stage, from the models' cards."
    # The sum stays at the bottom when the reader sorts.
    return Sheet("", "Cost", caption, columns, (lines[:-1], lines[-1:]))


def disk_sheet(disk: Mapping[str, int]) -> Sheet:
    """Size of each folder of the results, and their sum."""
    lines = tuple(
        Line((Cell(f"{folder}/", folder), Cell(wording.size(size), str(size))))
        for folder, size in disk.items()
    )
    total = sum(disk.values())
    last = Line((Cell("total"), Cell(wording.size(total), str(total))), strong=True)
    columns = (Column("Folder"), Column("Size", True))
    return Sheet("", "Disk use", "Disk use by folder of the results.", columns, (lines, (last,)))


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


def _text(study: Study, row: Row) -> str:
    size = "" if row["n_text"] == "all" else wording.count(row["n_text"])
    about = ", ".join(filter(None, (size, study.after(row))))
    text = row["dataset"] or row["corpus"]
    return f"{text} ({about})" if about else text


def _perplexity(column: str) -> Show:
    def show(row: Row) -> Cell:
        value = number(row, column)
        if value is None:
            return Cell("")
        return Cell(wording.fixed(value, 1 if value < 1000 else 0), row[column])

    return show


def _duration(column: str) -> Show:
    return lambda row: Cell(wording.duration(number(row, column)), row[column])
