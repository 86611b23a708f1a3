"""How the numbers of an experiment's table come from its runs: terms, formula, and what they give.

Each is worked out again from the predictions, by the formula that its lines state, so that a table
that is older than its runs, or made by other code, is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ulmfit.evaluate.calibration import reliability
from ulmfit.evaluate.cells import Cell, Study, fewest_seeds
from ulmfit.evaluate.experiments import reference_of
from ulmfit.evaluate.metrics import confusion_matrix
from ulmfit.evaluate.statistics import (
    FEWEST_SEEDS,
    SIGNIFICANCE,
    Chances,
    Side,
    Wrong,
    chances,
    wilson,
)

Number = float | int | str | None


@dataclass(frozen=True)
class Derived:
    """Lines that say how a number comes about, and the number; None where the cell is empty."""

    lines: tuple[str, ...]
    value: Number


@dataclass(frozen=True)
class Place:
    """A row of an experiment's table: the cell behind it, and the experiment of the manifest."""

    study: Study
    experiment: Mapping[str, Any]
    cell: Cell

    @cached_property
    def every(self) -> list[Cell]:
        """All cells of the table."""
        fold = self.experiment["fold"]
        return [self.study.cell(entry, fold) for entry in self.experiment["cells"]]

    @cached_property
    def reference(self) -> Cell | None:
        """What the row is compared with; None if with nothing, or if it is the reference itself."""
        wanted = (self.experiment["reference"] or {}).get("/".join(self.cell.group))
        entries = [entry for entry in self.experiment["cells"] if entry["id"] == wanted]
        fold = self.experiment["fold"]
        by_id = {str(entry["id"]): self.study.cell(entry, fold) for entry in entries}
        found = reference_of(dict(self.experiment), self.cell, by_id)
        return None if found is None or found.runs == self.cell.runs else found

    @property
    def tested(self) -> bool:
        """Whether the comparison has seeds enough to claim anything."""
        seeds = fewest_seeds([self.cell, self.reference or self.cell])
        return seeds is None or seeds >= FEWEST_SEEDS

    @cached_property
    def of_difference(self) -> Chances:
        """What chance does to the difference from the reference."""
        sides = [(1.0, self.cell), (-1.0, self.reference or self.cell)]
        return chances([(weight, Side.of(cell.wrong)) for weight, cell in sides])

    def by_run(self, texts: Iterable[str]) -> list[str]:
        """One line a run: its seed, a text and its folder."""
        return [
            f"seed {self.study.runs[run]['seed']}: {text}  {run}"
            for run, text in zip(self.cell.runs, texts, strict=True)
        ]


def mean(values: Sequence[float], of: str = "mean over runs") -> tuple[str, float]:
    """(a line with the terms of a mean, the mean)."""
    value = float(np.mean(values))
    terms = " + ".join(f"{each:.6f}" for each in values)
    return f"{of}: ({terms}) / {len(values)} = {value!r}", value


def f1_of_classes(cell_label: Any, predicted: Any, classes: Sequence[str]) -> tuple[str, float]:
    """(the F1 of each class that occurs and their mean in words, the mean)."""
    counts = confusion_matrix(cell_label, predicted, len(classes))
    right, support = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    each = {
        name: 2 * int(right[index]) / int(support[index])
        for index, name in enumerate(classes)
        if support[index]
    }
    value = float(np.mean(list(each.values())))
    terms = " + ".join(f"{f1:.4f} ({name})" for name, f1 in each.items())
    return f"({terms}) / {len(each)} = {value:.6f}", value


F1 = (
    "macro F1 of a run: the mean over the classes that occur of F1 = 2 x right / (documents of the "
    "class + documents taken for it)"
)


def _seeds(place: Place) -> Derived:
    return Derived(("number of runs behind the row:", *place.cell.runs), len(place.cell.runs))


def _n(place: Place) -> Derived:
    fold = place.experiment["fold"]
    return Derived(
        (f"documents of the fold {fold} that each run predicts",), len(place.cell.document)
    )


def _n_labelled(place: Place) -> Derived:
    return Derived(("a setting of the study",), str(place.cell.entry["n_labelled"]))


def _labelled(place: Place) -> Derived:
    return Derived(
        ("labelled documents that the first run was trained on, by the study or its card",),
        place.cell.labelled,
    )


def error(place: Place) -> Derived:
    wrong = place.cell.wrong
    runs, n = wrong.shape
    counts = [int(run.sum()) for run in wrong]
    value = sum(counts) / (runs * n)
    lines = [f"{count} / {n} = {count / n:.6f}" for count in counts]
    total = f"mean: ({' + '.join(map(str, counts))}) / ({runs} x {n}) = {value!r}"
    return Derived((*place.by_run(lines), total), value)


def half_width(found: Chances) -> tuple[list[str], float]:
    """(lines on the variances of seeds and documents, half the width of the 95 % interval)."""
    from scipy.special import stdtrit

    quantile = 1 - SIGNIFICANCE / 2
    t_seeds = float(stdtrit(found.seed_degrees, quantile))
    t_documents = float(stdtrit(found.document_degrees, quantile))
    half = math.sqrt(t_seeds**2 * found.seeds + t_documents**2 * found.documents)
    return [
        f"seeds: variance of the mean {found.seeds:.6g}, {found.seed_degrees:.4g} degrees of "
        f"freedom, t = {t_seeds:.6g}",
        f"documents: variance of the mean {found.documents:.6g}, without the seeds' chance on "
        f"single documents; {found.document_degrees:.4g} degrees of freedom, t = {t_documents:.6g}",
        f"half-width: sqrt(t^2 x variance of seeds + t^2 x variance of documents) = {half!r}",
    ], half


