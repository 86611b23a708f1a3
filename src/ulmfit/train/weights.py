"""Folders of weights: model.safetensors, card.json, and the vocabulary of the embedding rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ulmfit.errors import UserError
from ulmfit.model.vocabulary_transfer import transfer
from ulmfit.store.files import write_text
from ulmfit.store.weights import load_weights, save_weights
from ulmfit.train.card import vocabulary_bytes

VOCABULARY = "vocabulary.txt"
ENCODER = "encoder."
EMBEDDING = ENCODER + "embedding"
DECODER_BIAS = "decoder_bias"


@dataclass(frozen=True)
class Trained:
    """A model as read from its folder."""

    path: Path
    tensors: dict[str, Tensor]
    card: dict[str, Any]
    vocabulary: tuple[str, ...]

    @property
    def record(self) -> dict[str, str]:
        """What a descendant's card says of it."""
        return {"path": str(self.path), "weights_sha256": self.card["weights_sha256"]}


def save(path: Path, model: nn.Module, vocabulary: tuple[str, ...], card: dict[str, Any]) -> None:
    """Write vocabulary, weights and card; the card comes last and vouches for the others."""
    write_text(path.with_name(VOCABULARY), vocabulary_bytes(vocabulary).decode())
    save_weights(path, model.state_dict(), card)


def load(path: Path, direction: str | None = None) -> Trained:
    """Read a folder of weights; UserError if damaged or trained in another direction."""
    tensors, card = load_weights(path)
    file = path.with_name(VOCABULARY)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): train {path} again") from error
    if hashlib.sha256(content).hexdigest() != card.get("vocabulary_sha256"):
        raise UserError(f"{file} is not the vocabulary of {path}: delete the folder, run again")
    if direction is not None and card.get("direction") != direction:
        raise UserError(
            f"{path} reads text {card.get('direction')}, this stage {direction}: "
            "a model and its parent must have the same direction"
        )
    return Trained(path, tensors, card, tuple(content.decode().split("\n")[:-1]))


def start_from(model: nn.Module, parent: Trained, vocabulary: tuple[str, ...]) -> int:
    """Give ``model`` the parent's encoder (and decoder bias, if it has one), rows moved to
    ``vocabulary``; returns the number of words that the parent knows (ulmfit.md 2.5).
    """
    tensors = {
        name: tensor
        for name, tensor in parent.tensors.items()
        if name.startswith(ENCODER) or (name == DECODER_BIAS and hasattr(model, DECODER_BIAS))
    }
    known = len(vocabulary)
    if parent.vocabulary != vocabulary:
        for name in (EMBEDDING, DECODER_BIAS):
            if name in tensors:
                tensors[name], known = transfer(tensors[name], parent.vocabulary, vocabulary)
    wanted = {
        name: tensor.shape
        for name, tensor in model.state_dict().items()
        if name.startswith(ENCODER) or name == DECODER_BIAS
    }
    check(parent.path, tensors, wanted)
    model.load_state_dict(tensors, strict=False)
    return known


def restore(model: nn.Module, trained: Trained) -> None:
    """Give ``model`` all weights of a trained one of the same kind; UserError if they differ."""
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    check(trained.path, trained.tensors, wanted)
    model.load_state_dict(trained.tensors)


def check(path: Path, tensors: dict[str, Tensor], wanted: dict[str, torch.Size]) -> None:
    """Raise UserError, naming a tensor, unless names and shapes agree."""
    for name in sorted(tensors.keys() ^ wanted.keys()):
        where = "this recipe has no" if name in tensors else "they lack"
        raise UserError(f"weights {path} do not fit the recipe's architecture: {where} {name}")
    for name, shape in wanted.items():
        if tensors[name].shape != shape:
            raise UserError(
                f"weights {path} do not fit the recipe's architecture: {name} is "
                f"{tuple(tensors[name].shape)}, the recipe needs {tuple(shape)}"
            )
