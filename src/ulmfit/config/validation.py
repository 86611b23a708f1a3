"""From untrusted YAML to checked models, with errors for the person who wrote the YAML.

pydantic reads the plain dataclasses of `recipes`, `study` and `sources`; nothing else in the
package imports it.
"""

from __future__ import annotations

import dataclasses
import difflib
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ulmfit.errors import UserError

Model = TypeVar("Model")


def check(kind: type[Model], values: Any, where: str) -> Model:
    """``values`` as a ``kind``; raises UserError with file, key and what would be valid.

    ``where`` opens every message: a file name, or a file name and the keys that lead to ``values``.
    """
    try:
        model: Any = kind  # mypy does not see that classes are hashable
        checked: Model = adapter(model).validate_python(values)
        return checked
    except ValidationError as error:
        # An unknown key comes first: it is often why another one is missing.
        found = sorted(error.errors(), key=lambda item: not _is_unknown_key(item))
        # A union reports every member that did not fit: the one that fits best failed deepest.
        places = [_place(values, item) for item in found]
        lines = [
            _explain(kind, values, item, where)
            for item, place in zip(found, places, strict=True)
            if not any(other[: len(place)] == place != other for other in places)
        ]
        raise UserError("\n".join(dict.fromkeys(lines))) from None
    except UserError as error:
        # Keys that are right one by one and wrong together are refused by the recipe itself.
        raise UserError(f"{where}: {error}") from None


def check_name(name: str, known: Any, where: str, what: str) -> None:
    """Raise UserError with the nearest known name unless ``name`` is one of ``known``."""
    if name not in known:
        raise UserError(f"{where}: unknown {what} {name!r}; {nearest(name, known)}")


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``base``, nested mappings key by key; neither is changed."""
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        both = isinstance(value, dict) and isinstance(old, dict)
        merged[name] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The pydantic view of a dataclass, unknown keys forbidden at every depth."""
    for nested in _dataclasses_in(kind):
        # Canonical JSON has no word for infinity or "not a number".
        nested.__pydantic_config__ = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)
    return TypeAdapter(kind)


def _dataclasses_in(kind: Any) -> list[Any]:
    found: list[Any] = []
    if dataclasses.is_dataclass(kind):
        found.append(kind)
        for hint in get_type_hints(kind).values():
            found += _dataclasses_in(hint)
    for part in get_args(kind):
        found += _dataclasses_in(part)
    return found


def _place(values: Any, item: Any) -> tuple[Any, ...]:
    """Keys that lead to a mistake, a missing key included."""
    keys = tuple(part for part in item["loc"] if _leads_into(values, item["loc"], part))
    return (*keys, item["loc"][-1]) if item["type"].startswith("missing") else keys


def _explain(kind: Any, values: Any, item: Any, where: str) -> str:
    keys = [part for part in item["loc"] if _leads_into(values, item["loc"], part)]
    place = f"{where}: {'.'.join(map(str, keys))}" if keys else where
    if _is_unknown_key(item):
        known = _known_keys(kind, item["loc"][:-1])
        return f"{place}: unknown key {item['loc'][-1]!r}; {nearest(str(item['loc'][-1]), known)}"
    if item["type"] in {"missing", "missing_argument"}:
        return f"{place}: key {item['loc'][-1]!r} is missing"
    if item["type"] == "tuple_type" and isinstance(item["input"], str | int | float):
        return f"{place}: a list: write [{item['input']}]"
    message = item["msg"][0].lower() + item["msg"][1:]
    return f"{place}: {message}, not {item['input']!r}"


def _is_unknown_key(item: Any) -> bool:
    return item["type"] in {"unexpected_keyword_argument", "extra_forbidden"}


def _leads_into(values: Any, location: tuple[Any, ...], part: Any) -> bool:
    """Whether part of a location is a key of the YAML, not pydantic's name of a union's member."""
    for step in location:
        inside = isinstance(values, dict) and step in values
        inside = inside or (isinstance(values, list | tuple) and isinstance(step, int))
        if step is part:
            return bool(inside)
        if inside:
            values = values[step]
    return False


def _known_keys(kind: Any, location: tuple[Any, ...]) -> list[str]:
    """Keys valid at a location: fields of the dataclass that pydantic was reading there."""
    candidates = _dataclasses_in(kind)
    for part in location:
        deeper = [
            hint
            for candidate in candidates
            for name, hint in get_type_hints(candidate).items()
            if name == part
        ]
        if deeper:
            candidates = [found for hint in deeper for found in _dataclasses_in(hint)]
    return [item.name for item in dataclasses.fields(candidates[0])] if candidates else []


def nearest(name: str, known: Any) -> str:
    """What somebody who wrote ``name`` may have meant, of the names ``known``, in words."""
    names = sorted(map(str, known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none is known here"
