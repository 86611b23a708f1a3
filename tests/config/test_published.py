"""Numbers of the paper: all of them as printed, beside the rows that the paper ran and no other."""

import shutil
from pathlib import Path

import pytest
import yaml

from ulmfit.config.manifest import manifest
from ulmfit.errors import UserError
from ulmfit.studies import load_registry

CONFIG = Path(__file__).parents[2] / "config"
REGISTERED = yaml.safe_load((CONFIG / "experiments.yaml").read_text())

# ulmfit.md section 5, read off the paper: IMDb, TREC-6, AG.
ABLATIONS = """
table-4 no-pretraining   5.63 10.67 5.52
table-4 ulmfit           5.00  5.69 5.38
table-5 vanilla-lm       5.98  7.41 5.76
table-5 ulmfit           5.00  5.69 5.38
table-6 no-finetuning    6.99  6.38 6.09
table-6 lm-full          5.86  6.54 5.61
table-6 lm-full-discr    5.55  6.36 5.47
table-6 ulmfit           5.00  5.69 5.38
table-7 from-scratch     9.93 13.36 6.81
table-7 full             6.87  6.86 5.81
table-7 full-discr       5.57  6.21 5.62
table-7 last             6.49 16.09 8.38
table-7 chain-thaw       5.39  6.71 5.90
table-7 freez            6.37  6.86 5.81
table-7 freez-discr      5.39  5.86 6.04
table-7 freez-stlr       5.04  6.02 5.35
table-7 freez-cos        5.70  6.38 5.29
table-7 ulmfit           5.00  5.69 5.38
"""
TEST_ERRORS = {
    ("table-2", "imdb"): "4.6",
    ("table-2", "trec6"): "3.6",
    ("table-3", "ag-news"): "5.01",
    ("table-3", "dbpedia"): "0.80",
    ("table-3", "yelp-bi"): "2.16",
    ("table-3", "yelp-full"): "29.98",
}
QUOTED = {
    ("table-2", "imdb"): {
        "CoVe (McCann et al. 2017)": "8.2",
        "oh-LSTM (Johnson and Zhang 2016)": "5.9",
        "Virtual (Miyato et al. 2016)": "5.9",
    },
    ("table-2", "trec6"): {
        "CoVe (McCann et al. 2017)": "4.2",
        "TBCNN (Mou et al. 2015)": "4.0",
        "LSTM-CNN (Zhou et al. 2016)": "3.9",
    },
}
QUOTED_IN_TABLE_3 = """
Char-level CNN (Zhang et al. 2015) | 9.51 1.55 4.88 37.95
CNN (Johnson and Zhang 2016)       | 6.57 0.84 2.90 32.39
DPCNN (Johnson and Zhang 2017)     | 6.87 0.88 2.64 30.58
"""


def test_every_number_is_that_of_the_paper():
    expected = {key: {"ulmfit": error} for key, error in TEST_ERRORS.items()}
    for line in ABLATIONS.split("\n")[1:-1]:
        table, variant, *errors = line.split()
        for dataset, error in zip(("imdb", "trec6", "ag-news"), errors, strict=True):
            expected.setdefault((table, dataset), {})[variant] = error
    published = load_registry(CONFIG).published
    assert {
        (name, dataset): rows
        for name, table in published.items()
        for dataset, rows in table.rows.items()
    } == expected
    quoted = dict(QUOTED)
    for line in QUOTED_IN_TABLE_3.split("\n")[1:-1]:
        system, errors = line.split(" | ")
        for (_, dataset), error in zip(list(TEST_ERRORS)[2:], errors.split(), strict=True):
            quoted.setdefault(("table-3", dataset), {})[system.strip()] = error
    assert {
        (name, dataset): systems
        for name, table in published.items()
        for dataset, systems in table.quoted.items()
    } == quoted


def test_each_ablation_has_all_rows_of_its_table():
    published = load_registry(CONFIG).published
    for name in ("pretraining", "lm-quality", "lm-finetuning", "classifier-finetuning"):
        (table,) = REGISTERED[name]["published"]
        assert published[table].fold == "validation"
        for rows in published[table].rows.values():
            assert rows.keys() == set(REGISTERED[name]["cells"])


