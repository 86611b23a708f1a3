"""What keeps a training from being lost: a lock, checkpoints, and signals heard in time."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from ulmfit.config.code_versions import CODE_VERSIONS
from ulmfit.errors import UserError
from ulmfit.store.checkpoints import Checkpoints, Every
from ulmfit.store.files import TEMPORARY, digest, read_json
from ulmfit.store.lock import locked
from ulmfit.store.weights import card_path
from ulmfit.train.device import choose

FOLDER = "checkpoints"
"""Beside the weights. No rule names it, so Snakemake, which deletes a failed job's outputs, leaves
it alone."""

SHARE = 0.02
"""Of the time of a training, at most, that goes into saving it at the ends of epochs."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
"""What schedulers send before they kill, and Ctrl-C."""

Captured = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and plain values, of a training between two updates."""


class Interrupted(UserError):
    """The training was asked to stop, and stopped where it can go on."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}: {why}")
        self.status = 128 + number


class Keeper:
    """Checkpoints of one training, and the signals that ask for one."""

    def __init__(self, folder: Path, job: str, every: Every, finished: bool) -> None:
        self.job = job
        self.finished = finished
        self._store = Checkpoints(folder, job)
        self._every = every
        self._asked: int | None = None
        self._deferred = False
        self._validating: tuple[int, Callable[[], Captured]] | None = None
        self._saved_at = time.monotonic()
        self._took = 0.2  # seconds for a checkpoint, until one was made
        self._saved = -1

    def newest(self) -> Captured | None:
        """What to go on from, if there is a checkpoint."""
        found = self._store.newest()
        if found is None:
            return None
        self._saved, tensors, facts = found
        return tensors, facts

    @contextmanager
    def training(self) -> Iterator[None]:
        """In the block a signal waits for :meth:`after_update` or :meth:`validation`."""
        self._deferred = True
        yield
        self._deferred = False
        self._obey()

    def after_update(self, updates: int, capture: Callable[[], Captured]) -> None:
        """Save if it is time, or if a signal came, which then ends the training (Interrupted)."""
        due = self._every.updates and updates % self._every.updates == 0
        if due or self._asked or self._since() >= self._every.seconds:
            self._save(updates, capture)
        self._obey()

    @contextmanager
    def validation(self, updates: int, capture: Callable[[], Captured]) -> Iterator[None]:
        """Save at the end of an epoch, unless that would take more than :data:`SHARE` of the time.

        The block, in which nothing changes that is captured, may be left by a signal at once.
        """
        if self._every.updates or self._since() >= self._took / SHARE:
            self._save(updates, capture)
        self._validating = updates, capture
        if self._asked:
            self.hear(self._asked, None)
        yield
        self._validating = None

    def done(self) -> None:
        """Delete the checkpoints of a training whose results are written."""
        self._store.delete()

    def tidy(self) -> None:
        """Leave no empty folder where a training failed before its first checkpoint."""
        if not self._store:
            self._store.delete()
            with suppress(OSError):
                self._store.folder.parent.rmdir()

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """A signal came; it is obeyed where nothing is lost by it."""
        self._asked = number
        if self._validating:
            self._save(*self._validating)
        if self._validating or not self._deferred:
            self._obey()

    def _obey(self) -> None:
        if self._asked:
            raise Interrupted(self._asked, self._where())

    def _since(self) -> float:
        """Seconds since the last checkpoint, or the begin."""
        return time.monotonic() - self._saved_at

    def _save(self, updates: int, capture: Callable[[], Captured]) -> None:
        begin = self._saved_at = time.monotonic()
        if updates == self._saved:
            return
        tensors, facts = capture()
        # The loss of the next update will say what is wrong; the last good state must outlive it.
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            return
        try:
            self._store.save(updates, tensors, facts)
        except UserError as error:
            print(f"no checkpoint at update {updates}: {error}", file=sys.stderr, flush=True)
        else:
            self._saved = updates
            self._took = time.monotonic() - begin

    def _where(self) -> str:
        if self._saved < 0:
            return "no update was made since the start"
        return f"saved at update {self._saved}; the same command goes on from there"


@contextmanager
def keeper(
    stage: str,
    outputs: Sequence[Path],
    tokens: Path,
    device: str,
    every: Every,
    decides: dict[str, Any],
) -> Iterator[Keeper]:
    """Lock the folder of ``outputs`` (weights first), and hear signals, while the block runs.

    ``decides`` are plain values that decide the result beside the stage's code, the token folder,
    the kind of device and the release of torch. Where another process had the lock and made just
    these outputs meanwhile, ``finished`` is true and nothing is left to do.
    """
    weights = outputs[0]
    folder = weights.parent / FOLDER
    job = digest(
        {
            "stage": stage,
            "code": CODE_VERSIONS[stage],
            "tokens": read_json(tokens / "tokens.json"),
            "device": choose(device).type,
            "torch": torch.__version__,
            **decides,
        }
    )
    with locked(folder / "lock") as waited:
        for killed in weights.parent.glob(TEMPORARY):
            killed.unlink()
        finished = waited and all(path.exists() for path in (*outputs, card_path(weights)))
        kept = Keeper(
            folder, job, every, finished and read_json(card_path(weights)).get("job") == job
        )
        try:
            with _hearing(kept.hear):
                yield kept
        except BaseException:
            kept.tidy()
            raise
        if kept.finished:
            print("made by the process that was waited for", file=sys.stderr, flush=True)
        kept.done()


@contextmanager
def _hearing(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle signals in the block; only a main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
