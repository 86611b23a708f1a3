"""What the tables say, as sentences: only numbers, intervals and verdicts that stand in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ulmfit.report import wording
from ulmfit.report.results import Experiment, Row, Study, number
from ulmfit.report.sheets import few_seeds, fold_remark

OPPOSITE = {"better": "worse", "worse": "better"}
ORDER = ("better", "worse", "not distinguished")


@dataclass(frozen=True)
class Comparison:
    """The reference against all lines of one verdict, from the reference's side."""

    verdict: str
    clauses: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What one group of lines (equal data set and labels) of one experiment says.

    ``crossings``: how many labels its lines take to be as good as others, said of the first group
    of a data set.
    """

    experiment: str
    title: str
    lead: str
    comparisons: tuple[Comparison, ...]
    crossings: tuple[str, ...] = ()


def findings(experiments: Sequence[Experiment], crossings: Sequence[Row] = ()) -> list[Finding]:
    """One finding a group of each experiment that has a reference, in order.

    A group whose lines all stand in an earlier finding is not said again; where a line stands for
    the better of several, only that line is named.
    """
    found = []
    said: list[set[tuple[str, str]]] = []
    stated: dict[tuple[str, str], list[str]] = {}
    for row in crossings:
        if row["statement"]:
            stated.setdefault((row["experiment"], row["dataset"]), []).append(row["statement"])
    for experiment in experiments:
        for group in experiment.groups():
            reference = experiment.reference(group[0])
            lines = {(row["cell"], experiment.fold) for row in group}
            if reference is None or number(reference, "error") is None:
                continue
            if not any(lines <= earlier for earlier in said):
                said.append(lines)
                finding = _finding(experiment, group, reference)
                place = (experiment.name, group[0]["dataset"])
                found.append(replace(finding, crossings=tuple(stated.pop(place, ()))))
    return found


def telling_crossing(study: Study) -> str:
    """With how many labels the reference is as good as the worst model with its most.

    Of the first experiment whose interval bounds the number from above, so that it claims something
    of what the reference spares; empty if there is none, or if the rows have too few seeds.
    """
    for experiment in study.experiments:
        for row in study.crossings:
            lines = [line for line in experiment.rows if _behind(line, row)]
            if (
                row["experiment"] == experiment.name
                and row["statement"]
                and row["cell"] in experiment.references.values()
                and row["of_n_labelled"] != row["smallest"]
                and row["high"]
                and not any(map(few_seeds, lines))
            ):
                return row["statement"]
    return ""


def _behind(line: Row, crossing: Row) -> bool:
    """Whether a line of the table is the other row of a crossing, or the row at some size."""
    keys = ("dataset", "variant", "title", "tokenizer", "direction")
    return line["cell"] == crossing["of_cell"] or all(line[key] == crossing[key] for key in keys)


def _finding(experiment: Experiment, group: Sequence[Row], reference: Row) -> Finding:
    places = wording.decimals(experiment.rows)
    bounds = wording.interval(
        number(reference, "error_low"), number(reference, "error_high"), places
    )
    size = f"{wording.N_IS}{wording.count(reference['n'])}, {_seeds(reference)}"
    error = wording.percent(number(reference, "error"), places)
    lead = (
        f"{reference['title']} makes {error} % errors on the {experiment.fold} fold {bounds} "
        f"({size}; {reference['dataset']}, {wording.labels(reference['n_labelled'])})"
    )
    if remark := fold_remark(experiment):
        lead = f"{remark} {lead}"
    sides: dict[str, list[str]] = {}
    members = {name for row in group for name in experiment.candidates(row)}
    for row, name in zip(group, wording.distinct_titles(group), strict=True):
        if row is not reference and row["difference"] and row["cell"] not in members:
            verdict = OPPOSITE.get(row["verdict"], row["verdict"])
            sides.setdefault(verdict, []).append(_clause(row, name, places))
    ordered = sorted(sides, key=lambda side: ORDER.index(side) if side in ORDER else len(ORDER))
    return Finding(
        experiment.name,
        experiment.title,
        lead + (":" if sides else "."),
        tuple(Comparison(side, tuple(sides[side])) for side in ordered),
    )


def _clause(row: Row, name: str, places: int) -> str:
    """``11.2 points fewer than From scratch [10.0, 12.4]``: bounds count in the same direction."""
    difference = number(row, "difference") or 0.0
    low, high = number(row, "difference_low"), number(row, "difference_high")
    fewer = difference >= 0
    if not fewer and low is not None and high is not None:
        low, high = -high, -low
    direction = "fewer" if fewer else "more"
    bounds = wording.interval(low, high, places)
    few = f", {_seeds(row)}" if few_seeds(row) else ""
    return (
        f"{wording.percent(abs(difference), places)} points {direction} than {name} {bounds}{few}"
    )


def _seeds(row: Row) -> str:
    return wording.plural(number(row, "seeds") or 0, "seed")
