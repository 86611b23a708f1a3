"""A study as its YAML says it: corpora, datasets, variants, experiments, seeds.

Like the recipes, these classes are the only source of keys, defaults and descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ulmfit.config.recipes import Classifier, LanguageModel, Tokenizer, key

Override = dict[str, Any]
"""Part of a recipe, as nested keys; what it leaves out comes from the recipe it is laid over."""

Sizes = tuple[int | Literal["all"], ...]
"""Numbers of labelled documents."""


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
    files: dict[str, str | SourceFile | tuple[SourceFile, ...]] = field(
        default_factory=dict,
        metadata={"description": "Files that the source reads; a plain string is a `path`."},
    )
    folds: Override = field(
        default_factory=dict, metadata={"description": "Sizes of the folds, in documents."}
    )

    def versions(self, name: str) -> tuple[SourceFile, ...]:
        """Published forms of a file, in the order to try."""
        files = self.files[name]
        if isinstance(files, str):
            return (SourceFile(path=files),)
        return files if isinstance(files, tuple) else (files,)


@dataclass(frozen=True)
class UsedDataset:
    """A dataset in a study."""

    corpus: str = field(
        metadata={
            "description": "Corpus that models are pretrained on, unless a variant says another."
        }
    )
    folds: Override = field(
        default_factory=dict,
        metadata={"description": "Laid over the sizes of its folds for this study only."},
    )
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
        "Stages whose seed is the run's; the others always take the smallest of `runs`.",
    )


@dataclass(frozen=True)
class StageOverrides:
    """Parts of the recipes of the training stages."""

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
class Recipes(StageOverrides):
    """The study's base recipes, as differences from its preset: what `ulmfit` means here."""

    tokenizers: dict[str, Override] = field(
        default_factory=lambda: {"word": {"kind": "word"}, "subword": {"kind": "subword"}},
        metadata={"description": "Tokenizers by name."},
    )


@dataclass(frozen=True)
class Variant:
    """A row of an ablation table: what differs from `ulmfit`, stage by stage.

    A stage may be `none` (left out), the name of another variant (its recipe is shared) or keys of
    the recipe that differ.
    """

    title: str = key("", "Name in tables and figures; empty = the key.")
    description: str = key("", "What it shows.")
    corpus: str | None = key(
        None, "Corpus that it is pretrained on; not given = that of the dataset."
    )
    pretrain: str | Override | None = key(None, "Pretraining; not given = as `ulmfit`.")
    finetune: str | Override | None = key(None, "LM fine-tuning; not given = as `ulmfit`.")
    classify: str | Override | None = key(None, "Classifier; not given = as `ulmfit`.")
    finetune_text: Literal["all", "labelled", "with-test"] | None = key(
        None,
        "Text of LM fine-tuning: all training text, that of the labelled documents only, or all "
        "training text and that of the test documents (never their labels); not given = the "
        "preset's.",
    )
    vocabulary: Literal["text", "pretrained"] = key(
        "text",
        "Words: the vocabulary of the text that LM fine-tuning reads, or the pretrained one kept.",
    )
    ablation: bool = key(
        False,
        "Whether it is one of the paper's own cells, under which lies what the preset says of "
        "`ablations`.",
    )
    baseline: Literal["tfidf", "nb-svm"] | None = key(
        None,
        "A baseline that is no language model: `tfidf`, logistic regression on TF-IDF; `nb-svm`, "
        "a support vector machine on naive Bayes features.",
    )


@dataclass(frozen=True)
class Cell:
    """A row of an experiment: a variant on a tokenizer and direction, or an ensemble of them."""

    variant: str | None = key(None, "Variant of the row.")
    tokenizer: str | None = key(None, "Tokenizer; not given = the experiment's.")
    direction: Literal["fwd", "bwd"] | None = key(None, "Direction; not given = the experiment's.")
    ensemble: str | None = key(None, "Ensemble of the variant's readings.")
    among: tuple[str, ...] = key(
        (),
        "Variants; the row shows the one with the lowest mean error on the select fold, beside the "
        "paper's number of the first.",
    )
    title: str = key("", "Name of the row; empty = made from the others.")


@dataclass(frozen=True)
class Member:
    """A member of an ensemble; what it leaves out is that of the row that shows the ensemble."""

    variant: str | None = key(None, "Variant.")
    tokenizer: str | None = key(None, "Tokenizer.")
    direction: Literal["fwd", "bwd"] | None = key(None, "Direction.")


@dataclass(frozen=True)
class Ensemble:
    """Several classifiers on the same documents, joined by document id (ulmfit.md section 4)."""

    members: tuple[Member, ...] = field(
        metadata={"description": "Its classifiers, those of one seed together.", "min_length": 2}
    )
    combine: Literal["mean", "logits", "weighted", "vote"] = key(
        "mean",
        "Mean of the probabilities; mean of the logits; mean with weights fitted on the select "
        "fold; majority vote.",
    )


