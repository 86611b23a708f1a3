"""How the numbers of the tables of facts come from runs and files: costs, curves, counts."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ulmfit.evaluate.arithmetic import COLUMNS as OF_ROW
from ulmfit.evaluate.arithmetic import F1, Derived, Place, f1_of_classes, mean
from ulmfit.evaluate.calibration import reliability
from ulmfit.evaluate.cells import Study
from ulmfit.evaluate.costs import parameters_trained, stages_behind
from ulmfit.evaluate.crossings import crossing, curves
from ulmfit.evaluate.hardest import pair_rows
from ulmfit.evaluate.leakage import leakage_rows
from ulmfit.evaluate.metrics import confusion_matrix, losses
from ulmfit.evaluate.statistics import SIGNIFICANCE, Side, chances
from ulmfit.store.files import read_json

Row = Mapping[str, str]


def derive_cost(place: Place, _: Row, column: str) -> Derived | None:
    """A column of ``costs.csv``: what the cards of all stages behind a row say."""
    if column in ("error", "n_labelled"):
        return OF_ROW[column](place)
    if column == "parameters_trained":
        return _parameters(place)
    if column not in ("wall_s", "cpu_s", "tokens"):
        return None
    lines = [f"{column} of the cards of all stages behind each run, a shared stage in full"]
    sums: list[float] = []
    for run in place.cell.runs:
        cards = list(stages_behind(place.study, run))
        known = [
            card[column] for card in cards if card is not None and card.get(column) is not None
        ]
        if len(known) < len(cards):
            lines.append(f"{run}: a card is missing, or has no {column}")
            return Derived(tuple(lines), None)
        sums.append(sum(float(value) for value in known))
        terms = " + ".join(
            f"{value} ({card['stage']})"
            for card, value in zip(cards, known, strict=True)
            if card is not None
        )
        lines.append(f"seed {place.study.runs[run]['seed']}: {terms} = {sums[-1]:.6f}  {run}")
    return Derived((*lines, mean(sums)[0]), sum(sums) / len(sums))


def _parameters(place: Place) -> Derived:
    lines = ["parameters of the layer groups that training the classifier changed; first run"]
    total = 0
    for card in place.study.cards(place.cell.runs[0]):
        count = parameters_trained(card)
        if count is None:
            return Derived((*lines, f"{card['stage']}: no such groups are known"), None)
        size, classes = card["vocabulary_size"], len(card["classes"])
        lines.append(f"{count}: recipe {card['recipe_digest']}, {size} words, {classes} classes")
        total += count
    return Derived((*lines, f"sum: {total}"), total)


def derive_crossing(place: Place, row: Row, column: str) -> Derived | None:
    """A column of ``crossings.csv``: where the errors of several sizes reach another row's."""
    # Of each pair of rows the smallest size stands for the curve.
    curve = next(each for each in curves(place.every) if each[0].entry["id"] == row["cell"])
    target = next(each for each in place.every if each.entry["id"] == row["of_cell"])
    points = [(cell.labelled or 0, Side.of(cell.wrong)) for cell in curve]
    smallest, largest = points[0][0], points[-1][0]
    aim = Side.of(target.wrong)
    lines = [
        f"{size} labels: mean error {float(side.by_document.mean())!r}" for size, side in points
    ]
    lines.append(f"to reach: {float(aim.by_document.mean())!r}, {target.entry['title']}")
    settings = {"smallest": smallest, "largest": largest}
    if column in settings:
        return Derived((*lines, f"the {column} number of labels measured"), settings[column])
    if column == "of_n_labelled":
        return Derived(("a setting of the study",), str(target.entry["n_labelled"]))
    if column not in ("n_labelled", "low", "high"):
        return None
    found = crossing(points, aim)
    value = {"n_labelled": found.labels, "low": found.low, "high": found.high}[column]
    sign, rule = {
        "n_labelled": (0, "the mean error is not above it"),
        "low": (-1, "difference less half-width of its 95 % interval falls to zero"),
        "high": (1, "difference plus half-width of its 95 % interval falls to zero"),
    }[column]
    lines.append(f"errors are linear in log(labels); the first number at which {rule}")
    if not 0 < value < math.inf:
        where = "the smallest size is enough already" if value == 0 else "no measured size is"
        shown = _beyond(column, value, smallest, largest)
        return Derived((*lines, f"{where}: {'empty' if shown is None else shown}"), shown)
    return Derived((*lines, *_at(points, aim, value, sign)), value)


def _beyond(column: str, value: float, smallest: int, largest: int) -> int | None:
    """What stands for an end beyond the measured sizes: the size next to an interval that lies
    there as a whole, else nothing."""
    if column == "low" and math.isinf(value):
        return largest
    return smallest if column == "high" and value == 0 else None


