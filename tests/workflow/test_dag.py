"""The job graph of each study: what is shared, what reruns."""

import re
import shutil
from collections import Counter

import pytest
import yaml

from running import CONFIG, job_counts, snakemake, write_study
from ulmfit.forecast.jobs import Jobs
from ulmfit.studies import load_study

BUILT_IN = CONFIG / "config.yaml"


@pytest.fixture(scope="module")
def built_in(tmp_path_factory):
    return job_counts(tmp_path_factory.mktemp("dag"), "--configfile", BUILT_IN)


def test_the_built_in_study_shares_its_stages(built_in):
    assert built_in == {
        "all": 1,
        "documents": 2,
        "folds": 2,
        "leakage": 1,
        "tokenizer": 2,
        "tokens": 4,
        # word forward, word backward, sub-word forward; one seed
        "pretrain": 3,
        # the three above and the one without pretraining, three seeds
        "finetune": 12,
        # 2,000 labels: ulmfit in three ways, full, two leave-outs, two from scratch (8 x 3);
        # 100 labels: ulmfit, full, two from scratch (4 x 3)
        "classify": 36,
        "score": 36,
        "ensemble": 6,
        # two kinds, 100 and 2,000 labels
        "baseline": 4,
        "manifest": 1,
        "before_test": 1,
        # ulmfit in three ways, two from scratch
        "predict_test": 15,
        "score_test": 15,
        "ensemble_test": 6,
        "baseline_test": 2,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "paper": 1,
    }


@pytest.mark.parametrize("study", ["config.yaml", "studies/smoke.yaml", "studies/trec6.yaml"])
def test_a_forecast_plans_the_jobs_that_the_workflow_makes(study, tmp_path):
    forecast = Counter(job.rule for job in Jobs(load_study(CONFIG / study)).found.values())
    made = job_counts(tmp_path, "--configfile", CONFIG / study)
    assert made == forecast


def test_both_entries_make_the_same_jobs(built_in, tmp_path):
    other = job_counts(tmp_path, "--configfile", BUILT_IN, snakefile="workflow/Snakefile")
    assert other == built_in


