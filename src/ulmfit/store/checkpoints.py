"""What keeps a training that is not finished, or not yet fetched, in a folder that no rule manages.

A checkpoint is a folder named by the updates made: tensors as weights are stored, and a card with
their digest, written last. What is no tensor travels as JSON among the tensors, so that the digest
covers it too. Loading never runs code. Checkpoints lie in a folder named by their job, so that no
other job goes on from them, and they are there again when that job is.

Results of a finished training are linked beside them, because Snakemake deletes outputs of a job
whose end it did not see; :func:`forget` deletes them once it saw them all.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.errors import UserError
from ulmfit.store.files import atomic, sha256
from ulmfit.store.lock import NotFree, locked
from ulmfit.store.weights import card_path, load_weights, save_weights

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
"""Raised when an older checkpoint cannot be gone on from."""
KEPT = 2
DIGITS = 9
"""Of the updates made, in the name of a checkpoint."""
FACTS = "facts"
FILE = "model.safetensors"
FOLDER = "checkpoints"
LOCK = "lock"
FINISHED = "finished"
SET_ASIDE = ".set-aside"


@dataclass(frozen=True)
class Every:
    """How often a training saves its state."""

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
    """Checkpoints of one ``job``, a digest of everything that decides its result.

    ``folder`` is that of the training, which other jobs may have used before.
    """

    def __init__(self, folder: Path, job: str) -> None:
        self.folder = folder / job
        self._finished = folder / FINISHED / job

    def save(self, updates: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a checkpoint, then delete all but the newest; UserError if it cannot be written."""
        import torch

        text = torch.frombuffer(bytearray(json.dumps(facts).encode()), dtype=torch.uint8)
        folder = self.folder / f"{updates:0{DIGITS}}"
        try:
            save_weights(folder / FILE, {**tensors, FACTS: text}, {})
        except UserError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for old in self._numbered()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Updates made, tensors on the CPU and facts of the newest one; None if there is none.

        Damaged ones are passed over, renamed, and said in a line; and that there are others' too.
        """
        for other in sorted(self.folder.parent.glob(f"*/{'[0-9]' * DIGITS}")):
            if other.parent != self.folder:
                _say(other, "it belongs to another recipe, text, seed or version; left where it is")
        for folder in self._numbered():
            if not card_path(folder / FILE).exists():
                shutil.rmtree(folder, ignore_errors=True)  # killed before it was whole
                continue
            try:
                tensors, _ = load_weights(folder / FILE)
                facts = json.loads(tensors.pop(FACTS).numpy().tobytes())
            except (UserError, KeyError, ValueError) as error:
                aside = folder.with_name(folder.name + SET_ASIDE)
                shutil.rmtree(aside, ignore_errors=True)
                folder.rename(aside)
                _say(folder, str(error))
            else:
                return int(folder.name), tensors, facts
        return None

    def finish(self, outputs: Sequence[Path]) -> bool:
        """Keep links to the results, and no checkpoint; False if one of ``outputs`` is missing.

        It is if another Snakemake began the job again meanwhile, and deleted what was there. Where
        results cannot be kept a line says so: the training is no worse for that.
        """
        shutil.rmtree(self._finished.parent, ignore_errors=True)
        try:
            self._finished.mkdir(parents=True)
            for path in outputs:
                _link(path, self._finished / path.name)
        except FileNotFoundError:
            shutil.rmtree(self._finished.parent, ignore_errors=True)
            return False
        except OSError as error:
            shutil.rmtree(self._finished.parent, ignore_errors=True)
            print(f"{self._finished}: not kept: {error.strerror}", file=sys.stderr, flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def fetch(self, outputs: Sequence[Path]) -> bool:
        """Put the results of this job, if it finished before, in their places again."""
        if not self._finished.is_dir():
            return False
        try:
            self._check()
            for path in outputs:
                with atomic(path) as temporary:
                    _link(self._finished / path.name, temporary)
                    # Newer than the inputs of the job that asks for them now.
                    os.utime(temporary)
        except (UserError, FileNotFoundError) as error:
            _say(self._finished, str(error))
            shutil.rmtree(self._finished, ignore_errors=True)
            return False
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def _check(self) -> None:
        """Raise UserError unless what is kept is what the card vouches for."""
        _, card = load_weights(self._finished / FILE)
        for name in ("history.csv", "vocabulary.txt"):
            if card[f"{Path(name).stem}_sha256"] != sha256(self._finished / name):
                raise UserError(f"{name} is not the one of the training")

    def tidy(self) -> None:
        """Delete folders that hold nothing."""
        for folder in (self.folder, self._finished.parent):
            with suppress(OSError):
                folder.rmdir()
        if not any(path.is_dir() for path in self.folder.parent.iterdir()):
            shutil.rmtree(self.folder.parent, ignore_errors=True)
            with suppress(OSError):
                self.folder.parent.parent.rmdir()

    def _numbered(self) -> list[Path]:
        """Folders of checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if path.name.isdecimal()]
        return sorted(found, key=lambda path: int(path.name), reverse=True)


def forget(trainings: Iterable[Path]) -> None:
    """Delete what finished trainings in these folders keep, once nobody will ask for it again.

    Those at work are left alone, and checkpoints of jobs that may be asked for again.
    """
    for training in trainings:
        folder = training / FOLDER
        if not (folder / FINISHED).is_dir():
            continue
        with suppress(NotFree, OSError), locked(folder / LOCK, wait=False):
            shutil.rmtree(folder / FINISHED, ignore_errors=True)
            if not any(path.is_dir() for path in folder.iterdir()):
                shutil.rmtree(folder, ignore_errors=True)


def _link(path: Path, link: Path) -> None:
    """A second name of a file, or a copy where the file system has no such thing."""
    try:
        os.link(path, link)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, link)


def _say(folder: Path, why: str) -> None:
    print(f"{folder} set aside: {why}", file=sys.stderr, flush=True)
