"""A training that dies where it is told to: run as a script, with a plan as JSON.

The plan has ``stage``, its ``arguments``, and ``deaths``: (name of a place, how often it is passed,
the signal that then comes, how often there is a checkpoint). Each ends a process of its own, forked
from this one, which has torch loaded and has trained nothing; with ``finish`` one more trains to
the end. Prints the exit status of each, negative for a signal.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from ulmfit.errors import UserError
from ulmfit.store import checkpoints, files
from ulmfit.store.checkpoints import Checkpoints, Every
from ulmfit.train import classifier, language_model, weights
from ulmfit.train.optimizer import GroupOptimizer

PLACES = {
    "update": [(GroupOptimizer, "step")],
    "save": [(Checkpoints, "save")],
    "load": [(checkpoints, "load_weights")],
    "write": [(files.os, "fsync")],
    "rename": [(files.os, "replace")],
    "validation": [
        (language_model, "evaluate"),
        (classifier, "class_logits"),
    ],
    "outputs": [(weights, "save")],
    "weights": [(weights, "save_weights")],
}
"""What is called at a place; "write" and "rename" lie before and after the temporary file is whole,
"outputs" and "weights" before what is written at the end."""


def arm(places, passed, what):
    """Let a signal come at the call of a place after ``passed`` others, and at the next call of
    each place joined to it by a plus.
    """
    first, *others = places.split("+")
    _arm(first, passed, what)
    for place in others:
        _arm(place, 0, what)


def _arm(place, passed, what):
    calls = 0
    for owner, name in PLACES[place]:
        plain = getattr(owner, name)

        def call(*arguments, plain=plain, **named):
            nonlocal calls
            calls += 1
            if calls == passed + 1:
                os.kill(os.getpid(), signal.Signals[what])
            return plain(*arguments, **named)

        setattr(owner, name, call)


def train(stage, arguments, every):
    paths = ("initial", "output", "history", "probabilities")
    arguments = {
        name: Path(value) if name in paths and value else value for name, value in arguments.items()
    }
    arguments["tokens"] = Path(arguments["tokens"])
    run = (
        classifier.train_classifier if stage == "classify" else language_model.train_language_model
    )
    run(**arguments, device="cpu", every=Every.parse(every))


def live(plan, death, every):
    """One process: trains, perhaps dies; returns its exit status, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 70
    try:
        if death:
            arm(*death)
        train(plan["stage"], plan["arguments"], every)
        status = 0
    except UserError as error:
        print(error, file=sys.stderr)
        status = error.status
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    plan = json.loads(sys.argv[1])
    ends = [live(plan, death, every) for *death, every in plan["deaths"]]
    if plan["finish"]:
        ends.append(live(plan, None, "300s"))
    print(json.dumps(ends))
