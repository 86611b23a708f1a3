"""Does the order of the paper's rows hold here? Its differences to ULMFiT beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ulmfit.report import wording
from ulmfit.report.layout import Cell, Column, Line, Sheet
from ulmfit.report.results import Study
from ulmfit.report.techniques import Technique, Worth, compared, worth

Pair = Mapping[str, str]
"""What the paper prints for a row and for ULMFiT on one of its data sets, in per cent."""

HOLDS, TURNED, UNTOLD = "holds", "turned round", "cannot be told"
DIFFER = "the paper's own differ"


def orderings_sheet(study: Study) -> Sheet:
    """Every row that the paper compares with ULMFiT, and whether ours have the same order."""
    pairs: Mapping[str, Sequence[Pair]] = study.manifest.get("orderings") or {}
    theirs = {pair["dataset"]: pair["title"] for row in pairs.values() for pair in row}
    datasets = dict.fromkeys(run["dataset"] for run in study.runs)
    return Sheet(
        name="orderings",
        title="Orderings of the paper",
        caption="Points of error that a row has more than ULMFiT, in the paper's Tables 4 to 7 and "
        "here, with the 95 % interval.",
        columns=(
            Column("Data set"),
            Column("Variant"),
            *(Column(f"Paper, {title}", True) for title in theirs.values()),
            Column("Ours", True),
            Column("95 % interval", True),
            Column("Ordering"),
        ),
        groups=tuple(tuple(_lines(study, dataset, pairs, theirs)) for dataset in datasets),
        notes=(
            "Ordering: whether the difference has the sign of the paper's, on the same data set if "
            "the paper has it, else on all of its own; it holds or is turned round only where ours "
            "is told from zero, after Holm's correction in every table that has it. The report "
            "fold and the most labels count. A part of a data set is another data set.",
            "The paper does not say how many runs stand behind an error. A tenth of its training "
            "sets would be 2,500 (IMDb), 545 (TREC-6) and 12,000 documents (AG's News): most of "
            "its differences are within the chance of so many.",
        ),
    )


def _lines(
    study: Study, dataset: str, pairs: Mapping[str, Sequence[Pair]], theirs: Iterable[str]
) -> Iterable[Line]:
    lines = compared(study, dataset)
    places = wording.decimals(row for _, row, _ in lines)
    for variant, row in pairs.items():
        ours = worth(lines, Technique(variant, variant))
        if ours is not None:
            printed = {pair["dataset"]: pair for pair in row}
            yield Line(
                (
                    Cell(dataset, dataset),
                    Cell(ours.title, ours.title),
                    *(_theirs(printed.get(name)) for name in theirs),
                    Cell(wording.points(ours.points, places), str(ours.points)),
                    Cell(wording.interval(ours.low, ours.high, places, sign=True)),
                    Cell(ordering(ours, dataset, row)),
                )
            )


def ordering(ours: Worth, dataset: str, row: Sequence[Pair]) -> str:
    """Whether our difference of a row to ULMFiT has the sign of the paper's."""
    same = [pair for pair in row if pair["dataset"] == dataset]
    signs = {_points(pair) > 0 for pair in same or row}
    if len(signs) > 1:
        return DIFFER
    if ours.verdict not in ("worth it", "harmful"):
        return UNTOLD
    return HOLDS if signs == {ours.verdict == "worth it"} else TURNED


def _theirs(pair: Pair | None) -> Cell:
    if pair is None:
        return Cell("")
    digits = len(pair["error"].partition(".")[2])
    return Cell(wording.points(_points(pair), digits), str(_points(pair)))


def _points(pair: Pair) -> float:
    return (float(pair["error"]) - float(pair["ulmfit"])) / 100
