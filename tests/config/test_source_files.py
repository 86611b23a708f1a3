"""What may stand under `files` of a corpus or dataset."""

import json
import re
from pathlib import Path

import pytest

from ulmfit.config.checks import check_files
from ulmfit.config.files import digests, places, published_forms
from ulmfit.config.manifest import manifest
from ulmfit.config.plan import Plan
from ulmfit.config.sources import Table, Trec
from ulmfit.config.study import Preset, Registry, SourceFile, Study, Text
from ulmfit.config.validation import check
from ulmfit.errors import UserError
from ulmfit.studies import check_published_files, load_registry, plan_of, plan_values

CONFIG = Path(__file__).parents[2] / "config"
GOOD = {"name": "trec/a.label", "bytes": 3, "sha256": "0" * 64}
OTHER = GOOD | {"name": "trec/b.label"}


def text(**files):
    values = {"source": "trec", "folds": {"report": 0.2}, "files": {"test": OTHER, **files}}
    return check(Text, values, "datasets.yaml: trec")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({}, "needs the `name` of a published file, or the `path` of your own"),
        ({"name": "a"}, "a needs `bytes` and `sha256` (or `md5`)"),
        (GOOD | {"name": "../a"}, "name '../a' leads out of `data_mirror`"),
        (GOOD | {"name": "/a"}, "name '/a' leads out of `data_mirror`"),
        (GOOD | {"urls": ["file:///a"]}, "file:///a: only http and https are fetched"),
        (GOOD | {"path": "a"}, "a file with a `path` has no other key and no alternative"),
        ([GOOD, {"path": "a"}], "a file with a `path` has no other key and no alternative"),
        ([], "no file in the list"),
        (GOOD | {"name": "b/b.label"}, "two files are called 'b.label'"),
    ],
)
def test_a_file_that_cannot_be_known_is_refused(file, message):
    with pytest.raises(UserError, match=re.escape(message)):
        check_files("trec", text(train=file))


def test_a_source_names_the_file_that_it_misses():
    with pytest.raises(UserError, match=r"trec\.files: source 'trec' needs a file 'train'"):
        check_files("trec", text())


def test_a_digest_has_the_length_of_a_digest():
    with pytest.raises(UserError, match=r"files\.train.*sha256"):
        text(train=GOOD | {"sha256": "123"})


def plan(data_mirror=None, **files):
    study = {
        "study": "demo",
        "data_mirror": data_mirror,
        "datasets": {"trec": {"corpus": "wiki"}},
        "experiments": {"main": {"title": "Main", "cells": ["ulmfit"]}},
    }
    registry = Registry(
        corpora={"wiki": Text(source="docstrings-prose")},
        datasets={"trec": text(**files)},
        variants=load_registry(CONFIG).variants,
        presets={"paper": Preset()},
    )
    return Plan(check(Study, study, "demo.yaml"), registry)


def test_published_files_are_read_where_they_are_fetched_and_own_ones_where_they_lie():
    made = plan(train={"path": "my/train.label"})
    assert places("trec", made.text("trec")) == {
        "test": "resources/trec/b.label",
        "train": "my/train.label",
    }
    assert places("wiki", made.text("wiki")) == {}


def test_alternatives_are_one_file_with_the_name_of_the_first():
    made = plan(train=[GOOD, GOOD | {"name": "other.label", "sha256": "1" * 64}])
    assert places("trec", made.text("trec"))["train"] == "resources/trec/a.label"
    versions = [
        SourceFile(**one) for one in json.loads(published_forms(made.text("trec"), "a.label"))
    ]
    assert [version.name for version in versions] == ["trec/a.label", "other.label"]
    assert json.loads(digests(made.text("trec"), str))["train"] == ["0" * 64, "1" * 64]


def test_the_mirror_enters_neither_plan_values_nor_the_manifest():
    made = plan("some/folder", train=GOOD)
    values = json.loads(json.dumps(plan_values(made)))
    assert "some/folder" not in json.dumps([values, manifest(plan_of(values))])
    assert values == plan_values(plan(None, train=GOOD))


@pytest.mark.parametrize("kind", ["corpora", "datasets"])
def test_every_registered_text_has_the_files_of_its_source(kind):
    for name, entry in getattr(load_registry(CONFIG), kind).items():
        check_files(name, entry)
        if entry.files:
            assert entry.citation, name
            assert entry.licence, name


def table(**values):
    base = {"source": "table", "files": {"train": {"path": "my/a.csv"}}}
    return check(Text, base | values, "datasets.yaml: tickets")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "a.csv", "dev": "b.csv"}, "unknown file 'dev'; known: test, train, unlabelled"),
        ({"train": "my/{x}.csv"}, "path 'my/{x}.csv': Snakemake takes braces for a wildcard"),
    ],
)
def test_own_files_that_no_job_could_read_are_refused(files, message):
    with pytest.raises(UserError, match=re.escape("datasets.yaml: tickets.files")):
        check_files("tickets", table(files=files))
    with pytest.raises(UserError, match=re.escape(message)):
        check_files("tickets", table(files=files))


def test_a_plain_string_is_the_path_of_an_own_file(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    entry = table(files={"train": "my/a.csv", "test": "~/b.csv"})
    check_files("tickets", entry)
    wanted = {"train": "my/a.csv", "test": str(tmp_path / "b.csv")}
    assert places("tickets", entry) == wanted
    assert json.loads(digests(entry, str)) == {key: [path] for key, path in wanted.items()}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Table, {"text": "body"}, "here: text: a list: write [body]"),
        (Table, {"encoding": "utf9"}, "here: encoding 'utf9': unknown, or no superset of ASCII"),
        (Trec, {"encoding": "utf-16"}, "here: encoding 'utf-16': unknown, or no superset"),
        (Text, {"source": "table", "files": {"train": {"pth": "a"}}}, "here: files.train.pth: unk"),
    ],
)
def test_everyday_mistakes_are_one_line_that_says_what_to_write(kind, values, message):
    with pytest.raises(UserError) as caught:
        check(kind, values, "here")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_had_are_named_before_any_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^study demo: trec/b\.label, trec/a\.label: published at"):
        check_published_files(plan(train=GOOD))
    with pytest.raises(UserError, match=r"data_mirror: nowhere: no such folder"):
        check_published_files(plan("nowhere", train=GOOD))
    (tmp_path / "mirror/trec").mkdir(parents=True)
    (tmp_path / "mirror/trec/b.label").touch()
    with pytest.raises(UserError, match=r"demo: trec/a\.label: .* not in data_mirror mirror: name"):
        check_published_files(plan("mirror", train=GOOD))
    # A URL, an alternative in the mirror, a file of one's own, what was fetched or read before.
    check_published_files(plan("mirror", train=GOOD | {"urls": ["https://example.org/a"]}))
    check_published_files(plan("mirror", train=[GOOD, OTHER]))
    check_published_files(plan("mirror", train="my/a.label"))
    fetched = tmp_path / "resources/trec/a.label"
    fetched.parent.mkdir(parents=True)
    fetched.touch()
    check_published_files(plan("mirror", train=GOOD))
    read = tmp_path / "results/demo/data/trec/documents.parquet"
    read.parent.mkdir(parents=True)
    read.touch()
    check_published_files(plan(train=GOOD))
