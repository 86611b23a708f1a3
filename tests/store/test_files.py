import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmfit.errors import UserError
from ulmfit.store import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def write_half():
        with files.atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*a\.txt: No space left"):
        files.write_text(tmp_path / "a.txt", "new")
    assert os.listdir(tmp_path) == []


def test_text_has_lf_line_ends_on_every_system(tmp_path):
    files.write_text(tmp_path / "a.txt", "é\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\nb\n".encode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), VALUES), st.randoms(use_true_random=False))
def test_canonical_json_and_digest_do_not_depend_on_the_order_of_keys(value, random):
    keys = random.sample(sorted(value), len(value))
    shuffled = {key: value[key] for key in keys}
    assert files.canonical_json(shuffled) == files.canonical_json(value)
    assert files.digest(shuffled) == files.digest(value)
    assert json.loads(files.canonical_json(value)) == value


def test_canonical_json_refuses_what_is_not_json():
    with pytest.raises(ValueError, match="JSON"):
        files.canonical_json(float("nan"))


@pytest.mark.parametrize("content", [b'{"a": 1', b"", b"\xff\xfe"])
def test_damaged_json_is_said(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        files.read_json(path)


def test_missing_json_is_said(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        files.read_json(tmp_path / "a.json")


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
