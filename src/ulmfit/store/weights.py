"""Model weights: a safetensors file and a JSON card beside it; loading never runs code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.errors import UserError
from ulmfit.store.files import atomic, read_json, sha256, write_json

if TYPE_CHECKING:
    import torch


def card_path(weights: Path | str) -> Path:
    """The card of ``.../model.safetensors`` is ``.../card.json``."""
    return Path(weights).with_name("card.json")


def save_weights(path: Path | str, tensors: dict[str, torch.Tensor], card: dict[str, Any]) -> None:
    """Write tensors, then the card with the digest of the weights file added."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic(path) as temporary:
        try:
            save_file(plain, temporary)
        except SafetensorError as error:  # what a full disk is to this library
            raise OSError(str(error)) from error
    write_json(card_path(path), {**card, "weights_sha256": sha256(path)})


def load_weights(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors on the CPU, and the card; raises UserError if either is missing, cut or foreign."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = read_json(card_path(path))
    try:
        # First, because what a damaged header makes of the library is anybody's guess.
        foreign = card.get("weights_sha256") != sha256(path)
        tensors = {} if foreign else load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"weights {path} cannot be read ({error}): delete them, run again"
        ) from error
    if foreign:
        raise UserError(
            f"weights {path} are not the ones its card.json describes: delete both, run again"
        )
    return tensors, card
