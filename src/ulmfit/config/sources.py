"""Options of the sources of text, and of the division of documents into folds.

Plain dataclasses in the manner of `ulmfit.config.recipes`. A new source is one class here, listed
in :data:`SOURCE_OPTIONS`, and one function of the same name in `ulmfit.data`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ulmfit.config.recipes import key


@dataclass(frozen=True)
class DocstringSections:
    """Labelled paragraphs: which section of a numpydoc docstring is each from?"""

    distributions: tuple[str, ...] = key(
        ("matplotlib", "networkx", "numpy", "pandas", "scikit-learn", "scipy"),
        "Installed distributions whose docstrings follow numpydoc.",
    )
    min_tokens: int = key(10, "Words and punctuation marks that a paragraph needs.", ge=1)
    max_words: int = key(80, "Words after which a paragraph is cut.", ge=1)
    library_share: float = key(
        0.35, "Largest share of a class that one distribution supplies; 1 = any.", gt=0, le=1
    )
    near_duplicate: float = key(
        0.5, "Jaccard similarity of word 3-shingles from which two texts count as one.", gt=0, le=1
    )


@dataclass(frozen=True)
class DocstringProse:
    """Unlabelled prose of docstrings: a corpus for pretraining."""

    distributions: tuple[str, ...] = key(
        (
            "click",
            "docutils",
            "fonttools",
            "fsspec",
            "gitpython",
            "jinja2",
            "joblib",
            "mpmath",
            "pillow",
            "pyarrow",
            "pydantic",
            "pygments",
            "pyparsing",
            "rich",
            "snakemake",
            "spacy",
            "sqlalchemy",
            "sympy",
            "torch",
        ),
        "Installed distributions to read.",
    )
    min_tokens: int = key(8, "Words and punctuation marks that a paragraph needs.", ge=1)
    max_tokens: int = key(
        350_000, "Words and punctuation marks taken from one distribution; 0 = all.", ge=0
    )


SOURCE_OPTIONS: dict[str, type] = {
    "docstrings-sections": DocstringSections,
    "docstrings-prose": DocstringProse,
}


@dataclass(frozen=True)
class Folds:
    """How the documents of a text divide into folds.

    A dataset with a test split of its own keeps it; otherwise ``test`` documents are set aside.
    What the evaluation folds leave is the fit fold.
    """

    select: float = key(0.1, "Documents that choose epochs and rates, or their share if below 1.")
    report: float = key(0.0, "Documents that ablation tables show, or their share if below 1.")
    test: float = key(0.0, "Sealed documents, where the dataset has no test split; or their share.")
    balanced: bool = key(
        False, "Equal classes in every fold; surplus documents of the fit side are unlabelled."
    )
    max_unlabelled: int | None = key(None, "Most unlabelled documents kept; null = all.", ge=0)
    max_group: float = key(
        0.05, "Groups with more documents than this share of a fold are left to fit.", gt=0, le=1
    )
    near_duplicate: float = key(
        0.5,
        "Jaccard similarity of word 3-shingles from which documents stay on one side; 0 = off.",
        ge=0,
        le=1,
    )
