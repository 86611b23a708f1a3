"""Best rate of matrix products on this machine, one thread: ``python -m bench.gemm``."""

from __future__ import annotations

import json
import statistics
import time

SIZE, REPEATS = 2048, 7


def rates(size: int, repeats: int) -> dict[str, float]:
    """GFLOP per CPU-second of square products, median of ``repeats``; fp32 by oneDNN."""
    import torch

    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("medium")
    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        torch.mm(a, b)
        seconds = []
        for _ in range(repeats):
            begin = time.process_time()
            torch.mm(a, b)
            seconds.append(time.process_time() - begin)
        found[name] = 2 * size**3 / statistics.median(seconds) / 1e9
    return found


if __name__ == "__main__":
    print(json.dumps(rates(SIZE, REPEATS)))
