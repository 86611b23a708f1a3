"""How time and memory grow with the work. ``python -m bench.growth --help``.

corpus       folds, word tokens and an epoch of a tiny language model over 1, 2, 4, 8 parts of text
length       one document of 100 to 50,000 tokens: cut into words, and in a batch of a classifier
vocabulary   an update of a language model with 10,000 to 200,000 words, and its file
jobs         Snakemake's own work for studies of 17 to 2,000 jobs that only touch their outputs

Each value is of a fresh process. An exponent is the slope of a straight line through logarithms: 1
is linear, less is a fixed cost that counts less and less.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import machine
from bench.child import Task
from bench.growth_figure import draw
from bench.markdown import RESULTS, heading, table, write
from bench.side_by_side import ChildFailed, call, run
from bench.texts import DISTRIBUTIONS, texts
from bench.workloads import Workload
from ulmfit.config.sources import DocstringProse

CUT_OFF, WHOLE = "classifier", "classifier, nothing cut off"

PACKAGES = tuple(dict.fromkeys((*DocstringProse().distributions, *DISTRIBUTIONS)))
"""Whose docstrings are the corpus."""


@dataclass(frozen=True)
class Sizes:
    """What is measured: ``part`` documents of a corpus times ``parts``; tokens of a document;
    words of a vocabulary; (rows, seeds) of a study, and the most runs that are really run.
    """

    distributions: tuple[str, ...] = PACKAGES
    part: int = 3_000
    parts: tuple[int, ...] = (1, 2, 4, 8)
    lengths: tuple[int, ...] = (100, 1_000, 5_000, 20_000, 50_000)
    vocabularies: tuple[int, ...] = (10_000, 30_000, 60_000, 100_000, 200_000)
    studies: tuple[tuple[int, int], ...] = ((1, 1), (4, 3), (8, 8), (18, 18), (26, 25))
    most_runs: int = 1_000
    repeats: int = 2


QUICK = Sizes(("docutils",), 20, (1, 2), (100, 200), (100, 200), ((1, 1), (2, 1)), 2, 1)
"""Is the bench itself in order?"""


@dataclass(frozen=True)
class Point:
    """A size, and what each repeat took; memory is that of the process."""

    size: int
    cpu: list[float]
    wall: list[float]
    peak_mib: list[float]

    @property
    def cpu_s(self) -> float:
        """Median of the repeats."""
        return statistics.median(self.cpu)

    @property
    def memory(self) -> float:
        """Median of the repeats, in MiB."""
        return statistics.median(self.peak_mib)


Series = list[Point]
Panel = dict[str, Series]
Say = Callable[[str], None]


def point(size: int, values: Sequence[tuple[float, float, float]]) -> Point:
    """A point of (CPU-seconds, seconds, MiB) of each repeat."""
    cpu, wall, peak = (list(column) for column in zip(*values, strict=True))
    return Point(size, cpu, wall, peak)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of the straight line through the logarithms (least squares)."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def corpus(sizes: Sizes, say: Say) -> tuple[Panel, str]:
    """Stages that read all text, over docstrings of installed packages."""
    from bench.one_stage import DOCUMENTS
    from ulmfit.data import prose
    from ulmfit.store.tables import write_table

    found: Panel = {"folds": [], "tokens": [], "epoch of a tiny LM": []}
    everything, _ = prose.documents(DocstringProse(distributions=sizes.distributions))
    drawn = everything.sample(sizes.part * max(sizes.parts), random_state=0)
    for parts in sizes.parts:
        measured: list[list[tuple[float, float, float]]] = [[], [], []]
        table_of_size = drawn.iloc[: parts * sizes.part]
        words = sum(len(text.split()) for text in table_of_size["text"])
        for _ in range(sizes.repeats):
            say(f"corpus: {words:,} words")
            with tempfile.TemporaryDirectory() as folder:
                write_table(Path(folder, DOCUMENTS), table_of_size)
                for values, name in zip(measured, ("folds", "tokens", "epoch"), strict=True):
                    one = call("bench.one_stage", name, folder)
                    values.append((one["cpu"][name], one["wall"][name], one["peak_mib"]))
        for series, values in zip(found.values(), measured, strict=True):
            series.append(point(words, values))
    return found, "words of text"


def length(sizes: Sizes, say: Say) -> tuple[Panel, str]:
    """One long document: cut into words, and in a batch beside seven of 100 tokens."""
    found: Panel = {"word tokens": [], CUT_OFF: [], WHOLE: []}
    words = " ".join(texts("docstrings", None, 40 + max(sizes.lengths) // 40)).split(" ")
    for tokens in sizes.lengths:
        say(f"length: {tokens:,} tokens")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "texts.json")
            path.write_text(json.dumps([" ".join(words[:tokens])]), encoding="utf-8")
            cuts = [call("bench.cut", "ours", str(path)) for _ in range(sizes.repeats)]
        values = [(one["cpu"], one["wall"], one["peak_mib"]) for one in cuts]
        found["word tokens"].append(point(tokens, values))
        for name, max_seq in ((CUT_OFF, 1_400), (WHOLE, tokens)):
            task = Task("fp32", _with_one_long(tokens, max_seq), "one-long", warm_up=0, steps=1)
            updates = [run(task) for _ in range(sizes.repeats)]
            values = [(one.cpu_s, one.wall, one.peak_mib) for one in updates]
            found[name].append(point(tokens, values))
    return found, "words or tokens of the document"


def _with_one_long(tokens: int, max_seq: int) -> Workload:
    sizes = ("one-long", "classifier", 50, 100, 1_000, 8)
    return Workload(*sizes, max_seq=max_seq, mean_length=100.0, longest=tokens)


def vocabulary(sizes: Sizes, say: Say) -> tuple[Panel, str]:
    """An update of a language model with its exact softmax; its weights and words as files."""
    found: Panel = {"update of an LM": [], "write weights": [], "read weights": []}
    for words in sizes.vocabularies:
        say(f"vocabulary: {words:,} words")
        workload = Workload("words", "lm", 100, 200, words, 16)
        task = Task("fp32", workload, "sample", warm_up=1, steps=3)
        updates = [run(task) for _ in range(sizes.repeats)]
        values = [(one.cpu_s / one.steps, one.wall / one.steps, one.peak_mib) for one in updates]
        found["update of an LM"].append(point(words, values))
        with tempfile.TemporaryDirectory() as folder:
            files = [
                call("bench.one_stage", "weights", folder, str(words)) for _ in range(sizes.repeats)
            ]
        for name, part in (("write weights", "save"), ("read weights", "load")):
            values = [(one["cpu"][part], one["wall"][part], one["peak_mib"]) for one in files]
            found[name].append(point(words, values))
    return found, "words of the vocabulary"


def jobs(sizes: Sizes, say: Say) -> tuple[Panel, str]:
    """Snakemake with stages that only touch their outputs."""
    found: Panel = {"dry run": [], "run": [], "nothing to do": []}
    for rows, seeds in sizes.studies:
        say(f"jobs: {rows} rows, {seeds} seeds")
        really = "run" if rows * seeds <= sizes.most_runs else "dry"
        one = call("bench.engine", str(rows), str(seeds), really)
        count = sum(one["dry run"]["jobs"].values())
        for name, ran in one.items():
            found[name].append(point(count, [(ran["cpu_s"], ran["wall_s"], ran["peak_mib"])]))
    return found, "jobs of the study"


PANELS: dict[str, Callable[[Sizes, Say], tuple[Panel, str]]] = {
    "corpus": corpus,
    "length": length,
    "vocabulary": vocabulary,
    "jobs": jobs,
}


def values_table(panel: Panel, unit: str) -> str:
    """Time and memory of each size."""
    sizes = sorted({one.size for series in panel.values() for one in series})
    shown = {name: {one.size: one for one in series} for name, series in panel.items()}
    rows = [
        [f"{size:,}", *(_cell(by_size.get(size)) for by_size in shown.values())] for size in sizes
    ]
    return table([unit, *(f"{name}: CPU s (wall s), MiB" for name in panel)], rows)


def _cell(one: Point | None) -> str:
    if one is None:
        return ""
    return f"{one.cpu_s:.3g} ({statistics.median(one.wall):.3g}), {one.memory:,.0f}"


def exponents_table(panel: Panel) -> str:
    """Exponents of each series, and its cost for a unit of size at both ends."""
    rows = []
    for name, series in panel.items():
        sizes, cpu = [one.size for one in series], [one.cpu_s for one in series]
        memory = [one.memory for one in series]
        rows.append(
            [
                *(name, f"{exponent(sizes, cpu):.2f}", f"{exponent(sizes[-2:], cpu[-2:]):.2f}"),
                *(f"{1000 * cpu[0] / sizes[0]:.3g}", f"{1000 * cpu[-1] / sizes[-1]:.3g}"),
                f"{exponent(sizes[-2:], memory[-2:]):.2f}",
            ]
        )
    head = ["series", "exponent of CPU", "of the last step", "CPU ms for one, smallest", "largest"]
    return table([*head, "exponent of memory, last step"], rows)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    lines = argparse.ArgumentParser(
        prog="python -m bench.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lines.add_argument("--measure", nargs="+", choices=PANELS, default=list(PANELS))
    lines.add_argument("--quick", action="store_true", help="tiny sizes: is the bench in order?")
    lines.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    lines.add_argument(
        "--onto", type=Path, metavar="JSON", help="earlier results, whose other panels are kept"
    )
    lines.add_argument("--figure", type=Path, help="SVG; default: beside the results")
    return lines


def main(line: Sequence[str] | None = None) -> int:
    """Measure, draw and write; returns the exit status."""
    options = parser().parse_args(line)
    sizes = QUICK if options.quick else Sizes()
    arguments = sys.argv[1:] if line is None else line
    facts = machine.facts()
    parts = ["# Growth\n", heading(facts, f"python -m bench.growth {shlex.join(arguments)}")]
    earlier = json.loads(options.onto.read_text(encoding="utf-8")) if options.onto else {}
    found: dict[str, Any] = earlier.get("growth", {})

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        for name in options.measure:
            panel, unit = PANELS[name](sizes, say)
            parts += [
                f"## {name.capitalize()}\n",
                values_table(panel, unit),
                exponents_table(panel),
            ]
            series = {key: [asdict(one) for one in points] for key, points in panel.items()}
            found[name] = {"unit": unit, "series": series}
    except ChildFailed as error:
        print(f"bench.growth: {error}", file=sys.stderr)
        return 1
    text = "\n".join(parts)
    print(text)
    values = {"machine": facts, "arguments": list(arguments), "growth": found}
    path = write("growth", text, values, options.output)
    figure = options.figure or path.with_suffix(".svg")
    draw({name: found[name] for name in PANELS if name in found}, figure)
    say(f"written: {path}, {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