def _at(points: Sequence[tuple[int, Side]], aim: Side, labels: float, sign: int) -> list[str]:
    """The interpolation at a number of labels, term by term."""
    inner = [place for place, (size, _) in enumerate(points[:-1]) if size <= labels * (1 + 1e-12)]
    (size, first), (other, second) = points[inner[-1]], points[inner[-1] + 1]
    share = (math.log(labels) - math.log(size)) / (math.log(other) - math.log(size))
    one, two = float(first.by_document.mean()), float(second.by_document.mean())
    error = (1 - share) * one + share * two
    apart = error - float(aim.by_document.mean())
    lines = [
        f"share: (log {labels:.6f} - log {size}) / (log {other} - log {size}) = {share:.6f}",
        f"error there: {1 - share:.6f} x {one:.6f} + {share:.6f} x {two:.6f} = {error:.6f}",
        f"difference there: {apart:.9f}",
    ]
    if sign:
        half = chances([(1 - share, first), (share, second), (-1.0, aim)]).half_width(SIGNIFICANCE)
        lines.append(f"half-width there: {half:.9f}")
    return lines


def derive_calibration(place: Place, row: Row, column: str) -> Derived | None:
    """A column of ``calibration.csv``: one bin of confidence, all runs together."""
    cell = place.cell
    bins = reliability(cell.probability, cell.label)
    part = next((each for each in bins if repr(each.low) == row["bin_low"]), None)
    if column == "n_labelled":
        return OF_ROW[column](place)
    if part is None or column not in ("bin_low", "bin_high", "documents", "confidence", "accuracy"):
        return None
    value = {"bin_low": part.low, "bin_high": part.high}.get(column, getattr(part, column, None))
    inside = [
        (probability.max(axis=1).astype(np.float64), probability.argmax(axis=1) == cell.label)
        for probability in cell.probability
    ]
    texts = []
    for confidence, right in inside:
        chosen = (confidence > part.low) & (confidence <= part.high)
        texts.append(
            f"{int(chosen.sum())} documents, confidences add up to "
            f"{float(confidence[chosen].sum()):.6f}, {int(right[chosen].sum())} right"
        )
    told = f"predictions whose largest probability lies in ({part.low!r}, {part.high!r}], all runs"
    rule = "confidence: sum of confidences / documents; accuracy: right / documents"
    return Derived((told, *place.by_run(texts), rule), value)


def derive_confusion(place: Place, row: Row, column: str) -> Derived | None:
    """A column of ``confusion.csv``: documents of a label that were taken for a class."""
    if column == "n_labelled":
        return OF_ROW[column](place)
    if column != "count":
        return None
    cell = place.cell
    label, predicted = (cell.classes.index(row[key]) for key in ("label", "predicted"))
    counts = [
        int(confusion_matrix(cell.label, run, len(cell.classes))[label, predicted])
        for run in cell.predicted
    ]
    told = f"documents of {row['label']} taken for {row['predicted']}, summed over runs"
    return Derived((told, *place.by_run(map(str, counts)), f"sum: {sum(counts)}"), sum(counts))


def _run(study: Study, row: Row, column: str) -> Derived | None:
    """A column of ``runs.csv`` or ``before_test.csv``."""
    run = next((path for path in study.runs if f"/{row['path']}".endswith(f"/{path}")), None)
    if run is None:
        return None
    fold = row["fold"]
    found = study.predictions(run, fold)
    n, wrong = len(found.document), int((found.predicted != found.label).sum())
    errors = f"{wrong} of the {n} documents of the fold {fold} have another most probable class"
    metrics = study.metrics(run, fold)
    cards = study.cards(run)
    if column in ("n", "errors", "error"):
        value = {"n": n, "errors": wrong, "error": wrong / n}[column]
        return Derived((errors, f"{wrong} / {n} = {wrong / n!r}"), value)
    if column == "macro_f1":
        text, mean_f1 = f1_of_classes(found.label, found.predicted, found.classes)
        return Derived((F1, text), mean_f1)
    if column == "loss":
        each = losses(found.label, found.probability)
        told = "mean over documents of -log(probability of the label), bounded as float32 is"
        line = f"{float(each.sum()):.6f} / {n} = {float(each.mean())!r}"
        return Derived((told, line), float(each.mean()))
    if column == "wall_s":
        values = [card[column] for card in cards]
        terms = " + ".join(map(str, values))
        return Derived((f"of its cards, members of an ensemble added up: {terms}",), sum(values))
    if column == "peak_memory_mib":
        values = [card[column] for card in cards]
        return Derived((f"the largest of its cards: {', '.join(map(str, values))}",), max(values))
    if column == "tokens_per_s":
        speed = cards[0].get(column) if len(cards) == 1 else None
        return Derived(("of its card; of an ensemble there is none",), speed)
    if column == "members":
        return Derived(("members of an ensemble, as its score lists them",), len(metrics[column]))
    if column == "test_evaluations":
        told = "different models of this path that the ledger of the test fold has"
        return Derived((told,), metrics.get(column))
    return _setting(study.runs[run], column)


