"""The cluster that all tests of this folder share."""

import tempfile

import pytest
from one_machine_slurm import Slurm


@pytest.fixture(scope="session")
def slurm():
    """A running SLURM with two nodes of two GPUs each."""
    # Not in pytest's folder: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Slurm(f"{folder}/s") as running:
        yield running
