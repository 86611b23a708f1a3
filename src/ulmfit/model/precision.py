"""Types of matrix products, the kernels of those in fp32, and the check that they are fp32.

On some CPUs oneDNN multiplies about twice as fast as MKL. The switch that routes products to it
also *permits* shorter arithmetic where the CPU has it, so its error is measured first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SHAPES = ((64, 192, 768), (512, 96, 4096), (4096, 512, 96), (512, 4096, 96))
"""(rows, inner, columns) of the products checked: an LSTM step and the three of the softmax."""
TOLERANCE = 1e-4
"""Largest error over mean magnitude; fp32 stays near 1e-5, bf16 products give about 1e-2."""


def product_type(precision: str, otherwise: torch.dtype) -> torch.dtype:
    """bf16, or ``otherwise``, the type of the values themselves."""
    return torch.bfloat16 if precision == "bf16" else otherwise


def bf16_is_native(device: torch.device) -> bool:
    """Whether the device has instructions for products of bf16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(name.endswith("bf16") and has for name, has in capabilities.items())


def gemm_error() -> float:
    """Largest |error| over mean |value| of fp32 products against float64, over :data:`SHAPES`."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for rows, inner, columns in SHAPES:
        a = torch.randn(rows, inner, generator=generator)
        b = torch.randn(inner, columns, generator=generator)
        exact = a.double() @ b.double()
        error = (a @ b).double().sub_(exact).abs_().max() / exact.abs().mean()
        worst = max(worst, error.item())
    return worst


@contextmanager
def matmul(device: torch.device) -> Iterator[dict[str, object]]:
    """fp32 products for the block, and the facts about them for the model's card.

    CPU: oneDNN if its error is that of fp32, else MKL. CUDA: fp32, TF32 off. The earlier setting
    comes back afterwards.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest")
        # cuDNN has a switch of its own, on by default: LSTMs would round to ten bits.
        torch.backends.cudnn.allow_tf32 = False
        if device.type != "cpu":
            yield {"setting": "highest"}
            return
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            torch.set_float32_matmul_precision("medium")
            error = gemm_error()
            if error <= TOLERANCE:
                yield {"setting": "medium", "gemm_error": error, **_cpu()}
                return
            torch.set_float32_matmul_precision("highest")
        yield {"setting": "highest", "gemm_error": gemm_error(), **_cpu()}
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _cpu() -> dict[str, object]:
    return {"instructions": torch.backends.cpu.get_cpu_capability()}
