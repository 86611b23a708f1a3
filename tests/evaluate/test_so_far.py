"""Of an unfinished study exactly what is finished is shown, and the rest says what it waits for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ulmfit.config.chains import steps
from ulmfit.config.plan import Plan
from ulmfit.config.runs import Run
from ulmfit.evaluate.so_far import so_far
from ulmfit.store.files import digest, read_json, sha256, write_json
from ulmfit.studies import load_study

SMOKE = Path(__file__).parents[2] / "config/studies/smoke.yaml"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_study(SMOKE)


@pytest.fixture(scope="module")
def every_file(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a finished study, as far as they are looked at: cards and metrics alone have
    content."""
    results = tmp_path_factory.mktemp("finished")
    unsealed = {run.path for run in plan.unsealed()}
    for run in plan.runs():
        for step in steps(plan, run):
            recipe = digest(json.loads(step.recipe))
            write_json(results / step.folder / "card.json", {"recipe_digest": recipe})
            (results / step.folder / "history.csv").touch()
        for folder in ("", "test") if run.path in unsealed else ("",):
            write_json(results / run.path / folder / "metrics.json", metrics_of(run, results))
            (results / run.path / folder / "predictions.parquet").touch()
    whole, _ = so_far(plan, results)
    for entry in whole["leakage"]:
        (results / entry["path"]).parent.mkdir(parents=True, exist_ok=True)
        (results / entry["path"]).touch()
    return results


@pytest.fixture
def results(every_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(every_file, tmp_path / "results"))


def metrics_of(run: Run, results: Path) -> dict[str, Any]:
    """What a score says of its recipe and its inputs; texts are on no disk here."""
    gone = {"results/smoke/data/docstrings-small/documents.parquet": "0" * 64}
    if run.kind == "baseline":
        recipe = digest({"name": run.fields["baseline"]})
        return {"training": {"recipe_digest": recipe}, "inputs": gone}
    cards = [f"{member.path}/card.json" for member in run.members or [run]]
    return {"inputs": {**gone, **{f"results/smoke/{c}": sha256(results / c) for c in cards}}}


def rows(part: dict[str, Any]) -> dict[str, list[tuple[str, int]]]:
    """For each experiment the cells and how many runs they have."""
    return {
        entry["name"]: [(cell["id"], len(cell["runs"])) for cell in entry["cells"]]
        for entry in part["experiments"]
    }


def test_of_a_finished_study_everything_is_finished(plan: Plan, every_file: Path) -> None:
    whole, part = so_far(plan, every_file)
    assert whole.pop("waits") == {}
    assert part == {
        **whole,
        "experiments": [
            {**entry, "reference": entry["reference"] or {}} for entry in whole["experiments"]
        ],
    }


def test_nothing_is_finished_where_nothing_is(plan: Plan, tmp_path: Path) -> None:
    whole, part = so_far(plan, tmp_path)
    assert whole["waits"].keys() == {run.path for run in plan.runs()}
    assert part["runs"] == part["unsealed"] == part["language_models"] == part["leakage"] == []
    assert not any(rows(part).values())
    assert set(whole["waits"].values()) >= {"its fit"}


def test_what_hangs_off_a_missing_model_waits_for_it(plan: Plan, results: Path) -> None:
    first = so_far(plan, results)[0]["language_models"][0]
    (results / first["path"] / "card.json").unlink()
    whole, part = so_far(plan, results)
    hanging = {
        run.path
        for run in plan.runs()
        if any(step.folder == first["path"] for step in steps(plan, run))
    }
    assert 0 < len(hanging) < len(whole["runs"])
    assert whole["waits"] == dict.fromkeys(hanging, f"pretraining ({first['path']}), not begun")
    assert {run["path"] for run in part["runs"]}.isdisjoint(hanging)
    assert first not in part["language_models"]
    ids = {run["path"] for run in part["runs"]}
    for entry in part["experiments"]:
        cells = {cell["id"] for cell in entry["cells"]}
        assert set(entry["reference"].values()) <= cells
        assert all(set(cell["runs"]) <= ids for cell in entry["cells"])
    (results / first["path"] / "checkpoints").mkdir()
    begun = so_far(plan, results)[0]["waits"]
    assert set(begun.values()) == {f"pretraining ({first['path']}), begun"}


