"""Archives from elsewhere cannot write outside, link, or fill memory and disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from ulmfit.data.archives import Limits, decompressed, members
from ulmfit.errors import UserError


def tar(path: Path, contents: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "elsewhere"
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(content))
    return path


def zipped(path: Path, contents: dict[str, bytes], mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return path


WRITERS = pytest.mark.parametrize("write", [tar, zipped])


def read(path: Path, **limits: int) -> dict[str, bytes]:
    return {name: content.read() for name, content in members(path, Limits(**limits))}


@WRITERS
def test_members_come_in_order_whether_read_or_not(write, tmp_path):
    contents = {f"a/{n}.txt": b"%d" % n * n for n in (3, 1, 2)}
    path = write(tmp_path / "archive", contents)
    assert list(read(path).items()) == list(contents.items())
    assert [name for name, _ in members(path)] == list(contents)


@WRITERS
@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../up", "..\\up", "C:\\up"])
def test_a_path_out_of_the_archive_is_refused(write, name, tmp_path):
    with pytest.raises(UserError, match=r"member .* leads out of the archive: not read"):
        read(write(tmp_path / "archive", {name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_in_a_tar_is_refused(kind, tmp_path):
    with pytest.raises(UserError, match="member 'a' is a link or device: not read"):
        read(tar(tmp_path / "archive", {"a": b""}, kind))


def test_a_link_in_a_zip_is_refused(tmp_path):
    with pytest.raises(UserError, match="member 'a' is a link or device: not read"):
        read(zipped(tmp_path / "archive", {"a": b"elsewhere"}, mode=0o120777))


@WRITERS
def test_a_bomb_is_refused_before_it_is_read(write, tmp_path):
    path = write(tmp_path / "archive", {"a": b"\0" * 10_000_000, "b": b""})
    assert path.stat().st_size < 20_000
    with pytest.raises(UserError, match="10000000 bytes in member 'a', more than 5000"):
        read(path, member_bytes=5000)
    with pytest.raises(UserError, match=r"bytes in all.*: not read|more than 5000 bytes in all"):
        read(path, total_bytes=5000)
    with pytest.raises(UserError, match="2 members, more than 1: not read"):
        read(path, members=1)


def test_a_bomb_in_the_header_of_a_tar_is_refused(tmp_path):
    path = tmp_path / "archive"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a" * 10_000_000))
    with pytest.raises(UserError, match="more than 500000 bytes in all: not read"):
        read(path, total_bytes=500_000)


@WRITERS
def test_a_truncated_archive_is_named(write, tmp_path):
    # Content that no compression shrinks, so that the cut falls within a member.
    noise = random.Random(0)
    path = write(tmp_path / "archive", {str(n): noise.randbytes(500_000) for n in range(3)})
    content = path.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 4):
        path.write_bytes(content[:size])
        with pytest.raises(
            UserError, match=r"archive is damaged or cut off .*: delete it and fetch"
        ):
            read(path)


def test_a_damaged_member_is_noticed(tmp_path):
    path = zipped(tmp_path / "archive", {"a": bytes(range(256)) * 99})
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match="archive is damaged or cut off"):
        read(path)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_file_is_decompressed_by_its_content_and_within_limits(compress, tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(compress(b"text\n" * 10_000))
    with decompressed(path) as stream:
        assert stream.read() == b"text\n" * 10_000
    with (
        pytest.raises(UserError, match="more than 100 bytes in all: not read"),
        decompressed(path, Limits(total_bytes=100)) as stream,
    ):
        stream.read()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_truncated_stream_is_named(compress, tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(compress(bytes(range(256)) * 999)[:-9])
    with (
        pytest.raises(UserError, match="shard is damaged or cut off"),
        decompressed(path) as stream,
    ):
        stream.read()