def test_the_built_in_study_is_the_default(built_in, tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    assert job_counts(tmp_path) == built_in


def test_a_variant_more_costs_its_own_stages_only(built_in, tmp_path):
    study = yaml.safe_load(BUILT_IN.read_text())
    study["variants"] = {"slow": {"classify": {"optimizer": {"lr": 0.001}}}}
    study["experiments"]["main"]["cells"].append("slow")
    more = Counter(job_counts(tmp_path, "--configfile", write_study(tmp_path, study)))
    more.subtract(built_in)
    assert {rule: n for rule, n in more.items() if n} == {"classify": 3, "score": 3}


def test_pieces_of_each_texts_own_cost_a_tokenizer_and_train_the_same_models(built_in, tmp_path):
    study = yaml.safe_load(BUILT_IN.read_text())
    study["recipes"]["tokenizers"]["subword"] |= {"pieces_from": "dataset", "subword_model": "bpe"}
    path = write_study(tmp_path, study)
    assert job_counts(tmp_path, "--configfile", path) == built_in | {"tokenizer": 3}
    for text in ("docstrings", "library-docs"):
        tokens = f"results/docstrings/tokens/{text}/subword/{text}/tokens.json"
        # one `documents`: no other text is read
        alone = {"documents": 1, "folds": 1, "tokenizer": 1, "tokens": 1}
        assert job_counts(tmp_path, tokens, "--configfile", path) == alone


def test_a_mistake_in_the_config_stops_before_the_graph(tmp_path):
    study = yaml.safe_load(BUILT_IN.read_text())
    study["experimnts"] = study.pop("experiments")
    done = snakemake(tmp_path, "--dry-run", "--configfile", write_study(tmp_path, study))
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "study.yaml: experimnts: unknown key 'experimnts'; did you mean 'experiments'?" in output
    assert "Traceback" not in output


def test_the_smoke_study_has_every_rule(built_in, tmp_path):
    smoke = job_counts(tmp_path, "--configfile", CONFIG / "studies/smoke.yaml")
    assert smoke.keys() == built_in.keys()
    assert smoke == {
        "all": 1,
        "documents": 2,
        "folds": 2,
        "leakage": 1,
        "tokenizer": 2,
        # as in the built-in study, and vocabularies of 80 texts, of the test text too, and kept
        "tokens": 7,
        "pretrain": 3,
        "finetune": 14,
        "classify": 30,
        "score": 30,
        "ensemble": 6,
        "baseline": 3,
        "manifest": 1,
        "before_test": 1,
        "predict_test": 4,
        "score_test": 4,
        "ensemble_test": 4,
        "baseline_test": 1,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "paper": 1,
    }


@pytest.fixture(scope="module")
def trec6(tmp_path_factory):
    return job_counts(
        tmp_path_factory.mktemp("trec6"), "--configfile", CONFIG / "studies/trec6.yaml"
    )


def test_the_trec6_study_fetches_its_files_and_shares_its_stages(trec6):
    assert trec6 == {
        "all": 1,
        # train and test questions, the archive of WikiText-2
        "fetch": 3,
        "documents": 2,
        "folds": 2,
        "leakage": 1,
        "tokenizer": 1,
        "tokens": 2,
        # forward and backward, one seed
        "pretrain": 2,
        # these two and the one without pretraining, five seeds
        "finetune": 15,
        # ulmfit in both directions, full, two leave-outs, two from scratch (7 x 5)
        "classify": 35,
        "score": 35,
        "ensemble": 5,
        "baseline": 2,
        "manifest": 1,
        "before_test": 1,
        # ulmfit in both directions, two from scratch
        "predict_test": 20,
        "score_test": 20,
        "ensemble_test": 5,
        "baseline_test": 2,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "paper": 1,
    }


FULL = ("--configfile", CONFIG / "studies/docstrings-full.yaml")


def test_the_fifteen_cells_of_tables_4_to_7_share_their_stages(tmp_path):
    tables = ("table_4", "table_5", "table_6", "table_7")
    assert job_counts(tmp_path, *tables, *FULL) == {
        "documents": 2,
        "folds": 2,
        "leakage": 1,
        "tokenizer": 1,
        "tokens": 2,
        # with and without dropout, one seed
        "pretrain": 2,
        # as usual, without pretraining, without dropout, full at two rates, full + discr
        "finetune": 30,
        # fifteen cells, seven of them at a second rate
        "classify": 110,
        "score": 110,
        "part_manifest": 4,
        "part_tables": 4,
        "part": 4,
        **dict.fromkeys(tables, 1),
    }


def test_the_rows_of_table_7_hang_off_one_fine_tuned_language_model(tmp_path):
    jobs = job_counts(tmp_path, "classifier_finetuning", *FULL)
    # One seed of pretraining, five of fine-tuning: nine rows for each, and that from scratch; six
    # of the ten at two rates.
    assert (jobs["pretrain"], jobs["finetune"], jobs["classify"]) == (1, 5, 80)
    # An alias is the same target, and an ablation leaves the test fold sealed.
    alias = job_counts(tmp_path, "table_7", *FULL)
    assert alias.pop("table_7") == jobs.pop("classifier_finetuning") == 1
    assert alias == jobs
    assert not {"before_test", "predict_test", "score_test", "tables", "report"} & jobs.keys()


def test_a_table_of_the_test_fold_waits_for_the_whole_study(tmp_path):
    jobs = job_counts(tmp_path, "table_2", *FULL)
    assert jobs == {
        "documents": 2,
        "folds": 2,
        "leakage": 1,
        "tokenizer": 2,
        # words and sub-words of both texts; of words also the vocabularies of 100, 500 and 2,000
        # texts, of the test text too, and that of the corpus
        "tokens": 9,
        # both directions and tokenizers, and without dropout
        "pretrain": 5,
        # eight ways for words forward, three readings more; 100, 500 and 2,000 texts, two
        # vocabularies
        "finetune": 85,
        # 45 of them at the second rate of nine cells
        "classify": 255,
        "score": 255,
        "ensemble": 30,
        "baseline": 2,
        "manifest": 1,
        "before_test": 1,
        "predict_test": 10,
        "score_test": 10,
        "ensemble_test": 5,
        "baseline_test": 2,
        "part_manifest": 1,
        "part_tables": 1,
        "part": 1,
        "table_2": 1,
    }


def test_fetched_files_are_shared_by_studies_and_the_mirror_enters_no_job(trec6, tmp_path):
    study = yaml.safe_load((CONFIG / "studies/trec6.yaml").read_text())
    other = write_study(tmp_path, study | {"study": "other"})
    (tmp_path / "elsewhere").mkdir()
    mirrored = ("--configfile", other, "--config", "data_mirror=elsewhere")
    for name in (
        "trec6/train_5500.label",
        "trec6/TREC_10.label",
        "wikitext-2/wikitext-2-v1.zip",
    ):
        path = tmp_path / "resources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    without = dict(trec6)
    del without["fetch"]
    assert job_counts(tmp_path, *mirrored) == without
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", *mirrored)
    commands = [line for line in done.stdout.splitlines() if "python -m ulmfit" in line]
    assert commands
    assert not any("elsewhere" in line for line in commands)


def test_files_that_no_mirror_has_stop_before_the_graph(tmp_path):
    study = ("--configfile", CONFIG / "studies/wikipedia-sample.yaml")
    for mirror, message in (
        (None, "study wikipedia-sample: "),
        ("nowhere", "data_mirror: nowhere: no such folder"),
    ):
        done = snakemake(
            tmp_path,
            "--dry-run",
            *study,
            *(["--config", f"data_mirror={mirror}"] if mirror else []),
        )
        output = done.stdout + done.stderr
        assert done.returncode != 0
        assert message in output
        assert "Traceback" not in output


def test_the_study_of_the_paper_shares_its_stages_among_six_datasets(tmp_path):
    assert job_counts(tmp_path, "--configfile", CONFIG / "studies/paper.yaml") == {
        "all": 1,
        # an archive for each but the two files of TREC-6, the archive of WikiText-103
        "fetch": 8,
        "documents": 7,
        "folds": 7,
        # each dataset beside WikiText-103
        "leakage": 6,
        "tokenizer": 2,
        # words of seven texts, sub-words of four; of the three datasets of the ablations words also
        # with the test text, with the vocabulary kept, and of 8, 5 and 8 numbers of labels
        "tokens": 7 + 4 + 3 + 3 + 21,
        # both directions and tokenizers, and without dropout; one seed
        "pretrain": 5,
        # both directions of six datasets; of three eight ways more; two vocabularies of 21 texts
        "finetune": (12 + 24 + 42) * 3,
        # both directions of six datasets; of three 30 rows more; four methods at 21 sizes
        "classify": (12 + 90 + 84) * 3,
        "score": (12 + 90 + 84) * 3,
        # both directions of six datasets, words and sub-words of three, four-way in four ways
        "ensemble": (6 + 3 + 12) * 3,
        "baseline": 12,
        "manifest": 1,
        "before_test": 1,
        # both directions of six datasets, and the models that have read the test text
        "predict_test": (12 + 3) * 3,
        "score_test": (12 + 3) * 3,
        "ensemble_test": 18,
        "baseline_test": 12,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "paper": 1,
    }


def test_no_command_grows_with_the_number_of_runs(tmp_path):
    study = yaml.safe_load((CONFIG / "studies/smoke.yaml").read_text())
    study["experiments"] = {
        "many": {
            "title": "Three thousand runs",
            "fold": "test",
            "reference": None,
            "n_labelled": list(range(2, 1502)),
            "cells": ["tfidf", "nb-svm"],
        }
    }
    path = write_study(tmp_path, study | {"study": "many"})
    target = "results/many/tables/before_test.csv"
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds", target, "--configfile", path)
    commands = [line.strip() for line in done.stdout.splitlines() if "-m ulmfit" in line]
    assert sum("ulmfit baseline" in command for command in commands) == 3000
    assert sum("ulmfit before-test" in command for command in commands) == 1
    # Linux takes 131,072 bytes in one argument, and each command is one.
    assert max(map(len, commands)) < 65_536


def test_tokenization_asks_for_the_cores_that_its_text_is_worth(tmp_path):
    for text, size in (("docstrings", 3_000_000), ("library-docs", 300_000_000)):
        documents = tmp_path / f"results/docstrings/data/{text}/documents.parquet"
        documents.parent.mkdir(parents=True)
        with documents.open("wb") as file:
            file.truncate(size)
    options = ("--dry-run", "--printshellcmds", "--cores", "8", "--configfile", BUILT_IN)
    done = snakemake(tmp_path, *options)
    asked = {
        re.search(r"data/([^/]+)/", line)[1]: re.search(r"--threads (\d+)", line)[1]
        for line in done.stdout.splitlines()
        if "-m ulmfit tokens " in line
    }
    assert asked == {"docstrings": "1", "library-docs": "4"}


def test_lint_finds_nothing(tmp_path):
    done = snakemake(tmp_path, "--lint", "--configfile", BUILT_IN)
    assert done.returncode == 0, done.stdout + done.stderr
