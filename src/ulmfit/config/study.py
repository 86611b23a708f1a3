"""A study as its YAML says it: corpora, datasets, variants, experiments, seeds.

Like the recipes, these classes are the only source of keys, defaults and descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ulmfit.config.recipes import Classifier, LanguageModel, Tokenizer, key

Override = dict[str, Any]
"""Part of a recipe, as nested keys; what it leaves out comes from the recipe it is laid over."""


@dataclass(frozen=True)
class SourceFile:
    """A published file, known by its digest, or a file of your own, known by its `path`.

    A list in place of one is several published forms of the same file: the first found is taken.
    """

    name: str = key("", "Its path below `data_mirror`.")
    urls: tuple[str, ...] = key((), "Where it is published, in the order to try.")
    bytes: int = key(0, "Its size.", ge=0)
    sha256: str = key("", "Its SHA-256 in hexadecimal.", pattern="^([0-9a-f]{64})?$")
    md5: str = key("", "Its MD5, where no SHA-256 is published.", pattern="^([0-9a-f]{32})?$")
    path: str = key("", "A file or folder of your own, read where it lies; no other key is needed.")


@dataclass(frozen=True)
class Text:
    """Where a corpus or dataset comes from, and how it is divided into folds."""

    source: str = field(metadata={"description": "Name of a registered source."})
    title: str = key("", "Name in tables and figures; empty = the key.")
    citation: str = key("", "Whom to cite.")
    licence: str = key("", "Licence of the text.")
    options: Override = field(
        default_factory=dict, metadata={"description": "Options of the source."}
    )
    files: dict[str, SourceFile | tuple[SourceFile, ...]] = field(
        default_factory=dict, metadata={"description": "Files that the source reads."}
    )
    folds: Override = field(
        default_factory=dict, metadata={"description": "Sizes of the folds, in documents."}
    )

    def versions(self, name: str) -> tuple[SourceFile, ...]:
        """Published forms of a file, in the order to try."""
        files = self.files[name]
        return files if isinstance(files, tuple) else (files,)


@dataclass(frozen=True)
class UsedDataset:
    """A dataset in a study."""

    corpus: str = field(metadata={"description": "Corpus that its models are pretrained on."})
    recipes: dict[Literal["finetune", "classify"], Override] = field(
        default_factory=dict,
        metadata={"description": "Laid over the study's recipes for this dataset only."},
    )


@dataclass(frozen=True)
class Seeds:
    """Which randomness a study repeats."""

    runs: tuple[int, ...] = key(
        (0, 1, 2), "One run of each variant for each of these.", min_length=1
    )
    vary: tuple[Literal["pretrain", "finetune", "classify"], ...] = key(
        ("finetune", "classify"),
        "Stages whose seed is the run's; the others always take the first of `runs`.",
    )


@dataclass(frozen=True)
class Recipes:
    """The study's base recipes, as differences from the defaults: what `ulmfit` means here."""

    tokenizers: dict[str, Override] = field(
        default_factory=lambda: {"word": {"kind": "word"}, "subword": {"kind": "subword"}},
        metadata={"description": "Tokenizers by name."},
    )
    architecture: Override = field(
        default_factory=dict, metadata={"description": "Sizes of the model, in all its stages."}
    )
    pretrain: Override = field(
        default_factory=dict, metadata={"description": "Language-model pretraining."}
    )
    finetune: Override = field(
        default_factory=dict, metadata={"description": "Language-model fine-tuning."}
    )
    classify: Override = field(
        default_factory=dict, metadata={"description": "Classifier fine-tuning."}
    )


@dataclass(frozen=True)
class Variant:
    """A row of an ablation table: what differs from `ulmfit`, stage by stage.

    A stage may be `none` (left out), the name of another variant (its recipe is shared) or keys of
    the recipe that differ.
    """

    title: str = key("", "Name in tables and figures; empty = the key.")
    description: str = key("", "What it shows.")
    pretrain: str | Override | None = key(None, "Pretraining; not given = as `ulmfit`.")
    finetune: str | Override | None = key(None, "LM fine-tuning; not given = as `ulmfit`.")
    classify: str | Override | None = key(None, "Classifier; not given = as `ulmfit`.")
    finetune_text: Literal["all", "labelled"] = key(
        "all", "Text of LM fine-tuning: all training text, or that of the labelled documents only."
    )
    baseline: Literal["tfidf"] | None = key(
        None, "A baseline that is no language model: `tfidf`, with logistic regression."
    )


