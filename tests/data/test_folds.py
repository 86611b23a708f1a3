from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.config.sources import Folds
from ulmfit.data import folds
from ulmfit.errors import UserError

PLAIN = {"near_duplicate": 0.0, "max_group": 1.0}


def words(number: int) -> str:
    """Three words that no other number has; digits alone would not tell copies apart."""
    name = chr(97 + number // 26) + chr(97 + number % 26)
    return f"{name}x {name}y {name}z"


def documents(labels, groups=None, split="train", texts=None) -> pd.DataFrame:
    count = len(labels)
    return pd.DataFrame(
        {
            "id": [f"d{n}" for n in range(count)],
            "split": split,
            "label": pd.Series(labels, dtype="string"),
            "group": pd.Series(groups if groups is not None else [None] * count, dtype="string"),
            "text": texts if texts is not None else [words(n) for n in range(count)],
        }
    )


def joined(table: pd.DataFrame, division: pd.DataFrame) -> pd.DataFrame:
    return division.merge(table, on="id", validate="one_to_one")


@st.composite
def grouped(draw) -> pd.DataFrame:
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    classes = draw(st.integers(2, 4))
    count = draw(st.integers(60, 160)) * classes
    # Each class often enough, groups of many sizes.
    labels = rng.permutation(np.resize(list("abcd")[:classes], count))
    groups = [f"g{n}" for n in np.minimum(rng.geometric(0.03, count), 80)]
    return documents(labels, groups)


@settings(max_examples=40, deadline=None)
@given(grouped(), st.integers(0, 5), st.booleans())
def test_groups_stay_on_one_side_and_folds_have_their_sizes(table, seed, balanced):
    classes = table["label"].nunique()
    sizes = {"select": 2 * classes, "report": 4 * classes, "test": 4 * classes}
    found = joined(table, folds.divide(table, Folds(**sizes, balanced=balanced, **PLAIN), seed))
    side = found["fold"].replace("unlabelled", "fit")
    assert (side.groupby(found["group"]).nunique() == 1).all()
    for name, size in sizes.items():
        assert (found["fold"] == name).sum() == size
    if balanced:
        counts = pd.crosstab(found["fold"], found["label"]).drop("unlabelled", errors="ignore")
        assert (counts.nunique(axis=1) == 1).all()
    else:
        assert "unlabelled" not in set(found["fold"])


@settings(max_examples=40, deadline=None)
@given(grouped(), st.integers(0, 5), st.booleans())
def test_folds_are_disjoint_and_the_same_again(table, seed, balanced):
    classes = table["label"].nunique()
    options = Folds(select=2 * classes, report=4 * classes, balanced=balanced, **PLAIN)
    division = folds.divide(table, options, seed)
    assert division["id"].is_unique
    assert set(division["id"]) <= set(table["id"])
    assert set(division["fold"]) <= {"fit", "select", "report", "unlabelled"}
    ranks = division.loc[division["fold"] == "fit", "rank"]
    assert sorted(ranks) == list(range(len(ranks)))
    pd.testing.assert_frame_equal(division, folds.divide(table.copy(), options, seed))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 9))
def test_ranks_are_nested_and_balanced_for_every_size(labels, seed):
    label = np.array(labels)
    rank = folds.nested_ranks(label, np.random.default_rng(seed))
    assert sorted(rank) == list(range(len(label)))
    sizes = np.bincount(label, minlength=4)
    for size in range(1, len(label) + 1):
        counts = np.bincount(label[rank < size], minlength=4)
        growing = counts < sizes  # classes that are not used up
        assert counts.max() - counts[growing].min(initial=counts.max()) <= 1


def test_ranks_stand_only_in_the_fit_fold():
    table = documents(list("ab") * 50)
    division = folds.divide(table, Folds(select=10, report=10, test=20, **PLAIN), 0)
    fit = division["fold"] == "fit"
    assert sorted(division.loc[fit, "rank"]) == list(range(60))
    assert (division.loc[~fit, "rank"] == -1).all()


