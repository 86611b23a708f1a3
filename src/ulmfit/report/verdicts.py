"""How many comparisons of a study ended how, each counted once."""

from __future__ import annotations

from collections.abc import Iterable

from ulmfit.report import wording
from ulmfit.report.findings import OPPOSITE, ORDER
from ulmfit.report.results import Experiment

UNTOLD = "not distinguished"
FEW = "too few seeds"

Key = tuple[str, frozenset[frozenset[str]]]
"""The fold and the two sets of runs that are compared on it."""


def distinct_verdicts(experiments: Iterable[Experiment]) -> list[str]:
    """The verdict of each comparison, from the reference's side, in the order of the tables.

    The same two sets of runs on the same fold are one comparison, whichever tables it stands in and
    whatever its line is called there. Errors, intervals and p are then the same, but each table
    corrects p for the comparisons beside it, so a verdict may be "not distinguished" in one alone.
    That one counts: the sum must claim nothing that some table takes back, and must not depend on
    the order in which a study names its experiments.
    """
    found: dict[Key, str] = {}
    for experiment in experiments:
        for row in experiment.rows:
            reference = experiment.reference(row)
            if reference is None or not row["difference"] or not row["verdict"]:
                continue
            sides = (experiment.paths(row), experiment.paths(reference))
            key = (experiment.fold, frozenset(map(frozenset, sides)))
            said = OPPOSITE.get(row["verdict"], row["verdict"])
            if key not in found or said == UNTOLD:
                found[key] = said
    return list(found.values())


def verdict_sentence(experiments: Iterable[Experiment]) -> str:
    """One sentence: how many comparisons there are, and how they ended."""
    verdicts = distinct_verdicts(experiments)
    if not verdicts:
        return "No line is compared with another."
    told = [f"{verdict} in {verdicts.count(verdict)}" for verdict in ORDER if verdict in verdicts]
    few = verdicts.count(FEW)
    parts = [f"the reference is {wording.listing(told)}"] if told else []
    parts += [f"{few} {'rests' if few == 1 else 'rest'} on too few seeds"] if few else []
    return (
        f"Of {wording.plural(len(verdicts), 'distinct comparison')} in the tables, after Holm's "
        f"correction within each, {'; '.join(parts)}."
    )
