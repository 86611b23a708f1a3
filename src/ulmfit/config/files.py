"""The files that a text's source reads: where they lie, and how published ones are known."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePosixPath

from ulmfit.config import paths
from ulmfit.config.recipes import to_dict
from ulmfit.config.study import Text
from ulmfit.store.files import canonical_json


def places(name: str, text: Text) -> dict[str, str]:
    """Where the source of the text called ``name`` reads each file, from the working folder."""
    return {
        key: os.path.expanduser(text.versions(key)[0].path)
        or paths.FETCHED.format(text=name, file=_local_name(text, key))
        for key in text.files
    }


def published_forms(text: Text, file: str) -> str:
    """Canonical JSON of the published forms of a fetched file, in the order to try."""
    key = next(key for key in text.files if _local_name(text, key) == file)
    return canonical_json([to_dict(version) for version in text.versions(key)])


def digests(text: Text, state: Callable[[str], str]) -> str:
    """Canonical JSON of the digests that a text's published files may have.

    ``state`` gives what takes the place of a digest for the path of an own file.
    """
    return canonical_json(
        {
            key: [
                file.sha256
                or file.md5
                or (state(os.path.expanduser(file.path)) if file.path else "")
                for file in text.versions(key)
            ]
            for key in text.files
        }
    )


def _local_name(text: Text, key: str) -> str:
    # The suffix must stay: sources tell formats by it.
    return PurePosixPath(text.versions(key)[0].name).name
