"""What a study costs, in words: the forecast with a calibration of this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ulmfit.forecast.forecast import forecast
from ulmfit.forecast.show import show
from ulmfit.forecast.speeds import choose
from ulmfit.forecast.work import Shape
from ulmfit.studies import load_study


def planned(options: argparse.Namespace) -> list[str]:
    """Lines of the command ``plan``; UserError for a study or a GPU that cannot be."""
    plan = load_study(options.configfile)
    results = options.results or Path("results", plan.study.study)
    speed = choose(options.gpu, options.rate, measure)
    found = forecast(plan, results, options.cores, speed)
    return [json.dumps(found.as_dict(), indent=1)] if options.json else show(found)


def measure(shape: Shape, trained: Sequence[tuple[str, ...]], device: str) -> list[float]:
    """Seconds a token of a shape on this machine (`train.calibration`)."""
    # Only a calibration needs torch.
    from ulmfit.train.calibration import calibrate

    kind = f"{type(shape.recipe).__name__}, {shape.vocabulary:,} words"
    print(f"calibrating: {kind}", file=sys.stderr, flush=True)
    size = shape.vocabulary, shape.classes, shape.length
    return calibrate(shape.recipe, *size, trained, device)
