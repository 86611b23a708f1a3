"""The encoder, against torch's own LSTM and the pitfalls of weight drop (ulmfit.md 7.11)."""

import copy
import pickle

import pytest
import torch

from torch_lstm import TorchEncoder, assert_equal_gradients
from ulmfit.config.recipes import Architecture, Classifier, Dropouts
from ulmfit.model.awd_lstm import AWDLSTM, LSTMLayer, detach
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.groups import classifier_groups, freeze_all_but, language_model_groups
from ulmfit.model.language_model import LanguageModel

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
WEIGHT_ONLY = Dropouts(embedding=0, input=0, weight=0.5, hidden=0, output=0)
SIZES = Architecture(embedding=8, hidden=12, layers=3)


def encoder(dropouts: Dropouts = NONE, vocabulary: int = 40) -> AWDLSTM:
    torch.manual_seed(0)
    return AWDLSTM(vocabulary, SIZES, dropouts)


def run(model: AWDLSTM, ids: torch.Tensor) -> torch.Tensor:
    return model(ids, model.initial_state(ids.shape[1]), model.draw_masks(ids.shape[1]))[0]


@pytest.mark.parametrize(("hidden", "count"), [(1150, 20_211_600), (1152, 20_273_280)])
def test_parameter_counts_of_the_published_lstms(hidden, count):
    lstms = AWDLSTM(3, Architecture(hidden=hidden), NONE).lstms
    assert sum(p.numel() for p in lstms.parameters()) == count


def test_parameter_count_of_the_papers_language_model():
    model = LanguageModel(60_002, Architecture(), Dropouts())
    assert sum(p.numel() for p in model.parameters()) == 44_212_400


def test_encoder_equals_stacked_torch_lstms_in_outputs_and_gradients():
    model = encoder()
    reference = TorchEncoder(model)
    ids = torch.randint(0, 40, (11, 5))
    outputs, (expected, _) = run(model, ids), reference(ids)
    torch.testing.assert_close(outputs, expected, rtol=1e-5, atol=1e-6)
    outputs.square().sum().backward()
    expected.square().sum().backward()
    assert_equal_gradients(model, reference, 1e-5)


def test_initial_values_have_the_stated_ranges():
    model = encoder(vocabulary=500)
    assert model.embedding.abs().max() <= 0.1
    assert model.embedding.abs().max() > 0.09
    for lstm in model.lstms:
        for parameter in lstm.parameters():
            assert parameter.abs().max() <= lstm.hidden_size**-0.5


def test_state_carries_on_where_the_last_chunk_ended():
    model = encoder().eval()
    ids = torch.randint(0, 40, (10, 3))
    masks = model.draw_masks(3)
    first, _, state = model(ids[:6], model.initial_state(3), masks)
    second, _, _ = model(ids[6:], detach(state), masks)
    torch.testing.assert_close(torch.cat([first, second]), run(model, ids))


@pytest.mark.parametrize(
    ("inputs", "state", "weight"),
    [((4, 3, 7), (3, 6), (24, 6)), ((4, 3, 5), (2, 6), (24, 6)), ((4, 3, 5), (3, 6), (24, 5))],
)
def test_wrong_shapes_are_refused_before_they_reach_the_kernel(inputs, state, weight):
    lstm = LSTMLayer(5, 6)
    with pytest.raises(ValueError, match="do not fit"):
        lstm(torch.zeros(inputs), (torch.zeros(state), torch.zeros(state)), torch.zeros(weight))


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
@pytest.mark.parametrize("training", [True, False])
def test_the_lstm_runs_in_onednn_with_and_without_gradients(training):
    model = encoder(WEIGHT_ONLY).train(training)
    ids = torch.randint(0, 40, (6, 4))
    with torch.autograd.profiler.profile() as profile, torch.set_grad_enabled(training):
        run(model, ids)
    names = [event.key for event in profile.key_averages()]
    assert "aten::mkldnn_rnn_layer" in names


def test_weight_drop_sends_gradient_to_the_recurrent_parameter():
    model = encoder(WEIGHT_ONLY)
    masks = model.draw_masks(4)
    model(torch.randint(0, 40, (6, 4)), model.initial_state(4), masks)[0].sum().backward()
    for lstm, dropped in zip(model.lstms, masks.weight_hh, strict=True):
        assert lstm.weight_hh.grad is not None
        assert (lstm.weight_hh.grad[dropped == 0] == 0).all()
        assert (lstm.weight_hh.grad[dropped != 0] != 0).any()


