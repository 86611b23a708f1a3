"""Docstrings of installed distributions, read with `ast` and never imported."""

from __future__ import annotations

import ast
import gc
import inspect
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePath

from ulmfit.errors import UserError

# Tests say what code does wrong, and vendored copies are another distribution's text.
TESTS = frozenset({"test", "tests", "testing"})
VENDORED = frozenset(
    {"vendor", "_vendor", "vendored", "_vendored", "extern", "externals", "_externals"}
    | {"third_party", "array_api_compat", "array_api_extra"}
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A Python file of a distribution, under the name by which it would be imported."""

    distribution: str
    name: str
    path: Path


@dataclass(frozen=True)
class Docstring:
    """A docstring with its indentation removed; ``name`` is empty for that of a module."""

    module: Module
    name: str
    text: str


def installed(names: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The distributions of these names; raises UserError for the missing ones, all at once."""
    found: dict[str, metadata.Distribution] = {}
    missing: list[str] = []
    for name in names:
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise UserError(
            f"not installed: {', '.join(missing)}; their docstrings are the text of this source: "
            f"run `python -m pip install {' '.join(missing)}`, or take them off its distributions"
        )
    return found


def versions(names: Iterable[str]) -> dict[str, str]:
    """Version of each named distribution: they decide the text."""
    return {name: distribution.version for name, distribution in installed(names).items()}


def modules(names: Iterable[str]) -> list[Module]:
    """Modules of the named distributions, sorted, without tests and vendored copies.

    They are the files that a distribution's own record lists. Raises UserError if a distribution
    is missing or lists none.
    """
    return sorted(
        (module for distribution in installed(names).items() for module in _modules(*distribution)),
        key=lambda module: (module.distribution, module.name),
    )


def _modules(name: str, distribution: metadata.Distribution) -> list[Module]:
    found = [
        Module(name, _module_name(file), Path(str(file.locate())))
        for file in distribution.files or []
        if file.suffix == ".py"
        and not (TESTS | VENDORED).intersection(file.parts[:-1])
        and not file.name.startswith("test_")
        and file.name != "conftest.py"
    ]
    if not found:
        raise UserError(
            f"{name} is installed but lists no Python files (an editable install?): "
            f"run `python -m pip install --force-reinstall {name}`"
        )
    return found


def _module_name(file: PurePath) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def docstrings(modules: Iterable[Module]) -> Iterator[Docstring]:
    """Every docstring of some modules, in the order of modules and of definitions."""
    with _no_garbage_collection():
        for module in modules:
            source = module.path.read_bytes()
            # Parsing is what costs; a file without triple quotes has no docstring to speak of.
            if b'"""' in source or b"'''" in source:
                for name, text in _of_source(source):
                    yield Docstring(module, name, text)


def _of_source(source: bytes) -> Iterator[tuple[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return  # a template or a file for another version of Python
    yield from _of_node(tree, "")
    for statement in tree.body:
        match statement:
            case ast.Expr(ast.Call(ast.Name("add_newdoc"), arguments)):
                yield from _of_add_newdoc(arguments)


def _of_add_newdoc(arguments: list[ast.expr]) -> Iterator[tuple[str, str]]:
    """The docstring that ``add_newdoc("name", "text")`` gives to a definition in C."""
    strings = [
        node.value
        for argument in arguments
        for node in (argument.elts if isinstance(argument, ast.Tuple) else [argument])
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    if len(strings) >= 2:
        yield ".".join(strings[:-1]), inspect.cleandoc(strings[-1])


def _of_node(node: ast.Module | Definition, name: str) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node)
    if text:
        yield name, text
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for definition in _definitions(node):
            yield from _of_node(definition, f"{name}.{definition.name}".lstrip("."))


def _definitions(node: ast.AST) -> Iterator[Definition]:
    """Functions and classes of a module or class body, also below if, try and with."""
    for block in ("body", "handlers", "orelse", "finalbody"):
        for statement in getattr(node, block, ()):
            if isinstance(statement, Definition):
                yield statement
            else:
                yield from _definitions(statement)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Syntax trees hold no cycles, yet make the collector search millions of nodes."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
