"""Pretraining and fine-tuning of language models."""

import csv
import hashlib
import json
import math
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from planted import SIZES, language_model_recipe, planted_store

from ulmfit.config.recipes import Architecture, Dropouts, Freezing, Optimizer, Schedule
from ulmfit.config.recipes import LanguageModel as Recipe
from ulmfit.errors import UserError
from ulmfit.model.language_model import LanguageModel
from ulmfit.model.vocabulary_transfer import transfer
from ulmfit.store.tokens import TokenStore, write_tokens
from ulmfit.store.weights import load_weights
from ulmfit.train import language_model as stage_module
from ulmfit.train import weights
from ulmfit.train.language_model import epoch_windows, evaluate, train_language_model
from ulmfit.train.optimizer import GroupOptimizer
from ulmfit.train.sampling import unigram_counts

CONSTANT = Schedule(kind="constant")


def train(tokens, folder, initial=None, direction="fwd", stage="pretrain", n_text="all", **changes):
    train_language_model(
        language_model_recipe(**changes),
        tokens,
        initial,
        direction,
        seed=0,
        output=folder / "model.safetensors",
        history=folder / "history.csv",
        stage=stage,
        n_text=n_text,
        device="cpu",
    )
    return folder / "model.safetensors"


def rows(folder):
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def with_vocabulary(store: TokenStore, words: tuple[str, ...]) -> TokenStore:
    return TokenStore(**{**vars(store), "vocabulary": words})


def test_history_starts_before_training_and_perplexity_falls(tokens, tmp_path):
    train(tokens, tmp_path / "lm", epochs=3)
    history = rows(tmp_path / "lm")
    assert [row["epoch"] for row in history] == ["0", "1", "2", "3"]
    assert history[0]["train_loss"] == ""
    perplexity = [float(row["valid_perplexity"]) for row in history]
    assert perplexity[0] == pytest.approx(40, rel=0.02)  # uniform over 40 words
    assert perplexity[-1] < 0.97 * perplexity[0]
    for row in history:
        assert math.exp(float(row["valid_loss"])) == pytest.approx(
            float(row["valid_perplexity"]), rel=1e-4
        )


def test_card_says_what_was_done(tokens, tmp_path):
    path = train(tokens, tmp_path / "lm")
    child = train(tokens, tmp_path / "ft", initial=path, stage="finetune")
    card = json.loads((tmp_path / "ft" / "card.json").read_text())
    parent = json.loads((tmp_path / "lm" / "card.json").read_text())
    assert card["stage"] == "finetune"
    assert card["parents"] == [{"path": str(path), "weights_sha256": parent["weights_sha256"]}]
    assert card["vocabulary_known_to_parent"] == card["vocabulary_size"] == 40
    assert (card["epochs"], card["direction"], card["seed"]) == (2, "fwd", 0)
    assert card["recipe"]["architecture"]["hidden"] == SIZES.hidden
    assert card["matmul"]["gemm_error"] < 1e-4
    assert card["parameters"] == sum(t.numel() for t in load_weights(child)[0].values())
    assert parent["parents"] == []


def test_fine_tuning_starts_where_the_parent_ended(tokens, tmp_path):
    path = train(tokens, tmp_path / "lm")
    train(tokens, tmp_path / "ft", initial=path, stage="finetune")
    before, after = rows(tmp_path / "ft")[0], rows(tmp_path / "lm")[-1]
    assert before["valid_loss"] == after["valid_loss"]


def test_vocabulary_transfer_moves_rows_by_word_and_copies_the_lstms(tokens, tmp_path):
    path = train(tokens, tmp_path / "lm")
    parent = weights.load(path, "fwd")
    words = ("xxunk", "xxpad", "new", *(f"w{i}" for i in reversed(range(3, 40))))
    model = LanguageModel(40, SIZES, Dropouts())
    assert weights.start_from(model, parent, words) == 39
    expected, _ = transfer(parent.tensors["encoder.embedding"], parent.vocabulary, words)
    assert torch.equal(model.encoder.embedding, expected)
    assert torch.equal(expected[3], parent.tensors["encoder.embedding"][39])
    for name, tensor in parent.tensors.items():
        if name != "encoder.embedding":
            assert torch.equal(model.state_dict()[name], tensor)


def test_the_vocabulary_is_stored_beside_the_weights(tokens, tmp_path):
    path = train(tokens, tmp_path / "lm")
    assert path.with_name("vocabulary.txt").read_bytes() == (tokens / "vocabulary.txt").read_bytes()


