from pathlib import Path

import pytest
from planted import planted_store

from ulmfit.store.tokens import write_tokens


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A token folder of the planted dataset."""
    write_tokens(tmp_path / "tokens", planted_store(), {})
    return tmp_path / "tokens"
