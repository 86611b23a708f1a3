"""What a row costs with all its stages, to stand beside its error.

A stage that several rows share counts in full for each of them: it is what the row would cost if it
were the only one. An ensemble costs what its members cost, with a stage that they share once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ulmfit.config.recipes import Classifier, from_json
from ulmfit.evaluate.cells import Cell, Study
from ulmfit.model.cost import classifier_parameters_trained

COST_COLUMNS = (
    *("experiment", "cell", "dataset", "n_labelled", "variant", "title", "tokenizer", "direction"),
    *("fold", "error", "wall_s", "cpu_s", "tokens", "parameters_trained", "what"),
)
STAGES = {
    "pretrain": "pretraining",
    "finetune": "LM fine-tuning",
    "classify": "classifier",
    "baseline": "baseline",
}

Row = dict[str, Any]
Card = dict[str, Any]


def cost_row(study: Study, experiment: Row, cell: Cell, error: float) -> Row:
    """Seconds, tokens that training read, and parameters that the classifier's training changed.

    Means over the runs of the cell; ``what`` names the stages. A number is None where some card
    does not have it: tokens and parameters of baselines, everything of a model one of whose parents
    is not of this study.
    """
    runs = [list(stages_behind(study, run)) for run in cell.runs]
    known = all(card is not None for cards in runs for card in cards)
    stages = [card["stage"] for card in runs[0] if card is not None]
    counted = [
        f"{number} x {name}" if number > 1 else name
        for stage, name in STAGES.items()
        if (number := stages.count(stage))
    ]
    several = f", mean of {len(runs)} runs" if len(runs) > 1 else ""
    return {
        **cell.entry,
        "experiment": experiment["name"],
        "cell": cell.entry["id"],
        "fold": experiment["fold"],
        "error": error,
        "what": " + ".join(counted) + several if known else "a stage of another study",
        **({name: _mean(runs, name) for name in ("wall_s", "cpu_s", "tokens")} if known else {}),
        "parameters_trained": _parameters([study.cards(run) for run in cell.runs]),
    }


def stages_behind(study: Study, run: str) -> Iterator[Card | None]:
    """Cards of all stages behind a run, parents first, each once; None for an unknown parent."""
    found: dict[str, Card] = {}
    waiting = list(study.cards(run))
    while waiting:
        card = waiting.pop()
        key = str(card.get("weights_sha256"))
        if key in found:
            continue
        found[key] = card
        for parent in card.get("parents", ()):
            model = study.language_models.get(parent["weights_sha256"])
            if model is None:
                yield None
            else:
                waiting.append(model)
    yield from reversed(found.values())


def _mean(runs: Sequence[Sequence[Card | None]], name: str) -> float | None:
    values = [card.get(name) for cards in runs for card in cards if card is not None]
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(runs) if len(known) == len(values) else None


def _parameters(runs: Sequence[Sequence[Card]]) -> int | None:
    """Of the first run: seeds do not change it, vocabularies of low-shot rows hardly.

    None for baselines, and for recipes with keys that this version does not know.
    """
    found = [parameters_trained(card) for card in runs[0]]
    known = [number for number in found if number is not None]
    return sum(known) if len(known) == len(found) else None


def parameters_trained(card: Card) -> int | None:
    """Parameters of the groups that training a classifier changed; None for another card."""
    if card["stage"] != "classify":
        return None
    try:
        recipe = from_json(Classifier, json.dumps(card["recipe"]))
    except TypeError:
        return None
    return classifier_parameters_trained(recipe, card["vocabulary_size"], len(card["classes"]))
