"""Ids come back from the disk as they went there."""

from pathlib import Path

import numpy as np
import pytest

from ulmfit.errors import UserError
from ulmfit.text.spool import Spool, open_spool


def test_arrays_come_back_in_order_as_often_as_wanted_and_leave_no_file(tmp_path):
    arrays = [np.arange(n, dtype=np.uint32) * 2**20 for n in (5, 0, 4000)]
    with open_spool(tmp_path / "new") as spool:
        for array in arrays:
            spool.append(array)
        for _ in range(2):
            read = list(spool.read())
            assert [array.tolist() for array in read] == [array.tolist() for array in arrays]
        assert not list((tmp_path / "new").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_said():
    with (
        open("/dev/full", "wb", buffering=0) as file,
        pytest.raises(UserError, match="No space left on device: make room"),
    ):
        Spool(file).append(np.zeros(3, np.uint32))
