"""Variants become stage recipes, and equal recipes one job."""

import itertools
import json
from dataclasses import replace

import pytest

from ulmfit.config.cells import CellPlanner
from ulmfit.config.manifest import language_models, manifest, seeds_statement
from ulmfit.config.plan import Plan
from ulmfit.config.recipes import Classifier, from_json
from ulmfit.config.study import Text
from ulmfit.config.validation import check
from ulmfit.errors import UserError


def test_variants_of_one_stage_share_all_stages_above(make_plan):
    fields = {run.variant: run.fields for run in make_plan().runs() if run.seed == 0}
    above = ("corpus", "pretrain", "finetune", "pretrain_seed", "finetune_seed")
    assert all(fields["full"][name] == fields["ulmfit"][name] for name in above)
    assert fields["full"]["classify"] != fields["ulmfit"]["classify"]
    assert fields["from-scratch"]["classify"] == fields["full"]["classify"]


def test_equal_recipes_are_one_run_whoever_asks_for_them(make_plan, study, variants):
    variants["twin"] = variants["full"]
    study["experiments"]["other"] = study["experiments"]["main"] | {"cells": ["ulmfit", "twin"]}
    plan = make_plan(study, variants)
    assert {run.path for run in plan.runs()} == {run.path for run in make_plan().runs()}


@pytest.mark.parametrize(
    "cells",
    [
        ["ulmfit", "full", "twin"],
        ["ulmfit", {"among": ["full", "twin"]}],
        ["ulmfit", "plain"],
        ["ulmfit", {"variant": "ulmfit", "title": "Again"}],
    ],
)
def test_two_rows_of_a_table_are_not_the_same_run(make_plan, study, variants, cells):
    variants |= {"twin": variants["full"], "plain": {"classify": {"freezing": {"epochs": 1}}}}
    study["experiments"]["main"]["cells"] = cells
    with pytest.raises(UserError, match=r"experiments.main: .* are the same run: .* leave one out"):
        make_plan(study, variants)


def test_a_candidate_may_be_a_row_of_its_own(make_plan, study):
    study["experiments"]["main"]["cells"] = ["ulmfit", "full", {"among": ["full", "from-scratch"]}]
    assert len(make_plan(study).cells("main")) == 3


def test_a_row_is_planned_once_however_often_it_is_asked_for(make_plan, monkeypatch):
    planned = []
    cell = CellPlanner.cell

    def counting(self, where, experiment, row, dataset, n):
        planned.append((where, dataset, n, row))
        return cell(self, where, experiment, row, dataset, n)

    monkeypatch.setattr(CellPlanner, "cell", counting)
    plan = make_plan()
    manifest(plan)
    manifest(plan)
    assert len(planned) == len(plan.cells("main"))


def test_the_order_of_the_yaml_moves_no_path(make_plan, study, variants):
    paths = {run.path for run in make_plan().runs()}
    for order in itertools.islice(itertools.permutations(variants), 0, 200, 7):
        again = make_plan(study, {name: variants[name] for name in order})
        assert {run.path for run in again.runs()} == paths


def test_a_variant_laid_over_nothing_is_the_base_recipe(make_plan, study, variants):
    variants["plain"] = {"classify": {"freezing": {"plan": "gradual"}}}
    study["experiments"]["other"] = study["experiments"]["main"] | {
        "cells": ["plain"],
        "reference": None,
    }
    plan = make_plan(study, variants)
    assert {run.path for run in plan.runs()} == {run.path for run in make_plan().runs()}


def test_left_out_stages_leave_no_parent(make_plan):
    plan = make_plan()
    parents = {run.variant: plan.parent(run.fields, finetuned=True) for run in plan.runs()}
    assert parents["from-scratch"] is None
    assert parents["no-finetuning"].startswith("lm/")
    assert parents["no-pretraining"].startswith("ft/reviews/none/")
    finetuned = next(run for run in plan.runs() if run.variant == "no-pretraining")
    assert plan.parent(finetuned.fields, finetuned=False) is None


def test_only_the_named_seeds_vary(make_plan, study):
    models = language_models(make_plan())
    assert {m["seed"] for m in models if m["stage"] == "pretrain"} == {0}
    assert {m["seed"] for m in models if m["stage"] == "finetune"} == {0, 1}
    study["seeds"]["vary"] = ["classify"]
    plan = make_plan(study)
    assert {m["seed"] for m in language_models(plan)} == {0}
    assert {run.fields["classify_seed"] for run in plan.runs()} == {"0", "1"}


