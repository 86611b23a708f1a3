"""A changed byte or a cut end in any file between stages: said, with the file, or harmless."""

import json
import shutil

import numpy as np
import pytest
import small_files

from ulmfit import cli
from ulmfit.errors import UserError
from ulmfit.evaluate.predictions import read_predictions
from ulmfit.evaluate.tables import make_tables
from ulmfit.store.files import read_json, sha256, write_json
from ulmfit.store.probabilities import read_probabilities
from ulmfit.store.tables import (
    DOCUMENT_COLUMNS,
    FOLD_COLUMNS,
    read_batches,
    read_table,
    write_table,
)
from ulmfit.store.tokens import read_tokens, read_vocabulary
from ulmfit.text.tokenizers import read_tokenizer
from ulmfit.train import weights

TRIED = 150
"""Places tried in each file, spread evenly; all of them in what is shorter."""


def of_tokens(folder):
    store = read_tokens(folder)
    return {**vars(store), "ids": np.array(store.ids)}


def of_weights(folder):
    trained = weights.load(folder / "model.safetensors", "fwd")
    arrays = {name: tensor.numpy() for name, tensor in trained.tensors.items()}
    return {**arrays, "words": trained.vocabulary, **trained.card}


def of_batches(folder):
    parts = list(read_batches(folder / "documents.parquet", DOCUMENT_COLUMNS))
    return {name: parts[0][name].astype(object).fillna("none").to_numpy() for name in parts[0]}


def of_table(name, columns):
    def read(folder):
        table = read_table(folder / name, columns)
        return {column: table[column].astype(object).fillna("none").to_numpy() for column in table}

    return read


def of_probabilities(folder):
    return dict(enumerate(read_probabilities(folder / "probabilities.npz")))


CASES = {
    "ids.npy": (small_files.make_tokens, of_tokens),
    "documents.npz": (small_files.make_tokens, of_tokens),
    "vocabulary.txt": (small_files.make_tokens, of_tokens),
    "tokens.json": (small_files.make_tokens, of_tokens),
    "model.safetensors": (small_files.make_weights, of_weights),
    "card.json": (small_files.make_weights, of_weights),
    "weights/vocabulary.txt": (small_files.make_weights, of_weights),
    "documents.parquet": (
        small_files.make_table,
        of_table("documents.parquet", DOCUMENT_COLUMNS),
    ),
    "parts/documents.parquet": (small_files.make_table, of_batches),
    "folds.parquet": (small_files.make_folds, of_table("folds.parquet", FOLD_COLUMNS)),
    "predictions.parquet": (
        small_files.make_predictions,
        lambda folder: vars(read_predictions(folder / "predictions.parquet")),
    ),
    "probabilities.npz": (small_files.make_probabilities, of_probabilities),
    "tokenizer.json": (
        small_files.make_tokenizer,
        lambda folder: vars(read_tokenizer(folder / "tokenizer.json")),
    ),
    "metrics.json": (
        small_files.make_metrics,
        lambda folder: {"json": json.dumps(read_json(folder / "metrics.json")["folds"])},
    ),
}


@pytest.fixture(params=list(CASES))
def case(request, tmp_path):
    """(folder, damaged file, function that reads it)."""
    make, read = CASES[request.param]
    make(tmp_path)
    return tmp_path, tmp_path / request.param.rpartition("/")[2], read


def assert_said(error, folder, path):
    line = str(error.value)
    assert str(path) in line or str(folder) in line
    assert "again" in line
    assert "\n" not in line


