"""Probabilities of a trained classifier for the documents of some folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ulmfit.config.recipes import Classifier as Recipe
from ulmfit.config.recipes import from_json
from ulmfit.errors import UserError
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.store.files import canonical_json
from ulmfit.store.probabilities import write_probabilities
from ulmfit.store.progress import progress
from ulmfit.store.tokens import TokenStore, read_tokens
from ulmfit.train import weights
from ulmfit.train.batches import by_length, pad
from ulmfit.train.card import vocabulary_sha256
from ulmfit.train.device import compute

BATCH = 128
"""Documents a batch without gradients."""


def predict(
    weights_path: Path, tokens: Path, fold: str, output: Path, device: str = "auto"
) -> None:
    """Write the class probabilities of every document of ``fold``, in file order.

    UserError if the token folder's vocabulary or classes are not those of the training.
    """
    trained = weights.load(weights_path)
    store = read_tokens(tokens)
    if trained.card.get("stage") != "classify":
        raise UserError(
            f"{weights_path} is not a classifier but the result of {trained.card.get('stage')}"
        )
    if trained.card["vocabulary_sha256"] != vocabulary_sha256(store.vocabulary):
        raise UserError(f"{weights_path} was trained with another vocabulary than that of {tokens}")
    if trained.card["classes"] != list(store.classes):
        raise UserError(f"{weights_path} was trained with other classes than those of {tokens}")
    recipe = from_json(Recipe, canonical_json(trained.card["recipe"]))
    documents = store.of_fold(fold)
    if not len(documents):
        raise UserError(f"token folder {tokens} has no documents in fold {fold}")
    with compute(device, recipe.compute_threads, 0, recipe.precision) as where:
        model = PoolingClassifier(len(store.vocabulary), len(store.classes), recipe)
        weights.restore(model, trained)
        model.to(where.device)
        features = pooled_features(model, store, documents, trained.card["direction"])
        probability = class_probabilities(model, features)
    write_probabilities(output, store.document[documents], store.fold[documents], probability)


@torch.no_grad()
def pooled_features(
    model: PoolingClassifier, store: TokenStore, documents: NDArray[np.intp], direction: str
) -> Tensor:
    """Pooled encoder outputs (documents, width), in the order of ``documents``."""
    model.eval()
    device = model.encoder.embedding.device
    features = torch.empty(len(documents), model.width, device=device)
    batches = _batches(store, documents, model.recipe)
    for batch in progress(batches, len(batches), "predict"):
        ids, lengths = pad(store, documents[batch].tolist(), direction, model.recipe.padding)
        features[torch.from_numpy(batch).to(device)] = model.pool(ids.to(device), lengths).features
    return features


def _batches(
    store: TokenStore, documents: NDArray[np.intp], recipe: Recipe
) -> list[NDArray[np.intp]]:
    """Places of ``documents`` in batches, longest first.

    Where padding counts, a prediction depends on its batch. So batches are then part of the method:
    twice as large as in training, as in 2018 (ulmfit.md 0, row 6, and 3.8), and of one fold each,
    so that no fold's predictions depend on which others are predicted.
    """
    lengths = store.lengths[documents]
    if recipe.padding == "masked":
        return by_length(lengths, BATCH)
    folds = store.fold[documents]
    places = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    return [
        inside[batch]
        for inside in places
        for batch in by_length(lengths[inside], 2 * recipe.batch_size)
    ]


@torch.no_grad()
def class_logits(model: PoolingClassifier, features: Tensor) -> Tensor:
    """Logits (documents, classes) from pooled features, in evaluation mode."""
    model.eval()
    logits: Tensor = model.head(features)
    return logits


def class_probabilities(model: PoolingClassifier, features: Tensor) -> NDArray[np.float32]:
    """Softmax of the logits (documents, classes)."""
    probability: NDArray[np.float32] = class_logits(model, features).softmax(1).cpu().numpy()
    return probability