BOTH = {"variant": "ulmfit", "ensemble": "fwd+bwd"}


def shown(plan):
    (experiment,) = manifest(plan)["experiments"]
    return [cell["published"] for cell in experiment["cells"]], experiment["quoted"]


@pytest.fixture
def ablation(study):
    study["experiments"]["main"] |= {
        "published": ["table-7"],
        "n_labelled": ["all"],
        "cells": ["full"],
        "reference": None,
    }
    return study


def test_validation_errors_stand_beside_the_row_that_was_run(make_plan, ablation):
    main = ablation["experiments"]["main"]
    main["cells"] = ["full", "ulmfit", {"variant": "full", "direction": "bwd"}]
    main["cells"] += [{"variant": "full", "tokenizer": "subword"}]
    main["cells"] += [{"variant": "full", "ensemble": "fwd+bwd"}]
    assert shown(make_plan(ablation)) == (["6.80", None, None, None, None], [])


@pytest.mark.parametrize(
    "change",
    [{"n_labelled": [100]}, {"tokenizer": "subword"}, {"direction": "bwd"}, {"fold": "test"}],
    ids=str,
)
def test_no_number_stands_beside_what_the_paper_never_ran(make_plan, ablation, change):
    assert shown(make_plan(ablation))[0] == ["6.80"]
    ablation["experiments"]["main"] |= change
    assert shown(make_plan(ablation))[0] == [None]


def test_test_errors_stand_beside_the_mean_of_both_directions_alone(make_plan, study):
    study["ensembles"] = {
        "voted": {"members": [{"direction": "fwd"}, {"direction": "bwd"}], "combine": "vote"}
    }
    main = study["experiments"]["main"]
    main |= {
        "published": ["table-2"],
        "n_labelled": ["all"],
        "fold": "test",
        "cells": [
            "ulmfit",
            BOTH,
            BOTH | {"tokenizer": "subword"},
            BOTH | {"ensemble": "voted"},
            "tfidf",
        ],
    }
    quoted = [{"dataset": "reviews", "title": "CoVe", "error": "8.2"}]
    assert shown(make_plan(study)) == ([None, "4.6", None, None, None], quoted)
    main["n_labelled"] = [100]
    assert shown(make_plan(study)) == ([None] * 5, [])
    main |= {"n_labelled": ["all"], "fold": "report"}
    assert shown(make_plan(study)) == ([None] * 5, [])


def test_each_published_error_has_the_size_of_its_fold():
    """ulmfit.md 1.1, and section 8: IMDb 2,500, TREC-6 545, AG 12,000 documents held out."""
    for table in load_registry(CONFIG).published.values():
        sizes = (
            {"imdb": 2_500, "trec6": 545, "ag-news": 12_000}
            if table.fold == "validation"
            else {"imdb": 25_000, "trec6": 500, "ag-news": 7_600}
            | {"dbpedia": 70_000, "yelp-bi": 38_000, "yelp-full": 50_000}
        )
        assert table.documents == {name: sizes[name] for name in table.rows}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("freez-discr:", "frez-discr:", "table-7.rows.imdb: unknown variant 'frez-discr'"),
        ("yelp-full:", "yelp-ful:", "table-3.documents: unknown dataset 'yelp-ful'"),
        ('"9.93"', '"9,93"', "table-7.rows.imdb.from-scratch: '9,93' is no error in per cent"),
        ("imdb: 25000", "imdb: 0", "table-2.documents.imdb: at least 1, not 0"),
        ("fold: validation", "fold: valid", "table-4.fold"),
    ],
)
def test_a_misspelt_entry_is_named(tmp_path, old, new, message):
    shutil.copytree(CONFIG, tmp_path / "config")
    path = tmp_path / "config/published.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=rf"published\.yaml: {message}"):
        load_registry(tmp_path / "config")
