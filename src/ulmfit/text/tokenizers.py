"""tokenizer.json: the recipe of a tokenizer, versions, and for sub-words the trained model."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ulmfit.config.recipes import Tokenizer, from_json, to_dict
from ulmfit.errors import UserError
from ulmfit.store.files import canonical_json, read_json, write_json
from ulmfit.text.subwords import SubwordTokenizer
from ulmfit.text.words import WordTokenizer

PACKAGES = {"word": "spacy", "subword": "sentencepiece"}


@dataclass(frozen=True)
class TokenizerFile:
    """Content of tokenizer.json; ``model`` is None for words."""

    recipe: Tokenizer
    model: bytes | None

    @property
    def versions(self) -> dict[str, str]:
        """Version of the package that cuts text into tokens, as installed now."""
        package = PACKAGES[self.recipe.kind]
        return {package: version(package)}

    def factory(self) -> Callable[[], WordTokenizer | SubwordTokenizer]:
        """What makes the tokenizer, in this process or another."""
        if self.model is None:
            return partial(WordTokenizer, self.recipe.rules)
        return partial(SubwordTokenizer, self.model, self.recipe.rules)


def write_tokenizer(path: Path, file: TokenizerFile, facts: dict[str, Any]) -> None:
    """Write tokenizer.json with some ``facts`` about the training beside the content."""
    content: dict[str, Any] = {
        **facts,
        "kind": file.recipe.kind,
        "recipe": to_dict(file.recipe),
        "versions": file.versions,
    }
    if file.model is not None:
        content["model"] = base64.b64encode(file.model).decode("ascii")
        content["model_sha256"] = hashlib.sha256(file.model).hexdigest()
    write_json(path, content)


def read_tokenizer(path: Path) -> TokenizerFile:
    """Read tokenizer.json; raises UserError if it is damaged."""
    content = read_json(path)
    try:
        model = base64.b64decode(content["model"], validate=True) if "model" in content else None
        file = TokenizerFile(
            recipe=from_json(Tokenizer, canonical_json(content["recipe"])),
            model=model,
        )
        whole = (
            content["kind"] == file.recipe.kind
            and (model is None) == (file.recipe.kind == "word")
            and (model is None or hashlib.sha256(model).hexdigest() == content["model_sha256"])
        )
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise UserError(
            f"{path} is not a tokenizer file ({error}): delete it, run again"
        ) from error
    if not whole:
        raise UserError(f"{path} does not fit together: delete it, run again")
    return file
