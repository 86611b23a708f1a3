"""Counted against the definitions, document by document."""

from __future__ import annotations

import json
import tempfile
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit import cli
from ulmfit.data.leakage import EVALUATED, TRAINED_ON, make_leakage
from ulmfit.data.normal_form import normal_form
from ulmfit.errors import UserError
from ulmfit.store import tables
from ulmfit.store.tables import read_table, write_table

COLUMNS = ("id", "fold", "duplicate_in_fit", "duplicate_in_unlabelled", "in_corpus")

FILM = "this is a film that nobody should ever have to see"
FORMS = {"exact": str, "normalised": normal_form}
FOLD_OF = {"train": ("fit", "select", "report", None), "test": ("test",)}


def dataset(rows) -> pd.DataFrame:
    """Documents of (split, fold, label, text); the fold None is that of unused documents."""
    table = pd.DataFrame(rows, columns=["split", "fold", "label", "text"], dtype=object)
    table.insert(0, "id", [f"d{number}" for number in range(len(table))])
    table["group"] = None
    return table


def write(folder: Path, table: pd.DataFrame, corpus: list[str]) -> dict[str, Path]:
    files = {name: folder / f"{name}.parquet" for name in ("documents", "folds", "corpus")}
    write_table(files["documents"], table.drop(columns="fold"))
    used = table[table["fold"].notna()]
    write_table(files["folds"], used[["id", "fold"]].assign(rank=-1))
    articles = dataset([("train", None, None, text) for text in corpus])
    write_table(files["corpus"], articles.drop(columns="fold"))
    return files


def count(folder: Path, table: pd.DataFrame, corpus: list[str]):
    files = write(folder, table, corpus)
    made = folder / "leakage.json", folder / "duplicates.parquet"
    make_leakage(files["documents"], files["folds"], files["corpus"], *made)
    return json.loads(made[0].read_text()), read_table(made[1], COLUMNS)


def by_definition(table: pd.DataFrame, corpus: list[str], form) -> dict:
    """The counts in one form, from sets and loops."""
    rows = [{**row, "text": form(row["text"])} for row in table.to_dict("records")]
    texts = {
        split: [row["text"] for row in rows if row["split"] == split]
        for split in ("train", "test", "unlabelled")
    }
    texts = {split: found for split, found in texts.items() if found}
    labelled = {
        split: [(row["text"], row["label"]) for row in rows if row["split"] == split]
        for split in texts
    }
    everything = {**texts, "corpus": [form(text) for text in corpus]}
    shared: dict[str, dict[str, int]] = {}
    for one, other in combinations(everything, 2):
        both = set(everything[one]) & set(everything[other])
        shared.setdefault(one, {})[other] = len(both)
    labels: dict[str, set[str]] = {}
    for row in rows:
        if row["label"]:
            labels.setdefault(row["text"], set()).add(row["label"])
    conflicts = [text for text, names in labels.items() if len(names) > 1]
    folds = {row["fold"] for row in rows}
    return {
        "repeats": {name: len(found) - len(set(found)) for name, found in everything.items()},
        "repeats_with_label": {
            name: len(found) - len(set(found)) for name, found in labelled.items()
        },
        "shared": shared,
        "conflicts": {
            "texts": len(conflicts),
            "documents": sum(row["text"] in conflicts and bool(row["label"]) for row in rows),
        },
        "copies": {
            fold: {
                other: sum(
                    any(row["text"] == copy["text"] for copy in rows if copy["fold"] == other)
                    for row in rows
                    if row["fold"] == fold
                )
                for other in TRAINED_ON
                if other in folds
            }
            for fold in EVALUATED
            if fold in folds
        },
    }


texts = st.sampled_from(
    ["one", "One!", "two", "two <br /> three", "Two, three.", "?", "!", FILM, FILM.title() + "!"]
)
supervised = st.sampled_from(["train", "test"]).flatmap(
    lambda split: st.tuples(
        st.just(split), st.sampled_from(FOLD_OF[split]), st.sampled_from(["x", "y"]), texts
    )
)
unlabelled = st.tuples(
    st.just("unlabelled"), st.sampled_from(["unlabelled", None]), st.none(), texts
)
articles = st.lists(st.one_of(texts, texts.map(lambda text: f"Before. {text} After.")), max_size=5)