def test_the_seed_decides_and_repeats():
    table = documents(list("ab") * 50)
    options = Folds(select=10, report=10, test=20, **PLAIN)
    first, again, other = (folds.divide(table, options, seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first["fold"].equals(other["fold"])


def test_a_share_is_of_the_training_documents():
    table = documents(list("ab") * 100, split=["train"] * 100 + ["test"] * 100)
    counts = folds.divide(table, Folds(select=0.1, **PLAIN), 0)["fold"].value_counts()
    assert counts.to_dict() == {"test": 100, "fit": 90, "select": 10}


def test_without_balance_classes_keep_their_shares():
    table = documents(["a"] * 150 + ["b"] * 50)
    found = joined(table, folds.divide(table, Folds(select=20, report=41, **PLAIN), 0))
    counts = pd.crosstab(found["fold"], found["label"])
    assert counts.loc["select"].to_list() == [15, 5]
    assert counts.loc["report"].to_list() == [31, 10]


def test_near_copies_stay_on_one_side():
    rng = np.random.default_rng(0)
    originals = [" ".join(rng.choice(list("abcdefghijklmnop"), size=20)) for _ in range(60)]
    texts = originals + [text + " more" for text in originals]
    labels = ["a", "b"] * 30 + ["b", "a"] * 30
    table = documents(labels, texts=texts)
    options = Folds(select=12, report=24, near_duplicate=0.5, max_group=0.5)
    division = folds.divide(table, options, 0)
    found = division.set_index("id")["fold"]
    for number in range(60):
        assert len({found.get(f"d{number}"), found.get(f"d{number + 60}")} - {None}) == 1
    described = folds.describe(table, division, options)
    assert all(fold["near_copies_elsewhere"] == 0 for fold in described["folds"].values())


def test_a_published_test_split_is_kept_and_its_overlap_is_counted():
    texts = ["the very same text", *map(words, range(38)), "the very same text"]
    table = documents(list("ab") * 20, split=["train"] * 30 + ["test"] * 10, texts=texts)
    options = Folds(select=0, near_duplicate=0.5)
    division = folds.divide(table, options, 0)
    assert (division["fold"] == "test").sum() == 10
    described = folds.describe(table, division, options)["folds"]
    assert described["test"]["near_copies_elsewhere"] == 1
    with pytest.raises(UserError, match="set `test` to 0"):
        folds.divide(table, Folds(test=4, **PLAIN), 0)


def test_large_groups_are_left_to_fit():
    table = documents(list("ab") * 100, ["large"] * 60 + [f"g{n // 2}" for n in range(140)])
    for seed in range(5):
        options = Folds(select=20, report=40, max_group=0.1, near_duplicate=0.0)
        found = joined(table, folds.divide(table, options, seed))
        assert set(found.loc[found["group"] == "large", "fold"]) == {"fit"}


def test_surplus_of_evaluated_groups_is_dropped_and_of_others_unlabelled():
    labels = list("aab") * 60
    table = documents(labels, [f"g{n // 6}" for n in range(180)])
    options = Folds(select=12, report=24, balanced=True, **PLAIN)
    found = joined(table, folds.divide(table, options, 0))
    evaluated = set(found.loc[found["fold"].isin(["select", "report"]), "group"])
    unlabelled = found[found["fold"] == "unlabelled"]
    assert not evaluated & set(unlabelled["group"])
    assert set(unlabelled["label"]) == {"a"}
    assert len(found) < len(table)
    limited = folds.divide(table, Folds(**{**vars(options), "max_unlabelled": 5}), 0)
    assert (limited["fold"] == "unlabelled").sum() == 5


def test_unlabelled_documents_of_an_evaluated_group_are_dropped():
    table = documents(
        [*list("ab") * 20, None, None],
        [f"g{n // 4}" for n in range(40)] + ["g0", "elsewhere"],
        split=["train"] * 40 + ["unlabelled"] * 2,
    )
    for seed in range(8):
        found = joined(table, folds.divide(table, Folds(select=8, **PLAIN), seed))
        fold_of_group = found[found["id"].isin([f"d{n}" for n in range(4)])]["fold"]
        kept = "d40" in set(found["id"])
        assert kept == (set(fold_of_group) == {"fit"})
        assert found.loc[found["id"] == "d41", "fold"].item() == "unlabelled"


def test_a_corpus_divides_by_group_into_fit_and_select():
    table = documents([None] * 200, [f"g{n // 5}" for n in range(200)])
    found = joined(table, folds.divide(table, Folds(select=0.1, **PLAIN), 0))
    assert found["fold"].value_counts().to_dict() == {"fit": 180, "select": 20}
    assert (found.groupby("group")["fold"].nunique() == 1).all()


def test_the_only_document_of_a_class_trains():
    table = documents([*list("ab") * 50, "c"])
    for seed in range(5):
        options = Folds(select=0.1, report=0.1, **PLAIN)
        found = joined(table, folds.divide(table, options, seed))
        assert found.loc[found["label"] == "c", "fold"].to_list() == ["fit"]


def broken(column: str, value: object) -> pd.DataFrame:
    table = documents(list("ab") * 10)
    table.loc[3, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (documents([]), {}, "no documents"),
        (broken("id", "d2"), {}, "1 of 20 documents with an id that another one has.*'d2'"),
        (broken("text", "  "), {}, "1 of 20 documents without text.*'d3'"),
        (broken("label", None), {}, "without a label.*'d3'"),
        (broken("split", "dev"), {}, "split that is not train / test / unlabelled; .* split 'dev'"),
        (broken("split", "unlabelled"), {}, "label in split unlabelled; .*'d3', label 'b'"),
        (documents(["a"] * 20), {}, "one class only, 'a'"),
        (documents(list("ab") * 10), {"report": 30}, "fold report wants 15.*finds"),
        (documents(list("ab") * 10), {"select": 0, "report": 20}, "leave class 'a' without doc"),
        (documents(["a", "b", "c"], split=["train", "train", "test"]), {}, "class 'c' is in split"),
        (
            documents([*list("ab") * 50, "c"]),
            {"select": 9, "report": 9, "balanced": True},
            "fold select wants 3 documents of class 'c' and finds 1",
        ),
    ],
)
def test_wrong_documents_are_refused_in_one_line(table, options, message):
    with pytest.raises(UserError, match=message) as caught:
        folds.divide(table, Folds(**{**PLAIN, "select": 2, **options}), 0)
    assert "\n" not in str(caught.value)


def test_advice_on_templated_documents_names_what_holds_them_together():
    start = "dear team , I am writing to you once again today because my order"
    end = "has not arrived yet , please tell me when I can expect it"
    texts = [f"{start} {words(n)} {end}" for n in range(198)]
    table = documents(list("ab") * 100, texts=[*texts, words(300), words(301)])
    with pytest.raises(UserError) as caught:
        folds.divide(table, Folds(select=20), 0)
    assert (
        "or raise `near_duplicate`, or set it to 0: 198 of 200 documents have near copies, which "
        "stay on one side; or enlarge the fold: 198 of 200 documents are in groups"
    ) in str(caught.value)
    for value in (0, 0.95):
        found = folds.divide(table, Folds(select=20, near_duplicate=value), 0)["fold"]
        assert found.value_counts().to_dict() == {"fit": 180, "select": 20}


def test_advice_on_large_groups_works_and_names_no_near_copies():
    table = documents(list("aab") * 20, [f"g{n // 3}" for n in range(60)])
    with pytest.raises(UserError, match="or raise `max_group`: 60 of 60 documents") as caught:
        folds.divide(table, Folds(select=10), 0)
    assert "near_duplicate" not in str(caught.value)
    found = folds.divide(table, Folds(select=10, max_group=0.5), 0)["fold"]
    assert (found == "select").sum() == 10


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=30),
    st.lists(st.integers(0, 6), min_size=3, max_size=3),
)
def test_no_drawn_group_could_be_spared(counts, wanted):
    counts, wanted = np.array(counts), np.minimum(wanted, np.sum(counts, axis=0))
    rng = np.random.default_rng(0)
    taken = folds._draw_groups(counts, np.arange(len(counts)), wanted, rng)
    have = counts[taken].sum(axis=0)
    assert (have >= wanted).all()
    assert not any((have - counts[number] >= wanted).all() for number in taken)
