"""The two stages of this room: make a tokenizer, and turn documents into ids with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmfit.config.recipes import Tokenizer, from_json
from ulmfit.errors import UserError
from ulmfit.store.files import sha256
from ulmfit.store.progress import progress
from ulmfit.store.tokens import (
    FOLDS,
    LM_FOLDS,
    UNKNOWN,
    NText,
    TokenStore,
    language_model_text,
    read_vocabulary,
    write_tokens,
)
from ulmfit.text.corpus import Corpus, read_corpus
from ulmfit.text.encoding import Rows, ordered_map, processes_for
from ulmfit.text.rule_sets import rule_set
from ulmfit.text.spool import Spool, open_spool
from ulmfit.text.subwords import SubwordTokenizer, prepare, train_pieces
from ulmfit.text.tokenizers import TokenizerFile, read_tokenizer, write_tokenizer
from ulmfit.text.vocabulary import build_vocabulary, numericalise

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
    tokenizer: Path,
    documents: Path,
    folds: Path,
    output: Path,
    threads: int,
    n_text: NText = "all",
    vocabulary: Path | None = None,
) -> TokenStore:
    """Write the token folder ``output`` of all documents that are in a fold, in file order.

    Words: the vocabulary is made of the text that ``n_text`` names, see
    :func:`ulmfit.store.tokens.language_model_text`, or is that of the file ``vocabulary``.

    Raises UserError if a document has no text, or no document is there to make a vocabulary of.
    """
    started = time.perf_counter()
    file = read_tokenizer(tokenizer)
    corpus = read_corpus(documents, folds)
    with open_spool(output) as spool:
        lengths, types = _encode(file, corpus, spool, threads)
        if types is None:
            assert file.model is not None
            entries = SubwordTokenizer(file.model, file.recipe.rules).vocabulary
            table = np.arange(len(entries), dtype=np.min_scalar_type(len(entries) - 1))
        else:
            if vocabulary is None:
                read = language_model_text(corpus.fold, corpus.rank, n_text)
                counts = _counts(spool, lengths, corpus, read, len(types))
                if not counts.any():
                    raise UserError(
                        f"{folds}: no document in the folds {' and '.join(LM_FOLDS)}, "
                        "so there is no text to make a vocabulary of"
                    )
                entries = _vocabulary(types, counts, file.recipe)
            else:
                entries = read_vocabulary(vocabulary)
            table = numericalise(types, entries)
        ids = np.empty(lengths.sum(), table.dtype)
        done = 0
        for wide in spool.read():
            ids[done : done + len(wide)] = table[wide]
            done += len(wide)
    store = TokenStore(
        ids=ids,
        offsets=np.concatenate(([0], np.cumsum(lengths))),
        document=corpus.document,
        fold=corpus.fold,
        label=corpus.label,
        rank=corpus.rank,
        vocabulary=entries,
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


def _vocabulary(
    types: Sequence[str], counts: NDArray[np.int64], recipe: Tokenizer
) -> tuple[str, ...]:
    rules = rule_set(recipe.rules)
    beside = len(rules.specials) if rules.specials_beside_max else 0
    return build_vocabulary(
        types,
        counts,
        specials=rules.specials,
        max_vocab=recipe.max_vocab + beside,
        min_freq=recipe.min_freq,
    )


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
    return progress(results, len(corpus.borders(rows)) - 1, "apply text rules")


def _rule_applier(rules: str) -> Callable[[Rows], list[str]]:
    chosen = rule_set(rules)
    return lambda rows: [prepare(fields, chosen) for fields in rows]


def _encode(
    file: TokenizerFile, corpus: Corpus, spool: Spool, threads: int
) -> tuple[NDArray[np.int64], Sequence[str] | None]:
    """Put the ids of each chunk into the spool; lengths (documents,), and what the ids index.

    For words that is every distinct token in the order of its first chunk: the vocabulary is not
    known before all text was seen, and to hold all tokens as strings would take too much memory.
    """
    factory = file.factory()
    # What the rules alone put into a document: a document of no more tokens has no text.
    bare = int(factory()([("",) * len(corpus.fields)]).lengths[0])
    index: dict[str, int] = {}
    everything = np.arange(len(corpus.document))
    lengths = np.zeros(len(everything), np.int64)
    borders = corpus.borders(everything)
    processes = processes_for(int(corpus.characters.sum()), threads)
    encodings = ordered_map(factory, corpus.chunks(everything), processes)
    shown = progress(encodings, len(borders) - 1, "tokenize")
    for start, encoding in zip(borders, shown, strict=False):
        empty = np.flatnonzero(encoding.lengths <= bare)
        if len(empty):
            name = corpus.document[start + empty[0]]
            raise UserError(
                f"{corpus.path}: document {str(name)!r} has no text: leave it out of the source"
            )
        ids = encoding.ids
        if encoding.types is not None:
            known = [index.setdefault(token, len(index)) for token in encoding.types]
            ids = np.array(known, np.uint32)[ids]
        spool.append(ids)
        lengths[start : start + len(encoding.lengths)] = encoding.lengths
    if not len(lengths):
        raise UserError(f"{corpus.path}: none of its documents is in a fold")
    return lengths, None if file.model is not None else tuple(index)


def _counts(
    spool: Spool,
    lengths: NDArray[np.int64],
    corpus: Corpus,
    counted: NDArray[np.bool_],
    types: int,
) -> NDArray[np.int64]:
    """Occurrences of each type in the documents that are counted, (types,)."""
    counts = np.zeros(types, np.int64)
    borders = corpus.borders(np.arange(len(lengths)))
    for (start, end), ids in zip(pairwise(borders), spool.read(), strict=True):
        part = slice(start, end)
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
