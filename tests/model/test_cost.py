"""Parameters and FLOPs against what torch counts on models of small size."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ulmfit.config.recipes import Architecture, Classifier, Freezing
from ulmfit.config.recipes import LanguageModel as Recipe
from ulmfit.model import cost
from ulmfit.model.classifier import PoolingClassifier
from ulmfit.model.groups import classifier_groups, freeze_all_but, language_model_groups
from ulmfit.model.language_model import LanguageModel
from ulmfit.model.sampled_softmax import Sampler

# Said by the switch of oneDNN, of GPUs.
pytestmark = pytest.mark.filterwarnings("ignore:TF32")

SIZES = Architecture(embedding=6, hidden=10, layers=3)
VOCABULARY, CLASSES = 40, 4
TIME, BATCH = 8, 5
TOKENS = TIME * BATCH
LM_GROUPS = ("lstm0", "lstm1", "lstm2", "decoder")
CLASSIFIER_GROUPS = ("embedding", "lstm0", "lstm1", "lstm2", "head")


def in_place_flops(_, a_shape, b_shape, **__):
    """FLOPs of `addmm_`, which torch's counter does not know."""
    return 2 * a_shape[0] * a_shape[1] * b_shape[1]


def counted(work):
    """FLOPs of matrix products in ``work``, its backward pass included.

    The fused LSTM of oneDNN is one operator to torch's counter, so it is switched off.
    """
    known = {torch.ops.aten.addmm_: in_place_flops}
    counter = FlopCounterMode(display=False, custom_mapping=known)
    with torch.backends.mkldnn.flags(enabled=False), counter:
        work()
    return counter.get_total_flops()


def first_state(trained):
    """What the formulas count and torch leaves out: the gradient of the state before an update."""
    below = any(group in trained for group in cost.EMBEDDING_GROUPS)
    flops = 0
    for k, (_, out) in enumerate(SIZES.lstm_sizes):
        below = below or f"lstm{k}" in trained
        flops += 8 * out * out * BATCH if below else 0
    return flops


def ids():
    return torch.randint(0, VOCABULARY, (TIME, BATCH))


def language_model(recipe):
    torch.manual_seed(0)
    sampler = None
    if recipe.softmax == "sampled":
        sampler = Sampler(torch.ones(VOCABULARY), recipe.negatives)
    return LanguageModel(VOCABULARY, recipe.architecture, recipe.dropouts, sampler)


@pytest.mark.parametrize("softmax", ["exact", "sampled"])
@pytest.mark.parametrize("trained", [LM_GROUPS, LM_GROUPS[1:3], LM_GROUPS[3:]])
def test_a_language_models_update_costs_what_torch_counts(softmax, trained):
    recipe = Recipe(architecture=SIZES, softmax=softmax, negatives=9)
    model = language_model(recipe)
    freeze_all_but(language_model_groups(model), trained)

    def update():
        state = model.encoder.initial_state(BATCH)
        model.loss(ids(), ids(), state, ar=2.0, tar=1.0)[0].backward()

    expected = TOKENS * cost.language_model_update(recipe, VOCABULARY, trained)
    assert counted(update) == expected - first_state(trained)


def test_a_language_models_evaluation_costs_what_torch_counts():
    recipe = Recipe(architecture=SIZES)
    model = language_model(recipe).eval()
    flops = counted(lambda: model.evaluate(ids(), ids(), model.encoder.initial_state(BATCH)))
    assert flops == TOKENS * cost.language_model_evaluation(recipe, VOCABULARY)


@pytest.mark.parametrize(
    "trained",
    [CLASSIFIER_GROUPS, CLASSIFIER_GROUPS[4:], CLASSIFIER_GROUPS[2:], CLASSIFIER_GROUPS[1:2]],
)
def test_a_classifiers_update_costs_what_torch_counts(trained):
    recipe = Classifier(architecture=SIZES, head_sizes=(7,), bptt=TIME)
    model = PoolingClassifier(VOCABULARY, CLASSES, recipe)
    freeze_all_but(classifier_groups(model), trained)
    lengths, labels = torch.full((BATCH,), TIME), torch.zeros(BATCH, dtype=torch.int64)

    def update():
        model.loss(ids(), lengths, labels, ar=2.0, tar=1.0)[0].backward()

    token = cost.encoder_forward(SIZES) + cost.encoder_backward(SIZES, trained)
    expected = TOKENS * token + BATCH * cost.head_update(recipe, CLASSES, trained)
    assert counted(update) == expected - first_state(trained)


