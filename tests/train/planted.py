"""A dataset that a tiny model can learn: one planted word decides the class."""

from dataclasses import replace

import numpy as np

from ulmfit.config.recipes import (
    CLASSIFIER_DROPOUTS,
    Architecture,
    Classifier,
    Dropouts,
    LanguageModel,
    Optimizer,
    to_dict,
)
from ulmfit.store.files import canonical_json
from ulmfit.store.tokens import TokenStore

WORDS = 40
PLANTED = (10, 11)
SIZES = Architecture(embedding=12, hidden=16, layers=2)


def planted_store(seed: int = 0, fit: int = 200, others: int = 100) -> TokenStore:
    """Documents of 4 to 20 random words, one of which is the word of the document's class."""
    rng = np.random.default_rng(seed)
    folds = ["fit"] * fit + ["select"] * others + ["report"] * others + ["test"] * 20
    labels = rng.permutation(np.arange(len(folds)) % 2)
    texts = []
    for label in labels:
        text = rng.integers(12, WORDS, rng.integers(4, 21))
        text[rng.integers(0, len(text))] = PLANTED[label]
        texts.append(np.concatenate([[2], text]))
    fold = np.array(folds)
    return TokenStore(
        ids=np.concatenate(texts),
        offsets=np.cumsum([0, *map(len, texts)]),
        document=np.array([f"d{i:03}" for i in range(len(texts))]),
        fold=fold,
        label=labels.astype(np.int16),
        rank=np.where(fold == "fit", np.arange(len(texts)), -1).astype(np.int32),
        vocabulary=("xxunk", "xxpad", *(f"w{i}" for i in range(2, WORDS))),
        classes=("bad", "good"),
    )


def language_model_recipe(**changes: object) -> str:
    """Canonical JSON of a tiny recipe."""
    recipe = LanguageModel(
        architecture=SIZES,
        dropouts=Dropouts(multiplier=0.2),
        optimizer=Optimizer(lr=0.01, layer_decay=1.3, beta1=0.8),
        epochs=2,
        batch_size=8,
        bptt=20,
    )
    return canonical_json(to_dict(replace(recipe, **changes)))


def classifier_recipe(**changes: object) -> str:
    """Canonical JSON of a tiny recipe that learns the planted words."""
    recipe = Classifier(
        architecture=SIZES,
        dropouts=replace(CLASSIFIER_DROPOUTS, multiplier=0.2),
        optimizer=Optimizer(lr=0.02, layer_decay=1.3, clip=1.0),
        epochs=12,
        batch_size=16,
        bptt=8,
        max_seq=100,
        ar=0.0,
        tar=0.0,
    )
    return canonical_json(to_dict(replace(recipe, **changes)))
