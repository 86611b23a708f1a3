from __future__ import annotations

import hashlib
import json

import pytest

from ulmfit.config.recipes import to_dict
from ulmfit.config.sources import SOURCE_OPTIONS, DocstringProse, Folds
from ulmfit.data.stages import SOURCES, make_documents, make_folds
from ulmfit.errors import UserError
from ulmfit.store.files import read_json
from ulmfit.store.tables import DOCUMENT_COLUMNS, FOLD_COLUMNS, read_table


def words(number: int) -> str:
    """Three words that no other number has; digits alone would not tell copies apart."""
    name = chr(97 + number // 26) + chr(97 + number % 26)
    return f"{name}x {name}y {name}z"


def test_every_source_has_options_and_every_options_class_a_source():
    assert SOURCES.keys() == SOURCE_OPTIONS.keys()


def test_an_unknown_source_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UserError, match="no source 'imbd': choose one of docstrings-prose, "):
        make_documents("imbd", "{}", {}, tmp_path / "d.parquet", tmp_path / "d.json")


def test_a_corpus_goes_from_source_to_folds(install, tmp_path):
    for n in range(20):
        install(f"demo{n}", {f"demo{n}.py": f'"""{words(n)}"""\n'})
    names = tuple(f"demo{n}" for n in range(20))
    options = json.dumps(to_dict(DocstringProse(distributions=names, min_tokens=3)))
    table, source = tmp_path / "documents.parquet", tmp_path / "source.json"
    make_documents("docstrings-prose", options, {}, table, source)
    facts = read_json(source)
    assert facts["distributions"] == dict.fromkeys(sorted(names), "1.2")
    assert (facts["documents"], facts["words"], facts["groups"]) == (20, 60, 20)
    assert facts["domains"] == dict.fromkeys(sorted(names), 1)
    assert len(read_table(table, DOCUMENT_COLUMNS)) == 20

    division, summary = tmp_path / "folds.parquet", tmp_path / "folds.json"
    make_folds(table, json.dumps(to_dict(Folds(select=0.1))), 3, division, summary)
    assert read_json(summary)["folds"]["select"]["documents"] == 2
    assert read_json(summary)["split_seed"] == 3
    assert tuple(read_table(division, FOLD_COLUMNS).columns) == FOLD_COLUMNS

    again = tmp_path / "again.json"
    make_documents("docstrings-prose", options, {}, tmp_path / "again.parquet", again)
    assert again.read_bytes() == source.read_bytes()
    assert (tmp_path / "again.parquet").read_bytes() == table.read_bytes()


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_published_file_replaced_after_fetching_is_refused(kind, tmp_path):
    files = {key: tmp_path / f"{key}.label" for key in ("train", "test")}
    for path in files.values():
        path.write_text("NUM:date When ?\nHUM:ind Who ?\n")
    # An own file has no digest, and an own folder its state in place of one.
    known = hashlib.new(kind, files["train"].read_bytes()).hexdigest()
    digests = json.dumps({"train": ["0" * 64, known], "test": [""]})

    def read():
        outputs = tmp_path / "d.parquet", tmp_path / "s.json"
        make_documents("trec", "{}", files, *outputs, digests)

    read()
    for path in files.values():
        path.write_text("NUM:date When ?\nHUM:ind Whom ?\n")
    found = hashlib.sha256(files["train"].read_bytes()).hexdigest()
    message = rf"train\.label is not the published file \(sha256 {found}\): delete it and run again"
    with pytest.raises(UserError, match=message):
        read()
    files["train"].write_text("NUM:date When ?\nHUM:ind Who ?\n")
    read()


def test_the_content_digest_changes_with_a_letter(install, tmp_path):
    options = json.dumps(to_dict(DocstringProse(distributions=("demo",), min_tokens=1)))
    site = install("demo", {"demo.py": '"""Some text here."""'})
    digests = []
    for text in ("Some text here.", "Some text there."):
        (site / "demo.py").write_text(f'"""{text}"""')
        make_documents("docstrings-prose", options, {}, tmp_path / "d.parquet", tmp_path / "d.json")
        digests.append(read_json(tmp_path / "d.json")["content_sha256"])
    assert digests[0] != digests[1]