def test_training_sees_every_token_of_the_text_but_one_ragged_step(tokens, tmp_path):
    train(tokens, tmp_path / "lm", epochs=1)
    card = json.loads((tmp_path / "lm" / "card.json").read_text())
    size = card["training_tokens"]
    assert size == planted_store().lengths[:200].sum()
    assert card["updates"] == math.ceil((size - 1) // 8 / 20)


def test_min_steps_multiplies_epochs(tokens, tmp_path):
    train(tokens, tmp_path / "lm", epochs=1, min_steps=40)
    card = json.loads((tmp_path / "lm" / "card.json").read_text())
    assert card["epochs"] == math.ceil(40 / (card["updates"] / card["epochs"]))
    assert card["updates"] >= 40


@pytest.mark.parametrize("n_text", [1, 2, 5])
def test_tiny_texts_train_with_fewer_streams(tokens, tmp_path, n_text):
    train(tokens, tmp_path / "lm", n_text=n_text, epochs=1, batch_size=64)
    assert len(rows(tmp_path / "lm")) == 2


def test_evaluation_weighs_every_token_alike_whatever_the_cut():
    torch.manual_seed(0)
    model = LanguageModel(40, SIZES, Dropouts())
    text = np.random.default_rng(0).integers(0, 40, 31).astype(np.int32)
    ids = torch.from_numpy(text.astype(np.int64)).unsqueeze(1)
    model.eval()
    encoder = model.encoder
    outputs = encoder(ids[:-1], encoder.initial_state(1), encoder.draw_masks(1))[0][:, 0]
    expected = F.cross_entropy(outputs @ encoder.embedding.T, ids[1:, 0]).item()
    for bptt in (30, 31, 70):  # one stream, so that no state is cut
        assert evaluate(model, text, bptt)["valid_loss"] == pytest.approx(expected, rel=1e-5)


def test_evaluation_is_repeatable_and_leaves_the_weights_alone():
    torch.manual_seed(0)
    model = LanguageModel(40, SIZES, Dropouts())
    text = np.random.default_rng(0).integers(0, 40, 999).astype(np.int32)
    assert evaluate(model, text, 20) == evaluate(model, text, 20)


def test_a_loss_that_is_not_finite_names_its_place_and_writes_nothing(tokens, tmp_path):
    with pytest.raises(UserError, match=r"stage pretrain, epoch 1, update \d+, learning rate .*lr"):
        train(tokens, tmp_path / "lm", optimizer=Optimizer(lr=1e37, clip=0.0))
    assert not (tmp_path / "lm").exists()


def test_a_parent_of_the_other_direction_is_refused(tokens, tmp_path):
    path = train(tokens, tmp_path / "lm", direction="bwd", epochs=1)
    with pytest.raises(UserError, match="same direction"):
        train(tokens, tmp_path / "ft", initial=path)


@pytest.mark.parametrize(
    "architecture",
    [Architecture(12, 17, 2), Architecture(12, 16, 3), Architecture(12, 16, 2, True)],
)
def test_a_parent_of_another_size_is_refused(tokens, tmp_path, architecture):
    path = train(tokens, tmp_path / "lm", epochs=1)
    with pytest.raises(UserError, match="do not fit the recipe's architecture"):
        train(tokens, tmp_path / "ft", initial=path, architecture=architecture)


def test_a_decoder_bias_is_trained_and_moved_with_the_vocabulary(tokens, tmp_path):
    architecture = Architecture(12, 16, 2, decoder_bias=True)
    path = train(tokens, tmp_path / "lm", epochs=1, architecture=architecture)
    assert (load_weights(path)[0]["decoder_bias"] != 0).any()
    words = ("xxunk", "xxpad", *(f"w{i}" for i in reversed(range(2, 40))))
    write_tokens(tmp_path / "other", with_vocabulary(planted_store(), words), {})
    train(tmp_path / "other", tmp_path / "ft", initial=path, architecture=architecture)


@pytest.mark.parametrize("damage", ["cut", "other", "vocabulary"])
def test_damaged_weights_are_refused_by_name(tokens, tmp_path, damage):
    path = train(tokens, tmp_path / "lm", epochs=1)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "other":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.with_name("vocabulary.txt").write_text("xxunk\nxxpad\n")
    with pytest.raises(UserError, match=r"lm/(model\.safetensors|vocabulary\.txt)"):
        train(tokens, tmp_path / "ft", initial=path)


def test_a_folder_without_validation_text_is_refused(tmp_path):
    store = planted_store(others=0)
    write_tokens(tmp_path / "tokens", store, {})
    with pytest.raises(UserError, match="0 of validation text"):
        train(tmp_path / "tokens", tmp_path / "lm")


@pytest.fixture
def optimizers(monkeypatch):
    """Every optimizer made, with the shares of its updates."""
    made = []
    init, step = GroupOptimizer.__init__, GroupOptimizer.step

    def watched_init(self, *given):
        init(self, *given)
        made.append((self, []))

    def watched_step(self, share=1.0):
        made[-1][1].append(share)
        return step(self, share)

    monkeypatch.setattr(GroupOptimizer, "__init__", watched_init)
    monkeypatch.setattr(GroupOptimizer, "step", watched_step)
    return made


@pytest.mark.parametrize("scope", ["stage", "run"])
@pytest.mark.parametrize("variable", [False, True])
def test_the_schedule_knows_exactly_how_many_updates_it_has(
    tokens, tmp_path, optimizers, scope, variable
):
    changes = {"variable_bptt": variable, "freezing": Freezing(depth=1)}
    train(tokens, tmp_path, epochs=4, schedule=Schedule(scope=scope), **changes)
    assert len(optimizers) == (2 if scope == "stage" else 1)
    for optimizer, _ in optimizers:
        assert optimizer._updates == optimizer._total > 0


def test_windows_of_varying_length_read_all_text_in_another_cut_each_epoch(
    tokens, tmp_path, optimizers
):
    train(tokens, tmp_path, epochs=3, variable_bptt=True)
    card = json.loads((tmp_path / "card.json").read_text())
    steps = (card["training_tokens"] - 1) // 8
    ((_, shares),) = optimizers
    lengths = [round(share * 20) for share in shares]
    begins = [k for k, total in enumerate(np.cumsum([0, *lengths[:-1]])) if total % steps == 0]
    epochs = [lengths[a:b] for a, b in zip(begins, [*begins[1:], None], strict=True)]
    assert [sum(epoch) for epoch in epochs] == [steps] * 3
    assert max(map(max, epochs)) < 20 + 25
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_varying_windows_are_repeatable(tokens, tmp_path):
    digests = [
        hashlib.sha256(train(tokens, tmp_path / name, variable_bptt=True).read_bytes()).hexdigest()
        for name in ("one", "two")
    ]
    assert digests[0] == digests[1]


def test_min_steps_counts_the_updates_of_varying_windows(tokens, tmp_path):
    train(tokens, tmp_path, epochs=2, variable_bptt=True, min_steps=100)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["epochs"] % 2 == 0
    per_epoch = card["updates"] / card["epochs"]
    assert 100 <= card["updates"] < 100 + 2 * per_epoch + 5


@pytest.mark.parametrize("by_length", [True, False])
def test_the_rate_follows_the_length_of_the_window_or_does_not(
    tokens, tmp_path, optimizers, by_length
):
    train(tokens, tmp_path, epochs=1, variable_bptt=True, rate_by_length=by_length)
    ((_, shares),) = optimizers
    if by_length:
        assert len(set(shares)) > 1
        # Four standard deviations above 20 are 40; fastai's first window has 45.
        assert max(shares) < 40 / 20
    else:
        assert set(shares) == {1.0}


@pytest.mark.parametrize("by_length", [True, False])
def test_the_first_window_of_an_epoch_is_longer_where_no_rate_follows_it(by_length):
    recipe = Recipe(epochs=40, bptt=70, variable_bptt=True, rate_by_length=by_length)
    first = [epoch[0] for epoch in epoch_windows(recipe, 500, np.random.default_rng(0))]
    if by_length:
        assert max(first) < 70 + 25
        assert len(set(first)) > 5
        assert sum(first) / 40 / recipe.bptt == pytest.approx(1, abs=0.1)
    else:
        assert first == [70 + 25] * 40


@pytest.mark.parametrize("reshuffle", [True, False])
def test_documents_come_in_a_new_order_each_epoch_or_in_file_order(
    tokens, tmp_path, monkeypatch, reshuffle
):
    read = []
    plain = stage_module.concatenate
    monkeypatch.setattr(
        stage_module, "concatenate", lambda *given: read.append(list(given[1])) or plain(*given)
    )
    train(tokens, tmp_path, epochs=3, reshuffle=reshuffle, n_text=50)
    texts = [documents for documents in read if len(documents) == 50]
    assert len(texts) == 3
    assert all(sorted(documents) == list(range(50)) for documents in texts)
    assert all((documents == list(range(50))) != reshuffle for documents in texts)
    assert len({tuple(documents) for documents in texts}) == (3 if reshuffle else 1)


def test_the_embedding_alone_trains_first_and_the_history_says_so(tokens, tmp_path):
    parent = train(tokens, tmp_path / "lm")
    before = load_weights(parent)[0]
    freezing = Freezing(depth=1)
    tuned = train(tokens, tmp_path / "ft", parent, stage="finetune", epochs=3, freezing=freezing)
    stages = [row["stage"] for row in rows(tmp_path / "ft")]
    assert stages == ["finetune", "finetune decoder", *["finetune all"] * 2]
    assert not torch.equal(
        load_weights(tuned)[0]["encoder.lstms.0.weight_ih"], before["encoder.lstms.0.weight_ih"]
    )
    last = Freezing(plan="last")
    kept = train(tokens, tmp_path / "last", parent, stage="finetune", freezing=last)
    for name, tensor in load_weights(kept)[0].items():
        assert torch.equal(tensor, before[name]) == (name != "encoder.embedding")


def test_chain_thaw_of_a_language_model_moves_one_group_an_epoch(tokens, tmp_path, monkeypatch):
    moved = []
    plain = stage_module._Training._train

    def watched(self, *arguments):
        before = {name: [p.detach().clone() for p in group] for name, group in self.groups.items()}
        row = plain(self, *arguments)
        moved.append(
            [
                name
                for name, group in self.groups.items()
                if not all(torch.equal(a, b) for a, b in zip(before[name], group, strict=True))
            ]
        )
        return row

    monkeypatch.setattr(stage_module._Training, "_train", watched)
    train(tokens, tmp_path, epochs=4, freezing=Freezing(plan="chain-thaw"))
    assert moved == [["decoder"], ["lstm0"], ["lstm1"], ["lstm0", "lstm1", "decoder"]]


def test_rates_of_the_released_script_need_one_for_each_group(tokens, tmp_path):
    scripts = Optimizer(rates=(4e-3 / 6, 4e-3 / 3, 4e-3, 2e-3))
    with pytest.raises(UserError, match="4 rates for 3 layer groups"):
        train(tokens, tmp_path / "lm", optimizer=scripts)
    architecture = Architecture(12, 16, 3)
    train(tokens, tmp_path / "lm", optimizer=scripts, architecture=architecture, epochs=1)


def validation_losses(monkeypatch, losses):
    """Let validation say these losses, the first before training."""
    told = iter(losses)
    monkeypatch.setattr(
        stage_module,
        "evaluate",
        lambda *_: {"valid_loss": next(told), "valid_perplexity": 1.0, "valid_accuracy": 0.0},
    )


def test_early_stopping_restores_the_weights_of_the_lowest_validation_loss(
    tokens, tmp_path, monkeypatch
):
    three = load_weights(train(tokens, tmp_path / "three", epochs=3, schedule=CONSTANT))[0]
    validation_losses(monkeypatch, [0.1, 3.0, 2.5, 2.0, 2.2, 2.1])
    path = train(tokens, tmp_path / "lm", epochs=5, schedule=CONSTANT, early_stopping=True)
    card = json.loads((tmp_path / "lm" / "card.json").read_text())
    assert (card["weights_epoch"], card["epochs"]) == (3, 5)
    for name, tensor in load_weights(path)[0].items():
        assert torch.equal(tensor, three[name])


def test_patience_ends_a_language_models_training(tokens, tmp_path, monkeypatch):
    validation_losses(monkeypatch, [0.1, 3.0, 2.5, 2.6, 2.7, 1.0])
    train(tokens, tmp_path, epochs=50, patience=2, early_stopping=True)
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["weights_epoch"], card["epochs"]) == (2, 4)


