"""The same weights in our models and in fastai's, an independent implementation (ulmfit.md 9.3).

fastai 2 is batch first, keeps the hidden state inside its modules, and drops recurrent weights by
exchanging an attribute of torch's LSTM. Ours is time first, passes the state, and hands the LSTM
the matrix to use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fastai.callback.rnn import RNNCallback, RNNRegularizer
from fastai.text.data import pad_input_chunk
from fastai.text.models import awdlstm
from fastai.text.models.core import SequentialRNN, get_language_model, get_text_classifier
from torch import Tensor, nn

from ulmfit.config.recipes import Architecture, Classifier, Dropouts
from ulmfit.model.awd_lstm import AWDLSTM
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.dropout import Masks
from ulmfit.model.language_model import LanguageModel

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
SMALL = (37, Architecture(embedding=6, hidden=9, layers=3))
REALISTIC = (500, Architecture(embedding=40, hidden=115, layers=3))
PADDING = 1
"""fastai's padding id; no text of these tests holds it (one test shows why)."""
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}
"""Largest norm of a difference over the norm of fastai's tensor."""


def assert_same(ours: Tensor, theirs: Tensor, what: str) -> None:
    """Same type and shape, and a difference within :data:`TOLERANCE`."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), what
    allowed = TOLERANCE[theirs.dtype] * theirs.norm().item()
    assert (ours - theirs).norm().item() <= allowed, what


def words(vocabulary: int, *shape: int, seed: int = 0) -> Tensor:
    """Random ids without :data:`PADDING`."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, vocabulary, shape, generator=generator)
    return ids.masked_fill(ids == PADDING, 0)


def language_models(
    vocabulary: int,
    architecture: Architecture,
    dropouts: Dropouts = NONE,
    dtype: torch.dtype = torch.float64,
) -> tuple[LanguageModel, SequentialRNN]:
    """Our language model with random weights and fastai's with the same, in evaluation mode."""
    torch.manual_seed(0)
    ours = LanguageModel(vocabulary, architecture, dropouts).to(dtype).eval()
    theirs = get_language_model(
        awdlstm.AWD_LSTM,
        vocabulary,
        {
            **_sizes_and_rates(architecture, dropouts),
            "output_p": dropouts.output,
            "tie_weights": True,
            "out_bias": architecture.decoder_bias,
        },
        drop_mult=dropouts.multiplier,
    )
    if ours.decoder_bias is not None:
        nn.init.normal_(ours.decoder_bias)
    return ours, _with_weights_of(ours, theirs.to(dtype).eval())


BPTT = 5
MAX_LEN = 20
"""Chunk and longest pooled text of small classifiers; fastai's own are 72 and 20 * 72."""


def recipe(**keys: Any) -> Classifier:
    """A small classifier without dropout that pools what fastai pools with :data:`MAX_LEN`.

    fastai keeps a chunk that starts at most ``max_len`` before the end of the text (ulmfit.md 3.7).
    """
    small = {
        "architecture": SMALL[1],
        "dropouts": NONE,
        "head_dropouts": (0.0, 0.0),
        "bptt": BPTT,
        "max_seq": MAX_LEN,
        "chunk_rule": "inclusive",
    }
    return Classifier(**{**small, **keys})


def classifiers(
    recipe: Classifier,
    max_len: int = MAX_LEN,
    vocabulary: int = SMALL[0],
    classes: int = 3,
    dtype: torch.dtype = torch.float64,
) -> tuple[PoolingClassifier, SequentialRNN]:
    """Our classifier with random weights and fastai's with the same, in evaluation mode.

    fastai's linear layers in the head have no bias; ours are 0.
    """
    torch.manual_seed(0)
    ours = PoolingClassifier(vocabulary, classes, recipe).to(dtype).eval()
    theirs = get_text_classifier(
        awdlstm.AWD_LSTM,
        vocabulary,
        classes,
        seq_len=recipe.bptt,
        config={
            **_sizes_and_rates(recipe.architecture, recipe.dropouts),
            "output_p": recipe.head_dropouts[0],
        },
        drop_mult=recipe.dropouts.multiplier,
        lin_ftrs=list(recipe.head_sizes),
        ps=list(recipe.head_dropouts[1:]),
        pad_idx=PADDING,
        max_len=max_len,
    )
    for layer in ours.head:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.BatchNorm1d):
            for values in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    return ours, _with_weights_of(ours, theirs.to(dtype).eval())


