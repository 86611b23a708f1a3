from __future__ import annotations

from ulmfit.store import progress as module
from ulmfit.store.progress import progress


def test_elements_pass_unchanged_and_one_line_says_the_end(capsys):
    assert list(progress("abc", 3, "letters")) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("letters: 3 in ")


def test_lines_give_rate_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    list(progress(range(2), 4, "steps"))
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("steps: 1/4, ")
    assert first.endswith(" s left")


def test_an_empty_iterable_is_no_error(capsys):
    assert list(progress([], 0, "nothing")) == []
    assert capsys.readouterr().err.startswith("nothing: 0 in ")
