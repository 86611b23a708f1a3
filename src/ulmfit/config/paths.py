"""Every path of a study, relative to results/<study>/: the only module that builds one.

The patterns serve twice: Snakemake reads them as wildcards, :func:`str.format` fills them in.
"""

from __future__ import annotations

NAME = r"[a-z0-9][a-z0-9-]*"
ENSEMBLE_NAME = r"[a-z0-9][a-z0-9+-]*"
"""What a name in a path may be."""

FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""What the name of a fetched file may be."""

NONE = "none"
"""Takes the place of a stage that a variant leaves out, so that all paths have the same depth."""

KEPT = "-kept"
"""Ends the wildcard `n_text` where the vocabulary of pretraining is kept."""

FETCHED = "resources/{text}/{file}"
"""Published files; unlike all other paths beside results/, because all studies share them."""

DOCUMENTS = "data/{text}/documents.parquet"
SOURCE = "data/{text}/source.json"
FOLDS = "data/{text}/folds.parquet"
FOLD_COUNTS = "data/{text}/folds.json"
LEAKAGE = "data/{dataset}/leakage-{corpus}.json"
DUPLICATES = "data/{dataset}/duplicates-{corpus}.parquet"
TOKENIZER = "tokenizers/{tokenizer}/{trained_on}/tokenizer.json"
TOKENS = "tokens/{text}/{tokenizer}/{trained_on}"
PRETRAINED = "lm/{corpus}/{tokenizer}/{direction}/{pretrain}/s{pretrain_seed}"
FINETUNED = (
    "ft/{dataset}/{corpus}/{tokenizer}/{direction}/{pretrain}/{finetune}/n{n_text}"
    "/s{pretrain_seed}-{finetune_seed}"
)
CLASSIFIER = (
    "clf/{dataset}/{corpus}/{tokenizer}/{direction}/{pretrain}/{finetune}/n{n_text}"
    "/{classify}/n{n_labelled}/s{pretrain_seed}-{finetune_seed}-{classify_seed}"
)
ENSEMBLE = "ensembles/{dataset}/{ensemble}/{variant}/{tokenizer}/{direction}/n{n_labelled}/s{seed}"
"""Tokenizer and direction are what members inherit from the row, `none` if none inherits it."""

BASELINE = "baselines/{dataset}/{baseline}/n{n_labelled}"

LOG = "logs/{job}.log"
"""Log of a training, an ensemble or a baseline, by the folder of its results."""

CAPTIONS = "report/captions"
"""Captions of tables and figures for the report that Snakemake makes."""

SO_FAR = "so-far"
"""A report of what is finished of a study, made beside its results."""

PART = "experiments/{experiment}"
"""What belongs to the target of one experiment: a manifest of it alone, its table and figures."""

FACT_TABLES = (
    *("runs", "language_models", "epochs", "confusion", "leakage"),
    *("crossings", "calibration", "costs"),
    *("hardest", "pairs"),
)
"""Tables that every study has, beside one for each experiment."""

ARCHIVES = "archive"
"""Folder of the archives, beside those of the studies; so no study has this name."""

PAPER = "report/paper.pdf"
"""The study as a paper."""

READ_TABLES = ("language_models", "leakage", "measures", "crossings", "costs", "orderings")
"""Those that readers see as Markdown; ``measures`` shows columns of all experiments."""

UNFINISHED = "unfinished"
"""Table of the runs that a study waits for, beside those of an unfinished one."""

WEIGHTS = "model.safetensors"
TOKEN_FILES = ("tokens.json", "ids.npy", "documents.npz", "vocabulary.txt")