@pytest.mark.parametrize(
    ("vary", "runs", "statement"),
    [
        ([], [3, 1], "Every stage used one seed (1): a row is one run."),
        (["finetune", "classify"], [4], "Every stage used one seed (4): a row is one run."),
        (
            ["classify"],
            [0, 1],
            "Runs differ in the seed of classifier training (2 seeds); pretraining and "
            "language-model fine-tuning used one seed.",
        ),
        (
            ["classify", "finetune"],
            [0, 1, 2],
            "Runs differ in the seed of language-model fine-tuning and classifier training, varied "
            "together (3 seeds); pretraining used one seed.",
        ),
        (
            ["pretrain", "finetune", "classify"],
            [0, 1],
            "Runs differ in the seed of pretraining, language-model fine-tuning and classifier "
            "training, varied together (2 seeds).",
        ),
    ],
)
def test_the_statement_on_seeds_says_what_varies(make_plan, study, vary, runs, statement):
    study["seeds"] = {"runs": runs, "vary": vary}
    said = seeds_statement(make_plan(study))
    assert said == f"{statement} The folds are the same for all (split seed 0)."


@pytest.mark.parametrize("vary", [["pretrain"], ["pretrain", "finetune"], ["finetune"]])
def test_language_models_that_differ_in_a_seed_have_it_in_their_line(make_plan, study, vary):
    study["seeds"] = {"runs": [4, 5], "vary": vary}
    models = language_models(make_plan(study))
    tuned = [m for m in models if m["stage"] == "finetune" and m["corpus"]]
    assert {m["seed"] for m in tuned} == {4, 5}
    keys = ("name", "dataset", "corpus", "tokenizer", "direction", "n_text", "seed")
    assert len({tuple(m[key] for key in keys) for m in tuned}) == len(tuned)


@pytest.mark.parametrize("vary", [[], ["classify"], ["finetune", "classify"]])
def test_the_order_of_the_seeds_moves_no_path(make_plan, study, vary):
    study["seeds"] = {"runs": [5, 7, 6], "vary": vary}
    paths = {run.path for run in make_plan(study).runs()}
    study["seeds"]["runs"] = [7, 6, 5]
    assert {run.path for run in make_plan(study).runs()} == paths


def test_a_dataset_may_lay_its_own_values_over_a_recipe(make_plan, study):
    study["datasets"]["reviews"]["recipes"] = {"classify": {"epochs": 7}}
    plan = make_plan(study)
    run = next(plan.runs())
    assert from_json(Classifier, plan.recipe("classify", run.fields)).epochs == 7


def test_words_need_no_corpus_and_subwords_share_that_of_pretraining(make_plan):
    plan = make_plan()
    fields = {"dataset": "reviews", "tokenizer": "word", "corpus": "wiki"}
    assert plan.tokens("reviews", fields) == "tokens/reviews/word/none"
    fields["tokenizer"] = "subword"
    assert plan.tokens("reviews", fields) == "tokens/reviews/subword/wiki"
    # A model from scratch reads the same sub-words as the one it is compared with.
    assert plan.tokens("reviews", fields | {"corpus": "none"}) == "tokens/reviews/subword/wiki"


def test_texts_with_pieces_of_their_own_share_no_tokenizer(make_plan, study):
    study["recipes"] = {
        "tokenizers": {
            "own": {"kind": "subword", "pieces_from": "dataset"},
            "word": {"kind": "word", "pieces_from": "dataset"},
        }
    }
    plan = make_plan(study)
    for corpus in ("wiki", "none"):
        fields = {"dataset": "reviews", "tokenizer": "own", "corpus": corpus}
        assert plan.tokens("reviews", fields) == "tokens/reviews/own/reviews"
    assert plan.tokens("wiki", {"tokenizer": "own", "corpus": "wiki"}) == "tokens/wiki/own/wiki"
    words = {"dataset": "reviews", "tokenizer": "word", "corpus": "wiki"}
    assert plan.tokens("reviews", words) == "tokens/reviews/word/none"


def test_an_ensemble_brings_its_members(make_plan, study):
    study["experiments"]["main"]["cells"] = ["ulmfit", {"variant": "ulmfit", "ensemble": "fwd+bwd"}]
    plan = make_plan(study)
    ensembles = [run for run in plan.runs() if run.kind == "ensemble"]
    paths = {run.path for run in plan.runs()}
    assert [(run.tokenizer, run.direction) for run in ensembles] == [("word", "fwd+bwd")] * 2
    assert all(
        len(run.members) == 2 and {member.path for member in run.members} <= paths
        for run in ensembles
    )


