"""Archives from elsewhere cannot write outside, link, or fill memory and disk."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import random
import subprocess
import sys
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
        read(path, total_bytes=500_000, header_bytes=20_000_000)
    with pytest.raises(UserError, match="a header of more than 1048576 bytes: not read"):
        read(path)


def extended(path: Path, blocks: list[tuple[bytes, bytes]]) -> Path:
    """A tar of these header blocks (type, content), as no writer makes one."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        for kind, content in blocks:
            block = tarfile.TarInfo("name")
            block.type, block.size = kind, len(content)
            file.write(block.tobuf(tarfile.GNU_FORMAT))
            file.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
        file.write(bytes(tarfile.RECORDSIZE))
    return path


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize(("count", "size"), [(3, 400_000), (10_000, 1)])
def test_headers_of_one_member_are_limited_together(kind, count, size, tmp_path):
    path = extended(tmp_path / "archive", [(kind, b"a" * size)] * count)
    with pytest.raises(UserError, match=r"archive.*(a header of more than|damaged)"):
        read(path)


def test_headers_of_all_members_are_limited_together(tmp_path):
    block = (tarfile.XGLTYPE, b"400000 comment=".ljust(400_000, b"a"))
    path = extended(tmp_path / "archive", [block, (tarfile.REGTYPE, b"x")] * 3)
    with pytest.raises(UserError, match="a header of more than 1048576 bytes"):
        read(path)
    own = (tarfile.XHDTYPE, block[1])
    path = extended(tmp_path / "archive", [own, (tarfile.REGTYPE, b"x")] * 3)
    assert read(path) == {"name": b"x"}


def test_a_sparse_member_is_refused(tmp_path):
    path = extended(tmp_path / "archive", [(tarfile.GNUTYPE_SPARSE, b"")])
    with pytest.raises(UserError, match="member 'name' is sparse: not read"):
        read(path)


PEAK = """
import sys
from pathlib import Path
from ulmfit.data.stages import SOURCES, SOURCE_OPTIONS
from ulmfit.errors import UserError
import pandas
try:
    source = sys.argv[1]
    SOURCES[source](SOURCE_OPTIONS[source](), {"archive": Path(sys.argv[2])})
except UserError as error:
    print(error)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
BOMB = bytes(400 << 20)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells the peak of the memory")
@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("imdb", tarfile.GNUTYPE_LONGNAME, "a header of more than 1048576 bytes: not read"),
        ("imdb", tarfile.XHDTYPE, "a header of more than 1048576 bytes: not read"),
        ("imdb", tarfile.XGLTYPE, "a header of more than 1048576 bytes: not read"),
        ("imdb", "aclImdb/train/pos/0_9.txt", "0_9.txt: more than 1048576 bytes: not read"),
        ("imdb", "aclImdb/train/urls_pos.txt", "urls_pos.txt: more than 16777216 bytes: not read"),
        ("zhang-csv", "classes.txt", "classes.txt: more than 1048576 bytes: not read"),
        ("zhang-csv", "train.csv", "train.csv, line 1: more than 67108864 bytes: not read"),
    ],
)
def test_a_bomb_fills_no_memory(source, name, message, tmp_path):
    path = tmp_path / "archive"
    if isinstance(name, bytes):
        extended(path, [(name, BOMB)])
    else:
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            member = tarfile.TarInfo(name)
            member.size = len(BOMB)
            archive.addfile(member, io.BytesIO(BOMB))
    ran = [sys.executable, "-c", PEAK, source, path]
    found, peak = subprocess.run(
        ran, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert found.endswith(message)
    assert int(peak) < 350 << 10  # KiB, with the libraries; the content alone has more


@WRITERS
def test_a_truncated_archive_is_named(write, tmp_path):
    # Content that no compression shrinks, so that the cut falls within a member.
    noise = random.Random(0)
    path = write(tmp_path / "archive", {str(n): noise.randbytes(500_000) for n in range(3)})
    content = path.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 4):
        path.write_bytes(content[:size])
        with pytest.raises(
            UserError, match=r"archive is damaged or cut off .*: put a whole copy in its place"
        ):
            read(path)


def test_a_damaged_member_is_noticed(tmp_path):
    path = zipped(tmp_path / "archive", {"a": bytes(range(256)) * 99})
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match="archive is damaged or cut off"):
        read(path)


def test_a_zip_of_an_unknown_compression_is_named(tmp_path):
    path = zipped(tmp_path / "archive", {"a": bytes(999)})
    # The method stands at byte 8 of the member's header and byte 10 of its entry in the directory.
    content = path.read_bytes()
    directory = content.index(b"PK\1\2")
    content = content[:8] + b"\x63\0" + content[10:]
    content = content[: directory + 10] + b"\x63\0" + content[directory + 12 :]
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"archive is of an unknown kind .*: put a whole copy"):
        read(path)


def test_no_byte_of_a_zip_makes_a_traceback(tmp_path):
    path = zipped(tmp_path / "archive", {"a": bytes(range(256)) * 2, "b": b"b"})
    content = path.read_bytes()
    for place in range(len(content)):
        for value in (0, 99):
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            with contextlib.suppress(UserError):
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
