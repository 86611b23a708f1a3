"""The two stages of this room: make a tokenizer, and turn documents into ids with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.config.recipes import Tokenizer, from_json
from ulmfit.errors import UserError
from ulmfit.store.files import sha256
from ulmfit.store.progress import progress
from ulmfit.store.tokens import FOLDS, UNKNOWN, TokenStore, write_tokens
from ulmfit.text.corpus import CHUNK, Corpus, read_corpus
from ulmfit.text.encoding import Rows, ordered_map, processes_for
from ulmfit.text.rule_sets import rule_set
from ulmfit.text.subwords import SubwordTokenizer, prepare, train_pieces
from ulmfit.text.tokenizers import TokenizerFile, read_tokenizer, write_tokenizer
from ulmfit.text.vocabulary import build_vocabulary, numericalise

LM_FOLDS = ("fit", "unlabelled")
"""Folds whose text trains the language model, and so makes the word vocabulary."""

TRAINING_CHARACTERS = 32_000_000
"""Most text that SentencePiece learns from; its memory and time grow with the text."""


def make_tokenizer(
    recipe_json: str, documents: Path | None, folds: Path | None, output: Path, threads: int
) -> None:
    """Write tokenizer.json. Sub-words are trained on text of the documents given.

    That is the fit fold, and where each text has pieces of its own the unlabelled fold too.
    Raises UserError if sub-words have no text to learn from.
    """
    recipe = from_json(Tokenizer, recipe_json)
    model, facts = None, {}
    if recipe.kind == "subword":
        if documents is None or folds is None:
            raise UserError("a sub-word tokenizer needs documents and folds to be trained on")
        corpus = read_corpus(documents, folds)
        rows = _training_rows(corpus, LM_FOLDS if recipe.pieces_from == "dataset" else ("fit",))
        prepared = _prepared(corpus, rows, recipe.rules, threads)
        texts = [text for chunk in prepared for text in chunk]
        characters = sum(map(len, texts))
        # SentencePiece shows no progress that a log could keep.
        print(f"learn pieces from {characters} characters", file=sys.stderr, flush=True)
        model = train_pieces(texts, recipe)
        facts = {
            "trained_on": {
                "documents": len(rows),
                "fit_documents": int((corpus.fold == "fit").sum()),
                "characters": characters,
                "documents_sha256": sha256(documents),
                "folds_sha256": sha256(folds),
            }
        }
    write_tokenizer(output, TokenizerFile(recipe, model), facts)


def make_tokens(
    tokenizer: Path, documents: Path, folds: Path, output: Path, threads: int
) -> TokenStore:
    """Write the token folder ``output`` of all documents that are in a fold, in file order.

    Raises UserError if a document has no text, or no document is there to make a vocabulary of.
    """
    started = time.perf_counter()
    file = read_tokenizer(tokenizer)
    corpus = read_corpus(documents, folds)
    chunks, lengths, types = _encode(file, corpus, documents, threads)
    if types is None:
        assert file.model is not None
        vocabulary = SubwordTokenizer(file.model, file.recipe.rules).vocabulary
        table = np.arange(len(vocabulary), dtype=np.min_scalar_type(len(vocabulary) - 1))
    else:
        counts = _counts(chunks, lengths, np.isin(corpus.fold, LM_FOLDS), len(types))
        if not counts.any():
            raise UserError(
                f"{folds}: no document in the folds {' and '.join(LM_FOLDS)}, "
                "so there is no text to make a vocabulary of"
            )
        rules = rule_set(file.recipe.rules)
        beside = len(rules.specials) if rules.specials_beside_max else 0
        vocabulary = build_vocabulary(
            types,
            counts,
            specials=rules.specials,
            max_vocab=file.recipe.max_vocab + beside,
            min_freq=file.recipe.min_freq,
        )
        table = numericalise(types, vocabulary)
    for i, chunk in enumerate(chunks):  # in place, so that the wide ids go as the narrow ones come
        chunks[i] = table[chunk]
    store = TokenStore(
        ids=np.concatenate(chunks),
        offsets=np.concatenate(([0], np.cumsum(lengths))),
        document=corpus.document,
        fold=corpus.fold,
        label=corpus.label,
        rank=corpus.rank,
        vocabulary=vocabulary,
        classes=corpus.classes,
    )
    facts = {
        **_facts(store),
        "tokenizer": {
            "kind": file.recipe.kind,
            "rules": file.recipe.rules,
            "sha256": sha256(tokenizer),
        },
        "versions": file.versions,
        "seconds": round(time.perf_counter() - started, 3),
    }
    write_tokens(output, store, facts)
    return store


def _training_rows(corpus: Corpus, folds: Sequence[str]) -> NDArray[np.intp]:
    """Rows of some folds; of much text, documents drawn at random (seed 0) up to the limit."""
    rows = np.flatnonzero(np.isin(corpus.fold, folds))
    characters = corpus.characters[rows]
    if characters.sum() <= TRAINING_CHARACTERS:
        return rows
    drawn = np.random.default_rng(0).permutation(len(rows))
    enough = int(np.searchsorted(np.cumsum(characters[drawn]), TRAINING_CHARACTERS)) + 1
    return np.sort(rows[drawn[:enough]])


def _prepared(
    corpus: Corpus, rows: NDArray[np.intp], rules: str, threads: int
) -> Iterator[list[str]]:
    processes = processes_for(int(corpus.characters[rows].sum()), threads)
    results = ordered_map(partial(_rule_applier, rules), corpus.chunks(rows), processes)
    return progress(results, -(-len(rows) // CHUNK), "apply text rules")


def _rule_applier(rules: str) -> Callable[[Rows], list[str]]:
    chosen = rule_set(rules)
    return lambda rows: [prepare(fields, chosen) for fields in rows]


def _encode(
    file: TokenizerFile, corpus: Corpus, documents: Path, threads: int
) -> tuple[list[NDArray[Any]], NDArray[np.int64], Sequence[str] | None]:
    """Ids of each chunk, lengths (documents,), and what the ids index.

    For words that is every distinct token in the order of its first chunk: the vocabulary is not
    known before all text was seen, and to hold all tokens as strings would take too much memory.
    """
    factory = file.factory()
    # What the rules alone put into a document: a document of no more tokens has no text.
    bare = int(factory()([("",) * len(corpus.fields)]).lengths[0])
    index: dict[str, int] = {}
    chunks: list[NDArray[Any]] = []
    lengths: list[NDArray[np.int64]] = []
    processes = processes_for(int(corpus.characters.sum()), threads)
    encodings = ordered_map(factory, corpus.chunks(), processes)
    total = -(-len(corpus.table) // CHUNK)
    for number, encoding in enumerate(progress(encodings, total, "tokenize")):
        empty = np.flatnonzero(encoding.lengths <= bare)
        if len(empty):
            name = corpus.document[number * CHUNK + empty[0]]
            raise UserError(
                f"{documents}: document {str(name)!r} has no text: leave it out of the source"
            )
        ids = encoding.ids
        if encoding.types is not None:
            known = [index.setdefault(token, len(index)) for token in encoding.types]
            ids = np.array(known, np.uint32)[ids]
        chunks.append(ids)
        lengths.append(encoding.lengths)
    if not chunks:
        raise UserError(f"{documents}: none of its documents is in a fold")
    return chunks, np.concatenate(lengths), None if file.model is not None else tuple(index)


def _counts(
    chunks: list[NDArray[Any]], lengths: NDArray[np.int64], counted: NDArray[np.bool_], types: int
) -> NDArray[np.int64]:
    """Occurrences of each type in the documents that are counted, (types,)."""
    counts = np.zeros(types, np.int64)
    for i, ids in enumerate(chunks):
        part = slice(i * CHUNK, (i + 1) * CHUNK)
        counts += np.bincount(ids[np.repeat(counted[part], lengths[part])], minlength=types)
    return counts


def _facts(store: TokenStore) -> dict[str, Any]:
    """What tokens.json says about the text, per fold and in all."""
    per_fold = {}
    unknown = np.diff(np.searchsorted(np.flatnonzero(store.ids == UNKNOWN), store.offsets))
    for fold in FOLDS:
        of_fold = store.fold == fold
        if of_fold.any():
            tokens = int(store.lengths[of_fold].sum())
            per_fold[fold] = {
                "documents": int(of_fold.sum()),
                "tokens": tokens,
                "unknown_rate": int(unknown[of_fold].sum()) / tokens,
            }
    return {
        "folds": per_fold,
        "tokens_per_document": {
            "mean": float(store.lengths.mean()),
            "median": float(np.median(store.lengths)),
            "p95": float(np.percentile(store.lengths, 95)),
        },
    }
