"""The choice of the matrix product, and that it is fp32."""

import torch

from ulmfit.model import precision


def test_the_chosen_product_has_the_error_of_fp32():
    with precision.matmul(torch.device("cpu")) as facts:
        assert facts["gemm_error"] == precision.gemm_error() <= precision.TOLERANCE


def test_shorter_arithmetic_would_be_noticed(monkeypatch):
    plain = torch.Tensor.__matmul__

    def rounded(a, b):
        if a.dtype == torch.float64:
            return plain(a, b)
        return plain(a.bfloat16().float(), b.bfloat16().float())

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    assert precision.gemm_error() > 10 * precision.TOLERANCE
    with precision.matmul(torch.device("cpu")) as facts:
        assert facts["setting"] == "highest"


def test_the_setting_before_comes_back():
    before = torch.get_float32_matmul_precision()
    with precision.matmul(torch.device("cpu")):
        pass
    assert torch.get_float32_matmul_precision() == before


def test_a_gpu_keeps_full_fp32_products():
    with precision.matmul(torch.device("cuda")) as facts:
        assert facts == {"setting": "highest"}
        assert torch.get_float32_matmul_precision() == "highest"
        # cuDNN's LSTMs have a switch of their own.
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32
