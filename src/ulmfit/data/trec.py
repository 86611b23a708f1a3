"""TREC questions (Li and Roth 2002): one a line, behind its coarse and fine class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmfit.config.sources import Trec
from ulmfit.data.archives import decompressed
from ulmfit.data.decoding import lines
from ulmfit.data.documents import PLACE
from ulmfit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

LINE = re.compile(r"(?P<fine>(?P<coarse>\w+):\w+) (?P<text>.+)")


def documents(options: Trec, files: Mapping[str, Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Questions of ``train`` and ``test``, labelled by their coarse or fine class."""
    import pandas as pd

    rows = []
    for split in ("train", "test"):
        with decompressed(files[split]) as stream:
            for number, line in enumerate(lines(stream, options.encoding, str(files[split])), 1):
                place = f"{files[split]}, line {number}"
                if (found := LINE.fullmatch(line.strip())) is None:
                    raise UserError(f"{place}: not `COARSE:fine question`: {line.strip()[:60]!r}")
                label = found[options.labels]
                rows.append((f"{split}-{number}", split, label, None, found["text"], place))
    return pd.DataFrame(rows, columns=["id", "split", "label", "group", "text", PLACE]), {}
