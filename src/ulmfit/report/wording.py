"""How numbers and names are written, once for Markdown, HTML and figures."""

from __future__ import annotations

from collections.abc import Iterable

from ulmfit.report.results import Row, number

MINUS = "\N{MINUS SIGN}"
N_IS = "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
DIRECTIONS = {"-": "\N{EN DASH}", "fwd": "forward", "bwd": "backward", "fwd+bwd": "both"}
TOKENIZERS = {"-": "\N{EN DASH}", "word": "word", "subword": "sub-word", "word+subword": "both"}
STAGES = {
    "pretrain": "pretraining",
    "finetune": "LM fine-tuning",
    "classify": "classifier",
    "baseline": "baseline",
}
FINE_PRINT_FROM = 10_000
"""From so many documents on, one document is worth 0.01 points and errors get two decimals."""


def decimals(rows: Iterable[Row]) -> int:
    """Decimals of errors in per cent that the smallest number of documents can carry."""
    return 2 if min((number(row, "n") or 0 for row in rows), default=0) >= FINE_PRINT_FROM else 1


def fixed(value: float, places: int) -> str:
    """A number with a true minus sign, and no sign on zero."""
    text = f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:
        return text.lstrip("-")
    return text.replace("-", MINUS)


def percent(fraction: float | None, places: int = 1) -> str:
    """A fraction in per cent, without the sign %; empty for None."""
    return "" if fraction is None else fixed(100 * fraction, places)


def points(fraction: float | None, places: int = 1) -> str:
    """A difference of two fractions in percentage points, sign always shown; empty for None."""
    text = percent(fraction, places)
    return f"+{text}" if fraction is not None and fraction > 0 and text.strip("0.") else text


def interval(low: float | None, high: float | None, places: int = 1, *, sign: bool = False) -> str:
    """``[low, high]`` in per cent; empty if either is missing."""
    if low is None or high is None:
        return ""
    write = points if sign else percent
    return f"[{write(low, places)},\N{NO-BREAK SPACE}{write(high, places)}]"


def count(value: float | str | None) -> str:
    """A whole number with thousands separated; text such as ``all`` stays; empty for None."""
    if value is None or value == "":
        return ""
    try:
        return f"{float(value):,.0f}"
    except ValueError:
        return str(value)


def p_value(value: float | None) -> str:
    """Three decimals, ``< 0.001`` below them; empty for None."""
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them: ``8.4 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02d} min"


def size(in_bytes: float | None) -> str:
    """Bytes in decimal units: ``410 kB``, ``1.4 GB``."""
    if in_bytes is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if in_bytes < 999.5:
            return (
                f"{in_bytes:.0f} {unit}"
                if in_bytes >= 99.5 or unit == "B"
                else (f"{in_bytes:.1f} {unit}")
            )
        in_bytes /= 1000
    return f"{in_bytes:.1f} TB"


def direction(name: str) -> str:
    """``fwd`` -> ``forward``; unknown names stay."""
    return DIRECTIONS.get(name, name)


def tokenizer(name: str) -> str:
    """``subword`` -> ``sub-word``; unknown names stay."""
    return TOKENIZERS.get(name, name)


def labels(n_labelled: str) -> str:
    """``2,000 labels``, or ``all labels``."""
    return f"{count(n_labelled)} labels"


def plural(value: float, one: str, many: str | None = None) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{value:,.0f} {one if value == 1 else many or one + 's'}"


def span(values: Iterable[float], one: str, many: str | None = None) -> str:
    """``3 seeds``, or ``1 to 3 seeds`` where they differ."""
    ordered = sorted(set(values))
    if not ordered:
        return ""
    last = plural(ordered[-1], one, many)
    return last if len(ordered) == 1 else f"{ordered[0]:,.0f} to {last}"


def listing(parts: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    items = list(parts)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def distinct_titles(rows: Iterable[Row]) -> list[str]:
    """Titles of lines; lines of the same title also say their tokenizer and direction."""
    lines = list(rows)
    titles = [row["title"] for row in lines]
    named = []
    for row in lines:
        twins = [other for other in lines if other["title"] == row["title"]]
        parts = [
            write(row[key])
            for key, write in (("tokenizer", tokenizer), ("direction", direction))
            if len({other[key] for other in twins}) > 1
        ]
        several = titles.count(row["title"]) > 1 and parts
        named.append(f"{row['title']} ({', '.join(parts)})" if several else row["title"])
    return named