def test_without_early_stopping_the_last_epochs_weights_stay(tokens, tmp_path):
    train(tokens, tmp_path, epochs=3)
    assert json.loads((tmp_path / "card.json").read_text())["weights_epoch"] == 3


def test_unigram_counts_are_those_of_the_documents_named():
    store = planted_store()
    counted = Counter(np.concatenate([store.read(index, "bwd") for index in (2, 7, 8)]).tolist())
    assert unigram_counts(store, np.array([2, 7, 8])).tolist() == [counted[k] for k in range(40)]


def test_a_sampled_softmax_learns_and_is_validated_on_all_words(tmp_path):
    store = planted_store()
    counting = np.arange(len(store.ids)) % 28 + 12  # each word tells the next
    write_tokens(tmp_path / "tokens", TokenStore(**{**vars(store), "ids": counting}), {})
    found = {
        name: train(tmp_path / "tokens", tmp_path / name, epochs=8, **changes)
        for name, changes in (
            ("exact", {}),
            ("sampled", {"softmax": "sampled", "negatives": 10}),
            ("again", {"softmax": "sampled", "negatives": 10}),
        )
    }
    assert found["sampled"].read_bytes() == found["again"].read_bytes()
    assert load_weights(found["sampled"])[0].keys() == load_weights(found["exact"])[0].keys()
    exact, sampled = rows(tmp_path / "exact"), rows(tmp_path / "sampled")
    assert sampled[0]["valid_loss"] == exact[0]["valid_loss"]
    # Ten negatives count double: log(21) for equal scores, as at the start.
    assert float(sampled[1]["train_loss"]) == pytest.approx(math.log(21), rel=0.1)
    assert float(sampled[-1]["valid_loss"]) < 0.85 * float(sampled[0]["valid_loss"])
