"""Numericalised documents: memory-mapped ids beside one row of facts for each document.

A token folder holds ``ids.npy`` (every document's ids end to end, smallest unsigned type),
``documents.npz`` (arrays below), ``vocabulary.txt`` (a token a line, line number = id) and
``tokens.json`` (class names, counts, and the SHA-256 of the other files, which is compared whenever
the folder is read). Training reads nothing else, so it needs only numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ulmfit.errors import UserError
from ulmfit.store.files import atomic, read_json, sha256, write_json, write_text
from ulmfit.store.probabilities import DAMAGED

IDS, DOCUMENTS, VOCABULARY, FACTS = "ids.npy", "documents.npz", "vocabulary.txt", "tokens.json"
DIGESTS = "sha256"
"""Key of tokens.json: the digest of each other file by its name."""
UNKNOWN, PADDING = 0, 1
FOLDS = ("fit", "select", "report", "test", "unlabelled")

LM_FOLDS = ("fit", "unlabelled")
"""Folds whose text trains the language model, and so makes the word vocabulary."""

NText = int | Literal["all", "labelled", "with-test"]
"""Which text a language model reads: see :func:`language_model_text`."""


@dataclass(frozen=True)
class TokenStore:
    """Documents as ids.

    ``ids`` (tokens,) unsigned; ``offsets`` (documents + 1,) int64: document i is
    ``ids[offsets[i]:offsets[i + 1]]``; ``document`` (documents,) the ids of documents.parquet;
    ``fold`` (documents,) a name of :data:`FOLDS`; ``label`` (documents,) int16 index into
    ``classes``, -1 for none; ``rank`` (documents,) int32 place in the nested, class-balanced order
    of the fit fold, -1 elsewhere.
    """

    ids: NDArray[Any]
    offsets: NDArray[np.int64]
    document: NDArray[np.str_]
    fold: NDArray[np.str_]
    label: NDArray[np.int16]
    rank: NDArray[np.int32]
    vocabulary: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each document, (documents,)."""
        return np.diff(self.offsets)

    def of_fold(
        self, folds: str | Sequence[str], n_labelled: int | None = None
    ) -> NDArray[np.intp]:
        """Indices of the documents of some folds, in file order.

        ``n_labelled`` keeps of the fit fold only the first n of the nested class-balanced order.
        """
        wanted = [folds] if isinstance(folds, str) else list(folds)
        keep = np.isin(self.fold, wanted)
        if n_labelled is not None:
            keep &= (self.fold != "fit") | (self.rank < n_labelled)
        return np.flatnonzero(keep)

    def read(self, index: int, direction: str) -> NDArray[Any]:
        """Ids of one document, reversed for ``bwd`` (special tokens included, ulmfit.md 1.6)."""
        ids = self.ids[self.offsets[index] : self.offsets[index + 1]]
        return ids[::-1] if direction == "bwd" else ids


def language_model_text(
    fold: NDArray[np.str_], rank: NDArray[np.int32], n_text: NText
) -> NDArray[np.bool_]:
    """Whether a language model reads the text of each document, (documents,).

    ``all``: of the folds fit and unlabelled; ``with-test``: of the fold test too, a named switch
    (ulmfit.md 7.1); ``labelled``: of fold fit; a number: the first of the nested order of fold fit
    (UserError if it has fewer).
    """
    if n_text == "all":
        return np.isin(fold, LM_FOLDS)
    if n_text == "with-test":
        return np.isin(fold, (*LM_FOLDS, "test"))
    read = fold == "fit"
    if n_text != "labelled":
        read &= (rank >= 0) & (rank < n_text)
        if (found := int(read.sum())) < n_text:
            raise UserError(
                f"text of {n_text} labelled documents asked for and {found} in fold fit: "
                "lower n_labelled"
            )
    return np.asarray(read)


def write_tokens(folder: Path | str, store: TokenStore, facts: dict[str, Any]) -> None:
    """Write a token folder; ``facts`` joins the class names and counts in ``tokens.json``."""
    folder = Path(folder)
    if any("\n" in token or "\r" in token for token in store.vocabulary):
        raise ValueError("a token with a line break cannot be stored in vocabulary.txt")
    dtype = np.min_scalar_type(max(len(store.vocabulary) - 1, 0))
    with atomic(folder / IDS) as temporary:
        np.save(temporary, np.ascontiguousarray(store.ids, dtype=dtype))
    with atomic(folder / DOCUMENTS) as temporary:
        np.savez(
            temporary,
            offsets=store.offsets,
            document=store.document,
            fold=store.fold,
            label=store.label,
            rank=store.rank,
        )
    write_text(folder / VOCABULARY, "".join(f"{token}\n" for token in store.vocabulary))
    write_json(
        folder / FACTS,
        {
            **facts,
            "classes": list(store.classes),
            "documents": len(store.document),
            "tokens": int(store.offsets[-1]),
            "vocabulary": len(store.vocabulary),
            DIGESTS: {name: sha256(folder / name) for name in (IDS, DOCUMENTS, VOCABULARY)},
        },
    )


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """The tokens of a token folder's vocabulary.txt, by id; raises UserError if it is damaged."""
    facts = read_json(path.with_name(FACTS))
    try:
        _check(path, facts)
        return _vocabulary(path)
    except DAMAGED as error:
        raise UserError(f"{path} is damaged ({error}): delete it, run again") from error


def read_tokens(folder: Path | str) -> TokenStore:
    """Open a token folder, ids memory-mapped; raises UserError if a file is missing or damaged.

    The digest of the ids costs half a second for each gigabyte, and reads what training reads too.
    """
    folder = Path(folder)
    facts = read_json(folder / FACTS)
    try:
        for name in (IDS, DOCUMENTS, VOCABULARY):
            _check(folder / name, facts)
        ids = np.load(folder / IDS, mmap_mode="r", allow_pickle=False)
        with np.load(folder / DOCUMENTS, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
        vocabulary = _vocabulary(folder / VOCABULARY)
        return TokenStore(
            ids=ids, vocabulary=vocabulary, classes=tuple(facts["classes"]), **columns
        )
    except (TypeError, *DAMAGED) as error:
        raise UserError(
            f"token folder {folder} is damaged ({error}): delete it, run again"
        ) from error


def _check(path: Path, facts: Any) -> None:
    """Raise UserError unless ``path`` has the digest that tokens.json gives it."""
    if facts[DIGESTS][path.name] != sha256(path):
        raise UserError(
            f"{path} is not the file that {FACTS} beside it describes: "
            f"delete the folder {path.parent}, run again"
        )


def _vocabulary(path: Path) -> tuple[str, ...]:
    # split("\n"), not splitlines(): a token may hold U+2028 or another Unicode line break.
    return tuple(path.read_bytes().decode("utf-8").split("\n")[:-1])