def test_ensembles_of_other_inherited_members_have_folders_and_cells_of_their_own(make_plan, study):
    study["ensembles"] = {
        "mixed": {
            "members": [{"tokenizer": "word"}, {"tokenizer": "subword"}, {"direction": "bwd"}]
        }
    }
    rows = [
        {"variant": "ulmfit", "ensemble": "fwd+bwd"},
        {"variant": "ulmfit", "ensemble": "fwd+bwd", "tokenizer": "subword"},
        {"variant": "ulmfit", "ensemble": "word+subword"},
        {"variant": "ulmfit", "ensemble": "word+subword", "direction": "bwd"},
        # Both are of words and sub-words in both directions, the members are not the same.
        {"variant": "ulmfit", "ensemble": "mixed"},
        {"variant": "ulmfit", "ensemble": "mixed", "tokenizer": "subword"},
    ]
    study["experiments"]["main"]["cells"] = ["ulmfit", *rows]
    plan = make_plan(study)
    for cell in plan.cells("main"):
        for run in cell.runs:
            if run.kind == "ensemble":
                assert plan.members(run.path) == tuple(member.path for member in run.members)
    ensembles = [run for run in plan.runs() if run.kind == "ensemble"]
    assert len(ensembles) == 2 * len(rows)
    assert len({cell.id for cell in plan.cells("main")}) == 1 + len(rows)


def test_what_no_member_inherits_makes_no_second_ensemble(make_plan, study):
    four = {"variant": "ulmfit", "ensemble": "four-way"}
    study["experiments"]["main"]["cells"] = ["ulmfit", four]
    study["experiments"]["other"] = {
        **study["experiments"]["main"],
        "cells": ["ulmfit", four | {"tokenizer": "subword", "direction": "bwd"}],
    }
    plan = make_plan(study)
    assert sum(run.kind == "ensemble" for run in plan.runs()) == 2


def test_one_folder_never_stands_for_two_ensembles(make_plan, study, monkeypatch):
    pattern = "ensembles/{dataset}/{ensemble}/{variant}/n{n_labelled}/s{seed}"
    monkeypatch.setattr("ulmfit.config.paths.ENSEMBLE", pattern)
    both = {"variant": "ulmfit", "ensemble": "fwd+bwd"}
    main = study["experiments"]["main"]
    study["experiments"] = {
        "main": main | {"cells": ["ulmfit", both]},
        "other": main | {"cells": ["ulmfit", both | {"tokenizer": "subword"}]},
    }
    with pytest.raises(UserError, match="would stand for two different ones"):
        make_plan(study)


def test_only_experiments_on_the_test_fold_unseal_it(make_plan, study):
    assert not list(make_plan().unsealed())
    study["experiments"]["final"] = {
        "title": "Final",
        "n_labelled": [100],
        "fold": "test",
        "cells": ["ulmfit", {"among": ["full", "from-scratch"]}, "tfidf"],
    }
    plan = make_plan(study)
    assert {run.variant for run in plan.unsealed()} == {"ulmfit", "full", "from-scratch", "tfidf"}


def test_labelled_only_text_is_fine_tuned_for_each_number_of_labels(make_plan, study, variants):
    variants["supervised"] = {"finetune_text": "labelled"}
    study["experiments"]["main"] |= {"n_labelled": [50, 100], "cells": ["ulmfit", "supervised"]}
    models = language_models(make_plan(study, variants))
    texts = {m["n_text"] for m in models if m["stage"] == "finetune"}
    assert texts == {"all", "50", "100"}


def test_the_manifest_is_plain_data_and_complete(make_plan, study):
    study["experiments"]["main"] |= {
        "published": ["table-7"],
        "n_labelled": ["all"],
        "cells": ["ulmfit", "full", {"among": ["full", "from-scratch"]}, "tfidf"],
    }
    made = json.loads(json.dumps(manifest(make_plan(study))))
    cells = {cell["variant"]: cell for cell in made["experiments"][0]["cells"]}
    ids = {run["id"] for run in made["runs"]}
    assert cells["full"]["published"] == "6.80"
    assert cells["ulmfit"]["id"] == made["experiments"][0]["reference"]["reviews/all"]
    assert cells["best-of-full+from-scratch"]["runs"] == []
    assert {p for part in cells["best-of-full+from-scratch"]["among"] for p in part["runs"]} <= ids
    assert {path for cell in cells.values() for path in cell["runs"]} <= ids


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_the_device_is_part_of_no_recipe(make_plan, study, device):
    study["device"] = device
    plan = make_plan(study)
    assert all("cuda" not in plan.recipe("classify", run.fields) for run in plan.runs())


