"""The bench of a GPU, run on a CPU at tiny sizes: everything is measured. No time is judged."""

import json
import subprocess
import sys

import pytest
import torch

from bench import gpu, gpu_parts
from bench.workloads import WORKLOADS

QUICK = ["--quick", "--device", "cpu", "--updates", "3"]


def test_everything_is_measured_and_written(tmp_path, capsys):
    assert gpu.main([*QUICK, "--output", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("gpu-*.json")
    values = json.loads(path.read_text())
    cases = gpu.cases(3, quick=True)
    assert values["ours"].keys() == {case.name for case in cases}
    for case in cases:
        found = values["ours"][case.name]
        assert len(found["of_epochs"]) == gpu.EPOCHS
        assert found["tokens_per_s"] == found["of_epochs"][-1] > 0
        if case.workload.kind == "lm":
            assert found["tokens"] == found["updates"] * 8 * 10
    assert values["fastai"].keys() == {case.workload.name for case in cases if case.peer}
    ours, theirs = (
        values["ours"]["classifier-full 32, bf16"],
        values["fastai"]["classifier-full 32"],
    )
    assert {one["tokens"] for one in theirs.values()} == {ours["tokens"]}
    for name, found in values["parts"].items():
        assert all(seconds > 0 for seconds in found.values())
        assert all(values["kernels"][name].values())
    text = capsys.readouterr().out
    assert all(f"|{case.workload.name}|{case.precision}|" in text for case in cases)
    assert "Failed" not in text


def test_a_measurement_that_fails_is_said_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("no such kernel")

    for name in ("ceilings", "bound", "parts", "kernels_of_parts"):
        monkeypatch.setattr(gpu, name, fail)
    assert gpu.main([*QUICK, "--no-peer", "--output", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "- ceilings: RuntimeError: no such kernel" in text
    assert "|head-only-full 32|bf16|" in text


def test_the_bound_is_that_of_the_products_of_all_layers():
    layers = [{"forward_s": 2e-6, "backward_s": 3e-6}, {"forward_s": 1e-6, "backward_s": 4e-6}]
    assert gpu_parts.bound_of(64, layers) == pytest.approx(6.4e6)
    assert gpu_parts.layer_sizes(WORKLOADS["lm-full"]) == [1152, 1152, 400]


def test_kernels_are_told_apart_by_their_names():
    seconds = {
        "void LSTM_elementWise_fp1<__nv_bfloat16>": 1.0,
        "nvjet_tst_128x64_64x8_1x2_h_bz_TNN": 2.0,
        "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n": 4.0,
        "void at::native::vectorized_elementwise_kernel<4>": 8.0,
    }
    assert gpu_parts.by_kind(seconds) == {"products": 6.0, "cells": 1.0, "other": 8.0}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_machine_without_gpu_is_one_line(tmp_path, capsys):
    assert gpu.main(["--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("bench.gpu: device cuda")


def test_the_command_explains_itself():
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--help"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
