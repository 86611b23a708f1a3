"""All hyperparameters of one stage each: the only place where keys, defaults and meanings stand.

Plain dataclasses, because training reads them on machines that have torch, numpy and safetensors
only. The metadata of each field is what pydantic's ``Field`` takes: `ulmfit.config.validation`
turns these classes into checked models, ``config/schema.json`` and ``config/README.md``. A recipe
reaches its stage as canonical JSON, and :func:`from_json` makes it a recipe again.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import pairwise
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from ulmfit.errors import UserError

Recipe = TypeVar("Recipe")


def key(default: Any, description: str, **constraints: Any) -> Any:
    """A recipe field: default, meaning, and pydantic constraints such as ``ge=0``."""
    metadata = {"description": description, **constraints}
    if dataclasses.is_dataclass(default):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Architecture:
    """Sizes of the AWD-LSTM (paper section 3.1; ulmfit.md 2.1)."""

    embedding: int = key(400, "Embedding size, also the output size of the last LSTM.", ge=1)
    hidden: int = key(1150, "Size of the LSTM layers between first and last.", ge=1)
    layers: int = key(3, "Number of LSTM layers.", ge=1)
    decoder_bias: bool = key(False, "Bias in the tied softmax layer (absent in the 2018 weights).")

    @property
    def lstm_sizes(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each LSTM layer, lowest first; the last is as wide as the first."""
        widths = [self.embedding, *[self.hidden] * (self.layers - 1), self.embedding]
        return list(pairwise(widths))


@dataclass(frozen=True)
class Dropouts:
    """The five dropouts of the AWD-LSTM, before multiplication (ulmfit.md 2.2 and 2.3)."""

    embedding: float = key(0.02, "Whole rows of the embedding matrix.", ge=0, lt=1)
    input: float = key(0.25, "Embedded input, one mask for all time steps.", ge=0, lt=1)
    weight: float = key(0.2, "Recurrent matrices (DropConnect).", ge=0, lt=1)
    hidden: float = key(0.15, "Output of all LSTM layers but the last, locked.", ge=0, lt=1)
    output: float = key(0.1, "Output of the last layer before the decoder, locked.", ge=0, lt=1)
    multiplier: float = key(1.0, "Multiplies all five.", ge=0)


CLASSIFIER_DROPOUTS = Dropouts(embedding=0.05, input=0.4, weight=0.5, hidden=0.3, output=0.0)


@dataclass(frozen=True)
class Schedule:
    """Learning rate over the updates of a run or of each stage (ulmfit.md 3.2, 3.3)."""

    kind: Literal["stlr", "clr", "cosine", "one-cycle", "constant"] = key(
        "stlr",
        "Shape: slanted triangular; fastai's circular form of it; one cosine after a short low "
        "start; up and down along cosines; constant.",
    )
    cut_frac: float = key(
        0.1, "STLR, one-cycle: share of the updates in which the rate rises.", gt=0, lt=1
    )
    cut_div: int = key(
        10, "CLR: the rate rises up to update `total // cut_div`, counted from 0.", ge=1
    )
    ratio: float = key(
        32.0, "STLR, CLR: highest rate over lowest rate; one-cycle: over the first.", gt=1
    )
    final_ratio: float = key(1e5, "One-cycle: highest rate over the last.", gt=1)
    momenta: tuple[float, float] = key(
        (0.8, 0.7),
        "One-cycle: Adam's first moment at the ends and at the highest rate, in place of `beta1`.",
    )
    scope: Literal["run", "stage"] = key(
        "stage",
        "One curve and one Adam over the whole run, or a new curve and fresh moments for each "
        "stage of freezing.",
    )

    def __post_init__(self) -> None:
        """Raise UserError unless the momenta are such."""
        if not all(0 <= momentum < 1 for momentum in self.momenta):
            raise UserError(
                "schedule.momenta: momenta must be at least 0 and less than 1, "
                f"not {list(self.momenta)}"
            )


