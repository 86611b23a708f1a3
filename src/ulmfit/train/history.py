"""One line an epoch: ``history.csv`` and a line on stderr."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

from ulmfit.store.files import write_text

LANGUAGE_MODEL = (
    *("epoch", "stage", "train_loss", "valid_loss", "valid_perplexity", "valid_accuracy"),
    *("lr", "tokens_per_s", "wall_s"),
)
CLASSIFIER = (
    *("epoch", "stage", "train_loss", "train_error", "select_loss", "select_error"),
    *("lr", "tokens_per_s", "wall_s"),
)


class History:
    """Rows of one training; a missing value stays empty."""

    def __init__(self, columns: tuple[str, ...], label: str) -> None:
        self._columns = columns
        self._label = label
        self.rows: list[dict[str, Any]] = []

    def add(self, **row: Any) -> None:
        """Add an epoch and say it in one line; KeyError for a column that does not exist."""
        unknown = set(row) - set(self._columns)
        if unknown:
            raise KeyError(f"no history column {', '.join(sorted(unknown))}")
        self.rows.append(row)
        shown = (
            f"{name} {_text(row[name])}" for name in self._columns if row.get(name) is not None
        )
        print(f"{self._label}: {', '.join(shown)}", file=sys.stderr, flush=True)

    def write(self, path: Path) -> None:
        """Write all rows as CSV."""
        file = io.StringIO()
        writer = csv.DictWriter(file, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: _text(value) for name, value in row.items() if value is not None}
            for row in self.rows
        )
        write_text(path, file.getvalue())


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
