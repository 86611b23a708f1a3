"""A figure's SVG made part of a page: only drawing elements, own ids, colours of the page's theme.

The file is read back from disk, so it counts as foreign: elements and attributes that are not on
the list are dropped, and a reference may only point into the figure itself.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from ulmfit.errors import UserError
from ulmfit.report.palette import COLOURS, INK, MUTED, PAPER, RULE

ELEMENTS = {
    *("svg", "g", "defs", "path", "use", "clipPath", "rect", "line"),
    *("polyline", "polygon", "circle", "ellipse"),
}
ATTRIBUTES = {
    *("id", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height"),
    *("points", "transform", "style", "clip-path", "href", "viewBox", "fill", "stroke"),
}
VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"} | {
    colour: f"--series-{index}" for index, colour in enumerate(COLOURS)
}
"""Custom properties of the page that replace the colours of the figures."""


def inline_svg(path: Path | str, name: str, label: str) -> str:
    """The SVG file as an element for HTML; ``name`` goes before its ids, ``label`` describes it.

    Raises UserError if the file is missing or not SVG.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file: make the figures first") from error
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not SVG ({error}): make the figures again") from error
    if _local(root.tag) != "svg":
        raise UserError(f"{path} is not SVG: make the figures again")
    content = "".join(_element(child, name) for child in root)
    attributes = {key: value for key, value in root.attrib.items() if key != "style"}
    return (
        f'<svg{_attributes(attributes, name)} role="img" aria-label="{escape(label)}">'
        f"{content}</svg>"
    )


def _element(element: ElementTree.Element, name: str) -> str:
    tag = _local(element.tag)
    if tag not in ELEMENTS:
        return ""
    content = "".join(_element(child, name) for child in element)
    attributes = _attributes(element.attrib, name)
    return f"<{tag}{attributes}>{content}</{tag}>" if content else f"<{tag}{attributes}/>"


def _attributes(attributes: dict[str, str], name: str) -> str:
    written = []
    for raw, value in attributes.items():
        key = _local(raw)
        if key not in ATTRIBUTES or (key == "href" and not value.startswith("#")):
            continue
        if key == "id":
            value = f"{name}-{value}"
        value = value.replace("url(#", f"url(#{name}-") if "url(" in value else value
        if re.search(r"url\((?!#)", value):
            continue
        value = f"#{name}-{value[1:]}" if key == "href" else _themed(value)
        written.append(f' {key}="{escape(value)}"')
    return "".join(written)


def _themed(value: str) -> str:
    return re.sub(
        r"#[0-9a-fA-F]{6}\b",
        lambda match: (
            f"var({VARIABLES[match[0].lower()]})" if match[0].lower() in VARIABLES else match[0]
        ),
        value,
    )


def _local(name: object) -> str:
    """A name without its namespace; comments and processing instructions have none."""
    return name.rpartition("}")[2] if isinstance(name, str) else ""