@given(st.lists(st.one_of(supervised, unlabelled), min_size=1, max_size=12), articles)
@settings(max_examples=60)
def test_every_count_is_that_of_the_definition(rows, corpus):
    table = dataset(rows)
    with tempfile.TemporaryDirectory() as folder:
        counts, duplicates = count(Path(folder), table, corpus)
    for name, form in FORMS.items():
        assert counts[name] == by_definition(table, corpus, form), name
    inside = [f" {normal_form(text)} " for text in corpus]
    for split, found in counts["contained"].items():
        long = [normal_form(text) for kind, _, _, text in rows if kind == split]
        long = [text for text in long if len(text.split()) >= counts["contained_min_words"]]
        assert found["searched"] == len(long)
        assert found["found"] == sum(any(f" {text} " in one for one in inside) for text in long)
    assert duplicates["id"].tolist() == table["id"][table["fold"].isin(EVALUATED)].tolist()
    for fold, copies in counts["normalised"]["copies"].items():
        flagged = duplicates[duplicates["fold"] == fold]
        for other, number in copies.items():
            assert flagged[f"duplicate_in_{other}"].sum() == number


@pytest.fixture
def planted() -> pd.DataFrame:
    return dataset(
        [
            ("train", "fit", "pos", "A fine film."),
            ("train", "fit", "neg", "a fine film"),
            ("train", "report", "pos", "Nothing like it."),
            ("test", "test", "pos", "A FINE FILM!"),
            ("test", "test", "neg", "Nothing like it."),
            ("test", "test", "neg", FILM),
            ("unlabelled", "unlabelled", None, "nothing  like it"),
        ]
    )


def test_planted_duplicates_are_flagged_document_by_document(planted, tmp_path):
    counts, duplicates = count(tmp_path, planted, [f"Somebody wrote: {FILM.upper()}, and left."])
    flags = duplicates.set_index("id")
    assert flags.columns.tolist() == [*COLUMNS[1:]]
    assert flags.index[flags["duplicate_in_fit"]].tolist() == ["d3"]
    assert flags.index[flags["duplicate_in_unlabelled"]].tolist() == ["d2", "d4"]
    assert flags.index[flags["in_corpus"]].tolist() == ["d5"]
    assert counts["exact"]["shared"]["train"] == {"test": 1, "unlabelled": 0, "corpus": 0}
    assert counts["normalised"]["conflicts"] == {"texts": 2, "documents": 5}
    assert counts["exact"]["conflicts"] == {"texts": 1, "documents": 2}
    assert counts["contained"]["test"] == {"searched": 1, "found": 1}


def test_a_dataset_without_test_and_unlabelled_splits_has_no_counts_of_them(tmp_path):
    table = dataset([("train", "fit", "x", "one"), ("train", "report", "y", "two")])
    counts, _ = count(tmp_path, table, [])
    assert counts["documents"] == {"train": 2, "corpus": 0}
    assert counts["exact"]["shared"] == {"train": {"corpus": 0}}
    assert counts["exact"]["copies"] == {"report": {"fit": 0}}


def test_text_fields_count_together(tmp_path):
    table = dataset([("train", "fit", "x", "a"), ("train", "fit", "x", "a")])
    table = table.rename(columns={"text": "text_1"}).assign(text_2=["b", "c"])
    counts, _ = count(tmp_path, table, [])
    assert counts["exact"]["repeats"]["train"] == 0


def test_a_corpus_read_in_parts_gives_the_same_counts(planted, tmp_path, monkeypatch):
    corpus = ["one", "One!", "one", FILM, "Nothing like it."]
    whole, _ = count(tmp_path, planted, corpus)
    monkeypatch.setattr(tables, "BATCH", 2)
    assert count(tmp_path, planted, corpus)[0] == whole
    assert whole["exact"]["repeats"]["corpus"] == 1
    assert whole["normalised"]["repeats"]["corpus"] == 2


def test_folds_of_another_dataset_are_refused(planted, tmp_path):
    files = write(tmp_path, planted, [])
    write_table(files["documents"], planted.drop(columns="fold").iloc[:3])
    with pytest.raises(UserError, match=r"names documents that are not in .*make it again"):
        make_leakage(*files.values(), tmp_path / "l.json", tmp_path / "d.parquet")


@pytest.mark.parametrize("damage", [b"", b"not a parquet file"])
def test_a_damaged_corpus_is_named(planted, tmp_path, capsys, damage):
    files = write(tmp_path, planted, [])
    files["corpus"].write_bytes(damage)
    made = ("--output", tmp_path / "l.json", "--duplicates", tmp_path / "d.parquet")
    given = [part for name, path in files.items() for part in (f"--{name}", path)]
    assert cli.main(["leakage", *map(str, (*given, *made))]) == 1
    error = capsys.readouterr().err
    assert "corpus.parquet cannot be read" in error
    assert len(error.strip().splitlines()) == 1
    assert not made[1].exists()
