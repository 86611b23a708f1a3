"""A variant may be pretrained on a corpus of its own; all that follows is of that corpus."""

import copy

import pytest

from ulmfit.config.manifest import manifest
from ulmfit.config.plan import Plan
from ulmfit.config.study import Preset, Registry, Study, Text, Variant
from ulmfit.config.validation import check
from ulmfit.errors import UserError
from ulmfit.forecast.jobs import Jobs
from ulmfit.studies import plan_of, plan_values

VARIANTS = {
    "ulmfit": {"title": "ULMFiT"},
    "no-pretraining": {"pretrain": "none"},
    "on-news": {"corpus": "news"},
    "on-news-kept": {"corpus": "news", "vocabulary": "pretrained"},
    "tfidf": {"baseline": "tfidf"},
}
STUDY = {
    "study": "demo",
    "datasets": {"films": {"corpus": "wiki"}, "books": {"corpus": "wiki"}},
    "seeds": {"runs": [0]},
    "experiments": {
        "main": {"title": "Main", "cells": ["ulmfit", "no-pretraining"]},
        "corpora": {"title": "Corpora", "datasets": ["films"], "cells": ["ulmfit", "on-news"]},
    },
}


def planned(variants=None, corpora=(), **changes):
    """The plan of the study above; ``corpora`` are registered beside its own."""
    labelled = {"source": "docstrings-sections", "folds": {"report": 0.2}}
    registry = Registry(
        corpora={
            name: Text(source="docstrings-prose") for name in ("wiki", "news", "never", *corpora)
        },
        datasets={name: Text(**labelled) for name in ("films", "books")},
        variants=check(dict[str, Variant], VARIANTS | (variants or {}), "variants.yaml"),
        presets={"paper": Preset()},
    )
    return Plan(check(Study, copy.deepcopy(STUDY) | changes, "demo.yaml"), registry)


def runs_of(plan, dataset="films"):
    return {run.variant: run for run in plan.runs() if run.dataset == dataset}


def test_a_variant_with_a_corpus_shares_recipes_and_no_language_model():
    runs = runs_of(planned())
    usual, other = runs["ulmfit"], runs["on-news"]
    assert other.fields == {**usual.fields, "corpus": "news"}
    assert usual.path.startswith("clf/films/wiki/")
    assert other.path.startswith("clf/films/news/")
    plan = planned()
    assert plan.parent(other.fields, finetuned=False) == "lm/news/word/fwd/ulmfit/s0"
    assert plan.parent(other.fields, finetuned=True).startswith("ft/films/news/word/fwd/")


def test_runs_on_the_corpus_of_the_dataset_keep_their_paths():
    alone = planned(experiments={"main": STUDY["experiments"]["main"]})
    assert {run.path for run in alone.runs()} < {run.path for run in planned().runs()}
    assert alone.texts() == ["films", "books", "wiki"]


def test_subwords_and_a_kept_vocabulary_are_those_of_the_variants_corpus():
    cells = ["on-news-kept", {"variant": "on-news", "tokenizer": "subword"}, "ulmfit"]
    only = {"title": "Corpora", "datasets": ["films"], "cells": cells}
    plan = planned(experiments={"corpora": only})
    by_reading = {(run.variant, run.tokenizer): run for run in plan.runs()}
    subword = by_reading["on-news", "subword"]
    assert plan.tokens("films", subword.fields) == "tokens/films/subword/news"
    kept = by_reading["on-news-kept", "word"]
    assert plan.tokens("films", kept.fields) == "tokens/films/word/news"
    own = {"text": "films", "tokenizer": "word", "trained_on": "news"}
    assert plan.keeps(own) == "tokens/news/word/none"
    made = {job.key for job in Jobs(plan).found.values() if job.rule in ("tokenizer", "tokens")}
    assert "tokenizer:tokenizers/subword/news/tokenizer.json" in made
    assert "tokens:tokens/news/subword/news" in made


def test_duplicates_are_counted_with_every_corpus_that_runs_of_a_dataset_read():
    plan = planned()
    pairs = [("films", "wiki"), ("films", "news"), ("books", "wiki")]
    assert plan.leakages() == pairs
    written = manifest(plan)
    assert [(entry["dataset"], entry["corpus"]) for entry in written["leakage"]] == pairs
    assert written["leakage"][1]["path"] == "data/films/leakage-news.json"
    jobs = [job.fields for job in Jobs(plan).found.values() if job.rule == "leakage"]
    assert [(fields["dataset"], fields["corpus"]) for fields in jobs] == pairs
    assert plan.corpora("films") == ("wiki", "news")
    assert plan.corpora("books") == ("wiki",)