def test_runs_that_no_seed_tells_apart_are_one_run(make_plan, study):
    study["seeds"]["vary"] = []
    study["experiments"]["main"]["cells"] = ["ulmfit", {"variant": "ulmfit", "ensemble": "fwd+bwd"}]
    plan = make_plan(study)
    assert [len(cell.runs) for cell in plan.cells("main")] == [1, 1]


def test_the_text_of_all_labelled_documents_is_not_that_of_all_documents(
    make_plan, study, variants
):
    variants["supervised"] = {"finetune_text": "labelled"}
    study["experiments"]["main"] |= {"n_labelled": ["all"], "cells": ["ulmfit", "supervised"]}
    models = language_models(make_plan(study, variants))
    assert {m["n_text"] for m in models if m["stage"] == "finetune"} == {"all", "labelled"}


def test_experiments_are_shown_in_the_order_asked_for_whatever_that_of_the_yaml(make_plan, study):
    main = study["experiments"]["main"]
    study["experiments"] = {"z": main, "a": main, "m": main}
    study["order"] = ["m"]
    names = [item["name"] for item in manifest(make_plan(study))["experiments"]]
    assert names == ["m", "a", "z"]


def test_the_reference_is_never_an_ensemble(make_plan, study):
    study["ensembles"] = {
        "mates": {"members": [{}, {"variant": "full"}]},
        "pair": {"members": [{}, {"variant": "from-scratch"}]},
    }
    main = study["experiments"]["main"]
    main["cells"] = ["ulmfit", "full", {"variant": "ulmfit", "ensemble": "mates"}]
    plan = make_plan(study)
    model, _, ensemble = plan.cells("main")
    assert plan.references("main") == {"reviews/100": model.id}
    # Nothing else tells a row of the same tokenizer and direction from its variant alone.
    assert (model.title, ensemble.title) == ("ULMFiT", "ULMFiT, mates")
    main["cells"] += [{"variant": "ulmfit", "ensemble": "pair"}]
    titles = [cell.title for cell in make_plan(study).cells("main")]
    assert titles == ["ULMFiT", "full", "ULMFiT, mates", "ULMFiT, pair"]


def test_ensembles_of_one_title_say_which_they_are(make_plan, study):
    study["ensembles"] = {"mine": {"members": [{"direction": "fwd"}, {"direction": "bwd"}]}}
    study["experiments"]["main"]["cells"] = [
        "ulmfit",
        {"variant": "ulmfit", "ensemble": "fwd+bwd"},
        {"variant": "ulmfit", "ensemble": "mine"},
    ]
    titles = [cell.title for cell in make_plan(study).cells("main")]
    assert titles == ["ULMFiT", "ULMFiT, fwd+bwd, fwd+bwd", "ULMFiT, fwd+bwd, mine"]


def test_a_baseline_may_be_the_reference(make_plan, study):
    study["experiments"]["main"] |= {
        "cells": ["ulmfit", "tfidf"],
        "reference": "tfidf",
        "direction": "bwd",
    }
    plan = make_plan(study)
    assert plan.references("main") == {"reviews/100": plan.cells("main")[1].id}


def test_a_reference_that_is_two_rows_is_refused(make_plan, study):
    better = {"among": ["full", "from-scratch"]}
    main = study["experiments"]["main"]
    main |= {"cells": ["ulmfit", better], "reference": "best-of-full+from-scratch"}
    plan = make_plan(study)
    assert plan.references("main") == {"reviews/100": plan.cells("main")[1].id}
    main["cells"].append(better | {"title": "Again"})
    with pytest.raises(
        UserError, match=r"reference 'best-of-.*is two of the cells \(reviews/100\)"
    ):
        make_plan(study)


def test_an_unknown_experiment_in_the_order_is_refused(make_plan, study):
    study["order"] = ["mian"]
    with pytest.raises(UserError, match="order: unknown experiment 'mian'; did you mean 'main'"):
        make_plan(study)


