"""LaTeX of every table of a study, beside its CSV: ready for ``\\input``, with booktabs rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ulmfit.report.layout import Line, Sheet
from ulmfit.report.results import read_study
from ulmfit.report.tables import standing_alone
from ulmfit.store.files import write_text

ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        '"': r"\textquotedbl{}",
        "\N{NO-BREAK SPACE}": "~",
        "\N{MINUS SIGN}": "$-$",
        "\N{EN DASH}": r"\textendash{}",
        "\N{DAGGER}": r"\dag{}",
        "\N{HORIZONTAL ELLIPSIS}": r"\dots{}",
        "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    }
)
HEAD = r"""% Needs \usepackage{booktabs} and, for names of signs, \usepackage[T1]{fontenc}.
\begin{table}
\centering\small
"""


def make_tex(manifest: Path | str, tables: Path | str) -> list[Path]:
    """Write LaTeX for the tables that :func:`ulmfit.report.tables.make_markdown` writes.

    Returns the files written, in the order of the manifest; a table that is not there is a file
    without lines. Raises UserError if one is damaged.
    """
    written = []
    for sheet in standing_alone(read_study(manifest, tables, partial=True)):
        path = Path(tables) / f"{sheet.name}.tex"
        write_text(path, tex(sheet))
        written.append(path)
    return written


def tex(sheet: Sheet) -> str:
    """A sheet as a LaTeX ``table`` with caption, label ``tab:<name>`` and notes."""
    alignment = "".join("r" if column.numeric else "l" for column in sheet.columns)
    title = escape(sheet.title)
    parts = [
        f"{HEAD}\\caption[{{{title}}}]{{{title}. {escape(sheet.caption)}}}",
        f"\\label{{tab:{sheet.name}}}",
        f"\\begin{{tabular}}{{{alignment}}}",
        "\\toprule",
        _row(escape(column.heading) for column in sheet.columns),
        "\\midrule",
    ]
    bodies = ["\n".join(map(_tex_line, group)) for group in sheet.groups if group]
    if bodies:
        parts.append("\n\\midrule\n".join(bodies))
    parts += ["\\bottomrule", "\\end{tabular}"]
    parts += [f"\\par\\medskip\\footnotesize {escape(note)}" for note in sheet.notes]
    return "\n".join([*parts, "\\end{table}"]) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX sets as it is: one line, no command, no comment, no border of a cell.

    At the start of a cell a bracket or a star would be read as the argument of the rule or the
    line break before it, and two equal signs in a row as a dash or a quotation mark.
    """
    shown = "".join(sign if sign.isprintable() or sign == "\xa0" else " " for sign in text)
    escaped = re.sub(" +", " ", shown).strip(" ").translate(ESCAPES)
    return re.sub(r"^([\[*])", r"{\1}", re.sub(r"([-',])(?=\1)", r"\1{}", escaped))


def _tex_line(line: Line) -> str:
    texts = (escape(cell.text) for cell in line.cells)
    return _row(f"\\textbf{{{text}}}" if line.strong and text else text for text in texts)


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + " \\\\"
