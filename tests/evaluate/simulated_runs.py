"""Simulated tables of runs that share their documents, with known true error rates.

A run errs on a document where difficulty (of the document, of the document for this method), a
shift of the run and chance together pass a threshold; all are normal, so the truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Table:
    """``shift``: standard deviation between runs, beside 1 of chance and ``difficulty``."""

    seeds: int
    documents: int
    error: float
    difficulty: float
    shift: tuple[float, ...]

    def draw(self, generator):
        """Wrong predictions of each method, (runs, documents) each."""
        shared = generator.normal(0, self.difficulty, self.documents)
        cells = []
        for shift in self.shift:
            total = np.sqrt(1 + self.difficulty**2 + 0.5**2 + shift**2)
            cells.append(
                NormalDist().inv_cdf(self.error) * total
                + shared
                + generator.normal(0, 0.5, self.documents)
                + generator.normal(0, shift, (self.seeds, 1))
                + generator.normal(0, 1, (self.seeds, self.documents))
                > 0
            )
        return cells


FEW_DOCUMENTS = {"documents": 500, "error": 0.06, "difficulty": 3.0, "shift": (0.3,) * 3}
"""As TREC-6: documents weigh more than seeds."""
NOISY_SEEDS = {"documents": 2000, "error": 0.38, "difficulty": 2.0, "shift": (0.1,) * 3}
"""As the built-in study: runs of one method differ by 1.5 points (standard deviation)."""
UNEQUAL_NOISE = {"documents": 2000, "error": 0.38, "difficulty": 2.0, "shift": (0.05, 0.05, 0.15)}
