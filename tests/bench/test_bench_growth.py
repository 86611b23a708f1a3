"""Growth at tiny sizes: every panel, by stages that did their work. No time is judged."""

import json

import pytest

from bench import engine
from bench.growth import PANELS, exponent, main
from bench.growth_figure import draw


def test_every_panel_is_measured_and_drawn_alike(tmp_path, capsys):
    assert main(["--quick", "--output", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())["growth"]
    assert found.keys() == PANELS.keys()
    for panel in found.values():
        for points in panel["series"].values():
            assert len(points) == 2
            assert all(one["cpu"][0] > 0 and one["peak_mib"][0] > 0 for one in points)
    assert [one["size"] for one in found["jobs"]["series"]["run"]] == [18, 21]
    (figure,) = tmp_path.glob("*.svg")
    draw({name: found[name] for name in PANELS}, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == figure.read_bytes()
    text = capsys.readouterr().out
    assert all(f"## {name.capitalize()}" in text for name in PANELS)


def test_a_trivial_run_makes_everything_and_leaves_nothing_to_do():
    found = engine.measure(1, 1, run=True)
    assert found["run"]["jobs"] == found["dry run"]["jobs"]
    assert found["run"]["jobs"]["classify"] == 1
    assert not found["nothing to do"]["jobs"]


def test_no_rule_keeps_its_command():
    for path in (engine.ROOT / "workflow/rules").glob("*.smk"):
        rules = path.read_text(encoding="utf-8")
        trivial = engine.without_commands(rules)
        assert trivial.count('"touch {output}"') == rules.count("    shell:\n")
        assert "python -m" not in trivial


def test_a_run_that_fails_is_reported(tmp_path):
    study = engine.trivial_study(1, 1) | {"datasets": {"nowhere": {"corpus": "nowhere"}}}
    with pytest.raises(engine.SnakemakeFailed, match="nowhere"):
        engine.snakemake(study, tmp_path, engine.DRY_RUN)


def test_the_exponent_of_a_power_is_found():
    sizes = [1, 10, 70]
    assert exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)
