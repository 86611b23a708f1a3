"""The forecast beside a finished study: sums of its files. No time is judged."""

import json

import pytest

from bench import plan as bench
from ulmfit.forecast.forecast import forecast
from ulmfit.forecast.speeds import choose

HEAD = "s\th:m:s\tmax_rss\n"


def finished(folder, path, seconds, memory, card=None):
    file = folder / "benchmarks" / f"{path}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{HEAD}{seconds}\t0:00:01\t{memory}\n")
    if card:
        (folder / path).mkdir(parents=True)
        (folder / path / "card.json").write_text(json.dumps(card))


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "results/done"
    card = {"cpu_s": 40.0, "wall_s": 45.0, "peak_memory_mib": 300.0}
    finished(folder, "lm/corpus/word/fwd/ulmfit/s0", 50, 250, card)
    finished(folder, "clf/a/b/word/fwd/x/y/nall/z/n10/s0-0-0/score", 2, 100)
    finished(folder, "tables/tables", 3, 80)
    return folder


def test_what_a_study_used_is_summed_by_stage(study):
    true = bench.used(bench.jobs(study), study)
    assert true["cpu_s"] == {"pretrain": 40.0 + bench.START_S, "score": 2.0, "tables": 3.0}
    assert true["largest_memory"] == 300 * bench.MIB
    assert true["disk"] == sum(f.stat().st_size for f in study.rglob("*") if f.is_file())


def test_the_tables_stand_in_markdown_and_json(study, tmp_path, monkeypatch, capsys):
    def quick(plan, results, cores):
        return forecast(plan, results, cores, choose("none", 0.1, bench.measure))

    monkeypatch.setattr(bench, "predicted", quick)
    assert bench.main([str(study), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "Jobs: 152 planned, 3 run." in said
    assert "|`pretrain`|41.7|" in said
    (path,) = (tmp_path / "out").glob("plan-*.json")
    values = json.loads(path.read_text())
    assert values["from_the_tokens"]["total"]["jobs"] == 153


def test_a_folder_without_results_is_one_line(tmp_path, capsys):
    assert bench.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("bench.plan: ")


def test_errors_are_relative_to_what_was_used():
    assert bench.error(110.0, 100.0) == "+10 %"
    assert bench.error(80.0, 100.0) == "-20 %"