def _setting(entry: Mapping[str, Any], column: str) -> Derived | None:
    if column in ("seed", "n_labelled", "n_text"):
        return Derived(("a setting of the study, of manifest.json",), str(entry[column]))
    return None


def _language_model(study: Study, row: Row, column: str) -> Derived | None:
    """A column of ``language_models.csv``: of the history's line of the weights, or the card."""
    model = next(m for m in study.manifest["language_models"] if m["path"] == row["path"])
    folder = study.results / str(model["path"])
    card, history = read_json(folder / "card.json"), _history(study, str(model["path"]))
    if column in model:
        return _setting(model, column)
    epoch, key = str(card["weights_epoch"]), column
    if column == "valid_perplexity_before":
        epoch, key = "0", "valid_perplexity"
    elif column in card:
        if isinstance(card[column], int | float):
            return Derived((f"{column} of {folder / 'card.json'}",), card[column])
        return None
    line = next((each for each in history if each["epoch"] == epoch), None)
    told = f"{key} of {folder / 'history.csv'}, epoch {epoch}"
    why = "before training" if epoch == "0" else "whose weights the model has"
    if line is not None and key not in line:
        return None
    return Derived((f"{told}, {why}",), line[key] if line else None)


def _epoch(study: Study, row: Row, column: str) -> Derived | None:
    """A column of ``epochs.csv``."""
    every = [*study.runs.values(), *study.manifest["language_models"]]
    entry = next(each for each in every if each["path"] == row["path"])
    line = next(
        (
            each
            for each in _history(study, row["path"])
            if (each["epoch"], each["stage"]) == (row["epoch"], row["stage"])
        ),
        None,
    )
    if line is None or column not in line or column == "stage":
        return _setting(entry, column) if column in entry else None
    path = study.results / row["path"] / "history.csv"
    return Derived((f"{column} of {path}, epoch {row['epoch']}",), line[column])


def _history(study: Study, path: str) -> list[dict[str, str]]:
    with open(study.results / path / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _leakage(study: Study, row: Row, column: str) -> Derived | None:
    """A column of ``leakage.csv``."""
    if column not in ("documents", "exact", "normalised", "min_words"):
        return None
    for entry in study.manifest["leakage"]:
        path = study.results / entry["path"]
        for found in leakage_rows(entry, read_json(path)):
            keys = ("dataset", "corpus", "kind", "part", "other")
            if all(found[key] == row[key] for key in keys):
                parts = ", ".join(row[key] for key in keys[2:] if row[key])
                return Derived((f"{column} of {parts} in {path}",), found.get(column))
    return None


def _hard(study: Study, row: Row, column: str) -> Derived | None:
    """A column of ``hardest.csv``."""
    if column not in ("probability", "loss"):
        return None
    found = study.predictions(row["run"], row["fold"])
    place = found.document.tolist().index(row["document"])
    predicted = found.predicted[place]
    if column == "probability":
        value = float(found.probability[place, predicted])
        return Derived((f"of the most probable class: {value!r}",), f"{value:.4f}")
    chance = float(found.probability[place, found.label[place]])
    loss = float(losses(found.label[place : place + 1], found.probability[place : place + 1])[0])
    return Derived((f"-log of the probability of the label, {chance!r}",), f"{loss:.4f}")


def _pair(study: Study, row: Row, column: str) -> Derived | None:
    """A column of ``pairs.csv``."""
    if column not in ("count", "rank"):
        return None
    keys = ("run", "fold", "label", "predicted")
    found = next(each for each in pair_rows(study) if all(each[key] == row[key] for key in keys))
    told = {
        "count": f"documents of {row['label']} that the run takes for {row['predicted']}",
        "rank": "place among the pairs of different classes, most documents first; of equals the "
        "first by name",
    }
    return Derived((told[column],), found[column])


OF_RUNS: Mapping[str, Callable[[Study, Row, str], Derived | None]] = {
    "runs": _run,
    "before_test": _run,
    "language_models": _language_model,
    "epochs": _epoch,
    "leakage": _leakage,
    "hardest": _hard,
    "pairs": _pair,
}
"""Tables whose rows are of runs and files."""
OF_CELLS: Mapping[str, Callable[[Place, Row, str], Derived | None]] = {
    "costs": derive_cost,
    "crossings": derive_crossing,
    "calibration": derive_calibration,
    "confusion": derive_confusion,
}
"""Tables of facts whose rows are of the cells of an experiment."""
