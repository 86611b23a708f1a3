"""A study without any language model runs to its report, and to that of Snakemake."""

import zipfile

import yaml

from running import CONFIG, snakemake, write_study


def test_a_study_of_baselines_alone_ends_with_a_report(tmp_path):
    study = yaml.safe_load((CONFIG / "studies/smoke.yaml").read_text())
    rivals = {"title": "Rivals {{ 7 * 7 }}", "cells": ["tfidf", "nb-svm"], "reference": "tfidf"}
    study |= {"study": "rivals", "experiments": {"rivals": rivals | {"n_labelled": [40]}}}
    path = write_study(tmp_path, study)
    done = snakemake(tmp_path, "--configfile", path, "--show-failed-logs")
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    results = tmp_path / "results/rivals"
    assert "Rivals {{ 7 * 7 }}" in (results / "report/report.html").read_text()
    sheet = (results / "tables/language_models.md").read_text()
    assert len([line for line in sheet.splitlines() if line.startswith("|")]) == 2

    done = snakemake(tmp_path, "--configfile", path, "--report", tmp_path / "report.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as made:
        page = made.read("report/report.html").decode()
    # Captions are HTML in a string of the script.
    for text in ("100 documents, 1 seed a line", "Small dots: single seeds", "Rivals {{ 7 * 7 }}"):
        assert text in page
    for label in ("Tables", "Figures", "Report", "fold", "labels", "seeds"):
        assert f'"{label}"' in page
