"""What keeps a training from being lost: a lock, checkpoints, and signals heard in time."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from ulmfit.config.code_versions import CODE_VERSIONS
from ulmfit.errors import UserError
from ulmfit.store.checkpoints import FOLDER, FORMAT, LOCK, Checkpoints, Every
from ulmfit.store.files import TEMPORARY, digest, read_json
from ulmfit.store.lock import locked
from ulmfit.store.weights import card_path
from ulmfit.train.device import choose
from ulmfit.train.weights import VOCABULARY

SHARE = 0.02
"""Of the time of a training, at most, that goes into saving it at the ends of epochs."""
FIRST_TOOK = 0.2
"""Seconds that a checkpoint is taken to need until one was made."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGHUP)
"""What schedulers send before they kill, Ctrl-C, and the end of a terminal."""

Captured = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and plain values, of a training between two updates."""


class Interrupted(BaseException):
    """A signal asked the training to stop. No error: nothing on the way may take it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Stopped(UserError):
    """The training was asked to stop, and stopped where it can go on."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}: {why}")
        self.status = 128 + number


class Keeper:
    """Checkpoints of one training, and the signals that ask for one.

    A signal raises :class:`Interrupted` at once where the training is at rest, that is before the
    first update, in validation and after the last update; elsewhere it waits for the end of the
    update.
    """

    def __init__(self, store: Checkpoints, job: str, every: Every) -> None:
        self.job = job
        self.finished = False
        self._store = store
        self._every = every
        self._asked: int | None = None
        self._at_once = True
        self._rest: tuple[int, Captured] | None = None
        self._saved_at = time.monotonic()
        self._took = FIRST_TOOK
        self._saved: int | None = None

    def newest(self) -> Captured | None:
        """What to go on from, if there is a checkpoint."""
        self._at_once = False  # a signal is no damage of what is read
        found = self._store.newest()
        self._at_once = True
        self._obey()
        if found is None:
            return None
        self._saved, tensors, facts = found
        return tensors, facts

    def begin_updates(self) -> None:
        """From here on signals wait."""
        self._at_once = False

    def after_update(self, updates: int, capture: Callable[[], Captured]) -> None:
        """Save if it is time, or if a signal came, which then ends the training (Interrupted)."""
        due = self._every.updates and updates % self._every.updates == 0
        if due or self._asked or self._since() >= self._every.seconds:
            self._save(updates, capture())
        self._obey()

    @contextmanager
    def rest(self, updates: int, capture: Callable[[], Captured]) -> Iterator[None]:
        """Save at the end of an epoch, unless that would take more than :data:`SHARE` of the time.

        In the block nothing changes that is captured: a signal leaves it at once, and
        :meth:`save_rest` saves what it found.
        """
        captured = capture()
        if self._every.updates or self._since() >= self._took / SHARE:
            self._save(updates, captured)
        self.begin_rest(updates, captured)
        yield
        self._at_once = False
        self._rest = None

    def begin_rest(self, updates: int, captured: Captured) -> None:
        """From here on what was captured does not change; signals are obeyed at once."""
        self._rest = updates, captured
        self._at_once = True
        self._obey()

    def save_rest(self) -> None:
        """Save what does not change any more, if the training is at rest."""
        self._at_once = False
        if self._rest:
            self._save(*self._rest)

    def finish(self, outputs: Sequence[Path]) -> None:
        """Keep the results in place of checkpoints; signals are not obeyed any more."""
        self._at_once = False
        if not self._store.finish(outputs):
            self.save_rest()

    def _save(self, updates: int, captured: Captured) -> None:
        """Write a checkpoint, unless it is written; a line says what cannot be saved."""
        if updates == self._saved:
            return
        begin = time.monotonic()
        tensors, facts = captured
        # The loss of the next update will say what is wrong; the last good state must outlive it.
        if all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            try:
                self._store.save(updates, tensors, facts)
                self._saved = updates
            except (UserError, OSError) as error:
                print(f"no checkpoint at update {updates}: {error}", file=sys.stderr, flush=True)
        else:
            print(f"no checkpoint at update {updates}: not finite", file=sys.stderr, flush=True)
        self._saved_at = time.monotonic()
        self._took = self._saved_at - begin

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """A signal came."""
        self._asked = self._asked or number
        if self._at_once:
            self._obey()

    def where(self) -> str:
        """Where the training will go on."""
        if self._saved is None:
            return "nothing new to save; the same command goes on from what there is"
        return f"saved at update {self._saved}; the same command goes on from there"

    def _obey(self) -> None:
        if self._asked:
            self._at_once = False  # once is enough
            raise Interrupted(self._asked)

    def _since(self) -> float:
        """Seconds since the last checkpoint, or the begin."""
        return time.monotonic() - self._saved_at


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
    the kind of device and the release of torch. Where the same job has finished before, and its
    Snakemake did not live to see it, ``finished`` is true and nothing is left to do.
    """
    weights = outputs[0]
    made = (weights, card_path(weights), weights.with_name(VOCABULARY), *outputs[1:])
    job = digest(
        {
            "stage": stage,
            "checkpoints": FORMAT,
            "code": CODE_VERSIONS[stage],
            "tokens": read_json(tokens / "tokens.json"),
            "device": choose(device).type,
            "torch": torch.__version__,
            **decides,
        }
    )
    folder = weights.parent / FOLDER
    with locked(folder / LOCK):
        for killed in weights.parent.glob(TEMPORARY):
            killed.unlink(missing_ok=True)
        store = Checkpoints(folder, job)
        kept = Keeper(store, job, every)
        kept.finished = store.fetch(made)
        if kept.finished:
            print(
                "made before, and kept because its workflow did not see its end; delete "
                f"{folder} to train anew",
                file=sys.stderr,
                flush=True,
            )
        with _hearing(kept.hear):
            try:
                yield kept
                if not kept.finished:
                    kept.finish(made)
            except Interrupted as asked:
                kept.save_rest()
                raise Stopped(asked.number, kept.where()) from None
            finally:
                store.tidy()


@contextmanager
def _hearing(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle signals in the block, but for those that are ignored; only a main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
