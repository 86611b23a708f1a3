"""Fixtures that several rooms share."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

from synthetic_results import SyntheticResults, write_synthetic_results

# The same examples every time: a test that fails, fails for everybody.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# A shell's background jobs ignore Ctrl-C, and programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def synthetic_results(tmp_path_factory: pytest.TempPathFactory) -> SyntheticResults:
    """An invented study with all its files; written once a session: read it, do not change it."""
    return write_synthetic_results(tmp_path_factory.mktemp("study") / "results" / "synthetic")
