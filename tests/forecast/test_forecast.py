"""What a study costs: jobs, sharing, hours, memory and disk, before any job runs."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from ulmfit.config.recipes import Classifier, LanguageModel
from ulmfit.config.study import Text
from ulmfit.errors import UserError
from ulmfit.forecast.forecast import forecast
from ulmfit.forecast.jobs import Jobs, alone
from ulmfit.forecast.needs import Need, Needs
from ulmfit.forecast.progress import left
from ulmfit.forecast.show import show
from ulmfit.forecast.speeds import GPUS, Calibrated, choose, line, named
from ulmfit.forecast.texts import TEXTS, Sizes, guess
from ulmfit.forecast.timeline import BEGIN_S, JOB_S, timeline
from ulmfit.forecast.work import Works
from ulmfit.studies import load_plan, load_study

CONFIG = Path(__file__).parents[2] / "config"
NOWHERE = Path("absent")
SMALL = {
    "study": "small",
    "datasets": {"trec6": {"corpus": "wikitext-2"}},
    "seeds": {"runs": [0, 1], "vary": ["finetune", "classify"]},
    "experiments": {
        "parts": {
            "title": "Parts",
            "n_labelled": [100, 200],
            "cells": ["ulmfit", "no-pretraining", "from-scratch", "tfidf"],
        }
    },
}


def plan_of(**changes):
    return load_plan({**SMALL, **changes}, CONFIG, "small.yaml")


def stages(plan):
    # So slow that the start of a process is nothing beside it.
    found = forecast(plan, NOWHERE, 2, choose("none", 1e-4, None))
    return {stage.rule: stage for stage in found.stages}


def test_shared_and_unshared_trainings_are_those_counted_by_hand():
    found = stages(plan_of())
    trained = {rule: (found[rule].jobs, found[rule].alone) for rule in
               ("pretrain", "finetune", "classify")}  # fmt: skip
    # Rows with a model: three variants, 100 and 200 labels, two seeds: 12 runs, each a classifier.
    # Only `ulmfit` is pretrained (4 runs, one model), `from-scratch` has no LM fine-tuning (8 runs;
    # two variants and two seeds, the same for 100 and 200 labels).
    assert trained == {"pretrain": (1, 4), "finetune": (4, 8), "classify": (12, 12)}
    assert found["score"].jobs == 12
    assert found["baseline"].jobs == 2
    # One LM costs what it costs, however often.
    assert found["pretrain"].alone_cpu_s == pytest.approx(4 * found["pretrain"].cpu_s)


def test_an_ensemble_counts_its_members_as_models_of_its_own():
    experiment = {"title": "E", "n_labelled": [100], "cells": ["ulmfit"]}
    ensemble = {**experiment, "cells": ["ulmfit", {"variant": "ulmfit", "ensemble": "fwd+bwd"}]}
    one, two = (
        Counter(key.split(":")[0] for key in alone(plan_of(experiments={"e": cells})))
        for cells in (experiment, ensemble)
    )
    assert one == {"pretrain": 2, "finetune": 2, "classify": 2}
    assert two == {"pretrain": 6, "finetune": 6, "classify": 6}


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "classify"])
def test_twice_the_epochs_are_twice_the_cost_of_the_stage_alone(stage):
    seconds = {}
    for epochs in (1000, 2000):
        plan = plan_of(recipes={stage: {"epochs": epochs}})
        seconds[epochs] = {rule: found.cpu_s for rule, found in stages(plan).items()}
    for rule, once in seconds[1000].items():
        expected = 2 if rule == stage else 1
        assert seconds[2000][rule] / max(once, 1e-9) == pytest.approx(
            expected * bool(once), rel=0.02
        )


def test_jobs_come_after_what_they_wait_for():
    jobs = Jobs(load_study(CONFIG / "studies/smoke.yaml")).found
    places = {key: place for place, key in enumerate(jobs)}
    assert all(places[read] < places[job.key] for job in jobs.values() for read in job.inputs)


def test_a_calibration_is_asked_for_each_shape_once_and_fits_what_it_measured():
    asked = []

    def measure(shape, trained, device):
        asked.append(shape.key)
        assert device == "cpu"
        assert trained[-1] == ()
        return [1e-3] * len(trained)

    plan = plan_of()
    works = Works(Sizes(plan))
    found = [work for job in Jobs(plan).found.values() if (work := works.of(job))]
    speed = Calibrated(found, measure, "", gpu=False)
    assert len(asked) == len(set(asked)) == len({work.shape.key for work in found})
    work = next(work for work in found if isinstance(work.shape.recipe, LanguageModel))
    tokens = sum(part.tokens for part in work.parts)
    largest = max(
        (one for one in found if one.shape.key == work.shape.key), key=lambda one: one.flops
    )
    assert speed.seconds(largest) == pytest.approx(1e-3 * sum(p.tokens for p in largest.parts))
    assert 0 < speed.seconds(work) <= 1.001e-3 * tokens


def test_between_two_points_lies_a_line():
    assert line([(10.0, 2.0), (30.0, 4.0)], 20.0) == pytest.approx(3.0)
    assert line([(10.0, 2.0)], 20.0) == pytest.approx(4.0)


def test_the_wall_time_heeds_cores_the_gpu_and_who_waits_for_whom():
    plan = plan_of()
    jobs = Jobs(plan).found
    for gpu in (False, True):
        needs = {key: Need(1.0, 1, gpu, 1.0, 0.0) for key in jobs}
        found = {n: timeline(jobs, needs, jobs.keys(), n) for n in (1, 3, 1000)}
        each = 1.0 + JOB_S
        assert found[1].wall_s == pytest.approx(BEGIN_S + len(jobs) * each)
        assert found[1].memory == 1.0
        assert found[1].chain_s == found[1000].chain_s
        if gpu:
            assert found[1000].wall_s == pytest.approx(found[1].wall_s)
        else:
            assert found[1].wall_s > found[3].wall_s > found[1000].wall_s
            assert found[1000].wall_s == pytest.approx(found[1000].chain_s)
    assert timeline(jobs, needs, (), 2).wall_s == 0


def test_sizes_before_the_data_are_those_of_the_publishers_and_after_it_counted(tmp_path):
    plan = plan_of()
    sizes = Sizes(plan, tmp_path)
    fields = next(run.fields for run in plan.runs() if run.kind == "model")
    assert sizes.documents("trec6") == {
        "fit": 4_052, "select": 500, "report": 900, "test": 500, "unlabelled": 0
    }  # fmt: skip
    assert sizes.basis("trec6") == TEXTS["trec6"].basis
    folder = tmp_path / plan.tokens("trec6", fields)
    folder.mkdir(parents=True)
    folds = {"fit": {"documents": 10, "tokens": 70}, "select": {"documents": 2, "tokens": 9}}
    (folder / "tokens.json").write_text(json.dumps({"vocabulary": 33, "folds": folds}))
    sizes = Sizes(plan, tmp_path)
    assert sizes.vocabulary("trec6", fields) == 33
    assert sizes.read(fields).tokens == 70
    assert sizes.labelled({**fields, "n_labelled": "5"}).tokens == 35
    assert sizes.basis("trec6").startswith("counted")


def test_an_unknown_text_is_guessed_from_its_bytes_and_says_so(tmp_path):
    file = tmp_path / "train.csv"
    file.write_text("x" * 50_000)
    found = guess(Text(source="table", files={"train": str(file)}))
    assert found.train == 100
    assert "guess" in found.basis
    assert "guess" in guess(Text(source="table", files={"train": "absent.csv"})).basis


def finish(jobs, results, plan):
    for job in jobs.values():
        for path in job.outputs:
            file = Path(path) if job.fetched else results / path
            file.parent.mkdir(parents=True, exist_ok=True)
            recipe = {}
            if file.name == "card.json":
                recipe = {"recipe": json.loads(plan.recipe(job.rule, job.fields))}
            file.write_text(json.dumps(recipe))


def test_only_what_results_lack_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan, results = plan_of(), tmp_path / "results/small"
    jobs = Jobs(plan).found
    assert left(plan, jobs, results) == jobs.keys()
    finish(jobs, results, plan)
    assert left(plan, jobs, results) == set()
    # Weights that no job left reads may go.
    for file in results.rglob("model.safetensors"):
        file.unlink()
    assert left(plan, jobs, results) == set()
    more = plan_of(recipes={"classify": {"epochs": 60}})
    count = Counter(key.split(":")[0] for key in left(more, Jobs(more).found, results))
    assert count == {
        "pretrain": 1, "finetune": 4, "classify": 12, "score": 12,
        "tables": 1, "figures": 1, "report": 1, "paper": 1, "all": 1,
    }  # fmt: skip


def test_memory_and_disk_grow_with_the_model():
    needs = {}
    for hidden in (100, 2000):
        plan = plan_of(recipes={"architecture": {"hidden": hidden}})
        of = Needs(Sizes(plan), named("h200"))
        needs[hidden] = {job.rule: of.of(job) for job in Jobs(plan).found.values()}
    for rule in ("pretrain", "finetune", "classify"):
        assert needs[2000][rule].memory > needs[100][rule].memory
        assert needs[2000][rule].disk > needs[100][rule].disk
    assert needs[2000]["score"] == needs[100]["score"]


def test_the_size_up_to_which_memory_is_kept_is_that_of_the_trainings():
    from ulmfit.forecast import work
    from ulmfit.model import classifier
    from ulmfit.train import device

    assert work.SMALL == device.SMALL
    assert work.INNER_VALUES == classifier.INNER_VALUES


def test_a_rate_of_ones_own_and_unknown_gpus():
    assert all("assumed" in rate.basis or "measured" in rate.basis for rate in GPUS.values())
    speed = choose("none", 2.0, None)([])
    assert not speed.gpu
    plan = plan_of()
    works = Works(Sizes(plan))
    work = next(one for job in Jobs(plan).found.values() if (one := works.of(job)))
    assert speed.seconds(work) == pytest.approx(work.flops / 2e12)
    with pytest.raises(UserError, match="gpu 'tpu': not in the table; known: unnamed, h200"):
        choose("tpu", None, None)


def test_the_table_says_what_it_is():
    found = forecast(plan_of(), NOWHERE, 3, choose("h200", None, None))
    text = "\n".join(show(found))
    assert "nothing was started" in text
    assert "assumed" in text
    assert "saves 7 of 24 trainings" in text
    assert "3 cores" in text
    values = json.loads(json.dumps(found.as_dict()))
    assert values["saved_by_sharing"]["trainings"] == 7
    assert values["total"]["jobs"] == len(Jobs(plan_of()).found)


def test_a_shape_is_told_by_what_makes_it_slow():
    works = Works(Sizes(plan_of()))
    shapes = [w.shape for job in Jobs(plan_of()).found.values() if (w := works.of(job))]
    shape = next(one for one in shapes if isinstance(one.recipe, Classifier))
    longer = dataclasses.replace(shape, length=8 * shape.length)
    bf16 = dataclasses.replace(shape.recipe, precision="bf16")
    assert len({shape.key, longer.key, dataclasses.replace(shape, recipe=bf16).key}) == 3
