"""ULMFiT (Howard & Ruder 2018) as a reproducible ablation study."""

__version__ = "0.1.0"