def _sizes_and_rates(architecture: Architecture, dropouts: Dropouts) -> dict[str, object]:
    return {
        "emb_sz": architecture.embedding,
        "n_hid": architecture.hidden,
        "n_layers": architecture.layers,
        "pad_token": PADDING,
        "bidir": False,
        "embed_p": dropouts.embedding,
        "input_p": dropouts.input,
        "weight_p": dropouts.weight,
        "hidden_p": dropouts.hidden,
    }


def names(ours: nn.Module, theirs: SequentialRNN) -> dict[str, str]:
    """fastai's name of each of our tensors that it has: parameters, batch-norm statistics."""
    classifier = isinstance(ours, PoolingClassifier)
    encoder = "0.module." if classifier else "0."
    table = {"encoder.embedding": f"{encoder}encoder.weight"}
    for k in range(ours.encoder.architecture.layers):
        lstm = f"{encoder}rnns.{k}."
        table[f"encoder.lstms.{k}.weight_hh"] = f"{lstm}weight_hh_l0_raw"
        for name in ("weight_ih", "bias_ih", "bias_hh"):
            table[f"encoder.lstms.{k}.{name}"] = f"{lstm}module.{name}_l0"
    if not classifier:
        return table if ours.decoder_bias is None else {**table, "decoder_bias": "1.decoder.bias"}
    for kind in (nn.BatchNorm1d, nn.Linear):
        mine = [f"head.{name}" for name, layer in ours.head.named_modules() if type(layer) is kind]
        other = [name for name, layer in theirs.named_modules() if type(layer) is kind]
        for place, twin in zip(mine, other, strict=True):
            tensors = theirs.get_submodule(twin).state_dict()
            table.update({f"{place}.{name}": f"{twin}.{name}" for name in tensors})
    return table


def _with_weights_of(ours: nn.Module, theirs: SequentialRNN) -> SequentialRNN:
    # Initial embeddings are so small that all texts would look alike.
    nn.init.normal_(ours.encoder.embedding)
    mine, other = ours.state_dict(), theirs.state_dict()
    for name, twin in names(ours, theirs).items():
        other[twin].copy_(mine[name])
    theirs.reset()
    return theirs


def weights_from(theirs: SequentialRNN, ours: nn.Module) -> dict[str, Tensor]:
    """The state_dict that ours would have with fastai's weights."""
    state = theirs.state_dict()
    table = names(ours, theirs)
    return {
        name: state[table[name]].clone() if name in table else torch.zeros_like(tensor)
        for name, tensor in ours.state_dict().items()
    }