def test_a_result_of_another_recipe_is_not_finished(plan: Plan, results: Path) -> None:
    run = next(run for run in plan.runs() if run.kind == "model")
    write_json(results / run.path / "card.json", {"recipe_digest": "0" * 16})
    assert read_json(results / run.path / "card.json")
    reason = f"its training ({run.path}): what is there has another recipe"
    assert so_far(plan, results)[0]["waits"][run.path] == reason


def test_a_run_without_its_score_waits_for_that(plan: Plan, results: Path) -> None:
    kinds = {run.kind: run for run in plan.runs()}
    for run in kinds.values():
        (results / run.path / "predictions.parquet").unlink()
    waits = so_far(plan, results)[0]["waits"]
    assert waits[kinds["baseline"].path] == "its fit"
    assert waits[kinds["ensemble"].path] == "its score"


def test_a_baseline_of_another_recipe_is_not_finished(plan: Plan, results: Path) -> None:
    run = next(run for run in plan.runs() if run.kind == "baseline")
    older = {"name": run.fields["baseline"], "c": [1.0]}
    path = results / run.path / "metrics.json"
    write_json(path, {**read_json(path), "training": {"recipe_digest": digest(older)}})
    whole, part = so_far(plan, results)
    reason = f"its fit ({run.path}): what is there has another recipe"
    assert whole["waits"] == {run.path: reason}
    assert run.path not in {each["path"] for each in part["runs"]}


@pytest.mark.parametrize("kind", ["baseline", "model", "ensemble"])
def test_a_score_of_other_inputs_than_those_that_lie_there_is_not_finished(
    plan: Plan, results: Path, kind: str
) -> None:
    run = next(run for run in plan.runs() if run.kind == kind)
    path = results / run.path / "metrics.json"
    inputs = {"results/smoke/data/docstrings-small/folds.parquet": "0" * 64}
    write_json(path, {**read_json(path), "inputs": inputs})
    assert so_far(plan, results)[0]["waits"] == {}
    folds = results / "data/docstrings-small/folds.parquet"
    folds.parent.mkdir(parents=True, exist_ok=True)
    folds.write_text("other folds")
    what = "its fit" if kind == "baseline" else "its score"
    made_from = "what is there was made from another data/docstrings-small/folds.parquet"
    assert so_far(plan, results)[0]["waits"] == {run.path: f"{what} ({run.path}): {made_from}"}
    write_json(path, {**read_json(path), "inputs": {next(iter(inputs)): sha256(folds)}})
    assert so_far(plan, results)[0]["waits"] == {}


def test_a_score_of_the_sealed_fold_of_another_model_is_not_shown(
    plan: Plan, results: Path
) -> None:
    run = next(run for run in plan.unsealed() if run.kind == "model")
    path = results / run.path / "test/metrics.json"
    write_json(path, {"inputs": {f"results/smoke/{run.path}/card.json": "0" * 64}})
    whole, part = so_far(plan, results)
    assert whole["waits"] == {}
    assert part["unsealed"] == [path for path in whole["unsealed"] if path != run.path]


def test_the_better_of_several_waits_for_all_of_them(plan: Plan, results: Path) -> None:
    whole, part = so_far(plan, results)
    name, cell = next(
        (entry["name"], cell)
        for entry in whole["experiments"]
        for cell in entry["cells"]
        if cell["among"]
    )
    assert (cell["id"], 0) in rows(part)[name]
    (results / cell["among"][-1]["runs"][-1] / "metrics.json").unlink()
    assert (cell["id"], 0) not in rows(so_far(plan, results)[1])[name]


def test_a_row_of_the_sealed_fold_is_there_when_it_was_opened(plan: Plan, results: Path) -> None:
    for path in list(results.rglob("test")):
        shutil.rmtree(path)
    whole, part = so_far(plan, results)
    assert whole["waits"] == {}
    assert part["unsealed"] == []
    for entry in part["experiments"]:
        assert bool(entry["cells"]) == (entry["fold"] != "test")
