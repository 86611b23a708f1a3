"""Word tokenization: ours and fastai in turn, in one run. ``python -m bench.tokenize --help``.

Both cut the same documents by the rules of fastai v2, and their tokens are compared document by
document (line breaks, which our files spell out, counting as equal). A different token is an error.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import machine
from bench.cut import SIDES
from bench.markdown import RESULTS, heading, spread, table, write
from bench.side_by_side import ChildFailed, call, in_turn
from bench.texts import SOURCES, texts
from ulmfit.errors import UserError


def say(line: str) -> None:
    """Say how far the run has come."""
    print(line, file=sys.stderr, flush=True)


def compare(documents: list[str], pairs: int) -> list[tuple[dict[str, Any], ...]]:
    """Results of :data:`SIDES` in turn over the same documents."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(documents), encoding="utf-8")

        def side(name: str) -> Callable[[], dict[str, Any]]:
            return lambda: call("bench.cut", name, str(path))

        return in_turn([side(name) for name in SIDES], pairs, say)


def different(rounds: list[tuple[dict[str, Any], ...]]) -> int:
    """Documents whose tokens are not fastai's."""
    ours, theirs, _ = rounds[0]
    return sum(a != b for a, b in zip(ours["digests"], theirs["digests"], strict=True))


def row(source: str, count: int, rounds: list[tuple[dict[str, Any], ...]]) -> list[str]:
    """A row of the table."""
    rates = [[count / value["cpu"] for value in values] for values in rounds]
    return [
        f"{source}, {count:,} documents",
        *(spread([rate[k] for rate in rates], 0) for k in range(len(SIDES))),
        spread([ours / theirs for ours, theirs, _ in rates]),
        f"{rounds[0][0]['tokens'] / count:.0f}",
        f"{different(rounds)}",
    ]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    lines = argparse.ArgumentParser(
        prog="python -m bench.tokenize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lines.add_argument("--source", nargs="+", choices=SOURCES, default=["docstrings"])
    lines.add_argument("--mirror", type=Path, help="folder with the published files of imdb")
    lines.add_argument("--documents", type=int, default=2000)
    lines.add_argument("--pairs", type=int, default=5)
    lines.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return lines


def main(line: Sequence[str] | None = None) -> int:
    """Measure and write; returns the exit status, 1 where tokens differ."""
    options = parser().parse_args(line)
    arguments = sys.argv[1:] if line is None else line
    facts = machine.facts()
    rows, found = [], {}
    try:
        for source in options.source:
            say(f"tokenization: {source}")
            documents = texts(source, options.mirror, options.documents)
            rounds = compare(documents, options.pairs)
            rows.append(row(source, len(documents), rounds))
            found[source] = {
                "different": different(rounds),
                "cpu": [[value["cpu"] for value in values] for values in rounds],
                "tokens": [value["tokens"] for value in rounds[0]],
            }
    except (ChildFailed, UserError) as error:
        print(f"bench.tokenize: {error}", file=sys.stderr)
        return 1
    head = ["text", "ours, documents / CPU-s", "fastai", "spaCy alone", "ours / fastai"]
    head += ["tokens / document", "documents with other tokens"]
    text = "\n".join(
        [
            "# Word tokenization\n",
            heading(facts, f"python -m bench.tokenize {shlex.join(arguments)}"),
            table(head, rows),
        ]
    )
    print(text)
    values = {"machine": facts, "arguments": list(arguments), "sides": SIDES, "results": found}
    say(f"written: {write('tokenize', text, values, options.output)}")
    return int(any(result["different"] for result in found.values()))


if __name__ == "__main__":
    sys.exit(main())
