"""States of a training in a folder that no rule manages: the newest two, each whole or not there.

A checkpoint is a folder named by the updates made: tensors as weights are stored, and a card with
their digest, written last. What is no tensor travels as JSON among the tensors, so that the digest
covers it too. Loading never runs code.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.errors import UserError
from ulmfit.store.weights import load_weights, save_weights

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 2
FORMAT = 1
FACTS = "facts"
FILE = "model.safetensors"
SET_ASIDE = ".set-aside"


@dataclass(frozen=True)
class Every:
    """How often a training saves its state, beside the end of each epoch."""

    seconds: float = 300.0
    updates: int = 0
    """0: by time alone."""

    @classmethod
    def parse(cls, text: str) -> Every:
        """``300s``: by time; ``20``: every twenty updates; ValueError otherwise."""
        found = re.fullmatch(r"([1-9]\d*)(s?)", text)
        if found is None:
            raise ValueError(
                f"{text!r} is no interval: seconds such as 300s, or updates such as 20"
            )
        number, seconds = int(found[1]), bool(found[2])
        return cls(number) if seconds else cls(math.inf, number)


DEFAULT = Every()


class Checkpoints:
    """Checkpoints of one job, which ``identity`` stands for: same identity, same bits.

    ``identity`` names everything that decides the result; a checkpoint of another is foreign.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self._identity = f"{FORMAT}-{identity}"

    def save(self, updates: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a checkpoint, then delete all but the newest; UserError if it cannot be written."""
        import torch

        text = torch.frombuffer(bytearray(json.dumps(facts).encode()), dtype=torch.uint8)
        folder = self.folder / f"{updates:09}"
        try:
            save_weights(
                folder / FILE,
                {**tensors, FACTS: text},
                {"identity": self._identity},
            )
        except UserError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for old in self._numbered()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Updates made, tensors on the CPU and facts of the newest one; None if there is none.

        A damaged or foreign checkpoint is passed over, renamed, and said in a line.
        """
        for folder in self._numbered():
            try:
                tensors, card = load_weights(folder / FILE)
                if card.get("identity") != self._identity:
                    raise UserError("it belongs to another recipe, text, seed or version")
                facts = json.loads(tensors.pop(FACTS).numpy().tobytes())
            except (UserError, KeyError, ValueError) as error:
                self._set_aside(folder, str(error))
            else:
                return int(folder.name), tensors, facts
        return None

    def _set_aside(self, folder: Path, why: str) -> None:
        """Rename a checkpoint that cannot be used."""
        aside = folder.with_name(folder.name + SET_ASIDE)
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        print(f"checkpoint {folder} set aside: {why}", file=sys.stderr, flush=True)

    def __len__(self) -> int:
        return len(self._numbered())

    def delete(self) -> None:
        """Delete all of them, and what was set aside."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _numbered(self) -> list[Path]:
        """Folders of checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if path.name.isdecimal()]
        return sorted(found, key=lambda path: int(path.name), reverse=True)
