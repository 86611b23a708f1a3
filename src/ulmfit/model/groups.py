"""Layer groups, lowest first: what discriminative rates and unfreezing act on (ulmfit.md 2.8)."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.language_model import LanguageModel

Groups = dict[str, list[nn.Parameter]]


def language_model_groups(model: LanguageModel) -> Groups:
    """lstm0, lstm1, ..., then the decoder with the embedding tied to it."""
    groups = {f"lstm{k}": list(lstm.parameters()) for k, lstm in enumerate(model.encoder.lstms)}
    bias = [] if model.decoder_bias is None else [model.decoder_bias]
    return {**groups, "decoder": [model.encoder.embedding, *bias]}


def classifier_groups(model: PoolingClassifier) -> Groups:
    """embedding, lstm0, lstm1, ..., head."""
    lstms = {f"lstm{k}": list(lstm.parameters()) for k, lstm in enumerate(model.encoder.lstms)}
    return {"embedding": [model.encoder.embedding], **lstms, "head": list(model.head.parameters())}


def freeze_all_but(groups: Groups, trainable: Collection[str]) -> None:
    """Let exactly the groups named in ``trainable`` receive gradients."""
    for name, parameters in groups.items():
        for parameter in parameters:
            parameter.requires_grad_(name in trainable)
            if name not in trainable:
                parameter.grad = None