@dataclass(frozen=True)
class Freezing:
    """Which layer groups train in which epochs (ulmfit.md 3.4, 3.5; groups: 2.8)."""

    plan: Literal["gradual", "none", "last", "chain-thaw"] = key(
        "gradual",
        "From the top group down, one group more a stage, then all; all groups always; the top "
        "group always; or the top group, each other group alone from the lowest up, then all.",
    )
    epochs: int = key(1, "Epochs of each stage before the last.", ge=1)
    depth: int | None = key(
        None,
        "Gradual: stages before all groups train; not given = one for each group but the lowest.",
        ge=1,
    )
    schedule: Schedule | None = key(
        None, "Schedule of each stage before the last; not given = the recipe's `schedule`."
    )
    lr_factor: float = key(1.0, "Rates of the stages before the last, over the optimizer's.", gt=0)
    final_rates: tuple[float, ...] | None = key(
        None,
        "Peak rate of each group in the last stage, lowest first; not given = the optimizer's.",
    )
    reload_best: bool = key(
        False,
        "Every stage ends with the best weights of the run so far, and early, once `patience` "
        "epochs of its own brought no improvement.",
    )
    frozen_batch_norm: Literal["train", "eval"] = key(
        "train",
        "Batch norms of a frozen head normalise by the batch while their running statistics move "
        "on, or (2018: `eval`) by the running ones, which stand still; their weights and biases "
        "are frozen in both (fastai v1 trains them).",
    )

    def __post_init__(self) -> None:
        """Raise UserError if a rate is negative."""
        _check_rates("freezing.final_rates", self.final_rates)


@dataclass(frozen=True)
class Optimizer:
    """Adam and what bounds its steps (ulmfit.md 3.9)."""

    lr: float = key(0.004, "Peak learning rate of the top layer group.", gt=0)
    layer_decay: float = key(
        2.6,
        "Discriminative fine-tuning: rate of a group over that of the group below; 1 = off.",
        ge=1,
    )
    rates: tuple[float, ...] | None = key(
        None,
        "Peak rate of each layer group, lowest first, in place of `lr` and `layer_decay`.",
    )
    beta1: float = key(0.7, "Adam's first moment.", ge=0, lt=1)
    beta2: float = key(0.99, "Adam's second moment.", ge=0, lt=1)
    weight_decay: float = key(
        1.2e-6, "L2 penalty added to the gradient, or decoupled from it.", ge=0
    )
    decoupled: bool = key(
        False, "Weight decay shrinks the weights by rate x decay, past the moments (AdamW)."
    )
    clip: float = key(0.4, "Largest gradient norm; 0 = no clipping.", ge=0)

    def __post_init__(self) -> None:
        """Raise UserError if a rate is negative."""
        _check_rates("optimizer.rates", self.rates)


def _check_rates(where: str, rates: tuple[float, ...] | None) -> None:
    if min(rates or (), default=0) < 0:
        raise UserError(f"{where}: rates must not be negative, not {list(rates or ())}")


@dataclass(frozen=True)
class Tokenizer:
    """From raw text to ids (ulmfit.md 1.3 to 1.5, 1.7)."""

    kind: Literal["word", "subword"] = key("word", "spaCy words, or SentencePiece pieces.")
    rules: Literal["fastai-0.7", "fastai-v1", "fastai-v2"] = key(
        "fastai-v2", "Rules of preprocessing and special tokens; the paper's are `fastai-0.7`."
    )
    max_vocab: int = key(
        60000,
        "Words: most frequent words kept, special tokens included (`fastai-0.7`: beside its two).",
        ge=16,
    )
    min_freq: int = key(3, "Words: occurrences in the LM training text that a word needs.", ge=1)
    subword_model: Literal["unigram", "bpe"] = key(
        "unigram", "Sub-words: SentencePiece's unigram language model, or byte-pair encoding."
    )
    pieces: int = key(8000, "Sub-words: number of SentencePiece pieces.", ge=16)
    pieces_from: Literal["corpus", "dataset"] = key(
        "corpus",
        "Sub-words: corpus and dataset share the pieces learned from the corpus, or each learns "
        "its own and pretrained rows are carried over by piece.",
    )
    character_coverage: float = key(0.99999, "Sub-words: share of characters covered.", gt=0, le=1)


