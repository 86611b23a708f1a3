import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.errors import UserError
from ulmfit.store.tokens import TokenStore, language_model_text, read_tokens, write_tokens


def token_store(lengths=(3, 1, 2), vocabulary=("xxunk", "xxpad", "a", "\u2028", "b c")):
    n = len(lengths)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return TokenStore(
        ids=np.random.default_rng(0).integers(0, len(vocabulary), int(offsets[-1])),
        offsets=offsets,
        document=np.array([f"é{i}" for i in range(n)]),
        fold=np.array(["fit", "select", "test"] * n)[:n],
        label=np.arange(n, dtype=np.int16) - 1,
        rank=np.arange(n, dtype=np.int32),
        vocabulary=vocabulary,
        classes=("neg", "pos"),
    )


@settings(max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.sampled_from([5, 256, 257, 70_000]))
def test_what_is_written_is_read(tmp_path_factory, lengths, size):
    folder = tmp_path_factory.mktemp("tokens")
    written = token_store(lengths, tuple(f"w{i}" for i in range(size)))
    write_tokens(folder, written, {"note": "kept"})
    read = read_tokens(folder)
    for name in ("ids", "offsets", "document", "fold", "label", "rank"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert (read.vocabulary, read.classes) == (written.vocabulary, written.classes)
    assert read.ids.dtype == np.min_scalar_type(size - 1)


def test_ids_are_mapped_and_not_loaded(tmp_path):
    write_tokens(tmp_path, token_store(), {})
    assert isinstance(read_tokens(tmp_path).ids, np.memmap)


def test_unicode_line_breaks_stay_inside_their_token(tmp_path):
    write_tokens(tmp_path, token_store(), {})
    assert read_tokens(tmp_path).vocabulary[3:] == ("\u2028", "b c")


@pytest.mark.parametrize("token", ["a\nb", "\r"])
def test_a_token_that_would_break_its_line_is_refused(tmp_path, token):
    with pytest.raises(ValueError, match="line break"):
        write_tokens(tmp_path, token_store(vocabulary=("xxunk", "xxpad", token)), {})


def test_backward_reading_twice_reversed_is_forward():
    store = token_store()
    for i in range(3):
        assert store.read(i, "bwd")[::-1].tolist() == store.read(i, "fwd").tolist()
    assert store.lengths.tolist() == [3, 1, 2]


def test_folds_and_labelled_subsets():
    store = token_store([1] * 6)
    assert store.of_fold("fit").tolist() == [0, 3]
    assert store.of_fold(["fit", "test"]).tolist() == [0, 2, 3, 5]
    assert store.of_fold("fit", n_labelled=1).tolist() == [0]
    assert store.of_fold("select", n_labelled=1).tolist() == [1, 4]


@pytest.mark.parametrize("name", ["ids.npy", "documents.npz", "vocabulary.txt", "tokens.json"])
@pytest.mark.parametrize(
    "damage",
    ["missing", "empty", "cut", "overwritten"],
)
def test_a_damaged_folder_is_said(tmp_path, name, damage):
    write_tokens(tmp_path, token_store(), {})
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        damaged = {"empty": b"", "cut": content[: len(content) // 2], "overwritten": b"\xff" * 99}
        path.write_bytes(damaged[damage])
    with pytest.raises(UserError, match=str(tmp_path)):
        read_tokens(tmp_path)


def test_files_of_two_folders_do_not_mix(tmp_path):
    write_tokens(tmp_path / "a", token_store([3, 1]), {})
    write_tokens(tmp_path / "b", token_store([2, 5]), {})
    (tmp_path / "a" / "ids.npy").write_bytes((tmp_path / "b" / "ids.npy").read_bytes())
    with pytest.raises(UserError, match=r"ids\.npy is not the file that tokens\.json"):
        read_tokens(tmp_path / "a")


FOLD = np.array(["fit", "select", "fit", "unlabelled", "test", "report", "fit"])
RANK = np.array([2, -1, 0, -1, -1, -1, 1], dtype=np.int32)


@pytest.mark.parametrize(
    ("n_text", "read"),
    [
        ("all", [0, 2, 3, 6]),
        ("with-test", [0, 2, 3, 4, 6]),
        ("labelled", [0, 2, 6]),
        (2, [2, 6]),
    ],
)
def test_a_language_model_reads_the_text_that_is_named(n_text, read):
    assert np.flatnonzero(language_model_text(FOLD, RANK, n_text)).tolist() == read


def test_text_of_more_documents_than_there_are_is_refused():
    with pytest.raises(UserError, match="4 labelled documents asked for and 3 in fold fit"):
        language_model_text(FOLD, RANK, 4)
