"""What a job with a model computes and holds: parts of FLOPs, parameters, bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from ulmfit.config.recipes import Classifier, LanguageModel, from_json
from ulmfit.forecast.jobs import Job
from ulmfit.forecast.texts import Fold, Sizes
from ulmfit.model import cost

MIB = 2**20
COPIES = 5
"""Weights in memory while training: themselves, gradients, both moments, the best so far."""
GATES = 10
"""Values that an LSTM keeps for the gradient, a unit and token: gates, cell, outputs, dropouts."""
SOFTMAX_ROWS, SOFTMAX_BLOCKS = 512, 3
"""Tokens whose logits are in memory at once, and how many times."""
PREDICTED = 128
"""Documents a batch without gradients."""
EVALUATED = 5
"""The same without gradients."""
INNER_VALUES = 384
"""Places a document whose inner values are kept, as in `model.classifier`."""
SMALL, HEAP = 512, 1.4
"""Hidden size up to which freed blocks are kept (`train.device`), and what they then add."""
TEXT_BYTES = 16
"""Of a token of a language model's text, in its orders."""


@dataclass(frozen=True)
class Shape:
    """What the speed of a model depends on most. ``length``: tokens of a classifier's document."""

    recipe: LanguageModel | Classifier
    vocabulary: int
    classes: int
    length: int

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for shapes of one speed a FLOP; lengths count by their power of two."""
        recipe = self.recipe
        common = (recipe.architecture, recipe.batch_size, recipe.bptt, recipe.precision)
        if isinstance(recipe, LanguageModel):
            softmax = recipe.softmax, recipe.negatives if recipe.softmax == "sampled" else 0
            return ("lm", *common, recipe.compute_threads, *softmax)
        power = round(math.log2(max(self.length, 1)))
        return ("classifier", *common, recipe.compute_threads, recipe.padding, power)


@dataclass(frozen=True)
class Work:
    """A job with a model: its shape, what it reads, and how long its longest document is."""

    shape: Shape
    text: cost.Text
    parts: tuple[cost.Part, ...]
    parameters: int
    longest: int
    trains: bool = True

    @property
    def flops(self) -> int:
        """Of matrix products."""
        return sum(part.flops for part in self.parts)

    @cached_property
    def memory(self) -> float:
        """Bytes of weights, what Adam adds, and the activations of an update; the process itself is
        not counted.
        """
        recipe = self.shape.recipe
        units = sum(out for _, out in recipe.architecture.lstm_sizes)
        weights = 4 * self.parameters
        if isinstance(recipe, LanguageModel):
            slots = recipe.batch_size * recipe.bptt
            words = self.shape.vocabulary if recipe.softmax == "exact" else recipe.negatives
            softmax = SOFTMAX_BLOCKS * 4 * SOFTMAX_ROWS * words
            text = TEXT_BYTES * self.text.tokens
            return COPIES * weights + slots * 4 * GATES * units + softmax + text
        longest = min(self.longest, recipe.max_seq + recipe.bptt)
        evaluation = PREDICTED * min(longest, recipe.bptt) * 4 * EVALUATED * units
        if not self.trains:
            return weights + evaluation
        inner = min(longest, INNER_VALUES + recipe.bptt)
        gradients = recipe.batch_size * inner * 4 * GATES * units
        small = recipe.architecture.hidden <= SMALL
        values = HEAP * (gradients + evaluation) if small else max(gradients, evaluation)
        return COPIES * weights + values


class Works:
    """The work of the jobs of a study; that of the seeds of a run is counted once."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self._known: dict[tuple[str, ...], Work] = {}

    def of(self, job: Job) -> Work | None:
        """None for a job without a model."""
        make = {
            "pretrain": self._pretrain,
            "finetune": self._finetune,
            "classify": self._classify,
            "predict_test": self._predict,
        }.get(job.rule)
        if make is None:
            return None
        fields = {k: v for k, v in job.fields.items() if not k.endswith("_seed")}
        if job.rule == "pretrain":
            fields = {k: fields[k] for k in ("corpus", "tokenizer", "pretrain")}
        key = (job.rule, *map(str, fields.values()))
        if key not in self._known:
            self._known[key] = make(fields)
        return self._known[key]

    def _pretrain(self, fields: dict[str, str]) -> Work:
        corpus = fields["corpus"]
        return self._language_model(
            "pretrain", corpus, fields, self.sizes.folds(corpus, fields)["fit"]
        )

    def _finetune(self, fields: dict[str, str]) -> Work:
        return self._language_model("finetune", fields["dataset"], fields, self.sizes.read(fields))

    def _language_model(self, stage: str, name: str, fields: dict[str, str], read: Fold) -> Work:
        recipe = from_json(LanguageModel, self.sizes.plan.recipe(stage, fields))
        words = self.sizes.vocabulary(name, fields)
        select = self.sizes.folds(name, fields)["select"]
        text = cost.Text(max(read.tokens, 2), read.documents, select.tokens, select.documents)
        parts = tuple(cost.language_model_parts(recipe, words, text))
        parameters = cost.language_model_parameters(recipe, words)
        return Work(Shape(recipe, words, 0, 0), text, parts, parameters, 0)

    def _classify(self, fields: dict[str, str]) -> Work:
        dataset = fields["dataset"]
        shape = self._shape(fields)
        recipe = shape.recipe
        assert isinstance(recipe, Classifier)
        folds, labelled = self.sizes.folds(dataset, fields), self.sizes.labelled(fields)
        select, report = folds["select"], folds["report"]
        text = cost.Text(
            labelled.tokens, labelled.documents, select.tokens, select.documents, report.tokens
        )
        parts = tuple(cost.classifier_parts(recipe, shape.classes, text))
        parameters = cost.classifier_parameters(recipe, shape.vocabulary, shape.classes)
        return Work(shape, text, parts, parameters, self.sizes.longest(dataset, fields))

    def _predict(self, fields: dict[str, str]) -> Work:
        dataset = fields["dataset"]
        shape = self._shape(fields)
        recipe = shape.recipe
        assert isinstance(recipe, Classifier)
        test = self.sizes.folds(dataset, fields)["test"]
        flops = test.tokens * cost.encoder_forward(recipe.architecture)
        parameters = cost.classifier_parameters(recipe, shape.vocabulary, shape.classes)
        return Work(
            shape,
            cost.Text(0, 0, test.tokens, test.documents),
            (cost.Part((), test.tokens, flops),),
            parameters,
            self.sizes.longest(dataset, fields),
            trains=False,
        )

    def _shape(self, fields: dict[str, str]) -> Shape:
        dataset = fields["dataset"]
        recipe = from_json(Classifier, self.sizes.plan.recipe("classify", fields))
        fit = self.sizes.folds(dataset, fields)["fit"]
        return Shape(
            recipe,
            self.sizes.vocabulary(dataset, fields),
            self.sizes.classes(dataset),
            round(fit.tokens / max(fit.documents, 1)),
        )
