"""Training jobs of a plan, and what each is made of: tokens, words, FLOPs, parameters.

Sizes of the six datasets of the paper and of its corpus are known here; nothing is read from disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ulmfit.config import paths
from ulmfit.config.paths import NONE
from ulmfit.config.plan import Plan
from ulmfit.config.recipes import Classifier, LanguageModel, from_json
from ulmfit.config.runs import Fields, Run
from ulmfit.config.sources import Folds
from ulmfit.model import cost


@dataclass(frozen=True)
class Documents:
    """Numbers of documents, and mean tokens of one."""

    train: int
    test: int
    unlabelled: int
    words: float
    pieces: float
    classes: int


# Documents: those of the publishers. Tokens of a document: measured on TREC-6 and IMDb, and on a
# part of AG's News and of DBpedia (docs/data.md). Assumed: those of Yelp, and of WikiText-103,
# whose 103 million words grow as those of WikiText-2 do (x 1.14); pieces as in Wikipedia's sample.
TEXTS = {
    "trec6": Documents(5_452, 500, 0, 13.6, 16.3, 6),
    "imdb": Documents(25_000, 25_000, 50_000, 299, 334, 2),
    "ag-news": Documents(120_000, 7_600, 0, 59.6, 68.4, 4),
    "dbpedia": Documents(560_000, 70_000, 0, 76.0, 91.6, 14),
    "yelp-bi": Documents(560_000, 38_000, 0, 180, 205, 2),
    "yelp-full": Documents(650_000, 50_000, 0, 180, 205, 5),
    "wikitext-103": Documents(28_475, 60, 0, 4_140, 4_510, 0),
}
CORPUS_SELECT = 60
"""Documents of WikiText-103 that pretraining is validated on."""


class Sizes:
    """Tokens, vocabularies and FLOPs of the jobs of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def tokens(self, text: str, fields: Fields, documents: int) -> int:
        """Tokens of so many documents."""
        one = TEXTS[text]
        words = self.plan.kind(fields["tokenizer"]) == "word"
        return round(documents * (one.words if words else one.pieces))

    def folds(self, dataset: str) -> tuple[int, int]:
        """Documents of the folds fit and select."""
        train = TEXTS[dataset].train
        share = from_json(Folds, self.plan.fold_options(dataset)).select
        select = round(share * train) if share < 1 else int(share)
        return train - select, select

    def read(self, fields: Fields) -> int:
        """Documents that LM fine-tuning reads."""
        text = fields["n_text"].removesuffix(paths.KEPT)
        one = TEXTS[fields["dataset"]]
        fit, _ = self.folds(fields["dataset"])
        named = {
            "all": fit + one.unlabelled,
            "with-test": fit + one.unlabelled + one.test,
            "labelled": fit,
        }
        return named[text] if text in named else int(text)

    def vocabulary(self, text: str, fields: Fields, documents: int) -> int:
        """Pieces, or words that occur three times, at most 60,002.

        The law is that of the fully and partly prepared texts of docs/data.md.
        """
        if self.plan.kind(fields["tokenizer"]) != "word":
            return 30_000
        if fields.get("n_text", "all").endswith(paths.KEPT):
            return 60_002
        kept: int = round(1.14 * self.tokens(text, fields, documents) ** 0.66)
        return min(60_002, kept)

    def pretrain(self, fields: Fields) -> tuple[int, int]:
        """(FLOPs, parameters) of a pretraining."""
        corpus = fields["corpus"]
        recipe = from_json(LanguageModel, self.plan.recipe("pretrain", fields))
        documents = TEXTS[corpus].train
        words = self.vocabulary(corpus, {**fields, "n_text": "all"}, documents)
        text = self._text(corpus, fields, documents, CORPUS_SELECT)
        return (
            cost.language_model_training(recipe, words, text),
            cost.language_model_parameters(recipe, words),
        )

    def finetune(self, fields: Fields) -> tuple[int, int]:
        """(FLOPs, parameters) of an LM fine-tuning."""
        dataset = fields["dataset"]
        recipe = from_json(LanguageModel, self.plan.recipe("finetune", fields))
        documents = self.read(fields)
        words = self.vocabulary(dataset, fields, documents)
        text = self._text(dataset, fields, documents, self.folds(dataset)[1])
        return (
            cost.language_model_training(recipe, words, text),
            cost.language_model_parameters(recipe, words),
        )

    def classify(self, fields: Fields) -> tuple[int, int]:
        """(FLOPs, parameters) of a classifier."""
        dataset = fields["dataset"]
        recipe = from_json(Classifier, self.plan.recipe("classify", fields))
        fit, select = self.folds(dataset)
        labelled = fit if fields["n_labelled"] == "all" else int(fields["n_labelled"])
        words = self.vocabulary(dataset, fields, self.read(fields))
        classes = TEXTS[dataset].classes
        text = self._text(dataset, fields, labelled, select)
        return (
            cost.classifier_training(recipe, classes, text),
            cost.classifier_parameters(recipe, words, classes),
        )

    def predict_test(self, fields: Fields) -> tuple[int, int]:
        """(FLOPs, 0) of predicting the test fold."""
        recipe = from_json(Classifier, self.plan.recipe("classify", fields))
        dataset = fields["dataset"]
        tokens = self.tokens(dataset, fields, TEXTS[dataset].test)
        return tokens * cost.encoder_forward(recipe.architecture), 0

    def _text(self, text: str, fields: Fields, documents: int, select: int) -> cost.Text:
        return cost.Text(
            self.tokens(text, fields, documents),
            documents,
            self.tokens(text, fields, select),
            select,
        )


