"""What a run is most wrong about is what its probabilities say, and no text leaves the study."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from synthetic_results import CLASSES, SyntheticResults
from ulmfit.evaluate.hardest import DOCUMENTS

COLUMNS = [f"p_{name}" for name in CLASSES]


def rows_of(study: SyntheticResults, name: str) -> list[dict[str, str]]:
    with open(study.tables / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def predictions(study: SyntheticResults, run: str, fold: str) -> pd.DataFrame:
    folder = study.results / run / ("test" if fold == "test" else "")
    table = pd.read_parquet(folder / "predictions.parquet")
    return table[table["fold"] == fold].set_index("document")


def test_the_documents_are_those_with_the_least_probable_labels(
    synthetic_results: SyntheticResults,
) -> None:
    by_run: dict[tuple[str, str, str, str], list[dict[str, str]]] = {}
    for row in rows_of(synthetic_results, "hardest"):
        key = (row["experiment"], row["cell"], row["run"], row["fold"])
        by_run.setdefault(key, []).append(row)
    assert {fold for *_, fold in by_run} == {"report", "test"}
    for (_, _, run, fold), rows in by_run.items():
        table = predictions(synthetic_results, run, fold)
        of_label = pd.Series(
            [table.at[name, f"p_{label}"] for name, label in table["label"].items()], table.index
        )
        expected = of_label.sort_values(kind="stable").index[:DOCUMENTS]
        assert [row["document"] for row in rows] == list(expected)
        for row in rows:
            assert row["label"] == table.at[row["document"], "label"]
            assert row["predicted"] == table.loc[row["document"], COLUMNS].idxmax()[2:]
            best = table.loc[row["document"], COLUMNS].max()
            assert float(row["probability"]) == pytest.approx(best, abs=1e-4)
            loss = -np.log(of_label[row["document"]])
            assert float(row["loss"]) == pytest.approx(loss, abs=1e-4)


def test_every_run_behind_a_row_is_there(synthetic_results: SyntheticResults) -> None:
    runs = Counter(
        (row["experiment"], row["cell"]) for row in rows_of(synthetic_results, "hardest")
    )
    for name in ("main", "ensembles", "low-shot", "sealed"):
        for row in rows_of(synthetic_results, name):
            assert runs[name, row["cell"]] == DOCUMENTS * int(row["seeds"])


def test_pairs_add_up_to_the_confusion_matrix_and_rank_the_wrong_ones(
    synthetic_results: SyntheticResults,
) -> None:
    by_run: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows_of(synthetic_results, "pairs"):
        by_run.setdefault((row["run"], row["fold"]), []).append(row)
    for (run, fold), rows in by_run.items():
        table = predictions(synthetic_results, run, fold)
        predicted = table[COLUMNS].idxmax(axis=1).str.removeprefix("p_")
        expected = Counter(zip(table["label"], predicted, strict=True))
        assert {(row["label"], row["predicted"]): int(row["count"]) for row in rows} == expected
        assert all((row["label"] == row["predicted"]) == (row["rank"] == "") for row in rows)
        ranked = sorted((int(row["rank"]), -int(row["count"])) for row in rows if row["rank"])
        assert [rank for rank, _ in ranked] == list(range(1, len(ranked) + 1))
        assert ranked == sorted(ranked, key=lambda pair: pair[1])


def test_no_column_holds_text(synthetic_results: SyntheticResults) -> None:
    for path in synthetic_results.tables.glob("*.csv"):
        with open(path, newline="") as file:
            assert "text" not in next(csv.reader(file))
