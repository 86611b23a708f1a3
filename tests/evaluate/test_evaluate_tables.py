"""The tables of a study: one line a run, a cell, a model and an epoch, from files joined on ids."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pandas as pd
import pytest
from simulated_runs import Table

from synthetic_results import CLASSES, SyntheticResults, write_synthetic_results
from ulmfit.config.paths import DUPLICATES
from ulmfit.errors import UserError
from ulmfit.evaluate.experiments import CELL_COLUMNS
from ulmfit.evaluate.statistics import adjust_holm, wilson
from ulmfit.evaluate.tables import BEFORE_TEST_COLUMNS, make_tables, write_before_test
from ulmfit.store.files import read_json, write_json
from ulmfit.store.tables import write_table

ULMFIT = "docstrings/ulmfit/word/fwd/2000"
TUNED = "docstrings/from-scratch-tuned/word/fwd/2000"
BEST = "docstrings/best-of-from-scratch+from-scratch-tuned/word/fwd/2000"
TFIDF = "docstrings/tfidf/-/-/2000"


def read(study, name):
    """Rows of a table, as text."""
    with open(study.tables / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def cells(study, name):
    """Rows of an experiment's table by cell."""
    return {row["cell"]: row for row in read(study, name)}


def remake(study):
    make_tables(study.manifest, study.results, study.tables)


def entry_of(manifest, cell):
    """A cell of the manifest by its id, from the first experiment that has it."""
    entries = [entry for part in manifest["experiments"] for entry in part["cells"]]
    return next(entry for entry in entries if entry["id"] == cell)