def interval(wrong: Wrong) -> tuple[list[str], float, float]:
    """(lines, low, high) of the 95 % interval of an error."""
    runs, n = wrong.shape
    errors = int(wrong.sum())
    value = errors / (runs * n)
    low, high = wilson(round(value * n), n)
    if runs == 1:
        told = f"Wilson interval of {errors} / {n} (one run: documents alone)"
        return [f"{told} = [{low!r}, {high!r}]"], low, high
    lines, half = half_width(chances([(1.0, Side.of(wrong))]))
    least, most = value - half, value + half
    lines.append(f"{value!r} -+ half-width = [{least!r}, {most!r}], within 0 and 1")
    if errors in (0, runs * n):
        least, most = min(least, low), max(most, high)
        lines.append(f"always right or always wrong: as wide as Wilson's [{low!r}, {high!r}]")
    return lines, max(0.0, least), min(1.0, most)


def _error_bound(end: int) -> Callable[[Place], Derived]:
    def made(place: Place) -> Derived:
        lines, *ends = interval(place.cell.wrong)
        return Derived((*error(place).lines, *lines), ends[end])

    return made


def _error_of_runs(what: str, of: Callable[[Any], Any], fewest: int) -> Callable[[Place], Derived]:
    def made(place: Place) -> Derived:
        rates = place.cell.wrong.mean(axis=1)
        lines = [*place.by_run(f"error {float(rate)!r}" for rate in rates), what]
        return Derived(tuple(lines), float(of(rates)) if len(rates) >= fewest else None)

    return made


def _macro_f1(place: Place) -> Derived:
    cell = place.cell
    found = [f1_of_classes(cell.label, run, cell.classes) for run in cell.predicted]
    line, value = mean([each for _, each in found])
    return Derived((F1, *place.by_run(text for text, _ in found), line), value)


def _ece(place: Place) -> Derived:
    cell, n = place.cell, len(place.cell.document)
    lines = [
        "calibration error of a run: bins of the confidence (largest probability); sum over bins "
        f"of documents x |accuracy - confidence| / {n}"
    ]
    found = []
    for run, probability in zip(cell.runs, cell.probability, strict=True):
        bins = reliability(probability[None], cell.label)
        apart = [part.documents * abs(part.accuracy - part.confidence) for part in bins]
        found.append(sum(apart) / n)
        lines.append(f"seed {place.study.runs[run]['seed']}: {found[-1]:.6f}  {run}")
        lines += [
            f"  ({part.low:.4f}, {part.high:.4f}]: {part.documents} x "
            f"|{part.accuracy:.6f} - {part.confidence:.6f}| = {each:.6f}"
            for part, each in zip(bins, apart, strict=True)
        ]
    line, value = mean(found)
    return Derived((*lines, line), value)


def _brier(place: Place) -> Derived:
    cell, n = place.cell, len(place.cell.document)
    sums = []
    for probability in cell.probability.astype(np.float64):
        target = np.eye(len(cell.classes))[cell.label]
        sums.append(float(((probability - target) ** 2).sum()))
    line, value = mean([each / n for each in sums])
    told = "Brier score of a run: mean over documents of the squared distances to the label (1 for "
    texts = [f"{each:.6f} / {n} = {each / n:.6f}" for each in sums]
    return Derived((f"{told}its class, 0 for others), summed", *place.by_run(texts), line), value)


def _n_unique(place: Place) -> Derived:
    copied = place.cell.copied
    if copied is None:
        return Derived(("duplicates were not counted",), None)
    n, found = len(copied), int(copied.sum())
    told = "documents less those of which something trained on has a copy"
    return Derived((f"{told}: {n} - {found} = {n - found}",), n - found)


def _unique(which: int) -> Callable[[Place], Derived]:
    def made(place: Place) -> Derived:
        copied = place.cell.copied
        if copied is None or copied.all():
            return Derived(_n_unique(place).lines, None)
        wrong = place.cell.wrong[:, ~copied]
        runs, n = wrong.shape
        counts = [int(run.sum()) for run in wrong]
        value = sum(counts) / (runs * n)
        lines, low, high = interval(wrong)
        told = place.by_run(f"{count} / {n} = {count / n:.6f}" for count in counts)
        total = f"mean: ({' + '.join(map(str, counts))}) / ({runs} x {n}) = {value!r}"
        shown = lines if which else []
        return Derived((*_n_unique(place).lines, *told, total, *shown), (value, low, high)[which])

    return made


COLUMNS: Mapping[str, Callable[[Place], Derived]] = {
    "seeds": _seeds,
    "n": _n,
    "n_labelled": _n_labelled,
    "labelled": _labelled,
    "error": error,
    "error_low": _error_bound(0),
    "error_high": _error_bound(1),
    "error_sd": _error_of_runs(
        "standard deviation, with the number of runs less one; empty for one run",
        lambda rates: rates.std(ddof=1),
        2,
    ),
    "error_min": _error_of_runs("the smallest", np.min, 1),
    "error_max": _error_of_runs("the largest", np.max, 1),
    "macro_f1": _macro_f1,
    "ece": _ece,
    "brier": _brier,
    "n_unique": _n_unique,
    "error_unique": _unique(0),
    "error_unique_low": _unique(1),
    "error_unique_high": _unique(2),
}
"""What makes each column of a row that is of the row alone, and no name."""
