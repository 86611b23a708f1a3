import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmfit.config.recipes import Tokenizer, to_dict
from ulmfit.errors import UserError
from ulmfit.store.files import canonical_json, read_json
from ulmfit.store.tables import write_table
from ulmfit.store.tokens import read_tokens
from ulmfit.text import corpus, encoding, stages
from ulmfit.text.stages import make_tokenizer, make_tokens

WORDS = (
    *("The", "value", "of", "an", "Array", "with", "AXIS", "shape,", "(optional)", "number..."),
    *("don't", "element", "/", "x!!!"),
)


def recipe(**values):
    return canonical_json(to_dict(Tokenizer(**{"min_freq": 1, "pieces": 80, **values})))


def write_corpus(folder, texts, folds=None, labels=None, **fields):
    n = len(texts)
    documents = pd.DataFrame(
        {
            "id": [f"d{i}" for i in range(n)],
            "split": "train",
            "label": pd.Series(labels if labels is not None else [None] * n, dtype=object),
            "group": [str(i) for i in range(n)],
            **(fields or {"text": texts}),
        }
    )
    placed = pd.DataFrame(
        {
            "id": documents["id"],
            "fold": folds if folds is not None else ["fit"] * n,
            "rank": range(n),
        }
    )
    write_table(folder / "documents.parquet", documents)
    write_table(folder / "folds.parquet", placed[placed["fold"] != "nowhere"].sample(frac=1))
    return folder / "documents.parquet", folder / "folds.parquet"


def random_texts(n, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(3, 20))) for _ in range(n)]


def word_tokens(folder, *args, output="tokens", threads=1, values=None, **kwargs):
    make_tokenizer(recipe(**(values or {})), None, None, folder / "tokenizer.json", 1)
    documents, folds = write_corpus(folder, *args, **kwargs)
    make_tokens(folder / "tokenizer.json", documents, folds, folder / output, threads)
    return read_tokens(folder / output)


def test_word_tokens_fit_documents_folds_and_labels(tmp_path):
    store = word_tokens(
        tmp_path,
        ["The cat", "a dog", "left out", "two dogs"],
        folds=["fit", "select", "nowhere", "test"],
        labels=["pos", "neg", "odd", None],
    )
    assert store.document.tolist() == ["d0", "d1", "d3"]
    assert store.fold.tolist() == ["fit", "select", "test"]
    assert store.classes == ("neg", "pos")
    assert store.label.tolist() == [1, 0, -1]
    assert store.rank.tolist() == [0, 1, 3]
    assert [store.vocabulary[i] for i in store.read(0, "fwd")] == ["xxbos", "xxmaj", "the", "cat"]


def test_vocabulary_comes_from_fit_and_unlabelled_text_only(tmp_path):
    store = word_tokens(
        tmp_path,
        ["alpha", "beta", "gamma", "delta", "epsilon"],
        folds=["fit", "select", "report", "test", "unlabelled"],
    )
    assert set(store.vocabulary[9:]) == {"alpha", "epsilon"}
    facts = json.loads((tmp_path / "tokens" / "tokens.json").read_text())
    assert facts["folds"]["fit"] == {"documents": 1, "tokens": 2, "unknown_rate": 0}
    assert facts["folds"]["test"]["unknown_rate"] == 0.5


def test_facts_describe_the_tokens(tmp_path):
    store = word_tokens(tmp_path, ["one", "one two three"])
    facts = json.loads((tmp_path / "tokens" / "tokens.json").read_text())
    assert facts["tokens_per_document"] == {"mean": 3.0, "median": 3.0, "p95": 3.9}
    assert facts["tokenizer"]["kind"] == "word"
    assert len(facts["tokenizer"]["sha256"]) == 64
    assert set(facts["versions"]) == {"spacy"}
    assert facts["tokens"] == len(store.ids)


def test_backward_is_the_reversed_document_and_twice_backward_is_forward(tmp_path):
    store = word_tokens(tmp_path, random_texts(20))
    for i in range(20):
        forward, backward = store.read(i, "fwd"), store.read(i, "bwd")
        assert store.vocabulary[backward[-1]] == "xxbos"
        assert backward.tolist() == forward.tolist()[::-1]
        assert backward[::-1].tolist() == forward.tolist()


def test_several_fields_are_marked(tmp_path):
    store = word_tokens(tmp_path, [0, 1], text_1=["Title", "other"], text_2=["the body", None])
    assert [store.vocabulary[i] for i in store.read(0, "fwd")] == (
        ["xxbos", "xxfld", "1", "xxmaj", "title", "xxfld", "2", "the", "body"]
    )
    assert [store.vocabulary[i] for i in store.read(1, "fwd")] == (
        ["xxbos", "xxfld", "1", "other", "xxfld", "2"]
    )


