"""What a model costs before it is made: parameters, and FLOPs of its matrix products.

A product of (m, k) and (k, n) matrices is 2 m k n FLOPs. What works element by element (gates,
dropouts, optimizer) is left out: few FLOPs, though not little time on a GPU. Counts are for one
token read unless they say otherwise; ``trained`` has names of `schedule.freezing.group_names`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from ulmfit.config.recipes import Architecture, Classifier, LanguageModel
from ulmfit.schedule.freezing import group_names, stages, stretch

EMBEDDING_GROUPS = ("embedding", "decoder")
"""Groups that the embedding is in: of a classifier, of a language model."""


@dataclass(frozen=True)
class Text:
    """How much a training reads in an epoch, and how much it is validated on."""

    tokens: int
    documents: int
    select_tokens: int
    select_documents: int
    report_tokens: int = 0


@dataclass(frozen=True)
class Part:
    """``tokens`` that a training reads while the groups ``trained`` learn; none: it evaluates."""

    trained: tuple[str, ...]
    tokens: int
    flops: int


def encoder_parameters(architecture: Architecture, vocabulary: int) -> int:
    """Embedding and LSTMs, each with the two biases of :class:`torch.nn.LSTM`."""
    lstms = sum(4 * out * (inputs + out + 2) for inputs, out in architecture.lstm_sizes)
    return vocabulary * architecture.embedding + lstms


def language_model_parameters(recipe: LanguageModel, vocabulary: int) -> int:
    """The softmax shares the embedding; its bias is the only thing of its own."""
    bias = vocabulary if recipe.architecture.decoder_bias else 0
    return encoder_parameters(recipe.architecture, vocabulary) + bias


def classifier_parameters(recipe: Classifier, vocabulary: int, classes: int) -> int:
    """Encoder and head: batch norm (two numbers a unit) and linear layer with bias a block."""
    head = sum(2 * inputs + out * (inputs + 1) for inputs, out in _head(recipe, classes))
    return encoder_parameters(recipe.architecture, vocabulary) + head


def classifier_parameters_trained(recipe: Classifier, vocabulary: int, classes: int) -> int:
    """Parameters of the groups that train in some stage: all, unless a freezing plan ends early."""
    plan = stages(group_names(recipe), recipe)
    trained = {group for stage in plan for group in stage.trainable}
    lstms = {
        f"lstm{k}": 4 * out * (inputs + out + 2)
        for k, (inputs, out) in enumerate(recipe.architecture.lstm_sizes)
    }
    whole = classifier_parameters(recipe, vocabulary, classes)
    head = whole - encoder_parameters(recipe.architecture, vocabulary)
    sizes = {"embedding": vocabulary * recipe.architecture.embedding, **lstms, "head": head}
    return sum(sizes[group] for group in trained)


def encoder_forward(architecture: Architecture) -> int:
    """Four gates of each LSTM, each from its inputs and from its last output."""
    return sum(8 * out * (inputs + out) for inputs, out in architecture.lstm_sizes)


def encoder_backward(architecture: Architecture, trained: Collection[str]) -> int:
    """Gradients that ``trained`` groups need: their own weights', and those on the way to them.

    The gradient of the state at the beginning of an update is counted, though nothing wants it: one
    time step of those of an update.
    """
    below = any(group in trained for group in EMBEDDING_GROUPS)
    total = 0
    for k, (inputs, out) in enumerate(architecture.lstm_sizes):
        own = f"lstm{k}" in trained
        if own:
            total += 8 * out * (inputs + out)
        if own or below:
            total += 8 * out * out
        if below:
            total += 8 * out * inputs
        below = below or own
    return total


def language_model_update(recipe: LanguageModel, vocabulary: int, trained: Collection[str]) -> int:
    """Forward and backward for one token; the softmax makes both its gradients at all times."""
    words = vocabulary if recipe.softmax == "exact" else min(recipe.negatives, vocabulary)
    architecture = recipe.architecture
    encoder = encoder_forward(architecture) + encoder_backward(architecture, trained)
    return encoder + 6 * architecture.embedding * words


def language_model_evaluation(recipe: LanguageModel, vocabulary: int) -> int:
    """Forward for one token, over all words."""
    return encoder_forward(recipe.architecture) + 2 * recipe.architecture.embedding * vocabulary


def head_update(recipe: Classifier, classes: int, trained: Collection[str]) -> int:
    """Forward and backward of the head for one document."""
    products = sum(2 * inputs * out for inputs, out in _head(recipe, classes))
    return products * (3 if "head" in trained else 2)


def language_model_parts(recipe: LanguageModel, vocabulary: int, text: Text) -> list[Part]:
    """All epochs, each validated, and the validation before the first; none ends early."""
    steps = (text.tokens - 1) // max(1, min(recipe.batch_size, (text.tokens - 1) // recipe.bptt))
    updates = -(-steps // recipe.bptt)
    factor = stretch(recipe.epochs, updates, recipe.min_steps)
    parts = [
        _part(
            stage.trainable,
            stage.epochs * factor * text.tokens,
            language_model_update(recipe, vocabulary, stage.trainable),
        )
        for stage in stages(group_names(recipe), recipe)
    ]
    validated = (recipe.epochs * factor + 1) * text.select_tokens
    return [*parts, _part((), validated, language_model_evaluation(recipe, vocabulary))]


def classifier_parts(recipe: Classifier, classes: int, text: Text) -> list[Part]:
    """All epochs of BPT3C, each validated; none ends early, no document is longer than `max_seq`.

    A head that trains alone is validated on features that are computed once. Chunks that
    :func:`ulmfit.model.classifier.first_kept` leaves out would cost their forward pass only. At the
    end the folds select and report are predicted.
    """
    # A batch of one document is left out.
    updates = max(1, -(-(text.documents - 1) // recipe.batch_size))
    factor = stretch(recipe.epochs, updates, recipe.min_steps)
    forward = encoder_forward(recipe.architecture)
    parts = []
    read = text.select_tokens + text.report_tokens
    for stage in stages(group_names(recipe), recipe):
        epochs = stage.epochs * factor
        token = forward + encoder_backward(recipe.architecture, stage.trainable)
        head = head_update(recipe, classes, stage.trainable)
        flops = epochs * (token * text.tokens + head * text.documents)
        parts.append(Part(tuple(stage.trainable), epochs * text.tokens, flops))
        alone = tuple(stage.trainable) == ("head",)
        validations = 1 if alone else -(-epochs // recipe.validate_every)
        read += validations * text.select_tokens
    return [*parts, _part((), read, forward)]


def language_model_training(recipe: LanguageModel, vocabulary: int, text: Text) -> int:
    """FLOPs of all parts."""
    return sum(part.flops for part in language_model_parts(recipe, vocabulary, text))


def classifier_training(recipe: Classifier, classes: int, text: Text) -> int:
    """FLOPs of all parts."""
    return sum(part.flops for part in classifier_parts(recipe, classes, text))


def _part(trained: Collection[str], tokens: int, token: int) -> Part:
    return Part(tuple(trained), tokens, tokens * token)


def _head(recipe: Classifier, classes: int) -> list[tuple[int, int]]:
    parts = 3 if recipe.pooling == "concat" else 1
    widths = [parts * recipe.architecture.embedding, *recipe.head_sizes, classes]
    return list(pairwise(widths))
