"""Jobs ask for a GPU exactly where they will use one, and know the same devices as CUDA."""

import pytest
import torch

from ulmfit.gpus.devices import gpus_to_request, has_gpu, visible_devices


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


@pytest.mark.parametrize("hidden", ["", "-1", "0,0", "1"])
def test_hidden_devices_do_not_count(device_folder, monkeypatch, hidden):
    assert has_gpu(device_folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not has_gpu(device_folder)


def test_control_nodes_of_the_driver_are_no_gpus(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidiactl").touch()
    assert not has_gpu(tmp_path)
    assert visible_devices(tmp_path) is None


def test_devices_are_counted_not_read_from_their_nodes(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia3", "nvidia12", "nvidiactl", "nvidia-uvm", "nvidia-caps"):
        (tmp_path / name).touch()
    assert visible_devices(tmp_path) == ["0", "1"]


@pytest.mark.parametrize(
    "listed",
    [
        *(
            "",
            "-1",
            "0",
            "1,0",
            " 2 , 1",
            "0,-1,1",
            "-1,0",
            "3,3",
            "0,1,0",
            "0,x,1",
            "x",
            "1,",
            ",1",
        ),
        *("+1,2", "01", "1gpu2,2ampere", "NoDevFiles", "GPU-8d,GPU-3f", "GPU-8d,GPU-8d"),
        *("GPU-8d,0", "0,GPU-8d", "GPU-8d,-1,GPU-3f", "GPU-8d,MIG-3f", "GPU-8d, GPU-3f"),
        *("MIG-8d,MIG-3f", "MIG-GPU-8d/1/0,MIG-GPU-8d/2/0", "MIG-8d,GPU-3f", "gpu-8d"),
    ],
)
def test_a_list_is_read_as_torch_reads_it(listed, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_devices(tmp_path) == [str(one) for one in torch.cuda._parse_visible_devices()]


def test_an_index_that_no_device_has_ends_the_list(device_folder, monkeypatch):
    (device_folder / "nvidia1").touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2,0")
    assert visible_devices(device_folder) == ["1"]