@dataclass(frozen=True)
class LanguageModel:
    """One language-model training: pretraining or fine-tuning (paper sections 3.1 and 3.2)."""

    architecture: Architecture = key(Architecture(), "Sizes of the model.")
    dropouts: Dropouts = key(Dropouts(), "Dropouts during training.")
    softmax: Literal["exact", "sampled"] = key(
        "exact",
        "Training loss over all words, or over the target and some sampled words, whose training "
        "loss cannot be compared; validation is over all words always.",
    )
    negatives: int = key(15000, "Sampled softmax: words sampled for each update.", ge=1)
    optimizer: Optimizer = key(Optimizer(), "Optimizer.")
    schedule: Schedule = key(Schedule(), "Learning-rate schedule.")
    freezing: Freezing = key(
        Freezing(plan="none"),
        "Freezing of layer groups; the top one is the embedding, tied to the softmax.",
    )
    epochs: int = key(15, "Passes over the training text, those of all stages together.", ge=1)
    batch_size: int = key(64, "Parallel streams of text.", ge=1)
    bptt: int = key(70, "Time steps of truncated backpropagation.", ge=1)
    variable_bptt: bool = key(
        False,
        "Time steps vary around `bptt`, at times around half of it; without `rate_by_length` the "
        "first of an epoch are `bptt` + 25 (2018).",
    )
    rate_by_length: bool = key(
        True, "The rate of an update is multiplied by its time steps over `bptt`."
    )
    reshuffle: bool = key(True, "Documents in a new order each epoch, or always in file order.")
    ar: float = key(2.0, "Activation regularisation (alpha).", ge=0)
    ar_on: Literal["dropped", "raw"] = key(
        "dropped", "Activation regularisation of the output after output dropout, or before it."
    )
    tar: float = key(1.0, "Temporal activation regularisation (beta).", ge=0)
    early_stopping: bool = key(
        False, "Restore the weights of the epoch with the lowest validation loss."
    )
    patience: int = key(
        0, "Epochs without improvement before the last stage ends; 0 = never.", ge=0
    )
    min_steps: int = key(
        1, "Fewest updates; all epochs are multiplied until they are reached.", ge=1
    )
    precision: Literal["fp32", "bf16"] = key(
        "fp32",
        "Matrix products of the encoder and the softmax in training, validation and prediction: "
        "of fp32 values, or of values rounded to bf16, with fp32 weights, states and losses "
        "(faster where the device multiplies bf16, and other results; on a GPU states and outputs "
        "of the LSTMs are rounded too).",
    )
    compute_threads: int = key(
        1, "CPU threads; part of the recipe because results depend on it.", ge=1
    )


