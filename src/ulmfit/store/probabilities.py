"""What a model says of documents, before anyone compares it with labels.

``probabilities.npz``: ``document`` (n,) ids, ``fold`` (n,) names, ``probability`` (n, classes)
float32. Numpy only, so that training runs where no table library is installed; the stage `score`
turns it into ``predictions.parquet``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError
from ulmfit.store.files import atomic

# A changed byte may claim another compression (NotImplementedError) or a password (RuntimeError).
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
)


def write_probabilities(
    path: Path | str,
    document: NDArray[np.str_],
    fold: NDArray[np.str_],
    probability: NDArray[np.floating[Any]],
) -> None:
    """Write rows of (document, fold, probability of each class), whole or not at all."""
    with atomic(path) as temporary:
        np.savez(
            temporary, document=document, fold=fold, probability=probability.astype(np.float32)
        )


def read_probabilities(
    path: Path | str,
) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.float32]]:
    """(document, fold, probability) as written; raises UserError if the file is damaged.

    The archive has a checksum of each array.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["document"], arrays["fold"], arrays["probability"]
    except DAMAGED as error:
        raise UserError(f"{path} cannot be read ({error}): delete it and run again") from error
