"""Versions of the code behind each stage, raised by hand when its results may change.

Snakemake does not see package code, so each rule passes its stage's number in ``params``: raising
it reruns that stage and all that follow, and nothing else. A test compares the modules of each
stage with the digests in ``tests/code_digests.json`` and fails when one changed and its number did
not.
"""

CODE_VERSIONS = {
    "documents": 1,
    "folds": 1,
    "leakage": 1,
    "tokenizer": 1,
    "tokens": 2,
    "pretrain": 3,
    "finetune": 3,
    "classify": 2,
    "predict": 1,
    "score": 1,
    "baseline": 1,
    "manifest": 5,
    "before_test": 4,
    "tables": 4,
    "figures": 5,
    "report": 5,
    "paper": 2,
}