_FOUR = tuple(Member(tokenizer=t, direction=d) for t in ("word", "subword") for d in ("fwd", "bwd"))
ENSEMBLES: dict[str, Ensemble] = {
    "fwd+bwd": Ensemble((Member(direction="fwd"), Member(direction="bwd"))),
    "word+subword": Ensemble((Member(tokenizer="word"), Member(tokenizer="subword"))),
    "four-way": Ensemble(_FOUR),
    "four-way-logits": Ensemble(_FOUR, "logits"),
    "four-way-weighted": Ensemble(_FOUR, "weighted"),
    "four-way-vote": Ensemble(_FOUR, "vote"),
}
"""Ensembles that every study knows."""


@dataclass(frozen=True)
class Experiment:
    """A set of runs that makes one table and one figure.

    A study lays what it says over the experiment of the same name in `config/experiments.yaml`;
    with a `title` it is the study's own, and takes nothing from there.
    """

    title: str = key("", "Heading.")
    cells: tuple[str | Cell, ...] = key((), "Rows; a plain name is a variant.")
    aliases: tuple[str, ...] = key(
        (), "Other names of the target that makes its table, such as `table-7`."
    )
    caption: str = key("", "What the table shows.")
    datasets: tuple[str, ...] = key((), "Datasets; empty = all of the study.")
    n_labelled: Sizes | dict[str, Sizes] = key(
        ("all",), "Numbers of labelled documents, perhaps by dataset."
    )
    tokenizer: str = key("word", "Tokenizer of the cells that name none.")
    direction: Literal["fwd", "bwd"] = key("fwd", "Direction of the cells that name none.")
    reference: str | None = key("ulmfit", "Variant that the others are compared with; null = none.")
    fold: Literal["report", "test", "select"] = key(
        "report",
        "Fold that the table shows; `test` unseals the test fold for these runs, `select` needs a "
        "preset with `one_fold`.",
    )
    published: tuple[str, ...] = key((), "Tables of config/published.yaml shown beside ours.")

    def sizes(self, dataset: str) -> Sizes:
        """Numbers of labelled documents on a dataset; none if only others are named."""
        sizes = self.n_labelled
        return sizes.get(dataset, ()) if isinstance(sizes, dict) else sizes


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
    experiments: dict[str, Experiment] = field(
        metadata={
            "description": "Experiments, by name: those of config/experiments.yaml with what "
            "differs (`{}` = nothing), or your own with a `title`."
        }
    )
    preset: str = key(
        "paper", "Reading of the method, of config/presets.yaml, that the recipes differ from."
    )
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
    ensembles: dict[str, Ensemble] = field(
        default_factory=dict,
        metadata={
            "description": "Ensembles of this study, beside and over "
            + ", ".join(f"`{name}`" for name in ENSEMBLES)
            + "."
        },
    )
    variants: dict[str, Variant] = field(
        default_factory=dict,
        metadata={"description": "Variants of this study, beside and over config/variants.yaml."},
    )


@dataclass(frozen=True)
class Preset(StageOverrides):
    """A reading of the method: recipes that a study's own are laid over (ulmfit.md section 10)."""

    title: str = key("", "Name in the report; empty = the key.")
    description: str = key("", "Whose reading it is.")
    tokenizer: Override = field(
        default_factory=dict, metadata={"description": "Laid under every tokenizer."}
    )
    ablations: dict[Literal["pretrain", "finetune", "classify"], Override] = field(
        default_factory=dict,
        metadata={"description": "Laid over the preset's recipes for variants with `ablation`."},
    )
    variants: dict[str, dict[Literal["pretrain", "finetune", "classify"], Override]] = field(
        default_factory=dict,
        metadata={"description": "Laid over variants of config/variants.yaml, by name and stage."},
    )
    finetune_text: Literal["all", "labelled", "with-test"] = key(
        "all", "Text of LM fine-tuning of the variants that name none."
    )
    one_fold: bool = key(
        False, "Whether an experiment may show the fold that chose its epochs (`fold: select`)."
    )


@dataclass(frozen=True)
class PublishedTable:
    """A table of the paper: errors in per cent by dataset, digits as printed."""

    fold: Literal["validation", "test"] = field(
        metadata={"description": "Fold that it shows; validation = one held out of training data."}
    )
    direction: Literal["fwd", "fwd+bwd"] = field(
        metadata={"description": "Model, or ensemble, of its rows."}
    )
    rows: dict[str, dict[str, str]] = field(
        metadata={"description": "Of each dataset, the error of each variant."}
    )
    documents: dict[str, int] = field(
        default_factory=dict,
        metadata={
            "description": "Of each dataset, the documents that its errors were measured on."
        },
    )
    quoted: dict[str, dict[str, str]] = field(
        default_factory=dict,
        metadata={"description": "Of each dataset, errors of other systems that it quotes."},
    )

    def shows(self, fold: str) -> bool:
        """Whether it stands beside errors on one of our folds."""
        return (fold == "test") == (self.fold == "test")


@dataclass(frozen=True)
class Registry:
    """The registries beside the studies: config/{datasets,variants,presets,published}.yaml."""

    corpora: dict[str, Text]
    datasets: dict[str, Text]
    variants: dict[str, Variant]
    presets: dict[str, Preset]
    published: dict[str, PublishedTable] = field(default_factory=dict)


STAGES = ("pretrain", "finetune", "classify")
RECIPE_TYPES: dict[str, type[Any]] = {
    "tokenizer": Tokenizer,
    "pretrain": LanguageModel,
    "finetune": LanguageModel,
    "classify": Classifier,
}
