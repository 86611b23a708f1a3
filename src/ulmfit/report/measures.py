"""Tables beside those of the experiments: further measures, crossings and costs of their rows."""

from __future__ import annotations

from collections.abc import Callable

from ulmfit.report import wording
from ulmfit.report.layout import Cell, Column, Line, Sheet, Show, counted, percent, plain
from ulmfit.report.results import Row, Study, number


def measure_sheet(study: Study) -> Sheet:
    """Macro-F1, calibration, and error without documents that have a copy, of every row."""
    places = wording.decimals([row for item in study.experiments for row in item.rows])
    first = _first(study)
    columns: list[tuple[Column, Show]] = [
        (Column("Experiment"), plain("experiment")),
        *_row_columns(),
        (Column("Error %", True), percent("error", places)),
        (Column("Macro-F1 %", True), percent("macro_f1", 1)),
        (Column("ECE %", True), percent("ece", 1)),
        (Column("Brier", True), _decimals("brier", 3)),
        (Column("Documents without a copy", True), counted("n_unique")),
        (Column("Error % on these", True), percent("error_unique", places)),
        (Column("95 % interval", True), _interval("error_unique", places)),
    ]
    return Sheet(
        name="measures",
        title="Further measures",
        caption="Of every row, the mean over its runs: macro-F1, expected calibration error (ECE), "
        "Brier score, and the error on documents of which nothing that was trained on has a copy.",
        columns=tuple(column for column, _ in columns),
        groups=tuple(
            tuple(
                Line(tuple(show({**row, "experiment": item.title}) for _, show in columns))
                for row in item.rows
                if item.name == first[row["cell"], item.fold]
            )
            for item in study.experiments
        ),
        notes=(
            "ECE: 15 bins of equal width; it depends on the number of documents. Brier: summed "
            "over classes, 0 to 2. A copy is a document of the fold fit, of the unlabelled text or "
            "of the corpus of pretraining with the same normalised text, or one that contains it.",
        ),
    )


def crossing_sheet(study: Study) -> Sheet:
    """How many labels each row needs to reach the others with their fewest labels.

    And the reference to reach the worst model with its most, as the abstract of the paper says.
    """
    titles = {item.name: item.title for item in study.experiments}
    rows = [
        row
        for row in study.crossings
        if row["statement"] or (row["of_n_labelled"] == row["smallest"] and row["place"] != "below")
    ]
    columns: list[tuple[Column, Show]] = [
        (Column("Experiment"), lambda row: Cell(titles.get(row["experiment"], row["experiment"]))),
        (Column("Data set"), plain("dataset")),
        (Column("Row"), plain("title")),
        (Column("is as good as"), plain("of_title")),
        (Column("with labels", True), counted("of_n_labelled")),
        (Column("from labels on", True), lambda row: Cell(_crossing(row), row["n_labelled"])),
        (Column("95 % interval", True), lambda row: Cell(_ends(row))),
        (Column("In words"), plain("statement")),
    ]
    return Sheet(
        name="crossings",
        title="Where rows cross",
        caption="The smallest number of labels at which a row is as good as another one with its "
        "fewest, and the reference as the worst other model with its most, by interpolation in the "
        "logarithm. Each interval is for one pair of rows, not corrected for the many pairs here.",
        columns=tuple(column for column, _ in columns),
        groups=(tuple(Line(tuple(show(row) for _, show in columns)) for row in rows),),
        notes=(
            "An interval that is open lies partly beyond the sizes that were measured; nothing is "
            "extrapolated. Of the first kind, a row that is as good with its own fewest labels is "
            "left out.",
        ),
    )


def row_cost_sheet(study: Study) -> Sheet:
    """What each row costs with all its stages, beside its error."""
    titles, first = {item.name: item.title for item in study.experiments}, _first(study)
    places = wording.decimals([row for item in study.experiments for row in item.rows])
    columns: list[tuple[Column, Show]] = [
        *_row_columns(),
        (Column("Error %", True), percent("error", places)),
        (Column("Wall time", True), _duration("wall_s")),
        (Column("CPU time", True), _duration("cpu_s")),
        (Column("Tokens", True), counted("tokens")),
        (Column("Parameters trained", True), counted("parameters_trained")),
        (Column("What"), plain("what")),
    ]
    groups = {
        name: [
            row
            for row in study.costs
            if row["experiment"] == name and first.get((row["cell"], row["fold"])) == name
        ]
        for name in dict.fromkeys(row["experiment"] for row in study.costs)
    }
    return Sheet(
        name="costs",
        title="Cost beside error",
        caption="What a row costs with all its stages; one that several rows share counts in full "
        "for each.",
        columns=(Column("Experiment"), *(column for column, _ in columns)),
        groups=tuple(
            tuple(
                Line((Cell(titles.get(name, name)), *(show(row) for _, show in columns)))
                for row in rows
            )
            for name, rows in groups.items()
        ),
        notes=(
            "Tokens: those that training read, each as often as it was read, all stages. "
            "Parameters: those that training the classifier changed.",
        ),
    )


def _first(study: Study) -> dict[tuple[str, str], str]:
    """The first experiment that shows a cell on a fold: others need not say the same again."""
    shown = [(row["cell"], item.fold, item.name) for item in study.experiments for row in item.rows]
    return {(cell, fold): name for cell, fold, name in reversed(shown)}


def _row_columns() -> list[tuple[Column, Show]]:
    return [
        (Column("Data set"), plain("dataset")),
        (Column("Labels", True), counted("n_labelled")),
        (Column("Variant"), plain("title")),
    ]


def _interval(column: str, places: int) -> Show:
    def show(row: Row) -> Cell:
        low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
        return Cell(wording.interval(low, high, places), row[f"{column}_low"])

    return show


def _shown(write: Callable[[float], str]) -> Callable[[str], Show]:
    def of(column: str) -> Show:
        def show(row: Row) -> Cell:
            value = number(row, column)
            return Cell("" if value is None else write(value), row[column])

        return show

    return of


def _decimals(column: str, places: int) -> Show:
    return _shown(lambda value: wording.fixed(value, places))(column)


def _duration(column: str) -> Show:
    return _shown(wording.duration)(column)


def _crossing(row: Row) -> str:
    """The number, or on which side of the measured sizes it lies."""
    if row["place"] == "below":
        return f"at most {wording.count(row['smallest'])}"
    if row["place"] == "beyond":
        return f"more than {wording.count(row['largest'])}"
    return wording.count(row["n_labelled"])


def _ends(row: Row) -> str:
    low = wording.count(row["low"]) or f"below {wording.count(row['smallest'])}"
    high = wording.count(row["high"]) or f"above {wording.count(row['largest'])}"
    return f"[{low},\N{NO-BREAK SPACE}{high}]"
