"""A document of plain data set by Typst: the same data give the same bytes, without a network.

Everything that a study says reaches Typst as JSON and is shown as text, so no title, class or
document can be markup. Only fonts that come with the packages count, and fonts are embedded.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ulmfit.errors import UserError
from ulmfit.store.files import atomic

TEMPLATE = Path(__file__).parent / "templates" / "paper.typ"
LONGEST_WORD = 16
"""A longer run of signs without a blank may break."""
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"
KEPT = ("\N{SOFT HYPHEN}", ZERO_WIDTH_SPACE)
"""Signs without a picture that tell where a line may end."""


def typeset(content: Mapping[str, Any], pictures: Sequence[Path], output: Path | str) -> Path:
    """Write a PDF of ``content``, as ``templates/paper.typ`` describes it.

    ``pictures`` are SVG files; figures of the content name them by their places. Raises UserError
    if one is missing or cannot be drawn.
    """
    import typst

    with tempfile.TemporaryDirectory() as folder:
        # Its root holds nothing else, so nothing else can be read by what is set.
        root = Path(folder)
        shutil.copyfile(TEMPLATE, root / "paper.typ")
        (root / "content.json").write_text(json.dumps(_shown(content)), encoding="utf-8")
        for place, path in enumerate(pictures):
            try:
                shutil.copyfile(path, root / f"{place}.svg")
            except FileNotFoundError as error:
                raise UserError(f"{path}: no such file: make the figures first") from error
        try:
            pdf = typst.compile(
                str(root / "paper.typ"),
                root=folder,
                format="pdf",
                font_paths=[str(_fonts())],
                ignore_system_fonts=True,
            )
        except typst.TypstError as error:
            raise UserError(f"{output}: Typst cannot set it: {error.message}") from error
    with atomic(output) as temporary:
        temporary.write_bytes(pdf)
    return Path(output)


def printable(text: str) -> str:
    """Text in which every sign can be shown: others as ``[U+4E2D]``; long words may break.

    Signs that change the direction or the look of what follows count as others.
    """
    signs = "".join(
        " "
        if sign.isspace() and unicodedata.category(sign) != "Zs"
        else sign
        if sign in KEPT or ord(sign) in _drawn()
        else f"[U+{ord(sign):04X}]"
        for sign in text
    )
    return re.sub(rf"[^\s{ZERO_WIDTH_SPACE}]{{{LONGEST_WORD + 1},}}", _breakable, signs)


def _breakable(word: re.Match[str]) -> str:
    """Breaks after punctuation, and within what has none for long."""
    parts = re.sub(r"([/_.,:;=+-])(?=\w)", rf"\1{ZERO_WIDTH_SPACE}", word[0])
    long = rf"[^{ZERO_WIDTH_SPACE}]{{{LONGEST_WORD}}}(?=[^{ZERO_WIDTH_SPACE}])"
    return re.sub(long, rf"\g<0>{ZERO_WIDTH_SPACE}", parts)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {key: _shown(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(inner) for inner in value]
    return value


def _fonts() -> Path:
    """Folder of the fonts of matplotlib: DejaVu Sans has what Typst's own text font lacks."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@cache
def _drawn() -> frozenset[int]:
    """Code points that DejaVu Sans can draw, without controls."""
    from matplotlib.ft2font import FT2Font

    codes = FT2Font(str(_fonts() / "DejaVuSans.ttf")).get_charmap()
    return frozenset(code for code in codes if unicodedata.category(chr(code))[0] != "C")
