"""LaTeX of the tables: the whole text of one, and signs that must not be commands."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from crowded_study import HOSTILE

from synthetic_results import SyntheticResults
from ulmfit.config.paths import READ_TABLES
from ulmfit.report.layout import Cell, Column, Line, Sheet
from ulmfit.report.tex import escape, make_tex, tex

GOLDEN = r"""% Needs \usepackage{booktabs} and, for names of signs, \usepackage[T1]{fontenc}.
\begin{table}
\centering\small
\caption[{Ablation \& more}]{Ablation \& more. Errors on the report fold.}
\label{tab:main}
\begin{tabular}{lrr}
\toprule
Variant & Error \% & 95 \% interval \\
\midrule
\textbf{ULMFiT} & \textbf{36.5} & \textbf{{[}35.0,~38.0]} \\
\midrule
From\_scratch &  & {[}$-$1.1, +2.0] \\
\bottomrule
\end{tabular}
\par\medskip\footnotesize One seed \textless{} three.
\end{table}
"""


def test_a_sheet_becomes_exactly_this_latex() -> None:
    first = Line(_cells("ULMFiT", "36.5", "[35.0,\N{NO-BREAK SPACE}38.0]"), strong=True)
    second = Line(_cells("From_scratch", "", "[\N{MINUS SIGN}1.1, +2.0]"))
    sheet = Sheet(
        "main",
        "Ablation & more",
        "Errors on the report fold.",
        (Column("Variant"), Column("Error %", True), Column("95 % interval", True)),
        ((first,), (second,)),
        ("One seed < three.",),
    )
    assert tex(sheet) == GOLDEN


def _cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text) for text in texts)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a & b % c $ d # e _ f", r"a \& b \% c \$ d \# e \_ f"),
        ("{x} ~ ^ \\", r"\{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}"),
        ('<b> | `c` "d"', None),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("[1] first", "{[}1] first"),
        ("* star", "{*} star"),
        ("a--b ''c'' ,,d", "a-{}-b '{}'c'{}' ,{},d"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("ULMFiT's fine-tuning", "ULMFiT's fine-tuning"),
        ("中文 é", "中文 é"),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str | None) -> None:
    if shown is None:
        shown = (
            r"\textless{}b\textgreater{} \textbar{} \textasciigrave{}c\textasciigrave{} "
            r"\textquotedbl{}d\textquotedbl{}"
        )
    assert escape(text) == shown


def test_every_escaped_sign_is_behind_a_backslash_or_in_a_name() -> None:
    escaped = escape("".join(map(chr, range(32, 127))) * 2)
    bare = re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]|\{[\[*]\}|[-',]\{\}", "", escaped)
    assert not set(bare) & set('&%$#_{}~^\\<>|`"')


@pytest.fixture
def written(reported: Path) -> dict[str, str]:
    make_tex(reported / "manifest.json", reported / "tables")
    return {path.stem: path.read_text() for path in (reported / "tables").glob("*.tex")}


def test_every_table_has_its_latex_with_the_numbers_of_the_csv(
    written: dict[str, str], reported: Path, synthetic_results: SyntheticResults
) -> None:
    names = {"main", "ensembles", "low-shot", "sealed", *READ_TABLES}
    assert written.keys() == names
    with open(reported / "tables" / "main.csv", newline="") as file:
        for row in csv.DictReader(file):
            assert f"& {100 * float(row['error']):.1f} &" in written["main"].replace(
                r"\textbf{", ""
            ).replace("}", "")
    assert synthetic_results.results != reported


def test_every_line_has_as_many_cells_as_there_are_columns(crowded: Path) -> None:
    for path in make_tex(crowded / "manifest.json", crowded / "tables"):
        text = path.read_text()
        columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
        assert columns is not None
        lines = [line for line in text.splitlines() if line.endswith(r" \\")]
        assert lines
        for line in lines:
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1
        assert HOSTILE not in text
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
