"""How large the texts of a study are: counted where prepared, else published or guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ulmfit.config import paths
from ulmfit.config.plan import Plan
from ulmfit.config.recipes import Tokenizer, from_json
from ulmfit.config.runs import Fields
from ulmfit.config.sources import Folds
from ulmfit.config.study import Text
from ulmfit.errors import UserError
from ulmfit.store.files import read_json
from ulmfit.store.probabilities import DAMAGED
from ulmfit.store.tokens import FOLDS


@dataclass(frozen=True)
class Documents:
    """Numbers of documents, mean tokens of one, and where these numbers are from."""

    train: int
    test: int
    unlabelled: int
    words: float
    pieces: float
    classes: int
    basis: str


@dataclass(frozen=True)
class Fold:
    """Documents of a fold and their tokens."""

    documents: int
    tokens: int


PUBLISHED = "documents published, tokens of one measured"
PARTLY = "documents published, tokens of one measured on a part"
ASSUMED = "documents published, tokens of one assumed"
INSTALLED = "as found in the packages of envs/constraints.txt"
COUNTED = "counted"

# Tokens of a document: docs/data.md. Assumed: those of Yelp, and of WikiText-103, whose 103 million
# words grow as those of WikiText-2 do (x 1.14), pieces as in Wikipedia's sample. Documents of the
# docstrings are those that stay, balanced, in their folds.
TEXTS = {
    "trec6": Documents(5_452, 500, 0, 13.6, 16.3, 6, PUBLISHED),
    "imdb": Documents(25_000, 25_000, 50_000, 299, 334, 2, PUBLISHED),
    "ag-news": Documents(120_000, 7_600, 0, 59.6, 68.4, 4, PARTLY),
    "ag-news-partial": Documents(25_460, 7_600, 0, 59.6, 68.4, 4, PUBLISHED),
    "dbpedia": Documents(560_000, 70_000, 0, 76.0, 91.6, 14, PARTLY),
    "dbpedia-partial": Documents(5_000, 0, 0, 76.0, 91.6, 14, PUBLISHED),
    "yelp-bi": Documents(560_000, 38_000, 0, 180, 205, 2, ASSUMED),
    "yelp-full": Documents(650_000, 50_000, 0, 180, 205, 5, ASSUMED),
    "wikitext-2": Documents(600, 0, 0, 3_908, 4_260, 0, PUBLISHED),
    "wikitext-103": Documents(28_595, 0, 0, 4_123, 4_500, 0, ASSUMED),
    "enwiki-2015-sample": Documents(11_451, 0, 0, 3_916, 4_274, 0, PUBLISHED),
    "enwiki-2015-sample-3m": Documents(738, 0, 0, 4_098, 4_473, 0, PUBLISHED),
    "docstrings": Documents(13_895, 0, 2_500, 29.0, 36.7, 5, INSTALLED),
    "docstrings-small": Documents(1_945, 0, 50, 31.0, 67.3, 5, INSTALLED),
    "library-docs": Documents(23_704, 0, 0, 55.7, 68.5, 0, INSTALLED),
    "library-docs-small": Documents(371, 0, 0, 80.8, 150.9, 0, INSTALLED),
}
BYTES_A_TOKEN, TOKENS_A_DOCUMENT, PACKED = 5.0, 100.0, 2.5
"""Of an unknown text: bytes of English that make a token, length of a document, and how many bytes
one of a packed file stands for."""
PACKED_FILES = (".gz", ".tgz", ".zip", ".xz", ".bz2", ".parquet")
UNKNOWN_DOCUMENTS = 10_000
ID_LETTERS = {"docstrings-sections": 130, "docstrings-prose": 170}
USUAL_ID = 12
"""Letters of the longest id, four bytes each in arrays."""
LONGEST = 6
"""Length of the longest document of an unprepared text, in mean lengths."""


class Sizes:
    """Folds, vocabularies and classes of the texts of a plan.

    ``results`` is the folder of the study, whose token folders and folds are counted where they
    exist (UserError if one cannot be read).
    """

    def __init__(self, plan: Plan, results: Path | None = None) -> None:
        self.plan = plan
        self.results = results
        self._read: dict[Path, Any] = {}

    def folds(self, text: str, fields: Fields) -> Mapping[str, Fold]:
        """Every fold of a text, as the tokenizer in ``fields`` cuts it."""
        if counted := self._tokens(text, fields):
            found = counted["folds"]
            return {
                name: Fold(found[name]["documents"], found[name]["tokens"])
                if name in found
                else Fold(0, 0)
                for name in FOLDS
            }
        length = self._length(text, fields)
        return {
            name: Fold(documents, round(documents * length))
            for name, documents in self.documents(text).items()
        }

    def documents(self, text: str) -> Mapping[str, int]:
        """Documents of each fold."""
        facts = self._facts(paths.FOLD_COUNTS.format(text=text))
        if facts:
            counts = facts["folds"]
            return {name: counts.get(name, {}).get("documents", 0) for name in FOLDS}
        one = self._expected[text]
        options = from_json(Folds, self.plan.fold_options(text))

        def amount(size: float) -> int:
            return round(size * one.train) if size < 1 else int(size)

        select, report = amount(options.select), amount(options.report)
        test = one.test or amount(options.test)
        taken = select + report + (0 if one.test else test)
        unlabelled = one.unlabelled
        if options.max_unlabelled is not None:
            unlabelled = min(unlabelled, options.max_unlabelled)
        fit = max(one.train - taken, 0)
        return dict(zip(FOLDS, (fit, select, report, test, unlabelled), strict=True))

    def read(self, fields: Fields) -> Fold:
        """What LM fine-tuning reads of its dataset."""
        folds = self.folds(fields["dataset"], fields)
        text = fields["n_text"].removesuffix(paths.KEPT)
        named = {
            "all": ("fit", "unlabelled"),
            "with-test": ("fit", "unlabelled", "test"),
            "labelled": ("fit",),
        }
        if text not in named:
            return part(folds["fit"], int(text))
        found = [folds[name] for name in named[text]]
        return Fold(sum(one.documents for one in found), sum(one.tokens for one in found))

    def labelled(self, fields: Fields) -> Fold:
        """What a classifier learns from."""
        fit = self.folds(fields["dataset"], fields)["fit"]
        return fit if fields["n_labelled"] == "all" else part(fit, int(fields["n_labelled"]))

    def vocabulary(self, text: str, fields: Fields) -> int:
        """Words or pieces; where nothing is counted, words that occur three times, by the law of
        the fully and partly prepared texts of docs/data.md, up to the recipe's most.
        """
        if counted := self._tokens(text, fields):
            return int(counted["vocabulary"])
        tokenizer = from_json(Tokenizer, self.plan.tokenizers[fields["tokenizer"]])
        if tokenizer.kind != "word":
            return tokenizer.pieces
        largest = tokenizer.max_vocab + (2 if tokenizer.rules == "fastai-0.7" else 0)
        kept = fields.get("n_text", "all").endswith(paths.KEPT)
        if kept and text != fields["corpus"]:
            return self.vocabulary(fields["corpus"], {**fields, "n_text": "all"})
        if text == fields.get("dataset"):
            tokens = self.read(fields).tokens
        else:
            tokens = self.folds(text, fields)["fit"].tokens
        return min(largest, round(1.14 * math.pow(tokens, 0.66)))

    def classes(self, text: str) -> int:
        """Classes of a dataset."""
        facts = self._facts(paths.FOLD_COUNTS.format(text=text))
        if facts and (classes := facts["folds"].get("fit", {}).get("classes")):
            return len(classes)
        return self._expected[text].classes

    def longest(self, text: str, fields: Fields) -> int:
        """Tokens of the longest document."""
        if self._tokens(text, fields) and self.results:
            path = self.results / self.plan.tokens(text, fields) / "documents.npz"
            if path.exists():
                return self._arrays(path)[0]
        return round(LONGEST * self._length(text, fields))

    def id_bytes(self, text: str) -> int:
        """Bytes of a document's id in arrays, which are as wide as the longest."""
        folders = sorted(self.results.glob(f"tokens/{text}/*/*")) if self.results else []
        for path in (folder / "documents.npz" for folder in folders):
            if path.exists():
                return self._arrays(path)[1]
        return 4 * ID_LETTERS.get(self.plan.text(text).source, USUAL_ID)

    def tokens(self, text: str) -> int:
        """Words of all folds, about: what stages before the tokens read."""
        return round(sum(self.documents(text).values()) * self._expected[text].words)

    def basis(self, text: str) -> str:
        """Where the sizes of a text are from."""
        if self.results:
            folders = sorted(self.results.glob(f"tokens/{text}/*/*/tokens.json"))
            if folders:
                return f"{COUNTED} ({len(folders)} token folders)"
            if self._facts(paths.FOLD_COUNTS.format(text=text)):
                return f"documents counted; tokens of one: {self._expected[text].basis}"
        return self._expected[text].basis

    def _length(self, text: str, fields: Fields) -> float:
        one = self._expected[text]
        return one.words if self.plan.kind(fields["tokenizer"]) == "word" else one.pieces

    def _tokens(self, text: str, fields: Fields) -> Any:
        return self._facts(f"{self.plan.tokens(text, fields)}/tokens.json")

    def _arrays(self, path: Path) -> tuple[int, int]:
        """(tokens of the longest document, bytes of an id) of a token folder."""
        if path not in self._read:
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    longest = int(np.diff(arrays["offsets"]).max(initial=1))
                    self._read[path] = longest, int(arrays["document"].dtype.itemsize)
            except DAMAGED as error:
                raise UserError(f"{path} is damaged ({error}): delete it, run again") from error
        found: tuple[int, int] = self._read[path]
        return found

    def _facts(self, path: str) -> Any:
        """A JSON file of the study; None where it is not made."""
        if self.results is None:
            return None
        file = self.results / path
        if file not in self._read:
            self._read[file] = read_json(file) if file.exists() else None
        return self._read[file]

    @cached_property
    def _expected(self) -> dict[str, Documents]:
        return {
            name: TEXTS[name] if name in TEXTS else guess(self.plan.text(name))
            for name in self.plan.texts()
        }


def part(fold: Fold, documents: int) -> Fold:
    """So many documents of a fold, of mean length."""
    return Fold(documents, round(fold.tokens * documents / max(fold.documents, 1)))


def guess(text: Text) -> Documents:
    """An own text by the bytes of its files."""
    size, known = 0.0, True
    for key in text.files:
        file = text.versions(key)[0]
        found = file.bytes or _bytes(Path(file.path).expanduser() if file.path else None)
        known = known and found > 0
        size += found * (PACKED if (file.path or file.name).endswith(PACKED_FILES) else 1)
    if not size or not known:
        basis = f"a guess: {UNKNOWN_DOCUMENTS:,} documents of {TOKENS_A_DOCUMENT:.0f} tokens"
        documents = UNKNOWN_DOCUMENTS
    else:
        basis = f"a guess from the size of its files, {TOKENS_A_DOCUMENT:.0f} tokens a document"
        documents = max(2, round(size / BYTES_A_TOKEN / TOKENS_A_DOCUMENT))
    length = TOKENS_A_DOCUMENT
    return Documents(documents, 0, 0, length, 1.15 * length, 2, basis)


def _bytes(path: Path | None) -> int:
    if path is None or not path.exists():
        return 0
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*.txt"))
        return path.stat().st_size
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