def test_chunks_that_are_not_kept_cost_their_forward_pass():
    recipe = Classifier(architecture=SIZES, head_sizes=(7,), bptt=TIME, max_seq=TIME)
    model = PoolingClassifier(VOCABULARY, CLASSES, recipe)
    lengths, labels = torch.full((BATCH,), 3 * TIME), torch.zeros(BATCH, dtype=torch.int64)
    longer = torch.randint(0, VOCABULARY, (3 * TIME, BATCH))
    flops = counted(lambda: model.loss(longer, lengths, labels, ar=0.0, tar=0.0)[0].backward())
    backward = cost.encoder_backward(SIZES, CLASSIFIER_GROUPS)
    expected = TOKENS * (3 * cost.encoder_forward(SIZES) + backward)
    expected += BATCH * cost.head_update(recipe, CLASSES, CLASSIFIER_GROUPS)
    assert flops == expected - first_state(CLASSIFIER_GROUPS)


@pytest.mark.parametrize("bias", [False, True])
def test_parameters_are_those_of_the_models(bias):
    sizes = Architecture(embedding=6, hidden=10, layers=3, decoder_bias=bias)
    recipe = Recipe(architecture=sizes)
    model = language_model(recipe)
    assert cost.language_model_parameters(recipe, VOCABULARY) == _parameters(model)
    for pooling in ("concat", "mean"):
        recipe = Classifier(architecture=sizes, pooling=pooling)
        model = PoolingClassifier(VOCABULARY, CLASSES, recipe)
        assert cost.classifier_parameters(recipe, VOCABULARY, CLASSES) == _parameters(model)


def test_the_model_of_the_paper_costs_193_megaflops_a_token():
    """Of 30,000 words: 20.19 and 12 million products, forward and twice backward."""
    recipe = Recipe()
    assert cost.language_model_update(recipe, 30_000, LM_GROUPS) == 6 * (20_190_000 + 12_000_000)


def test_a_training_is_its_epochs_and_its_validations():
    text = cost.Text(tokens=1000, documents=20, select_tokens=100, select_documents=2)
    recipe = Recipe(architecture=SIZES, epochs=3)
    update = cost.language_model_update(recipe, VOCABULARY, LM_GROUPS)
    evaluation = cost.language_model_evaluation(recipe, VOCABULARY)
    expected = 3 * 1000 * update + 4 * 100 * evaluation
    assert cost.language_model_training(recipe, VOCABULARY, text) == expected


def test_epochs_are_multiplied_until_there_are_enough_updates():
    text = cost.Text(tokens=70 * 64 + 1, documents=64, select_tokens=0, select_documents=0)
    once, twice = (Recipe(architecture=SIZES, epochs=3, min_steps=n) for n in (3, 4))
    flops = cost.language_model_training(once, VOCABULARY, text)
    assert cost.language_model_training(twice, VOCABULARY, text) == 2 * flops


def test_unfreezing_costs_less_than_training_all_groups():
    text = cost.Text(tokens=1000, documents=20, select_tokens=0, select_documents=0)
    all_at_once = Classifier(architecture=SIZES, freezing=Freezing(plan="none"), epochs=5)
    gradual = Classifier(architecture=SIZES, epochs=5)
    groups = CLASSIFIER_GROUPS
    saved = sum(
        1000 * (cost.encoder_backward(SIZES, groups) - cost.encoder_backward(SIZES, groups[low:]))
        for low in (4, 3, 2, 1)
    )
    difference = cost.classifier_training(all_at_once, CLASSES, text) - cost.classifier_training(
        gradual, CLASSES, text
    )
    assert difference == saved > 0


def _parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("plan", ["none", "gradual", "last", "chain-thaw"])
def test_trained_parameters_are_those_that_some_stage_trains(plan):
    recipe = Classifier(architecture=SIZES, head_sizes=(7,), freezing=Freezing(plan=plan))
    model = PoolingClassifier(VOCABULARY, CLASSES, recipe)
    groups = classifier_groups(model)
    trained = ["head"] if plan == "last" else list(groups)
    expected = sum(parameter.numel() for name in trained for parameter in groups[name])
    assert cost.classifier_parameters_trained(recipe, VOCABULARY, CLASSES) == expected
