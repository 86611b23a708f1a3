"""The smoke study from raw text to report, and what reruns afterwards."""

import copy
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from html import escape

import pytest
import yaml

from running import CONFIG, job_counts, snakemake, write_study
from ulmfit.archive.contents import reader_files
from ulmfit.archiving import archive_study, restore

SMOKE = CONFIG / "studies/smoke.yaml"
CLASSIFIER = (
    "results/smoke/clf/docstrings-small/library-docs-small/word/fwd/ulmfit/ulmfit/nall"
    "/ulmfit/n80/s0-0-0"
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a smoke study that ran to its end."""
    folder = tmp_path_factory.mktemp("smoke")
    done = snakemake(folder, "--configfile", SMOKE, "--show-failed-logs")
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return folder


@pytest.fixture
def study():
    return yaml.safe_load(SMOKE.read_text())


def test_a_finished_study_has_nothing_to_do(finished):
    assert job_counts(finished, "--configfile", SMOKE) == {}


def test_reordering_keys_reruns_nothing(finished, tmp_path, study):
    def backwards(value):
        if not isinstance(value, dict):
            return value
        return {name: backwards(value[name]) for name in reversed(value)}

    assert job_counts(finished, "--configfile", write_study(tmp_path, backwards(study))) == {}


def test_the_device_reruns_nothing(finished, tmp_path, study):
    study["device"] = "cpu"
    assert job_counts(finished, "--configfile", write_study(tmp_path, study)) == {}


def test_a_value_of_the_classifier_reruns_classifiers_and_what_follows(finished, tmp_path, study):
    changed = copy.deepcopy(study)
    changed["recipes"]["classify"]["optimizer"]["clip"] = 0.5
    jobs = job_counts(finished, "--configfile", write_study(tmp_path, changed))
    above = {"documents", "folds", "tokenizer", "tokens", "pretrain", "finetune"}
    assert jobs["classify"] == 30
    assert not above & jobs.keys()
    assert "baseline" not in jobs


def test_a_new_title_reruns_nothing_that_trains(finished, tmp_path, study):
    study["title"] = "Another title"
    jobs = job_counts(finished, "--configfile", write_study(tmp_path, study))
    assert jobs.keys() == {"all", "manifest", "tables", "figures", "report", "paper"}


def test_the_test_fold_was_looked_at_once(finished):
    metrics = json.loads((finished / CLASSIFIER / "test/metrics.json").read_text())
    assert metrics["test_evaluations"] == 1
    assert metrics["folds"].keys() == {"test"}
    runs = (finished / "results/smoke/tables/before_test.csv").read_text()
    assert ",test," not in runs


def test_its_archive_gives_back_all_that_readers_see_but_text(finished, tmp_path):
    results = finished / "results/smoke"
    index = archive_study(results, tmp_path / "archive")
    assert (index["without_text"], index["left_out"]) == (["report/report.html"], [])
    restore(tmp_path / "archive", tmp_path / "again")
    names = reader_files(results)
    assert {"tables/before_test.csv", "report/paper.pdf"} <= set(names)
    for name in set(names) - {"report/report.html"}:
        assert (tmp_path / "again" / name).read_bytes() == (results / name).read_bytes(), name


def test_new_results_are_written_down_before_the_test_fold_is_asked_again(finished):
    jobs = job_counts(finished, "--configfile", SMOKE, "--forcerun", "score")
    assert jobs["before_test"] == 1
    assert (jobs["predict_test"], jobs["score_test"], jobs["ensemble_test"]) == (4, 4, 4)


def test_scoring_the_same_model_again_is_no_new_look_at_the_test_fold(finished):
    target = f"{CLASSIFIER}/test/metrics.json"
    done = snakemake(finished, target, "--configfile", SMOKE, "--forcerun", target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((finished / target).read_text())["test_evaluations"] == 1
    assert len((finished / CLASSIFIER / "test/evaluations.log").read_text().splitlines()) == 1


def test_no_evaluated_document_has_a_copy_in_what_is_trained_on(finished):
    with open(finished / "results/smoke/tables/leakage.csv", newline="") as file:
        copied = [row for row in csv.DictReader(file) if row["kind"] == "copied"]
    assert {(row["part"], row["other"]): row["documents"] for row in copied} == {
        (part, other): n
        for part, n in (("select", "50"), ("report", "100"), ("test", "100"))
        for other in ("fit", "unlabelled")
    }
    assert {row["exact"] for row in copied} == {row["normalised"] for row in copied} == {"0"}


def test_training_again_gives_the_same_bits(finished):
    files = [finished / CLASSIFIER / name for name in ("model.safetensors", "probabilities.npz")]
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    card = json.loads((finished / CLASSIFIER / "card.json").read_text())
    target = f"{CLASSIFIER}/model.safetensors"
    done = snakemake(finished, target, "--configfile", SMOKE, "--forcerun", target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in files] == before
    again = json.loads((finished / CLASSIFIER / "card.json").read_text())
    assert again["recipe_digest"] == card["recipe_digest"]
    assert again["parents"] == card["parents"]


def test_a_study_without_its_weights_is_still_finished(finished, tmp_path):
    # What `make clean-weights` does.
    hidden = {path: tmp_path / str(i) for i, path in enumerate(finished.rglob("*.safetensors"))}
    snakemake(finished, "--configfile", SMOKE)
    for path, place in hidden.items():
        path.rename(place)
    try:
        assert job_counts(finished, "--configfile", SMOKE) == {}
    finally:
        for path, place in hidden.items():
            place.rename(path)


def test_the_target_of_an_experiment_makes_the_same_table_and_trains_nothing_more(finished):
    tables = finished / "results/smoke/tables"
    part = finished / "results/smoke/experiments/switches"
    done = snakemake(finished, "switches", "--configfile", SMOKE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    for name in ("switches.csv", "switches.md"):
        assert (part / "tables" / name).read_bytes() == (tables / name).read_bytes()
    assert (part / "figures/errors-switches.svg").exists()
    assert job_counts(finished, "switches", "--configfile", SMOKE) == {}


def test_a_supervised_model_has_the_vocabulary_of_its_texts_or_keeps_the_pretrained(finished):
    tokens = finished / "results/smoke/tokens"

    def words(name):
        return (tokens / name / "vocabulary.txt").read_text().split("\n")

    own, labelled, with_test, kept = (
        words(f"docstrings-small/word/{text}")
        for text in ("none", "80", "with-test", "library-docs-small")
    )
    assert len(labelled) < len(own)
    assert set(own) != set(with_test)
    assert kept == words("library-docs-small/word/none")


def test_what_is_special_about_a_table_is_said(finished):
    tables = finished / "results/smoke/tables"
    html = (finished / "results/smoke/report/report.html").read_text()
    for text in ((tables / "one-fold.md").read_text(), html):
        assert "The same fold chose epochs" in text
    for text in ((tables / "switches.md").read_text(), html):
        assert "the text of the test documents, never their labels: With the test text" in text
    assert "The same fold chose epochs" not in (tables / "main.md").read_text()


def test_weights_on_the_test_fold_are_those_fitted_before(finished):
    folder = finished / "results/smoke/ensembles/docstrings-small/weighted/ulmfit/word/none/n80/s0"
    before, test = (
        json.loads((folder / name).read_text()) for name in ("metrics.json", "test/metrics.json")
    )
    assert test["member_weights"] == before["member_weights"]


def test_the_report_is_one_file_with_every_experiment(finished, study):
    html = (finished / "results/smoke/report/report.html").read_text()
    for experiment in study["experiments"].values():
        assert experiment["title"] in html
    assert 'src="http' not in html


def test_each_run_is_told_with_its_log_and_its_hard_documents(finished):
    results = finished / "results/smoke"
    html = (results / "report/report.html").read_text()
    with open(results / "tables/hardest.csv", newline="") as file:
        assert all(escape(row["document"]) in html for row in csv.DictReader(file))
    assert html.count("<blockquote") > 100
    assert "classify fwd: epoch 1" in html


def test_what_is_finished_of_an_unfinished_study_can_be_seen(finished, tmp_path):
    results = tmp_path / "smoke"
    left_out = shutil.ignore_patterns("*.safetensors", "tables", "figures", "report")
    shutil.copytree(finished / "results/smoke", results, ignore=left_out)
    (results / "lm/library-docs-small/word/fwd/ulmfit/s0/card.json").unlink()
    before = {path for path in results.rglob("*") if path.is_file()}
    command = ("so-far", "--configfile", SMOKE, "--results", results)
    done = subprocess.run(
        [sys.executable, "-m", "ulmfit", *map(str, command)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    html = (results / "so-far/report/report.html").read_text()
    assert "pretraining (lm/library-docs-small/word/fwd/ulmfit/s0), not begun" in html
    assert "the test fold opens when every run is finished" in html
    assert (results / "so-far/report/paper.pdf").read_bytes().startswith(b"%PDF")
    assert "Waits for" in (results / "so-far/tables/main.tex").read_text()
    assert "not begun" in (results / "so-far/tables/unfinished.csv").read_text()
    made = {path for path in results.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(results / "so-far") for path in made)


def test_the_report_of_snakemake_has_categories_and_captions(finished):
    snakemake(finished, "--configfile", SMOKE)
    archive = finished / "report.zip"
    done = snakemake(finished, "--configfile", SMOKE, "--report", archive)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(archive) as made:
        text = "".join(
            made.read(name).decode("utf-8", "replace")
            for name in made.namelist()
            if name.endswith((".js", ".html"))
        )
    for word in ("Tables", "Figures", "Report", "Every kind of row"):
        assert word in text
