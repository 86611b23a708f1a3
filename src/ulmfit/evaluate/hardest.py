"""Where each run is most wrong: documents with the largest loss, and pairs of classes it confuses.

Ids and numbers only. Tables are archived and shown to everybody, so no text enters them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ulmfit.evaluate.cells import Study
from ulmfit.evaluate.metrics import confusion_matrix, losses

HARDEST_COLUMNS = (
    *("experiment", "cell", "run", "fold", "document", "label", "predicted", "probability"),
    "loss",
)
PAIR_COLUMNS = ("run", "fold", "label", "predicted", "count", "rank")
DOCUMENTS = 5
"""Documents of each run and fold that are named."""

Row = dict[str, Any]


def hardest_rows(study: Study) -> list[Row]:
    """The documents with the largest loss of each run of each cell, on the fold it is shown on.

    ``probability`` is that of the predicted class, ``loss`` the negative log (nats) of that of the
    label, as in :func:`ulmfit.evaluate.metrics.losses`; of equals the first id.
    """
    rows: list[Row] = []
    for experiment, cell, run in _shown(study):
        fold = experiment["fold"]
        found = study.predictions(run, fold)
        loss = losses(found.label, found.probability)
        for place in np.argsort(-loss, kind="stable")[:DOCUMENTS]:
            predicted = found.predicted[place]
            rows.append(
                {
                    "experiment": experiment["name"],
                    "cell": cell,
                    "run": run,
                    "fold": fold,
                    "document": found.document[place],
                    "label": found.classes[found.label[place]],
                    "predicted": found.classes[predicted],
                    "probability": f"{found.probability[place, predicted]:.4f}",
                    "loss": f"{loss[place]:.4f}",
                }
            )
    return rows


def pair_rows(study: Study) -> list[Row]:
    """Documents by label and predicted class of each run and fold that some cell shows.

    Pairs without a document are left out. ``rank`` orders the pairs of different classes, most
    documents first, from 1; empty where the prediction is right.
    """
    rows: list[Row] = []
    for run, fold in dict.fromkeys((run, entry["fold"]) for entry, _, run in _shown(study)):
        found = study.predictions(run, fold)
        counts = confusion_matrix(found.label, found.predicted, len(found.classes))
        wrong = counts - np.diag(np.diag(counts))
        order = np.argsort(-wrong, axis=None, kind="stable")
        ranks = dict(zip(order.tolist(), range(1, len(order) + 1), strict=True))
        rows += [
            {
                "run": run,
                "fold": fold,
                "label": label,
                "predicted": predicted,
                "count": int(counts[row, column]),
                "rank": None if row == column else ranks[row * len(counts) + column],
            }
            for row, label in enumerate(found.classes)
            for column, predicted in enumerate(found.classes)
            if counts[row, column]
        ]
    return rows


def _shown(study: Study) -> Iterator[tuple[Row, str, str]]:
    """(experiment, cell, run) of every run that stands behind a row."""
    for experiment in study.manifest["experiments"]:
        for entry in experiment["cells"]:
            for run in study.runs_of(entry)[0]:
                yield experiment, str(entry["id"]), run