@dataclass(frozen=True)
class Classifier:
    """One classifier fine-tuning (paper section 3.3)."""

    architecture: Architecture = key(Architecture(), "Sizes of the encoder.")
    dropouts: Dropouts = key(CLASSIFIER_DROPOUTS, "Dropouts of the encoder during training.")
    dropout_masks: Literal["document", "chunk"] = key(
        "document", "Encoder dropouts are drawn once a document, or anew for each chunk."
    )
    pooling: Literal["concat", "last", "max", "mean"] = key(
        "concat", "Outputs that the head sees: last, maximum and mean, or one of them."
    )
    padding: Literal["masked", "unmasked"] = key(
        "masked",
        "Padding reaches neither encoder nor pooling; or (2018) it stands before the text up to "
        "the longest document of the batch and counts like text.",
    )
    head_sizes: tuple[int, ...] = key((50,), "Sizes of the head's hidden layers, >= 1; may be [].")
    head_dropouts: tuple[float, ...] = key(
        (0.4, 0.1),
        "Dropouts before each linear layer of the head, >= 0 and < 1, so one more than "
        "`head_sizes`; `dropouts.multiplier` applies to all but the last.",
    )
    optimizer: Optimizer = key(Optimizer(lr=0.01, clip=0.25), "Optimizer.")
    schedule: Schedule = key(Schedule(), "Learning-rate schedule.")
    freezing: Freezing = key(Freezing(), "Freezing of layer groups; the top one is the head.")
    epochs: int = key(50, "Epochs in all, those of all stages together.", ge=1)
    batch_size: int = key(64, "Documents a batch.", ge=2)
    bptt: int = key(70, "Time steps of a chunk (BPT3C).", ge=1)
    max_seq: int = key(
        1400, "Last tokens of a document that receive gradients and are pooled.", ge=1
    )
    chunk_rule: Literal["strict", "inclusive"] = key(
        "strict",
        "A chunk is kept if it starts less than `max_seq` before the end, or exactly there too.",
    )
    label_smoothing: float = key(
        0.0, "Share of each target spread over all classes; 0 = off.", ge=0, le=1
    )
    class_weights: Literal["none", "balanced"] = key(
        "none", "Documents count alike in the training loss, or each class as much as any other."
    )
    ar: float = key(2.0, "Activation regularisation (alpha), over what is pooled.", ge=0)
    tar: float = key(1.0, "Temporal activation regularisation (beta), over what is pooled.", ge=0)
    early_stopping: bool = key(
        False, "Restore the weights of the epoch with the lowest error on the select fold."
    )
    patience: int = key(
        0, "Epochs without improvement before the last stage ends; 0 = never.", ge=0
    )
    validate_every: int = key(
        1,
        "Epochs between two validations on the select fold, which the last epoch always has: from "
        "`epochs` on it is the only one, and `early_stopping` has nothing to choose from.",
        ge=1,
    )
    min_steps: int = key(
        1, "Fewest updates; all epochs are multiplied until they are reached.", ge=1
    )
    precision: Literal["fp32", "bf16"] = key(
        "fp32",
        "Matrix products of the encoder and the softmax in training, validation and prediction: "
        "of fp32 values, or of values rounded to bf16, with fp32 weights, states and losses "
        "(faster where the device multiplies bf16, and other results; on a GPU states and outputs "
        "of the LSTMs are rounded too).",
    )
    compute_threads: int = key(
        1, "CPU threads; part of the recipe because results depend on it.", ge=1
    )

    def __post_init__(self) -> None:
        """Raise UserError unless the lists of the head fit together and hold possible values."""
        sizes, dropouts = list(self.head_sizes), list(self.head_dropouts)
        if min(sizes, default=1) < 1:
            raise UserError(f"head_sizes: sizes must be at least 1, not {sizes}")
        if len(dropouts) != len(sizes) + 1:
            raise UserError(
                f"head_dropouts: {len(sizes)} head_sizes need {len(sizes) + 1} dropouts, "
                f"not {dropouts}"
            )
        if not all(0 <= rate < 1 for rate in dropouts):
            raise UserError(
                f"head_dropouts: dropouts must be at least 0 and less than 1, not {dropouts}"
            )


def from_json(kind: type[Recipe], text: str) -> Recipe:
    """A recipe from the canonical JSON of a validated one; unknown keys raise TypeError."""
    recipe: Recipe = _build(kind, json.loads(text))
    return recipe


def _build(kind: Any, values: dict[str, Any]) -> Any:
    hints = _type_hints(kind)
    return kind(**{name: _value(hints.get(name), value) for name, value in values.items()})


@cache
def _type_hints(kind: Any) -> dict[str, Any]:
    # Annotations are strings here, and a workflow reads a recipe several times for each job.
    return get_type_hints(kind)


def _value(hint: Any, value: Any) -> Any:
    """A value of a field as its type hint wants it, from what JSON made of it."""
    if isinstance(value, dict):
        kinds = (hint, *get_args(hint))
        nested: Any = next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)
        return value if nested is None else _build(nested, value)
    return tuple(value) if isinstance(value, list) else value


def to_dict(recipe: Any) -> dict[str, Any]:
    """A recipe as nested plain values, every key present."""
    return {
        item.name: to_dict(value) if dataclasses.is_dataclass(value) else value
        for item in fields(recipe)
        for value in [getattr(recipe, item.name)]
    }


def compute_threads(text: str) -> int:
    """Threads that a recipe, given as JSON, computes with."""
    return int(json.loads(text)["compute_threads"])
