"""A fresh process that cuts texts into words: ``python -m bench.cut SIDE TEXTS``.

TEXTS is a JSON file with a list. Says CPU-seconds, tokens, memory, and a digest of each document's
tokens.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.clock import peak_mib

SIDES = ("ours", "fastai", "spacy")
CHUNK = 256
Words = list[list[str]]


def ours() -> Callable[[list[str]], Words]:
    """The study's word tokenizer with the rules of fastai v2, a chunk of documents at a time."""
    from ulmfit.text.words import WordTokenizer

    tokenizer = WordTokenizer("fastai-v2")

    def cut(texts: list[str]) -> Words:
        words: Words = []
        for start in range(0, len(texts), CHUNK):
            encoding = tokenizer([(text,) for text in texts[start : start + CHUNK]])
            assert encoding.types is not None
            tokens = [encoding.types[i] for i in encoding.ids.tolist()]
            borders = np.cumsum([0, *encoding.lengths]).tolist()
            words += [tokens[first:end] for first, end in pairwise(borders)]
        return words

    return cut


def fastai() -> Callable[[list[str]], Words]:
    """fastai's default rules around its default tokenizer."""
    from fastai.text.core import SpacyTokenizer, TokenizeWithRules

    tokenize = TokenizeWithRules(SpacyTokenizer("en"))
    return lambda texts: [list(words) for words in tokenize(texts)]


def spacy() -> Callable[[list[str]], Words]:
    """spaCy's English tokenizer without any rule; its tokens are others."""
    import spacy as package

    tokenizer = package.blank("en").tokenizer
    return lambda texts: [[word.text for word in tokenizer(text)] for text in texts]


def spelled(words: list[str]) -> bytes:
    """Tokens as bytes, line breaks as our files spell them."""
    return "\0".join(words).replace("\n", "\\n").replace("\r", "\\r").encode()


def main() -> None:
    """Cut what the arguments say."""
    side, path = sys.argv[1:]
    texts = json.loads(Path(path).read_text(encoding="utf-8"))
    cut = {"ours": ours, "fastai": fastai, "spacy": spacy}[side]()
    cut(["A text to begin with."])
    baseline = peak_mib()
    cpu, wall = time.process_time(), time.perf_counter()
    words = cut(texts)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    memory = {"peak_mib": peak_mib(), "baseline_mib": baseline}
    digests = [hashlib.sha256(spelled(document)).hexdigest()[:16] for document in words]
    tokens = sum(map(len, words))
    times = {"cpu": cpu, "wall": wall}
    print(json.dumps({**times, **memory, "tokens": tokens, "digests": digests}))


if __name__ == "__main__":
    main()