def test_gradients_through_weight_drop_agree_with_finite_differences():
    torch.manual_seed(0)
    model = AWDLSTM(7, Architecture(embedding=3, hidden=4, layers=2), WEIGHT_ONLY).double()
    ids = torch.randint(0, 7, (4, 2))

    def outputs(*_parameters: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)  # the same draw for every difference
        return run(model, ids)

    # gradcheck moves the parameters where they lie, and the model sees it.
    assert torch.autograd.gradcheck(outputs, tuple(model.parameters()))


def test_weight_drop_acts_from_the_second_step_on():
    model = encoder(WEIGHT_ONLY)
    ids = torch.randint(0, 40, (6, 4))
    first, second = run(model, ids), run(model, ids)
    assert torch.equal(first[0], second[0])
    assert not torch.allclose(first[1], second[1])


def test_weight_drop_leaves_parameters_and_state_dict_alone():
    model = encoder(WEIGHT_ONLY)
    before = copy.deepcopy(model.state_dict())
    run(model, torch.randint(0, 40, (6, 4))).sum().backward()
    after = model.state_dict()
    assert list(after) == list(before)
    assert len(after) == 1 + 4 * 3
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_that_has_run_can_be_copied_and_pickled():
    model = encoder(WEIGHT_ONLY)
    ids = torch.randint(0, 40, (6, 4))
    run(model, ids).sum().backward()
    expected = run(model.eval(), ids)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(run(twin, ids), expected)


def test_freezing_after_a_forward_pass_works_and_thawing_trains_again():
    model = encoder(WEIGHT_ONLY)
    ids = torch.randint(0, 40, (6, 4))
    run(model, ids)
    model.requires_grad_(False)
    assert not run(model, ids).requires_grad
    model.requires_grad_(True)
    run(model, ids).sum().backward()
    assert model.lstms[0].weight_hh.grad is not None


@pytest.mark.parametrize(("lowest", "built"), [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0)])
def test_no_graph_is_built_below_the_lowest_trainable_group(lowest, built):
    recipe = Classifier(architecture=SIZES)
    model = PoolingClassifier(40, 2, recipe)
    groups = classifier_groups(model)
    freeze_all_but(groups, list(groups)[lowest:])
    needs = []
    for lstm in model.encoder.lstms:
        lstm.register_forward_hook(lambda _m, _i, output: needs.append(output[0].requires_grad))
    model.loss(
        torch.randint(0, 40, (6, 4)),
        torch.tensor([6, 6, 5, 4]),
        torch.tensor([0, 1, 0, 1]),
        2.0,
        1.0,
    )[0].backward()
    assert needs == [k >= 3 - min(built, 3) for k in range(3)]
    trained = {name for name, group in groups.items() if any(p.grad is not None for p in group)}
    assert trained == set(list(groups)[lowest:])


def test_frozen_layers_keep_their_dropout():
    model = PoolingClassifier(40, 2, Classifier(architecture=SIZES))
    groups = classifier_groups(model)
    freeze_all_but(groups, ["head"])
    model.train()
    ids, lengths = torch.randint(0, 40, (6, 4)), torch.tensor([6, 6, 5, 4])
    assert not torch.equal(model.pool(ids, lengths).features, model.pool(ids, lengths).features)


def test_groups_hold_every_parameter_once_and_the_embedding_where_it_belongs():
    lm = LanguageModel(40, Architecture(8, 12, 3, decoder_bias=True), NONE)
    classifier = PoolingClassifier(40, 2, Classifier(architecture=SIZES))
    for model, groups in (
        (lm, language_model_groups(lm)),
        (classifier, classifier_groups(classifier)),
    ):
        grouped = [id(p) for group in groups.values() for p in group]
        assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert list(language_model_groups(lm)) == ["lstm0", "lstm1", "lstm2", "decoder"]
    assert language_model_groups(lm)["decoder"][0] is lm.encoder.embedding
    assert list(classifier_groups(classifier)) == ["embedding", "lstm0", "lstm1", "lstm2", "head"]