@pytest.mark.parametrize(
    "corpus",
    [
        {"source": "table", "options": {"label": None}, "files": {"train": {"path": "a.csv"}}},
        {"source": "folder", "options": {"labelled": False}, "files": {"folder": {"path": "a"}}},
        {"source": "docstrings-prose"},
    ],
)
def test_a_dataset_without_labels_is_refused(make_plan, corpus):
    registry = make_plan().registry
    entry = check(Text, corpus | {"folds": {"report": 0.2}}, "datasets.yaml")
    with pytest.raises(UserError, match=r"datasets\.yaml: reviews: .* no labels .*`corpora`$"):
        Plan(make_plan().study, replace(registry, datasets={"reviews": entry}))
    # As a corpus it is right.
    Plan(make_plan().study, replace(registry, corpora={"wiki": entry}))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"select": -5}, "select: input should be greater than or equal to 0, not -5"),
        ({"select": float("nan")}, "select: input should be a finite number, not nan"),
        ({"test": float("inf")}, "test: input should be a finite number, not inf"),
        ({"report": 1.0}, "report: 1: write a share below 1 or a whole number of documents"),
        ({"report": 2.5}, "report: 2.5: write a share below 1 or a whole number of documents"),
        (
            {"select": 0.5, "report": 0.6},
            "select 0.5 + report 0.6 + test 0.1 leave no document to fit",
        ),
        ({"select": 0.7, "report": 0.2, "test": 0.1}, "leave no document to fit"),
    ],
)
def test_impossible_sizes_of_folds_stop_in_the_plan(make_plan, study, sizes, message):
    study["datasets"]["reviews"]["folds"] = sizes
    with pytest.raises(UserError) as caught:
        make_plan(study)
    assert str(caught.value).startswith("reviews.folds: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sizes_of_folds_are_shares_or_whole_numbers(make_plan, study):
    study["datasets"]["reviews"]["folds"] = {"select": 0.5, "report": 2, "test": 100.0}
    sizes = json.loads(make_plan(study).fold_options("reviews"))
    assert [sizes[name] for name in ("select", "report", "test")] == [0.5, 2, 100]


def test_the_manifest_tells_what_each_row_chose_by_the_fold_select(make_plan, study, variants):
    variants["stopped"] = {"classify": {"early_stopping": True}}
    variants["lm-stopped"] = {"finetune": {"early_stopping": True}}
    study["ensembles"] = {
        "fitted": {"members": [{}, {"variant": "stopped"}], "combine": "weighted"}
    }
    study["experiments"]["main"]["cells"] = [
        "ulmfit",
        "stopped",
        "lm-stopped",
        "tfidf",
        {"among": ["ulmfit", "full"]},
        {"variant": "ulmfit", "ensemble": "fwd+bwd"},
        {"variant": "ulmfit", "ensemble": "fitted"},
    ]
    made = manifest(make_plan(study, variants))["experiments"][0]
    assert [cell["chooses"] for cell in made["cells"]] == [
        [],
        ["epoch"],
        ["epoch"],
        ["settings"],
        ["candidate"],
        [],
        ["epoch", "weights"],
    ]


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (
            {"classify": {"dropouts": {"multiplier": 2.0}}},
            r"variant ulmfit: classify: dropouts.weight: 0.5 times dropouts.multiplier 2.0 is 1, "
            "and must be less than 1",
        ),
        (
            {"classify": {"dropouts": {"weight": 0.1}, "head_dropouts": [0.7, 0.1]}}
            | {"finetune": {"dropouts": {"multiplier": 4.0}}},
            "finetune: dropouts.input: 0.25 times dropouts.multiplier 4.0 is 1",
        ),
        (
            {
                "classify": {
                    "dropouts": {"weight": 0.1, "multiplier": 1.5},
                    "head_dropouts": [0.7, 0.9],
                }
            },
            "classify: head_dropouts.0: 0.7 times dropouts.multiplier 1.5 is 1.05",
        ),
        (
            {"finetune": {"architecture": {"hidden": 64}}},
            "finetune: architecture.hidden is 64 and 1150 in pretrain, whose weights",
        ),
        (
            {"classify": {"architecture": {"embedding": 64}}},
            "classify: architecture.embedding is 64 and 400 in finetune",
        ),
        (
            {"finetune": {"architecture": {"decoder_bias": True}}},
            "finetune: architecture.decoder_bias is True and False in pretrain",
        ),
        (
            {"classify": {"optimizer": {"lr": float("inf")}}},
            "classify: optimizer.lr: input should be a finite number, not inf",
        ),
        (
            {"classify": {"optimizer": {"rates": [float("nan")]}}},
            "classify: optimizer.rates.0: input should be a finite number, not nan",
        ),
    ],
)
def test_recipes_that_would_fail_in_training_are_refused_before(make_plan, study, recipes, message):
    study["recipes"] = recipes
    with pytest.raises(UserError, match=message) as caught:
        make_plan(study)
    assert "\n" not in str(caught.value)