@dataclass(frozen=True)
class Cell:
    """A row of an experiment: a variant on a tokenizer and direction, or an ensemble of them."""

    variant: str | None = key(None, "Variant of the row.")
    tokenizer: str | None = key(None, "Tokenizer; not given = the experiment's.")
    direction: Literal["fwd", "bwd"] | None = key(None, "Direction; not given = the experiment's.")
    ensemble: str | None = key(None, "Ensemble over tokenizers and directions of the variant.")
    among: tuple[str, ...] = key(
        (), "Variants; the row shows the one with the lowest mean error on the select fold."
    )
    title: str = key("", "Name of the row; empty = made from the others.")


@dataclass(frozen=True)
class Experiment:
    """A set of runs that makes one table and one figure."""

    title: str = field(metadata={"description": "Heading."})
    cells: tuple[str | Cell, ...] = field(
        metadata={"description": "Rows; a plain name is a variant.", "min_length": 1}
    )
    caption: str = key("", "What the table shows.")
    datasets: tuple[str, ...] = key((), "Datasets; empty = all of the study.")
    n_labelled: tuple[int | Literal["all"], ...] = key(
        ("all",), "Numbers of labelled documents.", min_length=1
    )
    tokenizer: str = key("word", "Tokenizer of the cells that name none.")
    direction: Literal["fwd", "bwd"] = key("fwd", "Direction of the cells that name none.")
    reference: str | None = key("ulmfit", "Variant that the others are compared with; null = none.")
    fold: Literal["report", "test"] = key(
        "report", "Fold that the table shows; `test` unseals the test fold for these runs."
    )
    published: str | None = key(None, "Table of config/published.yaml shown beside ours.")


@dataclass(frozen=True)
class Study:
    """One config file: everything that decides what is computed."""

    study: str = field(
        metadata={
            "description": "Name; results go to results/<study>/.",
            "pattern": r"^[a-z0-9-]+$",
        }
    )
    datasets: dict[str, UsedDataset] = field(metadata={"description": "Datasets used, by name."})
    experiments: dict[str, Experiment] = field(metadata={"description": "Experiments, by name."})
    order: tuple[str, ...] = key(
        (), "Experiments in the order of the report; those not named follow by name."
    )
    title: str = key("", "Title of the report.")
    description: str = key("", "What the study asks, in a few sentences.")
    device: Literal["auto", "cpu", "cuda"] = key(
        "auto", "Where training runs; auto = a GPU if there is one. Never part of a recipe."
    )
    data_mirror: str | None = key(
        None, "Folder searched for published files before their URLs. Never part of a recipe."
    )
    split_seed: int = key(0, "Seed of the folds; run seeds never move a fold.", ge=0)
    seeds: Seeds = key(Seeds(), "Seeds of the runs.")
    recipes: Recipes = field(
        default_factory=Recipes, metadata={"description": "Base recipes of the stages."}
    )
    ensembles: dict[str, tuple[Cell, ...]] = field(
        default_factory=lambda: {
            "fwd+bwd": (Cell(direction="fwd"), Cell(direction="bwd")),
            "word+subword": (Cell(tokenizer="word"), Cell(tokenizer="subword")),
        },
        metadata={"description": "Ensembles: members by tokenizer and direction."},
    )
    variants: dict[str, Variant] = field(
        default_factory=dict,
        metadata={"description": "Variants of this study, beside and over config/variants.yaml."},
    )


@dataclass(frozen=True)
class Registry:
    """The registries beside the studies: config/{datasets,variants,published}.yaml."""

    corpora: dict[str, Text]
    datasets: dict[str, Text]
    variants: dict[str, Variant]
    published: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


STAGES = ("pretrain", "finetune", "classify")
RECIPE_TYPES: dict[str, type[Any]] = {
    "tokenizer": Tokenizer,
    "pretrain": LanguageModel,
    "finetune": LanguageModel,
    "classify": Classifier,
}
