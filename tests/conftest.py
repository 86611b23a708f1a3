"""Fixtures that several rooms share."""

from __future__ import annotations

import pytest

from synthetic_results import SyntheticResults, write_synthetic_results


@pytest.fixture(scope="session")
def synthetic_results(tmp_path_factory: pytest.TempPathFactory) -> SyntheticResults:
    """An invented study with all its files; written once a session: read it, do not change it."""
    return write_synthetic_results(tmp_path_factory.mktemp("study") / "results" / "synthetic")
