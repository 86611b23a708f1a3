"""Options that several commands of :mod:`ulmfit.cli` share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ulmfit.store.checkpoints import Every


def training(parser: argparse.ArgumentParser) -> None:
    """What every training stage takes."""
    parser.add_argument("--recipe", required=True, help="recipe as JSON")
    paths(parser, "tokens", help="tokens.json of a token folder")
    # Without a value: random weights. The workflow leaves the value out where there is no parent.
    optional_paths(parser, "initial", help="weights to start from; left out: random")
    parser.add_argument("--direction", choices=("fwd", "bwd"), default="fwd")
    parser.add_argument("--seed", type=int, required=True)
    paths(parser, "output", help="weights to write; card and vocabulary go beside them")
    paths(parser, "history")
    parser.add_argument(
        "--checkpoint-every",
        type=_every,
        default=os.environ.get("ULMFIT_CHECKPOINT_EVERY", "300s"),
        metavar="300s|20",
        help="seconds, or updates, between checkpoints; default: $ULMFIT_CHECKPOINT_EVERY, or 300s",
    )
    device(parser)


def _every(text: str) -> Every:
    try:
        return Every.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def paths(parser: argparse.ArgumentParser, *names: str, help: str | None = None) -> None:
    """Files that must be named."""
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=help)


def optional_paths(parser: argparse.ArgumentParser, *names: str, help: str | None = None) -> None:
    """Files that may be left out, with or without the option."""
    for name in names:
        parser.add_argument(f"--{name}", type=Path, nargs="?", metavar="FILE", help=help)


def study(parser: argparse.ArgumentParser) -> None:
    """``--study`` or ``--results``: which finished study."""
    named = parser.add_mutually_exclusive_group()
    named.add_argument(
        "--study",
        type=Path,
        default=Path("config/config.yaml"),
        metavar="FILE",
        help="its YAML file; default: config/config.yaml, the built-in study",
    )
    named.add_argument("--results", type=Path, metavar="FOLDER", help="its results")


def n_text(parser: argparse.ArgumentParser, what: str) -> None:
    """``--n-text``: which text is read, ``what`` says for what."""
    parser.add_argument(
        "--n-text",
        type=lambda text: text if text in ("all", "labelled", "with-test") else int(text),
        default="all",
        help=f"{what}: all but evaluation folds, these and the fold test (with-test), that of all "
        "labelled documents, or of so many of them",
    )


def threads(parser: argparse.ArgumentParser) -> None:
    """``--threads``: processes of a stage."""
    parser.add_argument("--threads", type=int, default=1, help="processes; no result depends on it")


def device(parser: argparse.ArgumentParser) -> None:
    """``--device``: where a model computes."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default=os.environ.get("ULMFIT_DEVICE", "auto"),
        help="default: $ULMFIT_DEVICE, or auto",
    )


def fold(parser: argparse.ArgumentParser) -> None:
    """``--fold``: evaluation folds, or the sealed one."""
    parser.add_argument(
        "--fold",
        choices=("report", "test"),
        default="report",
        help="report: folds select and report; test: the sealed fold, each evaluation counted",
    )


def count(text: str) -> int | None:
    """A number of documents; None for ``all``."""
    return None if text == "all" else int(text)


def forecast(parser: argparse.ArgumentParser) -> None:
    """What a forecast of a study takes."""
    parser.add_argument(
        "--configfile", type=Path, default=Path("config/config.yaml"), help="the study"
    )
    parser.add_argument(
        "--cores", type=cores, default=available_cores(), help="default: those of this process"
    )
    parser.add_argument(
        "--gpu",
        default="none",
        metavar="NAME",
        help="a GPU of the table of rates (h200, unnamed), here: the GPU of this machine, or none "
        "(default): its CPU; the last two are calibrated in some seconds",
    )
    parser.add_argument(
        "--rate", type=positive, metavar="TFLOP/s", help="a rate of your own: nothing is calibrated"
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="results of the study, as far as it is made; default: results/<study>",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores(text: str) -> int:
    """A number of cores, at least 1; ``all``: those of this process."""
    if text == "all":
        return available_cores()
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number


def positive(text: str) -> float:
    """A number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: must be more than 0")
    return number
