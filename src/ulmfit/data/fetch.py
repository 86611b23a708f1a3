"""Published files: from a mirror folder or a URL, known by their digest, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ulmfit import __version__
from ulmfit.config.study import SourceFile
from ulmfit.errors import UserError
from ulmfit.store.files import atomic
from ulmfit.store.progress import progress

CHUNK = 1 << 20
TIMEOUT_S = 60

ATTEMPTS = 3
"""How often the URLs are gone through while one of them fails for want of a connection."""
PAUSE_S = 5.0
"""Before the second attempt; each pause is twice the one before."""
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Statuses of HTTP after which the same request may succeed."""


class _NotFetched(Exception):
    """Why one URL gave no file; the next one may."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


class _Broken(Exception):
    """A connection that broke within the body of a response."""


def fetch(versions: Sequence[SourceFile], output: Path, mirror: Path | None = None) -> None:
    """Write the first of some published forms of a file that can be had to ``output``.

    The mirror folder is searched before any URL is tried. A download that was cut off goes on where
    it ended; a connection that fails is tried :data:`ATTEMPTS` times. Raises UserError if a file in
    the mirror is not what its name says, or no source has one.
    """
    if mirror is not None:
        mirror = mirror.expanduser()
        if not mirror.is_dir():
            raise UserError(f"data_mirror: {mirror}: no such folder")
        for version in versions:
            found = mirror / version.name
            if found.is_file():
                if wrong := _difference(found, versions):
                    raise UserError(f"{wrong}: replace it, or take it out of data_mirror")
                with atomic(output) as temporary:
                    shutil.copyfile(found, temporary)
                return
    waiting = [(version, url) for version in versions for url in version.urls]
    failures: dict[str, str] = {}
    for attempt in range(ATTEMPTS):
        if attempt and waiting:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        for version, url in tuple(waiting):
            try:
                part = _download(url, version, output)
            except _NotFetched as failure:
                failures[url] = f"{url}: {failure}"
                if not failure.again:
                    waiting.remove((version, url))
            else:
                with atomic(output) as temporary:
                    os.replace(part, temporary)
                return
    names = " or ".join(version.name for version in versions)
    tried = "; ".join(failures.values()) or "it has no URL"
    raise UserError(f"cannot fetch {output.name}: {tried}; or put {names} into data_mirror")


def _difference(path: Path, versions: Sequence[SourceFile]) -> str:
    """What tells a file from all its published forms; empty if it is one of them."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    size = path.stat().st_size
    for version in versions:
        digest = sha256.hexdigest() if version.sha256 else md5.hexdigest()
        if size == version.bytes and digest == (version.sha256 or version.md5):
            return ""
    expected = " or ".join(
        f"{'sha256 ' + version.sha256 if version.sha256 else 'md5 ' + version.md5}"
        f" ({version.bytes} bytes)"
        for version in versions
    )
    found = f"sha256 {sha256.hexdigest()}, md5 {md5.hexdigest()} ({size} bytes)"
    return f"{path.name} is not the published file: {found}, expected {expected}"


def _download(url: str, version: SourceFile, output: Path) -> Path:
    """Fetch a URL into a part file beside ``output`` and return it verified."""
    # Part files of two forms of a file must not be joined, hence the digest in the name.
    part = output.with_name(f".{output.name}.{(version.sha256 or version.md5)[:16]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() else 0
    if have > version.bytes:
        have = 0
    if have < version.bytes:
        _transfer(url, version, part, have)
    if wrong := _difference(part, [version]):
        part.unlink()
        raise _NotFetched(wrong.replace(part.name, "what it sends", 1))
    return part


def _transfer(url: str, version: SourceFile, part: Path, have: int) -> None:
    headers = {"User-Agent": f"ulmfit/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        ) as response:
            # A server that knows no ranges sends the whole file.
            if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                have = 0
            # A log-in page, say, must not look like the beginning of the file.
            announced = _announced(response, have)
            if announced not in (None, version.bytes):
                raise _NotFetched(f"sends {announced} bytes, not {version.bytes}")
            have, ended = _append(response, version, part, have)
            # Without a size in the headers, only a body in chunks tells its end from a broken line.
            if ended and response.chunked and have < version.bytes:
                part.unlink()
                raise _NotFetched(f"sends {have} bytes, not {version.bytes}")
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()  # the server's file ends before ours: the next attempt begins anew
        raise _NotFetched(f"{error.code} {error.reason}", again=error.code in BUSY) from error
    except (OSError, http.client.HTTPException) as error:
        raise _NotFetched(f"no connection ({getattr(error, 'reason', error)})", True) from error
    if have < version.bytes:
        raise _NotFetched(
            f"cut off after {have} of {version.bytes} bytes; run again to go on from there", True
        )


def _announced(response: http.client.HTTPResponse, have: int) -> int | None:
    """Size of the whole file by a response's headers, ``have`` bytes asked for before; or None."""
    total = (response.headers["Content-Range"] or "").rpartition("/")[2]
    if total.isdecimal():
        return int(total)
    return None if response.length is None else have + response.length


def _append(response: BinaryIO, version: SourceFile, part: Path, have: int) -> tuple[int, bool]:
    """Write the body of a response behind the first ``have`` bytes.

    Returns the new size, and whether the body came to its end as far as the connection tells.
    """
    chunks = progress(
        _chunks(response), -(-(version.bytes - have) // CHUNK), f"{part.name[1:-22]}, MiB"
    )
    # Unbuffered, so that a full disk shows at the write and not when the file is closed.
    with _open_part(part, have) as file:
        try:
            for chunk in chunks:
                have += len(chunk)
                try:
                    file.write(chunk)
                except OSError as error:
                    raise UserError(f"cannot write {part}: {error.strerror}: make room") from error
                if have > version.bytes:
                    break
        except _Broken:
            return have, False
    return have, True


def _open_part(part: Path, have: int) -> BinaryIO:
    try:
        return open(part, "ab" if have else "wb", buffering=0)
    except OSError as error:
        raise UserError(f"cannot write {part}: {error.strerror}") from error


def _chunks(response: BinaryIO) -> Iterator[bytes]:
    """Chunks of a body; raises _Broken behind the last one if the connection breaks."""
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except http.client.IncompleteRead as error:
        yield error.partial
        raise _Broken from error
    except OSError as error:
        raise _Broken from error
