"""The other side of a comparison: fastai 2 as its own functions set it up.

Learners, loaders, callbacks, optimizer and loss are fastai's defaults for the task; sizes, chunk
and head are those of the workload. Progress bars are off, and there is no gradient clipping.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from fastai.basics import (
    Callback,
    CancelFitException,
    CancelValidException,
    CrossEntropyLossFlat,
    DataLoaders,
    Learner,
)
from fastai.callback.fp16 import MixedPrecision
from fastai.text.data import LMDataLoader, Pad_Chunk, SortedDL, TensorText
from fastai.text.learner import language_model_learner, text_classifier_learner
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_clas_config, awd_lstm_lm_config
from numpy.typing import NDArray

from bench.clock import Clock
from bench.workloads import PADDING, Workload


class Timer(Callback):  # type: ignore[misc]
    """Tells the clock where fastai's loop stands; validation is left out."""

    order = 1000

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def before_batch(self) -> None:
        self.clock.enter("forward")
        self.clock.add(tokens=int((self.xb[0] != PADDING).sum()))

    def before_backward(self) -> None:
        self.clock.enter("backward")

    def after_backward(self) -> None:
        self.clock.enter("optimizer")

    def after_batch(self) -> None:
        self.clock.end_step()

    def before_validate(self) -> None:
        raise CancelFitException


class EpochTimer(Callback):  # type: ignore[misc]
    """Seconds and tokens of the training batches of the last epoch; validation is left out."""

    order = 1000

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.tokens: Any = 0

    def before_train(self) -> None:
        self.tokens = 0
        self.seconds = -self._now()

    def before_batch(self) -> None:
        # Not read here: the device would have to come to an end.
        self.tokens += (self.xb[0] != PADDING).sum()

    def after_train(self) -> None:
        self.seconds += self._now()

    def before_validate(self) -> None:
        raise CancelValidException

    def _now(self) -> float:
        if self.dls.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def run(workload: Workload, documents: list[NDArray[np.int64]], clock: Clock) -> None:
    """Train one epoch over the documents."""
    learner = _learner(workload, documents, torch.device("cpu"))
    encoder = next(module for module in learner.model.modules() if isinstance(module, AWD_LSTM))
    encoder.register_forward_pre_hook(lambda _, inputs: clock.add(slots=inputs[0].numel()))
    learner.add_cb(Timer(clock))
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-3)


def last_epoch(
    workload: Workload,
    documents: list[NDArray[np.int64]],
    device: torch.device,
    fp16: bool,
    epochs: int = 2,
) -> tuple[int, float]:
    """Tokens and seconds of the last of some epochs; ``fp16``: as ``Learner.to_fp16`` trains."""
    learner = _learner(workload, documents, device)
    timer = EpochTimer()
    learner.add_cb(timer)
    if fp16:
        learner.add_cb(MixedPrecision())
    with learner.no_bar(), learner.no_logging():
        learner.fit(epochs, 1e-3)
    return int(timer.tokens), timer.seconds


def _learner(
    workload: Workload, documents: list[NDArray[np.int64]], device: torch.device
) -> Learner:
    torch.manual_seed(0)
    np.random.seed(0)  # fastai's loaders shuffle with it
    texts = [TensorText(torch.from_numpy(document)) for document in documents]
    make = _language_model if workload.kind == "lm" else _classifier
    return make(workload, texts, device)


def _language_model(workload: Workload, texts: list[Any], device: torch.device) -> Learner:
    loader = LMDataLoader(
        [(text,) for text in texts],
        lens=[len(text) for text in texts],
        bs=workload.batch_size,
        seq_len=workload.bptt,
        shuffle=True,
    )
    config = {**awd_lstm_lm_config, **_sizes(workload)}
    return language_model_learner(
        _loaders(workload, loader, device), AWD_LSTM, config=config, pretrained=False
    )


def _classifier(workload: Workload, texts: list[Any], device: torch.device) -> Learner:
    loader = SortedDL(
        [(text, torch.tensor(k % 2)) for k, text in enumerate(texts)],
        res=[len(text) for text in texts],
        bs=workload.batch_size,
        shuffle=True,
        before_batch=Pad_Chunk(pad_idx=PADDING, seq_len=workload.bptt),
        num_workers=0,
    )
    learner = text_classifier_learner(
        _loaders(workload, loader, device),
        AWD_LSTM,
        seq_len=workload.bptt,
        config={**awd_lstm_clas_config, **_sizes(workload)},
        pretrained=False,
        n_out=2,
        max_len=workload.max_seq,
        loss_func=CrossEntropyLossFlat(),
    )
    if workload.head_only:
        learner.freeze()
    return learner


def _sizes(workload: Workload) -> dict[str, int]:
    return {
        "emb_sz": workload.embedding,
        "n_hid": workload.hidden,
        "n_layers": workload.layers,
        "pad_token": PADDING,
    }


def _loaders(workload: Workload, loader: Any, device: torch.device) -> DataLoaders:
    loaders = DataLoaders(loader, loader, device=device)
    loaders.vocab = [f"w{k}" for k in range(workload.vocabulary)]
    return loaders