def predictions_of(study, run, fold="report"):
    table = pd.read_parquet(study.results / run / "predictions.parquet")
    table = table[table["fold"] == fold].set_index("document").sort_index()
    predicted = table[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
    return table["label"].to_numpy(), np.array(CLASSES)[predicted]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    results = tmp_path_factory.mktemp("pristine") / "synthetic"
    return write_synthetic_results(results, documents=40, tables=False)


@pytest.fixture
def small(pristine, tmp_path):
    """A study to change: 40 documents a fold, tables not made."""
    results = tmp_path / "synthetic"
    shutil.copytree(pristine.results, results)
    return SyntheticResults(results, results / "manifest.json", results / "tables")


# Runs


def test_runs_table_has_one_line_for_each_run_and_scored_fold(synthetic_results):
    manifest = read_json(synthetic_results.manifest)
    rows = read(synthetic_results, "runs")
    wanted = {(run["path"], fold) for run in manifest["runs"] for fold in ("select", "report")}
    wanted |= {(path, "test") for path in manifest["unsealed"]}
    assert {(row["path"], row["fold"]) for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert manifest["unsealed"] != []


def test_the_error_of_a_run_is_its_errors_over_its_documents(synthetic_results):
    for row in read(synthetic_results, "runs"):
        assert float(row["error"]) == int(row["errors"]) / int(row["n"])


def test_an_ensemble_costs_what_its_members_cost(synthetic_results):
    rows = {(row["path"], row["fold"]): row for row in read(synthetic_results, "runs")}
    runs = read_json(synthetic_results.manifest)["runs"]
    ensemble = next(run for run in runs if run["kind"] == "ensemble")
    members = [rows[path, "report"] for path in ensemble["members"]]
    row = rows[ensemble["path"], "report"]
    assert float(row["wall_s"]) == sum(float(member["wall_s"]) for member in members)
    assert (row["members"], row["tokens_per_s"]) == ("2", "")


def test_the_table_before_the_test_fold_holds_every_run_and_nothing_of_that_fold(small, tmp_path):
    runs = read_json(small.manifest)["runs"]
    write_before_test(small.manifest, tmp_path / "before_test.csv")
    rows = pd.read_csv(tmp_path / "before_test.csv")
    assert tuple(rows.columns) == BEFORE_TEST_COLUMNS
    assert set(rows["fold"]) == {"select", "report"}
    assert len(rows) == 2 * len(runs)


def test_the_table_before_the_test_fold_refuses_results_of_that_fold(small, tmp_path):
    path = next(small.results.rglob("test/metrics.json"))
    run = {"path": path.parent.relative_to(small.results).as_posix()}
    manifest = small.results / "opened.json"
    write_json(manifest, {"runs": [run]})
    with pytest.raises(UserError, match="already shows the test fold"):
        write_before_test(manifest, tmp_path / "before_test.csv")
    assert not (tmp_path / "before_test.csv").exists()


# Cells


def test_a_cell_is_the_mean_over_its_runs(synthetic_results):
    manifest = read_json(synthetic_results.manifest)
    for cell, row in cells(synthetic_results, "main").items():
        runs = entry_of(manifest, row["chosen"] or cell)["runs"]
        pairs = [predictions_of(synthetic_results, run) for run in runs]
        rates = [float((label != predicted).mean()) for label, predicted in pairs]
        assert float(row["error"]) == pytest.approx(np.mean(rates), abs=1e-12)
        assert int(row["seeds"]) == len(runs)
        assert float(row["error_low"]) < float(row["error"]) < float(row["error_high"])
        assert float(row["error_min"]) == min(rates)
        assert float(row["error_max"]) == max(rates)
    assert list(row) == list(CELL_COLUMNS)


def test_a_difference_is_cell_minus_reference(synthetic_results):
    rows = cells(synthetic_results, "main")
    for cell, row in rows.items():
        if cell == ULMFIT:
            assert row["difference"] == row["p"] == row["p_holm"] == row["verdict"] == ""
        else:
            difference = float(row["error"]) - float(rows[ULMFIT]["error"])
            assert float(row["difference"]) == pytest.approx(difference, abs=1e-12)
            assert float(row["difference_low"]) < difference < float(row["difference_high"])
            assert row["verdict"] in ("better", "worse", "not distinguished")


def test_each_size_is_compared_with_the_reference_of_its_size(synthetic_results):
    rows = cells(synthetic_results, "low-shot")
    for row in rows.values():
        if row["difference"]:
            reference = rows[ULMFIT.replace("2000", row["n_labelled"])]
            difference = float(row["error"]) - float(reference["error"])
            assert float(row["difference"]) == pytest.approx(difference, abs=1e-12)


def test_the_best_of_several_is_chosen_on_select_and_shown_on_the_fold(small):
    manifest = read_json(small.manifest)
    candidates = entry_of(manifest, BEST)["among"]
    # The first candidate wins on select, the second by far on report.
    for candidate, select, report in zip(candidates, (10, 12), (30, 5), strict=True):
        for run in candidate["runs"]:
            set_errors(small, run, {"select": select, "report": report})
    remake(small)
    row = cells(small, "main")[BEST]
    assert row["chosen"] == candidates[0]["id"]
    assert float(row["error"]) == 30 / 40


def set_errors(study, run, errors):
    """Make a run wrong on the first documents of each fold, in predictions and metrics."""
    folder = study.results / run
    table, metrics = (
        pd.read_parquet(folder / "predictions.parquet"),
        read_json(folder / "metrics.json"),
    )
    for fold, count in errors.items():
        rows = table.index[table["fold"] == fold]
        for place, row in enumerate(rows):
            right = CLASSES.index(table.loc[row, "label"])
            shown = (right + 1) % len(CLASSES) if place < count else right
            table.loc[row, [f"p_{name}" for name in CLASSES]] = np.eye(len(CLASSES))[shown]
        metrics["folds"][fold] |= {"errors": count, "error": count / len(rows)}
    write_table(folder / "predictions.parquet", table)
    write_json(folder / "metrics.json", metrics)


def test_holm_counts_each_comparison_of_a_table_once(synthetic_results):
    rows = cells(synthetic_results, "main")
    assert rows[BEST]["chosen"] == TUNED
    assert (rows[BEST]["p"], rows[BEST]["p_holm"]) == (rows[TUNED]["p"], rows[TUNED]["p_holm"])
    others = [row for cell, row in rows.items() if cell not in (ULMFIT, BEST)]
    adjusted = adjust_holm([float(row["p"]) for row in others])
    assert [float(row["p_holm"]) for row in others] == pytest.approx(adjusted)


def test_the_baseline_has_one_run_and_the_chance_of_documents_only(synthetic_results):
    row = cells(synthetic_results, "main")[TFIDF]
    errors = round(float(row["error"]) * int(row["n"]))
    interval = float(row["error_low"]), float(row["error_high"])
    assert interval == pytest.approx(wilson(errors, int(row["n"])))
    assert (row["seeds"], row["kind"], row["error_sd"]) == ("1", "baseline", "")
    assert row["verdict"] != "too few seeds"


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_claim_nothing_and_do_not_weigh_on_the_others(tmp_path, seeds):
    study = write_synthetic_results(tmp_path / "synthetic", seeds=seeds, documents=40)
    rows = cells(study, "main")
    for cell, row in rows.items():
        if cell != ULMFIT:
            assert row["verdict"] == "too few seeds"
            assert row["p"] == row["p_holm"] == ""
            assert row["difference_low"] != ""
            # One model against one model can be described, and no more.
            assert (row["p_mcnemar"] != "") == (seeds == 1)


def test_the_side_with_fewer_seeds_decides_what_may_be_claimed(small):
    manifest = read_json(small.manifest)
    scratch = entry_of(manifest, "docstrings/from-scratch/word/fwd/2000")
    scratch["runs"] = scratch["runs"][:2]
    write_json(small.manifest, manifest)
    remake(small)
    rows = cells(small, "main")
    assert rows[scratch["id"]]["verdict"] == "too few seeds"
    assert rows[TUNED]["verdict"] != "too few seeds"


def test_published_numbers_are_fractions(synthetic_results):
    rows = cells(synthetic_results, "main")
    assert float(rows[ULMFIT]["published"]) == pytest.approx(0.05)
    assert rows[TFIDF]["published"] == ""


def test_published_numbers_have_the_interval_of_their_documents(synthetic_results):
    rows = cells(synthetic_results, "main")
    low, high = wilson(0.05 * 2500, 2500)
    assert float(rows[ULMFIT]["published_low"]) == pytest.approx(low)
    assert float(rows[ULMFIT]["published_high"]) == pytest.approx(high)
    # The invented errors are several times those of the paper.
    assert rows[ULMFIT]["reproduced"] == "no"
    assert rows[TFIDF]["published_low"] == rows[TFIDF]["reproduced"] == ""


@pytest.mark.parametrize(("published", "said"), [("40.00", "yes"), ("5.00", "no")])
def test_reproduced_is_what_chance_can_explain(small, published, said):
    manifest = read_json(small.manifest)
    entry = entry_of(manifest, ULMFIT)
    entry |= {"published": published, "published_n": 500}
    for run in entry["runs"]:
        set_errors(small, run, {"report": 15})
    write_json(small.manifest, manifest)
    remake(small)
    assert cells(small, "main")[ULMFIT]["reproduced"] == said


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_reproduce_nothing_and_ask_for_nothing(tmp_path, seeds):
    study = write_synthetic_results(tmp_path / "synthetic", seeds=seeds, documents=40)
    for row in read(study, "main"):
        assert row["reproduced"] == row["n_needed"] == row["seeds_needed"] == ""


def test_needed_documents_are_fewer_than_there_are_where_a_difference_is_clear(small):
    scratch = "docstrings/from-scratch/word/fwd/2000"
    manifest = read_json(small.manifest)
    for cell, errors in ((ULMFIT, 2), (scratch, 25)):
        for run in entry_of(manifest, cell)["runs"]:
            set_errors(small, run, {"report": errors})
    remake(small)
    rows = cells(small, "main")
    assert rows[scratch]["verdict"] == "worse"
    assert int(rows[scratch]["n_needed"]) < 40
    assert rows[ULMFIT]["n_needed"] == ""


def test_what_is_not_distinguished_needs_more_documents_than_there_are(synthetic_results):
    rows = [row for name in ("main", "low-shot") for row in read(synthetic_results, name)]
    untold = [row for row in rows if row["verdict"] == "not distinguished"]
    assert untold
    for row in untold:
        assert row["n_needed"] == "" or int(row["n_needed"]) > int(row["n"])


def test_macro_f1_is_the_mean_over_runs(synthetic_results):
    manifest = read_json(synthetic_results.manifest)
    runs = {(row["path"], row["fold"]): row for row in read(synthetic_results, "runs")}
    for cell, row in cells(synthetic_results, "main").items():
        behind = entry_of(manifest, row["chosen"] or cell)["runs"]
        expected = np.mean([float(runs[run, "report"]["macro_f1"]) for run in behind])
        assert float(row["macro_f1"]) == pytest.approx(expected)


def test_bins_of_a_cell_hold_all_its_predictions(synthetic_results):
    rows = cells(synthetic_results, "main")
    for cell, row in rows.items():
        bins = [
            part
            for part in read(synthetic_results, "calibration")
            if (part["experiment"], part["cell"]) == ("main", cell)
        ]
        documents = [int(part["documents"]) for part in bins]
        assert sum(documents) == int(row["n"]) * int(row["seeds"])
        right = sum(float(part["accuracy"]) * int(part["documents"]) for part in bins)
        assert right / sum(documents) == pytest.approx(1 - float(row["error"]))
        assert 0 <= float(row["ece"]) < 1
        assert 0 <= float(row["brier"]) <= 2


def test_documents_with_a_copy_do_not_count_in_the_error_without_them(synthetic_results):
    """Two of the 200 documents of each fold have one, in fit and in the corpus."""
    (entry,) = read_json(synthetic_results.manifest)["leakage"]
    table = pd.read_parquet(synthetic_results.results / DUPLICATES.format(**entry))
    copied = set(table.loc[table["duplicate_in_fit"] | table["in_corpus"], "id"])
    manifest = read_json(synthetic_results.manifest)
    for cell, row in cells(synthetic_results, "main").items():
        assert int(row["n_unique"]) == int(row["n"]) - 2
        rates = []
        for run in entry_of(manifest, row["chosen"] or cell)["runs"]:
            path = synthetic_results.results / run / "predictions.parquet"
            rows = pd.read_parquet(path)
            rows = rows[(rows["fold"] == "report") & ~rows["document"].isin(copied)]
            best = rows[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
            rates.append((np.array(CLASSES)[best] != rows["label"]).mean())
        assert float(row["error_unique"]) == pytest.approx(np.mean(rates))
        assert float(row["error_unique_low"]) < np.mean(rates) < float(row["error_unique_high"])


def test_where_every_document_has_a_copy_there_is_no_error_without(small):
    (entry,) = read_json(small.manifest)["leakage"]
    path = small.results / DUPLICATES.format(**entry)
    write_table(path, pd.read_parquet(path).assign(in_corpus=True))
    remake(small)
    row = cells(small, "main")[ULMFIT]
    assert (row["n_unique"], row["error_unique"]) == ("0", "")


def test_where_copies_were_not_counted_nothing_is_said_of_documents_without(small):
    write_json(small.manifest, {**read_json(small.manifest), "leakage": []})
    remake(small)
    row = cells(small, "main")[ULMFIT]
    assert (row["n_unique"], row["error_unique"]) == ("", "")


# Crossings


def test_crossings_are_of_rows_of_several_sizes_with_every_other_row(synthetic_results):
    rows = read(synthetic_results, "crossings")
    assert {row["experiment"] for row in rows} == {"low-shot"}
    # Three rows of two sizes, each against two sizes of the two others.
    assert len(rows) == 3 * 4
    for row in rows:
        assert (row["smallest"], row["largest"]) == ("100", "2000")
        ends = [float(row[name]) for name in ("low", "n_labelled", "high") if row[name]]
        assert ends == sorted(ends)
        assert all(100 <= end <= 2000 for end in ends)


def test_only_what_the_paper_would_name_is_said(synthetic_results):
    said = [row for row in read(synthetic_results, "crossings") if row["statement"]]
    assert said
    for row in said:
        if row["of_n_labelled"] == "100":
            assert row["of_variant"] == "ulmfit" or row["variant"] == "from-scratch"
        else:
            assert (row["variant"], row["of_variant"]) == ("ulmfit", "from-scratch")
        assert row["title"] in row["statement"]
        assert row["of_title"] in row["statement"]


# Costs


def test_a_row_costs_what_all_its_stages_cost(small):
    manifest = read_json(small.manifest)
    lms = {model["path"]: model for model in manifest["language_models"]}
    pretrained, tuned = (
        next(path for path, model in lms.items() if model["stage"] == stage and model["corpus"])
        for stage in ("pretrain", "finetune")
    )
    chain(small, tuned, pretrained)
    for run in entry_of(manifest, ULMFIT)["runs"]:
        chain(small, run, tuned)
    remake(small)
    row = next(row for row in read(small, "costs") if row["cell"] == ULMFIT)
    cards = [read_json(small.results / path / "card.json") for path in (pretrained, tuned)]
    cards += [
        read_json(small.results / run / "card.json") for run in entry_of(manifest, ULMFIT)["runs"]
    ]
    own = np.mean([card["wall_s"] for card in cards[2:]])
    assert float(row["wall_s"]) == pytest.approx(cards[0]["wall_s"] + cards[1]["wall_s"] + own)
    assert float(row["tokens"]) == 3 * 90_000
    assert row["what"] == "pretraining + LM fine-tuning + classifier, mean of 3 runs"
    assert float(row["error"]) == float(cells(small, "main")[ULMFIT]["error"])


def chain(study, child, parent):
    """Make one training the parent of another, in the child's card and in its metrics."""
    parents = [
        {"weights_sha256": read_json(study.results / parent / "card.json")["weights_sha256"]}
    ]
    path = study.results / child / "card.json"
    write_json(path, read_json(path) | {"parents": parents})
    for metrics in (study.results / child).rglob("metrics.json"):
        content = read_json(metrics)
        write_json(metrics, content | {"training": content["training"] | {"parents": parents}})


def test_an_ensemble_pays_once_for_a_stage_that_its_members_share(small):
    manifest = read_json(small.manifest)
    (ensemble,) = (
        cell for cell in manifest["experiments"][1]["cells"] if cell["kind"] == "ensemble"
    )
    pretrained = next(m["path"] for m in manifest["language_models"] if m["stage"] == "pretrain")
    shared = read_json(small.results / pretrained / "card.json")
    for run in ensemble["runs"]:
        path = small.results / run / "metrics.json"
        content = read_json(path)
        for card in content["member_cards"]:
            card["parents"] = [{"weights_sha256": shared["weights_sha256"]}]
        write_json(path, content)
    remake(small)
    row = next(row for row in read(small, "costs") if row["cell"] == ensemble["id"])
    assert float(row["tokens"]) == 3 * 90_000
    assert row["what"] == "pretraining + 2 x classifier, mean of 3 runs"


def test_a_parent_of_another_study_leaves_the_cost_open(small):
    run = entry_of(read_json(small.manifest), ULMFIT)["runs"][0]
    path = small.results / run / "metrics.json"
    content = read_json(path)
    content["training"]["parents"] = [{"weights_sha256": "unknown"}]
    write_json(path, content)
    remake(small)
    row = next(row for row in read(small, "costs") if row["cell"] == ULMFIT)
    assert (row["wall_s"], row["tokens"]) == ("", "")
    assert row["what"] == "a stage of another study"


def test_a_baseline_costs_seconds_and_has_no_tokens(synthetic_results):
    row = next(row for row in read(synthetic_results, "costs") if row["cell"] == TFIDF)
    assert float(row["wall_s"]) > 0
    assert (row["tokens"], row["parameters_trained"], row["what"]) == ("", "", "baseline")


def test_without_a_reference_nothing_is_compared(small):
    manifest = read_json(small.manifest)
    manifest["experiments"][0]["reference"] = {}
    write_json(small.manifest, manifest)
    remake(small)
    for row in cells(small, manifest["experiments"][0]["name"]).values():
        assert row["difference"] == row["verdict"] == ""


def test_the_order_of_documents_in_the_files_does_not_matter(small):
    remake(small)
    before = {path.name: path.read_bytes() for path in small.tables.glob("*.csv")}
    for number, path in enumerate(sorted(small.results.rglob("predictions.parquet"))):
        write_table(path, pd.read_parquet(path).sample(frac=1, random_state=number))
    remake(small)
    assert {path.name: path.read_bytes() for path in small.tables.glob("*.csv")} == before


def test_the_order_of_cells_and_runs_does_not_matter(small):
    remake(small)
    before = cells(small, "main")
    manifest = read_json(small.manifest)
    for experiment in manifest["experiments"]:
        experiment["cells"].reverse()
        for entry in experiment["cells"]:
            entry["runs"].reverse()
    manifest["runs"].reverse()
    write_json(small.manifest, manifest)
    remake(small)
    assert cells(small, "main") == before


def test_an_effect_far_beyond_noise_is_claimed_and_none_is_not(small):
    """Seeds and documents drawn as in the simulation of coverage: equal errors, and 25 points."""
    manifest = read_json(small.manifest)
    draws = Table(3, 40, 0.2, 1.0, (0.02, 0.02)).draw(np.random.default_rng(0))
    equal, far = (
        entry_of(manifest, f"docstrings/{name}/word/fwd/2000")["runs"]
        for name in ("no-pretraining", "from-scratch")
    )
    base = entry_of(manifest, ULMFIT)["runs"]
    for seed in range(3):
        errors = int(draws[0][seed].sum())
        set_errors(small, base[seed], {"report": errors})
        set_errors(small, equal[seed], {"report": int(draws[1][seed].sum())})
        set_errors(small, far[seed], {"report": errors + 22})
    remake(small)
    rows = cells(small, "main")
    assert rows["docstrings/no-pretraining/word/fwd/2000"]["verdict"] == "not distinguished"
    assert rows["docstrings/from-scratch/word/fwd/2000"]["verdict"] == "worse"


def test_confusion_counts_every_prediction_of_every_run(synthetic_results):
    counts = {}
    for row in read(synthetic_results, "confusion"):
        if (row["experiment"], row["cell"]) == ("main", ULMFIT):
            counts[row["label"], row["predicted"]] = int(row["count"])
    manifest = read_json(synthetic_results.manifest)
    expected = dict.fromkeys([(label, other) for label in CLASSES for other in CLASSES], 0)
    for run in entry_of(manifest, ULMFIT)["runs"]:
        for pair in zip(*predictions_of(synthetic_results, run), strict=True):
            expected[pair] += 1
    assert counts == expected


# Language models and epochs


def test_language_models_show_perplexity_before_and_after(synthetic_results):
    rows = read(synthetic_results, "language_models")
    manifest = read_json(synthetic_results.manifest)
    assert [row["path"] for row in rows] == [m["path"] for m in manifest["language_models"]]
    for row in rows:
        history = pd.read_csv(synthetic_results.results / row["path"] / "history.csv")
        before = history.loc[history["epoch"] == 0, "valid_perplexity"].item()
        assert float(row["valid_perplexity_before"]) == pytest.approx(before)
        assert float(row["valid_loss"]) == pytest.approx(history["valid_loss"].iloc[-1])
        assert row["stage"] in ("pretrain", "finetune")
        assert float(row["wall_s"]) > 20


def test_a_language_model_shows_the_perplexity_of_the_epoch_whose_weights_it_has(small):
    path = read_json(small.manifest)["language_models"][0]["path"]
    folder = small.results / path
    write_json(folder / "card.json", read_json(folder / "card.json") | {"weights_epoch": 2})
    remake(small)
    row = next(row for row in read(small, "language_models") if row["path"] == path)
    history = pd.read_csv(folder / "history.csv").set_index("epoch")
    assert float(row["valid_perplexity"]) == pytest.approx(history["valid_perplexity"][2])
    assert float(row["valid_accuracy"]) == pytest.approx(history["valid_accuracy"][2])


def test_epochs_hold_every_line_of_every_history(synthetic_results):
    rows = read(synthetic_results, "epochs")
    lines = sum(
        len(path.read_text().splitlines()) - 1
        for path in synthetic_results.results.rglob("history.csv")
    )
    assert len(rows) == lines
    assert {row["kind"] for row in rows} == {"lm", "classifier"}
    assert {row["training"] for row in rows} == {"pretrain", "finetune", "classify"}
    classifier = next(row for row in rows if row["kind"] == "classifier" and row["epoch"] == "1")
    assert (classifier["stage"], classifier["select_error"]) == ("head", "")


# Duplicates


def test_every_count_of_duplicates_stands_in_the_table_once(synthetic_results):
    rows = read(synthetic_results, "leakage")
    (entry,) = read_json(synthetic_results.manifest)["leakage"]
    counts = read_json(synthetic_results.results / entry["path"])
    found = {(row["kind"], row["part"], row["other"]): row for row in rows}
    assert len(found) == len(rows)
    assert {(row["dataset"], row["corpus"]) for row in rows} == {("docstrings", "library-docs")}
    for form in ("exact", "normalised"):
        expected = {("conflicting", "", ""): counts[form]["conflicts"]["texts"]}
        for part, number in counts[form]["repeats"].items():
            expected["repeated", part, ""] = number
        for kind, key in (("shared", "shared"), ("copied", "copies")):
            for part, others in counts[form][key].items():
                for other, number in others.items():
                    expected[kind, part, other] = number
        for part, number in counts["contained"].items():
            expected["contained", part, "corpus"] = number["found"] if form != "exact" else ""
        assert {key: row[form] for key, row in found.items()} == {
            key: str(number) for key, number in expected.items()
        }
    assert [part for kind, part, _ in found if kind == "repeated"] == ["train", "test", "corpus"]
    assert found["copied", "report", "fit"]["documents"] == "200"
    assert found["contained", "test", "corpus"]["documents"] == "41"
    assert found["contained", "test", "corpus"]["min_words"] == "8"


# Mistakes


def test_missing_files_are_listed(small):
    runs = read_json(small.manifest)["runs"]
    (small.results / runs[0]["path"] / "metrics.json").unlink()
    (small.results / runs[1]["path"] / "predictions.parquet").unlink()
    with pytest.raises(UserError, match="2 files of the study are missing") as caught:
        remake(small)
    assert runs[0]["path"] in str(caught.value)
    assert runs[1]["path"] in str(caught.value)
    assert not small.tables.exists()


def test_many_missing_files_make_one_short_line(small):
    for path in small.results.rglob("metrics.json"):
        path.unlink()
    with pytest.raises(UserError, match=r"and \d+ more$") as caught:
        remake(small)
    assert "\n" not in str(caught.value)


def drop_a_document(table):
    return table.drop(table.index[table["fold"] == "report"][0])


def rename_a_document(table):
    return table.replace(
        {"document": {table.loc[table["fold"] == "report", "document"].min(): "x"}}
    )


def change_a_label(table):
    first = table.index[table["fold"] == "report"][0]
    label = table.loc[first, "label"]
    probability = table.loc[first, [f"p_{name}" for name in CLASSES]]
    # Right stays right and wrong stays wrong, so only the join can notice.
    if probability.astype(float).idxmax() == f"p_{label}":
        table.loc[first, [f"p_{name}" for name in CLASSES]] = np.roll(probability, 1)
        table.loc[first, "label"] = CLASSES[(CLASSES.index(label) + 1) % len(CLASSES)]
    else:
        wrong = [
            n for n in CLASSES if f"p_{n}" != probability.astype(float).idxmax() and n != label
        ]
        table.loc[first, "label"] = wrong[0]
    return table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_a_document, "cover different documents"),
        (change_a_label, "different labels"),
        (drop_a_document, "cover different documents|do not belong together"),
    ],
)
def test_runs_on_different_documents_are_refused(small, change, message):
    run = entry_of(read_json(small.manifest), ULMFIT)["runs"][1]
    path = small.results / run / "predictions.parquet"
    write_table(path, change(pd.read_parquet(path)))
    with pytest.raises(UserError, match=message) as caught:
        remake(small)
    assert run in str(caught.value)


def test_metrics_of_other_predictions_are_refused(small):
    run = entry_of(read_json(small.manifest), ULMFIT)["runs"][0]
    metrics = read_json(small.results / run / "metrics.json")
    metrics["folds"]["report"]["errors"] += 1
    write_json(small.results / run / "metrics.json", metrics)
    with pytest.raises(UserError, match="do not belong together"):
        remake(small)


def test_two_runs_of_one_seed_are_refused(small):
    manifest = read_json(small.manifest)
    for run in manifest["runs"]:
        run["seed"] = 0
    write_json(small.manifest, manifest)
    with pytest.raises(UserError, match="the same seed"):
        remake(small)


def test_an_unknown_run_of_a_cell_is_refused(small):
    manifest = read_json(small.manifest)
    manifest["experiments"][0]["cells"][0]["runs"] = ["nowhere"]
    write_json(small.manifest, manifest)
    with pytest.raises(UserError, match="unknown run nowhere"):
        remake(small)
