"""Tied weights and regularisation of the language model."""

import pytest
import torch

from ulmfit.config.recipes import Architecture, Dropouts
from ulmfit.model.groups import language_model_groups
from ulmfit.model.language_model import LanguageModel

SIZES = Architecture(embedding=6, hidden=9, layers=2)
OUTPUT_ONLY = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0.5)


def language_model(**changes):
    torch.manual_seed(0)
    return LanguageModel(20, SIZES, OUTPUT_ONLY, **changes)


def test_the_decoder_is_the_embedding_itself():
    model = language_model()
    matrices = [name for name, tensor in model.state_dict().items() if len(tensor) == 20]
    assert matrices == ["encoder.embedding"]
    (decoder,) = language_model_groups(model)["decoder"]
    assert decoder.data_ptr() == model.encoder.embedding.data_ptr()


def test_a_row_moves_the_word_as_input_and_as_output():
    model = language_model().eval()
    ids, targets = torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.int64)
    state = model.encoder.initial_state(1)
    losses = [model.evaluate(ids, targets, state)[0]]
    for row in (0, 1):
        with torch.no_grad():
            model.encoder.embedding[row] += 1
        losses.append(model.evaluate(ids, targets, state)[0])
    assert losses[0] != losses[1] != losses[2]


@pytest.mark.parametrize("ar_on", ["dropped", "raw"])
def test_activation_regularisation_acts_on_the_output_that_is_named(ar_on):
    model = language_model(ar_on=ar_on)
    ids, targets = torch.randint(0, 20, (2, 7, 3))
    state = model.encoder.initial_state(3)
    torch.manual_seed(5)
    loss, cross_entropy, _ = model.loss(ids, targets, state, ar=2.0, tar=3.0)
    torch.manual_seed(5)
    raw, dropped, _ = model.encoder(ids, state, model.encoder.draw_masks(3))
    assert not torch.equal(raw, dropped)
    activation = {"raw": raw, "dropped": dropped}[ar_on].square().mean()
    temporal = (raw[1:] - raw[:-1]).square().mean()
    torch.testing.assert_close(loss - cross_entropy, 2 * activation + 3 * temporal)


def test_no_regularisation_of_a_single_step_in_time():
    model = language_model()
    ids, targets = torch.randint(0, 20, (2, 1, 3))
    loss, cross_entropy, _ = model.loss(ids, targets, model.encoder.initial_state(3), 0.0, 1.0)
    assert torch.equal(loss.detach(), cross_entropy)
