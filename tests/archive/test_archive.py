"""An archive gives back what readers saw, holds no text, and is refused when it is damaged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from ulmfit import cli, readers
from ulmfit.archive.contents import reader_files
from ulmfit.archive.pack import pack, read_index, seal, unpack
from ulmfit.archive.records import machine_folder
from ulmfit.archiving import archive_study, archives, restore
from ulmfit.config.paths import DUPLICATES
from ulmfit.errors import UserError
from ulmfit.evaluate.predictions import read_predictions
from ulmfit.store.files import read_json, sha256, write_json

Copy = Callable[[], Path]


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_all_that_readers_see_comes_back_byte_for_byte(
    study: Path, archive: Path, tmp_path: Path
) -> None:
    index = restore(archive, tmp_path / "again")
    names = reader_files(study)
    suffixes = {Path(name).suffix for name in names}
    assert {".csv", ".md", ".svg", ".png", ".html"} <= suffixes
    assert reader_files(tmp_path / "again") == names
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (study / name).read_bytes(), name
    assert index["without_text"] == []


def test_files_of_runs_come_back(study: Path, archive: Path, tmp_path: Path) -> None:
    unpack(archive, tmp_path)
    for path in tmp_path.rglob("*"):
        name = path.relative_to(tmp_path)
        if path.name == "predictions.parquet":
            before, after = read_predictions(study / name), read_predictions(path)
            assert before.classes == after.classes
            for part in ("document", "fold", "label", "probability"):
                np.testing.assert_array_equal(getattr(before, part), getattr(after, part))
        elif path.is_file():
            assert path.read_bytes() == (study / name).read_bytes(), name
    runs = read_json(study / "manifest.json")["runs"]
    unsealed = read_json(study / "manifest.json")["unsealed"]
    assert len(list(tmp_path.rglob("predictions.parquet"))) == len(runs) + len(unsealed)


def test_the_same_study_gives_the_same_bytes(changed: Copy, damaged: Path, tmp_path: Path) -> None:
    results = changed()
    for path in results.rglob("*"):
        os.utime(path, (1, 1))
    archive_study(results, tmp_path / "second")
    assert bytes_of(tmp_path / "second") == bytes_of(damaged)


def test_copies_in_each_of_two_corpora_come_back(two_corpora: Path, tmp_path: Path) -> None:
    archive, again = tmp_path / "archive", tmp_path / "again"
    archive.mkdir()
    again.mkdir()
    seal(archive, pack(two_corpora, archive))
    unpack(archive, again)
    for corpus in ("library-docs", "wiki"):
        name = DUPLICATES.format(dataset="docstrings", corpus=corpus)
        assert (again / name).read_bytes() == (two_corpora / name).read_bytes()


def test_it_is_a_handful_of_files_without_text_or_weights(archive: Path) -> None:
    assert set(bytes_of(archive)) == {
        *("archive.json", "manifest.json", "provenance.json", "records.jsonl"),
        *("predictions-docstrings.parquet", "duplicates-docstrings-library-docs.parquet"),
        "ro-crate-metadata.json",
    }
    lines = (archive / "records.jsonl").read_text().splitlines()
    names = {Path(json.loads(line)["path"]).name for line in lines}
    assert not names & {"model.safetensors", "vocabulary.txt", "documents.parquet"}
    assert "a sentence of a document" not in "".join(lines)
    schema = parquet.read_schema(archive / "predictions-docstrings.parquet")
    assert schema.names[:4] == ["run", "document", "fold", "label"]
    assert all(name.startswith("p_") for name in schema.names[4:])


HOME = str(Path("/", "home", "someone"))
SUPERUSER = str(Path("/", "root"))
"""Invented folders, written in parts: a search for paths in this repository shall find none."""


@pytest.mark.parametrize(
    "text",
    [
        f"{HOME}/study/x",
        'at "/usr/lib/y"',
        "in /tmp/a/b.py:3",
        '["/data/mine/z.csv"]',
        "x=/mnt/d/",
        rf"at\n{SUPERUSER}/x",
        f"file://{HOME}/x",
    ],
)
def test_a_folder_of_the_machine_is_known(text: str) -> None:
    assert machine_folder(text).startswith("/")


@pytest.mark.parametrize(
    "text",
    ["https://arxiv.org/abs/1801", "results/a/b", "and/or", "1 / 2", "docs/ulmfit/x", "</p>"],
)
def test_addresses_and_relative_paths_are_none(text: str) -> None:
    assert machine_folder(text) == ""


def test_a_study_that_names_folders_of_the_machine_is_refused(
    changed: Copy, tmp_path: Path
) -> None:
    results = changed()
    path = results / "data/docstrings/source.json"
    write_json(path, {**read_json(path), "file": f"{HOME}/texts/a.csv"})
    with pytest.raises(UserError, match=rf"source\.json names the folder {HOME}/texts/a\.csv"):
        archive_study(results, tmp_path / "archive")
    assert not (tmp_path / "archive").exists()


def test_logs_that_name_folders_of_the_machine_are_left_out(changed: Copy, tmp_path: Path) -> None:
    results = changed()
    run = read_json(results / "manifest.json")["runs"][0]["path"]
    name = f"logs/{run}.log"
    (results / name).write_text("/usr/lib/python3/warnings.py: a warning\n")
    index = archive_study(results, tmp_path / "archive")
    assert index["left_out"] == [name]
    assert "warnings.py" not in (tmp_path / "archive/records.jsonl").read_text()


def test_each_changed_byte_is_said_with_its_file(damaged: Path, tmp_path: Path) -> None:
    for path in sorted(damaged.iterdir()):
        content = path.read_bytes()
        for place in np.linspace(0, len(content) - 1, 7).astype(int):
            # Not the last line end, which no value depends on.
            place = min(place, len(content) - 3)
            path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            with pytest.raises(UserError) as told:
                restore(damaged, tmp_path / "again")
            assert path.name in str(told.value)
            assert "\n" not in str(told.value)
        path.write_bytes(content)
    assert not (tmp_path / "again").exists()
    read_index(damaged)


def test_a_lost_file_and_a_folder_without_archive_are_said(damaged: Path, tmp_path: Path) -> None:
    (damaged / "records.jsonl").unlink()
    with pytest.raises(UserError, match=r"has lost records\.jsonl: get it again"):
        read_index(damaged)
    with pytest.raises(UserError, match="is no archive"):
        read_index(tmp_path)
    with pytest.raises(UserError, match="has no archive: make one with make archive"):
        archives(tmp_path / "nothing")


def test_an_archive_of_another_format_is_said(damaged: Path) -> None:
    write_json(damaged / "archive.json", {**read_json(damaged / "archive.json"), "format": 99})
    with pytest.raises(UserError, match="has format 99, this code reads format 1"):
        read_index(damaged)


def test_no_archive_writes_outside_of_its_study(damaged: Path, tmp_path: Path) -> None:
    (damaged / "records.jsonl").write_text('{"path":"../outside.txt","text":"x"}\n')
    index = read_json(damaged / "archive.json")
    index["files"]["records.jsonl"]["sha256"] = sha256(damaged / "records.jsonl")
    write_json(damaged / "archive.json", index)
    with pytest.raises(UserError, match="outside of its study"):
        restore(damaged, tmp_path / "deep" / "again")
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_study_that_is_trained_beside_is_not_touched(
    changed: Copy, damaged: Path, tmp_path: Path
) -> None:
    results = changed()
    before = bytes_of(results)
    with pytest.raises(UserError, match="holds something else"):
        restore(damaged, results)
    assert bytes_of(results) == before
    again = tmp_path / "again"
    restore(damaged, again)
    (again / "left-over.txt").write_text("of an earlier call")
    restore(damaged, again)
    assert not (again / "left-over.txt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"results", "damaged", "again"}


def test_an_unfinished_study_is_refused_and_its_older_archive_stays(
    changed: Copy, damaged: Path
) -> None:
    before = bytes_of(damaged)
    results = changed()
    run = read_json(results / "manifest.json")["runs"][0]["path"]
    (results / run / "predictions.parquet").unlink()
    with pytest.raises(UserError, match=r"1 of its files are missing: .*predictions\.parquet"):
        archive_study(results, damaged)
    assert bytes_of(damaged) == before


def test_tables_that_are_not_those_of_the_runs_are_refused(changed: Copy, tmp_path: Path) -> None:
    results = changed()
    table = results / "tables" / "main.csv"
    table.write_text(table.read_text().replace("0.", "0.1", 1))
    (results / "tables" / "gone.csv").write_text("of an experiment that is no more\n")
    with pytest.raises(UserError, match=r"tables/gone\.csv, tables/main\.csv would not come back"):
        archive_study(results, tmp_path / "archive")
    assert not (tmp_path / "archive").exists()


def test_a_paper_that_is_not_that_of_the_runs_is_refused(changed: Copy, tmp_path: Path) -> None:
    results = changed()
    (results / "report/paper.pdf").write_text("of an earlier run")
    with pytest.raises(UserError, match=r"report/paper\.pdf would not come back"):
        archive_study(results, tmp_path / "archive")


def logs_page(results: Path) -> None:
    """A page that shows the text of a document and a log, as the report does."""
    texts = results / "data/docstrings/documents.parquet"
    logs = sorted((results / "logs").rglob("*.log"))
    shown = [str(texts.exists()), *(f"{log.name}: {log.read_text()}" for log in logs)]
    tables = (results / "tables" / "main.csv").read_text()
    (results / "report/report.html").write_text("\n".join([*shown, tables]))


@pytest.mark.parametrize("change", ["log", "lost log", "page"])
def test_a_report_that_is_not_that_of_the_runs_is_refused(
    changed: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, logs_page))
    results = changed()
    logs_page(results)
    run = read_json(results / "manifest.json")["runs"][0]["path"]
    changes = {
        "log": lambda: (results / f"logs/{run}.log").write_text("of a later run\n"),
        "lost log": lambda: (results / f"logs/{run}.log").unlink(),
        "page": lambda: (results / "report/report.html").write_text("True, of older tables"),
    }
    changes[change]()
    with pytest.raises(UserError, match=r"report/report\.html would not come back") as told:
        archive_study(results, tmp_path / "archive")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "archive").exists()


def test_a_report_that_shows_logs_that_are_left_out_is_checked_with_them(
    changed: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, logs_page))
    results = changed()
    run = read_json(results / "manifest.json")["runs"][0]["path"]
    (results / f"logs/{run}.log").write_text("/usr/lib/python3/warnings.py: a warning\n")
    logs_page(results)
    index = archive_study(results, tmp_path / "archive")
    assert index["left_out"] == [f"logs/{run}.log"]
    assert index["without_text"] == ["report/report.html"]


def test_pages_that_show_text_are_told_and_checked_without_it(
    changed: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page(results: Path) -> None:
        there = (results / "data/docstrings/documents.parquet").exists()
        (results / "report/texts.html").write_text("a text" if there else "not in the archive")

    monkeypatch.setattr(readers, "READERS", (*readers.READERS, page))
    results = changed()
    page(results)
    index = archive_study(results, tmp_path / "archive")
    assert index["without_text"] == ["report/texts.html"]
    restore(tmp_path / "archive", tmp_path / "again")
    assert (tmp_path / "again/report/texts.html").read_text() == "not in the archive"


def test_other_bytes_than_those_of_the_study_are_said(
    damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(results: Path) -> None:
        (results / "figures" / "figures.json").write_text("drawn by another version")

    monkeypatch.setattr(readers, "READERS", (*readers.READERS, another))
    with pytest.raises(UserError, match=r"figures/figures\.json \(1 of \d+\) differ from"):
        restore(damaged, tmp_path / "again")
    assert (tmp_path / "again" / "tables" / "main.csv").exists()


def test_one_damaged_archive_keeps_no_other_from_coming_back(
    damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = shutil.copytree(damaged, tmp_path / "whole")
    (damaged / "records.jsonl").unlink()
    line = ["restore", "--archive", str(damaged), str(whole), "--output", str(tmp_path / "again")]
    assert cli.main(line) == 1
    assert "has lost records.jsonl" in capsys.readouterr().err
    assert (tmp_path / "again/whole/tables/main.csv").exists()


def test_runs_with_different_classes_are_refused(changed: Copy, tmp_path: Path) -> None:
    results = changed()
    run = read_json(results / "manifest.json")["runs"][0]["path"]
    path = results / run / "predictions.parquet"
    table = parquet.read_table(path).rename_columns(
        [name.replace("p_note", "p_remark") for name in parquet.read_schema(path).names]
    )
    parquet.write_table(table, path)
    (tmp_path / "archive").mkdir()
    with pytest.raises(UserError, match="has other columns than"):
        pack(results, tmp_path / "archive")


def test_the_command_line_archives_and_restores(
    changed: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, output = tmp_path / "archive" / "synthetic", tmp_path / "build"
    assert cli.main(["archive", "--results", str(changed()), "--output", str(archive)]) == 0
    assert cli.main(["restore", "--archive", str(archive), "--output", str(output)]) == 0
    assert str(output / "synthetic/report/report.html") in capsys.readouterr().out
    assert (output / "synthetic/report/report.html").exists()