@dataclass(frozen=True)
class Job:
    """A training job, or the prediction of a test fold."""

    stage: str
    dataset: str
    path: str
    flops: int
    parameters: int


def jobs_of(sizes: Sizes, run: Run) -> Iterator[Job]:
    """What one model would need if it were alone."""
    fields = run.fields
    for stage, pattern, count in (
        ("pretrain", paths.PRETRAINED, sizes.pretrain),
        ("finetune", paths.FINETUNED, sizes.finetune),
        ("classify", paths.CLASSIFIER, sizes.classify),
    ):
        if fields[stage] != NONE:
            where = fields["corpus"] if stage == "pretrain" else run.dataset
            yield Job(stage, where, pattern.format(**fields), *count(fields))


def shared(sizes: Sizes) -> list[Job]:
    """Every training job of the plan, and every prediction of a test fold, once."""
    found: dict[str, Job] = {}
    for run in sizes.plan.runs():
        if run.kind == "model":
            found |= {job.path: job for job in jobs_of(sizes, run)}
    test = [
        Job("predict_test", run.dataset, f"{run.path}/test", *sizes.predict_test(run.fields))
        for run in sizes.plan.unsealed()
        if run.kind == "model"
    ]
    return [*found.values(), *test]


def alone(sizes: Sizes) -> list[Job]:
    """Training jobs if each row of each table trained its own models from the beginning."""
    known: dict[str, list[Job]] = {}
    found = []
    for name in sizes.plan.experiments():
        for cell in sizes.plan.cells(name):
            for part in cell.among or (cell,):
                for run in part.runs:
                    for model in run.members or (run,):
                        if model.kind == "model":
                            if model.path not in known:
                                known[model.path] = list(jobs_of(sizes, model))
                            found += known[model.path]
    return found


def all_documents(text: str) -> int:
    """Documents of a text in all folds."""
    one = TEXTS[text]
    return one.train + one.test + one.unlabelled


def copies(sizes: Sizes, text: str) -> int:
    """Token folders of a text: one for each tokenizer and vocabulary."""
    found = set()
    for run in sizes.plan.runs():
        if run.kind == "model":
            found.add(sizes.plan.tokens(run.dataset, run.fields))
            if run.fields["pretrain"] != NONE:
                corpus = {**run.fields, "n_text": "all"}
                found.add(sizes.plan.tokens(run.fields["corpus"], corpus))
    return sum(folder.split("/")[1] == text for folder in found)