def test_the_members_of_an_ensemble_name_their_corpora_too():
    members = [{"variant": "ulmfit"}, {"variant": "on-news"}]
    cells = ["ulmfit", {"variant": "ulmfit", "ensemble": "corpora"}]
    plan = planned(
        ensembles={"corpora": {"members": members}},
        experiments={"main": {"title": "Main", "datasets": ["films"], "cells": cells}},
    )
    assert plan.corpora("films") == ("wiki", "news")
    assert manifest(plan)["experiments"][0]["cells"][0]["corpora"] == ["wiki", "news"]


def test_the_manifest_has_every_corpus_that_is_read_and_no_other():
    texts = manifest(planned())["texts"]
    assert {name: text["role"] for name, text in texts.items()} == {
        "films": "dataset",
        "books": "dataset",
        "wiki": "corpus",
        "news": "corpus",
    }


def test_a_row_says_which_corpora_its_table_reads():
    """So the documents without copies are the same for all its rows, in a part of a study too."""
    plan = planned()
    by_name = {entry["name"]: entry["cells"] for entry in manifest(plan)["experiments"]}
    assert {tuple(cell["corpora"]) for cell in by_name["main"]} == {("wiki",)}
    assert [cell["corpora"] for cell in by_name["corpora"]] == [["wiki", "news"]] * 2
    for name in by_name:
        (part,) = manifest(plan.part(name))["experiments"]
        assert part["cells"] == by_name[name]
    assert plan.part("main").texts() == ["films", "books", "wiki"]


def test_a_plan_with_two_corpora_is_the_same_from_plain_values():
    plan = planned()
    assert manifest(plan_of(plan_values(plan))) == manifest(plan)


def test_the_order_of_the_yaml_moves_no_corpus():
    backwards = dict(reversed(STUDY["experiments"].items()))
    assert planned(experiments=backwards).texts() == planned().texts()
    assert planned(experiments=backwards).leakages() == planned().leakages()


def test_the_corpus_of_the_dataset_by_name_is_the_same_row():
    with pytest.raises(UserError, match="'ULMFiT' and 'on-news' are the same run"):
        planned({"on-news": {"corpus": "wiki"}})


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (
            {"corpus": "newz"},
            "study demo: variant odd: corpus: unknown corpus 'newz'; did you mean 'news'?",
        ),
        ({"corpus": "films"}, "variant odd: corpus: unknown corpus 'films'"),
        ({"corpus": "labelled"}, "corpus 'labelled': no corpus may have this name"),
        ({"corpus": "News"}, "corpus 'News': names are lower-case letters, digits and hyphens"),
        (
            {"corpus": "news", "pretrain": "none"},
            "corpus is 'news', but nothing is pretrained: leave one of them out",
        ),
        ({"corpus": "news", "pretrain": "no-pretraining"}, "but nothing is pretrained"),
        ({"corpus": "news", "baseline": "tfidf"}, "but nothing is pretrained"),
        (
            {"pretrain": "on-news"},
            "pretrain shares the recipe of 'on-news' but not its corpus: give corpus, 'news'",
        ),
    ],
)
def test_a_corpus_that_is_not_known_or_not_read_is_refused(odd, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        planned({"odd": odd}, corpora=("labelled", "News"))


def test_the_recipe_of_another_variant_may_be_shared_with_a_corpus_named():
    shared = {"shared": {"corpus": "never", "pretrain": "on-news"}}
    cells = [*STUDY["experiments"]["corpora"]["cells"], "shared"]
    only = {"title": "Corpora", "datasets": ["films"], "cells": cells}
    runs = runs_of(planned(shared, experiments={"corpora": only}))
    assert runs["shared"].fields == {**runs["on-news"].fields, "corpus": "never"}


def test_a_corpus_that_is_read_must_have_a_right_entry():
    plan = planned()
    broken = {"news": Text(source="docstrings-pose")}
    registry = Registry(
        corpora=plan.registry.corpora | broken,
        datasets=plan.registry.datasets,
        variants=plan.registry.variants,
        presets=plan.registry.presets,
    )
    message = r"datasets.yaml: news.source: unknown source 'docstrings-pose'; did you mean"
    with pytest.raises(UserError, match=message):
        Plan(plan.study, registry)
