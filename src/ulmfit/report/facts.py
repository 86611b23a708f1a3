"""Any JSON of facts (sources, folds) as lines and small tables, without knowing its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ulmfit.report import wording
from ulmfit.report.layout import Cell, Column, Line, Sheet
from ulmfit.store.files import canonical_json

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Facts:
    """Lines (name, text) and tables, in the order of the file."""

    lines: tuple[tuple[str, str], ...]
    tables: tuple[Sheet, ...]


def facts(content: Mapping[str, Any] | None, prefix: str = "") -> Facts:
    """Single values and flat lists become lines; mappings of mappings become tables."""
    lines: list[tuple[str, str]] = []
    tables: list[Sheet] = []
    for key, value in (content or {}).items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if _is_table(value):
            tables.append(_table(name, value))
        elif isinstance(value, Mapping) and any(
            isinstance(inner, Mapping) for inner in value.values()
        ):
            below = facts(value, f"{name}: ")
            lines += below.lines
            tables += below.tables
        elif text := _text(value):
            lines.append((name, text))
    return Facts(tuple(lines), tuple(tables))


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            isinstance(inner, Mapping) and all(_is_scalar(leaf) for leaf in _leaves(inner).values())
            for inner in value.values()
        )
    )


def _leaves(inner: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a row: a mapping within it gives one column for each of its keys."""
    names = [key for value in inner.values() if isinstance(value, Mapping) for key in value]
    names += [key for key, value in inner.items() if not isinstance(value, Mapping)]
    leaves: dict[str, Any] = {}
    for key, value in inner.items():
        if isinstance(value, Mapping):
            for leaf, content in value.items():
                leaves[leaf if names.count(leaf) == 1 else f"{key}: {leaf}"] = content
        else:
            leaves[key] = value
    return leaves


def _table(name: str, value: Mapping[str, Mapping[str, Any]]) -> Sheet:
    rows = {row: _leaves(inner) for row, inner in value.items()}
    columns = list(dict.fromkeys(key for leaves in rows.values() for key in leaves))
    return Sheet(
        name="",
        title=name,
        caption=f"{name[:1].upper()}{name[1:]}.",
        columns=(Column(""), *(Column(column, True) for column in columns)),
        groups=(
            tuple(
                Line((Cell(row, row), *(_cell(leaves.get(column)) for column in columns)))
                for row, leaves in rows.items()
            ),
        ),
    )


def _cell(value: Scalar) -> Cell:
    return Cell(_text(value), "" if value is None else str(value))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{key} {_text(inner)}" for key, inner in value.items() if inner is not None
        )
    if isinstance(value, list):
        return ", ".join(
            _text(inner) if _is_scalar(inner) else canonical_json(inner) for inner in value
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return wording.count(value)
    return "" if value is None else str(value)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