@pytest.mark.parametrize("kind", ["word", "subword"])
def test_bytes_depend_neither_on_threads_nor_on_chunks(tmp_path, monkeypatch, kind):
    documents, folds = write_corpus(tmp_path, random_texts(60))
    for name, threads, chunk, characters in (("one", 1, 256, 10**6), ("two", 2, 7, 200)):
        monkeypatch.setattr(encoding, "CHARACTERS_PER_PROCESS", 100)
        monkeypatch.setattr(corpus, "CHUNK", chunk)
        monkeypatch.setattr(corpus, "CHUNK_CHARACTERS", characters)
        tokenizer = tmp_path / f"{name}.json"
        make_tokenizer(recipe(kind=kind), documents, folds, tokenizer, threads)
        make_tokens(tokenizer, documents, folds, tmp_path / name, threads)
    for file in ("one.json", "one/ids.npy", "one/documents.npz", "one/vocabulary.txt"):
        twin = tmp_path / file.replace("one", "two")
        assert (tmp_path / file).read_bytes() == twin.read_bytes()


def test_subword_tokens_use_the_pieces_of_another_corpus_unchanged(tmp_path):
    for name in ("corpus", "dataset"):
        (tmp_path / name).mkdir()
    big = write_corpus(tmp_path / "corpus", random_texts(80), ["fit"] * 60 + ["select"] * 20)
    make_tokenizer(recipe(kind="subword"), *big, tmp_path / "tokenizer.json", 1)
    small = write_corpus(tmp_path / "dataset", ["A value 東", "array"])
    make_tokens(tmp_path / "tokenizer.json", *big, tmp_path / "big", 1)
    make_tokens(tmp_path / "tokenizer.json", *small, tmp_path / "small", 1)
    store = read_tokens(tmp_path / "small")
    assert store.vocabulary == read_tokens(tmp_path / "big").vocabulary
    assert store.read(0, "fwd")[-1] == 0
    assert json.loads((tmp_path / "tokenizer.json").read_text())["trained_on"]["documents"] == 60


def test_pieces_of_a_dataset_are_trained_on_its_unlabelled_text_too(tmp_path):
    documents, folds = write_corpus(
        tmp_path,
        ["alpha beta"] * 30 + ["東京"] * 30 + ["Ψ"] * 30,
        ["fit"] * 30 + ["unlabelled"] * 30 + ["test"] * 30,
    )
    values = recipe(kind="subword", pieces_from="dataset")
    make_tokenizer(values, documents, folds, tmp_path / "t.json", 1)
    store = make_tokens(tmp_path / "t.json", documents, folds, tmp_path / "tokens", 1)
    assert any("東" in piece for piece in store.vocabulary)
    assert not any("ψ" in piece for piece in store.vocabulary)
    facts = json.loads((tmp_path / "t.json").read_text())["trained_on"]
    assert (facts["documents"], facts["fit_documents"]) == (60, 30)


@pytest.mark.parametrize(
    ("rules", "kept"),
    [("fastai-0.7", 18), ("fastai-v1", 16), ("fastai-v2", 16)],
)
def test_max_vocab_counts_the_special_tokens_but_in_fastai_07(tmp_path, rules, kept):
    text = " ".join(f"w{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    store = word_tokens(tmp_path, [text], values={"rules": rules, "max_vocab": 16})
    assert len(store.vocabulary) == kept


def test_the_vocabulary_of_fastai_07_begins_with_unknown_and_padding(tmp_path):
    store = word_tokens(tmp_path, ["So so", "so x"], values={"rules": "fastai-0.7"})
    assert store.vocabulary[:2] == ("_unk_", "_pad_")
    # the others by frequency, equal counts by the string, as any other word
    assert store.vocabulary[2:] == ("so", "1", "\\n", "xbos", "xfld", "x")
    facts = json.loads((tmp_path / "tokens" / "tokens.json").read_text())
    assert facts["tokenizer"]["rules"] == "fastai-0.7"


def test_subwords_are_trained_on_the_fit_fold_only(tmp_path):
    documents, folds = write_corpus(
        tmp_path, ["alpha beta"] * 30 + ["東京"] * 30, ["fit"] * 30 + ["unlabelled"] * 30
    )
    make_tokenizer(recipe(kind="subword"), documents, folds, tmp_path / "t.json", 1)
    store = make_tokens(tmp_path / "t.json", documents, folds, tmp_path / "tokens", 1)
    assert not any("東" in piece for piece in store.vocabulary)


def test_much_text_is_sampled_the_same_way_each_time(tmp_path, monkeypatch):
    read = corpus.read_corpus(*write_corpus(tmp_path, random_texts(50)))
    monkeypatch.setattr(stages, "TRAINING_CHARACTERS", 500)
    rows = stages._training_rows(read, ["fit"])
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert 500 <= read.characters[rows].sum() < 800
    assert rows.tolist() == stages._training_rows(read, ["fit"]).tolist()


@pytest.mark.parametrize("text", ["", "  ", "<br />", None, "\\n"])
def test_a_document_without_text_is_named(tmp_path, text):
    with pytest.raises(UserError, match="'d1' has no text"):
        word_tokens(tmp_path, ["a", text, "b"])


def test_a_document_whose_fields_are_all_empty_is_named(tmp_path):
    with pytest.raises(UserError, match="'d1' has no text"):
        word_tokens(tmp_path, [0, 1], text_1=["a", " "], text_2=["b", None])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d, f: (pd.concat([d, d[:1]]), f), "'d0' occurs twice"),
        (lambda d, f: (d[1:], f), "'d0' is not in"),
        (lambda d, f: (d, f.assign(fold="train")), "no fold 'train'"),
        (lambda d, f: (d.drop(columns="text"), f), "no text column"),
        (lambda d, f: (d, f.assign(fold="test")), "no document in the folds fit and unlabelled"),
        (lambda d, f: (d, f[:0]), "none of its documents"),
        (lambda d, f: (d.drop(columns="label"), f), "no column label"),
    ],
)
def test_tables_that_do_not_fit_together_are_said(tmp_path, damage, message):
    documents, folds = write_corpus(tmp_path, ["a", "b"])
    tables = damage(pd.read_parquet(documents), pd.read_parquet(folds))
    for path, table in zip((documents, folds), tables, strict=True):
        write_table(path, table)
    make_tokenizer(recipe(), None, None, tmp_path / "t.json", 1)
    with pytest.raises(UserError, match=message):
        make_tokens(tmp_path / "t.json", documents, folds, tmp_path / "tokens", 1)


