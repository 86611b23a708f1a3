"""From the probabilities of one model, or of an ensemble's members, to predictions and metrics."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ulmfit
from ulmfit.errors import UserError
from ulmfit.evaluate.ensembles import combine, fit_weights
from ulmfit.evaluate.metrics import compute_metrics
from ulmfit.evaluate.predictions import (
    Predictions,
    class_indices,
    read_labels,
    sorted_order,
    write_predictions,
)
from ulmfit.store.files import read_json, sha256, write_json
from ulmfit.store.probabilities import read_probabilities


def score(
    probabilities: Sequence[Path],
    documents: Path,
    predictions: Path,
    metrics: Path,
    cards: Sequence[Path],
    ledger: Path | None = None,
    rule: str = "mean",
    fitted: Path | None = None,
) -> None:
    """Write ``predictions.parquet`` and ``metrics.json`` of one model or one ensemble.

    ``probabilities`` and ``cards`` name the members, in the same order; they are joined on document
    ids, never on positions. ``rule`` says how an ensemble combines them
    (:func:`ulmfit.evaluate.ensembles.combine`). The weights of ``weighted`` are fitted on the fold
    select of the members or, on the test fold, read from ``fitted``, the ``metrics.json`` of the
    same ensemble on the other folds. Classes are the sorted label names of ``documents``.
    ``ledger`` counts the evaluations of the sealed test fold, see :func:`count_evaluation`; it is
    given exactly when the probabilities are of that fold.

    Raises UserError where members cover different documents, where a document has no label, where
    the classes do not fit, and where the test fold comes without ledger or a ledger without it.
    """
    if not probabilities or len(cards) != len(probabilities):
        raise UserError(
            f"{len(probabilities)} probabilities but {len(cards)} cards: give one card a member"
        )
    labels = read_labels(documents)
    classes = tuple(sorted({label for label in labels.values() if label is not None}))
    document, fold, members = _join([_read_member(path, len(classes)) for path in probabilities])
    label = _labels_of(document, labels, classes, documents)
    weights = _weights(members, fold, label, fitted) if rule == "weighted" else None
    shares = np.full(len(members), 1 / len(members)) if weights is None else weights
    probability = combine(members.astype(np.float64), rule, shares).astype(np.float32)
    trained = [read_json(path) for path in cards]
    write_scored(
        Predictions(document, fold, label, probability, classes),
        predictions,
        metrics,
        inputs=[*probabilities, documents, *cards],
        ledger=ledger,
        weights="+".join(str(card.get("weights_sha256")) for card in trained),
        facts={
            "training": trained[0] if len(trained) == 1 else None,
            "member_cards": trained if len(trained) > 1 else [],
            "members": [path.as_posix() for path in probabilities],
            **({"combine": rule} if len(trained) > 1 else {}),
            **({} if weights is None else {"member_weights": weights.tolist()}),
        },
    )


def _weights(
    members: NDArray[np.float32],
    fold: NDArray[np.str_],
    label: NDArray[np.intp],
    fitted: Path | None,
) -> NDArray[np.float64]:
    if fitted is not None:
        weights = np.array(read_json(fitted).get("member_weights", ()), dtype=np.float64)
        if len(weights) != len(members):
            raise UserError(f"{fitted}: {len(weights)} weights for {len(members)} members")
        return weights
    select = fold == "select"
    if not select.any():
        raise UserError("no document of the fold select, on which weights are fitted")
    return fit_weights(members[:, select].astype(np.float64), label[select])


def write_scored(
    scored: Predictions,
    predictions: Path,
    metrics: Path,
    inputs: Sequence[Path],
    ledger: Path | None,
    weights: str,
    facts: dict[str, Any],
) -> None:
    """Write predictions and their metrics by fold, with ``facts`` and the digests of ``inputs``.

    ``weights`` identifies the model in the ledger. Raises UserError if the sealed test fold comes
    without a ledger, or a ledger without that fold.
    """
    folds = sorted(set(scored.fold.tolist()))
    if ("test" in folds) != (ledger is not None):
        raise UserError(
            f"{predictions}: evaluations of the test fold are counted, so that fold and a ledger "
            f"file go together; folds {', '.join(folds)}, ledger {ledger}"
        )
    # Before the results are written: a look that crashes afterwards was still a look.
    evaluations = {} if ledger is None else {"test_evaluations": count_evaluation(ledger, weights)}
    write_predictions(predictions, scored)
    by_fold = {}
    for fold in folds:
        rows = scored.of_fold(fold)
        by_fold[fold] = compute_metrics(rows.label, rows.probability).to_dict()
    write_json(
        metrics,
        {
            **facts,
            **evaluations,
            "folds": by_fold,
            "classes": list(scored.classes),
            "inputs": {path.as_posix(): sha256(path) for path in inputs},
            "versions": {
                "ulmfit": ulmfit.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        },
    )


def count_evaluation(ledger: Path, weights: str) -> int:
    """Note in the ledger that a model was evaluated; returns how many different ones it has.

    A line is (UTC time, digest of the model). The ledger is plain text and belongs to no rule of
    the workflow, so another model under the same path adds to the count instead of starting over.
    The same model again is no new look: its numbers were known.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with open(ledger, "a+", encoding="utf-8", newline="\n") as file:
            file.seek(0)
            known = {line.rstrip("\n").split("\t")[-1] for line in file}
            if weights not in known:
                file.write(f"{now}\t{weights}\n")
                file.flush()
                os.fsync(file.fileno())
            return len(known | {weights})
    except OSError as error:
        raise UserError(f"cannot write {ledger}: {error.strerror or error}") from error


