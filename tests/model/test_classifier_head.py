"""The classifier's head and its losses, against torch and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from ulmfit.config.recipes import Architecture, Classifier, Dropouts
from ulmfit.errors import UserError
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.train.losses import balanced

NONE = Dropouts(embedding=0, input=0, weight=0, hidden=0, output=0)
SIZES = Architecture(embedding=6, hidden=9, layers=2)


def classifier(classes=3, **changes):
    torch.manual_seed(0)
    recipe = Classifier(**{"architecture": SIZES, "dropouts": NONE, "bptt": 10, **changes})
    return PoolingClassifier(50, classes, recipe)


def batch():
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 50, (31, 5), generator=generator)
    return ids, torch.tensor([31, 22, 20, 9, 1]), torch.tensor([0, 2, 1, 0, 0])


@pytest.mark.parametrize(("pooling", "parameters"), [("concat", 62_652), ("max", 21_052)])
def test_the_head_of_the_paper_has_the_stated_parameters(pooling, parameters):
    head = PoolingClassifier(3, 2, Classifier(pooling=pooling)).head
    assert sum(p.numel() for p in head.parameters()) == parameters


def test_the_head_is_blocks_of_batch_norm_dropout_and_linear_layer_with_relu_between():
    dropouts = Dropouts(multiplier=0.5)
    model = classifier(dropouts=dropouts, head_sizes=(8, 5), head_dropouts=(0.4, 0.2, 0.1))
    block = [nn.BatchNorm1d, nn.Dropout, nn.Linear]
    assert [type(layer) for layer in model.head] == [*block, nn.ReLU, *block, nn.ReLU, *block]
    linear = [layer for layer in model.head if isinstance(layer, nn.Linear)]
    sizes = [(layer.in_features, layer.out_features) for layer in linear]
    assert sizes == [(18, 8), (8, 5), (5, 3)]
    norms = [layer for layer in model.head if isinstance(layer, nn.BatchNorm1d)]
    assert [layer.num_features for layer in norms] == [18, 8, 5]
    dropped = [layer.p for layer in model.head if isinstance(layer, nn.Dropout)]
    assert dropped == [0.2, 0.1, 0.1]  # the multiplier spares the last


def test_a_head_without_hidden_layer_is_one_linear_layer():
    model = classifier(head_sizes=(), head_dropouts=(0.3,), dropouts=Dropouts(multiplier=0.5))
    assert [type(layer) for layer in model.head] == [nn.BatchNorm1d, nn.Dropout, nn.Linear]
    assert model.head[1].p == 0.3


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"head_sizes": (50, 20)}, r"2 head_sizes need 3 dropouts, not \[0.4, 0.1\]"),
        ({"head_dropouts": (0.1,)}, "1 head_sizes need 2 dropouts"),
        ({"head_sizes": (0,)}, r"head_sizes: sizes must be at least 1, not \[0\]"),
        ({"head_dropouts": (0.1, 1.0)}, "head_dropouts: dropouts must be .* less than 1"),
        ({"head_dropouts": (-0.1, 0.1)}, "head_dropouts: dropouts must be at least 0"),
    ],
)
def test_lists_that_make_no_head_are_refused(head, message):
    with pytest.raises(UserError, match=message):
        Classifier(**head)


def test_a_multiplier_that_would_drop_all_features_is_refused_by_key():
    with pytest.raises(UserError, match=r"head_dropouts times dropouts\.multiplier is 1:"):
        classifier(head_dropouts=(0.5, 0.1), dropouts=Dropouts(0, 0, 0, 0, 0, multiplier=2.0))


def test_one_pooling_is_a_part_of_the_concatenated_one():
    ids, lengths, _ = batch()
    whole = classifier().pool(ids, lengths).features
    for k, pooling in enumerate(("last", "max", "mean")):
        part = classifier(pooling=pooling)
        assert part.width == 6
        assert torch.equal(part.pool(ids, lengths).features, whole[:, 6 * k : 6 * (k + 1)])
        assert part.eval()(ids, lengths).shape == (5, 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 3.0]])
def test_the_minimised_loss_is_torchs_and_the_reported_one_is_plain(smoothing, weights):
    ids, lengths, labels = batch()
    weights = None if weights is None else torch.tensor(weights)
    model = classifier().eval()
    loss, reported, logits = model.loss(ids, lengths, labels, 0.0, 0.0, smoothing, weights)
    expected = nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing)(logits, labels)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(reported, nn.CrossEntropyLoss()(logits, labels))


def test_label_smoothing_spreads_its_share_over_all_classes_the_right_one_included():
    ids, lengths, labels = batch()
    loss, _, logits = classifier().eval().loss(ids, lengths, labels, 0.0, 0.0, 0.3)
    target = 0.7 * nn.functional.one_hot(labels, 3) + 0.3 / 3
    torch.testing.assert_close(loss, -(target * logits.log_softmax(1)).sum(1).mean())


def test_regularisation_adds_to_the_smoothed_loss():
    ids, lengths, labels = batch()
    model = classifier().eval()
    pooled = model.pool(ids, lengths)
    plain = model.loss(ids, lengths, labels, 0.0, 0.0, 0.1)[0]
    both = model.loss(ids, lengths, labels, 2.0, 3.0, 0.1)[0]
    torch.testing.assert_close(both - plain, 2 * pooled.activation + 3 * pooled.temporal)


@pytest.mark.parametrize("counts", [(5, 5), (90, 10), (1, 7, 400)])
def test_balanced_weights_are_those_of_scikit_learn(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    ours = balanced(torch.from_numpy(labels), len(counts))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-6)
