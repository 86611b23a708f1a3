"""One look for each variant in every figure: told apart in colour, in grey and by the colour-blind.

The colours are those of Okabe and Ito (2008) without yellow, which is too pale on white, then four
dark ones of Tol (2021, "muted" and "dark").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

INK, MUTED, RULE, PAPER = "#1a1a1a", "#6b6b6b", "#dddddd", "#ffffff"
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#000000"),
    *("#882255", "#999933", "#332288", "#663333"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of one series; hollow markers for its further readings."""

    colour: str
    marker: str
    line: int
    hollow: bool = False

    @property
    def linestyle(self) -> str:
        """Matplotlib's name of the line."""
        return LINES[self.line % len(LINES)]

    def reading(self, index: int) -> Look:
        """The same variant with another tokenizer or direction: other line, hollow marker."""
        return replace(self, line=self.line + index, hollow=index > 0)


def looks(variants: Iterable[str]) -> dict[str, Look]:
    """A look for each variant, by its place in the order given.

    11 variants have a colour of their own. 11 colours and 8 markers have no common divisor, so 88
    variants all look different; markers and lines alone (in grey) tell 32 apart.
    """
    return {
        name: Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], index + index // 8)
        for index, name in enumerate(dict.fromkeys(variants))
    }