def parameters(ours: nn.Module, theirs: SequentialRNN) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(our name, our parameter, fastai's) for every parameter of fastai's model."""
    mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    table = {name: twin for name, twin in names(ours, theirs).items() if name in mine}
    assert sorted(table.values()) == sorted(other)
    for name, twin in table.items():
        yield name, mine[name], other[twin]


def assert_same_gradients(ours: nn.Module, theirs: SequentialRNN) -> None:
    """Of every parameter; none of them is 0 everywhere."""
    for name, mine, other in parameters(ours, theirs):
        assert mine.grad is not None, name
        assert mine.grad.norm() > 0, name
        assert_same(mine.grad, other.grad, f"gradient of {name}")


def train_without_weight_drop(theirs: SequentialRNN) -> None:
    """Training mode, but for the wrapper of weight drop.

    At rate 0 its training mode hands the raw parameter itself to the LSTM, which registers it, and
    the next reset raises a TypeError (ulmfit.md 7.11 b, still so in fastai 2.8).
    """
    theirs.train()
    for module in theirs.modules():
        if isinstance(module, awdlstm.WeightDropout):
            module.eval()


def batch(
    lengths: Iterable[int], seed: int = 0, vocabulary: int = SMALL[0], bptt: int = BPTT
) -> tuple[Tensor, Tensor, Tensor]:
    """Documents longest first: (ids padded at the end, time first; lengths; fastai's batch).

    fastai's is padded by its own function: whole chunks in front, the rest at the end.
    """
    sizes = sorted(lengths, reverse=True)
    documents = [words(vocabulary, n, seed=1000 * seed + k) for k, n in enumerate(sizes)]
    padded = pad_input_chunk([(document,) for document in documents], pad_idx=1, seq_len=bptt)
    ids = nn.utils.rnn.pad_sequence(documents, padding_value=PADDING)
    return ids, torch.tensor(sizes), torch.stack([row for (row,) in padded])


def regularised(prediction, loss: Tensor, alpha: float, beta: float) -> Tensor:
    """``loss`` after fastai's callbacks added AR and TAR to it, on the output of its model."""
    learner = SimpleNamespace(pred=prediction, loss_grad=loss, training=True, rnn=RNNCallback())
    learner.rnn.learn = learner
    learner.rnn.after_pred()
    regularizer = RNNRegularizer(alpha, beta)
    regularizer.learn = learner
    regularizer.after_loss()
    return learner.loss_grad


class SharedMasks:
    """Records what our encoder draws, and makes fastai use it instead of drawing.

    fastai asks for masks by shape: (words, 1) for the embedding, (batch, 1, width) for locked
    dropout, and that of the recurrent matrix; a shape or a rate that is not ours fails the test.
    Every rate but that of the output must be above 0: fastai asks for nothing otherwise.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, encoder: AWDLSTM) -> None:
        self._encoder = encoder
        self._draw = encoder.draw_masks
        self._locked: list[list[tuple[Tensor, float]]] = []
        self.recurrent: list[list[Tensor]] = []
        self.asked = {"locked": 0, "recurrent": 0}
        monkeypatch.setattr(encoder, "draw_masks", self._recorded)
        self._patch = monkeypatch

    def _recorded(self, sequences: int) -> Masks:
        masks = self._draw(sequences)
        rate = self._encoder.dropouts
        drawn = [
            (masks.rows, rate.embedding),
            (masks.input, rate.input),
            *((mask, rate.hidden) for mask in masks.hidden),
            (masks.output, rate.output),
        ]
        self._locked.append([(mask, p) for mask, p in drawn if mask is not None])
        self.recurrent.append(
            [
                (dropped / lstm.weight_hh).detach()
                for dropped, lstm in zip(masks.weight_hh, self._encoder.lstms, strict=True)
            ]
        )
        return masks

    def serve(self, chunks: int = 1) -> None:
        """From now on fastai gets the masks drawn so far, each draw for ``chunks`` passes."""
        locked = iter([mask for draw in self._locked for _ in range(chunks) for mask in draw])
        recurrent = iter([mask for draw in self.recurrent for _ in range(chunks) for mask in draw])

        def dropout_mask(x: Tensor, sz: tuple[int, ...], p: float) -> Tensor:
            mask, rate = next(locked)
            served = mask[: sz[0]].unsqueeze(1)
            assert (tuple(sz), p, x.dtype) == (tuple(served.shape), rate, served.dtype)
            self.asked["locked"] += 1
            return served

        def dropout(raw: Tensor, p: float) -> Tensor:
            mask = next(recurrent)
            assert (raw.shape, p) == (mask.shape, self._encoder.dropouts.weight)
            self.asked["recurrent"] += 1
            return raw * mask

        self._patch.setattr(awdlstm, "dropout_mask", dropout_mask)
        # WeightDropout calls torch's function; heads of these tests drop nothing.
        self._patch.setattr(nn.functional, "dropout", dropout)
