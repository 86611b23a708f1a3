"""Train a classifier on the encoder of a language model (paper section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ulmfit.config.recipes import Classifier as Recipe
from ulmfit.config.recipes import from_json
from ulmfit.errors import UserError
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.groups import classifier_groups
from ulmfit.schedule.freezing import stretch
from ulmfit.store.checkpoints import DEFAULT, Every
from ulmfit.store.files import sha256
from ulmfit.store.probabilities import write_probabilities
from ulmfit.store.tokens import TokenStore, read_tokens
from ulmfit.train import weights
from ulmfit.train.batches import pad, sortish
from ulmfit.train.card import Meter, card
from ulmfit.train.device import SMALL, compute
from ulmfit.train.history import CLASSIFIER, History
from ulmfit.train.keeper import keeper
from ulmfit.train.loop import Loop, Score, Update
from ulmfit.train.losses import balanced
from ulmfit.train.predict import class_logits, class_probabilities, pooled_features

Batch = NDArray[np.intp]
"""Places of documents among those that train."""


def train_classifier(
    recipe_json: str,
    tokens: Path,
    initial: Path | None,
    direction: str,
    n_labelled: int | None,
    seed: int,
    output: Path,
    history: Path,
    probabilities: Path,
    device: str = "auto",
    every: Every = DEFAULT,
) -> None:
    """Train on the labelled documents of fold fit, the first ``n_labelled`` of the nested order.

    ``initial`` are language-model weights for the encoder, their vocabulary transferred (None:
    random). Writes ``output`` with card.json and vocabulary.txt beside it, ``history``, and the
    ``probabilities`` of the folds select and report in file order; nothing if the loss stops being
    finite (UserError). Killed or stopped by a signal, and called again, it goes on from its newest
    checkpoint to the same bits (:mod:`ulmfit.train.keeper`).
    """
    recipe = from_json(Recipe, recipe_json)
    store = read_tokens(tokens)
    data = _Data(store, direction, n_labelled)
    if len(data.train) < 2 or len(data.select) < 1 or len(store.classes) < 2:
        raise UserError(
            f"token folder {tokens}: {len(data.train)} labelled documents in fold fit, "
            f"{len(data.select)} in fold select, {len(store.classes)} classes; a classifier needs "
            "at least 2, 1 and 2"
        )
    parent = None if initial is None else weights.load(initial, direction)
    decides = {
        "recipe": recipe_json,
        "initial": None if parent is None else parent.record["weights_sha256"],
        "direction": direction,
        "n_labelled": n_labelled,
        "seed": seed,
    }
    outputs = (output, history, probabilities)
    with keeper("classify", outputs, tokens, device, every, decides) as kept:
        if kept.finished:
            return
        meter = Meter()
        # Large tensors of documents, chunks of ever another size, would not fit into one another's
        # place; clearing their pages anew is little work beside products of that size.
        small = recipe.architecture.hidden <= SMALL
        with compute(device, recipe.compute_threads, seed, recipe.precision, small) as where:
            model = PoolingClassifier(len(store.vocabulary), len(store.classes), recipe)
            known = None if parent is None else weights.start_from(model, parent, store.vocabulary)
            model.to(where.device)
            log = History(CLASSIFIER, f"classify {direction}")
            training = _Training(model, recipe, data, meter, log, np.random.default_rng(seed))
            weights_epoch = training.run(kept)
            predicted = store.of_fold(("select", "report"))
            probability = class_probabilities(
                model, pooled_features(model, store, predicted, direction)
            )
            facts = card(
                "classify",
                recipe,
                direction,
                store.vocabulary,
                [] if parent is None else [parent.record],
                seed,
                where,
                meter,
                model,
                epochs=len(log.rows),
                weights_epoch=weights_epoch,
                classes=list(store.classes),
                documents=len(data.train),
                vocabulary_size=len(store.vocabulary),
                vocabulary_known_to_parent=known,
                job=kept.job,
            )
        log.write(history)
        write_probabilities(
            probabilities, store.document[predicted], store.fold[predicted], probability
        )
        facts["history_sha256"] = sha256(history)
        weights.save(output, model, store.vocabulary, facts)


class _Data:
    """Documents of the training and select folds that have a label."""

    def __init__(self, store: TokenStore, direction: str, n_labelled: int | None) -> None:
        def labelled(fold: str) -> NDArray[np.intp]:
            documents = store.of_fold(fold, n_labelled)
            return documents[store.label[documents] >= 0]

        self.store = store
        self.direction = direction
        self.train = labelled("fit")
        self.select = labelled("select")
        if n_labelled is not None and len(self.train) < n_labelled:
            raise UserError(
                f"{n_labelled} labelled documents asked for and {len(self.train)} in fold fit: "
                "lower n_labelled"
            )
        missing = set(range(len(store.classes))) - set(store.label[self.train].tolist())
        if missing:
            names = ", ".join(store.classes[index] for index in sorted(missing))
            raise UserError(
                f"{len(self.train)} labelled documents in fold fit and none of class {names}: "
                "raise n_labelled"
            )

    def labels(self, documents: NDArray[np.intp], device: torch.device) -> Tensor:
        """Class indices (documents,) int64."""
        return torch.from_numpy(self.store.label[documents].astype(np.int64)).to(device)


class _Training(Loop[PoolingClassifier, Recipe, Batch]):
    """Epochs over batches of documents."""

    def __init__(
        self,
        model: PoolingClassifier,
        recipe: Recipe,
        data: _Data,
        meter: Meter,
        log: History,
        order: np.random.Generator,
    ) -> None:
        self.lengths = np.maximum(data.store.lengths[data.train], 1)
        updates = len(sortish(self.lengths, recipe.batch_size, np.random.default_rng(0)))
        factor = stretch(recipe.epochs, updates, recipe.min_steps)
        super().__init__(
            model,
            classifier_groups(model),
            recipe,
            [updates] * (recipe.epochs * factor),
            order,
            log,
            meter,
            recipe.validate_every * factor,
        )
        self.data = data
        self.labels = data.labels(data.train, self.device)
        self.class_weights = (
            None
            if recipe.class_weights == "none"
            else balanced(self.labels, len(data.store.classes))
        )
        self.select_labels = data.labels(data.select, self.device)
        self.features: Tensor | None = None

    def begin_stage(self) -> None:
        """While the encoder is frozen, a document's features in evaluation mode do not change."""
        self.features = self._features() if self.stage.trainable == ("head",) else None

    def begin_epoch(self) -> None:
        """No document was classified wrongly yet."""
        self.carried = {"wrong": torch.zeros((), dtype=torch.int64, device=self.device)}

    def batches(self, made: int) -> Iterable[Batch]:
        """Places of documents of like length."""
        return sortish(self.lengths, self.recipe.batch_size, self.order)[made:]

    def update(self, batch: Batch) -> Update:
        """Losses and gradients of a batch; counts what was classified wrongly."""
        recipe, data = self.recipe, self.data
        documents = data.train[batch].tolist()
        ids, lengths = pad(data.store, documents, data.direction, recipe.padding)
        labels = self.labels[torch.from_numpy(batch).to(self.device)]
        loss, cross_entropy, logits = self.model.loss(
            ids.to(self.device),
            lengths,
            labels,
            recipe.ar,
            recipe.tar,
            recipe.label_smoothing,
            self.class_weights,
        )
        torch.autograd.backward(loss)
        self.carried["wrong"] += (logits.argmax(1) != labels).sum()
        return Update(loss.detach(), cross_entropy, len(batch), int(self.lengths[batch].sum()))

    def shown(self) -> dict[str, Any]:
        """Share of the epoch's documents that were classified wrongly."""
        return {"train_error": self.carried["wrong"].item() / self.losses.weight}

    def train_mode(self) -> None:
        """Training mode; batch norms of a frozen head may stay in evaluation mode (2.7).

        In training mode they normalise by the batch and count it, but what they multiply by and add
        is frozen with the head. fastai v1's ``train_bn`` trains that too; here no stage trains what
        its plan does not name.
        """
        self.model.train()
        if self.recipe.freezing.frozen_batch_norm == "eval" and "head" not in self.stage.trainable:
            for module in self.model.head.modules():
                if isinstance(module, torch.nn.BatchNorm1d):
                    module.eval()

    def _features(self) -> Tensor:
        data = self.data
        return pooled_features(self.model, data.store, data.select, data.direction)

    def _logits(self, features: Tensor | None) -> Tensor:
        return class_logits(self.model, self._features() if features is None else features)

    def validate(self) -> tuple[Score, dict[str, float]]:
        """(error, loss) on the select fold."""
        logits = self._logits(self.features)
        loss = F.cross_entropy(logits.double(), self.select_labels).item()
        error = (logits.argmax(1) != self.select_labels).sum().item() / len(self.select_labels)
        return (error, loss), {"select_loss": loss, "select_error": error}