def test_a_changed_byte_is_said_or_changes_nothing(case):
    folder, path, read = case
    good, content = read(folder), path.read_bytes()
    said = []
    for place in range(0, len(content), max(1, len(content) // TRIED)):
        for bit in (1, 64):
            changed = bytearray(content)
            changed[place] ^= bit
            path.write_bytes(changed)
            try:
                found = read(folder)
            except UserError as error:
                said.append(str(error))
            else:
                # More keys there may be: the name of the digest itself was changed.
                for name, value in good.items():
                    np.testing.assert_array_equal(found[name], value, err_msg=f"byte {place}")
    assert said
    assert all(str(folder) in line and "again" in line for line in said)


@pytest.mark.parametrize("left", [0.0, 0.3, 0.9, -1])
def test_a_cut_file_is_said(case, left):
    folder, path, read = case
    content = path.read_bytes()
    path.write_bytes(content[:-2] if left < 0 else content[: int(left * len(content))])
    with pytest.raises(UserError) as error:
        read(folder)
    assert_said(error, folder, path)


def test_a_missing_file_is_said(case):
    folder, path, read = case
    path.unlink()
    with pytest.raises(UserError) as error:
        read(folder)
    assert str(path) in str(error.value) or str(folder) in str(error.value)


def test_a_vocabulary_that_another_text_keeps_is_checked_too(tmp_path):
    small_files.make_tokens(tmp_path)
    path = tmp_path / "vocabulary.txt"
    assert read_vocabulary(path) == small_files.WORDS
    path.write_text(path.read_text().replace("a", "c"))
    with pytest.raises(UserError, match=r"vocabulary\.txt is not the file"):
        read_vocabulary(path)


def test_vocabulary_and_weights_of_two_trainings_do_not_mix(tmp_path):
    small_files.make_weights(tmp_path / "a")
    small_files.make_weights(tmp_path / "b", words=("xxunk", "xxpad", "b", "a", "é"))
    path = tmp_path / "a/vocabulary.txt"
    path.write_bytes((tmp_path / "b/vocabulary.txt").read_bytes())
    with pytest.raises(UserError, match=r"is not the vocabulary of .*model\.safetensors: delete"):
        weights.load(tmp_path / "a/model.safetensors")


def test_weights_and_card_of_two_trainings_do_not_mix(tmp_path):
    small_files.make_weights(tmp_path / "a", 8)
    small_files.make_weights(tmp_path / "b", 9)
    path = tmp_path / "a/model.safetensors"
    path.write_bytes((tmp_path / "b/model.safetensors").read_bytes())
    with pytest.raises(UserError, match="are not the ones its card"):
        weights.load(path)


def test_files_of_an_earlier_version_have_no_seal_and_are_read(tmp_path):
    table = small_files.documents(5)
    table.to_parquet(tmp_path / "documents.parquet", index=False)
    (tmp_path / "metrics.json").write_text('{"a": 1}')
    read = read_table(tmp_path / "documents.parquet", DOCUMENT_COLUMNS)
    assert read["id"].tolist() == table["id"].tolist()
    assert read_json(tmp_path / "metrics.json") == {"a": 1}


def test_text_that_looks_like_a_seal_is_no_seal(tmp_path):
    table = small_files.documents(3)
    table["text"] = ["ulmfit_sha256\x18\x40" + "f" * 64] * 3
    write_table(tmp_path / "documents.parquet", table)
    read = read_table(tmp_path / "documents.parquet", DOCUMENT_COLUMNS)
    assert read["text"].tolist() == table["text"].tolist()


@pytest.mark.parametrize("name", ["ids.npy", "documents.npz", "vocabulary.txt"])
def test_a_stage_refuses_in_one_line_and_writes_nothing(tmp_path, capsys, name):
    small_files.make_tokens(tmp_path / "tokens")
    path = tmp_path / "tokens" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    out = tmp_path / "out"
    status = cli.main(
        [
            *("classify", "--recipe", "{}", "--tokens", str(tmp_path / "tokens/tokens.json")),
            *("--seed", "0", "--output", str(out / "model.safetensors")),
            *("--history", str(out / "history.csv")),
            *("--probabilities", str(out / "probabilities.npz")),
        ]
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line.startswith(f"ulmfit classify: {path} is not the file")
    assert not out.exists()


@pytest.mark.parametrize("kind", ["language_models", "runs"])
def test_a_changed_history_is_said_where_the_card_has_its_digest(synthetic_results, tmp_path, kind):
    results = tmp_path / "study"
    shutil.copytree(synthetic_results.results, results)
    manifest = read_json(results / "manifest.json")
    entry = next(e for e in manifest[kind] if e.get("kind", "model") == "model")
    folder = results / entry["path"]
    digest = {"history_sha256": sha256(folder / "history.csv")}
    if kind == "runs":
        metrics = read_json(folder / "metrics.json")
        metrics["training"] |= digest
        write_json(folder / "metrics.json", metrics)
    else:
        write_json(folder / "card.json", read_json(folder / "card.json") | digest)
    make_tables(results / "manifest.json", results, tmp_path / "good")
    text = (folder / "history.csv").read_text()
    (folder / "history.csv").write_text(text.replace("0.", "1.", 1))
    with pytest.raises(UserError, match=r"history\.csv is not the one .* delete it, run again"):
        make_tables(results / "manifest.json", results, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()