def test_a_classifier_leaves_the_bias_of_the_decoder_out(make_plan, study):
    study["recipes"] = {
        stage: {"architecture": {"decoder_bias": True}} for stage in ("pretrain", "finetune")
    }
    # The last dropout of the head is not multiplied.
    study["recipes"]["classify"] = {
        "dropouts": {"multiplier": 1.9},
        "head_dropouts": [0.5, 0.9],
    }
    assert list(make_plan(study).runs())


def test_a_size_counts_from_the_stage_whose_weights_there_are(make_plan, study):
    """Without fine-tuning a classifier starts from the pretrained model, from scratch from none."""
    study["recipes"] = {"classify": {"architecture": {"hidden": 64}}}
    study["experiments"]["main"] |= {"cells": ["from-scratch"], "reference": None}
    assert list(make_plan(study).runs())
    study["experiments"]["main"]["cells"] = ["no-finetuning"]
    with pytest.raises(UserError, match="hidden is 64 and 1150 in pretrain"):
        make_plan(study)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (
            {"finetune": "none", "finetune_text": "labelled"},
            "variant odd: finetune_text is 'labelled', but finetune is 'none'",
        ),
        (
            {"finetune": "supervised"},
            "finetune shares the recipe of 'supervised' but not its text: .*'labelled'",
        ),
    ],
)
def test_a_text_that_no_language_model_would_read_is_refused(
    make_plan, study, variants, odd, message
):
    variants |= {"supervised": {"finetune": {"epochs": 2}, "finetune_text": "labelled"}, "odd": odd}
    with pytest.raises(UserError, match=message):
        make_plan(study, variants)


def test_a_shared_language_model_may_name_its_text(make_plan, study, variants):
    variants |= {
        "supervised": {"finetune": {"epochs": 2}, "finetune_text": "labelled"},
        "sharer": {"finetune": "supervised", "finetune_text": "labelled", "classify": "full"},
    }
    study["experiments"]["main"]["cells"] += ["supervised", "sharer"]
    models = language_models(make_plan(study, variants))
    assert len({m["path"] for m in models if m["n_text"] == "100"}) == 2


@pytest.mark.parametrize(
    "unused",
    [
        {},
        {"ablation": True},
        {"baseline": "tfidf"},
        {"finetune": "none"},
        {"classify": "full"},
        {"ablation": True, "finetune": {"epochs": 9}},
        {"classify": {"epochs": 9}},
    ],
    ids=str,
)
def test_one_more_variant_that_nobody_uses_moves_no_path(make_plan, study, variants, unused):
    presets = {"paper": {"ablations": {"classify": {"early_stopping": True}}}}
    variants["no-pretraining"]["ablation"] = True
    variants["lm-full"] = {"ablation": True, "finetune": {"schedule": {"kind": "constant"}}}
    study["experiments"]["main"]["cells"].append("lm-full")
    before = {run.variant: run for run in make_plan(study, variants, presets).runs()}
    variants["a-first"] = unused
    after = {run.variant: run for run in make_plan(study, variants, presets).runs()}
    assert {name: run.path for name, run in before.items()} == {
        name: run.path for name, run in after.items()
    }
    fields = {name: run.fields["classify"] for name, run in after.items()}
    assert fields["ulmfit"] == fields["no-finetuning"] == "ulmfit"
    # The base recipe with what lies under ablations belongs to no single one of them.
    assert fields["no-pretraining"] == fields["lm-full"] == "ulmfit-ablation"


def test_no_variant_takes_the_name_of_the_base_of_ablations(make_plan, study, variants):
    variants["ulmfit-ablation"] = {"classify": {"epochs": 9}}
    with pytest.raises(UserError, match="no variant may be called 'ulmfit-ablation'"):
        make_plan(study, variants)


def test_an_own_base_recipe_leaves_no_variant_without_a_name(make_plan, study, variants):
    variants["ulmfit"]["classify"] = {"epochs": 9}
    study["experiments"]["main"]["cells"].append("tfidf")
    fields = {run.variant: run.fields for run in make_plan(study, variants).runs()}
    assert fields["ulmfit"]["classify"] == "ulmfit"
    assert fields["no-pretraining"]["classify"] == fields["no-finetuning"]["classify"] != "ulmfit"
