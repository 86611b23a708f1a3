"""Options of the sources of text, and of the division of documents into folds.

Plain dataclasses in the manner of `ulmfit.config.recipes`. A new source is one class here, listed
in :data:`SOURCE_OPTIONS`, and one function of the same name in `ulmfit.data`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ulmfit.config.recipes import key
from ulmfit.errors import UserError


def check_encoding(encoding: str) -> None:
    """Raise UserError unless an encoding is known and has the line ends of ASCII."""
    try:
        usable = "\n".encode(encoding) == b"\n"
    except LookupError:
        usable = False
    if not usable:
        raise UserError(f"encoding {encoding!r}: unknown, or no superset of ASCII: use utf-8")


@dataclass(frozen=True)
class DocstringSections:
    """Labelled paragraphs: which section of a numpydoc docstring is each from?"""

    distributions: tuple[str, ...] = key(
        ("matplotlib", "networkx", "numpy", "pandas", "scikit-learn", "scipy"),
        "Installed distributions whose docstrings follow numpydoc.",
    )
    min_tokens: int = key(10, "Words and punctuation marks that a paragraph needs.", ge=1)
    max_words: int = key(80, "Words after which a paragraph is cut.", ge=1)
    library_share: float = key(
        0.35, "Largest share of a class that one distribution supplies; 1 = any.", gt=0, le=1
    )
    near_duplicate: float = key(
        0.5, "Jaccard similarity of word 3-shingles from which two texts count as one.", gt=0, le=1
    )


@dataclass(frozen=True)
class DocstringProse:
    """Unlabelled prose of docstrings: a corpus for pretraining."""

    distributions: tuple[str, ...] = key(
        (
            "click",
            "docutils",
            "fonttools",
            "fsspec",
            "gitpython",
            "jinja2",
            "joblib",
            "mpmath",
            "pillow",
            "pyarrow",
            "pydantic",
            "pygments",
            "pyparsing",
            "rich",
            "snakemake",
            "spacy",
            "sqlalchemy",
            "sympy",
            "torch",
        ),
        "Installed distributions to read.",
    )
    min_tokens: int = key(8, "Words and punctuation marks that a paragraph needs.", ge=1)
    max_tokens: int = key(
        350_000, "Words and punctuation marks taken from one distribution; 0 = all.", ge=0
    )


@dataclass(frozen=True)
class Trec:
    """TREC questions, one `COARSE:fine question` a line. Files: `train`, `test`."""

    labels: Literal["coarse", "fine"] = key("coarse", "Six classes, or about fifty.")
    encoding: str = key("latin-1", "Encoding of the files.")

    def __post_init__(self) -> None:
        """Raise UserError unless the encoding can be read."""
        check_encoding(self.encoding)


@dataclass(frozen=True)
class Imdb:
    """Film reviews in the folders of `aclImdb`. Files: `archive`. A film is a group."""

    encoding: str = key("utf-8", "Encoding of the reviews.")

    def __post_init__(self) -> None:
        """Raise UserError unless the encoding can be read."""
        check_encoding(self.encoding)


@dataclass(frozen=True)
class ZhangCsv:
    """`train.csv` and `test.csv` of Zhang et al. 2015: class first, no header. Files: `archive`.

    Several text fields become `text_1`, `text_2`; `classes.txt`, if there, names the classes.
    """

    encoding: str = key("utf-8", "Encoding of the files.")

    def __post_init__(self) -> None:
        """Raise UserError unless the encoding can be read."""
        check_encoding(self.encoding)


@dataclass(frozen=True)
class WikiText:
    """Articles of WikiText, a document each. Files: `archive`."""

    parts: tuple[Literal["train", "valid", "test"], ...] = key(
        ("train",), "Parts that are read, all as training text.", min_length=1
    )


@dataclass(frozen=True)
class WikiShards:
    """Articles of WikiExtractor in `<doc>` elements. Files: any keys; plain, gz, bz2 or xz."""

    min_words: int = key(1, "Words between blanks that an article needs.", ge=1)
    max_words: int | None = key(
        None,
        "Words between blanks of all articles together; the first that goes beyond and all after "
        "it are left out. null = all.",
        ge=1,
    )


@dataclass(frozen=True)
class Table:
    """Your own CSV, TSV, JSONL or Parquet, told by suffix.

    Files: `train`, perhaps `test` and `unlabelled`. Whole numbers are the same class whether a file
    holds them as 1 or as 1.0, and blanks around a label are none of it.
    """

    text: tuple[str, ...] = key(("text",), "Column of each text field.", min_length=1)
    label: str | None = key("label", "Column of the class; null = a corpus.")
    group: str | None = key(None, "Column of documents that belong together, such as an author.")
    id: str | None = key(None, "Column of a unique name; null = file and row.")
    split: str | None = key(
        None, "Column with `train`, `test` or `unlabelled`, if `train` is the only file."
    )
    encoding: str = key("utf-8", "Encoding of CSV, TSV and JSONL.")
    quotes: bool = key(
        True, "Quotation marks around a field of CSV or TSV are none of it; false = they are."
    )

    def __post_init__(self) -> None:
        """Raise UserError unless the encoding can be read."""
        check_encoding(self.encoding)


@dataclass(frozen=True)
class Folder:
    """Your own text files (`*.txt`), one a document. Files: `folder`, a folder.

    Layout: `<split>/<label>/<file>.txt` with the splits `train` and `test`, or
    `<label>/<file>.txt`; `unlabelled/` or `unsup/` in place of a label or a split.
    """

    labelled: bool = key(True, "Folders name the classes; false = a corpus, in any layout.")
    encoding: str = key("utf-8", "Encoding of the files.")

    def __post_init__(self) -> None:
        """Raise UserError unless the encoding can be read."""
        check_encoding(self.encoding)


SOURCE_OPTIONS: dict[str, type] = {
    "docstrings-sections": DocstringSections,
    "docstrings-prose": DocstringProse,
    "trec": Trec,
    "imdb": Imdb,
    "zhang-csv": ZhangCsv,
    "wikitext": WikiText,
    "wiki-shards": WikiShards,
    "table": Table,
    "folder": Folder,
}

SOURCE_FILES: dict[str, tuple[str, ...]] = {
    "trec": ("train", "test"),
    "imdb": ("archive",),
    "zhang-csv": ("archive",),
    "wikitext": ("archive",),
    "table": ("train",),
    "folder": ("folder",),
}
"""Keys that a source needs among the files of its text."""

OPTIONAL_FILES: dict[str, tuple[str, ...]] = {"table": ("test", "unlabelled")}
"""Keys that a source knows beside those that it needs."""

ANY_FILES = ("wiki-shards",)
"""Sources that read files of any keys."""

WITHOUT_LABELS = ("docstrings-prose", "wikitext", "wiki-shards")
"""Sources whose text is a corpus, whatever their options."""


def has_labels(source: str, options: Any) -> bool:
    """Whether the documents of a source, with such options, have classes."""
    if isinstance(options, Table):
        return options.label is not None
    if isinstance(options, Folder):
        return options.labelled
    return source not in WITHOUT_LABELS


@dataclass(frozen=True)
class Folds:
    """How the documents of a text divide into folds.

    A dataset with a test split of its own keeps it; otherwise ``test`` documents are set aside.
    What the evaluation folds leave is the fit fold.
    """

    select: float = key(
        0.1, "Documents that choose epochs and rates, or their share if below 1.", ge=0
    )
    report: float = key(
        0.0, "Documents that ablation tables show, or their share if below 1.", ge=0
    )
    test: float = key(
        0.0, "Sealed documents, where the dataset has no test split; or their share.", ge=0
    )
    balanced: bool = key(
        False, "Equal classes in every fold; surplus documents of the fit side are unlabelled."
    )
    max_unlabelled: int | None = key(None, "Most unlabelled documents kept; null = all.", ge=0)
    max_group: float = key(
        0.05, "Groups with more documents than this share of a fold are left to fit.", gt=0, le=1
    )
    near_duplicate: float = key(
        0.5,
        "Jaccard similarity of word 3-shingles from which documents stay on one side; 0 = off.",
        ge=0,
        le=1,
    )

    def __post_init__(self) -> None:
        """Raise UserError unless sizes are shares or numbers, and the shares leave text to fit."""
        sizes = {name: getattr(self, name) for name in ("select", "report", "test")}
        for name, size in sizes.items():
            if size == 1 or (size > 1 and size != int(size)):
                raise UserError(
                    f"{name}: {size:g}: write a share below 1 or a whole number of documents, "
                    "at least 2"
                )
        shares = {name: size for name, size in sizes.items() if 0 < size < 1}
        # Rounded, because 0.1 + 0.2 + 0.7 is a little less than 1.
        if round(sum(shares.values()), 9) >= 1:
            raise UserError(
                f"{' + '.join(f'{name} {size:g}' for name, size in shares.items())} leave no "
                "document to fit: lower one of them"
            )
