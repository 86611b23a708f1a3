"""Archives from elsewhere, read member by member and never unpacked to disk.

A member that leads out of the archive, a link, a device, or more content or headers than the limits
allow refuses the whole archive.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from ulmfit.errors import UserError

GIB = 1 << 30
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
)
DAMAGED_HEADERS = (
    *DAMAGED,
    LookupError,
    NotImplementedError,
    RecursionError,
    ValueError,
    struct.error,
)
"""What the libraries raise besides for directories and headers that are wrong or unknown."""
EXTENDED = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.XGLTYPE,
)
"""Headers of a tar that are as long as they say, and are read whole to get to the member."""
DAMAGE = "is damaged or cut off"
SHOWN = 200
"""Characters of a member's name in a message."""


@dataclass(frozen=True)
class Limits:
    """Most that an archive may hold: the largest published one has 100,008 members and 0.6 GB."""

    members: int = 250_000
    header_bytes: int = 1 << 20
    member_bytes: int = 4 * GIB
    total_bytes: int = 8 * GIB


LIMITS = Limits()


def members(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[str, BinaryIO]]:
    """Name and content of each regular file in a zip or (compressed) tar archive, in its order.

    A content is read before the next member is asked for. Raises UserError for an archive that is
    unsafe, too large, damaged or cut off.
    """
    with _damage_named(path, DAMAGED_HEADERS):
        if zipfile.is_zipfile(path):
            yield from _of_zip(path, limits)
        else:
            yield from _of_tar(path, limits)


@contextmanager
def decompressed(path: Path, limits: Limits = LIMITS) -> Iterator[BinaryIO]:
    """A file's content, decompressed if it is gzip, bzip2 or xz (told by its first bytes)."""
    with _damage_named(path), open(path, "rb") as file:
        opener = _opener(file.read(6))
    with opener(path) as stream:
        yield _guarded(stream, path, limits.total_bytes)


def _opener(start: bytes) -> Callable[[Path], IO[bytes]]:
    openers: dict[bytes, Any] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\0": lzma.open,
    }
    for magic, opener in openers.items():
        if start.startswith(magic):
            return cast(Callable[[Path], IO[bytes]], opener)
    return lambda path: open(path, "rb")


@contextmanager
def _damage_named(path: Path, damaged: tuple[type[Exception], ...] = DAMAGED) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except damaged as error:
        # Published files were compared with their digests, so this is most likely a file of the
        # user's own.
        what = "is of an unknown kind" if isinstance(error, NotImplementedError) else DAMAGE
        raise UserError(
            f"{path} {what} ({error}): put a whole copy in its place, or pack it again"
        ) from error


def _of_zip(path: Path, limits: Limits) -> Iterator[tuple[str, BinaryIO]]:
    with zipfile.ZipFile(path) as archive:
        total = 0
        for number, member in enumerate(archive.infolist(), start=1):
            total += member.file_size
            _check(path, member.filename, number, member.file_size, total, limits)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(
                    f"{path}: member {member.filename[:SHOWN]!r} is a link or device: not read"
                )
            if member.flag_bits & 1:
                raise UserError(
                    f"{path}: member {member.filename[:SHOWN]!r} is encrypted: not read"
                )
            if not member.is_dir():
                # zipfile reads no further than the size that was checked.
                with archive.open(member) as content:
                    yield member.filename, _guarded(content, path, limits.member_bytes)


def _of_tar(path: Path, limits: Limits) -> Iterator[tuple[str, BinaryIO]]:
    with (
        decompressed(path, limits) as stream,
        # As a stream: members are met in their order, so nothing is decompressed twice.
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_header(path, limits)) as archive,
    ):
        total = 0
        for number, member in enumerate(archive, start=1):
            total += member.size
            _check(path, member.name, number, member.size, total, limits)
            if not (member.isreg() or member.isdir()):
                raise UserError(
                    f"{path}: member {member.name[:SHOWN]!r} is a link or device: not read"
                )
            if member.isreg():
                content = cast(IO[bytes], archive.extractfile(member))
                yield member.name, _guarded(content, path, limits.member_bytes)
            # Or tarfile keeps all 100,000 headers.
            archive.members.clear()  # type: ignore[attr-defined]
        while stream.read(1 << 20):  # to the end, where gzip and xz keep their checksum
            pass


def _header(path: Path, limits: Limits) -> type[tarfile.TarInfo]:
    """Headers that are refused before tarfile reads more of them than the limits allow."""
    # Extended headers since the last member, and global ones, which hold for all members to come.
    held = {False: 0, True: 0}

    class Header(tarfile.TarInfo):
        # The way that tarfile provides for subclasses to process headers in.
        def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
            if self.type in EXTENDED:
                held[self.type == tarfile.XGLTYPE] += max(self.size, tarfile.BLOCKSIZE)
                if sum(held.values()) > limits.header_bytes:
                    raise UserError(
                        f"{path}: a header of more than {limits.header_bytes} bytes: not read"
                    )
            else:
                held[False] = 0
            return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

        def _proc_sparse(self, *_: Any) -> tarfile.TarInfo:
            raise UserError(f"{path}: member {self.name[:SHOWN]!r} is sparse: not read")

        _proc_gnusparse_10 = _proc_sparse

    return Header


def _check(path: Path, name: str, number: int, size: int, total: int, limits: Limits) -> None:
    shown = name[:SHOWN]
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or re.match(r"[A-Za-z]:", name):
        raise UserError(f"{path}: member {shown!r} leads out of the archive: not read")
    for what, value, most in (
        ("members", number, limits.members),
        (f"bytes in member {shown!r}", size, limits.member_bytes),
        ("bytes in all", total, limits.total_bytes),
    ):
        if value > most:
            raise UserError(f"{path}: {value} {what}, more than {most}: not read")


def _guarded(stream: IO[bytes], path: Path, most: int) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Guarded(stream, path, most), 1 << 16))


class _Guarded(io.RawIOBase):
    """A stream that ends in UserError where it is damaged or gives more than ``most`` bytes."""

    def __init__(self, stream: IO[bytes], path: Path, most: int) -> None:
        self._stream, self._path, self._left, self._most = stream, path, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage_named(self._path):
            data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise UserError(f"{self._path}: more than {self._most} bytes in all: not read")
        buffer[: len(data)] = data
        return len(data)