Member = tuple[Path, NDArray[np.str_], NDArray[np.str_], NDArray[np.float32]]


def _read_member(path: Path, classes: int) -> Member:
    """(path, document, fold, probability), sorted; raises UserError if they are no softmax."""
    document, fold, probability = read_probabilities(path)
    if not len(document) == len(fold) == len(probability) or len(document) == 0:
        raise UserError(f"{path}: arrays are empty or differ in length: delete it and run again")
    if probability.shape[1:] != (classes,):
        raise UserError(
            f"{path}: shape {probability.shape}, but the documents have {classes} classes: the "
            "model was trained on other data, run it again"
        )
    if not np.allclose(probability.sum(axis=1), 1, atol=1e-3) or probability.min() < 0:
        raise UserError(f"{path}: rows are not probabilities that add up to 1")
    order = sorted_order(document, fold)
    document, fold = document[order], fold[order]
    twice = (document[1:] == document[:-1]) & (fold[1:] == fold[:-1])
    if twice.any():
        raise UserError(f"{path}: document {document[1:][twice][0]} occurs more than once")
    return path, document, fold, probability[order]


def _join(
    members: list[Member],
) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.float32]]:
    """(document, fold, probability (members, n, classes)) of members on the same documents."""
    first, document, fold, _ = members[0]
    for path, other_document, other_fold, _ in members[1:]:
        ours = set(zip(fold.tolist(), document.tolist(), strict=True))
        theirs = set(zip(other_fold.tolist(), other_document.tolist(), strict=True))
        if ours != theirs:
            example = min(ours ^ theirs)
            has, lacks = (first, path) if example in ours else (path, first)
            raise UserError(
                f"members cover different documents: {has} has {example[1]} of fold {example[0]}, "
                f"{lacks} has not ({len(ours ^ theirs)} differences); predict with both again"
            )
    return document, fold, np.stack([probability for *_, probability in members])


def _labels_of(
    document: NDArray[np.str_],
    labels: dict[str, str | None],
    classes: tuple[str, ...],
    where: Path,
) -> NDArray[np.intp]:
    ids = document.tolist()
    bare = [name for name in ids if labels.get(name) is None]
    if bare:
        raise UserError(f"{where}: no label for document {bare[0]} ({len(bare)} in all)")
    return class_indices([labels[name] for name in ids], classes, where)
