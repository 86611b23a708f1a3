"""Training losses, summed on the device and looked at now and then; weights of classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ulmfit.errors import UserError

EVERY = 50
"""Updates between two looks at the losses of a GPU, which each makes wait for the program."""
EXPLODED = 1e4
"""No model comes back from such a loss: a thousand times that of guessing among 20,000 words."""


class Losses:
    """Weighted mean of the losses of an epoch, which must stay finite and below all sense."""

    def __init__(self, stage: str, epoch: int) -> None:
        self.where = f"stage {stage}, epoch {epoch}"
        self._pending: list[tuple[Tensor, Tensor, int, float]] = []
        self._seen = 0
        self._sum = 0.0
        self._weight = 0

    def add(self, minimised: Tensor, reported: Tensor, weight: int, lr: float) -> None:
        """Add an update made at top rate ``lr``; UserError, on a GPU perhaps some updates later, if
        the minimised loss was not finite or had exploded.
        """
        self._pending.append((minimised, reported, weight, lr))
        if minimised.device.type == "cpu" or len(self._pending) >= EVERY:
            self._look()

    def check(self, validation_loss: float, lr: float) -> None:
        """UserError if the loss after the epoch's last update, made at ``lr``, is not finite."""
        if not abs(validation_loss) < EXPLODED:
            raise self._error(validation_loss, lr)

    @property
    def weight(self) -> int:
        """What all updates seen so far count."""
        return self._weight

    def mean(self) -> float:
        """Mean of the reported losses, each counted ``weight`` times."""
        self._look()
        return self._sum / self._weight

    def state(self) -> dict[str, Any]:
        """Plain values from which :meth:`restore` goes on."""
        self._look()
        return {"seen": self._seen, "sum": self._sum, "weight": self._weight}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where ``state`` was taken."""
        self._seen, self._sum, self._weight = state["seen"], state["sum"], state["weight"]

    def _look(self) -> None:
        if not self._pending:
            return
        values = torch.stack([torch.stack(pair[:2]) for pair in self._pending]).double().tolist()
        for (minimised, reported), (_, _, weight, lr) in zip(values, self._pending, strict=True):
            self._seen += 1
            if not abs(minimised) < EXPLODED:
                raise self._error(minimised, lr)
            self._sum += reported * weight
            self._weight += weight
        self._pending.clear()

    def _error(self, loss: float, lr: float) -> UserError:
        return UserError(
            f"the loss became {loss:.4g} in {self.where}, update {self._seen}, learning rate "
            f"{lr:.3g}: lower optimizer.lr or set a smaller optimizer.clip"
        )


def balanced(labels: Tensor, classes: int) -> Tensor:
    """Weights (classes,) that make classes count alike: documents / (classes * count of the class).

    ``labels`` (documents,) int64, each class at least once; scikit-learn's ``balanced``.
    """
    counts = torch.bincount(labels, minlength=classes)
    return len(labels) / (classes * counts)
