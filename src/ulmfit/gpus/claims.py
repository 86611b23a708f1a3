"""Claims on GPUs: locks on files in one folder of the machine, which the kernel frees on any death.

A whole device is an exclusive lock on its file. Jobs that share a device have a shared lock on it,
and each an exclusive one on a slot of it. Files stay empty and are never written to, so that no
name somebody put in a folder for everyone can do harm.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from ulmfit.errors import UserError

POLL_S = 0.2
"""Between two looks of the job whose turn is next; no call waits for the first of several locks."""


class Share(NamedTuple):
    """A device, or a part of one, and the descriptors whose locks keep it."""

    device: str
    load: int  # jobs that share the device already
    descriptors: tuple[int, ...]

    def release(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


class Claims:
    """Claims on devices of this machine, for which all processes use the same ``folder``.

    ``scope`` names the allocation that device names belong to: 0 of one is not 0 of another.
    """

    def __init__(self, folder: str, scope: str = "") -> None:
        self._path = folder
        self._prefix = f"{scope.replace('/', '%2F')}-" if scope else ""
        with self._for_all():
            # Shared and kept like a claim: tmpfiles.d(5) does not age a folder that has a lock.
            self._folder = self._locked(self._open_folder, self._folder_now, fcntl.LOCK_SH)

    def claim(
        self,
        count: int,
        devices: Sequence[str],
        jobs_per_device: int = 1,
        on_wait: Callable[[list[int]], None] = lambda _: None,
    ) -> list[str]:
        """``count`` of ``devices``, all or none, the least loaded first; waits until it has them.

        With ``jobs_per_device`` above 1 each may have so many jobs that share it. Claims end with
        this process, and with every process that inherits them. ``on_wait`` is called once if there
        is something to wait for, with the ids of the processes that hold the devices, as far as
        they are known. Jobs that wait for the same devices wait in line, so that one that wants
        several is not passed by forever; none holds anything meanwhile, so there is no deadlock.
        """
        with self._for_all():
            line = f"{self._prefix}line-{zlib.crc32(','.join(devices).encode()):08x}"
            place = self._try_lock(line)
            waits = place is None
            if place is None:
                on_wait(self._holders(devices))
                place = self._lock(line)
            while not (shares := self._try(count, devices, jobs_per_device)):
                if not waits:
                    waits = True
                    on_wait(self._holders(devices))
                time.sleep(POLL_S)
            os.close(place)
        for descriptor in (self._folder, *(one for share in shares for one in share.descriptors)):
            os.set_inheritable(descriptor, True)
        return [share.device for share in shares]

    def _try(self, count: int, devices: Sequence[str], jobs_per_device: int) -> list[Share]:
        """``count`` shares, or none at all."""
        # One at a time: a process that looks at a device must not make it seem taken to another.
        gate = self._lock("gate")
        free = [
            share
            for device in devices
            if (share := self._share(device, jobs_per_device)) is not None
        ]
        free.sort(key=lambda share: share.load)
        taken = free[:count] if len(free) >= count else []
        for share in free[len(taken) :]:
            share.release()
        os.close(gate)
        return taken

    def _share(self, device: str, jobs_per_device: int) -> Share | None:
        name = self._device_file(device)
        if jobs_per_device == 1:
            whole = self._try_lock(name)
            return None if whole is None else Share(device, 0, (whole,))
        part = self._try_lock(name, fcntl.LOCK_SH)
        if part is None:
            return None
        load, kept = 0, None
        for number in range(jobs_per_device):
            slot = self._try_lock(f"{name}.slot-{number}")
            if slot is None:
                load += 1
            elif kept is None:
                kept = slot
            else:
                os.close(slot)
        if kept is None:
            os.close(part)
            return None
        return Share(device, load, (part, kept))

    def _device_file(self, device: str) -> str:
        # MIG ids of old drivers have slashes.
        return f"{self._prefix}gpu-{device.replace('/', '%2F')}"

    def _lock(self, name: str, kind: int = fcntl.LOCK_EX) -> int:
        """Descriptor of a locked file of the folder; waits for the lock."""
        return self._locked(
            lambda: self._open(name),
            lambda: os.stat(name, dir_fd=self._folder, follow_symlinks=False),
            kind,
        )

    def _try_lock(self, name: str, kind: int = fcntl.LOCK_EX) -> int | None:
        """The same without waiting; None where another process has a lock that forbids it."""
        try:
            return self._lock(name, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return None

    def _open(self, name: str) -> int:
        """A regular file of the folder, never a link; made if there is none, for all to read."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(name, flags, dir_fd=self._folder)
        except FileNotFoundError:
            # Not in one call with O_CREAT, which Linux may refuse for a file of another user.
            try:
                return os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o444, dir_fd=self._folder)
            except FileExistsError:
                return self._open(name)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{self._path}/{name}: not a file; delete it")
        return descriptor

    def _open_folder(self) -> int:
        with suppress(FileExistsError):
            os.mkdir(self._path, 0o1777)
        return os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def _folder_now(self) -> os.stat_result:
        return os.stat(self._path, follow_symlinks=False)

    @staticmethod
    def _locked(opened: Callable[[], int], now: Callable[[], os.stat_result], kind: int) -> int:
        while True:
            descriptor = opened()
            try:
                fcntl.flock(descriptor, kind)
                if os.path.samestat(os.fstat(descriptor), now()):
                    return descriptor
            except FileNotFoundError:
                pass
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)  # deleted between open and lock: nobody else will look at it

    def _holders(self, devices: Sequence[str]) -> list[int]:
        """Processes that hold ``devices``, as far as the kernel says."""
        inodes = set()
        for device in devices:
            try:
                inodes.add(os.stat(self._device_file(device), dir_fd=self._folder).st_ino)
            except FileNotFoundError:
                continue
        try:
            with open("/proc/locks", encoding="ascii") as file:
                rows = [line.split() for line in file]
        except OSError:
            return []
        # 1: FLOCK ADVISORY WRITE <process> <disk>:<inode> 0 EOF; "1: -> FLOCK ..." only waits
        held = (row for row in rows if row[1] == "FLOCK" and int(row[5].split(":")[2]) in inodes)
        return sorted({int(row[4]) for row in held} - {0, -1})

    @contextmanager
    def _for_all(self) -> Iterator[None]:
        """Files for every user, whatever the umask; and one clear line for what cannot be done."""
        umask = os.umask(0)
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self._path}: {error.strerror}; name a folder on a disk of this machine, which"
                " every user of its GPUs can write to, in ULMFIT_GPU_LOCKS"
            ) from None
        finally:
            os.umask(umask)
