"""Masks of the five dropouts."""

import pytest
import torch

from ulmfit.config.recipes import Architecture, Dropouts
from ulmfit.errors import UserError
from ulmfit.model.awd_lstm import AWDLSTM
from ulmfit.model.dropout import keep_mask

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)


def encoder(**rates: float) -> AWDLSTM:
    torch.manual_seed(0)
    return AWDLSTM(40, Architecture(8, 12, 3), Dropouts(**{**vars(NONE), **rates}))


@pytest.mark.parametrize("p", [0.02, 0.25, 0.5, 0.9])
def test_masks_drop_the_stated_share_and_keep_the_mean(p):
    torch.manual_seed(1)
    mask = keep_mask((1000, 201), p, torch.empty(0))
    assert mask is not None
    kept = mask[mask > 0]
    assert (mask == 0).double().mean().item() == pytest.approx(p, abs=0.005)
    assert kept.min() == kept.max()
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=1e-4)


def test_a_masks_values_are_independent_of_their_place_in_the_random_words():
    torch.manual_seed(1)
    mask = keep_mask((50_000, 4), 0.5, torch.empty(0))
    assert mask is not None
    dropped = (mask == 0).double()
    assert dropped.mean(0).tolist() == pytest.approx([0.5] * 4, abs=0.01)
    correlations = torch.corrcoef(dropped.T) - torch.eye(4, dtype=torch.double)
    assert correlations.abs().max() < 0.02


def test_dropping_nothing_needs_no_mask():
    assert keep_mask((3, 4), 0.0, torch.empty(0)) is None


def test_a_multiplier_that_would_drop_everything_is_refused_by_key():
    with pytest.raises(UserError, match=r"dropouts\.weight times dropouts\.multiplier is 1"):
        encoder(weight=0.5, input=0.1, multiplier=2.0)


def test_embedding_dropout_drops_every_place_of_a_word_and_scales_the_others():
    model = encoder(embedding=0.5)
    masks = model.draw_masks(6)
    assert masks.rows is not None
    ids = torch.randint(0, 40, (30, 6))
    embedded = model.embed(ids, masks)
    plain = model.embedding[ids]
    for word in ids.unique():
        factors = {round(f, 4) for f in (embedded / plain)[ids == word].flatten().tolist()}
        assert factors in ({0.0}, {2.0})


def test_locked_dropout_is_the_same_at_all_time_steps_and_differs_between_sequences():
    model = encoder(input=0.5)
    masks = model.draw_masks(6)
    embedded = model.embed(torch.full((30, 6), 7), masks)
    assert torch.equal(embedded, embedded[:1].expand_as(embedded))
    assert not torch.equal(embedded[0, 0], embedded[0, 1])


def test_output_dropout_leaves_the_raw_output_alone():
    model = encoder(output=0.5)
    masks = model.draw_masks(3)
    raw, dropped, _ = model(torch.randint(0, 40, (5, 3)), model.initial_state(3), masks)
    assert masks.output is not None
    torch.testing.assert_close(dropped, raw * masks.output)
    assert (raw != 0).all()


def test_evaluation_mode_drops_nothing():
    model = encoder(embedding=0.5, input=0.5, weight=0.5, hidden=0.5, output=0.5).eval()
    plain = encoder().eval()
    plain.load_state_dict(model.state_dict())
    ids = torch.randint(0, 40, (9, 3))
    for ours, theirs in zip(
        model(ids, model.initial_state(3), model.draw_masks(3))[:2],
        plain(ids, plain.initial_state(3), plain.draw_masks(3))[:2],
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_the_multiplier_scales_all_five():
    model = encoder(embedding=0.5, input=0.5, weight=0.5, hidden=0.5, output=0.5, multiplier=0.0)
    masks = model.draw_masks(4)
    assert (masks.rows, masks.input, masks.hidden, masks.output) == (None, None, (None, None), None)
    assert all(
        drawn is lstm.weight_hh for drawn, lstm in zip(masks.weight_hh, model.lstms, strict=True)
    )