def test_subwords_without_documents_are_refused(tmp_path):
    with pytest.raises(UserError, match="needs documents"):
        make_tokenizer(recipe(kind="subword"), None, None, tmp_path / "t.json", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "subword"},
        {"recipe": None},
        {"recipe": {"kind": "word", "colour": 1}},
        {"recipe": {"kind": "subword"}},
        {"model": "AAAA"},
        {"model": "not base64!"},
    ],
)
def test_a_damaged_tokenizer_file_is_said(tmp_path, change):
    path = tmp_path / "t.json"
    make_tokenizer(recipe(), None, None, path, 1)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    documents, folds = write_corpus(tmp_path, ["a"])
    with pytest.raises(UserError, match=r"t\.json"):
        make_tokens(path, documents, folds, tmp_path / "tokens", 1)


def test_a_changed_subword_model_is_noticed(tmp_path):
    path = tmp_path / "t.json"
    documents, folds = write_corpus(tmp_path, random_texts(60))
    make_tokenizer(recipe(kind="subword"), documents, folds, path, 1)
    content = read_json(path)
    path.write_text(json.dumps({**content, "model": content["model"][4:]}))
    with pytest.raises(UserError, match="does not fit together"):
        make_tokens(path, documents, folds, tmp_path / "tokens", 1)


def test_a_process_that_dies_is_said():
    with pytest.raises(UserError, match="fewer threads"):
        list(encoding.ordered_map(dies, [1, 2], 2))


def dies():
    raise SystemExit(1)


def test_an_error_in_a_process_comes_through():
    with pytest.raises(ZeroDivisionError):
        list(encoding.ordered_map(divider, [1, 0, 2], 2))


def divider():
    return (1).__truediv__


@given(st.integers(0, 10**9), st.integers(1, 64))
def test_processes_are_at_least_one_and_at_most_the_threads(characters, threads):
    assert 1 <= encoding.processes_for(characters, threads) <= threads


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=9))
def test_any_text_can_be_stored_and_read_again(tmp_path_factory, texts):
    store = word_tokens(tmp_path_factory.mktemp("any"), [f"a {text}" for text in texts])
    assert len(store.document) == len(texts)
    assert int(store.ids.max()) < len(store.vocabulary)


PLACED = {"folds": ["fit", "fit", "unlabelled", "select", "test"]}
FIVE = ["alpha", "beta", "gamma", "delta", "epsilon"]


@pytest.mark.parametrize(
    ("n_text", "known"),
    [("all", 3), ("labelled", 2), (1, 1), ("with-test", 5)],
)
def test_the_vocabulary_of_words_is_that_of_the_text_that_is_named(tmp_path, n_text, known):
    make_tokenizer(recipe(), None, None, tmp_path / "tokenizer.json", 1)
    files = write_corpus(tmp_path, FIVE, **PLACED)
    store = make_tokens(tmp_path / "tokenizer.json", *files, tmp_path / "out", 1, n_text)
    wanted = [word for i, word in enumerate(FIVE) if i < known and (known < 5 or i != 3)]
    assert set(FIVE) & set(store.vocabulary) == set(wanted)


def test_a_vocabulary_may_be_kept(tmp_path):
    make_tokenizer(recipe(), None, None, tmp_path / "tokenizer.json", 1)
    (tmp_path / "corpus").mkdir()
    corpus_files = write_corpus(tmp_path / "corpus", ["beta zeta", "zeta"])
    pretrained = make_tokens(tmp_path / "tokenizer.json", *corpus_files, tmp_path / "lm", 1)
    files = write_corpus(tmp_path, FIVE, **PLACED)
    kept = tmp_path / "lm/vocabulary.txt"
    store = make_tokens(tmp_path / "tokenizer.json", *files, tmp_path / "out", 1, 1, kept)
    assert store.vocabulary == pretrained.vocabulary
    assert [store.vocabulary[i] for i in store.read(1, "fwd")] == ["xxbos", "beta"]
    assert [store.vocabulary[i] for i in store.read(0, "fwd")] == ["xxbos", "xxunk"]
