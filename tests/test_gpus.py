"""Jobs ask for a GPU exactly where they will use one."""

import pytest

from ulmfit.gpus import gpus_to_request, has_gpu


@pytest.fixture
def device_folder(tmp_path, monkeypatch):
    """A /dev with one GPU, visible to this process."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidia0").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("device", "local", "gpu", "requested"),
    [
        ("auto", True, True, 1),
        ("auto", True, False, 0),
        # The machine that submits jobs may be a login node without a GPU.
        ("auto", False, False, 1),
        ("cuda", False, False, 1),
        ("cuda", True, False, 1),
        ("cpu", True, True, 0),
        ("cpu", False, True, 0),
    ],
)
def test_gpus_requested(device, local, gpu, requested, device_folder, tmp_path_factory):
    dev = device_folder if gpu else tmp_path_factory.mktemp("empty")
    assert gpus_to_request(device, local=local, dev=dev) == requested


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_devices_do_not_count(device_folder, monkeypatch, hidden):
    assert has_gpu(device_folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not has_gpu(device_folder)


def test_control_nodes_of_the_driver_are_no_gpus(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidiactl").touch()
    assert not has_gpu(tmp_path)
