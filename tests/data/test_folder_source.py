"""A folder of the user's own text files: layouts, order, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ulmfit.config.recipes import to_dict
from ulmfit.config.sources import Folder, Folds
from ulmfit.data.stages import make_documents, make_folds
from ulmfit.errors import UserError
from ulmfit.store.files import folder_state, read_json
from ulmfit.store.tables import DOCUMENT_COLUMNS, read_table

FLAT = {"pos/b.txt": "good", "neg/a.txt": "bad", "pos/a.txt": "fine", "unlabelled/x.txt": "more"}
SPLIT = {
    "train/pos/1.txt": "good",
    "train/neg/1.txt": "bad",
    "train/unsup/1.txt": "some",
    "test/pos/1.txt": "fine",
    "unlabelled/1.txt": "more",
}


def write(folder: Path, contents: dict[str, str | bytes]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


@pytest.fixture
def read(tmp_path):
    """Documents (id, split, label, group, text) of a folder of these files."""

    def documents(contents, **options):
        folder = write(tmp_path / "mine", contents)
        values, output = json.dumps(to_dict(Folder(**options))), tmp_path / "documents.parquet"
        make_documents("folder", values, {"folder": folder}, output, tmp_path / "source.json")
        table = read_table(output, DOCUMENT_COLUMNS).astype(object)
        return list(table.where(table.notna(), None).itertuples(index=False, name=None))

    return documents


def test_folders_name_the_classes_and_paths_order_the_documents(read, tmp_path):
    assert read(FLAT) == [
        ("neg/a", "train", "neg", None, "bad"),
        ("pos/a", "train", "pos", None, "fine"),
        ("pos/b", "train", "pos", None, "good"),
        ("unlabelled/x", "unlabelled", None, None, "more"),
    ]
    facts = read_json(tmp_path / "source.json")["files"]["folder"]
    assert (facts["name"], facts["files"], facts["bytes"]) == ("mine", 4, 15)
    (tmp_path / "mine/pos/b.txt").write_text("goof")
    read({})
    assert read_json(tmp_path / "source.json")["files"]["folder"]["sha256"] != facts["sha256"]


def test_splits_stand_above_the_classes(read):
    assert read(SPLIT) == [
        ("test/pos/1", "test", "pos", None, "fine"),
        ("train/neg/1", "train", "neg", None, "bad"),
        ("train/pos/1", "train", "pos", None, "good"),
        ("train/unsup/1", "unlabelled", None, None, "some"),
        ("unlabelled/1", "unlabelled", None, None, "more"),
    ]


def test_without_labels_any_layout_is_a_corpus(read):
    table = read({"a.txt": "one", "b/c/d.txt": "two"}, labelled=False)
    assert table == [("a", "train", None, None, "one"), ("b/c/d", "train", None, None, "two")]


def test_hidden_files_and_other_suffixes_are_no_documents(read):
    others = {"README.md": "x", "pos/._a.txt": b"\0", ".git/a.txt": "x", "pos/a.pdf": b"\0"}
    assert read(FLAT | others) == read(FLAT)


@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        (b"\xef\xbb\xbfgood\r\nfilm\rold\n", "utf-8", "good\nfilm\nold"),
        (b"caf\xe9", "latin-1", "caf\xe9"),
    ],
    ids=["byte-order mark and mixed line ends", "another encoding"],
)
def test_bytes_become_text(read, content, encoding, text):
    assert read(FLAT | {"pos/b.txt": content}, encoding=encoding)[2][-1] == text


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({}, r"mine: no file \*\.txt in it: name the folder above your classes"),
        (FLAT | {"a.txt": "x"}, r"mine/a\.txt: in no folder of a class: move it to <label>/"),
        (FLAT | {"pos/x/a.txt": "x"}, r"pos/x/a\.txt: in no folder of a class"),
        (SPLIT | {"train/a.txt": "x"}, r"train/a\.txt: .* move it to train\|test/<label>/<file>"),
        (SPLIT | {"pos/a.txt": "x"}, r"mine/pos/a\.txt: in no folder of a class"),
        (
            FLAT | {"pos/b.txt": " \n"},
            r"1 of 4 documents without text; .* .*mine/pos/b\.txt, id 'pos/b'",
        ),
        (
            FLAT | {"pos/b.txt": b""},
            r"1 of 4 documents without text; .* .*mine/pos/b\.txt, id 'pos/b'",
        ),
        (FLAT | {"pos/b.txt": b"a\0"}, r"mine/pos/b\.txt: a NUL byte: not a text file"),
        (
            FLAT | {"pos/b.txt": b"\xe9"},
            r"pos/b\.txt: byte 0xe9 is not valid utf-8: set `encoding`",
        ),
        ({"pos/a.txt": "x", "unsup/a.txt": "y"}, "one class only, 'pos'"),
        (FLAT | {"pos/a.TXT": "x"}, r"is .*pos/a\.txt, id 'pos/a', after .*pos/a\.TXT, id 'pos/a'"),
        ({"unlabelled/a.txt": "x"}, "no document in split train, so nothing to train on"),
    ],
)
def test_a_bad_folder_is_refused_by_name(read, tmp_path, contents, message):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match=message):
        read(contents)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UserError, match=r"mine: no such folder \(files\.folder of source 'folder'"):
        make_documents("folder", "{}", {"folder": tmp_path / "mine"}, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("link", "target", "message"),
    [
        ("pos/c.txt", "../../secret.txt", r"pos/c\.txt: a link out of .*mine: not read"),
        ("pos/c.txt", "/dev/zero", r"pos/c\.txt: a link out of .*mine: not read"),
        ("more", "../elsewhere", r"more: a link out of .*mine: not read"),
        ("more", "pos", r"more: a link to a folder: not followed"),
        ("pos/c.txt", "absent.txt", r"pos/c\.txt: not a file: take it out"),
    ],
)
def test_links_that_leave_the_folder_or_repeat_it_are_refused(
    read, tmp_path, link, target, message
):
    write(tmp_path, {"secret.txt": "x", "elsewhere/a.txt": "x"})
    write(tmp_path / "mine", FLAT)
    (tmp_path / "mine" / link).symlink_to(target)
    with pytest.raises(UserError, match=message):
        read({})


def test_a_link_within_the_folder_is_read(read, tmp_path):
    write(tmp_path / "mine", FLAT)
    (tmp_path / "mine/pos/c.txt").symlink_to("../neg/a.txt")
    assert ("pos/c", "train", "pos", None, "bad") in read({})


def test_a_share_of_a_folder_is_set_aside_for_testing(read, tmp_path):
    numbers = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(100)]
    read({f"{'ab'[n % 2]}/{n}.txt": f"{m}x {m}y {m}z" for n, m in enumerate(numbers)})
    make_folds(
        tmp_path / "documents.parquet",
        json.dumps(to_dict(Folds(select=0.1, report=0.1, test=0.2))),
        0,
        tmp_path / "folds.parquet",
        tmp_path / "folds.json",
    )
    counts = read_json(tmp_path / "folds.json")["folds"]
    assert {name: fold["classes"] for name, fold in counts.items()} == {
        "fit": {"a": 30, "b": 30},
        "select": {"a": 5, "b": 5},
        "report": {"a": 5, "b": 5},
        "test": {"a": 10, "b": 10},
    }


def test_the_state_of_a_folder_changes_with_any_file_in_it(tmp_path):
    folder = write(tmp_path / "mine", FLAT)
    states = [folder_state(folder)]
    assert folder_state(folder) == states[0]
    (folder / "pos/a.txt").write_text("longer than before")
    states.append(folder_state(folder))
    (folder / "pos/c.txt").write_text("x")
    states.append(folder_state(folder))
    (folder / "neg/a.txt").unlink()
    states.append(folder_state(folder))
    assert len(set(states)) == 4
    assert folder_state(folder / "pos/a.txt") == folder_state(tmp_path / "absent") == ""
